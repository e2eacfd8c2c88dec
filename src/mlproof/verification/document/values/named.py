"""Functions that have a name: softmax, onehot, norms, and those of one number."""

from typing import Any

from mlproof.verification.document.notation.names import name_of
from mlproof.verification.document.notation.notation import Reading
from mlproof.verification.document.text.syntax import Name, Node, Number
from mlproof.verification.document.text.vocabulary import FUNCTIONS
from mlproof.verification.document.values import arrays
from mlproof.verification.document.values.arrays import (
    IllTyped,
    Unknown,
    Value,
    column,
    is_array,
    map_entries,
)
from mlproof.verification.document.values.numbers import RULES, plain
from mlproof.verification.document.values.world import World


def function_of(node: Node, world: World) -> str | None:
    """The function that a name stands for, by convention or by the document's words."""
    if not isinstance(node, Name):
        return None
    key = name_of(node) or ""
    if key in world.notation.named_functions and not world.has_meaning(key):
        return world.notation.named_functions[key]
    return FUNCTIONS[node.text] if is_function_name(node) else None


def is_function_name(node: Node) -> bool:
    """Whether a name is that of a function by convention."""
    return (
        isinstance(node, Name)
        and not node.face
        and (node.text in FUNCTIONS and (node.word or len(node.text) > 1))
    )


def applied(
    name: str,
    arguments: list[Value],
    below: Node | None,
    world: World,
) -> Value:
    """The value of a named function; ``below`` is what stands below its name."""
    arithmetic = world.arithmetic
    if name in ("max", "min"):
        return _extreme(name, arguments, world)
    if name == "softmax":
        return _softmax(arguments, world)
    if len(arguments) != 1:
        raise IllTyped("arguments", name=name, given=len(arguments))
    argument = arguments[0]
    if name == "onehot":
        return _onehot(argument, below, world)
    if name == "logsumexp":
        total = arrays.total(
            map_entries(lambda x: arithmetic.apply("exp", x), argument)
        )
        return arithmetic.apply("log", total)
    if name == "trace":
        return arrays.trace(argument)
    if name == "diag":
        return arrays.diagonal(argument)
    if name == "sum":
        return arrays.total(argument)
    if name == "mean":
        size = argument.size if is_array(argument) else 1
        return arithmetic.divide(arrays.total(argument), size)
    if name not in RULES:
        raise Unknown("function", name=name)
    if not (is_array(argument) or hasattr(argument, "__add__")):
        raise Unknown("argument", text=name)
    if name == "log" and below is not None:
        base = world.evaluate(below)
        scale = arithmetic.apply("log", base)
        return map_entries(
            lambda x: arithmetic.divide(arithmetic.apply("log", x), scale), argument
        )
    if below is not None:
        raise Unknown("function", name=f"{name} with an index")
    return map_entries(lambda x: arithmetic.apply(name, x), argument)


def _extreme(name: str, arguments: list[Value], world: World) -> Value:
    sign = 1 if name == "max" else -1
    if len(arguments) == 1:
        if not is_array(arguments[0]):
            return arguments[0]
        arguments = list(arguments[0].flat)
    if any(is_array(a) for a in arguments):
        return _extreme_entrywise(sign, arguments, world)
    best = arguments[0]
    for other in arguments[1:]:
        # The first wins a tie only where the second would: max(x, 0) has slope 0 at 0.
        best = sign * world.arithmetic.larger(sign * best, sign * other)
    return best


def _extreme_entrywise(sign: int, arguments: list[Value], world: World) -> Value:
    """The maximum of an array and a number, as in max(0, z)."""
    found = [a for a in arguments if is_array(a)]
    others = [a for a in arguments if not is_array(a)]
    if len(arguments) != 2:
        raise Unknown("maximum of arrays")
    larger = world.arithmetic.larger
    if len(found) == 1:
        bound = others[0]
        return map_entries(lambda x: sign * larger(sign * x, sign * bound), found[0])
    a, b = found
    if a.shape != b.shape:
        raise IllTyped("entrywise", left=arrays.shape_of(a), right=arrays.shape_of(b))
    made = arrays.empty(*a.shape)
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            made[i, j] = sign * larger(sign * a[i, j], sign * b[i, j])
    return made


def _softmax(arguments: list[Value], world: World) -> Value:
    arithmetic = world.arithmetic
    vector = arguments[0] if len(arguments) == 1 else column(arguments)
    if not is_array(vector):
        raise IllTyped("vector wanted", name="softmax")
    if vector.shape[1] != 1 and vector.shape[0] != 1:
        raise Unknown("softmax of matrix")
    top = max(plain(entry) for entry in vector.flat)
    powers = map_entries(lambda x: arithmetic.apply("exp", x - top), vector)
    total = arrays.total(powers)
    return map_entries(lambda x: arithmetic.divide(x, total), powers)


def _onehot(argument: Value, below: Node | None, world: World) -> Value:
    if below is None:
        sizes = world.sizes_of_labels()
        if len(sizes) != 1:
            raise Unknown("size of", symbol="onehot")
        size = next(iter(sizes))
    else:
        size = world.whole(below)
    if is_array(argument):
        raise IllTyped("vector unwanted", name="onehot")
    place = int(plain(argument))
    if not 1 <= place <= size:
        raise IllTyped("out of range", text="onehot", index="", size=size, place=place)
    return column([int(i == place) for i in range(1, size + 1)])


def kronecker(reading: Reading, world: World) -> Value:
    if len(reading.indices) != 2:
        raise Unknown("word", word="delta")
    values = []
    for index in reading.indices:
        name = name_of(index)
        if name is not None and name not in world.indices:
            if world.is_label(name) and world.label_sizes.get(name):
                values.append(world.label(name, world.label_sizes[name]))
                continue
            values.append(world.index_value(index, 0))
        elif name is not None:
            values.append(world.indices[name])
        elif isinstance(index, Number):
            values.append(int(index.value))
        else:
            raise Unknown("word", word="delta")
    return int(values[0] == values[1])


def norm(
    value: Value,
    below: Node | None,
    above: Node | None,
    world: World,
) -> Value:
    """A norm, to a power: all entries count, also of a matrix."""
    arithmetic = world.arithmetic
    kind = 2
    if below is not None:
        if isinstance(below, Name) and below.text == "F":
            kind = 2
        elif isinstance(below, Name) and below.text == "infty":
            kind = 0
        elif isinstance(below, Number) and below.value in (1, 2):
            kind = int(below.value)
        else:
            raise Unknown("norm")
    entries = list(value.flat) if is_array(value) else [value]
    if kind != 2:
        sizes = [arithmetic.apply("abs", x) for x in entries]
        found = sizes[0]
        for size in sizes[1:]:
            found = found + size if kind else arithmetic.larger(found, size)
    else:
        total: Any = 0
        for x in entries:
            total = total + x * x
        if isinstance(above, Number) and above.value == 2:
            return total
        found = arithmetic.apply("sqrt", total)
    if above is None:
        return found
    return arithmetic.power(found, world.evaluate(above))
