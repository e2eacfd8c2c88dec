"""The loss along lines through the point, and the gradient given beside it.

A line moves one entry of one block, or all of a block in some direction.  One working
copy of the parameters serves for all of them: an entry is moved, the loss called, and
the entry put back, so that a step costs what the loss costs and little more.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mlproof.functions import Array
from mlproof.verification.gradient.subject import Subject, refuse_changes
from mlproof.verification.slopes import unit_at

# How well right gradients agree at first sight, relative to the largest derivative.
CENTRAL_TOLERANCE, COMPLEX_TOLERANCE = 1e-7, 1e-9


class Line(NamedTuple):
    """One direction through a block, and how the gradient given looks along it."""

    function: Callable[[Any], Any]  # the loss after a step t
    unit: float  # the step that counts as 1
    analytic: float
    tolerance: float  # what rounding may do to that
    entry: int | None  # the flat index; None for a direction through the whole block
    block_size: float  # the largest entry of the block
    through: Array | None = None  # that direction


class Bench(NamedTuple):
    """One block on the bench: the loss as a function of it, the others held still."""

    loss: Callable[[Array], Any]
    real: Array  # the working copies of the block, where its entries are moved
    complex: Array
    point: Array
    close: Callable[[], None]  # refuses a loss that has changed its parameters


def bench(
    subject: Subject, k: int, function: Callable[..., Any] | None = None
) -> Bench:
    """Block k of the subject's loss, or of another function of the same arguments."""
    function = function or subject.loss
    work = [p.copy() for p in subject.point]
    point = subject.point[k]
    real, wide = work[k], point.astype(np.complex128)

    def loss(block: Array) -> Any:
        work[k] = block
        try:
            return function(subject.rebuild(list(work)), *subject.args)
        finally:
            work[k] = real

    def close() -> None:
        refuse_changes("loss", subject.names, subject.point, work)
        refuse_changes("loss", (subject.names[k],), [point], [wide])

    return Bench(loss, real, wide, point, close)


def along_entry(
    on: Bench, i: int, analytic: float = 0.0, rounding: float = 0.0
) -> Line:
    """Through one entry."""
    start = float(on.point.flat[i])

    def function(t: Any) -> Any:
        block = on.complex if isinstance(t, complex) else on.real
        block.flat[i] = start + t
        try:
            return on.loss(block)
        finally:
            block.flat[i] = start

    return Line(function, unit_at(start), analytic, rounding, i, _size(on.point))


def along(on: Bench, direction: Array, gradient: Array, rounding: Array) -> Line:
    """Through the whole block."""
    v = direction / np.linalg.norm(direction)
    with np.errstate(invalid="ignore", over="ignore"):
        wide = gradient.astype(np.float64)
        analytic = float(np.sum(wide * v))
        # Of the entries that it moves: a part of the block has a part of the rounding.
        size = float(np.linalg.norm(wide[v != 0]))
    tolerance = 4 * float(np.linalg.norm(rounding * v)) + COMPLEX_TOLERANCE * size
    size = _size(on.point)
    return Line(
        lambda t: on.loss(on.point + t * v), 1.0, analytic, tolerance, None, size, v
    )


def _size(block: Array) -> float:
    return float(np.max(np.abs(block), where=np.isfinite(block), initial=0.0))
