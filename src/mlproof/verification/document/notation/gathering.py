r"""The notation of a document, gathered in a first reading.

Declarations count from anywhere in a document, so it is read twice, and this is the
first time.
"""

from collections import defaultdict

from mlproof.verification.document.notation.declarations import (
    declare,
    declare_by_words,
)
from mlproof.verification.document.notation.definitions import define, drop_inverses
from mlproof.verification.document.notation.names import (
    bound_names,
    canonical,
    folded,
    name_of,
)
from mlproof.verification.document.notation.notation import Notation
from mlproof.verification.document.notation.properties import assume
from mlproof.verification.document.notation.usage import gather
from mlproof.verification.document.text.statements import Statement
from mlproof.verification.document.text.syntax import (
    Big,
    Derivative,
    Node,
    Script,
)
from mlproof.verification.document.text.vocabulary import FUNCTIONS


def notation_of(statements: list[Statement]) -> Notation:
    """The notation of a document, gathered from all its statements."""
    notation = Notation(statements)
    for statement in statements:
        for member in statement.members:
            if member.formula is not None:
                gather(notation.facts, member.formula)
    declare(notation)
    declare_by_words(notation)
    define(notation)
    _correct(notation)
    notation.forget()
    assume(notation)
    _gather_indices(notation)
    notation.labels_found = notation.labels()
    _numbers_derived(notation)
    for name, arguments in notation.facts.called_with.items():
        if name in FUNCTIONS or notation.definitions.get(name):
            notation.facts.arguments |= arguments
    notation.settle()
    drop_inverses(notation)
    return notation


def _correct(notation: Notation) -> None:
    """Let what is set for the whole document outrank what its text says."""
    standing = {o for o, s in enumerate(notation.statements) if s.standing}
    if not standing:
        return
    for key, types in notation.types.items():
        notation.types[key] = [t for t in types if t.order in standing] or types
    for key, defined in notation.definitions.items():
        kept = [d for d in defined if d.order in standing]
        notation.definitions[key] = kept or defined
    names = {r[2] for r in notation.ranges_at if r[0] in standing}
    notation.ranges_at = [
        r for r in notation.ranges_at if r[2] not in names or r[0] in standing
    ]
    corrected = {
        key
        for key, types in notation.types.items()
        if any(t.order in standing for t in types)
    }
    # A number of its own, where it stands above, is a power and not a tag.
    notation.tagged = {(n, tag) for n, tag in notation.tagged if tag not in corrected}


def _gather_indices(notation: Notation) -> None:
    """Where symbols have indices, and which."""
    for statement in notation.statements:
        used: list[tuple[str, tuple[Node, ...]]] = []
        bound: list[tuple[str, Node]] = []
        for member in statement.members:
            for node in member.formula.walk() if member.formula else ():
                if isinstance(node, Big) and node.below is not None:
                    bound += [(n, end) for n, end in bound_names(node) if end]
                reading = notation.reading(node) if isinstance(node, Script) else None
                if reading is not None and reading.indices:
                    notation.indexed.add((reading.key, statement.section))
                    used.append((notation.known(reading.key), reading.indices))
        notation.ends_of_sums.update({name_of(end) or "" for _, end in bound})
        ends = _ends(notation, used, bound)
        for key, indices in used:
            notation.uses[key].append(indices)
            notation.ends[key].append(
                tuple(ends.get(name_of(index) or "", {}) for index in indices)
            )
            if len(indices) == 2:  # the entries of a W^(1) that is only ever w_ij^(1)
                notation.spellings[folded(key)].add(key)


def _ends(
    notation: Notation,
    used: list[tuple[str, tuple[Node, ...]]],
    bound: list[tuple[str, Node]],
) -> dict[str, dict[str, Node]]:
    """How far each letter runs in a statement, by its sums and the declared arrays.

    Where these do not agree one of them is a slip, and the statement says nothing.
    """
    found: defaultdict[str, dict[str, Node]] = defaultdict(dict)
    for name, end in bound:
        found[name][canonical(end)] = end
    for key, indices in used:
        shapes = {t.sizes for t in notation.types.get(key, []) if t.kind == "array"}
        sizes = next(iter(shapes)) if len(shapes) == 1 else ()
        if len(sizes) == len(indices):
            for index, size in zip(indices, sizes, strict=True):
                found[name_of(index) or ""][canonical(size)] = size
    return {name: sizes for name, sizes in found.items() if len(sizes) == 1}


def _numbers_derived(notation: Notation) -> None:
    """What a derived quantity is made of are numbers, or arrays of numbers."""
    waiting: set[str] = set()
    for statement in notation.statements:
        for member in statement.members:
            for node in member.formula.walk() if member.formula else ():
                if isinstance(node, Derivative) and node.body is not None:
                    waiting |= notation.symbols(node.body)
    while waiting:
        key = waiting.pop()
        told = notation.types.get(key) or notation.definitions.get(key)
        if key in notation.numbers_said or (notation.facts.called[key] and not told):
            continue  # of sigma(z) the sigma is rather a function
        notation.numbers_said.add(key)
        for definition in notation.definitions.get(key, []):
            waiting |= notation.symbols(definition.body)
