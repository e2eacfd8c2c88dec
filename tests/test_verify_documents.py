"""The verifier of documents on documents: right ones, and the same with a mistake.

``documents/expected.json`` says for each document how much of it should be judged
(``right``), where a particular verdict is due (``not``: a claim at that line has one of
these verdicts) and whether all of it is in a notation foreign to the
verifier (``unknown``). ``documents/mistakes.json`` lists the wrong versions as edits.
``line`` is where the false claim's right-hand member begins after the edit, in a
notebook within ``cell``; at the lines of ``also`` stand claims that it may make
false besides.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mlproof.verification.document.check import verify_document
from mlproof.verification.document.report import DocumentReport

FOLDER = Path(__file__).parent / "documents"
EXPECTED: dict[str, dict[str, Any]] = json.loads(
    (FOLDER / "expected.json").read_text(encoding="utf-8")
)
MISTAKES: list[dict[str, Any]] = json.loads(
    (FOLDER / "mistakes.json").read_text(encoding="utf-8")
)
UNKNOWN = [name for name, expected in EXPECTED.items() if expected.get("unknown")]
KNOWN = [name for name in EXPECTED if name not in UNKNOWN]
# Every entry of a matrix is differentiated by every entry of another.
LONG = {"temperature_attention.md"}
WRONG = {"false", "ill_typed"}
UNCHECKED = {"not_understood", "not_mathematics"}

each_mistake = pytest.mark.parametrize(
    "mistake", MISTAKES, ids=lambda m: f"{m['document']}: {m['mistake']}"
)


def case(document: str, *values: Any, slow: bool = False) -> Any:
    """The parameters of a test of a document; of a long one it is slow."""
    marks = [pytest.mark.slow] if slow or document in LONG else []
    return pytest.param(document, *values, marks=marks)


def told(report: DocumentReport, verdicts: set[str]) -> list[str]:
    """The claims with one of these verdicts, to be read in a failure."""
    return [
        f"{claim.cell}:{claim.line}:{claim.column} {claim.verdict} {claim.text!r}"
        for claim in report.claims
        if claim.verdict in verdicts
    ]


def text_of(document: str) -> str:
    return (FOLDER / document).read_text(encoding="utf-8")


def edited(text: str, mistake: dict[str, Any]) -> str:
    """The document with a mistake; in a notebook it is made in the cell's source."""
    find, replace, cell = mistake["find"], mistake["replace"], mistake["cell"]
    if cell is None:
        assert text.count(find) == 1
        return text.replace(find, replace)
    notebook = json.loads(text)
    source = "".join(notebook["cells"][cell]["source"])
    assert source.count(find) == 1
    source = source.replace(find, replace)
    notebook["cells"][cell]["source"] = source.splitlines(keepends=True)
    return json.dumps(notebook)


def verify(document: str, *mistakes: dict[str, Any]) -> DocumentReport:
    text = text_of(document)
    for mistake in mistakes:
        text = edited(text, mistake)
    return verify_document(text=text, suffix=Path(document).suffix)


def caught(report: DocumentReport, mistake: dict[str, Any]) -> bool:
    return any(
        (claim.cell, claim.line) == (mistake["cell"], mistake["line"])
        and claim.verdict in mistake["allowed"]
        for claim in report.claims
    )


def places(mistake: dict[str, Any]) -> set[tuple[int | None, int]]:
    """Where a mistake may make something false."""
    lines = [mistake["line"], *mistake.get("also", [])]
    return {(mistake["cell"], line) for line in lines}


def wrong_places(report: DocumentReport) -> set[tuple[int | None, int]]:
    return {(c.cell, c.line) for c in report.claims if c.verdict in WRONG}


def test_every_document_is_listed() -> None:
    found = {path.name for path in FOLDER.iterdir()}
    assert found == {*EXPECTED, "expected.json", "mistakes.json"}
    assert {mistake["document"] for mistake in MISTAKES} == set(KNOWN)


@each_mistake
def test_an_edit_makes_its_document_different(mistake: dict[str, Any]) -> None:
    text = text_of(mistake["document"])
    new = edited(text, mistake)
    if mistake["cell"] is not None:
        new = "".join(json.loads(new)["cells"][mistake["cell"]]["source"])
    assert mistake["replace"] in new
    assert 1 <= mistake["line"] <= len(new.splitlines())
    assert new != text
    assert set(mistake["allowed"]) <= WRONG


@pytest.mark.parametrize("document", [case(document) for document in KNOWN])
def test_a_right_document_is_right(document: str) -> None:
    report = verify_document(FOLDER / document)
    assert told(report, WRONG) == []
    claims, checked = report.coverage.claims, report.coverage.checked
    assert claims > 0
    minimum = EXPECTED[document]["right"]["minimum_checked"]
    assert checked >= minimum * claims, told(report, UNCHECKED)


@pytest.mark.parametrize(
    ("document", "line", "verdicts"),
    [
        case(document, place["line"], place["verdicts"])
        for document in KNOWN
        for place in EXPECTED[document].get("not", [])
    ],
)
def test_a_claim_has_its_verdict(document: str, line: int, verdicts: list[str]) -> None:
    report = verify_document(FOLDER / document)
    found = [str(claim.verdict) for claim in report.claims if claim.line == line]
    assert set(found) & set(verdicts), found


@pytest.mark.parametrize("document", UNKNOWN)
def test_nothing_is_said_of_an_unknown_notation(document: str) -> None:
    report = verify_document(FOLDER / document)
    assert told(report, {str(c.verdict) for c in report.claims} - UNCHECKED) == []
    assert report.coverage.claims > 0
    assert not report.ok


@pytest.mark.slow
@each_mistake
def test_a_mistake_is_found_where_it_is(mistake: dict[str, Any]) -> None:
    report = verify(mistake["document"], mistake)
    assert caught(report, mistake), told(report, WRONG | UNCHECKED)
    assert wrong_places(report) <= places(mistake), told(report, WRONG)


def some(documents: Sequence[str], n: int) -> list[Any]:
    """All of them; all but the first so many are slow."""
    return [case(each, slow=i >= n) for i, each in enumerate(documents)]


@pytest.mark.parametrize("document", some(KNOWN, 6))
def test_two_mistakes_are_both_found(document: str) -> None:
    """The first and the last of a document's list, which are far apart."""
    here = [mistake for mistake in MISTAKES if mistake["document"] == document]
    first, last = here[0], here[-1]
    report = verify(document, first, last)
    assert caught(report, first), told(report, WRONG | UNCHECKED)
    assert caught(report, last), told(report, WRONG | UNCHECKED)
    assert wrong_places(report) <= places(first) | places(last), told(report, WRONG)
