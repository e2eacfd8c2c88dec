"""The first layer on sparse examples: work for what is there, none for what is not.

A batch touches the columns in which one of its examples has an entry; theta holds the
weights of each column in one piece, a row.  The gradient of every other row is that of
the penalty alone, so under SGD such a row and its velocity obey a linear recurrence

    (w, v) <- M_t (w, v),    M_t a matrix of 2 x 2 numbers, the same for all rows,

and a row that was left alone for some steps is brought forward by one product of their
matrices when it is touched again, or when the ledger is closed (O.4).  What the penalty
was in these steps is told then, too, from what the row was before them (O.5).
"""

from typing import Any

from mlproof.engines.compiled.toolchain import part
from mlproof.engines.compiled.update import NESTEROV

# Counters of the ledger: rows touched by this batch, steps since it was opened.
TOUCHED, STEPS_DONE = range(2)
# A line of the ledger, one for each step: the matrix that brings a row from there to
# now, and what w w, w v, v v and |w| there count in the penalty since then.
W_W, W_V, V_W, V_V, OWES_WW, OWES_WV, OWES_VV, OWES_ABS = range(8)
NOTHING_YET = 1, 0, 0, 1, 0, 0, 0, 0

# How the rows of the first layer change: all at every step; those touched, the others
# when they are needed (SGD); or those touched alone (the lazy Adam).
EVERY_ROW, DEFERRED, TOUCHED_ONLY = range(3)


@part
def index_batch(
    rows: Any,
    indptr: Any,
    indices: Any,
    data: Any,
    slot_of: Any,
    touched: Any,
    starts: Any,
    members: Any,
    values: Any,
    counters: Any,
) -> None:
    """Turn a batch round: for each column it touches, its entries, in order of rows.

    The columns are numbered in the order in which the batch meets them: these numbers
    are their slots, which slot_of tells for each column, -1 for none.
    """
    n_touched = 0
    for i in range(rows.size):
        for e in range(indptr[rows[i]], indptr[rows[i] + 1]):
            column = indices[e]
            slot = slot_of[column]
            if slot < 0:
                slot = n_touched
                slot_of[column] = slot
                touched[slot] = column
                starts[slot] = 0
                n_touched += 1
            starts[slot] += 1
    # From how many there are to where they end, and, filled from the back, begin.
    end = 0
    for slot in range(n_touched):
        end += starts[slot]
        starts[slot] = end
    starts[n_touched] = end
    for i in range(rows.size - 1, -1, -1):
        for e in range(indptr[rows[i] + 1] - 1, indptr[rows[i]] - 1, -1):
            slot = slot_of[indices[e]]
            starts[slot] -= 1
            members[starts[slot]] = i
            values[starts[slot]] = data[e]
    counters[TOUCHED] = n_touched


@part
def forget_batch(slot_of: Any, touched: Any, counters: Any) -> None:
    for slot in range(counters[TOUCHED]):
        slot_of[touched[slot]] = -1


@part
def share_of_slots(starts: Any, n_touched: int, thread: int, n_threads: int) -> Any:
    """The slots of a thread, so that all have about as many entries."""
    goal = starts[n_touched] * thread // n_threads
    low, high = 0, n_touched
    while low < high:
        middle = (low + high) // 2
        if starts[middle] < goal:
            low = middle + 1
        else:
            high = middle
    return low


@part
def forwards_sparse(
    who: Any, indptr: Any, indices: Any, data: Any, W: Any, A: Any
) -> None:
    """A = X W for the sparse rows of these numbers  (D.1)."""
    fan_out = W.shape[1]
    for i in range(who.size):
        begin, end = indptr[who[i]], indptr[who[i] + 1]
        for j in range(fan_out):
            A[i, j] = 0
        # Two entries at a time: A is read and written half as often.
        for e in range(begin, end - 1, 2):
            x_0, w_0 = data[e], W[indices[e]]
            x_1, w_1 = data[e + 1], W[indices[e + 1]]
            for j in range(fan_out):
                A[i, j] += x_0 * w_0[j] + x_1 * w_1[j]
        if (end - begin) & 1:
            x_0, w_0 = data[end - 1], W[indices[end - 1]]
            for j in range(fan_out):
                A[i, j] += x_0 * w_0[j]


@part
def row_gradient(
    begin: int, end: int, members: Any, values: Any, G: Any, grad: Any
) -> None:
    """The gradient of the weights of one column, from its entries  (D.4)."""
    # Two entries at a time: grad is read and written half as often.
    n = grad.size
    if (end - begin) & 1:
        x_0, at_0 = values[begin], members[begin]
        for j in range(n):
            grad[j] = x_0 * G[at_0, j]
    else:
        for j in range(n):
            grad[j] = 0
    for e in range(begin + (end - begin) % 2, end, 2):
        x_0, at_0 = values[e], members[e]
        x_1, at_1 = values[e + 1], members[e + 1]
        for j in range(n):
            grad[j] += x_0 * G[at_0, j] + x_1 * G[at_1, j]


@part
def recurrence(rule: int, rate: float, momentum: float, l2: float, M: Any) -> None:
    """M_t, of a step whose gradient is that of the penalty alone, 2 l2 w  (O.4)."""
    shrink = 2 * rate * l2
    M[2], M[3] = -shrink, momentum  # v <- momentum v - shrink w  (O.1)
    if rule == NESTEROV:
        M[0], M[1] = 1 - shrink - momentum * shrink, momentum * momentum  # (O.2)
    else:
        M[0], M[1] = 1 - shrink, momentum  # (O.1)


@part
def settle(line: Any, mode: int, w: Any, v: Any) -> Any:
    """(w, v) <- M (w, v); what the penalty of w was since the step of this line."""
    dtype = w.dtype.type
    zero = dtype(0)
    if mode != DEFERRED:  # it stayed as it is
        square, absolute = zero, zero
        for j in range(w.size):
            square += w[j] * w[j]
        if line[OWES_ABS] != 0:
            for j in range(w.size):
                absolute += abs(w[j])
        return line[OWES_WW] * square + line[OWES_ABS] * absolute
    w_w, w_v = dtype(line[W_W]), dtype(line[W_V])
    v_w, v_v = dtype(line[V_W]), dtype(line[V_V])
    ww, wv, vv = zero, zero, zero
    for j in range(w.size):
        w_j, v_j = w[j], v[j]
        ww += w_j * w_j
        wv += w_j * v_j
        vv += v_j * v_j
        w[j] = w_w * w_j + w_v * v_j
        v[j] = v_w * w_j + v_v * v_j
    return line[OWES_WW] * ww + line[OWES_WV] * wv + line[OWES_VV] * vv  # (O.5)


@part
def owe(l1: float, l2: float, ledger: Any, counters: Any) -> None:
    """Count the penalty of the step to come, times the examples of its batch  (O.5)."""
    for step in range(counters[STEPS_DONE] + 1):
        line = ledger[step]
        a, b = line[W_W], line[W_V]
        line[OWES_WW] += l2 * a * a
        line[OWES_WV] += 2 * l2 * a * b
        line[OWES_VV] += l2 * b * b
        line[OWES_ABS] += l1


@part
def pass_step(M: Any, ledger: Any, counters: Any) -> None:
    """Put one step's matrix before the product of those since each earlier step."""
    done = counters[STEPS_DONE]
    for step in range(done + 1):
        line = ledger[step]
        a, b, c, d = line[W_W], line[W_V], line[V_W], line[V_V]
        line[W_W], line[W_V] = M[0] * a + M[1] * c, M[0] * b + M[1] * d
        line[V_W], line[V_V] = M[2] * a + M[3] * c, M[2] * b + M[3] * d
    counters[STEPS_DONE] = done + 1
