r"""Which conditions a claim stands under.

A condition holds for what its words say: *if P* before a claim for the rest of its
sentence, *A if P* for the claim before it, *assume P* or a case at the head of an item
to the end of the paragraph; *otherwise* turns the last one round.  Where nothing says
whether a condition still holds it is kept apart as doubtful: what is true under it only
is then neither praised nor blamed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from mlproof.verification.document.text.statements import Statement, own_words
from mlproof.verification.document.text.syntax import (
    Group,
    Name,
    Number,
    Related,
    Script,
)
from mlproof.verification.document.text.vocabulary import ORDERS

# Words after which a formula is a condition, in English and in French.
CONDITION = re.compile(
    r"(?:^|[\s(,;])(?:for|if|when|whenever|where|since|assum\w*|suppos\w*|"
    r"given(?: that)?|at|as|pour|si|s'|quand|lorsque|lorsqu'|en|avec|with|unless|"
    r"provided|such that|"
    r"tel que|telle que|tels que|(?<!d['’])où|sous|"
    r"(?<!which )(?<!that )(?<!this )(?<!any )(?<!each )(?<!either )case|"
    r"(?<!ce )(?<!auquel )(?<!tout )(?<!chaque )cas|term|terme|point|event|"
    r"condition|"
    r"probab\w+ (?:that|que))"
    r"(?: (?:all|every|any|each|some|tout|toute|tous|toutes|chaque|also|that|que|an?|"
    r"in addition|moreover|further(?:more)?|de plus|en outre|even|now|"
    r"both|the|case|le cas|the case|real|réel|class|index|layers?|classes))*[\s:]*$",
    re.IGNORECASE,
)
# What is supposed alone in a sentence goes on holding behind it.
_SUPPOSES = re.compile(
    r"\b(?:assum\w+|suppos\w+|admet\w+|consid[eè]r\w+|case|cas|now|maintenant|let|"
    r"take|set|soit|soient|prenons|posons)\b",
    re.I,
)
_AGAIN = re.compile(
    r"\b(?:now|next|again|maintenant|à présent|ensuite)\b[^.$]*"
    r"\b(?:let|take|soit|prenons|consid[eè]r\w+)\b[^.$]*$",
    re.I,
)
# The head of an item, of a paragraph or of a section, perhaps with a case's number.
_HEAD = re.compile(
    r"(?:^|\n)[ \t>]*"
    r"(?P<marker>(?:[-*+]\s+|\(?(?:\d+|[a-z])[.)]\s+|\#{1,6}\s+|\*\*|__|"
    r"\\item\s*\[?|\\(?:sub)*(?:section|paragraph)\*?\{)*)"
    r"(?P<case>(?:(?:first|second|third|1er|2e|premier|deuxième|second)\s+)?"
    r"(?:case|cas)\s*(?:\d+|[ivx]+|[a-d])?)?"
    r"[\s.:)*_—–-]*\(?\s*(?:if|when|for|where|si|pour|où|lorsque|quand)?\s*$",
    re.I,
)
# What may stand between a case and what is claimed of it.
_THEN = re.compile(
    r"[\s$)\]}:.,;*_—–-]*(?:(?:then|alors|we|have|get|gives?|obtain|on|a|obtient|and|"
    r"so|donc|here|ici|the|derivative|gradient|is|la|le|dérivée|est)\b[\s:,]*)*"
    r"(?:\$|\\\[|\\\(|\\begin|$)"
)
_OTHERWISE = (
    r"(?P<otherwise>otherwise|else|elsewhere|sinon|autrement|ailleurs|"
    r"dans le cas contraire|"
    r"in the (?:other|opposite|contrary) case|if not|"
    r"(?:for|pour) (?:(?:every|all|any|each|the|toutes?|tous|les|chaque) )+"
    r"(?:others?|autres?|rest|remaining|reste))\b"
)
_OTHERWISE_BEFORE = re.compile(rf"\b{_OTHERWISE}[^.$]*$", re.I)
_OTHERWISE_BEHIND = re.compile(rf"[\s,)]*{_OTHERWISE}", re.I)
_LOOKS_BACK = re.compile(
    r"[\s,(]*(?:only )?(?:for|pour|if|si|when|whenever|lorsque|quand|where|"
    r"(?<!d['’])où)(?: (?:all|every|any|each|tout|toute|tous))?\s*$"
)
# In these sentences what was said of a case goes no further.
_SUMS_UP = re.compile(
    r"\b(?:in (?:summary|general|short|all cases|both cases|either case)|together|"
    r"combine[sd]?|combining|overall|to sum up|both cases|en résumé|en général|"
    r"dans (?:tous|les deux|chaque) (?:les )?cas|finally|finalement|au total|"
    r"en réunissant|for (?:all|every|any)|pour tout\w*)\b",
    re.I,
)
_CONTRARY = re.compile(r"\b(?:contradiction|l['’]absurde|to the contrary)\b", re.I)
_CONCLUDES = re.compile(
    r"\b(?:then|hence|thus|so|therefore|it follows|conclud\w+|implies|consequently|"
    r"deduce|donc|alors|d['’]où|ainsi|par conséquent|on (?:en )?(?:déduit|conclut))\b"
    r"(?: (?:that|que|also|we have|on a))?[\s,:]*$",
    re.I,
)
_GIVES = re.compile(r"\b(?:with|where|let|avec|où|soit|soient)\s*$", re.I)
_SAME_CASE = re.compile(r"\b(?:in (?:this|that) case|dans ce cas)\b", re.I)
_UNLESS = re.compile(
    r"\b(?:unless|except (?:if|when|for)|sauf(?: si)?|hormis)\s*$", re.I
)
_REGION = re.compile(
    r"\b(?:on|over|in|inside|outside|within|sur|dans|hors de)\s*$", re.I
)
_EITHER = re.compile(r"\b(?:either|or|ou bien|ou|soit)\s*$", re.I)
_AND_THEN = re.compile(
    r"\s*\$?\s*,?\s*(?:and then|then|et alors|alors|in which case|auquel cas)\b", re.I
)
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">": "<=", "<=": ">", ">=": "<"}
_INDICES = frozenset("ijklpqrst")
_LABELS = frozenset("yc")
_ASIDE = re.compile(
    r",?\s+(?:for simplicity|for now|for the moment|without loss of generality|"
    r"pour simplifier|pour l['’]instant|sans perte de généralité)\b,?",
    re.I,
)


def without_asides(words: str) -> str:
    """Words without what parts a condition from its formula and sets none."""
    return _ASIDE.sub("", words)


def indices_only(statement: Statement) -> bool:
    """Whether it only says which index is which, as in i = j or k != y."""
    sides = [m.formula for m in statement.members]
    letters = [s.text for s in sides if isinstance(s, Name)]
    return (
        len(letters) == len(sides)
        and not statement.display
        and set(statement.relations) <= {"=", "!="}
        and letters[0] in _INDICES
        and set(letters) <= _INDICES | _LABELS
    )


def is_plain(statement: Statement) -> bool:
    """Whether all its sides are single symbols or numbers."""
    return all(isinstance(m.formula, (Name, Number, Script)) for m in statement.members)


def limits(statement: Statement) -> bool:
    """Whether it is an inequality."""
    return bool(statement.relations) and set(statement.relations) <= ORDERS


def heads(statement: Statement, words: str) -> bool:
    """Whether it stands at the head of what is said of a case."""
    match = _HEAD.search(words)
    if match is None or set(statement.relations) - set(_OPPOSITE):
        return False
    if statement.local or statement.display or not is_plain(statement):
        return False
    if match["case"] is not None or indices_only(statement):
        return True
    text, end = statement.source.text, statement.members[-1].end
    said = _THEN.match(text, end, end + 200)
    return bool(match["marker"] and said and statement.relations != ["="])


def limits_a_list(statement: Statement, before: list[Statement]) -> bool:
    """Whether an inequality is said of all in a list, as in p, q > 0."""
    return (
        statement.after_comma
        and limits(statement)
        and not any(s.relations for s in before)
    )


def _is_interval(statement: Statement) -> bool:
    node = statement.members[0].formula
    return isinstance(node, Group) and node.bracket in "([" and len(node.items) == 2


def either(statement: Statement, words: str) -> bool:
    """Whether it is one of two cases, as in *either x > 0, and then*."""
    text, end = statement.source.text, statement.members[-1].end
    return limits(statement) and bool(
        _EITHER.search(words) and _AND_THEN.match(text, end)
    )


def supposes_anew(statement: Statement, words: str) -> bool:
    """Whether it sets another case apart, as in *now let x < 0*."""
    return limits(statement) and bool(_AGAIN.search(words))


def concludes(statement: Statement) -> bool:
    """Whether an inequality, or a matrix that is its own transpose, is a conclusion."""
    return bool(_CONCLUDES.search(own_words(statement)))


def looks_back(words: str) -> bool:
    """Whether a condition with these words before it follows what it belongs to."""
    return bool(_LOOKS_BACK.match(words))


def names_in(statement: Statement) -> Iterator[str]:
    for member in statement.members:
        for node in member.formula.walk() if member.formula else ():
            if isinstance(node, Name):
                yield node.text


def _about(statement: Statement) -> frozenset[str]:
    return frozenset(names_in(statement))


def _without(conditions: list[Statement], other: Statement) -> list[Statement]:
    """Those that another does not take the place of."""
    about = other.members[0].text
    return [
        c
        for c in conditions
        if c.members[0].text != about and _about(c) != _about(other)
    ]


def says_otherwise(words: str) -> bool:
    """Whether it is the opposite of the last condition that these words set."""
    return bool(_OTHERWISE_BEFORE.search(words))


def turned(condition: Statement) -> Statement | None:
    """The opposite of a condition; None if one relation does not say it."""
    if len(condition.relations) != 1 or condition.relations[0] not in _OPPOSITE:
        return None
    return replace(condition, relations=[_OPPOSITE[condition.relations[0]]])


@dataclass
class Scope:
    """The conditions in force at a place of a document."""

    claims: list[Statement] = field(default_factory=list)  # since the last full stop
    sentence: list[Statement] = field(default_factory=list)
    paragraph: list[Statement] = field(default_factory=list)
    lasting: list[Statement] = field(default_factory=list)  # "let i, j ... with i != j"
    doubtful: list[Statement] = field(default_factory=list)  # of sentences before
    earlier: list[Statement] = field(default_factory=list)  # of paragraphs before
    behind: list[Statement] = field(default_factory=list)  # "A if P" of the sentence
    last: Statement | None = None  # what *otherwise* would turn round
    supposed: bool = False  # whether the sentence supposes
    region: str = ""  # the interval that the sentence speaks of alone
    contrary: str = ""  # where the paragraph supposes what it refutes
    shown: bool = False  # whether a display has followed the conditions

    # What stands in a document

    def condition(
        self, statement: Statement, words: str, before: Statement | None
    ) -> None:
        """A condition, with the words before it and the statement before it."""
        if statement.local:
            if _GIVES.search(words) and limits(statement):
                self.lasting.append(statement)  # with p, q > 0
            return
        self.last = statement
        if heads(statement, words):
            for name in ("sentence", "paragraph", "doubtful", "earlier"):
                setattr(self, name, _without(getattr(self, name), statement))
            self.paragraph.append(statement)
            return
        since = words.rsplit("$", 1)[-1]
        opposite = turned(statement)
        if self.claims and opposite is not None and _UNLESS.search(since):
            self.claims[-1].conditions.append(opposite)
            self.sentence = [*_without(self.sentence, statement), statement]
            return
        if looks_back(since) and self.claims and not self._parts(statement):
            self.claims[-1].conditions.append(statement)
            for claim in self.claims[:-1]:
                claim.doubtful.append(statement)
            self.behind.append(statement)
            if self.shown:
                return
        elif self.shown and before is not None:
            before.conditions.append(statement)
        else:
            self.doubtful = _without(self.doubtful, statement)
            self.earlier = _without(self.earlier, statement)
            self.paragraph = _without(self.paragraph, statement)
        self.supposed |= bool(_SUPPOSES.search(words))
        if statement in self.behind:
            return
        self.sentence = _without(self.sentence, statement)
        self.sentence.append(statement)
        introduced = any(s.introduces for s in self.claims)
        if introduced and any("in" in s.relations for s in self.claims):
            self.lasting.append(statement)

    def _parts(self, statement: Statement) -> bool:
        """Whether it is the second of two cases that come before their claims."""
        about = _about(statement)
        return any(_about(c) == about for c in self.sentence if c not in self.behind)

    def claim(self, statement: Statement, words: str, defines: bool) -> None:
        """A claim, with the words before it: gather its conditions."""
        region = _REGION.search(words)
        if region is not None and not statement.relations and _is_interval(statement):
            self.region = f"{region.group().strip()} {statement.members[0].text}"
        statement.unread = statement.unread or self.region
        if statement.unread:
            self.last = None
        otherwise = _OTHERWISE_BEFORE.search(words)
        if otherwise is not None:
            opposite = None if self.last is None else turned(self.last)
            if self.last is not None:
                self.paragraph = _without(self.paragraph, self.last)
            self.last = opposite
            self.sentence = [] if opposite is None else [opposite]
            statement.unread = otherwise["otherwise"] if opposite is None else ""
        contrary = _CONTRARY.search(words)
        self.contrary = contrary.group() if contrary is not None else self.contrary
        statement.unread = statement.unread or self.contrary
        if _SUMS_UP.search(words):
            self.doubtful, self.earlier = [], []
        own = {c.members[0].text for c in statement.conditions}
        held = (*self.sentence, *self.paragraph, *self._lasting_for(statement))
        if _SAME_CASE.search(words) and self.last in self.doubtful:
            held = (*held, *(c for c in self.doubtful if c is self.last))
        if defines:
            held = ()  # what something is does not hang on the case
        statement.conditions += [c for c in held if c.members[0].text not in own]
        judged = {"=", ":=", *_OPPOSITE} & set(statement.relations)
        if judged:
            doubtful = (*self.doubtful, *self.behind, *self.earlier)
            statement.doubtful += [
                c
                for c in doubtful
                if c.members[0].text not in own and not _decides(statement, c)
            ]
        if limits(statement) and concludes(statement):
            self.doubtful.append(statement)
        self.claims.append(statement)

    def _lasting_for(self, statement: Statement) -> Iterator[Statement]:
        """What was said of the letters of a statement when they were introduced."""
        if not self.lasting or statement.relations == ["in"]:
            return
        names = set(names_in(statement))
        for condition in self.lasting:
            if condition not in self.sentence and names >= _about(condition):
                yield condition

    def words(self, text: str) -> None:
        """What stands behind the last claim: *otherwise* belongs to it."""
        found = _OTHERWISE_BEHIND.match(text)
        if found is None or self.last not in self.behind or not self.claims:
            return
        assert self.last is not None
        claim, opposite = self.claims[-1], turned(self.last)
        claim.conditions = [c for c in claim.conditions if c is not self.last]
        claim.doubtful = [c for c in claim.doubtful if c is not self.last]
        if opposite is not None:
            claim.conditions.append(opposite)
        else:
            claim.unread = found["otherwise"]

    # Where something ends

    def displayed_over(self) -> None:
        """New words behind a display that the sentence led to."""
        self.doubtful += self.sentence
        self.sentence, self.claims, self.behind, self.shown = [], [], [], False

    def end_sentence(self) -> None:
        alone = not any(set(c.relations) - {"in"} for c in self.claims)
        supposed = alone and self.supposed
        for condition in self.sentence:
            held = self.paragraph if supposed else self.doubtful
            held[:] = [*_without(held, condition), condition]
        self.sentence, self.claims, self.behind = [], [], []
        self.shown = self.supposed = False
        self.region = ""

    def end_paragraph(self) -> None:
        self.end_sentence()
        self.contrary = ""
        for condition in self.paragraph:
            self.earlier = [*_without(self.earlier, condition), condition]
        self.doubtful, self.paragraph = [], []

    def end_section(self) -> None:
        self.end_sentence()
        self.doubtful, self.paragraph, self.earlier = [], [], []
        self.last = None


def _decides(statement: Statement, condition: Statement) -> bool:
    """Whether a claim tells the cases apart by itself, as with 1_{k = y}."""
    about = _about(condition)
    for member in statement.members:
        for node in member.formula.walk() if member.formula else ():
            if isinstance(node, Related):
                inner = {n.text for n in node.walk() if isinstance(n, Name)}
                if about <= inner:
                    return True
    return False


# Conditions in words

_WORDED = re.compile(
    r"\b(?:if|when|whenever|si|lorsque|quand|unless)\b"
    r"(?P<said>[^,;:.]*?)(?=[,;:.]|$|\b(?:then|alors|we|on a)\b)",
    re.I,
)
_SET_APART = re.compile(
    r"\b(?:at|à l['’]) ?initiali[sz]ation\b|"
    r"\b(?:on )?initiali[sz]\w+\b|\bin the limit\b|\bà la limite\b|\bup to an?\b|"
    r"\bà une constante près\b",
    re.I,
)
_FILLS = frozenset(
    "all every each any the and both are also only not then for some there holds that "
    "tous toutes tout les est sont pour que with let set put take soit posons "
    "addition moreover plus outre".split()
)
_OF_US = re.compile(r"\s*(?:we|you|one|on|nous|used|\w+ing)\b", re.I)


def condition_in_words(words: str) -> str:
    """A condition of which more than its formula is said; nothing if there is none."""
    found = _SET_APART.search(words)
    if found:
        return found.group()
    for match in _WORDED.finditer(words):
        said = match["said"]
        rest = [w for w in re.findall(r"[^\W\d_]{3,}", said) if w.lower() not in _FILLS]
        if rest and not _OF_US.match(said):
            return " ".join(match.group().replace("$", "…").split())
    return ""
