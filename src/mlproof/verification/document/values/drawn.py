"""Arrays that are drawn with a property: symmetric, one-hot, of sum 1."""

import random
from typing import Any

from mlproof.verification.document.values import arrays
from mlproof.verification.document.values.arrays import Array, empty
from mlproof.verification.document.values.numbers import Arithmetic


def with_properties(
    drawn: Array, properties: Any, stream: random.Random, arithmetic: Arithmetic
) -> Array:
    """An array of numbers, changed into one with all that is said of it."""
    if "symmetric" in properties and drawn.shape[0] == drawn.shape[1]:
        drawn = _positive(drawn)
    if "skew" in properties and drawn.shape[0] == drawn.shape[1]:
        drawn = drawn - drawn.T
    if "diagonal" in properties and drawn.shape[0] == drawn.shape[1]:
        drawn = _diagonal(drawn)
    if "onehot" in properties:
        drawn = _onehot(drawn, stream)
    if "simplex" in properties:
        drawn = _of_sum_one(drawn, arithmetic)
    if "columns of sum 1" in properties:
        drawn = _of_sum_one(drawn.T, arithmetic).T
    if "unit" in properties and drawn.shape[1] == 1:
        length = arithmetic.apply("sqrt", sum((drawn * drawn).flat))
        drawn = arrays.divide(arithmetic, drawn, length)
    if "zero" in properties:
        drawn = drawn * 0
    return drawn


MODELLED = (
    "symmetric",
    "skew",
    "diagonal",
    "onehot",
    "simplex",
    "columns of sum 1",
    "unit",
    "zero",
    "basis",
)


def _positive(drawn: Array) -> Array:
    made: Array = arrays.multiply(drawn, drawn.T)
    for i in range(len(made)):
        made[i, i] = made[i, i] + 1
    return made


def _diagonal(drawn: Array) -> Array:
    made: Array = drawn * 0
    for i in range(len(made)):
        made[i, i] = drawn[i, i]
    return made


def _onehot(drawn: Array, stream: random.Random) -> Array:
    """A single 1 in a column or in each row."""
    made = empty(*drawn.shape)
    made.fill(0)
    rows = made.T if drawn.shape[1] == 1 else made
    for row in rows:
        row[stream.randrange(len(row))] = 1
    return made


def _of_sum_one(drawn: Array, arithmetic: Arithmetic) -> Array:
    """Positive entries, of sum 1 in a column or in each row."""
    made: Array = drawn * drawn
    rows = made.T if drawn.shape[1] == 1 else made
    for row in rows:
        total = sum(row)
        for j in range(len(row)):
            row[j] = arithmetic.divide(row[j], total)
    return made
