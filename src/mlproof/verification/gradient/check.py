"""Whether a gradient is the derivative of a loss, and if not, what went wrong.

Two independent answers, central differences and the complex step, are compared with the
gradient (measure.py).  What is wrong is compared with what the common mistakes would
make of the right values (diagnosis.py).
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mlproof.functions import Array
from mlproof.verification.findings import Finding
from mlproof.verification.gradient.diagnosis import diagnose
from mlproof.verification.gradient.evidence import Evidence
from mlproof.verification.gradient.example import worked_example
from mlproof.verification.gradient.factors import sizes_of
from mlproof.verification.gradient.kinks import notes_on_kinks
from mlproof.verification.gradient.lines import COMPLEX_TOLERANCE, along_entry, bench
from mlproof.verification.gradient.measure import (
    Judged,
    Measured,
    error_by,
    measure,
    rounding_of,
)
from mlproof.verification.gradient.nearby import Nearby
from mlproof.verification.gradient.sampling import sampling_note
from mlproof.verification.gradient.stale import (
    FROZEN,
    REMEMBERS,
    frozen,
    moved,
    remembering,
    stale_finding,
)
from mlproof.verification.gradient.structure import Reading, readings, reordered
from mlproof.verification.gradient.subject import (
    Subject,
    gradient_at,
    lone_gradient_at,
    subject_of,
)
from mlproof.verification.report import BlockReport, GradientReport
from mlproof.verification.slopes import FIRST_STEP, complex_step, quotient

# Of the derivatives of single terms, a diagnosis needs no more than so many in a block.
ENOUGH_ENTRIES = 60

# What the gradient of any loss may be off, in units of eps; and that of a network in
# double precision, for each unit of the numbers that its probabilities multiply.
LEAST, OF_A_NETWORK = 4.0, 64.0


def check_gradient(
    loss: Callable[..., Any] | Mapping[str, Callable[..., Any]],
    gradient: Callable[..., Any],
    parameters: Any,
    *args: Any,
    max_entries: int = 200,
    n_directions: int = 3,
    seed: int = 0,
) -> GradientReport:
    """Compare ``gradient(parameters, *args)`` with the derivative of the loss.

    What is wrong is named, where it is one of the usual mistakes: a factor or a sign, a
    term of the loss left out, a block transposed or in another's place, and so on.

    Parameters
    ----------
    loss : callable, or dict of callables
        ``loss(parameters, *args)`` is a number.  A dict names the terms of a sum, that
        of the data first, such as ``{"data": risk, "l2": penalty}``; the diagnosis can
        then tell which of them is missing or counted wrongly.
    gradient : callable
        ``gradient(parameters, *args)`` is of the same structure as the parameters, or
        a tuple of the loss and that.
    parameters : array, or list, tuple, named tuple or dict of arrays
        Where to check.  The loss is called with float64 and complex128 copies of them.
    *args
        Passed on to both.
    max_entries : int, default=200
        A block with more entries is checked on a random sample of so many, and in
        random directions over all entries.  An error in 1 % of its entries is missed
        by the sample with a probability of 0.99 ** max_entries at most, 13 % for 200.
    n_directions : int, default=3
        How many directions.  Each misses an error larger than the size that the report
        states with a probability of 10 % at most; three of them, of 0.1 %.
    seed : int, default=0
        Chooses the sample and the directions.

    Returns
    -------
    GradientReport
        ``ok``; ``blocks``, what was found of each; ``diagnosis``, the mistakes;
        ``notes``, on samples and kinks; and an ``example`` to be redone by hand.

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
    factor: x: yours is 1/2 times the derivative, as if the 2 of a square were forgotten
    For example x[2] = 3.0, with h = 1e-03 and all else as it is:
      loss(x[2] + h) = 14.006001
      loss(x[2] - h) = 13.994001
      their difference / 2h = 6
      yours                 = 3
    """
    options = {"max_entries": max_entries, "n_directions": n_directions, "seed": seed}
    return judged(loss, gradient, parameters, args, LEAST, **options)


def judged(
    loss: Any,
    gradient: Any,
    parameters: Any,
    args: tuple[Any, ...],
    least: float,
    *,
    max_entries: int = 200,
    n_directions: int = 3,
    seed: int = 0,
) -> GradientReport:
    """The same where it is known what the gradient may be off at least, in eps.

    1 - p has lost the digits of a p near 1, and what lies below multiplies that.
    """
    subject = subject_of(loss, gradient, parameters, args)
    if max_entries < 1:
        raise ValueError(f"max_entries must be at least 1; got {max_entries}.")
    rng = np.random.default_rng(seed)
    elsewhere = moved(subject, np.random.default_rng([seed, 1]))
    order, read = _read(subject, gradient_at(subject, subject.arrays))

    def blocks_at(
        arrays: list[Array], call: Callable[..., list[Array]] = gradient_at
    ) -> list[Array]:
        found = call(subject, arrays)
        return [
            _read_block(name, found[j], p.shape)[0].block
            for name, j, p in zip(subject.names, order, subject.point, strict=True)
        ]

    stale = remembering(
        subject, lambda arrays: blocks_at(arrays, lone_gradient_at), elsewhere
    )
    gradients = [reading[0].block for reading, _ in read]
    rounding = rounding_of(blocks_at, gradients, subject.arrays, rng, least)
    nearby = Nearby(subject, blocks_at, np.random.default_rng([seed, 2]))
    measured = []
    for k, given in enumerate(gradients):
        on = bench(subject, k)
        kinks = partial(nearby.several_kinks, k)
        measured.append(
            measure(on, given, rounding[k], max_entries, n_directions, rng, kinks)
        )
        on.close()
    reports = [
        _report(name, p.shape, m, shape)
        for name, p, m, (_, shape) in zip(
            subject.names, subject.point, measured, read, strict=True
        )
    ]
    findings = _findings(subject, order, read, reports, measured)
    if stale:
        findings = (stale_finding(stale, REMEMBERS), *findings)
    elif not findings:
        still = frozen(subject, gradients, measured, blocks_at, elsewhere, rng)
        findings = (stale_finding(still, FROZEN),) if still else ()
    notes = [
        _note(report, m, g)
        for report, m, g in zip(reports, measured, gradients, strict=True)
        if report.n_checked < math.prod(report.shape)
    ]
    notes += notes_on_kinks(subject, measured, nearby)
    example = _example(subject, findings, measured)
    return GradientReport(tuple(reports), findings, tuple(notes), example)


# ---- what was returned ---------------------------------------------------------------

Read = tuple[tuple[Reading, ...], tuple[int, ...]]  # the readings, and the shape given


def _read(subject: Subject, found: list[Array]) -> tuple[list[int], list[Read]]:
    """The order of the blocks that were returned, and how each can be read."""
    shapes = [p.shape for p in subject.point]
    order = reordered(found, shapes) or list(range(len(found)))
    read = [
        (_read_block(name, found[j], shape), found[j].shape)
        for name, j, shape in zip(subject.names, order, shapes, strict=True)
    ]
    return order, read


def _read_block(name: str, block: Array, shape: tuple[int, ...]) -> tuple[Reading, ...]:
    found = readings(block, shape)
    if not found:
        raise ValueError(
            f"the gradient of {name} must have its shape {shape}; got {block.shape}."
        )
    return found


# ---- what is reported ----------------------------------------------------------------


def _report(
    name: str,
    shape: tuple[int, ...],
    measured: Measured,
    shape_given: tuple[int, ...],
) -> BlockReport:
    entries, directions = measured.entries, measured.directions

    def central_error(j: Judged) -> float:
        return 0.0 if j.on_kink else abs(j.line.analytic - j.central)

    def complex_error(j: Judged) -> float:
        known = j.complex is not None and not j.on_kink
        return abs(j.line.analytic - j.expected(True)) if known else 0.0

    def error(j: Judged) -> float:
        return error_by(j, measured.trusted)

    wrong = [j for j in entries if j.wrong] or [j for j in directions if j.wrong]
    worst = max(wrong or entries, key=error)
    index = worst.line.entry
    relative = measured.scale or 1.0
    allowed = [j.allowed for j in entries if not j.on_kink] or [0.0]
    # If most entries of zeros would pass too, nothing has been learned of this block.
    some = measured.scale > 0 or any(j.line.analytic for j in entries)
    trusted = measured.trusted
    return BlockReport(
        name=name,
        shape=shape,
        n_checked=len(entries),
        n_kinks=sum(j.on_kink for j in entries),
        worst_index=None
        if index is None
        else tuple(int(i) for i in np.unravel_index(index, shape)),
        analytic=worst.line.analytic,
        numeric=worst.expected(trusted),
        central_error=max(map(central_error, entries)) / relative,
        complex_error=max(map(complex_error, entries)) / relative if trusted else None,
        direction_error=max(map(error, directions)) / relative if directions else None,
        unnoticed=max(allowed) / relative,
        vacuous=some and not float(np.median(allowed)) < relative,
        ok=shape_given == shape and not wrong,
        bound=worst.allowed,
        shape_given=None if shape_given == shape else shape_given,
    )


def _note(report: BlockReport, measured: Measured, gradient: Array) -> str:
    hidden = [2 * j.allowed for j in measured.directions if not j.on_kink]
    with np.errstate(all="ignore"):
        norm = float(np.linalg.norm(gradient.astype(np.float64)))
    norm = norm if math.isfinite(norm) else 0.0
    return sampling_note(report.name, gradient.size, report.n_checked, hidden, norm)


def _example(
    subject: Subject, findings: tuple[Finding, ...], measured: list[Measured]
) -> str:
    """The worst entry of the first mistake."""
    for name in (name for finding in findings for name in finding.blocks):
        k = subject.names.index(name)
        wrong = [j for j in measured[k].entries if j.wrong]
        if wrong:
            trusted = measured[k].trusted
            worst = max(wrong, key=lambda j: error_by(j, trusted))
            derivative, given = worst.expected(trusted), worst.line.analytic
            return worked_example(subject, k, worst.line.entry or 0, given, derivative)
    return ""


# ---- what went wrong -----------------------------------------------------------------


def _findings(
    subject: Subject,
    order: list[int],
    read: list[Read],
    reports: list[BlockReport],
    measured: list[Measured],
) -> tuple[Finding, ...]:
    mixed = tuple(subject.names[k] for k, j in enumerate(order) if k != j)
    swapped: tuple[Finding, ...] = ()
    if mixed:
        message = f"{', '.join(mixed)}: each is returned in the place of another"
        swapped = (Finding("blocks_swapped", mixed[0], mixed, None, message),)
    if all(report.ok for report in reports):
        return swapped
    evidence = [
        _evidence(subject, k, read[k], measured[k], wrong=not report.ok)
        for k, report in enumerate(reports)
    ]
    functions = [subject.gradient, *subject.terms.values(), subject.loss]
    blocks = zip(subject.names, subject.arrays, strict=True)
    sizes = sizes_of(functions, subject.args, blocks)
    return swapped + diagnose(evidence, sizes, next(iter(subject.terms), ""))


def _evidence(
    subject: Subject, k: int, read: Read, measured: Measured, wrong: bool
) -> Evidence:
    """What was measured of the entries, but for those on and beside a kink."""
    kept = [j for j in measured.entries if _is_clear(j, measured)]
    if wrong and subject.terms:
        kept = kept[:: math.ceil(len(kept) / ENOUGH_ENTRIES) or 1]
    trusted = measured.trusted
    on = bench(subject, k)
    entries = np.array([j.line.entry for j in kept], dtype=np.int64)
    tight = COMPLEX_TOLERANCE * measured.scale
    terms = {}
    if wrong:
        for name, term in subject.terms.items():
            part = bench(subject, k, term)
            terms[name] = np.array([_slope(part, int(i)) for i in entries])
    return Evidence(
        name=subject.names[k],
        readings=read[0],
        shape_given=read[1],
        parameter=on.point,
        entries=entries,
        expected=np.array([j.expected(trusted) for j in kept]),
        allowed=np.array(
            [
                j.line.tolerance + tight
                if trusted and j.complex is not None
                else j.allowed
                for j in kept
            ]
        ),
        wrong=wrong,
        terms=terms,
    )


def _is_clear(judged: Judged, measured: Measured) -> bool:
    """Whether the derivative there is known well enough to be evidence."""
    first = judged.first
    if judged.on_kink or not math.isfinite(first.central):
        return False
    if measured.coarse:
        return judged.studied and judged.allowed < 0.1 * measured.scale
    loose = judged.line.tolerance + 1e-6 * measured.scale + 4 * first.noise
    if measured.trusted and judged.complex is not None:
        return abs(judged.complex - first.central) <= loose
    return judged.studied or abs(first.gap) <= 8 * first.noise + 1e-2 * measured.scale


def _slope(on: Any, entry: int) -> float:
    """The derivative of one term of the loss at an entry."""
    line = along_entry(on, entry)
    value = float(np.real(line.function(0.0)))
    first = quotient(line.function, value, FIRST_STEP * line.unit, 0.0)
    step = complex_step(line.function)
    loose = 1e-6 * max(1.0, abs(first.central)) + 4 * first.noise
    return step if abs(step - first.central) <= loose else first.central
