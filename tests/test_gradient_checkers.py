"""The programs that ask other gradient checkers, and the page made of their answers."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "gradient-checkers.md"
RIGHT, *WRONG = range(6)


def program(name: str) -> Any:
    """The program of this name in benchmarks/ as a module."""
    folder = str(ROOT / "benchmarks")
    sys.path.insert(0, folder)  # they import what lies beside them
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def committed(name: str) -> Any:
    return json.loads((ROOT / "benchmarks" / f"{name}.json").read_bytes())


@pytest.fixture(scope="module")
def mistakes() -> Any:
    return program("five_mistakes")


@pytest.fixture(scope="module")
def speed() -> Any:
    return program("gradient_checkers")


# ---- the page -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["five_mistakes", "gradient_checkers"])
def test_the_tables_of_the_page_are_those_of_the_committed_run(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert program(name).refreshed(page, committed(name)) == page


def test_another_run_makes_another_page(mistakes: Any, speed: Any) -> None:
    page = PAGE.read_text(encoding="utf-8")
    answers = committed("five_mistakes")
    answers["mistakes"][1]["answers"]["scipy.optimize.check_grad"]["text"] = "1234.5"
    assert mistakes.refreshed(page, answers) != page
    times = committed("gradient_checkers")
    times["cases"]["small"]["seconds"]["gradcheck"] = [987.0]
    assert "| gradcheck | 987 |" in speed.refreshed(page, times)


def test_a_page_without_the_place_for_a_table_is_refused(mistakes: Any) -> None:
    with pytest.raises(ValueError, match="one part named 'mistakes'"):
        mistakes.refreshed("# Nothing\n", committed("five_mistakes"))


def test_the_ratios_follow_from_the_times(speed: Any) -> None:
    for case in committed("gradient_checkers")["cases"].values():
        subject = next(iter(case["seconds"].values()))
        assert case["seconds"].keys() == case["ratios"].keys()
        for name, seconds in case["seconds"].items():
            lower, median, upper = np.quantile(
                np.divide(seconds, subject), [0.25, 0.5, 0.75]
            )
            assert case["ratios"][name] == pytest.approx(
                {"median": median, "lower": lower, "upper": upper}
            )


def test_nobody_was_missing_from_the_committed_runs() -> None:
    for mistake in committed("five_mistakes")["mistakes"]:
        for said in mistake["answers"].values():
            assert said["how"] != "not installed"
    for case in committed("gradient_checkers")["cases"].values():
        assert not case["skipped"]
    assert not committed("gradient_checkers")["quick"]


# ---- the mistakes -------------------------------------------------------------------


@pytest.mark.parametrize("index", WRONG)
def test_a_mistake_changes_one_text_of_the_right_one(mistakes: Any, index: int) -> None:
    mistake = mistakes.MISTAKES[index - 1]
    assert mistake.right in mistakes.BACKWARD
    assert mistake.right != mistake.wrong


@pytest.mark.parametrize("index", [RIGHT, *WRONG])
@pytest.mark.parametrize("tool", ["mlproof.check_backward", "mlproof.check_gradient"])
def test_mlproof_says_today_what_the_page_says(
    mistakes: Any, tool: str, index: int
) -> None:
    asked = {tool.name: tool.ask for tool in mistakes.TOOLS}[tool]
    answer = asked((mistakes.NONE, *mistakes.MISTAKES)[index])
    told = committed("five_mistakes")["mistakes"][index]["answers"][tool]
    assert list(answer.codes) == told["codes"]
    assert answer.how == told["how"]
    assert bool(answer.codes) == (index != RIGHT)


@pytest.mark.parametrize("index", WRONG)
def test_scipy_tells_the_right_from_the_wrong(mistakes: Any, index: int) -> None:
    right = float(mistakes.of_scipy(mistakes.NONE).text)
    wrong = float(mistakes.of_scipy(mistakes.MISTAKES[index - 1]).text)
    assert right < 1e-5 < 1e-2 < wrong  # differences of steps of 1e-8, in float64


def test_a_tool_that_is_not_there_is_said_to_be(mistakes: Any) -> None:
    def ask(_: Any) -> Any:
        raise ImportError

    tool = mistakes.Tool("nothing.check", "nothing", ask)
    said = mistakes.asked(tool, mistakes.NONE)
    assert mistakes.in_a_word(said) == said["how"] == "not installed"
    assert mistakes.installed("a-package-that-nobody-has") is None


@pytest.mark.parametrize(
    ("how", "text", "codes", "word"),
    [
        ("returns", "True", (), "passes"),
        ("returns", "None", (), "passes"),
        ("returns", "0.0123", (), "returns 0.012"),
        ("raises E", "why", (), "raises E"),
        ("returns a report, ok is True", "", (), "passes"),
        ("returns a report, ok is False", "", ("a", "b"), "`a`, `b`"),
        ("returns a report, ok is False", "", (), "wrong"),
    ],
)
def test_an_answer_in_a_word(
    mistakes: Any, how: str, text: str, codes: tuple[str, ...], word: str
) -> None:
    answer = mistakes.Answer(how, text, codes=codes)._asdict()
    assert mistakes.in_a_word(answer) == word


def test_a_long_text_is_cut_and_its_length_is_told(mistakes: Any) -> None:
    def shown(text: str, core: str = "") -> Any:
        return mistakes.shown(mistakes.Answer("returns", text, core)._asdict())

    assert shown("") == ""
    assert shown("a\n  b|c`d") == "`a b\\|c'd`"
    assert shown("x" * 160) == f"`{'x' * 160}`"
    assert shown("x" * 1161) == f"`{'x' * 160}…` (1,161 characters)"
    assert shown("y" * 200, "core") == "`core` (200 characters)"


# ---- the times ----------------------------------------------------------------------


def test_the_smallest_error_noticed_is_a_power_of_ten(speed: Any) -> None:
    assert speed.smallest_noticed(lambda factor: factor < 1.0005) == 1e-3
    assert speed.smallest_noticed(lambda factor: True) is None
    assert speed.noticed({"a": None}, "a") == "not even 1"
    assert speed.noticed({"a": 1e-3}, "a") == "1e-03"
    assert speed.noticed({}, "a") == ""


def test_check_gradient_passes_and_refuses_where_it_is_timed(speed: Any) -> None:
    problem = speed.problem(6, 5, 4, 7)
    for check in (speed.ours(problem), speed.ours_in_full(problem)):
        speed.must_pass("mlproof", check)
        assert not check(1.001)
        with pytest.raises(RuntimeError, match="right"):
            speed.must_pass("mlproof", lambda factor, check=check: check(2.0))


def test_the_problems_are_those_that_are_told(speed: Any) -> None:
    small, large, in_full = speed.cases(quick=False).values()
    assert (small.problem.sizes(), small.problem.parameters()) == ("64-32-10", 2_410)
    assert large.problem.sizes() == in_full.problem.sizes() == "784-100-10"
    assert large.problem.parameters() == 79_510


def test_gradcheck_passes_and_refuses_where_it_is_timed(speed: Any) -> None:
    pytest.importorskip("torch")
    check = speed.gradcheck(speed.problem(6, 5, 4, 7))
    assert check(1.0)
    assert not check(1.1)
