"""One pass over the examples by batches: what each of the threads does.

A batch has two steps, and the threads meet after each.  In the first they share its
chunks, forwards to the loss and backwards to the gradient of every pre-activation; in
the second they share the tiles of theta, which that gradient then changes, and who is
ready takes over what another has not begun.  Where what the second step reads is more
than theta, a step between makes the gradient of each half of the chunks, by the threads
that have it in their caches.
"""

from typing import Any

from mlproof.engines.compiled.barrier import meet
from mlproof.engines.compiled.claims import claim, offer
from mlproof.engines.compiled.first_layer import (
    add_second_half,
    ask_for_share,
    first_layer,
)
from mlproof.engines.compiled.machine import ZERO, view
from mlproof.engines.compiled.plan import (
    ACTIVATION,
    APART,
    AT,
    B_AT,
    BATCH_SIZE,
    CAPACITY,
    FAN_IN,
    FAN_OUT,
    FIRST,
    HALF_AT,
    IN_AT,
    LAST,
    LAYER,
    N_THREADS,
    OUT_AT,
    OUTPUT,
    RULE,
    SIZE,
    SPARE_AT,
    W_AT,
    WIDEST,
)
from mlproof.engines.compiled.products import backwards, forwards
from mlproof.engines.compiled.toolchain import kernel, part
from mlproof.engines.compiled.units import (
    SOFTMAX,
    activate,
    deactivate,
    logistic_loss,
    softmax_loss,
)
from mlproof.engines.compiled.update import (
    add,
    add_penalty,
    copy,
    rate_of_step,
    step,
    tile_gradient,
)
from mlproof.engines.compiled.zero_inputs import pack_gradient

# The rows of penalty, a column for each layer; alpha stands in the first column.
L1, L2, ALPHA = range(3)
# What an epoch adds up: risk times rows, rows, and steps of the optimiser.
RISK, ROWS, STEPS = range(3)


@part
def forward(
    layers: Any,
    activation: int,
    theta: Any,
    work: Any,
    capacity: int,
    room: Any,
    start: int,
    rows: int,
) -> None:
    """From the pre-activations of the first layer to the logits  (D.1, D.2)."""
    for k in range(1, layers.shape[0]):
        fan_in, fan_out = layers[k, FAN_IN], layers[k, FAN_OUT]
        A = view(work, layers[k - 1, OUT_AT] * capacity + start * fan_in, rows, fan_in)
        H = view(work, layers[k, IN_AT] * capacity + start * fan_in, rows, fan_in)
        activate(activation, A, H)
        W = view(theta, layers[k, W_AT], fan_in, fan_out)
        b = theta[layers[k, B_AT] : layers[k, B_AT] + fan_out]
        A = view(work, layers[k, OUT_AT] * capacity + start * fan_out, rows, fan_out)
        forwards(H, ZERO, fan_in, W, b, A, room)


@part
def backward(
    layers: Any,
    activation: int,
    theta: Any,
    work: Any,
    capacity: int,
    room: Any,
    spare: Any,
    start: int,
    rows: int,
) -> None:
    """From the gradient of the logits to that of every pre-activation  (D.5)."""
    for k in range(layers.shape[0] - 1, 0, -1):
        fan_in, fan_out = layers[k, FAN_IN], layers[k, FAN_OUT]
        W = view(theta, layers[k, W_AT], fan_in, fan_out)
        G = view(work, layers[k, OUT_AT] * capacity + start * fan_out, rows, fan_out)
        grad_h_s = view(spare, ZERO, rows, fan_in)
        backwards(G, W, grad_h_s, room)
        A = view(work, layers[k - 1, OUT_AT] * capacity + start * fan_in, rows, fan_in)
        H = view(work, layers[k, IN_AT] * capacity + start * fan_in, rows, fan_in)
        deactivate(activation, A, H, grad_h_s)


@part
def sum_of_weights(rows: Any, weight: Any) -> Any:
    """The s of (S.1) for a batch of these rows."""
    if weight.size == 0:
        return float(rows.size)
    s = 0.0
    for i in range(rows.size):
        s += weight[rows[i]]
    return s


@part
def chunks_of(cut: Any, n: int) -> Any:
    """How many chunks a batch of n rows has, where this is where they begin."""
    n_chunks = 0
    while cut[n_chunks] < n:
        n_chunks += 1
    return n_chunks


@part
def through_the_network(
    network: Any,
    layers: Any,
    theta: Any,
    work: Any,
    room: Any,
    top: Any,
    who: Any,
    start: int,
    y: Any,
    labels: Any,
    weight: Any,
    s: float,
) -> Any:
    """A chunk from its first pre-activations to its loss, returned, and backwards."""
    capacity, rows, m = network[CAPACITY], who.size, layers[-1, FAN_OUT]
    forward(layers, network[ACTIVATION], theta, work, capacity, room, start, rows)
    # This chunk's own, for whatever is as wide as a layer.
    spare = work[network[SPARE_AT] * capacity + start * network[WIDEST] :]
    o_a = view(work, layers[-1, OUT_AT] * capacity + start * m, rows, m)
    if network[OUTPUT] == SOFTMAX:
        risk = softmax_loss(o_a, y, weight, who, s, top[start : start + rows], spare)
    else:
        risk = logistic_loss(o_a, labels, weight, who, s, spare)
    activation = network[ACTIVATION]
    backward(layers, activation, theta, work, capacity, room, spare, start, rows)
    return risk


@part
def change(
    network: Any,
    layers: Any,
    tile: Any,
    penalty: Any,
    s: float,
    settings: Any,
    rate: float,
    theta: Any,
    grad: Any,
    first: Any,
    second: Any,
) -> Any:
    """Add the penalty's gradient to that of a tile and step; the penalty's value."""
    here, layer = slice(tile[AT], tile[AT] + tile[SIZE]), tile[LAYER]
    w, fan_in = theta[here], layers[layer, FAN_IN]
    # The biases at the end are left out.
    weights = (min(tile[LAST], fan_in) - tile[FIRST]) * layers[layer, FAN_OUT]
    l2 = penalty[L2, layer] + penalty[ALPHA, 0] / (2 * s)  # (S.3)
    value = add_penalty(w[:weights], grad, penalty[L1, layer], l2)
    step(network[RULE], settings, rate, w, grad, first[here], second[here])
    return value


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
    X: Any,
    scale: float,
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
    claims: Any,
    halves: Any,
    zero_inputs: Any,
) -> None:
    """The part of one thread in these batches of the epoch.

    total_weight, if not 0, stands for the sum of the weights of a longer batch that
    these rows belong to.  t counts the optimiser's steps before the first batch.
    zero_inputs are those of zero_inputs.py, or None: which it is, is compiled in.
    """
    room = room[thread]
    n_threads, capacity = network[N_THREADS], network[CAPACITY]
    batch_size, half_at = network[BATCH_SIZE], network[HALF_AT]
    fan_in = layers[0, FAN_IN]
    for batch in range(first_batch, last_batch):
        rows = order[batch * batch_size : (batch + 1) * batch_size]
        n = rows.size
        s = total_weight if total_weight != 0 else sum_of_weights(rows, weight)
        if s == 0:  # nothing counts, so there is nothing to learn
            continue
        t += 1
        rate = rate_of_step(network[RULE], settings, t)
        # The last, shorter batch is cut by itself.
        cut = cuts[0 if n == batch_size else 1]
        n_chunks = chunks_of(cut, n)
        cut = cut[: n_chunks + 1]
        offer(claims, thread, shares[0, thread])
        risk_of = risks[t & 1]  # what thread 0 has yet to add up is not overwritten

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
                who = rows[start:stop]
                if summing:
                    first_layer(
                        network,
                        layers,
                        theta,
                        work,
                        X,
                        scale,
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
                        add_second_half(network, layers, work, start, stop - start)
                    risk_of[chunk] = through_the_network(
                        network,
                        layers,
                        theta,
                        work,
                        room,
                        top,
                        who,
                        start,
                        y,
                        labels,
                        weight,
                        s,
                    )
                    if zero_inputs is not None:
                        pack_gradient(
                            layers[0], work, capacity, start, stop, zero_inputs
                        )
            if not meet(barrier, n_threads):
                return

        # Of 2, 4, 8 .. chunks the root of the tree (S.2) adds the two halves.
        apart = network[APART] and n_chunks > 1 and n_chunks & (n_chunks - 1) == 0
        if apart:
            for i in range(shares[1, thread], shares[1, thread + 1]):
                half, tile = i // tiles.shape[0], tiles[i % tiles.shape[0]]
                begin = half * (n_chunks // 2)
                its_cut = cut[begin : begin + n_chunks // 2 + 1]
                tile_gradient(
                    layers,
                    tile,
                    its_cut,
                    begin,
                    work,
                    capacity,
                    zero_inputs,
                    sums[thread],
                )
                half_grad = halves[half, tile[AT] : tile[AT] + tile[SIZE]]
                copy(sums[thread, 0], half_grad)
            if not meet(barrier, n_threads):
                return

        following = order[(batch + 1) * batch_size : (batch + 2) * batch_size]
        for turn in range(n_threads):
            owner = (thread + turn) % n_threads
            first_tile, last_tile = shares[0, owner], shares[0, owner + 1]
            i = claim(claims, owner)
            while i < last_tile:
                if zero_inputs is not None and owner == thread:
                    # Where products are short enough to feel it.
                    n_tiles = last_tile - first_tile
                    ask_for_share(
                        network, layers, X, following, thread, i - first_tile, n_tiles
                    )
                tile, grad = tiles[i], sums[thread, 0]
                if apart:
                    here = slice(tile[AT], tile[AT] + tile[SIZE])
                    copy(halves[0, here], grad[: tile[SIZE]])
                    add(grad, halves[1, here])
                else:
                    tile_gradient(
                        layers,
                        tile,
                        cut,
                        ZERO,
                        work,
                        capacity,
                        zero_inputs,
                        sums[thread],
                    )
                risk_of[n_chunks + i] = change(
                    network,
                    layers,
                    tile,
                    penalty,
                    s,
                    settings,
                    rate,
                    theta,
                    grad,
                    first,
                    second,
                )
                i = claim(claims, owner)
        if not meet(barrier, n_threads):
            return
        if thread == 0:
            add_up(totals, risk_of, n_chunks + tiles.shape[0], n)
