"""How a trace is shown: entries worked out, the page, and what is left out of it."""

import contextlib
import io
import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Case, cases, make_case
from hypothesis import given, settings
from traces import Reader, assert_page, small, traced, unchecked

from mlproof.deep import Network
from mlproof.functions import ACTIVATIONS
from mlproof.losses import OUTPUTS
from mlproof.verification.trace import trace_step
from mlproof.verification.trace.labels import heading
from mlproof.verification.trace.worked import worked

DERIVATION = Path(__file__).parents[1] / "docs" / "derivation.md"

# ---- one entry by hand -------------------------------------------------------------

HAND = {
    "exp": math.exp,
    "log": math.log,
    "sign": np.sign,
    **{name: activation.function for name, activation in ACTIVATIONS.items()},
    **{f"{name}_": activation.derivative for name, activation in ACTIVATIONS.items()},
}


@settings(max_examples=40)
@given(cases())
def test_what_is_worked_out_comes_to_what_is_shown(case: Case) -> None:
    trace = unchecked(case)
    for node in trace:
        example = worked(trace, node) if node.formula else None
        if example is None:
            continue
        _, arithmetic, result = re.split(r" = (?=[^=]*)", example)
        code = re.sub(r"from \d+ others", "", arithmetic).replace("·", "*")
        found = eval(code.replace("'", "_"), {"__builtins__": {}}, dict(HAND))
        # Every number that is read has four digits, and terms may cancel.
        numbers = re.findall(r"\d[\d.]*(?:e[+-]\d+)?", arithmetic)
        size = max([1.0, *map(float, numbers)])
        assert float(result) == pytest.approx(
            float(found), rel=2e-2, abs=2e-3 * size**2 * len(numbers)
        )


def test_the_worked_entries_of_a_step() -> None:
    theta = np.array([3.0, -1.0, 1.0, -1.0, 0.0, 0.0])
    net = Network((1, 1, 2), ACTIVATIONS["rect"], OUTPUTS["softmax"])
    names = {"output": ["no", "yes"]}
    trace = trace_step(
        net, theta, np.array([[2.0]]), np.array([1]), eta=0.5, names=names
    )
    shown = {node.name: worked(trace, node) for node in trace if node.formula}
    assert shown["h_a"] == "h_a[0, 0] = -1 + 2 · 3 = 5"
    assert shown["h_s"] == "h_s[0, 0] = rect(5) = 5"
    assert shown["o_s"] == "o_s[0, no] = exp(0) / (exp(0) + exp(-10)) = 1.000"
    assert shown["grad_h_s"] == "grad_h_s[0, 0] = 1.000 · 1 + (-1.000) · (-1) = 2.000"
    assert shown["grad_h_a"] == "grad_h_a[0, 0] = 2.000 · rect'(5) = 2.000"
    assert shown["grad_b1"] is None  # one row: nothing to add up


# ---- the page ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "output", "hidden"),
    [
        *itertools.product(sorted(ACTIVATIONS), ["softmax"], [(3,)]),
        *itertools.product(["tanh"], sorted(OUTPUTS), [(), (3, 2), (2, 2, 2)]),
    ],
)
def test_the_page_shows_every_node_beside_its_formula(
    activation: str, output: str, hidden: tuple[int, ...]
) -> None:
    case = make_case(
        3,
        units=(2, *hidden, 3),
        activation=activation,
        output=output,
        n=2,
        weighted=True,
        penalised=True,
        clearance=1e-4,
    )
    trace = traced(case)
    page = trace.to_html()
    reader = assert_page(page)
    for node in trace:
        assert any(name.endswith(f"-{node.name}") for name in reader.ids)
        if node.formula:
            assert f"{node.name} = {node.formula}" in reader.text
    assert page.count("<article") == len(trace)
    assert page.count("complex step") >= sum(node.check is not None for node in trace)


def test_every_label_is_one_of_the_derivation_and_under_that_heading() -> None:
    text = DERIVATION.read_text(encoding="utf-8")
    tags = set(re.findall(r"\\tag\{(.*?)\}", text))
    headings = list(re.finditer(r"^##+ (.*)$", text, re.M))
    used = {
        label
        for activation, output, hidden, weighted in itertools.product(
            sorted(ACTIVATIONS), sorted(OUTPUTS), [(), (2,), (2, 2)], [False, True]
        )
        for node in unchecked(
            make_case(
                5,
                units=(2, *hidden, 3),
                activation=activation,
                output=output,
                n=1,
                weighted=weighted,
                penalised=True,
                clearance=1e-4,
            )
        )
        for label in node.labels
    }
    assert used <= tags
    assert {f"Q2.{i}" for i in range(1, 18)} <= used
    for label in used:
        place = text.index(f"\\tag{{{label}}}")
        above = [found[1] for found in headings if found.start() < place]
        # Within Q2.5 and the like, or within a section of the extensions.
        assert above[-1] == heading(label)


def test_a_formula_is_typeset_as_the_derivation_writes_it() -> None:
    page = traced(small()).to_html()
    left = "<mfrac><mrow><mo>∂</mo><mi>R</mi></mrow><mrow><mo>∂</mo><msup><mi>h</mi>"
    rect_prime = '<msup><mi mathvariant="normal">rect</mi><mo>′</mo></msup>'
    (formula,) = re.findall(rf"<math[^>]*><mrow>{re.escape(left)}.*?</math>", page)[1:2]
    assert "⊙" in formula
    assert rect_prime in formula


def test_names_from_a_table_are_shown_and_cannot_be_markup() -> None:
    evil = "<script>alert('&')</script>"
    names = {"output": [evil, "b", "c"], "row": [evil] * 3}
    trace = traced(small(), names=names, title=evil, note=evil)
    page = trace.to_html()
    reader = assert_page(page)
    assert "<script" not in page
    assert evil in reader.text
    assert "<script" not in trace._repr_html_()


def test_a_notebook_shows_two_traces_without_mixing_their_links() -> None:
    first, second = traced(small()), traced(small(), eta=0.2)
    reader = Reader()
    reader.feed(first._repr_html_() + second._repr_html_())
    assert len(reader.ids) == len(set(reader.ids))
    assert "html" not in reader.tags


def test_a_step_that_is_too_long_is_called_so() -> None:
    assert "The step takes the risk from" in traced(small(), eta=1e-3).to_html()
    assert "The step raises the risk from" in traced(small(), eta=1e3).to_html()


# ---- large networks ----------------------------------------------------------------


def large(n: int = 2) -> Case:
    return small(units=(300, 40, 3), n=n, clearance=1e-6)


def test_a_large_array_is_abbreviated_alike_everywhere() -> None:
    trace = traced(large())
    inputs, units = trace.shown["input"], trace.shown["unit"]
    assert len(inputs) == len(units) == 8
    page = trace.to_html()
    assert "40 × 300" in page
    assert "Of 300 inputs the 8 that are largest here are shown" in page
    assert len(page) < 200_000
    X = np.sum(np.abs(trace["X"].value), axis=0)
    assert np.min(X[inputs]) >= np.max(np.delete(X, inputs))
    node = trace["grad_W1"]
    assert node.check is not None
    assert node.check.complex.shape == (8, 8)
    np.testing.assert_allclose(
        node.check.complex, node.value[np.ix_(units, inputs)], rtol=0, atol=1e-14
    )
    assert node.check.n_checked < node.value.size
    assert "some of it" in str(trace)
    assert max(map(len, str(trace).splitlines())) < 120


def test_json_holds_every_number_up_to_a_size() -> None:
    trace = traced(large())
    whole = {node["name"]: node for node in json.loads(trace.to_json())["nodes"]}
    assert list(whole) == [node.name for node in trace]
    for node in trace:
        assert np.array_equal(whole[node.name]["value"], node.value)
        assert whole[node.name]["inputs"] == list(node.inputs)
    parts = {
        node["name"]: node for node in json.loads(trace.to_json(largest=100))["nodes"]
    }
    W1 = trace["W1"].value
    assert parts["W1"]["value"] is None
    assert (parts["W1"]["min"], parts["W1"]["max"]) == (W1.min(), W1.max())
    assert parts["W1"]["shape"] == [40, 300]
    assert np.array_equal(parts["W1"]["value_shown"], trace.visible(trace["W1"]))
    assert parts["b1"]["value"] == trace["b1"].value.tolist()


def test_the_document_prints_what_it_shows() -> None:
    text = DERIVATION.with_name("trace.md").read_text(encoding="utf-8")
    code, shown = (
        re.search(pattern, text, re.S)
        for pattern in (r"```python\n(.*?)```", r"which prints\n\n```\n(.*?)```")
    )
    assert code is not None
    assert shown is not None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code[1], "trace.md", "exec"), {})
    assert printed.getvalue() == shown[1]
