r"""Conditions: whether they hold, what they are worth, and what hangs on them.

Iverson brackets and indicators are 1 where a condition holds; cases take the first
branch whose condition does.
"""

from typing import Any

from mlproof.verification.document.notation.names import name_of, unwrapped
from mlproof.verification.document.text.syntax import (
    Cases,
    Group,
    Listed,
    Name,
    Node,
    Number,
    Related,
    Script,
    group_of,
)
from mlproof.verification.document.values.arrays import (
    Unknown,
    Value,
    is_array,
    map_entries,
)
from mlproof.verification.document.values.numbers import Dual, Undefined, plain
from mlproof.verification.document.values.world import World

_ONE_SIGNS = frozenset(("1", "I", "?", "𝟙", "chi", "delta"))


def truth(node: Node, world: World) -> bool:
    """Whether a condition holds."""
    node = unwrapped(node)
    if isinstance(node, Group) and len(node.items) == 1:
        return truth(node.items[0], world)
    if isinstance(node, Listed):
        return all(truth(item, world) for item in node.items)
    if not isinstance(node, Related):
        raise Unknown("condition", text=world.text(node))
    return all(
        _compared(relation, a, b, world)
        for relation, a, b in zip(
            node.relations, node.members, node.members[1:], strict=False
        )
    )


def _compared(relation: str, left: Node, right: Node, world: World) -> bool:
    if relation == "in":
        return _in_set(right, world)
    a, b = evaluate_condition(left, world), evaluate_condition(right, world)
    if is_array(a) or is_array(b):
        raise Unknown("condition of arrays")
    return compare(relation, a, b, world)


def _in_set(right: Node, world: World) -> bool:
    if isinstance(right, Name) and right.face in ("bb", "bf"):
        return True
    raise Unknown("condition", text=world.text(right))


def compare(relation: str, a: Any, b: Any, world: World) -> bool:
    """A relation of two numbers; where a slope depends on a tie, it is counted."""
    bare_a, bare_b = plain(a), plain(b)
    if bare_a == bare_b and (isinstance(a, Dual) or isinstance(b, Dual)):
        world.arithmetic.kink()
    match relation:
        case "=":
            return bool(bare_a == bare_b)
        case "!=":
            return bool(bare_a != bare_b)
        case "<":
            return bool(bare_a < bare_b)
        case ">":
            return bool(bare_a > bare_b)
        case "<=":
            return bool(bare_a <= bare_b)
        case ">=":
            return bool(bare_a >= bare_b)
    raise Unknown("relation", relation=relation)


def evaluate_condition(node: Node, world: World) -> Value:
    """A side of a condition, where a letter alone may be an index or a label."""
    name = name_of(node)
    if name is not None and name not in world.indices and world.is_label(name):
        size = world.label_sizes.get(name)
        if size is not None:
            return world.label(name, size)
    kinks = world.arithmetic.kinks
    try:
        return world.evaluate(node)
    finally:
        world.arithmetic.kinks = kinks  # which case it is has no slope


def is_one(node: Node) -> bool:
    """Whether this may be the 1 of a condition, by its sign alone."""
    base = node.base if isinstance(node, Script) else node
    if isinstance(base, Number):
        return base.value == 1 and isinstance(node, Script)
    return isinstance(base, Name) and base.text in _ONE_SIGNS


def has_condition(item: Node, rest: tuple[Node, ...]) -> bool:
    if isinstance(item, Script):
        return True
    return bool(rest) and any(isinstance(i, Related) for i in rest[0].walk())


def is_indicator(node: Node) -> bool:
    """Whether this is the 1 of a condition."""
    if not is_one(node):
        return False
    if not isinstance(node, Script):
        return isinstance(node, Name) and node.face in ("bb", "bf")
    return node.below is not None and any(
        isinstance(inner, Related) for inner in node.below.walk()
    )


def indicator_length(item: Node, rest: tuple[Node, ...]) -> int:
    if isinstance(item, Script) and item.below is not None:
        group = group_of(rest[0]) if rest else None
        if group is None or len(group.items) != 1 or isinstance(rest[0], Script):
            return 1
        return 2 if isinstance(unwrapped(group.items[0]), (Name, Script)) else 1
    return 2 if rest else 1


def indicator(item: Node, rest: tuple[Node, ...], world: World) -> Value:
    condition: Node | None = None
    if isinstance(item, Script) and item.below is not None:
        condition = item.below
        if isinstance(item.base, Name) and item.base.text == "?":
            world.notes.add(("lost sign", item.base.start, item.base.end))
        if item.above is not None:
            raise Unknown("condition", text=world.text(item))
    elif rest:
        group = rest[0].base if isinstance(rest[0], Script) else rest[0]
        if isinstance(group, Group) and len(group.items) == 1:
            condition = group.items[0]
    if condition is None or not any(isinstance(i, Related) for i in condition.walk()):
        raise Unknown("word", word="1")
    return truth_value(condition, world)


def truth_value(condition: Node, world: World) -> Value:
    """1 or 0; of a vector, entry by entry."""
    inner = unwrapped(condition)
    while isinstance(inner, Group) and len(inner.items) == 1:
        inner = unwrapped(inner.items[0])
    if isinstance(inner, Related) and len(inner.members) == 2:
        a = evaluate_condition(inner.members[0], world)
        b = evaluate_condition(inner.members[1], world)
        relation = inner.relations[0]
        if is_array(a) and not is_array(b):
            return map_entries(lambda x: int(compare(relation, x, b, world)), a)
        if not is_array(a) and not is_array(b) and relation != "in":
            return int(compare(relation, a, b, world))
    return int(truth(inner, world))


def cases(node: Cases, world: World) -> Value:
    for value, condition in node.rows:
        if condition is None or truth(condition, world):
            return world.evaluate(value)
    raise Undefined("none of the cases")
