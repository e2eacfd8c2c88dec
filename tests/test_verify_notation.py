"""What a document sets outside its text, and how its derivatives are laid out."""

import json
from itertools import permutations
from pathlib import Path
from textwrap import dedent

import pytest

from mlproof import verify_document
from mlproof.verification.document.report import DocumentReport
from mlproof.verification.document.text.reading import DocumentError
from mlproof.verification.document.values.layout import Layout, LayoutError

SAID = r"Let $W$ be a $d \times m$ matrix and $x \in \mathbb{R}^d$."
CLAIM = r"$$(W x)_i = \sum_{j=1}^d W_{ij} x_j$$"
CORRECTION = r"W \in \mathbb{R}^{m \times d}"
FRONT = "---\ntitle: A page\nnotation:\n  - {}\nauthor: me\n---\n"


def verdicts(report: DocumentReport, line: int) -> list[str]:
    return [str(claim.verdict) for claim in report.claims if claim.line == line]


# ---- notation ----------------------------------------------------------------------


def test_without_a_correction_the_text_is_believed() -> None:
    report = verify_document(text=f"{SAID}\n\n{CLAIM}\n")
    assert verdicts(report, 3) == ["ill_typed"]
    assert dict(report.notation)["W"] == "d × m"


@pytest.mark.parametrize("signs", ["{}", "'{}'", '"{}"', "${}$", "'${}$'"])
def test_front_matter_corrects_the_notation_of_markdown(signs: str) -> None:
    front = FRONT.format(signs.format(CORRECTION))
    report = verify_document(text=f"{front}{SAID}\n\n{CLAIM}\n")
    assert verdicts(report, 9) == ["agrees"]
    assert dict(report.notation)["W"] == "m × d"
    (claim,) = (c for c in report.claims if c.line == 4)
    assert str(claim.verdict) == "definition"
    assert claim.text == r"\mathbb{R}^{m \times d}"
    assert claim.column == front.splitlines()[3].index(r"\mathbb") + 1


def test_one_correction_may_stand_behind_its_key() -> None:
    front = f"---\nnotation: {CORRECTION}\n---\n"
    report = verify_document(text=f"{front}{SAID}\n\n{CLAIM}\n")
    assert verdicts(report, 6) == ["agrees"]


@pytest.mark.parametrize("preamble", [True, False])
def test_a_comment_corrects_the_notation_of_latex(preamble: bool) -> None:
    comment = f"% notation: {CORRECTION}\n"
    begin = "\\documentclass{article}\n", "\\begin{document}\n"
    head = [begin[0], comment, begin[1]] if preamble else [*begin, comment]
    text = "".join(head) + f"{SAID}\n\n{CLAIM}\n\\end{{document}}\n"
    report = verify_document(text=text, suffix=".tex")
    assert verdicts(report, 6) == ["agrees"]
    assert verdicts(report, head.index(comment) + 1) == ["definition"]


def test_a_comment_within_a_sentence_leaves_it_alone() -> None:
    text = rf"""
    Let $b \in \mathbb{{R}}$. For $x < 0$
    % notation: {CORRECTION}
    we have $|x| = -x$.
    """
    report = verify_document(text=dedent(text), suffix=".tex")
    assert verdicts(report, 4) in (["agrees"], ["proved"])


def test_metadata_correct_the_notation_of_a_notebook() -> None:
    notebook = {
        "metadata": {"mlproof": {"notation": ["c = 2", CORRECTION]}},
        "cells": [{"cell_type": "markdown", "source": [f"{SAID}\n", "\n", CLAIM]}],
    }
    report = verify_document(text=json.dumps(notebook), suffix=".ipynb")
    found = [(c.cell, c.line, str(c.verdict)) for c in report.claims]
    assert (None, 2, "definition") in found
    assert (0, 3, "agrees") in found


@pytest.mark.parametrize("wrong", [3, [1], {"notation": 3}, {"notation": [None]}])
def test_metadata_of_another_kind_are_refused_in_one_sentence(wrong: object) -> None:
    text = json.dumps({"metadata": {"mlproof": wrong}, "cells": []})
    with pytest.raises(DocumentError, match=r"in the metadata of text must be .*\.$"):
        verify_document(text=text, suffix=".ipynb")


def test_a_definition_that_is_set_makes_that_of_the_text_a_claim() -> None:
    text = r"Let $x \in \mathbb{R}$. Let $s = 2x + 1$." "\n\n$$s - 1 = 2x$$\n"
    assert verify_document(text=text).ok
    report = verify_document(text=f"---\nnotation: s = 3x + 1\n---\n{text}")
    assert verdicts(report, 4) == ["definition", "false"]  # of x, and what was let
    assert verdicts(report, 6) == ["false"]


def test_a_number_that_is_set_stands_above_as_a_power() -> None:
    text = r"Let $b = h^a$." "\n\n" r"$$b^2 = h^{2a}$$" "\n"
    declared = r"notation:" "\n" r"- h > 0" "\n" r"- a \in \mathbb{R}" "\n"
    report = verify_document(text=f"---\n{declared}---\n{text}")
    assert verdicts(report, 8) == ["agrees"]


def test_what_is_set_and_not_understood_is_said_so() -> None:
    report = verify_document(text=f"---\nnotation: W \\in \\mho\n---\n{CLAIM}\n")
    assert verdicts(report, 2) == ["not_understood"]


def test_all_claims_are_listed_with_the_notation() -> None:
    from mlproof.verification.document.listing import listing

    report = verify_document(text=f"{SAID}\n\n{CLAIM}\n")
    assert "  W: d × m\n" in listing(report, everything=True)
    assert "W: d × m" not in listing(report)


# ---- layout ------------------------------------------------------------------------

DECLARED = (
    r"Let $x, a, b \in \mathbb{R}^n$, $A \in \mathbb{R}^{n \times n}$ and "
    r"$C \in \mathbb{R}^{k \times n}$."
    "\n\n"
)
# A gradient of a number by a vector and by a matrix, and a Jacobian, in each layout.
GRADIENT = r"$$\frac{\partial (a^\top x)}{\partial x} = %s$$" "\n\n"
BY_MATRIX = r"$$\frac{\partial (a^\top A b)}{\partial A} = %s$$" "\n\n"
JACOBIAN = r"$$\frac{\partial (C x)}{\partial x} = %s$$" "\n\n"
COLUMN, ROW = GRADIENT % "a", GRADIENT % r"a^\top"
WRITTEN = {
    Layout.COLUMNS: (COLUMN, BY_MATRIX % r"a b^\top", JACOBIAN % "C"),
    Layout.ROWS: (ROW, BY_MATRIX % r"b a^\top", JACOBIAN % "C"),
    Layout.DENOMINATOR: (COLUMN, BY_MATRIX % r"a b^\top", JACOBIAN % r"C^\top"),
}
ANOTHER = r"$$\frac{\partial (x^\top A x)}{\partial x} = (A + A^\top) x$$" "\n\n"


@pytest.mark.parametrize("layout", Layout)
def test_a_layout_that_is_set_is_kept_to(layout: Layout) -> None:
    for other, written in WRITTEN.items():
        text = f"---\nlayout: {layout}\n---\n{DECLARED}{''.join(written)}"
        report = verify_document(text=text)
        assert report.layout is layout
        right = [a == b for a, b in zip(written, WRITTEN[layout], strict=True)]
        assert [not c.wrong for c in report.claims[-3:]] == right, other


@pytest.mark.parametrize("layout", [Layout.COLUMNS, Layout.ROWS])
def test_the_layout_is_the_one_that_most_claims_are_right_in(layout: Layout) -> None:
    for written in permutations(WRITTEN[layout]):
        report = verify_document(text=DECLARED + "".join(written))
        assert (report.ok, report.layout, report.lint) == (True, layout, ())


def test_jacobians_that_are_all_transposed_have_the_denominator_layout() -> None:
    second = r"$$\frac{\partial (A x + b)}{\partial x} = A^\top$$"
    written = "".join(WRITTEN[Layout.DENOMINATOR])
    report = verify_document(text=DECLARED + written + second)
    assert (report.ok, report.layout) == (True, Layout.DENOMINATOR)


@pytest.mark.parametrize("lone", [BY_MATRIX % r"b a^\top", JACOBIAN % r"C^\top"])
def test_one_array_that_is_transposed_is_a_mistake(lone: str) -> None:
    report = verify_document(text=DECLARED + lone)
    assert [c.line for c in report.claims if c.wrong] == [3]


def test_a_mixture_is_flagged_where_the_fewer_stand() -> None:
    report = verify_document(text=DECLARED + COLUMN + ANOTHER + ROW)
    assert report.layout is Layout.COLUMNS
    assert [(c.line, str(c.verdict)) for c in report.claims if c.wrong] == [
        (7, "ill_typed")
    ]
    (remark,) = report.lint
    assert (remark.code, remark.line) == ("mixed_layout", 7)
    assert remark.message == (
        "this is right with gradients as rows (numerator layout); the document has "
        "gradients as columns"
    )


def test_a_false_gradient_is_no_mixture() -> None:
    report = verify_document(text=DECLARED + COLUMN + GRADIENT % "2 a")
    assert [str(c.verdict) for c in report.claims if c.wrong] == ["false"]
    assert not report.lint


@pytest.mark.parametrize(
    ("said", "layout"),
    [
        ("We use the numerator layout.", Layout.ROWS),
        ("We use the denominator layout.", Layout.DENOMINATOR),
        ("Gradients are columns here.", Layout.COLUMNS),
        ("Les gradients sont des vecteurs lignes.", Layout.ROWS),
    ],
)
def test_the_text_may_say_its_layout(said: str, layout: Layout) -> None:
    report = verify_document(text=f"{said}\n\n{DECLARED}{COLUMN}")
    assert report.layout is layout


def test_a_gradient_with_a_nabla_is_a_column_in_every_layout() -> None:
    nabla = r"$$\nabla_x (a^\top x) = a$$"
    for layout in Layout:
        text = f"---\nlayout: {layout}\n---\n{DECLARED}{nabla}"
        report = verify_document(text=text)
        assert (report.ok, report.layout) == (True, None)


def test_a_derivative_by_a_row_lies_along_it() -> None:
    written = (
        r"$$\frac{\partial (a^\top x)}{\partial x^\top} = a^\top$$"
        "\n\n"
        r"$$\frac{\partial^2 (x^\top A x)}{\partial x \partial x^\top} = A + A^\top$$"
        "\n\n"
        r"$$\frac{\partial (C x)}{\partial x^\top} = C$$"
    )
    for layout in Layout:
        text = f"---\nlayout: {layout}\n---\n{DECLARED}{written}"
        assert verify_document(text=text).ok


def test_nothing_is_said_of_a_layout_that_does_not_matter() -> None:
    report = verify_document(text=r"$$\frac{d}{dx} x^2 = 2x$$")
    assert report.layout is None
    assert "gradients" not in str(report)


def test_a_layout_that_is_none_is_refused_in_one_sentence(tmp_path: Path) -> None:
    text = "---\nlayout: diagonal\n---\n"
    with pytest.raises(LayoutError) as refused:
        verify_document(text=text)
    assert str(refused.value) == (
        "layout must be columns, rows or denominator, got 'diagonal' on line 2."
    )
