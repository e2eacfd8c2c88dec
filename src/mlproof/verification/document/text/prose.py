r"""The statements of a document in their order, with the words around them.

A chain goes on over rows and over blocks that begin with a relation.  Words around a
formula say whether it is a condition (*for $k \ne y$*) and whether it introduces
something (*let $s = \ldots$*).
"""

import re
from collections import defaultdict

from mlproof.verification.document.text.blocks import Block, Kind
from mlproof.verification.document.text.cutting import statements_in
from mlproof.verification.document.text.macros import Macro, macros_of
from mlproof.verification.document.text.scope import (
    CONDITION,
    Scope,
    condition_in_words,
    either,
    heads,
    indices_only,
    is_plain,
    limits_a_list,
    looks_back,
    supposes_anew,
    without_asides,
)
from mlproof.verification.document.text.statements import Statement
from mlproof.verification.document.text.syntax import (
    Beside,
    Group,
    Listed,
    Name,
    Number,
    Script,
)
from mlproof.verification.document.text.vocabulary import ORDERS

# A letter with a number: a value that it has somewhere.
_VALUE = re.compile(
    r"\s*(?P<name>\\?[A-Za-z]+)\s*=\s*(?P<value>-?\s*(?:[\d.]+(?:\s*/\s*\d+)?|"
    r"\\[dt]?frac\s*(?:\d\s*\d|\{\d+\}\s*\{\d+\})))\s*"
)
_REASON = re.compile(r"(?:since|given(?: that)?|as|comme|puisque)\s*$", re.I)
_CASE_WHERE = re.compile(r"\b(?:case|cas) (?:where|où)\s*$", re.I)
_WHERE = re.compile(r"\b(?:where|(?<!d['’])où)\s*$", re.I)
_WITH = re.compile(r"(?:^|[.:]\s+|\n)(?:With|Avec)\s*$")
_INTRODUCES = re.compile(
    r"(?:^|[\s(])(?:let(?: us)?|write|define|defining|denote|denoting|set|put|call|"
    r"soit|soient|notons|posons|on pose|on note|on définit|définissons|with|where|avec|"
    r"où|abbreviate|introduce|say|takes?|prend|again|now)\b[^.$]*$",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"^(?:\s*#{1,6}\s|\s*\*\*|\s*\d+[.)]\s|.*\\(?:sub)*section\*?\{|.*\\paragraph\{)",
    re.M,
)
_WORD = re.compile(r"[^\W\d_]{2,}|\b[aàyI]\b")
_BLANK = re.compile(r"\n[ \t>]*\n")
_ABBREVIATED = re.compile(r"(?:i\.e|e\.g|resp|cf|eq|fig)\.\s*$", re.I)
_NUMBERED = re.compile(
    r"(?:(?:^|\n)[ \t>]*\(?(?:\d+|[a-z])|\b(?:case|cas) (?:\d+|[ivx]+|[a-d]))[.)]\s*$",
    re.I,
)
_FOR_ALL = re.compile(r"\\forall\s*$|(?:for all|for every|pour tout)\s*$", re.I)


def statements_of(blocks: list[Block]) -> list[Statement]:
    """What the formulas of a document state."""
    return Cutter(blocks).cut()


def _varied(blocks: list[Block]) -> set[str]:
    """The letters that sentences give one value after another."""
    values: defaultdict[str, set[str]] = defaultdict(set)
    for block in blocks:
        found = _VALUE.fullmatch(block.content) if block.kind is Kind.INLINE else None
        if found is not None:
            values[found["name"]].add(found["value"])
    return {name for name, several in values.items() if len(several) > 1}


class Cutter:
    """Statements in the order of the document, with the words around them."""

    def __init__(self, blocks: list[Block]):
        self.blocks = blocks
        self.macros: dict[str, Macro] = {}
        for source in {id(b.source): b.source for b in blocks}.values():
            self.macros |= macros_of(source.text)
        self.statements: list[Statement] = []
        self._scope = Scope()
        self._words = ""  # of the sentence so far; a formula is a dollar sign
        self._section = 0
        self._last: Statement | None = None
        self._given: set[str] = set()  # what stood on a left side before
        self._varied = _varied(blocks)

    def cut(self) -> list[Statement]:
        for number, block in enumerate(self.blocks):
            if block.kind is Kind.PROSE:
                ahead = self.blocks[number + 1 : number + 2]
                self._prose(block.content, ahead[0].kind if ahead else None)
            elif block.kind in (Kind.INLINE, Kind.DISPLAY):
                self._mathematics(block)
            elif block.kind is Kind.CODE:
                inline = "\n" not in block.content
                self._words += f" `{block.content}` " if inline else " ` "
            elif block.kind is Kind.SETTING and block.name == "notation":
                self._correction(block)
        return self.statements

    # Words

    def _prose(self, text: str, ahead: Kind | None) -> None:
        last = self._last
        if last is not None:
            last.after = last.after or text
            if not last.is_condition:
                self._scope.words(text)
        if _HEADING.search(text):
            self._section += 1
            self._end_sentence()
            if not re.match(r"\s*\*\*", text):
                self._scope.end_section()
        at = 0
        for piece in re.split(r"(?<=[.;!?])(?=\s)|(?<=\n)(?=[ \t>]*\n)", text):
            worded = bool(_WORD.search(piece))
            blank = _BLANK.search(text, max(0, at - 1), at + len(piece))
            at += len(piece)
            if blank and (worded or ahead is Kind.INLINE):
                self._scope.end_paragraph()
            if self._scope.shown and worded and not looks_back(piece):
                self._scope.displayed_over()
            self._words += piece
            abbreviated = _ABBREVIATED.search(piece)
            if re.search(r"[.;!?]\s*$", piece) and not abbreviated:
                self._end_sentence()
                # The number of an item, or of a case, is the head of what follows.
                self._words = piece if _NUMBERED.search(piece) else ""

    def _end_sentence(self) -> None:
        self._scope.end_sentence()
        self._words = ""

    # Mathematics

    def _mathematics(self, block: Block) -> None:
        display = block.kind is Kind.DISPLAY
        found = list(
            statements_in(block.source, block.inner_start, block.inner_end, self.macros)
        )
        words = self._words
        continued = False
        claims = [s for s in found if not s.is_condition and s.relations != ["in"]]
        for number, statement in enumerate(found):
            statement.section, statement.display = self._section, display
            statement.group = block.start
            statement.local = len(found) > 1 and bool(claims)
            if number == 0:
                statement.words = words + " " + statement.words
                if not statement.members[0].text.strip():
                    continued = self._continue(statement)
                    if continued:
                        continue
            elif not claims or limits_a_list(statement, found[:number]):
                statement.words = words + " " + statement.words
            self._place(statement)
        if display and (found or continued):
            self._scope.shown = True
        self._words = "" if display else self._words + " $ "
        if found and not continued:
            self._last = found[-1]

    def _correction(self, block: Block) -> None:
        """Notation that is set from outside the text, and leaves its sentence alone."""
        for statement in statements_in(
            block.source, block.inner_start, block.inner_end, self.macros
        ):
            statement.group, statement.section = block.start, self._section
            statement.standing = statement.introduces = True
            self.statements.append(statement)

    def _continue(self, statement: Statement) -> bool:
        """Let a chain that begins with a relation go on from the last one."""
        before = self._last
        if before is None or not statement.relations:
            return False
        between = before.after
        if len(_WORD.findall(between)) > 12:
            return False
        before.members += statement.members[1:]
        before.relations += statement.relations
        before.after = ""
        return True

    def _place(self, statement: Statement) -> None:
        words = statement.words
        before = without_asides(re.sub(r"[*_]", "", words))
        statement.introduces = bool(_INTRODUCES.search(before))
        sets_apart = not statement.local and statement.is_condition
        if sets_apart or (statement.relations and self._conditional(statement, before)):
            statement.is_condition = True
            self._scope.condition(statement, words, self._last)
        else:
            statement.unread = condition_in_words(before)
            where = _WHERE.search(before) is not None
            self._scope.claim(statement, before, where and self._is_new(statement))
        if _FOR_ALL.search(before):
            statement.for_all = True
        left = statement.members[0].formula
        if statement.relations and isinstance(left, Name):
            self._given.add(left.text)
        self.statements.append(statement)

    def _conditional(self, statement: Statement, before: str) -> bool:
        if statement.for_all and "in" not in statement.relations:
            return True
        if set(statement.relations) & {":=", "gets", "to", "mapsto"}:
            return False
        if heads(statement, statement.words) or either(statement, before):
            return True
        if supposes_anew(statement, before):
            return True
        sides = [m.formula for m in statement.members]
        if statement.members[0].text in self._varied and not statement.display:
            return statement.relations == ["="]
        if _WITH.search(before):
            return isinstance(sides[-1], (Name, Number))
        if _CASE_WHERE.search(before) and is_plain(statement):
            return True
        if re.search(r"(?:where|(?<!d['’])où|with|avec|as)\s*$", before.lower()):
            # What follows tells what something is, if its left side is a new name.
            return statement.relations[0] in ORDERS
        if CONDITION.search(before):
            if self._defines(statement):
                return False
            reason = _REASON.search(before) and statement.relations == ["="]
            return is_plain(statement) or not reason
        if indices_only(statement):
            return True  # "1. i = j:"
        if statement.relations == ["="] and not isinstance(
            sides[-1], (Name, Number, Script, Listed)
        ):
            return False  # it says what something is
        joined = re.search(r"\$\s*,?\s*(?:and|et|or|ou)\s*$", before)
        return bool(
            joined
            and self.statements
            and self.statements[-1].is_condition
            and not statement.display
            and self._limits_too(statement)
        )

    def _limits_too(self, statement: Statement) -> bool:
        """Whether a relation joined to a condition is a second one, not a claim."""
        orders = not set(statement.relations) & {"=", "in"}
        if not self._scope.behind:
            return orders or is_plain(statement) or "in" in statement.relations
        letters = all(isinstance(m.formula, (Name, Number)) for m in statement.members)
        return orders or letters

    def _defines(self, statement: Statement) -> bool:
        """Whether *for L = g^T h* says what a new name is."""
        left, right = (m.formula for m in statement.members[:2])
        called = isinstance(left, Beside) and isinstance(left.items[-1], Group)
        plain = right is None or isinstance(right, (Name, Number, Script, Listed))
        return self._is_new(statement) and (called or not plain)

    def _is_new(self, statement: Statement) -> bool:
        """Whether it is an equality of a name that stood on no left side before."""
        left = statement.members[0].formula
        if isinstance(left, Beside) and len(left.items) == 2:
            left, argument = left.items
            if not isinstance(argument, Group):
                return False
        if statement.relations != ["="] or not isinstance(left, Name):
            return False
        return left.text not in self._given
