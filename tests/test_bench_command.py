"""mlproof bench, the command: its JSON, its pictures, its progress, its refusals."""

import importlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlproof import cli
from mlproof.bench import cases, problems, results, table
from mlproof.bench.cases import Case, Contest
from mlproof.bench.contestants import Contestant, Unavailable, estimators, floor
from mlproof.bench.tasks import Task

ROOT = Path(__file__).resolve().parents[1]
COMMITTED = ROOT / "benchmarks" / "speed.json"


def absent(name: str) -> Contestant:
    def prepare() -> Any:
        raise Unavailable("not installed")

    return Contestant(name, prepare)


def tiny() -> Contest:
    task = Task(problems.moons(), (4,), 500, 2, "sgd")
    X, y = task.problem.X, task.problem.y
    return Contest(
        task.title,
        (
            estimators.fitting(
                "mlproof", estimators.mlproof(task, engine="numpy"), X, y
            ),
            estimators.fitting("scikit-learn", estimators.scikit_learn(task), X, y),
            floor.fitting(task),
            absent("PyTorch"),
        ),
        task.epochs,
        task.describe(),
    )


@pytest.fixture
def bench(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Any, str, str]]:
    """Runs ``mlproof bench`` in a folder of its own; there is a case tiny."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(cases.CASES, "tiny", Case("tiny", "training", tiny))
    monkeypatch.setattr("mlproof.bench.measure.rest", lambda: None)
    monkeypatch.setattr("mlproof.bench.measure.SHORTEST", 0)

    def run(*arguments: Any) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(["bench", *map(str, arguments)])
        return ended.value.code, *capsys.readouterr()

    return run


def test_the_command_prints_json_of_this_shape(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MOST_TIMES", 1)
    code, out, err = bench("tiny", "--repeats", 3, "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    found = json.loads(out)
    assert found["settings"]["repeats"] == 3
    assert found["machine"].keys() == {"processor", "system", "cores"}
    for name in ("python", "numpy", "scipy", "scikit-learn", "numba", "mlproof"):
        assert re.match(r"\d+\.\d+", found["versions"][name])
    assert found["versions"].keys() >= {"torch", "blas"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"])
    assert list(found["cases"]) == ["tiny"]
    case = found["cases"]["tiny"]
    assert case["title"] == ("two moons, 2-4-1 relu, batches of 500, SGD with momentum")
    assert case["skipped"] == {"PyTorch": "not installed"}
    assert list(case["contestants"]) == ["mlproof", "scikit-learn", "floor"]
    assert list(case["ratios"]) == ["scikit-learn", "floor"]
    for runs in case["contestants"].values():
        assert len(runs["rounds"]) == 3
        assert min(runs["rounds"]) <= runs["median"] <= max(runs["rounds"])
    for of in case["ratios"].values():
        assert 0 < of["lower"] <= of["median"] <= of["upper"]


def test_what_was_written_can_be_read_and_shown(bench: Any) -> None:
    code, out, _ = bench("tiny", "--repeats", 1, "-o", "r.json")
    assert code == 0
    for shown in ("tiny", "scikit-learn", "floor", "not installed", "r.json"):
        assert shown in out
    assert max(map(len, out.splitlines())) <= 80
    assert os.listdir() == ["r.json"]
    code, shown_again, _ = bench("--read", "r.json")
    assert (code, shown_again) == (0, out.replace("Written to r.json.\n", ""))
    _, markdown, _ = bench("--read", "r.json", "--markdown")
    assert markdown.strip() == table.markdown(results.read(Path("r.json"))).strip()
    _, as_json, _ = bench("--read", "r.json", "--json")
    assert json.loads(as_json) == json.loads(Path("r.json").read_text())


def test_what_was_measured_is_kept_where_the_next_case_fails(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Contest:
        raise ValueError("no luck")

    monkeypatch.setitem(cases.CASES, "broken", Case("broken", "training", broken))
    code, _, err = bench("tiny", "broken", "--repeats", 1, "-o", "r.json")
    assert code != 0
    assert "no luck" in err
    assert os.listdir() == ["r.json"]
    assert list(results.read(Path("r.json"))["cases"]) == ["tiny"]


def test_the_picture_is_drawn_from_what_was_read(bench: Any) -> None:
    pytest.importorskip("matplotlib")
    code, out, _ = bench("--read", COMMITTED, "--plot", "p.png")
    assert code == 0
    assert "p.png" in out
    assert Path("p.png").read_bytes().startswith(b"\x89PNG")


def test_a_terminal_shows_whose_turn_it_is(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    _, _, err = bench("tiny", "--repeats", 1)
    for shown in ("measuring", "tiny", "/1"):
        assert shown in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["moon"], "there is no case 'moon'; there are moons, moons-tanh,"),
        (["tiny", "--repeats", 0], "--repeats must be at least 1; got 0."),
        (["tiny", "--all"], "not two of them"),
        (["--all", "--read", "r.json"], "not two of them"),
        (["--read", "none.json"], "none.json: No such file"),
        (["--read", "bad.json"], "bad.json holds no results of mlproof bench."),
        (["tiny", "-o", "none/r.json"], "the folder none does not exist"),
        (["tiny", "--plot", "none/p.png"], "the folder none does not exist"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence_before_anybody_runs(
    bench: Any, arguments: list[Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "take_turns", None)
    for content in ("[]", "{}", "{", '{"cases": {"c": {}}}', '{"cases": [1]}'):
        Path("bad.json").write_text(content)
        code, out, err = bench(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("mlproof: ")
        assert err.count("\n") == 1
        assert said in err


def test_without_matplotlib_a_picture_is_refused_at_once(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("mlproof.cli.options")
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    code, out, err = bench("tiny", "--plot", "p.png")
    assert (code, out) == (2, "")
    assert "needs Matplotlib: pip install" in err
