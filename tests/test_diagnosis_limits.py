"""check_gradient: what it refuses to judge, and how sure it is of what it judges."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from losses_checked import X3, block_functions, network_of_number, squares, twice

from mlproof import check_gradient
from mlproof.functions import Array
from mlproof.verification.gradient.sampling import size_seen

# ---- functions that cannot be judged -------------------------------------------------


def changes_data_in_loss(x: Array, A: Array) -> Any:
    A *= 2
    return np.sum((A @ x) ** 2)


def changes_data_in_gradient(x: Array, A: Array) -> Array:
    A[0] = 0
    return 2 * A.T @ (A @ x)


def fit(x: Array, A: Array) -> Any:
    return np.sum((A @ x) ** 2)


def of_fit(x: Array, A: Array) -> Array:
    return 2 * A.T @ (A @ x)


@pytest.mark.parametrize(
    ("loss", "gradient", "who"),
    [(changes_data_in_loss, of_fit, "loss"), (fit, changes_data_in_gradient, "gradie")],
)
def test_a_function_that_changes_the_data_is_named_and_harms_nothing(
    loss: Any, gradient: Any, who: str
) -> None:
    A = np.arange(6.0).reshape(2, 3)
    with pytest.raises(ValueError, match=f"{who}.* changes the argument number 1"):
        check_gradient(loss, gradient, X3, A)
    np.testing.assert_array_equal(A, np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda x: 2 * x + 0j, "real numbers; its dtype is complex128"),
        (lambda x: (2 * x).astype(object), "real numbers; its dtype is object"),
        (lambda x: None, "real numbers; got None"),
        (lambda x: (1.0, 2 * x), "returns beside it, 1, is not the loss, 14"),
        (lambda x: [2 * x, 2 * x], "a block for each of x; got 2"),
    ],
)
def test_a_gradient_that_is_no_gradient_is_told_so(
    returned: Callable[[Array], Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        check_gradient(squares, returned, X3)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda x: None, "must be a real number; got None"),
        (lambda x: np.sum(x) * 1j, "must be a real number"),
        (lambda x: np.sum(x) * np.nan, "must be finite; got nan"),
        (lambda x: [1.0], "must be one number"),
    ],
)
def test_a_loss_that_is_no_loss_is_told_so(
    returned: Callable[[Array], Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        check_gradient(returned, twice, X3)


def test_parameters_that_are_no_numbers_are_told_so() -> None:
    for bad in (np.array([1, None]), X3 + 1j, np.array(["a"])):
        with pytest.raises(ValueError, match="parameter x must be an array of real"):
            check_gradient(squares, twice, bad)
    with pytest.raises(ValueError, match="parameter x must be finite"):
        check_gradient(squares, twice, np.array([np.nan]))


def test_a_term_that_is_no_number_is_named() -> None:
    with pytest.raises(ValueError, match="term 'l2' of the loss must be one number"):
        check_gradient({"data": squares, "l2": lambda x: x}, twice, X3)


def test_a_gradient_may_come_with_its_loss() -> None:
    assert check_gradient(squares, lambda x: (squares(x), 2 * x), X3).ok
    assert check_gradient(lambda x: x**2, lambda x: (x**2, 2 * x), 3.0).ok
    pair = (np.array(2.0), X3)
    assert check_gradient(
        lambda p: p[0] * (p[1] @ p[1]), lambda p: (p[1] @ p[1], 2 * p[0] * p[1]), pair
    ).ok
    assert check_gradient(squares, lambda x: (2 * x[0], 2 * x[1]), X3[:2]).ok


# ---- gradients that remember ---------------------------------------------------------

X5 = np.random.default_rng(0).normal(size=(5, 3))
Y5 = np.random.default_rng(1).normal(size=5)


class Cached:
    """Least squares whose residual is kept."""

    def __init__(self) -> None:
        self.kept: Array | None = None

    def loss(self, w: Array) -> Any:
        self.kept = X5 @ w - Y5
        return np.sum(self.kept**2)

    def by_loss(self, w: Array) -> Array:
        assert self.kept is not None
        return 2 * X5.T @ self.kept

    def once(self, w: Array) -> Array:
        if self.kept is None:
            self.kept = X5 @ w - Y5
        return 2 * X5.T @ self.kept

    def of_last_call(self, w: Array) -> Array:
        now = X5 @ w - Y5
        used, self.kept = now if self.kept is None else self.kept, now
        return 2 * X5.T @ used


def plain(w: Array) -> Any:
    return np.sum((X5 @ w - Y5) ** 2)


@pytest.mark.parametrize("method", ["by_loss", "once", "of_last_call"])
def test_values_kept_from_an_earlier_call_are_noticed(method: str) -> None:
    cached = Cached()
    loss = cached.loss if method == "by_loss" else plain
    report = check_gradient(loss, getattr(cached, method), X3)
    assert not report.ok
    assert [finding.code for finding in report.diagnosis] == ["stale_forward"]


def test_a_part_that_is_kept_is_noticed_though_another_is_computed_anew() -> None:
    kept: list[Array] = []

    def gradient(p: tuple[Array, Array]) -> tuple[Array, Array]:
        W, v = p
        if not kept:
            kept.append(np.tanh(X5 @ W))
        a = kept[0]
        r = a @ v - Y5
        return X5.T @ (np.outer(r, v) * (1 - a**2)), a.T @ r

    def loss(p: tuple[Array, Array]) -> Any:
        return np.sum((np.tanh(X5 @ p[0]) @ p[1] - Y5) ** 2) / 2

    rng = np.random.default_rng(2)
    report = check_gradient(loss, gradient, (rng.normal(size=(3, 4)), np.ones(4)))
    assert [finding.code for finding in report.diagnosis] == ["stale_forward"]


def test_a_gradient_that_is_the_same_everywhere_may_be_right() -> None:
    assert check_gradient(lambda x: np.sum(3 * x), lambda x: np.full(3, 3.0), X3).ok
    assert check_gradient(lambda x: np.sum(np.abs(x)), np.sign, X3).ok


# ---- kinks ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_0", "words"),
    [
        (-1.0, "the slope on the left"),
        (1.0, "the slope on the right"),
        (0.0, "halfway between"),
        (0.5, "between the two"),
    ],
)
def test_the_convention_at_a_kink_is_told(at_0: float, words: str) -> None:
    x = np.array([2.0, 0.0])

    def gradient(x: Array) -> Array:
        return np.where(x == 0, at_0, np.sign(x))

    report = check_gradient(lambda x: np.sum(np.abs(x)), gradient, x)
    assert report.ok
    assert report.blocks[0].n_kinks == 1
    assert report.notes == (
        "x[1] lies on a kink of the loss, with the slope -1 on the left and 1 on the "
        f"right; yours is {at_0:.6g}, {words}.",
        "At two points nearby, off the kinks, yours is the derivative there.",
    )


def test_what_only_holds_on_the_kink_is_told_and_accused_of_nothing() -> None:
    report = check_gradient(
        lambda x: np.sum(np.abs(x)), lambda x: np.array([0.5, 1.0]), np.array([0.0, 2])
    )
    assert report.ok
    assert "At a point nearby, off the kink, x[0] is 0.5 where" in report.notes[-1]


def test_a_penalty_at_zero_weights_is_a_kink_of_many_entries() -> None:
    w = np.zeros((4, 5))
    w[1] = 1.0

    def loss(w: Array) -> Any:
        return np.sum((w - 1) ** 2) + 0.1 * np.sum(np.abs(w))

    report = check_gradient(loss, lambda w: 2 * (w - 1) + 0.1 * np.sign(w), w)
    assert report.ok
    assert report.blocks[0].n_kinks == 15
    assert report.notes[0].startswith("x[0, 0] and 14 more lie on a kink")


# ---- large problems ------------------------------------------------------------------


def test_a_sample_states_what_it_may_miss() -> None:
    x = np.random.default_rng(0).normal(size=5000)
    (note,) = check_gradient(squares, twice, x).notes
    assert "a random sample of 200 of 5,000 entries" in note
    # 0.99 ** 200 is 13.4 %; what is stated is never less.
    assert "1 % of the entries is missed with probability 14 % at most" in note
    assert "3 random directions" in note
    assert "probability 0.1 % at most" in note


@pytest.mark.parametrize("n", [3, 10, 1000])
def test_a_direction_misses_an_error_no_more_often_than_stated(n: int) -> None:
    rng = np.random.default_rng(n)
    v = rng.standard_normal((20_000, n))
    along = np.abs(v[:, 0]) / np.linalg.norm(v, axis=1)
    hidden = 0.01 / math.sqrt(n)
    missed = np.mean(along * size_seen(hidden, n) < hidden)
    # The bound is 10 %, and attained as n grows; 20 000 draws know it to 0.2 %.
    assert 0.05 < missed < 0.107


def test_an_error_in_one_entry_of_many_is_looked_for_and_told() -> None:
    x = np.random.default_rng(0).uniform(1, 2, (60, 80))

    def wrong(x: Array) -> Array:
        g = 2 * x
        g[31, 17] = -g[31, 17]
        return g

    report = check_gradient(squares, wrong, x)
    assert report.blocks[0].worst_index == (31, 17)
    assert "x[31, 17]" in report.example


# ---- right gradients -----------------------------------------------------------------


@pytest.mark.parametrize("networks", [24, pytest.param(240, marks=pytest.mark.slow)])
def test_no_right_gradient_of_networks_with_penalties_and_weights_is_accused(
    networks: int,
) -> None:
    accused = {}
    for number in range(networks):
        case = network_of_number(number, np.float64, kinked=number % 2 == 0)
        loss, gradient, parameters = block_functions(case)
        report = check_gradient(loss, gradient, parameters, seed=number)
        if not report.ok or report.diagnosis:
            accused[number] = str(report)
    assert not accused, "\n".join(accused.values())
