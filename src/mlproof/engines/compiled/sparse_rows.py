"""The first layer on sparse examples: work for what is there, none for what is not.

A batch touches the columns in which one of its examples has an entry; theta holds the
weights of each column in one piece, a row.  The gradient of every other row is that of
the penalty alone, so under SGD such a row and its velocity obey a linear recurrence

    (w, v) <- M_t (w, v),    M_t a matrix of 2 x 2 numbers, the same for all rows,

and a row that was left alone for some steps is brought forward by one product of their
matrices when it is touched again, or when the ledger is closed (O.4).  What the penalty
was in these steps is told then, too, from what the row was before them (O.5).
"""

import math
from typing import Any

from mlproof.engines.compiled.batch_columns import CSR, STEPS_DONE, Columns
from mlproof.engines.compiled.machine import address_of
from mlproof.engines.compiled.toolchain import part
from mlproof.engines.compiled.update import (
    ADAM,
    DECAY_1,
    DECAY_2,
    EPSILON,
    NESTEROV,
    add_penalty,
    step,
)
from mlproof.engines.compiled.weighted_rows import weighted_rows

# A line of the ledger, one for each step: the matrix that brings a row from there to
# now, and what w w, w v, v v and |w| there count in the penalty since then.
W_W, W_V, V_W, V_V, OWES_WW, OWES_WV, OWES_VV, OWES_ABS = range(8)
NOTHING_YET = 1, 0, 0, 1, 0, 0, 0, 0

# How the rows of the first layer change: all at every step; those touched, the others
# when they are needed (SGD); or those touched alone (the lazy Adam).
EVERY_ROW, DEFERRED, TOUCHED_ONLY = range(3)


@part
def forwards_sparse(X: CSR, who: Any, W: Any, b: Any, A: Any) -> None:
    """A = X W + b for the sparse rows of these numbers  (D.1)."""
    x, columns, size = address_of(X.data), address_of(X.indices), b.itemsize
    for i in range(who.size):
        e = X.indptr[who[i]]
        n, row = X.indptr[who[i] + 1] - e, address_of(A) + i * b.size * size
        at = columns + e * X.indices.itemsize
        weighted_rows(address_of(b), x + e * size, at, n, W, row)


@part
def row_gradient(
    begin: int, end: int, members: Any, values: Any, G: Any, grad: Any
) -> None:
    """The gradient of the weights of one column, from its entries  (D.4)."""
    x = address_of(values) + begin * values.itemsize
    rows = address_of(members) + begin * members.itemsize
    weighted_rows(0, x, rows, end - begin, G, address_of(grad))


@part
def recurrence(rule: int, rate: float, momentum: float, l2: float) -> Any:
    """M_t, of a step whose gradient is that of the penalty alone, 2 l2 w  (O.4)."""
    shrink = 2 * rate * l2
    # v <- momentum v - shrink w  (O.1), and w by v, or ahead of it  (O.1, O.2)
    if rule == NESTEROV:
        return 1 - shrink - momentum * shrink, momentum * momentum, -shrink, momentum
    return 1 - shrink, momentum, -shrink, momentum


@part
def settle(line: Any, mode: int, w: Any, v: Any) -> Any:
    """(w, v) <- M (w, v); what the penalty of w was since the step of this line."""
    dtype = w.dtype.type
    zero = dtype(0)
    if mode != DEFERRED:  # it stayed as it is
        square, absolute = zero, zero
        if line[OWES_WW] == 0 and line[OWES_ABS] == 0:
            return 0.0
        for j in range(w.size):
            square += w[j] * w[j]
        if line[OWES_ABS] != 0:
            for j in range(w.size):
                absolute += abs(w[j])
        return line[OWES_WW] * square + line[OWES_ABS] * absolute
    w_w, w_v = dtype(line[W_W]), dtype(line[W_V])
    v_w, v_v = dtype(line[V_W]), dtype(line[V_V])
    ww, wv, vv = dtype(line[OWES_WW]), dtype(line[OWES_WV]), dtype(line[OWES_VV])
    owed = zero
    for j in range(w.size):
        w_j, v_j = w[j], v[j]
        owed += w_j * (ww * w_j + wv * v_j) + vv * (v_j * v_j)  # (O.5)
        w[j] = w_w * w_j + w_v * v_j
        v[j] = v_w * w_j + v_v * v_j
    return float(owed)


@part
def change_row(
    rule: int,
    settings: Any,
    rate: float,
    l1: float,
    l2: float,
    w: Any,
    grad: Any,
    first: Any,
    second: Any,
) -> None:
    """Add the penalty's gradient to a row's and step, as ``change`` does for a tile.

    In one loop where the penalty is none but L2: a row is short, and what it takes to
    begin a loop is no small part of it.
    """
    dtype = w.dtype.type
    eta, decay, double = dtype(rate), dtype(settings[DECAY_1]), dtype(2 * l2)
    if l1 != 0:
        add_penalty(w, grad, l1, l2)
        step(rule, settings, rate, w, grad, first, second)
    elif rule == ADAM:
        decay_2, epsilon = dtype(settings[DECAY_2]), dtype(settings[EPSILON])
        rest, rest_2 = dtype(1 - settings[DECAY_1]), dtype(1 - settings[DECAY_2])
        for j in range(w.size):
            g = grad[j] + double * w[j]
            first[j] = decay * first[j] + rest * g
            second[j] = decay_2 * second[j] + rest_2 * (g * g)
            w[j] -= eta * first[j] / (math.sqrt(second[j]) + epsilon)  # (O.3)
    elif rule == NESTEROV:
        for j in range(w.size):
            moved = eta * (grad[j] + double * w[j])
            first[j] = decay * first[j] - moved  # (O.1)
            w[j] += decay * first[j] - moved  # (O.2)
    else:
        for j in range(w.size):
            first[j] = decay * first[j] - eta * (grad[j] + double * w[j])  # (O.1)
            w[j] += first[j]  # (O.1)


@part
def owe(l1: float, l2: float, own: Columns) -> None:
    """Count the penalty of the step to come, times the examples of its batch  (O.5)."""
    for earlier in range(own.counters[STEPS_DONE] + 1):
        line = own.lines[earlier]
        a, b = line[W_W], line[W_V]
        line[OWES_WW] += l2 * a * a
        line[OWES_WV] += 2 * l2 * a * b
        line[OWES_VV] += l2 * b * b
        line[OWES_ABS] += l1


@part
def pass_step(M: Any, own: Columns) -> None:
    """Put one step's matrix before the product of those since each earlier step."""
    done = own.counters[STEPS_DONE]
    for earlier in range(done + 1):
        line = own.lines[earlier]
        a, b, c, d = line[W_W], line[W_V], line[V_W], line[V_V]
        line[W_W], line[W_V] = M[0] * a + M[1] * c, M[0] * b + M[1] * d
        line[V_W], line[V_V] = M[2] * a + M[3] * c, M[2] * b + M[3] * d
    own.counters[STEPS_DONE] = done + 1
