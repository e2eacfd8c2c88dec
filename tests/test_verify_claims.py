r"""Small claims, each with the verdict that a careful teacher would give.

What is said goes before; the claim is a display of its own; the verdicts are those of
its relations.  A true claim and the same with a slip stand side by side.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlproof import verify_document
from mlproof.verification.document.marking.repair import Repairer

SMALL = Path(__file__).with_name("small_claims.txt")
RIGHT = {"agrees", "proved", "convention", "domain"}

SIZES = (
    r"Let $W \in \mathbb{R}^{m \times d}$, $x \in \mathbb{R}^d$, $b \in \mathbb{R}^m$ "
    r"and $u \in \mathbb{R}^m$, with $W_{ij}$ the entries of $W$."
)
MATRIX = (
    r"\begin{{pmatrix}} {} & {} & \dots & {} \\ \vdots & \vdots & & \vdots \\ "
    r"{} & {} & \dots & {} \end{{pmatrix}}"
)
ROWS = "W_{11}", "W_{12}", "W_{1d}", "W_{m1}", "W_{m2}", "W_{md}"


def verdicts(said: str, claim: str) -> list[str]:
    """Of the last line; a claim that a reader would not call wrong is "right"."""
    report = verify_document(text=f"{said}\n\n$${claim}$$\n")
    right = {"agrees", "proved"}
    found = [str(c.verdict) for c in report.claims if c.line == 3]
    return ["right" if verdict in right else verdict for verdict in found]


def matrix(*entries: str) -> str:
    return MATRIX.format(*entries)


@pytest.mark.parametrize(
    ("slip", "by", "verdict"),
    [
        ("W_{11}", "W_{11}", "right"),
        ("W_{12}", "W_{21}", "false"),
        ("W_{11}", "W_{12}", "false"),
        ("W_{1d}", "W_{d1}", "ill_typed"),
    ],
)
def test_a_slip_in_a_row_with_dots_is_seen(slip: str, by: str, verdict: str) -> None:
    entries = [by if entry == slip else entry for entry in ROWS]
    claim = rf"W x + b = {matrix(*entries)} x + b"
    assert verdicts(SIZES, claim) == [verdict]


def small_documents() -> Iterator[Any]:
    for piece in re.split(r"(?m)^== ", SMALL.read_text(encoding="utf-8"))[1:]:
        head, text = piece.split("\n", 1)
        name, found = head.split(": ")
        yield pytest.param(name, text, found, id=name)


@pytest.fixture
def unrepaired(monkeypatch: pytest.MonkeyPatch) -> None:
    """To look for what was meant takes longer than to judge; no verdict needs it."""
    monkeypatch.setattr(Repairer, "repaired", lambda *_: None)


@pytest.mark.parametrize(("name", "text", "expected"), list(small_documents()))
def test_small_documents_are_judged_as_wanted(
    name: str, text: str, expected: str, unrepaired: None
) -> None:
    assert_judged_so(name, text, expected)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "text", "expected"), list(small_documents()))
def test_looking_for_a_repair_changes_no_verdict(
    name: str, text: str, expected: str
) -> None:
    assert_judged_so(name, text, expected)


def assert_judged_so(name: str, text: str, expected: str) -> None:
    found = []
    for claim in verify_document(text=text).claims:
        verdict = str(claim.verdict)
        if verdict == "definition":
            continue
        unread = {"not_understood": "unread"}
        found.append("right" if verdict in RIGHT else unread.get(verdict, verdict))
    assert " ".join(found) == expected, name


CODE = r"""
Let $z, t \in \mathbb{R}^m$ and $L = \|z - t\|^2$. Here `z` and `t` are arrays.

$$\frac{\partial L}{\partial z} = 2(z - t)$$

$$\frac{\partial L}{\partial t} = 2(t - z)$$

```python
import numpy as np
scale = 2
grad_z = SLIP
grad_t = -grad_z
n = 1
```
"""


@pytest.mark.parametrize("magic", ["", "%matplotlib inline\n", "!pip list\n"])
@pytest.mark.parametrize(
    ("code", "expected"), [("scale * (z - t)", []), ("scale * (z + t)", ["grad_z"])]
)
def test_every_assignment_of_what_the_text_knows_is_compared(
    code: str, expected: list[str], magic: str
) -> None:
    text = CODE.replace("SLIP", code).replace("import numpy", f"{magic}import numpy")
    report = verify_document(text=text, run_code=True)
    lines = text.splitlines()
    wrong = [c for c in report.claims if c.wrong]
    assert [lines[c.line - 1].split(" = ")[0] for c in wrong] == expected
    for claim in wrong:
        assert lines[claim.line - 1][claim.column - 1 :] == claim.text == code
