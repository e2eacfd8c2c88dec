r"""How the letters of a formula and their scripts are named."""

import re
from fractions import Fraction as Rational

from mlproof.verification.document.text.syntax import (
    Beside,
    Big,
    Binary,
    Group,
    Listed,
    Name,
    Node,
    Number,
    Related,
    Script,
    Signed,
)


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


def index_like(name: str | None) -> bool:
    return name is not None and len(name) == 1 and name.islower()


def folded(key: str) -> str:
    return re.sub(r"\b(?:bf|vec|cal) ", "", key).casefold()


def family_mark(part: Node) -> tuple[str, Node | None]:
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


def bound_names(node: Big) -> list[tuple[str, Node | None]]:
    """The names that a big sign binds, each with its upper end if that is written."""
    below = node.below
    found: list[tuple[str, Node | None]] = []
    for part in below.items if isinstance(below, Listed) else (below,):
        left: Node | None = part
        if isinstance(part, Related):
            left = part.members[0]
            if len(part.relations) >= 2 and part.relations[0] in ("<=", "<"):
                left = part.members[1]  # 1 \le i \le n
            if any(name_of(left) == name for name, _ in found):
                continue  # i = 1, i \neq k: a condition on the i of before
        name = name_of(left) if left is not None else None
        if name is not None:
            found.append((name, node.above))
        second = _second(part, node)
        if second is not None and all(second != name for name, _ in found):
            found.append((second, None))
        if isinstance(left, Beside) and all(isinstance(i, Name) for i in left.items):
            found += [(name_of(item) or "", None) for item in left.items]
    return found


def _second(part: Node | None, node: Big) -> str | None:
    r"""The j of a sum over all pairs, ``i < j`` or ``1 \le i < j \le n``."""
    if not isinstance(part, Related) or node.above is not None:
        return None
    if part.relations in (("<",), ("<=",)):
        second = name_of(part.members[1])
    elif len(part.relations) == 3 and set(part.relations) <= {"<", "<="}:
        second = name_of(part.members[2])
    else:
        return None
    return second if index_like(second) else None
