"""One tile of theta: its gradient over all chunks of a batch, and its update.

The gradient of a tile is made, added up and used while it lies in the cache.  Tiles are
cut the same way for any number of threads and the chunks are added in the tree of
chunks.py, so that the bits are the same too.
"""

import math
from typing import Any, NamedTuple

from numba import types

from mlproof.engines.compiled.machine import ZERO, view
from mlproof.engines.compiled.plan import (
    AT,
    CAPACITY,
    FAN_IN,
    FAN_OUT,
    FIRST,
    IN_AT,
    LAST,
    LAYER,
    OUT_AT,
    RULE,
    SIZE,
    Tables,
)
from mlproof.engines.compiled.products import biases_gradient, weights_gradient
from mlproof.engines.compiled.stages import stage
from mlproof.engines.compiled.toolchain import part
from mlproof.engines.compiled.zero_inputs import weights_gradient_marked
from mlproof.functions import Array

# What becomes of the gradient.
KEEP, DESCEND, MOMENTUM, NESTEROV, ADAM = range(5)
# Where the numbers of the optimiser stand in its settings.
RATE, DECAY_1, DECAY_2, EPSILON = range(4)
# The rows of penalty, a column for each layer; alpha stands in the first column.
L1, L2, ALPHA = range(3)


class Descent(NamedTuple):
    """What is changed, and how; first and second are as theta, or have no elements."""

    theta: Array
    first: Array  #     velocities, or first moments
    second: Array  #    second moments
    settings: Array  #  (4,)
    penalty: Array  #   (3, n_layers)


@part
def add(left: Any, right: Any) -> None:
    for i in range(right.size):
        left[i] += right[i]


@part
def copy(source: Any, target: Any) -> None:
    for i in range(target.size):
        target[i] = source[i]


@stage(types.void)
def tile_gradient(
    tables: Tables,
    tile: Any,
    cut: Any,
    first_chunk: int,
    work: Any,
    zero_inputs: Any,
    sums: Any,
) -> None:
    """The gradient of a tile, added up over the chunks, in the first row of sums.

    cut is where the chunks from first_chunk on begin, and zero_inputs what passes over
    the zeros of the first layer's inputs, or None.  Of sums the last row is spare.
    """
    layer, first = tables.layers[tile[LAYER]], tile[FIRST]
    capacity = tables.network[CAPACITY]
    fan_in, fan_out = layer[FAN_IN], layer[FAN_OUT]
    last, size = min(tile[LAST], fan_in), tile[SIZE]
    height = ZERO
    for chunk in range(cut.size - 1):
        start, rows = cut[chunk], cut[chunk + 1] - cut[chunk]
        G = view(work, layer[OUT_AT] * capacity + start * fan_out, rows, fan_out)
        if first < last:
            H = view(work, layer[IN_AT] * capacity + start * fan_in, rows, fan_in)
            grad_W = view(sums[height], ZERO, last - first, fan_out)
            if zero_inputs is None or tile[LAYER] > 0:
                weights_gradient(H, first, last, G, grad_W, sums[height + 1])
            else:
                weights_gradient_marked(
                    H, first, grad_W, zero_inputs, start, first_chunk + chunk
                )
        if tile[LAST] > fan_in:
            biases_gradient(G, sums[height, (last - first) * fan_out :])
        height += 1
        # A pair is complete after every second chunk, a pair of pairs after the fourth.
        complete = chunk
        while complete & 1:
            add(sums[height - 2, :size], sums[height - 1, :size])
            height -= 1
            complete >>= 1
    while height > 1:
        add(sums[height - 2, :size], sums[height - 1, :size])
        height -= 1


@part
def add_penalty(w: Any, grad: Any, l1: float, l2: float) -> Any:
    """Add the gradient of l1 ||w||_1 + l2 ||w||_2^2; its value  (Q2.18)."""
    zero = w.dtype.type(0)
    norm_1, norm_2 = zero, zero
    if l2 != 0:
        double = w.dtype.type(2 * l2)
        for i in range(w.size):
            norm_2 += w[i] * w[i]
            grad[i] += double * w[i]  # (Q1.8)
    if l1 != 0:
        step = w.dtype.type(l1)
        for i in range(w.size):
            norm_1 += abs(w[i])
            grad[i] += step if w[i] > zero else (-step if w[i] < zero else zero)
    return l1 * norm_1 + l2 * norm_2


@part
def rate_of_step(rule: int, settings: Any, t: int) -> Any:
    """The learning rate of step t, for Adam with the bias corrections put into it."""
    if rule != ADAM:
        return settings[RATE]
    correction = math.sqrt(1 - settings[DECAY_2] ** t)
    return settings[RATE] * correction / (1 - settings[DECAY_1] ** t)


@part
def step(
    rule: int, settings: Any, rate: float, w: Any, grad: Any, first: Any, second: Any
) -> None:
    """What the optimiser makes of the gradient, in the order of optimizers.py."""
    dtype = w.dtype.type
    eta, decay_1 = dtype(rate), dtype(settings[DECAY_1])
    if rule == KEEP:
        for i in range(w.size):
            first[i] = grad[i]
    elif rule == DESCEND:
        for i in range(w.size):
            w[i] -= eta * grad[i]  # (Q2.6)
    elif rule == MOMENTUM:
        for i in range(w.size):
            first[i] = decay_1 * first[i] - eta * grad[i]  # (O.1)
            w[i] += first[i]  # (O.1)
    elif rule == NESTEROV:
        for i in range(w.size):
            first[i] = decay_1 * first[i] - eta * grad[i]  # (O.1)
            w[i] += decay_1 * first[i] - eta * grad[i]  # (O.2)
    else:
        decay_2, epsilon = dtype(settings[DECAY_2]), dtype(settings[EPSILON])
        # Subtracted before they are rounded: 1 - 0.999 would keep few digits.
        rest_1, rest_2 = dtype(1 - settings[DECAY_1]), dtype(1 - settings[DECAY_2])
        for i in range(w.size):
            g = grad[i]
            first[i] = decay_1 * first[i] + rest_1 * g
            second[i] = decay_2 * second[i] + rest_2 * (g * g)
            w[i] -= eta * first[i] / (math.sqrt(second[i]) + epsilon)  # (O.3)


@stage(types.float64)
def change(
    tables: Tables, tile: Any, descent: Descent, s: float, rate: float, grad: Any
) -> Any:
    """Add the penalty's gradient to that of a tile and step; the penalty's value."""
    here, layer = slice(tile[AT], tile[AT] + tile[SIZE]), tile[LAYER]
    w, penalty = descent.theta[here], descent.penalty
    # The biases at the end are left out.
    inputs = min(tile[LAST], tables.layers[layer, FAN_IN]) - tile[FIRST]
    weights = w[: inputs * tables.layers[layer, FAN_OUT]]
    l2 = penalty[L2, layer] + penalty[ALPHA, 0] / (2 * s)  # (S.3)
    value = add_penalty(weights, grad, penalty[L1, layer], l2)
    first, second = descent.first[here], descent.second[here]
    step(tables.network[RULE], descent.settings, rate, w, grad, first, second)
    return value
