"""The reader of documents: which stretch is what, and where it stands."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mlproof.verification.document.text.blocks import Block, Kind
from mlproof.verification.document.text.reading import (
    DocumentError,
    read_document,
    read_text,
)

SEED = Path(__file__).parents[2] / "shared" / "seed" / "devoir3.md"


def told(text: str, suffix: str = ".md") -> list[tuple[str, str]]:
    """Kind and content of each block, but for prose."""
    blocks = read_text(text, suffix=suffix).blocks
    assert "".join(block.source.text[block.start : block.end] for block in blocks) == (
        text
    )
    return [(b.kind.value, b.content) for b in blocks if b.kind is not Kind.PROSE]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("no mathematics", []),
        ("so $x$ is", [("inline", "x")]),
        (r"so \(x\) is", [("inline", "x")]),
        ("$ x $", [("inline", " x ")]),
        ("$x$ and $y$", [("inline", "x"), ("inline", "y")]),
        ("$a\\$b$", [("inline", "a\\$b")]),
        ("costs $5 and $10", []),
        ("costs \\$5, $x$", [("inline", "x")]),
        ("$x\n\ny$", []),
        ("$x\ny$", [("inline", "x\ny")]),
        ("$$x\n\ny$$", [("display", "x\n\ny")]),
        (r"\[x\]", [("display", "x")]),
        (r"\\[x\\]", []),
        ("$$x$$$y$", [("display", "x"), ("inline", "y")]),
        (
            r"\begin{align*}a&=b\\[2pt]&=c\end{align*}",
            [("display", r"a&=b\\[2pt]&=c")],
        ),
        ("$$never closed\n\n$x$", [("unclosed", "never closed"), ("inline", "x")]),
        (r"\begin{align}a", [("unclosed", "a")]),
    ],
)
@pytest.mark.parametrize("suffix", [".md", ".tex", ".txt"])
def test_mathematics_is_found(
    text: str, expected: list[tuple[str, str]], suffix: str
) -> None:
    assert told(text, suffix) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`$x$`", [("code", "$x$")]),
        ("``a ` b`` $x$", [("code", "a ` b"), ("inline", "x")]),
        ("a ` alone, $x$", [("inline", "x")]),
        ("```python\n$x$\n```\n$y$", [("code", "$x$\n"), ("inline", "y")]),
        ("~~~\n```\n$x$\n~~~\n", [("code", "```\n$x$\n")]),
        ("```math\nx = y\n```", [("display", "x = y\n")]),
        ("$`x`$", [("inline", "x")]),
        ("```\n$x$", [("unclosed", "$x$")]),
        ("<!-- $x$ --> $y$", [("comment", " $x$ "), ("inline", "y")]),
        ("---\na: $x$\n---\n$y$", [("comment", "---\na: $x$\n---\n"), ("inline", "y")]),
        ("% $x$", [("inline", "x")]),
    ],
)
def test_markdown_hides_mathematics(text: str, expected: list[tuple[str, str]]) -> None:
    assert told(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("% $x$\n$y$", [("comment", " $x$"), ("inline", "y")]),
        (r"5\% of $x$", [("inline", "x")]),
        (r"\verb|$x$| $y$", [("code", "$x$"), ("inline", "y")]),
        (r"\begin{verbatim}$x$\end{verbatim}", [("code", "$x$")]),
        (r"\begin{lstlisting*}$x$\end{lstlisting*}", [("code", "$x$")]),
        ("`$x$'", [("inline", "x")]),
        (
            "\\newcommand{\\R}{$x$}\\begin{document}$y$",
            [("comment", "\\newcommand{\\R}{$x$}\\begin{document}"), ("inline", "y")],
        ),
    ],
)
def test_latex_hides_mathematics(text: str, expected: list[tuple[str, str]]) -> None:
    assert told(text, ".tex") == expected


def test_the_language_and_the_environment_are_kept() -> None:
    blocks = read_text("```python\nx\n```\n\\begin{gather}x\\end{gather}").blocks
    assert [b.name for b in blocks if b.kind is not Kind.PROSE] == ["python", "gather"]


def test_a_position_counts_lines_and_columns_from_1_in_characters() -> None:
    (found,) = [b for b in read_text("é\n\n𝒳 $x$").blocks if b.kind is Kind.INLINE]
    assert found.position == (3, 4, None)
    assert found.source.line(3) == "𝒳 $x$"


def notebook(*cells: dict[str, Any]) -> str:
    return json.dumps({"nbformat": 4, "metadata": {}, "cells": list(cells)})


def test_a_notebook_is_read_cell_by_cell() -> None:
    text = notebook(
        {"cell_type": "code", "source": "x = 1", "outputs": []},
        {"cell_type": "markdown", "source": ["so\n", "$x = 1$"]},
        {"cell_type": "raw", "source": "$x$"},
        {"cell_type": "markdown", "source": []},
    )
    blocks: list[Block] = read_text(text, suffix=".ipynb").blocks
    assert [(b.kind.value, *b.position) for b in blocks] == [
        ("code", 1, 1, 0),
        ("prose", 1, 1, 1),
        ("inline", 2, 2, 1),
        ("prose", 1, 1, 2),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is none, or cut off"),
        ("[" * 100_000, "is none, or cut off"),
        ("[]", "version 4"),
        ('{"worksheets": []}', "version 4"),
        ('{"cells": [1]}', "version 4"),
        ('{"cells": [{"cell_type": "markdown", "source": 1}]}', "source of cell 0"),
        ('{"cells": [{"cell_type": "markdown", "source": [1]}]}', "source of cell 0"),
    ],
)
def test_what_is_no_notebook_is_refused(text: str, said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        read_text(text, suffix=".ipynb")


def test_files_are_read_or_refused_in_a_sentence(tmp_path: Path) -> None:
    good = tmp_path / "dérivée.md"
    good.write_bytes(b"\xef\xbb\xbfso\r\n$x$\r$y$")
    found = [b for b in read_document(good).blocks if b.kind is Kind.INLINE]
    assert [b.position for b in found] == [(2, 2, None), (3, 2, None)]
    with pytest.raises(DocumentError, match="cannot be read: no such file"):
        read_document(tmp_path / "missing.md")
    with pytest.raises(DocumentError, match="cannot be read: is a directory"):
        read_document(tmp_path)
    bad = tmp_path / "latin.md"
    bad.write_bytes("dérivée".encode("latin-1"))
    with pytest.raises(DocumentError, match=r"UTF-8; byte 1 of it is not"):
        read_document(bad)


def test_nothing_is_lost_of_random_signs() -> None:
    signs = ["$", "$$", "`", "```", "\\[", "\\]", "\\(", "\\)", "\n", "\n\n", "%", "x"]
    signs += ["\\", "<!--", "-->", "\\begin{align}", "\\end{align}", "---\n", " ", "5"]
    rng = random.Random(0)
    for _ in range(2_000):
        text = "".join(rng.choices(signs, k=rng.randrange(30)))
        told(text)
        told(text, ".tex")


def test_long_texts_of_openings_are_read_in_one_pass() -> None:
    for sign in ("$ a", "\\[", "``` ", "$`a`", "<!--", "\\begin{align}", "```\n"):
        told(sign * 30_000)  # minutes if each looked through all of the rest


@pytest.mark.skipif(not SEED.exists(), reason="the source document is not here")
def test_the_source_document_has_its_mathematics() -> None:
    kinds = Counter(block.kind.value for block in read_document(SEED).blocks)
    assert (kinds["display"], kinds["inline"], kinds["code"]) == (39, 51, 5)
    assert not kinds["unclosed"]
