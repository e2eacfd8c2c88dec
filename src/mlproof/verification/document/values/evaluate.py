r"""What a formula is worth in a world: the meaning of every node of the tree.

Each kind of node has its function here or, where it takes more than a page, in a module
of its own: symbols with indices, conditions, big signs, derivatives, functions.
"""

import re
from typing import Any

from mlproof.verification.document.notation.names import (
    index_like,
    index_parts,
    name_of,
    parts_of,
    unwrapped,
)
from mlproof.verification.document.notation.notation import Reading
from mlproof.verification.document.text.syntax import (
    At,
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
from mlproof.verification.document.text.vocabulary import FUNCTIONS
from mlproof.verification.document.values import arrays
from mlproof.verification.document.values.application import (
    apply_node,
    argument_end,
    called,
    derived_function,
    is_bare_function,
    is_function,
    scripted,
    takes_argument,
)
from mlproof.verification.document.values.arrays import (
    Bundle,
    Identity,
    IllTyped,
    Unknown,
    Value,
    add,
    column,
    is_array,
    map_entries,
)
from mlproof.verification.document.values.conditions import (
    cases,
    has_condition,
    indicator,
    indicator_length,
    is_indicator,
    is_one,
    truth_value,
)
from mlproof.verification.document.values.derivatives import derivative, gradient
from mlproof.verification.document.values.dots import (
    Pattern,
    additive,
    dotted_matrix,
    dotted_sum,
    settle,
)
from mlproof.verification.document.values.named import (
    function_of,
    is_function_name,
    kronecker,
    norm,
)
from mlproof.verification.document.values.scripts import read_symbol
from mlproof.verification.document.values.sums import big
from mlproof.verification.document.values.world import NeedIndex, World

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


def _binary(node: Binary, world: World) -> Value:
    if node.sign in "+-":
        return _additive(node, world)
    by_entries = node.sign == "odot" or (
        node.sign in ("dot", "star") and world.dots_by_entries
    )
    world.entrywise += by_entries
    try:
        left = world.evaluate(node.left)
        right = world.evaluate(node.right)
    finally:
        world.entrywise -= by_entries
    for value in (left, right):
        scaled = isinstance(value, Bundle) and node.sign in ("dot", "times", "star")
        if isinstance(value, (Bundle, Pattern)) and not scaled:
            raise Unknown("product of")
    match node.sign:
        case "/":
            return arrays.divide(world.arithmetic, left, right)
        case "dot":
            return _dot(left, right, node, world)
        case "odot":
            sides = (node.left, node.right)
            if _is_circle(node, world) and any(
                isinstance(side, Name) and is_bare_function(side, world)
                for side in sides
            ):
                raise Unknown("composition")
            return arrays.entrywise(left, right)
        case "star":
            if not (is_array(left) and is_array(right)):
                return arrays.multiply(left, right)
            if left.shape != right.shape or len(set(left.shape)) == 1:
                raise Unknown("sign", sign="*")
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


def _dot(left: Value, right: Value, node: Binary, world: World) -> Value:
    r"""A product with ``\cdot``: of columns the inner one, if that has a meaning."""
    if world.dots_by_entries and arrays.are_columns(left, right):
        world.notes.add(("dot by entries", node.start, node.end))
        return arrays.entrywise(left, right)
    return arrays.inner(left, right)


def _is_circle(node: Binary, world: World) -> bool:
    return world.source[slice(*node.at)] in (r"\circ", "∘")


def _additive(node: Binary, world: World) -> Value:
    terms = additive(node)
    if any(isinstance(term, Dots) for _, term in terms):
        return dotted_sum(terms, world)
    left, right = world.evaluate(node.left), world.evaluate(node.right)
    if node.sign == "-":
        right = right.negative() if isinstance(right, Pattern) else -right
    if isinstance(left, Pattern) or isinstance(right, Pattern):
        left, right = settle(left, right, node.left, node.right, world)
    by_entries = world.entrywise or world.dots_by_entries
    if by_entries and is_array(left) != is_array(right):
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
    value = world.evaluate(node.body)
    if isinstance(value, Pattern):
        return value.negative() if node.sign == "-" else value
    return -value if node.sign == "-" else value


def _fraction(node: Fraction, world: World) -> Value:
    above, below = world.evaluate(node.above), world.evaluate(node.below)
    if isinstance(above, (Bundle, Pattern)) or isinstance(below, (Bundle, Pattern)):
        raise Unknown("product of")
    return arrays.divide(world.arithmetic, above, below)


def _root(node: Root, world: World) -> Value:
    body = world.evaluate(node.body)
    if node.degree is None:
        return map_entries(lambda x: world.arithmetic.apply("sqrt", x), body)
    degree = world.evaluate(node.degree)
    exponent = world.arithmetic.divide(1, degree)
    return map_entries(lambda x: world.arithmetic.power(x, exponent), body)


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
        if rest and takes_argument(item, rest[0], world):
            return called(item, rest[0], world), at + 2
    if _is_operator(item) and not rest:
        return world.evaluate(item), at + 1
    if is_one(item) and is_indicator(item) and has_condition(item, rest):
        return indicator(item, rest, world), at + indicator_length(item, rest)
    if rest and takes_argument(item, rest[0], world):
        return called(item, rest[0], world), at + 2
    if is_function(item, world):
        end = argument_end(items, at + 1, world)
        if end == at + 1:
            raise Unknown("function alone", name=world.text(item))
        first = items[at + 1]
        if end == at + 2 and isinstance(first, Group) and first.bracket == "{":
            arguments = [world.evaluate(each) for each in first.items]  # max{a, b}
        else:
            arguments = [_run(items[at + 1 : end], world)]
        return apply_node(item, arguments, world), end
    return world.evaluate(item), at + 1


def _together(items: tuple[Node, ...]) -> Node:
    if len(items) == 1:
        return items[0]
    return Beside(items[0].start, items[-1].end, items)


def _is_operator(item: Node) -> bool:
    return isinstance(item, (Nabla, Derivative))


def _script(node: Script, world: World) -> Value:
    base = node.base
    if is_indicator(node):
        return indicator(node, (), world)
    if isinstance(base, Name) and not is_function(base, world):
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
            if len(sizes) == 2 and all(index_like(name_of(s)) for s in sizes):
                return kronecker(reading, world)
        above = node.below is None and node.above is not None
        if not above and "basis" in world.notation.properties.get(
            name_of(base) or "", {}
        ):
            return _basis_vector(node, world)
        if _is_kronecker(reading, world):
            return kronecker(reading, world)
        ones = base.text == "1" and not world.has_meaning(reading.key)
        of_set = isinstance(unwrapped(node.below), Group) if node.below else True
        if ones and of_set:
            raise Unknown("word", word="1")  # 1_{\{y\}}(k) is no vector of ones
        if ones and node.below is not None:
            marks = [name_of(mark) for mark in parts_of(node.above)]
            sizes = index_parts(node.below)
            if len(sizes) == 1 and all(mark in ("top", "T", "t") for mark in marks):
                column = arrays.column([1] * world.whole(sizes[0]))
                return arrays.transpose(column) if len(marks) % 2 else column
        if reading.primes and (variable := _only_variable(reading, world)) is not None:
            return derivative(base, (variable,) * reading.primes, world, node)
        return read_symbol(reading, world)
    if isinstance(base, Bars) and (base.double or node.below is not None):
        if not base.double:
            raise Unknown("bars")
        value = world.evaluate(base.body)
        return norm(value, node.below, node.above, world)
    if isinstance(base, Name):
        raise Unknown("function alone", name=base.text)
    return scripted(world.evaluate(base) if not node.primes else None, node, world)


def _only_variable(reading: Reading, world: World) -> Name | None:
    """What y' is the derivative by: all that y is made of, if that is one symbol."""
    key = world.notation.known(reading.key)
    plain = not reading.indices and reading.family is None and reading.power is None
    if not plain or world.definition_of(key) is None:
        return None
    free = {n for n in world.closure(key) if not world.notation.definitions.get(n)}
    free -= {"e", "pi", *FUNCTIONS, *world.notation.sizes}
    return Name(0, 0, free.pop()) if len(free) == 1 else None


def _basis_vector(node: Script, world: World) -> Value:
    """The ``e_k`` that a text calls a vector of the basis, as long as k counts."""
    marks = parts_of(node.above)
    parts = index_parts(node.below)
    if len(parts) != 1 or any(name_of(m) not in ("top", "T", "t") for m in marks):
        raise Unknown("size of", symbol=world.text(node))
    size = world.count_of(parts[0])
    if size is None:
        raise Unknown("size of", symbol=world.text(node))
    place = world.index_value(parts[0], size)
    made = arrays.column([int(i == place) for i in range(1, size + 1)])
    return arrays.transpose(made) if len(marks) % 2 else made


def _is_kronecker(reading: Reading, world: World) -> bool:
    """Whether a delta is Kronecker's, though there may be a vector delta too."""
    notation = world.notation
    if reading.key != "delta" or reading.power is not None:
        return False
    if not world.has_meaning(notation.known("delta")):
        return True
    letters = [name_of(index) for index in reading.indices]
    matrix = any(len(t.sizes) == 2 for t in notation.types.get("delta", []))
    by_two = any(len(d.indices) == 2 for d in notation.definitions.get("delta", []))
    return (
        len(letters) == 2 and all(map(index_like, letters)) and not (matrix or by_two)
    )


# What may stand between the blocks of [W b] and not between factors.
_SPACED = re.compile(r"\\[;:, ]|\\q?quad(?![A-Za-z])|~")


def _bracketed(node: Group, world: World) -> Value:
    items = node.items
    if len(items) == 1 and not isinstance(items[0], Dots):
        if isinstance(items[0], Related):
            if node.bracket == "[":
                return truth_value(items[0], world)
            raise Unknown("condition", text=world.text(node))
        try:
            return world.evaluate(items[0])
        except IllTyped as error:
            blocks = node.bracket == "[" and _SPACED.search(world.text(node))
            raise Unknown("block matrix") if blocks else error from None
    if not items:
        raise Unknown("empty brackets")
    if node.bracket == "{":
        return Bundle(tuple(world.evaluate(item) for item in items))
    if node.bracket == "<" and len(items) == 2:
        a, b = (world.evaluate(item) for item in items)
        return arrays.total(arrays.entrywise(a, b))
    if node.bracket not in ("(", "["):
        raise Unknown("brackets", bracket=node.bracket)
    if any(isinstance(i, Dots) for i in items):
        return dotted_matrix(tuple((i,) for i in items), world)
    values = [world.evaluate(item) for item in items]
    if any(is_array(v) or isinstance(v, Bundle) for v in values):
        return Bundle(tuple(values))
    return column(values)


def _bars(node: Bars, world: World) -> Value:
    value = world.evaluate(node.body)
    if isinstance(value, (Bundle, Pattern)):
        raise Unknown("bars")
    if node.double:
        return norm(value, None, None, world)
    if is_array(value):
        raise Unknown("bars")
    return world.arithmetic.apply("abs", value)


def _matrix(node: Matrix, world: World) -> Value:
    return dotted_matrix(node.rows, world)


def _listed(_node: Listed, _world: World) -> Value:
    raise Unknown("list")


def _related(node: Related, world: World) -> Value:
    raise Unknown("condition", text=world.text(node))


def _dots(_node: Dots, _world: World) -> Value:
    raise Unknown("dots")


def _nabla(_node: Nabla, _world: World) -> Value:
    raise Unknown("nothing after", sign=r"\nabla")


def _is_quotient(node: Node, world: World) -> bool:
    """Whether the d of a denominator is the size d, for it does not touch a symbol."""
    below = node.below if isinstance(node, Fraction) else node
    if "d" not in world.notation.sizes or not isinstance(below, Beside):
        return False
    letter, factor = below.items[:2]
    apart = letter.end < factor.start or not isinstance(factor, (Name, Script))
    return name_of(letter) == "d" and apart


def _derivative_node(node: Derivative, world: World) -> Value:
    if node.lost is not None:
        if _is_quotient(node.lost, world):
            return world.evaluate(node.lost)
        raise IllTyped("lost d", at=node)
    if node.body is None:
        raise Unknown("nothing after", sign="d")
    body = node.body
    if is_bare_function(body, world) and len(set(node.variables)) == 1:
        reading = None
        if isinstance(body, (Name, Script)) and not is_function(body, world):
            reading = world.notation.reading(body)
        whole = _of_the_whole(body, node.variables[0], world)
        if whole is not None:
            return derivative(whole, node.variables, world, node)
        if reading is None:
            argument = world.evaluate(node.variables[0])
            return derived_function(body, [argument], len(node.variables), world)
    return derivative(body, node.variables, world, node)


def _of_the_whole(body: Node, variable: Node, world: World) -> Node | None:
    """Of softmax or lse by an entry z_i, the function at all of z."""
    entry = isinstance(variable, Script) and variable.below and not variable.above
    if not entry or function_of(body, world) not in ("softmax", "logsumexp"):
        return None
    assert isinstance(variable, Script)
    at = (body.start, body.end)
    return Beside(*at, (body, Group(*at, "(", (variable.base,))))


def _at(node: At, world: World) -> Value:
    """A formula with a value for one of its symbols."""
    reading = world.notation.reading(node.variable)
    if reading is None or reading.indices or reading.power is not None:
        raise Unknown("condition", text=world.text(node.variable))
    value = world.evaluate(node.value)
    key = world.notation.known(reading.key)
    current = world.value(key)
    if is_array(current) and not is_array(value):
        value = map_entries(lambda _: value, current)
    with world.override({key: value}):
        return world.evaluate(node.body)


def _factorial(node: Factorial, world: World) -> Value:
    value = world.evaluate(node.body)
    return map_entries(lambda x: world.arithmetic.apply("factorial", x), value)


_EVALUATE: dict[type, Any] = {
    Number: _number,
    Name: _name,
    Binary: _binary,
    Signed: _signed,
    Fraction: _fraction,
    Root: _root,
    Beside: _beside,
    Script: _script,
    Big: big,
    Cases: cases,
    Group: _bracketed,
    Bars: _bars,
    Matrix: _matrix,
    Listed: _listed,
    Related: _related,
    Dots: _dots,
    Nabla: _nabla,
    Factorial: _factorial,
    Derivative: _derivative_node,
    At: _at,
}
