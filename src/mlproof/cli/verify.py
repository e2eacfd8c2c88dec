"""``mlproof verify``"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from mlproof.cli.options import Json, check_output, show

if TYPE_CHECKING:
    from rich.table import Table

    from mlproof.verification.document.report import DocumentReport


def verify(
    # A file may be called [1].md.
    *documents: Annotated[Path, Parameter(required=True, json_list=False)],
    language: Literal["en", "fr"] = "en",
    run_code: Annotated[bool, Parameter(negative="")] = False,
    everything: Annotated[bool, Parameter(name="--all", negative="")] = False,
    summary: Annotated[bool, Parameter(negative="")] = False,
    html: Path | None = None,
    as_json: Json = False,
) -> int:
    """Check every equality of a written derivation: exit code 1 if one is wrong.

    The exit code is 3 if nothing could be checked.

    Parameters
    ----------
    documents
        Markdown, LaTeX (.tex), Jupyter notebooks (.ipynb) or plain text.
    language
        Of the report: English or French.
    run_code
        Run the code in the documents as well, to compare what it computes.
    everything
        List all claims, not only those that are wrong.
    summary
        One row for each document instead of its claims.
    html
        A page to write that shows the document with its claims in colour.
    """
    from mlproof.files import whole_file
    from mlproof.verification.document.listing import outcome
    from mlproof.verification.document.text.reading import read_document
    from mlproof.verification.document.words import counted, word

    _check_options(documents, html, summary=summary, everything=everything)
    if html is not None:
        check_output(html, *documents)
    for path in documents:  # all are refused if one is, before there is work
        read_document(path)
    options = {"language": language, "run_code": run_code}
    reports = list(_verified(documents, options, quiet=as_json))
    parts = _parts(reports, language, everything, summary, short=html is not None)
    if len(reports) > 1:
        count = counted(language, "count documents", len(reports))
        parts.append(f"{count}: {outcome(reports, language)}")
    if html is not None:
        with whole_file(html) as temporary:
            temporary.write_text(reports[0].to_html(), encoding="utf-8")
        parts.append(word(language, "written", path=html))
    found = [report.as_dict() for report in reports]
    show(found[0] if len(found) == 1 else found, as_json, *parts)
    return _exit_code(reports)


def _check_options(
    documents: tuple[Path, ...], html: Path | None, *, summary: bool, everything: bool
) -> None:
    if html is not None and len(documents) > 1:
        raise ValueError(
            f"--html shows one document, and {len(documents)} were given; call the "
            "command once for each."
        )
    if summary and everything:
        raise ValueError("give --summary or --all, but not both of them.")


def _verified(
    documents: tuple[Path, ...], options: dict[str, Any], *, quiet: bool
) -> "Iterator[DocumentReport]":
    """A report on each document, while a bar shows the time left if there are more."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from mlproof.report import console
    from mlproof.verification.document import check
    from mlproof.verification.document.words import visible, word

    columns = (
        TextColumn(word(options["language"], "verifying")),
        BarColumn(),
        MofNCompleteColumn(),
        # A file may be called [bold].
        TextColumn("{task.fields[name]}", markup=False),
        TimeRemainingColumn(),
        TextColumn(word(options["language"], "left")),
    )
    screen = console(stderr=True)
    hidden = quiet or len(documents) < 2 or not screen.is_terminal
    with Progress(*columns, console=screen, disable=hidden, transient=True) as progress:
        task = progress.add_task("verifying", total=len(documents), name="")
        for path in documents:
            progress.update(task, name=visible(path.name))
            yield check.verify_document(path, **options)
            progress.advance(task)


def _parts(
    reports: "list[DocumentReport]",
    language: str,
    everything: bool,
    summary: bool,
    *,
    short: bool,
) -> list[Any]:
    """What a person is shown of these reports."""
    from mlproof.verification.document import listing

    if summary:
        return [_table(reports, language)]
    if short:
        return [listing.summary(report) for report in reports]
    texts = [listing.listing(report, everything=everything) for report in reports]
    return [text + "\n" for text in texts] if len(texts) > 1 else texts


def _table(reports: "list[DocumentReport]", language: str) -> "Table":
    """A row for each document: how much was checked, and where it goes wrong first."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from mlproof.verification.document.words import visible, word

    table = Table(box=box.SIMPLE, padding=(0, 1))
    table.add_column(word(language, "document"), overflow="fold")
    for name in ("claims", "checked", "proved", "agrees", "wrong"):
        table.add_column(word(language, name), justify="right", no_wrap=True)
    table.add_column(word(language, "first mistake"), no_wrap=True)
    for report in reports:
        *numbers, wrong = _numbers(report)
        colour = "bold red" if wrong else "green" if report.ok else "yellow"
        table.add_row(
            # As Text, because a document may be called [bold].
            Text(visible(report.document.name)),
            *map(str, numbers),
            Text(str(wrong), colour),
            _first_mistake(report, language),
        )
    return table


def _numbers(report: "DocumentReport") -> tuple[int, ...]:
    """Claims, checked, proved, agreeing and wrong ones."""
    from mlproof.verification.document.report import Verdict

    verdicts = [claim.verdict for claim in report.claims]
    return (
        report.coverage.claims,
        report.coverage.checked,
        verdicts.count(Verdict.PROVED),
        verdicts.count(Verdict.AGREES),
        sum(claim.wrong for claim in report.claims),
    )


def _first_mistake(report: "DocumentReport", language: str) -> str:
    from mlproof.verification.document.listing import in_order
    from mlproof.verification.document.words import located

    wrong = in_order(claim for claim in report.claims if claim.wrong)
    return located(language, wrong[0].place, "line") if wrong else "-"


def _exit_code(reports: "list[DocumentReport]") -> int:
    if any(claim.wrong for report in reports for claim in report.claims):
        return 1
    return 0 if any(report.coverage.checked for report in reports) else 3
