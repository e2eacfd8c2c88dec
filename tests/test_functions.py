"""functions.py: Q1.1 to Q1.9 against mpmath, up to the ends of the floating range."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from mlproof import functions
from mlproof.functions import ACTIVATIONS, Array

# The definitions of the derivation, in mpmath.  With 1000 digits nothing that float64
# can tell apart cancels, not even in 1 - tanh(710)^2 = 4 exp(-1420), and the numerical
# mpmath.diff, which is good for half of the digits, stands for every derivative: the
# formulas under test are not used to test themselves.
DIGITS = 1000
EXACT: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda x: (mpmath.tanh(x / 2) + 1) / 2,  # (Q1.1)
    "softplus": lambda x: -mpmath.log(1 / (1 + mpmath.exp(x))),  # (Q1.2)
    "tanh": mpmath.tanh,
    "sign": mpmath.sign,  # (Q1.5)
    "abs_": abs,
    "rect": lambda x: max(x, mpmath.mpf(0)),  # (Q1.7)
    "identity": lambda x: x,
}
PRIMES = {
    "sigmoid_prime": "sigmoid",
    "tanh_prime": "tanh",
    "softplus_prime": "softplus",
    "abs_prime": "abs_",
    "rect_prime": "rect",
    "identity_prime": "identity",
}
SMOOTH = ("sigmoid", "tanh", "softplus", "identity")

# Where exp, tanh and their products round to 0 or 1, overflow, or become subnormal.
# fmt: off
SIZES = {
    np.float64: [
        5e-324, 1e-300, 1e-160, 1e-16, 1e-8, 0.1, 0.55, 1, 3.7, 18.5, 19.1, 36.7, 37,
        37.5, 88, 104, 350, 372.5, 400, 708.5, 709.8, 710, 744.5, 745.2, 746, 1e4, 1e38,
        1e154, 1e300, np.finfo(np.float64).max,
    ],
    np.float32: [
        1e-45, 1e-38, 1e-20, 1e-8, 1e-4, 0.1, 0.55, 1, 3.7, 8.7, 9.1, 16.7, 17.4, 37,
        43, 50, 52.5, 87, 88.8, 103, 104.5, 710, 1e4, 1e38, np.finfo(np.float32).max,
    ],
}
# fmt: on


def points(dtype: Any) -> Array:
    sizes = np.array(SIZES[dtype], dtype=dtype)
    return np.concatenate([-sizes[::-1], sizes])


def exact_values(name: str, x: Array) -> list[Any]:
    with mpmath.workdps(DIGITS):
        return [EXACT[name](mpmath.mpf(float(x_i))) for x_i in x]


def exact_slopes(name: str, x: Array) -> list[Any]:
    with mpmath.workdps(DIGITS):
        return [mpmath.diff(EXACT[name], mpmath.mpf(float(x_i))) for x_i in x]


def assert_within_ulps(found: Array, exact: list[Any], x: Array, ulps: int) -> None:
    limits = np.finfo(found.dtype)
    with mpmath.workdps(DIGITS):
        for one, expected, x_i in zip(found, exact, x, strict=True):
            # Below the smallest normal number a float keeps digits, not precision.
            allowed = ulps * (
                float(limits.eps) * abs(expected) + float(limits.smallest_subnormal)
            )
            error = abs(mpmath.mpf(float(one)) - expected)
            assert error <= allowed, (
                f"at x = {x_i!r}: {one!r}, should be {mpmath.nstr(expected, 20)}"
            )


# exp, log1p and tanh of NumPy are good to 4 units in the last place at the worst (its
# documented bound for float32 SIMD), and each product, sum or quotient adds a half.
# tanh' squares, which doubles the error.
ULPS = 12


@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("name", EXACT)
def test_a_function_is_its_definition_to_the_last_digits(name: str, dtype: Any) -> None:
    x = points(dtype)
    found = getattr(functions, name)(x)
    assert found.dtype == dtype
    assert_within_ulps(found, exact_values(name, x), x, ULPS)


@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("name", PRIMES)
def test_a_derivative_is_the_slope_to_the_last_digits(name: str, dtype: Any) -> None:
    x = points(dtype)
    found = getattr(functions, name)(x)
    assert found.dtype == dtype
    assert_within_ulps(found, exact_slopes(PRIMES[name], x), x, ULPS)


@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("name", [*EXACT, *PRIMES])
def test_nothing_but_underflow_happens_for_finite_input(name: str, dtype: Any) -> None:
    x = np.concatenate([points(dtype), np.array([0.0, -0.0], dtype=dtype)])
    # Each point alone too: a vector instruction and a single one may differ in flags.
    with np.errstate(all="raise", under="ignore"):
        together = getattr(functions, name)(x)
        alone = [getattr(functions, name)(x_i) for x_i in x]
    assert np.all(np.isfinite(together))
    # The two ways to compute differ by their rounding only.
    np.testing.assert_allclose(alone, together, rtol=2 * ULPS * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("shape", [(), (3,), (2, 1, 3), (0, 4)])
@pytest.mark.parametrize("name", [*EXACT, *PRIMES])
def test_shape_and_dtype_are_kept(
    name: str, shape: tuple[int, ...], dtype: Any
) -> None:
    found = getattr(functions, name)(np.full(shape, 0.25, dtype=dtype))
    assert np.shape(found) == shape
    assert found.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "name",
    # The others are made of indicators, and no condition holds for NaN.
    sorted({*EXACT, *PRIMES} - {"sign", "rect_prime", "abs_prime", "identity_prime"}),
)
def test_nan_stays_nan(name: str, dtype: Any) -> None:
    x = np.array([np.nan, 1.0, -1.0], dtype=dtype)
    found = getattr(functions, name)(x)
    np.testing.assert_array_equal(np.isnan(found), [True, False, False])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("name", ["sign", "rect", "abs_", "rect_prime", "abs_prime"])
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_at_the_kink_the_value_and_the_subgradient_are_0(
    name: str, zero: float, dtype: Any
) -> None:
    assert getattr(functions, name)(np.array(zero, dtype=dtype)) == 0


def test_the_smallest_numbers_beside_the_kink_are_on_their_own_side() -> None:
    x = np.array([-5e-324, 5e-324])
    np.testing.assert_array_equal(functions.sign(x), [-1, 1])
    np.testing.assert_array_equal(functions.abs_prime(x), [-1, 1])
    np.testing.assert_array_equal(functions.rect_prime(x), [0, 1])


@pytest.mark.parametrize("name", PRIMES)
def test_the_complex_step_is_the_derivative(name: str) -> None:
    h = 1e-30
    x = np.concatenate([-np.geomspace(1e-12, 300, 200), np.geomspace(1e-12, 300, 200)])
    moved = getattr(functions, PRIMES[name])(x + 1j * h)
    # Both are sums, products and quotients of a few numbers, without a difference: some
    # ten roundings of 1.1e-16 each.  Below 1e-270 the imaginary part, h times the
    # slope, is subnormal.
    np.testing.assert_allclose(
        moved.imag / h, getattr(functions, name)(x), rtol=1e-14, atol=1e-270
    )


@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softplus", "identity"])
def test_the_complex_step_of_a_smooth_function_is_its_derivative_at_0_too(
    name: str, zero: float
) -> None:
    # Zero weights put every logit at exactly 0, where the formulas change branches.
    moved = getattr(functions, name)(np.array(complex(zero, 1e-30)))
    prime = getattr(functions, f"{name}_prime")(np.array(zero))
    assert moved.imag / 1e-30 == pytest.approx(prime, rel=1e-14)


@pytest.mark.parametrize("name", EXACT)
def test_the_real_part_in_a_complex_step_is_the_real_function(name: str) -> None:
    x = np.linspace(-40, 40, 161)
    moved = getattr(functions, name)(x + 1e-30j)
    # To the roundings of two different ways; log1p of a complex number adds it to 1.
    np.testing.assert_allclose(
        moved.real, getattr(functions, name)(x), rtol=4e-15, atol=4e-16
    )


@pytest.mark.parametrize("name", SMOOTH)
def test_a_function_falls_nowhere(name: str) -> None:
    x = np.linspace(-800, 800, 20_001)
    assert np.all(np.diff(getattr(functions, name)(x)) >= 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_norms_and_their_gradients_are_worked_by_hand(dtype: Any) -> None:
    x = np.array([[3.0, -4.0], [0.0, 0.5]], dtype=dtype)
    assert functions.squared_norm(x) == 25.25  # 9 + 16 + 1/4  (Q1.8)
    assert functions.l1_norm(x) == 7.5  #         3 + 4 + 1/2  (Q1.9)
    for norm in (functions.squared_norm, functions.l1_norm):
        assert norm(x).dtype == dtype
    for gradient, expected in (
        (functions.squared_norm_prime(x), [[6.0, -8.0], [0.0, 1.0]]),
        (functions.l1_norm_prime(x), [[1.0, -1.0], [0.0, 1.0]]),
    ):
        assert gradient.dtype == dtype
        np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize("name", ["squared_norm", "l1_norm"])
def test_the_complex_step_of_a_norm_is_its_gradient(name: str) -> None:
    x = np.random.default_rng(1).standard_normal((4, 3))
    gradient = getattr(functions, f"{name}_prime")(x)
    for i in np.ndindex(x.shape):
        moved = x.astype(np.complex128)
        moved[i] += 1e-30j
        slope = getattr(functions, name)(moved).imag / 1e-30
        assert slope == pytest.approx(gradient[i], rel=1e-15)


def test_every_activation_is_listed_with_its_own_derivative() -> None:
    assert {(a.function, a.derivative) for a in ACTIVATIONS.values()} == {
        (getattr(functions, function), getattr(functions, prime))
        for prime, function in PRIMES.items()
    }
    assert all(name == a.name for name, a in ACTIVATIONS.items())
