"""How derivatives by vectors and matrices are laid out: as columns or as rows.

Both are in use, and a derivation that takes one of them throughout is right.  Let f be
a number, x a vector of n entries, W a matrix of m × d and y a vector of k:

==============  =========  =========  =========
layout          ∂f/∂x      ∂f/∂W      ∂y/∂x
==============  =========  =========  =========
columns         n × 1      m × d      k × n
rows            1 × n      d × m      k × n
denominator     n × 1      m × d      n × k
==============  =========  =========  =========

Rows are also called the numerator layout.  A gradient with a nabla is a column in all
of them, and a derivative by x^T is laid out along that row.
"""

import re
from collections.abc import Iterable
from enum import StrEnum

from mlproof.verification.document.text.blocks import Block, Kind


class Layout(StrEnum):
    """One of the three."""

    COLUMNS = "columns"
    ROWS = "rows"
    DENOMINATOR = "denominator"


_SAID = {
    Layout.ROWS: re.compile(
        r"\bnumerator[- ]layout\b|\b(?:disposition|convention) (?:du|au|en) numérateur"
        r"|\bgradients? (?:are|is|as) (?:an? )?rows?\b"
        r"|\bgradients? (?:sont|est|comme|en) (?:des |un )?(?:vecteurs? )?lignes?\b",
        re.IGNORECASE,
    ),
    Layout.DENOMINATOR: re.compile(
        r"\bdenominator[- ]layout\b"
        r"|\b(?:disposition|convention) (?:du|au|en) dénominateur",
        re.IGNORECASE,
    ),
    Layout.COLUMNS: re.compile(
        r"\bgradients? (?:are|is|as) (?:an? )?columns?\b"
        r"|\bgradients? (?:sont|est|comme|en) (?:des |un )?(?:vecteurs? )?colonnes?\b",
        re.IGNORECASE,
    ),
}


class LayoutError(ValueError):
    """A layout is set to what is none."""


def layout_set(blocks: Iterable[Block]) -> Layout | None:
    """The layout that a document sets outside its text, or else says in it.

    Raises
    ------
    LayoutError
        If what it sets is none of the three.
    """
    said: Layout | None = None
    for block in blocks:
        if block.kind is Kind.SETTING and block.name == "layout":
            return _named(block)
        if block.kind is Kind.PROSE and said is None:
            found = [one for one, words in _SAID.items() if words.search(block.content)]
            said = found[0] if len(found) == 1 else None
    return said


def _named(block: Block) -> Layout:
    try:
        return Layout(block.content.strip())
    except ValueError:
        *others, last = Layout
        raise LayoutError(
            f"layout must be {', '.join(others)} or {last}, got {block.content!r} on "
            f"line {block.position.line}."
        ) from None
