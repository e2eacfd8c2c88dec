"""Mathematics in tokens: what each is, and where it stands."""

import random
from pathlib import Path

import pytest

from mlproof.verification.document.text.blocks import Kind
from mlproof.verification.document.text.reading import read_document
from mlproof.verification.document.text.tokens import TokenKind, tokens

SEED = Path(__file__).parents[2] / "shared" / "seed" / "devoir3.md"
PAGE = Path(__file__).parents[1] / "docs" / "derivation.md"


def told(text: str) -> list[str]:
    return [f"{token.kind.value} {token.text}" for token in tokens(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("2x", ["number 2", "letter x"]),
        ("0.5", ["number 0.5"]),
        ("2.", ["number 2", "sign ."]),
        ("dx", ["letter d", "letter x"]),
        ("é𝒳", ["letter é", "letter 𝒳"]),
        (r"\frac12", [r"command \frac", "number 12"]),
        (r"\alpha x", [r"command \alpha", "letter x"]),
        (
            r"\text{sigmoid}(x)",
            ["text sigmoid", "sign (", "letter x", "sign )"],
        ),
        (
            r"\operatorname*{argmin}_\theta",
            ["text argmin", "sign _", r"command \theta"],
        ),
        (r"\text{pour } k", ["text pour ", "letter k"]),
        (r"\textbf {a}", ["text a"]),
        (r"\left( x \right)", ["sign (", "letter x", "sign )"]),
        (r"\leftarrow", [r"command \leftarrow"]),
        (r"\bigl[x\bigr]", ["sign [", "letter x", "sign ]"]),
        (r"\bigcup", [r"command \bigcup"]),
        (r"\{x\}", [r"sign \{", "letter x", r"sign \}"]),
        (r"\|x\|", [r"sign \|", "letter x", r"sign \|"]),
        (r"a\,b\;c\quad d\ e~f", [f"letter {c}" for c in "abcdef"]),
        (r"a \\ b \\[2pt] c", ["letter a", r"row \\", "letter b", r"row \\[2pt]"]),
        (r"a \\ [x]", ["letter a", r"row \\", "sign [", "letter x", "sign ]"]),
        (r"a &= b", ["letter a", "column &", "sign =", "letter b"]),
        (
            r"\begin{aligned}x\end{aligned}",
            ["begin aligned", "letter x", "end aligned"],
        ),
        ("x % not this\ny", ["letter x", "letter y"]),
        (r"x \label{eq:1} y \tag{Q2.1}", ["letter x", "letter y"]),
        ("x'_1^2", ["letter x", "sign '", "sign _", "number 1", "sign ^", "number 2"]),
        ("x # y", ["letter x", "unknown #", "letter y"]),
        ("\\", ["unknown \\"]),
        (r"\text{a $x$}", [r"command \text", "sign {", "letter a", "unknown $"]),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert told(text)[: len(expected)] == expected
    if "$" not in text and "[2pt]" not in text:
        assert len(told(text)) == len(expected)


def test_a_token_stands_where_it_is_read() -> None:
    text = r"so \frac{x}{2} = \text{rect}(x)"
    for token in tokens(text, start=3):
        assert text[token.start : token.end] == token.text
    assert tokens(text, 3)[0].start == 3
    assert tokens(text, 3, 8) == tokens(text[:8], 3)


def test_random_signs_are_cut_in_order_and_none_is_lost() -> None:
    signs = [*"xy2+-=_^{}()[]&|'.$#%\n \\", r"\\", r"\text{", r"\begin{", r"\frac"]
    rng = random.Random(0)
    for _ in range(2_000):
        text = "".join(rng.choices(signs, k=rng.randrange(30)))
        at = 0
        for token in tokens(text):
            assert at <= token.start < token.end or token.kind is TokenKind.TEXT
            at = token.end


@pytest.mark.parametrize("path", [SEED, PAGE], ids=["source", "page"])
def test_nothing_in_a_real_document_is_unknown(path: Path) -> None:
    if not path.exists():
        pytest.skip("the source document is not here")
    for block in read_document(path).blocks:
        if block.kind in (Kind.DISPLAY, Kind.INLINE):
            text = block.source.text
            for token in tokens(text, block.inner_start, block.inner_end):
                assert token.kind is not TokenKind.UNKNOWN, (token, block.position)
