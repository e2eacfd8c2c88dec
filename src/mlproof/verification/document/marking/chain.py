r"""The verdict on each relation of a chain.

A member is compared with the last sound one before it.  If it stands out of line, it is
the culprit and the step after it is judged against the sound member; if the rest of the
chain goes on from it, each later step is judged against its predecessor.  So one slip
is one error.
"""

import re
from typing import Any

from mlproof.verification.document.marking.counterexample import counterexample
from mlproof.verification.document.marking.excuses import said, spoken_of
from mlproof.verification.document.marking.lint import note, unused_indices
from mlproof.verification.document.marking.members import (
    TOLERANCE,
    Members,
    isinstance_any,
)
from mlproof.verification.document.marking.prove import proved
from mlproof.verification.document.marking.repair import Repairer, counted
from mlproof.verification.document.marking.wording import Wording, shown_shape
from mlproof.verification.document.notation.names import index_like, name_of, unwrapped
from mlproof.verification.document.notation.notation import (
    Definition,
    Notation,
    Reading,
)
from mlproof.verification.document.notation.sets import set_of
from mlproof.verification.document.report import Claim, Lint, Place, Verdict
from mlproof.verification.document.text.grammar import NotUnderstood
from mlproof.verification.document.text.macros import Macro
from mlproof.verification.document.text.scope import concludes
from mlproof.verification.document.text.statements import Member, Statement
from mlproof.verification.document.text.syntax import (
    Beside,
    Big,
    Binary,
    Cases,
    Name,
    Number,
    Script,
)
from mlproof.verification.document.text.vocabulary import ORDERS
from mlproof.verification.document.values.arrays import (
    Bundle,
    IllTyped,
    Unknown,
    is_array,
    shape_of,
)
from mlproof.verification.document.values.conditions import compare
from mlproof.verification.document.values.layout import Layout
from mlproof.verification.document.values.named import is_function_name
from mlproof.verification.document.values.numbers import Arithmetic, Undefined, plain
from mlproof.verification.document.values.points import (
    Point,
    differ,
    failed,
    same_shape,
    settled,
)
from mlproof.verification.document.values.world import DRAWS, Draw, NeedIndex, World


class Chain(Members):
    """The verdict on each step of a chain."""

    def __init__(
        self,
        notation: Notation,
        layout: Layout,
        wording: Wording,
        statement: Statement,
        order: int,
        macros: dict[str, Macro] | None = None,
    ):
        super().__init__(notation, layout, statement, order)
        self.wording, self.macros = wording, macros or {}
        self.repairs = True

    # Verdicts

    def claims(self) -> list[Claim]:
        made: list[Claim] = []
        sound = 0  # the last member that nothing is wrong with
        last = 0  # the member that the next one is judged against
        broken = False  # whether the chain goes on from a mistake
        cut = any(m.formula is None and ":" in m.text for m in self.members[:2])
        for i in range(1, len(self.members)):
            relation = self.statement.relations[i - 1]
            if cut:  # "i = j: dp/dz = ...", which is no chain
                made.append(self._not_understood(i, Unknown("mixed")))
                continue
            if relation in ORDERS:
                made.append(self._order(i, relation))
                last = sound = i
                continue
            if relation == "in":
                made.append(self._membership(i))
                continue
            if i == 1 and self._defines():
                made.append(self._definition())
                sound = last = 1
                continue
            with_last = self.compared(last, i)
            if with_last.unknown is not None:
                made.append(self._not_understood(i, with_last.unknown))
                if self.unclear(i) or not self.unclear(last):
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
                if i == 1 and self._is_another():
                    last = sound = i  # the chain goes on from its second member
                continue
            if isinstance_any(self.outcomes(i), IllTyped):
                continue  # it has no value that anything could follow from
            broken, last = True, i
        return made

    def _misread(self, i: int) -> bool:
        """Whether another member without a meaning may be why this one has none."""
        ambiguous = self.setting.lenient or any(p.world.several for p in self.points)
        unclear = any(map(self.unclear, range(len(self.members))))
        ill_typed = any(isinstance_any(self.outcomes(k), IllTyped) for k in range(i))
        return ambiguous and (unclear or ill_typed)

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
        reading = self.notation.reading(head)
        if reading is None:
            return False
        if self._recurs(reading) or self.order in self.notation.parts:
            return True
        if self._counted_key() is not None:
            return False  # it is a count, whatever is written
        key = self.notation.known(reading.key)
        worlds = {id(p.world): p.world for p in self.points}.values()
        for world in worlds:
            for (name, family), definition in world._in_force.items():
                if name != key or definition is None:
                    continue
                if self._is_meant(reading, definition, family, world):
                    return definition.order == self.order
        found = self.notation.definition(key, self.order, self.statement.section)
        return bool(found) and found[0].order == self.order

    def _is_meant(
        self, reading: Reading, definition: Definition, family: Any, world: World
    ) -> bool:
        """Whether a definition is of what is read: of a^{(k)}, and not of a^{(0)}."""
        if reading.family is None:
            return family is None
        name = name_of(reading.family)
        if name is not None and name not in self.notation.sizes:
            return world.is_general(definition)
        try:
            return bool(world.whole(reading.family) == family)
        except (IllTyped, Unknown, Undefined, NeedIndex):
            return True

    def _recurs(self, reading: Reading) -> bool:
        """Whether it gives one of a sequence by those before it."""
        right = self.members[1].formula
        if right is None or not (reading.indices or reading.family is not None):
            return False
        for node in right.walk():
            if not isinstance(node, Script):
                continue
            other = self.notation.reading(node)
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
            self.notation.reading(head) if isinstance(head, (Name, Script)) else None
        )
        if reading is not None and self._recurs(reading):
            message = self.wording.say("recurrence", symbol=self.members[0].text)
            return Claim(place_of(member), Verdict.DEFINITION, message)
        with_left = self.compared(0, 1)
        if with_left.ill_typed is not None:
            return self._bad(1, 0)[0]
        if with_left.unknown is not None:
            return self._not_understood(1, with_left.unknown)
        undeclared = self._undeclared(1)
        bare = isinstance(member.formula, Number) and self.statement.display
        if (undeclared or bare) and not any(p.world.known_symbols for p in self.points):
            undeclared = undeclared or [self.members[0].text]
            message = self.wording.say("undeclared", symbols=", ".join(undeclared))
            return self._silent(1, message)
        if reading is not None and self._hides_entry(reading):
            message = self.wording.say("entry or not", symbol=self.members[0].text)
            return self._silent(1, message)
        if isinstance(member.formula, Cases) and self._is_builtin():
            message = self.wording.say("definition agrees")
        else:
            message = self.wording.say("definition", symbol=self.members[0].text)
        return Claim(place_of(member), Verdict.DEFINITION, message)

    def _hides_entry(self, reading: Reading) -> bool:
        """Whether the p_1 that is given here may be an entry of the p that is known."""
        base, _, index = reading.key.partition("_")
        if not (index.isdigit() or index_like(index)) or not self.points:
            return False
        if not self.notation.definitions.get(base):
            return False
        try:
            return is_array(self.points[0].world.value(base))
        except (IllTyped, Unknown, Undefined, NeedIndex):
            return False

    def _is_builtin(self) -> bool:
        left = unwrapped(self.members[0].formula)  # type: ignore[arg-type]
        head = left.items[0] if isinstance(left, Beside) else left
        return isinstance(head, Name) and is_function_name(head)

    def _undeclared(
        self, i: int, alone: bool = False, shape: bool = False
    ) -> list[str]:
        """Symbols read as numbers though nothing says that they are.

        Of this member alone, or of all up to it.  An argument of a function is taken
        for a number, but where the shape is in doubt it may be a vector.
        """
        facts = self.notation.facts
        found: set[str] = set()
        for point in self.points:
            found |= point.world.guessed
            found |= point.world.elsewhere if shape else set()
        notation = self.notation
        known = facts.derived | notation.numbers_said
        known |= set() if shape else facts.arguments
        for point in self.points:
            known -= point.world.unfit
        if not found - known:
            return []
        used: set[str] = set()
        for member in self.members[i if alone else 0 : i + 1]:
            if member.formula is not None:
                for key in notation.symbols(member.formula):
                    used |= self.points[0].world.closure(key)
        return sorted((found & used) - known)

    def _membership(self, i: int) -> Claim:
        r"""A set behind an equality, as in ``o = W x \in \mathbb{R}^m``."""
        place = place_of(self.members[i])
        formula = self.members[i].formula
        found = set_of(formula) if formula is not None else None
        declared = Claim(place, Verdict.DEFINITION, self.wording.say("declaration"))
        if found is None or found[0] != "array":
            return declared
        for point in self.points:
            value, world = point.outcomes[i - 1], point.world
            world.indices = dict(point.indices)
            if not is_array(value):
                return declared
            try:
                sizes = tuple(world.whole(size) for size in found[1])
            except (IllTyped, Unknown, Undefined, NeedIndex):
                return declared
            if value.shape != ((sizes[0], 1) if len(sizes) == 1 else sizes):
                message = self.wording.say(
                    "declared otherwise",
                    declared=shown_shape(sizes, world),
                    shape=shown_shape(shape_of(value), world),
                )
                return Claim(place, Verdict.ILL_TYPED, message)
        return declared

    def _not_understood(self, i: int, error: Exception) -> Claim:
        own = [o for o in self.outcomes(i) if isinstance(o, (Unknown, NotUnderstood))]
        message = self.wording.refusal(own[0] if own else error)
        if not own:
            message = self.wording.say("neighbour")
        return self._silent(i, message)

    def _good(
        self, i: int, against: int, broken: bool = False, skipped: bool = False
    ) -> Claim:
        member = self.members[i]
        say = self.wording.say
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
        if not self.repairs:
            return None
        key = self._counted_key()
        if key is not None:
            return counted(key, self.notation, self.statement.source.text)
        sound = [self.members[against]]
        for after in range(i + 1, len(self.members)):
            if self.compared(against, after).holds:
                sound.append(self.members[after])
                break
        repairer = Repairer(self.prober, self.setting, self.macros)
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
        head = self.members[0]
        return repairer.repaired(
            self.members[i], sound, () if head in sound else (head,)
        )

    def slips(self) -> list[Lint]:
        """What was read over while the members were evaluated."""
        found: list[Lint] = []
        notes = set(self.notation.slips) | self.notes
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
        return note(source, code, start, end, self.wording.language, **extra)

    def _edge(self, i: int, j: int) -> Claim | None:
        """What happens where a symbol is 0: a domain, a convention, or nothing."""
        member, say = self.members[j], self.wording.say
        # What has no value at this draw anyway has none for another reason.
        anyway = any(
            isinstance(point.outcomes[k], Undefined)
            for point in self.points
            if point.world.draw.seed == DRAWS[0].seed
            for k in (i, j)
        )
        for key in self._edge_symbols(i, j):
            draw = Draw(DRAWS[0].seed, DRAWS[0].sizes, frozenset({key}))
            members = [self.members[i], member, self.members[0]]
            for point in self.prober.of_draw(
                members, self.setting, draw, self.prober.double
            ):
                a, b, head = point.outcomes
                where = say("where", symbol=key)
                undefined = [o for o in (a, b) if isinstance(o, Undefined)]
                if undefined and anyway:
                    continue
                if undefined:
                    message = say("domain", where=where, why=undefined[0])
                    return Claim(place_of(member), Verdict.DOMAIN, message)
                if failed(a) or failed(b):
                    continue
                if any(point.kinks[:2]):
                    message = say("convention", where=where)
                    return Claim(place_of(member), Verdict.CONVENTION, message)
                nodes = (members[0].formula, members[1].formula)
                a, b = settled(a, b, point, nodes)  # type: ignore[arg-type]
                if same_shape(a, b) and differ(a, b, TOLERANCE):
                    if isinstance(head, Undefined) or point.kinks[2]:
                        message = say("convention", where=where)
                        return Claim(place_of(member), Verdict.CONVENTION, message)
                    return self._false(j, [(point, a, b)])
        found = self.compared(i, j)
        if found.undefined is not None:
            message = say("domain partly", why=found.undefined)
            return Claim(place_of(member), Verdict.DOMAIN, message)
        return None

    def _edge_symbols(self, i: int, j: int) -> list[str]:
        """The free symbols that these members are written with."""
        notation = self.notation
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
        say = self.wording.say
        if found.ill_typed is not None:
            return self._misfit(i, against, *found.ill_typed)
        if not found.different:
            return self._silent(i, say("nowhere")), False
        decimals = _decimals(self.members[i])
        if decimals > 1 and _rounds(found.different, decimals):
            message = say("rounded", decimals=decimals)
            return Claim(place_of(self.members[i]), Verdict.AGREES, message), False
        excuse = self._unknown(i)
        if i == 1 and excuse is None and self._is_another():
            excuse = say("another", symbol=self.members[0].text)
        if excuse is None and self.statement.unread:
            excuse = say("worded", words=self.statement.unread)
        if excuse is None and spoken_of(self, i):
            excuse = say("spoken of")
        if excuse is not None:
            return self._silent(i, excuse), False
        return self._false(i, found.different, against), True

    def _misfit(
        self, i: int, against: int, point: Point, error: IllTyped
    ) -> tuple[Claim, bool]:
        """The verdict on a step whose shapes do not fit."""
        own = isinstance_any(self.outcomes(i), IllTyped)
        if not own and isinstance_any(self.outcomes(against), IllTyped):
            return self._silent(i, self.wording.say("neighbour")), False
        excuse = self._unknown(i, alone=own, shape=True)
        if excuse is None and self._misread(i):
            excuse = self.wording.say("neighbour")
        if excuse is not None:
            return self._silent(i, excuse), False
        message = self.wording.ill_typed(error, point.world)
        repair = self._repaired(i, against)
        place = place_of(self.members[i])
        return Claim(place, Verdict.ILL_TYPED, message, repair), True

    def _unknown(self, i: int, alone: bool = False, shape: bool = False) -> str | None:
        """What is not known of the symbols of a step, though it would decide it."""
        undeclared = self._undeclared(i, alone, shape)
        if undeclared:
            return self.wording.say("undeclared", symbols=", ".join(undeclared))
        more = said(self)
        if more is not None:
            return self.wording.say("said", symbol=more[0], words=more[1])
        return None

    def _silent(self, i: int, message: str) -> Claim:
        return Claim(place_of(self.members[i]), Verdict.NOT_UNDERSTOOD, message)

    def _is_another(self) -> bool:
        """Whether a symbol is given a second time, by symbols of which none is known.

        After y = f(u) for a free u the equality y = f(z) says what u is.  And dz is
        rather a name than a product with a size d.
        """
        left, right = (m.formula for m in self.members[:2])
        if isinstance(left, Script) and left.above is not None:
            reading = self.notation.reading(left)
            if reading is not None and reading.power is not None:
                return reading.key in self.notation.sizes  # a distance d^2
        if isinstance(left, Beside) and len(left.items) == 2:
            d, rest = left.items
            joined = isinstance(d, Name) and d.text == "d" and d.end == rest.start
            return joined and "d" in self.notation.sizes
        if not isinstance(left, (Name, Script)) or right is None or not self.points:
            return False
        reading = self.notation.reading(left)
        if reading is None or reading.indices or reading.family is not None:
            return False
        world = self.points[0].world
        key = self.notation.known(reading.key)
        definition = world.definition_of(key)
        if definition is None or definition.order == self.order:
            return False

        def free(names: frozenset[str]) -> set[str]:
            needed = {n for name in names for n in world.closure(name)}
            defined = self.notation.definitions
            typed = self.notation.types
            sizes = self.notation.sizes
            return {n for n in needed - sizes if typed.get(n) and not defined.get(n)}

        before = free(self.notation.symbols(definition.body)) - {"e", "pi"}
        now = free(self.notation.symbols(right)) - {"e", "pi"}
        return bool(before) and bool(now) and not before & now

    def _false(
        self,
        i: int,
        different: list[tuple[Point, Any, Any]],
        against: int | None = None,
    ) -> Claim:
        say = self.wording.say
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
            counterexample(different, self.wording.language),
        )

    def _counted_key(self) -> str | None:
        left = self.members[0].formula
        reading = self.notation.reading(left) if left is not None else None
        if reading is None or self.notation.counted(reading.key) is None:
            return None
        return reading.key

    def _counted(self) -> str | None:
        key = self._counted_key()
        return None if key is None else self.notation.counted(key)

    # Inequalities

    def _order(self, i: int, relation: str) -> Claim:
        member, say = self.members[i], self.wording.say
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
                    told = said(self)
                    if told is not None:
                        message = say("said", symbol=told[0], words=told[1])
                        return self._silent(i, message)
                    message = self.wording.ill_typed(outcome, point.world)
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
                    return self._silent(i, message)
                if self.statement.unread:
                    message = say("worded", words=self.statement.unread)
                    return self._silent(i, message)
                return Claim(
                    place_of(member),
                    Verdict.FALSE,
                    say("false order"),
                    counterexample=counterexample(
                        [(point, a, b)], self.wording.language
                    ),
                )
            count += 1
        if not count:
            message = say("nowhere")
            return self._silent(i, message)
        message = say("agrees scalar", points=count)
        return Claim(place_of(member), Verdict.AGREES, message)

    def _assumes(self, i: int) -> bool:
        """Whether an inequality only limits a symbol that is free to choose."""
        if concludes(self.statement):
            return False
        sides = [self.members[i - 1].formula, self.members[i].formula]
        for node, other in (sides, sides[::-1]):
            if not isinstance(node, (Name, Script)):
                continue
            reading = self.notation.reading(node)
            if reading is None or reading.power:
                continue
            key = self.notation.known(reading.key)
            if other is not None and key in self.notation.symbols(other):
                continue  # x^2 <= x limits nothing, it claims
            if not self.notation.definitions.get(key):
                return True
        return False


def _decimals(member: Member) -> int:
    """How many decimals a member has that is a number; 0 if it is none."""
    match = re.fullmatch(r"-?\d+\.(\d+)", member.text.replace(" ", ""))
    return len(match.group(1)) if match else 0


def _rounds(different: list[tuple[Point, Any, Any]], decimals: int) -> bool:
    """Whether one side is the other rounded, wherever they differ."""
    half = 0.5000001 * 10.0**-decimals
    return not any(
        is_array(a) or is_array(b) or abs(plain(a) - plain(b)) > half
        for _, a, b in different
    )


def place_of(member: Member) -> Place:
    return Place(member.source, member.start, member.end)
