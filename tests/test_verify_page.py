"""How a report on a document is shown: as text under each line, and as a page."""

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from traces import Reader, assert_page

from mlproof.verification.document.listing import listing, summary
from mlproof.verification.document.report import (
    Claim,
    DocumentReport,
    Lint,
    Place,
    Verdict,
)
from mlproof.verification.document.text.reading import Document, read_text
from mlproof.verification.document.words import visible

DERIVATION = """\
# The sigmoid

We have $s(x) = 1/(1 + e^{-x}) = e^x/(1 + e^x)$, hence

$$s'(x) = s(x)(1 + s(x))$$
"""


def place(document: Document, marked: str, cell: int | None = None) -> Place:
    """The first stretch of a document that reads so."""
    sources = [b.source for b in document.blocks if cell in (None, b.source.cell)]
    (source,) = [s for s in dict.fromkeys(sources) if marked in s.text][:1]
    start = source.text.index(marked)
    return Place(source, start, start + len(marked))


def made(
    text: str,
    *claims: tuple[str, str],
    lint: tuple[str, ...] = (),
    name: str = "notes.md",
    suffix: str = ".md",
    **options: Any,
) -> DocumentReport:
    """A report that gives each of these stretches a verdict, and some a lint."""
    document = read_text(text, name, suffix)
    return DocumentReport(
        document,
        tuple(
            Claim(
                place(document, marked),
                Verdict(verdict),
                f"{verdict} here.",
                *(("x^2", "at x = 1: 2 and 3") if verdict == "false" else ()),
            )
            for marked, verdict in claims
        ),
        tuple(
            Lint(place(document, marked), "missing-d", "No d.", r"\frac{df}{dx}")
            for marked in lint
        ),
        **options,
    )


def derivation(**options: Any) -> DocumentReport:
    return made(
        DERIVATION,
        ("1/(1 + e^{-x})", "definition"),
        ("e^x/(1 + e^x)", "proved"),
        ("s(x)(1 + s(x))", "false"),
        lint=("s'(x)",),
        **options,
    )


# ---- in the terminal ---------------------------------------------------------------


def test_each_mistake_stands_under_its_line_and_the_counts_at_the_end() -> None:
    assert str(derivation()) == (
        "notes.md:5:11: false\n"
        "  $$s'(x) = s(x)(1 + s(x))$$\n"
        "            ^^^^^^^^^^^^^^\n"
        "  false here.\n"
        "  Counterexample: at x = 1: 2 and 3\n"
        "  Suggested repair: x^2\n"
        "\n"
        r"notes.md:5:3: missing-d: No d. Suggested repair: \frac{df}{dx}"
        "\n\n"
        "notes.md: 3 of 3 claims checked, 1 mistake.\n"
        "  proved: 1, false: 1, definition: 1, 1 remark"
    )


def test_the_same_in_french() -> None:
    shown = str(derivation(language="fr")).replace("\u00a0", " ")
    assert "notes.md:5:11: faux\n" in shown
    assert "  Contre-exemple : at x = 1" in shown
    assert "  Correction proposée : x^2\n" in shown
    assert shown.endswith(
        "notes.md: 3 affirmations vérifiées sur 3, 1 erreur.\n"
        "  prouvé: 1, faux: 1, définition: 1, 1 remarque"
    )


def test_all_claims_are_listed_on_demand_in_the_order_of_the_text() -> None:
    report = derivation()
    backwards = DocumentReport(report.document, report.claims[::-1], report.lint)
    shown = listing(backwards, everything=True)
    assert re.findall(r"^notes.md:(\d+):\d+: (.+)$", shown, re.M)[:3] == [
        ("3", "definition"),
        ("3", "proved"),
        ("5", "false"),
    ]
    assert "\n  e^x/(1 + e^x)\n  proved here." in shown
    assert "proved here" not in listing(report)


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ([], "notes.md: no claims found."),
        ([("a", "not_understood")], "notes.md: 0 of 1 claim checked.\n"),
        ([("a", "agrees")], "notes.md: 1 of 1 claim checked, no mistake found.\n"),
        (
            [("a", "agrees"), ("b", "not_mathematics")],
            "notes.md: 1 of 2 claims checked, no mistake found.\n",
        ),
        (
            [("a", "ill_typed"), ("b", "false")],
            "notes.md: 2 of 2 claims checked, 2 mistakes.\n",
        ),
    ],
)
def test_the_coverage_is_always_said(claims: list[tuple[str, str]], said: str) -> None:
    report = made("$a = b$", *claims)
    assert summary(report).startswith(said)
    assert str(report).endswith(summary(report))


def test_in_a_notebook_the_cell_is_said() -> None:
    cells = (
        '{"cells": [{"cell_type": "markdown", "source": "# Title"}, '
        '{"cell_type": "code", "source": "x = 1"}, '
        '{"cell_type": "markdown", "source": ["Now\\n", "$a = b$"]}]}'
    )
    report = made(cells, ("b", "false"), name="n.ipynb", suffix=".ipynb")
    assert str(report).startswith("n.ipynb:cell 2:2:6: false\n  $a = b$\n       ^\n")
    page = report.to_html()
    assert "Cell 2, line 2, column 6" in assert_page(page).text
    assert shown(page) == ["# Title", "x = 1", "Now\n$a = b$"]


def test_a_place_of_several_lines_is_shown_by_its_first() -> None:
    report = made("$$a = b +\n  c$$", ("b +\n  c", "false"))
    assert "  $$a = b +\n        ^^^…\n" in str(report)


def test_a_place_without_extent_gets_one_caret() -> None:
    document = read_text("$a =$")
    source = document.blocks[0].source
    claim = Claim(Place(source, 4, 4), Verdict.FALSE, "nothing stands here")
    report = DocumentReport(document, (claim,))
    assert "  $a =$\n      ^\n" in str(report)
    assert shown(report.to_html()) == ["$a =$"]


@settings(max_examples=200)
@given(
    st.text("ab é漢\t=\u0301\\", max_size=500),
    st.text("xyé漢", min_size=1, max_size=150),
    st.text("ab é漢\t=\u0301\\", max_size=500),
)
@example("a" * 500, "x" * 300, "b" * 500)
def test_a_long_line_is_cut_around_its_carets(
    before: str, marked: str, after: str
) -> None:
    report = made(f"{before}{marked}{after}", (marked, "ill_typed"))
    _, line, carets, *_ = str(report).split("\n")
    assert max(cell_len(line), cell_len(carets)) <= 100
    blank = len(carets) - len(carets.lstrip())
    n_carets = carets.count("^")
    # What stands over the carets is the place, or its beginning if it was cut.
    start = next(i for i in range(len(line) + 1) if cell_len(line[:i]) == blank)
    start += len(re.match("\u0301*", line[start:])[0])  # type: ignore[index]
    end = max(i for i in range(len(line) + 1) if cell_len(line[:i]) == blank + n_carets)
    over = line[start:end].rstrip("\u0301")
    assert over == marked if not carets.endswith("…") else marked.startswith(over)
    assert (cell_len(over) >= 40) or over == marked


def test_nothing_in_a_document_acts_on_the_terminal() -> None:
    text = "\x1b[31m\x07 $a\x00\x9b = b\u202e\ud800$"
    report = made(text, ("b\u202e\ud800", "false"), name="\x1b[2J.md")
    for printed in (str(report), listing(report, everything=True)):
        assert not re.search(r"[^\n\x20-\x7e\xa0-\u2027\u2030-\uffff]", printed)
        printed.encode("utf-8")  # no half of a letter
    assert "  ␛[31m␇ $a␀\ufffd = b\ufffd\ufffd$\n" in str(report)
    report.to_html().encode("utf-8")


# ---- the page ----------------------------------------------------------------------


class Shown(Reader):
    """Notes the text of the document itself, and the classes of every character."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.classes: list[str] = []
        self._class = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        if dict(attrs).get("class") == "text":
            self.sources.append("")
        if tag == "mark":
            self._class = dict(attrs)["class"] or ""

    def handle_data(self, data: str) -> None:
        super().handle_data(data)
        # Notes stand between lines; a line is a div within the one of the source.
        if self.open.count("div") == 2:
            self.sources[-1] += data
            marked = self.open[-1] == "mark"
            self.classes += [self._class if marked else ""] * len(data)


def read(page: str) -> Shown:
    reader = Shown()
    reader.feed(page)
    return reader


def shown(page: str) -> list[str]:
    return read(page).sources


def classes(report: DocumentReport) -> dict[str, str]:
    """The characters that have a mark, with its classes, where no two are alike."""
    reader = read(report.to_html())
    pairs = zip("".join(reader.sources), reader.classes, strict=True)
    return {character: kind for character, kind in pairs if kind}


def test_the_page_shows_the_document_and_what_was_found() -> None:
    page = derivation(notation=(("s", "a function of numbers"),)).to_html()
    reader = assert_page(page)
    assert shown(page) == [DERIVATION]
    assert "3 of 3 claims checked, 1 mistake." in reader.text
    assert "Line 5, column 11 False: false here." in reader.text
    assert "Counterexample: at x = 1: 2 and 3" in reader.text
    assert "Suggested repair: x^2" in reader.text
    assert r"Line 5, column 3 No d. Suggested repair: \frac{df}{dx}" in reader.text
    assert "sa function of numbers" in reader.text
    assert "true for all values" in reader.text  # the legend
    assert {"c1", "n1", "l1"} <= set(reader.ids)
    assert '<html lang="en">' in page


def test_the_page_speaks_french() -> None:
    page = derivation(language="fr").to_html()
    text = assert_page(page).text.replace("\u00a0", " ")
    assert '<html lang="fr">' in page
    assert "3 affirmations vérifiées sur 3, 1 erreur." in text
    assert "Ligne 5, colonne 11 Faux : false here." in text
    for english in ("Mistakes", "Suggested", "column", "true for all"):
        assert english not in text


def test_a_note_stands_after_the_line_in_which_its_claim_ends() -> None:
    page = made("$$a = b +\nc$$\nrest", ("b +\nc", "false")).to_html()
    note, rest = page.index("<aside"), page.index(">rest")
    line = page.index('data-number="2">')
    assert line < note < rest
    assert shown(page) == ["$$a = b +\nc$$\nrest"]


def test_every_verdict_has_its_colour_but_what_is_no_mathematics() -> None:
    letters = dict(zip("abcdefghi", Verdict, strict=True))
    report = made("abcdefghi", *[(a, str(verdict)) for a, verdict in letters.items()])
    found = classes(report)
    assert found["a"] == "proved"
    assert found["b"] == "agrees"
    assert found["c"] == found["d"] == "amiss within-amiss"
    assert found["e"] == found["f"] == "limited"
    assert found["g"] == "definition"
    assert found["h"] == "unread"
    assert "i" not in found
    reader = assert_page(report.to_html())
    assert "u1" in reader.ids
    assert "Not understood (1)" in reader.text


def test_of_claims_within_each_other_the_innermost_is_seen_and_no_mistake_hidden() -> (
    None
):
    around = made("abcde", ("abcd", "false"), ("bc", "proved"), ("c", "agrees"))
    assert classes(around) == {
        "a": "amiss within-amiss",
        "b": "proved within-amiss",
        "c": "agrees within-amiss",
        "d": "amiss within-amiss",
    }
    crossing = made("abcde", ("abc", "proved"), ("bcde", "agrees"))
    assert classes(crossing) == dict(zip("abcde", ["proved"] * 3 + ["agrees"] * 2))  # noqa: B905
    for order in (("proved", "false"), ("false", "proved")):
        same = made("abc", *[("b", verdict) for verdict in order], lint=("bc",))
        assert classes(same) == {"b": "amiss within-amiss slip", "c": "slip"}


def test_several_mistakes_at_one_place_each_have_their_note() -> None:
    page = made("$a = b$", ("b", "false"), ("b", "ill_typed"), ("b", "false")).to_html()
    reader = assert_page(page)
    assert {"c1", "c2", "c3", "n1", "n2", "n3"} <= set(reader.ids)
    assert page.count("<aside") == 3
    assert shown(page) == ["$a = b$"]


@pytest.mark.parametrize("name", ["empty.md", "empty.ipynb"])
def test_an_empty_document_has_a_page(name: str) -> None:
    page = DocumentReport(Document(name, []), ()).to_html()
    text = assert_page(page).text
    assert "No claims found." in text
    assert "The document is empty." in text
    assert shown(page) == []


def test_nothing_in_a_document_or_a_report_can_be_markup() -> None:
    evil = """</style></script><script>alert("&amp;')</script><img src=x onerror=y>"""
    document = read_text(f"{evil}\n{evil}", evil)
    where = Place(document.blocks[0].source, 5, len(evil) + 9)
    claims = tuple(Claim(where, verdict, evil, evil, evil) for verdict in Verdict)
    lint = (Lint(where, evil, evil, evil),)
    report = DocumentReport(document, claims, lint, ((evil, evil),))
    page = report.to_html()
    reader = assert_page(page)
    assert "<script" not in page
    assert reader.text.count(evil) > 10
    assert shown(page) == [f"{evil}\n{evil}"]


SPAN = st.tuples(st.integers(0, 30), st.integers(0, 12), st.sampled_from(Verdict))


@settings(max_examples=300)
@given(
    st.text("ab\n\t<&é漢\x00\"'", max_size=30),
    st.lists(SPAN, max_size=8),
    st.lists(SPAN, max_size=3),
)
def test_wherever_claims_begin_and_end_the_text_is_whole(
    text: str,
    spans: list[tuple[int, int, Verdict]],
    slips: list[tuple[int, int, Verdict]],
) -> None:
    document = read_text(text)
    if not document.blocks:
        return
    source = document.blocks[0].source

    def within(start: int, length: int) -> Place:
        start = min(start, len(text))
        return Place(source, start, min(start + length, len(text)))

    claims = tuple(Claim(within(a, b), verdict, "so") for a, b, verdict in spans)
    lint = tuple(Lint(within(a, b), "code", "so") for a, b, _ in slips)
    page = DocumentReport(document, claims, lint).to_html()
    assert_page(page)
    assert shown(page) == [visible(text)]
    assert page.count("<aside") == sum(claim.wrong for claim in claims)
    for i, kinds in enumerate(read(page).classes):
        around = [c for c in claims if c.place.start <= i < c.place.end]
        assert ("within-amiss" in kinds) == any(claim.wrong for claim in around)
        slip = any(one.place.start <= i < one.place.end for one in lint)
        assert ("slip" in kinds.split()) == slip
        marked = any(c.verdict is not Verdict.NOT_MATHEMATICS for c in around)
        assert bool(kinds) == (marked or slip)
