"""Vectors and matrices of numbers, whose shapes never stretch to fit.

All have two axes: a vector is a column.  What does not fit raises IllTyped, which says
both shapes; sizes are shown by the names they have in the document.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlproof.verification.document.values.numbers import (
    Arithmetic,
    Real,
    Undefined,
    plain,
)

Array = np.ndarray  # two axes, of any numbers
Value = Any  # a number or an Array, or one of the values below


class IllTyped(Exception):
    """Shapes or indices that do not fit; ``name`` is a message of the catalogue."""

    def __init__(self, name: str, /, **found: object):
        super().__init__(name)
        self.name, self.found = name, found


class Unknown(Exception):
    """What the evaluator has no meaning for, by a message of the catalogue."""

    def __init__(self, name: str, /, **found: object):
        super().__init__(name)
        self.name, self.found = name, found


class Endless(Unknown):
    """What would take for ever, so that nothing else is tried in its place."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """Several values that are one thing, such as all parameters: a vector in parts."""

    items: tuple[Value, ...]

    def map(self, function: Callable[[Value], Value]) -> "Bundle":
        return Bundle(tuple(function(item) for item in self.items))

    def __neg__(self) -> "Bundle":
        return self.map(lambda item: -item)

    def flat(self) -> Array:
        """All its numbers, in one column."""
        entries: list[Real] = []
        for item in self.items:
            entries += list(item.flat) if is_array(item) else [item]
        return column(entries)


@dataclass(frozen=True, eq=False)
class Identity:
    """A multiple of the identity matrix, whose size is that of what is around it."""

    scale: Real

    def __neg__(self) -> "Identity":
        return Identity(-self.scale)

    def of_size(self, size: int) -> Array:
        made = empty(size, size)
        for i in range(size):
            for j in range(size):
                made[i, j] = self.scale if i == j else 0
        return made


def is_array(value: Value) -> bool:
    return isinstance(value, np.ndarray)


def shape_of(value: Value) -> tuple[int, ...]:
    """Of a number no axis, of a column one, of a row or a matrix two."""
    if not is_array(value):
        return ()
    rows, columns = value.shape
    return (rows,) if columns == 1 else (rows, columns)


def column(entries: list[Real]) -> Array:
    made = np.empty((len(entries), 1), dtype=object)
    for i, entry in enumerate(entries):
        made[i, 0] = entry
    return made


def empty(rows: int, columns: int) -> Array:
    if rows < 0 or columns < 0:
        raise Undefined("an array of fewer than no entries")
    return np.empty((rows, columns), dtype=object)


def map_entries(function: Callable[[Real], Real], value: Value) -> Value:
    """A function of a number, at a number or at each entry."""
    if not is_array(value):
        return function(value)
    made = empty(*value.shape)
    for place in np.ndindex(value.shape):
        made[place] = function(value[place])
    return made


def _lone(value: Array) -> Value:
    return value[0, 0] if value.shape == (1, 1) else value


def add(a: Value, b: Value) -> Value:
    if isinstance(a, Bundle) and isinstance(b, Bundle):
        if len(a.items) != len(b.items):
            raise IllTyped("add", left=(len(a.items),), right=(len(b.items),))
        pairs = zip(a.items, b.items, strict=True)
        return Bundle(tuple(add(x, y) for x, y in pairs))
    if isinstance(a, Bundle) or isinstance(b, Bundle):
        a, b = (v.flat() if isinstance(v, Bundle) else v for v in (a, b))
    if isinstance(a, Identity) and isinstance(b, Identity):
        return Identity(a.scale + b.scale)
    for identity, other in ((a, b), (b, a)):
        if isinstance(identity, Identity) and is_array(other):
            if other.shape[0] != other.shape[1]:
                raise IllTyped("square", shape=shape_of(other))
            return other + identity.of_size(other.shape[0])
    if is_array(a) != is_array(b) or (is_array(a) and a.shape != b.shape):
        raise IllTyped("add", left=shape_of(a), right=shape_of(b))
    return a + b


def multiply(a: Value, b: Value) -> Value:
    """The product of matrices, or of one with a number."""
    for bundle, scale in ((a, b), (b, a)):
        if isinstance(bundle, Bundle):
            if is_array(scale) or isinstance(scale, Bundle):
                raise Unknown("product of")
            return Bundle(tuple(item * scale for item in bundle.items))
    for identity, other in ((a, b), (b, a)):
        if isinstance(identity, Identity):
            if isinstance(other, Identity):
                return Identity(identity.scale * other.scale)
            if is_array(other):
                return other * identity.scale
            return Identity(identity.scale * other)
    if not (is_array(a) and is_array(b)):
        return a * b
    if a.shape[1] != b.shape[0]:
        raise IllTyped("multiply", left=shape_of(a), right=shape_of(b))
    return _lone(_dot(a, b))


def _dot(a: Value, b: Value) -> Value:
    """Infinities are seen in what comes of it, and are no news on the way."""
    with np.errstate(all="ignore"):
        return np.dot(a, b)


def are_columns(a: Value, b: Value) -> bool:
    """Whether two values are vectors of one length."""
    return is_array(a) and is_array(b) and a.shape == b.shape and a.shape[1] == 1


def inner(a: Value, b: Value) -> Value:
    r"""What ``\cdot`` means: of two columns their inner product."""
    if are_columns(a, b):
        return _dot(a.T, b)[0, 0]
    return multiply(a, b)


def entrywise(a: Value, b: Value) -> Value:
    if is_array(a) != is_array(b) or (is_array(a) and a.shape != b.shape):
        raise IllTyped("entrywise", left=shape_of(a), right=shape_of(b))
    return a * b


def divide(arithmetic: Arithmetic, a: Value, b: Value) -> Value:
    if isinstance(a, Identity):
        return Identity(arithmetic.divide(a.scale, b))
    if is_array(b):
        if not is_array(a) or a.shape == b.shape:
            raise Unknown("divide arrays")  # meant entry by entry, perhaps
        raise IllTyped("divide", left=shape_of(a), right=shape_of(b))
    return map_entries(lambda entry: arithmetic.divide(entry, b), a)


def transpose(value: Value) -> Value:
    return value.T if is_array(value) else value


def total(value: Value) -> Real:
    return sum(value.flat) if is_array(value) else value


def trace(value: Value) -> Real:
    if is_array(value) and value.shape[0] != value.shape[1]:
        raise IllTyped("square", shape=shape_of(value))
    return sum(np.diagonal(value)) if is_array(value) else value


def diagonal(value: Value) -> Value:
    """The matrix with a column on its diagonal; a number has no place on one."""
    if not is_array(value) or value.shape[1] != 1:
        raise Unknown("diagonal")
    size = value.shape[0]
    made = empty(size, size)
    made.fill(0)
    for i in range(size):
        made[i, i] = value[i, 0]
    return made


def inverse(arithmetic: Arithmetic, value: Array) -> Array:
    """By elimination, with the largest pivot."""
    rows, columns = value.shape
    if rows != columns:
        raise IllTyped("square", shape=shape_of(value))
    work = np.concatenate([value.copy(), empty(rows, rows)], axis=1)
    work[:, rows:] = 0
    for i in range(rows):
        work[i, rows + i] = 1
    for i in range(rows):
        pivot = max(range(i, rows), key=lambda r: abs(plain(work[r, i])))
        if abs(plain(work[pivot, i])) < 1e-12:
            raise Undefined("the inverse of a singular matrix")
        if pivot != i:
            work[[i, pivot]] = work[[pivot, i]]
        scale = arithmetic.reciprocal(work[i, i])
        work[i] = work[i] * scale
        for r in range(rows):
            if r != i:
                work[r] = work[r] - work[i] * work[r, i]
    return work[:, rows:]
