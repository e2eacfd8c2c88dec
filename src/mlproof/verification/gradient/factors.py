"""A number that a gradient is off by, told as what it is likely to be.

A factor is a size of the arguments, such as the number of rows, or a simple fraction,
or neither; the name is as much of an explanation as the number.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

LARGEST_DENOMINATOR = 12
# Digits of a factor that have to be known before it is given any name.
WORST_SLACK = 0.02


class Size(NamedTuple):
    """A number that a factor might be, and how it is written."""

    words: str
    value: int
    rows: bool = False  # the first axis of an argument, over which means are taken


class Factor(NamedTuple):
    """A factor with its name."""

    value: float
    words: str  # "7"
    origin: str = ""  # "7 = len(X)"
    rows: bool = False  # whether it is a number of rows, or one over it


def told(factor: float, sizes: Sequence[Size], slack: float = 1e-9) -> Factor | None:
    """A factor as simply as it can be told; None if it is no simple number.

    ``slack`` is how far off the factor may be, relative to its size.
    """
    if slack > WORST_SLACK or factor == 0:
        return None
    for known in _known(abs(factor), sizes):
        if abs(abs(factor) - known.value) <= slack * known.value:
            if factor > 0:
                return known
            return known._replace(value=-known.value, words=f"-{known.words}")
    return None


def _known(size: float, sizes: Sequence[Size]) -> Iterator[Factor]:
    # A size explains more than a number does, but 1, 2 and 1/2 are everywhere.
    yield from (Factor(1.0, "1"), Factor(2.0, "2"), Factor(0.5, "1/2"))
    by_value: dict[int, list[Size]] = {}
    for one in sizes:
        by_value.setdefault(one.value, []).append(one)
    origins = {
        value: " = ".join([str(value), *(s.words for s in same[:3])])
        for value, same in by_value.items()
    }
    rows = {value: any(s.rows for s in same) for value, same in by_value.items()}
    for value, origin in origins.items():
        yield Factor(float(value), str(value), origin, rows[value])
        yield Factor(1 / value, f"1/{value}", origin, rows[value])
    fraction = Fraction(size).limit_denominator(LARGEST_DENOMINATOR)
    if 0 < fraction.numerator <= 10 * LARGEST_DENOMINATOR:
        yield Factor(float(fraction), str(fraction))
    for value, origin in origins.items():
        yield Factor(2.0 * value, f"2 * {value}", origin)
        yield Factor(2 / value, f"2/{value}", origin)
        yield Factor(value / 2, f"{value}/2", origin)
        yield Factor(0.5 / value, f"1/(2 * {value})", origin)


def sizes_of(
    functions: Iterable[Callable[..., Any]],
    args: tuple[Any, ...],
    blocks: Iterable[tuple[str, Any]],
) -> tuple[Size, ...]:
    """The lengths of the arguments, then of what the functions read, then of blocks."""
    functions = list(functions)
    found: list[Size] = []
    for name, arg in zip(_names(functions, len(args)), args, strict=True):
        found += _lengths(name, arg)
    for function in functions:
        for name, value in _seen(function):
            found += _lengths(name, value)
    for name, block in blocks:
        found += [size._replace(rows=False) for size in _lengths(name, block)]
    return tuple(dict.fromkeys(found))


def _names(functions: list[Callable[..., Any]], n: int) -> list[str]:
    """What the functions call their arguments after the parameters."""
    for function in functions:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # some builtins have none
            continue
        named = (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        )
        names = [p.name for p in parameters if p.kind in named][1:]
        if len(names) >= n:
            return names[:n]
    return [f"args[{k}]" for k in range(n)]


def _seen(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    """The arrays that a function reads without getting them as arguments."""
    try:
        seen = inspect.getclosurevars(function)
    except (TypeError, ValueError):  # no Python function, or not yet complete
        return []
    return [
        (name, value)
        for name, value in (*seen.nonlocals.items(), *seen.globals.items())
        if isinstance(value, np.ndarray)
    ]


def _lengths(name: str, value: Any) -> list[Size]:
    if isinstance(value, list | tuple):
        return [Size(f"len({name})", len(value), rows=True)] if len(value) > 1 else []
    shape = getattr(value, "shape", ())
    if not isinstance(shape, tuple):
        return []
    found = [
        Size(f"{name}.shape[{axis}]" if axis else f"len({name})", int(size), not axis)
        for axis, size in enumerate(shape)
    ]
    if len(shape) > 1:
        found.append(Size(f"{name}.size", int(np.prod(shape))))
    return [size for size in found if size.value > 1]
