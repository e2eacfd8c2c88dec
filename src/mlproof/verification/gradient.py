"""Is this gradient the derivative of that loss?  Two independent answers, compared.

Each entry is measured by one central difference and one complex step (slopes.py).
Where the two and the gradient agree, that is enough.  Where they do not, the derivative
is studied with many steps, and only what lies outside the bound of that study is called
wrong; so the complex step clears but never convicts, and the gradient of a loss that
does not carry it is still judged fairly.  At a kink every value between the two
one-sided slopes is a subgradient, and accepted.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mlproof.functions import Array
from mlproof.verification.report import BlockReport, GradientReport
from mlproof.verification.slopes import (
    EPS,
    FIRST_STEP,
    Quotient,
    complex_step,
    grain,
    quotient,
    study,
)
from mlproof.verification.structure import aligned, blocks_of, floating

# How well a right gradient is expected to agree at first sight, relative to the largest
# derivative of its block; what does not is studied.
CENTRAL_TOLERANCE, COMPLEX_TOLERANCE = 1e-7, 1e-9
# A block is wrong after this many entries are: there is no need to study them all.
ENOUGH_WRONG = 3


def check_gradient(
    loss: Callable[..., Any],
    gradient: Callable[..., Any],
    parameters: Any,
    *args: Any,
    max_entries: int = 200,
    n_directions: int = 3,
    seed: int = 0,
) -> GradientReport:
    """Compare ``gradient(parameters, *args)`` with the derivative of the loss.

    Parameters
    ----------
    loss : callable
        ``loss(parameters, *args)`` is a number.
    gradient : callable
        ``gradient(parameters, *args)`` is of the same structure as the parameters.
    parameters : array, or list, tuple, named tuple or dict of arrays
        Where to check.  The loss is called with float64 and complex128 copies of them.
    *args
        Passed on to both.
    max_entries : int, default=200
        Blocks with more entries are checked on a random sample of so many, and in
        random directions over all entries.
    n_directions : int, default=3
        How many directions.
    seed : int, default=0
        Chooses the sample and the directions.

    Returns
    -------
    GradientReport

    Examples
    --------
    >>> import numpy as np
    >>> from mlproof import check_gradient
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> check_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, x).ok
    True
    >>> print(check_gradient(lambda x: np.sum(x**2), lambda x: x, x))
    block         shape  checked   central  complex  verdict
    x                 3        3   5.0e-01  5.0e-01  WRONG: [2] is 3, should be 6
    """
    if not callable(loss) or not callable(gradient):
        raise TypeError(
            "check_gradient takes two functions first, loss and gradient; got "
            f"{type(loss).__name__} and {type(gradient).__name__}."
        )
    if max_entries < 1:
        raise ValueError(f"max_entries must be at least 1; got {max_entries}.")
    names, blocks, rebuild = blocks_of(parameters)
    arrays = [floating(block) for block in blocks]
    point = [array.astype(np.float64) for array in arrays]
    for name, array in zip(names, point, strict=True):
        if array.size == 0:
            raise ValueError(f"{name} is empty, so it has no gradient to check.")

    def gradient_at(arrays: list[Array]) -> list[Array]:
        given = [array.copy() for array in arrays]
        found = aligned(gradient(rebuild(given), *args), names, point)
        for name, before, after in zip(names, arrays, given, strict=True):
            if not np.array_equal(before, after, equal_nan=True):
                raise ValueError(
                    f"the gradient changes its argument {name}; let it work on a copy."
                )
        return [array.copy() for array in found]

    gradients = gradient_at(arrays)
    rng = np.random.default_rng(seed)
    rounding = _rounding(gradient_at, gradients, arrays, rng)

    def in_block(k: int) -> Callable[[Array], Any]:
        def loss_of_block(values: Array) -> Any:
            blocks = [p.copy() for p in point]  # a loss may work in place
            blocks[k] = values.copy()
            return loss(rebuild(blocks), *args)

        return loss_of_block

    return GradientReport(
        tuple(
            _judge(
                name,
                in_block(k),
                point[k],
                gradients[k],
                rounding[k],
                max_entries,
                n_directions,
                rng,
            )
            for k, name in enumerate(names)
        )
    )


def _rounding(
    gradient_at: Callable[[list[Array]], list[Array]],
    gradients: list[Array],
    arrays: list[Array],
    rng: np.random.Generator,
) -> list[Array]:
    """How far rounding may move each entry of the gradient.

    Seen by moving the parameters in their last digits three times; the middle change
    counts, as one move may cross a kink.  At the least it is a few units in the last
    digit of the block's largest entry, and of 1, the size of the probabilities that
    gradients are made of.
    """
    eps = [max(_eps(g), _eps(p)) for g, p in zip(gradients, arrays, strict=True)]
    if any(np.any(change) for change in _changes(gradient_at(arrays), gradients)):
        raise ValueError(
            "the gradient differs between two calls with the same parameters, so there "
            "is nothing to check; make it deterministic."
        )
    moves = []
    for _ in range(3):
        moved = [
            (p * (1 + 4 * e * rng.uniform(-1, 1, p.shape))).astype(p.dtype)
            for p, e in zip(arrays, eps, strict=True)
        ]
        moves.append(_changes(gradient_at(moved), gradients))
    rounding = []
    for changes, g, e in zip(zip(*moves, strict=True), gradients, eps, strict=True):
        largest = float(np.max(np.abs(g), where=np.isfinite(g), initial=0.0))
        usual = 4 * np.median(changes, axis=0)
        rounding.append(np.maximum(usual, e * max(4.0, 16 * largest)))
    return rounding


def _changes(gradients: list[Array], before: list[Array]) -> list[Array]:
    """How far each entry has moved; 0 where one of the two is not finite."""
    with np.errstate(invalid="ignore"):
        changes = [
            np.abs(g.astype(np.float64) - b)
            for g, b in zip(gradients, before, strict=True)
        ]
    return [np.where(np.isfinite(change), change, 0.0) for change in changes]


def _value(loss: Any) -> float:
    if np.ndim(loss) != 0 or isinstance(loss, tuple | list):
        raise ValueError(
            f"the loss must be one number, such as a sum or a mean; it has shape "
            f"{np.shape(loss)}."
        )
    value = float(np.real(loss))
    if not math.isfinite(value):
        raise ValueError(f"the loss at the point to check must be finite; got {value}.")
    return value


def _eps(array: Array) -> float:
    return float(np.finfo(array.dtype).eps)


class _Line(NamedTuple):
    """One direction through a block, and how the gradient given looks along it."""

    function: Callable[[Any], Any]  # the loss after a step t
    unit: float  # the step that counts as 1
    analytic: float
    tolerance: float  # what rounding may do to that
    entry: int | None  # the flat index; None for a direction through the whole block


class _Finding(NamedTuple):
    line: _Line
    central: float
    complex: float  # nan where the loss does not carry a complex step
    allowed: float  # how far off the gradient could be without being noticed
    on_kink: bool
    wrong: bool


def _judge(
    name: str,
    loss: Callable[[Array], Any],
    point: Array,
    gradient: Array,
    rounding_of_gradient: Array,
    max_entries: int,
    n_directions: int,
    rng: np.random.Generator,
) -> BlockReport:
    value = _value(loss(point))
    if _value(loss(point)) != value:
        raise ValueError(
            "the loss differs between two calls with the same parameters, so there is "
            "nothing to check; make it deterministic."
        )
    probes = [rng.standard_normal(point.shape) for _ in range(2)]
    entries = np.arange(point.size)
    directions: list[Array] = []
    if point.size > max_entries:
        entries = np.sort(rng.choice(point.size, max_entries, replace=False))
        unfit = np.flatnonzero(~np.isfinite(gradient))[:1]  # no sample may miss it
        entries = np.union1d(entries, unfit)
        directions = [rng.standard_normal(point.shape) for _ in range(n_directions)]
    lines = [
        _along_entry(loss, point, gradient, rounding_of_gradient, int(i))
        for i in entries
    ]
    lines += [
        _along(loss, point, gradient, rounding_of_gradient, v) for v in directions
    ]

    rounding = min(
        grain(_along(loss, point, gradient, rounding_of_gradient, v).function)
        for v in probes
    )
    firsts = [
        quotient(line.function, value, FIRST_STEP * line.unit, rounding)
        for line in lines
    ]
    steps = [complex_step(line.function) for line in lines]
    sizes = [abs(q.central) for q in firsts[: len(entries)] if math.isfinite(q.central)]
    scale = max(sizes, default=0.0)
    findings, trusted = _examine(
        lines, firsts, steps, value, scale, rounding, gradient.dtype
    )
    return _report(name, point.shape, findings, trusted, scale)


def _along_entry(
    loss: Callable[[Array], Any], point: Array, gradient: Array, rounding: Array, i: int
) -> _Line:
    def function(t: Any) -> Any:
        moved = point.astype(np.result_type(point, t))
        moved.flat[i] += t
        return loss(moved)

    unit = 2.0 ** max(0, math.ceil(math.log2(abs(point.flat[i]) or 1)))
    return _Line(function, unit, float(gradient.flat[i]), float(rounding.flat[i]), i)


def _along(
    loss: Callable[[Array], Any],
    point: Array,
    gradient: Array,
    rounding: Array,
    direction: Array,
) -> _Line:
    v = direction / np.linalg.norm(direction)
    with np.errstate(invalid="ignore"):
        analytic = float(np.sum(gradient.astype(np.float64) * v))
        size = float(np.linalg.norm(gradient.astype(np.float64)))
    tolerance = 4 * float(np.linalg.norm(rounding * v)) + COMPLEX_TOLERANCE * size
    return _Line(lambda t: loss(point + t * v), 1.0, analytic, tolerance, None)


def _examine(
    lines: list[_Line],
    firsts: list[Quotient],
    steps: list[float],
    value: float,
    scale: float,
    rounding: float,
    dtype: np.dtype[Any],
) -> tuple[list[_Finding], bool]:
    """Judge every line; and say whether the complex step can be relied on."""
    trusted = not any(map(math.isnan, steps))
    # A loss that computes in float32, say: one small step shows nothing but rounding.
    coarse = rounding > 100 * EPS * abs(value)
    findings = []
    n_wrong = 0
    for line, first, step in zip(lines, firsts, steps, strict=True):
        tolerance = line.tolerance + COMPLEX_TOLERANCE * scale
        loose = line.tolerance + CENTRAL_TOLERANCE * scale + 2 * first.noise
        central_agrees = abs(line.analytic - first.central) <= loose
        complex_agrees = (
            abs(step - first.central) <= loose
            and abs(line.analytic - step) <= tolerance
        )
        allowed = tolerance if complex_agrees and trusted else loose
        central, on_kink, wrong = first.central, False, False
        if not math.isfinite(line.analytic):
            wrong = True
        elif coarse or not (central_agrees and (complex_agrees or not trusted)):
            # Many steps, for what one step does not settle.
            found = study(line.function, value, line.unit, rounding)
            central = found.derivative
            low, high = found.kink or (math.inf, -math.inf)
            if dtype.itemsize < 8:  # rounding may have crossed a kink within the step
                low = min(low, first.central - 0.6 * abs(first.gap))
                high = max(high, first.central + 0.6 * abs(first.gap))
            allowed = found.bound + tolerance
            wrong = abs(line.analytic - central) > allowed
            if low - tolerance <= line.analytic <= high + tolerance:
                on_kink, wrong = bool(found.kink) or wrong, False
            if not on_kink and abs(step - central) > allowed - line.tolerance:
                trusted = False
        findings.append(_Finding(line, central, step, allowed, on_kink, wrong))
        n_wrong += wrong
        if n_wrong == ENOUGH_WRONG:
            break
    return findings, trusted


def _report(
    name: str,
    shape: tuple[int, ...],
    findings: list[_Finding],
    trusted: bool,
    scale: float,
) -> BlockReport:
    def central_error(f: _Finding) -> float:
        return 0.0 if f.on_kink else abs(f.line.analytic - f.central)

    def complex_error(f: _Finding) -> float:
        return 0.0 if f.on_kink else abs(f.line.analytic - f.complex)

    def error(f: _Finding) -> float:
        found = complex_error(f) if trusted else central_error(f)
        return found if math.isfinite(found) else math.inf

    entries = [f for f in findings if f.line.entry is not None]
    directions = [f for f in findings if f.line.entry is None]
    worst = max([f for f in findings if f.wrong] or entries, key=error)
    index = worst.line.entry
    relative = scale or 1.0
    allowed = [f.allowed for f in entries if not f.on_kink] or [0.0]
    # If most entries of zeros would pass too, nothing has been learned of this block.
    some = scale > 0 or any(f.line.analytic for f in entries)
    vacuous = some and not float(np.median(allowed)) < relative
    return BlockReport(
        name=name,
        shape=shape,
        n_checked=len(entries),
        n_kinks=sum(f.on_kink for f in entries),
        worst_index=None
        if index is None
        else tuple(int(i) for i in np.unravel_index(index, shape)),
        analytic=worst.line.analytic,
        numeric=worst.complex if trusted else worst.central,
        central_error=max(map(central_error, entries)) / relative,
        complex_error=max(map(complex_error, entries)) / relative if trusted else None,
        direction_error=max(map(error, directions)) / relative if directions else None,
        unnoticed=max(allowed) / relative,
        ok=not any(f.wrong for f in findings),
        vacuous=vacuous,
    )
