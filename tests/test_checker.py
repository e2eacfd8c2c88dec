"""check_gradient: wrong gradients that it must catch, right ones it must not accuse."""

import doctest
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import Case, make_case
from sklearn.utils import check_random_state

from mlproof import check_gradient, deep, network
from mlproof.functions import ACTIVATIONS, Array, rect
from mlproof.parameters import pack, views
from mlproof.penalties import Penalty
from mlproof.verification.gradient import check as gradient_module

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


# ---- kinks -------------------------------------------------------------------------


def absolute(x: Array) -> Any:
    return np.sum(np.where(x.real < 0, -x, x))


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


# ---- what may be passed ------------------------------------------------------------


class Pair(NamedTuple):
    w: Array
    b: Array


def sum_of_squares(parameters: Any) -> Any:
    blocks = parameters.values() if isinstance(parameters, dict) else parameters
    return sum(np.sum((k + 1) * block**2) for k, block in enumerate(blocks))


class NamedList(list[Array]):
    """A list whose constructor is not that of a list, as coefs_ is one."""

    def __init__(self, name: str, arrays: list[Array]) -> None:
        super().__init__(arrays)
        self.name = name


A, B = np.array([[1.0, 2.0]]), np.array([3.0, 4.0])
STRUCTURES: dict[str, tuple[Any, Callable[[Any], Any], list[str]]] = {
    "list": ([A, B], lambda p: [2 * p[0], 4 * p[1]], ["[0]", "[1]"]),
    "tuple": ((A, B), lambda p: (2 * p[0], 4 * p[1]), ["[0]", "[1]"]),
    "dict": (
        {"w": A, "b": B},
        lambda p: {"w": 2 * p["w"], "b": 4 * p["b"]},
        ["w", "b"],
    ),
    "reordered dict": (
        {"w": A, "b": B},
        lambda p: {"b": 4 * p["b"], "w": 2 * p["w"]},
        ["w", "b"],
    ),
    "named tuple": (Pair(A, B), lambda p: Pair(2 * p.w, 4 * p.b), ["w", "b"]),
    "list with a name": (
        NamedList("w", [A, B]),
        lambda p: [2 * p[0], 4 * p[1]],
        ["[0]", "[1]"],
    ),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_parameters_may_be_any_flat_structure_of_arrays(name: str) -> None:
    parameters, gradient, names = STRUCTURES[name]
    report = check_gradient(sum_of_squares, gradient, parameters)
    assert [block.name for block in report.blocks] == names
    assert [block.shape for block in report.blocks] == [(1, 2), (2,)]
    assert report.ok


def test_blocks_of_one_shape_in_a_dict_are_matched_by_their_names() -> None:
    parameters = {"w": X3, "b": X3}

    def gradient(p: dict[str, Array]) -> dict[str, Array]:
        return {"b": 4 * p["b"], "w": 2 * p["w"]}

    assert check_gradient(sum_of_squares, gradient, parameters).ok


@pytest.mark.parametrize("x", [3.0, np.float64(3.0), np.array(3.0), np.array([[3.0]])])
def test_a_single_number_is_checked_in_its_own_shape(x: Any) -> None:
    report = check_gradient(lambda x: np.sum(x**3), lambda x: 3 * x**2, x)
    assert report.ok
    assert report.blocks[0].shape == np.shape(x)
    assert not check_gradient(lambda x: np.sum(x**3), lambda x: 3 * x, x).ok


def test_further_arguments_are_passed_on_to_both() -> None:
    def loss(x: Array, scale: float, offset: float) -> Any:
        return scale * np.sum(x**2) + offset

    def gradient(x: Array, scale: float, offset: float) -> Array:
        return scale * 2 * x

    assert check_gradient(loss, gradient, X3, 7.0, 5.0).ok


def test_a_gradient_of_another_shape_is_wrong_and_both_shapes_are_named() -> None:
    theta, X, y = problem((4, 5, 3))

    def wrong(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        gradient = right(theta, X, y)
        return gradient._replace(W1=gradient.W1.T)

    report = check_gradient(risk, wrong, theta, X, y)
    assert [b.name for b in report.blocks if not b.ok] == ["W1"]
    assert "has the shape (4, 5), should be (5, 4)" in str(report)


def test_a_gradient_of_a_shape_that_cannot_be_read_is_an_error_that_names_both() -> (
    None
):
    with pytest.raises(ValueError, match=r"x must have its shape \(3,\); got \(4,\)"):
        check_gradient(squares, lambda x: np.ones(4), X3)


def test_a_gradient_that_would_only_broadcast_is_an_error() -> None:
    with pytest.raises(ValueError, match="shape"):
        check_gradient(lambda x: np.sum(x), lambda x: np.ones(()), X3)


def test_a_gradient_with_a_block_missing_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\w"):
        check_gradient(sum_of_squares, lambda p: [2 * p[0]], [A, B])


def test_an_empty_block_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"\[1\] is empty"):
        check_gradient(
            sum_of_squares, lambda p: [2 * p[0], p[1]], [A, np.empty((0, 2))]
        )


def test_the_parameters_are_left_as_they_were() -> None:
    x = X3.astype(np.float32)

    def careless(x: Array) -> Any:
        value = np.sum(x**2)
        x *= 0
        return value

    with pytest.raises(ValueError, match="the loss changes its argument x"):
        check_gradient(careless, twice, x)
    assert check_gradient(squares, twice, x).ok
    np.testing.assert_array_equal(x, [1, 2, 3])
    assert x.dtype == np.float32


def test_the_random_numbers_of_the_caller_are_left_alone() -> None:
    shared = check_random_state(None)  # the generator behind np.random.seed
    state = shared.get_state()[1].copy()
    check_gradient(squares, twice, np.ones(500))
    np.testing.assert_array_equal(shared.get_state()[1], state)


def test_a_seed_chooses_the_sample_and_nothing_else_does() -> None:
    x = np.random.default_rng(1).standard_normal(300)
    looked_at: list[set[int]] = []

    def loss(x: Array) -> Any:
        if np.iscomplexobj(x) and np.count_nonzero(x.imag) == 1:
            looked_at[-1].add(int(np.flatnonzero(x.imag)[0]))
        return np.sum(x**2)

    for seed in (0, 0, 1):
        looked_at.append(set())
        check_gradient(loss, twice, x, max_entries=20, seed=seed)
    assert looked_at[0] == looked_at[1] != looked_at[2]
    assert len(looked_at[0]) == 20


def test_a_block_of_max_entries_is_checked_entry_by_entry() -> None:
    x = np.ones(20)
    (block,) = check_gradient(squares, twice, x, max_entries=20).blocks
    assert (block.n_checked, block.direction_error) == (20, None)
    (block,) = check_gradient(squares, twice, x, max_entries=19).blocks
    assert block.n_checked == 19
    assert block.direction_error is not None
    (block,) = check_gradient(squares, twice, x, max_entries=19, n_directions=0).blocks
    assert block.direction_error is None


# ---- the report --------------------------------------------------------------------


def refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


@pytest.mark.parametrize("factor", [1.0, 1.001, np.nan, np.inf])
def test_the_report_survives_json(factor: float) -> None:
    report = check_gradient(
        sum_of_squares, lambda p: [factor * 2 * p[0], 4 * p[1]], [A, B]
    )
    read = json.loads(report.to_json(), parse_constant=refuse)
    assert read["ok"] is report.ok is (factor == 1.0)
    assert [block["name"] for block in read["blocks"]] == ["[0]", "[1]"]
    assert [block["ok"] for block in read["blocks"]] == [factor == 1.0, True]
    second = report.blocks[1]
    assert read["blocks"][1]["shape"] == [2]
    assert read["blocks"][1]["central_error"] == second.central_error
    assert read["blocks"][1]["error"] == second.error
    if np.isfinite(factor):
        assert read["worst"] == report.worst


def test_a_gradient_that_is_nan_is_not_the_second_worst() -> None:
    report = check_gradient(sum_of_squares, lambda p: [3 * p[0], p[1] * np.nan], [A, B])
    assert not report.ok
    assert not np.isfinite(report.worst)


def test_the_examples_in_the_docstrings_are_true() -> None:
    result = doctest.testmod(gradient_module)
    assert result.attempted >= 4
    assert result.failed == 0


# ---- networks of every kind --------------------------------------------------------


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


@pytest.mark.parametrize(
    ("kinked", "dtype"),
    [
        (True, np.float32),
        pytest.param(True, np.float64, marks=pytest.mark.slow),
        pytest.param(False, np.float32, marks=pytest.mark.slow),
        pytest.param(False, np.float64, marks=pytest.mark.slow),
    ],
)
def test_no_right_gradient_of_200_networks_is_accused(dtype: Any, kinked: bool) -> None:
    accused = {}
    for number in range(200):
        case = network_of_number(number, dtype, kinked)
        loss, gradient, parameters = block_functions(case)
        report = check_gradient(loss, gradient, parameters)
        if not report.ok:
            accused[number] = str(report)
    assert not accused, "\n".join(accused.values())


@pytest.mark.parametrize(
    "dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)]
)
def test_no_wrong_gradient_of_100_networks_is_accepted(dtype: Any) -> None:
    accepted = []
    for number in range(100):
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


# ---- what cannot be judged, and what must be said of it -----------------------------


def test_a_loss_that_computes_in_float32_is_judged_by_its_own_rounding() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, A = rng.normal(size=5), rng.normal(size=(50, 5)).astype(np.float32)

        def loss(x: Array, A: Array = A) -> float:
            return float(np.sum((A @ np.asarray(x, dtype=np.float32)) ** 2))

        def gradient(x: Array, A: Array = A) -> Array:
            return 2 * A.T @ (A @ x.astype(np.float32))

        with np.errstate(all="ignore"):
            assert check_gradient(loss, gradient, x).ok
            wrong = check_gradient(loss, lambda x, g=gradient: 1.05 * g(x), x)
        assert not wrong.ok


def test_an_entry_on_a_kink_does_not_hide_a_wrong_one_beside_it() -> None:
    def loss(x: Array) -> Any:
        return rect(x[:1] - x[1:2])[0] + np.sum(x[2:] ** 2) / 10

    def wrong(x: Array) -> Array:
        above = float(x[0] > x[1])
        return np.concatenate([[above, -above], 3 * x[2:] / 10])

    assert not check_gradient(loss, wrong, np.array([1.0, 1.0, 1.0, 2.0])).ok


def test_a_gradient_that_rounding_could_hide_is_not_said_to_agree() -> None:
    report = check_gradient(lambda x: 1e-17 * np.sum(x**2), np.zeros_like, X3)
    assert report.blocks[0].vacuous
    assert "agrees" not in str(report)


@pytest.mark.parametrize("x", [1e-5, 1e-7, 1e-9])
def test_a_small_parameter_is_no_accusation(x: float) -> None:
    with np.errstate(all="ignore"):
        report = check_gradient(
            lambda x: np.sum(np.log(x)), lambda x: 1 / x, np.array([x])
        )
    assert report.ok


def test_a_loss_that_differs_from_call_to_call_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="deterministic"):
        check_gradient(lambda x: np.sum(x**2) + rng.normal(), lambda x: 2 * x, X3)


def test_a_gradient_that_works_in_place_is_named_and_harms_nothing() -> None:
    def in_place(x: Array) -> Array:
        x *= 2
        return x

    x = X3.copy()
    with pytest.raises(ValueError, match="changes its argument x"):
        check_gradient(lambda x: np.sum(x**2), in_place, x)
    assert np.array_equal(x, X3)


def test_a_loss_that_is_no_number_and_arguments_in_another_order_are_named() -> None:
    with pytest.raises(ValueError, match="must be one number"):
        check_gradient(lambda x: x**2, lambda x: 2 * x, X3)
    with pytest.raises(TypeError, match="two functions first"):
        check_gradient(X3, lambda x: 2 * x, X3)
    with pytest.raises(ValueError, match="blocks a, b; it has c, b"):
        check_gradient(
            lambda p: np.sum(p["a"]) + np.sum(p["b"]),
            lambda p: {"c": np.ones(1), "b": np.ones(1)},
            {"a": np.ones(1), "b": np.ones(1)},
        )
