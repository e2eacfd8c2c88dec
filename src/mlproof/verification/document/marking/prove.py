"""Proofs of scalar identities, by a normal form.

Sums, products, quotients and exponentials of linear terms are rational functions of the
variables and of their exponentials, which are independent of each other; two rational
functions are equal if and only if their difference reduces to 0.  The logarithm of a
positive polynomial is one more independent quantity.  What does not fit into this form
is not decided here.  SymPy does the arithmetic of rational functions, and is optional.
"""

from collections.abc import Sequence
from fractions import Fraction as Rational
from itertools import product
from typing import Any

from mlproof.verification.document.values.arrays import IllTyped, Unknown, is_array
from mlproof.verification.document.values.numbers import (
    Arithmetic,
    Dual,
    Undefined,
    plain,
)

ROOT = 4  # exponentials of quarters of the variables are powers of the generators
LOGARITHMS = 8  # different ones in a formula
MOST_VARIABLES = 4


class Undecided(Exception):
    """The normal form does not cover this."""


class _Euler:
    """The number e, which is only known as the base of a power."""


EULER = _Euler()


class Symbolic(Arithmetic):
    """Arithmetic of rational functions in variables and their exponentials.

    A variable has a sign where ``signs`` says so: then its generator is positive, and
    the variable is that, or minus that.
    """

    def __init__(self, names: Sequence[str], signs: Sequence[int] = ()):
        super().__init__()
        from sympy import QQ
        from sympy.polys.fields import field

        count = len(names)
        letters = [f"x{i}" for i in range(count)] + [f"t{i}" for i in range(count)]
        logarithms = [f"l{i}" for i in range(LOGARITHMS)]
        self.field, *generators = field([*letters, *logarithms], QQ)
        self.rationals = QQ
        self.count, self.signed = count, bool(signs)
        signs = signs or (1,) * count
        self.variables = dict(
            zip(
                names,
                (sign * g for sign, g in zip(signs, generators[:count], strict=True)),
                strict=True,
            )
        )
        self.linear = generators[:count]
        self.exponentials = generators[count : 2 * count]
        self.free = list(generators[2 * count :])
        self.logarithms: dict[Any, Any] = {}

    @property
    def euler(self) -> Any:
        return EULER

    @property
    def pi(self) -> Any:
        raise Undecided

    def number(self, value: Rational) -> Any:
        return self.field(self.rationals(value.numerator, value.denominator))

    def real(self, value: Any) -> Any:
        if isinstance(value, (int, Rational)):
            return self.number(Rational(value))
        if isinstance(value, float):
            raise Undecided
        return value

    def power(self, base: Any, exponent: Any) -> Any:
        if base is EULER:
            return self.apply("exp", exponent)
        whole = self._constant(plain(exponent))
        if not isinstance(exponent, Dual) and whole is not None:
            if whole.denominator == 1:
                return self.whole_power(base, int(whole))
            if whole.denominator == 2:
                root = self.apply("sqrt", base)
                return self.whole_power(root, int(whole.numerator))
        raise Undecided

    def _constant(self, x: Any) -> Rational | None:
        if isinstance(x, int):
            return Rational(x)
        if hasattr(x, "numer") and x.numer.is_ground and x.denom.is_ground:
            value = x.numer.LC / x.denom.LC if x.numer else self.rationals(0)
            return Rational(int(value.numerator), int(value.denominator))
        return None

    def apply(self, name: str, x: Any) -> Any:
        if isinstance(x, Dual):
            return super().apply(name, x)
        x = self.real(x)
        meant = getattr(self, f"_{name}", None)
        if meant is None:
            raise Undecided
        return meant(x)

    # The functions that have a normal form

    def _exp(self, x: Any) -> Any:
        if not x:
            return self.real(1)
        if not x.denom.is_ground:
            raise Undecided
        scale = self.rationals(1) / x.denom.LC
        result = self.real(1)
        for exponents, coefficient in x.numer.terms():
            where = [i for i, e in enumerate(exponents) if e]
            if len(where) != 1 or exponents[where[0]] != 1:
                raise Undecided
            result = result * self._exponential(where[0], coefficient * scale)
        return result

    def _exponential(self, place: int, coefficient: Any) -> Any:
        if place < self.count:
            times = coefficient * ROOT
            if times.denominator != 1:
                raise Undecided
            return self.exponentials[place] ** int(times)
        for inside, generator in self.logarithms.items():
            if generator == self.field.gens[place] and coefficient.denominator == 1:
                return self.field(inside) ** int(coefficient)
        raise Undecided

    def _log(self, x: Any) -> Any:
        if self._sign(x) <= 0:
            raise Undecided
        return self._log_of(x.numer) - self._log_of(x.denom)

    def _log_of(self, polynomial: Any) -> Any:
        """Of a monomial times a polynomial: powers of e come out as they are."""
        least = [min(e) for e in zip(*polynomial.monoms(), strict=True)]
        total = self.real(0)
        for place, power in enumerate(least):
            if not power:
                continue
            rest = [power if i == place else 0 for i in range(len(least))]
            polynomial = polynomial.quo(self.field.ring({tuple(rest): 1}))
            if self.count <= place < 2 * self.count:
                x = self.linear[place - self.count]
                total = total + x * self.number(Rational(power, ROOT))
            else:
                total = total + power * self._generator(self.field.ring.gens[place])
        if polynomial == 1:
            return total
        return total + self._generator(polynomial)

    def _generator(self, polynomial: Any) -> Any:
        if polynomial not in self.logarithms:
            if not self.free:
                raise Undecided
            self.logarithms[polynomial] = self.free.pop(0)
        return self.logarithms[polynomial]

    def _sign(self, x: Any) -> int:
        """The sign of what is plainly positive or negative; the rest is undecided."""
        if not x:
            return 0
        signs = [self._sign_of_polynomial(p) for p in (x.numer, x.denom)]
        return signs[0] * signs[1]

    def _sign_of_polynomial(self, polynomial: Any) -> int:
        coefficients = {c > 0 for c in polynomial.coeffs()}
        for exponents in polynomial.monoms():
            others = [
                e
                for i, e in enumerate(exponents)
                if e % 2 and not self.count <= i < 2 * self.count
            ]
            if others and not (self.signed and not any(exponents[2 * self.count :])):
                raise Undecided
        if len(coefficients) != 1:
            raise Undecided
        return 1 if coefficients.pop() else -1

    def sign_of(self, x: Any) -> int:
        return self._sign(self.real(plain(x)))

    def _abs(self, x: Any) -> Any:
        return -x if self._sign(x) < 0 else x

    def _rect(self, x: Any) -> Any:
        return x if self._sign(x) > 0 else self.real(0)

    def _identity(self, x: Any) -> Any:
        return x

    def _sqrt(self, x: Any) -> Any:
        if self._sign(x) < 0:
            raise Undefined("the root of a negative number")
        parts = []
        for polynomial in (x.numer, x.denom):
            root = self._root_of(polynomial)
            parts.append(self.field(root))
        return self._abs(parts[0] / parts[1])

    def _root_of(self, polynomial: Any) -> Any:
        content, factors = polynomial.factor_list()
        scale = Rational(int(content.numerator), int(content.denominator))
        root = _rational_root(scale)
        result = self.field.ring(self.rationals(root.numerator, root.denominator))
        for factor, power in factors:
            if power % 2:
                raise Undecided
            result = result * factor ** (power // 2)
        return result

    def _sigmoid(self, x: Any) -> Any:
        return 1 / (1 + self._exp(-x))

    def _tanh(self, x: Any) -> Any:
        up, down = self._exp(x), self._exp(-x)
        return (up - down) / (up + down)

    def _softplus(self, x: Any) -> Any:
        return self._log(1 + self._exp(x))

    def _sinh(self, x: Any) -> Any:
        return (self._exp(x) - self._exp(-x)) / 2

    def _cosh(self, x: Any) -> Any:
        return (self._exp(x) + self._exp(-x)) / 2

    def _expm1(self, x: Any) -> Any:
        return self._exp(x) - 1

    def _log1p(self, x: Any) -> Any:
        return self._log(1 + x)

    def larger(self, a: Any, b: Any) -> Any:
        return a if self._sign(self.real(plain(a)) - self.real(plain(b))) > 0 else b


def _rational_root(value: Rational) -> Rational:
    from math import isqrt

    up, down = isqrt(abs(value.numerator)), isqrt(value.denominator)
    if value < 0 or up * up != value.numerator or down * down != value.denominator:
        raise Undecided
    return Rational(up, down)


def proved(values: Any, names: Sequence[str]) -> bool:
    """Whether two formulas have one normal form, in all variables.

    Parameters
    ----------
    values
        A function that gives both values in an arithmetic, with its variables put in
        the place of the symbols.
    names
        The symbols that are variables.

    Returns
    -------
    bool
        False also where it cannot be decided, or without SymPy.
    """
    if len(names) > MOST_VARIABLES:
        return False
    try:
        return _same(values, Symbolic(names))
    except Undecided:
        pass
    except (ImportError, Undefined, IllTyped, Unknown, TypeError, ArithmeticError):
        return False
    return _by_signs(values, names)


def _by_signs(values: Any, names: Sequence[str]) -> bool:
    """Each sign apart; 0 itself is seen to by whoever looks at the edges."""
    if len(names) > 2:
        return False
    try:
        return all(
            _same(values, Symbolic(names, signs))
            for signs in product((1, -1), repeat=len(names))
        )
    except (Undecided, Undefined, IllTyped, Unknown, TypeError, ArithmeticError):
        return False


def _same(values: Any, arithmetic: Symbolic) -> bool:
    a, b = values(arithmetic, arithmetic.variables)
    if is_array(a) or is_array(b):
        raise Undecided
    difference = arithmetic.real(plain(a)) - arithmetic.real(plain(b))
    return not difference
