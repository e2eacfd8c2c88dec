r"""What dots stand for: sums and matrices of which only the ends are written.

The first and the last are compared, and where one has a 1 and the other an n, an index
runs from 1 to n.  What is written out in between stands for itself at its own place.
If the ends are the same, as in a column of zeros, the length is not said: it is that of
whatever the column is added to.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from mlproof.verification.document.notation.names import index_parts, unwrapped
from mlproof.verification.document.text.syntax import (
    Binary,
    Dots,
    Listed,
    Matrix,
    Name,
    Node,
    Number,
    Script,
)
from mlproof.verification.document.values.arrays import (
    IllTyped,
    Unknown,
    Value,
    add,
    empty,
    is_array,
)
from mlproof.verification.document.values.world import World

Row = tuple[Node | None, ...]


@dataclass(frozen=True)
class Pattern:
    """A matrix whose number of rows is not said: first, perhaps a middle row, last."""

    first: Value  # a row, or one number for all columns
    middle: Value | None
    last: Value
    columns: int | None
    label: int | None = None  # where the middle row stands, if that is said

    def map(self, function: Callable[[Any], Any]) -> "Pattern":
        """The same function at every entry."""

        def at(value: Value) -> Value:
            if value is None or not is_array(value):
                return None if value is None else function(value)
            made = empty(*value.shape)
            for place in np.ndindex(value.shape):
                made[place] = function(value[place])
            return made

        return replace(
            self, first=at(self.first), middle=at(self.middle), last=at(self.last)
        )

    def negative(self) -> "Pattern":
        return self.map(lambda entry: -entry)

    def filled(self, shape: tuple[int, int], place: int | None) -> Value:
        """The matrix of a shape."""
        rows, columns = shape
        if self.columns is not None and self.columns != columns:
            raise IllTyped("add", left=shape, right=(rows, self.columns))
        made = empty(rows, columns)
        for i in range(rows):
            made[i, :] = self._row(self.first, columns)
        made[rows - 1, :] = self._row(self.last, columns)
        if self.middle is not None:
            where = self.label if self.label is not None else place
            if where is None or not 1 <= where <= rows:
                raise Unknown("middle row")
            made[where - 1, :] = self._row(self.middle, columns)
        return made

    @staticmethod
    def _row(value: Value, columns: int) -> Value:
        if is_array(value):
            return value[0, :]
        made = np.empty(columns, dtype=object)
        made.fill(value)
        return made


def additive(node: Node) -> list[tuple[str, Node]]:
    """The terms of a sum with their signs, from left to right."""
    if isinstance(node, Binary) and node.sign in "+-":
        return [*additive(node.left), (node.sign, node.right)]
    return [("+", node)]


def dotted_sum(terms: list[tuple[str, Node]], world: World) -> Value:
    """A sum with dots, which may have other terms before those that go on."""
    with _fresh_index(world) as name:
        return _summed(terms, name, world)


def _summed(terms: list[tuple[str, Node]], name: str, world: World) -> Value:
    at = next(i for i, (_, term) in enumerate(terms) if isinstance(term, Dots))
    if at == 0 or at + 1 >= len(terms):
        raise Unknown("dots")
    last = terms[at + 1][1]
    # The first term that the last one is like begins the series.
    for begin in range(at):
        found = generalised(terms[begin][1], last, name, world)
        if found is not None and found[1]:
            break
    else:
        raise Unknown("dots")
    template, pairs = found
    low, high = _ends(pairs, world)
    total: Value = None
    for value in range(low, high + 1):
        written = begin + value - low
        if written < at:
            sign, term = terms[written]
            here = world.evaluate(term)
            here = -here if sign == "-" else here
        else:
            with world.index(name, value):
                here = world.evaluate(template)
        total = here if total is None else add(total, here)
    for sign, term in (*terms[:begin], *terms[at + 2 :]):
        here = world.evaluate(term)
        total = add(total, -here if sign == "-" else here)
    return total


INDEX = "•"


def generalised(
    first: Node, last: Node, name: str, world: World
) -> tuple[Node, list[tuple[int, Node]]] | None:
    """What both are, with an index where they differ; None if they are not alike."""
    made = world.notation.generalised
    place = id(first), id(last), name
    if place not in made:
        # With the nodes, so that no identity is given twice.
        made[place] = first, last, _generalised(first, last, name)
    found: tuple[Node, list[tuple[int, Node]]] | None = made[place][2]
    return found


def _generalised(
    first: Node, last: Node, name: str
) -> tuple[Node, list[tuple[int, Node]]] | None:
    """What both are, with an index where they differ; None if they are not alike."""
    pairs: list[tuple[int, Node]] = []
    template = _merged(first, last, pairs)
    if template is None or any(p != pairs[0] for p in pairs):
        return None
    return _renamed(template, name), pairs


@contextmanager
def _fresh_index(world: World) -> Iterator[str]:
    """A name for an index of dots, unlike those of the dots around them."""
    world.dots += 1
    try:
        yield INDEX * (world.dots + 1)
    finally:
        world.dots -= 1


def _merged(a: Any, b: Any, pairs: list[tuple[int, Node]]) -> Any:
    if isinstance(a, Node) and isinstance(b, Node):
        if a == b:
            return a
        if isinstance(a, Number) and a.value.denominator == 1:
            if not isinstance(b, (Number, Name, Script, Binary)):
                return None
            pairs.append((int(a.value), b))
            return Name(a.start, a.end, INDEX)
        if type(a) is not type(b):
            return None
        if isinstance(a, Script) and isinstance(b, Script):
            return _merged_scripts(a, b, pairs)
        return _merged_fields(a, b, pairs)
    if isinstance(a, tuple) and isinstance(b, tuple):
        if len(a) != len(b):
            return None
        items = [_merged(x, y, pairs) for x, y in zip(a, b, strict=True)]
        if any(i is None and x is not None for i, x in zip(items, a, strict=True)):
            return None
        return tuple(items)
    return a if a == b else None


def _merged_fields(a: Node, b: Node, pairs: list[tuple[int, Node]]) -> Node | None:
    changed: dict[str, Any] = {}
    for f in fields(a)[2:]:
        x, y = getattr(a, f.name), getattr(b, f.name)
        if f.name == "at":
            continue
        merged = _merged(x, y, pairs)
        if merged is None and x is not None:
            return None
        changed[f.name] = merged
    return replace(a, **changed)


def _merged_scripts(
    a: Script, b: Script, pairs: list[tuple[int, Node]]
) -> Script | None:
    base = _merged(a.base, b.base, pairs)
    above = _merged(a.above, b.above, pairs)
    if base is None or (above is None and a.above is not None) or a.primes != b.primes:
        return None
    below = a.below
    if a.below != b.below:
        low, high = index_parts(a.below), index_parts(b.below)
        merged = _merged(low, high, pairs)
        if merged is None or not low:
            return None
        below = merged[0] if len(merged) == 1 else Listed(a.start, a.end, merged)
    return replace(a, base=base, above=above, below=below)


def _ends(pairs: list[tuple[int, Node]], world: World) -> tuple[int, int]:
    low, upper = pairs[0]
    high = world.evaluate(upper)
    if is_array(high) or high != int(high):
        raise Unknown("dots")
    if high < low:
        raise Unknown("dots")
    return low, int(high)


# Matrices


def dotted_matrix(rows: tuple[Row, ...], world: World) -> Value:
    """A matrix, with dots or without; a Pattern if its length is not said."""
    if not any(isinstance(entry, Dots) for row in rows for entry in row):
        return _plain_matrix(rows, world)
    kept = [row for row in rows if not _all_dots(row)]
    gaps = [i for i, row in enumerate(rows) if _all_dots(row)]
    columns = max(len(row) for row in rows)
    with _fresh_index(world) as name:
        if columns == 1:
            return _vertical(rows, kept, gaps, name, world)
        if not gaps:
            return _stacked([_across(row, world) for row in kept])
        return _both_ways(rows, kept, gaps, name, world)


def _all_dots(row: Row) -> bool:
    written = [entry for entry in row if entry is not None]
    return bool(written) and all(isinstance(entry, Dots) for entry in written)


def _plain_matrix(rows: tuple[Row, ...], world: World) -> Value:
    width = max(len(row) for row in rows)
    made = empty(len(rows), width)
    for i, row in enumerate(rows):
        if len(row) != width or any(entry is None for entry in row):
            raise Unknown("ragged matrix")
        for j, entry in enumerate(row):
            made[i, j] = _entry(entry, world)
            if is_array(made[i, j]):
                raise Unknown("block matrix")
    return made


def _entry(node: Node | None, world: World) -> Value:
    """An entry; the letter O alone is read as a zero if it means nothing else."""
    if node is None:
        raise Unknown("ragged matrix")
    bare = unwrapped(node)
    if isinstance(bare, Name) and bare.text in ("O", "o") and not bare.face:
        key = world.notation.known(bare.text)
        if not world.has_meaning(bare.text) and not world.has_meaning(key):
            world.notes.add(("letter O", bare.start, bare.end))
            return 0
    value = world.evaluate(node)
    if is_array(value):
        raise Unknown("block matrix")
    return value


def _vertical(
    rows: tuple[Row, ...],
    kept: list[Row],
    gaps: list[int],
    name: str,
    world: World,
) -> Value:
    entries = [row[0] for row in kept]
    first, last = entries[0], entries[-1]
    if first is None or last is None or gaps[0] == 0 or len(kept) < 2:
        raise Unknown("dots")
    found = generalised(first, last, name, world)
    before = gaps[0]  # so many are written before the first dots
    middles = [row[0] for row in rows[before + 1 : -1] if not _all_dots(row)]
    if found is None or not found[1]:
        return _constant(first, last, before, middles, world)
    template, pairs = found
    low, high = _ends(pairs, world)
    if low != 1:
        raise Unknown("dots")
    made = empty(high, 1)
    for value in range(1, high + 1):
        with world.index(name, value):
            made[value - 1, 0] = _entry(template, world)
    for place in range(min(before, high)):
        made[place, 0] = _entry(entries[place], world)
    made[high - 1, 0] = _entry(last, world)
    for middle in middles:
        _place_middle(made, first, middle, world)
    return made


def _place_middle(made: Value, first: Node, middle: Node | None, world: World) -> None:
    where = _label_of(first, middle, made.shape[0], world)
    if where is None or not 1 <= where <= made.shape[0]:
        raise Unknown("middle row")
    made[where - 1, 0] = _entry(middle, world)


def _label_of(first: Node, middle: Node | None, size: int, world: World) -> int | None:
    """Where an entry between dots stands: the O_y of O_1, ..., O_y, ..., O_m."""
    if middle is None:
        return None
    for inner_first, inner in zip(first.walk(), middle.walk(), strict=False):
        if isinstance(inner_first, Script) and isinstance(inner, Script):
            low, here = index_parts(inner_first.below), index_parts(inner.below)
            for a, b in zip(low, here, strict=False):
                if isinstance(a, Number) and a.value == 1 and a != b:
                    return world.index_value(b, size)
    return None


def _constant(
    first: Node,
    last: Node,
    before: int,
    middles: list[Node | None],
    world: World,
) -> Pattern:
    if before != 1 or len(middles) > 1:
        raise Unknown("dots")
    ends = [_entry(node, world) for node in (first, last)]
    middle = _entry(middles[0], world) if middles else None
    return Pattern(ends[0], middle, ends[1], 1)


def _across(row: Row, world: World) -> Value:
    """A row with dots, as an array; a number if all its entries are the same."""
    with _fresh_index(world) as name:
        return _row_across(row, name, world)


def _row_across(row: Row, name: str, world: World) -> Value:
    at = next((j for j, e in enumerate(row) if isinstance(e, Dots)), None)
    if at is None:
        made = empty(1, len(row))
        for j, entry in enumerate(row):
            made[0, j] = _entry(entry, world)
        return made
    first, last = row[0], row[-1]
    if first is None or last is None or isinstance(first, Dots):
        raise Unknown("dots")
    found = generalised(first, last, name, world)
    if found is not None and not found[1]:
        if at != 1:
            raise Unknown("dots")
        return _entry(first, world)
    second = None
    if at > 1 and row[1] is not None:
        second = generalised(row[1], last, name, world)
    if second is not None and second[1] and second[1][0][0] == 2:
        # The second says how a row goes on of which the first may be a slip.
        template, pairs = second
        low, high = 1, _ends(pairs, world)[1]
    elif found is not None:
        template, pairs = found
        low, high = _ends(pairs, world)
    else:
        raise Unknown("dots")
    made = empty(1, high - low + 1)
    for value in range(low, high + 1):
        with world.index(name, value):
            made[0, value - low] = _entry(template, world)
    for j in range(min(at, made.shape[1])):
        made[0, j] = _entry(row[j], world)
    made[0, -1] = _entry(last, world)
    return made


def _stacked(rows: list[Value]) -> Value:
    widths = {row.shape[1] for row in rows if is_array(row)}
    if len(widths) != 1:
        raise Unknown("ragged matrix")
    made = empty(len(rows), widths.pop())
    for i, row in enumerate(rows):
        made[i, :] = row[0, :] if is_array(row) else row
    return made


def _both_ways(
    rows: tuple[Row, ...],
    kept: list[Row],
    gaps: list[int],
    name: str,
    world: World,
) -> Value:
    """Dots to the right and down: the corners say how both indices run."""
    before = gaps[0]
    if before == 0 or len(kept) < 2:
        raise Unknown("dots")
    middles = [row for row in rows[before + 1 : -1] if not _all_dots(row)]
    first, last = kept[0], kept[-1]
    found = _rows_alike(first, last, name)
    if found is None:
        return _row_pattern(kept, before, middles, world)
    template, pairs = found
    low, high = _ends(pairs, world)
    if low != 1:
        raise Unknown("dots")
    lines = []
    for value in range(1, high + 1):
        with world.index(name, value):
            lines.append(_across(template, world))
    for place in range(min(before, high)):
        lines[place] = _across(kept[place], world)
    lines[-1] = _across(last, world)
    for middle in middles:
        where = _label_of(first[0] or middle[0], middle[0], high, world)  # type: ignore[arg-type]
        if where is None or not 1 <= where <= high:
            raise Unknown("middle row")
        lines[where - 1] = _across(middle, world)
    return _stacked(lines)


def _rows_alike(
    first: Row, last: Row, name: str
) -> tuple[Row, list[tuple[int, Node]]] | None:
    """What both rows are, but for one entry of the first that may be a slip."""
    if len(first) != len(last):
        return None
    made: list[Node | None] = []
    found: list[list[tuple[int, Node]]] = []
    for a, b in zip(first, last, strict=True):
        if isinstance(a, Dots) and isinstance(b, Dots):
            made.append(a)
            continue
        if a is None or b is None:
            return None
        pairs: list[tuple[int, Node]] = []
        template = _merged(a, b, pairs)
        made.append(None if template is None else _renamed(template, name))
        found.append(pairs)
    ends = [
        pairs[0] for pairs in found if pairs and pairs.count(pairs[0]) == len(pairs)
    ]
    if not ends:
        return None
    end = max(ends, key=ends.count)
    slips = len(found) - ends.count(end)
    if slips > 1 or 2 * slips >= len(found):
        return None
    for j, (template, b) in enumerate(zip(made, last, strict=True)):
        if isinstance(template, Dots):
            continue
        pairs = found.pop(0)
        if template is None or not pairs or any(pair != end for pair in pairs):
            made[j] = _replaced(b, end[1], name)
    return tuple(made), [end]


def _replaced(node: Any, old: Node, name: str) -> Any:
    """With this name in the place of a part."""
    if isinstance(node, tuple):
        return tuple(_replaced(item, old, name) for item in node)
    if not isinstance(node, Node):
        return node
    if node == old:
        return Name(node.start, node.end, name)
    changed = {
        f.name: getattr(node, f.name) for f in fields(node)[2:] if f.name != "at"
    }
    return replace(
        node, **{key: _replaced(value, old, name) for key, value in changed.items()}
    )


def _renamed(node: Any, name: str) -> Any:
    """With this name in the place of the index that merging puts in."""
    if isinstance(node, Name):
        return replace(node, text=name) if node.text == INDEX else node
    if isinstance(node, Node):
        changed = {
            f.name: _renamed(getattr(node, f.name), name)
            for f in fields(node)[2:]
            if f.name != "at"
        }
        return replace(node, **changed)
    if isinstance(node, tuple):
        return tuple(_renamed(item, name) for item in node)
    return node


def _row_pattern(
    kept: list[Row],
    before: int,
    middles: list[Row],
    world: World,
) -> Pattern:
    if before != 1 or len(middles) > 1:
        raise Unknown("dots")
    first = _row_value(kept[0], world)
    last = _row_value(kept[-1], world)
    middle = _row_value(middles[0], world) if middles else None
    rows = [value for value in (first, last, middle) if value is not None]
    widths = {value.shape[1] for value in rows if is_array(value)}
    if len(widths) > 1:
        raise Unknown("ragged matrix")
    return Pattern(first, middle, last, widths.pop() if widths else None)


def _row_value(row: Row, world: World) -> Value:
    r"""A row; of ``0 & \dots & \dots & 0`` its one number."""
    ends = [row[0], row[-1]]
    inner = row[1:-1]
    if inner and all(isinstance(e, Dots) for e in inner) and ends[0] == ends[1]:
        return _entry(ends[0], world)
    return _across(row, world)


def settle(
    left: Value, right: Value, left_node: Node, right_node: Node, world: World
) -> tuple[Value, Value]:
    """Give a Pattern the shape of what it is added to."""
    if isinstance(left, Pattern) and isinstance(right, Pattern):
        raise Unknown("dots")
    pattern, other = (left, right) if isinstance(left, Pattern) else (right, left)
    beside = right_node if pattern is left else left_node
    if not is_array(other):
        raise IllTyped("add", left=(), right=(0,))
    place = None
    if pattern.middle is not None and pattern.label is None:
        place = _place_beside(beside, other.shape[0], world)
        if place is None:
            place = _only_label(other.shape[0], world)
            node = left_node if pattern is left else right_node
            world.notes.add(("unlabelled row", node.start, node.end))
    filled = pattern.filled(other.shape, place)
    return (filled, other) if pattern is left else (other, filled)


def _place_beside(node: Node, rows: int, world: World) -> int | None:
    """Where the row between dots stands in the matrix next to it."""
    for inner in node.walk():
        if isinstance(inner, Matrix):
            written = [row for row in inner.rows if not _all_dots(row)]
            if len(written) == 3 and written[0][0] is not None:
                return _label_of(written[0][0], written[1][0], rows, world)
    return None


def _only_label(rows: int, world: World) -> int:
    labels = [key for key, size in world.label_sizes.items() if size == rows]
    if len(labels) != 1:
        raise Unknown("middle row")
    return world.label(labels[0], rows)
