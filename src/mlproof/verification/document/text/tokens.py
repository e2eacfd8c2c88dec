r"""Mathematics in LaTeX, cut into tokens that know where they stand.

A letter is a token of its own, as in LaTeX: ``dx`` is d and x.  What only moves things
about (``\,``, ``\left``, ``\displaystyle``, ``\label{..}``) is left out, so a token is
always something that is read.  A character that has no meaning here is a token too, of
the kind UNKNOWN: whoever parses refuses it, and nothing is passed over in silence.
"""

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from mlproof.verification.document.text.vocabulary import FUNCTIONS


class TokenKind(Enum):
    """What a token is."""

    NUMBER = "number"  # 2, 0.5
    LETTER = "letter"  # x, and letters of other alphabets
    COMMAND = "command"  # \frac, \alpha, by its name with the backslash
    TEXT = "text"  # of \text{..}, \mathrm{..}, \operatorname{..}
    SIGN = "sign"  # + - = < ( ) [ ] | \{ \} \| , ; : ! / * ' _ ^ and braces
    COLUMN = "column"  # &
    ROW = "row"  # \\, also with a space after it, \\[2pt]
    BEGIN = "begin"  # of an environment, by its name
    END = "end"
    UNKNOWN = "unknown"


class Token(NamedTuple):
    """A piece of mathematics; ``start`` and ``end`` are offsets in the whole text."""

    kind: TokenKind
    text: str
    start: int
    end: int


# Words in an upright or ordinary face; what stands in them is a name or prose.
_WORDS = (
    r"text(?:rm|it|bf|sf|tt|normal)?|mathrm|mathsf|mathtt|operatorname\*?|mbox|"
    r"(?:short)?intertext"
)
_MOVES = "|".join(
    (
        *(r"left", r"right", r"middle", r"bigg?[lrm]?", r"Bigg?[lrm]?"),
        *(r"displaystyle", r"textstyle", r"limits", r"nolimits", r"quad", r"qquad"),
        *(r"nonumber", r"notag", r"thinspace", r"hfill", r"allowbreak", r"boxed"),
    )
)
_TOKEN = re.compile(
    rf"""
    (?P<space>   \s+ | ~ | %[^\n]* )
  | (?P<number>  \d{{1,3}}(?:\\,\d{{3}})+(?!\d) | \d+(?:\.\d+)? )
  | (?P<row>     \\\\(?:[ ]?\[[ ]*-?[\d.]+[ ]*[a-z]+[ ]*\])? )
  | (?P<moved>   \\[,;:!>\ ] | \\(?:label|tag\*?|hspace\*?|vspace\*?)\s*\{{[^{{}}]*\}}
                 | \\(?:{_MOVES})(?![A-Za-z]) )
  | \\(?P<edge>  begin|end)\s*\{{(?P<environment>[A-Za-z]+\*?)\}}
  | \\(?:{_WORDS})\s*\{{(?P<text>[^{{}}$]*)\}}
  | (?P<command> \\[A-Za-z]+ )
  | (?P<dots>    \.\.\.(?!\.) | … )
  | (?P<sign>    \\[{{}}|] | [-+=<>()\[\]|,;:!/*'_^{{}}.?] )
  | (?P<column>  & )
  | (?P<letter>  [^\W\d_] )
    """,
    re.VERBOSE,
)


ABBREVIATIONS = (
    *(
        "BCE",
        "CE",
        "ELBO",
        "GELU",
        "KL",
        "LSE",
        "MAE",
        "MAP",
        "MI",
        "MLE",
        "MSE",
        "NLL",
    ),
    *("OLS", "RMSE", "RSS", "SSE", "SSR"),
)
_ABBREVIATION = re.compile(
    rf"(?<![A-Za-z\\])({'|'.join(sorted(ABBREVIATIONS, key=len, reverse=True))})"
    r"(?=\s*(?:\\left)?\s*[(_=^&\[]|\s*:=)"
)
# Functions that are typed without a backslash: softmax(x) is no product of letters.
_TYPED = {n for n in FUNCTIONS if n.isalpha() and len(n) > 2} | {"ln", "tr"}
_SPELT = re.compile(
    rf"(?<![A-Za-z\\])({'|'.join(sorted(_TYPED, key=len, reverse=True))})"
    r"(?=\s*(?:\\left)?\s*\()"
)
_GRADIENT = re.compile(
    r"(?:\$|\\\[|&|\\\\|\\q?quad|,|\n)\s*(d[A-Za-z])(?:[_^](?:\{[^{}]*\}|\w)){0,2}"
    r"\s*&?\s*=",
)


@lru_cache(maxsize=4)
def names_of_several_letters(text: str) -> re.Pattern[str] | None:
    """What matches the names of a text that are more than a letter, as KL or dz.

    They are those that it defines: KL is a product where no ``KL = `` stands.
    """
    found = set(_ABBREVIATION.findall(text)) | set(_GRADIENT.findall(text))
    found |= set(_SPELT.findall(text))
    if not found:
        return None
    names = "|".join(sorted(found, key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z\\])(?<!frac\{{)(?<!\}}\{{)(?:{names})(?![A-Za-z])")


def tokens(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """The tokens of a stretch of a text, in their order."""
    found = []
    at, end = start, len(text) if end is None else end
    names = names_of_several_letters(text)
    while at < end:
        name = names.match(text, at, end) if names else None
        if name is not None:
            found.append(Token(TokenKind.TEXT, name.group(), at, name.end()))
            at = name.end()
            continue
        match = _TOKEN.match(text, at, end)
        if match is None:
            found.append(Token(TokenKind.UNKNOWN, text[at], at, at + 1))
            at += 1
            continue
        at = match.end()
        token = _token(match)
        if token is not None:
            found.append(token)
    return found


def _token(match: re.Match[str]) -> Token | None:
    what, (start, end) = match.lastgroup, match.span()
    if what in ("space", "moved"):
        return None
    if match["edge"]:
        kind = TokenKind.BEGIN if match["edge"] == "begin" else TokenKind.END
        return Token(kind, match["environment"], start, end)
    if what == "dots":
        return Token(TokenKind.COMMAND, r"\dots", start, end)
    if what == "text":
        # It stands where its words do, as that is what is read of it.
        return Token(TokenKind.TEXT, match["text"], *match.span("text"))
    return Token(TokenKind[str(what).upper()], match.group(), start, end)
