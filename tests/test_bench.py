"""mlproof bench: turns, ratios, tables and the command; nobody is timed here.

`python tests/test_bench.py` writes the tables of the runs in benchmarks into the page.
"""

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlproof.bench import memory, problems, results, start, table
from mlproof.bench.cases import CASES, Case, Contest, chosen
from mlproof.bench.contestants import (
    Contestant,
    Unavailable,
    beside,
    estimators,
    floor,
    pytorch,
    pytorch_sparse,
)
from mlproof.bench.machine import work_of_others
from mlproof.bench.measure import Scores, error, ratio, rest, take_turns
from mlproof.bench.tasks import Task

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
# The runs that the page shows, by the name of the place where it does.
RUNS = {
    "results": ROOT / "benchmarks" / "speed.json",
    "results with long vectors": ROOT / "benchmarks" / "speed_long_vectors.json",
}
ACCURACY = ROOT / "benchmarks" / "time_to_accuracy.json"
BETWEEN = r"(<!-- {0} -->\n).*(<!-- end of {0} -->)"


def between(name: str) -> re.Pattern[str]:
    return re.compile(BETWEEN.format(name), re.S)


def refreshed(page: str, place: str, measured: results.Results) -> str:
    """The page with these results in this place."""
    return between(place).sub(
        lambda found: f"{found[1]}\n{table.markdown(measured)}\n{found[2]}", page
    )


def told_to_accuracy(page: str, report: dict[str, Any]) -> str:
    """The page with the times to accuracy of this report."""
    return between("accuracy").sub(
        lambda found: f"{found[1]}\n{time_to_accuracy().table(report)}\n{found[2]}",
        page,
    )


def time_to_accuracy() -> Any:
    """The program benchmarks/time_to_accuracy.py as a module."""
    folder = str(ROOT / "benchmarks")
    sys.path.insert(0, folder)  # it imports data_sets, which lies beside it
    try:
        return importlib.import_module("time_to_accuracy")
    finally:
        sys.path.remove(folder)


# ---- the page -----------------------------------------------------------------------


@pytest.mark.parametrize("place", RUNS)
def test_the_tables_of_the_page_are_those_of_the_committed_run(place: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(between(place).findall(page)) == 1
    assert refreshed(page, place, results.read(RUNS[place])) == page


def test_the_times_to_accuracy_of_the_page_are_those_of_the_committed_run() -> None:
    page = PAGE.read_text(encoding="utf-8")
    report = json.loads(ACCURACY.read_bytes())
    assert len(between("accuracy").findall(page)) == 1
    assert told_to_accuracy(page, report) == page
    next(iter(report["sets"].values()))["goal"] += 0.01
    assert told_to_accuracy(page, report) != page


@pytest.mark.parametrize("place", RUNS)
def test_a_time_that_is_not_of_the_run_would_be_found(place: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    run = results.read(RUNS[place])
    next(iter(run["cases"].values()))["ratios"]["scikit-learn"]["median"] *= 2
    assert refreshed(page, place, run) != page


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_the_ratios_of_the_committed_run_are_those_of_its_times(run: Path) -> None:
    for case in results.read(run)["cases"].values():
        rounds = {name: who["rounds"] for name, who in case["contestants"].items()}
        for name, stated in case["ratios"].items():
            found = ratio(rounds[name], rounds[case["subject"]])
            # The times are kept with four digits.
            assert stated == pytest.approx(found._asdict(), rel=2e-3)


# ---- turns and ratios ---------------------------------------------------------------


def scripted(name: str, seconds: list[float], log: list[str]) -> Contestant:
    """Takes as long as it is told, and notes that it ran."""
    remaining: Iterator[float] = iter(seconds)

    def run() -> float:
        log.append(name)
        return next(remaining)

    return Contestant(name, lambda: run)


def absent(name: str) -> Contestant:
    def prepare() -> Any:
        raise Unavailable("not installed")

    return Contestant(name, prepare)


def test_a_ratio_is_the_median_of_the_ratios_within_each_round() -> None:
    # Within the rounds 2, 4 and 3 times; the ratio of the medians would be 4.
    found = ratio([2.0, 4.0, 9.0], [1.0, 1.0, 3.0])
    assert found == (3.0, 2.5, 3.5)


def test_everybody_runs_once_and_then_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlproof.bench.measure.rest", lambda: None)
    monkeypatch.setattr("mlproof.bench.measure.SHORTEST", 0)
    log: list[str] = []
    scores = Scores()
    a, b = scripted("a", [9, 1, 2], log), scripted("b", [8, 3, 4], log)
    turns = list(take_turns([a, absent("c"), b], 2, scores))
    assert "".join(log) == "ab" + "ab" * 2
    assert [turn.contestant for turn in turns] == [*"acb", *"abab"]
    assert [turn.over for turn in turns] == sorted(turn.over for turn in turns)
    assert 0 <= turns[0].over <= turns[-1].over < 1
    assert scores.first == {"a": 9, "b": 8}
    assert scores.rounds == {"a": [1, 2], "b": [3, 4]}
    assert scores.skipped == {"c": "not installed"}


@pytest.mark.parametrize(
    ("times", "rounds"),
    [
        ([1, 1, 1, 9, 9, 9], 2),
        ([1, 1.2, 1, 1.2, 1.1, 1.1], 6),  # 0.03 of 1.1 is passed by all of them
        ([1, 1.2, 1.1, 1.1, 1.1, 1.1], 4),  # the middle half is 1.075 to 1.125
        ([0, 0, 1, 1, 1, 1], 2),
    ],
)
def test_there_are_more_rounds_while_the_median_is_in_doubt(
    times: list[float], rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlproof.bench.measure.rest", lambda: None)
    monkeypatch.setattr("mlproof.bench.measure.SHORTEST", 0)
    scores = Scores()
    a, b = scripted("a", [1] * 7, []), scripted("b", [5, *times], [])
    turns = [turn.over for turn in take_turns([a, b], 2, scores, 6)]
    assert scores.rounds == {"a": [1] * rounds, "b": times[:rounds]}
    assert turns == sorted(turns)
    assert turns[-1] < 1


def test_the_error_of_a_median_is_what_medians_differ_by() -> None:
    drawn = np.random.default_rng(5).normal(2, 0.1, (4000, 101))
    found = [error(ratio(each, [1.0] * 101), 101) for each in drawn]
    assert np.mean(found) == pytest.approx(np.median(drawn, axis=1).std(), rel=0.05)


def test_nobody_who_can_run_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlproof.bench.measure.rest", lambda: None)
    scores = Scores()
    assert len(list(take_turns([absent("a")], 1, scores, 3))) == 1
    assert scores.skipped == {"a": "not installed"}


def test_the_work_of_others_is_counted_in_the_rounds_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[str] = []
    clock, worked = iter([0.0, 0.0, 10.0, 11.0, 12.0, 14.0]), iter([100.0, 102.0])
    time = SimpleNamespace(perf_counter=lambda: next(clock))
    monkeypatch.setattr("mlproof.bench.measure.time", time)
    monkeypatch.setattr("mlproof.bench.measure.rest", lambda: None)
    monkeypatch.setattr("mlproof.bench.measure.work_of_others", lambda: next(worked))
    scores = Scores()
    for _ in take_turns([scripted("a", [9, 1], log)], 1, scores):
        log.append("turn")
    assert scores.cores_of_others == 2 / (14 - 10)


def test_a_turn_of_short_runs_is_their_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 0.5, 1.0, 1.1, 1.15, 1.25, 1.5])
    time = SimpleNamespace(perf_counter=lambda: next(clock))
    monkeypatch.setattr("mlproof.bench.measure.time", time)
    monkeypatch.setattr("mlproof.bench.measure.rest", lambda: None)
    scores = Scores()
    contestant = scripted("a", [9, 1, 2, 6], [])
    monkeypatch.setattr("mlproof.bench.measure.SHORTEST", 0.2)
    for _ in take_turns([contestant], 1, scores):
        pass
    assert (scores.first, scores.rounds) == ({"a": 9}, {"a": [3]})


@pytest.mark.parametrize(
    ("worked", "glances"),
    [([0, 0.0001], 1), ([0, 0.02, 0.02, 0.035, 0.04, 0.04], 3), (range(200), 50)],
    ids=["nobody", "for a while", "for ever"],
)
def test_a_turn_waits_for_threads_that_still_work(
    worked: Iterable[float], glances: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    time = SimpleNamespace(
        perf_counter=lambda: sum(slept),
        process_time=partial(next, iter(worked)),
        sleep=slept.append,
    )
    monkeypatch.setattr("mlproof.bench.measure.time", time)
    rest()
    assert len(slept) == pytest.approx(glances, abs=1 if glances == 50 else 0)


@pytest.fixture
def scores() -> Scores:
    return Scores(
        first={"ours": 10.0, "theirs": 2.0},
        rounds={"ours": [1.0, 2.0, 4.0], "theirs": [3.0, 4.0, 20.0]},
        skipped={"absent": "not installed"},
    )


def contest(*names: str, per: int = 1) -> Contest:
    return Contest("a title", [absent(name) for name in names], per, {"rows": 3})


def test_a_summary_divides_times_but_not_ratios_by_the_epochs(scores: Scores) -> None:
    case = Case("c", "training", contest)
    found = results.summary(case, contest("ours", "theirs", "absent", per=2), scores)
    assert found["contestants"]["ours"] == {
        "median": 1.0,
        "rounds": [0.5, 1.0, 2.0],
        "first_run": 10.0,
    }
    assert found["ratios"] == {"theirs": {"median": 3.0, "lower": 2.5, "upper": 4.0}}
    assert found["skipped"] == {"absent": "not installed"}
    assert table.later_run(found, "ours") == 2.0
    json.dumps(found, allow_nan=False)


def test_a_case_whose_subject_fails_is_an_error(scores: Scores) -> None:
    case = Case("c", "training", contest)
    with pytest.raises(ValueError, match=r"^c: absent failed: not installed\.$"):
        results.summary(case, contest("absent", "ours", "theirs"), scores)


# ---- text ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12.345, "seconds", "12.3 s"),
        (1.0, "seconds an epoch", "1.00 s"),
        (0.0123, "seconds an epoch", "12.3 ms"),
        (4.56e-5, "seconds a call", "45.6 µs"),
        (2345.6, "seconds", "2,346 s"),
        (123_456_789, "bytes", "123 MB"),
    ],
)
def test_an_amount_is_written_in_three_digits(
    value: float, unit: str, text: str
) -> None:
    assert table.amount(value, unit) == text


def test_the_markdown_has_a_row_a_case_and_a_cell_a_contestant() -> None:
    def measured(*who: str) -> Any:
        names = ("ours", *who)
        return results.summary(
            Case("c", "training", contest),
            contest(*names),
            Scores(dict.fromkeys(names, 1.0), {n: [2.0] for n in names}, {}),
        )

    run = {
        "date": "2026-01-02",
        "machine": {"processor": "P", "cores": 1},
        "versions": {"python": "3", "numpy": "2", "torch": None, "blas": ["openblas"]},
        "settings": {"repeats": 1, "threads": 2},
        "cases": {"one": measured("x", "floor"), "two": measured("x", "floor", "rare")},
    }
    lines = table.markdown(run).splitlines()
    assert lines[0] == (
        "2026-01-02, P, 1 core, 2 threads for everybody; Python 3, "
        "numpy 2; openblas. Median of 1 round, with quartiles."
    )
    same = "1.00 (1.00–1.00)"
    assert "| case |  | mlproof | x | floor | besides |" in lines
    assert f"| `one` | a title | 2.00 s | {same} | {same} |  |" in lines
    assert f"| `two` | a title | 2.00 s | {same} | {same} | rare {same} |" in lines
    assert "| `two` | 1.00 / 2.00 | 1.00 / 2.00 |" in lines

    for who in run["cases"]["two"]["contestants"].values():
        who["rounds"] *= 7
    assert "Median of 1 to 7 rounds, with quartiles." in table.markdown(run)


@pytest.mark.parametrize(
    ("cores", "said"),
    [
        ([None, None], ""),
        ([0.01, None], "Other programs used up to 0.01 cores meanwhile."),
        ([0.01, 0.5], "Other programs used up to 0.50 cores meanwhile, in 1: that"),
    ],
)
def test_a_busy_machine_is_said_to_be_one(cores: list[Any], said: str) -> None:
    run = {"cases": {str(i): {"cores_of_others": c} for i, c in enumerate(cores)}}
    assert table.meanwhile(run).startswith(said)
    assert bool(said) == bool(table.meanwhile(run))


def test_another_program_is_at_work_beside_a_run_and_ended_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started, popen = [], subprocess.Popen

    def watched(*arguments: Any, **options: Any) -> Any:
        started.append(popen(*arguments, **options))
        return started[-1]

    def work() -> float:
        assert [other.poll() for other in started] == [None]
        raise MemoryError

    monkeypatch.setattr(beside.subprocess, "Popen", watched)
    run = beside.beside_another(Contestant("one", lambda: work)).prepare()
    assert not started
    with pytest.raises(MemoryError):
        run()
    assert [other.poll() is not None for other in started] == [True]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_the_work_of_others_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    work = [n * ticks for n in (5, 1, 2, 1_000, 1_000, 1, 0, 3, 0, 0)]
    told = "cpu  " + " ".join(map(str, work)) + "\ncpu0 1 2 3\n"
    monkeypatch.setattr(Path, "read_text", lambda _: told)
    monkeypatch.setattr(os, "times", lambda: (2.0, 1.0, 0.5, 0.5, 99.0))
    assert work_of_others() == 12 - 4


# ---- cases, problems, contestants ---------------------------------------------------


def test_without_names_the_quick_cases_are_chosen_and_with_them_those() -> None:
    names = [case.name for case in chosen([])]
    assert 0 < len(names) < len(CASES)
    assert {"moons", "digits", "fashion"} <= set(names)
    assert [case.name for case in chosen([], everything=True)] == list(CASES)
    assert [case.name for case in chosen(["table", "moons", "table"])] == [
        "table",
        "moons",
    ]


def test_the_sparse_problem_is_as_sparse_as_it_says() -> None:
    what, X, y = problems.text()
    assert what == "random text"
    assert (X.shape, X.dtype, y.shape) == ((5_000, 50_000), np.float32, (5_000,))
    assert 38 < X.nnz / len(y) < 42
    assert set(y) == set(range(20))


def test_without_zeros_every_other_number_stays_and_none_is_0() -> None:
    problem = problems.digits()
    full = problems.without_zeros(problem)
    assert full.what == "digits, no zeros"
    assert full.X.dtype == problem.X.dtype
    assert (full.X != 0).all()
    there = problem.X != 0
    np.testing.assert_array_equal(full.X[there], problem.X[there])
    assert (full.X[~there] < problem.X[there].min()).all()


def test_without_fashion_mnist_the_images_are_random_and_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLPROOF_FASHION_MNIST", str(tmp_path))
    problems.fashion_pixels.cache_clear()
    what, X, y = problems.fashion_pixels()
    problems.fashion_pixels.cache_clear()
    assert what.startswith("random")
    assert (X.shape, X.dtype, y.max()) == ((60_000, 784), np.uint8, 9)


def test_two_classes_share_a_logit_and_ten_do_not() -> None:
    assert Task(problems.moons(), (16,), 32, 1).units == (2, 16, 1)
    assert Task(problems.digits(), (5, 4), 64, 1).units == (64, 5, 4, 10)


def test_a_fit_takes_the_epochs_of_its_task_and_stops_for_nothing() -> None:
    task = Task(problems.moons(), (4,), 500, 30, "sgd", learning_rate=1e-9)
    for make in (estimators.mlproof, estimators.scikit_learn):
        estimator = make(task)
        estimators.train(estimator, task.problem.X, task.problem.y)
        assert estimator.n_iter_ == 30
        assert estimator.loss_curve_[0] == pytest.approx(estimator.loss_)
        assert estimator.coefs_[0].dtype == np.float32


def test_the_floor_is_every_product_of_an_epoch_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[Any, ...]] = []
    matmul = np.matmul

    def counted(a: Any, b: Any, out: Any) -> Any:
        assert a.dtype == b.dtype == out.dtype == np.float32
        seen.append((*a.shape, b.shape[1]))
        return matmul(a, b, out=out)

    run = floor.fitting(Task(problems.moons(), (16, 8), 1_500, 2)).prepare()
    monkeypatch.setattr(np, "matmul", counted)
    run()

    def batch(s: int) -> list[tuple[Any, ...]]:
        forwards = [(s, 2, 16), (s, 16, 8), (s, 8, 1)]
        last, middle = [(8, s, 1), (s, 1, 8)], [(16, s, 8), (s, 8, 16)]
        return [*forwards, *last, *middle, (2, s, 16)]

    assert seen == [*batch(1_500), *batch(500)] * 2


def test_padding_keeps_every_entry_of_a_sparse_row() -> None:
    X = problems.text().X[:50]
    columns, values = pytorch_sparse.padded(X)
    dense = np.zeros((50, X.shape[1] + 1), dtype=X.dtype)
    np.put_along_axis(dense, columns, values, axis=1)
    np.testing.assert_array_equal(dense[:, :-1], X.toarray())


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("problem", [problems.moons, problems.digits, problems.text])
def test_pytorch_learns_the_same_task(
    solver: str, problem: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    what, X, y = problem()
    task = Task(
        problems.Problem(what, X[:300], np.minimum(y[:300], 9)),
        (16,),
        30,
        30,
        solver,
        learning_rate=0.02,
    )
    losses: list[float] = []
    backward = torch.Tensor.backward

    def noted(loss: Any) -> None:
        losses.append(float(loss.detach()))
        backward(loss)

    monkeypatch.setattr(torch.Tensor, "backward", noted)
    contestants = pytorch_sparse if what == "random text" else pytorch
    run = contestants.fitting(task).prepare()
    assert run() > 0
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])


def test_without_pytorch_it_is_left_out_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    contestant = pytorch.fitting(Task(problems.moons(), (16,), 32, 1))
    with pytest.raises(Unavailable, match="not installed"):
        contestant.prepare()


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is Linux's")
def test_the_memory_of_a_fit_is_what_it_holds_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hungry(estimator: Any, X: Any, y: Any) -> None:
        np.ones(len(X) * 30_000, dtype=np.uint8)  # freed at once

    task = Task(problems.digits(), (4,), 64, 1)
    monkeypatch.setattr(memory, "train", hungry)
    found = memory.bytes_of_a_fit("scikit-learn", task, early_stopping=False)
    assert 0.9 < found / (1797 * 30_000) < 1.5


@pytest.mark.slow
@pytest.mark.parametrize("library", ["mlproof", "scikit-learn"])
def test_memory_and_first_fit_are_measured_in_processes_of_their_own(
    library: str,
) -> None:
    fit = memory.fitting(library, "uint8", early_stopping=True)
    assert fit.prepare()() > 1e5
    package = {"scikit-learn": "sklearn.neural_network"}.get(library, library)
    assert start.starting("any", package).prepare()() > 0
    with pytest.raises(Unavailable, match="no_such_package"):
        start.starting("any", "no_such_package").prepare()()


# ---- time to accuracy ---------------------------------------------------------------


@pytest.mark.slow
def test_time_to_accuracy_runs(tmp_path: Path) -> None:
    output = tmp_path / "t.json"
    program = ROOT / "benchmarks" / "time_to_accuracy.py"
    ended = subprocess.run(
        [sys.executable, program, "fashion-mnist", "--quick", "--output", output],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(output.read_text())["sets"]
    assert found
    for of_set in found.values():
        assert of_set["goal"] == of_set["scikit-learn"]["test_accuracy"]
        assert of_set["chosen"] in of_set["candidates"]


if __name__ == "__main__":
    text = told_to_accuracy(
        PAGE.read_text(encoding="utf-8"), json.loads(ACCURACY.read_bytes())
    )
    for place, run in RUNS.items():
        text = refreshed(text, place, results.read(run))
    PAGE.write_text(text, encoding="utf-8")
