"""Verify a document: read it, judge every claim, report."""

import os

from mlproof.verification.document.marking.code import CodeChecker
from mlproof.verification.document.marking.judge import Judge
from mlproof.verification.document.marking.judging import judged
from mlproof.verification.document.marking.lint import lint
from mlproof.verification.document.notation.gathering import notation_of
from mlproof.verification.document.report import Claim, DocumentReport, Lint
from mlproof.verification.document.text.prose import Cutter
from mlproof.verification.document.text.reading import (
    Document,
    read_document,
    read_text,
)
from mlproof.verification.document.values.layout import Layout, layout_set


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
    notation = notation_of(statements)

    def judge(layout: Layout) -> Judge:
        return Judge(notation, language, cutter.macros, layout)

    found = judged(judge, statements, layout_set(document.blocks))
    claims = found.all_claims
    slips: list[Lint] = []
    if run_code:
        of_code = CodeChecker(document.blocks, statements, notation, language).check()
        claims, slips = claims + of_code[0], of_code[1]
    slips += lint(document.blocks, statements, notation, language)
    return DocumentReport(
        document,
        tuple(sorted(claims, key=_place)),
        _distinct(sorted([*slips, *found.all_lint], key=_place)),
        tuple(notation.table(language)),
        found.layout if found.laid_out else None,
        language,
    )


def _place(found: Claim | Lint) -> tuple[int, int, int]:
    return (found.cell or 0, found.line, found.column)


def _distinct(slips: list[Lint]) -> tuple[Lint, ...]:
    """One of each kind at a place."""
    found = {(s.cell, s.line, s.column, s.code): s for s in slips}
    return tuple(found.values())
