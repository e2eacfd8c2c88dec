"""The members of a chain at many points: sizes, random numbers, and every index.

A free index takes all its values, so that a mistake that shows only where k = y is
seen.  Each point holds what every member is worth there, or why it is worth nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mlproof.verification.document.notation.names import name_of
from mlproof.verification.document.notation.notation import Notation
from mlproof.verification.document.notation.sets import range_of
from mlproof.verification.document.text.statements import Member, Statement
from mlproof.verification.document.text.syntax import (
    Beside,
    Group,
    Name,
    Node,
    Number,
    Related,
    Script,
)
from mlproof.verification.document.values.arrays import (
    Bundle,
    Identity,
    IllTyped,
    Unknown,
    Value,
    is_array,
    map_entries,
    shape_of,
)
from mlproof.verification.document.values.conditions import evaluate_condition, truth
from mlproof.verification.document.values.dots import Pattern, settle
from mlproof.verification.document.values.evaluate import evaluate
from mlproof.verification.document.values.layout import Layout
from mlproof.verification.document.values.numbers import Arithmetic, Undefined, plain
from mlproof.verification.document.values.world import (
    DRAWS,
    EQUAL,
    Draw,
    NeedIndex,
    World,
)

MOST_POINTS = 160  # of one draw
MOST_DRAWS = 24  # where conditions leave out most
WANTED = 4
MANY_DIGITS = 60


@dataclass
class Point:
    """A place at which members are compared."""

    world: World
    indices: dict[str, int]
    outcomes: list[Any]  # a value or an exception for each member
    kinks: list[int] = field(default_factory=list)  # conventions used by each member


@dataclass(frozen=True)
class Setting:
    """How ambiguous notation is read."""

    choices: tuple[tuple[str, int], ...] = ()
    layout: Layout = Layout.COLUMNS
    lenient: bool = False
    numbers: bool = False  # whether what a function is defined at is a number
    dots_by_entries: bool = False  # whether a dot between columns is no inner product


class Prober:
    """Evaluates the members of a statement at points."""

    def __init__(self, notation: Notation, statement: Statement, order: int):
        self.notation, self.statement, self.order = notation, statement, order
        self.double = Arithmetic()

    def points(
        self, members: list[Member], setting: Setting, draws: tuple[Draw, ...] = ()
    ) -> list[Point]:
        """Points at which all conditions hold, over several draws."""
        found: list[Point] = []
        drawn = 0
        for draw in draws or (*DRAWS, EQUAL):
            more = self.of_draw(members, setting, draw, self.double)
            if any(isinstance(o, Undefined) for p in more for o in p.outcomes):
                # It may only be out of reach of double precision, as 1 - sigmoid(40).
                more = self.of_draw(members, setting, draw, Arithmetic(MANY_DIGITS))
            found += more
            drawn += bool(more)
        if draws:
            return found
        # Numbers alone are quick to draw, and where only some numbers satisfy the
        # conditions it takes more of them.
        alone = bool(found) and not any(point.world._sizes for point in found)
        wanted = MOST_DRAWS if alone else WANTED
        if drawn < wanted and (alone or self.statement.conditions):
            for seed in range(6, MOST_DRAWS):
                base = DRAWS[seed % len(DRAWS)]
                draw = Draw(seed, base.sizes, spread=base.spread)
                more = self.of_draw(members, setting, draw, self.double)
                found += more
                drawn += bool(more)
                if drawn >= wanted:
                    break
        return found

    def of_draw(
        self,
        members: list[Member],
        setting: Setting,
        draw: Draw,
        arithmetic: Arithmetic,
        variables: dict[str, Any] | None = None,
    ) -> list[Point]:
        """Points of one draw, with other values for some symbols if they are given."""
        world = World(
            self.notation,
            arithmetic,
            draw,
            evaluate,
            self.order,
            self.statement.section,
            dict(setting.choices),
            setting.layout,
        )
        world.lenient = setting.lenient
        world.dots_by_entries = setting.dots_by_entries
        world.locals = self._locals
        if setting.numbers:
            world.locals |= self._arguments()
        world.source = self.statement.source.text
        overrides = self._equalities(world) | (variables or {})
        if not overrides:
            return list(self._points(members, world))
        with world.override(overrides):
            return list(self._points(members, world))

    @cached_property
    def _locals(self) -> frozenset[str]:
        """Letters that here are the arguments of functions, and elsewhere have indices.

        After sigma(z) = ..., z_i = ... the z of the first is no array.
        """
        found: set[str] = set()
        notation = self.notation
        for member in self.statement.members:
            for node in member.formula.walk() if member.formula is not None else ():
                name = name_of(node)
                if name is None or name not in notation.facts.arguments:
                    continue
                definitions = notation.definitions.get(name, [])
                by_entries = definitions and all(d.indices for d in definitions)
                indexed = (name, self.statement.section) in notation.indexed
                if by_entries and not indexed and not notation.types.get(name):
                    found.add(name)
        return frozenset(found)

    def _arguments(self) -> frozenset[str]:
        """What the function on the left is given at."""
        head = self.statement.members[0].formula
        group = (
            head.items[1] if isinstance(head, Beside) and len(head.items) == 2 else None
        )
        if not isinstance(group, Group):
            return frozenset()
        readings = [
            self.notation.reading(item)
            for item in group.items
            if isinstance(item, (Name, Script))
        ]
        return frozenset(
            self.notation.known(reading.key)
            for reading in readings
            if reading is not None and not reading.indices
        )

    def _equalities(self, world: World) -> dict[Any, Value]:
        """Symbols that a condition gives a value."""
        found: dict[Any, Value] = {}
        for condition in self.statement.conditions:
            if condition.relations != ["="] or range_of(condition) is not None:
                continue
            left, right = (m.formula for m in condition.members)
            if left is None or right is None:
                continue
            reading = self.notation.reading(left)
            if reading is None or reading.power or reading.marks:
                continue
            if self.notation.known(reading.key) in self.notation.sizes:
                continue
            key = self.notation.known(reading.key)
            if key in self.notation.facts.bound or reading.family is not None:
                continue
            if key in self._indices and self._is_index(right, world):
                continue  # i = j admits some of the points
            try:
                value = world.evaluate(right)
                index = world.is_label(key) or key in self._indices
                current = 1 if index else world.value(key)
            except (IllTyped, Unknown, Undefined, NeedIndex):
                continue
            if is_array(current) and not is_array(value):
                value = _filled_with(value, current)
            found[key] = value
        return found

    @cached_property
    def _indices(self) -> frozenset[str]:
        """The letters that entries are counted with in this statement."""
        return frozenset(
            name_of(index) or ""
            for member in self.statement.members
            for node in (member.formula.walk() if member.formula else ())
            if isinstance(node, Script) and node.below is not None
            for index in node.below.walk()
            if isinstance(index, Name)
        )

    @staticmethod
    def _is_index(node: Node, world: World) -> bool:
        """Whether a letter is nothing but an index that is free here."""
        name = name_of(node)
        notation = world.notation
        counts = {*notation.facts.bound, *notation.letters, *"ijkl"}
        return (
            name is not None
            and name in counts
            and not world.has_meaning(name)
            and not world.is_label(name)
        )

    def _points(self, members: list[Member], world: World) -> Iterator[Point]:
        waiting: list[dict[str, int]] = [{}]
        made = 0
        while waiting and made < MOST_POINTS:
            indices = waiting.pop()
            point, need = self._at(members, world, indices)
            if need is not None:
                if need.name in indices:
                    continue
                for value in range(need.size, need.low - 1, -1):
                    waiting.append({**indices, need.name: value})
                continue
            if point is not None and self._admitted(world, indices):
                made += 1
                yield point

    def _at(
        self, members: list[Member], world: World, indices: dict[str, int]
    ) -> tuple[Point | None, NeedIndex | None]:
        outcomes: list[Any] = []
        kinks: list[int] = []
        needs: list[NeedIndex] = []
        for member in members:
            before = world.arithmetic.kinks
            world.indices = dict(indices)
            try:
                outcomes.append(self._outcome(member, world))
            except NeedIndex as need:
                if need.size:
                    return None, self._sized(need, world)
                needs.append(self._sized(need, world))
                outcomes.append(Unknown("range", index=need.name))
            kinks.append(world.arithmetic.kinks - before)
        # How far a letter runs says an array before a sum that binds the same letter.
        for waiting in needs:
            if waiting.size:
                return None, waiting
        world.indices = dict(indices)
        return Point(world, dict(indices), outcomes, kinks), None

    def _sized(self, need: NeedIndex, world: World) -> NeedIndex:
        try:
            low, high = world.range_of(need.name) or (1, need.size)
            return NeedIndex(need.name, need.size or high, low)
        except (IllTyped, Unknown, Undefined, NeedIndex):
            return need

    @staticmethod
    def _outcome(member: Member, world: World) -> Any:
        if member.formula is None:
            return member.refused
        try:
            value = world.evaluate(member.formula)
        except (IllTyped, Unknown, Undefined) as error:
            return error
        except RecursionError:
            return Unknown("too deep")
        except (TypeError, AttributeError):
            return Unknown("mixed")  # kinds of values that have nothing in common
        except (OverflowError, ZeroDivisionError):
            return Undefined("a value too large to compute")
        if _infinite(value):
            return Undefined("a value too large to compute")
        return value

    def _admitted(self, world: World, indices: dict[str, int]) -> bool:
        for condition in self.statement.conditions:
            world.indices = dict(indices)
            if not self._holds(condition, world):
                return False
        return True

    def _holds(self, condition: Statement, world: World) -> bool:
        """Whether a condition holds; one about other things is no obstacle."""
        if range_of(condition) is not None or "in" in condition.relations:
            return True
        formulas = [m.formula for m in condition.members]
        if any(f is None for f in formulas):
            return True
        for formula in formulas:
            name = None if formula is None else name_of(formula)
            if formula is None or name is None or name in world.indices:
                continue
            if self._is_index(formula, world):
                return True
        related = Related(
            formulas[0].start,  # type: ignore[union-attr]
            formulas[-1].end,  # type: ignore[union-attr]
            tuple(f for f in formulas if f is not None),
            tuple(condition.relations),
        )
        try:
            if condition.relations == ["="]:
                a, b = (evaluate_condition(f, world) for f in related.members)
                if isinstance(a, (Bundle, Pattern)) or not same_shape(a, b):
                    return True
                return not differ(a, b, 1e-9)
            return truth(related, world)
        except (IllTyped, Unknown, Undefined, NeedIndex):
            return True


def _filled_with(value: Any, like: Value) -> Value:
    return map_entries(lambda _: value, like)


def _infinite(value: Any) -> bool:
    bare = plain(value)
    return isinstance(bare, float) and (bare != bare or abs(bare) == float("inf"))


def failed(outcome: Any) -> bool:
    """Whether a member has no value here."""
    return isinstance(outcome, Exception)


def settled(
    a: Value, b: Value, point: Point, nodes: tuple[Node, Node]
) -> tuple[Value, Value]:
    """Two members as they are compared: what has no length of its own takes that of
    the other, and a lone zero is the zero of every shape.
    """
    if isinstance(a, Pattern) or isinstance(b, Pattern):
        return settle(a, b, nodes[0], nodes[1], point.world)
    if isinstance(a, Bundle) != isinstance(b, Bundle):
        return tuple(v.flat() if isinstance(v, Bundle) else v for v in (a, b))  # type: ignore[return-value]
    if isinstance(a, Identity) or isinstance(b, Identity):
        return _identities(a, b)
    if is_array(a) and not is_array(b) and _is_zero(nodes[1]):
        return a, a * 0
    if is_array(b) and not is_array(a) and _is_zero(nodes[0]):
        return b * 0, b
    return a, b


def _identities(a: Value, b: Value) -> tuple[Value, Value]:
    if isinstance(a, Identity) and isinstance(b, Identity):
        return a.scale, b.scale
    if isinstance(a, Identity) and is_array(b):
        return a.of_size(b.shape[0]), b
    if isinstance(b, Identity) and is_array(a):
        return a, b.of_size(a.shape[0])
    return a, b


def _is_zero(node: Node) -> bool:
    return isinstance(node, Number) and node.value == 0


def same_shape(a: Value, b: Value) -> bool:
    for kind in (Bundle, Identity, Pattern):
        if isinstance(a, kind) or isinstance(b, kind):
            return kind is Bundle and isinstance(a, kind) and isinstance(b, kind)
    return is_array(a) == is_array(b) and (not is_array(a) or a.shape == b.shape)


def _differ(a: Any, b: Any, tolerance: float) -> bool:
    a, b = plain(a), plain(b)
    return bool(abs(a - b) > tolerance * max(abs(a), abs(b), 1e-3))


def differ(a: Value, b: Value, tolerance: float) -> bool:
    """Whether two values of one shape are apart, relative to the larger of them."""
    if isinstance(a, Bundle):
        return len(a.items) != len(b.items) or any(
            not same_shape(x, y) or differ(x, y, tolerance)
            for x, y in zip(a.items, b.items, strict=True)
        )
    if not is_array(a):
        return _differ(a, b, tolerance)
    scale = max((abs(plain(x)) for x in (*a.flat, *b.flat)), default=0)
    apart = max(
        (abs(plain(x) - plain(y)) for x, y in zip(a.flat, b.flat, strict=True)),
        default=0,
    )
    return bool(apart > tolerance * max(scale, 1e-3))


def first_difference(a: Value, b: Value) -> tuple[tuple[int, ...], Any, Any]:
    """Where two arrays are furthest apart, and the values there."""
    if not is_array(a):
        return (), plain(a), plain(b)
    where = max(np.ndindex(a.shape), key=lambda p: abs(plain(a[p]) - plain(b[p])))
    place = tuple(i + 1 for i in where[: max(1, len(shape_of(a)))])
    return place, plain(a[where]), plain(b[where])
