"""The verdict on each relation of a chain.

A member is compared with the last sound one before it.  If it stands out of line, it is
the culprit and the step after it is judged against the sound member; if the rest of the
chain goes on from it, each later step is judged against its predecessor.  So one slip
is one error.
"""

import re
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

from mlproof.verification.document.marking.lint import note, unused_indices
from mlproof.verification.document.marking.prove import proved
from mlproof.verification.document.marking.repair import Repairer, counted
from mlproof.verification.document.marking.shapes import product_shape
from mlproof.verification.document.messages import reason, say
from mlproof.verification.document.notation.names import name_of, unwrapped
from mlproof.verification.document.notation.notation import Notation, Reading
from mlproof.verification.document.notation.sets import range_of, shape_in_words
from mlproof.verification.document.report import Claim, Lint, Place, Verdict
from mlproof.verification.document.text.grammar import NotUnderstood
from mlproof.verification.document.text.macros import Macro
from mlproof.verification.document.text.statements import Member, Statement
from mlproof.verification.document.text.syntax import (
    Beside,
    Big,
    Binary,
    Cases,
    Dots,
    Name,
    Number,
    Script,
)
from mlproof.verification.document.values.arrays import (
    Bundle,
    IllTyped,
    Unknown,
    is_array,
    shape_of,
)
from mlproof.verification.document.values.conditions import compare
from mlproof.verification.document.values.evaluate import evaluate
from mlproof.verification.document.values.layout import Layout
from mlproof.verification.document.values.named import is_function_name
from mlproof.verification.document.values.numbers import Arithmetic, Undefined, plain
from mlproof.verification.document.values.points import (
    Point,
    Prober,
    Setting,
    differ,
    failed,
    first_difference,
    same_shape,
    settled,
)
from mlproof.verification.document.values.world import DRAWS, Draw, World

TOLERANCE = 1e-8  # in double precision, relative
MOST_READINGS = 12  # of symbols with several types
DIGITS = 40
SURE = 1e-25  # relative, in that many digits
EQUALITIES = ("=", ":=")
ORDERS = ("<", ">", "<=", ">=", "!=")


@dataclass
class Comparison:
    """Two members at all points."""

    same: int = 0
    different: list[tuple[Point, Any, Any]] = field(default_factory=list)
    ill_typed: tuple[Point, IllTyped] | None = None
    unknown: Exception | None = None
    undefined: Undefined | None = None

    @property
    def holds(self) -> bool:
        return bool(
            self.same
            and not self.different
            and self.ill_typed is None
            and self.unknown is None
        )


class Judge:
    """Judges statements, with the notation of their document."""

    def __init__(
        self,
        notation: Notation,
        language: str,
        macros: dict[str, Macro] | None = None,
        layout: Layout = Layout.COLUMNS,
    ):
        self.notation, self.language = notation, language
        self.layout = layout
        self.macros = macros or {}
        self.lint: list[Lint] = []
        self.laid_out: dict[int, set[str]] = {}  # statements whose layout matters

    def say(self, name: str, /, **found: object) -> str:
        return say(self.language, name, **found)

    def judge(self, statement: Statement, order: int) -> list[Claim]:
        """The claims of a statement; none if it states nothing."""
        if statement.is_condition:
            return []
        if not statement.relations:
            return self._lone(statement, order)
        kinds = set(statement.relations)
        if range_of(statement) is not None:
            return self._all(statement, Verdict.DEFINITION, self.say("declaration"))
        if order in self.notation.sums_to_one.values():
            symbol = statement.members[0].text
            message = self.say("assumption", symbol=symbol)
            return self._all(statement, Verdict.DEFINITION, message)
        if self._of_indices(statement):
            return []  # an index named: "only the term l = i"
        if any(isinstance(m.formula, Dots) for m in statement.members[1:]):
            return self._all(statement, Verdict.NOT_MATHEMATICS, self.say("hole"))
        if kinds <= {"in"}:
            return self._declarations(statement, order)
        if kinds & {"gets"}:
            return self._assignment(statement, order)
        if kinds == {"to"}:
            return self._shapes(statement)
        if kinds <= {*EQUALITIES, *ORDERS, "in"}:
            chain = Chain(self, statement, order)
            claims = chain.claims()
            self.lint += chain.slips()
            if chain.laid_out:
                self.laid_out[order] = chain.laid_out
            return claims
        return self._all(statement, Verdict.NOT_UNDERSTOOD, self.say("not a claim"))

    def _of_indices(self, statement: Statement) -> bool:
        names = [
            name_of(m.formula) if m.formula is not None else None
            for m in statement.members
        ]
        bound = self.notation.facts.bound | self.notation.labels_found
        return not statement.display and all(
            n is not None and n in bound for n in names
        )

    # Statements without an equality

    def _all(self, statement: Statement, verdict: Verdict, message: str) -> list[Claim]:
        return [
            Claim(place_of(member), verdict, message)
            for member in statement.members[1:]
        ]

    def _lone(self, statement: Statement, order: int) -> list[Claim]:
        member = statement.members[0]
        formula = member.formula
        if formula is None:
            if any(sign in member.text for sign in ("=", "<", ">", r"\in")):
                return [
                    Claim(
                        place_of(member),
                        Verdict.NOT_UNDERSTOOD,
                        self.refusal(member.refused),
                    )
                ]
            return []
        if shape_in_words(formula) is not None:
            if any(
                t.order == order
                for found in self.notation.types.values()
                for t in found
            ):
                return [
                    Claim(place_of(member), Verdict.DEFINITION, self.say("declaration"))
                ]
            return []
        head = formula.items[0] if isinstance(formula, Beside) else formula
        if isinstance(head, Big) and head.name.startswith("arg"):
            return [Claim(place_of(member), Verdict.DEFINITION, self.say("problem"))]
        return []

    def _declarations(self, statement: Statement, order: int) -> list[Claim]:
        member = statement.members[-1]
        if member.formula is None:
            message = self.refusal(member.refused)
            return self._all(statement, Verdict.NOT_UNDERSTOOD, message)
        found = [
            (key, t)
            for key, types in self.notation.types.items()
            for t in types
            if t.order == order
        ]
        head = member.formula
        head = head.items[0] if isinstance(head, Beside) else head
        if isinstance(head, Big) and head.name.startswith("arg"):
            return self._all(statement, Verdict.DEFINITION, self.say("problem"))
        if not found:
            left = statement.members[0].formula
            if left is not None and _is_real_set(member):
                return self._all(statement, Verdict.DEFINITION, self.say("declaration"))
            message = self.say("unknown", reason=reason(self.language, "set"))
            return self._all(statement, Verdict.NOT_UNDERSTOOD, message)
        wrong = self._contradicted(found, statement, order)
        if wrong is not None:
            return self._all(statement, Verdict.ILL_TYPED, wrong)
        return self._all(statement, Verdict.DEFINITION, self.say("declaration"))

    def _contradicted(
        self, found: list[tuple[str, Any]], statement: Statement, order: int
    ) -> str | None:
        """What a declaration says of a symbol whose definition has another shape."""
        for key, t in found:
            if t.kind != "array" or not self.notation.definitions.get(key):
                continue
            for draw in DRAWS[:3]:
                world = self.world(draw, statement, order)
                try:
                    value = world.value(key)
                    sizes = [int(world.evaluate(size)) for size in t.sizes]
                except Exception:
                    break
                shape = (sizes[0], 1) if len(sizes) == 1 else tuple(sizes)
                if not is_array(value) or value.shape == shape:
                    break
                return self.say(
                    "declared otherwise",
                    declared=shown_shape(tuple(sizes), world),
                    shape=shown_shape(shape_of(value), world),
                )
        return None

    def world(self, draw: Draw, statement: Statement, order: int) -> World:
        world = World(
            self.notation, Arithmetic(), draw, evaluate, order, statement.section
        )
        world.source = statement.source.text
        return world

    def _assignment(self, statement: Statement, order: int) -> list[Claim]:
        chain = Chain(self, statement, order)
        points = chain.points
        for point in points:
            for outcome in point.outcomes:
                if isinstance(outcome, IllTyped):
                    message = self.ill_typed(outcome, point.world)
                    return self._all(statement, Verdict.ILL_TYPED, message)
        for point in points:
            for outcome in point.outcomes:
                if isinstance(outcome, (Unknown, NotUnderstood)):
                    message = self.refusal(outcome)
                    return self._all(statement, Verdict.NOT_UNDERSTOOD, message)
        last = len(statement.members) - 1
        compared = [
            (*chain.pair(point, 0, last), point)
            for point in points
            if not failed(point.outcomes[0]) and not failed(point.outcomes[last])
        ]
        for a, b, point in compared:
            if not same_shape(a, b):
                message = self.say(
                    "equal",
                    left=shown_shape(shape_of(a), point.world),
                    right=shown_shape(shape_of(b), point.world),
                )
                return self._all(statement, Verdict.ILL_TYPED, message)
        if not compared:
            return self._all(statement, Verdict.NOT_UNDERSTOOD, self.say("nowhere"))
        return self._all(statement, Verdict.DEFINITION, self.say("assignment"))

    def _shapes(self, statement: Statement) -> list[Claim]:
        left, right = statement.members[0].formula, statement.members[-1].formula
        if left is None or right is None or len(statement.members) != 2:
            message = self.say("not a claim")
            return self._all(statement, Verdict.NOT_UNDERSTOOD, message)
        a, b = product_shape(left), product_shape(right)
        if a is None or b is None:
            message = self.say("not a claim")
            return self._all(statement, Verdict.NOT_UNDERSTOOD, message)
        if a == b:
            return self._all(statement, Verdict.AGREES, self.say("shapes agree"))
        message = self.say(
            "equal", left=" × ".join(a) or "1", right=" × ".join(b) or "1"
        )
        return self._all(statement, Verdict.ILL_TYPED, message)

    # Words

    def refusal(self, error: Exception | None) -> str:
        if isinstance(error, Unknown):
            why = reason(self.language, error.name, **error.found)
            return self.say("unknown", reason=why)
        if isinstance(error, NotUnderstood):
            return self.say("refused", reason=error.reason)
        return self.say("nowhere")

    def ill_typed(self, error: IllTyped, world: World) -> str:
        found = {
            key: shown_shape(value, world) if isinstance(value, tuple) else value
            for key, value in error.found.items()
        }
        if "size" in found and isinstance(found["size"], int):
            found["size"] = shown_size(found["size"], world)
        return self.say(error.name, **found)


def _is_real_set(member: Member) -> bool:
    node = member.formula
    if isinstance(node, Script):
        node = node.base
    return isinstance(node, Name) and node.face in ("bb", "bf")


def place_of(member: Member) -> Place:
    return Place(member.source, member.start, member.end)


def shown_size(size: int, world: World) -> str:
    name = world.size_name(size)
    return name if name == str(size) else f"{name} = {size}"


def shown_shape(shape: tuple[int, ...], world: World) -> str:
    if not shape:
        return "1"
    if len(shape) == 1:
        return f"{world.size_name(shape[0])} × 1"
    return " × ".join(world.size_name(size) for size in shape)


class Chain:
    """One chain of members, at its points."""

    def __init__(self, judge: Judge, statement: Statement, order: int):
        self.judge, self.statement, self.order = judge, statement, order
        self.prober = Prober(judge.notation, statement, order)
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
        best = Setting(layout=self.judge.layout)
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
            setting = Setting(
                tuple(zip(names, numbers, strict=True)), self.judge.layout
            )
            others = self.prober.points(self.members, setting)
            if self._faults(others) < faults:
                best, points, faults = setting, others, self._faults(others)
            if not faults:
                break
        if faults:
            setting = Setting(best.choices, best.layout, lenient=True)
            others = self.prober.points(self.members, setting)
            if self._faults(others) < faults:
                best, points = setting, others
        return best, points

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

    def pair(self, point: Point, i: int, j: int) -> tuple[Any, Any]:
        nodes = (self.members[i].formula, self.members[j].formula)
        return settled(point.outcomes[i], point.outcomes[j], point, nodes)  # type: ignore[arg-type]

    # Comparing

    def compared(self, i: int, j: int) -> Comparison:
        if (i, j) not in self._compared:
            self._compared[i, j] = self._compare(i, j)
        return self._compared[i, j]

    def _compare(self, i: int, j: int) -> Comparison:
        found = Comparison()
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

    # Verdicts

    def claims(self) -> list[Claim]:
        made: list[Claim] = []
        sound = 0  # the last member that nothing is wrong with
        last = 0  # the member that the next one is judged against
        broken = False  # whether the chain goes on from a mistake
        for i in range(1, len(self.members)):
            relation = self.statement.relations[i - 1]
            if relation in ORDERS:
                made.append(self._order(i, relation))
                last = sound = i
                continue
            if relation == "in":
                made.append(
                    Claim(
                        place_of(self.members[i]),
                        Verdict.DEFINITION,
                        self.judge.say("declaration"),
                    )
                )
                continue
            if i == 1 and self._defines():
                made.append(self._definition())
                sound = last = 1
                continue
            with_last = self.compared(last, i)
            if with_last.unknown is not None:
                made.append(self._not_understood(i, with_last.unknown))
                if self._unclear(i) or not self._unclear(last):
                    continue  # the next is judged against the one before this
                last = sound = i
                continue
            if with_last.holds:
                made.append(self._good(i, last, broken))
                last = i
                if not broken:
                    sound = i
                continue
            if broken and last != sound and self.compared(sound, i).holds:
                made.append(self._good(i, sound, False, skipped=True))
                last = sound = i
                broken = False
                continue
            claim, wrong = self._bad(i, last)
            made.append(claim)
            if not wrong:
                continue
            if isinstance_any(self._outcomes(i), IllTyped):
                continue  # it has no value that anything could follow from
            broken, last = True, i
        return made

    def _unclear(self, i: int) -> bool:
        """Whether a member alone is not understood."""
        outcome = self.points[0].outcomes[i] if self.points else None
        return isinstance(outcome, (Unknown, NotUnderstood))

    def _misread(self, i: int) -> bool:
        """Whether another member without a meaning may be why this one has none."""
        ambiguous = self.setting.lenient or any(p.world.several for p in self.points)
        unclear = any(map(self._unclear, range(len(self.members))))
        ill_typed = any(isinstance_any(self._outcomes(k), IllTyped) for k in range(i))
        return ambiguous and (unclear or ill_typed)

    def _outcomes(self, i: int) -> list[Any]:
        return [point.outcomes[i] for point in self.points]

    def _defines(self) -> bool:
        """Whether the first equality gives its left side its meaning."""
        left = self.members[0].formula
        if left is None:
            return False
        head = unwrapped(left)
        if isinstance(head, Beside) and len(head.items) == 2:
            head = head.items[0]
        base = head.base if isinstance(head, Script) else head
        if (
            isinstance(base, Name)
            and isinstance(self.members[1].formula, Cases)
            and is_function_name(base)
            and not isinstance(head, Script)
        ):
            return self.compared(0, 1).holds
        if not isinstance(head, (Name, Script)):
            return False
        reading = self.judge.notation.reading(head)
        if reading is None:
            return False
        if self._recurs(reading):
            return True
        if self._counted_key() is not None:
            return False  # it is a count, whatever is written
        key = self.judge.notation.known(reading.key)
        worlds = {id(p.world): p.world for p in self.points}.values()
        families = {None} if reading.family is None else set()
        for world in worlds:
            for (name, family), definition in world._in_force.items():
                if name != key or definition is None:
                    continue
                if families and family not in families:
                    continue
                return definition.order == self.order
        found = self.judge.notation.definition(key, self.order, self.statement.section)
        return bool(found) and found[0].order == self.order

    def _recurs(self, reading: Reading) -> bool:
        """Whether it gives one of a sequence by those before it."""
        right = self.members[1].formula
        if right is None or not (reading.indices or reading.family is not None):
            return False
        for node in right.walk():
            if not isinstance(node, Script):
                continue
            other = self.judge.notation.reading(node)
            if other is None or other.key != reading.key:
                continue
            places = (*other.indices, other.family)
            if any(isinstance(unwrapped(p), Binary) for p in places if p is not None):
                return True
        return False

    def _definition(self) -> Claim:
        member = self.members[1]
        head = unwrapped(self.members[0].formula)  # type: ignore[arg-type]
        reading = (
            self.judge.notation.reading(head)
            if isinstance(head, (Name, Script))
            else None
        )
        if reading is not None and self._recurs(reading):
            message = self.judge.say("recurrence", symbol=self.members[0].text)
            return Claim(place_of(member), Verdict.DEFINITION, message)
        with_left = self.compared(0, 1)
        if with_left.ill_typed is not None:
            return self._bad(1, 0)[0]
        if with_left.unknown is not None:
            return self._not_understood(1, with_left.unknown)
        undeclared = self._undeclared(1)
        bare = isinstance(member.formula, Number)
        if (undeclared or bare) and not any(p.world.known_symbols for p in self.points):
            undeclared = undeclared or [self.members[0].text]
            message = self.judge.say("undeclared", symbols=", ".join(undeclared))
            return Claim(place_of(member), Verdict.NOT_UNDERSTOOD, message)
        if isinstance(member.formula, Cases) and self._is_builtin():
            message = self.judge.say("definition agrees")
        else:
            message = self.judge.say("definition", symbol=self.members[0].text)
        return Claim(place_of(member), Verdict.DEFINITION, message)

    def _is_builtin(self) -> bool:
        left = unwrapped(self.members[0].formula)  # type: ignore[arg-type]
        head = left.items[0] if isinstance(left, Beside) else left
        return isinstance(head, Name) and is_function_name(head)

    def _undeclared(self, i: int) -> list[str]:
        """Symbols read as numbers though nothing says that they are."""
        facts = self.judge.notation.facts
        found: set[str] = set()
        for point in self.points:
            found |= point.world.guessed
        notation = self.judge.notation
        known = facts.arguments | facts.derived | notation.numbers_said
        if not found - known:
            return []
        used: set[str] = set()
        for member in self.members[: i + 1]:
            if member.formula is not None:
                for key in notation.symbols(member.formula):
                    used |= self.points[0].world.closure(key)
        return sorted((found & used) - known)

    def _not_understood(self, i: int, error: Exception) -> Claim:
        own = [o for o in self._outcomes(i) if isinstance(o, (Unknown, NotUnderstood))]
        message = self.judge.refusal(own[0] if own else error)
        if not own:
            message = self.judge.say("neighbour")
        return Claim(place_of(self.members[i]), Verdict.NOT_UNDERSTOOD, message)

    def _good(
        self, i: int, against: int, broken: bool = False, skipped: bool = False
    ) -> Claim:
        member = self.members[i]
        say = self.judge.say
        if broken:
            return Claim(place_of(member), Verdict.AGREES, say("carried on"))
        kinks = [max(p.kinks[against], p.kinks[i]) for p in self.points]
        if kinks and all(kinks):
            return Claim(place_of(member), Verdict.CONVENTION, say("by convention"))
        edge = self._edge(against, i)
        if edge is not None:
            return edge
        if skipped:
            return Claim(place_of(member), Verdict.AGREES, say("agrees with sound"))
        if self._proved(against, i):
            return Claim(place_of(member), Verdict.PROVED, say("proved"))
        sizes = {p.world.draw.seed for p in self.points if p.world._sizes}
        count = self.compared(against, i).same
        if sizes:
            message = say("agrees", points=count, sizes=len(sizes))
        else:
            message = say("agrees scalar", points=count)
        return Claim(place_of(member), Verdict.AGREES, message)

    def _proved(self, i: int, j: int) -> bool:
        """Whether a normal form decides that two members are equal."""
        if self.statement.conditions or any(p.world._sizes for p in self.points):
            return False
        names: set[str] = set()
        for point in self.points:
            for key, value in point.world.used.items():
                if is_array(value) or isinstance(value, int):
                    return False
                names.add(key)
        names -= {"e", "pi"}
        if not names:
            return self._exact(i, j)
        members = [self.members[i], self.members[j]]

        def values(arithmetic: Arithmetic, variables: dict[str, Any]) -> list[Any]:
            points = self.prober.of_draw(
                members, self.setting, DRAWS[0], arithmetic, variables
            )
            if len(points) != 1 or any(failed(o) for o in points[0].outcomes):
                raise Unknown("mixed")
            return points[0].outcomes

        return proved(values, sorted(names))

    def _exact(self, i: int, j: int) -> bool:
        """Whether two members without variables are the same whole numbers."""
        a, b = (self.points[0].outcomes[k] for k in (i, j))
        return isinstance(a, int) and isinstance(b, int) and a == b

    def _repaired(self, i: int, against: int) -> str | None:
        """The member repaired, so that it agrees with those that are sound."""
        key = self._counted_key()
        if key is not None:
            return counted(key, self.judge.notation, self.statement.source.text)
        sound = [self.members[against]]
        for after in range(i + 1, len(self.members)):
            if self.compared(against, after).holds:
                sound.append(self.members[after])
                break
        repairer = Repairer(self.prober, self.setting, self.judge.macros)
        if against == 1 and self._defines():
            # Perhaps the definition is what has the slip.
            definition = self.members[1]
            suspect = definition.formula is not None and any(
                unused_indices(node)
                for node in definition.formula.walk()
                if isinstance(node, Big)
            )
            if suspect:
                return repairer.repaired(definition, [self.members[i]])
        return repairer.repaired(self.members[i], sound)

    def slips(self) -> list[Lint]:
        """What was read over while the members were evaluated."""
        found: list[Lint] = []
        notes = set(self.judge.notation.slips) | self.notes
        for code, start, end in sorted(notes, key=lambda n: (n[1], n[0])):
            for member in self.members:
                if member.start <= start and end <= member.end:
                    found.append(self._slip(code, start, end))
                    break
        if self.statement.misplaced:
            found.append(self._slip("misplaced", *self._extent()))
        return found

    def _extent(self) -> tuple[int, int]:
        return self.members[0].start, self.members[-1].end

    def _slip(self, code: str, start: int, end: int) -> Lint:
        source = self.statement.source
        text = source.text[start:end]
        extra: dict[str, str] = {}
        if code == "superscript":
            number = re.search(r"\^\{?(\d+)", text)
            extra["number"] = number.group(1) if number else ""
            extra["suggestion"] = re.sub(r"\^\{?(\d+)\}?", r"^{(\1)}", text)
        if code == "unlabelled row":
            labels = [k for p in self.points for k in p.world.label_sizes]
            extra["label"] = labels[0] if labels else "?"
        return note(source, code, start, end, self.judge.language, **extra)

    def _edge(self, i: int, j: int) -> Claim | None:
        """What happens where a symbol is 0: a domain, a convention, or nothing."""
        member, say = self.members[j], self.judge.say
        for key in self._edge_symbols(i, j):
            draw = Draw(DRAWS[0].seed, DRAWS[0].sizes, frozenset({key}))
            members = [self.members[i], member]
            for point in self.prober.of_draw(
                members, self.setting, draw, self.prober.double
            ):
                a, b = point.outcomes
                where = say("where", symbol=key)
                undefined = [o for o in (a, b) if isinstance(o, Undefined)]
                if undefined:
                    message = say("domain", where=where, why=undefined[0])
                    return Claim(place_of(member), Verdict.DOMAIN, message)
                if failed(a) or failed(b):
                    continue
                if any(point.kinks):
                    message = say("convention", where=where)
                    return Claim(place_of(member), Verdict.CONVENTION, message)
                nodes = (members[0].formula, members[1].formula)
                a, b = settled(a, b, point, nodes)  # type: ignore[arg-type]
                if same_shape(a, b) and differ(a, b, TOLERANCE):
                    return self._false(j, [(point, a, b)])
        found = self.compared(i, j)
        if found.undefined is not None:
            message = say("domain partly", why=found.undefined)
            return Claim(place_of(member), Verdict.DOMAIN, message)
        return None

    def _edge_symbols(self, i: int, j: int) -> list[str]:
        """The free symbols that these members are written with."""
        notation = self.judge.notation
        written: set[str] = set()
        for member in (self.members[i], self.members[j]):
            if member.formula is not None:
                written |= notation.symbols(member.formula)
        free: set[str] = set()
        for point in self.points:
            free |= {
                key
                for key, value in point.world.used.items()
                if not isinstance(value, int)
            }
        found = (written & free) - notation.sizes - {"e", "pi"}
        world = self.points[0].world
        return [key for key in sorted(found) if world.may_vanish(key)][:6]

    def _bad(self, i: int, against: int) -> tuple[Claim, bool]:
        """The verdict on a step that does not hold, and whether it is a wrong one."""
        found = self.compared(against, i)
        member = self.members[i]
        if found.ill_typed is not None:
            point, error = found.ill_typed
            own = [o for o in self._outcomes(i) if isinstance(o, IllTyped)]
            if not own and isinstance_any(self._outcomes(against), IllTyped):
                message = self.judge.say("neighbour")
                return Claim(place_of(member), Verdict.NOT_UNDERSTOOD, message), False
            undeclared = self._undeclared(i)
            if undeclared:
                message = self.judge.say("undeclared", symbols=", ".join(undeclared))
                return Claim(place_of(member), Verdict.NOT_UNDERSTOOD, message), False
            if self._misread(i):
                message = self.judge.say("neighbour")
                return Claim(place_of(member), Verdict.NOT_UNDERSTOOD, message), False
            message = self.judge.ill_typed(error, point.world)
            repair = self._repaired(i, against)
            claim = Claim(place_of(member), Verdict.ILL_TYPED, message, repair)
            return claim, True
        if not found.different:
            message = self.judge.say("nowhere")
            return Claim(place_of(member), Verdict.NOT_UNDERSTOOD, message), False
        undeclared = self._undeclared(i)
        if undeclared:
            message = self.judge.say("undeclared", symbols=", ".join(undeclared))
            return Claim(place_of(member), Verdict.NOT_UNDERSTOOD, message), False
        if self._spoken_of():
            message = self.judge.say("spoken of")
            return Claim(place_of(member), Verdict.NOT_UNDERSTOOD, message), False
        return self._false(i, found.different, against), True

    def _spoken_of(self) -> bool:
        """Whether a formula in a sentence is what it speaks of, not what it says."""
        statement = self.statement
        return not statement.display and bool(_SPOKEN.match(statement.after))

    def _false(
        self,
        i: int,
        different: list[tuple[Point, Any, Any]],
        against: int | None = None,
    ) -> Claim:
        say = self.judge.say
        message = say("false")
        after = i + 1
        if (
            against is not None
            and after < len(self.members)
            and self.compared(against, after).holds
        ):
            message = say("false outlier")
        count = self._counted()
        if count is not None:
            message = say("count", symbol=self.members[0].text, of=count)
        return Claim(
            place_of(self.members[i]),
            Verdict.FALSE,
            message,
            None if against is None else self._repaired(i, against),
            counterexample(different, self.judge.language),
        )

    def _counted_key(self) -> str | None:
        left = self.members[0].formula
        reading = self.judge.notation.reading(left) if left is not None else None
        if reading is None or self.judge.notation.counted(reading.key) is None:
            return None
        return reading.key

    def _counted(self) -> str | None:
        key = self._counted_key()
        return None if key is None else self.judge.notation.counted(key)

    # Inequalities

    def _order(self, i: int, relation: str) -> Claim:
        member, say = self.members[i], self.judge.say
        if self._assumes(i):
            symbol = self.members[i - 1].text
            return Claim(
                place_of(member), Verdict.DEFINITION, say("assumption", symbol=symbol)
            )
        count = 0
        for point in self.points:
            a, b = point.outcomes[i - 1], point.outcomes[i]
            for outcome in (a, b):
                if isinstance(outcome, (Unknown, NotUnderstood)):
                    return self._not_understood(i, outcome)
                if isinstance(outcome, IllTyped):
                    message = self.judge.ill_typed(outcome, point.world)
                    return Claim(place_of(member), Verdict.ILL_TYPED, message)
            if failed(a) or failed(b):
                continue
            if is_array(a) or is_array(b) or isinstance(a, Bundle):
                return self._not_understood(i, Unknown("condition of arrays"))
            # Rounding may turn a narrow inequality round.
            close = abs(plain(a) - plain(b)) <= 1e-12 * max(abs(plain(a)), 1)
            if not compare(relation, a, b, point.world) and not close:
                undeclared = self._undeclared(i)
                if undeclared:
                    message = say("undeclared", symbols=", ".join(undeclared))
                    return Claim(place_of(member), Verdict.NOT_UNDERSTOOD, message)
                return Claim(
                    place_of(member),
                    Verdict.FALSE,
                    say("false order"),
                    counterexample=counterexample([(point, a, b)], self.judge.language),
                )
            count += 1
        if not count:
            message = say("nowhere")
            return Claim(place_of(member), Verdict.NOT_UNDERSTOOD, message)
        message = say("agrees scalar", points=count)
        return Claim(place_of(member), Verdict.AGREES, message)

    def _assumes(self, i: int) -> bool:
        """Whether an inequality only limits a symbol that is free to choose."""
        sides = [self.members[i - 1].formula, self.members[i].formula]
        for node in sides:
            if not isinstance(node, (Name, Script)):
                continue
            reading = self.judge.notation.reading(node)
            if reading is None or reading.power:
                continue
            key = self.judge.notation.known(reading.key)
            if not self.judge.notation.definitions.get(key):
                return True
        return False


_SPOKEN = re.compile(
    r"\s*(?:is|are|was|would|has|have|holds?|may|might|can|could|happens|occurs|means|"
    r"est|sont|serait|a|ont|peut|signifie)\b",
    re.IGNORECASE,
)


def isinstance_any(outcomes: list[Any], kind: type) -> bool:
    return any(isinstance(outcome, kind) for outcome in outcomes)


def counterexample(different: list[tuple[Point, Any, Any]], language: str) -> str:
    """Where and how two sides differ, at the point that is easiest to redo."""

    def effort(item: tuple[Point, Any, Any]) -> tuple[int, int]:
        point = item[0]
        return (len(point.indices), sum(point.world._sizes.values()))

    point, a, b = min(different, key=effort)
    entry, left, right = first_difference(*unbundled(a, b))
    found = [f"{name} = {value}" for name, value in point.indices.items()]
    for key, value in point.world.used.items():
        if not is_array(value) and not isinstance(value, Bundle) and key != "e":
            found.append(f"{key} = {shown_number(value)}")
    found += [f"{name} = {size}" for name, size in point.world._sizes.items()]
    where = say(language, "at", where=", ".join(dict.fromkeys(found))) if found else ""
    numbers = ", ".join(map(str, entry))
    place = say(language, "in entry", place=numbers) if entry else ""
    return f"{where}{shown_number(left)} ≠ {shown_number(right)}{place}"


def unbundled(a: Any, b: Any) -> tuple[Any, Any]:
    if not isinstance(a, Bundle):
        return a, b
    for x, y in zip(a.items, b.items, strict=False):
        if not same_shape(x, y):
            return 0, 0
        if differ(x, y, TOLERANCE):
            return x, y
    return 0, 0


def shown_number(value: Any) -> str:
    bare = plain(value)
    if isinstance(bare, int):
        return str(bare)
    return f"{float(bare):.6g}"
