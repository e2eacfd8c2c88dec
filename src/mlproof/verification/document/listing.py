"""A report as text for a terminal: each mistake under its line, then the counts."""

import textwrap
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeVar

from mlproof.verification.document.report import (
    Claim,
    Coverage,
    DocumentReport,
    Lint,
    Place,
    Verdict,
)
from mlproof.verification.document.words import (
    capital,
    counted,
    covered,
    layout_said,
    visible,
    word,
)

Found = TypeVar("Found", Claim, Lint)

# How many columns a line takes at most, and how many of them are left empty before it.
COLUMNS = 98
INDENT = "  "
# What is shown of a long line before the place, if it goes on that far.
BEFORE = 20


def listing(report: DocumentReport, *, everything: bool = False) -> str:
    """Each wrong claim and each lint, or every claim; at the end the summary."""
    claims = [c for c in report.claims if everything or c.wrong]
    parts = [
        "\n".join(_claim(report, claim) if claim.wrong else _fine(report, claim))
        for claim in in_order(claims)
    ]
    if report.lint:
        parts.append("\n".join(_lint(report, lint) for lint in in_order(report.lint)))
    if everything and report.notation:
        parts.append("\n".join(_notation(report)))
    return "\n\n".join([*parts, summary(report)])


def summary(report: DocumentReport) -> str:
    """How much was checked, and how many claims there are of each verdict."""
    first = f"{visible(report.document.name)}: {outcome([report], report.language)}"
    counts = counts_of(report)
    if not counts and not report.lint:
        return first
    language = report.language
    if report.layout is not None:
        first += "\n" + _wrapped(layout_said(report))
    found = [f"{word(language, verdict)}: {counts[verdict]}" for verdict in counts]
    if report.lint:
        found.append(counted(language, "count remarks", len(report.lint)))
    # A name stays on one line with its number.
    whole = ", ".join(part.replace(" ", "\u00a0") for part in found)
    return f"{first}\n" + _wrapped(whole).replace("\u00a0", " ")


def outcome(reports: Iterable[DocumentReport], language: str) -> str:
    """One sentence on all these documents: what was checked, and how much is wrong."""
    reports = list(reports)
    coverages = [report.coverage for report in reports]
    whole = Coverage(
        sum(coverage.claims for coverage in coverages),
        sum(coverage.checked for coverage in coverages),
    )
    said = covered(language, whole)
    if not whole.checked:
        return f"{said}."
    n_wrong = sum(claim.wrong for report in reports for claim in report.claims)
    if not n_wrong:
        return f"{said}, {word(language, 'no mistakes')}."
    return f"{said}, {counted(language, 'count mistakes', n_wrong)}."


def counts_of(report: DocumentReport) -> dict[Verdict, int]:
    """How many claims there are of each verdict that occurs."""
    counts = Counter(claim.verdict for claim in report.claims)
    return {verdict: counts[verdict] for verdict in Verdict if counts[verdict]}


def in_order(found: Iterable[Found]) -> list[Found]:
    """The same from the beginning of the document to its end."""
    return sorted(found, key=lambda one: (one.place.cell or 0, one.place.start))


def _claim(report: DocumentReport, claim: Claim) -> Iterator[str]:
    language = report.language
    yield f"{_at(report, claim.place)}: {word(language, claim.verdict)}"
    yield from _pointed(claim.place)
    yield from _about(claim.message)
    if claim.counterexample:
        yield from _about(f"{word(language, 'counterexample')} {claim.counterexample}")
    if claim.suggestion:  # in one line, to be copied
        repair = " ".join(claim.suggestion.split())
        yield visible(f"{INDENT}{word(language, 'repair')} {repair}")


def _fine(report: DocumentReport, claim: Claim) -> Iterator[str]:
    """A claim that is not wrong, in fewer lines."""
    verdict = word(report.language, claim.verdict)
    yield f"{_at(report, claim.place)}: {verdict}"
    shown = visible(" ".join(claim.text.split()))
    start, end = _window(shown, 0, len(shown))
    if shown:
        yield INDENT + shown[start:end] + ("…" if end < len(shown) else "")
    yield from _about(claim.message)


def _lint(report: DocumentReport, lint: Lint) -> str:
    said = f"{_at(report, lint.place)}: {lint.code}: {visible(lint.message)}"
    if lint.suggestion:
        repair = " ".join(lint.suggestion.split())
        said += visible(f" {word(report.language, 'repair')} {repair}")
    return said


def _notation(report: DocumentReport) -> Iterator[str]:
    """Each symbol, and how it was read."""
    yield f"{capital(word(report.language, 'notation'))}:"
    for symbol, reading in report.notation:
        yield from _about(f"{symbol}: {reading}")


def _at(report: DocumentReport, place: Place) -> str:
    """Where it stands, as editors and terminals know to follow."""
    name = visible(report.document.name)
    if place.cell is not None:
        name += ":" + word(report.language, "cell", cell=place.cell)
    return f"{name}:{place.line}:{place.column}"


def _about(text: str) -> Iterator[str]:
    """Each line of a text, or several for one that is too long."""
    for line in text.splitlines():
        yield _wrapped(line)


def _wrapped(text: str) -> str:
    return textwrap.fill(
        visible(text),
        COLUMNS,
        initial_indent=INDENT,
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


# ---- a line and what stands below it -----------------------------------------------


def _pointed(place: Place) -> Iterator[str]:
    """The line where it begins, or what fits of it, and carets under the place."""
    line = visible(place.source.line(place.line)).replace("\t", " ")
    start = place.column - 1
    after = start + place.end - place.start
    low, high = _window(line, start, min(after, len(line)))
    before = "…" if low else ""
    yield f"{INDENT}{before}{line[low:high]}{'…' if high < len(line) else ''}"
    blank = len(before) + _width(line[low:start])
    carets = "^" * max(1, _width(line[start : min(after, high)]))
    # A place may go on where the line is cut, or on the next line.
    yield INDENT + " " * blank + carets + ("…" if after > high else "")


def _window(line: str, start: int, end: int) -> tuple[int, int]:
    """From where to where a line is shown, so that as much of the place as fits is."""
    room = COLUMNS - len(INDENT)
    if _width(line) <= room:
        return 0, len(line)
    room -= 2  # an ellipsis on both sides
    before = max(BEFORE, (room - _width(line[start:end])) // 2)
    low = start - _fitting(line[:start][::-1], before)
    high = low + _fitting(line[low:], room)
    low -= _fitting(line[:low][::-1], room - _width(line[low:high]))
    return low, high


def _fitting(text: str, room: int) -> int:
    """How many characters of a text fit into these columns."""
    for i, character in enumerate(text):
        room -= _width(character)
        if room < 0:
            return i
    return len(text)


def _width(text: str) -> int:
    """How many columns a terminal gives to a text."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
