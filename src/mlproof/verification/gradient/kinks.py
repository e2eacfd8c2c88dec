"""What is said of entries on a kink: which slope was returned, and what holds nearby.

On a kink the loss has a slope on its left and another on its right.  Every value
between the two is as right as any other, so nobody is accused; but which of them it is,
and whether the gradient follows the loss as soon as it leaves the kink, is worth
knowing.
"""

import numpy as np

from mlproof.verification.gradient.measure import Judged, Measured
from mlproof.verification.gradient.nearby import Nearby, slope
from mlproof.verification.gradient.subject import Subject

A_FEW = 5  # entries of a block that are looked at there


def convention(value: float, left: float, right: float) -> str:
    """Which of the slopes a value is, in words."""
    near = 1e-3 * abs(right - left)  # quotients beside a kink have few digits
    if abs(value - left) <= near:
        return "the slope on the left"
    if abs(value - right) <= near:
        return "the slope on the right"
    if abs(value - (left + right) / 2) <= near:
        return "halfway between"
    if not min(left, right) <= value <= max(left, right):
        return "neither nor between, as can be where several kinks meet"
    if value == 0:
        return "0, which lies between"
    return "between the two"


def notes_on_kinks(
    subject: Subject,
    measured: list[Measured],
    nearby: Nearby,
) -> tuple[str, ...]:
    """A note for each convention in each block, and on what holds at points nearby."""
    found = {
        k: [j for j in block.entries if j.slopes is not None and not j.wrong]
        for k, block in enumerate(measured)
    }
    found = {k: judged for k, judged in found.items() if judged}
    if not found:
        return ()
    notes = [
        note
        for k, judged in found.items()
        for note in _conventions(subject.names[k], subject.point[k].shape, judged)
    ]
    return (*notes, *_beside(found, nearby))


def _conventions(name: str, shape: tuple[int, ...], judged: list[Judged]) -> list[str]:
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        assert one.slopes is not None
        groups.setdefault(convention(one.line.analytic, *one.slopes), []).append(one)
    notes = []
    for which, group in groups.items():
        left, right = group[0].slopes or (0.0, 0.0)
        gap = abs(right - left)
        more = f" and {len(group) - 1} more lie" if len(group) > 1 else " lies"
        notes.append(
            f"{place(name, shape, group[0].line.entry)}{more} on a kink of the loss, "
            f"with the slope {_tidy(left, gap)} on the left and {_tidy(right, gap)} on "
            f"the right; yours is {group[0].line.analytic:.6g}, {which}."
        )
    return notes


def _tidy(slope: float, gap: float) -> str:
    """A slope in the digits that a difference quotient has beside a kink."""
    return f"{0.0 if abs(slope) < 1e-4 * gap else slope:.4g}"


def place(name: str, shape: tuple[int, ...], entry: int | None) -> str:
    """An entry as it is written: W1[2, 0]."""
    if entry is None or not shape:
        return name
    index = np.unravel_index(entry, shape)
    return f"{name}[{', '.join(str(int(i)) for i in index)}]"


def _beside(found: dict[int, list[Judged]], nearby: Nearby) -> list[str]:
    """Whether the gradient is the derivative on either side of the point."""
    try:
        for beside in nearby.points(pairs=1):
            for k, judged in found.items():
                for one in judged[:A_FEW]:
                    left, right = one.slopes or (0.0, 0.0)
                    there = slope(beside, k, one.line, abs(right - left))
                    if not there.agree:
                        subject = beside.subject
                        shape = subject.point[k].shape
                        where = place(subject.names[k], shape, one.line.entry)
                        return [
                            f"At a point nearby, off the kink, {where} is "
                            f"{there.given:.6g} where the derivative is "
                            f"{there.derivative:.6g}."
                        ]
    except (ArithmeticError, ValueError):
        return []  # the loss is not defined on all sides
    return ["At two points nearby, off the kinks, yours is the derivative there."]
