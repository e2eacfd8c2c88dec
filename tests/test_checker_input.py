"""check_gradient: what may be passed, what is reported, and what cannot be judged."""

import doctest
import json
from collections.abc import Callable
from typing import Any, NamedTuple

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
from sklearn.utils import check_random_state

from mlproof import check_gradient, network
from mlproof.functions import Array, rect
from mlproof.verification.gradient import check as gradient_module

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
