"""A gradient beside measured slopes, in numbers that can be drawn.

The V of a difference quotient: its error falls with the step h as the truncation does,
by h for a one-sided quotient and h^2 for a central one, until the rounding of the loss,
divided by h, lifts it again.  The complex step subtracts nothing and has no such floor.
The V of a gradient that is wrong is flat: no step makes the difference go away.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mlproof.functions import Array
from mlproof.verification.gradient.subject import (
    Subject,
    gradient_at,
    loss_at,
    subject_of,
)
from mlproof.verification.slopes import (
    COMPLEX_STEP,
    FIRST_STEP,
    complex_step,
    quotient,
    unit_at,
)

STEPS = np.logspace(-1, -15, 57)


class Comparison(NamedTuple):
    """What a gradient says and what was measured; drawn by ``plots.gradient_check``."""

    given: dict[str, Array]  #     of some entries of each block
    measured: dict[str, Array]  #  by central differences, the same entries
    steps: Array  #    (k,)  h, in a random direction through all parameters
    forward: Array  #  (k,)  how far (f(h) - f(0)) / h is off the gradient, relatively
    central: Array  #  (k,)  how far (f(h) - f(-h)) / 2h is
    complex: Array  #  (k,)  how far Im f(ih) / h is; nan where the loss refuses it


def compare(
    loss: Callable[..., Any] | Mapping[str, Callable[..., Any]],
    gradient: Callable[..., Any],
    parameters: Any,
    *args: Any,
    max_entries: int = 60,
    seed: int = 0,
) -> Comparison:
    """Measure some entries of each block, and one direction with many steps.

    Parameters
    ----------
    loss, gradient, parameters, *args
        As ``mlproof.check_gradient`` takes them.
    max_entries : int, default=60
        How many entries of a block are measured; of a larger one, a random sample.
    seed : int, default=0
        Chooses the sample and the direction.

    Examples
    --------
    >>> import numpy as np
    >>> from mlproof.verification.comparison import compare
    >>> found = compare(lambda x: np.sum(x**4), lambda x: 4 * x**3, np.array([1.0, 2]))
    >>> bool(found.complex.min() < 1e-14 < found.central.min())
    True
    """
    subject = subject_of(loss, gradient, parameters, args)
    rng = np.random.default_rng(seed)
    blocks = gradient_at(subject, subject.arrays)
    for name, block, p in zip(subject.names, blocks, subject.point, strict=True):
        if block.shape != p.shape:
            raise ValueError(
                f"the gradient of {name} must have its shape {p.shape} to be drawn; "
                f"got {block.shape}."
            )
    given, measured = {}, {}
    for k, name in enumerate(subject.names):
        size = subject.point[k].size
        entries = np.sort(rng.choice(size, min(size, max_entries), replace=False))
        given[name] = blocks[k].ravel()[entries].astype(np.float64)
        measured[name] = np.array([_central(subject, k, int(i)) for i in entries])
    return Comparison(given, measured, STEPS, *_curves(subject, blocks, rng))


def _central(subject: Subject, k: int, i: int) -> float:
    """The slope of one entry of a block by one central difference."""

    def moved(t: Any) -> Any:
        blocks = [p.copy() for p in subject.point]
        blocks[k].flat[i] += t
        return subject.loss(subject.rebuild(blocks), *subject.args)

    step = FIRST_STEP * unit_at(float(subject.point[k].flat[i]))
    return quotient(moved, 0.0, step, 0.0).central


def _complex_step(f: Callable[[Any], Any], h: float) -> float:
    """Im f(ih) / h, for a step of another size than the usual one."""
    ratio = h / COMPLEX_STEP
    return complex_step(lambda t: f(t * ratio)) / ratio


def _curves(
    subject: Subject, blocks: list[Array], rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """The errors by step of three quotients, relative to what the gradient says."""
    direction = [rng.standard_normal(p.shape) for p in subject.point]
    length = np.sqrt(sum(float(np.sum(v * v)) for v in direction))
    direction = [v / length for v in direction]
    slope = sum(
        float(np.sum(g.astype(np.float64) * v))
        for g, v in zip(blocks, direction, strict=True)
    )

    def moved(t: Any) -> Any:
        there = [p + t * v for p, v in zip(subject.point, direction, strict=True)]
        return subject.loss(subject.rebuild(there), *subject.args)

    value = loss_at(subject, subject.point)
    quotients = [quotient(moved, value, float(h), 0.0) for h in STEPS]
    central = np.array([q.central for q in quotients])
    forward = np.array([q.central + q.gap / 2 for q in quotients])
    step = np.array([_complex_step(moved, float(h)) for h in STEPS])
    scale = abs(slope) or 1.0
    return (
        np.abs(forward - slope) / scale,
        np.abs(central - slope) / scale,
        np.abs(step - slope) / scale,
    )
