"""What the coefficients of a gradient say: which factor, which part of the penalty.

A gradient of W that was found to be  a·data + b·sign(W) + c·W  should have a = 1 and
the b and c of its penalty.  ``of_data`` and ``of_penalty`` name what differs.  Sizes
are told from numbers by looking at two trials of different sizes.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

from mlproof.verification.backward.problem import Problem, Sizes

# A factor is told as a fraction up to such a denominator.
LARGEST_DENOMINATOR = 12
NEAR = 1e-6
# What else a factor may be: 1/n is expected, so 1/m in its place comes out as n/m.
SIZES: dict[str, Callable[[Sizes], float]] = {
    "m": lambda s: s.m,
    "d": lambda s: s.d,
    "d_h": lambda s: s.d_h,
    "1/m": lambda s: 1 / s.m,
    "1/d": lambda s: 1 / s.d,
    "1/d_h": lambda s: 1 / s.d_h,
    "n/m": lambda s: s.n / s.m,
    "n/d": lambda s: s.n / s.d,
    "n/d_h": lambda s: s.n / s.d_h,
    "n/(n - 1)": lambda s: s.n / (s.n - 1),
}


class Mistake(NamedTuple):
    """What was done wrong, as far as it can be told from one gradient."""

    code: str
    detail: str = ""
    factor: float | None = None
    times: str = ""  # the factor in words


class Coefficients(NamedTuple):
    """What a gradient is made of: the answer of one regression."""

    data: float
    l1: float  # of sign(W)
    l2: float  # of W
    updated: bool  # whether an update that came too early has a part in it
    blur: tuple[float, float, float]  # how well the first three are known


class Fitted(NamedTuple):
    """One trial: its sizes and strengths, and the coefficients found."""

    problem: Problem
    found: Coefficients


def near(value: float, other: float, blur: float = 0.0) -> bool:
    return abs(value - other) <= NEAR * abs(other) + blur


def of_data(trials: Sequence[Fitted]) -> list[Mistake] | None:
    """The factor of the data gradient; none if right, None if it fits no pattern."""
    return told(
        [t.found.data for t in trials],
        [t.found.blur[0] for t in trials],
        [t.problem for t in trials],
    )


def told(
    factors: Sequence[float], blurs: Sequence[float], problems: Sequence[Problem]
) -> list[Mistake] | None:
    """What a factor is, that is 1 in a right gradient."""

    def all_near(values: Sequence[float]) -> bool:
        return all(map(near, factors, values, blurs))

    n = [float(problem.sizes.n) for problem in problems]
    for sign in (1, -1):
        flipped = [Mistake("sign", factor=-1.0)] if sign < 0 else []
        if all_near([sign] * len(n)):
            return flipped
        if any(k == 1 for k in n):
            continue
        if all_near([sign * k for k in n]):
            return [*flipped, Mistake("missing_mean", "", n[0], "n")]
        if all_near([sign / k for k in n]):
            return [*flipped, Mistake("extra_mean", "", 1 / n[0], "1/n")]
    fraction = Fraction(factors[0]).limit_denominator(LARGEST_DENOMINATOR)
    if all_near([float(fraction)] * len(n)):
        return [Mistake("factor", "", float(fraction), str(fraction))]
    for detail in SIZES if len(problems) > 1 else ():
        values = [SIZES[detail](problem.sizes) for problem in problems]
        if all_near(values):
            return [Mistake("factor", "", values[0], detail)]
    if all_near([factors[0]] * len(n)):
        number = float(f"{factors[0]:.6g}")
        return [Mistake("factor", "", number, f"{number:g}")]
    return None


def of_all(name: str, trials: Sequence[Fitted]) -> list[Mistake] | None:
    """The factor of data and penalty alike, if they have one; else None."""
    for problem, found in trials:
        for strength, value, blur in zip(
            problem.strengths(name), (found.l1, found.l2), found.blur[1:], strict=True
        ):
            if not near(value, strength * found.data, blur):
                return None
    return of_data(trials)


def of_penalty(name: str, trials: Sequence[Fitted]) -> list[Mistake] | None:
    """What is wrong with the penalty; none if right, None if it fits no pattern."""

    def agree(expected: Sequence[tuple[float, float]]) -> bool:
        return all(
            near(found.l1, l1, found.blur[1]) and near(found.l2, l2, found.blur[2])
            for (_, found), (l1, l2) in zip(trials, expected, strict=True)
        )

    problem = trials[0].problem
    strengths = problem.strengths(name)
    if agree([strengths] * len(trials)):
        return []
    if not any((*problem.penalty.l1, *problem.penalty.l2)):
        return [Mistake("penalty_not_asked")] if same(trials) else None
    if name in ("grad_b1", "grad_b2"):
        return [Mistake("penalty_on_bias")]
    l1, twice_l2 = strengths
    if agree([(twice_l2 / 2, 2 * l1)] * len(trials)):
        return [Mistake("penalties_swapped", "l1 and l2")]
    other = problem.strengths("grad_W2" if name == "grad_W1" else "grad_W1")
    if agree([other] * len(trials)):
        return [Mistake("penalties_swapped", "the layers")]
    parts = [
        ("l1", l1, [t.found.l1 for t in trials], [t.found.blur[1] for t in trials]),
        (
            "l2",
            twice_l2,
            [t.found.l2 for t in trials],
            [t.found.blur[2] for t in trials],
        ),
    ]
    mistakes: list[Mistake] = []
    for part, strength, values, blurs in parts:
        if strength == 0:
            if not all(map(near, values, [0.0] * len(values), blurs)):
                return [Mistake("penalty_not_asked", part)] if same(trials) else None
            continue
        if all(map(near, values, [strength] * len(values), blurs)):
            continue
        if all(map(near, values, [0.0] * len(values), blurs)):
            mistakes.append(Mistake("penalty_missing", part))
            continue
        factor = told(
            [value / strength for value in values],
            [blur / strength for blur in blurs],
            [t.problem for t in trials],
        )
        if factor is None:
            return None
        mistakes += [of_part(each, part) for each in factor]
    return together(mistakes, sum(1 for _, strength, *_ in parts if strength))


def of_part(mistake: Mistake, part: str) -> Mistake:
    """The name of a factor where it is one of the penalty."""
    if mistake.code == "sign":
        return Mistake("penalty_sign", part, -1.0)
    if mistake.code == "extra_mean":
        return Mistake("penalty_divided_by_n", part, mistake.factor)
    return Mistake("penalty_factor", part, mistake.factor, mistake.times)


def together(mistakes: list[Mistake], n_parts: int) -> list[Mistake]:
    """Both parts with the same mistake make one."""
    alike = {(mistake.code, mistake.factor) for mistake in mistakes}
    if len(mistakes) == n_parts == 2 and len(alike) == 1:
        return [mistakes[0]._replace(detail="")]
    return mistakes


def same(trials: Sequence[Fitted]) -> bool:
    """Whether the penalty found is the same in all trials."""
    first = trials[0].found
    return all(
        near(found.l1, first.l1, found.blur[1] + first.blur[1])
        and near(found.l2, first.l2, found.blur[2] + first.blur[2])
        for _, found in trials
    )
