"""exp and log1p as arithmetic that the compiler can do on a whole vector at once.

A call of the C library's exp keeps a loop from being vectorised.  Here each function is
one series on a reduced argument, without a branch; tests/test_elementary.py bounds the
errors against mpmath.  The exact functions of the derivation are those of functions.py.

With e = exp(-|x|) every activation and both outputs follow without overflow.
"""

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from mlproof.engines.compiled.machine import same_bits

# The steps below rely on the order of their operations: no reassociation in here.
STRICT = {"fastmath": {"contract"}, "error_model": "numpy"}

LOG_2 = Fraction("0.693147180559945309417232121458176568075500134360255")


def exp(x: Any) -> Any:
    """The exponential for x <= 0; 0 instead of what is too small for normal numbers.

    exp(x) = 2^p exp(r) with p = round(x / log 2) and |r| <= log(2) / 2.
    """
    raise NotImplementedError


def expm1(x: Any) -> Any:
    """exp(x) - 1 for x <= 0 to full relative precision."""
    raise NotImplementedError


def log1p(x: Any) -> Any:
    """log(1 + x) for 0 <= x <= 1, to full relative precision.

    log(1 + x) = 2 artanh(s) = 2 (s + s^3/3 + s^5/5 + ...) with s = x / (2 + x) <= 1/3.
    """
    raise NotImplementedError


def log1p_wide(x: Any) -> Any:
    """log(1 + x) for every finite x >= 0, to full relative precision.

    log(1 + x) = p log 2 + log(1 + r) with 1 + x = 2^p (1 + r) and 0 <= r < 1.
    """
    raise NotImplementedError


def _constants(real: Any, n_exp: int, n_log: int, low_bits: int) -> tuple[Any, ...]:
    """Those of both functions; log 2 in two parts, the first of them exact times p."""
    info = np.finfo(real)
    scale = 2 ** (info.nmant - low_bits)
    high = Fraction(math.floor(LOG_2 * scale), scale)
    return (
        real(math.log(float(info.tiny))),
        real(1 / LOG_2),
        real(high),
        real(LOG_2 - high),
        tuple(real(1 / math.factorial(i)) for i in range(n_exp, 0, -1)),
        tuple(real(1 / (2 * i + 1)) for i in range(n_log, -1, -1)),
    )


LOWEST32, INVERSE32, HIGH32, LOW32, EXP32, ARTANH32 = _constants(np.float32, 7, 7, 8)
LOWEST64, INVERSE64, HIGH64, LOW64, EXP64, ARTANH64 = _constants(np.float64, 13, 15, 11)
ZERO32, ONE32, TWO32 = np.float32(0), np.float32(1), np.float32(2)


@register_jitable(**STRICT)
def _reduce32(x: Any) -> Any:
    """2^p and exp(r) - 1."""
    p = np.rint(max(x, LOWEST32) * INVERSE32)
    r = (max(x, LOWEST32) - p * HIGH32) - p * LOW32
    series = EXP32[0]
    for coefficient in EXP32[1:]:
        series = series * r + coefficient
    return same_bits(np.int32((np.int32(p) + 127) << 23)), series * r


@register_jitable(**STRICT)
def _reduce64(x: Any) -> Any:
    p = np.rint(max(x, LOWEST64) * INVERSE64)
    r = (max(x, LOWEST64) - p * HIGH64) - p * LOW64
    series = EXP64[0]
    for coefficient in EXP64[1:]:
        series = series * r + coefficient
    return same_bits((np.int64(p) + 1023) << 52), series * r


def _exp32(x: Any) -> Any:
    power, minus_one = _reduce32(x)
    return x if x != x else (ZERO32 if x < LOWEST32 else power * minus_one + power)


def _exp64(x: Any) -> Any:
    power, minus_one = _reduce64(x)
    return x if x != x else (0.0 if x < LOWEST64 else power * minus_one + power)


def _expm1_32(x: Any) -> Any:
    power, minus_one = _reduce32(x)
    return x if x != x else power * minus_one + (power - ONE32)


def _expm1_64(x: Any) -> Any:
    power, minus_one = _reduce64(x)
    return x if x != x else power * minus_one + (power - 1.0)


def _log1p32(x: Any) -> Any:
    s = x / (TWO32 + x)
    series = ARTANH32[0]
    for coefficient in ARTANH32[1:]:
        series = series * (s * s) + coefficient
    return TWO32 * s * series


def _log1p64(x: Any) -> Any:
    s = x / (2.0 + x)
    series = ARTANH64[0]
    for coefficient in ARTANH64[1:]:
        series = series * (s * s) + coefficient
    return 2.0 * s * series


def _log1p_wide32(x: Any) -> Any:
    sum_ = ONE32 + x
    p = (same_bits(sum_) >> 23) - 127
    # Below 1 the digits of x that its sum with 1 has lost are kept.
    r = x if p == 0 else sum_ * same_bits(np.int32((127 - p) << 23)) - ONE32
    exponent = np.float32(p)
    return exponent * HIGH32 + (exponent * LOW32 + log1p(r))


def _log1p_wide64(x: Any) -> Any:
    sum_ = 1.0 + x
    p = (same_bits(sum_) >> 52) - 1023
    r = x if p == 0 else sum_ * same_bits((1023 - p) << 52) - 1.0
    exponent = np.float64(p)
    return exponent * HIGH64 + (exponent * LOW64 + log1p(r))


@overload(exp, jit_options=STRICT)
def _(x: Any) -> Any:
    return {types.float32: _exp32, types.float64: _exp64}.get(x)


@overload(expm1, jit_options=STRICT)
def _(x: Any) -> Any:
    return {types.float32: _expm1_32, types.float64: _expm1_64}.get(x)


@overload(log1p, jit_options=STRICT)
def _(x: Any) -> Any:
    return {types.float32: _log1p32, types.float64: _log1p64}.get(x)


@overload(log1p_wide, jit_options=STRICT)
def _(x: Any) -> Any:
    return {types.float32: _log1p_wide32, types.float64: _log1p_wide64}.get(x)
