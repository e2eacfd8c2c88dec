"""Code in a document: run apart, with limits, and compared with the formulas."""

import numpy as np
import pytest

from mlproof import verify_document
from mlproof.verification.document.marking.running import Outcome, run_snippets

NETWORK = r"""
Let $W \in \mathbb{R}^{m \times d}$, $x \in \mathbb{R}^d$, $y \in \{1, \dots, m\}$
and let $o = W x$.
The loss is $L = -\log \mathrm{softmax}(o)_y$ and $p = \mathrm{softmax}(o)$, so

$$\frac{\partial L}{\partial o} = p - \mathrm{onehot}_m(y)$$

In NumPy `grad_o = CODE`, and `grad_o` is $SHAPE$.
"""


def run(snippet: str, seconds: float = 20.0) -> Outcome:
    ((outcome,),) = run_snippets([snippet], [{"v": np.arange(3.0), "k": 2}], seconds)
    return outcome


def test_a_value_comes_back_with_its_shape() -> None:
    outcome = run("w = np.outer(v, v)[:2]")
    assert outcome.name == "w"
    assert outcome.value is not None
    np.testing.assert_array_equal(outcome.value, [[0, 0, 0], [0, 1, 2]])


def test_snippets_share_their_names_within_a_trial() -> None:
    trials = [{"v": np.array([1.0])}, {"v": np.array([2.0])}]
    found = run_snippets(["w = 2 * v", "w + 1"], trials)
    assert [
        [float(o.value[0]) for o in trial if o.value is not None] for trial in found
    ] == [
        [2.0, 3.0],
        [4.0, 5.0],
    ]


@pytest.mark.parametrize(
    ("snippet", "reason"),
    [
        ("w = missing", "NameError"),
        ("w = (", "SyntaxError"),
        ("import os; os._exit(1)", "it ended the process"),
        ("w = open('/tmp/never', 'w')", "PermissionError"),
        ("import subprocess; w = subprocess.run(['true'])", "PermissionError"),
        ("w = np.zeros(10**13)", "MemoryError"),
        ("w = 'text'", "no array"),
        ("print('noise')", "no value"),
    ],
)
def test_what_fails_says_why(snippet: str, reason: str) -> None:
    outcome = run(snippet)
    assert outcome.value is None
    assert outcome.error is not None
    assert reason in outcome.error


def test_an_endless_loop_ends() -> None:
    assert "did not end" in str(run("while True: pass", seconds=1.0).error)


def test_nothing_is_started_for_nothing() -> None:
    assert run_snippets([], [{}, {}]) == [[], []]


def verdicts(code: str, shape: str) -> list[str]:
    text = NETWORK.replace("CODE", code).replace("SHAPE", shape)
    report = verify_document(text=text, run_code=True)
    return [c.verdict for c in report.claims if c.line == 8]


def test_code_is_compared_in_value_and_in_shape() -> None:
    right = "p - np.eye(m)[y - 1]"
    assert verdicts(right, r"m \times 1") == ["agrees", "ill_typed"]
    assert verdicts("p - np.eye(m)[y - 2]", r"m \times d") == ["false", "ill_typed"]
    assert verdicts("np.outer(p, p)", r"m \times m") == ["ill_typed", "agrees"]


def test_code_that_breaks_on_columns_gets_a_remark() -> None:
    text = NETWORK.replace("CODE", "p - np.eye(m)[y - 1]").replace("SHAPE", "m")
    report = verify_document(text=text, run_code=True)
    assert "columns" in {slip.code for slip in report.lint}


def test_without_being_asked_no_code_is_run() -> None:
    text = NETWORK.replace("CODE", "1 / 0").replace("SHAPE", r"m \times 1")
    assert not any(c.line == 8 for c in verify_document(text=text).claims)
