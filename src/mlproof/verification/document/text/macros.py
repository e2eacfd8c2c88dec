r"""Commands that a document makes for itself: ``\newcommand{\R}{\mathbb{R}}``.

What a command stands for takes its place among the tokens, and stands where it stands.
"""

import re
from typing import NamedTuple

from mlproof.verification.document.text.tokens import Token, TokenKind, tokens

DEEPEST = 20  # commands within commands
MOST_TOKENS = 20_000

_DEFINED = re.compile(
    r"""\\(?P<how>(?:re)?newcommand|providecommand|DeclareMathOperator|def)\*?\s*
        \{?\s*(?P<name>\\[A-Za-z]+)\s*\}?\s*
        (?:\[(?P<count>\d)\])?\s*(?:\#\d)*\s*\{""",
    re.VERBOSE,
)


class Macro(NamedTuple):
    """A command: how many arguments it takes, and what it stands for."""

    arguments: int
    body: str


def macros_of(text: str) -> dict[str, Macro]:
    """The commands that a text defines, by their names with the backslash."""
    found: dict[str, Macro] = {}
    for match in _DEFINED.finditer(text):
        body = _braced(text, match.end())
        if body is None:
            continue
        if match["how"] == "DeclareMathOperator":
            body = rf"\operatorname{{{body}}}"
        count = int(match["count"] or 0)
        if match["how"] == "def":
            count = len(re.findall(r"#\d", match.group()))
        found[match["name"]] = Macro(count, body)
    return found


def _braced(text: str, start: int) -> str | None:
    depth = 1
    for at in range(start, min(len(text), start + 2_000)):
        if text[at - 1] != "\\" or text[at] not in "{}":
            depth += (text[at] == "{") - (text[at] == "}")
        if not depth:
            return text[start:at]
    return None


def expanded(
    found: list[Token], macros: dict[str, Macro], depth: int = 0
) -> list[Token]:
    """The tokens with every command of the document replaced by what it stands for."""
    if not macros or depth > DEEPEST:
        return found
    made: list[Token] = []
    at = 0
    while at < len(found):
        token = found[at]
        at += 1
        macro = macros.get(token.text) if token.kind is TokenKind.COMMAND else None
        if macro is None or len(made) > MOST_TOKENS:
            made.append(token)
            continue
        arguments, at = _arguments(found, at, macro.arguments)
        if arguments is None:
            made.append(token)
            continue
        end = found[at - 1].end
        inserted = list(_inserted(macro, arguments, token.start, end))
        made += expanded(inserted, macros, depth + 1)
    return made


def _arguments(
    found: list[Token], at: int, count: int
) -> tuple[list[list[Token]] | None, int]:
    arguments: list[list[Token]] = []
    for _ in range(count):
        if at >= len(found):
            return None, at
        if found[at].text != "{":
            arguments.append([found[at]])
            at += 1
            continue
        depth, start = 0, at
        while at < len(found):
            depth += (found[at].text == "{") - (found[at].text == "}")
            at += 1
            if not depth:
                break
        arguments.append(found[start:at])
    return arguments, at


def _inserted(
    macro: Macro, arguments: list[list[Token]], start: int, end: int
) -> list[Token]:
    made: list[Token] = []
    for number, piece in enumerate(re.split(r"#(\d)", macro.body)):
        if number % 2:
            if int(piece) <= len(arguments):
                made += arguments[int(piece) - 1]
        else:
            made += [Token(t.kind, t.text, start, end) for t in tokens(piece)]
    return made
