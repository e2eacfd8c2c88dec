r"""What a text is made of: mathematics on show and in line, code, and prose between.

Markdown and LaTeX have their mathematics in common: ``$x$``, ``\(x\)``, ``$$x$$``,
``\[x\]`` and environments such as align.  They differ in what hides it: Markdown has
fences, code in backticks and HTML comments, LaTeX has verbatim text, ``%`` and a
preamble.  Every character belongs to one block, and no block loses where it stands.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from mlproof.verification.document.text.source import Position, Source


class Kind(Enum):
    """What a block is."""

    DISPLAY = "display"  # mathematics in lines of its own
    INLINE = "inline"  # mathematics within a sentence
    CODE = "code"
    PROSE = "prose"
    COMMENT = "comment"
    SETTING = "setting"  # what a document says to its reader here, in a comment
    UNCLOSED = "unclosed"  # opened as mathematics or code, and never closed


class Block(NamedTuple):
    """A stretch of a source, from ``start`` to ``end``; its content stands within."""

    kind: Kind
    source: Source
    start: int
    end: int
    inner_start: int
    inner_end: int
    name: str = ""  # the environment, the language of code, or what is set

    @property
    def content(self) -> str:
        """Without the signs that open and close it."""
        return self.source.text[self.inner_start : self.inner_end]

    @property
    def position(self) -> Position:
        """Where its content begins."""
        return self.source.position(self.inner_start)


MATHEMATICS = "equation|align|alignat|gather|multline|eqnarray|flalign|math|displaymath"
VERBATIM = "verbatim|Verbatim|lstlisting|minted"
_COMMON = rf"""
    (?P<escaped>  \\[\\$`%] )
  | (?P<double>   \$\$ )
  | (?P<single>   \$ )
  | (?P<square>   \\\[ )
  | (?P<round>    \\\( )
  | (?P<begin>    \\begin\{{(?P<environment>(?:{MATHEMATICS})\*?)\}} )
"""
_MARKDOWN = re.compile(
    rf"""
    (?P<fence>    ^[ ]{{0,3}}(?:>[ ]?)*(?P<ticks>```+|~~~+)
                  [ ]*(?P<language>[\w+-]*)[^\n`]*\n )
  | (?P<comment>  <!-- )
  | (?P<dollar_tick> \$`(?=[^`\n]+`\$) )
  | (?P<code>     `+ )
  | {_COMMON}""",
    re.VERBOSE | re.MULTILINE,
)
_LATEX = re.compile(
    rf"""
    (?P<verbatim> \\begin\{{(?P<verbatim_name>(?:{VERBATIM})\*?)\}} )
  | (?P<verb>     \\(?:verb\*?|lstinline)(?P<mark>[|!+/"=]) )
  | (?P<hidden>   \\iffalse(?![A-Za-z]) | \\begin\{{comment\}} )
  | (?P<percent>  % )
  | {_COMMON}""",
    re.VERBOSE,
)
_FRONT_MATTER = re.compile(r"---[ \t]*\n(?:.*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
# In front matter a setting has its value behind it or, as a list, in the next lines.
_FRONT_KEY = re.compile(
    r"^(?P<name>notation|layout):[ \t]*(?:\n(?P<list>(?:[ \t]*-[ \t].*\n)+)"
    r"|(?P<value>\S.*)\n)",
    re.MULTILINE,
)
_FRONT_ITEM = re.compile(r"^[ \t]*-[ \t]+(?P<value>\S.*)$", re.MULTILINE)
_PERCENT_KEY = re.compile(
    r"^[ \t]*%+[ \t]*(?P<name>notation|layout):[ \t]*(?P<value>\S.*)$", re.MULTILINE
)
# A value may stand between quotes, as YAML has them, and mathematics between dollars.
_BARE = re.compile(r"(?P<quote>['\"]?)(?P<dollar>\$?)(.*?)(?P=dollar)(?P=quote)\s*")
_PROSE = re.compile(r"(?<![\\A-Za-z{])[a-z]{3,}")
_SIGNS = re.compile(r"[=^_\\<>]")
_DOLLARS, _TICKS = re.compile(r"\\.|\$+", re.DOTALL), re.compile("`+")
_BLANK_LINE = re.compile(r"\n[ \t>]*\n")


def markdown_blocks(source: Source) -> list[Block]:
    """The blocks of a text in Markdown, or of plain text."""
    front = _FRONT_MATTER.match(source.text)
    start = front.end() if front else 0
    settings = []
    for key in _FRONT_KEY.finditer(source.text, 0, start):
        items = _FRONT_ITEM.finditer(source.text, *key.span("list"))
        for found in items if key["list"] else [key]:
            settings.append(setting(source, key["name"], *found.span("value")))
    hidden = _around(settings, source, start)
    return [*hidden, *_Scan(source, _MARKDOWN, start).blocks()]


def latex_blocks(source: Source) -> list[Block]:
    """The blocks of a text in LaTeX; of its preamble, only what it says to its reader.

    A text without a preamble is a part of a larger one.
    """
    begun = re.search(r"\\begin\{document\}", source.text)
    start = begun.end() if begun else 0
    settings = [
        setting(source, found["name"], *found.span("value"))
        for found in _PERCENT_KEY.finditer(source.text, 0, start)
    ]
    hidden = _around(settings, source, start)
    return [*hidden, *_Scan(source, _LATEX, start).blocks()]


def setting(source: Source, name: str, start: int, end: int) -> Block:
    """A value that a document sets, without the signs around it."""
    bare = _BARE.fullmatch(source.text, start, end)
    inner = bare.span(3) if bare else (start, end)
    return Block(Kind.SETTING, source, start, end, *inner, name)


def _around(settings: list[Block], source: Source, end: int) -> Iterator[Block]:
    """These settings and, around them, what is of no concern."""
    at = 0
    for block in settings:
        if block.start > at:
            yield Block(Kind.COMMENT, source, at, block.start, at, block.start)
        yield block
        at = block.end
    if end > at:
        yield Block(Kind.COMMENT, source, at, end, at, end)


class _Scan:
    """One pass over a text, from left to right."""

    def __init__(self, source: Source, opening: re.Pattern[str], start: int = 0):
        self.source, self.text, self.opening = source, source.text, opening
        self.at = start  # all before this belongs to a block
        self._absent: set[str] = set()  # what was looked for in vain: it stays away
        self._paragraph = (0, -1)  # the last one that was asked for

    def blocks(self) -> list[Block]:
        found: list[Block] = []
        searched = self.at
        while match := self.opening.search(self.text, searched):
            block = self._opened(match)
            if block is None:
                searched = match.end()
                continue
            found += self._prose(block.start)
            found.append(block)
            searched = self.at = block.end
        return [*found, *self._prose(len(self.text))]

    def _prose(self, end: int) -> Iterator[Block]:
        if end > self.at:
            yield Block(Kind.PROSE, self.source, self.at, end, self.at, end)

    def _opened(self, match: re.Match[str]) -> Block | None:
        """The block that begins here; None if these signs stand for themselves."""
        what, start, inner = match.lastgroup, match.start(), match.end()
        # lastgroup is the last group that closed: the alternative, not what is in it.
        if what == "escaped":
            return None
        if what == "single":
            return self._dollars(start)
        if what == "code":
            ticks = match.group()
            end = self._closing_ticks(inner, len(ticks))
            return self._block(Kind.CODE, match, end, len(ticks)) if end else None
        if what == "fence":
            return self._fence(match)
        if what == "percent":
            end = self.text.find("\n", inner)
            end = len(self.text) if end < 0 else end
            line = self.text.rfind("\n", 0, start) + 1
            if found := _PERCENT_KEY.fullmatch(self.text, line, end):
                return setting(self.source, found["name"], *found.span("value"))
            return Block(Kind.COMMENT, self.source, start, end, inner, end)
        if what == "verb":
            end = self.text.find(match["mark"], inner)
            line = self.text.find("\n", inner)
            if end < 0 or 0 <= line < end:
                return None
            return self._block(Kind.CODE, match, end, 1)
        closers = {
            "comment": (Kind.COMMENT, "-->"),
            "dollar_tick": (Kind.INLINE, "`$"),
            "double": (Kind.DISPLAY, "$$"),
            "square": (Kind.DISPLAY, r"\]"),
            "round": (Kind.INLINE, r"\)"),
        }
        if what == "hidden":
            closer = r"\fi" if match.group() == r"\iffalse" else r"\end{comment}"
            return self._until(Kind.COMMENT, match, closer)
        if what in closers:
            kind, closer = closers[what]
            return self._until(kind, match, closer)
        if what == "verbatim":
            name = match["verbatim_name"]
            return self._until(Kind.CODE, match, rf"\end{{{name}}}", name)
        name = match["environment"]
        return self._until(Kind.DISPLAY, match, rf"\end{{{name}}}", name)

    def _until(
        self, kind: Kind, match: re.Match[str], closer: str, name: str = ""
    ) -> Block:
        end = -1
        if closer not in self._absent:
            end = self.text.find(closer, match.end())
        if end < 0:
            self._absent.add(closer)
            # It ends with its paragraph, so that the rest can be read all the same.
            end = self._paragraph_end(match.end())
            return Block(
                *(Kind.UNCLOSED, self.source, match.start(), end, match.end(), end),
                name,
            )
        return self._block(kind, match, end, len(closer), name)

    def _block(
        self, kind: Kind, match: re.Match[str], end: int, closing: int, name: str = ""
    ) -> Block:
        return Block(
            *(kind, self.source, match.start(), end + closing, match.end(), end), name
        )

    def _dollars(self, start: int) -> Block | None:
        """Mathematics between single dollars; None if it is money.

        A dollar that closes is not followed by a digit, and there is a space on both
        of the inner sides or on neither, unless what stands within is no prose.
        """
        limit = self._paragraph_end(start + 1)
        for match in _DOLLARS.finditer(self.text, start + 1, limit):
            if match.group() != "$":
                continue
            end = match.start()
            inner = self.text[start + 1 : end]
            if not inner.strip():
                return None
            uneven = inner[0].isspace() != inner[-1].isspace()
            if uneven and (_PROSE.search(inner) or not _SIGNS.search(inner)):
                return None
            if self.text[end + 1 : end + 2].isdigit():
                return None
            return Block(Kind.INLINE, self.source, start, end + 1, start + 1, end)
        return None

    def _closing_ticks(self, start: int, count: int) -> int | None:
        limit = self._paragraph_end(start)
        for match in _TICKS.finditer(self.text, start, limit):
            if len(match.group()) == count:
                return match.start()
        return None

    def _fence(self, match: re.Match[str]) -> Block:
        """Code between fences, or mathematics where its language is math."""
        sign, count = match["ticks"][0], len(match["ticks"])
        closing = re.compile(rf"^[ >]*{re.escape(sign)}{{{count},}}[ \t]*$", re.M)
        kind = Kind.DISPLAY if match["language"] == "math" else Kind.CODE
        found = closing.search(self.text, match.end())
        inner_end, end = found.span() if found else (len(self.text), len(self.text))
        if found is None:
            kind = Kind.UNCLOSED
        return Block(
            *(kind, self.source, match.start(), end, match.end(), inner_end),
            match["language"],
        )

    def _paragraph_end(self, start: int) -> int:
        since, end = self._paragraph
        if not since <= start <= end:
            found = _BLANK_LINE.search(self.text, start)
            end = found.start() if found else len(self.text)
            self._paragraph = start, end
        return end
