"""``mlproof trace``: the page it writes, the rows it takes, and what it refuses."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from traces import KIND, X, assert_page

from mlproof import cli
from mlproof.functions import ACTIVATIONS
from mlproof.verification.trace import program

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table and a model of it."""
    folder = tmp_path_factory.mktemp("trace")
    lines = ["long,<b>wide,kind"]
    lines += [f"{u},{v},{kind}" for (u, v), kind in zip(X[:, :2], KIND, strict=True)]
    (folder / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(SystemExit), warnings.catch_warnings(action="ignore"):
        cli.main(
            [
                *("fit", str(folder / "t.csv"), "--target", "kind", "--json"),
                *("--hidden-layer-sizes", "3", "--max-iter", "5"),
                *("-o", str(folder / "m")),
            ]
        )
    return folder


@pytest.fixture
def run(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Runs ``mlproof trace m t.csv`` with more arguments, where both files are."""
    monkeypatch.chdir(folder)

    def run(*arguments: str, files: tuple[str, str] = ("m", "t.csv")) -> Any:
        with pytest.raises(SystemExit) as ended:
            cli.main(["trace", *files, *arguments])
        return (ended.value.code or 0, *capsys.readouterr())

    return run


def test_the_command_writes_a_page_of_that_row_and_nothing_else(
    run: Run, folder: Path
) -> None:
    before = set(folder.iterdir())
    code, out, err = run("--row", "7", "--html", "step.html")
    assert (code, err) == (0, "")
    assert "One training step on row 7 of t.csv: every gradient agrees." in out
    assert "Page written to step.html." in out
    assert set(folder.iterdir()) - before == {folder / "step.html"}
    reader = assert_page((folder / "step.html").read_text(encoding="utf-8"))
    assert "row 7" in reader.text
    assert "<b>wide" in reader.text  # the column's name, as text


@pytest.mark.parametrize(("row", "place"), [("1", 0), ("7", 6), ("40", 39)])
def test_rows_are_counted_from_1(run: Run, row: str, place: int) -> None:
    code, out, _ = run("--row", row, "--json")
    nodes = {node["name"]: node for node in json.loads(out)["nodes"]}
    assert code == 0
    assert nodes["X"]["value"] == [X[place, :2].tolist()]
    assert nodes["y"]["value"] == ["abc".index(KIND[place])]


def test_several_rows_are_one_batch_and_the_first_is_the_default(run: Run) -> None:
    _, out, _ = run("--row", "3", "--row", "9", "--json")
    result = json.loads(out)
    assert result["title"].endswith("rows 3, 9 of t.csv")
    assert result["names"]["row"] == ["row 3", "row 9"]
    assert result["names"]["input"] == ["long", "<b>wide"]
    assert result["names"]["output"] == ["a", "b", "c"]
    code, out, _ = run()
    assert code == 0
    assert out.startswith("One training step on row 1 of t.csv")
    assert "grad_W2 = grad_o_a.T @ h_s" in out


@pytest.mark.parametrize("row", ["0", "41", "-1"])
def test_a_row_that_is_not_there_is_refused(run: Run, row: str) -> None:
    code, out, err = run(f"--row={row}", "--html", "none.html")
    assert (code, out) == (2, "")
    assert (
        err == f"mlproof: --row must be from 1 to 40, the rows of t.csv; got {row}.\n"
    )
    assert not Path("none.html").exists()


@pytest.mark.parametrize(
    ("arguments", "files", "said"),
    [
        (["--html", "no/step.html"], ("m", "t.csv"), "the folder no does not exist"),
        (["--html", "."], ("m", "t.csv"), "is a folder"),
        ([], ("none", "t.csv"), "none: No such file"),
        ([], ("m", "none.csv"), "none.csv: No such file"),
        ([], ("m", "rose.csv"), "'rose', which the model never saw"),
        ([], ("m", "nan.csv"), "'nan' is not a finite number"),
        (["--target", "sort"], ("m", "t.csv"), "no column 'sort'"),
        (["--row", "two"], ("m", "t.csv"), "two"),
    ],
)
def test_input_that_cannot_be_used_gets_one_sentence(
    run: Run, folder: Path, arguments: list[str], files: tuple[str, str], said: str
) -> None:
    header = "long,<b>wide,kind\n"
    (folder / "rose.csv").write_text(header + "1,2,rose\n", encoding="utf-8")
    (folder / "nan.csv").write_text(header + "1,nan,a\n", encoding="utf-8")
    code, out, err = run(*arguments, files=files)
    assert (code, out) == (2, "")
    assert err.startswith("mlproof: ")
    assert err.count("\n") == 1
    assert said in err


def test_a_wrong_gradient_ends_the_command_with_1(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = ACTIVATIONS["rect"]._replace(derivative=np.ones_like)
    monkeypatch.setitem(program.ACTIVATIONS, "rect", wrong)
    code, out, _ = run("--html", "wrong.html")
    assert code == 1
    assert "a gradient is WRONG" in out
