"""check_gradient on kinks, beside them and on networks of every kind."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from losses_checked import (
    absolute,
    block_functions,
    network_of_number,
    problem,
)

from mlproof import check_gradient, network
from mlproof.functions import Array, rect

# ---- kinks -------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-1.0, -0.9, -0.25, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("loss", [absolute, lambda x: np.sum(np.abs(x))])
def test_on_a_kink_every_subgradient_is_accepted(
    value: float, loss: Callable[[Array], Any]
) -> None:
    x = np.array([0.0, 2.0])
    report = check_gradient(loss, lambda x: np.array([value, 1.0]), x)
    assert report.ok
    # 0 is what a central difference finds there, kink or no kink.
    assert report.blocks[0].n_kinks == 1 or value == 0


@pytest.mark.parametrize("value", [-2.0, -1.01, 1.001, 1.19, 1.5, 100.0])
@pytest.mark.parametrize("loss", [absolute, lambda x: np.sum(np.abs(x))])
def test_on_a_kink_no_other_value_is_accepted(
    value: float, loss: Callable[[Array], Any]
) -> None:
    x = np.array([0.0, 2.0])
    assert not check_gradient(loss, lambda x: np.array([value, 1.0]), x).ok


@pytest.mark.parametrize("distance", [1e-7, -1e-7, 3e-8, -3e-8, 1e-6, -5e-6])
@pytest.mark.parametrize("loss", [absolute, lambda x: np.sum(np.abs(x))])
def test_beside_a_kink_only_the_slope_of_that_side_is_accepted(
    distance: float, loss: Callable[[Array], Any]
) -> None:
    x = np.array([distance, 2.0])
    report = check_gradient(loss, np.sign, x)
    assert report.ok
    assert report.blocks[0].n_kinks == 0
    assert not check_gradient(loss, lambda x: np.array([0.0, 1.0]), x).ok
    assert not check_gradient(loss, lambda x: np.array([-np.sign(distance), 1]), x).ok


# A kink of one example among many is small beside the whole: 1/n of it.
@pytest.mark.parametrize("share", [1e-1, 1e-2, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6])
def test_on_a_small_kink_both_conventions_are_accepted(share: float) -> None:
    def loss(x: Array) -> Any:
        return x[0] + share * rect(x[1])

    x = np.array([1.0, 0.0])
    for given in ([1.0, 0.0], [1.0, share]):
        assert check_gradient(loss, lambda x, given=given: np.array(given), x).ok


@pytest.mark.parametrize("convention", [0.0, 0.5, 1.0])
def test_units_at_exactly_0_may_have_either_derivative(convention: float) -> None:
    theta, X, y = problem()
    X = X.copy()
    X[:2] = 0  # with biases of 0 their hidden units are exactly on the kink
    theta = theta._replace(b1=np.zeros(4))

    def gradient(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        trace = network.forward(theta, X)
        slope = np.where(trace.h_a == 0, convention, trace.h_a > 0)
        grad_o_a = (trace.o_s - network.onehot(y, like=trace.o_s)) / len(y)
        grad_h_a = grad_o_a @ theta.W2 * slope
        return network.Theta(
            grad_h_a.T @ X,
            np.sum(grad_h_a, axis=0),
            grad_o_a.T @ trace.h_s,
            np.sum(grad_o_a, axis=0),
        )

    report = check_gradient(lambda *p: network.risk(*p), gradient, theta, X, y)
    assert report.ok, report
    on_kinks = {block.name: block.n_kinks for block in report.blocks}
    assert on_kinks["W1"] == on_kinks["W2"] == on_kinks["b2"] == 0


def unit_gradient(theta: network.Theta, X: Array, y: Array) -> network.Theta:
    found = network.backward(theta, X, y, network.forward(theta, X))
    return network.Theta(found.grad_W1, found.grad_b1, found.grad_W2, found.grad_b2)


@pytest.mark.parametrize("seed", range(20))
def test_where_all_units_are_at_0_the_derivation_is_not_accused(seed: int) -> None:
    # With W1 = 0 each example puts a kink of its own on every entry.  With rect'(0) = 0
    # they add up to 0, which need not be a slope of the sum nor between them.
    rng = np.random.default_rng(seed)
    n, d, d_h, m = 6, 4, 5, 3
    theta = network.Theta(
        np.zeros((d_h, d)), np.zeros(d_h), rng.standard_normal((m, d_h)), np.zeros(m)
    )
    X, y = rng.standard_normal((n, d)), rng.integers(0, m, n)
    assert check_gradient(network.risk, unit_gradient, theta, X, y).ok

    def wrong(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        found = unit_gradient(theta, X, y)
        return found._replace(W1=-found.W1)

    report = check_gradient(network.risk, wrong, theta, X, y)
    assert not report.ok or any("off the kink, W1" in note for note in report.notes)


# ---- networks of every kind --------------------------------------------------------


@pytest.mark.parametrize(
    ("networks", "kinked", "dtype"),
    [
        (25, True, np.float32),
        pytest.param(200, True, np.float32, marks=pytest.mark.slow),
        pytest.param(200, True, np.float64, marks=pytest.mark.slow),
        pytest.param(200, False, np.float32, marks=pytest.mark.slow),
        pytest.param(200, False, np.float64, marks=pytest.mark.slow),
    ],
)
def test_no_right_gradient_of_many_networks_is_accused(
    networks: int, dtype: Any, kinked: bool
) -> None:
    accused = {}
    for number in range(networks):
        case = network_of_number(number, dtype, kinked)
        loss, gradient, parameters = block_functions(case)
        report = check_gradient(loss, gradient, parameters)
        if not report.ok:
            accused[number] = str(report)
    assert not accused, "\n".join(accused.values())


@pytest.mark.parametrize(
    ("networks", "dtype"),
    [
        (25, np.float32),
        pytest.param(100, np.float32, marks=pytest.mark.slow),
        pytest.param(100, np.float64, marks=pytest.mark.slow),
    ],
)
def test_no_wrong_gradient_of_many_networks_is_accepted(
    networks: int, dtype: Any
) -> None:
    accepted = []
    for number in range(networks):
        case = network_of_number(number, dtype, kinked=False)
        loss, gradient, parameters = block_functions(case)
        rng = np.random.default_rng(number)
        right_one = gradient(parameters)
        wrong = [block.copy() for block in right_one]
        # The largest entry of the largest block, a hundredth off.
        k = int(np.argmax([np.max(np.abs(block)) for block in wrong]))
        i = np.unravel_index(np.argmax(np.abs(wrong[k])), wrong[k].shape)
        wrong[k][i] *= 1 + 0.01 * rng.choice([-1, 1])
        if check_gradient(loss, lambda _, wrong=wrong: wrong, parameters).ok:
            accepted.append((number, right_one[k][i]))
    assert not accepted
