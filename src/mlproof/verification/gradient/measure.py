"""One block of a gradient, measured: entries one by one, and random directions.

Each line is measured by one central difference and one complex step (slopes.py).
Where the two and the gradient agree, that is enough.  Where they do not, the derivative
is studied with many steps, and only what lies outside the bound of that study is called
wrong; so the complex step clears but never convicts, and the gradient of a loss that
does not carry it is still judged fairly.  At a kink every value between the two
one-sided slopes is a subgradient, and accepted; so is another where several kinks meet
and the gradient is right beside them (nearby.py).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mlproof.functions import Array
from mlproof.verification.gradient.lines import (
    CENTRAL_TOLERANCE,
    COMPLEX_TOLERANCE,
    Bench,
    Line,
    along,
    along_entry,
)
from mlproof.verification.gradient.subject import value_of
from mlproof.verification.slopes import (
    EPS,
    FIRST_STEP,
    Quotient,
    Study,
    complex_step,
    grain,
    quotient,
    study,
)

# A block is wrong after this many entries are: there is no need to study them all.
ENOUGH_WRONG = 3
# Of a loss that is coarse, so many are studied even so: the diagnosis has no others.
ENOUGH_COARSE = 24
# A block is tiny whose largest entry is below this; a smaller one has no smaller steps.
TINY, SMALLEST = 2.0**-24, 2.0**-900
# A complex step costs what several evaluations of the loss do.  Where a block has many
# entries or is sampled, it goes along directions too, and only some entries get one.
ENOUGH_COMPLEX, MANY = 32, 256

# Whether several kinks meet on a line with these slopes, and the gradient is right
# beside them; asked where it is neither of the slopes nor between.
SeveralKinks = Callable[[Line, tuple[float, float]], bool]

Steps = list[float | None]  # derivatives by complex steps; None where none was taken


class Judged(NamedTuple):
    """A line, and what was found of it."""

    line: Line
    first: Quotient
    central: float
    complex: float | None  # nan where the loss refuses a complex step; None: not taken
    allowed: float  # how far off the gradient could be without being noticed
    slopes: tuple[float, float] | None  # (left, right) if the point lies on a kink
    on_kink: bool
    studied: bool
    wrong: bool

    def expected(self, trusted: bool) -> float:
        """The derivative by the sharper of the two methods."""
        return self.complex if trusted and self.complex is not None else self.central


class Measured(NamedTuple):
    """What was found of a block."""

    entries: list[Judged]
    directions: list[Judged]
    trusted: bool  # whether the complex step can be relied on
    scale: float  # the largest derivative
    coarse: bool  # whether one small step shows nothing but rounding


class _Loss(NamedTuple):
    """The loss at the point, and how it rounds."""

    value: float
    rounding: float
    scale: float
    coarse: bool
    single: bool  # whether the gradient is float32 or less
    several_kinks: SeveralKinks


def measure(
    on: Bench,
    gradient: Array,
    rounding_of_gradient: Array,
    max_entries: int,
    n_directions: int,
    rng: np.random.Generator,
    several_kinks: SeveralKinks,
) -> Measured:
    """Compare the gradient of the block with its derivative."""

    def direction(v: Array) -> Line:
        return along(on, v, gradient, rounding_of_gradient)

    def entry(i: int) -> Line:
        given, rounding = gradient.flat[i], rounding_of_gradient.flat[i]
        return along_entry(on, i, float(given), float(rounding))

    point = on.point
    value = value_of(on.loss(on.real))
    probes = [rng.standard_normal(point.shape) for _ in range(2)]
    indices = np.arange(point.size)
    directions: list[Array] = []
    if point.size > max_entries:
        indices = np.sort(rng.choice(point.size, max_entries, replace=False))
        unfit = np.flatnonzero(~np.isfinite(gradient))[:1]  # no sample may miss it
        indices = np.union1d(indices, unfit)
    if point.size > min(max_entries, MANY):
        directions = [rng.standard_normal(point.shape) for _ in range(n_directions)]

    rounding = min(grain(direction(v).function) for v in probes)
    lines = [entry(int(i)) for i in indices] + [direction(v) for v in directions]
    firsts = [
        quotient(line.function, value, FIRST_STEP * line.unit, rounding)
        for line in lines
    ]
    stride = math.ceil(len(indices) / ENOUGH_COMPLEX) if directions else 1
    steps: Steps = [
        complex_step(line.function) if k % stride == 0 or line.entry is None else None
        for k, line in enumerate(lines)
    ]
    sizes = [abs(q.central) for q in firsts[: len(indices)] if math.isfinite(q.central)]
    loss = _Loss(
        value,
        rounding,
        scale=max(sizes, default=0.0),
        # A loss that computes in float32, say.
        coarse=rounding > 100 * EPS * abs(value),
        single=gradient.dtype.itemsize < 8,
        several_kinks=several_kinks,
    )
    judged, trusted = _examine(lines, firsts, steps, loss)
    if None in steps and any(j.wrong for j in judged):  # to be diagnosed: all count
        steps = [complex_step(line.function) for line in lines]
        judged, trusted = _examine(lines, firsts, steps, loss)
    entries, others = judged[: len(indices)], judged[len(indices) :]
    astray = [v for v, j in zip(directions, others, strict=False) if j.wrong]
    if astray and not any(j.wrong for j in entries):
        i = _locate(on, astray[0], gradient)
        found, _ = _examine([entry(i)], *_measured(entry(i), loss), loss)
        if found[0].wrong:
            entries.append(found[0])
    return Measured(entries, others, trusted, loss.scale, loss.coarse)


def _measured(line: Line, loss: _Loss) -> tuple[list[Quotient], Steps]:
    step = FIRST_STEP * line.unit
    first = quotient(line.function, loss.value, step, loss.rounding)
    return [first], [complex_step(line.function)]


def _examine(
    lines: list[Line], firsts: list[Quotient], steps: Steps, loss: _Loss
) -> tuple[list[Judged], bool]:
    """Judge every line; and say whether the complex step can be relied on."""
    trusted = not any(step is not None and math.isnan(step) for step in steps)
    judged: list[Judged] = []
    n_wrong = n_studied = 0
    for line, first, step in zip(lines, firsts, steps, strict=True):
        if line.entry is None and n_wrong >= ENOUGH_WRONG:
            break  # the directions are there to find what the entries do not show
        enough = n_wrong >= ENOUGH_WRONG and not (
            loss.coarse and n_studied < ENOUGH_COARSE
        )
        found = _at_first_sight(line, first, step, loss, trusted)
        if found is None and not enough:
            found = _at_length(line, first, step, loss)
            n_studied += 1
            if not found.on_kink and step is not None:
                off = abs(step - found.central)
                trusted = trusted and not off > found.allowed - line.tolerance
        found = found or _in_passing(line, first, step, loss)
        judged.append(found)
        n_wrong += found.wrong
    return judged, trusted


def _tolerances(line: Line, first: Quotient, loss: _Loss) -> tuple[float, float]:
    """What a complex step and a central difference may be off without suspicion."""
    tight = line.tolerance + COMPLEX_TOLERANCE * loss.scale
    loose = line.tolerance + CENTRAL_TOLERANCE * loss.scale + 2 * first.noise
    return tight, loose


def _at_first_sight(
    line: Line, first: Quotient, step: float | None, loss: _Loss, trusted: bool
) -> Judged | None:
    """The line, if there is nothing about it that calls for a study."""
    tight, loose = _tolerances(line, first, loss)
    if not math.isfinite(line.analytic):
        return Judged(
            line, first, first.central, step, loose, None, False, False, wrong=True
        )
    central_agrees = abs(line.analytic - first.central) <= loose
    complex_agrees = step is None or (
        abs(step - first.central) <= loose and abs(line.analytic - step) <= tight
    )
    if loss.coarse or not central_agrees:
        return None
    slopes = _sides(line, first, loss)
    if not (complex_agrees or not trusted or slopes):
        return None
    sharp = complex_agrees and trusted and step is not None
    allowed = tight if sharp else loose
    on_kink = slopes is not None
    return Judged(
        line, first, first.central, step, allowed, slopes, on_kink, False, wrong=False
    )


def _sides(line: Line, first: Quotient, loss: _Loss) -> tuple[float, float] | None:
    """The slopes on the two sides, if they differ and a finer step does not mend it."""
    if abs(first.gap) <= max(8 * first.noise, 1e-3 * loss.scale):
        return None
    h = FIRST_STEP * line.unit / 8
    finer = quotient(line.function, loss.value, h, loss.rounding)
    if not 8 * finer.noise < abs(finer.gap):
        return None
    if not 0.6 * abs(first.gap) < abs(finer.gap) < 1.7 * abs(first.gap):
        return None  # it would be 1/8 of it where the loss is smooth
    return first.central - first.gap / 2, first.central + first.gap / 2


def _at_length(line: Line, first: Quotient, step: float | None, loss: _Loss) -> Judged:
    """The line after a study with many steps, for what one step does not settle."""
    tight, _ = _tolerances(line, first, loss)
    found = study(line.function, loss.value, line.unit, loss.rounding)
    if abs(line.analytic - found.derivative) > found.bound + tight:
        found = _closer(line, found, loss)
    low, high = found.kink or (math.inf, -math.inf)
    if loss.single:  # rounding may have crossed a kink within the step
        low = min(low, first.central - 0.6 * abs(first.gap))
        high = max(high, first.central + 0.6 * abs(first.gap))
    allowed = found.bound + tight
    wrong = abs(line.analytic - found.derivative) > allowed
    on_kink = False
    if low - tight <= line.analytic <= high + tight:
        on_kink, wrong = bool(found.kink) or wrong, False
    if wrong and found.kink and loss.several_kinks(line, found.kink):
        on_kink, wrong = True, False
    slopes = None
    if on_kink and found.kink:
        slopes = found.kink if first.gap > 0 else found.kink[::-1]
    return Judged(
        line, first, found.derivative, step, allowed, slopes, on_kink, True, wrong
    )


def _closer(line: Line, found: Study, loss: _Loss) -> Study:
    """The study at the size of the block, if that is tiny and tells more.

    The weights of columns of huge numbers are, and kinks lie as close to each other as
    these are large.
    """
    if not SMALLEST < line.block_size < TINY:
        return found
    unit = 2.0 ** math.ceil(math.log2(line.block_size))
    rounding = grain(line.function, unit)
    closer = study(line.function, loss.value, unit, rounding)
    return closer if closer.bound < found.bound else found


def _in_passing(line: Line, first: Quotient, step: float | None, loss: _Loss) -> Judged:
    """The line in a block that is wrong already: only by what is plain to see."""
    _, loose = _tolerances(line, first, loss)
    agree = step is not None and abs(step - first.central) <= loose
    plain = agree and not loss.coarse
    wrong = plain and abs(line.analytic - first.central) > 10 * loose
    return Judged(line, first, first.central, step, loose, None, False, False, wrong)


def _locate(on: Bench, direction: Array, gradient: Array) -> int:
    """An entry that makes the gradient wrong along this direction, by halving."""
    value = value_of(on.loss(on.real))
    left = np.arange(direction.size)
    nothing = np.zeros(direction.shape)

    def off(part: Array) -> float:
        v = np.zeros(direction.shape)
        v.flat[part] = direction.flat[part]
        line = along(on, v, gradient, nothing)
        measured = quotient(line.function, value, FIRST_STEP, 0.0).central
        return abs(line.analytic - measured) * float(np.linalg.norm(v))

    while len(left) > 1:
        halves = left[: len(left) // 2], left[len(left) // 2 :]
        left = max(halves, key=off)
    return int(left[0])


def error_by(judged: Judged, trusted: bool) -> float:
    """How far the gradient is from the derivative along the line; inf if not finite."""
    if judged.on_kink:
        return 0.0
    found = abs(judged.line.analytic - judged.expected(trusted))
    return found if math.isfinite(found) else math.inf


def rounding_of(
    gradient_at: Any,
    gradients: list[Array],
    arrays: list[Array],
    rng: np.random.Generator,
    least: float,
) -> list[Array]:
    """How far rounding may move each entry of the gradient.

    Seen by moving the parameters in their last digits three times; the middle change
    counts, as one move may cross a kink.  At the least it is a few units in the last
    digit of the block's largest entry, and so many as ``least`` in that of 1, the size
    of the probabilities that gradients are made of.
    """
    eps = [
        max(float(np.finfo(g.dtype).eps), float(np.finfo(p.dtype).eps))
        for g, p in zip(gradients, arrays, strict=True)
    ]
    moves = []
    for _ in range(3):
        moved = [
            (p * (1 + 4 * e * rng.uniform(-1, 1, p.shape))).astype(p.dtype)
            for p, e in zip(arrays, eps, strict=True)
        ]
        moves.append(changes(gradient_at(moved), gradients))
    rounding = []
    for apart, g, e in zip(zip(*moves, strict=True), gradients, eps, strict=True):
        largest = float(np.max(np.abs(g), where=np.isfinite(g), initial=0.0))
        usual = 4 * np.median(apart, axis=0)
        rounding.append(np.maximum(usual, e * max(least, 16 * largest)))
    return rounding


def changes(gradients: list[Array], before: list[Array]) -> list[Array]:
    """How far each entry has moved; 0 where one of the two is not finite."""
    with np.errstate(invalid="ignore"):
        found = [
            np.abs(g.astype(np.float64) - b)
            for g, b in zip(gradients, before, strict=True)
        ]
    return [np.where(np.isfinite(change), change, 0.0) for change in found]
