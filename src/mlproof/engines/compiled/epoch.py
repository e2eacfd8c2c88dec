"""One pass over the examples by batches: what each of the threads does.

A batch has two steps, and the threads meet after each.  In the first they share its
chunks, forwards to the loss and backwards to the gradient of every pre-activation; in
the second they share the tiles of theta, which that gradient then changes, and who is
ready takes over what another has not begun.  Where what the second step reads is more
than theta, a step between makes the gradient of each half of the chunks, by the threads
that have it in their caches.
"""

from typing import Any, NamedTuple

from mlproof.engines.compiled.barrier import meet
from mlproof.engines.compiled.chunk import through_the_network
from mlproof.engines.compiled.claims import claim, offer
from mlproof.engines.compiled.data import Targets
from mlproof.engines.compiled.first_layer import (
    add_second_half,
    ask_for_share,
    first_layer,
)
from mlproof.engines.compiled.gather import Dense
from mlproof.engines.compiled.machine import ZERO
from mlproof.engines.compiled.plan import (
    APART,
    AT,
    BATCH_SIZE,
    FAN_IN,
    HALF_AT,
    N_THREADS,
    RULE,
    SIZE,
    Table,
    Tables,
)
from mlproof.engines.compiled.toolchain import kernel, part
from mlproof.engines.compiled.update import (
    Descent,
    add,
    change,
    copy,
    rate_of_step,
    tile_gradient,
)
from mlproof.engines.compiled.workspace import RISK, ROWS, STEPS, Buffers
from mlproof.engines.compiled.zero_inputs import pack_gradient
from mlproof.functions import Array


class Batch(NamedTuple):
    """The examples of a batch, and what is the same for all its chunks and tiles."""

    rows: Table
    cut: Table  #    where its chunks begin, and its end
    s: float  #      the sum of its weights
    rate: float  #   that of this step
    risks: Array  #  of its chunks, and of the penalty of each tile
    following: Table  # the rows of the next batch


@part
def sum_of_weights(rows: Any, targets: Targets) -> Any:
    """The s of (S.1) for a batch of these rows."""
    if targets.total_weight != 0:
        return targets.total_weight
    if targets.weight.size == 0:
        return float(rows.size)
    s = 0.0
    for i in range(rows.size):
        s += targets.weight[rows[i]]
    return s


@part
def chunks_of(cut: Any, n: int) -> Any:
    """How many chunks a batch of n rows has, where this is where they begin."""
    n_chunks = 0
    while cut[n_chunks] < n:
        n_chunks += 1
    return n_chunks


@part
def forth_and_back(
    thread: int,
    batch: Batch,
    X: Dense,
    targets: Targets,
    tables: Tables,
    theta: Any,
    buffers: Buffers,
    zero_inputs: Any,
) -> Any:
    """A thread's chunks to their gradients; False if the others are gone."""
    n_threads, half_at = tables.network[N_THREADS], tables.network[HALF_AT]
    fan_in, cut = tables.layers[0, FAN_IN], batch.cut
    n_chunks = cut.size - 1
    work, room = buffers.work, buffers.room[thread]
    # Where the inputs are halved, all sums are made before any of them is used.
    for stage in range(2 if half_at else 1):
        summing, using = stage == 0, not half_at or stage == 1
        # The first half's chunks, then those of the second.
        n_items = 2 * n_chunks if half_at and summing else n_chunks
        first_item = thread * n_items // n_threads
        last_item = (thread + 1) * n_items // n_threads
        for i in range(first_item, last_item):
            chunk = i if i < n_chunks else i - n_chunks
            start, stop = cut[chunk], cut[chunk + 1]
            who = batch.rows[start:stop]
            if summing:
                first_layer(
                    tables,
                    theta,
                    work,
                    X,
                    who,
                    start,
                    half_at if i >= n_chunks else ZERO,
                    half_at if half_at and i < n_chunks else fan_in,
                    room,
                    zero_inputs,
                    chunk,
                    thread,
                )
            if using:
                if half_at:
                    add_second_half(tables, work, start, stop - start)
                top, s = buffers.top, batch.s
                batch.risks[chunk] = through_the_network(
                    tables, theta, work, room, top, who, start, targets, s
                )
                if zero_inputs is not None:
                    pack_gradient(tables, work, start, stop, zero_inputs)
        if not meet(buffers.barrier, n_threads):
            return False
    return True


@part
def gradients_of_halves(
    thread: int, cut: Table, tables: Tables, buffers: Buffers, zero_inputs: Any
) -> None:
    """What either half of the chunks adds to the gradient of a thread's tiles."""
    tiles, shares, sums = tables.tiles, tables.shares, buffers.sums[thread]
    n_each = (cut.size - 1) // 2
    for i in range(shares[1, thread], shares[1, thread + 1]):
        half, tile = i // tiles.shape[0], tiles[i % tiles.shape[0]]
        begin = half * n_each
        its_cut = cut[begin : begin + n_each + 1]
        tile_gradient(tables, tile, its_cut, begin, buffers.work, zero_inputs, sums)
        copy(sums[0], buffers.halves[half, tile[AT] : tile[AT] + tile[SIZE]])


@part
def change_tiles(
    thread: int,
    batch: Batch,
    apart: Any,
    X: Dense,
    tables: Tables,
    descent: Descent,
    buffers: Buffers,
    zero_inputs: Any,
) -> None:
    """The thread's tiles, and what others have not begun.

    apart, if the gradients of both halves are there to be added.
    """
    cut, s, rate = batch.cut, batch.s, batch.rate
    n_threads, sums = tables.network[N_THREADS], buffers.sums[thread]
    grad, halves = sums[0], buffers.halves
    for turn in range(n_threads):
        owner = (thread + turn) % n_threads
        first_tile, last_tile = tables.shares[0, owner], tables.shares[0, owner + 1]
        i = claim(buffers.claims, owner)
        while i < last_tile:
            if zero_inputs is not None and owner == thread:
                # Where products are short enough to feel it.
                n_tiles = last_tile - first_tile
                of_it = i - first_tile
                ask_for_share(tables, X, batch.following, thread, of_it, n_tiles)
            tile = tables.tiles[i]
            if apart:
                here = slice(tile[AT], tile[AT] + tile[SIZE])
                copy(halves[0, here], grad[: tile[SIZE]])
                add(grad, halves[1, here])
            else:
                tile_gradient(tables, tile, cut, ZERO, buffers.work, zero_inputs, sums)
            penalty = change(tables, tile, descent, s, rate, grad)
            batch.risks[cut.size - 1 + i] = penalty
            i = claim(buffers.claims, owner)


@part
def add_up(totals: Any, risks: Any, n_risks: int, n: int) -> None:
    """Count a batch of n rows whose risk is the sum of these."""
    risk = 0.0
    for i in range(n_risks):
        risk += risks[i]
    totals[RISK] += risk * n
    totals[ROWS] += n
    totals[STEPS] += 1


@kernel
def epoch(
    thread: int,
    first_batch: int,
    last_batch: int,
    order: Any,
    X: Dense,
    targets: Targets,
    tables: Tables,
    descent: Descent,
    t: int,
    buffers: Buffers,
    zero_inputs: Any,
) -> None:
    """The part of one thread in these batches of the epoch.

    t counts the optimiser's steps before the first batch.  zero_inputs are those of
    zero_inputs.py, or None: which it is, is compiled in.
    """
    network, barrier = tables.network, buffers.barrier
    n_threads, batch_size = network[N_THREADS], network[BATCH_SIZE]
    for number in range(first_batch, last_batch):
        rows = order[number * batch_size : (number + 1) * batch_size]
        following = order[(number + 1) * batch_size : (number + 2) * batch_size]
        s = sum_of_weights(rows, targets)
        if s == 0:  # nothing counts, so there is nothing to learn
            continue
        t += 1
        rate = rate_of_step(network[RULE], descent.settings, t)
        # The last, shorter batch is cut by itself.
        cut = tables.cuts[0 if rows.size == batch_size else 1]
        n_chunks = chunks_of(cut, rows.size)
        cut = cut[: n_chunks + 1]
        offer(buffers.claims, thread, tables.shares[0, thread])
        # What thread 0 has yet to add up is not overwritten.
        risks = buffers.risks[t & 1]
        batch = Batch(rows, cut, s, rate, risks, following)

        theta = descent.theta
        if not forth_and_back(
            thread, batch, X, targets, tables, theta, buffers, zero_inputs
        ):
            return

        # Of 2, 4, 8 .. chunks the root of the tree (S.2) adds the two halves.
        apart = network[APART] and n_chunks > 1 and n_chunks & (n_chunks - 1) == 0
        if apart:
            gradients_of_halves(thread, cut, tables, buffers, zero_inputs)
            if not meet(barrier, n_threads):
                return

        change_tiles(thread, batch, apart, X, tables, descent, buffers, zero_inputs)
        if not meet(barrier, n_threads):
            return
        if thread == 0:
            n_risks = n_chunks + tables.tiles.shape[0]
            add_up(buffers.totals, risks, n_risks, rows.size)
