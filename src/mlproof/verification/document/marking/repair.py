"""The smallest change of a member that makes it agree with its neighbours."""

import re
import time

from mlproof.verification.document.marking.edits import Edit, edits
from mlproof.verification.document.notation.notation import Notation
from mlproof.verification.document.text.grammar import NotUnderstood, parse
from mlproof.verification.document.text.macros import Macro, expanded
from mlproof.verification.document.text.source import Source
from mlproof.verification.document.text.statements import Member
from mlproof.verification.document.text.syntax import (
    Beside,
    Group,
    Name,
    Node,
    Number,
)
from mlproof.verification.document.text.tokens import tokens
from mlproof.verification.document.values.arrays import IllTyped, Unknown
from mlproof.verification.document.values.points import (
    Point,
    Prober,
    Setting,
    differ,
    failed,
    same_shape,
    settled,
)
from mlproof.verification.document.values.world import DRAWS

TRIED = 600  # changes at most
SECONDS = 2.0  # of work and no more, whatever else the machine does


class Repairer:
    """Tries changes of a member at the points of its chain."""

    def __init__(
        self, prober: Prober, setting: Setting, macros: dict[str, Macro] | None = None
    ):
        self.prober, self.setting = prober, setting
        self.macros = macros or {}

    def repaired(
        self, wrong: Member, sound: list[Member], beside: tuple[Member, ...] = ()
    ) -> str | None:
        """The member with the one change that makes it agree with the sound ones.

        Those beside them only tell how far the indices of the chain run.
        """
        if wrong.formula is None or not sound:
            return None
        others = tuple(m.formula for m in sound if m.formula is not None)
        text = wrong.source.text
        end = time.thread_time() + SECONDS
        found = edits(wrong.formula, text, self.prober.notation, others)
        for number, edit in enumerate(found):
            if number > TRIED or time.thread_time() > end:
                return None
            changed = self._changed(wrong, edit)
            if changed is None or _poor(changed, [*sound, *beside], edit.kind):
                continue
            if _odd(changed.formula) > _odd(wrong.formula):
                continue
            if self._agrees(changed, sound, beside):
                return changed.text
        return None

    def _changed(self, wrong: Member, edit: Edit) -> Member | None:
        text = edit.applied(wrong.source.text, wrong.start, wrong.end)
        source = Source(text, wrong.source.cell)
        try:
            formula = parse(expanded(tokens(text), self.macros))
        except (NotUnderstood, RecursionError):
            return None
        return Member(source, 0, len(text), formula)

    def _agrees(
        self, changed: Member, sound: list[Member], beside: tuple[Member, ...]
    ) -> bool:
        members = [changed, *sound[:2]]
        every = [*members, *beside]
        # The first draw sorts out nearly all.
        double = self.prober.double
        drawn = (self.prober.of_draw(every, self.setting, d, double) for d in DRAWS[:3])
        return all(self._agrees_at(members, points) for points in drawn) and (
            self._agrees_at(members, self.prober.points(every, self.setting))
        )

    @staticmethod
    def _agrees_at(members: list[Member], points: list[Point]) -> bool:
        compared = 0
        for point in points:
            mine = point.outcomes[0]
            if isinstance(mine, (IllTyped, Unknown)):
                return False
            for other, member in zip(point.outcomes[1:], members[1:], strict=False):
                if failed(other):
                    continue
                if failed(mine):
                    return False  # it has no value where one is wanted
                nodes = (members[0].formula, member.formula)
                try:
                    a, b = settled(mine, other, point, nodes)  # type: ignore[arg-type]
                except (IllTyped, Unknown):
                    return False
                if not same_shape(a, b) or differ(a, b, 1e-8):
                    return False
                compared += 1
        return bool(compared) or not points


def _poor(changed: Member, others: list[Member], kind: str) -> bool:
    """Whether a repair only says again what stands beside it, or reads badly."""
    text = "".join(changed.text.split())
    if any(text == "".join(other.text.split()) for other in others):
        return True
    lone = isinstance(changed.formula, Name) and kind not in ("factor", "sign")
    return lone or bool(re.search(r"[-+][-+]", text))


def _odd(formula: Node | None) -> int:
    """How many factors a formula has that nobody writes: 1 x, 2 2 x, I x."""
    count = 0
    for node in formula.walk() if formula is not None else ():
        if isinstance(node, Beside):
            for item, before in zip(node.items, (None, *node.items), strict=False):
                one = isinstance(item, Number) and item.value == 1
                identity = isinstance(item, Name) and item.text == "I"
                numbers = isinstance(item, Number) and isinstance(before, Number)
                count += one + identity + numbers
    return count


def counted(key: str, notation: Notation, text: str) -> str | None:
    """How many scalars a set of arrays holds, as a sum of products of their sizes."""
    of = notation.counted(key)
    if of is None:
        return None
    body = notation.definitions[of][0].body
    if not isinstance(body, Group):
        return None
    terms = []
    for item in body.items:
        reading = notation.reading(item)
        if reading is None:
            return None
        found = notation.types.get(notation.known(reading.key), [])
        sizes = next((t.sizes for t in found if t.kind == "array"), None)
        if sizes is None:
            return None
        terms.append(" ".join(text[s.start : s.end] for s in sizes))
    return " + ".join(terms)
