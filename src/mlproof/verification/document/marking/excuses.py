"""What excuses a step that fails: the words around it.

A sentence may deny an equality, suppose it, or solve it; and it may say more of a
symbol than the values drawn for it have.
"""

import re

from mlproof.verification.document.marking.members import Members
from mlproof.verification.document.notation.names import name_of
from mlproof.verification.document.notation.properties import SHAPED, SIGNS
from mlproof.verification.document.text.syntax import Name, Number, Script
from mlproof.verification.document.values.drawn import MODELLED

_TO_SOLVE = re.compile(
    r"\b(?:sett?ing|sets?|solv\w+|equat\w+|annul\w+|résoud\w+|résolv\w+|first-order|"
    r"optimality|stationar\w+|stationnai\w+|optimum|minim\w+|must|doit)\b[^.]*$",
    re.I,
)
# An equality that its sentence denies, or supposes in order to.
_NOT_CLAIMED = re.compile(
    r"\b(?:not (?:always |generally |in general )?true|untrue|it is false|"
    r"il est faux|pas vrai|mistakes?|erreurs? (?:courante|fréquente|classique)s?|"
    r"wrongly|tempting|tentant|contradiction|l['’]absurde|one might|on pourrait|"
    r"à tort|does not hold|disprove)\b",
    re.I,
)
_EQUATION = re.compile(
    r"\b(?:sett?ing|solv\w+|solutions?|roots?|zeros?|racines?|résou\w+|résolv\w+|"
    r"annul\w+|(?:at|au|in|le|the) (?:the |le )?(?:minim|maxim|optim|station)\w+|"
    r"equations?|équations?|if and only if|iff|ssi|si et seulement si)\b",
    re.I,
)
_EQUATION_HERE = re.compile(
    r"\b(?:sett?ing|annulant|solv\w+|résou\w+|résolv\w+|égalant|"
    r"(?:minim|maxim|optim|station|solution)\w*[^.$]*(?:satisf|vérifi)\w*)\b",
    re.I,
)
_SPOKEN = re.compile(
    r"\s*(?:is|are|was|would|has|have|holds?|may|might|can|could|happens|occurs|means|"
    r"est|sont|serait|a|ont|peut|signifie|if and only if|iff|ssi|si et seulement si)\b",
    re.IGNORECASE,
)


def said(chain: Members) -> tuple[str, str] | None:
    """A symbol and what is said of it, where values drawn have no such property."""
    sizes = {size for p in chain.points for size in p.world._sizes}
    for other in chain.notation.statements[: chain.order]:
        key = chain.notation.size_set(other)
        if key in sizes and other.section == chain.statement.section:
            return key or "", f"{other.members[0].text} = {other.members[1].text}"
    notation = chain.notation
    written: set[str] = set()
    for member in chain.members:
        for node in member.formula.walk() if member.formula is not None else ():
            written.add(name_of(node) or "")
    used = set().union(*(point.world.used for point in chain.points[:1]))
    for key in sorted(written | used):
        shaped = notation.types.get(key) or notation.definitions.get(key)
        number = not shaped and notation.inferred_sizes(key) is None
        for name, words in notation.properties.get(key, {}).items():
            if name not in (*MODELLED, *SIGNS, SHAPED):
                return key, words
            if number and name not in SIGNS and key in used:
                return key, words or name
    return None


def spoken_of(chain: Members, i: int) -> bool:
    """Whether a formula in a sentence is what it speaks of, not what it says."""
    statement = chain.statement
    zero = chain.members[i].formula
    to_solve = isinstance(zero, Number) and not zero.value
    after = chain.notation.statements[chain.order + 1 : chain.order + 2]
    goes_on = any(s.group == statement.group and s.relations for s in after)
    words = statement.words
    if to_solve and (goes_on or _TO_SOLVE.search(words) or _EQUATION.search(words)):
        return True
    if _NOT_CLAIMED.search(statement.words) or _solves(chain):
        return True
    text = statement.source.text[chain.members[0].end : chain.members[-1].start]
    if re.search(r"\\(?:stackrel|overset)\s*\{\s*!", text):
        return True
    asked = "?" in re.split(r"[.;!\n]", statement.after)[0]
    return asked or (not statement.display and bool(_SPOKEN.match(statement.after)))


def _solves(chain: Members) -> bool:
    """Whether it says which value a free symbol has where an equation holds."""
    left = chain.members[0].formula
    if not _EQUATION.search(chain.statement.words):
        return False
    if isinstance(left, (Name, Script)):
        reading = chain.notation.reading(left)
        key = "" if reading is None else chain.notation.known(reading.key)
        return not chain.notation.definitions.get(key)
    return bool(_EQUATION_HERE.search(chain.statement.words))
