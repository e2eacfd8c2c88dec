"""What can be said of a wrong block that none of the known mistakes explains."""

from collections.abc import Sequence

import numpy as np

from mlproof.functions import Array
from mlproof.verification.gradient.evidence import Evidence


def unexplained(blocks: Sequence[Evidence]) -> str:
    """The evidence, as a predicate about these blocks."""
    parts = [
        f"{block.name} {part}" if len(blocks) > 1 else part
        for block in blocks
        if (part := _where(block))
    ]
    told = "none of the known mistakes explains it"
    return "; ".join([told, *parts])


def _where(block: Evidence) -> str:
    given = block.at(block.given)
    with np.errstate(invalid="ignore"):
        rest = given - block.expected
        off = np.abs(rest) > block.allowed
    n, k = len(off), int(off.sum())
    if not n or not k or block.readings[0].done:
        return ""
    text = f"differs in {k} of {n} entries" if k < n else f"differs in all {n} entries"
    if n == 1:
        text = "differs"
    text += _axis(block, off)
    return text + _penalty(block, rest)


def _axis(block: Evidence, off: Array) -> str:
    """Whether the wrong entries share a row or a column."""
    shape = block.parameter.shape
    if len(shape) != 2 or 1 in shape or off.sum() < 2 or off.all():
        return ""
    where = np.unravel_index(block.entries[off], shape)
    for axis, name in enumerate(("row", "column")):
        indices = np.unique(where[axis])
        if len(indices) == 1:
            return f", all in {name} {int(indices[0])}"
    return ""


def _penalty(block: Evidence, rest: Array) -> str:
    """Whether what is too much, or missing, is the gradient of a usual penalty."""
    w = block.at(block.parameter)
    if len(w) < 3 or not np.isfinite(rest).all() or not np.ptp(np.abs(w)) > 0:
        return ""
    kinds = ((w, "the parameter", "an L2"), (np.sign(w), "its sign", "an L1"))
    for made, name, penalty in kinds:
        factor = float(made @ rest) / float(made @ made)
        near = np.abs(rest - factor * made) <= 4 * block.allowed
        if near.all() and np.ptp(made) > 0 and factor != 0:
            return (
                f"; yours minus the derivative is {factor:.4g} times {name}, as if "
                f"{penalty} penalty were {'too much' if factor > 0 else 'missing'}"
            )
    return ""
