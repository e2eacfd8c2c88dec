"""Whether a gradient follows the parameters, or remembers an earlier call.

A gradient may keep values of a forward pass and forget to compute them again.  Where it
was first called it is right; elsewhere it returns what belongs to another point.  Two
questions tell: is it the same again after the loss and the gradient have been called
elsewhere, and does it change where the derivative changes.
"""

from collections.abc import Callable

import numpy as np

from mlproof.functions import Array
from mlproof.verification.findings import Finding
from mlproof.verification.gradient.lines import Bench, Line, along, bench
from mlproof.verification.gradient.measure import Measured
from mlproof.verification.gradient.subject import Subject, value_of
from mlproof.verification.slopes import FIRST_STEP, complex_step, quotient

AWAY = 2.0**-6  # how far the second point is, in units of the parameter
PATIENCE = 4  # calls at one point, after which a gradient that still changes is random

REMEMBERS = (
    "at the same parameters yours is another after calls at other ones: it uses values "
    "kept from an earlier call"
)
FROZEN = (
    "yours is right here, but stays the same at other parameters, where the derivative "
    "is another: it uses values kept from the first call"
)


def moved(subject: Subject, rng: np.random.Generator) -> list[Array]:
    """A second point."""
    return [
        (a + AWAY * np.maximum(1.0, np.abs(a)) * rng.uniform(-1, 1, a.shape)).astype(
            a.dtype
        )
        for a in subject.arrays
    ]


def remembering(
    subject: Subject,
    gradient_at: Callable[[list[Array]], list[Array]],
    elsewhere: list[Array],
) -> tuple[str, ...]:
    """The blocks that depend on earlier calls; ValueError if they do at random."""
    first = gradient_at(subject.arrays)
    try:
        wide = [a.astype(np.float64) for a in elsewhere]
        with np.errstate(all="ignore"):
            subject.loss(subject.rebuild(wide), *subject.args)
            gradient_at(elsewhere)
            subject.loss(subject.rebuild(wide), *subject.args)
    except (ArithmeticError, ValueError):
        pass  # not defined there; the question is asked all the same
    calls = [first] + [gradient_at(subject.arrays) for _ in range(PATIENCE)]
    if all(_equal(first, other) for other in calls[1:]):
        return ()
    if not _equal(calls[-1], calls[-2]):
        raise ValueError(
            "the gradient differs between two calls with the same parameters, so there "
            "is nothing to check; make it deterministic."
        )
    return tuple(
        name
        for k, name in enumerate(subject.names)
        if not all(np.array_equal(c[k], first[k], equal_nan=True) for c in calls[1:])
    )


def _equal(one: list[Array], other: list[Array]) -> bool:
    return all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True)
    )


def frozen(
    subject: Subject,
    gradients: list[Array],
    measured: list[Measured],
    gradient_at: Callable[[list[Array]], list[Array]],
    elsewhere: list[Array],
    rng: np.random.Generator,
) -> tuple[str, ...]:
    """The blocks that stay the same to the last digit where the derivative changes.

    One block is moved at a time: where only some values are kept, what a gradient
    computes anew from the other blocks would hide that it does not follow this one.
    """
    smooth = [
        k
        for k in range(len(gradients))
        if not any(j.on_kink for j in measured[k].entries)
    ]
    directions = [rng.standard_normal(g.shape) for g in gradients]
    here = {k: _slope(bench(subject, k), directions[k], gradients[k]) for k in smooth}
    found: set[int] = set()
    for moved_block, block in enumerate(elsewhere):
        arrays = list(subject.arrays)
        arrays[moved_block] = block
        try:
            with np.errstate(all="ignore"):
                after = gradient_at(arrays)
        except (ArithmeticError, ValueError):
            continue  # not defined there
        point = [a.astype(np.float64) for a in arrays]
        there = subject._replace(arrays=arrays, point=point)
        for k in smooth:
            if k in found or not np.array_equal(gradients[k], after[k], equal_nan=True):
                continue
            slope, doubt = _slope(bench(there, k), directions[k], gradients[k])
            if abs(here[k][0] - slope) > 100 * (here[k][1] + doubt):
                found.add(k)
    return tuple(subject.names[k] for k in sorted(found))


def _slope(on: Bench, v: Array, gradient: Array) -> tuple[float, float]:
    """The derivative along v and how far it may be off; nan where that is not known."""
    line: Line = along(on, v, gradient, np.zeros(v.shape))
    try:
        with np.errstate(all="ignore"):
            value = value_of(on.loss(on.real))
    except ValueError:
        return float("nan"), 0.0
    first = quotient(line.function, value, FIRST_STEP, 0.0)
    finer = quotient(line.function, value, FIRST_STEP / 4, 0.0)
    step = complex_step(line.function)
    doubt = abs(first.central - finer.central) + 2 * finer.noise
    doubt += 1e-9 * abs(first.central)
    if abs(step - first.central) > 10 * doubt and not np.isnan(step):
        doubt += abs(step - first.central)
    if abs(finer.gap) > max(0.5 * abs(first.gap), 8 * finer.noise):
        doubt += abs(finer.gap)  # a kink, near which there is no one slope
    return first.central, doubt


def stale_finding(blocks: tuple[str, ...], what: str) -> Finding:
    message = f"{', '.join(blocks)}: {what}"
    return Finding("stale_forward", blocks[0], blocks, None, message)
