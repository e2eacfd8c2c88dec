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
    LAST_STEP,
    NO_SLOT,
    SLOT,
    STEPS_DONE,
    TOUCHED,
    dealer,
    dealt,
    forget_batch,
    index_batch,
)
from mlproof.engines.compiled.epoch import (
    ALPHA,
    L1,
    L2,
    add_up,
    change,
    chunks_of,
    sum_of_weights,
    through_the_network,
)
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
    DECAY_1,
    rate_of_step,
    tile_gradient,
)

# Rows lie anywhere in memory: they are asked for so many rows ahead.
AHEAD = 8


@part
def ask_for_row(matrix: Any, row: int) -> None:
    """Ask for the cache lines of a row that is to be changed."""
    for at in range(row_address(matrix, row), row_address(matrix, row + 1), LINE):
        prefetch_to_write(at)


@part
def sparse_tile_gradient(
    tile: Any, marks: Any, starts: Any, members: Any, values: Any, G: Any, grad: Any
) -> None:
    """The gradient of a tile of the first layer, zero in the rows not touched."""
    fan_out, by = G.shape[1], dealer(marks.shape[0])
    for column in range(tile[FIRST], tile[LAST]):
        at = (column - tile[FIRST]) * fan_out
        owner, place = dealt(column, by)
        row, slot = grad[at : at + fan_out], marks[owner, place, SLOT]
        if slot == NO_SLOT:
            for j in range(fan_out):
                row[j] = 0
        else:
            begin, end = starts[owner, slot], starts[owner, slot + 1]
            row_gradient(begin, end, members[owner], values[owner], G, row)


@kernel
def sparse_epoch(
    thread: int,
    first_batch: int,
    last_batch: int,
    order: Any,
    indptr: Any,
    indices: Any,
    data: Any,
    y: Any,
    labels: Any,
    weight: Any,
    total_weight: float,
    layers: Any,
    tiles: Any,
    shares: Any,
    cuts: Any,
    network: Any,
    penalty: Any,
    settings: Any,
    t: int,
    theta: Any,
    first: Any,
    second: Any,
    work: Any,
    sums: Any,
    room: Any,
    top: Any,
    risks: Any,
    totals: Any,
    barrier: Any,
    mode: int,
    every_marks: Any,
    every_touched: Any,
    every_starts: Any,
    every_met: Any,
    every_met_values: Any,
    every_members: Any,
    every_values: Any,
    every_counters: Any,
    every_owed: Any,
    every_ledger: Any,
) -> None:
    """The part of one thread in these batches of the epoch; see ``epoch``."""
    # What is this thread's own.
    marks, touched = every_marks[thread], every_touched[thread]
    starts, members = every_starts[thread], every_members[thread]
    values, met = every_values[thread], every_met[thread]
    met_values = every_met_values[thread]
    counters, owed = every_counters[thread], every_owed[thread]
    ledger = every_ledger[thread]

    n_threads, capacity = network[N_THREADS], network[CAPACITY]
    batch_size, rule = network[BATCH_SIZE], network[RULE]
    d, fan_out, by = layers[0, FAN_IN], layers[0, FAN_OUT], dealer(n_threads)
    W = view(theta, layers[0, W_AT], d, fan_out)
    # Velocities, or first moments, and second moments where the rule has any.
    V = view(first, layers[0, W_AT], d, fan_out)
    U = view(second, layers[0, W_AT], d, fan_out)
    b = theta[layers[0, B_AT] : layers[0, B_AT] + fan_out]
    by_rows = mode != EVERY_ROW
    M = 1.0, 0.0, 0.0, 1.0  # rows are left as they are, unless deferred
    for batch in range(first_batch, last_batch):
        rows = order[batch * batch_size : (batch + 1) * batch_size]
        n = rows.size
        s = total_weight if total_weight != 0 else sum_of_weights(rows, weight)
        if s == 0:  # nothing counts, so there is nothing to learn
            continue
        t += 1
        rate = rate_of_step(rule, settings, t)
        l1, l2 = penalty[L1, 0], penalty[L2, 0]
        l2 += penalty[ALPHA, 0] / (2 * s)  # (S.3)
        cut = cuts[0 if n == batch_size else 1]
        n_chunks = chunks_of(cut, n)
        cut = cut[: n_chunks + 1]
        risk_of = risks[t & 1]

        index_batch(
            thread,
            n_threads,
            rows,
            indptr,
            indices,
            data,
            marks,
            touched,
            starts,
            met,
            met_values,
            members,
            values,
            counters,
        )
        n_touched = counters[TOUCHED]
        if by_rows:
            owe(n * l1, n * l2, ledger, counters)
            now = counters[STEPS_DONE]
            for slot in range(n_touched):
                if slot + AHEAD < n_touched:
                    ask_for_row(W, touched[slot + AHEAD])
                    if mode == DEFERRED:  # the lazy Adam changes no row here
                        ask_for_row(V, touched[slot + AHEAD])
                column = touched[slot]
                _, place = dealt(column, by)
                line = ledger[marks[place, LAST_STEP]]
                owed[place] += settle(line, mode, W[column], V[column])
                marks[place, LAST_STEP] = now + 1
            if not meet(barrier, n_threads):
                return

        first_chunk = thread * n_chunks // n_threads
        last_chunk = (thread + 1) * n_chunks // n_threads
        for chunk in range(first_chunk, last_chunk):
            start, stop = cut[chunk], cut[chunk + 1]
            who = rows[start:stop]
            at = layers[0, OUT_AT] * capacity + start * fan_out
            A = view(work, at, stop - start, fan_out)
            forwards_sparse(who, indptr, indices, data, W, b, A)
            risk_of[chunk] = through_the_network(
                network,
                layers,
                theta,
                work,
                room[thread],
                top,
                who,
                start,
                y,
                labels,
                weight,
                s,
            )
        if not meet(barrier, n_threads):
            return

        G = view(work, layers[0, OUT_AT] * capacity, n, fan_out)
        grad = sums[thread]
        if by_rows:
            for slot in range(n_touched):
                if slot + AHEAD < n_touched:
                    ask_for_row(W, touched[slot + AHEAD])
                    ask_for_row(V, touched[slot + AHEAD])
                    if rule == ADAM:
                        ask_for_row(U, touched[slot + AHEAD])
                column, row = touched[slot], grad[0, :fan_out]
                row_gradient(starts[slot], starts[slot + 1], members, values, G, row)
                at = layers[0, W_AT] + column * fan_out
                here = slice(at, at + fan_out)
                change_row(
                    rule,
                    settings,
                    rate,
                    l1,
                    l2,
                    theta[here],
                    row,
                    first[here],
                    second[here],
                )
        for i in range(shares[0, thread], shares[0, thread + 1]):
            tile = tiles[i]
            if tile[LAYER] == 0 and tile[FIRST] < d:
                sparse_tile_gradient(
                    tile,
                    every_marks,
                    every_starts,
                    every_members,
                    every_values,
                    G,
                    grad[0],
                )
            else:
                tile_gradient(layers, tile, cut, ZERO, work, capacity, None, grad)
            risk_of[n_chunks + i] = change(
                network,
                layers,
                tile,
                penalty,
                s,
                settings,
                rate,
                theta,
                grad[0],
                first,
                second,
            )
        if not meet(barrier, n_threads):
            return
        if by_rows:
            if mode == DEFERRED:
                M = recurrence(rule, rate, settings[DECAY_1], l2)
            pass_step(M, ledger, counters)
        forget_batch(n_threads, marks, touched, counters)
        if thread == 0:
            add_up(totals, risk_of, n_chunks + tiles.shape[0], n)


@kernel
def close_ledger(
    thread: int,
    n_threads: int,
    mode: int,
    W: Any,
    V: Any,
    marks: Any,
    owed: Any,
    ledger: Any,
    counters: Any,
    settled: Any,
) -> None:
    """Bring an equal share of the rows up to date.

    settled is (n_blocks,), the penalty of an equal share of the columns each: cut the
    same way for any number of threads.
    """
    # The threads have kept the same ledger, each for its own columns.
    lines, now = ledger[0], counters[0, STEPS_DONE]
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
