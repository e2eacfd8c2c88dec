"""A possible world: sizes, numbers for all symbols, and what is defined from them.

A symbol with a definition has the value of its definition; one that is only declared
gets random numbers of its shape.  To derive by a symbol, or to put another example in
its place, the symbol is overridden, and all that depends on it is computed again.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction as Rational
from typing import Any

from mlproof.verification.document.notation.names import index_like, name_of
from mlproof.verification.document.notation.notation import (
    SEVERAL,
    Definition,
    Notation,
    Type,
)
from mlproof.verification.document.text.syntax import (
    Dots,
    Name,
    Node,
    Number,
    Script,
)
from mlproof.verification.document.values.arrays import (
    Bundle,
    Endless,
    IllTyped,
    Unknown,
    Value,
    empty,
    is_array,
)
from mlproof.verification.document.values.drawn import with_properties
from mlproof.verification.document.values.layout import Layout
from mlproof.verification.document.values.numbers import (
    Arithmetic,
    Undefined,
    is_whole,
    plain,
)

Evaluate = Callable[[Node, "World"], Value]
MOST_DEEP = 40  # definitions within definitions
MOST_NESTED = 12  # bodies of definitions, each worked out within the one before
MOST_TRIED = 500  # definitions of one world, where they lead to ever more


class NeedIndex(Exception):
    """An index has no value yet; it runs from 1 to this size."""

    def __init__(self, name: str, size: int, low: int = 1):
        super().__init__(name)
        self.name, self.size, self.low = name, size, low


@dataclass(frozen=True)
class Draw:
    """One choice of sizes and of random numbers."""

    seed: int
    sizes: tuple[int, ...]  # given out in the order in which sizes are asked for
    zeros: frozenset[str] = frozenset()  # symbols put to 0, to look at the edge
    spread: float = 2.0


DRAWS = (
    Draw(1, (3, 2, 4, 5, 6, 7)),
    Draw(2, (2, 4, 3, 6, 5, 7)),
    Draw(3, (4, 3, 2, 5, 7, 6), spread=1.0),
    Draw(4, (2, 3, 5, 4, 6, 7), spread=3.0),
)
EQUAL = Draw(5, (3,))  # all sizes the same


@dataclass
class _Layer:
    overrides: dict[Any, Value]
    cache: dict[tuple[str, Any], Value] = field(default_factory=dict)


class World:
    """Values for every symbol, at one place of the document."""

    def __init__(
        self,
        notation: Notation,
        arithmetic: Arithmetic,
        draw: Draw,
        evaluate: Evaluate,
        order: int = 10**9,
        section: int = -1,
        choices: dict[str, int] | None = None,
        layout: Layout = Layout.COLUMNS,
    ):
        self.notation, self.arithmetic, self.draw = notation, arithmetic, draw
        self.order, self.section, self.layout = order, section, layout
        self.choices = choices or {}
        self.indices: dict[str, int] = {}
        self.guessed: set[str] = set()  # read as numbers though nothing says so
        self.used: dict[str, Value] = {}  # the values of free symbols, for people
        self.several: dict[str, int] = {}  # symbols of several types, and how many
        self.notes: set[tuple[str, int, int]] = set()  # slips that were read over
        self.laid_out: set[str] = set()  # what has a derivative whose layout matters
        self._evaluate = evaluate
        self._layers = [_Layer({})]
        self._sizes: dict[str, int] = {}
        self._closures: dict[str, frozenset[str]] = {}
        self._in_force: dict[tuple[str, Any], Definition | None] = {}
        self._working: list[tuple[str, Any]] = []
        self._tried = 0  # definitions so far
        self._labels = notation.labels_found
        self.label_sizes: dict[str, int] = {}
        self.wanted: set[str] = set()  # indices whose range is being looked for
        self._inside = 0  # how deep in definitions
        self.elsewhere: set[str] = set()  # arrays by their indices elsewhere only
        self.unfit: set[str] = set()  # guessed, though defined in some way
        self.stated: set[str] = set()  # indices of which a sum here gives the end
        self.loose: set[str] = set()  # those of an end that nothing else speaks of
        self.unsized: set[str] = set()  # sizes that nothing is said of
        self.steps = 0  # nodes evaluated so far
        self.dots = 0  # how deep in sums and matrices with dots
        self.entrywise = 0  # how deep in products entry by entry
        self.dots_by_entries = False  # whether dots between columns are such, too
        self.locals: frozenset[str] = frozenset()  # letters that are numbers here
        self._is_label: dict[str, bool] = {}
        self._types: dict[str, Type | None] = {}

    # Indices

    @contextmanager
    def index(self, name: str, value: int) -> Iterator[None]:
        before = self.indices.get(name)
        self.indices[name] = value
        try:
            yield
        finally:
            if before is None:
                del self.indices[name]
            else:
                self.indices[name] = before

    @contextmanager
    def fresh_indices(self, indices: dict[str, int]) -> Iterator[None]:
        before, self.indices = self.indices, indices
        try:
            yield
        finally:
            self.indices = before

    def index_value(self, node: Node, size: int) -> int:
        """The place that an index names, from 1; it may lie outside."""
        name = name_of(node)
        if name is not None and name not in self.indices:
            key = name
            if self.is_label(key):
                return self.label(key, size)
            if not self.has_meaning(key):
                if self._inside and key not in self.wanted:
                    return self.label(key, size)  # some column j, in a definition
                raise NeedIndex(key, size)
        if name is None:
            self._expect_indices(node)
        value = self.evaluate(node) if name is None else self.value(name)
        if is_array(value) or isinstance(value, Bundle):
            raise IllTyped("index not a number", text=self.text(node))
        if not is_whole(value):
            raise self._no_index(node)
        return int(plain(value))

    def _expect_indices(self, node: Node) -> None:
        """Ask for the letters of an index such as i + j - 1 that have no value."""
        name = name_of(node)
        if name is not None and index_like(name) and name not in self.indices:
            known = self.is_label(name) or self.has_meaning(name)
            if not known:
                raise NeedIndex(name, 0)
        children = node.children
        reading = self.notation.reading(node) if isinstance(node, Script) else None
        if reading is not None and self.has_meaning(self.notation.known(reading.key)):
            children = reading.indices  # the class y^{(i)} of a row i
            children += () if reading.family is None else (reading.family,)
        for child in children:
            self._expect_indices(child)

    def whole(self, node: Node) -> int:
        """The value of a formula that is a size or an index."""
        key = name_of(node) or ""
        if key in self.notation.sizes and self.notation.definitions.get(key):
            return self._size_or_value(node, key)
        value = self.evaluate(node)
        if is_array(value) or isinstance(value, Bundle) or not is_whole(value):
            raise self._no_index(node)
        return int(plain(value))

    def _size_or_value(self, node: Node, key: str) -> int:
        """A size that a definition gives, or that only shares its letter with one."""
        try:
            value = self.evaluate(node)
        except (IllTyped, Unknown):
            return self._size(key)
        whole = not is_array(value) and not isinstance(value, Bundle)
        return int(plain(value)) if whole and is_whole(value) else self._size(key)

    def _no_index(self, node: Node) -> IllTyped | Unknown:
        """What to say of a number that is not whole; nobody is blamed for a guess."""
        for key in sorted(self.notation.symbols(node)):
            if key in self.guessed or not self.has_meaning(key):
                return Unknown("size of", symbol=key)
        return IllTyped("index not whole", text=self.text(node))

    def is_label(self, key: str) -> bool:
        if key not in self._is_label:
            found = self.type_of(key)
            self._is_label[key] = (
                key in self._labels if found is None else found.kind == "index"
            )
        return self._is_label[key]

    def label(self, key: str, size: int) -> int:
        """A class, drawn once for all of this world."""
        override = self._override(key)
        if override is not None:
            return int(override)
        declared = self._label_size(key)
        known = self.label_sizes.setdefault(key, declared or size)
        if known < 1:
            raise Unknown("size of", symbol=key)
        value = self._random(f"label {key}").randrange(known) + 1
        self.used.setdefault(key, value)
        return value

    def sizes_of_labels(self) -> set[int]:
        """How many classes there are, for every kind of class."""
        for key, types in self.notation.types.items():
            if any(t.kind == "index" for t in types):
                size = self._label_size(key)
                if size is not None:
                    self.label_sizes.setdefault(key, size)
        return set(self.label_sizes.values())

    def _label_size(self, key: str) -> int | None:
        for found in self.notation.types.get(key, []):
            if found.kind == "index":
                with self.fresh_indices({}):
                    return self.whole(found.sizes[0])
        return None

    # Symbols

    source = ""  # the text that nodes stand in
    lenient = False  # whether a symbol whose definitions do not fit is a free one

    def evaluate(self, node: Node) -> Value:
        """The value of a formula in this world."""
        return self._evaluate(node, self)

    def text(self, node: Node) -> str:
        """A piece of a formula as it stands."""
        return self.source[node.start : node.end]

    def has_meaning(self, key: str) -> bool:
        return bool(
            key in self.indices
            or self._override(key) is not None
            or self.notation.types.get(key)
            or self.notation.is_defined(key)
            or key in self.notation.sizes
        )

    def _override(self, key: str) -> Value:
        for layer in reversed(self._layers):
            if key in layer.overrides:
                return layer.overrides[key]
        return None

    def value(self, key: str, family: Any = None) -> Value:
        """The value of a symbol, or of one of a family."""
        if family is None and key in self.indices:
            return self.indices[key]
        layer = self._layer_of(key)
        if family is None and key in layer.overrides:
            return layer.overrides[key]
        if (key, family) in layer.overrides:
            return layer.overrides[key, family]
        place = (key, family)
        if place not in layer.cache:
            layer.cache[place] = self._computed(key, family)
        return layer.cache[place]

    def _layer_of(self, key: str) -> _Layer:
        """The topmost layer that changes what this symbol is."""
        if len(self._layers) == 1:
            return self._layers[0]
        closure = self.closure(key)
        for layer in reversed(self._layers[1:]):
            for changed in layer.overrides:
                base = changed[0] if isinstance(changed, tuple) else changed
                if base in closure:
                    return layer
        return self._layers[0]

    @contextmanager
    def override(self, overrides: dict[Any, Value]) -> Iterator[None]:
        """Other values for some symbols, and for all that depends on them."""
        self._layers.append(_Layer(overrides))
        try:
            yield
        finally:
            self._layers.pop()

    def closure(self, key: str) -> frozenset[str]:
        """A symbol and all that its definition needs."""
        if key not in self._closures:
            found: set[str] = set()
            self._close(key, found)
            self._closures[key] = frozenset(found)
        return self._closures[key]

    def _close(self, key: str, found: set[str]) -> None:
        if key in found:
            return
        found.add(key)
        for definition in self.notation.definition(key, self.order, self.section):
            for name in definition.parameters:
                self._close(name, found)
            for name in self.notation.symbols(definition.body):
                self._close(name, found)

    def _computed(self, key: str, family: Any) -> Value:
        if len(self._working) > MOST_DEEP:
            raise Unknown("circular", symbol=key)
        if key in self.locals and family is None:
            return self._one(key, self._random(f"local {key}"), None)
        count = self.notation.counted(key)
        if count is not None:
            return self._count(count)
        definition = self.definition_of(key, family)
        if definition is not None:
            return self._defined(definition, family)
        defined = self.notation.definitions.get(key) and not self.lenient
        if defined and not self.notation.types.get(key):
            raise Unknown("ill defined", symbol=key)
        return self._free(key, family)

    def _count(self, key: str) -> int:
        """How many numbers a bundle holds."""
        bundle = self.value(key)
        items = bundle.items if isinstance(bundle, Bundle) else (bundle,)
        return sum(item.size if is_array(item) else 1 for item in items)

    # Definitions

    def definition_of(self, key: str, family: Any = None) -> Definition | None:
        """The first definition in force that is well typed; None if there is none."""
        place = (key, family)
        if place in self._in_force:
            return self._in_force[place]
        if place in self._working:
            return None
        self._tried += 1
        if self._tried > MOST_TRIED:
            raise Endless("circular", symbol=key)
        found = None
        candidates = self.notation.definition(key, self.order, self.section)
        # What is said of one member comes before what is said of all.
        candidates = sorted(candidates, key=lambda d: self.is_general(d))
        for definition in candidates:
            if definition.family is not None and not self._is_member(
                definition, family
            ):
                continue
            if definition.family is None and family is not None:
                continue
            self._working.append(place)
            try:
                self._defined(definition, family)
            except Endless:
                raise
            except (IllTyped, Unknown):
                continue
            except (NeedIndex, Undefined):
                pass
            finally:
                self._working.pop()
            found = definition
            break
        arguments = {name for d in candidates for name in d.parameters}
        if found is None and any(arguments & set(m.overrides) for m in self._layers):
            return None  # at these arguments, and perhaps not at others
        self._in_force[place] = found
        return found

    def is_general(self, definition: Definition) -> bool:
        node = definition.family
        return isinstance(node, Name) and name_of(node) not in self.notation.sizes

    def _is_member(self, definition: Definition, family: Any) -> bool:
        node = definition.family
        if isinstance(node, Number):
            return bool(node.value == family)
        if isinstance(node, Name) and name_of(node) in self.notation.sizes:
            return bool(self.value(name_of(node) or "") == family)
        return family is not None and isinstance(node, Name)

    def _defined(self, definition: Definition, family: Any) -> Value:
        bound: dict[str, int] = {}
        if isinstance(definition.family, Name) and (
            name_of(definition.family) not in self.notation.sizes
        ):
            bound[name_of(definition.family) or ""] = family
        if self._inside > MOST_NESTED:
            raise Endless("circular", symbol=definition.key)
        self._inside += 1
        before, self.wanted = self.wanted, set(definition.indices)
        try:
            if definition.indices:
                return self._by_entries(definition, bound)
            with self.fresh_indices(bound):
                return self.evaluate(definition.body)
        finally:
            self._inside -= 1
            self.wanted = before

    def _by_entries(self, definition: Definition, bound: dict[str, int]) -> Value:
        sizes: list[int] = []
        declared = self._declared_sizes(definition.key)
        if declared is not None and len(declared) >= len(definition.indices):
            sizes = declared[: len(definition.indices)]
        else:
            sizes = self._found_sizes(definition, bound)
        if len(sizes) > 2:
            raise Unknown("axes", symbol=definition.key)
        rows, columns = (sizes[0], 1) if len(sizes) == 1 else sizes
        made = empty(rows, columns)
        for i in range(rows):
            for j in range(columns):
                places = (i + 1, j + 1)[: len(sizes)]
                filled = dict(zip(definition.indices, places, strict=True))
                with self.fresh_indices({**bound, **filled}):
                    made[i, j] = self.evaluate(definition.body)
                if is_array(made[i, j]):
                    raise IllTyped("entry not a number", text=definition.key)
        return made

    def _found_sizes(self, definition: Definition, bound: dict[str, int]) -> list[int]:
        """How far the indices of an entry run, from what its formula does with them."""
        found: dict[str, int] = {}
        for _ in definition.indices:
            filled = dict.fromkeys(found, 1)
            try:
                with self.fresh_indices({**bound, **filled}):
                    self.evaluate(definition.body)
            except NeedIndex as need:
                size = need.size or self._range_size(need.name)
                if need.name not in definition.indices or size is None:
                    raise Unknown("size of", symbol=definition.key) from None
                found[need.name] = size
            else:
                break
        for name in definition.indices:
            size = found.get(name) or self._range_size(name)
            if size is None:
                raise Unknown("size of", symbol=definition.key)
            found[name] = size
        return [found[name] for name in definition.indices]

    def _range_size(self, name: str) -> int | None:
        limits = self.range_of(name)
        if limits is not None and name not in {r[2] for r in self.notation.ranges_at}:
            self.unsized.add(f"range of {name}")  # only some sum says how far it runs
        return None if limits is None else limits[1]

    def range_of(self, name: str) -> tuple[int, int] | None:
        """From where to where an index runs, if that is said."""
        found = self.notation.range_at(name, self.order, self.section)
        if found is None:
            return None
        low, high = found
        if isinstance(high, Dots):
            return 1, SEVERAL
        with self.fresh_indices({}):
            return 1 if low is None else self.whole(low), self.whole(high)

    def count_of(self, index: Node) -> int | None:
        """How many values an index has, if anything says it."""
        name = name_of(index) or ""
        if self.is_label(name):
            return self._label_size(name) or self.label_sizes.get(name)
        limits = self.range_of(name)
        if limits is not None:
            return limits[1]
        size = self.notation.letters.get(name)
        if size is None:
            return None
        with self.fresh_indices({}):
            return self.whole(size)

    def _declared_sizes(self, key: str) -> list[int] | None:
        for found in self.notation.types_of(key, self.order, self.section):
            if found.kind == "array":
                with self.fresh_indices({}):
                    return [self.whole(size) for size in found.sizes]
        return None

    # Free symbols

    def type_of(self, key: str) -> Type | None:
        """What a symbol is here, as the choices among its types go."""
        if key not in self._types:
            self._types[key] = self._type_of(key)
        return self._types[key]

    def _type_of(self, key: str) -> Type | None:
        found = self.notation.types_of(key, self.order, self.section)
        if not found:
            return None
        distinct: list[Type] = []
        for t in found:
            if not any(_same_type(t, other) for other in distinct):
                distinct.append(t)
        if len(distinct) > 1:
            self.several[key] = len(distinct)
        return distinct[self.choices.get(key, 0) % len(distinct)]

    def _free(self, key: str, family: Any) -> Value:
        counts = key in self.notation.sizes and not self._is_array_here(key)
        if counts and not (family is None and self.is_label(key)):
            return self._size(key if family is None else f"{key} {family}")
        if family is None and self.is_label(key):
            size = self._label_size(key) or self.label_sizes.get(key)
            if size is not None:
                return self.label(key, size)
        base = self.notation.family_base(key)
        found = self.type_of(key) or (self.type_of(base) if base else None)
        value = self._sampled(key, family, found)
        if family is None:
            self.used.setdefault(key, value)
        return value

    def _is_array_here(self, key: str) -> bool:
        """Whether a letter that is a size elsewhere is an array in this section."""
        return any(
            t.kind == "array" and t.section == self.section
            for t in self.notation.types.get(key, [])
        )

    def _sampled(self, key: str, family: Any, found: Type | None) -> Value:
        stream = self._random(f"{key} {family}")
        if found is None:
            return self._untyped(key, stream)
        if found.kind == "array":
            bound = {}
            if found.family and isinstance(family, int):
                bound = dict.fromkeys(self.notation.family_names(key), family)
            with self.fresh_indices(bound):
                sizes = [self.whole(size) for size in found.sizes]
            rows, columns = (sizes[0], 1) if len(sizes) == 1 else sizes
            if rows > 200 or columns > 200:
                raise Unknown("size of", symbol=key)
            if key in self.notation.ones:
                return _filled(rows, columns)
            made = empty(rows, columns)
            for i in range(rows):
                for j in range(columns):
                    of_entry = self.notation.of_entries.get(key, found)
                    made[i, j] = self._one(key, stream, of_entry)
            properties = self.notation.properties.get(key)
            if properties:
                made = with_properties(made, properties, stream, self.arithmetic)
            elif key in self.draw.zeros:
                made[0, 0] = self.arithmetic.real(0)
            return made
        if found.kind in ("index", "whole") or found.choices:
            return self._chosen(stream, found)
        if key in self.draw.zeros:
            return self.arithmetic.real(0)
        return self._one(key, stream, found)

    def _chosen(self, stream: random.Random, found: Type) -> Value:
        if found.kind == "index":
            with self.fresh_indices({}):
                return stream.randrange(self.whole(found.sizes[0])) + 1
        if found.kind == "whole":
            return stream.randrange(1, 5)
        if found.kind == "unit":
            low, high = (float(n.value) for n in found.choices if isinstance(n, Number))
            return self._exact(low + (high - low) * stream.uniform(0.05, 0.95))
        with self.fresh_indices({}):
            return self.evaluate(stream.choice(found.choices))

    def _untyped(self, key: str, stream: random.Random) -> Value:
        sizes = self.notation.inferred_sizes(key)
        if key in self.notation.contested:
            raise Unknown("sizes of uses", symbol=key)
        if key.endswith("[]") and self.notation.definitions.get(key[:-2]):
            # The p_k of a p that is a number here and a vector there.
            self.guessed.add(key)
            self.unfit.add(key)
        if key == "e":
            return self.arithmetic.euler
        if key == "pi" and (sizes is None or self.notation.facts.alone["pi"]):
            return self.arithmetic.real(self.arithmetic.pi)
        if sizes is not None:
            if (key, self.section) not in self.notation.indexed:
                self.elsewhere.add(key)
            if self.notation.definitions.get(key):  # of which none fits
                self.guessed.add(key)
                self.unfit.add(key)
            made = [self._inferred(size) for size in sizes]
            if len(made) > 2:
                raise Unknown("axes", symbol=key)
            rows, columns = (made[0], 1) if len(made) == 1 else made
            array = empty(rows, columns)
            for i in range(rows):
                for j in range(columns):
                    of_entry = self.notation.of_entries.get(key)
                    array[i, j] = self._one(key, stream, of_entry)
            properties = self.notation.properties.get(key, {})
            return with_properties(array, properties, stream, self.arithmetic)
        self.guessed.add(key)
        if self.notation.definitions.get(key):
            self.unfit.add(key)
        if key in self.draw.zeros:
            return self.arithmetic.real(0)
        return self._one(key, stream, None)

    def _inferred(self, size: Node | str) -> int:
        if isinstance(size, str):
            self.unsized.add(size)
            return self._size(size)
        with self.fresh_indices({}):
            return self.whole(size)

    def _one(self, key: str, stream: random.Random, found: Type | None) -> Any:
        """A random number that obeys what is said of its symbol."""
        for attempt in range(200):
            kind = attempt % 4
            # Where little is allowed, it is looked for ever farther away.
            spread = self.draw.spread * 1.05 ** max(0, attempt - 60)
            number = stream.uniform(-spread, spread)
            if kind == 3:
                number = stream.uniform(0, 1)
            if abs(number) < 0.04:
                continue
            if found is not None and found.kind == "positive":
                number = abs(number)
            said = self.notation.properties.get(key, ())
            if "positive" in said or "negative" in said:
                number = abs(number) if "positive" in said else -abs(number)
            if found is not None and found.choices:
                return self._chosen(stream, found)
            value = self._exact(number)
            if self._allowed(key, value):
                return value
        raise Unknown("unmet", symbol=key)

    def _exact(self, number: float) -> Any:
        """The same number in every arithmetic."""
        return self.arithmetic.number(
            Rational(round(number * 1024), 1024)
        ) * self.arithmetic.real(1)

    def _allowed(self, key: str, value: Any) -> bool:
        for _, statement in self.notation.constraints.get(key, []):
            if not self.holds_for(key, value, statement):
                return False
        return True

    def may_vanish(self, key: str) -> bool:
        """Whether a symbol is free to be 0."""
        found = self.type_of(key)
        if found is not None and (found.choices or found.kind == "positive"):
            return False
        if key in self.notation.ones or self.notation.properties.get(key):
            return False
        if key in self.notation.of_entries:
            return False
        return self._allowed(key, 0.0)

    def holds_for(self, key: str, value: Any, statement: Any) -> bool:
        """Whether an inequality of a symbol and numbers holds for a value."""
        values = []
        for member in statement.members:
            node = member.formula
            reading = (
                self.notation.reading(node)
                if isinstance(node, (Name, Script))
                else None
            )
            plain_key = None if reading is None or reading.power else reading.key
            if plain_key == key:
                values.append(float(value))
            elif isinstance(node, Number):
                values.append(float(node.value))
            else:
                return True
        checks = {
            "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
            ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
        }  # fmt: skip
        for relation, a, b in zip(
            statement.relations, values, values[1:], strict=False
        ):
            if relation in checks and not checks[relation](a, b):
                return False
        return True

    @property
    def known_symbols(self) -> bool:
        """Whether any symbol that was needed is declared."""
        facts = self.notation.facts
        return any(
            self.notation.types.get(key)
            or key in self.notation.numbers_said
            or key in facts.derived
            or key in facts.arguments
            for key in self.used
        )

    def size_of_layer(self, key: str, index: int) -> int:
        """A size that depends on an index, as d_k; some of them may be given."""
        for at, value in self.notation.size_values.get(key, []):
            with self.fresh_indices({}):
                if self.whole(at) == index:
                    return self.whole(value)
        return self._size(f"{key[:-2]}_{index}")

    # Sizes

    def _size(self, key: str) -> int:
        if key not in self._sizes:
            sizes = self.draw.sizes
            n = len(self._sizes)
            self._sizes[key] = (
                sizes[n] if n < len(sizes) else (sizes[0] if len(sizes) == 1 else n + 2)
            )
        return self._sizes[key]

    def size_name(self, size: int) -> str:
        """What a size is called in the document; the number if nothing is."""
        named = [key for key, value in self._sizes.items() if value == size]
        return named[0] if len(named) == 1 else str(size)

    def _random(self, what: str) -> random.Random:
        return random.Random(f"{self.draw.seed} {what}")


def _filled(rows: int, columns: int) -> Value:
    made = empty(rows, columns)
    made.fill(1)
    return made


def _same_type(a: Type, b: Type) -> bool:
    return (a.kind, a.sizes, a.choices) == (b.kind, b.sizes, b.choices)
