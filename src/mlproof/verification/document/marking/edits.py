r"""Single changes of a formula: what a slip of the pen could have left it as.

Each is a change of the text, with the rest left as it stands: a sign, an index, a
factor, a transposition.  The likelier ones come first.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mlproof.verification.document.notation.names import index_parts, name_of, unwrapped
from mlproof.verification.document.notation.notation import Notation
from mlproof.verification.document.text.syntax import (
    Beside,
    Big,
    Binary,
    Derivative,
    Factorial,
    Fraction,
    Group,
    Matrix,
    Name,
    Node,
    Number,
    Related,
    Script,
    Signed,
)

FUNCTIONS = {
    "log": ("exp",),
    "ln": ("exp",),
    "tanh": ("sinh",),
    "sin": ("cos",),
    "cos": ("sin",),
}


@dataclass(frozen=True)
class Edit:
    """Stretches of a text, and what is put in their places."""

    kind: str
    changes: tuple[tuple[int, int, str], ...]

    def applied(self, text: str, start: int, end: int) -> str:
        """The stretch of the text from start to end, changed."""
        made, at = "", start
        for low, high, new in sorted(self.changes):
            made += text[at:low] + new
            at = high
        return made + text[at:end]


def edits(
    formula: Node, text: str, notation: Notation, others: tuple[Node, ...]
) -> Iterator[Edit]:
    """All single changes of a formula, the likelier first.

    ``others`` are formulas next to it, whose symbols it may lack.
    """
    nodes = list(formula.walk())
    if isinstance(formula, Beside):
        yield from _factors_dropped(formula, text)
    for make in (_lost_d, _signs, _digits, _swapped, _indices, _entries, _tags):
        yield from make(nodes, text)
    yield from _told_apart(nodes, others, text)
    yield from _renamed(nodes, others, text)
    for make in (_dropped, _transposed, _powers, _bounds, _functions):
        yield from make(nodes, text)
    yield from _added(formula, nodes, others, notation, text)


def _one(kind: str, start: int, end: int, new: str) -> Edit:
    return Edit(kind, ((start, end, new),))


def _lost_d(nodes: list[Node], text: str) -> Iterator[Edit]:
    for node in nodes:
        if isinstance(node, Derivative) and node.lost and node.body is not None:
            sign = r"\partial " if r"\partial" in text[node.start : node.end] else "d"
            yield _one("d", node.body.start, node.body.start, sign)


def _signs(nodes: list[Node], _text: str) -> Iterator[Edit]:
    for node in nodes:
        if isinstance(node, Binary) and node.sign in ("+", "-"):
            yield _one("sign", *node.at, "-" if node.sign == "+" else "+")
        elif isinstance(node, Signed):
            yield _one("sign", node.start, node.body.start, "")
    for node in nodes:
        if isinstance(node, Group) and len(node.items) == 1:
            inner = node.items[0]
            if not isinstance(inner, (Signed, Related)):
                yield _one("sign of the argument", inner.start, inner.start, "-")
        if isinstance(node, Script) and node.above is not None:
            above = unwrapped(node.above)
            if isinstance(above, Signed):
                yield _one("sign of the argument", above.start, above.body.start, "")
    yield _one("sign", nodes[0].start, nodes[0].start, "-")


def _digits(nodes: list[Node], _text: str) -> Iterator[Edit]:
    for node in nodes:
        if isinstance(node, Name) and node.text in ("O", "o") and not node.face:
            yield _one("zero", node.start, node.end, "0")


def _entries(nodes: list[Node], _text: str) -> Iterator[Edit]:
    """A 0 for a 1 in a matrix, and the other way round."""
    for node in nodes:
        if not isinstance(node, Matrix):
            continue
        for row in node.rows:
            for entry in row:
                if isinstance(entry, Number) and entry.value in (0, 1):
                    new = "1" if entry.value == 0 else "0"
                    yield _one("entry", entry.start, entry.end, new)


def _swapped(nodes: list[Node], text: str) -> Iterator[Edit]:
    for node in nodes:
        if isinstance(node, Script) and node.below is not None:
            parts = index_parts(node.below)
            if len(parts) == 2 and parts[0] != parts[1]:
                a, b = (text[p.start : p.end] for p in parts)
                space = " " if a.startswith("\\") and b[:1].isalpha() else ""
                changes = (
                    (parts[0].start, parts[0].end, b),
                    (parts[1].start, parts[1].end, space + a),
                )
                yield Edit("indices swapped", changes)


def _letters(nodes: list[Node], text: str) -> list[str]:
    """The letters that serve as indices in a formula."""
    found: list[str] = []
    for node in nodes:
        inner: list[Node] = []
        if isinstance(node, Script) and node.below is not None:
            inner += index_parts(node.below)
        if isinstance(node, Big) and isinstance(node.below, Related):
            inner.append(node.below.members[0])
        for part in inner:
            if isinstance(part, Name):
                letter = text[part.start : part.end]
                if letter not in found:
                    found.append(letter)
    return found


def _indices(nodes: list[Node], text: str) -> Iterator[Edit]:
    letters = _letters(nodes, text)
    for node in nodes:
        if isinstance(node, Big) and isinstance(node.below, Related):
            bound = node.below.members[0]
            for letter in letters:
                if isinstance(bound, Name) and letter != text[bound.start : bound.end]:
                    yield _one("bound index", bound.start, bound.end, letter)
            if isinstance(bound, Name):
                yield from _bound_instead(node, bound, text)
    for node in nodes:
        if not isinstance(node, Script) or node.below is None:
            continue
        for part in index_parts(node.below):
            for letter in letters:
                if isinstance(part, (Name, Number)) and (
                    letter != text[part.start : part.end]
                ):
                    yield _one("index", part.start, part.end, letter)


def _bound_instead(node: Big, bound: Name, text: str) -> Iterator[Edit]:
    """The bound index where the body has a number or another letter throughout."""
    if node.body is None:
        return
    places: dict[str, list[Node]] = {}
    for inner in node.body.walk():
        if not isinstance(inner, Script):
            continue
        for part in (*index_parts(inner.below), *_bracketed(inner.above)):
            if isinstance(part, (Name, Number)) and part != bound:
                places.setdefault(text[part.start : part.end], []).append(part)
    letter = text[bound.start : bound.end]
    for found in places.values():
        changes = tuple((p.start, p.end, letter) for p in found)
        yield Edit("bound index in the body", changes)


def _bracketed(above: Node | None) -> tuple[Node, ...]:
    if isinstance(above, Group) and above.bracket in ("(", "["):
        return above.items
    return ()


def _tags(nodes: list[Node], text: str) -> Iterator[Edit]:
    """Another tag: (1) for (i), (2) for (1), a for s."""
    tags: list[str] = []
    places: list[Node] = []
    for node in nodes:
        if isinstance(node, Script) and isinstance(node.base, Name) and node.above:
            if node.base.text == "e" or _transposes(node.above):
                continue
            for part in _bracketed(node.above) or (unwrapped(node.above),):
                if isinstance(part, (Name, Number)):
                    places.append(part)
                    tags.append(text[part.start : part.end])
    for part in places:
        for tag in dict.fromkeys(tags):
            if tag != text[part.start : part.end]:
                yield _one("superscript", part.start, part.end, tag)
    for node in nodes:
        if isinstance(node, Script) and isinstance(node.above, Number):
            above = node.above
            braces = text[above.start - 1] == "{"
            new = f"({above.value})" if braces else f"{{({above.value})}}"
            yield _one("superscript", above.start, above.end, new)


def _transposes(node: Node) -> bool:
    return isinstance(node, Name) and node.text in ("top", "T", "intercal", "t")


def _symbols(node: Node, text: str) -> list[str]:
    """Letters with their scripts, as they are written."""
    found: list[str] = []
    for inner in node.walk():
        named = isinstance(inner, Script) and isinstance(inner.base, Name)
        if named or (isinstance(inner, Name) and not inner.word):
            written = text[inner.start : inner.end]
            if written not in found and written not in ("d", r"\partial", "e"):
                found.append(written)
    return found


def _renamed(nodes: list[Node], others: tuple[Node, ...], text: str) -> Iterator[Edit]:
    """Another symbol of the formula, or of one next to it."""
    written: list[str] = []
    for other in (nodes[0], *others):
        written += [s for s in _symbols(other, text) if s not in written]
    inside: set[int] = set()
    for node in nodes:
        if id(node) in inside:
            continue
        named = isinstance(node, Script) and isinstance(node.base, Name)
        if named:
            inside |= {id(inner) for inner in node.walk()}
        elif not isinstance(node, Name) or node.word:
            continue
        here = text[node.start : node.end]
        for other_symbol in written:
            if other_symbol != here and not _plain_differential(node):
                yield _one("symbol", node.start, node.end, other_symbol)


def _told_apart(
    nodes: list[Node], others: tuple[Node, ...], text: str
) -> Iterator[Edit]:
    """A 1 that is one only where two indices are the same: delta_ij, 1_{k = y}."""
    deltas = {
        text[node.start : node.end]
        for other in others
        for node in other.walk()
        if isinstance(node, Script)
        and isinstance(node.base, (Name, Number))
        and text[node.base.start : node.base.end] in ("1", r"\delta")
    }
    for node in nodes:
        sides = (node.left, node.right) if isinstance(node, Binary) else ()
        for side in sides:
            if isinstance(side, Number) and side.value == 1:
                for delta in sorted(deltas):
                    yield _one("delta", side.start, side.end, delta)


def _plain_differential(node: Node) -> bool:
    return isinstance(node, Name) and node.text in ("d", "partial", "e")


def _dropped(nodes: list[Node], text: str) -> Iterator[Edit]:
    """A factor or a term too many."""
    for node in nodes:
        if isinstance(node, Beside):
            yield from _factors_dropped(node, text)
        elif isinstance(node, Binary):
            yield _one("dropped", node.left.end, node.right.end, "")
            if node.sign not in ("+", "-", "/"):
                yield _one("dropped", node.left.start, node.right.start, "")
            elif node.sign == "-":
                yield _one("dropped", node.left.start, node.at[0], "")
            elif node.sign == "+":
                yield _one("dropped", node.left.start, node.right.start, "")
        elif isinstance(node, Fraction):
            above = text[node.above.start : node.above.end]
            yield _one("factor", node.start, node.end, above)
            below = text[node.below.start : node.below.end]
            new = rf"\frac{{{below}}}{{{above}}}"
            yield _one("fraction", node.start, node.end, new)


def _begin(node: Node, text: str) -> int:
    """Where a formula begins, with the command around the words it may begin with."""
    if text[node.start - 1 : node.start] == "{" and text[node.start].isalpha():
        command = text.rfind("\\", 0, node.start)
        if text[command + 1 : node.start - 1].isalpha():
            return command
    return node.start


def _factors_dropped(node: Beside, text: str) -> Iterator[Edit]:
    for place, item in enumerate(node.items):
        if isinstance(item, Name) and item.word:
            continue  # a function, with its argument behind it
        before = node.items[place - 1]
        if place and isinstance(before, Name) and before.word:
            continue
        if place + 1 < len(node.items):
            after = node.items[place + 1]
            yield _one("factor", item.start, _begin(after, text), "")
        else:
            yield _one("factor", node.items[place - 1].end, item.end, "")


def _transposed(nodes: list[Node], text: str) -> Iterator[Edit]:
    for node in nodes:
        if not (isinstance(node, Script) and isinstance(node.above, Name)):
            continue
        above = node.above
        if above.text in ("top", "T", "intercal", "t"):
            start = text.rfind("^", node.base.end - 1, above.start)
            braced = text[above.end : above.end + 1] == "}"
            end = above.end + (braced and "{" in text[start : above.start])
            yield _one("transposition", start, end, "")
    inside: set[int] = set()
    for node in nodes:
        if isinstance(node, Big):
            for part in (node.below, node.above):
                inside |= {id(inner) for inner in part.walk()} if part else set()
        if id(node) in inside:
            continue
        plain = isinstance(node, Name) and not node.word
        scripted = isinstance(node, Script) and isinstance(node.base, (Name, Group))
        if not (plain or scripted or isinstance(node, Derivative)):
            continue
        inside |= {id(inner) for inner in node.walk()} - {id(node)}
        if isinstance(node, Script) and (node.below is not None or node.primes):
            continue  # an entry is a number
        if isinstance(node, Script) and node.above and _transposes(node.above):
            continue
        written = text[node.start : node.end]
        if isinstance(node, Name) or (isinstance(node, Script) and node.above is None):
            yield _one("transposition", node.end, node.end, r"^\top")
        else:
            new = rf"({written})^\top"
            yield _one("transposition", node.start, node.end, new)


def _powers(nodes: list[Node], text: str) -> Iterator[Edit]:
    for node in nodes:
        if isinstance(node, Number) and node.value.denominator == 1:
            value = int(node.value)
            half = () if value % 2 else (value // 2,)
            for new in dict.fromkeys((value + 1, value - 1, 2, 1, 2 * value, *half)):
                if new >= 0 and new != value:
                    yield _one("number", node.start, node.end, str(new))
        if isinstance(node, Script) and isinstance(node.above, Number):
            start = text.rfind("^", node.start, node.above.start)
            braced = text[start:].startswith("^{")
            yield _one("exponent", start, node.above.end + braced, "")


def _bounds(nodes: list[Node], text: str) -> Iterator[Edit]:
    uppers = [n.above for n in nodes if isinstance(n, Big) and n.above is not None]
    written = list(dict.fromkeys(text[u.start : u.end] for u in uppers))
    for upper in uppers:
        for new in written:
            if new != text[upper.start : upper.end]:
                yield _one("upper bound", upper.start, upper.end, new)


def _functions(nodes: list[Node], text: str) -> Iterator[Edit]:
    for node in nodes:
        if isinstance(node, Name) and node.word:
            at = text.find(node.text, node.start, node.end)
            for new in FUNCTIONS.get(node.text, ()):
                if at >= 0:
                    yield _one("function", at, at + len(node.text), new)
            yield _one("prime", node.end, node.end, "'")
        if isinstance(node, Script) and node.primes:
            at = text.find("'", node.start, node.end)
            if at >= 0:
                yield _one("prime", at, at + 1, "")


def _added(
    formula: Node,
    nodes: list[Node],
    others: tuple[Node, ...],
    notation: Notation,
    text: str,
) -> Iterator[Edit]:
    """A factor that is missing: a number, or a symbol from a formula near by."""
    inside: set[int] = set()
    places: list[Node] = []
    for node in nodes:
        if id(node) in inside:
            continue
        named = isinstance(node, Script) and isinstance(node.base, Name)
        if named or isinstance(node, (Group, Factorial, Fraction)):
            if named:
                inside |= {id(inner) for inner in node.walk()}
            places.append(node)
        elif isinstance(node, Name) and not node.word:
            places.append(node)
    symbols: list[str] = []
    for other in others:
        symbols += [s for s in _symbols(other, text) if s not in symbols]
    free = [key for key in notation.types if len(key) <= 3]
    symbols += [key for key in free if key.isalpha() and key not in symbols]
    here = set(_symbols(formula, text))
    for symbol in symbols:
        if symbol in here:
            continue
        for node in places:
            yield _one("missing", node.end, node.end, f" {symbol}")
    for factor in ("2 ", r"\frac{1}{2} ", "-", r"\frac{1}{n} "):
        start = _begin(formula, text)
        yield _one("factor", start, start, factor)
        for node in nodes:
            if isinstance(node, Binary) and node.sign in ("+", "-"):
                start = _begin(node.right, text)
                yield _one("factor", start, start, factor)


__all__ = ["Edit", "edits", "name_of"]
