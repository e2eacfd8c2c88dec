"""What a verifier found in a document, claim by claim."""

import json
from dataclasses import dataclass, field
from enum import StrEnum

from mlproof.verification.document.text.reading import Document
from mlproof.verification.document.text.source import Source
from mlproof.verification.document.values.layout import Layout


class Verdict(StrEnum):
    """What is said of a claim."""

    PROVED = "proved"  # a normal form decides it, for all values
    AGREES = "agrees"  # at every point that was tried
    FALSE = "false"
    ILL_TYPED = "ill_typed"  # shapes or indices do not fit
    DOMAIN = "domain"  # where both sides are defined, and not everywhere
    CONVENTION = "convention"  # a value chosen where there is none
    DEFINITION = "definition"  # where a symbol first gets its meaning
    NOT_UNDERSTOOD = "not_understood"
    NOT_MATHEMATICS = "not_mathematics"


WRONG = frozenset({Verdict.FALSE, Verdict.ILL_TYPED})
NOT_CHECKED = frozenset({Verdict.NOT_UNDERSTOOD, Verdict.NOT_MATHEMATICS})


@dataclass(frozen=True)
class Place:
    """A stretch of a document: where it is shown, and what a person is pointed to."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        return self.source.position(self.start).line

    @property
    def column(self) -> int:
        return self.source.position(self.start).column

    @property
    def cell(self) -> int | None:
        return self.source.cell

    @property
    def text(self) -> str:
        """As it stands."""
        return self.source.text[self.start : self.end]


@dataclass(frozen=True)
class Claim:
    """One relation of a chain, or a declaration, and the verdict on it.

    It stands where the first character of its right-hand member stands: ``line`` and
    ``column`` count from 1, ``cell`` counts the cells of a notebook from 0.
    """

    place: Place = field(repr=False)
    verdict: Verdict
    message: str
    suggestion: str | None = None  # the member repaired, in LaTeX
    counterexample: str | None = None  # where and how the two sides differ

    line = property(lambda self: self.place.line)
    column = property(lambda self: self.place.column)
    cell = property(lambda self: self.place.cell)
    text = property(lambda self: self.place.text)

    @property
    def wrong(self) -> bool:
        """Whether it is false or ill-typed."""
        return self.verdict in WRONG


@dataclass(frozen=True)
class Lint:
    """A slip that makes nothing false, or not by itself."""

    place: Place = field(repr=False)
    code: str
    message: str
    suggestion: str | None = None

    line = property(lambda self: self.place.line)
    column = property(lambda self: self.place.column)
    cell = property(lambda self: self.place.cell)


@dataclass(frozen=True)
class Coverage:
    """How many claims there are, and how many of them were judged."""

    claims: int
    checked: int


@dataclass(frozen=True)
class DocumentReport:
    """The verdict on every claim of a document."""

    document: Document = field(repr=False)
    claims: tuple[Claim, ...]
    lint: tuple[Lint, ...] = ()
    notation: tuple[tuple[str, str], ...] = ()  # each symbol, and how it was read
    layout: Layout | None = None  # of derivatives by arrays, if there are any
    language: str = "en"

    @property
    def coverage(self) -> Coverage:
        checked = sum(claim.verdict not in NOT_CHECKED for claim in self.claims)
        return Coverage(len(self.claims), checked)

    @property
    def ok(self) -> bool:
        """Whether something was checked, and nothing is false or ill-typed."""
        return self.coverage.checked > 0 and not any(c.wrong for c in self.claims)

    def as_dict(self) -> dict[str, object]:
        """The same as plain data, for JSON."""
        return {
            "document": self.document.name,
            "claims": [
                {
                    "line": claim.line,
                    "column": claim.column,
                    "cell": claim.cell,
                    "text": claim.text,
                    "verdict": str(claim.verdict),
                    "message": claim.message,
                    "suggestion": claim.suggestion,
                    "counterexample": claim.counterexample,
                }
                for claim in self.claims
            ],
            "lint": [
                {
                    "line": lint.line,
                    "column": lint.column,
                    "code": lint.code,
                    "message": lint.message,
                    "suggestion": lint.suggestion,
                }
                for lint in self.lint
            ],
            "coverage": {
                "claims": self.coverage.claims,
                "checked": self.coverage.checked,
            },
        }

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), ensure_ascii=False)

    def to_html(self) -> str:
        """The document with its claims in colour, as a page of its own."""
        from mlproof.verification.document.page import page

        return page(self)

    def __str__(self) -> str:
        from mlproof.verification.document.listing import listing

        return listing(self)
