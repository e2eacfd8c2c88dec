"""``mlproof verify``: what it prints and writes, what it ends with, what it refuses."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from test_imports import loaded_by
from traces import assert_page

from mlproof import cli, report
from mlproof.verification.document import check
from mlproof.verification.document.report import Claim, DocumentReport, Place, Verdict
from mlproof.verification.document.text.reading import read_document

Run = Callable[..., tuple[int, str, str]]

DOCUMENTS = {
    "good.md": "proved agrees",
    "bad.md": "proved\nagrees false ill_typed",
    "unread.md": "not_understood not_mathematics",
    "prose.md": "no claim at all",
    "[bold].md": "agrees",
    "été.tex": "proved",
}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Every document that was judged: each word is a claim that names its verdict."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def judge(path: Path, **options: Any) -> DocumentReport:
        calls.append((str(path), options))
        document = read_document(path)
        source = document.blocks[0].source
        claims = [
            Claim(Place(source, start, start + len(verdict)), verdict, f"{verdict}!")
            for verdict in Verdict
            for start in [source.text.find(verdict)]
            if start >= 0
        ]
        return DocumentReport(
            document, tuple(claims), language=options.get("language", "en")
        )

    monkeypatch.setattr(check, "verify_document", judge)
    return calls


@pytest.fixture
def run(
    calls: list[tuple[str, dict[str, Any]]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs ``mlproof verify`` in a folder with some documents."""
    monkeypatch.chdir(tmp_path)
    for name, text in DOCUMENTS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["verify", *arguments])
        assert isinstance(ended.value.code, int)
        return (ended.value.code, *capsys.readouterr())

    return run


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ("good.md", 0),
        ("bad.md", 1),
        ("unread.md", 3),
        ("prose.md", 3),
        ("good.md bad.md", 1),
        ("bad.md unread.md", 1),
        ("good.md unread.md", 0),
        ("unread.md prose.md", 3),
    ],
)
@pytest.mark.parametrize("option", [[], ["--json"], ["--summary"], ["--all"]])
def test_the_exit_code_says_whether_all_holds(
    run: Run, documents: str, expected: int, option: list[str]
) -> None:
    code, out, err = run(*documents.split(), *option)
    assert (code, err) == (expected, "")
    assert out


def test_mistakes_are_listed_and_then_counted(run: Run) -> None:
    _, out, _ = run("bad.md")
    assert out == (
        "bad.md:2:8: false\n  agrees false ill_typed\n         ^^^^^\n  false!\n\n"
        "bad.md:2:14: ill-typed\n"
        "  agrees false ill_typed\n               ^^^^^^^^^\n  ill_typed!\n\n"
        "bad.md: 4 of 4 claims checked, 2 mistakes.\n"
        "  proved: 1, agrees: 1, false: 1, ill-typed: 1\n"
    )
    _, out, _ = run("bad.md", "--all")
    assert "bad.md:1:1: proved\n" in out


def test_several_documents_are_counted_together(run: Run) -> None:
    _, out, _ = run("good.md", "bad.md", "unread.md")
    assert "good.md: 2 of 2 claims checked, no mistake found.\n" in out
    assert "unread.md: 0 of 2 claims checked.\n" in out
    assert out.endswith("\n3 documents: 6 of 8 claims checked, 2 mistakes.\n")


def test_json_is_one_object_or_a_list_of_them(run: Run) -> None:
    _, out, _ = run("bad.md", "--json")
    one = json.loads(out)
    assert one["document"] == "bad.md"
    assert one["coverage"] == {"claims": 4, "checked": 4}
    assert [c["line"] for c in one["claims"]] == [1, 2, 2, 2]
    _, out, _ = run("good.md", "bad.md", "--json")
    several = json.loads(out)
    assert [each["document"] for each in several] == ["good.md", "bad.md"]
    assert several[1] == one


def test_the_page_is_written_and_nothing_else(run: Run, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    code, out, _ = run("bad.md", "--html", "page.html")
    assert code == 1
    assert out.startswith("bad.md: 4 of 4 claims checked, 2 mistakes.\n")
    assert out.endswith("Page written to page.html.\n")
    assert set(tmp_path.iterdir()) - before == {tmp_path / "page.html"}
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Line 2, column 8" in assert_page(page).text
    _, out, _ = run("bad.md", "--html", "page.html", "--json")
    assert json.loads(out)["document"] == "bad.md"


def test_the_summary_has_a_row_for_each_document(run: Run) -> None:
    _, out, _ = run("good.md", "bad.md", "[bold].md", "été.tex", "--summary")
    rows = [line.split(maxsplit=6) for line in out.splitlines()]
    for row in (
        ["good.md", "2", "2", "1", "1", "0", "-"],
        ["bad.md", "4", "4", "1", "1", "2", "line 2"],
        ["[bold].md", "1", "1", "0", "1", "0", "-"],
        ["été.tex", "1", "1", "1", "0", "0", "-"],
    ):
        assert row in [[cell.strip() for cell in found] for found in rows]
    assert "bad.md:2" not in out


def test_language_and_code_are_passed_on(
    run: Run, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    run("good.md")
    _, out, _ = run("bad.md", "good.md", "--language", "fr", "--run-code")
    assert calls == [
        ("good.md", {"language": "en", "run_code": False}),
        ("bad.md", {"language": "fr", "run_code": True}),
        ("good.md", {"language": "fr", "run_code": True}),
    ]
    assert "2 documents: 6 affirmations vérifiées sur 6, 2 erreurs." in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("none.md", "none.md cannot be read: no such file"),
        ("good.md none.md", "none.md cannot be read: no such file"),
        (".", "cannot be read"),
        ("good.md latin.md", "latin.md must be text in UTF-8"),
        ("none.ipynb", "cannot be read"),
        ("good.md cut.ipynb", "cut.ipynb must be a Jupyter notebook"),
        ("good.md --html no/page.html", "the folder no does not exist"),
        ("good.md bad.md --html page.html", "--html shows one document, and 2 were"),
        ("good.md --summary --all", "--summary or --all"),
        ("good.md --language de", "de"),
        ("", "DOCUMENTS requires an argument"),
    ],
)
def test_input_that_cannot_be_used_is_refused_before_anything_is_judged(
    run: Run,
    tmp_path: Path,
    calls: list[tuple[str, dict[str, Any]]],
    arguments: str,
    said: str,
) -> None:
    (tmp_path / "latin.md").write_bytes(b"\xe9t\xe9")
    (tmp_path / "cut.ipynb").write_text('{"cells": [', encoding="utf-8")
    code, out, err = run(*arguments.split())
    assert (code, out, calls) == (2, "", [])
    assert err.startswith("mlproof: ")
    assert err.count("\n") == 1
    assert said in err
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("good.md bad.md", True),
        ("good.md", False),
        ("good.md bad.md --json", False),
    ],
)
def test_a_bar_shows_the_way_through_several_documents(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: str, expected: bool
) -> None:
    screen = io.StringIO()

    def console(*, stderr: bool = False) -> Console:
        if stderr:
            return Console(file=screen, force_terminal=True, width=80)
        return Console(highlight=False)

    monkeypatch.setattr(report, "console", console)
    run(*arguments.split())
    assert ("verifying" in screen.getvalue()) == expected


def test_a_letter_that_the_screen_does_not_have_is_no_error(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", screen)
    code, _, err = run("été.tex")
    assert (code, err) == (0, "")
    screen.seek(0)
    assert screen.read().startswith("?t?.tex: 1 of 1 claim checked")


def test_help_comes_without_the_verifier() -> None:
    found = loaded_by(
        "import mlproof.cli\n"
        "try: mlproof.cli.main(['verify', '--help'])\n"
        "except SystemExit: pass"
    )
    assert "cyclopts" in found
    assert not found & {"numpy", "scipy", "sklearn", "matplotlib"}
