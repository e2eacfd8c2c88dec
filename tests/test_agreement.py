"""Every way to compute the same risk and gradient, compared with every other.

reference.py works one number at a time in plain Python, network.py is the derivation,
deep.py its extension, and the engine cuts the batch into chunks.  They share formulas
but no order of operations, so they agree to rounding, and only to that.
"""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from conftest import Case, assert_close, cases, make_case
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from mlproof import deep, network, reference
from mlproof.engines import Examples, numpy_engine
from mlproof.engines.chunks import chunks
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.functions import ACTIVATIONS, Array
from mlproof.losses import SOFTMAX
from mlproof.optimizers import SGD, Adam
from mlproof.parameters import n_theta, pack, views
from mlproof.penalties import Penalty, no_penalty


def tolerance(case: Case) -> float:
    """Rounding adds up at worst; that of 1e-12 is generous for float64."""
    if case.theta.dtype == np.float64:
        return 1e-12
    return case.roundings() * float(np.finfo(np.float32).eps) / 2


def by_reference(case: Case) -> tuple[float, Array]:
    W, b = views(case.theta, case.network.units)
    X, y, sample_weight = case.examples
    l1, l2, alpha = case.penalty
    given: dict[str, Any] = {
        "activation": case.network.activation.name,
        "output": case.network.output.name,
        "sample_weight": sample_weight,
        "l1": l1,
        "l2": [c + alpha / (2 * case.total_weight()) for c in l2],  # (S.3)
    }
    risk = reference.risk(W, b, X, y, **given)
    return risk, pack(*reference.gradient(W, b, X, y, **given))


def by_deep(case: Case) -> tuple[float, Array]:
    X, y, _ = case.examples
    weight = case.weight()
    risk = deep.weighted_loss(case.network, case.theta, X, y, weight)
    trace = deep.forward(case.network, case.theta, X)
    gradient = deep.backward(case.network, case.theta, y, weight, trace)
    penalty = case.penalty.over(case.total_weight())
    W, b = views(case.theta, case.network.units)
    gradient += pack(penalty.gradient(W), [np.zeros_like(b_k) for b_k in b])
    return float(risk + penalty.value(W)), gradient


def by_engine(case: Case) -> tuple[float, Array]:
    engine = NumpyEngine(case.network)
    return engine.risk_and_gradient(case.theta, case.examples, case.penalty)


def assert_agree(
    found: tuple[float, Array], expected: tuple[float, Array], tolerance: float
) -> None:
    assert found[0] == pytest.approx(expected[0], rel=tolerance)
    assert_close(found[1], expected[1], tolerance)


FLOATS = (np.float32, np.float64)


@given(cases(FLOATS))
def test_deep_agrees_with_the_reference(case: Case) -> None:
    found = by_deep(case)
    assert found[1].dtype == case.theta.dtype
    assert_agree(found, by_reference(case), tolerance(case))


@given(cases(FLOATS))
def test_the_engine_agrees_with_the_reference(case: Case) -> None:
    found = by_engine(case)
    assert isinstance(found[0], float)
    assert found[1].dtype == case.theta.dtype
    assert_agree(found, by_reference(case), tolerance(case))


@given(cases(FLOATS))
def test_the_logits_agree_with_the_reference(case: Case) -> None:
    W, b = views(case.theta, case.network.units)
    X = case.examples.X
    activation = case.network.activation.name
    output = case.network.output.name
    expected = [reference.forward(W, b, x, activation, output) for x in X]
    logits = NumpyEngine(case.network).logits(case.theta, X)
    assert logits.dtype == case.theta.dtype
    assert_close(logits, np.array([e.o_a for e in expected]), tolerance(case))
    assert_close(
        case.network.output.probabilities(logits),
        np.array([e.o_s for e in expected]),
        # A logit enters with its absolute error, at most times 1.
        tolerance(case) * max(1.0, float(np.max(np.abs(logits)))),
    )


@st.composite
def one_hidden_rect_layer(draw: Any, dtypes: tuple[Any, ...]) -> Case:
    units = (
        draw(st.sampled_from([1, 2, 13])),
        draw(st.sampled_from([1, 3, 9, 17])),
        draw(st.sampled_from([2, 3, 7])),
    )
    fixed = {"units": units, "activation": "rect", "output": "softmax"}
    return draw(cases(dtypes, **fixed, weighted=False))


@given(one_hidden_rect_layer(FLOATS))
def test_the_derivation_agrees_with_deep(case: Case) -> None:
    W, b = views(case.theta, case.network.units)
    theta = network.Theta(W[0], b[0], W[1], b[1])
    penalty = case.penalty.over(case.total_weight())
    X, y, _ = case.examples
    risk = network.regularised_risk(theta, X, y, penalty)
    gradient = network.regularised_gradient(theta, X, y, penalty)
    assert risk.dtype == case.theta.dtype
    assert all(block.dtype == case.theta.dtype for block in gradient)
    found = pack([gradient.W1, gradient.W2], [gradient.b1, gradient.b2])
    assert_agree((float(risk), found), by_deep(case), 2 * tolerance(case))


@given(one_hidden_rect_layer((np.float64,)))
def test_the_derivation_agrees_with_the_reference_at_the_inputs(case: Case) -> None:
    W, b = views(case.theta, case.network.units)
    theta = network.Theta(W[0], b[0], W[1], b[1])
    X, y, _ = case.examples
    trace = network.forward(theta, X)
    grad_x = network.backward(theta, X, y, trace).grad_x
    expected = [
        reference.input_gradient(W, b, x, label) for x, label in zip(X, y, strict=True)
    ]
    assert_close(grad_x, np.array(expected) / len(y), 1e-12)


@given(cases(FLOATS), st.sampled_from([sparse.csr_array, sparse.csr_matrix]))
def test_a_sparse_batch_gives_what_the_dense_one_gives(case: Case, csr: Any) -> None:
    X, y, sample_weight = case.examples
    rng = np.random.default_rng(0)
    X = X * (rng.uniform(size=X.shape) < 0.4)
    dense = case._replace(examples=Examples(X, y, sample_weight))
    if dense.distance_to_a_kink() < 1e-4:
        return  # a row of zeros, say
    thin = case._replace(examples=Examples(csr(X), y, sample_weight))
    found = by_engine(thin)
    assert type(found[1]) is np.ndarray
    assert found[1].dtype == case.theta.dtype
    assert_agree(found, by_engine(dense), tolerance(case))
    engine = NumpyEngine(case.network)
    logits = engine.logits(case.theta, csr(X))
    assert type(logits) is np.ndarray
    assert_close(logits, engine.logits(case.theta, X), tolerance(case))


# ---- several chunks ----------------------------------------------------------------

# More than two full chunks of a narrow network, and short chunks of a wide one.
MANY = {"units": (3, 5, 2), "n": 2500, "activation": "tanh", "output": "softmax"}
WIDE = {"units": (3, 600, 2), "n": 200, "activation": "softplus", "output": "logistic"}


@pytest.mark.parametrize("shape", [MANY, WIDE])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_sum_over_chunks_is_the_sum_over_the_batch(
    shape: Any, weighted: bool, dtype: Any
) -> None:
    case = make_case(1, **shape, weighted=weighted, penalised=True, dtype=dtype)
    n = len(case.examples.y)
    assert len(list(chunks(n, case.network.units, case.theta.itemsize))) >= 3
    found = by_engine(case)
    assert found[1].dtype == dtype
    exact = case._replace(theta=case.theta.astype(np.float64))
    assert_agree(found, by_deep(exact), tolerance(case))
    logits = NumpyEngine(case.network).logits(case.theta, case.examples.X)
    expected = deep.forward(case.network, exact.theta, case.examples.X).o_a
    assert_close(logits, expected, tolerance(case))


@pytest.mark.parametrize("rows", [1, 2, 7, 20])
def test_the_length_of_the_chunks_changes_the_rounding_only(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = {"units": (4, 6, 3), "activation": "sigmoid", "output": "softmax", "n": 20}
    case = make_case(2, **shape, weighted=True, penalised=True)
    expected = by_engine(case)
    cuts: list[slice] = []

    def short_chunks(n: int, units: Any, itemsize: int) -> Any:
        for start in range(0, n, rows):
            cuts.append(slice(start, min(start + rows, n)))
            yield cuts[-1]

    monkeypatch.setattr(numpy_engine, "chunks", short_chunks)
    assert_agree(by_engine(case), expected, 1e-12)
    assert len(cuts) == -(-20 // rows)


def test_the_engine_adds_its_chunks_in_the_fixed_tree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shape = {"units": (4, 6, 3), "activation": "tanh", "output": "softmax", "n": 7}
    case = make_case(3, **shape)
    monkeypatch.setattr(
        numpy_engine, "chunks", lambda n, *_: (slice(i, i + 1) for i in range(n))
    )
    gradients, weight = [], case.weight()
    for i in range(7):
        X, y, _ = case.examples.take(slice(i, i + 1))
        trace = deep.forward(case.network, case.theta, X)
        gradients.append(
            deep.backward(case.network, case.theta, y, weight[i : i + 1], trace)
        )
    g = gradients
    expected = ((g[0] + g[1]) + (g[2] + g[3])) + ((g[4] + g[5]) + g[6])
    np.testing.assert_array_equal(by_engine(case)[1], expected)


# ---- weights of the examples -------------------------------------------------------


@given(cases(weighted=False, n=9), st.integers(0, 2**32 - 1))
def test_an_example_of_weight_k_counts_as_k_examples(case: Case, seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 4, 9)
    counts[0] = 2
    repeated = case.examples.take(np.repeat(np.arange(9), counts))
    weighted = case.examples._replace(sample_weight=counts.astype(np.float64))
    assert_agree(
        by_engine(case._replace(examples=weighted)),
        by_engine(case._replace(examples=repeated)),
        1e-12,
    )


def test_examples_of_no_weight_are_no_reason_to_move() -> None:
    shape = {"units": (4, 6, 3), "activation": "tanh", "output": "softmax", "n": 20}
    case = make_case(4, **shape, penalised=True)
    weightless = case.examples._replace(sample_weight=np.zeros(20))
    risk, gradient = by_engine(case._replace(examples=weightless))
    assert risk == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(case.theta))


@pytest.mark.parametrize("order", [None, np.array([7, 3, 3, 0, 18])])
def test_examples_are_taken_by_row(order: Any) -> None:
    shape = {"units": (4, 6, 3), "activation": "tanh", "output": "logistic", "n": 20}
    examples = make_case(5, **shape, weighted=True).examples
    rows = slice(2, 5) if order is None else order
    for taken, whole in zip(examples.take(rows), examples, strict=True):
        np.testing.assert_array_equal(taken, whole[rows])
    assert examples._replace(sample_weight=None).take(rows).sample_weight is None


# ---- epochs ------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7, 20, 1000])
@pytest.mark.parametrize("ordered", [False, True])
def test_an_epoch_is_a_step_for_every_batch(
    weighted: bool, batch_size: int, ordered: bool
) -> None:
    shape = {"units": (4, 6, 3), "activation": "rect", "output": "softmax", "n": 20}
    case = make_case(6, **shape, weighted=weighted, penalised=True)
    engine = NumpyEngine(case.network)
    order = np.random.default_rng(0).permutation(20)[:17] if ordered else None
    rows = np.arange(20) if order is None else order
    theta, optimizer, total = case.theta.copy(), Adam(0.01), 0.0
    for start in range(0, len(rows), batch_size):
        batch = case.examples.take(rows[start : start + batch_size])
        risk, gradient = engine.risk_and_gradient(theta, batch, case.penalty)
        optimizer.update(theta, gradient)
        total += risk * len(batch.y)
    found = case.theta.copy()
    loss = engine.epoch(
        found, Adam(0.01), case.examples, order, batch_size, case.penalty
    )
    np.testing.assert_array_equal(found, theta)
    assert loss == pytest.approx(total / len(rows), rel=1e-14)


def test_a_batch_without_weight_is_no_step() -> None:
    shape = {"units": (4, 3), "activation": "rect", "output": "softmax", "n": 6}
    case = make_case(7, **shape)
    weight = np.array([0.0, 0.0, 1.0, 2.0, 0.0, 0.0])
    examples = case.examples._replace(sample_weight=weight)
    engine, optimizer = NumpyEngine(case.network), Adam(0.01)
    theta = case.theta.copy()
    engine.epoch(theta, optimizer, examples, None, 2, no_penalty(1))
    assert optimizer.t == 1
    alone, other = case.theta.copy(), Adam(0.01)
    engine.epoch(alone, other, examples.take(slice(2, 4)), None, 2, no_penalty(1))
    np.testing.assert_array_equal(theta, alone)


def test_one_epoch_of_the_whole_batch_is_the_step_of_the_derivation() -> None:
    shape = {"units": (4, 6, 3), "activation": "rect", "output": "softmax", "n": 20}
    case = make_case(8, **shape, penalised=True)
    W, b = views(case.theta, case.network.units)
    theta = network.Theta(W[0], b[0], W[1], b[1])
    X, y, _ = case.examples
    penalty = case.penalty.over(20)
    gradient = network.regularised_gradient(theta, X, y, penalty)
    stepped = network.gradient_descent_step(theta, gradient, 0.1)  # (Q2.6)
    expected = pack([stepped.W1, stepped.W2], [stepped.b1, stepped.b2])
    found = case.theta.copy()
    loss = NumpyEngine(case.network).epoch(
        found, SGD(0.1), case.examples, None, 20, case.penalty
    )
    assert_close(found, expected, 1e-14)
    assert loss == pytest.approx(
        float(network.regularised_risk(theta, X, y, penalty)), rel=1e-14
    )


@pytest.mark.parametrize("size", [1e-50, 1.0, 1e40])
def test_the_size_of_all_weights_together_does_not_matter_in_float32(
    size: float,
) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)).astype(np.float32), rng.integers(0, 3, 30)
    network = deep.Network((3, 4, 3), ACTIVATIONS["rect"], SOFTMAX)
    theta = rng.normal(size=n_theta(network.units)).astype(np.float32)
    engine, none = NumpyEngine(network), Penalty((0.0, 0.0), (0.0, 0.0))
    plain, _ = engine.risk_and_gradient(theta, Examples(X, y, None), none)
    weighted, _ = engine.risk_and_gradient(
        theta, Examples(X, y, np.full(30, size)), none
    )
    assert weighted == pytest.approx(plain, rel=1e-6)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_while_others_compute_can_compute() -> None:
    code = """
import os, threading, time, numpy as np
from mlproof.engines.blas import single_threaded_blas
def work():
    for _ in range(20000):
        with single_threaded_blas():
            pass
threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
for t in threads: t.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        with single_threaded_blas():
            os._exit(0)
    for _ in range(500):
        done, status = os.waitpid(child, os.WNOHANG)
        if done: break
        time.sleep(0.01)
    else:
        os.kill(child, 9); os._exit(3)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=120, check=False)
    assert done.returncode == 0
