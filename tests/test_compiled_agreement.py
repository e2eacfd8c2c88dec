"""The compiled engine computes what NumPy's does: gradients, epochs, long batches.

The engines share the formulas and the chunks, not the order of operations inside a
chunk, so they agree to rounding.
"""

import copy
from typing import Any

import numpy as np
import pytest
from conftest import KINKED, Case, assert_close, make_case
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from trainings import (
    FLOATS,
    OPTIMIZERS,
    RATE,
    WEIGHTS,
    assert_same_bits,
    assert_same_training,
    blobs,
    compiled,
    some_orders,
    train,
    weigh,
    widened,
    with_x,
)

from mlproof.engines.compiled import CompiledEngine, plan
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.functions import ACTIVATIONS, Array
from mlproof.losses import OUTPUTS
from mlproof.optimizers import SGD, Adam
from mlproof.penalties import Penalty, no_penalty

# Three epochs are no training to the end, and say so.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("all_is_shared"),
]


SMOOTH = sorted(set(ACTIVATIONS) - KINKED)


# ---- the gradient ------------------------------------------------------------------


def assert_same_gradient(case: Case, n_threads: int = 1) -> None:
    """Against NumPy in float64, of which 1e-12 is a generous bound on the rounding."""
    engine = CompiledEngine(case.network, n_threads)
    risk, gradient = engine.risk_and_gradient(case.theta, case.examples, case.penalty)
    wide = widened(case)
    expected, slope = NumpyEngine(case.network).risk_and_gradient(
        wide.theta, wide.examples, wide.penalty
    )
    tolerance = 1e-12
    if case.theta.dtype == np.float32:
        tolerance = case.roundings() * float(np.finfo(np.float32).eps) / 2
    assert isinstance(risk, float)
    assert gradient.dtype == case.theta.dtype
    assert risk == pytest.approx(expected, rel=tolerance)
    assert_close(gradient, slope, tolerance)


# Sizes of 1, of less than a vector, of a few vectors, and with a rest behind them.
SIZES = st.sampled_from([1, 2, 16, 130])


@st.composite
def networks(draw: Any, **fixed: Any) -> Case:
    """Networks of depth 1 to 4 on batches of no, some and many whole chunks."""
    output = draw(st.sampled_from(sorted(OUTPUTS)))
    dtype = fixed.get("dtype") or draw(st.sampled_from(FLOATS))
    drawn = {
        "units": (
            draw(SIZES),
            *draw(st.lists(SIZES, max_size=3)),
            draw(st.sampled_from([2, 3, 11] if output == "softmax" else [1, 2, 5])),
        ),
        "activation": draw(st.sampled_from(sorted(ACTIVATIONS))),
        "output": output,
        "n": draw(st.sampled_from([1, 2, 7, 33, 65, 100, 150])),
        "dtype": dtype,
        "weighted": draw(st.booleans()),
        "penalised": draw(st.booleans()),
        # Further from a kink than rounding can carry h_a.
        "clearance": 2e-5 if dtype == np.float32 else 1e-10,
    }
    return make_case(draw(st.integers(0, 2**32 - 1)), **drawn | fixed)


@given(networks())
def test_the_gradient_is_that_of_numpy(case: Case) -> None:
    assert_same_gradient(case)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("output", sorted(OUTPUTS))
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_gradient_of_every_kind_of_unit_is_that_of_numpy(
    activation: str, output: str, dtype: Any
) -> None:
    shape = {"units": (13, 9, 17, 3), "n": 41, "clearance": 2e-5}
    kind = {"activation": activation, "output": output, "dtype": dtype}
    assert_same_gradient(make_case(1, **shape, **kind, weighted=True, penalised=True))


@pytest.mark.parametrize("n", [1, 63, 64, 127, 256, 257, 700, 2500])
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_gradient_over_chunks_is_that_of_numpy(n: int, dtype: Any) -> None:
    shape = {"units": (5, 7, 2), "activation": "tanh", "output": "softmax", "n": n}
    case = make_case(2, **shape, dtype=dtype, weighted=True, penalised=True)
    assert_same_gradient(case)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_gradient_of_wide_layers_is_that_of_numpy(n_threads: int) -> None:
    shape = {"units": (300, 600, 5), "activation": "softplus", "output": "logistic"}
    assert_same_gradient(make_case(3, **shape, n=200, penalised=True), n_threads)


@pytest.mark.parametrize("size", [1e-50, 1.0, 1e40])
def test_the_size_of_all_weights_together_does_not_matter_in_float32(
    size: float,
) -> None:
    shape = {"units": (3, 4, 3), "activation": "tanh", "output": "softmax", "n": 30}
    case = make_case(4, **shape, dtype=np.float32)
    engine = CompiledEngine(case.network)
    weighted = case.examples._replace(sample_weight=np.full(30, size))
    none = no_penalty(2)
    plain, gradient = engine.risk_and_gradient(case.theta, case.examples, none)
    found, other = engine.risk_and_gradient(case.theta, weighted, none)
    assert found == pytest.approx(plain, rel=1e-6)
    assert_close(other, gradient, 1e-6)


def test_examples_of_no_weight_are_no_reason_to_move() -> None:
    shape = {"units": (4, 6, 3), "activation": "tanh", "output": "softmax", "n": 20}
    case = make_case(5, **shape, penalised=True)
    weightless = case.examples._replace(sample_weight=np.zeros(20))
    engine = CompiledEngine(case.network)
    risk, gradient = engine.risk_and_gradient(case.theta, weightless, case.penalty)
    assert risk == 0
    np.testing.assert_array_equal(gradient, np.zeros_like(case.theta))


def test_the_logits_are_those_of_numpy() -> None:
    shape = {"units": (4, 6, 3), "activation": "tanh", "output": "softmax", "n": 20}
    case = make_case(6, **shape)
    np.testing.assert_array_equal(
        CompiledEngine(case.network, 2).logits(case.theta, case.examples.X),
        NumpyEngine(case.network).logits(case.theta, case.examples.X),
    )


# ---- epochs ------------------------------------------------------------------------


def assert_trained_alike(
    case: Case, rule: str, batch_size: int, orders: list[Any], n_threads: int = 1
) -> None:
    engine = CompiledEngine(case.network, n_threads)
    numpy_engine = NumpyEngine(case.network)
    assert_same_training(
        train(engine, case, rule, batch_size, orders),
        train(numpy_engine, case, rule, batch_size, orders),
        lambda: train(numpy_engine, widened(case), rule, batch_size, orders),
        1e-10,
    )


BATCH_SIZES = [1, 7, 32, 100, 1000]


@given(
    # In float32 rounding carries a unit over its kink now and then, and an example
    # is counted that was not, or the other way round.
    st.one_of(
        networks(dtype=np.float64),
        st.sampled_from(SMOOTH).flatmap(
            lambda smooth: networks(dtype=np.float32, activation=smooth)
        ),
    ),
    st.sampled_from(sorted(OPTIMIZERS)),
    st.sampled_from(WEIGHTS),
    st.sampled_from(BATCH_SIZES),
)
def test_epochs_are_those_of_numpy(
    case: Case, rule: str, weights: str, batch_size: int
) -> None:
    n = len(case.examples.y)
    assert_trained_alike(weigh(case, weights), rule, batch_size, some_orders(n, n))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("output", sorted(OUTPUTS))
@pytest.mark.parametrize("rule", sorted(OPTIMIZERS))
def test_epochs_of_every_kind_are_those_of_numpy(
    activation: str, output: str, rule: str
) -> None:
    shape = {"units": (13, 17, 9, 3), "n": 50, "clearance": 1e-5}
    case = make_case(7, **shape, activation=activation, output=output, penalised=True)
    assert_trained_alike(case, rule, 16, some_orders(50, 0))


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("rule", sorted(OPTIMIZERS))
@pytest.mark.parametrize("dtype", FLOATS)
def test_epochs_of_every_batch_size_are_those_of_numpy(
    batch_size: int, weights: str, rule: str, dtype: Any
) -> None:
    shape = {"units": (6, 5, 3), "activation": "tanh", "output": "softmax", "n": 100}
    case = weigh(make_case(8, **shape, dtype=dtype, penalised=True), weights)
    assert_trained_alike(case, rule, batch_size, some_orders(100, 0))


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("dtype", FLOATS)
def test_epochs_of_a_large_network_are_those_of_numpy(
    n_threads: int, dtype: Any
) -> None:
    shape = {"units": (70, 130, 40, 3), "activation": "softplus", "output": "softmax"}
    case = make_case(9, **shape, n=500, dtype=dtype, weighted=True, penalised=True)
    assert_trained_alike(case, "adam", 200, some_orders(500, 0), n_threads)


def test_each_way_to_penalise_is_that_of_numpy() -> None:
    shape = {"units": (6, 5, 3), "activation": "tanh", "output": "softmax", "n": 50}
    case = make_case(10, **shape, penalised=True)
    none = no_penalty(2)
    for penalty in (
        none,
        none._replace(l1=(0.3, 0.0)),
        none._replace(l2=(0.0, 0.3)),
        none._replace(alpha=0.7),
        case.penalty,
    ):
        penalised = case._replace(penalty=penalty)
        assert_same_gradient(penalised)
        assert_trained_alike(penalised, "plain", 7, [None])


def test_an_epoch_goes_on_from_the_moments_there_are() -> None:
    shape = {"units": (6, 5, 3), "activation": "tanh", "output": "softmax", "n": 50}
    case = make_case(11, **shape)
    theta = [case.theta.copy(), case.theta.copy()]
    adams = [Adam(RATE), Adam(RATE)]
    kinds = (CompiledEngine, NumpyEngine)
    # By turns, so that each engine takes up what the other has left.
    for turn in range(4):
        for i in range(2):
            engine: Any = kinds[(turn + i) % 2](case.network)
            arguments = theta[i], adams[i], case.examples, None, 16, case.penalty
            engine.epoch(*arguments)
    assert adams[0].t == adams[1].t == 16
    assert_close(theta[0], theta[1], 1e-12)


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_every_epoch_may_be_asked_for_with_something_else(form: str) -> None:
    # What the engine prepares for an epoch serves the next only where all is the same.
    shape = {"units": (20, 9, 3), "activation": "tanh", "output": "softmax"}
    case, other = (make_case(seed, **shape, n=60, penalised=True) for seed in (1, 2))
    if form == "sparse":
        case, other = (
            with_x(each, sparse.csr_array(each.examples.X)) for each in (case, other)
        )
    engine, more = CompiledEngine(case.network), Penalty((0.0,) * 2, (0.5,) * 2)
    theta, sgd = case.theta.copy(), SGD(RATE, 0.9)
    for change, examples, batch_size, penalty in (
        ("nothing", case.examples, 16, case.penalty),
        ("nothing", case.examples, 16, case.penalty),
        ("batch size", case.examples, 25, case.penalty),
        ("penalty", case.examples, 25, more),
        ("examples", other.examples, 25, more),
        ("fewer", other.examples.take(slice(0, 40)), 25, more),
        ("theta", case.examples, 16, case.penalty),
        ("optimizer", case.examples, 16, case.penalty),
        ("rate", case.examples, 16, case.penalty),
        ("no momentum", case.examples, 16, case.penalty),
        ("momentum", case.examples, 16, case.penalty),
        ("nesterov", case.examples, 16, case.penalty),
    ):
        if change == "theta":
            theta = other.theta.copy()
        elif change == "optimizer":
            sgd = SGD(RATE, 0.9)
        elif change == "rate":
            sgd.learning_rate /= 7
        elif change == "nesterov":
            sgd.nesterov = True
        elif "momentum" in change:
            sgd.momentum = 0.9 * (change == "momentum")
        found, expected = (theta, sgd), copy.deepcopy((theta, sgd))
        asked = examples, None, batch_size, penalty
        loss = engine.epoch(*found, *asked)
        assert loss == CompiledEngine(case.network).epoch(*expected, *asked), change
        assert theta.tobytes() == expected[0].tobytes(), change
        np.testing.assert_array_equal(sgd.velocity, expected[1].velocity)


@pytest.mark.parametrize("order", ["F", "C"])
def test_examples_that_were_copied_are_kept_while_others_are_worked_on(
    order: Any,
) -> None:
    # So many that their memory is given back to the system, if nobody keeps it.
    shape = {"units": (120, 9, 3), "activation": "tanh", "output": "softmax"}
    case = make_case(13, **shape, n=4000)
    case = with_x(case, np.asarray(case.examples.X, order=order))
    other = make_case(14, **shape, n=60).examples
    engine, (theta, sgd) = CompiledEngine(case.network), (case.theta.copy(), SGD(RATE))
    expected = copy.deepcopy((theta, sgd))
    for _ in range(2):
        asked = case.examples, None, 100, case.penalty
        loss = engine.epoch(theta, sgd, *asked)
        assert loss == CompiledEngine(case.network).epoch(*expected, *asked)
        engine.risk_and_gradient(theta, other, case.penalty)


def test_the_gradient_at_weights_in_a_column_of_a_matrix_is_that_of_numpy() -> None:
    shape = {"units": (4, 6, 3), "activation": "tanh", "output": "softmax", "n": 20}
    case = make_case(15, **shape)
    column = np.repeat(case.theta, 2)[::2]
    for writeable in (True, False):
        column.flags.writeable = writeable
        assert_same_gradient(case._replace(theta=column))


def test_a_batch_without_weight_is_no_step() -> None:
    shape = {"units": (4, 3), "activation": "rect", "output": "softmax", "n": 6}
    case = make_case(12, **shape)
    weight = np.array([0.0, 0.0, 1.0, 2.0, 0.0, 0.0])
    examples = case.examples._replace(sample_weight=weight)
    engine, optimizer = CompiledEngine(case.network), Adam(0.01)
    theta = case.theta.copy()
    loss = engine.epoch(theta, optimizer, examples, None, 2, no_penalty(1))
    assert optimizer.t == 1
    alone, other = case.theta.copy(), Adam(0.01)
    arguments = alone, other, examples.take(slice(2, 4)), None, 2, no_penalty(1)
    assert engine.epoch(*arguments) == loss
    np.testing.assert_array_equal(theta, alone)
    nothing = examples._replace(sample_weight=np.zeros(6))
    assert engine.epoch(theta, optimizer, nothing, None, 2, no_penalty(1)) == 0
    assert optimizer.t == 1
    np.testing.assert_array_equal(theta, alone)


def test_an_optimiser_without_a_kernel_is_refused() -> None:
    class Signed:
        learning_rate = 0.1

        def update(self, theta: Array, grad: Array) -> None: ...

        def end_epoch(self, n_seen: int) -> None: ...

        def plateau(self) -> bool:
            return True

    shape = {"units": (4, 3), "activation": "rect", "output": "softmax", "n": 6}
    case = make_case(13, **shape)
    engine = CompiledEngine(case.network)
    with pytest.raises(TypeError, match="Signed"):
        engine.epoch(case.theta, Signed(), case.examples, None, 2, case.penalty)


# ---- a batch longer than the workspace ---------------------------------------------


LONG = {"units": (20, 30, 3), "activation": "tanh", "output": "softmax"}


def row_bytes(case: Case) -> int:
    """What a row takes: X, two numbers for a hidden unit, o_a, and a spare row."""
    d, d_h, m = case.network.units
    return case.theta.itemsize * (d + 2 * d_h + m + max(d_h, m))


@pytest.mark.parametrize("n", [1000, 777, 65])
@pytest.mark.parametrize("rows", [1, 127, 130, 260, 520, 700])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_gradient_in_parts_has_the_bits_of_the_whole(
    n: int, rows: int, dtype: Any, n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case(14, **LONG, n=n, dtype=dtype, weighted=True, penalised=True)
    arguments = case.theta, case.examples, case.penalty
    risk, gradient = CompiledEngine(case.network).risk_and_gradient(*arguments)
    monkeypatch.setattr(plan, "CAPACITY_BYTES", rows * row_bytes(case))
    engine = CompiledEngine(case.network, n_threads)
    found, parted = engine.risk_and_gradient(*arguments)
    np.testing.assert_array_equal(parted, gradient)
    # The risk of a part is added up by itself, in float64.
    assert found == pytest.approx(risk, rel=1e-14)


@pytest.mark.parametrize("rows", [1, 130, 300])
@pytest.mark.parametrize("rule", sorted(OPTIMIZERS))
def test_an_epoch_of_long_batches_is_that_of_numpy(
    rows: int, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case(15, **LONG, n=1000, penalised=True)
    monkeypatch.setattr(plan, "CAPACITY_BYTES", rows * row_bytes(case))
    assert_trained_alike(weigh(case, "some 0"), rule, 400, some_orders(1000, 0))


@pytest.mark.parametrize("solver", ["gd", "lbfgs"])
def test_all_rows_as_one_long_batch_train_with_the_same_bits_for_any_threads(
    solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = blobs(1500, 20)
    monkeypatch.setattr(plan, "CAPACITY_BYTES", 2**17)
    alone, together = (
        compiled(n_threads=k, solver=solver, max_iter=5).fit(X, y) for k in (1, 2)
    )
    assert_same_bits(together, alone)
    monkeypatch.undo()
    whole = compiled(solver=solver, max_iter=5).fit(X, y)
    assert_close(whole.theta_, alone.theta_, 1e-9)
