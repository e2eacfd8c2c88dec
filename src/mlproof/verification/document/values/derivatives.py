r"""Derivatives, exact: the variable gets a dual number.

The formula is computed again with all that depends on the variable, and what comes with
the dual number's slope is laid out as the document lays its gradients out.
"""

import re
from typing import Any

from mlproof.verification.document.notation.names import unwrapped
from mlproof.verification.document.text.syntax import (
    Beside,
    Group,
    Nabla,
    Name,
    Node,
    Script,
)
from mlproof.verification.document.text.vocabulary import FUNCTIONS
from mlproof.verification.document.values.arrays import (
    Bundle,
    IllTyped,
    Unknown,
    Value,
    empty,
    is_array,
    map_entries,
    shape_of,
)
from mlproof.verification.document.values.dots import (
    Pattern,
)
from mlproof.verification.document.values.layout import Layout
from mlproof.verification.document.values.numbers import Dual, new_level
from mlproof.verification.document.values.scripts import family_of
from mlproof.verification.document.values.world import World


def gradient(body: Node, nabla: Nabla, world: World) -> Value:
    if nabla.variable is None:
        return _by_parameter(body, nabla, world)
    variables = (unwrapped(nabla.variable),) * nabla.order
    return derivative(body, variables, world, body, Layout.COLUMNS)


def _by_parameter(body: Node, nabla: Nabla, world: World) -> Value:
    r"""``\nabla F(w)``, where F is defined as a function of one thing."""
    items = body.items if isinstance(body, Beside) else (body,)
    group = items[1] if len(items) == 2 else None
    reading = world.notation.reading(items[0])
    known = reading is not None and len(items) <= 2
    plain_argument = group is None or (
        isinstance(group, Group) and len(group.items) == 1
    )
    if reading is None or not known or not plain_argument or reading.indices:
        raise Unknown("nothing after", sign=r"\nabla")
    found = world.notation.definitions.get(world.notation.known(reading.key), [])
    parameters = {d.parameters for d in found if d.parameters}
    if len(parameters) != 1 or len(names := next(iter(parameters))) != 1:
        raise Unknown("nothing after", sign=r"\nabla")
    face, _, letter = names[0].rpartition(" ")
    variable = Name(nabla.start, nabla.end, letter, face)
    by = (variable,) * nabla.order
    called = Beside(
        items[0].start, items[0].end, (items[0], Group(0, 0, "(", (variable,)))
    )
    if not isinstance(group, Group):
        if group is not None:
            raise Unknown("nothing after", sign=r"\nabla")
        return derivative(called, by, world, body, Layout.COLUMNS)
    with world.override({names[0]: world.evaluate(group.items[0])}):
        return derivative(called, by, world, body, Layout.COLUMNS)


def derivative(
    body: Node,
    variables: tuple[Node, ...],
    world: World,
    node: Node,
    layout: Layout | None = None,
) -> Value:
    """The derivative of a formula by each variable in turn, the last one first.

    It has the layout of the document, unless its sign has one of its own.
    """
    variable, *others = variables
    variable = unwrapped(variable)
    if isinstance(variable, Group) and variable.bracket == "(":
        variable = variable.items[0]
    place = _place_of(variable, world)
    current = _current(place, world)
    if isinstance(current, Bundle):
        return _by_parts(body, place, current, world, node, layout)
    level = new_level()
    perturbed = _perturbed(current, place, level)
    with world.override({place.target: perturbed}):
        if others:
            value = derivative(body, tuple(others), world, node, layout)
        else:
            value = world.evaluate(body)
    if isinstance(value, (Bundle, Pattern)):
        raise Unknown("derivative of set")
    if not others and not _touched(value, level):
        _expect_none(body, place, world)
    if place.entry is not None or not is_array(current):
        return map_entries(lambda x: _slopes(x, level, 1)[0], value)
    if place.transposed:
        return _along_row(value, current, level)
    if others and is_array(value) and value.shape[0] == 1:  # by x and, within, by x^T
        return _jacobian(value.T, current, level).T
    if layout is None:
        layout = world.layout
        world.laid_out.add(_spread(value, current))
    return _laid_out(value, current, level, layout)


def _touched(value: Value, level: int) -> bool:
    """Whether anything in a value was computed from what a derivative is taken by."""
    entries = value.flat if is_array(value) else (value,)
    return any(isinstance(x, Dual) and x.level == level for x in entries)


def _expect_none(body: Node, place: "_Place", world: World) -> None:
    """Refuse to call a derivative 0 only because nothing says how it depends.

    Raises
    ------
    Unknown
        If the quantity has no definition, or if its variable has one and the quantity
        is not written with it.
    """
    notation = world.notation
    target = place.target[0] if isinstance(place.target, tuple) else place.target
    reading = notation.reading(unwrapped(body))
    if reading is not None and reading.family is None:
        key = notation.known(reading.key)
        if key != target and (world.lenient or world.definition_of(key) is None):
            raise Unknown("no definition", symbol=world.text(body))
    needed = _needed(body, world)
    if target in needed:
        return  # it is constant around here
    counts = notation.sizes | notation.facts.bound | set(notation.letters)
    for key in needed - counts - {"e", "pi"} - set(FUNCTIONS):
        told = notation.types.get(key) or notation.definitions.get(key)
        seen = notation.facts.alone[key] or notation.uses.get(key)
        if seen and not told and not world.is_label(key):
            raise Unknown("no dependence", symbol=world.text(body), by=target)
    if any(target in world.closure(name) for name in notation.symbols(body)):
        # By another definition than the one in force it would depend on it.
        raise Unknown("no dependence", symbol=world.text(body), by=target)
    if re.sub(r"(?<=[(\[<])\d+(?=[)\]>])", "", target) in needed - {target}:
        raise Unknown("no dependence", symbol=world.text(body), by=target)
    if notation.definitions.get(target) and world.definition_of(target) is not None:
        raise Unknown("no dependence", symbol=world.text(body), by=target)


def _needed(body: Node, world: World) -> set[str]:
    """The symbols that a formula is computed from, by the definitions in force."""
    found: set[str] = set()
    waiting = set(world.notation.symbols(body))
    while waiting:
        key = waiting.pop()
        found.add(key)
        definition = world.definition_of(key)
        if definition is None:
            found |= world.closure(key)  # of a family, or free
        else:
            waiting |= world.notation.symbols(definition.body) - found
            found |= set(definition.parameters)
    return found


def _by_parts(
    body: Node,
    place: "_Place",
    current: Bundle,
    world: World,
    node: Node,
    layout: Layout | None,
) -> Bundle:
    """The derivative by a set of symbols: by each of them."""
    definition = world.definition_of(place.target)
    names = definition.body if definition is not None else None
    if not isinstance(names, Group) or len(names.items) != len(current.items):
        raise Unknown("derivative by set")
    return Bundle(
        tuple(derivative(body, (name,), world, node, layout) for name in names.items)
    )


class _Place:
    """What a derivative is taken by: a symbol, or one entry of it."""

    def __init__(self, target: Any, entry: tuple[int, int] | None, transposed: bool):
        self.target, self.entry, self.transposed = target, entry, transposed


def _place_of(variable: Node, world: World) -> _Place:
    if not isinstance(variable, (Name, Script)):
        raise Unknown("derivative by", text=world.text(variable))
    reading = world.notation.reading(variable)
    if reading is None or reading.power is not None or reading.primes:
        raise Unknown("derivative by", text=world.text(variable))
    key = world.notation.known(reading.key)
    target: Any = key
    if reading.family is not None:
        target = (key, family_of(reading.family, world))
    if key in world.indices:
        raise Unknown("derivative by", text=world.text(variable))
    entry = None
    if reading.indices:
        value = _current(_Place(target, None, False), world)
        if not is_array(value):
            if key in world.guessed or key in world.locals:
                raise Unknown("no shape", symbol=key)
            raise IllTyped("index of number", text=key)
        places = []
        shape = shape_of(value)
        if len(shape) != len(reading.indices):
            raise IllTyped("axes", text=key, given=len(reading.indices), shape=shape)
        for index, size in zip(reading.indices, shape, strict=True):
            at = world.index_value(index, size)
            if not 1 <= at <= size:
                raise IllTyped(
                    "out of range",
                    text=key,
                    index=world.text(index),
                    size=size,
                    place=at,
                )
            places.append(at - 1)
        entry = (places[0], places[1] if len(places) > 1 else 0)
    return _Place(target, entry, bool(reading.marks))


def _current(place: _Place, world: World) -> Value:
    if isinstance(place.target, tuple):
        return world.value(*place.target)
    return world.value(place.target)


def _perturbed(current: Value, place: _Place, level: int) -> Value:
    """The variable with a slope of one by itself, or by each of its entries."""
    if isinstance(current, Bundle):
        raise Unknown("derivative by set")
    if not is_array(current):
        return Dual(level, current, (1,))
    changed = current.copy()
    if place.entry is not None:
        changed[place.entry] = Dual(level, current[place.entry], (1,))
        return changed
    for number, where in enumerate(_places(current)):
        slopes = tuple(int(i == number) for i in range(current.size))
        changed[where] = Dual(level, current[where], slopes)
    return changed


def _places(value: Value) -> list[tuple[int, int]]:
    rows, columns = value.shape
    return [(i, j) for i in range(rows) for j in range(columns)]


def _slopes(value: Any, level: int, count: int) -> tuple[Any, ...]:
    if isinstance(value, Dual):
        if value.level == level:
            return value.slopes
        if value.level > level:
            inner = _slopes(value.value, level, count)
            outer = [_slopes(s, level, count) for s in value.slopes]
            return tuple(
                Dual(value.level, inner[i], tuple(o[i] for o in outer))
                for i in range(count)
            )
    return (0,) * count


def _spread(value: Value, variable: Value) -> str:
    """What a derivative is one of, by what and of what it is taken."""
    if is_array(value):
        return "Jacobian"
    return "row" if 1 in variable.shape else "matrix"


def _laid_out(value: Value, variable: Value, level: int, layout: Layout) -> Value:
    """Slopes in the shape of the derivative by an array."""
    if not is_array(value):
        made = empty(*variable.shape)
        slopes = _slopes(value, level, variable.size)
        for slope, where in zip(slopes, _places(variable), strict=True):
            made[where] = slope
        return made.T if layout is Layout.ROWS else made
    made = _jacobian(value, variable, level)
    return made.T if layout is Layout.DENOMINATOR else made


def _along_row(value: Value, variable: Value, level: int) -> Value:
    """The same by an array that is written transposed."""
    if not is_array(value):
        return _laid_out(value, variable, level, Layout.ROWS)
    return _jacobian(value, variable, level)


def _jacobian(value: Value, variable: Value, level: int) -> Value:
    """A row for each entry of a column, and in it a slope by each of the other."""
    if value.shape[1] != 1 or variable.shape[1] != 1:
        raise Unknown("derivative of matrix")
    made = empty(value.shape[0], variable.shape[0])
    for i in range(value.shape[0]):
        made[i, :] = _slopes(value[i, 0], level, variable.size)
    return made
