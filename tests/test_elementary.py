"""The compiled functions of numbers: elementary.py against mpmath, units.py against
functions.py and losses.py, up to the ends of the floating range.

What compiled code computes is measured in units in the last place (ulp) of the exact
value, here taken with 60 digits of mpmath from the very number the function was given.
"""

from typing import Any

import mpmath
import numba
import numpy as np
import pytest

from mlproof import losses
from mlproof.engines.compiled import elementary, units
from mlproof.engines.compiled.toolchain import OPTIONS
from mlproof.functions import ACTIVATIONS, Array
from mlproof.losses import OUTPUTS

DIGITS = 60
FLOATS = (np.float32, np.float64)

# With the kernels' own options: how the compiler may change a loop is tested too.


@numba.njit(**OPTIONS)
def exp_of(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = elementary.exp(x[i])


@numba.njit(**OPTIONS)
def expm1_of(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = elementary.expm1(x[i])


@numba.njit(**OPTIONS)
def log1p_of(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = elementary.log1p(x[i])


@numba.njit(**OPTIONS)
def log1p_wide_of(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = elementary.log1p_wide(x[i])


@numba.njit(**OPTIONS)
def activated(activation: int, A: Any, H: Any, grad: Any) -> None:
    units.activate(activation, A, H)
    units.deactivate(activation, A, H, grad)


@numba.njit(**OPTIONS)
def softmax_with(
    o_a: Any, y: Any, weight: Any, who: Any, s: float, spare: Any, top: Any
) -> Any:
    return units.softmax_loss(o_a, y, weight, who, s, top, spare)


def softmax_of(o_a: Any, *others: Any) -> Any:
    return softmax_with(o_a, *others, np.empty(len(o_a), np.int64))


@numba.njit(**OPTIONS)
def logistic_of(o_a: Any, y: Any, weight: Any, who: Any, s: float, spare: Any) -> Any:
    return units.logistic_loss(o_a, y, weight, who, s, spare)


def values(function: Any, x: Any, dtype: Any) -> Array:
    x = np.array(x, dtype=dtype)
    out = np.full_like(x, 7)
    function(x, out)
    return out


def smallest(dtype: Any) -> Any:
    """The logarithm of the smallest normal number, rounded to the dtype."""
    return dtype(mpmath.log(mpmath.mpf(float(np.finfo(dtype).tiny))))


# ---- exp, expm1, log1p -------------------------------------------------------------


def negative(dtype: Any) -> Array:
    """From 0 down to the logarithm of the smallest normal number."""
    limits, rng = np.finfo(dtype), np.random.default_rng(0)
    low = float(smallest(dtype))
    halves = np.arange(1, int(-low / np.log(2) * 2)) * np.log(2) / 2
    x = np.concatenate(
        [
            rng.uniform(low, 0, 1500),
            rng.uniform(-1, 0, 1500),
            -(10 ** rng.uniform(np.log10(limits.tiny), 0, 1000)),
            # Where the whole power of 2 that is taken out steps, and halfway.
            *(-halves * (1 + step * float(limits.eps)) for step in (-1, 0, 1)),
            [low, float(np.nextafter(smallest(dtype), dtype(0))), -limits.tiny],
        ]
    ).astype(dtype)
    return x[x >= smallest(dtype)]


def zero_to_one(dtype: Any) -> Array:
    limits, rng = np.finfo(dtype), np.random.default_rng(1)
    return np.concatenate(
        [
            rng.uniform(0, 1, 3000),
            10 ** rng.uniform(np.log10(limits.tiny), 0, 1500),
            1 - 10 ** rng.uniform(np.log10(limits.eps), 0, 500),
            [limits.tiny, limits.eps, 1 - limits.epsneg, 1.0],
        ]
    ).astype(dtype)


def worst_ulps(function: Any, exact: Any, x: Array) -> float:
    out = values(function, x, x.dtype)
    worst = 0.0
    with mpmath.workdps(DIGITS):
        for x_i, found in zip(x.tolist(), out.tolist(), strict=True):
            expected = exact(mpmath.mpf(x_i))
            ulp = float(np.spacing(x.dtype.type(abs(float(expected)))))
            worst = max(worst, float(abs(mpmath.mpf(found) - expected)) / ulp)
    return worst


@pytest.mark.parametrize("dtype", FLOATS)
def test_exp_is_off_by_2_ulp_at_most(dtype: Any) -> None:
    # Half an ulp each for the series, its product with 2^p and the sum; found are 1.2.
    assert worst_ulps(exp_of, mpmath.exp, negative(dtype)) <= 2


@pytest.mark.parametrize("dtype", FLOATS)
def test_expm1_is_off_by_2_ulp_at_most(dtype: Any) -> None:
    assert worst_ulps(expm1_of, mpmath.expm1, negative(dtype)) <= 2  # found are 1.4


@pytest.mark.parametrize("dtype", FLOATS)
def test_log1p_is_off_by_3_ulp_at_most(dtype: Any) -> None:
    # The sum, the quotient, its square, the series and the product round one after the
    # other; found are 2.6.
    assert worst_ulps(log1p_of, mpmath.log1p, zero_to_one(dtype)) <= 3


@pytest.mark.parametrize("dtype", FLOATS)
def test_log1p_of_any_size_is_off_by_3_ulp_at_most(dtype: Any) -> None:
    up_to_9 = np.concatenate([9 * zero_to_one(dtype), 1 + zero_to_one(dtype)])
    huge = np.array([2.0**p + 1 for p in range(60)])
    for x in (zero_to_one(dtype), up_to_9.astype(dtype), huge.astype(dtype)):
        assert worst_ulps(log1p_wide_of, mpmath.log1p, x) <= 3
    np.testing.assert_array_equal(np.isnan(values(log1p_wide_of, [np.nan], dtype)), 1)


@pytest.mark.parametrize("dtype", FLOATS)
def test_numbers_next_to_0_are_their_own_expm1_and_log1p(dtype: Any) -> None:
    limits = np.finfo(dtype)
    tiny = np.array([limits.tiny, 16 * limits.tiny, limits.eps / 8], dtype=dtype)
    np.testing.assert_array_equal(values(expm1_of, -tiny, dtype), -tiny)
    np.testing.assert_array_equal(values(log1p_of, tiny, dtype), tiny)
    np.testing.assert_array_equal(values(exp_of, -tiny, dtype), 1)


@pytest.mark.parametrize("dtype", FLOATS)
def test_subnormal_numbers_keep_their_size(dtype: Any) -> None:
    step = np.finfo(dtype).smallest_subnormal
    x = np.array([1, 2, 3, 1000, 12345], dtype=dtype) * step
    for found in (-values(expm1_of, -x, dtype), values(log1p_of, x, dtype)):
        np.testing.assert_allclose(found, x, rtol=0, atol=step)
    np.testing.assert_array_equal(values(exp_of, -x, dtype), 1)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_functions_of_0_are_exact(dtype: Any) -> None:
    zeros = [0.0, -0.0]
    np.testing.assert_array_equal(values(exp_of, zeros, dtype), [1, 1])
    np.testing.assert_array_equal(values(expm1_of, zeros, dtype), [0, 0])
    np.testing.assert_array_equal(values(log1p_of, zeros, dtype), [0, 0])


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_stays_nan(dtype: Any) -> None:
    # Beside numbers, and so many that they fill a vector: where a loop goes on in
    # vectors and where it does not.
    x = np.array([np.nan, -1.0, np.nan, *[np.nan] * 40, -0.5], dtype=dtype)
    for function in (exp_of, expm1_of):
        np.testing.assert_array_equal(np.isnan(values(function, x, dtype)), np.isnan(x))
    np.testing.assert_array_equal(np.isnan(values(log1p_of, -x, dtype)), np.isnan(x))


@pytest.mark.parametrize("dtype", FLOATS)
def test_exp_is_0_where_no_normal_number_is_left(dtype: Any) -> None:
    low = smallest(dtype)
    below = [np.nextafter(low, dtype(-np.inf)), 2 * low, np.finfo(dtype).min, -np.inf]
    np.testing.assert_array_equal(values(exp_of, below, dtype), 0)
    np.testing.assert_array_equal(values(expm1_of, below, dtype), -1)
    (last,) = values(exp_of, [low], dtype)
    # The logarithm itself is rounded, and so is the normal number it belongs to.
    np.testing.assert_allclose(last, np.finfo(dtype).tiny, rtol=1e-4)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("function", "points"),
    [(exp_of, negative), (expm1_of, negative), (log1p_of, zero_to_one)],
)
def test_the_functions_rise_but_for_rounding(
    dtype: Any, function: Any, points: Any
) -> None:
    x = np.unique(points(dtype))
    # Numbers next to each other, where a fall would show first, besides those far off.
    x = np.unique(np.concatenate([x, np.nextafter(x, dtype(0))]))
    out = values(function, x, dtype)
    fall = np.maximum(out[:-1] - out[1:], 0)
    # An error of 3 ulp up and 3 ulp down, the bounds above.
    assert np.all(fall <= 6 * np.spacing(np.abs(out[1:])))
    assert np.all(out[2000:] >= out[:-2000])


def test_a_function_has_no_meaning_outside_compiled_code() -> None:
    for function in (elementary.exp, elementary.expm1, elementary.log1p):
        with pytest.raises(NotImplementedError):
            function(-1.0)


# ---- hidden units ------------------------------------------------------------------


def both(activation: str, x: Array) -> tuple[Array, Array]:
    """The value and the derivative, from compiled code."""
    A, H = x[None].copy(), np.full_like(x, 7)[None]
    activated(units.ACTIVATIONS.index(activation), A, H, np.ones_like(A))
    return H[0], A[0]


def pre_activations(dtype: Any) -> Array:
    limits, rng = np.finfo(dtype), np.random.default_rng(2)
    sizes = np.concatenate(
        [
            rng.uniform(0, 3, 300),
            rng.uniform(0, 40, 300),
            rng.uniform(0, -1.2 * float(smallest(dtype)), 300),
            10 ** rng.uniform(np.log10(limits.tiny), 0, 300),
            [0.0, limits.smallest_subnormal, limits.tiny, limits.eps, limits.max],
        ]
    )
    return np.concatenate([sizes, -sizes]).astype(dtype)


def test_the_names_and_their_numbers_are_those_of_functions_and_losses() -> None:
    assert set(units.ACTIVATIONS) == set(ACTIVATIONS)
    assert set(units.OUTPUTS) == set(OUTPUTS)
    assert units.ACTIVATIONS[units.TANH] == "tanh"
    assert units.ACTIVATIONS[units.ABS] == "abs"
    assert units.OUTPUTS[units.LOGISTIC] == "logistic"


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_hidden_unit_is_that_of_functions(activation: str, dtype: Any) -> None:
    x = pre_activations(dtype)
    h_s, derivative = both(activation, x)
    limits = np.finfo(dtype)
    # functions.py in float64 is exact for float32; for float64 it is off itself.
    exact = ACTIVATIONS[activation]
    with np.errstate(under="ignore"):
        expected = exact.function(x.astype(np.float64))
        slope = exact.derivative(x.astype(np.float64))
    # Two functions of elementary.py, a sum, a square and a quotient: 8 ulp at the most.
    # exp is 0 where it would be subnormal, and tanh' is 4 times its square.
    tolerance = {"rtol": 8 * float(limits.eps), "atol": 4 * float(limits.tiny)}
    np.testing.assert_allclose(h_s, expected, **tolerance)
    np.testing.assert_allclose(derivative, slope, **tolerance)


@pytest.mark.parametrize("activation", ["rect", "abs", "identity"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_unit_that_only_chooses_is_exact(activation: str, dtype: Any) -> None:
    x = pre_activations(dtype)
    h_s, derivative = both(activation, x)
    np.testing.assert_array_equal(h_s, ACTIVATIONS[activation].function(x))
    np.testing.assert_array_equal(derivative, ACTIVATIONS[activation].derivative(x))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("x", [0.0, -0.0, np.inf, -np.inf, np.nan])
def test_a_unit_at_a_kink_and_past_all_numbers_is_that_of_functions(
    activation: str, dtype: Any, x: float
) -> None:
    many = np.full(37, x, dtype=dtype)  # whole vectors, and a rest
    h_s, derivative = both(activation, many)
    with np.errstate(invalid="ignore"):
        expected = ACTIVATIONS[activation].function(many)
        slope = ACTIVATIONS[activation].derivative(many)
    tolerance = 4 * float(np.finfo(dtype).eps)  # log 2 and 1/2 of either are rounded
    np.testing.assert_allclose(h_s, expected, rtol=tolerance)
    np.testing.assert_allclose(derivative, slope, rtol=tolerance)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_nan_among_numbers_spoils_no_other(activation: str, dtype: Any) -> None:
    x = pre_activations(dtype)[:203]
    spoilt = x.copy()
    spoilt[5::11] = np.nan
    h_s, derivative = both(activation, spoilt)
    expected, slope = both(activation, x)
    nan = np.isnan(spoilt)
    assert np.all(np.isnan(h_s[nan]))
    np.testing.assert_array_equal(h_s[~nan], expected[~nan])
    np.testing.assert_array_equal(derivative[~nan], slope[~nan])


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1), (4, 1), (3, 5), (7, 16), (2, 37)])
def test_the_derivative_scales_what_comes_back(
    activation: str, dtype: Any, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(4)
    A, grad = rng.standard_normal((2, *shape)).astype(dtype)
    h_a, H = A.copy(), np.empty(shape, dtype)
    activated(units.ACTIVATIONS.index(activation), A, H, grad)
    tolerance = 16 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(H, ACTIVATIONS[activation].function(h_a), tolerance)
    expected = ACTIVATIONS[activation].derivative(h_a) * grad
    np.testing.assert_allclose(A, expected, tolerance)


# ---- outputs -----------------------------------------------------------------------

NO_WEIGHTS = np.empty(0)

# Equal logits, one confident class, a confident mistake, ties at the top, huge offsets.
LOGITS = [
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
EXTREME = np.array([[0.0, 1.0, -1.0, 40.0, -40.0, 1e4, -1e4, 1e30, -1e30]]).T


def compiled_loss(
    output: str, o_a: Array, y: Array, weight: Array, who: Array | None = None
) -> tuple[float, Array]:
    """The weighted mean of the losses, and its gradient."""
    gradient = o_a.copy()
    who = np.arange(len(o_a)) if who is None else who
    s = float(np.sum(weight[who])) if weight.size else float(len(o_a))
    if output == "softmax":
        spare = np.empty(len(o_a), dtype=o_a.dtype)
        return softmax_of(gradient, y, weight, who, s, spare), gradient
    spare = np.empty(o_a.size, dtype=o_a.dtype)
    labels = y.astype(np.uint8)
    return logistic_of(gradient, labels, weight, who, s, spare), gradient


def exact_loss(output: str, o_a: Array, y: Array, weight: Array) -> tuple[float, Array]:
    """The same from losses.py in float64."""
    share = weight / np.sum(weight) if weight.size else np.full(len(o_a), 1 / len(o_a))
    wide = o_a.astype(np.float64)
    risk = float(share @ OUTPUTS[output].loss(wide, y))
    return risk, OUTPUTS[output].grad_o_a(wide, y) * share[:, None]


def assert_same_loss(output: str, o_a: Array, y: Array, weight: Array) -> None:
    risk, gradient = compiled_loss(output, o_a, y, weight)
    with np.errstate(under="ignore"):
        expected, slope = exact_loss(output, o_a, y, weight)
    limits = np.finfo(o_a.dtype)
    # A difference, an exponential, a sum over the columns and a logarithm, all of them
    # positive.
    rtol = (8 + o_a.shape[1]) * float(limits.eps)
    tiny = o_a.size * float(limits.tiny)
    assert risk == pytest.approx(expected, rel=rtol, abs=tiny)
    # p - 1 loses digits beside 1, here or there; 1 is the share of the row.
    share = float(np.max(weight) / np.sum(weight)) if weight.size else 1 / len(o_a)
    np.testing.assert_allclose(gradient, slope, rtol=rtol, atol=rtol * share + tiny)
    assert gradient.dtype == o_a.dtype


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("y", [0, 1, 2])
def test_the_softmax_loss_of_each_row_is_that_of_losses(dtype: Any, y: int) -> None:
    for row in LOGITS:
        o_a = np.array([row], dtype=dtype)
        assert_same_loss("softmax", o_a, np.array([y]), NO_WEIGHTS)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("y", [0, 1])
def test_the_logistic_loss_of_each_row_is_that_of_losses(dtype: Any, y: int) -> None:
    for row in EXTREME.tolist():
        o_a = np.array([row], dtype=dtype)
        assert_same_loss("logistic", o_a, np.array([[y]]), NO_WEIGHTS)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_single_class_is_certain(dtype: Any) -> None:
    o_a = np.array([[3.0], [-1e30], [0.0]], dtype=dtype)
    risk, gradient = compiled_loss("softmax", o_a, np.zeros(3, int), NO_WEIGHTS)
    assert risk == 0
    np.testing.assert_array_equal(gradient, np.zeros((3, 1)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("output", sorted(OUTPUTS))
@pytest.mark.parametrize("m", [1, 2, 3, 8, 10, 17, 130])
@pytest.mark.parametrize("weights", ["none", "some 0", "huge"])
def test_the_loss_of_many_rows_is_that_of_losses(
    dtype: Any, output: str, m: int, weights: str
) -> None:
    rng = np.random.default_rng(m)
    n = 29
    o_a = (rng.standard_normal((n, m)) * rng.choice([1e-3, 1, 30], n)[:, None]).astype(
        dtype
    )
    y = rng.integers(0, m, n) if output == "softmax" else rng.integers(0, 2, (n, m))
    weight = {
        "none": NO_WEIGHTS,
        "some 0": rng.integers(0, 3, n) * rng.uniform(0.5, 1, n),
        "huge": rng.uniform(0.5, 1, n) * 1e100,  # no number of float32
    }[weights]
    assert_same_loss(output, o_a, y, weight)


@pytest.mark.parametrize("output", sorted(OUTPUTS))
def test_targets_and_weights_are_those_of_the_rows_asked_for(output: str) -> None:
    rng = np.random.default_rng(3)
    o_a = rng.standard_normal((5, 3))
    y = rng.integers(0, 3, 40) if output == "softmax" else rng.integers(0, 2, (40, 3))
    weight, who = rng.uniform(0.5, 2, 40), np.array([31, 0, 7, 7, 39])
    risk, gradient = compiled_loss(output, o_a, y, weight, who)
    expected, slope = exact_loss(output, o_a, y[who], weight[who])
    assert risk == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-15)


def test_the_tiny_loss_of_a_confident_class_is_not_rounded_to_0() -> None:
    # 1 + exp(-40) is 1 in float64; log(1 + exp(-40)) = exp(-40) - exp(-80)/2 is not 0.
    expected = pytest.approx(4.248354255291589e-18, rel=1e-14)
    o_a, y = np.array([[0.0, 40.0]]), np.array([1])
    assert compiled_loss("softmax", o_a, y, NO_WEIGHTS)[0] == expected
    o_a, y = np.array([[40.0]]), np.array([[1]])
    assert compiled_loss("logistic", o_a, y, NO_WEIGHTS)[0] == expected


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("output", sorted(OUTPUTS))
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_nan_among_the_logits_is_not_hidden(
    dtype: Any, output: str, column: int
) -> None:
    o_a = np.zeros((2, 3), dtype=dtype)
    o_a[1, column] = np.nan
    y = np.array([0, 1]) if output == "softmax" else np.eye(3)[:2]
    risk, gradient = compiled_loss(output, o_a, y, NO_WEIGHTS)
    expected = OUTPUTS[output].grad_o_a(o_a, y)
    assert np.isnan(risk)
    np.testing.assert_array_equal(np.isnan(gradient), np.isnan(expected))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("y", [0, 1])
@pytest.mark.parametrize(
    "row", [[np.inf, 0], [0, np.inf], [np.inf, np.inf], [-np.inf, 0], [-np.inf] * 2]
)
def test_an_infinite_logit_is_judged_as_by_losses(
    dtype: Any, y: int, row: list[float]
) -> None:
    # A network that has diverged must not pass for one that has nothing to learn.
    o_a, who = np.array([row], dtype=dtype), np.array([y])
    risk, gradient = compiled_loss("softmax", o_a, who, NO_WEIGHTS)
    with np.errstate(invalid="ignore"):
        L = losses.cross_entropy(o_a, who)
        slope = losses.cross_entropy_gradient(o_a, who)
    np.testing.assert_array_equal([risk], L)
    assert np.any(np.isnan(gradient)) == np.any(np.isnan(slope))
    if not np.any(np.isnan(slope)):
        np.testing.assert_array_equal(gradient, slope)
