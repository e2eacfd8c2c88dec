r"""What a document declares: the kinds and shapes of its symbols.

By a set, as in ``x \in \mathbb{R}^d``; in words, as in "W is an m × d matrix"; or by
the corners of a matrix written with dots.
"""

import re
from collections import defaultdict
from dataclasses import replace

from mlproof.verification.document.notation.definitions import listed_before
from mlproof.verification.document.notation.names import (
    canonical,
    family_mark,
    index_like,
    index_parts,
    name_of,
    parts_of,
    unwrapped,
)
from mlproof.verification.document.notation.notation import Notation, Reading, Type
from mlproof.verification.document.notation.sets import range_of, set_of, shape_in_words
from mlproof.verification.document.text.statements import Statement, own_words
from mlproof.verification.document.text.syntax import (
    Beside,
    Big,
    Dots,
    Group,
    Listed,
    Matrix,
    Name,
    Node,
    Number,
    Script,
    group_of,
)
from mlproof.verification.document.text.vocabulary import FUNCTIONS

_FUNCTION_WORDS = {
    "sigmoid": r"sigmoid|sigmoïde|sigmoide|logistic|logistique",
    "rect": r"relu|rectifier|rectified linear unit|rect",
    "tanh": r"tanh|hyperbolic tangent|tangente hyperbolique",
    "softmax": r"softmax",
    "softplus": r"softplus",
}


_ORDINAL = re.compile(r"\s*-?\s*(?:th|st|rd|e|ème|ieme|ième)\b")


_ONES_BEFORE = re.compile(
    r"(?:vector of (?:all )?ones|all-ones vector|vecteur de (?:uns|1))\s*$", re.I
)


_ONES_AFTER = re.compile(
    r"[\s,(]*(?:is |be |be the |for |est |denotes |denote )?(?:the |a |le |un )?"
    r"(?:vector of (?:all )?ones|all-ones vector|vecteur de (?:uns|1)|column of ones)",
    re.I,
)


_IS = re.compile(
    r"\b(?:is|are|be|est|sont|soit|has|have|of|de|a pour|with|size|shape|taille|"
    r"dimensions?|matrix|matrice|:)\b|:\s*$",
    re.I,
)


_IN = re.compile(
    r"\b(?:is|are|be|both|lies?|lives?|all|each|est|sont|soit|soient)\b[^.$]*"
    r"\b(?:in|of|dans|de|from)\s*$",
    re.I,
)


_AND = re.compile(r"(?:,|\band\b|\bet\b|&)\s*$", re.I)


_VECTOR_OF = re.compile(
    r"(?:vect\w+|column|colonne)[^.$]*(?:length|size|dimension|taille|entries|with|of|"
    r"de|à)\s*$|\b(?:of|de|has|a pour) (?:length|size|dimension|taille)\s*$",
    re.I,
)


_HAS = re.compile(r"\b(?:has|have|having|with|of|a|ont|ayant|avec|de|à)\s*$", re.I)
_ENTRIES = re.compile(
    r"\s*(?:entries|components|coordinates|composantes|coordonnées|entrées)\b", re.I
)


# Letters that in a list of several are no tags.
_USUAL_INDICES = set("ijklmnrst")


def declare(notation: Notation) -> None:
    for order, statement in enumerate(notation.statements):
        _declare_ranges(notation, order, statement)
    for order, statement in enumerate(notation.statements):
        if "in" in statement.relations:
            _declare_member(notation, order, statement)
        elif not statement.relations:
            _declare_in_words(notation, order, statement)
    for order, statement in enumerate(notation.statements):
        for member in statement.members:
            if member.formula is not None:
                _sizes_of_sums(notation, member.formula)
                _corners(notation, member.formula, order, statement.section)


def _declare_ranges(notation: Notation, order: int, statement: Statement) -> None:
    r"""``i = 1, \dots, d`` in a statement of its own."""
    found = range_of(statement)
    if found is not None:
        last, lower, upper = found
        others = [m.formula for m in listed_before(notation, order, statement)]
        names = [name_of(node) for node in others if node is not None]
        for name in (last, *(n for n in names if n is not None)):  # i, j = 1, ..., n
            notation.facts.bound.add(name)
            notation.ranges_at.append((order, statement.section, name, lower, upper))
            if isinstance(upper, Dots):
                notation.endless.add(name)
            else:
                notation.ranges.setdefault(name, upper)
        for end in (lower, upper):
            if end is not None:
                size_names(notation, end)


def _declare_member(notation: Notation, order: int, statement: Statement) -> None:
    where = statement.relations.index("in")
    left, right = statement.members[where].formula, statement.members[-1].formula
    if left is None or right is None:
        return
    found = set_of(right)
    if found is None:
        return
    kind, sizes, choices = found
    names = left.items if isinstance(left, Listed) else (left,)
    others = []
    last = statement
    for before in reversed(notation.statements[:order]):
        if before.relations or before.group != statement.group:
            break
        if before.members[0].formula is None or not last.after_comma:
            break
        others.append(before.members[0].formula)
        last = before
    for node in others:  # the farthest last, as they were found
        names = (*(node.items if isinstance(node, Listed) else (node,)), *names)
    series, single = _parted(names)
    for named in series:
        _declared_series(notation, named, kind, sizes, choices, order, statement)
    counters = _counters(notation, single)
    for node in single:
        _declared(
            notation,
            node,
            kind,
            sizes,
            choices,
            order,
            statement.section,
            statement.for_all,
            counters.get(_base_name(node) or ""),
        )


def _counters(notation: Notation, names: list[Node]) -> dict[str, bool]:
    r"""Whether letters below count, for each base that a list has with several.

    In ``x_i, x_j`` they do, in ``z_i, z_f, z_o`` they are tags.
    """
    letters: defaultdict[str, set[str]] = defaultdict(set)
    for node in names:
        if isinstance(node, Script) and node.below is not None:
            letters[_base_name(node) or ""].add(name_of(node.below) or "")
    return {
        base: bool(found & notation.facts.bound) or found <= _USUAL_INDICES
        for base, found in letters.items()
        if len(found) > 1 and all(map(index_like, found))
    }


def _parted(
    names: tuple[Node, ...],
) -> tuple[list[tuple[Node, ...]], list[Node]]:
    r"""Of ``u, x_1, \dots, x_n`` the series with dots, and what stands beside them."""
    series: list[tuple[Node, ...]] = []
    single: list[Node] = []
    at = 0
    while at < len(names):
        if at + 1 < len(names) and isinstance(names[at + 1], Dots):
            begin = names[at]
            while single and _base_name(single[-1]) == _base_name(begin):
                begin = single.pop()  # x_1, x_2, \dots, x_n
            series.append((begin, *names[at + 1 : at + 3]))
            at += 3
        else:
            single.append(names[at])
            at += 1
    return series, single


def _base_name(node: Node) -> str | None:
    """Of x_1 the x; of x alone none."""
    return name_of(node.base) if isinstance(node, Script) else None


def _declared_series(
    notation: Notation,
    names: tuple[Node, ...],
    kind: str,
    sizes: tuple[Node, ...],
    choices: tuple[Node, ...],
    order: int,
    statement: Statement,
) -> None:
    r"""``x_1, \dots, x_n \in \mathbb{R}^d``."""
    first, last = names[0], names[-1]
    if not (isinstance(first, Script) and isinstance(last, Script)):
        return
    name = name_of(first.base)
    end = index_parts(last.below)
    if name is None or len(end) != 1 or first.base != last.base:
        return
    size_names(notation, end[0])
    if kind == "number":
        notation.array_names[name] += 1
        notation.types[name].append(Type("array", end, (), order, statement.section))
        return
    for node in (*sizes, *choices):
        size_names(notation, node)
    notation.subfamilies.add(name)
    notation.forget()
    notation.types[f"{name}_()"].append(
        Type(kind, sizes, choices, order, statement.section)
    )


def _declared(
    notation: Notation,
    node: Node,
    kind: str,
    sizes: tuple[Node, ...],
    choices: tuple[Node, ...],
    order: int,
    section: int,
    passing: bool = False,
    counter: bool | None = None,
) -> None:
    node = unwrapped(node)
    base = node.base if isinstance(node, Script) else node
    name = name_of(base)
    if name is None or (isinstance(base, Name) and base.text in FUNCTIONS):
        return
    above = below = None
    if isinstance(node, Script) and isinstance(node.above, Name) and len(sizes) == 2:
        mark = node.above.text
        if mark in ("top", "T") and mark not in notation.sizes:
            # Of A^T the shape is said.
            node, sizes = replace(node, above=None), sizes[::-1]
    if isinstance(node, Script):
        above, below = node.above, node.below
    for size in (*sizes, *choices):
        size_names(notation, size)
    family = False
    for part in parts_of(above):
        _tag, inner = family_mark(part)
        if inner is not None and not isinstance(inner, Number):
            family = True
        notation.tagged.add((name, canonical(part)))
    if below is not None:
        first = parts_of(below)[0]
        if name_of(first) in notation.facts.bound and kind not in (
            "array",
            "index",
            "choice",
        ):
            # x_i \in \mathbb{R} for every i: a family of numbers.
            notation.array_names[name] += 1
            return
        letter = name_of(first) or ""
        counted = letter in notation.facts.bound or (
            index_like(letter) and not notation.facts.alone[letter]
        )
        if counter is not None:
            counted = counter
        if counted and kind in ("array", "index", "choice", "whole"):
            notation.subfamilies.add(name)
            notation.forget()
        else:
            notation.subtagged.add((name, canonical(below)))
    reading = notation.reading(node)
    notation.forget()
    if reading is None:
        return
    notation.types[reading.key].append(
        Type(kind, sizes, choices, order, section, family, passing=passing)
    )


def size_names(notation: Notation, node: Node) -> None:
    """Names that sizes are written with are sizes themselves."""
    if isinstance(node, Script) and isinstance(node.base, Name):
        name = name_of(node.base) or ""
        if node.below is not None:
            letters = {name_of(inner) for inner in node.below.walk()}
            if not letters & notation.facts.bound:
                notation.subtagged.add((name, canonical(node.below)))
        notation.forget()
        reading = notation.reading(node)
        if reading is not None and not reading.indices:
            notation.sizes.add(reading.key)
        return
    if isinstance(node, Name):
        name = name_of(node) or ""
        if name not in notation.facts.bound and not node.word and name != "infty":
            notation.sizes.add(name)
    for child in node.children:
        size_names(notation, child)
    notation.forget()


def _declare_in_words(notation: Notation, order: int, statement: Statement) -> None:
    r"""``W`` is an ``m \times d`` matrix; this is the formula with the sizes."""
    formula = statement.members[0].formula
    words = own_words(statement)
    if formula is None or order == 0 or "`" in words or _ORDINAL.match(words):
        return  # of "the j-th column of A" the A
    subjects: list[Statement] = []
    index = order - 1
    last = statement
    sizes = shape_in_words(formula)
    vector = None
    kind = "array"
    if sizes is None and (found := set_of(formula)) is not None:
        if not _IN.search(own_words(statement)):
            return
        kind, sizes, _ = found
    if sizes is None:
        vector = _VECTOR_OF.search(own_words(statement))
        if vector is None and _HAS.search(own_words(statement)):
            vector = _ENTRIES.match(statement.after)
        if vector is None or not isinstance(unwrapped(formula), (Name, Script)):
            return
        sizes = (formula,)
    elif kind == "array" and not _IS.search(words) and words.strip() != "(":
        return
    while index >= 0 and len(subjects) < 4:
        before = notation.statements[index]
        if before.relations or before.section != statement.section:
            break
        if subjects and not _AND.search(own_words(last)):
            break
        subjects.append(before)
        last = before
        index -= 1
    for subject in subjects:
        node = subject.members[0].formula
        if node is not None and not _is_size(notation, node):
            _declared(notation, node, kind, sizes, (), order, statement.section)


def _is_size(notation: Notation, node: Node) -> bool:
    reading = notation.reading(unwrapped(node))
    return reading is not None and reading.key in notation.sizes


def declare_by_words(notation: Notation) -> None:
    r"""``\sigma`` is the sigmoid; ``u`` is the vector of ones."""
    for statement in notation.statements:
        formula = statement.members[0].formula
        if formula is None:
            continue
        if (
            isinstance(formula, Beside)
            and len(formula.items) == 2
            and not statement.relations
            and group_of(formula.items[1])
        ):
            formula = formula.items[0]  # "sigma(.) is the sigmoid"
        key = _bare_key(notation, formula)
        if key is not None:
            around = tuple(
                " ".join(words.split())
                for words in (own_words(statement), statement.after[:80])
            )
            meant = _function_in_words(*around)
            if meant is not None and not statement.relations:
                notation.named_functions[key] = meant
            ones = bool(_ONES_BEFORE.search(around[0]) or _ONES_AFTER.match(around[1]))
            if around[0].endswith("vector") and around[1].startswith("of ones"):
                ones = True  # "the vector u of ones"
            if ones and set(statement.relations) <= {"in"}:
                notation.ones.add(key)


def _bare_key(notation: Notation, node: Node) -> str | None:
    reading = notation.reading(unwrapped(node))
    if reading is None or reading.indices or reading.power or reading.marks:
        return None
    return reading.key


def _sizes_of_sums(notation: Notation, formula: Node) -> None:
    for node in formula.walk():
        if isinstance(node, Big) and node.above is not None:
            size_names(notation, node.above)


def _corners(notation: Notation, formula: Node, order: int, section: int) -> None:
    """Sizes from the corners of a matrix with dots: w_{11} to w_{md}."""
    for node in formula.walk():
        if isinstance(node, Matrix):
            first, last = _first(node.rows), _last(node.rows)
            if first is not None and last is not None and first != last:
                _corner(notation, first, last, order, section)
        elif isinstance(node, Group) and any(isinstance(i, Dots) for i in node.items):
            _corner(notation, node.items[0], node.items[-1], order, section)


def _corner(
    notation: Notation, first: Node, last: Node, order: int, section: int
) -> None:
    if not (isinstance(first, Script) and isinstance(last, Script)):
        return
    if first.base != last.base or first.above != last.above:
        return
    low, high = index_parts(first.below), index_parts(last.below)
    if len(low) != len(high) or not low:
        return
    if not all(isinstance(i, Number) and i.value == 1 for i in low):
        return
    name = name_of(first.base)
    if name is None:
        return
    for size in high:
        size_names(notation, size)
    reading = (
        notation.reading(Script(first.start, first.end, first.base, None, first.above))
        if first.above is not None
        else Reading(name)
    )
    if reading is not None:
        notation.array_names[name] += 1
        notation.types[reading.key].append(
            Type("array", tuple(high), (), order, section, written=True)
        )
    notation.forget()


def _function_in_words(before: str, after: str) -> str | None:
    """The function that the words around a letter say it is."""
    for meant, words in _FUNCTION_WORDS.items():
        if re.search(rf"\b(?:{words})(?: function| fonction)?\s*$", before, re.I):
            return meant
        if re.match(
            rf"[\s,(]*(?:(?:is|be|denotes?|stands for|désigne|est|soit|being|=)\s+"
            rf"(?:the |la |le )?|(?:the |la |le ))"
            rf"(?:usual |standard |fonction )?(?:{words})\b",
            after,
            re.I,
        ):
            return meant
    return None


def _first(rows: tuple[tuple[Node | None, ...], ...]) -> Node | None:
    return rows[0][0]


def _last(rows: tuple[tuple[Node | None, ...], ...]) -> Node | None:
    return rows[-1][-1]
