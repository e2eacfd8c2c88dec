"""One pass over the examples by batches: what each of the threads does.

A batch has two halves, and the threads meet after each.  In the first they share its
chunks, forwards to the loss and backwards to the gradient of every pre-activation; in
the second they share the tiles of theta, which that gradient then changes.
"""

from typing import Any

from mlproof.engines.compiled.barrier import meet
from mlproof.engines.compiled.gather import gather
from mlproof.engines.compiled.machine import borrow
from mlproof.engines.compiled.plan import (
    AT,
    B_AT,
    FAN_IN,
    FAN_OUT,
    FIRST,
    IN_AT,
    LAYER,
    OUT_AT,
    SIZE,
    W_AT,
)
from mlproof.engines.compiled.products import backwards, forwards, view
from mlproof.engines.compiled.toolchain import kernel, part
from mlproof.engines.compiled.units import (
    SOFTMAX,
    activate,
    logistic_loss,
    softmax_loss,
)
from mlproof.engines.compiled.update import add_penalty, step, tile_gradient

# The integers that describe the network, the optimiser and the length of a batch.
ACTIVATION, OUTPUT, RULE, BATCH_SIZE, CAPACITY, SPARE_AT, WIDEST, N_THREADS = range(8)
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
    start: int,
    rows: int,
) -> None:
    """From the rows of X to their logits; h_a becomes the derivative  (D.1, D.2)."""
    last = layers.shape[0] - 1
    for k in range(last + 1):
        fan_in, fan_out = layers[k, FAN_IN], layers[k, FAN_OUT]
        W = view(theta, layers[k, W_AT], fan_in, fan_out)
        b = theta[layers[k, B_AT] : layers[k, B_AT] + fan_out]
        H = view(work, layers[k, IN_AT] * capacity + start * fan_in, rows, fan_in)
        A = view(work, layers[k, OUT_AT] * capacity + start * fan_out, rows, fan_out)
        forwards(H, W, b, A)
        if k < last:
            at = layers[k + 1, IN_AT] * capacity + start * fan_out
            activate(activation, A.reshape(-1), work[at : at + rows * fan_out])


@part
def multiply(left: Any, right: Any) -> None:
    for i in range(left.size):
        left[i] *= right[i]


@part
def backward(
    layers: Any,
    theta: Any,
    work: Any,
    capacity: int,
    spare: Any,
    start: int,
    rows: int,
) -> None:
    """From the gradient of the logits to that of every pre-activation  (D.5)."""
    for k in range(layers.shape[0] - 1, 0, -1):
        fan_in, fan_out = layers[k, FAN_IN], layers[k, FAN_OUT]
        W = view(theta, layers[k, W_AT], fan_in, fan_out)
        G = view(work, layers[k, OUT_AT] * capacity + start * fan_out, rows, fan_out)
        grad_h_s = view(spare, 0, rows, fan_in)
        backwards(G, W, grad_h_s)
        at = layers[k - 1, OUT_AT] * capacity + start * fan_in
        multiply(work[at : at + rows * fan_in], grad_h_s.reshape(-1))


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
    top: Any,
    risks: Any,
    totals: Any,
    barrier: Any,
) -> None:
    """The part of one thread in these batches of the epoch.

    total_weight, if not 0, stands for the sum of the weights of a longer batch that
    these rows belong to.  t counts the optimiser's steps before the first batch.
    """
    order, X, y, labels, weight = (
        borrow(order),
        borrow(X),
        borrow(y),
        borrow(labels),
        borrow(weight),
    )
    layers, tiles, cuts = borrow(layers), borrow(tiles), borrow(cuts)
    network, penalty, settings = borrow(network), borrow(penalty), borrow(settings)
    theta, first, second = borrow(theta), borrow(first), borrow(second)
    work, sums, top, risks = borrow(work), borrow(sums), borrow(top), borrow(risks)
    shares, totals, barrier = borrow(shares), borrow(totals), borrow(barrier)

    n_threads, capacity = network[N_THREADS], network[CAPACITY]
    batch_size, spare_at = network[BATCH_SIZE], network[SPARE_AT]
    d, m = layers[0, FAN_IN], layers[-1, FAN_OUT]
    inputs = view(work, 0, capacity, d)
    for batch in range(first_batch, last_batch):
        rows = order[batch * batch_size : (batch + 1) * batch_size]
        n = rows.size
        s = float(n)
        if total_weight != 0:
            s = total_weight
        elif weight.size:
            s = 0.0
            for i in range(n):
                s += weight[rows[i]]
            if s == 0:  # nothing counts, so there is nothing to learn
                continue
        t += 1
        # The last batch may be shorter, and is cut in its own way.
        cut = cuts[0 if n == batch_size else 1]
        n_chunks = 0
        while cut[n_chunks] < n:
            n_chunks += 1
        cut = cut[: n_chunks + 1]
        risk_of = risks[batch & 1]  # what thread 0 has yet to add up is not overwritten

        for chunk in range(thread, n_chunks, n_threads):
            start, stop = cut[chunk], cut[chunk + 1]
            mine = rows[start:stop]
            gather(X, scale, mine, inputs[start:stop])
            forward(
                layers, network[ACTIVATION], theta, work, capacity, start, stop - start
            )
            # This chunk's own, for whatever is as wide as a layer.
            spare = work[spare_at * capacity + start * network[WIDEST] :]
            o_a = view(work, layers[-1, OUT_AT] * capacity + start * m, stop - start, m)
            if network[OUTPUT] == SOFTMAX:
                risk_of[chunk] = softmax_loss(o_a, y, weight, mine, s, top[start:stop])
            else:
                risk_of[chunk] = logistic_loss(o_a, labels, weight, mine, s, spare)
            backward(layers, theta, work, capacity, spare, start, stop - start)
        if not meet(barrier, n_threads):
            return

        for i in range(shares[thread], shares[thread + 1]):
            tile = tiles[i]
            tile_gradient(layers, tile, cut, work, capacity, sums[thread])
            here = slice(tile[AT], tile[AT] + tile[SIZE])
            w, grad = theta[here], sums[thread, 0, : tile[SIZE]]
            value, layer = 0.0, tile[LAYER]
            if tile[FIRST] >= 0:
                l2 = penalty[L2, layer] + penalty[ALPHA, 0] / (2 * s)  # (S.3)
                value = add_penalty(w, grad, penalty[L1, layer], l2)
            risk_of[n_chunks + i] = value
            step(network[RULE], settings, t, w, grad, first[here], second[here])
        if not meet(barrier, n_threads):
            return

        if thread == 0:
            risk = 0.0
            for i in range(n_chunks + tiles.shape[0]):
                risk += risk_of[i]
            totals[RISK] += risk * n
            totals[ROWS] += n
            totals[STEPS] += 1
