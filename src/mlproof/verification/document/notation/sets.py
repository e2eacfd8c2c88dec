r"""Ranges, shapes and sets of numbers, as formulas write them."""

from mlproof.verification.document.notation.names import canonical, name_of, unwrapped
from mlproof.verification.document.text.statements import Statement
from mlproof.verification.document.text.syntax import (
    Binary,
    Dots,
    Group,
    Listed,
    Name,
    Node,
    Number,
    Script,
    Signed,
)


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


def set_of(node: Node) -> tuple[str, tuple[Node, ...], tuple[Node, ...]] | None:
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
        sizes = _factors(node.above)
        return ("array", sizes, base.items) if len(sizes) <= 2 else None
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
    if isinstance(node, Group) and node.bracket in ("[", "(") and len(node.items) == 2:
        low, high = node.items
        high = high.body if isinstance(high, Signed) and high.sign == "+" else high
        zero = isinstance(low, Number) and low.value == 0
        if zero and isinstance(high, Name) and high.text == "infty":
            return "positive", (), ()
    interval = isinstance(node, Group) and node.bracket in ("[", "(")
    if interval and [type(item) for item in node.items] == [Number, Number]:  # type: ignore[attr-defined]
        return "unit", (), node.items  # type: ignore[attr-defined]
    return None


def _factors(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Binary) and node.sign == "times":
        return (*_factors(node.left), *_factors(node.right))
    return (unwrapped(node),)
