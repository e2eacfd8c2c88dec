"""losses.py: probabilities, losses and their gradients, at ordinary and extreme logits.

Exact values are taken from the definitions with 400 digits of mpmath, where neither
exp(-10^4) nor 1 - exp(-800) is lost beside 1:

    softmax(o)[k] = exp(o[k]) / sum_c exp(o[c])  (Q2.3)   L = -log softmax(o)[y]  (Q2.4)
    sigmoid(o) = 1/(1 + exp(-o))                 (Q1.1)   L = -log P(y)    (L.2 and L.4)
"""

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproof.functions import Array
from mlproof.losses import (
    LOGISTIC,
    OUTPUTS,
    SOFTMAX,
    cross_entropy,
    cross_entropy_gradient,
    log_sigmoid,
    log_softmax,
    logistic_loss,
    logistic_loss_gradient,
    onehot,
    softmax,
)

DIGITS = 5000  # exp(-10^4) is 10^-4343
DTYPES = [np.float32, np.float64]

# Equal logits, one confident class, a confident mistake, ties at the top, huge offsets.
ROWS = [
    [0.0, 0.0, 0.0],
    [1e4, 1e4, 1e4],
    [-1e4, -1e4, -1e4],
    [1e4, -1e4, 0.0],
    [-1e4, 1e4, 1e4],
    [37.0, 0.0, -1.0],
    [-40.0, 0.0, -700.0],
    [0.5, -0.25, 3.0],
    [100.0, 0.0, 99.0],
    [1e30, 0.0, -1e30],
]


def exact_log_softmax(row: Array) -> list[Any]:
    o = [mpmath.mpf(float(value)) for value in row]
    # log(sum of the others / the whole) cancels nothing, whatever the size of o.
    total = [mpmath.fsum(mpmath.exp(c - o_k) for c in o) for o_k in o]
    return [-mpmath.log(t) for t in total]


def exact_logistic(o: float, y: int) -> Any:
    x = mpmath.mpf(float(o))
    return mpmath.log(1 + mpmath.exp(-x if y else x))


def tolerance(dtype: Any) -> float:
    # A few exponentials and logarithms of 4 units in the last place at the worst, and a
    # sum of three.
    return 16 * float(np.finfo(dtype).eps)


def assert_relative(found: Array, exact: list[Any], dtype: Any) -> None:
    assert found.dtype == dtype
    limits = np.finfo(dtype)
    assert len(found) == len(exact)
    for one, expected in zip(found, exact, strict=True):
        # What is below the normal numbers may keep fewer digits.
        allowed = tolerance(dtype) * abs(expected) + 4 * float(limits.tiny)
        assert abs(mpmath.mpf(float(one)) - expected) <= allowed, (one, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_keeps_its_digits_at_every_logit(dtype: Any) -> None:
    o_a = np.array(ROWS, dtype=dtype)
    with mpmath.workdps(DIGITS):
        exact = [exact_log_softmax(row) for row in o_a]
        for y in range(3):
            with np.errstate(all="raise", under="ignore"):
                L = cross_entropy(o_a, np.full(len(o_a), y))
            assert_relative(L, [-row[y] for row in exact], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_probabilities_are_the_exponentials_of_their_logarithms(dtype: Any) -> None:
    o_a = np.array(ROWS, dtype=dtype)
    with np.errstate(all="raise", under="ignore"):
        o_s, log_o_s = softmax(o_a), log_softmax(o_a)
    with mpmath.workdps(DIGITS):
        for i, row in enumerate(o_a):
            exact = exact_log_softmax(row)
            assert_relative(log_o_s[i], exact, dtype)
            assert_relative(o_s[i], [mpmath.exp(value) for value in exact], dtype)


def test_the_tiny_loss_of_a_confident_class_is_not_rounded_to_0() -> None:
    # 1 + exp(-40) is 1 in float64; log(1 + exp(-40)) = exp(-40) - exp(-80)/2 is not 0.
    expected = [4.248354255291589e-18]
    L = cross_entropy(np.array([[0.0, 40.0]]), np.array([1]))
    np.testing.assert_allclose(L, expected, rtol=1e-14)
    L = logistic_loss(np.array([[40.0]]), np.array([[1]]))
    np.testing.assert_allclose(L, expected, rtol=1e-14)


def test_cross_entropy_of_a_hopeless_example_is_the_distance_of_the_logits() -> None:
    (L,) = cross_entropy(np.array([[-1e4, 1e4]], dtype=np.float32), np.array([0]))
    assert L == 2e4  # its probability, exp(-20000), is 0 in any format


@given(
    st.integers(2, 9),
    st.sampled_from([1e-3, 1.0, 30.0, 200.0]),
    st.sampled_from(DTYPES),
    st.integers(0, 2**32 - 1),
)
def test_softmax_is_positive_and_sums_to_1(
    m: int, size: float, dtype: Any, seed: int
) -> None:
    o_a = size * np.random.default_rng(seed).uniform(-0.5, 0.5, (20, m))
    o_s = softmax(o_a.astype(dtype))
    assert o_s.dtype == dtype
    # Logits at most 200 apart: exp(-200) is positive in float64, exp(-30) in float32.
    if dtype == np.float64 or size <= 30:
        assert np.all(o_s > 0)
    # m quotients and m - 1 additions, each off by half a unit of at most 1.
    np.testing.assert_allclose(
        np.sum(o_s, axis=1), 1, rtol=0, atol=m * np.finfo(dtype).eps
    )


@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_adding_the_same_to_every_logit_changes_nothing(m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Multiples of 1/8, and offsets of which the sum is still one: no rounding enters.
    o_a = rng.integers(-80, 80, (10, m)) / 8
    offset = rng.integers(-(2**40), 2**40, (10, 1)) / 8
    y = rng.integers(0, m, 10)
    for function in (softmax, log_softmax):
        np.testing.assert_array_equal(function(o_a + offset), function(o_a))
    np.testing.assert_array_equal(cross_entropy(o_a + offset, y), cross_entropy(o_a, y))


@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_reordering_the_classes_reorders_the_probabilities(m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    o_a, order = 5 * rng.standard_normal((10, m)), rng.permutation(m)
    # Only the order of a sum of m terms changes.
    np.testing.assert_allclose(
        softmax(o_a[:, order]), softmax(o_a)[:, order], rtol=m * 2.3e-16
    )


def test_onehot_is_worked_by_hand() -> None:
    rows = onehot(np.array([2, 0]), like=np.ones((2, 3), dtype=np.float32))
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, [[0, 0, 1], [1, 0, 0]])


def test_the_gradient_of_equal_logits_is_worked_by_hand() -> None:
    grad_o_a = cross_entropy_gradient(np.full((1, 4), 7.0), np.array([2]))
    np.testing.assert_array_equal(grad_o_a, [[0.25, 0.25, -0.75, 0.25]])
    grad_o_a = logistic_loss_gradient(np.zeros((1, 2)), np.array([[1, 0]]))
    np.testing.assert_array_equal(grad_o_a, [[-0.5, 0.5]])


def random_targets(rng: np.random.Generator, name: str, n: int, m: int) -> Array:
    return rng.integers(0, m, n) if name == "softmax" else rng.integers(0, 2, (n, m))


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("size", [0.1, 3.0, 40.0])
@pytest.mark.parametrize("m", [1, 2, 5])
def test_the_gradient_is_the_complex_step_of_the_loss(
    name: str, size: float, m: int
) -> None:
    rng = np.random.default_rng(7)
    output = OUTPUTS[name]
    o_a = size * rng.standard_normal((12, m))
    y = random_targets(rng, name, 12, m)
    grad_o_a = output.grad_o_a(o_a, y)
    assert grad_o_a.shape == (12, m)
    for k in range(m):
        moved = o_a.astype(np.complex128)
        moved[:, k] += 1e-30j
        # p - 1 leaves a rounding of 1.1e-16 of p; some ten of them.
        np.testing.assert_allclose(
            output.loss(moved, y).imag / 1e-30, grad_o_a[:, k], rtol=0, atol=2e-15
        )


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_complex_step_survives_ties_and_extreme_logits(name: str) -> None:
    output = OUTPUTS[name]
    o_a = np.array(ROWS[:-1])
    n = len(o_a)
    y = (
        np.arange(n) % 3
        if name == "softmax"
        else np.eye(3, dtype=int)[np.arange(n) % 3]
    )
    grad_o_a = output.grad_o_a(o_a, y)
    for k in range(3):
        moved = o_a.astype(np.complex128)
        moved[:, k] += 1e-30j
        np.testing.assert_allclose(
            output.loss(moved, y).imag / 1e-30, grad_o_a[:, k], rtol=0, atol=2e-15
        )


def test_the_gradient_of_the_cross_entropy_sums_to_0_over_the_classes() -> None:
    rng = np.random.default_rng(3)
    grad_o_a = cross_entropy_gradient(
        rng.standard_normal((50, 6)), rng.integers(0, 6, 50)
    )
    # The probabilities sum to 1 but for 6 roundings.
    np.testing.assert_allclose(np.sum(grad_o_a, axis=1), 0, atol=6 * 2.3e-16)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_logistic_loss_keeps_its_digits_at_every_logit(dtype: Any) -> None:
    o = np.array([0, 1e-8, 0.5, 3, 37, 88, 104, 710, 746, 1e4, 1e30], dtype=dtype)
    o_a = np.concatenate([-o, o])[:, None]
    with mpmath.workdps(DIGITS):
        for label in (0, 1):
            y = np.full(o_a.shape, label)
            with np.errstate(all="raise", under="ignore"):
                L = logistic_loss(o_a, y)
            exact = [exact_logistic(value, label) for value in o_a[:, 0]]
            assert_relative(L, exact, dtype)
        with np.errstate(all="raise", under="ignore"):
            found = log_sigmoid(o_a)[:, 0]
        assert_relative(found, [-exact_logistic(v, 1) for v in o_a[:, 0]], dtype)


def test_one_logistic_unit_is_the_softmax_over_0_and_its_logit() -> None:  # (L.1)
    rng = np.random.default_rng(5)
    o = 8 * rng.standard_normal((200, 1))
    y = rng.integers(0, 2, 200)
    both = np.concatenate([np.zeros_like(o), o], axis=1)
    close = {"rtol": 8 * 2.3e-16, "atol": 0}  # two ways of a few roundings each
    np.testing.assert_allclose(
        LOGISTIC.probabilities(o), SOFTMAX.probabilities(both)[:, 1:], **close
    )
    np.testing.assert_allclose(
        LOGISTIC.log_probabilities(o), SOFTMAX.log_probabilities(both)[:, 1:], **close
    )
    np.testing.assert_allclose(
        logistic_loss(o, y[:, None]), cross_entropy(both, y), **close
    )
    np.testing.assert_allclose(
        logistic_loss_gradient(o, y[:, None]),
        cross_entropy_gradient(both, y)[:, 1:],
        rtol=0,  # p - 1 cancels, so the rounding of p, at most 1, stays
        atol=8 * 2.3e-16,
    )


def test_the_loss_of_several_units_is_the_sum_of_each_alone() -> None:  # (L.4)
    rng = np.random.default_rng(6)
    o_a, y = 5 * rng.standard_normal((30, 4)), rng.integers(0, 2, (30, 4))
    alone = [logistic_loss(o_a[:, k : k + 1], y[:, k : k + 1]) for k in range(4)]
    np.testing.assert_allclose(logistic_loss(o_a, y), sum(alone), rtol=4 * 2.3e-16)
    np.testing.assert_array_equal(
        logistic_loss_gradient(o_a, y),
        np.concatenate(
            [
                logistic_loss_gradient(o_a[:, k : k + 1], y[:, k : k + 1])
                for k in range(4)
            ],
            axis=1,
        ),
    )


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("label_dtype", [np.int64, np.int32, np.uint8, np.bool_])
def test_no_kind_of_label_changes_the_dtype(
    name: str, dtype: Any, label_dtype: Any
) -> None:
    output = OUTPUTS[name]
    rng = np.random.default_rng(8)
    o_a = rng.standard_normal((6, 2)).astype(dtype)
    y = random_targets(rng, name, 6, 2)
    if name == "softmax" and label_dtype == np.bool_:
        pytest.skip("class numbers are integers")
    given_y = y.astype(label_dtype)
    for value in (
        output.probabilities(o_a),
        output.log_probabilities(o_a),
        output.loss(o_a, given_y),
        output.grad_o_a(o_a, given_y),
    ):
        assert value.dtype == dtype
    np.testing.assert_array_equal(output.loss(o_a, given_y), output.loss(o_a, y))
    np.testing.assert_array_equal(
        output.grad_o_a(o_a, given_y), output.grad_o_a(o_a, y)
    )


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_logits_are_left_as_they_were(name: str) -> None:
    rng = np.random.default_rng(9)
    o_a, y = rng.standard_normal((5, 3)), random_targets(rng, name, 5, 3)
    before = o_a.copy()
    for function in OUTPUTS[name][1:3]:
        function(o_a)
    for function in OUTPUTS[name][3:]:
        function(o_a, y)
    np.testing.assert_array_equal(o_a, before)


@pytest.mark.parametrize("name", OUTPUTS)
def test_nan_in_a_logit_is_nan_in_the_loss(name: str) -> None:
    o_a = np.array([[0.0, np.nan], [np.nan, 0.0], [0.0, 0.0]])
    y = np.array([0, 0, 1]) if name == "softmax" else np.array([[0, 1], [1, 1], [0, 0]])
    L = OUTPUTS[name].loss(o_a, y)
    np.testing.assert_array_equal(np.isnan(L), [True, True, False])
