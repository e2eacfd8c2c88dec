"""The derivative of a function of one real step t, at t = 0, by two methods.

Central differences, (f(h) - f(-h)) / 2h, work for every function.  Their error is the
truncation, of order h^2, plus the rounding of f divided by h; ``study`` takes many h,
estimates both from what it sees, and notices kinks:

- a kink beyond some distance spoils the larger steps only;
- a kink at 0 keeps the two one-sided slopes apart for every h, while those of a smooth
  function approach each other in proportion to h.

The complex step, Im f(ih) / h with h = 1e-30, subtracts nothing and so has no rounding
to speak of, but holds only for a function that computes with complex numbers as with
real ones; ``np.abs`` and ``np.linalg.norm`` silently do not.
"""

import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

Function = Callable[[Any], Any]  # of a real or complex step

EPS = float(np.finfo(np.float64).eps)
COMPLEX_STEP = 1e-30
# The first guess, near eps ** (1/3) where truncation and rounding balance; and the
# ladder of a study.  Powers of two, so that most points x + h are exact.
FIRST_STEP = 2.0**-17
LADDER = tuple(2.0**-e for e in range(9, 45, 2))
# How far from 0 the rounding of f is looked at, and what it is in double precision.
GRAIN_DISTANCES = tuple(2.0**-e for e in (16, 24, 32, 40))
DOUBLE = 64 * EPS
# Rounding of f in units of its last digit; a sum of many terms loses a few.
DIGITS_LOST = 16

# How a function for real numbers may answer a complex one.
REFUSALS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


class Quotient(NamedTuple):
    """Difference quotients of one step h."""

    central: float
    gap: float  # the right-hand slope minus the left-hand one
    noise: float  # what the rounding of f may contribute to either


class Study(NamedTuple):
    """A derivative, how far it may be off, and the slopes on either side of a kink."""

    derivative: float
    bound: float
    kink: tuple[float, float] | None  # (smaller, larger) one-sided slope, if at a kink


def unit_at(x: float) -> float:
    """What counts as a step of 1 where x is moved: 1, or a power of 2 as large as x."""
    return 2.0 ** max(0, math.ceil(math.log2(abs(x) or 1)))


def grain(f: Function, unit: float = 1.0) -> float:
    """How far rounding moves f: what a cubic does not explain in nine of its values.

    They lie a little away from t = 0, where there may be a kink, and far enough apart
    for float32 to tell them from each other.  Where kinks lie close, as they do with
    inputs of large numbers, it is those that a cubic does not explain; a loss that is
    as smooth as double precision lets it be at a finer distance has no other rounding.
    """
    found: list[float] = []
    for distance in GRAIN_DISTANCES:
        values = [_real(f, distance * unit * (1 + j / 16)) for j in range(9)]
        if len({*values}) < len(values) and found:
            break  # all is one number in float32
        with np.errstate(invalid="ignore"):
            left = np.diff(values, n=4) / 8  # they magnify rounding so much
        most = np.max(np.abs(left), where=np.isfinite(left), initial=0.0)
        found.append(float(most))
        if most <= DOUBLE * max(map(abs, values)):
            return float(most)
    return found[0]


def quotient(f: Function, value: float, h: float, rounding: float) -> Quotient:
    above, below = _real(f, h), _real(f, -h)
    digits = DIGITS_LOST * EPS * max(abs(value), abs(above), abs(below))
    noise = max(digits, rounding) / h
    return Quotient((above - below) / (2 * h), (above - 2 * value + below) / h, noise)


def complex_step(f: Function) -> float:
    """The derivative by the complex step; nan if f refuses complex numbers."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        try:
            return float(np.imag(f(1j * COMPLEX_STEP))) / COMPLEX_STEP
        except REFUSALS:
            return float("nan")


def study(f: Function, value: float, unit: float, rounding: float) -> Study:
    """The derivative by the best step of the ladder, in multiples of ``unit``."""
    ladder = [quotient(f, value, h * unit, rounding) for h in LADDER]
    ladder = [q for q in ladder if np.isfinite([q.central, q.gap]).all()]
    if not ladder:
        return Study(float("nan"), float("inf"), None)
    kink = _kink(ladder)
    # What a finer step sees and rounding does not explain, a kink that is close, spoils
    # every larger step, however well those agree with each other.
    jumps = [
        max(0.0, abs(q.central - finer.central) - 8 * finer.noise)
        for q, finer in pairwise(ladder[:11])
    ]
    best, bound = ladder[-1], float("inf")
    for k, q in enumerate(ladder):
        error = 4 * q.noise
        if k + 1 < len(ladder):
            finer = ladder[
                k + 1
            ]  # its step is 4 times smaller, its truncation 16 times
            error += abs(q.central - finer.central)
            if abs(finer.gap) > max(0.35 * abs(q.gap), 4 * finer.noise):
                error += abs(q.gap) / 2  # the gap of a kink, not of a smooth bend
        elif k > 0:
            error += abs(q.central - ladder[k - 1].central)
        error += max(jumps[k:], default=0.0)
        if error < bound:
            best, bound = q, error
    return Study(best.central, 3 * bound, kink)


def _kink(ladder: list[Quotient]) -> tuple[float, float] | None:
    """The one-sided slopes if the gap between them stays as the steps get smaller."""
    clear = [k for k, q in enumerate(ladder) if abs(q.gap) > 8 * q.noise]
    if not clear or clear[-1] == 0:
        return None
    before, q, *finer = ladder[clear[-1] - 1 :]
    # The ratio of the two is 1 at a kink and 1/4 where f is smooth.
    if not 0.6 * abs(before.gap) < abs(q.gap) < 1.7 * abs(before.gap):
        return None
    if finer and 8 * finer[0].noise < 0.6 * abs(q.gap):
        return None  # a smaller step would show it, and does not: it is further off
    # The slopes are read off a larger step, where rounding matters less, if it agrees.
    for sharper in (ladder[k] for k in reversed(clear)):
        if sharper.noise < 1e-5 * abs(q.gap):
            if abs(sharper.gap - q.gap) < 0.1 * abs(q.gap):
                q = sharper
            break
    half = abs(q.gap) / 2
    return q.central - half - 2 * q.noise, q.central + half + 2 * q.noise


def _real(f: Function, t: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.real(f(t)))
