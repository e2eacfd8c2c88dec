r"""What a document says of a symbol beyond its shape: symmetric, one-hot, of sum 1.

Words stand behind a symbol ("``A`` is symmetric") or before it ("a symmetric matrix
``A``"); some properties are written as equalities.  A property that the values drawn
do not have is kept too: where it is said, a step that fails is not called false.
"""

import re
from collections.abc import Iterator

from mlproof.verification.document.notation.definitions import listed_before
from mlproof.verification.document.notation.names import (
    index_parts,
    name_of,
    unwrapped,
)
from mlproof.verification.document.notation.notation import Notation, Type
from mlproof.verification.document.notation.sets import set_of
from mlproof.verification.document.text.scope import concludes
from mlproof.verification.document.text.statements import Member, Statement, own_words
from mlproof.verification.document.text.syntax import (
    Beside,
    Big,
    Derivative,
    Listed,
    Nabla,
    Name,
    Node,
    Number,
    Script,
    group_of,
)

# The first that is found is meant.
WORDS = {
    "skew": r"skew|antisym[eé]\w+|antisymmetric",
    "symmetric": r"(?<!anti)symmetric|(?<!anti)symétriques?|positive[- ](?:semi[- ]?)?"
    r"definite|(?:semi-)?définie positive|\bS?PSD\b|\bSPD\b|covariance matri\w+|"
    r"matrice de (?:variance-)?covariance|self-adjoint",
    "basis": r"(?:basis|coordinate) vectors?|base canonique|-th unit vectors?|"
    r"unit vectors? of|one-?hot vectors? (?:of|for|with)",
    "onehot": r"one[- ]?hot|1-of-\w+|one-of-\w+",
    "simplex": r"probability (?:vectors?|distributions?)|simplex|"
    r"(?:distributions?|vecteurs?) de probabilités?|sums? to (?:one|1)|"
    r"adds? up to (?:one|1)|(?:de|la) somme (?:est |vaut )?1",
    "diagonal": r"diagonal matri\w+|matrice diagonale|"
    r"(?:is|be|est|soit) diagonale?\b",
    "orthogonal": r"orthogonal matri\w+|matrice orthogonale|orthonormale? \w+|"
    r"(?:is|be|est|soit) orthogonale?\b",
    "unit": r"unit[- ](?:norm|length)|of (?:unit )?norm (?:1|one)|de norme (?:1|un)|"
    r"unit vectors?|vecteurs? unitaires?",
    "zero": r"(?<!non[- ])(?<!non)zero vector|null vector|(?<!non )vecteur nul",
    "positive": r"(?<!semi-)(?<!semi )(?:strict\w+ )?positi(?:ve|fs?|ves)\b"
    r"(?! (?:semi|part|définie|definite|class|example|label|exemple))|"
    r"\bnon-?negative|\bnon négati(?:fs?|ves?)",
    "negative": r"(?<!non-)(?<!non)(?<!non )\bnegative\b(?! (?:log|class|example|label|"
    r"gradient|log-|definite))|(?<!non )\bnégati(?:fs?|ves?)\b",
    "unmodelled": r"-\s*(?:th|st|nd|rd|e|ème|ieme|ième) (?:row|column|ligne|colonne)|"
    r"idempotent|projection matri\w+|projector|projecteur|triangular|"
    r"triangulaire|stochastic matri\w+|stochastique|permutation matri\w+|nilpotent|"
    r"centred|centered|centrée?s?\b|zero[- ]mean|mean zero|moyenne nulle|binary|"
    r"binaire|eigen\w+|valeurs? propres?|vecteurs? propres?|orthogonal|rows? of|"
    r"lignes? de|columns? of|colonnes? de|whose (?:rows|columns)|"
    r"dont les (?:lignes|colonnes)|"
    r"with (?:rows|columns)|minimi[sz]er|optimum|solution|stationary|stationnaire|"
    r"commut\w+",
}
SIGNS = ("positive", "negative")
_LET = re.compile(
    r"\b(?:let|with|given|assum\w+|suppos\w+|take|soit|soient|avec|prenons)\b[^,$]*$",
    re.I,
)
# Of what nothing else declares: it is no number, and how long it is stays unsaid.
SHAPED = "array"
_SHAPED = re.compile(
    r"\b(?:vect(?:or|eur)s?|matri(?:x|ces?)|entr(?:y|ies)|components?|composantes?|"
    r"coordonnées?|coordinates?)\b",
    re.I,
)
_ROWS_OF = re.compile(r"\b(?:rows|columns|lignes|colonnes)\s*$", re.I)
_ANY = re.compile(
    "|".join(f"(?P<{name}>{words})" for name, words in WORDS.items()), re.I
)
_FOLLOWS = re.compile(
    r"\s*(?:,\s*)?(?:\(|(?:which|that|who|each of which|qui)\b|"
    r"(?:a|an|the|some|two|un|une|deux|des|le|la|is|are|be|being|has|have|having|with|"
    r"whose|est|sont|soit|étant|ayant|avec|dont|denotes?|désigne|for the|pour la|"
    r"pour le)\b|(?:and|et) (?:is|are|est|sont)\b)"
)
_BEFORE = re.compile(r"(?:\s+(?!of\b|de\b|for\b|and\b|et\b)[\w-]+){0,3}\s*$")
_ORDINAL = re.compile(r"\s*-?\s*(?:th|st|nd|rd|e|ème|ieme|ième)\b")
_END = re.compile(r"[.;:!?](?:\s|$)|\n\s*\n")
_OPEN = re.compile(r"\$|\\\(")


def assume(notation: Notation) -> None:
    """Gather the properties of symbols."""
    for order, statement in enumerate(notation.statements):
        _said(notation, order, statement)
        _normalised(notation, order, statement)
        _its_own_transpose(notation, order, statement)
        _constrained(notation, order, statement)


def _said(notation: Notation, order: int, statement: Statement) -> None:
    if set(statement.relations) - {"in", "="}:
        return
    found = _in_words(statement)
    if found is None:
        return
    left = statement.members[0].formula
    listed = [m.formula for m in listed_before(notation, order, statement)]
    listed += [m.formula for m in _joined_before(notation, order, statement)]
    name, words = found
    if name == "basis" and not (isinstance(left, Script) and left.below is not None):
        found = "onehot" if "hot" in words else "unit", words
    for node in (*listed, *(left.items if isinstance(left, Listed) else (left,))):
        for key in _keys(notation, node):
            notation.properties[key].setdefault(*found)


_AND = re.compile(r"\s*(?:,\s*)?(?:and|et)?\s*")


def _joined_before(
    notation: Notation, order: int, statement: Statement
) -> Iterator[Member]:
    """Of *a and b are positive* the a."""
    last = statement
    for before in reversed(notation.statements[:order]):
        joined = _AND.fullmatch(own_words(last)) and last.group != before.group
        if before.relations or statement.relations or not joined:
            return
        yield before.members[0]
        last = before


def _keys(notation: Notation, node: Node | None) -> Iterator[str]:
    node = None if node is None else unwrapped(node)
    if not isinstance(node, (Name, Script)):
        return
    reading = notation.reading(node)
    if reading is not None and reading.power is None:
        yield notation.known(reading.key)
    base = node.base if isinstance(node, Script) else node
    if isinstance(node, Script) and isinstance(base, Name) and node.below is not None:
        yield name_of(base) or ""


def _in_words(statement: Statement) -> tuple[str, str] | None:
    """The property that is said of a formula in its sentence, and the words."""
    text = statement.source.text
    behind = _behind(text[statement.members[-1].end :][:240])
    if _FOLLOWS.match(behind):
        match = _ANY.search(behind)
    else:
        match = _ANY.match(behind.lstrip())
    if match is None:
        before = text[max(0, statement.start - 120) : statement.start]
        before = before.rstrip("$ \n").removesuffix("\\(")
        words = re.split(r"[.;:!?]\s|\$|\\\)", before)[-1]
        found = [m for m in _ANY.finditer(words) if _BEFORE.match(words, m.end())]
        match = found[-1] if found else None
        rows = _ROWS_OF.search(words)
        named = statement.members[0].formula
        named = named.items[0] if isinstance(named, Listed) else named
        family = isinstance(named, Script) and named.below is not None
        if match is None and rows is not None and family:
            return "unmodelled", rows.group().strip()
    if match is None:
        shaped = _SHAPED.search(behind) if _FOLLOWS.match(behind) else None
        return None if shaped is None else (SHAPED, shaped.group())
    words = " ".join(match.group().split())
    supposed = _NOT_BEFORE.search(text[max(0, statement.start - 40) : statement.start])
    if match.lastgroup in SIGNS:
        listed = re.sub(r"(?:\s*\$\s*(?:,|and|et)?\s*)+$", " ", statement.words)
        let = statement.relations == ["in"] or _LET.search(listed)
        if supposed or concludes(statement) or not let:
            return None  # "1 for positive x", "which needs a positive u"
    if supposed or re.search(_NOT, f" {behind[: match.start()]}"):
        return "unmodelled", words
    return match.lastgroup or "", words


_NOT = re.compile(r"\b(?:not|no|non|pas|neither|isn't|n'est)\b")
_NOT_BEFORE = re.compile(r"\b(?:if|si|when|whenever|unless|lorsque|quand)\s*\$?$", re.I)


def _behind(text: str) -> str:
    """The words behind a formula, to the next one or to the end of the sentence."""
    text = re.sub(r"^\s*(?:\$+|\\\)|\\\])", "", text)
    if _ORDINAL.match(text):
        return ""  # of "the k-th row" the k
    end = _END.search(text)
    text = text[: end.start()] if end else text
    opening = _OPEN.search(text)
    if opening is None:
        return text
    closing = re.compile(r"\$|\\\)").search(text, opening.end())
    if closing is not None and _ORDINAL.match(text, closing.end()):
        return text  # "the k-th unit vector"
    words = text[: opening.start()]
    last = list(_ANY.finditer(words))
    if last and re.match(r"\s*(?:,|and\b|et\b)", words):
        return ""  # "and a symmetric matrix A"
    return words


def _normalised(notation: Notation, order: int, statement: Statement) -> None:
    r"""An assumption that the entries of a symbol sum to 1."""
    if statement.relations != ["="] or statement.display:
        return
    left, right = (m.formula for m in statement.members)
    if not (isinstance(left, Big) and left.name == "sum"):
        return
    if not (isinstance(right, Number) and right.value == 1):
        return
    body = left.body
    if not isinstance(body, Script) or body.below is None:
        return
    reading = notation.reading(body)
    if reading is None or reading.marks or reading.power is not None:
        return
    key = notation.known(reading.key)
    if notation.definitions.get(key) or not reading.indices:
        return
    bound = {name_of(n) for n in (left.below.walk() if left.below else ())}
    along = [name_of(i) in bound for i in index_parts(body.below)]
    if sum(along) == 1:
        columns = len(along) == 2 and along[0]
        notation.properties[key]["columns of sum 1" if columns else "simplex"] = ""
        notation.assumptions.add(order)


_ASSUMED = re.compile(
    r"\b(?:with|where|such that|satisf\w+|assum\w+|suppos\w+|subject to|under|"
    r"provided|avec|(?<!d['’])où|tels? que?|telles? que?|vérifiant|sous)"
    r"(?: that| que)?\s*$",
    re.I,
)


_SATISFIES = re.compile(r"(?<!that )(?<!which )\bsatisfies\s*$")


def _subject(notation: Notation, order: int) -> bool:
    """Whether what *satisfies* an equality is a symbol that is free to."""
    before = notation.statements[order - 1] if order else None
    if before is None or before.relations:
        return False
    return any(
        not notation.definitions.get(key)
        for key in _keys(notation, before.members[0].formula)
    )


def _constrained(notation: Notation, order: int, statement: Statement) -> None:
    r"""An equality that limits symbols and defines none: ``with \|u\| = 1``."""
    if statement.display or order in notation.assumptions:
        return
    _limited_sets(notation, statement)
    if statement.relations == ["perp"]:
        _say_more(notation, statement)
        return
    formulas = [m.formula for m in statement.members]
    if statement.relations != ["="] or None in formulas:
        return
    if not _ASSUMED.search(own_words(statement)):
        return
    if _SATISFIES.search(own_words(statement)) and not _subject(notation, order):
        return
    left = unwrapped(formulas[0]) if formulas[0] is not None else None
    reading = notation.reading(left) if isinstance(left, (Name, Script)) else None
    if reading is not None and reading.power is None:
        return  # it defines its left side, or gives it a value
    if isinstance(left, Beside) and len(left.items) == 2 and group_of(left.items[1]):
        return
    parts = [n for f in formulas if f is not None for n in f.walk()]
    if any(isinstance(node, (Derivative, Nabla)) for node in parts):
        return  # a claim, in a sentence that goes on from it
    keys = {k for f in formulas if f is not None for k in notation.symbols(f)}
    keys -= notation.sizes | notation.facts.bound
    if all(notation.definitions.get(key) for key in keys):
        return  # of what is defined it is a claim
    notation.assumptions.add(order)
    _say_more(notation, statement)


def _say_more(notation: Notation, statement: Statement) -> None:
    """Note of all free symbols of an assumption that no draw takes it into account."""
    text = statement.source.text[statement.start : statement.members[-1].end]
    for member in statement.members:
        for key in notation.symbols(member.formula) if member.formula else ():
            if key not in notation.sizes and not notation.definitions.get(key):
                notation.properties[key].setdefault("unmodelled", text)


def _limited_sets(notation: Notation, statement: Statement) -> None:
    r"""``m_i \in \{0, 1\}``, ``p \in \Delta^{n-1}``: more than a shape is said."""
    if statement.relations != ["in"]:
        return
    left, right = (m.formula for m in statement.members)
    if left is None:
        return
    found = None if right is None else set_of(right)
    entries = isinstance(left, Script) and left.below is not None
    base = name_of(left.base) if isinstance(left, Script) and not left.above else None
    limited = found is not None and found[0] in ("choice", "unit", "positive")
    if entries and found is not None and limited and base is not None:
        order, section = notation.statements.index(statement), statement.section
        notation.of_entries[base] = Type(found[0], (), found[2], order, section)
        return
    if found is None or (entries and (limited or found[0] == "whole")):
        text = statement.members[1].text
        for node in left.items if isinstance(left, Listed) else (left,):
            for key in _keys(notation, node):
                if key not in notation.facts.bound:
                    notation.properties[key].setdefault("unmodelled", text)


def _its_own_transpose(notation: Notation, order: int, statement: Statement) -> None:
    r"""``A^\top = A``, said of a matrix that is given."""
    if statement.relations[:1] != ["="] or statement.display or concludes(statement):
        return
    sides = [m.formula for m in statement.members[:2]]
    if not all(isinstance(side, (Name, Script)) for side in sides):
        return
    readings = [notation.reading(side) for side in sides if side is not None]
    if len({r.key for r in readings if r}) != 1 or None in readings:
        return
    if sorted(len(r.marks) for r in readings if r) != [0, 1]:
        return
    key = notation.known(readings[0].key) if readings[0] else ""
    if not any(d.order != order for d in notation.definitions.get(key, [])):
        notation.definitions.pop(key, None)
        notation.properties[key]["symmetric"] = ""
        notation.assumptions.add(order)
