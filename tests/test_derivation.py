"""docs/derivation.md: its labels, its code, its formulas, and its Markdown."""

import ast
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest

import mlproof
from mlproof import deep, losses, network, parameters
from mlproof.functions import ACTIVATIONS
from mlproof.penalties import Penalty

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "derivation.md"
PACKAGE = Path(mlproof.__path__[0])

TEXT = DOCUMENT.read_text(encoding="utf-8")
CODE_BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
PROSE = re.sub(r"^```.*?^```|`[^`\n]+`", "", TEXT, flags=re.DOTALL | re.MULTILINE)
DISPLAYS = re.findall(r"\$\$(.*?)\$\$", PROSE, re.DOTALL)
TAGS = Counter(re.findall(r"\\tag\{(.*?)\}", TEXT))

PART_1 = [f"Q1.{i}" for i in range(1, 10)]
PART_2 = [f"Q2.{i}" for i in range(1, 19)]
EXTENSIONS = [
    *(f"D.{i}" for i in range(1, 6)),
    *(f"L.{i}" for i in range(1, 5)),
    *(f"S.{i}" for i in range(1, 4)),
    *(f"O.{i}" for i in range(1, 7)),
]

LABEL = r"[A-Z]\d?(?:\.\d+)+"
CITATION = re.compile(rf"\(({LABEL}(?:(?:,| and| to)\s+{LABEL})*)\)")


def cited(text: str) -> set[str]:
    """The labels in parentheses, as in (Q2.7), (Q2.7, Q2.8) or (D.1 to D.5)."""
    return {
        label for group in CITATION.findall(text) for label in re.findall(LABEL, group)
    }


# ---- labels ------------------------------------------------------------------------


def test_citations_are_found_alone_in_lists_in_ranges_and_across_lines() -> None:
    text = "y = f(x)  # (Q2.7)\nz = 1.5 * (2.5)  # (Q2.9, D.4)\n(L.1 to\n    L.3) Q1.1"
    assert cited(text) == {"Q2.7", "Q2.9", "D.4", "L.1", "L.3"}


def test_network_cites_every_equation_of_part_2() -> None:
    assert cited((PACKAGE / "network.py").read_text(encoding="utf-8")) >= set(PART_2)


def test_functions_cite_every_equation_of_part_1() -> None:
    assert cited((PACKAGE / "functions.py").read_text(encoding="utf-8")) >= set(PART_1)


def test_every_label_cited_in_the_code_is_a_tag_of_the_derivation() -> None:
    unknown = {
        path.name: sorted(cited(path.read_text(encoding="utf-8")) - set(TAGS))
        for path in PACKAGE.rglob("*.py")
    }
    assert not {name: labels for name, labels in unknown.items() if labels}


def test_every_label_cited_in_the_derivation_is_one_of_its_tags() -> None:
    assert cited(PROSE)
    assert cited(PROSE) <= set(TAGS)


@pytest.mark.parametrize("label", [*PART_1, *PART_2, *EXTENSIONS])
def test_every_equation_is_tagged_exactly_once(label: str) -> None:
    assert TAGS[label] == 1


def test_no_tag_is_used_twice() -> None:
    assert [label for label, count in TAGS.items() if count > 1] == []


@pytest.mark.parametrize("label", [*PART_1, *PART_2])
def test_every_question_has_its_heading_once(label: str) -> None:
    assert len(re.findall(rf"^### {re.escape(label)} ", TEXT, re.MULTILINE)) == 1


# ---- code --------------------------------------------------------------------------


class Data(NamedTuple):
    """What the blocks start from: a small network, one example and a batch."""

    theta: network.Theta
    X: Any
    labels: Any
    x: Any
    y: int
    l1: tuple[float, float]
    l2: tuple[float, float]
    units: tuple[int, ...]  # of the deep network
    deep_theta: Any
    weight: Any
    targets: Any


def random_data() -> Data:
    random = np.random.default_rng(20)
    n, d, d_h, m = 11, 5, 7, 3
    units = (d, 6, 8, 5, m)
    return Data(
        theta=network.Theta(
            random.normal(size=(d_h, d)),
            random.normal(size=d_h),
            random.normal(size=(m, d_h)),
            random.normal(size=m),
        ),
        X=random.normal(size=(n, d)),
        labels=random.permutation(np.arange(n) % m),
        x=random.normal(size=d),
        y=1,
        l1=(0.3, 0.7),
        l2=(0.2, 0.5),
        units=units,
        deep_theta=random.normal(size=parameters.n_theta(units)),
        weight=random.uniform(0.1, 1, size=n),
        targets=random.integers(0, 2, size=(n, m)),
    )


def namespace_of(data: Data) -> dict[str, Any]:
    deep_network = parameters.views(data.deep_theta, data.units)
    return data.theta._asdict() | {
        "X": data.X,
        "labels": data.labels,
        "x": data.x,
        "y": data.y,
        "l11": data.l1[0],
        "l21": data.l1[1],
        "l12": data.l2[0],
        "l22": data.l2[1],
        "W": deep_network.W,
        "b": deep_network.b,
        "phi": np.tanh,
        "phi_prime": lambda h_a: 1 - np.tanh(h_a) ** 2,
        "weight": data.weight,
        "targets": data.targets,
    }


def names_assigned_in(source: str) -> set[str]:
    """The names that the statements of a block assign, those in functions left out."""
    functions = (ast.FunctionDef, ast.Lambda)
    statements = [s for s in ast.parse(source).body if not isinstance(s, functions)]
    return {
        node.id
        for statement in statements
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def run_blocks(namespace: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """Run the blocks in order; what each assigned, by its kind and the name."""
    computed: dict[tuple[str, str], Any] = {}
    for block in CODE_BLOCKS:
        kind = re.match(r"# (.*?):", block)
        assert kind, f"a block does not say what it treats:\n{block}"
        exec(compile(block, str(DOCUMENT), "exec"), namespace)
        for name in names_assigned_in(block):
            assert (kind[1], name) not in computed or not name.startswith("grad_")
            computed[kind[1], name] = namespace[name]
    return computed


def of_one_example(data: Data) -> dict[str, Any]:
    X, y = data.x[None, :], np.array([data.y])
    trace = network.forward(data.theta, X)
    gradients = network.backward(data.theta, X, y, trace)._asdict()
    values = {name: value[0] for name, value in trace._asdict().items()}
    values["L"] = losses.cross_entropy(trace.o_a, y)[0]
    for name, value in gradients.items():
        of_parameter = name in {"grad_W1", "grad_b1", "grad_W2", "grad_b2"}
        values[name] = value if of_parameter else value[0]
    return values


def of_a_batch(data: Data) -> dict[str, Any]:
    theta, X, y = data.theta, data.X, data.labels
    trace = network.forward(theta, X)
    gradients = network.backward(theta, X, y, trace)._asdict()
    capitals = {"h_a": "H_a", "h_s": "H_s", "o_a": "O_a", "o_s": "O_s"}
    renamed = {f"grad_{a}": f"grad_{b}" for a, b in (capitals | {"x": "X"}).items()}
    values = {capitals[name]: value for name, value in trace._asdict().items()}
    values["R"] = network.risk(theta, X, y)
    values["n_theta"] = sum(array.size for array in theta)
    return values | {renamed.get(name, name): v for name, v in gradients.items()}


def of_a_penalty(data: Data) -> dict[str, Any]:
    arguments = data.theta, data.X, data.labels, Penalty(data.l1, data.l2)
    gradient = network.regularised_gradient(*arguments)
    return {
        "R_lambda": network.regularised_risk(*arguments),
        "grad_W1": gradient.W1,
        "grad_W2": gradient.W2,
    }


def of_any_depth(data: Data) -> dict[str, Any]:
    tanh_network = deep.Network(data.units, ACTIVATIONS["tanh"], losses.SOFTMAX)
    trace = deep.forward(tanh_network, data.deep_theta, data.X)
    gradient = deep.backward(
        tanh_network, data.deep_theta, data.labels, data.weight, trace
    )
    grad_W, grad_b = parameters.views(gradient, data.units)
    return {"O_a": trace.o_a, "grad_W": grad_W, "grad_b": grad_b}


def of_logistic_units(data: Data) -> dict[str, Any]:
    o_a = of_any_depth(data)["O_a"]
    return {
        "L": losses.logistic_loss(o_a, data.targets),
        "grad_o_a": losses.logistic_loss_gradient(o_a, data.targets),
    }


def of_checks(data: Data) -> dict[str, Any]:
    grad_x = of_one_example(data)["grad_x"]
    return {"grad_x_complex": grad_x, "grad_x_central": grad_x}


DATA = random_data()
EXPECTED = {
    (kind, name): value
    for kind, values in {
        "one example": of_one_example(DATA),
        "a batch": of_a_batch(DATA),
        "a penalty": of_a_penalty(DATA),
        "any depth": of_any_depth(DATA),
        "logistic units": of_logistic_units(DATA),
        "checks": of_checks(DATA),
    }.items()
    for name, value in values.items()
}


@pytest.fixture(scope="module")
def computed() -> dict[tuple[str, str], Any]:
    return run_blocks(namespace_of(DATA))


def test_the_data_can_tell_the_sizes_apart() -> None:
    (d_h, d), m, n = DATA.theta.W1.shape, len(DATA.theta.b2), len(DATA.X)
    assert len({n, d, d_h, m}) == 4
    assert d_h != m + 1  # at which a wrong n_theta can come out right
    assert set(DATA.labels) == set(range(m))


def test_no_pre_activation_lies_near_the_kink() -> None:
    assert np.min(np.abs(of_one_example(DATA)["h_a"])) > 1e-3


def test_every_gradient_that_the_derivation_computes_is_compared(
    computed: dict[tuple[str, str], Any],
) -> None:
    gradients = {key for key in computed if key[1].startswith("grad_")}
    assert gradients == {key for key in EXPECTED if key[1].startswith("grad_")}


def test_every_gradient_that_the_text_names_is_computed(
    computed: dict[tuple[str, str], Any],
) -> None:
    named = set(re.findall(r"grad_[A-Za-z]\w*", TEXT))
    assert named >= {f"grad_{name}" for name in ("o_a", "W2", "h_s", "h_a", "W1", "x")}
    assert named <= {name for _, name in computed}


@pytest.mark.parametrize("key", EXPECTED, ids=" ".join)
def test_the_code_of_the_derivation_computes_what_mlproof_computes(
    key: tuple[str, str], computed: dict[tuple[str, str], Any]
) -> None:
    # A central difference is exact to about eps ** (2/3); the rest, but for rounding.
    tolerance = 1e-8 if key[1] == "grad_x_central" else 1e-12
    given, expected = computed[key], EXPECTED[key]
    if not isinstance(expected, list):
        given, expected = [given], [expected]
    assert len(given) == len(expected)
    for one, other in zip(given, expected, strict=True):
        assert np.shape(one) == np.shape(other)
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def test_the_step_of_the_derivation_is_that_of_the_code() -> None:
    namespace = namespace_of(DATA)
    run_blocks(namespace)
    gradient = network.Theta(*(2 * p + 1 for p in DATA.theta))
    step = namespace["gradient_descent_step"](list(DATA.theta), list(gradient), 0.25)
    expected = network.gradient_descent_step(DATA.theta, gradient, 0.25)
    for one, other in zip(step, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# ---- formulas ----------------------------------------------------------------------
# In mpmath, from the definitions; nothing of mlproof is used.  With 100 digits, what
# cancels at the outermost points is made up for.

Function = Callable[[Any], Any]
exp, log, tanh = mpmath.exp, mpmath.log, mpmath.tanh
POINTS = [-40.0, -3.7, -0.5, 0.25, 2.0, 31.0]  # on both sides of the kink, never on it


def sigmoid(x: Any) -> Any:
    return 1 / (1 + exp(-x))


def softplus(x: Any) -> Any:
    return log(1 + exp(x))


def rect(x: Any) -> Any:
    return max(x, mpmath.mpf(0))


def sign(x: Any) -> Any:
    return mpmath.mpf((x > 0) - (x < 0))


def q(x: Any) -> Any:
    return exp(-abs(x))


IDENTITIES: list[tuple[str, Function, Function]] = [
    ("Q1.1", lambda x: (tanh(x / 2) + 1) / 2, sigmoid),
    ("Q1.1.1", lambda x: 1 - sigmoid(x), lambda x: sigmoid(-x)),
    ("Q1.1.2", sigmoid, lambda x: (1 if x >= 0 else q(x)) / (1 + q(x))),
    ("Q1.2", lambda x: log(sigmoid(x)), lambda x: -softplus(-x)),
    ("Q1.2.2", softplus, lambda x: x + softplus(-x)),
    ("Q1.2.3", softplus, lambda x: rect(x) + log(1 + q(x))),
    (
        "Q1.3.1",
        lambda x: sigmoid(x) * (1 - sigmoid(x)),
        lambda x: sigmoid(x) * sigmoid(-x),
    ),
    ("Q1.4.1", lambda x: 1 - tanh(x) ** 2, lambda x: (2 * q(x) / (1 + q(x) ** 2)) ** 2),
    ("Q1.5", mpmath.sign, sign),
    ("Q1.7.1", rect, lambda x: x * (x > 0)),
    ("L.1", lambda o: exp(o) / (exp(0) + exp(o)), sigmoid),
    ("L.2", lambda o: -log(sigmoid(o)), lambda o: softplus(o) - o),
    ("L.2", lambda o: -log(1 - sigmoid(o)), softplus),
]

DERIVATIVES: list[tuple[str, Function, Function]] = [
    ("Q1.2.1", softplus, sigmoid),
    ("Q1.3", sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
    ("Q1.4", tanh, lambda x: 1 - tanh(x) ** 2),
    ("Q1.6", abs, sign),
    ("Q1.7", rect, lambda x: x > 0),
    ("L.3", lambda o: softplus(o) - o, lambda o: sigmoid(o) - 1),
    ("L.3", softplus, lambda o: sigmoid(o) - 0),
]

NORMS: list[tuple[str, Function, Function]] = [
    ("Q1.8", lambda x: sum(x_i**2 for x_i in x), lambda x: [2 * x_i for x_i in x]),
    ("Q1.9", lambda x: sum(abs(x_i) for x_i in x), lambda x: [sign(x_i) for x_i in x]),
]


def agree(a: Any, b: Any) -> bool:
    return bool(abs(a - b) <= mpmath.mpf(10) ** -30 * max(abs(a), abs(b)))


@pytest.mark.parametrize(("label", "left", "right"), IDENTITIES)
def test_the_two_sides_of_an_identity_are_equal(
    label: str, left: Function, right: Function
) -> None:
    assert label in TAGS
    with mpmath.workdps(100):
        assert [
            x for x in map(mpmath.mpf, POINTS) if not agree(left(x), right(x))
        ] == []


@pytest.mark.parametrize(("label", "function", "derivative"), DERIVATIVES)
def test_a_derivative_is_the_slope_of_its_function(
    label: str, function: Function, derivative: Function
) -> None:
    assert label in TAGS
    with mpmath.workdps(100):
        for x in map(mpmath.mpf, POINTS):
            slope = mpmath.diff(function, x)
            # mpmath differences numerically: half of the digits it works with are safe.
            assert abs(slope - derivative(x)) < mpmath.mpf(10) ** -25, x


@pytest.mark.parametrize(("label", "norm", "gradient"), NORMS)
def test_the_gradient_of_a_norm_holds_its_partial_derivatives(
    label: str, norm: Function, gradient: Function
) -> None:
    assert label in TAGS
    x = [mpmath.mpf(x_i) for x_i in POINTS]
    for i, expected in enumerate(gradient(x)):
        along = mpmath.diff(lambda v, i=i: norm([*x[:i], v, *x[i + 1 :]]), x[i])
        assert abs(along - expected) < 1e-10


def test_every_equation_of_part_1_is_checked_by_numbers() -> None:
    labels = {label for label, _, _ in IDENTITIES + DERIVATIVES + NORMS}
    assert {tag for tag in TAGS if tag.startswith("Q1.")} == {
        label for label in labels if label.startswith("Q1.")
    }


def test_log_softmax_with_the_largest_logit_taken_out_is_log_softmax() -> None:
    assert "N.1" in TAGS
    o_a = [mpmath.mpf(o) for o in (-3, 2.5, 0.125, 2.5)]
    total = sum(exp(o) for o in o_a)
    top = 1
    for o in o_a:
        others = sum(exp(o_a[c] - o_a[top]) for c in range(4) if c != top)
        assert abs(log(exp(o) / total) - (o - o_a[top] - log(1 + others))) < 1e-13


def test_nesterov_as_stored_is_nesterov_as_defined() -> None:
    assert "O.2" in TAGS
    mu, eta = 0.9, 0.1
    psi = theta = 1.0
    v_of_psi = v = 0.0
    for _ in range(5):
        v_of_psi = mu * v_of_psi - eta * np.sin(psi + mu * v_of_psi)
        psi = psi + v_of_psi
        g = np.sin(theta)
        v = mu * v - eta * g
        theta = theta + mu * v - eta * g
        assert theta == pytest.approx(psi + mu * v_of_psi, abs=1e-14)


def test_adam_moves_by_eta_from_the_first_step_if_the_gradient_stays_the_same() -> None:
    assert "O.3.3" in TAGS
    beta_1, beta_2, eta, g = 0.9, 0.999, 0.01, -3.0
    first, second = 0.0, 0.0
    for t in range(1, 6):
        first = beta_1 * first + (1 - beta_1) * g
        second = beta_2 * second + (1 - beta_2) * g**2
        eta_t = eta * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        assert eta_t * first / np.sqrt(second) == pytest.approx(-eta, rel=1e-12)


# ---- Markdown ----------------------------------------------------------------------
# GitHub reads Markdown first and mathematics after it, so what Markdown takes for its
# own is lost to the formula.


def test_no_pair_of_underscores_in_the_mathematics_becomes_emphasis() -> None:
    # An underscore after a letter cannot open emphasis; one after } or ) can, and then
    # the next that can close it does.
    for paragraph in re.split(r"\n\s*\n|(?<=\|)\n", PROSE):
        opening = re.search(r"(?<!\w)_(?=\S)", paragraph)
        if opening:
            assert not re.search(r"\S_(?!\w)", paragraph[opening.end() :]), paragraph


def test_no_line_of_a_display_starts_a_list_a_heading_or_a_quotation() -> None:
    lines = [line for display in DISPLAYS for line in display.split("\n")]
    assert [line for line in lines if re.match(r"\s*([-+*>#=]|\d+[.)]\s)", line)] == []


def test_no_display_holds_an_empty_line() -> None:
    assert len(DISPLAYS) > 60
    assert [display for display in DISPLAYS if re.search(r"\n\s*\n", display)] == []


def test_line_breaks_in_the_mathematics_stand_at_the_end_of_a_line() -> None:
    assert re.search(r"\\\\$", PROSE, re.MULTILINE)
    assert re.findall(r".*\\\\[^\n].*", PROSE) == []


def test_no_command_of_the_mathematics_is_an_escape_of_markdown() -> None:
    without_breaks = PROSE.replace("\\\\", "")
    assert re.findall(r"\\[^A-Za-z]", without_breaks) == []


def test_every_environment_is_closed_before_the_tag() -> None:
    for display in DISPLAYS:
        before_tag = display.split(r"\tag")[0]
        assert before_tag.count(r"\begin") == display.count(r"\end")
        assert before_tag.count(r"\end") == display.count(r"\end")


def test_inline_mathematics_ends_on_its_line_and_before_a_space_or_a_stop() -> None:
    for line in re.sub(r"\$\$.*?\$\$", "", PROSE, flags=re.DOTALL).split("\n"):
        pieces = line.split("$")
        assert len(pieces) % 2 == 1, line
        for before, after in pairwise(pieces[::2]):
            assert re.search(r"(^|[\s(*])$", before), line
            assert re.match(r"$|[\s).,:;*]", after), line


def test_braces_and_delimiters_are_balanced() -> None:
    for display in DISPLAYS:
        assert display.count("{") == display.count("}"), display
        assert display.count("(") == display.count(")"), display
        assert display.count(r"\left") - display.count(r"\leftarrow") == display.count(
            r"\right"
        ), display


def test_no_line_is_longer_than_100_characters() -> None:
    assert [line for line in TEXT.split("\n") if len(line) > 100] == []
