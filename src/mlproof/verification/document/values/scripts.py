r"""What scripts do to a symbol: entries and rows, members of families, powers."""

from typing import Any

from mlproof.verification.document.notation.names import canonical, name_of
from mlproof.verification.document.notation.notation import Reading
from mlproof.verification.document.text.syntax import (
    Binary,
    Name,
    Node,
)
from mlproof.verification.document.values import arrays
from mlproof.verification.document.values.arrays import (
    Bundle,
    Identity,
    IllTyped,
    Unknown,
    Value,
    column,
    is_array,
    shape_of,
)
from mlproof.verification.document.values.dots import (
    Pattern,
)
from mlproof.verification.document.values.numbers import Dual, plain
from mlproof.verification.document.values.world import NeedIndex, World


def read_symbol(reading: Reading, world: World) -> Value:
    """The value of a symbol with its scripts."""
    notation = world.notation
    key = notation.known(reading.key)
    if reading.primes:
        raise Unknown("prime of")
    family: Any = None
    if reading.family is not None:
        family = family_of(reading.family, world)
        base = notation.family_base(key)
        one = f"{key[:-1]}{family}{key[-1]}"  # W^{[1]}, if each is declared by itself
        told = notation.types.get(key) or notation.definitions.get(key)
        if not told and (notation.types.get(one) or notation.definitions.get(one)):
            value = world.value(one)
        elif base is not None and not notation.types.get(key):
            value = _member(key, base, family, world)
        else:
            value = world.value(key, family)
    elif key.endswith("[]") and key[:-2] in notation.sizes:
        if len(reading.indices) != 1:
            raise Unknown("axes", symbol=key[:-2])
        return world.size_of_layer(key, family_of(reading.indices[0], world))
    elif reading.indices:
        value = _base_of_entry(key, world)
    elif key in world.indices:
        value = world.indices[key]
    else:
        value = world.value(key)
    if reading.indices:
        value = entry_of(value, reading.indices, world, None, key)
    for _ in reading.marks:
        value = arrays.transpose(value)
    if reading.power is not None:
        exponent = world.evaluate(reading.power)
        value = power(value, exponent, world)
    return value


def family_of(node: Node, world: World) -> int:
    """Which one of a family; a letter without a value runs as far as it is said to."""
    name = name_of(node)
    if name is not None and name not in world.indices and not world.has_meaning(name):
        raise NeedIndex(name, 0)
    return world.whole(node)


def _base_of_entry(key: str, world: World) -> Value:
    if key in world.indices:
        raise IllTyped("index of number", text=key)
    ranges = world.notation.ranges
    letters = {d.indices for d in world.notation.definitions.get(key, []) if d.indices}
    counted = {canonical(ranges[n]) for names in letters for n in names if n in ranges}
    if len(letters) > 1 and len(counted) > 1 and all(map(len, letters)):
        raise Unknown("several things", symbol=key)  # the delta_j and delta_k of layers
    return world.value(key)


def _member(key: str, base: str, family: int, world: World) -> Value:
    """One of a family, drawn like the symbol it is one of, or defined."""
    if world.notation.definitions.get(key):
        return world.value(key, family)
    found = world.notation.definitions.get(base)
    if found and not world.notation.types.get(base):
        raise Unknown("family", name=base)
    if world.is_label(base):
        size = world.label_sizes.get(base)
        if size is None:
            world.value(base)
            size = world.label_sizes.get(base) or 2
        stream = world._random(f"{key} {family}")
        return stream.randrange(size) + 1
    return world.value(key, family)


def entry_of(
    value: Value,
    indices: tuple[Node, ...],
    world: World,
    node: Node | None,
    key: str = "",
) -> Value:
    shown = key or (world.text(node) if node is not None else "")
    if isinstance(value, (Bundle, Pattern)):
        raise Unknown("entry of")
    if not is_array(value):
        if key == "e" or key in world.guessed or key in world.locals:
            raise Unknown("no shape", symbol=shown)
        if any(t.kind == "array" for t in world.notation.types.get(key, [])):
            raise Unknown("several things", symbol=shown)  # a number in another part
        raise IllTyped("index of number", text=shown)
    found = world.type_of(key) if len(indices) == 2 else None
    declared = found is not None and len(found.sizes) == 2
    shape = value.shape if declared else shape_of(value)  # 1 × 1 is no number
    if len(indices) != len(shape):
        if len(shape) == 2 and len(indices) == 1 and value.shape[0] == 1:
            shape = (value.shape[1],)
            value = value.T
        elif len(indices) == 1 and len(shape) == 2:
            raise Unknown("row of matrix", name=shown)
        elif len(indices) == 2 and any(_is_dot(i) for i in indices):
            pass
        else:
            raise IllTyped("axes", text=shown, given=len(indices), shape=shape)
    if len(indices) == 2 and any(_is_dot(i) for i in indices):
        return _row_or_column(value, indices, world, shown)
    places = []
    for index, size in zip(indices, shape, strict=True):
        place = world.index_value(index, size)
        beyond = isinstance(index, Binary) or name_of(index) in world.loose
        if not 1 <= place <= size and beyond:
            raise Unknown("beyond the ends", symbol=shown)  # m_{t-1} at t = 1
        if not 1 <= place <= size:
            _expect_one_meaning(key, index, world)
            raise IllTyped(
                "out of range",
                text=shown,
                index=world.text(index) if index.end else name_of(index),
                size=size,
                place=place,
            )
        places.append(place - 1)
    return value[places[0], places[1] if len(places) > 1 else 0]


def _expect_one_meaning(key: str, index: Node, world: World) -> None:
    """Refuse to blame an index where sizes are guessed, or a letter is two things.

    Raises
    ------
    Unknown
        If so.
    """
    notation = world.notation
    letters = {d.indices for d in notation.definitions.get(key, []) if d.indices}
    declared = any(t.kind == "array" for t in notation.types.get(key, []))
    guessed = bool(world.unsized) and not declared
    if guessed or len(letters) > 1 or notation.from_zero or _is_guessed(index, world):
        raise Unknown("no shape", symbol=key)


def _is_guessed(index: Node, world: World) -> bool:
    """Whether how far an index runs was taken from what nothing is said of."""
    names = {name_of(node) for node in index.walk()} - {None} - world.stated
    notation = world.notation
    keys: set[str] = set()  # arrays whose sizes are guessed
    for size in world.unsized:
        kind, _, of = size.rpartition(" of ")
        if kind != "range":
            keys.add(of)
            continue
        if of in names:
            return True
        for key, definitions in notation.definitions.items():
            if any(of in d.indices for d in definitions) and not notation.types.get(
                key
            ):
                keys.add(key)
    used = (i for key in keys for each in notation.uses.get(key, []) for i in each)
    return any(name_of(i) in names for i in used)


def _is_dot(node: Node) -> bool:
    return isinstance(node, Name) and node.text in ("cdot", ":")


def _row_or_column(
    value: Value, indices: tuple[Node, ...], world: World, shown: str
) -> Value:
    row, col = indices
    axis, node = (1, row) if _is_dot(col) else (0, col)
    size = value.shape[1 - axis]
    place = world.index_value(node, size)
    if not 1 <= place <= size:
        raise IllTyped("out of range", text=shown, index="", size=size, place=place)
    entries = value[place - 1, :] if axis == 1 else value[:, place - 1]
    return column(list(entries))


def power(value: Value, exponent: Value, world: World) -> Value:
    if is_array(exponent):
        raise IllTyped("power", shape=shape_of(exponent))
    if isinstance(value, (Bundle, Pattern)):
        raise Unknown("product of")
    if isinstance(value, Identity):
        return Identity(world.arithmetic.power(value.scale, exponent))
    if not is_array(value):
        return world.arithmetic.power(value, exponent)
    bare = plain(exponent)
    if isinstance(exponent, Dual) or bare != int(bare):
        raise Unknown("power of array")
    if value.shape[1] == 1:
        if not world.entrywise:
            raise Unknown("power of array")
        return arrays.map_entries(lambda x: world.arithmetic.power(x, exponent), value)
    if bare == 0 or (bare > 0 and value.shape[0] != value.shape[1]):
        raise Unknown("power of array")
    factor = value if bare > 0 else arrays.inverse(world.arithmetic, value)
    product = factor
    for _ in range(abs(int(bare)) - 1):
        product = arrays.multiply(product, factor)
    return product
