r"""The notation of a document: what each symbol is, gathered in a first reading.

Whether the a of ``h^a`` is a power or a tag, whether ``f(x)`` is a function at x or a
product, and which sizes ``W`` has, is nowhere said in one place; declarations count
from anywhere in a document, so it is read twice, and this is the first time.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction as Rational

from mlproof.verification.document.messages import kind_in_words
from mlproof.verification.document.statements import Statement
from mlproof.verification.document.syntax import (
    Beside,
    Big,
    Binary,
    Derivative,
    Dots,
    Group,
    Listed,
    Matrix,
    Name,
    Node,
    Number,
    Related,
    Root,
    Script,
    Signed,
)
from mlproof.verification.document.vocabulary import FUNCTIONS

SEVERAL = 3  # how far to go where an index runs for ever


@dataclass(frozen=True)
class Reading:
    """A name with its scripts, told apart: what is a tag, an index, a power."""

    key: str
    family: Node | None = None  # which one of several, as the i of x^{(i)}
    indices: tuple[Node, ...] = ()
    marks: tuple[str, ...] = ()  # transposed, in the order written
    power: Node | None = None
    primes: int = 0


@dataclass(frozen=True)
class Type:
    """What a symbol is: a number, or an array of these sizes."""

    kind: str  # number, array, index, choice, size, positive, unit
    sizes: tuple[Node, ...] = ()
    choices: tuple[Node, ...] = ()
    order: int = 0  # of the statement that says so
    section: int = 0
    family: bool = False
    written: bool = False  # read off a matrix, not declared
    passing: bool = False  # said of all x, in one sentence

    def shown(self) -> str:
        """The kind, or the shape of an array."""
        if self.kind == "array":
            return " × ".join(canonical(size) for size in self.sizes)
        return self.kind


@dataclass(frozen=True)
class Definition:
    """An equality that gives a symbol its meaning."""

    key: str
    body: Node
    order: int
    section: int
    introduces: bool
    anew: bool  # whether words such as "let" do, beyond doubt
    parameters: tuple[str, ...] = ()  # of a function, as keys
    indices: tuple[str, ...] = ()  # of an entry
    family: Node | None = None


@dataclass
class Facts:
    """How names are used, before anything is known of them."""

    alone: Counter[str] = field(default_factory=Counter)  # without any script
    bare: Counter[str] = field(default_factory=Counter)  # without one above
    above: defaultdict[str, list[Node]] = field(
        default_factory=lambda: defaultdict(list)
    )
    below: defaultdict[str, list[Node]] = field(
        default_factory=lambda: defaultdict(list)
    )
    bound: set[str] = field(default_factory=set)  # by a sum or a range
    called: Counter[str] = field(default_factory=Counter)  # followed by brackets
    primed: set[str] = field(default_factory=set)  # derived as functions
    derived: set[str] = field(default_factory=set)  # a derivative is taken by it
    called_with: defaultdict[str, set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    arguments: set[str] = field(default_factory=set)  # of functions that are known


def name_of(node: Node) -> str | None:
    """A name's identity: its letter and what is put on it."""
    if isinstance(node, Name):
        return f"{node.face} {node.text}".strip()
    return None


def canonical(node: Node) -> str:
    """A script as part of a symbol's name."""
    if isinstance(node, Number):
        return str(node.value)
    if isinstance(node, Name):
        return name_of(node) or ""
    if isinstance(node, Group):
        inside = ",".join(canonical(item) for item in node.items)
        closing = {"(": ")", "[": "]", "{": "}"}.get(node.bracket, "")
        return f"{node.bracket}{inside}{closing}" if closing else inside
    if isinstance(node, Script):
        below = f"_{canonical(node.below)}" if node.below else ""
        above = f"^{canonical(node.above)}" if node.above else ""
        return f"{canonical(node.base)}{below}{above}"
    if isinstance(node, Beside):
        return "".join(canonical(item) for item in node.items)
    if isinstance(node, Binary):
        return f"{canonical(node.left)}{node.sign}{canonical(node.right)}"
    if isinstance(node, Listed):
        return ",".join(canonical(item) for item in node.items)
    if isinstance(node, Signed):
        return f"{node.sign}{canonical(node.body)}"
    return type(node).__name__


def parts_of(node: Node | None) -> tuple[Node, ...]:
    """What stands in a script, one after the other."""
    if node is None:
        return ()
    if isinstance(node, Listed):
        return node.items
    if isinstance(node, Beside):
        return node.items
    return (node,)


def unwrapped(node: Node) -> Node:
    """Without the braces that only hold it together."""
    while isinstance(node, Group) and node.bracket == "" and len(node.items) == 1:
        node = node.items[0]
    return node


class Notation:
    """What the symbols of a document are, and how their scripts are read."""

    def __init__(self, statements: list[Statement]):
        self.statements = statements
        self.facts = Facts()
        self.types: defaultdict[str, list[Type]] = defaultdict(list)
        self.definitions: defaultdict[str, list[Definition]] = defaultdict(list)
        self.constraints: defaultdict[str, list[tuple[int, Statement]]] = defaultdict(
            list
        )
        self.sizes: set[str] = set()
        self.numbers: set[str] = set()  # numbers that share their letter with arrays
        self.ranges: dict[str, Node] = {}  # of indices
        self.ranges_at: list[tuple[int, int, str, Node | None, Node]] = []
        self.tagged: set[tuple[str, str]] = set()  # names and tags declared as one
        self.subtagged: set[tuple[str, str]] = set()
        self.array_names: Counter[str] = Counter()
        self.size_values: defaultdict[str, list[tuple[Node, Node]]] = defaultdict(list)
        self.numbers_said: set[str] = set()  # by an inequality, or by a derivative
        self.endless: set[str] = set()  # indices that run for ever
        self.both_cases: set[str] = set()  # letters that are two things, h and H
        self.named_functions: dict[str, str] = {}  # sigma, by words
        self.ones: set[str] = set()  # vectors of ones
        self.sums_to_one: dict[str, int] = {}  # and the statement that says so
        self.subfamilies: set[str] = set()  # x where x_i is a vector for every i
        self.aliases: dict[str, str] = {}
        self.spellings: defaultdict[str, set[str]] = defaultdict(set)
        self.uses: defaultdict[str, list[tuple[Node, ...]]] = defaultdict(list)
        self.notes: list[tuple[str, Node, Statement, dict[str, str]]] = []
        self.slips: list[tuple[str, int, int]] = []
        self._readings: dict[int, Reading | None] = {}
        self._kept: list[Node] = []  # so that no identity is given twice
        for statement in statements:
            for member in statement.members:
                if member.formula is not None:
                    self._gather(member.formula)
        self._declare()
        self._declare_by_words()
        self._define()
        self._correct()
        self._readings.clear()
        self._symbols: dict[int, frozenset[str]] = {}
        self._inferred: dict[str, tuple[Node | str, ...] | None] = {}
        self.indexed: set[tuple[str, int]] = set()
        for statement in statements:
            for member in statement.members:
                for node in member.formula.walk() if member.formula else ():
                    reading = self.reading(node) if isinstance(node, Script) else None
                    if reading is not None and reading.indices:
                        self.indexed.add((reading.key, statement.section))
                        self.uses[self.known(reading.key)].append(reading.indices)
        self.labels_found = self.labels()
        self._numbers_derived()
        for name, arguments in self.facts.called_with.items():
            if name in FUNCTIONS or self.definitions.get(name):
                self.facts.arguments |= arguments
        self.text = statements[0].source.text if statements else ""

    # How names are used

    def _gather(self, node: Node) -> None:
        facts = self.facts
        if isinstance(node, Script) and isinstance(node.base, Name):
            name = name_of(node.base) or ""
            if node.primes:
                facts.primed.add(name)
            if node.above is None:
                facts.bare[name] += 1
            else:
                facts.above[name].append(node.above)
            if node.below is not None:
                facts.below[name].append(node.below)
                self._script_names(node.below)
            if node.above is not None:
                self._script_names(node.above)
            return
        if isinstance(node, Name):
            facts.alone[name_of(node) or ""] += 1
            facts.bare[name_of(node) or ""] += 1
        if isinstance(node, Beside):
            self._gather_calls(node)
        if isinstance(node, Big) and node.below is not None:
            self._bind(node)
        if isinstance(node, Derivative):
            inner = node.body.base if isinstance(node.body, Script) else node.body
            if isinstance(inner, Name):
                facts.primed.add(name_of(inner) or "")
            for variable in node.variables:
                base = variable.base if isinstance(variable, Script) else variable
                facts.derived.add(name_of(base) or "")
        for child in node.children():
            if (
                isinstance(node, Matrix)
                and isinstance(child, Name)
                and child.text == "O"
            ):
                continue  # a letter that is typed for a zero
            self._gather(child)

    def _gather_calls(self, node: Beside) -> None:
        for item, after in zip(node.items, node.items[1:], strict=False):
            group = after.base if isinstance(after, Script) else after
            if not (isinstance(group, Group) and group.bracket in ("(", "[")):
                continue
            base = item.base if isinstance(item, Script) else item
            name = name_of(base)
            if name is None:
                continue
            self.facts.called[name] += 1
            for argument in group.items:
                for inner in argument.walk():
                    if isinstance(inner, Name):
                        self.facts.called_with[name].add(name_of(inner) or "")

    def _script_names(self, node: Node) -> None:
        """Names within a script count as used alone only in formulas of their own."""
        for inner in node.walk():
            if isinstance(inner, Big) and inner.below is not None:
                self._bind(inner)
            if isinstance(inner, Script) and isinstance(inner.base, Name):
                name = name_of(inner.base) or ""
                if inner.above is not None:
                    self.facts.above[name].append(inner.above)
                else:
                    self.facts.bare[name] += 1

    def _bind(self, node: Big) -> None:
        if node.name.startswith("arg"):
            return
        for left, upper in bound_names(node):
            self.facts.bound.add(left)
            if upper is not None:
                self.ranges.setdefault(left, upper)

    # Declarations

    def _declare(self) -> None:
        for order, statement in enumerate(self.statements):
            self._declare_ranges(order, statement)
        for order, statement in enumerate(self.statements):
            if "in" in statement.relations:
                self._declare_member(order, statement)
            elif not statement.relations:
                self._declare_in_words(order, statement)
        for order, statement in enumerate(self.statements):
            for member in statement.members:
                if member.formula is not None:
                    self._sizes_of_sums(member.formula)
                    self._corners(member.formula, order, statement.section)

    def _declare_ranges(self, order: int, statement: Statement) -> None:
        r"""``i = 1, \dots, d`` in a statement of its own."""
        found = range_of(statement)
        if found is not None:
            name, lower, upper = found
            self.facts.bound.add(name)
            self.ranges_at.append((order, statement.section, name, lower, upper))
            if isinstance(upper, Dots):
                self.endless.add(name)
                return
            self.ranges.setdefault(name, upper)
            for end in (lower, upper):
                if end is not None:
                    self._size_names(end)

    def _declare_member(self, order: int, statement: Statement) -> None:
        where = statement.relations.index("in")
        left, right = statement.members[where].formula, statement.members[-1].formula
        if left is None or right is None:
            return
        found = _set(right)
        if found is None:
            return
        kind, sizes, choices = found
        names = left.items if isinstance(left, Listed) else (left,)
        others = []
        last = statement
        for before in reversed(self.statements[:order]):
            if before.relations or before.group != statement.group:
                break
            if before.members[0].formula is None or not last.after_comma:
                break
            others.append(before.members[0].formula)
            last = before
        if any(isinstance(node, Dots) for node in names):
            self._declared_series(names, kind, sizes, choices, order, statement)
            return
        for node in (*names, *others):
            self._declared(
                node, kind, sizes, choices, order, statement.section, statement.for_all
            )

    def _declared_series(
        self,
        names: tuple[Node, ...],
        kind: str,
        sizes: tuple[Node, ...],
        choices: tuple[Node, ...],
        order: int,
        statement: Statement,
    ) -> None:
        r"""``x_1, \dots, x_n \in \mathbb{R}^d``."""
        first, last = names[0], names[-1]
        if not (isinstance(first, Script) and isinstance(last, Script)):
            return
        name = name_of(first.base)
        end = index_parts(last.below)
        if name is None or len(end) != 1 or first.base != last.base:
            return
        self._size_names(end[0])
        if kind == "number":
            self.array_names[name] += 1
            self.types[name].append(Type("array", end, (), order, statement.section))
            return
        for node in (*sizes, *choices):
            self._size_names(node)
        self.subfamilies.add(name)
        self._readings.clear()
        self.types[f"{name}_()"].append(
            Type(kind, sizes, choices, order, statement.section)
        )

    def _declared(
        self,
        node: Node,
        kind: str,
        sizes: tuple[Node, ...],
        choices: tuple[Node, ...],
        order: int,
        section: int,
        passing: bool = False,
    ) -> None:
        node = unwrapped(node)
        base = node.base if isinstance(node, Script) else node
        name = name_of(base)
        if name is None or (isinstance(base, Name) and base.text in FUNCTIONS):
            return
        above = below = None
        if isinstance(node, Script):
            above, below = node.above, node.below
        for size in (*sizes, *choices):
            self._size_names(size)
        family = False
        for part in parts_of(above):
            _tag, inner = _family_mark(part)
            if inner is not None and not isinstance(inner, Number):
                family = True
            self.tagged.add((name, canonical(part)))
        if below is not None:
            first = parts_of(below)[0]
            if name_of(first) in self.facts.bound and kind not in (
                "array",
                "index",
                "choice",
            ):
                # x_i \in \mathbb{R} for every i: a family of numbers.
                self.array_names[name] += 1
                return
            counted = name_of(first) in self.facts.bound or _index_like(name_of(first))
            if counted and kind in ("array", "index", "choice", "whole"):
                self.subfamilies.add(name)
                self._readings.clear()
            else:
                self.subtagged.add((name, canonical(below)))
        reading = self.reading(node)
        self._readings.clear()
        if reading is None:
            return
        self.types[reading.key].append(
            Type(kind, sizes, choices, order, section, family, passing=passing)
        )

    def _size_names(self, node: Node) -> None:
        """Names that sizes are written with are sizes themselves."""
        if isinstance(node, Script) and isinstance(node.base, Name):
            name = name_of(node.base) or ""
            if node.below is not None:
                letters = {name_of(inner) for inner in node.below.walk()}
                if not letters & self.facts.bound:
                    self.subtagged.add((name, canonical(node.below)))
            self._readings.clear()
            reading = self.reading(node)
            if reading is not None and not reading.indices:
                self.sizes.add(reading.key)
            return
        if isinstance(node, Name):
            name = name_of(node) or ""
            if name not in self.facts.bound and not node.word:
                self.sizes.add(name)
        for child in node.children():
            self._size_names(child)
        self._readings.clear()

    def _declare_in_words(self, order: int, statement: Statement) -> None:
        r"""``W`` is an ``m \times d`` matrix; this is the formula with the sizes."""
        formula = statement.members[0].formula
        if formula is None or order == 0 or "`" in own_words(statement):
            return
        subjects: list[Statement] = []
        index = order - 1
        last = statement
        sizes = shape_in_words(formula)
        vector = None
        kind = "array"
        if sizes is None and (found := _set(formula)) is not None:
            if not _IN.search(own_words(statement)):
                return
            kind, sizes, _ = found
        if sizes is None:
            vector = _VECTOR_OF.search(own_words(statement))
            if vector is None or not isinstance(unwrapped(formula), (Name, Script)):
                return
            sizes = (formula,)
        elif kind == "array" and not _IS.search(own_words(statement)):
            return
        while index >= 0 and len(subjects) < 4:
            before = self.statements[index]
            if before.relations or before.section != statement.section:
                break
            if subjects and not _AND.search(own_words(last)):
                break
            subjects.append(before)
            last = before
            index -= 1
        for subject in subjects:
            node = subject.members[0].formula
            if node is not None and not self._is_size(node):
                self._declared(node, kind, sizes, (), order, statement.section)

    def _is_size(self, node: Node) -> bool:
        reading = self.reading(unwrapped(node))
        return reading is not None and reading.key in self.sizes

    def _declare_by_words(self) -> None:
        r"""``\sigma`` is the sigmoid; ``u`` is the vector of ones; ``q`` sums to 1."""
        for order, statement in enumerate(self.statements):
            formula = statement.members[0].formula
            if formula is None:
                continue
            key = self._bare_key(formula)
            if key is not None:
                around = tuple(
                    " ".join(words.split())
                    for words in (own_words(statement), statement.after[:80])
                )
                meant = _function_in_words(*around)
                if meant is not None and not statement.relations:
                    self.named_functions[key] = meant
                ones = bool(
                    _ONES_BEFORE.search(around[0]) or _ONES_AFTER.match(around[1])
                )
                if around[0].endswith("vector") and around[1].startswith("of ones"):
                    ones = True  # "the vector u of ones"
                if ones and set(statement.relations) <= {"in"}:
                    self.ones.add(key)
            self._normalised(order, statement)

    def _numbers_derived(self) -> None:
        """What a derived quantity is made of are numbers, or arrays of numbers."""
        waiting: set[str] = set()
        for statement in self.statements:
            for member in statement.members:
                for node in member.formula.walk() if member.formula else ():
                    if isinstance(node, Derivative) and node.body is not None:
                        waiting |= self.symbols(node.body)
        while waiting:
            key = waiting.pop()
            if key in self.numbers_said:
                continue
            self.numbers_said.add(key)
            for definition in self.definitions.get(key, []):
                waiting |= self.symbols(definition.body)

    def _bare_key(self, node: Node) -> str | None:
        reading = self.reading(unwrapped(node))
        if reading is None or reading.indices or reading.power or reading.marks:
            return None
        return reading.key

    def _normalised(self, order: int, statement: Statement) -> None:
        r"""An assumption that the entries of a symbol sum to 1."""
        if statement.relations != ["="] or statement.display:
            return
        left, right = (m.formula for m in statement.members)
        if not (isinstance(left, Big) and left.name == "sum"):
            return
        if not (isinstance(right, Number) and right.value == 1):
            return
        body = left.body
        if not isinstance(body, Script) or not isinstance(body.base, Name):
            return
        name = name_of(body.base) or ""
        typed = any(t.kind == "array" for t in self.types.get(name, []))
        if typed and body.below is not None and body.above is None:
            self.sums_to_one[name] = order

    def _sizes_of_sums(self, formula: Node) -> None:
        for node in formula.walk():
            if isinstance(node, Big) and node.above is not None:
                self._size_names(node.above)

    def _corners(self, formula: Node, order: int, section: int) -> None:
        """Sizes from the corners of a matrix with dots: w_{11} to w_{md}."""
        for node in formula.walk():
            if isinstance(node, Matrix):
                first, last = _first(node.rows), _last(node.rows)
                if first is not None and last is not None and first != last:
                    self._corner(first, last, order, section)
            elif isinstance(node, Group) and any(
                isinstance(i, Dots) for i in node.items
            ):
                self._corner(node.items[0], node.items[-1], order, section)

    def _corner(self, first: Node, last: Node, order: int, section: int) -> None:
        if not (isinstance(first, Script) and isinstance(last, Script)):
            return
        if first.base != last.base or first.above != last.above:
            return
        low, high = index_parts(first.below), index_parts(last.below)
        if len(low) != len(high) or not low:
            return
        if not all(isinstance(i, Number) and i.value == 1 for i in low):
            return
        name = name_of(first.base)
        if name is None:
            return
        for size in high:
            self._size_names(size)
        reading = (
            self.reading(Script(first.start, first.end, first.base, None, first.above))
            if first.above is not None
            else Reading(name)
        )
        if reading is not None:
            self.array_names[name] += 1
            self.types[reading.key].append(
                Type("array", tuple(high), (), order, section, written=True)
            )
        self._readings.clear()

    # Definitions

    def _define(self) -> None:
        for name in list(self.facts.below):
            for below in self.facts.below[name]:
                if any(name_of(p) in self.facts.bound for p in index_parts(below)):
                    self.array_names[name] += 1
        # A symbol that is defined has a tag if it never goes without.
        for statement in self.statements:
            if statement.is_condition or not statement.relations:
                continue
            if statement.relations[0] not in ("=", ":="):
                continue
            self._tags_of(statement.members[0].formula)
        self._readings.clear()
        for order, statement in enumerate(self.statements):
            if statement.is_condition or not statement.relations:
                continue
            if statement.relations[0] in ("=", ":="):
                self._definition(order, statement)
        self._readings.clear()
        for order, statement in enumerate(self.statements):
            if statement.relations and set(statement.relations) <= _ORDERS:
                self._constraint(order, statement)
        self._alias()

    def _correct(self) -> None:
        """Let what is set for the whole document outrank what its text says."""
        standing = {o for o, s in enumerate(self.statements) if s.standing}
        if not standing:
            return
        for key, types in self.types.items():
            self.types[key] = [t for t in types if t.order in standing] or types
        for key, defined in self.definitions.items():
            kept = [d for d in defined if d.order in standing]
            self.definitions[key] = kept or defined
        names = {r[2] for r in self.ranges_at if r[0] in standing}
        self.ranges_at = [
            r for r in self.ranges_at if r[2] not in names or r[0] in standing
        ]
        corrected = {
            key
            for key, types in self.types.items()
            if any(t.order in standing for t in types)
        }
        # A number of its own, where it stands above, is a power and not a tag.
        self.tagged = {(n, tag) for n, tag in self.tagged if tag not in corrected}

    def _tags_of(self, left: Node | None) -> None:
        if isinstance(left, Beside) and left.items:
            left = left.items[0]
        if not isinstance(left, Script) or not isinstance(left.base, Name):
            return
        name = name_of(left.base) or ""
        for part in parts_of(left.above):
            bare = isinstance(part, Name) and part.text not in ("T", "top", "intercal")
            if bare and name not in ("e",) and not self.facts.alone[name]:
                self.tagged.add((name, canonical(part)))
        if left.below is not None and left.above is None:
            names = [name_of(p) for p in index_parts(left.below)]
            known = self.facts.bound | set(self.ranges)
            if not any(n in known for n in names) and not self.array_names[name]:
                self.subtagged.add((name, canonical(left.below)))

    def _definition(self, order: int, statement: Statement) -> None:
        left, right = statement.members[0].formula, statement.members[1].formula
        if left is None or right is None or isinstance(right, (Dots, Listed)):
            return
        if range_of(statement) is not None:
            return
        parameters: tuple[str, ...] = ()
        introduces = statement.introduces or statement.relations[0] == ":="
        head = unwrapped(left)
        if isinstance(head, Beside) and len(head.items) == 2:
            head, group = head.items
            if not isinstance(group, Group) or group.bracket not in ("(", "["):
                return
            named = [self._parameter(item) for item in group.items]
            if None in named:
                return
            parameters = tuple(n for n in named if n is not None)
        base = head.base if isinstance(head, Script) else head
        if not isinstance(base, Name) or (base.text in FUNCTIONS and base.word):
            return
        if parameters and base.text in FUNCTIONS:
            return
        reading = self.reading(head)
        if reading is None or reading.marks or reading.primes:
            return
        if isinstance(unwrapped(right), Matrix) and len(reading.indices) == 1:
            # M_t is a matrix for every t.
            self.subfamilies.add(name_of(base) or "")
            self._readings.clear()
            again = self.reading(head)
            reading = reading if again is None else again
        if reading.power is not None:
            square = isinstance(reading.power, Number) and reading.power.value == 2
            if not square or self.definitions.get(reading.key) or reading.indices:
                return
            if any(t.kind != "number" for t in self.types.get(reading.key, [])):
                return
            right = Root(right.start, right.end, right, None)
        bare = isinstance(unwrapped(right), (Name, Number))
        if reading.key in self.facts.bound and not parameters and bare:
            return
        if isinstance(right, Number) and not (statement.display or introduces):
            return  # "the probability that y = 1" defines nothing
        if reading.key in self.sizes and reading.key not in self.facts.bound and bare:
            return
        if reading.key.endswith("[]") and reading.key[:-2] in self.sizes:
            self.size_values[reading.key].append((reading.indices[0], right))
            return
        named_indices = [name_of(i) for i in reading.indices]
        if None in named_indices or len(set(named_indices)) < len(named_indices):
            return
        if any(n not in self.facts.bound and not _index_like(n) for n in named_indices):
            return
        if self.mentions(right, reading.key) and reading.family is None:
            if reading.indices or not self._only_indexed(right, reading.key):
                return
            if any(t.kind == "array" for t in self.types.get(reading.key, [])):
                return  # a matrix written out
            self.numbers.add(reading.key)
            self._readings.clear()
        self.definitions[reading.key].append(
            Definition(
                reading.key,
                right,
                order,
                statement.section,
                introduces,
                introduces and bool(_ANEW.search(statement.words)),
                parameters,
                tuple(n for n in named_indices if n is not None),
                reading.family,
            )
        )

    def _only_indexed(self, node: Node, key: str) -> bool:
        """Whether a symbol stands in a formula with indices only, as in sum_r s_r."""
        for inner in node.walk():
            if isinstance(inner, Script) and isinstance(inner.base, Name):
                continue
            reading = self.reading(inner) if isinstance(inner, Name) else None
            if reading is not None and reading.key == key:
                return not any(
                    isinstance(other, Script)
                    and other.base is inner
                    and not other.below
                    for other in node.walk()
                ) and any(
                    isinstance(other, Script) and other.base is inner
                    for other in node.walk()
                )
        return True

    def _parameter(self, node: Node) -> str | None:
        node = unwrapped(node)
        if isinstance(node, (Name, Script)):
            reading = self.reading(node)
            if reading is not None and not reading.indices:
                return reading.key
        return None

    def _constraint(self, order: int, statement: Statement) -> None:
        """An inequality of a symbol that has no other meaning limits its values."""
        for member in statement.members:
            node = member.formula
            if isinstance(node, (Name, Script)):
                reading = self.reading(node)
                if reading is None or self.definitions.get(reading.key):
                    continue
                self.numbers_said.add(reading.key)
                local = statement.is_condition and not _GIVEN.search(
                    own_words(statement)
                )
                if not local:
                    self.constraints[reading.key].append((order, statement))

    def _alias(self) -> None:
        """One letter in two cases or faces, where only one of them is known."""
        known = set(self.types) | set(self.definitions)
        for key in known:
            said = any(not t.written for t in self.types.get(key, []))
            tagged = "^" in key and key.swapcase() != key
            letter = re.split(r"[\^_]", key)[0]
            swapped = letter.swapcase() + key[len(letter) :]
            other = any(not t.written for t in self.types.get(swapped, []))
            if tagged and said and other:
                self.both_cases |= {letter, letter.swapcase()}
        for key in list(self.definitions):
            # The entries of a bold vector are written thin.
            bold = next((k for k in (f"bf {key}", f"vec {key}") if k in known), None)
            by_entries = all(d.indices for d in self.definitions[key])
            if bold is not None and by_entries and not self.facts.alone[key]:
                self.definitions[bold] += self.definitions.pop(key)
        known = set(self.types) | set(self.definitions)
        for key in known:
            self.spellings[_folded(key)].add(key)

    def known(self, key: str) -> str:
        """The key itself, or the known one that differs from it by case only."""
        if key in self.definitions or key in self.sizes or key in self.facts.bound:
            return key
        others = self.spellings.get(_folded(key), set()) - {key}
        others = {o for o in others if self._respelled(key, o)}
        if key in self.types:
            # w_{11} is an entry of W, if w is only ever seen in matrices written out.
            if not all(t.written for t in self.types[key]):
                return key
            others = {
                o
                for o in others
                if o in self.definitions or not all(t.written for t in self.types[o])
            }
        if len(others) == 1:
            other = next(iter(others))
            self.aliases[key] = other
            return other
        return key

    def _respelled(self, key: str, other: str) -> bool:
        """Whether two keys may be one: a and A alone are too often two things."""
        if "^" in key or "_" in key:
            letter = re.split(r"[\^_]", key)[0]
            return letter not in self.both_cases
        if key.casefold() != key and key.swapcase() == other and len(key) == 1:
            pass
        if re.sub(r"^(?:bf|vec) ", "", key) == re.sub(r"^(?:bf|vec) ", "", other):
            return True
        entries = any(len(indices) == 2 for indices in self.uses.get(key, []))
        return entries and any(len(t.sizes) == 2 for t in self.types.get(other, []))

    def mentions(self, node: Node, key: str) -> bool:
        for inner in node.walk():
            if isinstance(inner, (Name, Script)):
                reading = self.reading(inner)
                if reading is not None and reading.key == key:
                    return True
        return False

    # Scripts

    def reading(self, node: Node) -> Reading | None:
        """What a name with its scripts says; None if it is no name."""
        if id(node) not in self._readings:
            self._readings[id(node)] = self._read(node)
            self._kept.append(node)
        return self._readings[id(node)]

    def _read(self, node: Node) -> Reading | None:
        if isinstance(node, Name):
            return Reading(name_of(node) or "")
        if not isinstance(node, Script) or not isinstance(node.base, Name):
            return None
        name = name_of(node.base) or ""
        key, family, marks = name, None, []
        powers: list[Node] = []
        primes = node.primes
        for part in self._parts_above(node.above):
            if self._transposes(part, name):
                marks.append("T")
                continue
            tag, inner = _family_mark(part)
            if inner is not None:
                if isinstance(inner, Number) and not self._is_family(name, tag):
                    key += f"^{tag[0]}{canonical(inner)}{tag[1]}"
                else:
                    key += f"^{tag}"
                    family = inner
                continue
            if isinstance(part, Name) and part.text in ("prime",):
                primes += 1
            elif self._is_tag(name, part):
                key += f"^{canonical(part)}"
            elif self._is_layer(name, part):
                key += "^()"
                family = part
            elif self._lacks_brackets(name, part):
                key += f"^({canonical(part)})"
                self.slips.append(("superscript", node.start, node.end))
            else:
                powers.append(part)
        indices: tuple[Node, ...] = ()
        if node.below is not None:
            if self._is_subtag(name, key, node.below):
                key = f"{key}_{canonical(node.below)}"
            elif name in self.subfamilies and family is None:
                family, *others = index_parts(node.below)
                indices = tuple(others)
                key += "_()"
            else:
                indices = index_parts(node.below)
                if family is None and self._is_number(key):
                    key += "[]"  # L_r is another thing than L
        return Reading(
            key, family, indices, tuple(marks), _product(powers, node), primes
        )

    def _is_number(self, key: str) -> bool:
        """Whether a symbol without indices is declared as a number, or used as one."""
        if key in self.sizes or key in self.numbers:
            return True
        kinds = {t.kind for t in self.types.get(key, [])}
        return bool(kinds) and kinds <= {"number", "positive", "unit"}

    def _parts_above(self, above: Node | None) -> Iterator[Node]:
        """In a row: of s^t first the s, then the t."""
        for part in parts_of(above):
            if isinstance(part, Script) and isinstance(part.base, Name):
                above_it = part.above
                mark = isinstance(above_it, Name) and above_it.text in (
                    "t",
                    "T",
                    "top",
                    "intercal",
                )
                if above_it is not None and part.below is None and mark:
                    yield part.base
                    yield from self._parts_above(above_it)
                    continue
            yield part

    def _transposes(self, part: Node, name: str) -> bool:
        if not isinstance(part, Name) or (name, canonical(part)) in self.tagged:
            return False
        if part.text in ("top", "intercal", "T", "mathsf T"):
            return part.text != "T" or "T" not in self.sizes
        return (
            part.text == "t"
            and not self.facts.alone["t"]
            and "t" not in self.facts.bound
            and name != "e"
        )

    def _is_family(self, name: str, tag: str) -> bool:
        """Whether a letter stands between such brackets somewhere."""
        if any((name, f"{tag[0]}{n}{tag[1]}") in self.tagged for n in "0123456789"):
            return False
        for above in self.facts.above[name]:
            for part in parts_of(above):
                other, inner = _family_mark(part)
                if other == tag and inner is not None and not isinstance(inner, Number):
                    return True
        return False

    def _is_tag(self, name: str, part: Node) -> bool:
        if isinstance(part, Name) and part.word:
            return True
        if (name, canonical(part)) in self.tagged:
            return not self._is_layer(name, part)
        if isinstance(part, Name) and part.text in ("*", "star", "+", "-", "ast"):
            return True
        if not isinstance(part, (Name, Binary)) or name == "e":
            return False
        if self._is_layer(name, part):
            return False
        never_bare = not self.facts.bare[name]
        letters = [inner.text for inner in part.walk() if isinstance(inner, Name)]
        return (
            never_bare and bool(letters) and not any(map(self.facts.alone.get, letters))
        )

    def _lacks_brackets(self, name: str, part: Node) -> bool:
        """Whether a 2 above is the (2) that this letter has everywhere else."""
        if not isinstance(part, Number) or self.facts.bare[name]:
            return False
        tag = f"({canonical(part)})"
        spellings = {name, name.swapcase() if len(name) == 1 else name}
        return any((other, tag) in self.tagged for other in spellings)

    def _is_layer(self, name: str, part: Node) -> bool:
        """Whether a script above counts layers without brackets, as in a^{l-1}."""
        if name == "e" or self.facts.bare[name] or not self.facts.above[name]:
            return False
        letters = {name_of(inner) for inner in part.walk() if isinstance(inner, Name)}
        if not letters & self.facts.bound:
            return False
        forms = {
            canonical(p) for above in self.facts.above[name] for p in parts_of(above)
        }
        moved = any(re.fullmatch(r"[A-Za-z]+[-+]1", form) for form in forms)
        return moved and isinstance(part, (Name, Binary))

    def _is_subtag(self, name: str, key: str, below: Node) -> bool:
        text = canonical(below)
        if (name, text) in self.subtagged:
            return name not in self.subfamilies
        parts = index_parts(below)
        if any(isinstance(p, Name) and p.word for p in parts):
            return True
        if any(name_of(p) in self.facts.bound for p in parts):
            return False
        if self.array_names[name] or any(t.kind == "array" for t in self.types[key]):
            return False
        if any(isinstance(p, Name) and p.text == "cdot" for p in parts):
            return False
        first = parts[0]
        if isinstance(first, Number):
            return not self._other_case_is_array(name)
        if isinstance(first, Name):
            if first.text in ("i", "j", "k", "l", "r", "c", "y"):
                return False
            return not self._other_case_is_array(name)
        return False

    def _other_case_is_array(self, name: str) -> bool:
        swapped = name.swapcase() if len(name) == 1 else name
        bold = f"bf {name}"
        return any(
            self.array_names[other]
            or any(
                t.kind == "array"
                for key, found in self.types.items()
                if key == other or key.startswith((f"{other}^", f"{other}_"))
                for t in found
            )
            for other in (swapped, bold, f"bf {swapped}")
        )

    def labels(self) -> set[str]:
        """Names that definitions use as indices without saying of what, as o_y does."""
        found: set[str] = set()
        for definitions in self.definitions.values():
            for definition in definitions:
                own = set(definition.indices)
                if definition.family is not None:
                    own |= {
                        name_of(n) or ""
                        for n in definition.family.walk()
                        if isinstance(n, Name)
                    }
                self._free_indices(definition.body, own, found)
        return found - self.facts.bound - self.sizes

    def _free_indices(self, node: Node, own: set[str], found: set[str]) -> None:
        if isinstance(node, (Name, Script)):
            reading = self.reading(node)
            if reading is not None:
                for index in reading.indices:
                    for inner in index.walk():
                        name = name_of(inner)
                        if name is not None and name not in own:
                            found.add(name)
                return
        for child in node.children():
            self._free_indices(child, own, found)

    def symbols(self, node: Node) -> frozenset[str]:
        """The symbols of a formula, with those in its indices."""
        if id(node) not in self._symbols:
            found: set[str] = set()
            self._collect(node, found)
            self._symbols[id(node)] = frozenset(found)
            self._kept.append(node)
        return self._symbols[id(node)]

    def _collect(self, node: Node, found: set[str]) -> None:
        if isinstance(node, (Name, Script)):
            reading = self.reading(node)
            if reading is not None:
                found.add(self.known(reading.key))
                base = self.family_base(reading.key)
                if base is not None:
                    found.add(base)
                others = (*reading.indices, reading.family, reading.power)
                for inner in others:
                    if inner is not None:
                        self._collect(inner, found)
                return
        for child in node.children():
            self._collect(child, found)

    def table(self, language: str) -> Iterator[tuple[str, str]]:
        """Each symbol, and how it was read: its kinds and shapes, or its definition."""
        for key in sorted({*self.types, *self.definitions, *self.sizes}):
            kinds = dict.fromkeys(t.shown() for t in self.types.get(key, []))
            if key in self.sizes:
                kinds["size"] = None
            if self.definitions.get(key):
                kinds["defined"] = None
            words = [kind_in_words(language, kind) for kind in kinds]
            if words:
                yield key, ", ".join(words)

    def is_defined(self, key: str) -> bool:
        """Whether a symbol has a definition; c_t defines no index c."""
        found = self.definitions.get(key, [])
        if key in self.facts.bound:
            return any(not d.indices for d in found)
        return bool(found)

    def is_function(self, key: str) -> bool:
        """Whether a letter is some function that the document does not give."""
        facts = self.facts
        return (
            facts.called[key] > 0
            and key in facts.primed
            and not self.types.get(key)
            and not self.definitions.get(key)
        )

    def counted(self, key: str) -> str | None:
        """The set whose numbers n_theta counts."""
        name, _, of = key.partition("_")
        if name in ("n", "N", "P", "p", "D", "|") and of in self.definitions:
            body = self.definitions[of][0].body
            if isinstance(body, Group) and len(body.items) > 1:
                return of
        return None

    def family_base(self, key: str) -> str | None:
        """The symbol of which x^{(i)} is one of several."""
        for mark in ("^()", "^[]", "^<>", "_()"):
            if key.endswith(mark):
                return key[: -len(mark)]
        return None

    def family_names(self, key: str) -> set[str]:
        """The letters that count a family, where its sizes depend on them."""
        found: set[str] = set()
        for t in self.types.get(key, []):
            for size in t.sizes:
                for inner in size.walk():
                    if isinstance(inner, Script) and inner.below is not None:
                        for part in inner.below.walk():
                            name = name_of(part)
                            if name is not None:
                                found.add(name)
        return found

    def inferred_sizes(self, key: str) -> tuple[Node | str, ...] | None:
        """Sizes of an array that is only ever seen with indices."""
        if key not in self._inferred:
            self._inferred[key] = self._infer(key)
        return self._inferred[key]

    def _infer(self, key: str) -> tuple[Node | str, ...] | None:
        found: list[Node | str] | None = None
        for indices in self.uses.get(key, []):
            if found is None:
                found = [""] * len(indices)
            if len(indices) != len(found):
                return None
            for place, index in enumerate(indices):
                name = name_of(index)
                if name is not None and name in self.ranges and not found[place]:
                    found[place] = self.ranges[name]
                elif name in self.endless and not found[place]:
                    found[place] = Number(0, 0, Rational(SEVERAL))
        if found is None:
            return None
        return tuple(
            size or f"size {place} of {key}" for place, size in enumerate(found)
        )

    # In force at a place

    def range_at(
        self, name: str, order: int, section: int
    ) -> tuple[Node | None, Node] | None:
        """From where to where an index runs, by what is said nearest before."""
        found = [r for r in self.ranges_at if r[2] == name]
        here = [r for r in found if r[1] == section and r[0] <= order]
        if here:
            return here[-1][3], here[-1][4]
        if found:
            return found[0][3], found[0][4]
        upper = self.ranges.get(name)
        return None if upper is None else (None, upper)

    def definition(self, key: str, order: int, section: int) -> list[Definition]:
        """The definitions of a symbol, the one in force first."""
        found = self.definitions.get(key, [])
        here = [d for d in found if d.section == section and d.order <= order]
        if here and here[0].introduces:
            # Introduced anew in this section, with all that it says of it.
            strong = [d for d in here if d.anew]
            here = [*strong[-1:], *here]
            return [*here, *(d for d in found if d not in here)]
        return found

    def types_of(self, key: str, order: int, section: int) -> list[Type]:
        """The types of a symbol, the nearest first.

        A letter that a section only ever puts into functions may be a number there.
        """
        found = self.types.get(key, [])

        def distance(t: Type) -> tuple[bool, bool, int]:
            away = abs(t.order - order)
            return (
                t.section != section or (t.passing and away > 3),
                t.order > order,
                away,
            )

        ordered = sorted(found, key=distance)
        kinds = {t.kind for t in ordered}
        here = any(t.section == section for t in ordered)
        letter = len(key) == 1 and key.islower() and key in self.facts.arguments
        indexed = (key, section) in self.indexed
        if kinds == {"array"} and letter and not here and not indexed:
            ordered.append(Type("number", (), (), order, section))
        return ordered


_FUNCTION_WORDS = {
    "sigmoid": r"sigmoid|sigmoïde|sigmoide|logistic|logistique",
    "rect": r"relu|rectifier|rectified linear unit|rect",
    "tanh": r"tanh|hyperbolic tangent|tangente hyperbolique",
    "softmax": r"softmax",
    "softplus": r"softplus",
}
_ONES_BEFORE = re.compile(
    r"(?:vector of (?:all )?ones|all-ones vector|vecteur de (?:uns|1))\s*$", re.I
)
_ONES_AFTER = re.compile(
    r"[\s,(]*(?:is |be |be the |for |est |denotes |denote )?(?:the |a |le |un )?"
    r"(?:vector of (?:all )?ones|all-ones vector|vecteur de (?:uns|1)|column of ones)",
    re.I,
)


def _function_in_words(before: str, after: str) -> str | None:
    """The function that the words around a letter say it is."""
    for meant, words in _FUNCTION_WORDS.items():
        if re.search(rf"\b(?:{words})(?: function| fonction)?\s*$", before, re.I):
            return meant
        if re.match(
            rf"\s*(?:is|denotes|stands for|désigne|est|being|=)\s+(?:the |la |le )?"
            rf"(?:usual |standard |fonction )?(?:{words})\b",
            after,
            re.I,
        ):
            return meant
    return None


_ANEW = re.compile(r"(?:^|[\s(])(?:let|soit|soient|posons|redefine)\b[^.$]*$", re.I)
# After these an inequality holds for the rest of the text, not for one sentence.
_GIVEN = re.compile(r"\b(?:with|where|and|let|avec|où|et|soit|small|petit)\s*$", re.I)
_ORDERS = {"<", "<=", ">", ">="}
_IS = re.compile(
    r"\b(?:is|are|be|est|sont|soit|has|have|of|de|a pour|with|size|shape|taille|"
    r"dimensions?|matrix|matrice|:)\b|:\s*$",
    re.I,
)
_IN = re.compile(
    r"\b(?:is|are|be|both|lies?|lives?|all|each|est|sont|soit|soient)\b[^.$]*"
    r"\b(?:in|of|dans|de|from)\s*$",
    re.I,
)
_AND = re.compile(r"(?:,|\band\b|\bet\b|&)\s*$", re.I)
_VECTOR_OF = re.compile(
    r"(?:vect\w+|column|colonne)[^.$]*(?:length|size|dimension|taille|entries|with|of|"
    r"de|à)\s*$",
    re.I,
)


def own_words(statement: Statement) -> str:
    """The words since the formula before."""
    return statement.words.rsplit("$", 1)[-1]


def _folded(key: str) -> str:
    return re.sub(r"\b(?:bf|vec|cal) ", "", key).casefold()


def _index_like(name: str | None) -> bool:
    return name is not None and len(name) == 1 and name.islower()


def _family_mark(part: Node) -> tuple[str, Node | None]:
    if (
        isinstance(part, Group)
        and part.bracket in ("(", "[", "<")
        and len(part.items) == 1
    ):
        return {"(": "()", "[": "[]", "<": "<>"}[part.bracket], part.items[0]
    return "", None


def index_parts(below: Node | None) -> tuple[Node, ...]:
    """The indices of an entry: of ``1d`` the 1 and the d, of ``12`` the 1 and the 2."""
    found: list[Node] = []
    for part in parts_of(below):
        part = unwrapped(part)
        if isinstance(part, Beside):
            found += part.items
            continue
        found.append(part)
    if len(found) == 1 and isinstance(found[0], Number) and found[0].value >= 10:
        number = found[0]
        digits = str(number.value)
        if digits.isdigit() and len(digits) == number.end - number.start == 2:
            return tuple(
                Number(number.start + i, number.start + i + 1, Rational(int(digit)))
                for i, digit in enumerate(digits)
            )
    return tuple(found)


def bound_names(node: Big) -> Iterator[tuple[str, Node | None]]:
    """The names that a big sign binds, each with its upper end if that is written."""
    below = node.below
    for part in below.items if isinstance(below, Listed) else (below,):
        upper = node.above
        left: Node | None = part
        if isinstance(part, Related):
            left = part.members[0]
            if len(part.relations) == 2 and part.relations[0] in ("<=", "<"):
                left = part.members[1]  # 1 \le i \le n
        name = name_of(left) if left is not None else None
        if name is not None:
            yield name, upper
        if isinstance(left, Beside) and all(isinstance(i, Name) for i in left.items):
            for item in left.items:
                yield name_of(item) or "", None


def range_of(statement: Statement) -> tuple[str, Node | None, Node] | None:
    r"""The index, first and last value of ``i = 1, \dots, d``; None if it is no range.

    A range that starts at 1 has no first value here.
    """
    if statement.relations not in (["="], ["in"]):
        return None
    left, right = (member.formula for member in statement.members)
    if left is None or right is None or name_of(left) is None:
        return None
    items: tuple[Node, ...] = ()
    if isinstance(right, Listed):
        items = right.items
    if isinstance(right, Group) and right.bracket == "{":
        return None
    if not any(isinstance(item, Dots) for item in items):
        return None
    name, (first, last) = name_of(left) or "", (items[0], items[-1])
    if isinstance(last, Dots):
        return name, None, last  # t = 1, 2, ...
    if isinstance(first, Number) and not isinstance(last, Number):
        return name, None if first.value == 1 else first, last
    if isinstance(last, Number) and not isinstance(first, Number):
        return name, None if last.value == 1 else last, first
    return None


def shape_in_words(formula: Node) -> tuple[Node, ...] | None:
    r"""The sizes of ``m \times d``."""
    if not isinstance(formula, Binary) or formula.sign != "times":
        return None
    sizes = (formula.left, formula.right)
    if all(isinstance(unwrapped(s), (Name, Script, Number)) for s in sizes):
        return sizes
    return None


def _set(node: Node) -> tuple[str, tuple[Node, ...], tuple[Node, ...]] | None:
    """The type of the members of a set."""
    if isinstance(node, Script) and isinstance(node.base, Name):
        if node.base.text in ("R", "Re") and node.base.face in ("bb", "bf", "cal"):
            above = node.above
            if above is None or canonical(above) in ("+", "*"):
                return "positive" if node.below or above else "number", (), ()
            if isinstance(above, Binary) and above.sign == "times":
                sizes = _factors(above)
                return ("array", sizes, ()) if len(sizes) == 2 else None
            return "array", (unwrapped(above),), ()
        if node.base.text in ("N", "Z") and node.base.face in ("bb", "bf"):
            return "whole", (), ()
    if isinstance(node, Script) and isinstance(node.base, Group):
        base = node.base
        if node.above is None or base.bracket not in ("{", "[", "("):
            return None
        return "array", (unwrapped(node.above),), base.items
    if isinstance(node, Name) and node.face in ("bb", "bf"):
        if node.text == "R":
            return "number", (), ()
        if node.text in ("N", "Z"):
            return "whole", (), ()
    if isinstance(node, Group) and node.bracket == "{":
        if any(isinstance(item, Dots) for item in node.items):
            last = node.items[-1]
            first = node.items[0]
            if isinstance(first, Number) and first.value == 1:
                return "index", (last,), ()
            return "whole", (), ()
        return "choice", (), node.items
    interval = isinstance(node, Group) and node.bracket in ("[", "(")
    if interval and [type(item) for item in node.items] == [Number, Number]:  # type: ignore[attr-defined]
        return "unit", (), node.items  # type: ignore[attr-defined]
    return None


def _factors(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Binary) and node.sign == "times":
        return (*_factors(node.left), *_factors(node.right))
    return (unwrapped(node),)


def _product(powers: list[Node], node: Script) -> Node | None:
    """The power that a symbol is raised to: in ``h^{2a}``, two times a."""
    if len(powers) < 2 or node.above is None:
        return powers[0] if powers else None
    if len(powers) == len(parts_of(node.above)):
        return node.above
    return Beside(powers[0].start, powers[-1].end, tuple(powers))


def _first(rows: tuple[tuple[Node | None, ...], ...]) -> Node | None:
    return rows[0][0]


def _last(rows: tuple[tuple[Node | None, ...], ...]) -> Node | None:
    return rows[-1][-1]
