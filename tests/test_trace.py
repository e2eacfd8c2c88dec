"""``Trace``: every number of a training step, and its check, against other sources."""

import json
import math
from typing import Any

import numpy as np
import pytest
from conftest import Case, assert_close, cases
from hypothesis import given, settings
from scipy import sparse
from traces import KIND, RNG, X, assert_page, small, traced, unchecked

from mlproof import MLPClassifier, network
from mlproof.deep import Network
from mlproof.engines import Examples
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.functions import ACTIVATIONS, Array, sigmoid
from mlproof.losses import OUTPUTS
from mlproof.parameters import pack, views
from mlproof.penalties import Penalty
from mlproof.verification.trace import Trace, program, trace_step

EPS = float(np.finfo(np.float64).eps)


def gradient_of(trace: Trace, n_layers: int) -> Array:
    """What the step goes against, as a flat vector."""
    names = {node.name for node in trace}

    def grad(name: str) -> Array:
        penalised = f"grad_lambda_{name}"
        return trace[penalised if penalised in names else f"grad_{name}"].value

    layers = range(1, n_layers + 1)
    return pack([grad(f"W{k}") for k in layers], [grad(f"b{k}") for k in layers])


def assert_all_gradients_right(trace: Trace) -> None:
    wrong = [node.name for node in trace if node.check and not node.check.ok]
    assert not wrong
    assert trace.ok


# ---- the numbers -------------------------------------------------------------------


def test_one_hidden_layer_is_the_readable_network_number_by_number() -> None:
    case = small(penalised=True)
    trace = traced(case)
    W, b = views(case.theta, case.network.units)
    theta = network.Theta(W[0], b[0], W[1], b[1])
    X, y, _ = case.examples
    forward = network.forward(theta, X)
    backward = network.backward(theta, X, y, forward)
    penalty = case.penalty.over(len(y))
    gradient = network.regularised_gradient(theta, X, y, penalty)
    after = network.gradient_descent_step(theta, gradient, 0.1)
    expected = {
        **forward._asdict(),
        **backward._asdict(),
        "R": network.risk(theta, X, y),
        "R_lambda": network.regularised_risk(theta, X, y, penalty),
        "grad_lambda_W1": gradient.W1,
        "grad_lambda_W2": gradient.W2,
        **{f"{name}_new": value for name, value in after._asdict().items()},
        "R_lambda_new": network.regularised_risk(after, X, y, penalty),
    }
    for name, value in expected.items():
        # The same products in the same order; the penalties' terms may be added in
        # another one.
        assert_close(trace[name].value, value, 4 * EPS)
        assert trace[name].shape == np.shape(value)


def test_the_nodes_come_in_the_order_of_the_derivation() -> None:
    names = [node.name for node in traced(small())]
    assert " ".join(names) == (
        "X y Y W1 b1 W2 b2 l12 l22 eta".replace(" l12 l22", "")
        + " h_a h_s o_a o_s L R"
        + " grad_o_a grad_W2 grad_b2 grad_h_s grad_h_a grad_W1 grad_b1 grad_x"
        + " W1_new b1_new W2_new b2_new R_new"
    )


def test_a_step_worked_on_paper() -> None:
    # One input 2, one unit W1 = 3, b1 = -1, two classes by W2 = (1, -1), b2 = 0: h = 5,
    # logits (5, -5), and class 1 is true.
    theta = np.array([3.0, -1.0, 1.0, -1.0, 0.0, 0.0])
    net = Network((1, 1, 2), ACTIVATIONS["rect"], OUTPUTS["softmax"])
    trace = trace_step(net, theta, np.array([[2.0]]), np.array([1]), eta=0.5)
    p = 1 / (1 + math.exp(-10))
    for name, value in {
        "h_a": [[5]],
        "o_a": [[5, -5]],
        "o_s": [[p, 1 - p]],
        "grad_o_a": [[p, -p]],
        "grad_W2": [[5 * p], [-5 * p]],
        "grad_h_s": [[2 * p]],
        "grad_W1": [[4 * p]],
        "grad_x": [[6 * p]],
        "W1_new": [[3 - 2 * p]],
    }.items():
        np.testing.assert_allclose(trace[name].value, value, rtol=0, atol=1e-14)


@settings(max_examples=20)
@given(cases())
def test_every_network_has_the_gradient_of_the_engine(case: Case) -> None:
    trace = traced(case)
    assert_all_gradients_right(trace)
    risk, expected = NumpyEngine(case.network).risk_and_gradient(
        case.theta, case.examples, case.penalty
    )
    found = gradient_of(trace, case.network.n_layers)
    assert_close(found, expected, case.roundings() * EPS)
    last = trace.nodes[-1].name.removesuffix("_new")
    assert float(trace[last].value) == pytest.approx(risk, rel=1e-12)
    # What the page calls the risk after the step is the risk after the step.
    after, _ = NumpyEngine(case.network).risk_and_gradient(
        case.theta - 0.1 * expected, case.examples, case.penalty
    )
    assert float(trace.nodes[-1].value) == pytest.approx(after, rel=1e-9)


@settings(max_examples=20)
@given(cases())
def test_a_node_is_computed_from_nodes_above_it(case: Case) -> None:
    seen: set[str] = set()
    for node in unchecked(case):
        assert set(node.inputs) <= seen
        assert bool(node.inputs) == bool(node.formula)
        assert len(node.axes) == node.value.ndim
        assert node.name not in seen
        seen.add(node.name)


LABELS = RNG.integers(0, 2, (40, 3))
FITTED: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "classes": ({}, X, KIND),
    "two classes": ({"activation": "tanh"}, X, KIND == "a"),
    "labels": ({"hidden_layer_sizes": (4, 3)}, X, LABELS),
    "penalties": ({"l1": 0.1, "l2": (0.1, 0.2), "alpha": 0.5}, X, KIND),
    "sparse": ({}, sparse.random(40, 900, 0.02, "csr", rng=RNG), KIND),
    "bytes": ({"input_scale": 1 / 255}, RNG.integers(0, 255, (40, 9), np.uint8), KIND),
    "float32": ({"activation": "softplus"}, X.astype(np.float32), KIND),
    "no hidden layer": ({"hidden_layer_sizes": ()}, X, KIND),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", FITTED)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_fitted_network_shows_the_gradient_it_trains_by(
    kind: str, weighted: bool
) -> None:
    options, X, y = FITTED[kind]
    options = {"hidden_layer_sizes": (5,), "max_iter": 2, "random_state": 0} | options
    clf = MLPClassifier(**options, engine="numpy").fit(X, y)
    before = clf.theta_.copy()
    sample_weight = np.array([0.5, 2.0, 0.0]) if weighted else None
    trace = clf.trace(X[:3], y[:3], sample_weight)
    assert_all_gradients_right(trace)
    assert np.array_equal(clf.theta_, before)
    batch = Examples(X[:3], clf._labelling.encode(y[:3]), sample_weight)
    engine = clf._make_engine("numpy")
    _, expected = engine.risk_and_gradient(clf.theta_, batch, clf._penalty)
    tolerance = 1e-5 if clf.theta_.dtype == np.float32 else 1e-12
    assert_close(gradient_of(trace, len(clf.coefs_)), expected, tolerance)
    assert trace.names["output"] == tuple(
        map(str, clf.classes_[-trace["o_a"].shape[1] :])
    )
    assert_page(trace.to_html())


# ---- the checks --------------------------------------------------------------------


def test_a_gradient_stands_beside_what_was_measured() -> None:
    for node in traced(small(weighted=True, penalised=True)):
        assert (node.check is not None) == node.name.startswith("grad_")
        if node.check is not None:
            assert node.check.n_checked == node.value.size
            largest = np.max(np.abs(node.value))
            # The risk is near 1, its rounding over 2 * STEP below 1e-10.
            assert np.max(np.abs(node.check.complex - node.value)) < 1e-14 + 1e-12 * (
                largest
            )
            assert np.max(np.abs(node.check.central - node.value)) < 1e-9
            assert np.any(node.check.central != node.check.complex)


def test_a_wrong_derivative_is_found_where_it_enters_and_below(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = ACTIVATIONS["tanh"]._replace(derivative=sigmoid)
    monkeypatch.setitem(program.ACTIVATIONS, "tanh", wrong)
    trace = traced(small(activation="tanh"))
    found = {node.name for node in trace if node.check and not node.check.ok}
    assert found == {"grad_h_a", "grad_W1", "grad_b1", "grad_x"}
    assert not trace.ok
    assert "A GRADIENT IS WRONG" in str(trace)
    assert "WRONG: grad_h_a, grad_W1" in trace.to_html()
    assert json.loads(trace.to_json())["ok"] is False


def test_a_wrong_gradient_of_the_loss_is_found_first_at_the_logits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(program, "softmax", lambda o_a: sigmoid(o_a))
    trace = traced(small())
    checked = [node for node in trace if node.check is not None]
    assert checked[0].name == "grad_o_a"
    assert not any(node.check.ok for node in checked if node.check)


def test_a_unit_and_weights_exactly_on_their_kinks_are_no_accusation() -> None:
    case = small(n=1)
    W, b = views(case.theta, case.network.units)
    b[0][0] = 0  # so h_a is 0 there, as x is
    W[0][:, 1] = 0  # the kink of the L1 norm
    examples = case.examples._replace(X=np.zeros((1, 4)))
    penalty = Penalty((0.1, 0.0), (0.0, 0.0))
    trace = traced(case._replace(examples=examples), penalty=penalty)
    assert np.array_equal(trace["h_a"].value[0] == 0, [1, 0, 0, 0, 0])
    assert_all_gradients_right(trace)


# ---- what is refused ---------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 101])
def test_too_many_rows_or_none_are_refused(n: int) -> None:
    X = np.ones((n, 4))
    case = small()
    with pytest.raises(ValueError, match=f"1 to 100 of them; got {n}"):
        trace_step(case.network, case.theta, X, np.zeros(n, int), eta=0.1)


def test_a_sparse_table_too_large_is_refused_before_it_is_made_dense() -> None:
    X = sparse.csr_array((10_000_000, 4))
    case = small()
    with pytest.raises(ValueError, match="got 10000000"):
        trace_step(case.network, case.theta, X, np.zeros(1, int), eta=0.1)


def test_a_network_too_large_is_refused() -> None:
    net = Network((10**6, 5, 3), ACTIVATIONS["rect"], OUTPUTS["softmax"])
    theta = np.broadcast_to(0.0, 5 * 10**6 + 23)
    with pytest.raises(ValueError, match="the network has 5,000,023"):
        trace_step(net, theta, np.ones((1, 10**6)), np.zeros(1, int), eta=0.1)


def test_weights_that_sum_to_nothing_are_refused() -> None:
    case = small()
    with pytest.raises(ValueError, match="must sum to more than 0"):
        traced(
            case._replace(examples=case.examples._replace(sample_weight=np.zeros(3)))
        )


def test_numbers_that_overflow_are_named() -> None:
    case = small()
    case = case._replace(theta=case.theta * 100)
    X = np.full((3, 4), 1e308)
    with pytest.raises(ValueError, match=r"^h_a is not finite"):
        traced(case._replace(examples=case.examples._replace(X=X)))


def test_a_name_that_is_no_node_is_answered_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"'grad_W9'.*grad_W2"):
        traced(small())["grad_W9"]
