"""A chunk through the network, from its first pre-activations to their gradient."""

from typing import Any

from numba import types

from mlproof.engines.compiled.data import Targets
from mlproof.engines.compiled.machine import ZERO, view
from mlproof.engines.compiled.plan import (
    ACTIVATION,
    B_AT,
    CAPACITY,
    FAN_IN,
    FAN_OUT,
    IN_AT,
    OUT_AT,
    OUTPUT,
    W_AT,
    Tables,
    spare_at,
)
from mlproof.engines.compiled.products import backwards, forwards
from mlproof.engines.compiled.stages import stage
from mlproof.engines.compiled.toolchain import part
from mlproof.engines.compiled.units import (
    SOFTMAX,
    activate,
    deactivate,
    logistic_loss,
    softmax_loss,
)


@part
def forward(
    tables: Tables, theta: Any, work: Any, room: Any, start: int, rows: int
) -> None:
    """From the pre-activations of the first layer to the logits  (D.1, D.2)."""
    layers, capacity = tables.layers, tables.network[CAPACITY]
    for k in range(1, layers.shape[0]):
        fan_in, fan_out = layers[k, FAN_IN], layers[k, FAN_OUT]
        A = view(work, layers[k - 1, OUT_AT] * capacity + start * fan_in, rows, fan_in)
        H = view(work, layers[k, IN_AT] * capacity + start * fan_in, rows, fan_in)
        activate(tables.network[ACTIVATION], A, H)
        W = view(theta, layers[k, W_AT], fan_in, fan_out)
        b = theta[layers[k, B_AT] : layers[k, B_AT] + fan_out]
        A = view(work, layers[k, OUT_AT] * capacity + start * fan_out, rows, fan_out)
        forwards(H, ZERO, fan_in, W, b, A, room)


@part
def backward(
    tables: Tables, theta: Any, work: Any, room: Any, spare: Any, start: int, rows: int
) -> None:
    """From the gradient of the logits to that of every pre-activation  (D.5)."""
    layers, capacity = tables.layers, tables.network[CAPACITY]
    for k in range(layers.shape[0] - 1, 0, -1):
        fan_in, fan_out = layers[k, FAN_IN], layers[k, FAN_OUT]
        W = view(theta, layers[k, W_AT], fan_in, fan_out)
        G = view(work, layers[k, OUT_AT] * capacity + start * fan_out, rows, fan_out)
        grad_h_s = view(spare, ZERO, rows, fan_in)
        backwards(G, W, grad_h_s, room)
        A = view(work, layers[k - 1, OUT_AT] * capacity + start * fan_in, rows, fan_in)
        H = view(work, layers[k, IN_AT] * capacity + start * fan_in, rows, fan_in)
        deactivate(tables.network[ACTIVATION], A, H, grad_h_s)


@stage(types.float64)
def through_the_network(
    tables: Tables,
    theta: Any,
    work: Any,
    room: Any,
    top: Any,
    who: Any,
    start: int,
    targets: Targets,
    s: float,
) -> Any:
    """The loss of a chunk, returned, and its gradient backwards.

    who are its examples, from row start of the batch on.
    """
    layers, network = tables.layers, tables.network
    rows, m = who.size, layers[-1, FAN_OUT]
    forward(tables, theta, work, room, start, rows)
    # This chunk's own, for whatever is as wide as a layer.
    spare = work[spare_at(network, start) :]
    at = layers[-1, OUT_AT] * network[CAPACITY]
    o_a, weight = view(work, at + start * m, rows, m), targets.weight
    if network[OUTPUT] == SOFTMAX:
        best = top[start : start + rows]
        risk = softmax_loss(o_a, targets.y, weight, who, s, best, spare)
    else:
        risk = logistic_loss(o_a, targets.labels, weight, who, s, spare)
    backward(tables, theta, work, room, spare, start, rows)
    return risk
