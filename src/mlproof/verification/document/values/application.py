r"""Functions and what they are applied to.

A function without brackets takes the letters and numbers that follow it.  Brackets
after a symbol hold its argument if the document defines or uses it as a function, and
are a factor otherwise.
"""

from fractions import Fraction as Rational
from typing import Any

from mlproof.verification.document.notation.names import (
    canonical,
    index_parts,
    name_of,
    parts_of,
    unwrapped,
)
from mlproof.verification.document.notation.notation import Reading
from mlproof.verification.document.text.syntax import (
    Beside,
    Derivative,
    Dots,
    Group,
    Name,
    Node,
    Number,
    Script,
    Signed,
    group_of,
)
from mlproof.verification.document.text.vocabulary import FUNCTIONS
from mlproof.verification.document.values import arrays
from mlproof.verification.document.values.arrays import (
    IllTyped,
    Unknown,
    Value,
    is_array,
    map_entries,
)
from mlproof.verification.document.values.derivatives import derivative
from mlproof.verification.document.values.dots import (
    dotted_matrix,
)
from mlproof.verification.document.values.named import (
    applied,
    function_of,
)
from mlproof.verification.document.values.numbers import Dual, new_level, plain
from mlproof.verification.document.values.scripts import entry_of, power, read_symbol
from mlproof.verification.document.values.world import World


def is_function(item: Node, world: World) -> bool:
    """Whether a factor is a function by its name."""
    base = item.base if isinstance(item, Script) else item
    if not isinstance(base, Name) or function_of(base, world) is None:
        return False
    return not world.has_meaning(name_of(base) or "") or base.word


def takes_argument(item: Node, after: Node, world: World) -> bool:
    """Whether brackets after a factor hold its argument, and not another factor."""
    group = group_of(after)
    if group is None:
        return False
    if is_function(item, world):
        return not _names_bare(group, item)
    if isinstance(item, Derivative):
        return item.body is not None and is_bare_function(item.body, world, 1)
    if not isinstance(item, (Name, Script)):
        return False
    reading = world.notation.reading(item)
    if reading is None:
        return False
    key = world.notation.known(reading.key)
    if key in world.notation.sizes or key in world.indices:
        return False
    found = world.notation.definitions.get(key, [])
    if any(d.parameters for d in found):
        return not _names_bare(group, item)
    if reading.primes and not world.notation.types.get(key):
        return True
    if world.notation.is_function(key):
        return True
    if not found:
        return len(group.items) > 1 and group.bracket == "("
    if isinstance(after, Script):
        return False  # d (a)^T is a product
    if _names_bare(group, item):
        return False  # f_i (1 - f_j)
    closure = world.closure(key)
    targets = [_target(argument, world) for argument in group.items]
    return all(t is not None and (t in closure or len(targets) > 1) for t in targets)


def _names_bare(group: Group, item: Node) -> bool:
    """Whether brackets hold the function itself: sigma (1 - sigma) is a product."""
    item = item.base if isinstance(item, Script) else item
    if not isinstance(item, Name) or item.word:
        return False
    called = {
        id(item)
        for node in group.walk()
        if isinstance(node, Beside)
        for item, after in zip(node.items, node.items[1:], strict=False)
        if group_of(after) is not None
    }
    return any(
        node == item and id(node) not in called
        for node in group.walk()
        if isinstance(node, Name)
    )


def is_bare_function(body: Node, world: World, count: int | None = None) -> bool:
    if is_function(body, world):
        return True
    if isinstance(body, (Name, Script)):
        reading = world.notation.reading(body)
        if reading is not None:
            key = world.notation.known(reading.key)
            found = world.notation.definitions.get(key, [])
            if world.notation.is_function(key):
                return True
            return any(
                d.parameters and count in (None, len(d.parameters)) for d in found
            )
    return False


def _target(argument: Node, world: World) -> str | None:
    """The symbol that an argument takes the place of: x for x^{(i)}."""
    argument = unwrapped(argument)
    if not isinstance(argument, (Name, Script)):
        return None
    reading = world.notation.reading(argument)
    if reading is None or reading.power or reading.marks or reading.primes:
        return None
    key = world.notation.known(reading.key)
    return world.notation.family_base(key) or key


def argument_end(items: tuple[Node, ...], at: int, world: World) -> int:
    """Where the argument of a function without brackets ends."""
    if at >= len(items):
        return at
    first = items[at]
    if is_function(first, world):
        after = at + 1
        if after < len(items) and group_of(items[after]) is not None:
            return after + 1
        return argument_end(items, after, world)
    if not isinstance(first, (Name, Script, Number)):
        return at + 1
    if at + 1 < len(items) and takes_argument(first, items[at + 1], world):
        return at + 2
    end = at
    while end < len(items):
        item = items[end]
        plain_factor = isinstance(item, (Name, Number)) or (
            isinstance(item, Script) and isinstance(item.base, Name)
        )
        if not plain_factor or is_function(item, world):
            break
        end += 1
    return max(end, at + 1)


def called(item: Node, after: Node, world: World) -> Value:
    """A function at what stands in the brackets behind it, then their scripts."""
    group = group_of(after)
    assert group is not None
    value = _apply_at(item, group, world)
    if isinstance(after, Script):
        return scripted(value, after, world)
    return value


def _apply_at(item: Node, group: Group, world: World) -> Value:
    if isinstance(item, Derivative):
        assert item.body is not None
        order = len(item.variables)
        return derived_function(item.body, _arguments(group, world), order, world)
    if is_function(item, world):
        meant = function_of(item.base if isinstance(item, Script) else item, world)
        return apply_node(item, _arguments(group, world, meant or ""), world)
    reading = world.notation.reading(item)
    assert reading is not None
    return _rebound(reading, group, world)


def _arguments(group: Group, world: World, name: str = "") -> list[Value]:
    if any(isinstance(i, Dots) for i in group.items):
        return [dotted_matrix(tuple((i,) for i in group.items), world)]
    world.entrywise += name == "diag"  # diag(1 - h^2)
    try:
        return [world.evaluate(item) for item in group.items]
    finally:
        world.entrywise -= name == "diag"


def apply_node(item: Node, arguments: list[Value], world: World) -> Value:
    """A named function, with what its name carries: tanh^2, onehot_m, log_2, tanh'."""
    script = item if isinstance(item, Script) else None
    base = item.base if isinstance(item, Script) else item
    assert isinstance(base, Name)
    meant = function_of(base, world)
    assert meant is not None
    below = script.below if script else None
    if script is not None and script.primes:
        value = derived_function(base, arguments, script.primes, world)
    else:
        value = applied(meant, arguments, below, world)
    if script is not None and script.above is not None:
        power = world.evaluate(script.above)
        if plain(power) == -1:
            raise Unknown("inverse function")
        value = map_entries(lambda x: world.arithmetic.power(x, power), value)
    return value


def derived_function(
    function: Node, arguments: list[Value], order: int, world: World
) -> Value:
    """The derivative of a function of one number, at each entry of its argument."""
    if len(arguments) != 1:
        raise Unknown("derivative of several")
    if order == 0:
        return _value_of_function(function, arguments[0], world)
    level = new_level()

    def derived(x: Any) -> Any:
        there = Dual(level, x, (1,))
        value = derived_function(function, [there], order - 1, world)
        return _slope(value, level)

    return map_entries(derived, arguments[0])


def _value_of_function(function: Node, argument: Value, world: World) -> Value:
    if is_function(function, world):
        return apply_node(function, [argument], world)
    assert isinstance(function, (Name, Script))
    reading = world.notation.reading(function)
    assert reading is not None
    if world.notation.is_function(world.notation.known(reading.key)):
        return _some_function(reading.key, 0, [argument], world)
    return _at_parameters(world.notation.known(reading.key), [argument], world)


def _slope(value: Any, level: int) -> Any:
    if isinstance(value, Dual) and value.level == level:
        return value.slopes[0]
    if isinstance(value, Dual) and value.level > level:
        return Dual(
            value.level,
            _slope(value.value, level),
            tuple(_slope(s, level) for s in value.slopes),
        )
    return 0


def _rebound(reading: Reading, group: Group, world: World) -> Value:
    """A symbol with other values for what it depends on."""
    key = world.notation.known(reading.key)
    found = world.notation.definitions.get(key, [])
    parameters = next((d.parameters for d in found if d.parameters), ())
    if len({len(d.parameters) for d in found if d.parameters}) > 1:
        raise Unknown("function of several", name=key)
    if parameters and reading.power is not None and _is_minus_one(reading.power):
        raise Unknown("inverse function")
    if not found and world.notation.is_function(key):
        return _some_function(key, reading.primes, _arguments(group, world), world)
    if not parameters and not found:
        raise Unknown("function", name=key)
    overrides: dict[Any, Value] = {}
    named = parameters if len(parameters) == len(group.items) else None
    for place, item in enumerate(group.items):
        target = named[place] if named else _target(item, world)
        if target is None or (target[:1] == "=" and target != f"={canonical(item)}"):
            raise Unknown("argument", text=world.text(item))
        if target[:1] == "=":
            continue  # f(x; \sigma^2), written as it is defined
        if _target(item, world) == target and _identical(item, target, world):
            continue
        if named is None and target not in world.closure(key):
            continue
        overrides[target] = world.evaluate(item)
    bare = Reading(
        reading.key,
        reading.family,
        reading.indices,
        reading.marks,
        reading.power,
        reading.primes,
    )
    if reading.primes:
        values = list(overrides.values()) or [world.value(p) for p in parameters]
        return _primed(key, values, reading.primes, world)
    if not overrides:
        return read_symbol(bare, world)
    return _elementwise_or_whole(bare, overrides, named, world)


def _is_minus_one(node: Node) -> bool:
    return isinstance(node, Signed) and node.sign == "-" and node.body == _ONE


_ONE = Number(0, 0, Rational(1))


def _some_function(
    key: str, primes: int, arguments: list[Value], world: World
) -> Value:
    """A smooth function that is nothing special, for one that is not given."""
    if len(arguments) != 1:
        raise Unknown("function", name=key)
    world.guessed.discard(key)
    shift = sum(map(ord, key)) % 7 / 7
    arithmetic = world.arithmetic

    def at(x: Any) -> Any:
        inner = x * arithmetic.number(Rational(13, 10)) + arithmetic.number(
            Rational(shift).limit_denominator(7)
        )
        return arithmetic.apply("sin", inner) + x * x * arithmetic.number(
            Rational(1, 5)
        )

    def derived(x: Any, order: int) -> Any:
        if order == 0:
            return at(x)
        level = new_level()
        return _slope(derived(Dual(level, x, (1,)), order - 1), level)

    return map_entries(lambda x: derived(x, primes), arguments[0])


def _elementwise_or_whole(
    reading: Reading,
    overrides: dict[Any, Value],
    named: tuple[str, ...] | None,
    world: World,
) -> Value:
    """At a vector, a function written for numbers is taken entry by entry."""
    try:
        with world.override(overrides):
            return read_symbol(reading, world)
    except (IllTyped, Unknown):
        if named is None or len(overrides) != 1:
            raise
        ((target, argument),) = overrides.items()
        if not is_array(argument) or world.notation.types.get(target):
            raise

        def at(x: Any) -> Any:
            with world.override({target: x}):
                return read_symbol(reading, world)

        return map_entries(at, argument)


def _primed(key: str, values: list[Value], primes: int, world: World) -> Value:
    if len(values) != 1:
        raise Unknown("derivative of several")
    level = new_level()

    def derived(x: Any) -> Any:
        there = Dual(level, x, (1,))
        inner = (
            _primed(key, [there], primes - 1, world)
            if primes > 1
            else _at_parameters(key, [there], world)
        )
        return _slope(inner, level)

    return map_entries(derived, values[0])


def _at_parameters(key: str, values: list[Value], world: World) -> Value:
    found = world.notation.definitions.get(key, [])
    parameters = next((d.parameters for d in found if d.parameters), None)
    if parameters is None or len(parameters) != len(values):
        raise Unknown("function", name=key)
    overrides = dict(zip(parameters, values, strict=True))
    return _elementwise_or_whole(Reading(key), overrides, parameters, world)


def _identical(item: Node, target: str, world: World) -> bool:
    item = unwrapped(item)
    reading = world.notation.reading(item) if isinstance(item, (Name, Script)) else None
    return (
        reading is not None
        and world.notation.known(reading.key) == target
        and reading.family is None
        and not reading.indices
        and not reading.primes
    )


def scripted(value: Value, node: Script, world: World) -> Value:
    """What the scripts of brackets do to their value."""
    if node.primes:
        value = _primed_formula(node, world)
    if node.below is not None:
        value = entry_of(value, index_parts(node.below), world, node)
    base = node.base
    listed = isinstance(base, Group) and base.bracket == "(" and len(base.items) > 1
    for part in parts_of(node.above):
        if isinstance(part, Name) and (
            part.text in ("top", "intercal", "T")
            or (part.text == "t" and is_array(value))
        ):
            # (t_1, ..., t_N)^T is the column that it is called without the mark too.
            value = value if listed else arrays.transpose(value)
        elif isinstance(part, Signed) and _transposed_inverse(part):
            value = arrays.transpose(power(value, -1, world))
        else:
            value = power(value, world.evaluate(part), world)
    return value


def _transposed_inverse(part: Signed) -> bool:
    return isinstance(part.body, Name) and part.body.text in ("top", "T")


def _primed_formula(node: Script, world: World) -> Value:
    """``(e^x)'``, by the only variable there is."""
    names = {
        key
        for key in world.notation.symbols(node.base)
        if key not in ("e", "pi") and key not in world.notation.sizes
    } - set(FUNCTIONS)
    if len(names) != 1:
        raise Unknown("prime of")
    variable = Name(node.start, node.end, next(iter(names)))
    return derivative(node.base, (variable,) * node.primes, world, node)
