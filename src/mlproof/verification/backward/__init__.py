"""Somebody's hand-written backward pass of this network, and the mistakes in it."""

from mlproof.verification.backward.check import check_backward as check_backward
