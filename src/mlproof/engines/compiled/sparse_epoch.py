"""The same pass over sparse examples: the first layer alone is treated otherwise.

Before the two halves of epoch.py, each thread turns the batch round to its own columns,
and brings their rows of weights up to date; in the second half it changes these rows
and its share of the tiles of the other layers.  Where every row changes at every step,
under an L1 penalty and by the exact Adam, the first layer has tiles too, and only its
gradient is sparse.
"""

from typing import Any

from mlproof.engines.compiled.barrier import meet
from mlproof.engines.compiled.batch_columns import (
    CSR,
    LAST_STEP,
    NO_SLOT,
    SLOT,
    STEPS_DONE,
    TOUCHED,
    Columns,
    dealer,
    dealt,
    forget_batch,
    index_batch,
)
from mlproof.engines.compiled.chunk import through_the_network
from mlproof.engines.compiled.data import Targets
from mlproof.engines.compiled.epoch import add_up, chunks_of, sum_of_weights
from mlproof.engines.compiled.machine import (
    LINE,
    ZERO,
    prefetch_to_write,
    row_address,
    view,
)
from mlproof.engines.compiled.plan import (
    B_AT,
    BATCH_SIZE,
    CAPACITY,
    FAN_IN,
    FAN_OUT,
    FIRST,
    LAST,
    LAYER,
    N_THREADS,
    OUT_AT,
    RULE,
    W_AT,
    Tables,
)
from mlproof.engines.compiled.sparse_rows import (
    DEFERRED,
    EVERY_ROW,
    change_row,
    forwards_sparse,
    owe,
    pass_step,
    recurrence,
    row_gradient,
    settle,
)
from mlproof.engines.compiled.toolchain import kernel, part
from mlproof.engines.compiled.update import (
    ADAM,
    ALPHA,
    DECAY_1,
    L1,
    L2,
    Descent,
    change,
    rate_of_step,
    tile_gradient,
)
from mlproof.engines.compiled.workspace import Buffers

# Rows lie anywhere in memory: they are asked for so many rows ahead.
AHEAD = 8


@part
def ask_for_row(matrix: Any, row: int) -> None:
    """Ask for the cache lines of a row that is to be changed."""
    for at in range(row_address(matrix, row), row_address(matrix, row + 1), LINE):
        prefetch_to_write(at)


@part
def bring_up_to_date(n_threads: int, mode: int, own: Columns, W: Any, V: Any) -> None:
    """The rows that this batch touches, before anybody reads them."""
    by, now = dealer(n_threads), own.counters[STEPS_DONE]
    touched, n_touched = own.touched, own.counters[TOUCHED]
    for slot in range(n_touched):
        if slot + AHEAD < n_touched:
            ask_for_row(W, touched[slot + AHEAD])
            if mode == DEFERRED:  # the lazy Adam changes no row here
                ask_for_row(V, touched[slot + AHEAD])
        column = touched[slot]
        _, place = dealt(column, by)
        line = own.lines[own.marks[place, LAST_STEP]]
        own.owed[place] += settle(line, mode, W[column], V[column])
        own.marks[place, LAST_STEP] = now + 1


@part
def change_touched(
    own: Columns,
    G: Any,
    descent: Descent,
    rule: int,
    rate: float,
    l1: float,
    l2: float,
    W: Any,
    V: Any,
    U: Any,
    grad: Any,
) -> None:
    """The rows that this batch touches, by their gradients, for which grad has room."""
    touched, n_touched, fan_out = own.touched, own.counters[TOUCHED], G.shape[1]
    for slot in range(n_touched):
        if slot + AHEAD < n_touched:
            ask_for_row(W, touched[slot + AHEAD])
            ask_for_row(V, touched[slot + AHEAD])
            if rule == ADAM:
                ask_for_row(U, touched[slot + AHEAD])
        begin, end = own.starts[slot], own.starts[slot + 1]
        row_gradient(begin, end, own.members, own.values, G, grad)
        here = slice(touched[slot] * fan_out, (touched[slot] + 1) * fan_out)
        change_row(
            rule,
            descent.settings,
            rate,
            l1,
            l2,
            descent.theta[here],
            grad,
            descent.first[here],
            descent.second[here],
        )


@part
def sparse_tile_gradient(tile: Any, every: Columns, G: Any, grad: Any) -> None:
    """The gradient of a tile of the first layer, zero in the rows not touched."""
    fan_out, by = G.shape[1], dealer(every.marks.shape[0])
    for column in range(tile[FIRST], tile[LAST]):
        at = (column - tile[FIRST]) * fan_out
        owner, place = dealt(column, by)
        row, slot = grad[at : at + fan_out], every.marks[owner, place, SLOT]
        if slot == NO_SLOT:
            for j in range(fan_out):
                row[j] = 0
        else:
            begin, end = every.starts[owner, slot], every.starts[owner, slot + 1]
            members, values = every.members[owner], every.values[owner]
            row_gradient(begin, end, members, values, G, row)


@kernel
def sparse_epoch(
    thread: int,
    first_batch: int,
    last_batch: int,
    order: Any,
    X: CSR,
    targets: Targets,
    tables: Tables,
    descent: Descent,
    t: int,
    buffers: Buffers,
    mode: int,
    every: Columns,
) -> None:
    """The part of one thread in these batches of the epoch; see ``epoch``.

    mode is how the rows of the first layer change, every what is known of its columns.
    """
    own = Columns(
        every.marks[thread],
        every.touched[thread],
        every.starts[thread],
        every.met[thread],
        every.met_values[thread],
        every.members[thread],
        every.values[thread],
        every.counters[thread],
        every.owed[thread],
        every.lines[thread],
    )
    layers, tiles, network = tables.layers, tables.tiles, tables.network
    theta = descent.theta
    n_threads, capacity = network[N_THREADS], network[CAPACITY]
    batch_size, rule = network[BATCH_SIZE], network[RULE]
    d, fan_out = layers[0, FAN_IN], layers[0, FAN_OUT]
    W = view(theta, layers[0, W_AT], d, fan_out)
    # Velocities, or first moments, and second moments where the rule has any.
    V = view(descent.first, layers[0, W_AT], d, fan_out)
    U = view(descent.second, layers[0, W_AT], d, fan_out)
    b = theta[layers[0, B_AT] : layers[0, B_AT] + fan_out]
    work, barrier, sums = buffers.work, buffers.barrier, buffers.sums[thread]
    by_rows = mode != EVERY_ROW
    M = 1.0, 0.0, 0.0, 1.0  # rows are left as they are, unless deferred
    for batch in range(first_batch, last_batch):
        rows = order[batch * batch_size : (batch + 1) * batch_size]
        n, s = rows.size, sum_of_weights(rows, targets)
        if s == 0:  # nothing counts, so there is nothing to learn
            continue
        t += 1
        rate = rate_of_step(rule, descent.settings, t)
        l1, l2 = descent.penalty[L1, 0], descent.penalty[L2, 0]
        l2 += descent.penalty[ALPHA, 0] / (2 * s)  # (S.3)
        cut = tables.cuts[0 if n == batch_size else 1]
        n_chunks = chunks_of(cut, n)
        cut = cut[: n_chunks + 1]
        risk_of = buffers.risks[t & 1]

        index_batch(thread, n_threads, rows, X, own)
        if by_rows:
            owe(n * l1, n * l2, own)
            bring_up_to_date(n_threads, mode, own, W, V)
            if not meet(barrier, n_threads):
                return

        first_chunk = thread * n_chunks // n_threads
        last_chunk = (thread + 1) * n_chunks // n_threads
        for chunk in range(first_chunk, last_chunk):
            start, stop = cut[chunk], cut[chunk + 1]
            who = rows[start:stop]
            at = layers[0, OUT_AT] * capacity + start * fan_out
            forwards_sparse(X, who, W, b, view(work, at, stop - start, fan_out))
            room, top = buffers.room[thread], buffers.top
            risk_of[chunk] = through_the_network(
                tables, theta, work, room, top, who, start, targets, s
            )
        if not meet(barrier, n_threads):
            return

        G = view(work, layers[0, OUT_AT] * capacity, n, fan_out)
        if by_rows:
            grad = sums[0, :fan_out]
            change_touched(own, G, descent, rule, rate, l1, l2, W, V, U, grad)
        for i in range(tables.shares[0, thread], tables.shares[0, thread + 1]):
            tile = tiles[i]
            if tile[LAYER] == 0 and tile[FIRST] < d:
                sparse_tile_gradient(tile, every, G, sums[0])
            else:
                tile_gradient(tables, tile, cut, ZERO, work, None, sums)
            risk_of[n_chunks + i] = change(tables, tile, descent, s, rate, sums[0])
        if not meet(barrier, n_threads):
            return
        if by_rows:
            if mode == DEFERRED:
                M = recurrence(rule, rate, descent.settings[DECAY_1], l2)
            pass_step(M, own)
        forget_batch(n_threads, own)
        if thread == 0:
            add_up(buffers.totals, risk_of, n_chunks + tiles.shape[0], n)


@kernel
def close_ledger(
    thread: int,
    n_threads: int,
    mode: int,
    W: Any,
    V: Any,
    every: Columns,
    settled: Any,
) -> None:
    """Bring an equal share of the rows up to date.

    settled is (n_blocks,), the penalty of an equal share of the columns each: cut the
    same way for any number of threads.
    """
    marks, owed = every.marks, every.owed
    # The threads have kept the same ledger, each for its own columns.
    lines, now = every.lines[0], every.counters[0, STEPS_DONE]
    d, n_blocks, by = W.shape[0], settled.size, dealer(marks.shape[0])
    for block in range(thread, n_blocks, n_threads):
        penalty = 0.0
        for column in range(block * d // n_blocks, (block + 1) * d // n_blocks):
            owner, place = dealt(column, by)
            penalty += owed[owner, place]
            owed[owner, place] = 0
            last = marks[owner, place, LAST_STEP]
            if last != now:
                penalty += settle(lines[last], mode, W[column], V[column])
            marks[owner, place, LAST_STEP] = 0
        settled[block] = penalty
