r"""Products of shapes: ``(m \times n) \cdot (n \times d) \to m \times d``."""

from mlproof.verification.document.notation.names import canonical, unwrapped
from mlproof.verification.document.text.syntax import (
    Binary,
    Group,
    Name,
    Node,
    Number,
    Script,
)


def product_shape(node: Node) -> tuple[str, ...] | None:
    """The shape of a product of shapes; None if it is none, or if they do not fit."""
    if isinstance(node, Binary) and node.sign in ("dot", "star"):
        left, right = product_shape(node.left), product_shape(node.right)
        if left is None or right is None:
            return None
        left = left if len(left) == 2 else (*left, "1")
        right = right if len(right) == 2 else (*right, "1")
        if left[1] != right[0]:
            return ("?",)
        return tuple(size for size in (left[0], right[1]) if size != "1") or ("1",)
    if isinstance(node, Group) and node.bracket == "(" and len(node.items) == 1:
        return product_shape(node.items[0])
    if isinstance(node, Binary) and node.sign == "times":
        sizes = (unwrapped(node.left), unwrapped(node.right))
        if all(isinstance(s, (Name, Script, Number)) for s in sizes):
            return tuple(canonical(s) for s in sizes)
        return None
    if isinstance(node, (Name, Script)):
        return (canonical(node),)
    return None
