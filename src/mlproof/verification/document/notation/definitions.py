r"""What a document defines: the equalities that give symbols their meaning."""

import re
from collections.abc import Iterator
from dataclasses import replace

from mlproof.verification.document.notation.names import (
    canonical,
    folded,
    index_like,
    index_parts,
    name_of,
    parts_of,
    unwrapped,
)
from mlproof.verification.document.notation.notation import Definition, Notation
from mlproof.verification.document.notation.sets import range_of
from mlproof.verification.document.text.scope import concludes, supposes_anew
from mlproof.verification.document.text.statements import Member, Statement, own_words
from mlproof.verification.document.text.syntax import (
    At,
    Beside,
    Cases,
    Dots,
    Fraction,
    Group,
    Listed,
    Matrix,
    Name,
    Node,
    Number,
    Related,
    Root,
    Script,
)
from mlproof.verification.document.text.vocabulary import FUNCTIONS, ORDERS

_ANEW = re.compile(r"(?:^|[\s(])(?:let|soit|soient|posons|redefine)\b[^.$]*$", re.I)


# A sentence that introduces, and does not set apart a case.
_LET = re.compile(
    r"^(?!.*\b(?:prob\w+|if|when|case|si|quand|cas|where)\b).*"
    r"\b(?:let|soit|soient|take|with|avec|fix|fixons)\b[^.]*$",
    re.I | re.S,
)


_GIVEN = re.compile(
    r"\b(?:with|where|and|let|avec|(?<!d['’])où|et|soit|small|petit)\s*$", re.I
)


# "Where z > 0, ...", "For the units with z > 0, ..."
_SOME = re.compile(r"\s*(?:Where|Là où|(?:[Ff]or|[Pp]our)\b[^$]*\b(?:with|avec))\s*")


_SIGNED = ORDERS - {"!="}


_CONSTANTS = {"e", "pi"}


def define(notation: Notation) -> None:
    for name in list(notation.facts.below):
        for below in notation.facts.below[name]:
            if name == "delta" and len(index_parts(below)) == 2:
                continue  # Kronecker's
            if any(name_of(p) in notation.facts.bound for p in index_parts(below)):
                notation.array_names[name] += 1
    # A symbol that is defined has a tag if it never goes without.
    for statement in notation.statements:
        if statement.is_condition or not statement.relations:
            continue
        if statement.relations[0] not in ("=", ":="):
            continue
        left, *others = [member.formula for member in statement.members[:2]]
        others += [m.formula for c in statement.conditions for m in c.members]
        _tags_of(notation, left, others)
    _primed(notation)
    notation.forget()
    for order, statement in enumerate(notation.statements):
        if statement.is_condition and statement.relations == ["="]:
            _valued(notation, *(m.formula for m in statement.members))
        for member in statement.members:
            if isinstance(member.formula, At):
                _valued(notation, member.formula.variable, member.formula.value)
        if statement.is_condition or not statement.relations:
            continue
        if statement.relations[0] in ("=", ":="):
            _definition(notation, order, statement)
    _drop_values(notation)
    _in_parts(notation)
    notation.forget()
    for order, statement in enumerate(notation.statements):
        if statement.relations and set(statement.relations) <= _SIGNED:
            _constraint(notation, order, statement)
    _alias(notation)


def _primed(notation: Notation) -> None:
    """Find the letters whose prime makes another symbol, as the next theta'.

    They are declared, are never called like a function and never defined without it.
    """
    lefts = [
        s.members[0].formula
        for s in notation.statements
        if s.relations and s.relations[0] in ("=", ":=") and not s.is_condition
    ]
    defined = {name_of(left) for left in lefts if isinstance(left, Name)}
    for left in lefts:
        if not isinstance(left, Script) or not left.primes or left.below or left.above:
            continue
        name = name_of(left.base)
        if name is None or name in defined or not notation.types.get(name):
            continue
        if not notation.facts.called[name]:
            notation.primed.add(name)


def _drop_values(notation: Notation) -> None:
    """Let f(x) = 0.88, said at x = 2, define no f that is defined by a formula."""
    for key, found in notation.definitions.items():
        if any(d.parameters and not isinstance(d.body, Number) for d in found):
            kept = [d for d in found if d.introduces or not isinstance(d.body, Number)]
            notation.definitions[key] = kept


def _in_parts(notation: Notation) -> None:
    """Put together what sentences define by cases: f(x) = x if x > 0, and else 0."""
    for key, found in notation.definitions.items():
        parts = []
        for definition in found:
            case = _case(notation.statements[definition.order])
            if case is None or _of(definition) != _of(found[0]):
                break
            parts.append((definition.body, case))
        if len(parts) == 1 < len(found) and not found[0].introduces:
            # After "where z = 0, f(z) = 1/2" comes what f is everywhere.
            notation.definitions[key] = found[1:]
        elif len(parts) > 1:
            first, last = parts[0][0], parts[-1][0]
            body = Cases(first.start, last.end, tuple(parts))
            whole = replace(found[0], body=body)
            notation.definitions[key] = [whole, *found[len(parts) :]]
            notation.parts |= {d.order for d in found[: len(parts)]}


def _of(definition: Definition) -> tuple[object, ...]:
    return definition.parameters, definition.indices, definition.family


def _case(statement: Statement) -> Related | None:
    """The one condition of a statement."""
    if len(statement.conditions) != 1:
        return None
    condition = statement.conditions[0]
    sides = [m.formula for m in condition.members]
    if None in sides or "in" in condition.relations or range_of(condition) is not None:
        return None
    members = tuple(side for side in sides if side is not None)
    at = condition.start, condition.members[-1].end
    return Related(*at, members, tuple(condition.relations))


def _valued(notation: Notation, left: Node | None, right: Node | None) -> None:
    """What has a number for its value somewhere is a number everywhere."""
    if isinstance(left, Name) and isinstance(right, (Number, Fraction)):
        reading = notation.reading(left)
        if reading is not None and reading.key not in notation.facts.bound:
            notation.numbers_said.add(reading.key)


def drop_inverses(notation: Notation) -> None:
    """Let no equality define what another is defined by, from that other alone.

    After p = sigmoid(z) the equality z = log p - log(1 - p) says nothing new: it is a
    claim.  With a symbol that p is not made of it could say what that symbol is.
    """
    for key, found in list(notation.definitions.items()):
        kept = [d for d in found if d.introduces or not _inverts(notation, d)]
        if len(kept) < len(found):
            notation.definitions[key] = kept


def _inverts(notation: Notation, definition: Definition) -> bool:
    if definition.family is not None or definition.parameters or definition.indices:
        return False
    used = (
        notation.symbols(definition.body) - notation.sizes - {*FUNCTIONS, *_CONSTANTS}
    )
    made_of = {s: _made_of(notation, s, definition.order, set()) for s in used}
    inverse = [parts for parts in made_of.values() if definition.key in parts]
    return bool(inverse) and used <= set().union(*inverse)


def _made_of(notation: Notation, key: str, order: int, seen: set[str]) -> set[str]:
    """The symbols that a symbol is defined by before a place, and itself."""
    seen.add(key)
    for definition in notation.definitions.get(key, []):
        if definition.order < order and definition.family is None:
            for name in notation.symbols(definition.body):
                if name not in seen:
                    _made_of(notation, name, order, seen)
    return seen


def _tags_of(notation: Notation, left: Node | None, others: list[Node | None]) -> None:
    if isinstance(left, Beside) and left.items:
        left = left.items[0]
    if not isinstance(left, Script) or not isinstance(left.base, Name):
        return
    name = name_of(left.base) or ""
    for part in parts_of(left.above):
        bare = isinstance(part, Name) and part.text not in ("T", "top", "intercal")
        if bare and name not in ("e",) and not notation.facts.alone[name]:
            notation.tagged.add((name, canonical(part)))
    if left.below is not None and left.above is None:
        names = [name_of(p) for p in index_parts(left.below)]
        known = notation.facts.bound | set(notation.ranges)
        for other in others:
            known |= _indices_of_arrays(notation, other)
        if any(t.kind == "array" for t in notation.types.get(name, [])):
            return
        if not any(n in known for n in names) and not notation.array_names[name]:
            notation.subtagged.add((name, canonical(left.below)))


_SOLVED = re.compile(
    r"\b(?:sett?ing|solv\w+|zero|zéro|annul\w+|résou\w+|résolv\w+|optim\w+|minimi\w+|"
    r"maximi\w+|stationar\w+|stationnai\w+|solutions?|roots?|racines?)\b",
    re.I,
)


def _solves(notation: Notation, order: int, statement: Statement) -> bool:
    """Whether an equality says where something is zero, or least."""
    if _SOLVED.search(statement.words):
        return True
    before = notation.statements[order - 1] if order else statement
    zero = before.members[-1].formula
    together = before.group == statement.group and before is not statement
    return together and isinstance(zero, Number) and not zero.value


def _indices_of_arrays(notation: Notation, node: Node | None) -> set[str]:
    """Letters that a formula counts the entries of arrays with.

    Arrays are what is declared so, and what a sum somewhere runs through.
    """
    return {
        name_of(index) or ""
        for inner in (node.walk() if node is not None else ())
        if isinstance(inner, Script) and inner.below is not None
        for index in index_parts(inner.below)
        if index_like(name_of(index))
        and (
            notation.array_names[name_of(inner.base) or ""]
            or any(
                t.kind == "array" and len(t.sizes) == len(index_parts(inner.below))
                for t in notation.types.get(name_of(inner.base) or "", [])
            )
        )
    }


def _definition(notation: Notation, order: int, statement: Statement) -> None:
    left, right = statement.members[0].formula, statement.members[1].formula
    if left is None or right is None or isinstance(right, (Dots, Listed)):
        return
    if range_of(statement) is not None:
        return
    parameters: tuple[str, ...] = ()
    entry: Script | None = None  # f(z)_i
    introduces = statement.introduces or statement.relations[0] == ":="
    head = unwrapped(left)
    if isinstance(head, Beside) and len(head.items) == 2:
        head, group = head.items
        entry = group if isinstance(group, Script) and group.above is None else None
        group = entry.base if entry is not None else group
        if not isinstance(group, Group) or group.bracket not in ("(", "["):
            return
        named = [_parameter(notation, item) for item in group.items]
        if None in named:
            return
        parameters = tuple(n for n in named if n is not None)
    base = head.base if isinstance(head, Script) else head
    if not isinstance(base, Name) or (base.text in FUNCTIONS and base.word):
        return
    if parameters and base.text in FUNCTIONS:
        return
    reading = notation.reading(head)
    if reading is None or reading.marks or reading.primes:
        return
    if reading.key in notation.named_functions:
        return  # "sigma is the sigmoid": what it equals is a claim
    if isinstance(unwrapped(right), Matrix) and len(reading.indices) == 1:
        # M_t is a matrix for every t.
        notation.subfamilies.add(name_of(base) or "")
        notation.forget()
        again = notation.reading(head)
        reading = reading if again is None else again
    if reading.power is not None:
        if reading.key in notation.sizes:
            return
        square = isinstance(reading.power, Number) and reading.power.value == 2
        if not square or notation.definitions.get(reading.key):
            return
        if any(t.kind != "number" for t in notation.types.get(reading.key, [])):
            return
        right = Root(right.start, right.end, right, None)
    bare = isinstance(unwrapped(right), (Name, Number))
    if reading.key in notation.facts.bound and not parameters and bare:
        return
    if isinstance(right, Number) and not (statement.display or introduces):
        kinds = {t.kind for t in notation.types.get(reading.key, [])}
        if not _LET.search(statement.words) or kinds - {"number", "positive"}:
            return  # "the probability that y = 1" defines nothing
    if (
        reading.key in notation.sizes
        and reading.key not in notation.facts.bound
        and bare
    ):
        return
    if reading.key.endswith("[]") and reading.key[:-2] in notation.sizes:
        notation.size_values[reading.key].append((reading.indices[0], right))
        return
    of_value = index_parts(entry.below) if entry is not None else ()
    if notation.types.get(reading.key) and _solves(notation, order, statement):
        notation.assumptions.add(order)
        return  # where a gradient vanishes, which says nothing of it elsewhere
    named_indices = [name_of(i) for i in (*reading.indices, *of_value)]
    if None in named_indices or len(set(named_indices)) < len(named_indices):
        return
    if any(n not in notation.facts.bound and not index_like(n) for n in named_indices):
        return
    if notation.mentions(right, reading.key) and reading.family is None:
        if reading.indices or not _only_indexed(notation, right, reading.key):
            return
        if any(t.kind == "array" for t in notation.types.get(reading.key, [])):
            return  # a matrix written out
        notation.numbers.add(reading.key)
        notation.forget()
    notation.definitions[reading.key].append(
        Definition(
            reading.key,
            right,
            order,
            statement.section,
            introduces,
            introduces and bool(_ANEW.search(statement.words)),
            parameters,
            tuple(n for n in named_indices if n is not None),
            reading.family,
        )
    )


def _only_indexed(notation: Notation, node: Node, key: str) -> bool:
    """Whether a symbol stands in a formula with indices only, as in sum_r s_r."""
    for inner in node.walk():
        if isinstance(inner, Script) and isinstance(inner.base, Name):
            continue
        reading = notation.reading(inner) if isinstance(inner, Name) else None
        if reading is not None and reading.key == key:
            return not any(
                isinstance(other, Script) and other.base is inner and not other.below
                for other in node.walk()
            ) and any(
                isinstance(other, Script) and other.base is inner
                for other in node.walk()
            )
    return True


def _parameter(notation: Notation, node: Node) -> str | None:
    node = unwrapped(node)
    if isinstance(node, (Name, Script)):
        reading = notation.reading(node)
        if reading is not None and not reading.indices:
            return reading.key if reading.power is None else f"={canonical(node)}"
    return None


def listed_before(
    notation: Notation, order: int, statement: Statement
) -> Iterator[Member]:
    """What an inequality is said of too: of ``a, b > 0`` the a."""
    last = statement
    for before in reversed(notation.statements[:order]):
        alone = not before.relations and before.group == statement.group
        if not (alone and last.after_comma):
            return
        yield before.members[0]
        last = before


def _constraint(notation: Notation, order: int, statement: Statement) -> None:
    """An inequality of a symbol that has no other meaning limits its values."""
    if concludes(statement):
        return
    for member in (*listed_before(notation, order, statement), *statement.members):
        node = member.formula
        if isinstance(node, (Name, Script)):
            reading = notation.reading(node)
            if reading is None or notation.definitions.get(reading.key):
                continue
            if reading.power is not None:
                continue  # that x^2 > 0 does not make x positive
            notation.numbers_said.add(reading.key)
            words = own_words(statement)
            again = supposes_anew(statement, words)
            given = _GIVEN.search(words) and not _SOME.fullmatch(words)
            local = statement.is_condition and (again or not given)
            if not local:
                about = replace(statement, members=[member, *statement.members[1:]])
                first = member not in statement.members[1:]
                notation.constraints[reading.key].append(
                    (order, about if first else statement)
                )


def _alias(notation: Notation) -> None:
    """One letter in two cases or faces, where only one of them is known."""
    known = set(notation.types) | set(notation.definitions)
    for key in known:
        said = any(not t.written for t in notation.types.get(key, []))
        tagged = "^" in key and key.swapcase() != key
        letter = re.split(r"[\^_]", key)[0]
        swapped = letter.swapcase() + key[len(letter) :]
        other = any(not t.written for t in notation.types.get(swapped, []))
        if tagged and said and other:
            notation.both_cases |= {letter, letter.swapcase()}
    for key in list(notation.definitions):
        # The entries of a bold vector are written thin.
        bold = next((k for k in (f"bf {key}", f"vec {key}") if k in known), None)
        by_entries = all(d.indices for d in notation.definitions[key])
        if bold is not None and by_entries and not notation.facts.alone[key]:
            notation.definitions[bold] += notation.definitions.pop(key)
    known = set(notation.types) | set(notation.definitions)
    for key in known:
        notation.spellings[folded(key)].add(key)
