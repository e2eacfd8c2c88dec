"""The findings of a check: of all explanations those that need the fewest mistakes."""

from mlproof.verification.backward.coefficients import Mistake
from mlproof.verification.backward.problem import (
    BACKWARD_ORDER,
    PARAMETERS,
)

Findings = list[tuple[Mistake, tuple[str, ...]]]


def findings(explained: dict[str, list[frozenset[Mistake]]]) -> Findings:
    """A finding for each mistake, of the explanations that need the fewest."""
    chosen = _fewest(explained)
    places: dict[Mistake, list[str]] = {}
    for name, mistakes in chosen.items():
        for mistake in sorted(mistakes, key=str):  # as sets have no order
            places.setdefault(mistake, []).append(name)
    data = [
        name
        for name, mistakes in chosen.items()
        if name in PARAMETERS
        and not {m.code for m in mistakes} & {"zero_block", "unknown", "not_finite"}
    ]
    findings = [
        (_of_mean(mistake, names, data), tuple(names))
        for mistake, names in places.items()
    ]
    return sorted(findings, key=lambda found: BACKWARD_ORDER.index(found[1][0]))


def _fewest(
    explained: dict[str, list[frozenset[Mistake]]],
) -> dict[str, frozenset[Mistake]]:
    """One explanation for each gradient, such that there are few mistakes in all."""
    unknown = frozenset({Mistake("unknown")})
    choices = [found[:6] or [unknown] for found in explained.values()]

    def cost(chosen: tuple[frozenset[Mistake], ...]) -> tuple[int, int, str]:
        mistakes = frozenset().union(*chosen)
        return len(mistakes), sum(map(len, chosen)), str(sorted(mistakes, key=str))

    # From the output down, keeping the best hundred: there are seldom more than ten.
    beam: list[tuple[frozenset[Mistake], ...]] = [()]
    for options in choices:
        beam = sorted(
            ((*chosen, option) for chosen in beam for option in options), key=cost
        )[:100]
    return dict(zip(explained, beam[0], strict=True))


def _of_mean(mistake: Mistake, names: list[str], data: list[str]) -> Mistake:
    """A mean too many or too few is said of all; of some it is something else."""
    if mistake.code not in ("missing_mean", "extra_mean"):
        return mistake
    here = {name for name in names if name in PARAMETERS}
    if here == set(data):
        return mistake
    if mistake.code == "extra_mean" and here <= {"grad_b1", "grad_b2"}:
        return mistake._replace(code="mean_instead_of_sum")
    if mistake.code == "missing_mean" and here == {"grad_W1", "grad_W2"}:
        return mistake
    return mistake._replace(code="factor")
