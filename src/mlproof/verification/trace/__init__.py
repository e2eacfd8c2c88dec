"""One training step, every number of it beside its formula and its check."""

from mlproof.verification.trace.record import Node as Node
from mlproof.verification.trace.record import Trace as Trace
from mlproof.verification.trace.tracing import trace_step as trace_step
