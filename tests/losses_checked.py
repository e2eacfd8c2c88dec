"""Losses with gradients that are right, for the tests of check_gradient."""

from typing import Any, NamedTuple

import numpy as np
from conftest import Case, make_case

from mlproof import deep, network
from mlproof.functions import ACTIVATIONS, Array
from mlproof.parameters import pack, views
from mlproof.penalties import Penalty

X3 = np.array([1.0, 2.0, 3.0])
PENALTY = Penalty((0.02, 0.03), (0.05, 0.04))


def squares(x: Array) -> Any:
    return np.sum(x**2)


def twice(x: Array) -> Array:
    return 2 * x


class Problem(NamedTuple):
    theta: network.Theta
    X: Array
    y: Array


def problem(units: tuple[int, int, int] = (4, 4, 3), n: int = 10) -> Problem:
    """Hidden units as many as inputs, so that a transposed gradient has its shape."""
    case = make_case(
        1, units=units, activation="rect", output="softmax", n=n, clearance=1e-3
    )
    W, b = views(case.theta, units)
    return Problem(
        network.Theta(W[0], b[0], W[1], b[1]), case.examples.X, case.examples.y
    )


def risk(theta: network.Theta, X: Array, y: Array) -> Any:
    return network.regularised_risk(theta, X, y, PENALTY)


def right(theta: network.Theta, X: Array, y: Array) -> network.Theta:
    return network.regularised_gradient(theta, X, y, PENALTY)


def absolute(x: Array) -> Any:
    return np.sum(np.where(x.real < 0, -x, x))


def near_kinks(case: Case, rng: np.random.Generator) -> Case:
    """The case with the units of the first layer moved to or beside their kinks.

    So near that float32 may compute the derivative of the other side, which is right
    for a point closer by than float32 can tell.
    """
    theta = case.theta.astype(np.float64)
    h_a = deep.forward(case.network, theta, case.examples.X).h_a
    if h_a:
        _, b = views(theta, case.network.units)
        for j in range(len(b[0])):
            r = rng.integers(len(h_a[0]))
            b[0][j] += rng.choice([0, 1e-12, -1e-9, 1e-7, -1e-7, 3e-6]) - h_a[0][r, j]
    return case._replace(theta=theta.astype(case.theta.dtype))


def block_functions(case: Case) -> tuple[Any, Any, list[Array]]:
    """Loss, gradient and parameters of the case, as a list W[0], .., b[0], .."""
    units, layers = case.network.units, case.network.n_layers
    X, y, _ = case.examples
    weight = case.weight()

    def loss(parameters: list[Array]) -> Any:
        theta = pack(parameters[:layers], parameters[layers:])
        value = deep.weighted_loss(case.network, theta, X, y, weight)
        return value + case.penalty.value(parameters[:layers])

    def gradient(parameters: list[Array]) -> list[Array]:
        theta = pack(parameters[:layers], parameters[layers:])
        trace = deep.forward(case.network, theta, X)
        grad = views(deep.backward(case.network, theta, y, weight, trace), units)
        of_penalty = case.penalty.gradient(parameters[:layers])
        return [*(g + p for g, p in zip(grad.W, of_penalty, strict=True)), *grad.b]

    W, b = views(case.theta, units)
    return loss, gradient, [*W, *b]


def network_of_number(number: int, dtype: Any, kinked: bool) -> Case:
    rng = np.random.default_rng(number)
    output = ("softmax", "logistic")[number % 2]
    hidden = rng.integers(1, 6, rng.integers(0, 4)).tolist()
    case = make_case(
        number,
        units=(int(rng.integers(1, 5)), *hidden, int(rng.integers(2, 5))),
        activation=list(ACTIVATIONS)[number % len(ACTIVATIONS)],
        output=output,
        n=int(rng.integers(1, 8)),
        dtype=dtype,
        weighted=number % 3 == 0,
        penalised=number % 5 == 0,
    )
    return near_kinks(case, rng) if kinked else case
