r"""The statements within one formula.

It is cut at rows, at commas, at words and at signs such as ``\Rightarrow``; what is
left between is a chain of members, or a condition on the one beside it.
"""

import re
from collections.abc import Iterator

from mlproof.verification.document.text.grammar import NotUnderstood, parse
from mlproof.verification.document.text.macros import Macro, expanded
from mlproof.verification.document.text.rewriting import (
    is_relation,
    rewritten,
    with_depth,
)
from mlproof.verification.document.text.scope import (
    indices_only,
    is_plain,
    says_otherwise,
    turned,
)
from mlproof.verification.document.text.source import Source
from mlproof.verification.document.text.statements import Member, Statement
from mlproof.verification.document.text.syntax import (
    At,
    Dots,
    Name,
    Node,
    Number,
    Script,
)
from mlproof.verification.document.text.tokens import Token, TokenKind, tokens
from mlproof.verification.document.text.vocabulary import (
    CONNECTIVES,
    DOTS,
    FUNCTIONS,
    ORDERS,
    PRODUCTS,
    RELATIONS,
)

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
_IMPLIES = r"\Rightarrow"
_IMPLICATIONS = frozenset((_IMPLIES, r"\implies", r"\Longrightarrow", "⇒"))
_IF = re.compile(
    r"(?:if|si|for|pour|when|quand|lorsque|where|whenever|tout|all|every)$"
)


def statements_in(
    source: Source, start: int, end: int, macros: dict[str, Macro]
) -> Iterator[Statement]:
    written = rewritten(expanded(tokens(source.text, start, end), macros))
    found = _joined(list(_pieces(written, source.text)))
    local: list[Statement] = []
    for words, whole, for_all, comma in found:
        beside = comma and bool(local) and bool(local[-1].relations)
        piece, left_out = _less(_bare(whole) if beside else whole)
        statement = _statement(source, piece)
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
        if _IMPLIES in words and local and _sets_apart(local[-1]):
            local[-1].is_condition = True
        local.append(statement)
        if left_out:
            other = _statement(source, left_out)
            other.relations, other.is_condition = ["!="], True
            other.words = words
            local.append(other)
    # A condition within a formula holds for what stands before it or, if it is the
    # first, for what comes after.
    for number, statement in enumerate(local):
        if not statement.is_condition:
            continue
        before = [s for s in local[:number] if not s.is_condition]
        after = [s for s in local[number + 1 :] if not s.is_condition]
        for claim in before[-1:] if before else after:
            claim.conditions.append(statement)
    _turn_round(local, written)
    yield from local


def _sets_apart(statement: Statement) -> bool:
    r"""Whether what is implied by it is claimed of a case, as behind ``k \ne y``."""
    if not statement.relations or not is_plain(statement):
        return False
    return "=" not in statement.relations or indices_only(statement)


def _turn_round(local: list[Statement], written: list[Token]) -> None:
    """Let *A if P, B otherwise* claim B where P does not hold."""
    last = written[-1] if written else None
    behind = (
        last is not None and last.kind is TokenKind.TEXT and says_otherwise(last.text)
    )
    condition: Statement | None = None
    for number, statement in enumerate(local):
        if statement.is_condition:
            condition = statement
            continue
        otherwise = says_otherwise(statement.words) or (
            behind and number == len(local) - 1
        )
        if statement.relations and otherwise and condition is not None:
            opposite = turned(condition)
            statement.conditions = [] if opposite is None else [opposite]
            statement.unread = "otherwise" if opposite is None else ""


def _less(piece: list[Token]) -> tuple[list[Token], list[Token]]:
    r"""``k \in S \setminus \{y\}`` as ``k \in S``, and ``k \ne y`` of its own."""
    texts = [token.text for token in piece]
    sign = next((t for t in (r"\setminus", r"\backslash") if t in texts), None)
    if sign is None or texts[1:2] not in ([r"\in"], ["∈"]):
        return piece, []
    at = texts.index(sign)
    if texts[at + 1 : at + 2] != [r"\{"] or texts[at + 3 : at + 4] != [r"\}"]:
        return piece, []
    differs = piece[1]._replace(text=r"\ne")
    return piece[:at], [piece[0], differs, piece[at + 2]]


def _bare(piece: list[Token]) -> list[Token]:
    """A condition without the brackets around it."""
    inner = piece[1:-1]
    edges = piece[0].text + piece[-1].text
    around = len(piece) > 4 and edges in ("()", "[]")
    if not around or any(t.text in edges for t in inner):
        return piece
    return inner if any(is_relation(t) for t in inner) else piece


def _limits(statement: Statement, before: list[Statement]) -> bool:
    """Whether a relation beside a claim only says for what it holds, as in k != y."""
    claim = next((s for s in reversed(before) if not s.is_condition), None)
    if claim is None or set(claim.relations) - {"=", "in"}:
        return False
    sides = [member.formula for member in statement.members]
    if ORDERS & set(statement.relations):
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


_Piece = tuple[str, list[Token], bool, bool]


def _pieces(found: list[Token], text: str) -> Iterator[tuple[str, str, list[Token]]]:
    """Cut at rows, commas, words and connectives: what cut, the words, the tokens."""
    piece: list[Token] = []
    cut, words = "", ""
    deep = list(with_depth(found))
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
        elif token.text in _IMPLICATIONS:
            words += f" {_IMPLIES} "
        if not cut or new != "comma":
            cut = new
    if piece:
        yield cut, words, piece


_WIDE = re.compile(r"\\q?quad(?![A-Za-z])")


def _begins_another(
    piece: list[Token], ahead: list[tuple[int, Token]], text: str
) -> bool:
    """Whether what stands behind a wide space is a statement of its own."""
    if not any(d <= 0 and is_relation(t) for d, t in with_depth(piece)):
        return False
    first = ahead[0][1]
    if is_relation(first) or first.text in ("+", "-", *PRODUCTS):
        return False
    if first.text in ("(", "["):
        inner = [t for d, t in ahead if d > 0]
        return any(is_relation(t) for t in inner)
    before = first.start
    for depth, token in ahead:
        if depth > 0:
            before = token.end
            continue
        if is_relation(token):
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
                is_relation(first)
                or first.text in ("+", "-", *PRODUCTS)
                or is_relation(last[1][-1])
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


def _is_dots(piece: list[Token]) -> bool:
    return piece[0].text[1:] in DOTS and len(piece) == 1


def _ends_in_dots(piece: list[Token]) -> bool:
    return piece[-1].text[1:] in DOTS


def _lists(before: list[Token], piece: list[Token]) -> bool:
    """Whether a comma only parts the numbers of a list, as in t = 1, 2."""
    relations = any(is_relation(t) for t in piece)
    return not relations and any(is_relation(t) for t in before) and len(piece) <= 2


def _statement(source: Source, piece: list[Token]) -> Statement:
    while piece and piece[-1].kind is TokenKind.SIGN and piece[-1].text in ".,;:":
        piece = piece[:-1]
    members, relations = _split(piece)
    made = [_member(source, found, piece) for found in members]
    return Statement(made, relations)


def _split(piece: list[Token]) -> tuple[list[list[Token]], list[str]]:
    members: list[list[Token]] = [[]]
    relations: list[str] = []
    depth_of = list(with_depth(piece))
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
        if depth <= 0 and is_relation(token):
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
            related = related or (groups == 1 and is_relation(token))
        else:
            groups += 1
            related = related or is_relation(token)
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
        bar = _bar(found)
        if len(found) == 1 and found[0].text[1:] in DOTS:
            formula: Node = Dots(start, end)
        elif bar is not None:
            formula = At(start, end, *map(parse, bar))
        else:
            formula = parse(found)
    except NotUnderstood as refusal:
        return Member(source, start, end, None, refusal)
    except RecursionError:
        deep = NotUnderstood("it is nested too deeply", start, end)
        return Member(source, start, end, None, deep)
    return Member(source, start, end, formula)


def _bar(found: list[Token]) -> tuple[list[Token], list[Token], list[Token]] | None:
    r"""What stands before ``\Big|_{x = 1}``, its symbol and its value."""
    texts = [token.text for token in found]
    at = next((i for i in range(len(texts)) if texts[i : i + 3] == ["|", "_", "{"]), 0)
    inner = found[at + 3 : -1]
    equal = [i for i, token in enumerate(inner) if token.text == "="]
    if not at or texts[-1] != "}" or len(equal) != 1 or "|" in texts[:at]:
        return None
    if any(token.text in "{}" for token in inner) and "}" in texts[at + 3 : -1]:
        depths = [d for d, _ in with_depth(inner)]
        if min(depths) < 0:
            return None
    body = found[1:at] if texts[0] == "." else found[:at]
    return body, inner[: equal[0]], inner[equal[0] + 1 :]


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
