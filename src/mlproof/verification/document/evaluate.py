r"""What a formula is worth in a world: the meaning of every node of the tree.

A sum sign takes the rest of its term.  A function without brackets takes the letters
and numbers that follow it.  A derivative is exact: its variable gets a dual number, and
the formula is computed again with all that depends on it.
"""

from fractions import Fraction as Rational
from typing import Any

from mlproof.verification.document import arrays
from mlproof.verification.document.arrays import (
    Bundle,
    Identity,
    IllTyped,
    Unknown,
    Value,
    add,
    column,
    empty,
    is_array,
    map_entries,
    shape_of,
)
from mlproof.verification.document.dots import (
    Pattern,
    additive,
    dotted_matrix,
    dotted_sum,
    settle,
)
from mlproof.verification.document.layout import Layout
from mlproof.verification.document.named import (
    applied,
    function_of,
    is_function_name,
    kronecker,
    norm,
)
from mlproof.verification.document.notation import (
    Reading,
    bound_names,
    index_parts,
    name_of,
    parts_of,
    unwrapped,
)
from mlproof.verification.document.numbers import Dual, Undefined, new_level, plain
from mlproof.verification.document.syntax import (
    Bars,
    Beside,
    Big,
    Binary,
    Cases,
    Derivative,
    Dots,
    Factorial,
    Fraction,
    Group,
    Listed,
    Matrix,
    Nabla,
    Name,
    Node,
    Number,
    Related,
    Root,
    Script,
    Signed,
)
from mlproof.verification.document.vocabulary import FUNCTIONS
from mlproof.verification.document.world import NeedIndex, World

MOST_TERMS = 2_000
MOST_STEPS = 150_000  # of one statement in one world


def evaluate(node: Node, world: World) -> Value:
    """The value of a formula.

    Raises
    ------
    IllTyped, Unknown, Undefined, NeedIndex
        If shapes do not fit, if something has no meaning here, if there is no value at
        this point, if a free index must first be given one.
    """
    world.steps += 1
    if world.steps > MOST_STEPS:
        raise Unknown("too long")
    return _EVALUATE[type(node)](node, world)


def _number(node: Number, world: World) -> Value:
    return world.arithmetic.number(node.value)


def _name(node: Name, world: World) -> Value:
    key = name_of(node) or ""
    if key not in world.indices:
        if node.text == "?":
            raise Unknown("glyph")
        if node.text == "O" and not world.has_meaning(world.notation.known(key)):
            raise Unknown("letter O")
        if is_function_name(node) and not world.has_meaning(key):
            raise Unknown("function alone", name=node.text)
        if node.text in ("infty", "partial", "cdot", "top", "d") and not (
            world.has_meaning(key)
        ):
            raise Unknown("sign", sign=node.text)
        if (node.face.split(" ")[0] == "bb" and node.text != "I") or (
            node.face == "bf" and node.text == "1"
        ):
            return _ones(key, world)
        key = world.notation.known(key)
        if node.text == "I" and not world.has_meaning(key):
            return Identity(1)
        if node.word and not world.has_meaning(key):
            raise Unknown("word", word=node.text)
        if _unbound_index(world, key):
            raise NeedIndex(key, 0)
    return world.value(key)


def _unbound_index(world: World, key: str) -> bool:
    """Whether a letter is only ever an index, and stands here by itself."""
    notation = world.notation
    return (
        key in notation.facts.bound
        and key not in world.indices
        and not world.has_meaning(key)
    )


def _ones(key: str, world: World) -> Value:
    if world.notation.types.get(key) or world.notation.definitions.get(key):
        return world.value(key)
    raise Unknown("word", word=key)


# Sums and products


def _binary(node: Binary, world: World) -> Value:
    if node.sign in "+-":
        return _additive(node, world)
    world.entrywise += node.sign == "odot"
    try:
        left = evaluate(node.left, world)
        right = evaluate(node.right, world)
    finally:
        world.entrywise -= node.sign == "odot"
    for value in (left, right):
        scaled = isinstance(value, Bundle) and node.sign in ("dot", "times")
        if isinstance(value, (Bundle, Pattern)) and not scaled:
            raise Unknown("product of")
    match node.sign:
        case "/":
            return arrays.divide(world.arithmetic, left, right)
        case "dot":
            return arrays.inner(left, right)
        case "odot":
            return arrays.entrywise(left, right)
        case "otimes":
            if is_array(left) and is_array(right) and left.shape[1] == 1:
                return arrays.multiply(left, arrays.transpose(right))
            raise Unknown("sign", sign=r"\otimes")
        case "times":
            if is_array(left) and is_array(right):
                raise Unknown("times of arrays")
            return arrays.multiply(left, right)
    raise Unknown("sign", sign=node.sign)


def _additive(node: Binary, world: World) -> Value:
    terms = additive(node)
    if any(isinstance(term, Dots) for _, term in terms):
        return dotted_sum(terms, world, evaluate)
    left, right = evaluate(node.left, world), evaluate(node.right, world)
    if node.sign == "-":
        right = right.negative() if isinstance(right, Pattern) else -right
    if isinstance(left, Pattern) or isinstance(right, Pattern):
        left, right = settle(left, right, node.left, node.right, world)
    if world.entrywise and is_array(left) != is_array(right):
        number, other = (node.left, right) if is_array(right) else (node.right, left)
        if isinstance(number, Number) and is_array(other):
            # 1 - h in a product entry by entry is the vector of ones, less h.
            world.notes.add(("number and array", node.start, node.end))
            return left + right
    try:
        return add(left, right)
    except IllTyped as error:
        error.found.setdefault("at", node.right)
        raise


def _signed(node: Signed, world: World) -> Value:
    value = evaluate(node.body, world)
    if isinstance(value, Pattern):
        return value.negative() if node.sign == "-" else value
    return -value if node.sign == "-" else value


def _fraction(node: Fraction, world: World) -> Value:
    above, below = evaluate(node.above, world), evaluate(node.below, world)
    if isinstance(above, (Bundle, Pattern)) or isinstance(below, (Bundle, Pattern)):
        raise Unknown("product of")
    return arrays.divide(world.arithmetic, above, below)


def _root(node: Root, world: World) -> Value:
    body = evaluate(node.body, world)
    if node.degree is None:
        return map_entries(lambda x: world.arithmetic.apply("sqrt", x), body)
    degree = evaluate(node.degree, world)
    exponent = world.arithmetic.divide(1, degree)
    return map_entries(lambda x: world.arithmetic.power(x, exponent), body)


# One after another


def _beside(node: Beside, world: World) -> Value:
    return _run(node.items, world)


def _run(items: tuple[Node, ...], world: World) -> Value:
    product: Value = None
    at = 0
    while at < len(items):
        factor, at = _factor(items, at, world)
        if product is None:
            product = factor
        elif isinstance(product, Pattern) or isinstance(factor, Pattern):
            product = _scaled(product, factor)
        else:
            product = arrays.multiply(product, factor)
    return product


def _scaled(a: Value, b: Value) -> Value:
    pattern, scale = (a, b) if isinstance(a, Pattern) else (b, a)
    if isinstance(scale, Pattern) or is_array(scale):
        raise Unknown("product of")
    return pattern.map(lambda entry: entry * scale)


def _factor(items: tuple[Node, ...], at: int, world: World) -> tuple[Value, int]:
    """The value of a factor, which may take those after it, and where the next is."""
    item = items[at]
    rest = items[at + 1 :]
    if isinstance(item, Nabla) and rest:
        return gradient(_together(rest), item, world), len(items)
    if isinstance(item, Derivative) and not item.lost:
        if item.body is None and rest:
            body = _together(rest)
            return derivative(body, item.variables, world, item), len(items)
        if rest and _takes_argument(item, rest[0], world):
            return _called(item, rest[0], world), at + 2
    if _is_operator(item) and not rest:
        return evaluate(item, world), at + 1
    if _is_one(item) and is_indicator(item) and _has_condition(item, rest):
        return _indicator(item, rest, world), at + _indicator_length(item, rest)
    if rest and _takes_argument(item, rest[0], world):
        return _called(item, rest[0], world), at + 2
    if _is_function(item, world):
        end = _argument_end(items, at + 1, world)
        if end == at + 1:
            raise Unknown("function alone", name=world.text(item))
        argument = _run(items[at + 1 : end], world)
        return _apply_node(item, [argument], world), end
    return evaluate(item, world), at + 1


def _together(items: tuple[Node, ...]) -> Node:
    if len(items) == 1:
        return items[0]
    return Beside(items[0].start, items[-1].end, items)


def _is_operator(item: Node) -> bool:
    return isinstance(item, (Nabla, Derivative))


def _group(node: Node) -> Group | None:
    base = node.base if isinstance(node, Script) else node
    if isinstance(base, Group) and base.bracket in ("(", "["):
        return base
    return None


def _is_function(item: Node, world: World) -> bool:
    """Whether a factor is a function by its name."""
    base = item.base if isinstance(item, Script) else item
    if not isinstance(base, Name) or function_of(base, world) is None:
        return False
    return not world.has_meaning(name_of(base) or "") or base.word


def _takes_argument(item: Node, after: Node, world: World) -> bool:
    """Whether brackets after a factor hold its argument, and not another factor."""
    group = _group(after)
    if group is None:
        return False
    if _is_function(item, world):
        return True
    if isinstance(item, Derivative):
        return item.body is not None and _is_bare_function(item.body, world, 1)
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
        return True
    if reading.primes and not world.notation.types.get(key):
        return True
    if world.notation.is_function(key):
        return True
    if not found:
        return len(group.items) > 1 and group.bracket == "("
    if isinstance(after, Script):
        return False  # d (a)^T is a product
    closure = world.closure(key)
    targets = [_target(argument, world) for argument in group.items]
    return all(t is not None and (t in closure or len(targets) > 1) for t in targets)


def _is_bare_function(body: Node, world: World, count: int | None = None) -> bool:
    if _is_function(body, world):
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
    if reading is None or reading.power or reading.marks:
        return None
    key = world.notation.known(reading.key)
    return world.notation.family_base(key) or key


def _argument_end(items: tuple[Node, ...], at: int, world: World) -> int:
    """Where the argument of a function without brackets ends."""
    if at >= len(items):
        return at
    first = items[at]
    if _is_function(first, world):
        after = at + 1
        if after < len(items) and _group(items[after]) is not None:
            return after + 1
        return _argument_end(items, after, world)
    if not isinstance(first, (Name, Script, Number)):
        return at + 1
    if at + 1 < len(items) and _takes_argument(first, items[at + 1], world):
        return at + 2
    end = at
    while end < len(items):
        item = items[end]
        plain_factor = isinstance(item, (Name, Number)) or (
            isinstance(item, Script) and isinstance(item.base, Name)
        )
        if not plain_factor or _is_function(item, world):
            break
        end += 1
    return max(end, at + 1)


def _called(item: Node, after: Node, world: World) -> Value:
    """A function at what stands in the brackets behind it, then their scripts."""
    group = _group(after)
    assert group is not None
    value = _apply_at(item, group, world)
    if isinstance(after, Script):
        return _scripted(value, after, world)
    return value


def _apply_at(item: Node, group: Group, world: World) -> Value:
    if isinstance(item, Derivative):
        assert item.body is not None
        order = len(item.variables)
        return _derived_function(item.body, _arguments(group, world), order, world)
    if _is_function(item, world):
        return _apply_node(item, _arguments(group, world), world)
    reading = world.notation.reading(item)
    assert reading is not None
    return _rebound(reading, group, world)


def _arguments(group: Group, world: World) -> list[Value]:
    if any(isinstance(i, Dots) for i in group.items):
        return [dotted_matrix(tuple((i,) for i in group.items), world, evaluate)]
    return [evaluate(item, world) for item in group.items]


def _apply_node(item: Node, arguments: list[Value], world: World) -> Value:
    """A named function, with what its name carries: tanh^2, onehot_m, log_2, tanh'."""
    script = item if isinstance(item, Script) else None
    base = item.base if isinstance(item, Script) else item
    assert isinstance(base, Name)
    meant = function_of(base, world)
    assert meant is not None
    below = script.below if script else None
    if script is not None and script.primes:
        value = _derived_function(base, arguments, script.primes, world)
    else:
        value = applied(meant, arguments, below, world, evaluate)
    if script is not None and script.above is not None:
        power = evaluate(script.above, world)
        if plain(power) == -1:
            raise Unknown("inverse function")
        value = map_entries(lambda x: world.arithmetic.power(x, power), value)
    return value


def _derived_function(
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
        value = _derived_function(function, [there], order - 1, world)
        return _slope(value, level)

    return map_entries(derived, arguments[0])


def _value_of_function(function: Node, argument: Value, world: World) -> Value:
    if _is_function(function, world):
        return _apply_node(function, [argument], world)
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


# Symbols that are functions


def _rebound(reading: Reading, group: Group, world: World) -> Value:
    """A symbol with other values for what it depends on."""
    key = world.notation.known(reading.key)
    found = world.notation.definitions.get(key, [])
    parameters = next((d.parameters for d in found if d.parameters), ())
    if not found and world.notation.is_function(key):
        return _some_function(key, reading.primes, _arguments(group, world), world)
    if not parameters and not found:
        raise Unknown("function", name=key)
    overrides: dict[Any, Value] = {}
    named = parameters if len(parameters) == len(group.items) else None
    for place, item in enumerate(group.items):
        target = named[place] if named else _target(item, world)
        if target is None:
            raise Unknown("argument", text=world.text(item))
        if _target(item, world) == target and _identical(item, target, world):
            continue
        if named is None and target not in world.closure(key):
            continue
        overrides[target] = evaluate(item, world)
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
        return _read(bare, world)
    return _elementwise_or_whole(bare, overrides, named, world)


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
            return _read(reading, world)
    except (IllTyped, Unknown):
        if named is None or len(overrides) != 1:
            raise
        ((target, argument),) = overrides.items()
        if not is_array(argument) or world.notation.types.get(target):
            raise

        def at(x: Any) -> Any:
            with world.override({target: x}):
                return _read(reading, world)

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
    )


# Scripts


def _script(node: Script, world: World) -> Value:
    base = node.base
    if is_indicator(node):
        return _indicator(node, (), world)
    if isinstance(base, Name) and not _is_function(base, world):
        reading = world.notation.reading(node)
        assert reading is not None
        if (
            base.text == "I"
            and node.above is None
            and not world.has_meaning(world.notation.known(reading.key))
        ):
            sizes = index_parts(node.below)
            if len(sizes) == 1:
                return Identity(1).of_size(world.whole(sizes[0]))
        if reading.key == "delta" and not world.has_meaning(
            world.notation.known("delta")
        ):
            return kronecker(reading, world)
        return _read(reading, world)
    if isinstance(base, Bars) and (base.double or node.below is not None):
        if not base.double:
            raise Unknown("bars")
        value = evaluate(base.body, world)
        return norm(value, node.below, node.above, world, evaluate)
    if isinstance(base, Name):
        raise Unknown("function alone", name=base.text)
    return _scripted(evaluate(base, world) if not node.primes else None, node, world)


def _scripted(value: Value, node: Script, world: World) -> Value:
    """What the scripts of brackets do to their value."""
    if node.primes:
        value = _primed_formula(node, world)
    if node.below is not None:
        value = _entry(value, index_parts(node.below), world, node)
    for part in parts_of(node.above):
        if isinstance(part, Name) and (
            part.text in ("top", "intercal", "T")
            or (part.text == "t" and is_array(value))
        ):
            value = arrays.transpose(value)
        elif isinstance(part, Signed) and _transposed_inverse(part):
            value = arrays.transpose(_power(value, -1, world))
        else:
            value = _power(value, evaluate(part, world), world)
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


def _power(value: Value, exponent: Value, world: World) -> Value:
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
    if bare == -1:
        return arrays.inverse(world.arithmetic, value)
    if value.shape[0] != value.shape[1]:
        raise Unknown("power of array")
    product = value
    for _ in range(int(bare) - 1):
        product = arrays.multiply(product, value)
    return product


def _read(reading: Reading, world: World) -> Value:
    """The value of a symbol with its scripts."""
    notation = world.notation
    key = notation.known(reading.key)
    if reading.primes:
        raise Unknown("prime of")
    family: Any = None
    if reading.family is not None:
        family = _family(reading.family, world)
        base = notation.family_base(key)
        if base is not None and not notation.types.get(key):
            value = _member(key, base, family, world)
        else:
            value = world.value(key, family)
    elif key.endswith("[]") and key[:-2] in notation.sizes:
        if len(reading.indices) != 1:
            raise Unknown("axes", symbol=key[:-2])
        return world.size_of_layer(key, _family(reading.indices[0], world))
    elif reading.indices:
        value = _base_of_entry(key, world)
    elif key in world.indices:
        value = world.indices[key]
    else:
        value = world.value(key)
    if reading.indices:
        value = _entry(value, reading.indices, world, None, key)
    for _ in reading.marks:
        value = arrays.transpose(value)
    if reading.power is not None:
        exponent = evaluate(reading.power, world)
        value = _power(value, exponent, world)
    return value


def _family(node: Node, world: World) -> int:
    """Which one of a family; a letter without a value runs as far as it is said to."""
    name = name_of(node)
    if name is not None and name not in world.indices and not world.has_meaning(name):
        raise NeedIndex(name, 0)
    return world.whole(node)


def _base_of_entry(key: str, world: World) -> Value:
    if key in world.indices:
        raise IllTyped("index of number", text=key)
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
            size = world.label_sizes.get(base, 2)
        stream = world._random(f"{key} {family}")
        return stream.randrange(size) + 1
    return world.value(key, family)


def _entry(
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
        raise IllTyped("index of number", text=shown)
    shape = shape_of(value)
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
        if not 1 <= place <= size:
            raise IllTyped(
                "out of range",
                text=shown,
                index=world.text(index) if index.end else name_of(index),
                size=size,
                place=place,
            )
        places.append(place - 1)
    return value[places[0], places[1] if len(places) > 1 else 0]


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


# Big signs


def _big(node: Big, world: World) -> Value:
    if node.body is None:
        raise Unknown("nothing after", sign=node.name)
    if node.name.startswith("arg"):
        raise Unknown("argmin")
    if node.name in ("max", "min") and node.below is None:
        return applied(node.name, [evaluate(node.body, world)], None, world, evaluate)
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
    names = list(bound_names(node)) if below is not None else []
    if not names:
        raise Unknown("bound", sign=node.name)
    conditions = [p for p in parts_of(below) if isinstance(p, Related)]
    _over(node, [name for name, _ in names], conditions, world, found)
    return found


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
            found.append(evaluate(node.body, world))
        return
    name, *others = names
    low, high = _limits(node, name, others, world)
    for value in range(low, high + 1):
        with world.index(name, value):
            _over(node, others, conditions, world, found)


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
        if part.relations[0] in ("<=", "<") and len(part.members) == 3:
            low = _whole(part.members[0], world)
            high = _whole(part.members[2], world)
            return (low + (part.relations[0] == "<"), high - (part.relations[1] == "<"))
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
            evaluate(node.body, world)
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


# Conditions


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
        return evaluate(node, world)
    finally:
        world.arithmetic.kinks = kinks  # which case it is has no slope


def _is_one(node: Node) -> bool:
    """Whether this may be the 1 of a condition, by its sign alone."""
    base = node.base if isinstance(node, Script) else node
    if isinstance(base, Number):
        return base.value == 1 and isinstance(node, Script)
    return isinstance(base, Name) and base.text in _ONE_SIGNS


_ONE_SIGNS = frozenset(("1", "I", "?", "𝟙", "chi", "delta"))


def _has_condition(item: Node, rest: tuple[Node, ...]) -> bool:
    if isinstance(item, Script):
        return True
    return bool(rest) and any(isinstance(i, Related) for i in rest[0].walk())


def is_indicator(node: Node) -> bool:
    """Whether this is the 1 of a condition."""
    if not _is_one(node):
        return False
    if not isinstance(node, Script):
        return isinstance(node, Name) and node.face in ("bb", "bf")
    return node.below is not None and any(
        isinstance(inner, Related) for inner in node.below.walk()
    )


def _indicator_length(item: Node, rest: tuple[Node, ...]) -> int:
    if isinstance(item, Script) and item.below is not None:
        group = _group(rest[0]) if rest else None
        if group is None or len(group.items) != 1 or isinstance(rest[0], Script):
            return 1
        return 2 if isinstance(unwrapped(group.items[0]), (Name, Script)) else 1
    return 2 if rest else 1


def _indicator(item: Node, rest: tuple[Node, ...], world: World) -> Value:
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
    return _truth_value(condition, world)


def _truth_value(condition: Node, world: World) -> Value:
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


def _cases(node: Cases, world: World) -> Value:
    for value, condition in node.rows:
        if condition is None or truth(condition, world):
            return evaluate(value, world)
    raise Undefined("none of the cases")


# Brackets


def _bracketed(node: Group, world: World) -> Value:
    items = node.items
    if len(items) == 1 and not isinstance(items[0], Dots):
        if isinstance(items[0], Related):
            if node.bracket == "[":
                return _truth_value(items[0], world)
            raise Unknown("condition", text=world.text(node))
        return evaluate(items[0], world)
    if not items:
        raise Unknown("empty brackets")
    if node.bracket == "{":
        return Bundle(tuple(evaluate(item, world) for item in items))
    if node.bracket == "<" and len(items) == 2:
        a, b = (evaluate(item, world) for item in items)
        return arrays.total(arrays.entrywise(a, b))
    if node.bracket not in ("(", "["):
        raise Unknown("brackets", bracket=node.bracket)
    if any(isinstance(i, Dots) for i in items):
        return dotted_matrix(tuple((i,) for i in items), world, evaluate)
    values = [evaluate(item, world) for item in items]
    if any(is_array(v) or isinstance(v, Bundle) for v in values):
        return Bundle(tuple(values))
    return column(values)


def _bars(node: Bars, world: World) -> Value:
    value = evaluate(node.body, world)
    if isinstance(value, (Bundle, Pattern)):
        raise Unknown("bars")
    if node.double:
        return norm(value, None, None, world, evaluate)
    if is_array(value):
        raise Unknown("bars")
    return world.arithmetic.apply("abs", value)


def _matrix(node: Matrix, world: World) -> Value:
    return dotted_matrix(node.rows, world, evaluate)


def _listed(_node: Listed, _world: World) -> Value:
    raise Unknown("list")


def _related(node: Related, world: World) -> Value:
    raise Unknown("condition", text=world.text(node))


def _dots(_node: Dots, _world: World) -> Value:
    raise Unknown("dots")


def _nabla(_node: Nabla, _world: World) -> Value:
    raise Unknown("nothing after", sign=r"\nabla")


# Derivatives


def _derivative_node(node: Derivative, world: World) -> Value:
    if node.lost:
        raise IllTyped("lost d", at=node)
    if node.body is None:
        raise Unknown("nothing after", sign="d")
    body = node.body
    if _is_bare_function(body, world) and len(set(node.variables)) == 1:
        reading = None
        if isinstance(body, (Name, Script)) and not _is_function(body, world):
            reading = world.notation.reading(body)
        if reading is None:
            argument = evaluate(node.variables[0], world)
            return _derived_function(body, [argument], len(node.variables), world)
    return derivative(body, node.variables, world, node)


def gradient(body: Node, nabla: Nabla, world: World) -> Value:
    if nabla.variable is None:
        raise Unknown("nothing after", sign=r"\nabla")
    variables = (unwrapped(nabla.variable),) * nabla.order
    return derivative(body, variables, world, body, Layout.COLUMNS)


def _factorial(node: Factorial, world: World) -> Value:
    value = evaluate(node.body, world)
    return map_entries(lambda x: world.arithmetic.apply("factorial", x), value)


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
            value = evaluate(body, world)
    if isinstance(value, (Bundle, Pattern)):
        raise Unknown("derivative of set")
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
        target = (key, _family(reading.family, world))
    if key in world.indices:
        raise Unknown("derivative by", text=world.text(variable))
    entry = None
    if reading.indices:
        value = _current(_Place(target, None, False), world)
        if not is_array(value):
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


_EVALUATE: dict[type, Any] = {
    Number: _number,
    Name: _name,
    Binary: _binary,
    Signed: _signed,
    Fraction: _fraction,
    Root: _root,
    Beside: _beside,
    Script: _script,
    Big: _big,
    Cases: _cases,
    Group: _bracketed,
    Bars: _bars,
    Matrix: _matrix,
    Listed: _listed,
    Related: _related,
    Dots: _dots,
    Nabla: _nabla,
    Factorial: _factorial,
    Derivative: _derivative_node,
}
