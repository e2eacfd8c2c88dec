"""The first layer on dense examples: from rows of X to its pre-activations.

Where a batch has fewer rows than an example has numbers, threads share the inputs and
not the examples: each goes through all rows with its half of the weights, which stay in
its cache, and what the halves exchange is their sums, (n, d_h), instead of weights and
their gradient, (d, d_h).  The inputs are halved for any number of threads, one as well:

    A = (X[:, :half_at] W[:half_at] + b) + X[:, half_at:] W[half_at:]          (D.1)
"""

from typing import Any

from mlproof.engines.compiled.gather import Dense, ask_for, gather
from mlproof.engines.compiled.machine import ZERO, flat, view
from mlproof.engines.compiled.plan import (
    B_AT,
    CAPACITY,
    FAN_IN,
    FAN_OUT,
    HALF_AT,
    IN_AT,
    N_THREADS,
    OUT_AT,
    W_AT,
    Tables,
    spare_at,
)
from mlproof.engines.compiled.products import forwards
from mlproof.engines.compiled.toolchain import part
from mlproof.engines.compiled.update import add
from mlproof.engines.compiled.zero_inputs import forwards_marked


@part
def first_layer(
    tables: Tables,
    theta: Any,
    work: Any,
    X: Dense,
    who: Any,
    start: int,
    first: int,
    last: int,
    room: Any,
    zero_inputs: Any,
    chunk: int,
    thread: int,
) -> None:
    """From the inputs first to last of these rows to the first layer's sums  (D.1)."""
    layers, network = tables.layers, tables.network
    capacity, rows = network[CAPACITY], who.size
    fan_in, fan_out = layers[0, FAN_IN], layers[0, FAN_OUT]
    inputs = view(work, layers[0, IN_AT] * capacity + start * fan_in, rows, fan_in)
    gather(X, who, first, last, inputs)
    W = view(theta, layers[0, W_AT], fan_in, fan_out)
    b = theta[layers[0, B_AT] : layers[0, B_AT] + fan_out]
    A = view(work, layers[0, OUT_AT] * capacity + start * fan_out, rows, fan_out)
    if first > 0:
        A, b = view(work, spare_at(network, start), rows, fan_out), b[:0]
    if zero_inputs is None:
        forwards(inputs, first, last, W, b, A, room)
    else:
        forwards_marked(inputs, first, last, W, b, A, zero_inputs, start, chunk, thread)


@part
def ask_for_share(
    tables: Tables, X: Dense, rows: Any, thread: int, part_of_it: int, n_parts: int
) -> None:
    """Ask for a part of what a thread will read of X in a batch of these rows."""
    n_threads, half_at = tables.network[N_THREADS], tables.network[HALF_AT]
    fan_in, n = tables.layers[0, FAN_IN], rows.size
    first, last = ZERO, fan_in
    begin, end = thread * n // n_threads, (thread + 1) * n // n_threads
    if half_at and n_threads == 2:
        first, last = (half_at, fan_in) if thread else (ZERO, half_at)
        begin, end = ZERO, n
    start = begin + part_of_it * (end - begin) // n_parts
    stop = begin + (part_of_it + 1) * (end - begin) // n_parts
    ask_for(X.described, rows[start:stop], first, last)


@part
def add_second_half(tables: Tables, work: Any, start: int, rows: int) -> None:
    """Add the second half's sums to the first's."""
    network, fan_out = tables.network, tables.layers[0, FAN_OUT]
    at = tables.layers[0, OUT_AT] * network[CAPACITY]
    A = view(work, at + start * fan_out, rows, fan_out)
    B = view(work, spare_at(network, start), rows, fan_out)
    add(flat(A), flat(B))
