"""check_gradient says which mistake was made, and where."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import make_case

from mlproof import check_gradient, network
from mlproof.functions import Array, l1_norm, rect_prime, squared_norm
from mlproof.losses import onehot
from mlproof.parameters import views
from mlproof.verification.gradient.factors import Size, told
from mlproof.verification.report import GradientReport

N, UNITS = 7, (5, 6, 4)
Mistake = Callable[[network.Theta, Array, Array], network.Theta]
# A code, the blocks in which it shows, and the factor.
Found = tuple[str, tuple[str, ...], float | None]


def problem(units: tuple[int, int, int] = UNITS, seed: int = 1) -> Any:
    case = make_case(
        seed, units=units, activation="rect", output="softmax", n=N, clearance=1e-3
    )
    W, b = views(case.theta, units)
    theta = network.Theta(W[0], b[0], W[1], b[1])
    return theta, case.examples.X, case.examples.y


def right(theta: network.Theta, X: Array, y: Array) -> network.Theta:
    g = network.backward(theta, X, y, network.forward(theta, X))
    return network.Theta(g.grad_W1, g.grad_b1, g.grad_W2, g.grad_b2)


def scaled(factor: float, *names: str) -> Mistake:
    def wrong(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        g = right(theta, X, y)
        return g._replace(**{name: factor * getattr(g, name) for name in names})

    return wrong


def changed(**changes: Callable[[network.Theta], Array]) -> Mistake:
    def wrong(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        g = right(theta, X, y)
        return g._replace(**{name: change(g) for name, change in changes.items()})

    return wrong


def backward_by(
    delta: Callable[..., Array] | None = None, mask: Callable[..., Any] | None = None
) -> Mistake:
    """The backward pass with another grad_o_a, or another derivative of rect."""

    def wrong(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        trace = network.forward(theta, X)
        o_s = trace.o_s
        G = o_s - onehot(y, like=o_s) if delta is None else delta(o_s, y)
        G = G / len(y)
        H = G @ theta.W2
        H = H * (rect_prime(trace.h_a) if mask is None else mask(trace))
        return network.Theta(H.T @ X, H.sum(0), G.T @ trace.h_s, G.sum(0))

    return wrong


def found(report: GradientReport) -> list[Found]:
    return [
        (f.code, f.blocks, None if f.factor is None else round(f.factor, 6))
        for f in report.diagnosis
    ]


def codes(report: GradientReport) -> list[str]:
    return [finding.code for finding in report.diagnosis]


ALL = ("W1", "b1", "W2", "b2")
SEVENTH = round(1 / N, 6)
# The mistake, then the code, the blocks and the factor that have to be found.
MISTAKES: dict[str, tuple[Mistake, list[Found]]] = {
    "sign": (scaled(-1, *ALL), [("sign", ALL, -1)]),
    "sign of one": (scaled(-1, "W2"), [("sign", ("W2",), -1)]),
    "twice": (scaled(2, *ALL), [("factor", ALL, 2)]),
    "half": (scaled(0.5, "b1"), [("factor", ("b1",), 0.5)]),
    "no mean": (scaled(N, *ALL), [("missing_mean", ALL, N)]),
    "no mean in one": (scaled(N, "W1"), [("missing_mean", ("W1",), N)]),
    "mean twice": (scaled(1 / N, *ALL), [("extra_mean", ALL, SEVENTH)]),
    "means in biases": (
        scaled(1 / N, "b1", "b2"),
        [("mean_instead_of_sum", ("b1", "b2"), SEVENTH)],
    ),
    "sign and no mean": (
        scaled(-N, *ALL),
        [("sign", ALL, -1), ("missing_mean", ALL, N)],
    ),
    "over the classes": (scaled(1 / 4, *ALL), [("factor", ALL, 0.25)]),
    "three quarters": (scaled(0.75, "W1"), [("factor", ("W1",), 0.75)]),
    "no fraction": (scaled(np.pi, "W1"), [("factor", ("W1",), 3.141593)]),
    "zero": (scaled(0, "W1", "b1"), [("zero_block", ("W1", "b1"), 0)]),
    "two mistakes": (
        changed(W1=lambda g: -g.W1, b2=lambda g: 3 * g.b2),
        [("sign", ("W1",), -1), ("factor", ("b2",), 3)],
    ),
    "transposed": (changed(W2=lambda g: g.W2.T), [("transposed", ("W2",), None)]),
    "transposed, both": (
        changed(W1=lambda g: g.W1.T, W2=lambda g: g.W2.T),
        [("transposed", ("W1", "W2"), None)],
    ),
    "flat": (changed(W1=lambda g: g.W1.ravel()), [("reshaped", ("W1",), None)]),
    "flat by columns": (
        changed(W1=lambda g: g.W1.ravel(order="F")),
        [("reshaped", ("W1",), None)],
    ),
    "a column": (changed(b1=lambda g: g.b1[:, None]), [("reshaped", ("b1",), None)]),
    "reshaped": (
        changed(W1=lambda g: g.W1.T.reshape(g.W1.shape)),
        [("reshaped", ("W1",), None)],
    ),
    "reshaped back": (
        changed(W1=lambda g: g.W1.reshape(g.W1.T.shape).T),
        [("reshaped", ("W1",), None)],
    ),
    "transposed and twice": (
        changed(W2=lambda g: 2 * g.W2.T),
        [("transposed", ("W2",), None), ("factor", ("W2",), 2)],
    ),
    "another order": (
        changed(b1=lambda g: g.b2, b2=lambda g: g.b1),
        [("blocks_swapped", ("b1", "b2"), None)],
    ),
    "not finite": (
        changed(W1=lambda g: g.W1 / np.zeros_like(g.W1)),
        [("not_finite", ("W1",), None)],
    ),
    "no mask": (
        backward_by(mask=lambda trace: 1.0),
        [("unknown", ("W1", "b1"), None)],
    ),
    "no one-hot": (
        backward_by(delta=lambda o_s, y: o_s),
        [("unknown", ALL, None)],
    ),
    "one entry": (
        changed(W2=lambda g: g.W2 + np.eye(*g.W2.shape, 2) * 1e-3),
        [("unknown", ("W2",), None)],
    ),
}


@pytest.mark.parametrize("name", sorted(MISTAKES))
@pytest.mark.parametrize("seed", [1, 2])
def test_the_mistake_is_named(name: str, seed: int) -> None:
    wrong, expected = MISTAKES[name]
    with np.errstate(all="ignore"):
        report = check_gradient(network.risk, wrong, *problem(seed=seed))
    assert not report.ok
    assert found(report) == expected
    for finding in report.diagnosis:
        assert finding.block == finding.blocks[0]
        assert f"{finding.code}: {finding.message}" in str(report)


@pytest.mark.parametrize("seed", range(5))
def test_a_right_gradient_has_no_mistakes(seed: int) -> None:
    report = check_gradient(network.risk, right, *problem(seed=seed))
    assert report.ok
    assert report.diagnosis == ()
    assert report.example == ""


def test_the_number_of_rows_is_told_by_the_name_of_its_argument() -> None:
    report = check_gradient(network.risk, scaled(1 / N, *ALL), *problem())
    assert "7 = len(X) = len(y)" in report.diagnosis[0].message


def test_the_number_of_rows_is_known_of_what_the_functions_read_by_themselves() -> None:
    theta, X, y = problem()

    def loss(theta: network.Theta) -> Any:
        return network.risk(theta, X, y)

    def wrong(theta: network.Theta) -> network.Theta:
        return scaled(N, *ALL)(theta, X, y)

    (finding,) = check_gradient(loss, wrong, theta).diagnosis
    assert finding.code == "missing_mean"
    assert "7 = len(X)" in finding.message


def test_a_square_block_that_is_transposed_keeps_its_shape() -> None:
    theta, X, y = problem((4, 4, 3))
    report = check_gradient(network.risk, changed(W1=lambda g: g.W1.T), theta, X, y)
    assert codes(report) == ["transposed"]


def test_a_square_block_that_is_transposed_and_turned_round_is_told_both() -> None:
    theta, X, y = problem((4, 4, 3))
    report = check_gradient(network.risk, changed(W1=lambda g: -g.W1.T), theta, X, y)
    assert codes(report) == ["transposed", "sign"]


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c")])
def test_blocks_that_have_changed_places_are_one_mistake(
    names: tuple[str, ...],
) -> None:
    rng = np.random.default_rng(0)
    x = {name: rng.uniform(1, 2, 3) for name in names}
    ring = dict(zip(names, names[1:] + names[:1], strict=True))

    def loss(p: dict[str, Array]) -> Any:
        return sum(np.sum(block ** (k + 2)) for k, block in enumerate(p.values()))

    def wrong(p: dict[str, Array]) -> dict[str, Array]:
        g = {n: (k + 2) * v ** (k + 1) for k, (n, v) in enumerate(p.items())}
        return {name: g[ring[name]] for name in p}

    assert found(check_gradient(loss, wrong, x)) == [("blocks_swapped", names, None)]


def test_a_block_in_the_place_of_another_that_is_wrong_too_has_not_changed_places() -> (
    None
):
    x = {"a": np.array([1.0, 2.0, 4.0]), "b": np.array([3.0, 5.0, 7.0])}

    def loss(p: dict[str, Array]) -> Any:
        return np.sum(p["a"] ** 2) + np.sum(p["b"] ** 3)

    report = check_gradient(loss, lambda p: {"a": -2 * p["a"], "b": 2 * p["a"]}, x)
    assert found(report) == [("sign", ("a",), -1), ("unknown", ("b",), None)]


def test_a_bias_that_is_not_summed_over_the_batch_is_named() -> None:
    def wrong(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        g = network.backward(theta, X, y, network.forward(theta, X))
        return right(theta, X, y)._replace(b1=g.grad_h_a)

    report = check_gradient(network.risk, wrong, *problem())
    assert found(report) == [("not_summed_over_batch", ("b1",), None)]
    assert "has the shape (7, 6), should be (6,)" in str(report)


def test_rows_that_have_yet_to_be_averaged_are_one_mistake() -> None:
    def wrong(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        g = network.backward(theta, X, y, network.forward(theta, X))
        return right(theta, X, y)._replace(b1=N * g.grad_h_a)

    report = check_gradient(network.risk, wrong, *problem())
    assert codes(report) == ["not_summed_over_batch"]
    assert "averaged" in report.diagnosis[0].message


# ---- the terms of a loss -------------------------------------------------------------

TERMS = {
    "data": network.risk,
    "l1": lambda theta, X, y: 0.03 * l1_norm(theta.W1),
    "l2": lambda theta, X, y: 0.05 * (squared_norm(theta.W1) + squared_norm(theta.W2)),
}


def penalised(l1: float, l2: float, data: float = 1.0) -> Mistake:
    def gradient(theta: network.Theta, X: Array, y: Array) -> network.Theta:
        g = network.Theta(*(data * block for block in right(theta, X, y)))
        extra = l1 * 0.03 * np.sign(theta.W1) + l2 * 0.1 * theta.W1
        return g._replace(W1=g.W1 + extra, W2=g.W2 + l2 * 0.1 * theta.W2)

    return gradient


BOTH = ("W1", "W2")


@pytest.mark.parametrize(
    ("coefficients", "expected"),
    [
        ((1, 1), []),
        ((0, 1), [("term_missing", ("W1",), 0)]),
        ((1, 0), [("term_missing", BOTH, 0)]),
        ((0, 0), [("term_missing", ("W1",), 0), ("term_missing", BOTH, 0)]),
        ((1, 0.5), [("term_factor", BOTH, 0.5)]),
        ((1, -1), [("term_sign", BOTH, -1)]),
        ((1, 0.3456), [("term_factor", BOTH, 0.3456)]),
        ((1, 1 / N), [("term_factor", BOTH, SEVENTH)]),
        ((1, 1, 0), [("term_missing", ALL, 0)]),
        ((1, 1, -1), [("term_sign", ALL, -1)]),
        ((1, 1, N), [("missing_mean", ALL, N)]),
        ((1, 1, 1 / N), [("extra_mean", ALL, SEVENTH)]),
        ((-1, 1, 2), [("term_factor", ALL, 2), ("term_sign", ("W1",), -1)]),
    ],
)
def test_the_term_that_is_wrong_is_named(
    coefficients: tuple[float, ...], expected: list[Found]
) -> None:
    report = check_gradient(TERMS, penalised(*coefficients), *problem())
    assert found(report) == expected
    assert report.ok == (not expected)


def test_a_missing_term_is_told_by_its_name() -> None:
    report = check_gradient(TERMS, penalised(1, 0), *problem())
    (finding,) = report.diagnosis
    assert finding.message == "W1, W2: the derivative of the term 'l2' is missing"


def test_without_names_of_terms_a_missing_one_is_unknown() -> None:
    def loss(theta: network.Theta, X: Array, y: Array) -> Any:
        return network.risk(theta, X, y) + 0.05 * squared_norm(theta.W1)

    report = check_gradient(loss, right, *problem())
    assert codes(report) == ["unknown"]
    # But what is missing can be seen to be the gradient of such a penalty.
    assert "-0.1 times the parameter" in report.diagnosis[0].message


def test_a_term_of_a_small_block_is_told_only_if_it_is_the_only_one_to_fit() -> None:
    terms = {
        "data": lambda w, X: np.sum((X @ w) ** 2),
        "l2": lambda w, X: np.sum(w**2),
    }
    X = np.array([[1.0, 2.0], [3.0, 5.0]])
    w = np.array([0.5, 0.7])
    data_only = check_gradient(terms, lambda w, X: 2 * X.T @ (X @ w), w, X)
    assert codes(data_only) == ["term_missing"]
    # With equal derivatives of both, twice the one is twice the other.
    alike = {"data": terms["l2"], "l2": terms["l2"]}
    level = check_gradient(alike, lambda w, X: 6 * w, w, X)
    assert codes(level) == ["factor"]
    none = check_gradient(alike, lambda w, X: 2 * w, w, X)
    assert not set(codes(none)) & {"term_missing", "term_factor", "term_sign"}
    odd = check_gradient(
        terms, lambda w, X: 1.2345 * 2 * X.T @ (X @ w) + 2.6789 * w, w, X
    )
    assert codes(odd) == ["unknown"]


# ---- how much a fit takes ------------------------------------------------------------


def test_few_numbers_are_not_taken_for_a_multiple() -> None:
    # Any number is a multiple of any other; only a simple one is worth saying.
    x = np.array([3.0])
    (odd,) = check_gradient(lambda x: x @ x, lambda x: 2.2360679 * x, x).diagnosis
    assert odd.code == "unknown"
    (simple,) = check_gradient(lambda x: x @ x, lambda x: x, x).diagnosis
    assert (simple.code, simple.factor) == ("factor", 0.5)


def test_equal_numbers_do_not_make_a_multiple() -> None:
    # A constant too much makes these too; what happens to differing ones would tell.
    x = np.ones(9)
    (odd,) = check_gradient(np.sum, lambda x: np.full(9, 1.2345), x).diagnosis
    assert odd.code == "unknown"


def test_whole_numbers_that_lost_their_fractions_are_named() -> None:
    x = np.array([1.2, -2.3, 3.9])
    report = check_gradient(lambda x: x @ x, lambda x: (2 * x).astype(int), x)
    assert codes(report) == ["integer"]


@pytest.mark.parametrize(
    ("factor", "words", "origin"),
    [
        (2.0, "2", ""),
        (0.5, "1/2", ""),
        (7.0, "7", "7 = len(X)"),
        (1 / 7, "1/7", "7 = len(X)"),
        (-7.0, "-7", "7 = len(X)"),
        (0.75, "3/4", ""),
        (2 / 7, "2/7", ""),
        (1 / 26, "1/(2 * 13)", "13 = X.shape[1]"),
    ],
)
def test_a_factor_is_told_as_simply_as_it_can(
    factor: float, words: str, origin: str
) -> None:
    sizes = [Size("len(X)", 7, rows=True), Size("X.shape[1]", 13)]
    known = told(factor, sizes)
    assert known is not None
    assert (known.words, known.origin) == (words, origin)
    assert known.value == pytest.approx(factor)


def test_a_factor_that_is_no_simple_number_or_not_known_well_has_no_name() -> None:
    assert told(np.pi, []) is None
    assert told(2.0, [], slack=0.1) is None
    assert told(2.001, []) is None


# ---- what is told of it --------------------------------------------------------------


def test_the_findings_and_the_example_are_part_of_the_json() -> None:
    x = np.array([1.0, 2.0, 4.0])
    report = check_gradient(lambda x: x @ x, lambda x: -2 * x, x)
    read = json.loads(report.to_json())
    (finding,) = read["diagnosis"]
    assert finding["code"] == "sign"
    assert finding["blocks"] == ["x"]
    assert finding["factor"] == -1
    assert read["example"] == report.example
    assert read["notes"] == []


def test_the_page_shows_all_and_trusts_no_name() -> None:
    x = {"<script>": np.array([1.0, 2.0, 4.0])}

    def loss(p: dict[str, Array]) -> Any:
        return np.sum(p["<script>"] ** 2)

    report = check_gradient(loss, lambda p: {"<script>": -2 * p["<script>"]}, x)
    page = report.to_html()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3  # the row, the finding, the example
    assert "sign" in page
    assert page.startswith("<!DOCTYPE html>")
    assert "http" not in page  # it needs nothing from elsewhere


def test_the_example_can_be_redone_by_hand() -> None:
    def loss(w: Array) -> Any:
        return np.sum(w**3)

    w = np.array([[1.0, 2.0], [3.0, 4.0]])
    example = check_gradient(loss, lambda w: w**2, w).example
    lines = example.splitlines()
    assert lines[0].startswith("For example x[1, 1] = 4.0, with h = 1e-0")
    h = float(lines[0].split("h = ")[1].split()[0])
    above, below, slope, yours = (float(line.split("= ")[1]) for line in lines[1:])
    assert above == loss(w + np.array([[0, 0], [0, h]]))
    assert below == loss(w - np.array([[0, 0], [0, h]]))
    assert slope == pytest.approx((above - below) / (2 * h), rel=1e-9)
    assert slope == pytest.approx(48, rel=1e-5)
    assert yours == 16


def test_the_unexplained_says_where_it_shows() -> None:
    def wrong(w: Array) -> Array:
        g = 2 * w
        g[1] += 1 + w[0]
        return g

    w = np.random.default_rng(0).uniform(1, 2, (3, 4))
    (finding,) = check_gradient(lambda w: np.sum(w**2), wrong, w).diagnosis
    assert finding.code == "unknown"
    assert "4 of 12 entries, all in row 1" in finding.message
