"""Code in a document: run apart, with limits, and compared with the formulas."""

import numpy as np
import pytest

from mlproof import verify_document
from mlproof.verification.document.marking.running import Outcome, run_stretches
from mlproof.verification.document.marking.stretches import Stretch

NETWORK = r"""
Let $W \in \mathbb{R}^{m \times d}$, $x \in \mathbb{R}^d$, $y \in \{1, \dots, m\}$
and let $o = W x$.
The loss is $L = -\log \mathrm{softmax}(o)_y$ and $p = \mathrm{softmax}(o)$, so

$$\frac{\partial L}{\partial o} = p - \mathrm{onehot}_m(y)$$

In NumPy `grad_o = CODE`, and `grad_o` is $SHAPE$.
"""


def run(snippet: str, seconds: float = 20.0) -> Outcome:
    trial = {"v": np.arange(3.0), "k": 2}
    ((outcome,),) = run_stretches([Stretch(snippet)], [trial], seconds)
    return outcome


def test_a_value_comes_back_with_its_shape() -> None:
    outcome = run("w = np.outer(v, v)[:2]")
    assert outcome.name == "w"
    assert outcome.value is not None
    np.testing.assert_array_equal(outcome.value, [[0, 0, 0], [0, 1, 2]])


def test_stretches_share_their_names_within_a_trial() -> None:
    trials = [{"v": np.array([1.0])}, {"v": np.array([2.0])}]
    found = run_stretches([Stretch("w = 2 * v"), Stretch("w + 1")], trials)
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
    assert run_stretches([], [{}, {}]) == [[], []]


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


LINEAR = (
    r"Let $W \in \mathbb{R}^{m \times n}$, $x \in \mathbb{R}^n$, "
    r"$b \in \mathbb{R}^m$ and $z = W x + b$."
)
CLASSES = (
    r"Let $o \in \mathbb{R}^m$, $y \in \{1, \dots, m\}$, $p = \mathrm{softmax}(o)$ and "
    r"$L = -\log p_y$, so $\frac{\partial L}{\partial o} = p - \mathrm{onehot}_m(y)$."
)
SQUARES = (
    r"Let $t \in \mathbb{R}$, $x \in \mathbb{R}^d$ and $f = \|x\|^2$. "
    r"Let $X \in \mathbb{R}^{n \times d}$ and $g = t^2 \|X\|_F^2$."
)


@pytest.mark.parametrize(
    ("said", "code", "expected"),
    [
        (LINEAR, "x = np.ones(5); W = np.eye(5); z = W @ x + b", "data data agrees"),
        (LINEAR, "n = 7; x = np.zeros(n); z = W @ x", "data false"),
        (LINEAR, "z = W @ x\nz += b", "agrees"),
        (LINEAR, "z = W @ x\nz -= b", "false"),
        (
            LINEAR,
            "z = np.zeros(m)\nfor i in range(m): z[i] = W[i] @ x + b[i]",
            "agrees",
        ),
        (LINEAR, "z = np.zeros(m)\nfor i in range(m): z[i] = W[i] @ x", "false"),
        (LINEAR, "z = W.T @ x + b", "ill_typed"),
        (LINEAR, "for k in range(9): x = x - W.T @ b\nz = W @ x + b", "agrees"),
        (CLASSES, "p = np.exp(o)\np = p / p.sum()\nL = -np.log(p[y])", "agrees agrees"),
        (CLASSES, "p = np.exp(o)\np = p / p.max()\nL = -np.log(p[y])", "false agrees"),
        (CLASSES, "onehot = np.eye(m)[y]\ngrad_o = p - onehot", "agrees"),
        (CLASSES, "onehot = np.eye(m)[y]\ngrad_o = p + onehot", "false"),
        (CLASSES, "t = np.zeros(m); t[y - 1] = 1\ngrad_o = p - t", "agrees"),
        (SQUARES, "f = x @ x\ng = t**2 * np.sum(X ** 2)", "agrees agrees"),
        (SQUARES, "f, g = x @ x, np.sum(X)", "agrees false"),
        (SQUARES, "import time\nt = time.time()\nf = x @ x", "data agrees"),
        (SQUARES, "def f(v): return v @ v\ng = t * t * np.sum(X * X)", "agrees"),
    ],
)
def test_a_name_is_compared_when_its_cell_has_done_with_it(
    said: str, code: str, expected: str
) -> None:
    report = verify_document(text=f"{said}\n\n```python\n{code}\n```\n", run_code=True)
    found = [str(c.verdict) for c in report.claims if c.line > 3]
    assert [v.replace("definition", "data") for v in found] == expected.split()
