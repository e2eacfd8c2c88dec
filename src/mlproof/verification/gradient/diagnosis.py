"""Which mistake was made: what relates a wrong gradient to the right one.

A wrong gradient is seldom arbitrary.  Every block is compared with what the common
mistakes would make of the right values: another factor or sign, a term of the loss left
out, a block transposed, put in another's place or not computed.  An explanation has to
fit every entry that was measured, and more of them than it has unknowns; what fits none
is called unknown, and what fits two is given the simpler name.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from mlproof.functions import Array
from mlproof.verification.findings import Finding
from mlproof.verification.gradient.evidence import Evidence
from mlproof.verification.gradient.factors import Factor, Size, told
from mlproof.verification.gradient.structure import Done
from mlproof.verification.gradient.terms import (
    MORE_THAN_FITTED,
    Coefficients,
    coefficients,
)
from mlproof.verification.gradient.unexplained import unexplained


class Mistake(NamedTuple):
    """An explanation of one block; blocks with the same one share a finding."""

    code: str
    factor: float | None = None
    what: str = ""  # a predicate: "yours is 2 times the derivative"
    term: str = ""  # of the loss
    rows: bool = False  # whether the factor is a number of rows, or one over it


def diagnose(
    blocks: Sequence[Evidence], sizes: Sequence[Size], data_term: str = ""
) -> tuple[Finding, ...]:
    """The mistakes that explain the blocks that are wrong, in their order.

    ``sizes`` are numbers that a factor might be; ``data_term`` is the term of the loss
    that is a sum or a mean over the rows.
    """
    wrong = [block for block in blocks if block.wrong]
    swapped = _swapped(wrong)
    explained = {
        block.name: swapped.get(block.name) or _explain(block, sizes) for block in wrong
    }
    by_terms = _by_terms(wrong, explained, sizes)
    for name, mistakes in by_terms.items():
        explained[name] = mistakes
    explained = {
        block.name: explained[block.name] or [Mistake("unknown")] for block in wrong
    }
    _name_means(explained, blocks, data_term)
    return _findings(explained, blocks)


def _findings(
    explained: dict[str, list[Mistake]], blocks: Sequence[Evidence]
) -> tuple[Finding, ...]:
    """One finding for each mistake, with all the blocks that share it."""
    shared: dict[tuple[str, str, str], list[str]] = {}
    first: dict[tuple[str, str, str], Mistake] = {}
    for name, mistakes in explained.items():
        for mistake in mistakes:
            factor = "" if mistake.factor is None else f"{mistake.factor:.6g}"
            key = (mistake.code, factor, mistake.term)
            shared.setdefault(key, []).append(name)
            first.setdefault(key, mistake)
    by_name = {block.name: block for block in blocks}
    findings = []
    for same, names in shared.items():
        mistake = first[same]
        what = mistake.what or unexplained([by_name[name] for name in names])
        message = f"{', '.join(names)}: {what}"
        findings.append(
            Finding(mistake.code, names[0], tuple(names), mistake.factor, message)
        )
    return tuple(findings)


# ---- one block -----------------------------------------------------------------------

TRANSPOSED = "entry [i, j] holds what belongs to [j, i], as if a .T were missing"
MISPLACED = "the right numbers in the wrong places, as after reshape instead of .T"


def _explain(block: Evidence, sizes: Sequence[Size]) -> list[Mistake]:
    """The mistakes in one block, without a look at the others; perhaps none."""
    done = block.readings[0].done
    if not done:
        return _relate(block, block.given, sizes) or _rearranged(block, sizes)
    for reading in block.readings:
        values = block.at(reading.block)
        if block.fits(values):
            return [_of_shape(block, reading.done)]
    for reading in block.readings:
        related = _relate(block, reading.block, sizes)
        if related:
            return [_of_shape(block, reading.done), *related]
    return [_of_shape(block, done), Mistake("unknown")]


def _of_shape(block: Evidence, done: Done) -> Mistake:
    shapes = f"its shape is {block.shape_given} where {block.parameter.shape} is needed"
    if done == "transposed":
        return Mistake("transposed", what=f"{shapes}: it is transposed")
    if done == "summed":
        what = f"{shapes}: one gradient for each row, which have yet to be summed"
        return Mistake("not_summed_over_batch", what=what)
    return Mistake("reshaped", what=f"{shapes}: it has yet to be reshaped")


def _relate(block: Evidence, given: Array, sizes: Sequence[Size]) -> list[Mistake]:
    return (
        _not_finite(given)
        or _zero(block, given)
        or _scaled(block, given, sizes)
        or _truncated(block, given)
    )


def _not_finite(given: Array) -> list[Mistake]:
    unfit = ~np.isfinite(given)
    if not unfit.any():
        return []
    index = tuple(map(int, np.argwhere(unfit)[0]))
    count = int(unfit.sum())
    which = f"{count} of {unfit.size} entries {'is' if count == 1 else 'are'}"
    if given.ndim == 0:
        which = "it is"
    what = f"{which} nan or infinite, though the loss has a derivative there"
    if given.ndim:
        what += f"; the first is [{', '.join(map(str, index))}]"
    return [Mistake("not_finite", None, what)]


def _zero(block: Evidence, given: Array) -> list[Mistake]:
    if np.any(given) or block.n_telling == 0:
        return []
    largest = float(np.max(np.abs(block.expected)))
    what = (
        f"all zeros, where the derivative is up to {largest:.3g}: it is not computed, "
        "or not stored where it is returned from"
    )
    return [Mistake("zero_block", 0.0, what)]


def _truncated(block: Evidence, given: Array) -> list[Mistake]:
    """Whole numbers that are the right ones without what follows the point."""
    values = block.at(given)
    if not np.all(values == np.rint(values)) or block.n_telling < 2:
        return []
    for cut in (np.trunc, np.floor, np.rint):
        if np.array_equal(cut(block.expected), values):
            what = "whole numbers: what follows the decimal point was cut off"
            return [Mistake("integer", None, what)]
    return []


def _scaled(block: Evidence, given: Array, sizes: Sequence[Size]) -> list[Mistake]:
    values = block.at(given)
    factor = _ratio(block, values)
    if factor is None:
        return []
    slack = 1e-9 + float(
        np.max((1 + abs(factor)) * block.allowed)
        / (abs(factor) * np.max(np.abs(block.expected)))
    )
    known = told(factor, sizes, slack)
    if known is None and block.n_telling < 1 + MORE_THAN_FITTED:
        return []  # a few entries are a multiple of anything
    if known is None:
        known = Factor(factor, f"{factor:.6g}")
    if known.value == 1:
        return []
    sign = [Mistake("sign", -1.0, SIGN)] if known.value < 0 else []
    size = known._replace(value=abs(known.value), words=known.words.lstrip("-"))
    if size.value == 1:
        return sign
    return [*sign, Mistake("factor", size.value, _times(size), rows=size.rows)]


SIGN = "yours is -1 times the derivative: the sign is the other one"


def _times(factor: Factor) -> str:
    words = f"yours is {factor.words} times the derivative"
    if factor.origin:
        return f"{words}, and {factor.origin}"
    if factor.value == 2:
        return f"{words}, as if it were added twice, or a 1/2 forgotten"
    if factor.value == 0.5:
        return f"{words}, as if the 2 of a square were forgotten"
    return words


def _ratio(block: Evidence, values: Array) -> float | None:
    """The number that the right entries have to be multiplied by, if there is one."""
    weight = 1 / block.allowed
    norm = float(np.sum((block.expected * weight) ** 2))
    if block.n_telling == 0 or norm == 0 or not np.isfinite(values).all():
        return None
    factor = float(np.sum(values * block.expected * weight**2)) / norm
    if abs(factor) < 1e-12:
        return None
    near = np.abs(values - factor * block.expected) <= (2 + abs(factor)) * block.allowed
    return factor if bool(np.all(near)) else None


def _rearranged(block: Evidence, sizes: Sequence[Size]) -> list[Mistake]:
    """The right numbers in the right shape, in other places; perhaps times a factor."""
    given = block.given
    if given.ndim != 2 or 1 in given.shape or block.n_telling < 1 + MORE_THAN_FITTED:
        return []
    kinds = [
        ("reshaped", MISPLACED, given.ravel().reshape(given.shape, order="F")),
        ("reshaped", MISPLACED, given.ravel(order="F").reshape(given.shape)),
    ]
    if given.shape[0] == given.shape[1]:
        kinds = [("transposed", TRANSPOSED, given.T)]
    for code, what, other in kinds:
        if block.fits(block.at(other)):
            return [Mistake(code, None, what)]
    for code, what, other in kinds:
        scaled = _scaled(block, other, sizes)
        if scaled:
            return [Mistake(code, None, what), *scaled]
    return []


# ---- several blocks ------------------------------------------------------------------


def _swapped(wrong: Sequence[Evidence]) -> dict[str, list[Mistake]]:
    """Blocks each of which holds the gradient of another, as in a ring."""
    holds: dict[str, str] = {}
    for one in wrong:
        for other in wrong:
            if other.name not in holds.values() and _holds(one, other):
                holds[one.name] = other.name
                break
    ring = set(holds)
    while any(holds[name] not in ring for name in ring):  # a chain is no ring
        ring = {name for name in ring if holds[name] in ring}
    what = "each holds the gradient of the other"
    if len(ring) > 2:
        what = "each holds the gradient of another of them"
    return {name: [Mistake("blocks_swapped", None, what)] for name in ring}


def _holds(one: Evidence, other: Evidence) -> bool:
    """Whether the gradient of the one is in the place of the other."""
    alike = one.name != other.name and one.given.shape == other.given.shape
    plain = not one.readings[0].done and not other.readings[0].done
    return alike and plain and one.n_telling > 0 and one.fits(one.at(other.given))


def _by_terms(
    wrong: Sequence[Evidence],
    explained: dict[str, list[Mistake]],
    sizes: Sequence[Size],
) -> dict[str, list[Mistake]]:
    """What the terms of the loss explain, where nothing simpler does.

    A block with a part in one term only says the same twice, and is told by the term if
    another block needs it.
    """
    plain = [b for b in wrong if not b.readings[0].done and len(b.terms) > 1]
    simple = sorted({2.0, 0.5} | {v for s in sizes for v in (s.value, 1 / s.value)})
    open_blocks = [block for block in plain if not explained[block.name]]
    found = coefficients(open_blocks, simple)
    told_of = {
        block.name: _of_terms(found[block.name], block, sizes)
        for block in open_blocks
        if block.name in found
    }
    needed = {(m.term, m.factor) for mistakes in told_of.values() for m in mistakes}
    for block in plain:
        parts = [t for t, v in block.terms.items() if np.any(np.abs(v) > block.allowed)]
        mistakes = explained[block.name]
        codes = {m.code for m in mistakes}
        if (
            len(parts) != 1
            or not codes
            or not codes <= {"sign", "factor", "zero_block"}
        ):
            continue
        factor = float(np.prod([m.factor for m in mistakes if m.factor is not None]))
        by_term = _of_terms({parts[0]: factor}, block, sizes)
        if all((m.term, m.factor) in needed for m in by_term):
            told_of[block.name] = by_term
    return told_of


def _of_terms(
    found: Coefficients, block: Evidence, sizes: Sequence[Size]
) -> list[Mistake]:
    mistakes = []
    for term, value in found.items():
        if value == 1:
            continue
        if value == 0:
            what = f"the derivative of the term {term!r} is missing"
            mistakes.append(Mistake("term_missing", 0.0, what, term))
            continue
        size = float(np.max(np.abs(block.terms[term])))
        slack = 1e-9 + float(np.max(block.allowed)) * len(found) / (abs(value) * size)
        known = told(value, sizes, min(slack, 1e-3)) or Factor(value, f"{value:.6g}")
        if known.value == -1:
            what = f"the derivative of the term {term!r} has the other sign"
            mistakes.append(Mistake("term_sign", -1.0, what, term))
            continue
        origin = f", and {known.origin}" if known.origin else ""
        what = (
            f"the derivative of the term {term!r} is there {known.words} times{origin}"
        )
        mistakes.append(Mistake("term_factor", known.value, what, term, known.rows))
    return mistakes


# ---- sums and means ------------------------------------------------------------------

MISSING_MEAN = "{}: a sum over the rows where the loss takes a mean"
EXTRA_MEAN = "{}: it is divided by the number of rows, and should not be, or not twice"
MEAN_FOR_SUM = (
    "{}: a mean over the rows where a sum is needed, as the other blocks have it"
)


def _name_means(
    explained: dict[str, list[Mistake]], blocks: Iterable[Evidence], data_term: str
) -> None:
    """Factors of n and 1/n by the name of the mistake that makes them."""
    telling = {block.name for block in blocks if block.n_telling}
    for name, mistakes in explained.items():
        unsummed = any(m.code == "not_summed_over_batch" for m in mistakes)
        for k, mistake in enumerate(mistakes):
            whole = mistake.code == "factor"
            of_data = mistake.code == "term_factor" and mistake.term == data_term
            factor = mistake.factor or 0.0
            if not mistake.rows or factor < 0 or not (whole or of_data):
                continue
            shared = {
                other
                for other, found in explained.items()
                if any(m.factor == factor and m.term == mistake.term for m in found)
            }
            if factor > 1:
                code, words = "missing_mean", MISSING_MEAN
            elif of_data or shared >= telling or len(telling) == 1:
                code, words = "extra_mean", EXTRA_MEAN
            else:
                code, words = "mean_instead_of_sum", MEAN_FOR_SUM
            if unsummed and shared == {name}:
                continue  # told below: it should be averaged
            mistakes[k] = mistake._replace(code=code, what=words.format(mistake.what))
        if unsummed:
            _averaged(mistakes)


def _averaged(mistakes: list[Mistake]) -> None:
    """Not summed and the mean missing, in one block alone, is one mistake: no mean."""
    alone = [m for m in mistakes if m.code == "factor" and m.rows]
    if alone and (alone[0].factor or 0) > 1:
        mistakes.remove(alone[0])
        mistakes[0] = mistakes[0]._replace(
            what=mistakes[0].what.replace("be summed", "be averaged")
        )
