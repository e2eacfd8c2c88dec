"""Every gradient derived by hand against differences of the loss it belongs to.

    central difference   (f(x + h) - f(x - h)) / 2h    h = eps^(1/3) = 6e-6
    complex step         Im f(x + ih) / h              h = 1e-30

The first errs by h^2 f'''/6 and by the rounding of f, a few times eps |f| / h: 1e-10
or so together.  The second subtracts nothing and errs by rounding only.  Cases are
drawn so that no h_a and no weight under an L1 norm comes within 100 h of its kink.  An
error is relative to the largest entry of its block.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from conftest import Case, assert_close, make_case

from mlproof import deep, network
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.functions import ACTIVATIONS, Array
from mlproof.parameters import Parameters, views
from mlproof.penalties import Penalty

H = float(np.finfo(np.float64).eps) ** (1 / 3)
TINY = 1e-30
CENTRAL, COMPLEX = 1e-7, 1e-12
# Where a whole block is so small that the rounding of f, of size 1, shows in it.
CENTRAL_ROUNDING = 4 * float(np.finfo(np.float64).eps) / H


def central_difference(f: Callable[[Array], Any], x: Array) -> Array:
    slopes = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[i] += H
        below[i] -= H
        slopes[i] = (f(above) - f(below)) / (above[i] - below[i])
    return slopes


def complex_step(f: Callable[[Array], Any], x: Array) -> Array:
    slopes = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        moved = x.astype(np.complex128)
        moved[i] += 1j * TINY
        slopes[i] = np.imag(f(moved)) / TINY
    return slopes


def assert_central(found: Array, by_central: Array) -> None:
    allowed = CENTRAL * float(np.max(np.abs(by_central))) + CENTRAL_ROUNDING
    np.testing.assert_allclose(found, by_central, rtol=0, atol=allowed)


def blocks(theta: Array, units: tuple[int, ...]) -> list[Array]:
    parameters: Parameters = views(theta, units)
    return [*parameters.W, *parameters.b]


# ---- the derivation ----------------------------------------------------------------


PENALTIES = {
    "none": Penalty((0.0, 0.0), (0.0, 0.0)),
    "l1": Penalty((0.03, 0.05), (0.0, 0.0)),
    "l2": Penalty((0.0, 0.0), (0.02, 0.07)),
    "both": Penalty((0.03, 0.05), (0.02, 0.07)),
}


def derivation_case(
    seed: int, units: tuple[int, int, int], n: int
) -> tuple[network.Theta, Array, Array]:
    case = make_case(
        seed,
        units=units,
        activation="rect",
        output="softmax",
        n=n,
        clearance=200 * H,
    )
    W, b = views(case.theta, units)
    return network.Theta(W[0], b[0], W[1], b[1]), case.examples.X, case.examples.y


SHAPES = [((4, 6, 3), 10), ((2, 2, 2), 1), ((1, 1, 2), 3), ((3, 9, 5), 1)]


@pytest.mark.parametrize(("units", "n"), SHAPES)
@pytest.mark.parametrize("name", PENALTIES)
def test_the_regularised_gradient_of_the_derivation_is_the_slope_of_its_risk(
    units: tuple[int, int, int], n: int, name: str
) -> None:
    theta, X, y = derivation_case(1, units, n)
    penalty = PENALTIES[name]
    gradient = network.regularised_gradient(theta, X, y, penalty)
    for field, block in theta._asdict().items():

        def risk(values: Array, field: str = field) -> Any:
            moved = theta._replace(**{field: values})
            return network.regularised_risk(moved, X, y, penalty)

        found = getattr(gradient, field)
        assert_central(found, central_difference(risk, block))
        assert_close(found, complex_step(risk, block), COMPLEX)


@pytest.mark.parametrize(("units", "n"), SHAPES)
def test_the_gradient_at_the_inputs_is_the_slope_of_the_risk(
    units: tuple[int, int, int], n: int
) -> None:
    theta, X, y = derivation_case(2, units, n)
    gradients = network.backward(theta, X, y, network.forward(theta, X))

    def risk(values: Array) -> Any:
        return network.risk(theta, values, y)

    assert_central(gradients.grad_x, central_difference(risk, X))
    assert_close(gradients.grad_x, complex_step(risk, X), COMPLEX)


@pytest.mark.parametrize(("units", "n"), SHAPES)
def test_the_gradients_on_the_way_back_are_slopes_of_what_lies_ahead(
    units: tuple[int, int, int], n: int
) -> None:
    theta, X, y = derivation_case(3, units, n)
    trace = network.forward(theta, X)
    gradients = network.backward(theta, X, y, trace)

    def from_o_a(o_a: Array) -> Any:
        return np.mean(network.cross_entropy(o_a, y))

    def from_h_s(h_s: Array) -> Any:
        return from_o_a(theta.b2 + h_s @ theta.W2.T)

    def from_h_a(h_a: Array) -> Any:
        return from_h_s(network.rect(h_a))

    for found, f, x in (
        (gradients.grad_o_a, from_o_a, trace.o_a),
        (gradients.grad_h_s, from_h_s, trace.h_s),
        (gradients.grad_h_a, from_h_a, trace.h_a),
    ):
        assert_central(found, central_difference(f, x))
        assert_close(found, complex_step(f, x), COMPLEX)


def test_a_small_step_against_the_gradient_lowers_the_risk() -> None:
    theta, X, y = derivation_case(4, (4, 6, 3), 10)
    penalty = PENALTIES["both"]
    gradient = network.regularised_gradient(theta, X, y, penalty)
    eta = 1e-3
    stepped = network.gradient_descent_step(theta, gradient, eta)
    before = network.regularised_risk(theta, X, y, penalty)
    after = network.regularised_risk(stepped, X, y, penalty)
    # To first order the risk falls by eta |gradient|^2.
    fall = eta * sum(float(np.sum(block**2)) for block in gradient)
    assert before - after == pytest.approx(fall, rel=0.05)


# ---- the engine, any depth ---------------------------------------------------------

OUTPUTS = [("softmax", 3), ("logistic", 1), ("logistic", 3)]
HIDDEN = [(), (5,), (4, 3), (3, 4, 2)]


def engine_penalty(name: str, n_layers: int) -> Penalty:
    strength = np.linspace(0.02, 0.08, n_layers)
    zeros = (0.0,) * n_layers
    return {
        "none": Penalty(zeros, zeros),
        "l1": Penalty(tuple(strength), zeros),
        "l2": Penalty(zeros, tuple(strength)),
        "all": Penalty(tuple(strength), tuple(strength), alpha=0.5),
    }[name]


def regularised_risk(case: Case, theta: Array) -> Any:
    """What the engine is said to compute, for real and complex theta alike."""
    X, y, _ = case.examples
    W, _ = views(theta, case.network.units)
    risk = deep.weighted_loss(case.network, theta, X, y, case.weight())
    return risk + case.penalty.over(case.total_weight()).value(W)


@pytest.mark.parametrize(
    ("activation", "output", "hidden", "penalty"),
    list(product(ACTIVATIONS, OUTPUTS, HIDDEN, ["none", "l1", "l2", "all"])),
)
def test_the_gradient_of_the_engine_is_the_slope_of_its_risk(
    activation: str, output: tuple[str, int], hidden: tuple[int, ...], penalty: str
) -> None:
    name, m = output
    units = (3, *hidden, m)
    case = make_case(
        len(hidden),
        units=units,
        activation=activation,
        output=name,
        n=5,
        weighted=penalty in ("l1", "all"),
        clearance=200 * H,
    )._replace(penalty=engine_penalty(penalty, len(hidden) + 1))
    engine = NumpyEngine(case.network)

    def risk(theta: Array) -> float:
        return engine.risk_and_gradient(theta, case.examples, case.penalty)[0]

    _, gradient = engine.risk_and_gradient(case.theta, case.examples, case.penalty)
    central = central_difference(risk, case.theta)
    exact = complex_step(lambda theta: regularised_risk(case, theta), case.theta)
    for found, by_central, by_complex in zip(
        *(blocks(vector, units) for vector in (gradient, central, exact)), strict=True
    ):
        assert_central(found, by_central)
        assert_close(found, by_complex, COMPLEX)


def test_a_difference_would_notice_an_error_of_a_part_in_a_million() -> None:
    case = make_case(
        9, units=(3, 4, 2), activation="tanh", output="softmax", n=5, clearance=200 * H
    )
    exact = complex_step(lambda theta: regularised_risk(case, theta), case.theta)
    central = central_difference(
        lambda theta: regularised_risk(case, theta), case.theta
    )
    with pytest.raises(AssertionError, match="Not equal"):
        assert_central(exact * (1 + 1e-6), central)
    with pytest.raises(AssertionError, match="Not equal"):
        assert_close(exact * (1 + 1e-6), exact, COMPLEX)
