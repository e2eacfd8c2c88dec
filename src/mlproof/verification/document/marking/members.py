r"""The members of a chain at drawn points, and how each compares with another.

A symbol that could be several things is read as what gives most members a meaning.
"""

from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import Any

from mlproof.verification.document.notation.notation import Notation
from mlproof.verification.document.text.grammar import NotUnderstood
from mlproof.verification.document.text.statements import Member, Statement
from mlproof.verification.document.text.syntax import Binary
from mlproof.verification.document.text.vocabulary import ORDERS
from mlproof.verification.document.values.arrays import (
    IllTyped,
    Unknown,
    is_array,
    shape_of,
)
from mlproof.verification.document.values.layout import Layout
from mlproof.verification.document.values.numbers import Arithmetic, Undefined
from mlproof.verification.document.values.points import (
    Point,
    Prober,
    Setting,
    differ,
    failed,
    same_shape,
    settled,
)

TOLERANCE = 1e-8  # in double precision, relative
MOST_READINGS = 12  # of symbols with several types
DIGITS = 40
SURE = 1e-25  # relative, in that many digits


@dataclass
class Comparison:
    """Two members at all points."""

    same: int = 0
    different: list[tuple[Point, Any, Any]] = field(default_factory=list)
    ill_typed: tuple[Point, IllTyped] | None = None
    unknown: Exception | None = None
    undefined: Undefined | None = None
    missing: bool = False  # whether one divides by 0 where the other has a value

    @property
    def holds(self) -> bool:
        return bool(
            self.same
            and not self.different
            and self.ill_typed is None
            and self.unknown is None
            and not self.missing
        )


class Members:
    """The members of a chain, at its points."""

    def __init__(
        self, notation: Notation, layout: Layout, statement: Statement, order: int
    ):
        self.notation, self.layout = notation, layout
        self.statement, self.order = statement, order
        self.prober = Prober(notation, statement, order)
        self.setting, self.points = self._best_setting()
        self._compared: dict[tuple[int, int], Comparison] = {}
        self.notes: set[tuple[str, int, int]] = set()
        self.laid_out: set[str] = set()
        for point in self.points:
            self.notes |= point.world.notes
            self.laid_out |= point.world.laid_out

    @property
    def members(self) -> list[Member]:
        return self.statement.members

    # How ambiguous symbols are read

    def _best_setting(self) -> tuple[Setting, list[Point]]:
        """The reading under which most members have a value."""
        best = Setting(layout=self.layout)
        points = self.prober.points(self.members, best)
        faults = self._faults(points)
        if not faults:
            return best, points
        several: dict[str, int] = {}
        for point in points:
            several.update(point.world.several)
        names = sorted(several)[:4]
        choices = product(*(range(several[name]) for name in names))
        for numbers in islice(choices, 1, MOST_READINGS):
            setting = Setting(tuple(zip(names, numbers, strict=True)), self.layout)
            others = self.prober.points(self.members, setting)
            if self._faults(others) < faults:
                best, points, faults = setting, others, self._faults(others)
            if not faults:
                break
        if faults:
            setting = Setting(best.choices, best.layout, lenient=True)
            others = self.prober.points(self.members, setting)
            if self._faults(others) < faults:
                best, points, faults = setting, others, self._faults(others)
        if faults:
            setting = replace(best, numbers=True)
            others = self.prober.points(self.members, setting)
            if self._faults(others) < faults:
                best, points, faults = setting, others, self._faults(others)
        if faults and self._has_dots():
            setting = replace(best, dots_by_entries=True)
            others = self.prober.points(self.members, setting)
            if self._faults(others) < faults:
                best, points = setting, others
        return best, points

    def _has_dots(self) -> bool:
        """Whether a product is written with a dot or a star."""
        return any(
            isinstance(node, Binary) and node.sign in ("dot", "star")
            for member in self.members
            for node in (member.formula.walk() if member.formula is not None else ())
        )

    def _faults(self, points: list[Point]) -> int:
        """How many members have no meaning, or not the shape of the one before."""
        if not points:
            return 1
        count = 0
        for i, member in enumerate(self.members):
            if member.formula is None:
                continue
            bad = any(isinstance(p.outcomes[i], (IllTyped, Unknown)) for p in points)
            count += 2 * bad
            if i and not bad and self.statement.relations[i - 1] in ORDERS:
                count += any(
                    is_array(p.outcomes[i]) or is_array(p.outcomes[i - 1])
                    for p in points
                )
            elif i and not bad:
                count += any(
                    not failed(p.outcomes[i])
                    and not failed(p.outcomes[i - 1])
                    and self._unlike(p, i)
                    for p in points
                )
        return count

    def _unlike(self, point: Point, i: int) -> bool:
        try:
            a, b = self.pair(point, i - 1, i)
        except (IllTyped, Unknown):
            return True
        return not same_shape(a, b)

    # Comparing

    def pair(self, point: Point, i: int, j: int) -> tuple[Any, Any]:
        nodes = (self.members[i].formula, self.members[j].formula)
        return settled(point.outcomes[i], point.outcomes[j], point, nodes)  # type: ignore[arg-type]

    def compared(self, i: int, j: int) -> Comparison:
        if (i, j) not in self._compared:
            self._compared[i, j] = self._compare(i, j)
        return self._compared[i, j]

    def _compare(self, i: int, j: int) -> Comparison:
        found = Comparison()
        telling = False
        for point in self.points:
            a, b = point.outcomes[i], point.outcomes[j]
            for outcome in (a, b):
                if isinstance(outcome, IllTyped):
                    found.ill_typed = found.ill_typed or (point, outcome)
                elif isinstance(outcome, (Unknown, NotUnderstood)):
                    found.unknown = found.unknown or outcome
                elif isinstance(outcome, Undefined):
                    found.undefined = found.undefined or outcome
            if failed(a) or failed(b):
                lone = failed(a) != failed(b)
                error = a if failed(a) else b
                divided = isinstance(error, Undefined) and "division" in str(error)
                found.missing = found.missing or (lone and divided)
                continue
            try:
                a, b = self.pair(point, i, j)
            except IllTyped as error:
                found.ill_typed = found.ill_typed or (point, error)
                continue
            except Unknown as error:
                found.unknown = found.unknown or error
                continue
            self.notes_of(point)
            if not same_shape(a, b):
                unequal = IllTyped("equal", left=shape_of(a), right=shape_of(b))
                found.ill_typed = found.ill_typed or (point, unequal)
            elif differ(a, b, TOLERANCE):
                found.different.append((point, a, b))
            else:
                found.same += 1
                sizes = list(point.world._sizes.values())
                telling = telling or len(set(sizes)) == len(sizes)
        if not telling:  # where two sizes are the same by chance, too much is equal
            found.same = 0
        if found.different and not self._confirmed(i, j, found):
            found.same += len(found.different)
            found.different = []
        return found

    def notes_of(self, point: Point) -> None:
        self.notes |= point.world.notes

    def _confirmed(self, i: int, j: int, found: Comparison) -> bool:
        """Whether two members also differ in many digits, not by rounding."""
        point = found.different[0][0]
        members = [self.members[i], self.members[j]]
        exact = self.prober.of_draw(
            members, self.setting, point.world.draw, Arithmetic(DIGITS)
        )
        for other in exact:
            if other.indices != point.indices:
                continue
            a, b = other.outcomes
            if failed(a) or failed(b):
                continue
            nodes = (members[0].formula, members[1].formula)
            a, b = settled(a, b, other, nodes)  # type: ignore[arg-type]
            return not same_shape(a, b) or differ(a, b, SURE)
        return True

    def unclear(self, i: int) -> bool:
        """Whether a member alone is not understood."""
        outcome = self.points[0].outcomes[i] if self.points else None
        return isinstance(outcome, (Unknown, NotUnderstood))

    def outcomes(self, i: int) -> list[Any]:
        return [point.outcomes[i] for point in self.points]


def isinstance_any(outcomes: list[Any], kind: type) -> bool:
    return any(isinstance(outcome, kind) for outcome in outcomes)
