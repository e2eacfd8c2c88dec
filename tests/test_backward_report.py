"""What check_backward stands on, what it says, and what it refuses."""

import json
import re
from typing import Any

import numpy as np
import pytest
from backwards import (
    ALL,
    BATCH,
    INPUTS_FIRST,
    LOOP,
    PENALISED,
    STRENGTHS,
    TANH,
    written,
)

from mlproof import check_backward, network
from mlproof.penalties import Penalty
from mlproof.verification.backward.coefficients import Mistake
from mlproof.verification.backward.lessons import LESSONS, lesson
from mlproof.verification.backward.problem import (
    BACKWARD_ORDER,
    DISTINCT,
    HIDDEN,
    Convention,
    Problem,
    along,
    drawn,
)
from mlproof.verification.backward.replay import SITES, derived, forward
from mlproof.verification.slopes import complex_step

PENALTY = Penalty((0.03, 0.02), (0.05, 0.07))


def problems(**convention: Any) -> list[Problem]:
    return [
        problem
        for sizes in DISTINCT
        for problem in drawn(sizes, Convention(**convention), PENALTY, seed=3)
    ]


# ---- what it compares with ----------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_what_is_called_right_is_the_complex_step_of_the_risk(
    activation: str, reduction: str
) -> None:
    for problem in problems(hidden_activation=activation, reduction=reduction):
        right = derived(problem)
        for name in BACKWARD_ORDER:
            for i in np.ndindex(problem.shape(name)):
                found = complex_step(along(problem, name, i))
                assert found == pytest.approx(right[name][i], abs=1e-13)


def test_what_is_called_right_is_the_derivation() -> None:
    for problem in problems():
        theta, X, y = problem.theta, problem.X, problem.y
        expected = network.backward(theta, X, y, network.forward(theta, X))
        added = PENALTY.gradient([theta.W1, theta.W2])
        found = derived(problem)
        found["grad_W1"] = found["grad_W1"] - added[0]
        found["grad_W2"] = found["grad_W2"] - added[1]
        for name in BACKWARD_ORDER:
            np.testing.assert_allclose(
                found[name], getattr(expected, name), rtol=0, atol=1e-14
            )


@pytest.mark.parametrize("activation", sorted(HIDDEN))
@pytest.mark.parametrize("seed", range(5))
def test_the_examples_are_apart_from_kinks_and_hide_nothing(
    activation: str, seed: int
) -> None:
    for sizes in DISTINCT:
        assert len(set(sizes)) == 4
        assert sizes.d_h != sizes.m + 1
        assert sizes.n >= 3
        for problem in drawn(
            sizes, Convention(hidden_activation=activation), PENALTY, seed
        ):
            h_a = forward(problem).h_a
            assert np.min(np.abs(h_a)) > 0.02
            assert np.all(np.any(h_a > 0, axis=0) & np.any(h_a < 0, axis=0))
            assert {0, sizes.m - 1} <= set(problem.y.tolist())
            assert np.min(np.abs(problem.theta.b1)) > 0.1


def test_every_mistake_that_is_looked_for_has_a_lesson() -> None:
    codes = {code for slips in SITES.values() for code, _ in slips}
    assert codes <= set(LESSONS)
    for convention in (
        Convention(),
        Convention("sum", 1, "inputs_first", False, "tanh"),
        Convention("mean", 0, "inputs_first", True, "sigmoid"),
    ):
        for code in LESSONS:
            found = lesson(Mistake(code, "", 2.0, "2"), ("grad_W1",), convention)
            assert found.startswith("grad_W1: yours ")
            assert not re.search(r"\{\w+\}|  +[a-z]* *;", found)
            if convention.hidden_activation == "tanh":
                assert "/ n" not in found
            if convention.single_example:
                assert "axis=" not in found.split("in NumPy: ")[1]
                assert "arange" not in found


def test_the_line_is_that_of_the_stated_form() -> None:
    (finding,) = check_backward(
        written(TANH, (" * (1 - h_s**2)", "")), hidden_activation="tanh"
    ).diagnosis
    assert finding.message.endswith("in NumPy: grad_h_a = grad_h_s * (1 - h_s**2).")
    (finding,) = check_backward(
        written(INPUTS_FIRST, ("h_s.T @ grad_o_a", "grad_o_a.T @ h_s")),
        orientation="inputs_first",
    ).diagnosis
    assert finding.message.endswith("in NumPy: grad_W2 = h_s.T @ grad_o_a.")
    (finding,) = check_backward(written(LOOP), reduction="sum").diagnosis
    assert finding.message.endswith("and sums from there on.")
    assert "/ n" not in finding.message


def test_a_difference_in_the_eighth_digit_is_told() -> None:
    nearly = written(BATCH, ("return grad_W1,", "return grad_W1 * (1 + 1e-7),"))
    (finding,) = check_backward(nearly).diagnosis
    assert finding.code == "unknown"
    assert "relatively 1.0e-07 apart" in finding.message


def test_what_fails_on_some_sizes_only_is_not_right() -> None:
    sometimes = written(BATCH, ("return grad_W1,", "return (n - 6) * grad_W1,"))
    (finding,) = check_backward(sometimes).diagnosis
    assert (finding.code, finding.blocks) == ("unknown", ("grad_W1",))
    assert "right on some of the examples and wrong on others" in finding.message


def test_flattened_gradients_are_told() -> None:
    flat = written(BATCH, ("return grad_W1,", "return grad_W1.ravel(),"))
    (finding,) = check_backward(flat).diagnosis
    assert (finding.code, finding.blocks) == ("reshaped", ("grad_W1",))


def test_examples_in_columns_are_accepted_on_the_way() -> None:
    report = check_backward(written(ALL, ("grad_o_a=grad_o_a", "grad_o_a=grad_o_a.T")))
    assert report.ok
    assert "grad_o_a came in the shape (4, 7) and was read as (7, 4)." in report.notes


# ---- what it says -------------------------------------------------------------------


def test_a_message_says_what_was_written_what_is_derived_and_the_line() -> None:
    report = check_backward(written(BATCH, (" * (h_a > 0)", "")))
    (finding,) = report.diagnosis
    assert re.fullmatch(
        r"grad_W1, grad_b1: yours comes out as if .*;\n  the derivation says .*"
        r"1\{h_a > 0\} \(Q2\.13\);\n"
        r"  in NumPy: grad_h_a = grad_h_s \* \(h_a > 0\)\.",
        finding.message,
    )


def test_the_example_can_be_followed_by_hand() -> None:
    report = check_backward(written(BATCH, ("grad_o_a.T @ h_s", "grad_o_a.T @ h_a")))
    text = report.example
    assert text in str(report)
    found = {
        name: np.array(json.loads(value))
        for name, value in re.findall(r"^  (\w+) = (\[.*\])$", text, re.M)
    }
    theta = network.Theta(found["W1"], found["b1"], found["W2"], found["b2"])
    X, y = found["X"], found["y"]
    trace = network.forward(theta, X)
    for name in ("h_a", "h_s", "o_a", "o_s"):
        np.testing.assert_allclose(getattr(trace, name), found[name], atol=1e-3)
    right = network.backward(theta, X, y, trace)
    yours, should = re.findall(r"grad_W2 is (\[.*\]), should be (\[.*\])", text)[0]
    np.testing.assert_allclose(json.loads(should), right.grad_W2, atol=1e-3)
    wrong = right.grad_o_a.T @ trace.h_a
    np.testing.assert_allclose(json.loads(yours), wrong, atol=1e-3)
    assert theta.W1.size + theta.W2.size < 10


def test_the_example_is_in_the_stated_form_and_shows_shapes() -> None:
    report = check_backward(
        written(INPUTS_FIRST, ("X.T @ grad_h_a", "grad_h_a.T @ X")),
        orientation="inputs_first",
    )
    text = report.example
    found = {
        name: np.array(json.loads(value))
        for name, value in re.findall(r"^  (\w+) = (\[.*\])$", text, re.M)
    }
    np.testing.assert_allclose(found["X"] @ found["W1"] + found["b1"], found["h_a"])
    ((yours, should),) = re.findall(r"grad_W1 is (\[.*\]), should be (\[.*\])", text)
    expected = found["X"].T @ found["grad_h_a"]
    np.testing.assert_allclose(json.loads(should), expected, atol=1e-3)
    np.testing.assert_allclose(json.loads(yours), expected.T, atol=1e-3)


def test_a_sign_beside_a_penalty_of_one_half_is_no_step() -> None:
    # 2 l2 W is W then, as in theta - eta grad.
    wrong = written(
        BATCH,
        ("(o_s - hot)", "(hot - o_s)"),
        ("    return", "    grad_W1 += W1\n    grad_W2 += W2\n    return"),
    )
    (finding,) = check_backward(wrong, l2=0.5).diagnosis
    assert finding.code == "sign"


def test_the_1_over_n_of_the_intermediate_gradients_is_reported() -> None:
    report = check_backward(written(ALL))
    assert report.ok
    assert report.notes == (
        "grad_o_a, grad_h_s, grad_h_a, grad_x: with the 1/n of the mean.",
    )
    divided = written(
        ALL,
        ("(o_s - hot) / n", "o_s - hot"),
        ("grad_W2=grad_W2", "grad_W2=grad_W2 / n"),
        ("grad_b2=grad_b2", "grad_b2=grad_b2 / n"),
        ("grad_W1=grad_W1", "grad_W1=grad_W1 / n"),
        ("grad_b1=grad_b1", "grad_b1=grad_b1 / n"),
    )
    assert check_backward(divided).notes == (
        "grad_o_a, grad_h_s, grad_h_a, grad_x: without the 1/n of the mean.",
    )


def test_sizes_that_do_not_fit_are_shown() -> None:
    report = check_backward(written(BATCH, ("grad_o_a @ W2", "grad_o_a @ W1")))
    assert "n = 7, d = 3, d_h = 6, m = 4" in str(report)
    assert "equal sizes" in str(report)


def test_a_wrong_label_convention_is_said() -> None:
    report = check_backward(written(BATCH, ("np.eye(m)[y]", "np.eye(m)[y - 1]")))
    assert "first_label=1" in str(report)


def test_the_findings_are_in_the_json() -> None:
    report = check_backward(written(PENALISED, ("2 * L", "L")), **STRENGTHS)
    told = json.loads(report.to_json())
    assert told["ok"] is False
    (finding,) = told["diagnosis"]
    assert finding["code"] == "penalty_factor"
    assert finding["factor"] == 0.5
    assert "<" not in report.to_html().split("<pre>")[-1].split("</pre>")[0]


def test_the_draw_can_be_chosen_and_repeats() -> None:
    wrong = written(LOOP, (" / n", ""))
    one, again, other = (check_backward(wrong, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one.blocks != other.blocks
    assert [f.code for f in other.diagnosis] == ["missing_mean"]


# ---- what it refuses ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("None", "got nothing"),
        ("(W1, b1, W2)", "got a tuple of 3"),
        ("W1", r"got an array of float64 in the shape \(6, 3\)"),
        ("{'grad_W1': W1}", "has no grad_b1, grad_W2, grad_b2"),
        (
            "dict(grad_W1=W1, grad_b1=b1, grad_W2=W2, grad_b2=b2, grad_oa=o_a)",
            "has 'grad_oa'; the gradients it may hold are grad_o_a, ",
        ),
        ("('a', b1, W2, b2)", "grad_W1 must be an array of real numbers"),
        ("(1j * W1, b1, W2, b2)", "grad_W1 must be an array of real numbers"),
        ("([[1], [1, 2]], b1, W2, b2)", "grad_W1 must be an array of real numbers"),
        ("(W1 * np.random.rand(), b1, W2, b2)", "make it deterministic"),
    ],
)
def test_what_is_no_gradient_is_refused(returned: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_backward(
            written(
                BATCH,
                ("return grad_W1, grad_b1, grad_W2, grad_b2", f"return {returned}"),
            )
        )


@pytest.mark.parametrize(
    "options",
    [
        {"reduction": "max"},
        {"first_label": 2},
        {"orientation": "rows"},
        {"hidden_activation": "gelu"},
        {"l1": -1.0},
        {"l2": (1.0, 2.0, 3.0)},
        {"l2": "much"},
        {"l1": float("nan")},
        {"seed": -1},
        {"seed": None},
        {"single_example": "no"},
        {"hidden_activation": np.ones(2)},
    ],
)
def test_an_unknown_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^{next(iter(options))} must be .* got"):
        check_backward(written(BATCH), **options)


def test_something_that_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a function"):
        check_backward(3)  # type: ignore[arg-type]
