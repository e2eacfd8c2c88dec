"""Numbers that carry their derivatives, in double precision or in fifty digits.

A dual number is a value and its derivatives in some directions; each rule here is one
line of calculus.  Duals nest, level above level, so that a derivative can be derived
again.  The functions are written once, for every kind of number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction as Rational
from itertools import count
from typing import Any

import mpmath
import numpy as np

Real = Any  # int, float, mpf, Dual


class Undefined(Exception):
    """A value does not exist here: division by zero, the logarithm of a negative."""


_LEVELS = count(1)


def new_level() -> int:
    """A level above all others, so that derivatives of different variables part."""
    return next(_LEVELS)


class Dual:
    """A number and its derivatives in some directions."""

    __slots__ = ("level", "slopes", "value")

    def __init__(self, level: int, value: Real, slopes: tuple[Real, ...]):
        self.level, self.value, self.slopes = level, value, slopes

    def map(self, value: Real, slope: Real) -> "Dual":
        """The chain rule: a function with this value and this slope here."""
        return Dual(self.level, value, tuple(slope * s for s in self.slopes))

    def __add__(self, other: Real) -> Real:
        if isinstance(other, np.ndarray):
            return NotImplemented  # the array takes it entry by entry
        if not isinstance(other, Dual) or other.level < self.level:
            return Dual(self.level, self.value + other, self.slopes)
        if other.level > self.level:
            return Dual(other.level, self + other.value, other.slopes)
        slopes = tuple(a + b for a, b in zip(self.slopes, other.slopes, strict=True))
        return Dual(self.level, self.value + other.value, slopes)

    __radd__ = __add__

    def __neg__(self) -> Real:
        return Dual(self.level, -self.value, tuple(-s for s in self.slopes))

    def __pos__(self) -> Real:
        return self

    def __sub__(self, other: Real) -> Real:
        return self + (-other)

    def __rsub__(self, other: Real) -> Real:
        return (-self) + other

    def __mul__(self, other: Real) -> Real:
        if isinstance(other, np.ndarray):
            return NotImplemented
        if not isinstance(other, Dual) or other.level < self.level:
            return self.map(self.value * other, other)
        if other.level > self.level:
            return other.map(self * other.value, self)
        a, b = self.value, other.value
        slopes = tuple(
            s * b + a * t for s, t in zip(self.slopes, other.slopes, strict=True)
        )
        return Dual(self.level, a * b, slopes)

    __rmul__ = __mul__


def plain(number: Real) -> Real:
    """The value without its derivatives."""
    while isinstance(number, Dual):
        number = number.value
    return number


def is_whole(number: Real) -> bool:
    """Whether a number is a whole one, and not too large to be meant as one."""
    bare = plain(number)
    return bool(abs(bare) < 1e6 and bare == int(bare))


@dataclass(frozen=True)
class _Rule:
    """A function of one number: its value, and its slope from argument and value."""

    value: Callable[["Arithmetic", Real], Real]
    slope: Callable[["Arithmetic", Real, Real], Real]


class Arithmetic:
    """The functions of one kind of number.

    ``kinks`` counts how often a slope was asked for where there is none and a
    convention gave it.
    """

    def __init__(self, digits: int | None = None):
        self.context = mpmath.fp if digits is None else mpmath.MPContext()
        self.digits = digits or 15
        if digits is not None:
            self.context.dps = digits
        self.kinks = 0

    @property
    def euler(self) -> Real:
        return self.context.e * 1

    @property
    def pi(self) -> Real:
        return self.context.pi * 1

    # What every formula needs

    def number(self, value: Rational) -> Real:
        if value.denominator == 1:
            return int(value)
        return self.context.mpf(value.numerator) / value.denominator

    def real(self, value: Real) -> Real:
        """An integer as a number of this kind, which divides as one."""
        return self.context.mpf(value) if isinstance(value, int) else value

    def divide(self, a: Real, b: Real) -> Real:
        bare = plain(b)
        if bare == 0:
            raise Undefined("division by zero")
        if isinstance(b, Dual):
            return a * self.reciprocal(b)
        if isinstance(a, Dual):
            return a * (1 / self.real(b))
        return self.real(a) / b

    def reciprocal(self, a: Real) -> Real:
        if isinstance(a, Dual):
            value = self.reciprocal(a.value)
            return a.map(value, -(value * value))
        if a == 0:
            raise Undefined("division by zero")
        return 1 / self.real(a)

    def power(self, base: Real, exponent: Real) -> Real:
        bare = plain(exponent)
        if not isinstance(exponent, Dual) and bare == int(bare):
            return self.whole_power(base, int(bare))
        sign = plain(base)
        if sign < 0:
            raise Undefined("a power of a negative number")
        if isinstance(exponent, Dual):
            return self.apply("exp", exponent * self.apply("log", base))
        if isinstance(base, Dual):
            value = self.power(base.value, exponent)
            return base.map(value, exponent * self.power(base.value, exponent - 1))
        if sign == 0:
            if bare < 0:
                raise Undefined("division by zero")
            return self.real(0)
        return self.context.power(self.real(base), exponent)

    def whole_power(self, base: Real, exponent: int) -> Real:
        if abs(exponent) > 10_000:
            raise Undefined("a power too large to compute")
        if exponent < 0:
            return self.reciprocal(self.whole_power(base, -exponent))
        result: Real = 1
        while exponent:
            if exponent % 2:
                result = result * base
            base = base * base if exponent > 1 else base
            exponent //= 2
        return result

    def apply(self, name: str, x: Real) -> Real:
        """A function of one number, with the derivatives that x carries."""
        rule = RULES[name]
        if isinstance(x, Dual):
            value = self.apply(name, x.value)
            return x.map(value, rule.slope(self, x.value, value))
        try:
            return rule.value(self, self.real(x))
        except (OverflowError, ValueError, ZeroDivisionError):
            raise Undefined("a value too large to compute") from None

    # What is decided by the sign

    def kink(self) -> None:
        self.kinks += 1

    def sign_of(self, x: Real) -> int:
        bare = plain(x)
        return int(bare > 0) - int(bare < 0)

    def larger(self, a: Real, b: Real) -> Real:
        """The maximum; at a tie its slope is that of b."""
        bare_a, bare_b = plain(a), plain(b)
        if bare_a == bare_b and (isinstance(a, Dual) or isinstance(b, Dual)):
            self.kink()
        return a if bare_a > bare_b else b


def _positive(x: Real, what: str) -> Real:
    if x <= 0:
        raise Undefined(what)
    return x


def _sigmoid(a: Arithmetic, x: Real) -> Real:
    e = a.context.exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


def _softplus(a: Arithmetic, x: Real) -> Real:
    return (x if x > 0 else 0 * x) + a.context.log(1 + a.context.exp(-abs(x)))


def _step(a: Arithmetic, x: Real) -> Real:
    """The slope of rect, and by convention 0 at 0."""
    if plain(x) == 0:
        a.kink()
    return int(a.sign_of(x) > 0)


def _sign_with_kink(a: Arithmetic, x: Real) -> Real:
    if plain(x) == 0:
        a.kink()
    return a.sign_of(x)


def _no_slope(a: Arithmetic, x: Real, _: Real) -> Real:
    if plain(x) == 0:
        a.kink()
    return 0


def _root(a: Arithmetic, x: Real) -> Real:
    if x < 0:
        raise Undefined("the root of a negative number")
    return a.context.sqrt(x)


def _within(x: Real, name: str) -> Real:
    if not -1 < x < 1:
        raise Undefined(f"{name} outside of (-1, 1)")
    return x


RULES: dict[str, _Rule] = {
    "exp": _Rule(lambda a, x: a.context.exp(x), lambda a, x, y: y),
    "log": _Rule(
        lambda a, x: a.context.log(_positive(x, "the logarithm of zero or less")),
        lambda a, x, y: a.reciprocal(x),
    ),
    "sqrt": _Rule(_root, lambda a, x, y: a.divide(1, 2 * y)),
    "sigmoid": _Rule(_sigmoid, lambda a, x, y: y * (1 - y)),
    "tanh": _Rule(lambda a, x: a.context.tanh(x), lambda a, x, y: 1 - y * y),
    "softplus": _Rule(_softplus, lambda a, x, y: a.apply("sigmoid", x)),
    "rect": _Rule(lambda a, x: x if x > 0 else 0 * x, lambda a, x, y: _step(a, x)),
    "abs": _Rule(lambda a, x: abs(x), lambda a, x, y: _sign_with_kink(a, x)),
    "sign": _Rule(lambda a, x: a.real(a.sign_of(x)), _no_slope),
    "identity": _Rule(lambda a, x: x, lambda a, x, y: 1),
    "sin": _Rule(lambda a, x: a.context.sin(x), lambda a, x, y: a.apply("cos", x)),
    "cos": _Rule(lambda a, x: a.context.cos(x), lambda a, x, y: -a.apply("sin", x)),
    "tan": _Rule(lambda a, x: a.context.tan(x), lambda a, x, y: 1 + y * y),
    "sinh": _Rule(lambda a, x: a.context.sinh(x), lambda a, x, y: a.apply("cosh", x)),
    "cosh": _Rule(lambda a, x: a.context.cosh(x), lambda a, x, y: a.apply("sinh", x)),
    "atan": _Rule(
        lambda a, x: a.context.atan(x), lambda a, x, y: a.reciprocal(1 + x * x)
    ),
    "asin": _Rule(
        lambda a, x: a.context.asin(_within(x, "arcsin")),
        lambda a, x, y: a.reciprocal(a.apply("sqrt", 1 - x * x)),
    ),
    "acos": _Rule(
        lambda a, x: a.context.acos(_within(x, "arccos")),
        lambda a, x, y: -a.reciprocal(a.apply("sqrt", 1 - x * x)),
    ),
    "atanh": _Rule(
        lambda a, x: a.context.atanh(_within(x, "artanh")),
        lambda a, x, y: a.reciprocal(1 - x * x),
    ),
    "logit": _Rule(
        lambda a, x: (
            a.context.log(_positive(x, "logit outside of (0, 1)"))
            - a.context.log(_positive(1 - x, "logit outside of (0, 1)"))
        ),
        lambda a, x, y: a.reciprocal(x * (1 - x)),
    ),
    "factorial": _Rule(
        lambda a, x: a.context.gamma(_positive(x + 1, "the factorial of a negative")),
        lambda a, x, y: y * a.context.digamma(x + 1),
    ),
    "erf": _Rule(
        lambda a, x: a.context.erf(x),
        lambda a, x, y: a.apply("exp", -(x * x)) * (2 / a.context.sqrt(a.context.pi)),
    ),
    "log1p": _Rule(
        lambda a, x: a.context.log(_positive(1 + x, "the logarithm of zero or less")),
        lambda a, x, y: a.reciprocal(1 + x),
    ),
    "expm1": _Rule(lambda a, x: a.context.exp(x) - 1, lambda a, x, y: y + 1),
}
