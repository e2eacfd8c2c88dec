"""Which of the named terms of a loss is missing from its gradient, or counted wrongly.

The gradient of a sum is the sum of the gradients.  If what was returned is a
combination of the gradients of the terms, with other coefficients than 1, these
coefficients are the mistake.
"""

from collections.abc import Sequence

import numpy as np

from mlproof.functions import Array
from mlproof.verification.gradient.evidence import Evidence

# So many entries beyond the unknowns have to agree before a fit is an explanation.
MORE_THAN_FITTED = 2
# Beyond this the gradients of two terms are taken for the same.
ILL_CONDITIONED = 1e6
NEAR = 1e-3  # how far a coefficient may be from a simple one

Coefficients = dict[str, float]


def coefficients(
    blocks: Sequence[Evidence], simple: Sequence[float]
) -> dict[str, Coefficients]:
    """For each block that has them, the coefficients of its terms.

    A block of few entries fits any coefficients.  It gets those of a larger block, or a
    simple one for a single term, whichever is the only one to fit.
    """
    found: dict[str, Coefficients] = {}
    for block in blocks:
        solved = _solved(block, simple)
        if solved is not None:
            found[block.name] = solved
    known = list(found.values())
    for block in blocks:
        if block.name not in found:
            guess = _borrowed(block, known) or _guessed(block, simple)
            if guess is not None:
                found[block.name] = guess
    return found


def _present(block: Evidence) -> list[str]:
    """The terms that this block has a part in."""
    clear = {
        name: np.any(np.abs(term) > block.allowed) for name, term in block.terms.items()
    }
    return [name for name, is_clear in clear.items() if is_clear]


def _solved(block: Evidence, simple: Sequence[float]) -> Coefficients | None:
    names = _present(block)
    if not names or block.n_telling < len(names) + MORE_THAN_FITTED:
        return None
    basis = np.column_stack([block.terms[name] for name in names])
    lengths = np.linalg.norm(basis, axis=0)
    if np.linalg.cond(basis / lengths) > ILL_CONDITIONED:
        return None
    given = block.at(block.given)
    if not np.isfinite(given).all():
        return None
    # Entries that are known well count for more.
    weight = (np.min(block.allowed) / block.allowed)[:, None]
    scaled = basis / lengths * weight
    solution = np.linalg.lstsq(scaled, given * weight[:, 0], rcond=None)[0] / lengths
    found = dict(zip(names, map(float, solution), strict=True))
    snapped = {name: _snapped(value, simple) for name, value in found.items()}
    return next((one for one in (snapped, found) if _explains(block, one)), None)


def _snapped(value: float, simple: Sequence[float]) -> float:
    """The simple number next to it, if there is one: a term is right or missing."""
    exact = min((0.0, 1.0, -1.0, *simple), key=lambda number: abs(value - number))
    return exact if abs(value - exact) < NEAR * max(1.0, abs(exact)) else value


def _explains(block: Evidence, found: Coefficients) -> bool:
    given = block.at(block.given)
    made: Array = sum(
        (value * block.terms[name] for name, value in found.items()),
        start=np.zeros(len(given)),
    )
    slack = (1 + sum(abs(value) for value in found.values())) * block.allowed
    return bool(np.all(np.abs(given - made) <= slack))


def _borrowed(block: Evidence, known: Sequence[Coefficients]) -> Coefficients | None:
    names = _present(block)
    for one in known:
        mine = {name: one.get(name, 1.0) for name in names}
        if any(value != 1 for value in mine.values()) and _explains(block, mine):
            return mine
    return None


def _guessed(block: Evidence, simple: Sequence[float]) -> Coefficients | None:
    names = _present(block)
    fitting = [
        right | {name: value}
        for right in [dict.fromkeys(names, 1.0)]
        for name in names
        for value in (0.0, -1.0, *simple)
        if _explains(block, right | {name: value})
    ]
    return fitting[0] if len(fitting) == 1 else None
