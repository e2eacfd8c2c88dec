r"""Big signs: sums, products, extremes and means over an index or a set.

A sum sign takes the rest of its term.
"""

from mlproof.verification.document.notation.names import bound_names, name_of, parts_of
from mlproof.verification.document.text.syntax import (
    Big,
    Dots,
    Group,
    Node,
    Related,
)
from mlproof.verification.document.values import arrays
from mlproof.verification.document.values.arrays import (
    Unknown,
    Value,
    add,
    is_array,
)
from mlproof.verification.document.values.conditions import truth
from mlproof.verification.document.values.named import (
    applied,
)
from mlproof.verification.document.values.numbers import Undefined
from mlproof.verification.document.values.world import NeedIndex, World

MOST_TERMS = 2_000


def big(node: Big, world: World) -> Value:
    if node.body is None:
        raise Unknown("nothing after", sign=node.name)
    if node.name.startswith("arg"):
        raise Unknown("argmin")
    if node.name in ("max", "min") and node.below is None:
        return applied(node.name, [world.evaluate(node.body)], None, world)
    total: Value = None
    for value in _terms(node, world):
        total = value if total is None else _combined(node.name, total, value, world)
    if total is None:
        if node.name == "prod":
            return 1
        if node.name == "sum":
            return 0
        raise Undefined("the largest of nothing")
    return total


def _combined(name: str, a: Value, b: Value, world: World) -> Value:
    if name == "sum":
        return add(a, b)
    if name == "prod":
        return arrays.multiply(a, b)
    if is_array(a) or is_array(b):
        raise Unknown("maximum of arrays")
    if name == "max":
        return world.arithmetic.larger(a, b)
    return -world.arithmetic.larger(-a, -b)


def _terms(node: Big, world: World) -> list[Value]:
    assert node.body is not None
    found: list[Value] = []
    below = node.below
    names = [name for name, _ in bound_names(node)] if below is not None else []
    # Of i < j the j may be given.
    names = names[:1] + [n for n in names[1:] if not _is_given(n, world)]
    if not names:
        raise Unknown("bound", sign=node.name)
    conditions = [p for p in parts_of(below) if isinstance(p, Related)]
    _over(node, names, conditions, world, found)
    return found


def _is_given(name: str, world: World) -> bool:
    return name in world.indices or world.has_meaning(name)


def _over(
    node: Big,
    names: list[str],
    conditions: list[Related],
    world: World,
    found: list[Value],
) -> None:
    if len(found) > MOST_TERMS:
        raise Unknown("too many terms")
    assert node.body is not None
    if not names:
        if all(_admits(c, world) for c in conditions):
            found.append(world.evaluate(node.body))
        return
    name, *others = names
    low, high = _limits(node, name, others, world)
    stated = node.above is not None and name not in world.stated
    loose = node.above is not None and world.notation.is_loose(node.above)
    before = world.loose
    world.loose = before | {name} if loose else before - {name}
    world.stated |= {name} if stated else set()
    try:
        for value in range(low, high + 1):
            with world.index(name, value):
                _over(node, others, conditions, world, found)
    finally:
        world.stated -= {name} if stated else set()
        world.loose = before


def _admits(condition: Related, world: World) -> bool:
    """Whether a condition below the sign holds, where it is more than a start."""
    if condition.relations in (("=",), ("in",)):
        return True
    return truth(condition, world)


def _limits(node: Big, name: str, others: list[str], world: World) -> tuple[int, int]:
    start: Node | None = None
    for part in parts_of(node.below):
        if not isinstance(part, Related):
            continue
        if part.relations == ("=",) and name_of(part.members[0]) == name:
            start = part.members[1]
        if part.relations == ("in",) and name_of(part.members[0]) == name:
            return _limits_of_set(part.members[1], world)
        if part.relations[0] in ("<=", "<") and len(part.members) >= 3:
            low = _whole(part.members[0], world)
            high = _whole(part.members[-1], world)
            return low + (part.relations[0] == "<"), high - (part.relations[-1] == "<")
    if node.above is not None:
        low = _whole(start, world) if start is not None else 1
        return low, _whole(node.above, world)
    return 1, _inferred_size(node, name, others, world)


def _limits_of_set(node: Node, world: World) -> tuple[int, int]:
    if isinstance(node, Group) and any(isinstance(i, Dots) for i in node.items):
        return _whole(node.items[0], world), _whole(node.items[-1], world)
    raise Unknown("set of sum", text=world.text(node))


def _whole(node: Node, world: World) -> int:
    return world.whole(node)


def _inferred_size(node: Big, name: str, others: list[str], world: World) -> int:
    """How far an index runs, from the first array that it is an index of."""
    assert node.body is not None
    hidden = {k: v for k, v in world.indices.items() if k != name}
    for other in others:
        hidden[other] = 1
    added = name not in world.wanted
    world.wanted.add(name)
    try:
        with world.fresh_indices(hidden):
            world.evaluate(node.body)
    except NeedIndex as need:
        if need.name == name and need.size:
            return need.size
        if need.name != name:
            raise
    finally:
        if added:
            world.wanted.discard(name)
    size = world._range_size(name)
    if size is None:
        raise Unknown("range", index=name)
    return size
