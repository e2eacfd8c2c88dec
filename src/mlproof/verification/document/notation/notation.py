r"""The notation of a document: what each symbol is, and what its scripts are.

Whether the a of ``h^a`` is a power or a tag, whether ``f(x)`` is a function at x or a
product, and which sizes ``W`` has, is nowhere said in one place.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction as Rational
from functools import cached_property
from typing import Any

from mlproof.verification.document.messages import kind_in_words
from mlproof.verification.document.notation.names import (
    canonical,
    family_mark,
    folded,
    index_parts,
    name_of,
    parts_of,
    unwrapped,
)
from mlproof.verification.document.notation.usage import Facts
from mlproof.verification.document.text.statements import Statement
from mlproof.verification.document.text.syntax import (
    Beside,
    Binary,
    Group,
    Name,
    Node,
    Number,
    Script,
)
from mlproof.verification.document.text.vocabulary import FUNCTIONS

_FROM_ZERO = re.compile(r"\{\s*0\s*,.*\\[lc]?dots.*-\s*1\s*\\?\}")
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


class Notation:
    """What the symbols of a document are, and how their scripts are read."""

    def __init__(self, statements: list[Statement]):
        self.statements = statements
        self.facts = Facts()
        self.types: defaultdict[str, list[Type]] = defaultdict(list)
        self.definitions: defaultdict[str, list[Definition]] = defaultdict(list)
        self.parts: set[int] = set()  # statements that define by cases together
        self.primed: set[str] = set()  # letters that are other symbols with a prime
        self.of_entries: dict[str, Type] = {}  # what all entries of an array are
        self.constraints: defaultdict[str, list[tuple[int, Statement]]] = defaultdict(
            list
        )
        self.sizes: set[str] = set()
        self.numbers: set[str] = set()  # numbers that share their letter with arrays
        self.ranges = self.facts.ranges
        self.ranges_at: list[tuple[int, int, str, Node | None, Node]] = []
        self.tagged: set[tuple[str, str]] = set()  # names and tags declared as one
        self.subtagged: set[tuple[str, str]] = set()
        self.array_names: Counter[str] = Counter()
        self.size_values: defaultdict[str, list[tuple[Node, Node]]] = defaultdict(list)
        self.numbers_said: set[str] = set()  # by an inequality, or by a derivative
        self.endless: set[str] = set()  # indices that run for ever
        self.both_cases: set[str] = set()  # letters that are two things, h and H
        self.named_functions: dict[str, str] = {}  # sigma, by words
        # Whether classes are counted from 0, as in {0, ..., m - 1}.
        self.from_zero = any(
            _FROM_ZERO.search(statement.members[-1].text)
            for statement in statements
            if "in" in statement.relations
        )
        self.ones: set[str] = set()  # vectors of ones
        # What is said of a symbol beyond its shape, and in which words.
        self.properties: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self.assumptions: set[int] = set()  # statements that say such a property
        self.subfamilies: set[str] = set()  # x where x_i is a vector for every i
        self.aliases: dict[str, str] = {}
        self.spellings: defaultdict[str, set[str]] = defaultdict(set)
        self.uses: defaultdict[str, list[tuple[Node, ...]]] = defaultdict(list)
        # How far each index of an array runs, for each use, by the text of the end.
        self.ends: defaultdict[str, list[tuple[dict[str, Node], ...]]] = defaultdict(
            list
        )
        self.notes: list[tuple[str, Node, Statement, dict[str, str]]] = []
        self.slips: list[tuple[str, int, int]] = []
        self._readings: dict[int, Reading | None] = {}
        self._kept: list[Node] = []  # so that no identity is given twice
        self.indexed: set[tuple[str, int]] = set()  # symbols, by section
        self.labels_found: set[str] = set()
        # What the ends of dots have in common, which the values ask for often.
        self.generalised: dict[tuple[int, int, str], tuple[Node, Node, Any]] = {}
        # In how many statements each letter is the end of a sum.
        self.ends_of_sums: Counter[str] = Counter()
        self.contested: set[str] = set()  # arrays whose uses differ in a size
        self._known: dict[str, str] | None = None  # once all is gathered
        self.text = statements[0].source.text if statements else ""
        self._symbols: dict[int, frozenset[str]] = {}
        self._inferred: dict[str, tuple[Node | str, ...] | None] = {}

    def forget(self) -> None:
        """Read all scripts anew, for more is known of them."""
        self._readings.clear()

    def known(self, key: str) -> str:
        """The key itself, or the known one that differs from it by case only."""
        if key == "pi" and self.facts.alone["pi"]:
            return key
        if self._known is None:
            return self._find_known(key)
        if key not in self._known:
            self._known[key] = self._find_known(key)
        return self._known[key]

    def settle(self) -> None:
        """Take all that is known for final."""
        self._known = {}

    def _find_known(self, key: str) -> str:
        if key in self.definitions or key in self.sizes or key in self.facts.bound:
            return key
        others = self.spellings.get(folded(key), set()) - {key}
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
        if re.sub(r"^(?:bf|vec) ", "", key) == re.sub(r"^(?:bf|vec) ", "", other):
            return True
        entries = any(len(indices) == 2 for indices in self.uses.get(key, []))
        return entries and any(len(t.sizes) == 2 for t in self.types.get(other, []))

    def mentions(self, node: Node, key: str) -> bool:
        """Whether a symbol stands in a formula, and not only in the name of another."""
        inside: Iterable[Node | None] = node.children
        if isinstance(node, (Name, Script)):
            reading = self.reading(node)
            if reading is not None:
                if reading.key == key:
                    return True
                inside = (*reading.indices, reading.family, reading.power)
        return any(n is not None and self.mentions(n, key) for n in inside)

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
        if primes and name in self.primed:
            key, primes = name + "'" * primes, 0  # the next theta'
        for part in self._parts_above(node.above, name):
            if self._transposes(part, name):
                marks.append("T")
                continue
            tag, inner = family_mark(part)
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
                    bold = f"bf {key}"
                    told = self.types.get(bold) or self.definitions.get(bold)
                    key = bold if told else f"{key}[]"  # L_r is another thing than L
        return Reading(
            key, family, indices, tuple(marks), _product(powers, node), primes
        )

    def _is_number(self, key: str) -> bool:
        """Whether a symbol without indices is declared as a number, or used as one."""
        kinds = {t.kind for t in self.types.get(key, [])}
        if key in self.numbers or (key in self.sizes and "array" not in kinds):
            return True
        if key == "pi" and self.facts.alone["pi"] and "array" not in kinds:
            return True  # pi_k are other things than pi
        return bool(kinds) and kinds <= {"number", "positive", "unit"}

    def _parts_above(self, above: Node | None, base: str) -> Iterator[Node]:
        """In a row: of s^t first the s, then the t."""
        inside = above.items if isinstance(above, Beside) else ()
        product = base == "e" and len(inside) > 1
        if above is not None and (
            product
            or any(isinstance(item, Name) and item.text in FUNCTIONS for item in inside)
        ):
            yield above  # e^{a \log x}, e^{x (y - 1)}
            return
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
                    yield from self._parts_above(above_it, base)
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
                other, inner = family_mark(part)
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
        if isinstance(part, Number):
            return self._numbers_layers(name, part)
        if not isinstance(part, (Name, Binary)) or name == "e":
            return False
        if self._is_layer(name, part):
            return False
        never_bare = not self.facts.bare[name]
        letters = [inner.text for inner in part.walk() if isinstance(inner, Name)]
        return (
            never_bare and bool(letters) and not any(map(self.facts.alone.get, letters))
        )

    def _numbers_layers(self, name: str, part: Number) -> bool:
        """Whether a^1 is one of several, as a declared ``W^1`` is."""
        if self.facts.bare[name] or name in ("e", "bb R", "bf R"):
            return False
        tag = canonical(part)
        shaped = {
            key.partition("^")[0]
            for key, types in self.types.items()
            if key.partition("^")[2].isdigit() and any(t.kind == "array" for t in types)
        }
        return bool(shaped) and (tag.isdigit() and not self._lacks_brackets(name, part))

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
        if len(parts) > 2 and all(isinstance(p, Name) for p in parts):
            return isinstance(unwrapped(below), Beside)  # h_{new}
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
        for child in node.children:
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
        for child in node.children:
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

    def size_set(self, statement: Statement) -> str | None:
        """The size that a sentence gives a number, as in "for K = 2"."""
        if statement.relations != ["="] or statement.display:
            return None
        left, right = (m.formula for m in statement.members)
        if left is None or not isinstance(right, Number):
            return None
        reading = self.reading(left)
        return (
            reading.key if reading is not None and reading.key in self.sizes else None
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
        """Sizes of an array that is only ever seen with indices.

        One that nothing is said of is only a text.  An array on whose size the uses do
        not agree is contested, and blames nobody.
        """
        if key not in self._inferred:
            self._inferred[key] = self._infer(key)
        return self._inferred[key]

    def is_loose(self, end: Node) -> bool:
        """Whether the end of a sum is a letter that no array and no other sum has.

        A sum to some a, less than n, is no slip for one to n.
        """
        name = name_of(end)
        if name is None or name in self._declared_ends:
            return False
        return self.ends_of_sums[name] < 2

    @cached_property
    def _declared_ends(self) -> set[str | None]:
        """The letters that are sizes of declared arrays, or ends of declared ranges."""
        sizes = (
            size for found in self.types.values() for t in found for size in t.sizes
        )
        return {name_of(size) for size in sizes} | {
            name_of(r[4]) for r in self.ranges_at
        }

    def _infer(self, key: str) -> tuple[Node | str, ...] | None:
        uses = self.uses.get(key, [])
        if len({len(indices) for indices in uses}) != 1:
            return None
        return tuple(
            self._size_at(key, place) or f"size {place} of {key}"
            for place in range(len(uses[0]))
        )

    def _size_at(self, key: str, place: int) -> Node | None:
        """How far an index of an array runs: where it is used, or else anywhere."""
        said = {
            size: node for ends in self.ends[key] for size, node in ends[place].items()
        }
        if said:
            if len(said) > 1:
                self.contested.add(key)
            return next(iter(said.values()))
        names = [name_of(indices[place]) or "" for indices in self.uses[key]]
        for known in (self.letters, self.ranges):
            for name in names:
                if name in known:
                    return known[name]
        if any(name in self.endless for name in names):
            return Number(0, 0, Rational(SEVERAL))
        return None

    @cached_property
    def letters(self) -> dict[str, Node]:
        """How far a letter runs as an index of arrays whose sizes are declared."""
        found: defaultdict[str, dict[str, Node]] = defaultdict(dict)
        for key, uses in self.uses.items():
            shapes = {t.sizes for t in self.types.get(key, []) if t.kind == "array"}
            sizes = next(iter(shapes)) if len(shapes) == 1 else ()
            for indices in uses:
                if len(indices) == len(sizes):
                    for index, size in zip(indices, sizes, strict=True):
                        found[name_of(index) or ""][canonical(size)] = size
        return {
            letter: next(iter(sizes.values()))
            for letter, sizes in found.items()
            if letter and len(sizes) == 1
        }

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


def _product(powers: list[Node], node: Script) -> Node | None:
    """The power that a symbol is raised to: in ``h^{2a}``, two times a."""
    if len(powers) < 2 or node.above is None:
        return powers[0] if powers else None
    if len(powers) == len(parts_of(node.above)):
        return node.above
    return Beside(powers[0].start, powers[-1].end, tuple(powers))
