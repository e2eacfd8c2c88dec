"""check_gradient: wrong gradients that it must catch, right ones it must not accuse."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from losses_checked import (
    X3,
    problem,
    right,
    risk,
    squares,
    twice,
)

from mlproof import check_gradient, network
from mlproof.functions import Array

# ---- wrong gradients are caught ----------------------------------------------------


def one_entry(g: Array) -> Array:
    wrong = g.copy()
    wrong[1, 2] *= 1.01
    return wrong


# What is done to the gradient of W1, and of W2; None leaves it right.
WRONG: dict[str, Callable[[Array], Array]] = {
    "a thousandth too large": lambda g: 1.001 * g,
    "one entry": one_entry,
    "sign": lambda g: -g,
    "without 1/n": lambda g: 10 * g,
    "zero": np.zeros_like,
    "not a number": lambda g: g * np.nan,
    "infinite": lambda g: g + np.inf,
    "the next example's": lambda g: np.roll(g, 1, axis=0),
}


@pytest.mark.parametrize("block", ["W1", "W2"])
@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_mistake_in_one_block_is_found_in_that_block(
    block: str, mistake: str, dtype: Any
) -> None:
    theta, X, y = problem()

    def wrong(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        gradient = network.Theta(*(g.astype(dtype) for g in right(theta, X, y)))
        changed = WRONG[mistake](getattr(gradient, block))
        return gradient._replace(**{block: changed.astype(dtype)})

    report = check_gradient(risk, wrong, theta, X, y)
    assert not report.ok
    assert [b.name for b in report.blocks if not b.ok] == [block]
    assert "WRONG" in str(report)


def test_a_transposed_product_is_caught() -> None:
    theta, X, y = problem()

    def wrong(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        gradient = right(theta, X, y)
        return gradient._replace(W1=gradient.W1.T)

    report = check_gradient(risk, wrong, theta, X, y)
    assert [b.name for b in report.blocks if not b.ok] == ["W1"]


def test_a_forgotten_penalty_is_caught() -> None:
    theta, X, y = problem()

    def wrong(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        grad = network.backward(theta, X, y, network.forward(theta, X))
        return network.Theta(grad.grad_W1, grad.grad_b1, grad.grad_W2, grad.grad_b2)

    report = check_gradient(risk, wrong, theta, X, y)
    assert [b.name for b in report.blocks if not b.ok] == ["W1", "W2"]


def test_a_forgotten_derivative_of_the_activation_is_caught() -> None:
    theta, X, y = problem()

    def wrong(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        trace = network.forward(theta, X)
        passing = trace._replace(h_a=np.ones_like(trace.h_a))
        grad = network.backward(theta, X, y, passing)
        return network.Theta(grad.grad_W1, grad.grad_b1, grad.grad_W2, grad.grad_b2)

    def plain(theta: network.Theta, X: Array, y: Array) -> Any:
        return network.risk(theta, X, y)

    report = check_gradient(plain, wrong, theta, X, y)
    assert [b.name for b in report.blocks if not b.ok] == ["W1", "b1"]


def test_the_worst_entry_is_named_with_both_values() -> None:
    def wrong(x: Array) -> Array:
        g = 2 * x
        g[1, 0] = 7.0
        return g

    report = check_gradient(squares, wrong, np.arange(1.0, 7.0).reshape(2, 3))
    (block,) = report.blocks
    assert block.worst_index == (1, 0)
    assert block.analytic == 7.0
    assert block.numeric == pytest.approx(8.0, rel=1e-9)
    # The error, 1, over the largest entry, 12.
    assert report.worst == pytest.approx(1 / 12, rel=1e-6)
    assert "[1, 0] is 7, should be 8" in str(report)


@pytest.mark.parametrize("lossy", [False, True])
def test_one_wrong_entry_outside_the_sample_is_caught(lossy: bool) -> None:
    x = np.random.default_rng(3).uniform(0.5, 1.5, (40, 50))

    def loss(x: Array) -> Any:  # np.abs does not carry the complex step
        return np.sum(np.abs(x) * x) if lossy else squares(x)

    missed = 0
    for entry in np.ndindex(8, 5):  # of 2000 entries 100 are looked at

        def wrong(x: Array, entry: tuple[int, int] = entry) -> Array:
            g = 2 * x
            g[entry] *= 1.5
            return g

        report = check_gradient(loss, wrong, x, max_entries=100)
        (block,) = report.blocks
        assert block.n_checked in (100, 101)  # the wrong one is looked for, and found
        assert block.worst_index in (None, entry)
        assert block.direction_error is not None
        missed += report.ok
    assert missed == 0
    assert check_gradient(loss, twice, x, max_entries=100).ok


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_entry_outside_the_sample_that_is_not_finite_is_caught(value: float) -> None:
    def wrong(x: Array) -> Array:
        g = 2 * x
        g[::10] = value  # entries 0, 10, ..: more than a sample of 5 can be all of
        return g

    x = np.random.default_rng(0).standard_normal(1000)
    # Whatever the sample, one of so many seeds looks at right entries only.
    reports = [
        check_gradient(squares, wrong, x, max_entries=5, seed=s) for s in range(9)
    ]
    assert not any(report.ok for report in reports)


def test_an_error_found_along_a_direction_is_not_put_on_an_entry_that_is_right() -> (
    None
):
    x = np.random.default_rng(0).standard_normal(1000)

    def wrong(x: Array) -> Array:
        g = 2 * x
        g[0] += 9.0
        return g

    report = check_gradient(squares, wrong, x)
    (block,) = report.blocks
    assert not block.ok
    assert block.worst_index in (None, (0,))  # None: seen along a direction only


# Near a loss of 0, which is where training leads, gradients are small too.
@pytest.mark.parametrize("size", [1.0, 1e-4, 1e-8, 1e-12])
def test_a_small_gradient_that_is_wrong_is_caught(size: float) -> None:
    def loss(x: Array) -> Any:
        return size * np.sum(x**2)

    def wrong(x: Array) -> Array:
        return size * 2 * x * 1.5

    assert not check_gradient(loss, wrong, X3).ok


def test_a_wrong_gradient_of_confident_examples_is_caught() -> None:
    _, _, y = problem()
    o_a = np.full((10, 3), -15.0)
    o_a[np.arange(10), y] = 15.0  # losses of 2 exp(-30), 2e-13

    def loss(o_a: Array) -> Any:
        return np.mean(network.cross_entropy(o_a, y))

    def without_1_over_n(o_a: Array) -> Array:
        o_s = network.softmax(o_a)
        return o_s - network.onehot(y, like=o_s)

    assert check_gradient(loss, lambda o_a: without_1_over_n(o_a) / 10, o_a).ok
    assert not check_gradient(loss, without_1_over_n, o_a).ok


def test_a_small_float32_gradient_that_is_twice_too_large_is_caught() -> None:
    # Deep networks have such gradients beside a loss of 1; float32 has no trouble with
    # them, it is the differences of the loss that have, and the loss is float64.
    def loss(x: Array) -> Any:
        return 1 + 1e-5 * np.sum(x)

    def wrong(x: Array) -> Array:
        return np.full(3, 2e-5, dtype=np.float32)

    assert not check_gradient(loss, wrong, X3).ok


@pytest.mark.parametrize("curvature", [1e4, 1e6])
def test_a_sharp_bend_is_not_taken_for_a_kink(curvature: float) -> None:
    def loss(x: Array) -> Any:
        return curvature / 2 * np.sum(x**2)

    x = np.array([1e-9])
    assert not check_gradient(loss, lambda x: 0 * x, x).ok
    report = check_gradient(loss, lambda x: curvature * x, x)
    assert report.ok
    assert report.blocks[0].n_kinks == 0


def test_a_forgotten_l1_norm_is_caught_where_nothing_is_near_a_kink() -> None:
    # The complex step does not see np.abs, and central differences see 1e-4 of 3.
    def loss(x: Array) -> Any:
        return 50 * np.sum(x**2) + 1e-4 * np.sum(np.abs(x))

    def wrong(x: Array) -> Array:
        return 100 * x

    assert not check_gradient(loss, wrong, X3 / 100).ok


# ---- right gradients are accepted --------------------------------------------------


def test_the_right_gradient_is_accepted_to_the_last_digits() -> None:
    theta, X, y = problem()
    report = check_gradient(risk, right, theta, X, y)
    assert report.ok
    assert [block.name for block in report.blocks] == ["W1", "b1", "W2", "b2"]
    assert [block.shape for block in report.blocks] == [(4, 4), (4,), (3, 4), (3,)]
    for block in report.blocks:
        assert block.n_checked == np.prod(block.shape)
        assert block.n_kinks == 0
        assert block.complex_error is not None
        assert block.complex_error < 1e-12
        assert block.central_error < 1e-7
        assert block.direction_error is None
    assert report.worst < 1e-12
    assert str(report).count("agrees") == 4


def test_float32_gradients_are_accepted_for_what_they_are() -> None:
    theta, X, y = problem()
    theta32 = network.Theta(*(block.astype(np.float32) for block in theta))

    def right32(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        gradient = right(theta, X.astype(np.float32), y)
        assert all(block.dtype == np.float32 for block in gradient)
        return gradient

    report = check_gradient(risk, right32, theta32, X, y)
    assert report.ok
    assert 0 < report.worst < 1e-5
    # A gradient of float64 type may be computed in float32, and is no mistake for that.
    report = check_gradient(
        risk,
        lambda *p: network.Theta(*(g.astype(np.float64) for g in right32(*p))),
        theta32,
        X,
        y,
    )
    assert report.ok


def test_a_zero_gradient_of_a_constant_is_accepted_and_another_not() -> None:
    def constant(x: Array) -> Any:
        return 3.0 + 0 * np.sum(x)

    assert check_gradient(constant, np.zeros_like, X3).ok
    assert not check_gradient(constant, lambda x: np.full(3, 1e-6), X3).ok


# ---- where the complex step cannot be trusted --------------------------------------


def with_norm(x: Array) -> Any:
    return np.linalg.norm(x) + np.sum(x**2)


LOSSY: dict[str, tuple[Callable[[Array], Any], Callable[[Array], Array]]] = {
    "np.abs": (lambda x: np.sum(np.abs(x) * x), lambda x: 2 * np.abs(x)),
    "np.linalg.norm": (with_norm, lambda x: x / np.linalg.norm(x) + 2 * x),
    "float": (lambda x: float(np.sum(x**2)), twice),
    "real": (lambda x: np.sum(x.real**2), twice),
    "conjugate": (lambda x: np.sum(np.conj(x) * x), twice),
    "maximum": (lambda x: np.sum(np.maximum(x.real, 0) ** 2), twice),
}


@pytest.mark.parametrize("name", LOSSY)
def test_a_complex_step_that_is_lost_is_not_trusted(name: str) -> None:
    loss, gradient = LOSSY[name]
    report = check_gradient(loss, gradient, X3)
    assert report.ok
    assert report.blocks[0].complex_error is None
    assert report.worst < 1e-7
    assert not check_gradient(loss, lambda x: 1.001 * gradient(x), X3).ok


@pytest.mark.parametrize(
    "error", [TypeError, ValueError, RuntimeError, NotImplementedError, AssertionError]
)
def test_a_loss_that_refuses_complex_numbers_is_checked_by_central_differences(
    error: type[Exception],
) -> None:
    def loss(x: Array) -> Any:
        if np.iscomplexobj(x):
            raise error("real numbers only")
        return np.sum(x**2)

    report = check_gradient(loss, twice, X3)
    assert report.ok
    assert report.blocks[0].complex_error is None
    assert not check_gradient(loss, lambda x: 1.001 * twice(x), X3).ok


@pytest.mark.parametrize("l1", [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8])
@pytest.mark.parametrize("curvature", [1.0, 100.0])
def test_a_small_term_that_the_complex_step_loses_is_no_accusation(
    l1: float, curvature: float
) -> None:
    def loss(x: Array) -> Any:
        return curvature / 2 * np.sum(x**2) + l1 * np.sum(np.abs(x))

    def gradient(x: Array) -> Array:
        return curvature * x + l1 * np.sign(x)

    assert check_gradient(loss, gradient, X3).ok


def test_a_steep_function_is_no_accusation() -> None:
    # At 0, where f'' is 0, h^2 f'''/6 is 2e-5 of the slope; the complex step is exact.
    def loss(x: Array) -> Any:
        return np.sum(np.tanh(1000 * x))

    x = np.array([0.0, 1e-3])
    assert check_gradient(loss, lambda x: 1000 / np.cosh(1000 * x) ** 2, x).ok


# ---- tiny parameters, and losses in single precision --------------------------------


@pytest.mark.parametrize("size", [1e-7, 1e-9, 1e-13, 1e-17, 1e-200, 1e-300])
@pytest.mark.parametrize("factor", [1.001, 2, -1, 0])
def test_a_mistake_where_all_parameters_are_tiny_is_caught(
    size: float, factor: float
) -> None:
    rng = np.random.default_rng(0)
    A, y = rng.standard_normal((30, 5)), rng.standard_normal(30)
    w = size * rng.standard_normal(5)

    def loss(w: Array) -> Any:
        return ((A @ w - y) ** 2).mean() / 2

    def gradient(w: Array) -> Array:
        return A.T @ (A @ w - y) / len(y)

    assert check_gradient(loss, gradient, w).ok
    assert not check_gradient(loss, lambda w: factor * gradient(w), w).ok


@pytest.mark.parametrize("n", [20, 200, 2000])
@pytest.mark.parametrize("seed", range(4))
def test_a_loss_that_casts_its_parameters_to_float32_is_judged_fairly(
    n: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    A, y = rng.standard_normal((50, n)) / np.sqrt(n), rng.integers(0, 2, 50)
    w = rng.standard_normal(n).astype(np.float32)

    def loss(w: Array) -> Any:
        z = A @ w.astype(np.float32)
        return np.mean(np.logaddexp(0, z) - y * z)

    def gradient(w: Array) -> Array:
        z = A @ w.astype(np.float32)
        return A.T @ (1 / (1 + np.exp(-z)) - y) / len(y)

    report = check_gradient(loss, gradient, w)
    assert report.ok, str(report)


@pytest.mark.parametrize("unit", [1.0, 1e-8, 1e-14, 3e-15])
def test_a_mistake_in_a_loss_of_any_unit_is_caught(unit: float) -> None:
    x = np.array([1.0, -2.0, 0.5])
    assert check_gradient(lambda x: unit * (x**2).sum(), lambda x: 2 * unit * x, x).ok
    for wrong in (lambda x: unit * x, lambda x: -2 * unit * x):
        assert not check_gradient(lambda x: unit * (x**2).sum(), wrong, x).ok
