"""Verify a document: read it, judge every claim, report."""

import os

from mlproof.verification.document.code import CodeChecker
from mlproof.verification.document.judge import Judge
from mlproof.verification.document.lint import lint
from mlproof.verification.document.notation import Notation
from mlproof.verification.document.reading import Document, read_document, read_text
from mlproof.verification.document.report import Claim, DocumentReport, Lint
from mlproof.verification.document.statements import Cutter


def verify_document(
    path: str | os.PathLike[str] | None = None,
    *,
    text: str | None = None,
    suffix: str = ".md",
    run_code: bool = False,
    language: str = "en",
) -> DocumentReport:
    """Check every equality of a written derivation."""
    if path is not None:
        document = read_document(path)
    else:
        document = read_text(text or "", suffix=suffix)
    return _verified(document, run_code, language)


def _verified(document: Document, run_code: bool, language: str) -> DocumentReport:
    cutter = Cutter(document.blocks)
    statements = cutter.cut()
    notation = Notation(statements)
    judge = Judge(notation, language, cutter.macros)
    claims: list[Claim] = []
    for order, statement in enumerate(statements):
        claims += judge.judge(statement, order)
    slips: list[Lint] = []
    if run_code:
        found = CodeChecker(document.blocks, statements, notation, language).check()
        claims, slips = claims + found[0], found[1]
    slips += [*lint(document.blocks, statements, notation, language), *judge.lint]
    return DocumentReport(
        document,
        tuple(sorted(claims, key=_place)),
        _distinct(sorted(slips, key=_place)),
        tuple(notation.table(language)),
        language,
    )


def _place(found: Claim | Lint) -> tuple[int, int, int]:
    return (found.cell or 0, found.line, found.column)


def _distinct(slips: list[Lint]) -> tuple[Lint, ...]:
    """One of each kind at a place."""
    found = {(s.cell, s.line, s.column, s.code): s for s in slips}
    return tuple(found.values())
