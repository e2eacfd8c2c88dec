r"""The tokens of a formula as they are meant, whatever they are written with.

``]0, 1[`` is ``(0, 1)``, an array behind a brace is cases, and what only lays out lines
is left out.
"""

from collections.abc import Iterator

from mlproof.verification.document.text.tokens import Token, TokenKind
from mlproof.verification.document.text.vocabulary import (
    CASES,
    CONNECTIVES,
    LAYOUT,
    RELATIONS,
)


def rewritten(found: list[Token]) -> list[Token]:
    """The same formula in the signs that are cut and parsed."""
    return _flat(_laid_out(_spared(_intervals(found))))


_OPENING = frozenset(("(", "[", "{", r"\{", r"\lbrace", r"\langle"))
_SHUTTING = frozenset((")", "]", "}", r"\}", r"\rbrace", r"\rangle"))


def with_depth(found: list[Token]) -> Iterator[tuple[int, Token]]:
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


def is_relation(token: Token) -> bool:
    return token.kind is not TokenKind.TEXT and token.text in RELATIONS


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


_RAYS = (">", r"\gt", r"\ge", r"\geq", r"\geqslant")


def _spared(found: list[Token]) -> list[Token]:
    r"""Without braces around nothing, as in ``W{}^\top``; ``R_{>0}`` as ``R_+``."""
    made: list[Token] = []
    at = 0
    while at < len(found):
        texts = [token.text for token in found[at : at + 5]]
        before = made[-1].text if made else "_"
        empty = texts[:2] == ["{", "}"] and texts[2:3] in (["^"], ["_"])
        ray = texts[:1] == ["{"] and texts[2:4] == ["0", "}"] and texts[1] in _RAYS
        if empty and before not in ("^", "_"):
            at += 2
        elif ray and made and before == "_":
            made.append(found[at + 1]._replace(text="+"))
            at += 4
        else:
            made.append(found[at])
            at += 1
    return made


def _laid_out(found: list[Token]) -> list[Token]:
    """An array as what it is used for: cases behind a brace, or the rows of a chain."""
    made = list(found)
    for at, token in enumerate(found):
        if (token.kind, token.text) != (TokenKind.BEGIN, "array"):
            continue
        depths = list(with_depth(found[at:]))
        size = next((i for i, (d, _) in enumerate(depths) if i and d <= 0), None)
        shut = next((i for i, (_, t) in enumerate(depths) if t.text == "}"), None)
        if size is None or shut is None or found[at + 1].text != "{":
            continue
        end = at + size
        after = found[end + 1].text if end + 1 < len(found) else ""
        inner = found[at + shut + 1 : end]
        related = any(
            is_relation(b) and a.kind is c.kind is TokenKind.COLUMN
            for a, b, c in zip(inner, inner[1:], inner[2:], strict=False)
        )
        if at and found[at - 1].text == r"\{" and after in ("", ".", ","):
            edges = {at: "cases", end: "cases"}
            gone = [at - 1, *range(at + 1, at + shut + 1)]
        elif related:
            edges, gone = (
                {at: "aligned", end: "aligned"},
                [*range(at + 1, at + shut + 1)],
            )
        else:
            continue
        for place, name in edges.items():
            made[place] = found[place]._replace(text=name)
        return _laid_out([t for i, t in enumerate(made) if i not in gone])
    return made


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
