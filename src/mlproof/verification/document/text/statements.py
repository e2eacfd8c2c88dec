r"""What a document states: chains of members, and the conditions they stand under.

Formulas are cut into statements at rows, at commas, at words and at signs such as
``\Rightarrow``; a statement is a chain of members with relations between.  A chain goes
on over rows and over blocks that begin with a relation.  Words around a formula say
whether it is a condition (*for $k \ne y$*) and whether it introduces something
(*let $s = \ldots$*).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mlproof.verification.document.text.blocks import Block, Kind
from mlproof.verification.document.text.grammar import NotUnderstood, parse
from mlproof.verification.document.text.macros import Macro, expanded, macros_of
from mlproof.verification.document.text.source import Source
from mlproof.verification.document.text.syntax import (
    Dots,
    Listed,
    Name,
    Node,
    Number,
    Script,
)
from mlproof.verification.document.text.tokens import Token, TokenKind, tokens
from mlproof.verification.document.text.vocabulary import (
    CASES,
    CONNECTIVES,
    DOTS,
    FUNCTIONS,
    LAYOUT,
    PRODUCTS,
    RELATIONS,
)


@dataclass
class Member:
    """One side of a relation: a formula, or the reason why it is none."""

    source: Source
    start: int
    end: int
    formula: Node | None
    refused: NotUnderstood | None = None

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]


@dataclass(eq=False)
class Statement:
    """A chain of members; a lone member states nothing."""

    members: list[Member]
    relations: list[str] = field(default_factory=list)
    words: str = ""  # before it, in the sentence or in the formula
    after: str = ""  # behind it, in the sentence
    conditions: list["Statement"] = field(default_factory=list)
    is_condition: bool = False
    introduces: bool = False  # whether words such as "let" stand before it
    display: bool = False
    section: int = 0
    group: int = 0  # the block it stands in
    for_all: bool = False
    local: bool = False  # whether other statements stand in the same formula
    after_comma: bool = False  # whether a comma parts it from the one before
    misplaced: bool = False  # cut out of a case it was written into
    standing: bool = False  # for the whole document, whatever its text says

    @property
    def start(self) -> int:
        return self.members[0].start

    @property
    def source(self) -> Source:
        return self.members[0].source


# Words after which a formula is a condition, in English and in French.
_CONDITION = re.compile(
    r"(?:^|[\s(,;])(?:for|if|when|whenever|where|since|assum\w*|suppos\w*"
    r"|given(?: that)?|at|as|pour|si|s'|quand|lorsque|lorsqu'|en|avec|with|unless|"
    r"provided|such that|"
    r"tel que|telle que|tels que|(?<!d['’])où|sous|case|cas|term|terme|point|event|"
    r"condition|"
    r"probab\w+ (?:that|que))"
    r"(?: (?:all|every|any|each|some|tout|toute|tous|toutes|chaque|also|that|que|an?|"
    r"both|the|case|le cas|the case|real|réel|class|index|layers?|classes))*[\s:]*$",
    re.IGNORECASE,
)
_REASON = re.compile(r"(?:since|given(?: that)?|as|comme|puisque)\s*$", re.I)
_WITH = re.compile(r"(?:^|[.:]\s+|\n)(?:With|Avec)\s*$")
_RANGE = re.compile(
    r"(?:for|pour|with|avec|where|(?<!d['’])où|all|every|tout|each|chaque|over)\s*$",
    re.I,
)
_INTRODUCES = re.compile(
    r"(?:^|[\s(])(?:let(?: us)?|write|define|defining|denote|denoting|set|put|call|"
    r"soit|soient|notons|posons|on pose|on note|on définit|définissons|with|where|avec|"
    r"où|abbreviate|introduce|say|takes?|prend|again|now)\b[^.$]*$",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(
    r"[.!?](?=\s|$)|;|\n\s*\n\s*(?=[A-ZÀ-Ý#*\d|-])|\n\s*\n(?=\s*$)"
)
_HEADING = re.compile(
    r"^(?:\s*#{1,6}\s|\s*\*\*|\s*\d+[.)]\s|.*\\(?:sub)*section\*?\{|.*\\paragraph\{)",
    re.M,
)
_WORD = re.compile(r"[^\W\d_]{2,}|\b[aàyI]\b")
_PROSE = frozenset(
    (
        "and or with where then so else otherwise if for when all as is are be by "
        "from in of on the we but since because i.e. e.g. resp. et ou où avec donc "
        "alors sinon si pour quand lorsque tout tous est sont car mais on que soit "
        "par de du le la les un une thus hence therefore that gives let case cas also "
        "both while constant const cste not each any some every s.t. tel dans sur "
        "given implies"
    ).split()
)
_IF = re.compile(
    r"(?:if|si|for|pour|when|quand|lorsque|where|whenever|tout|all|every)$"
)


class Cutter:
    """Statements in the order of the document, with the words around them."""

    def __init__(self, blocks: list[Block]):
        self.blocks = blocks
        self.macros: dict[str, Macro] = {}
        for source in {id(b.source): b.source for b in blocks}.values():
            self.macros |= macros_of(source.text)
        self.statements: list[Statement] = []
        self._sentence: list[Statement] = []  # claims since the last full stop
        self._conditions: list[Statement] = []  # in force
        self._lasting: list[Statement] = []  # "let i, j ... with i != j"
        self._shown = False  # whether a display has followed the conditions
        self._words = ""
        self._section = 0
        self._last_display: list[Statement] = []
        self._last: Statement | None = None

    def cut(self) -> list[Statement]:
        for block in self.blocks:
            if block.kind is Kind.PROSE:
                self._prose(block.content)
            elif block.kind in (Kind.INLINE, Kind.DISPLAY):
                self._mathematics(block)
            elif block.kind is Kind.CODE:
                inline = "\n" not in block.content
                self._words += f" `{block.content}` " if inline else " ` "
            elif block.kind is Kind.SETTING and block.name == "notation":
                self._correction(block)
        return self.statements

    def _prose(self, text: str) -> None:
        if self._last is not None and not self._last.after:
            self._last.after = text
        if _HEADING.search(text):
            self._section += 1
            self._end_sentence()
        for piece in re.split(r"(?<=[.;!?])(?=\s)|(?<=\n)(?=[ \t]*\n)", text):
            if self._shown and _WORD.search(piece) and not self._looks_back(piece):
                self._conditions, self._shown = [], False
                self._sentence = []
            self._words += piece
            if re.search(r"[.;!?]\s*$", piece) and not self._abbreviated(piece):
                self._end_sentence()

    @staticmethod
    def _abbreviated(piece: str) -> bool:
        return bool(re.search(r"(?:i\.e|e\.g|resp|cf|eq|fig|i\.e)\.\s*$", piece, re.I))

    @staticmethod
    def _looks_back(piece: str) -> bool:
        """Whether a condition follows the display it belongs to."""
        return bool(
            re.match(
                r"[\s,]*(?:for|pour|if|si|when|whenever|lorsque|quand|where|(?<!d['’])où)"
                r"(?: (?:all|every|any|each|tout|toute|tous))?\s*$",
                piece,
            )
        )

    def _end_sentence(self) -> None:
        self._sentence, self._conditions, self._shown = [], [], False
        self._words = ""
        self._last_display = []

    def _mathematics(self, block: Block) -> None:
        display = block.kind is Kind.DISPLAY
        found = list(
            _statements(block.source, block.inner_start, block.inner_end, self.macros)
        )
        words = self._words
        continued = False
        for number, statement in enumerate(found):
            statement.section, statement.display = self._section, display
            statement.group = block.start
            statement.local = len(found) > 1
            if number == 0:
                statement.words = words + " " + statement.words
                if not statement.members[0].text.strip():
                    continued = self._continue(statement)
                    if continued:
                        continue
            self._place(statement)
        if display and (found or continued):
            self._shown = True
        self._words = "" if display else self._words + " $ "
        if found and not continued:
            self._last = found[-1]

    def _correction(self, block: Block) -> None:
        """Notation that is set from outside the text, and leaves its sentence alone."""
        for statement in _statements(
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
        before = re.sub(r"[*_]", "", words)
        statement.introduces = bool(_INTRODUCES.search(before))
        if statement.relations and self._conditional(statement, before):
            statement.is_condition = True
            self._condition(statement)
        else:
            # What a formula says of itself comes before what its sentence says.
            own = {c.members[0].text for c in statement.conditions}
            statement.conditions += [
                c
                for c in (*self._conditions, *self._lasting_for(statement))
                if c.members[0].text not in own
            ]
            self._sentence.append(statement)
        if _HEADED_FOR_ALL.search(before):
            statement.for_all = True
        self.statements.append(statement)

    def _lasting_for(self, statement: Statement) -> Iterator[Statement]:
        """What was said of the letters of a statement when they were introduced."""
        if not self._lasting or statement.relations == ["in"]:
            return
        names = set(_names(statement))
        for condition in self._lasting:
            if condition not in self._conditions and names >= set(_names(condition)):
                yield condition

    def _conditional(self, statement: Statement, before: str) -> bool:
        if statement.for_all and "in" not in statement.relations:
            return True
        if set(statement.relations) & {":=", "gets", "to", "mapsto"}:
            return False
        if _WITH.search(before):
            right = statement.members[-1].formula
            return isinstance(right, (Name, Number))
        if re.search(r"(?:where|(?<!d['’])où|with|avec|as)\s*$", before.lower()):
            # What follows tells what something is, if its left side is a new name.
            return statement.relations[0] in ("<", ">", "<=", ">=", "!=")
        if _CONDITION.search(before):
            sides = [m.formula for m in statement.members]
            simple = all(isinstance(s, (Name, Number, Script)) for s in sides)
            reason = _REASON.search(before) and statement.relations == ["="]
            return simple or not reason
        sides = [m.formula for m in statement.members]
        letters = all(isinstance(s, Name) and s.text in _INDICES for s in sides)
        if (
            letters
            and not statement.display
            and set(statement.relations) <= {"=", "!="}
        ):
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
        )

    def _condition(self, statement: Statement) -> None:
        """Let a condition hold for what its words say: what follows, or what was."""
        if statement.local:
            return
        if self._looks_back(statement.words.rsplit("$", 1)[-1]) and self._sentence:
            self._sentence[-1].conditions.append(statement)
        if self._shown and self._last is not None:
            self._last.conditions.append(statement)
        # Another value of the same takes the place of the one before.
        about = statement.members[0].text
        self._conditions = [c for c in self._conditions if c.members[0].text != about]
        self._conditions.append(statement)
        if any("in" in s.relations and s.introduces for s in self._sentence):
            self._lasting.append(statement)


def _names(statement: Statement) -> Iterator[str]:
    for member in statement.members:
        for node in member.formula.walk() if member.formula else ():
            if isinstance(node, Name):
                yield node.text


_INDICES = frozenset("ijklpqrst")
_HEADED_FOR_ALL = re.compile(r"\\forall\s*$|(?:for all|for every|pour tout)\s*$", re.I)


def own_words(statement: Statement) -> str:
    """The words since the formula before."""
    return statement.words.rsplit("$", 1)[-1]


def statements_of(blocks: list[Block]) -> list[Statement]:
    """What the formulas of a document state."""
    return Cutter(blocks).cut()


# Within one formula


def _statements(
    source: Source, start: int, end: int, macros: dict[str, Macro]
) -> Iterator[Statement]:
    written = _intervals(expanded(tokens(source.text, start, end), macros))
    found = _joined(list(_pieces(_flat(written), source.text)))
    local: list[Statement] = []
    for words, piece, for_all, comma in found:
        beside = comma and bool(local) and bool(local[-1].relations)
        statement = _statement(source, _bare(piece) if beside else piece)
        if beside and not words.strip() and _limits(statement, local):
            statement.is_condition = True
        statement.after_comma = comma
        statement.words = words
        if for_all:
            statement.for_all = True
        last = words.rsplit(None, 1)[-1].lower() if words.split() else ""
        new = last in ("where", "où") and statement.relations[:1] == ["="]
        if statement.relations and (_IF.search(last) or for_all) and not new:
            statement.is_condition = True
        local.append(statement)
    # A condition within a formula holds for what stands before it or, if it is the
    # first, for what comes after.
    for number, statement in enumerate(local):
        if not statement.is_condition:
            continue
        before = [s for s in local[:number] if not s.is_condition]
        after = [s for s in local[number + 1 :] if not s.is_condition]
        for claim in before[-1:] if before else after:
            claim.conditions.append(statement)
    yield from local


def _intervals(found: list[Token]) -> list[Token]:
    r"""``]0, 1[`` as ``(0, 1)``: behind a sign of membership brackets may look out."""
    made = list(found)
    for at, token in enumerate(found[:-4]):
        if token.text not in (r"\in", "∈") or found[at + 1].text not in ("]", "["):
            continue
        for end in range(at + 3, min(at + 16, len(found))):
            if found[end].text in ("]", "["):
                inner = [t.text for t in found[at + 2 : end]]
                if inner.count(",") + inner.count(";") == 1:
                    opens = "(" if found[at + 1].text == "]" else "["
                    shuts = ")" if found[end].text == "[" else "]"
                    made[at + 1] = found[at + 1]._replace(text=opens)
                    made[end] = found[end]._replace(text=shuts)
                break
    return made


def _bare(piece: list[Token]) -> list[Token]:
    """A condition without the brackets around it."""
    inner = piece[1:-1]
    around = len(piece) > 4 and (piece[0].text, piece[-1].text) == ("(", ")")
    if not around or any(t.text in "()" for t in inner):
        return piece
    return inner if any(_is_relation(t) for t in inner) else piece


def _limits(statement: Statement, before: list[Statement]) -> bool:
    """Whether a relation beside a claim only says for what it holds, as in k != y."""
    claim = next((s for s in reversed(before) if not s.is_condition), None)
    if claim is None or set(claim.relations) - {"=", "in"}:
        return False
    sides = [member.formula for member in statement.members]
    if set(statement.relations) & {"<", ">", "<=", ">=", "!="}:
        return any(isinstance(side, (Name, Number)) for side in sides)
    if statement.relations != ["="] or not all(
        isinstance(side, (Name, Number, Script)) for side in sides
    ):
        return False
    indices = {
        node.text
        for member in claim.members
        for outer in (member.formula.walk() if member.formula else ())
        if isinstance(outer, Script) and outer.below is not None
        for node in outer.below.walk()
        if isinstance(node, Name)
    }
    return isinstance(sides[0], Name) and sides[0].text in indices


def _flat(found: list[Token]) -> list[Token]:
    """Without the environments that only lay out lines."""
    kept: list[Token] = []
    for token in found:
        edge = token.kind in (TokenKind.BEGIN, TokenKind.END)
        if not (edge and token.text in LAYOUT):
            kept.append(token)
    return _misplaced_out(kept)


def _misplaced_out(found: list[Token]) -> list[Token]:
    r"""Take what follows ``\Rightarrow`` in a row of cases behind the cases."""
    kept: list[Token] = []
    moved: list[Token] = []
    inside, moving = 0, False
    for token in found:
        if token.kind is TokenKind.BEGIN:
            inside += token.text in CASES
        if token.kind is TokenKind.END and token.text in CASES:
            inside -= 1
            moving = False
            kept.append(token)
            kept += moved
            moved = []
            continue
        if inside and token.text in CONNECTIVES:
            moving = True
        if token.kind is TokenKind.ROW:
            moving = False
        (moved if moving else kept).append(token)
    return kept + moved


_OPENING = frozenset(("(", "[", "{", r"\{", r"\lbrace", r"\langle"))
_SHUTTING = frozenset((")", "]", "}", r"\}", r"\rbrace", r"\rangle"))


def _with_depth(found: list[Token]) -> Iterator[tuple[int, Token]]:
    depth = 0
    for token in found:
        opens = token.kind is TokenKind.BEGIN or (
            token.kind is not TokenKind.TEXT and token.text in _OPENING
        )
        shuts = token.kind is TokenKind.END or (
            token.kind is not TokenKind.TEXT and token.text in _SHUTTING
        )
        depth -= shuts
        yield depth, token
        depth += opens


_Piece = tuple[str, list[Token], bool, bool]


def _pieces(found: list[Token], text: str) -> Iterator[tuple[str, str, list[Token]]]:
    """Cut at rows, commas, words and connectives: what cut, the words, the tokens."""
    piece: list[Token] = []
    cut, words = "", ""
    deep = list(_with_depth(found))
    wide, before = False, 0
    for at, (depth, token) in enumerate(deep):
        new = ""
        wide = wide or bool(_WIDE.search(text, before, max(before, token.start)))
        before = token.end
        if token.kind is TokenKind.COLUMN and depth <= 0:
            wide = True
            continue
        if wide and depth <= 0 and piece and _begins_another(piece, deep[at:], text):
            yield cut, words, piece
            piece, words, cut = [], "", "comma"
        wide = False
        if depth <= 0:
            if token.kind is TokenKind.ROW:
                new = "row"
            elif token.kind is TokenKind.SIGN and token.text in (",", ";"):
                new = "comma"
            elif token.text in CONNECTIVES:
                new = "connective"
            elif token.text in (r"\forall", r"\exists"):
                new = "for all"
            elif token.kind is TokenKind.TEXT and _is_prose(token.text):
                new = "words"
        if not new:
            piece.append(token)
            continue
        if piece or new == "row":
            yield cut, words, piece
            piece, words, cut = [], "", new
        if new == "words":
            words += f" {token.text.strip()} "
        elif new == "for all":
            words += " \\forall "
        if not cut or new != "comma":
            cut = new
    if piece:
        yield cut, words, piece


_WIDE = re.compile(r"\\q?quad(?![A-Za-z])")


def _begins_another(
    piece: list[Token], ahead: list[tuple[int, Token]], text: str
) -> bool:
    """Whether what stands behind a wide space is a statement of its own."""
    if not any(d <= 0 and _is_relation(t) for d, t in _with_depth(piece)):
        return False
    first = ahead[0][1]
    if _is_relation(first) or first.text in ("+", "-", *PRODUCTS):
        return False
    if first.text == "(":
        inner = [t for d, t in ahead if d > 0]
        return any(_is_relation(t) for t in inner)
    before = first.start
    for depth, token in ahead:
        if depth > 0:
            before = token.end
            continue
        if _is_relation(token):
            return True
        gap = _WIDE.search(text, before, max(before, token.start))
        before = token.end
        ends = token.kind in (TokenKind.ROW, TokenKind.COLUMN, TokenKind.TEXT)
        if gap or ends or token.text in (",", ";") or token.text in CONNECTIVES:
            return False
    return False


def _is_prose(text: str) -> bool:
    words = text.strip(" .,;:()").lower()
    if not words or words in FUNCTIONS or text.strip() in FUNCTIONS:
        return not words
    return " " in words or words in _PROSE


def _joined(found: list[tuple[str, str, list[Token]]]) -> list[_Piece]:
    """Put together again what a row or the dots of a range have parted."""
    joined: list[_Piece] = []
    for cut, words, piece in found:
        if not piece:
            continue
        last = joined[-1] if joined else None
        first = piece[0]
        if last is not None and not words.strip() and cut in ("row", "comma"):
            goes_on = cut == "row" and (
                _is_relation(first)
                or first.text in ("+", "-", *PRODUCTS)
                or _is_relation(last[1][-1])
                or last[1][-1].text in ("+", "-", *PRODUCTS)
            )
            dots = cut == "comma" and (_is_dots(piece) or _ends_in_dots(last[1]))
            plain = cut == "comma" and _lists(last[1], piece)
            if goes_on:
                # Behind a row with its reason the chain goes on, not the reason.
                last = next((j for j in reversed(joined) if not j[0].strip()), last)
            if goes_on or dots or plain:
                if cut == "comma":
                    comma = Token(TokenKind.SIGN, ",", first.start, first.start)
                    last[1].append(comma)
                last[1].extend(piece)
                continue
        listed = cut == "comma" and not words.strip()
        joined.append((words, list(piece), r"\forall" in words, listed))
    return joined


def _is_relation(token: Token) -> bool:
    return token.kind is not TokenKind.TEXT and token.text in RELATIONS


def _is_dots(piece: list[Token]) -> bool:
    return piece[0].text[1:] in DOTS and len(piece) == 1


def _ends_in_dots(piece: list[Token]) -> bool:
    return piece[-1].text[1:] in DOTS


def _lists(before: list[Token], piece: list[Token]) -> bool:
    """Whether a comma only parts the numbers of a list, as in t = 1, 2."""
    relations = any(_is_relation(t) for t in piece)
    return not relations and any(_is_relation(t) for t in before) and len(piece) <= 2


def _statement(source: Source, piece: list[Token]) -> Statement:
    while piece and piece[-1].kind is TokenKind.SIGN and piece[-1].text in ".,;:":
        piece = piece[:-1]
    members, relations = _split(piece)
    made = [_member(source, found, piece) for found in members]
    return Statement(made, relations)


def _split(piece: list[Token]) -> tuple[list[list[Token]], list[str]]:
    members: list[list[Token]] = [[]]
    relations: list[str] = []
    depth_of = list(_with_depth(piece))
    at = 0
    while at < len(depth_of):
        depth, token = depth_of[at]
        after = depth_of[at + 1][1] if at + 1 < len(depth_of) else None
        if depth <= 0 and token.text == ":" and after and after.text == "=":
            relations.append(":=")
            members.append([])
            at += 2
            continue
        if depth <= 0 and token.text in (r"\overset", r"\stackrel"):
            end = _over_relation(depth_of, at)
            if end is not None:
                relations.append(":=" if _says_defined(piece, token) else "=")
                members.append([])
                at = end
                continue
        if depth <= 0 and _is_relation(token):
            relations.append(RELATIONS[token.text])
            members.append([])
        else:
            members[-1].append(token)
        at += 1
    return members, relations


def _says_defined(piece: list[Token], token: Token) -> bool:
    words = [t.text for t in piece if t.start > token.start][:4]
    return any(
        word.strip() in ("def", "def.", r"\triangle", "\\text") for word in words
    )


def _over_relation(depth_of: list[tuple[int, Token]], at: int) -> int | None:
    """Where a relation with something above it ends; None if it is none."""
    groups, index = 0, at + 1
    related = False
    while index < len(depth_of) and groups < 2:
        depth, token = depth_of[index]
        if token.text == "{" or depth > depth_of[at][0] or token.text == "}":
            groups += token.text == "}" and depth == depth_of[at][0]
            related = related or (groups == 1 and _is_relation(token))
        else:
            groups += 1
            related = related or _is_relation(token)
        index += 1
    return index if related else None


def _member(source: Source, found: list[Token], piece: list[Token]) -> Member:
    while found and found[0].text == ",":
        found = found[1:]
    if not found:
        at = piece[0].start if piece else 0
        return Member(
            source, at, at, None, NotUnderstood("nothing stands here", at, at)
        )
    start, end = _begin(found[0], source), _finish(found[-1], source)
    try:
        if len(found) == 1 and found[0].text[1:] in DOTS:
            formula: Node = Dots(start, end)
        else:
            formula = parse(found)
    except NotUnderstood as refusal:
        return Member(source, start, end, None, refusal)
    except RecursionError:
        deep = NotUnderstood("it is nested too deeply", start, end)
        return Member(source, start, end, None, deep)
    return Member(source, start, end, formula)


def _begin(token: Token, source: Source) -> int:
    r"""Where a token begins in the text, with the command around its words.

    ``\left`` belongs to the bracket that follows.
    """
    start = token.start
    if token.kind is TokenKind.TEXT and source.text[start] != "\\":
        return source.text.rfind("\\", 0, start)
    before = re.search(
        r"\\(?:left|bigl?|Bigl?|biggl?|Biggl?)\s*$",
        source.text[max(0, start - 12) : start],
    )
    return start - len(before.group()) if before else start


def _finish(token: Token, source: Source) -> int:
    if token.kind is TokenKind.TEXT and source.text[token.start] != "\\":
        return source.text.index("}", token.end) + 1
    return token.end
