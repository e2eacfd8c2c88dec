"""The same pass over sparse examples: the first layer alone is treated otherwise.

Before the two halves of epoch.py, the batch is turned round to columns and the rows it
touches are brought up to date; in the second half the threads share those rows and the
tiles of the other layers.  Where every row changes at every step, under an L1 penalty
and by the exact Adam, the first layer has tiles too, and only its gradient is sparse.
"""

from typing import Any

import numpy as np

from mlproof.engines.compiled.barrier import meet
from mlproof.engines.compiled.epoch import (
    ALPHA,
    BATCH_SIZE,
    CAPACITY,
    L1,
    L2,
    N_THREADS,
    RISK,
    RULE,
    add_up,
    change,
    cuts_of,
    sum_of_weights,
    through_the_network,
)
from mlproof.engines.compiled.machine import borrow, prefetch
from mlproof.engines.compiled.plan import (
    FAN_IN,
    FAN_OUT,
    FIRST,
    LAST,
    LAYER,
    OUT_AT,
    W_AT,
)
from mlproof.engines.compiled.products import view
from mlproof.engines.compiled.sparse_rows import (
    DEFERRED,
    EVERY_ROW,
    STEPS_DONE,
    TOUCHED,
    forget_batch,
    forwards_sparse,
    index_batch,
    owe,
    pass_step,
    recurrence,
    row_gradient,
    settle,
    share_of_slots,
)
from mlproof.engines.compiled.toolchain import kernel, part
from mlproof.engines.compiled.update import (
    ADAM,
    DECAY_1,
    add_penalty,
    rate_of_step,
    step,
    tile_gradient,
)

# Rows lie anywhere in memory: they are asked for so many rows ahead, line by line.
AHEAD, LINE = 8, 16


@part
def sparse_tile_gradient(
    tile: Any, slot_of: Any, starts: Any, members: Any, values: Any, G: Any, grad: Any
) -> None:
    """The gradient of a tile of the first layer, zero in the rows not touched."""
    fan_out = G.shape[1]
    for column in range(tile[FIRST], tile[LAST]):
        at = (column - tile[FIRST]) * fan_out
        row, slot = grad[at : at + fan_out], slot_of[column]
        if slot < 0:
            for j in range(fan_out):
                row[j] = 0
        else:
            row_gradient(starts[slot], starts[slot + 1], members, values, G, row)


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
    transposed: Any,
    top: Any,
    risks: Any,
    totals: Any,
    barrier: Any,
    mode: int,
    slot_of: Any,
    touched: Any,
    starts: Any,
    members: Any,
    values: Any,
    counters: Any,
    last_step: Any,
    ledger: Any,
    settled: Any,
) -> None:
    """The part of one thread in these batches of the epoch; see ``epoch``."""
    order, indptr, indices, data = (
        borrow(order),
        borrow(indptr),
        borrow(indices),
        borrow(data),
    )
    y, labels, weight = borrow(y), borrow(labels), borrow(weight)
    layers, tiles, cuts = borrow(layers), borrow(tiles), borrow(cuts)
    network, penalty, settings = borrow(network), borrow(penalty), borrow(settings)
    theta, first, second = borrow(theta), borrow(first), borrow(second)
    work, sums, top, risks = borrow(work), borrow(sums), borrow(top), borrow(risks)
    shares, totals, barrier = borrow(shares), borrow(totals), borrow(barrier)
    slot_of, touched, starts = borrow(slot_of), borrow(touched), borrow(starts)
    members, values, counters = borrow(members), borrow(values), borrow(counters)
    last_step, ledger, settled = borrow(last_step), borrow(ledger), borrow(settled)

    n_threads, capacity = network[N_THREADS], network[CAPACITY]
    batch_size, rule = network[BATCH_SIZE], network[RULE]
    d, fan_out = layers[0, FAN_IN], layers[0, FAN_OUT]
    W = view(theta, layers[0, W_AT], d, fan_out)
    V = view(first, layers[0, W_AT], d, fan_out)
    by_rows = mode != EVERY_ROW
    M = np.array([1.0, 0.0, 0.0, 1.0])  # rows are left as they are, unless deferred
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
        cut = cuts_of(cuts, n, batch_size)
        n_chunks = cut.size - 1
        risk_of = risks[t & 1]

        if thread == 0:
            index_batch(
                rows,
                indptr,
                indices,
                data,
                slot_of,
                touched,
                starts,
                members,
                values,
                counters,
            )
            if by_rows:
                owe(n * l1, n * l2, ledger, counters)
        if not meet(barrier, n_threads):
            return
        n_touched, now = counters[TOUCHED], counters[STEPS_DONE]
        begin = share_of_slots(starts, n_touched, thread, n_threads)
        end = share_of_slots(starts, n_touched, thread + 1, n_threads)
        if by_rows:
            for slot in range(begin, end):
                if slot + AHEAD < end:
                    at = layers[0, W_AT] + touched[slot + AHEAD] * fan_out
                    for j in range(0, fan_out, LINE):
                        prefetch(theta, at + j)
                        prefetch(first, at + j)
                column = touched[slot]
                line = ledger[last_step[column]]
                settled[slot] = settle(line, mode, W[column], V[column])
                last_step[column] = now + 1
            if not meet(barrier, n_threads):
                return

        first_chunk = thread * n_chunks // n_threads
        last_chunk = (thread + 1) * n_chunks // n_threads
        for chunk in range(first_chunk, last_chunk):
            start, stop = cut[chunk], cut[chunk + 1]
            who = rows[start:stop]
            at = layers[0, OUT_AT] * capacity + start * fan_out
            A = view(work, at, stop - start, fan_out)
            forwards_sparse(who, indptr, indices, data, W, A)
            risk_of[chunk] = through_the_network(
                network,
                layers,
                theta,
                work,
                transposed[thread],
                top,
                who,
                start,
                y,
                labels,
                weight,
                s,
                False,
            )
        if not meet(barrier, n_threads):
            return

        G = view(work, layers[0, OUT_AT] * capacity, n, fan_out)
        grad = sums[thread]
        if by_rows:
            for slot in range(begin, end):
                if rule == ADAM and slot + AHEAD < end:
                    at = layers[0, W_AT] + touched[slot + AHEAD] * fan_out
                    for j in range(0, fan_out, LINE):
                        prefetch(second, at + j)
                column, row = touched[slot], grad[0, :fan_out]
                row_gradient(starts[slot], starts[slot + 1], members, values, G, row)
                add_penalty(W[column], row, l1, l2)
                at = layers[0, W_AT] + column * fan_out
                here = slice(at, at + fan_out)
                step(rule, settings, rate, theta[here], row, first[here], second[here])
        for i in range(shares[0, thread], shares[0, thread + 1]):
            tile = tiles[i]
            if tile[LAYER] == 0 and tile[FIRST] < d:
                sparse_tile_gradient(tile, slot_of, starts, members, values, G, grad[0])
            else:
                tile_gradient(layers, tile, cut, work, capacity, grad)
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
        if thread == 0:
            if by_rows:
                for slot in range(n_touched):
                    totals[RISK] += settled[slot]
                if mode == DEFERRED:
                    recurrence(rule, rate, settings[DECAY_1], l2, M)
                pass_step(M, ledger, counters)
            forget_batch(slot_of, touched, counters)
            add_up(totals, risk_of, n_chunks + tiles.shape[0], n)


@kernel
def close_ledger(
    thread: int,
    n_threads: int,
    mode: int,
    W: Any,
    V: Any,
    last_step: Any,
    ledger: Any,
    counters: Any,
    settled: Any,
) -> None:
    """Bring the rows of one thread up to date.

    settled is (n_blocks,), the penalty of an equal share of the columns each: cut the
    same way for any number of threads.
    """
    now, d, n_blocks = counters[STEPS_DONE], W.shape[0], settled.size
    for block in range(thread, n_blocks, n_threads):
        penalty = 0.0
        for column in range(block * d // n_blocks, (block + 1) * d // n_blocks):
            if last_step[column] != now:
                line = ledger[last_step[column]]
                penalty += settle(line, mode, W[column], V[column])
            last_step[column] = 0
        settled[block] = penalty
