"""What a formula looks like, as a tree: every node knows where it stands.

The tree says what is written, not yet what it means: whether ``a(b)`` is a function at
b or a product, and whether the T of ``A^T`` is a power, depends on the rest of the
document and is settled by who reads the tree with its notation at hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction as Rational
from functools import cached_property


@dataclass(frozen=True)
class Node:
    """A piece of a formula, from ``start`` to ``end`` of its text.

    Where it stands has no part in whether two pieces are equal.
    """

    start: int
    end: int

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.content() == other.content()

    def __hash__(self) -> int:
        return hash((type(self), self.content()))

    def content(self) -> tuple[object, ...]:
        """Its fields, but for where it stands."""
        return tuple([getattr(self, name) for name in _content_names(type(self))])

    @cached_property
    def children(self) -> tuple["Node", ...]:
        """The nodes that it is made of, from left to right."""
        return tuple(_nodes(self.content()))

    def walk(self) -> Iterator["Node"]:
        """Itself and all below, each before what it is made of."""
        waiting: list[Node] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


_NAMES: dict[type, tuple[str, ...]] = {}


def _content_names(kind: type[Node]) -> tuple[str, ...]:
    if kind not in _NAMES:
        _NAMES[kind] = tuple(f.name for f in fields(kind)[2:])
    return _NAMES[kind]


def _nodes(value: object) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _nodes(item)


@dataclass(frozen=True, eq=False)
class Number(Node):
    """A number as it is written, such as 0.5."""

    value: Rational


@dataclass(frozen=True, eq=False)
class Name(Node):
    r"""A letter or a word: x, ``\alpha``, ``\mathrm{softmax}``, ``\hat R``."""

    text: str  # without a backslash
    face: str = ""  # bf, bb, cal, hat, bar, ...; what is put on it
    word: bool = False  # whether it is a word in an upright face


@dataclass(frozen=True, eq=False)
class Script(Node):
    """A base with what stands below, above and behind it."""

    base: Node
    below: Node | None
    above: Node | None
    primes: int = 0


@dataclass(frozen=True, eq=False)
class Group(Node):
    """What stands between brackets, separated by commas."""

    bracket: str  # ( [ { for the bracket that opens it
    items: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Bars(Node):
    """Between bars: an absolute value, or a norm where they are double."""

    body: Node
    double: bool


@dataclass(frozen=True, eq=False)
class Beside(Node):
    """One after another without a sign between: a product, or a function's argument."""

    items: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Binary(Node):
    """Two sides of a sign: + - * / or the name of a product."""

    sign: str
    left: Node
    right: Node
    at: tuple[int, int]  # where the sign stands

    def content(self) -> tuple[object, ...]:
        return self.sign, self.left, self.right


@dataclass(frozen=True, eq=False)
class Signed(Node):
    """A sign before a term."""

    sign: str
    body: Node


@dataclass(frozen=True, eq=False)
class Fraction(Node):
    """One above the other."""

    above: Node
    below: Node


@dataclass(frozen=True, eq=False)
class Root(Node):
    """A root, square if no degree is written."""

    body: Node
    degree: Node | None


@dataclass(frozen=True, eq=False)
class Big(Node):
    """A sum, a product, a maximum: with what is written below and above its sign."""

    name: str
    below: Node | None
    above: Node | None
    body: Node | None


@dataclass(frozen=True, eq=False)
class Derivative(Node):
    r"""A derivative as a fraction; no body where it is an operator, ``\frac{d}{dx}``.

    Where only the denominator has its d, that is lost, or a number: ``lost`` then is
    the same as a fraction.
    """

    body: Node | None
    variables: tuple[Node, ...]  # in the order written, each as often as it is derived
    order: int = 1
    lost: Node | None = None


@dataclass(frozen=True, eq=False)
class Nabla(Node):
    """The operator of a gradient, with the variable below it."""

    variable: Node | None
    order: int = 1


@dataclass(frozen=True, eq=False)
class Factorial(Node):
    """All whole numbers up to one, multiplied."""

    body: Node


@dataclass(frozen=True, eq=False)
class Matrix(Node):
    """Rows of entries; None where nothing is written."""

    rows: tuple[tuple[Node | None, ...], ...]


@dataclass(frozen=True, eq=False)
class Cases(Node):
    """Values, each with the condition under which it holds; None for otherwise."""

    rows: tuple[tuple[Node, Node | None], ...]


@dataclass(frozen=True, eq=False)
class Dots(Node):
    """And so on."""

    direction: str = ""


@dataclass(frozen=True, eq=False)
class Related(Node):
    """Members with a relation between each and the next, within a formula."""

    members: tuple[Node, ...]
    relations: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class At(Node):
    """A formula where a symbol has a value: what a bar with ``x = 1`` below it says."""

    body: Node
    variable: Node
    value: Node


@dataclass(frozen=True, eq=False)
class Listed(Node):
    """Several, separated by commas, without brackets."""

    items: tuple[Node, ...]


def group_of(node: Node) -> Group | None:
    """The brackets that a node is, whatever their scripts."""
    base = node.base if isinstance(node, Script) else node
    if isinstance(base, Group) and base.bracket in ("(", "["):
        return base
    return None
