"""The gradient at points beside a kink, where the loss is smooth.

Where a single kink crosses the point, every value between the slopes on its two sides
is a subgradient.  Where several meet, as all units of a network do that begins at zero,
a convention for each of them, such as rect'(0) = 0, may add up to a value outside the
two slopes, and still be right wherever the loss is smooth.  So it is judged there.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from mlproof.functions import Array
from mlproof.verification.gradient.lines import Line, along, along_entry, bench
from mlproof.verification.gradient.subject import Subject, value_of
from mlproof.verification.slopes import FIRST_STEP, quotient, study

AWAY = 2.0**-10  # how far a point nearby is, in units of the parameter
PAIRS = 8  # of points on opposite sides, where several kinks are looked for
# A slope so far from those on both sides of the point is that of another kink: in units
# of the gap between the two, or of how far the gradient is from them.
APART = 0.05


class Beside(NamedTuple):
    """A point nearby, and the gradient there."""

    subject: Subject
    gradients: list[Array]


class Slope(NamedTuple):
    """What the gradient says along a line beside the kink, and what is so."""

    given: float
    derivative: float
    agree: bool


class Nearby:
    """Points nearby in pairs of opposite ones, made when they are first asked for."""

    def __init__(
        self,
        subject: Subject,
        gradient_at: Callable[[list[Array]], list[Array]],
        rng: np.random.Generator,
    ) -> None:
        self._subject, self._gradient_at, self._rng = subject, gradient_at, rng
        self._made: list[Beside] = []

    def points(self, pairs: int) -> Iterator[Beside]:
        """So many pairs; ArithmeticError or ValueError where there is no loss."""
        for i in range(2 * pairs):
            if i == len(self._made):
                self._made += self._pair()
            yield self._made[i]

    def _pair(self) -> list[Beside]:
        subject, rng = self._subject, self._rng
        step = [
            AWAY
            * np.maximum(1.0, np.abs(p))
            * rng.choice([-1, 1], p.shape)
            * rng.uniform(0.5, 1.0, p.shape)
            for p in subject.point
        ]
        pair = []
        for sign in (1, -1):
            arrays = [
                (p + sign * s).astype(a.dtype)
                for p, s, a in zip(subject.point, step, subject.arrays, strict=True)
            ]
            moved = subject._replace(
                arrays=arrays, point=[a.astype(np.float64) for a in arrays]
            )
            with np.errstate(all="ignore"):
                pair.append(Beside(moved, self._gradient_at(arrays)))
        return pair

    def several_kinks(self, k: int, line: Line, slopes: tuple[float, float]) -> bool:
        """Whether several kinks meet on the line, and the gradient is right beside."""
        off = min(abs(line.analytic - s) for s in slopes)
        gap = max(abs(slopes[1] - slopes[0]), off)
        several = False
        try:
            for beside in self.points(PAIRS):
                found = slope(beside, k, line, gap)
                if not found.agree:
                    return False
                apart = min(abs(found.derivative - s) for s in slopes)
                several = several or apart > APART * gap
        except (ArithmeticError, ValueError):
            return False
        return several


def slope(beside: Beside, k: int, line: Line, gap: float) -> Slope:
    """The gradient of block k and the derivative, along the line moved there."""
    on, gradient = bench(beside.subject, k), beside.gradients[k]
    value = value_of(on.loss(on.real))
    if line.entry is not None:
        there = along_entry(on, line.entry, float(gradient.flat[line.entry]))
    else:
        assert line.through is not None
        there = along(on, line.through, gradient, np.zeros(gradient.shape))
    given = there.analytic
    first = quotient(there.function, value, FIRST_STEP * there.unit, 0.0)
    size = max(abs(first.central), gap)
    loose = 10 * line.tolerance + 1e-5 * size + 4 * first.noise
    if abs(given - first.central) <= loose:
        return Slope(given, first.central, agree=True)
    deep = study(there.function, value, line.unit, 0.0)
    low, high = deep.kink or (deep.derivative, deep.derivative)
    agree = low - loose - deep.bound <= given <= high + loose + deep.bound
    return Slope(given, deep.derivative, agree)
