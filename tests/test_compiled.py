"""The compiled engine: what NumPy's computes, with the same bits for any threads.

The engines share the formulas and the chunks, not the order of operations inside a
chunk, so they agree to rounding.  What must not differ in the last bit is the compiled
engine and itself: with other threads, in another process, after a fork or Ctrl-C.
"""

import faulthandler
import gc
import inspect
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numba
import numpy as np
import pytest
from conftest import KINKED, Case, assert_close, make_case
from hypothesis import given
from hypothesis import strategies as st
from numba.core import event
from threadpoolctl import threadpool_info, threadpool_limits

from mlproof import MLPClassifier, load
from mlproof.deep import Network
from mlproof.engines import choice, threads
from mlproof.engines.compiled import CompiledEngine, barrier, plan, toolchain
from mlproof.engines.compiled.team import Team
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.functions import ACTIVATIONS, Array
from mlproof.losses import OUTPUTS, SOFTMAX
from mlproof.optimizers import SGD, Adam, Optimizer
from mlproof.penalties import no_penalty

# Three epochs are no training to the end, and say so.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FLOATS = (np.float32, np.float64)
SMOOTH = sorted(set(ACTIVATIONS) - KINKED)

# So small that two trainings which begin an ulp apart are still together at the end.
RATE = 2e-3
OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "plain": lambda: SGD(RATE),
    "momentum": lambda: SGD(RATE, 0.9),
    "nesterov": lambda: SGD(RATE, 0.9, nesterov=True),
    "adam": lambda: Adam(RATE),
}


# ---- the gradient ------------------------------------------------------------------


def widened(case: Case) -> Case:
    """The same case, computed in float64."""
    return case._replace(theta=case.theta.astype(np.float64))


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


class Trained(NamedTuple):
    """Where training ended, and all that it leaves behind."""

    theta: Array
    losses: list[float]
    moments: list[Array]
    optimizer: Optimizer


def train(
    engine: Any, case: Case, rule: str, batch_size: int, orders: list[Any]
) -> Trained:
    """An epoch for each order of the rows."""
    theta, optimizer = case.theta.copy(), OPTIMIZERS[rule]()
    losses = [
        engine.epoch(theta, optimizer, case.examples, order, batch_size, case.penalty)
        for order in orders
    ]
    if isinstance(optimizer, Adam):
        moments = [optimizer.m, optimizer.v]
    else:
        assert isinstance(optimizer, SGD)
        moments = [optimizer.velocity]
    return Trained(theta, losses, [m for m in moments if m is not None], optimizer)


def some_orders(n: int, seed: int) -> list[Any]:
    """As the rows come, shuffled, and a part of them, as early stopping leaves."""
    rng = np.random.default_rng(seed)
    return [None, rng.permutation(n), rng.permutation(n)[: -(-4 * n // 5)]]


def assert_trained_alike(
    case: Case, rule: str, batch_size: int, orders: list[Any], n_threads: int = 1
) -> None:
    found = train(
        CompiledEngine(case.network, n_threads), case, rule, batch_size, orders
    )
    numpy_engine = NumpyEngine(case.network)
    numpy = train(numpy_engine, case, rule, batch_size, orders)
    assert found.theta.dtype == case.theta.dtype
    assert len(found.moments) == len(numpy.moments)
    assert getattr(found.optimizer, "t", 0) == getattr(numpy.optimizer, "t", 0)
    assert found.optimizer.learning_rate == numpy.optimizer.learning_rate
    if case.theta.dtype == np.float64:
        exact, tolerances = numpy, [1e-10] * 3
    else:
        # How far float32 carries a training depends on the training: as far as it
        # carries NumPy's, to a factor, and a few roundings, is what is allowed.
        exact = train(numpy_engine, widened(case), rule, batch_size, orders)
        tolerances = [
            10 * max(map(distance, ours, theirs), default=0) + 2e-6
            for ours, theirs in zip(parts(numpy), parts(exact), strict=True)
        ]
    for ours, theirs, tolerance in zip(
        parts(found), parts(exact), tolerances, strict=True
    ):
        for one, other in zip(ours, theirs, strict=True):
            assert one.dtype in (case.theta.dtype, np.float64)
            assert distance(one, other) <= tolerance


def parts(trained: Trained) -> tuple[list[Array], ...]:
    return [trained.theta], [np.array(trained.losses)], trained.moments


def distance(found: Array, expected: Array) -> float:
    """The largest difference, beside the largest number that is expected."""
    largest = float(np.max(np.abs(expected)))
    difference = float(np.max(np.abs(found - expected)))
    return difference / largest if largest else difference


WEIGHTS = ("none", "positive", "some 0")


def weigh(case: Case, weights: str) -> Case:
    """With no weight on the first rows, where whole batches have none."""
    n = len(case.examples.y)
    rng = np.random.default_rng(n)
    weight = rng.uniform(0.2, 2, n)
    if weights == "some 0":
        weight[: 2 * n // 5] = 0
        weight[rng.permutation(n)[: n // 7]] = 0
    weighed = case.examples._replace(
        sample_weight=None if weights == "none" else weight
    )
    return case._replace(examples=weighed)


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


# ---- the same bits for any threads -------------------------------------------------


def blobs(n: int, d: int, m: int = 3, seed: int = 0) -> tuple[Array, Array]:
    """A point for each class, and the examples around them, closer than apart."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, m, n)
    return 2 * rng.standard_normal((m, d))[y] + rng.standard_normal((n, d)), y


def compiled(**options: Any) -> MLPClassifier:
    """A classifier of three epochs, large enough for several threads on 500 rows."""
    usual = {"hidden_layer_sizes": (130, 16), "max_iter": 3, "random_state": 0}
    return MLPClassifier(**usual | {"engine": "compiled"} | options)


def assert_same_bits(one: MLPClassifier, other: MLPClassifier) -> None:
    assert one.engine_ == other.engine_ == "compiled"
    assert one.theta_.tobytes() == other.theta_.tobytes()
    assert one.loss_curve_ == other.loss_curve_


@pytest.fixture
def teams(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Fills up with how many threads have worked together."""
    sizes: set[int] = set()
    run = Team.run

    def watched(self: Team, *arguments: Any) -> None:
        sizes.add(self.n_threads)
        return run(self, *arguments)

    monkeypatch.setattr(Team, "run", watched)
    return sizes


LARGE = {"units": (40, 130, 16, 3), "activation": "softplus", "output": "softmax"}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rule", sorted(OPTIMIZERS))
@pytest.mark.parametrize("weights", WEIGHTS)
def test_any_number_of_threads_trains_to_the_same_bits(
    dtype: Any, rule: str, weights: str, teams: set[int]
) -> None:
    case = weigh(make_case(16, **LARGE, n=600, dtype=dtype, penalised=True), weights)
    orders = some_orders(600, 0)
    # Whole chunks, one chunk, and several with a shorter batch at the end.
    for batch_size in (200, 60, 450):
        alone = train(CompiledEngine(case.network), case, rule, batch_size, orders)
        for n_threads in (2, 3, 5):
            engine = CompiledEngine(case.network, n_threads)
            found = train(engine, case, rule, batch_size, orders)
            np.testing.assert_array_equal(found.theta, alone.theta)
            np.testing.assert_array_equal(found.moments, alone.moments)
            assert found.losses == alone.losses
    assert teams == {1, 2, 3, 5}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [50, 600, 2500])
def test_any_number_of_threads_finds_the_same_gradient(
    dtype: Any, n: int, teams: set[int]
) -> None:
    case = make_case(17, **LARGE, n=n, dtype=dtype, weighted=True, penalised=True)
    arguments = case.theta, case.examples, case.penalty
    risk, gradient = CompiledEngine(case.network).risk_and_gradient(*arguments)
    for n_threads in (2, 3, 5):
        engine = CompiledEngine(case.network, n_threads)
        found, other = engine.risk_and_gradient(*arguments)
        np.testing.assert_array_equal(other, gradient)
        assert found == risk
    assert teams == {1, 2, 3, 5}


def test_more_threads_than_there_is_work_train_to_the_same_bits(
    teams: set[int],
) -> None:
    shape = {"units": (4000, 2, 2), "activation": "tanh", "output": "softmax"}
    case = make_case(18, **shape, n=60)
    alone, many = (
        train(CompiledEngine(case.network, k), case, "adam", 30, [None])
        for k in (1, 40)
    )
    np.testing.assert_array_equal(many.theta, alone.theta)
    assert many.losses == alone.losses
    assert teams == {1, 40}


def test_a_batch_passed_over_does_not_confuse_the_losses_of_its_neighbours() -> None:
    # Every second batch counts nothing: a thread that is done with a batch goes on to
    # the one after the next, while another still adds up the risk of the first.
    shape = {"units": (160, 20, 2), "activation": "tanh", "output": "softmax"}
    case = make_case(19, **shape, n=6400, dtype=np.float32, penalised=True)
    weight = (np.arange(6400) // 64 % 2 == 0).astype(np.float64)
    case = case._replace(examples=case.examples._replace(sample_weight=weight))
    alone = train(CompiledEngine(case.network), case, "plain", 64, [None])
    for n_threads in (2, 3, 5) * 5:
        engine = CompiledEngine(case.network, n_threads)
        found = train(engine, case, "plain", 64, [None])
        assert found.losses == alone.losses
        np.testing.assert_array_equal(found.theta, alone.theta)


def test_little_work_is_not_shared(teams: set[int]) -> None:
    shape = {"units": (4, 3), "activation": "rect", "output": "softmax", "n": 60}
    case = make_case(20, **shape)
    train(CompiledEngine(case.network, 4), case, "plain", 20, [None])
    assert teams == {1}


def run_python(
    code: str, *arguments: Any, timeout: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A new process that must end well; what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done


PRINT_BITS = """
import hashlib, json, sys, warnings
import numpy as np
from mlproof import MLPClassifier
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
y = rng.integers(0, 3, 700)
X = 2 * rng.standard_normal((3, 40))[y] + rng.standard_normal((700, 40))
bits = {}
for dtype in ("float32", "float64"):
    for name, options in {
        "adam": {},
        "nesterov": {"solver": "sgd", "batch_size": 150},
        "gd": {"solver": "gd", "alpha": 1.0},
        "lbfgs": {"solver": "lbfgs"},
        "early stopping": {"early_stopping": True},
    }.items():
        clf = MLPClassifier(
            (130, 16), max_iter=5, random_state=0, engine="compiled",
            n_threads=int(sys.argv[1]), **options,
        ).fit(X.astype(dtype), y)
        assert clf.engine_ == "compiled" and clf.theta_.dtype == dtype
        bits[f"{dtype} {name}"] = [
            hashlib.sha256(clf.theta_.tobytes()).hexdigest(),
            [loss.hex() for loss in clf.loss_curve_],
            clf.validation_scores_,
        ]
print(json.dumps(bits))
"""


def test_new_processes_with_any_threads_train_to_the_same_bits() -> None:
    with ThreadPoolExecutor(2) as pool:
        processes = pool.map(partial(run_python, PRINT_BITS), (1, 2))
    alone, *others = [json.loads(process.stdout) for process in processes]
    assert len(alone) == len({theta for theta, *_ in alone.values()}) == 10
    for bits in others:
        assert bits == alone


def test_four_fits_at_once_have_the_bits_they_have_alone() -> None:
    X, y = blobs(600, 40)
    dtypes = [np.float64, np.float32] * 2

    def fit(seed: int) -> MLPClassifier:
        classifier = compiled(random_state=seed, n_threads=2, max_iter=10)
        return classifier.fit(X.astype(dtypes[seed]), y)

    alone = [fit(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fit, range(4)))
    for one, other in zip(together, alone, strict=True):
        assert_same_bits(one, other)


@pytest.mark.slow
def test_fits_in_other_processes_have_the_bits_they_have_here() -> None:
    X, y = blobs(600, 40)
    classifiers = [compiled(random_state=seed, n_threads=2) for seed in range(2)]
    # X reaches the workers as a file that they may not write.
    parallel = joblib.Parallel(n_jobs=2, max_nbytes=1000)
    found = parallel(joblib.delayed(c.fit)(X, y) for c in classifiers)
    for one, classifier in zip(found, classifiers, strict=True):
        assert_same_bits(one, classifier.fit(X, y))


FORK = """
import os, sys, time, warnings
import numpy as np
from mlproof import MLPClassifier
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X, y = rng.standard_normal((600, 40)), rng.integers(0, 3, 600)

def fit():
    options = {"max_iter": 3, "random_state": 0, "engine": "compiled", "n_threads": 2}
    return MLPClassifier((130, 16), **options).fit(X, y)

parent = fit()
# A training that is halfway when the process forks has threads that the child has not.
halfway = MLPClassifier(
    (130, 16), max_iter=3, random_state=0, engine="compiled", n_threads=2
)
epochs = halfway.iter_fit(X, y)
next(epochs)
child = os.fork()
if child == 0:
    for _ in epochs: pass
    same = [e.theta_.tobytes() == parent.theta_.tobytes() for e in (fit(), halfway)]
    os._exit(0 if all(same) else 4)
for _ in range(600):
    done, status = os.waitpid(child, os.WNOHANG)
    if done: break
    time.sleep(0.1)
else:
    os.kill(child, 9)
    sys.exit("the child did not end")
assert os.waitstatus_to_exitcode(status) == 0, status
for _ in epochs: pass
assert halfway.theta_.tobytes() == parent.theta_.tobytes()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_after_a_fit_trains_to_the_same_bits() -> None:
    run_python(FORK)


# ---- X as it comes -----------------------------------------------------------------


def laid_out(name: str, X: Array, folder: Path) -> Any:
    """The numbers of X, or numbers made of them, in memory of this kind."""
    n, d = X.shape
    if name == "Fortran order":
        return np.asfortranarray(X)
    if name == "every second row":
        return np.repeat(X, 2, axis=0)[::2]
    if name == "every second column":
        return np.repeat(X, 2, axis=1)[:, ::2]
    if name == "part of a wider matrix":
        return np.pad(X, ((3, 3), (5, 2)))[3:-3, 5:-2]
    if name == "rows backwards":
        return X[::-1].copy()[::-1]
    if name == "columns backwards":
        return X[:, ::-1].copy()[:, ::-1]
    if name == "the same row again":
        return np.broadcast_to(X[0], X.shape)
    if name == "read-only":
        X = X.copy()
        X.flags.writeable = False
        return X
    if name == "memory-mapped":
        X.tofile(folder / "X")
        return np.memmap(folder / "X", dtype=X.dtype, mode="r", shape=X.shape)
    if name == "between other fields":
        records = np.zeros(n, dtype=[("kind", "u1"), ("X", X.dtype, (d,))])
        records["X"] = X
        return records["X"]  # not aligned
    if name == "big-endian":
        return X.astype(X.dtype.newbyteorder(">"))
    if name == "list":
        return X.tolist()
    return (8 * X).astype(name)  # a dtype


LAYOUTS = (
    "Fortran order",
    "every second row",
    "every second column",
    "part of a wider matrix",
    "rows backwards",
    "columns backwards",
    "the same row again",
    "read-only",
    "memory-mapped",
    "between other fields",
    "big-endian",
)
DTYPES = ("float16", "float32", "float64", "bool", "uint8", "int8", "int64", "object")


@pytest.mark.parametrize("layout", [*LAYOUTS, "list", *DTYPES])
def test_x_of_any_kind_trains_as_its_contiguous_copy(
    layout: str, tmp_path: Path
) -> None:
    X, y = blobs(300, 7)
    X = laid_out(layout, X, tmp_path)
    kept = {"float32": np.float32, "uint8": np.float32}.get(layout, np.float64)
    copy = np.array(X, dtype=kept, order="C")
    found, expected = compiled().fit(X, y), compiled().fit(copy, y)
    assert_same_bits(found, expected)
    assert found.theta_.dtype == kept
    np.testing.assert_array_equal(found.predict(X), expected.predict(copy))


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "big-endian"])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("d", [1, 7])
def test_the_engine_reads_x_of_any_layout(
    layout: str, dtype: Any, d: int, tmp_path: Path
) -> None:
    shape = {"activation": "tanh", "output": "softmax", "n": 50, "dtype": dtype}
    case = make_case(21, units=(d, 5, 3), **shape)
    X = laid_out(layout, case.examples.X, tmp_path)
    trained = [
        train(
            CompiledEngine(case.network),
            case._replace(examples=case.examples._replace(X=x)),
            "adam",
            16,
            some_orders(50, 0),
        )
        for x in (X, np.array(X, dtype=dtype, order="C"))
    ]
    np.testing.assert_array_equal(trained[0].theta, trained[1].theta)
    assert trained[0].losses == trained[1].losses


@pytest.mark.parametrize("kind", ["uint8", "bool", "int64", "float16"])
def test_the_engine_reads_numbers_that_are_not_of_the_dtype_of_theta(
    kind: str,
) -> None:
    shape = {"units": (6, 5, 3), "activation": "tanh", "output": "softmax", "n": 50}
    case = make_case(22, **shape, dtype=np.float32)
    X = np.random.default_rng(0).integers(0, 9, (50, 6)).astype(kind)
    trained = [
        train(
            CompiledEngine(case.network),
            case._replace(examples=case.examples._replace(X=x)),
            "plain",
            16,
            [None],
        )
        for x in (X, X.astype(np.float32))
    ]
    np.testing.assert_array_equal(trained[0].theta, trained[1].theta)


def test_a_network_that_diverges_says_so() -> None:
    X, y = blobs(300, 7)
    classifier = compiled(solver="sgd", learning_rate_init=1e300, activation="identity")
    with (
        pytest.raises(ValueError, match="non-finite parameter weights"),
        np.errstate(all="ignore"),
    ):
        classifier.fit(X, y)


# ---- compiled once -----------------------------------------------------------------


def read_only(array: Any) -> Any:
    array = np.array(array)
    array.flags.writeable = False
    return array


def test_no_kind_of_input_needs_kernels_of_its_own(tmp_path: Path) -> None:
    X, y = blobs(300, 7)
    Y = np.eye(3, dtype=int)[y]
    weight = np.random.default_rng(0).uniform(0.5, 2, 300)
    for dtype in FLOATS:
        compiled().fit(X.astype(dtype), y)
    fits = {
        "weights": (X, y, weight),
        "float32 weights": (X, y, weight.astype(np.float32)),
        "read-only weights": (X, y, read_only(weight)),
        "strided weights": (X, y, np.repeat(weight, 2)[::2]),
        "two classes": (X, y > 0, None),
        "labels": (X, Y, None),
        "read-only labels": (X, read_only(Y), weight),
        "read-only classes": (X, read_only(y), weight),
        "text": (X, np.array(["a", "b", "c"])[y], None),
    } | {layout: (laid_out(layout, X, tmp_path), y, None) for layout in LAYOUTS}
    options = {
        "sgd": {"solver": "sgd"},
        "gd": {"solver": "gd"},
        "lbfgs": {"solver": "lbfgs"},
        "early stopping": {"early_stopping": True},
        "in order": {"shuffle": False},
    }
    # Numba's lock is taken whenever a kernel is compiled or read from the disk.
    for name, examples in fits.items():
        with event.install_recorder("numba:compiler_lock") as locked:
            compiled().fit(*examples)
        assert not locked.buffer, name
    for name, chosen in options.items():
        with event.install_recorder("numba:compiler_lock") as locked:
            compiled(**chosen).fit(X, y, weight)
        assert not locked.buffer, name


def test_the_gradient_at_read_only_parameters_needs_no_kernels_of_its_own() -> None:
    shape = {"units": (6, 5, 3), "activation": "tanh", "output": "softmax", "n": 50}
    case = make_case(23, **shape)
    engine = CompiledEngine(case.network)
    arguments = case.examples, case.penalty
    risk, gradient = engine.risk_and_gradient(case.theta, *arguments)
    theta = read_only(case.theta)
    with event.install_recorder("numba:compiler_lock") as locked:
        found, other = engine.risk_and_gradient(theta, *arguments)
    assert not locked.buffer
    assert found == risk
    np.testing.assert_array_equal(other, gradient)
    np.testing.assert_array_equal(theta, case.theta)


# ---- threads that fail, and Ctrl-C -------------------------------------------------


@numba.njit(nogil=True)
def rounds(n: int, meeting: Any, n_threads: int) -> int:
    for i in range(n):
        if not barrier.meet(meeting, n_threads):
            return i
    return n


@pytest.fixture
def in_time(capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Calls a function of no arguments, unless it hangs, which ends everything."""

    def call(work: Callable[[], Any], seconds: float = 60) -> Any:
        outcome: list[Any] = []

        def run() -> None:
            try:
                outcome.append(work())
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(seconds)
        if not outcome:  # threads that hang keep a process from ending by itself
            with capfd.disabled():
                print("a team of threads hangs", file=sys.stderr)
                faulthandler.dump_traceback()
            os._exit(1)
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    return call


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
def test_all_threads_of_a_team_meet(n_threads: int, in_time: Any) -> None:
    team, meeting, ended = Team(n_threads), barrier.new(), {}

    def work(thread: int) -> None:
        ended[thread] = rounds(2000, meeting, n_threads)

    for _ in range(3):
        ended.clear()
        in_time(partial(team.run, work, meeting))
        assert ended == dict.fromkeys(range(n_threads), 2000)
    team.close()


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("who", [0, 1, 2])
def test_nobody_waits_for_a_thread_that_has_failed(
    error: type[BaseException], who: int, in_time: Any
) -> None:
    team, meeting, ended = Team(3), barrier.new(), {}

    def work(thread: int) -> None:
        ended[thread] = rounds(10 if thread == who else 10**9, meeting, 3)
        if thread == who:
            raise error

    with pytest.raises(error):
        in_time(partial(team.run, work, meeting))
    # Those who did not fail were waiting, had gone on to wait, or had not yet begun.
    assert ended.pop(who) == 10
    assert all(met <= 11 for met in ended.values())
    ended.clear()
    again = barrier.new()
    in_time(partial(team.run, lambda i: ended.update({i: rounds(50, again, 3)}), again))
    assert ended == {0: 50, 1: 50, 2: 50}


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_an_engine_can_be_used_after_one_of_its_threads_has_failed(
    who: int,
    error: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
    in_time: Any,
) -> None:
    case = make_case(24, **LARGE, n=600)
    expected = train(CompiledEngine(case.network), case, "adam", 200, [None])
    engine, run = CompiledEngine(case.network, 2), Team.run

    def failing(self: Team, kernel: Any, meeting: Any) -> None:
        def work(thread: int) -> None:
            if thread == who:
                raise error
            kernel(thread)

        run(self, work, meeting)

    monkeypatch.setattr(Team, "run", failing)
    with pytest.raises(error):
        in_time(partial(train, engine, case, "adam", 200, [None]))
    monkeypatch.undo()
    found = in_time(partial(train, engine, case, "adam", 200, [None]))
    np.testing.assert_array_equal(found.theta, expected.theta)
    assert found.losses == expected.losses


def test_the_steps_before_an_interruption_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # theta and the moments have made them, and partial_fit goes on from there.
    shape = {"units": (6, 5, 3), "activation": "tanh", "output": "softmax", "n": 50}
    case = make_case(25, **shape)
    run, n_calls = Team.run, 0

    def interrupted(self: Team, *arguments: Any) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 2:
            raise KeyboardInterrupt
        run(self, *arguments)

    monkeypatch.setattr(Team, "run", interrupted)
    theta, adam = case.theta.copy(), Adam(RATE)
    with pytest.raises(KeyboardInterrupt):
        CompiledEngine(case.network).epoch(
            theta, adam, case.examples, None, 5, case.penalty
        )
    steps, reached, numpy = [], case.theta.copy(), Adam(RATE)
    for start in range(0, 50, 5):
        batch = case.examples.take(slice(start, start + 5))
        NumpyEngine(case.network).epoch(reached, numpy, batch, None, 5, case.penalty)
        if np.allclose(reached, theta, rtol=0, atol=1e-12):
            steps.append(numpy.t)
    assert [adam.t] == steps


CTRL_C = """
import gc, os, signal, threading, time, warnings
import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits
from mlproof import MLPClassifier

rng = np.random.default_rng(0)
y = rng.integers(0, 3, 200_000)
X = np.broadcast_to(rng.standard_normal(200, dtype=np.float32), (len(y), 200))

def new(**options):
    options = {"max_iter": 3, "random_state": 0, **options}
    return MLPClassifier((500, 500), engine="compiled", n_threads=2, **options)

def blas():
    return [(each["filepath"], each["num_threads"]) for each in threadpool_info()]

def team_is_at_work():
    return any(thread.name.startswith("mlproof") for thread in threading.enumerate())

def fit(classifier):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return classifier.fit(X[:500], y[:500])

expected = fit(new())
gc.collect()
while team_is_at_work():
    time.sleep(0.01)
threadpool_limits(3, "blas")
before, sent = blas(), []

def press():
    while not team_is_at_work():
        time.sleep(0.01)
    time.sleep(0.5)
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=press, daemon=True).start()
classifier = new(max_iter=1000)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    classifier.fit(X, y)
    waited = time.monotonic() - sent[0]
assert ["Training interrupted by user." in str(w.message) for w in caught] == [True]
assert classifier.n_iter_ == 0, "the epoch was too short to be interrupted"
assert waited < 5, waited
assert blas() == before
assert np.isfinite(classifier.predict_proba(X[:10])).all()
again = fit(classifier.set_params(max_iter=3))
assert again.theta_.tobytes() == expected.theta_.tobytes()
assert again.loss_curve_ == expected.loss_curve_
"""


@pytest.mark.skipif(sys.platform == "win32", reason="its Ctrl-C reaches every process")
def test_ctrl_c_is_answered_within_an_epoch() -> None:
    # Between two calls of a kernel, a twentieth of a second each; the epoch takes
    # many seconds.
    run_python(CTRL_C)


# ---- what is left as it was found --------------------------------------------------


def blas_threads() -> list[tuple[str, int]]:
    return [
        (each["filepath"], each["num_threads"])
        for each in threadpool_info()
        if each["user_api"] == "blas"
    ]


@pytest.fixture
def three_blas_threads() -> Iterator[list[tuple[str, int]]]:
    """A number that nobody would choose, so that it shows if it is put back."""
    with threadpool_limits(3, "blas"):
        found = blas_threads()
        assert {number for _, number in found} == {3}
        yield found


@pytest.mark.parametrize("solver", ["adam", "gd", "lbfgs"])
def test_a_fit_leaves_blas_as_it_was(
    solver: str, three_blas_threads: list[tuple[str, int]]
) -> None:
    X, y = blobs(600, 40)
    compiled(n_threads=2, solver=solver).fit(X, y)
    assert blas_threads() == three_blas_threads


@pytest.mark.parametrize("batch_size", [200, 10])
def test_blas_has_one_thread_while_the_kernels_run(
    batch_size: int,
    three_blas_threads: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, meanwhile = Team.run, []

    def watched(self: Team, *arguments: Any) -> None:
        meanwhile.extend(number for _, number in blas_threads())
        return run(self, *arguments)

    monkeypatch.setattr(Team, "run", watched)
    X, y = blobs(600, 40)
    compiled(n_threads=2, batch_size=batch_size).fit(X, y)
    assert set(meanwhile) == {1}


def test_overlapping_fits_leave_blas_as_it_was(
    three_blas_threads: list[tuple[str, int]],
) -> None:
    X, y = blobs(600, 40)
    together = threading.Barrier(2)

    def fit(max_iter: int) -> None:
        together.wait(60)
        compiled(n_threads=2, max_iter=max_iter, tol=0.0).fit(X, y)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fit, (2, 40)))
        list(pool.map(fit, (40, 2)))
    assert blas_threads() == three_blas_threads


def test_a_failed_fit_leaves_blas_as_it_was(
    three_blas_threads: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: Team, *arguments: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(Team, "run", failing)
    X, y = blobs(600, 40)
    for solver in ("adam", "lbfgs"):
        with pytest.raises(MemoryError):
            compiled(n_threads=2, solver=solver).fit(X, y)
    assert blas_threads() == three_blas_threads


def test_a_fit_leaves_no_threads_behind() -> None:
    X, y = blobs(600, 40)
    before = set(threading.enumerate())
    compiled(n_threads=3).fit(X, y)
    gc.collect()
    for thread in set(threading.enumerate()) - before:
        thread.join(30)  # it ends with its engine
        assert not thread.is_alive()


# ---- which engine ------------------------------------------------------------------


def chosen(units: tuple[int, ...], n: int, batch_size: int) -> str:
    network = Network(units, ACTIVATIONS["rect"], SOFTMAX)
    X = np.broadcast_to(0.0, (n, units[0]))
    return choice.choose(network, X, n, batch_size)


def test_small_problems_are_left_to_numpy() -> None:
    assert chosen((4, 100, 3), 150, 150) == "numpy"
    assert chosen((784, 100, 10), 2000, 200) == "compiled"
    assert chosen((784, 256, 10), 60_000, 200) == "compiled"


@given(
    st.lists(st.integers(1, 1000), min_size=2, max_size=4).map(tuple),
    st.integers(1, 10**6),
    st.integers(1, 1000),
)
def test_what_is_not_left_to_numpy_is_not_if_there_is_more_of_it(
    units: tuple[int, ...], n: int, batch_size: int
) -> None:
    if chosen(units, n, batch_size) == "compiled":
        assert chosen(units, 2 * n, batch_size) == "compiled"
        assert chosen(units, n, -(-batch_size // 2)) == "compiled"
        assert chosen((*units, 5), n, batch_size) == "compiled"


def test_the_choice_knows_nothing_of_how_long_the_training_is() -> None:
    # A fit for one epoch, or partial_fit, must begin as a longer fit does.
    assert "max_iter" not in inspect.signature(choice.choose).parameters
    for n, engine in ((30, "numpy"), (3000, "compiled")):
        X, y = blobs(n, 10)
        for max_iter in (1, 10**6):
            classifier = compiled(engine="auto", max_iter=max_iter)
            next(classifier.iter_fit(X, y))
            assert classifier.engine_ == engine
        classifier = compiled(engine="auto").partial_fit(X, y, classes=[0, 1, 2])
        # scikit-learn's 'auto' batch is the same for a part of the rows.
        assert classifier.engine_ == engine


def test_the_engine_that_is_asked_for_is_taken() -> None:
    for n, other in ((30, "compiled"), (3000, "numpy")):
        X, y = blobs(n, 10)
        assert compiled(engine=other, max_iter=1).fit(X, y).engine_ == other


def test_both_engines_train_to_the_same_network() -> None:
    X, y = blobs(600, 10)
    for solver in ("adam", "sgd", "gd", "lbfgs"):
        one, other = (
            compiled(engine=engine, solver=solver).fit(X, y)
            for engine in ("compiled", "numpy")
        )
        assert_close(one.theta_, other.theta_, 1e-9)
        assert one.loss_curve_ == pytest.approx(other.loss_curve_, rel=1e-9)


def test_a_file_keeps_the_engine_and_check_gradient_checks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = blobs(60, 5)
    options: dict[str, Any] = {"hidden_layer_sizes": (7,), "activation": "tanh"}
    compute, asked = CompiledEngine.risk_and_gradient, []

    def watched(self: CompiledEngine, *arguments: Any) -> Any:
        asked.append(self)
        return compute(self, *arguments)

    monkeypatch.setattr(CompiledEngine, "risk_and_gradient", watched)
    for engine in ("compiled", "numpy"):
        fitted = compiled(engine=engine, **options).fit(X, y)
        fitted.save(tmp_path / "model")
        loaded = load(tmp_path / "model")
        assert loaded.engine_ == engine
        for classifier in (fitted, loaded):
            asked.clear()
            assert classifier.check_gradient(X, y, max_entries=20).ok
            assert bool(asked) == (engine == "compiled")


def test_check_gradient_notices_what_the_compiled_engine_does_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, y = blobs(60, 5)
    fitted = compiled(hidden_layer_sizes=(7,), activation="tanh").fit(X, y)
    compute = CompiledEngine.risk_and_gradient

    def wrong(self: CompiledEngine, *arguments: Any) -> Any:
        risk, gradient = compute(self, *arguments)
        gradient[3] += 1e-3
        return risk, gradient

    monkeypatch.setattr(CompiledEngine, "risk_and_gradient", wrong)
    assert not fitted.check_gradient(X, y).ok


# ---- how many threads --------------------------------------------------------------


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_all_cores_are_used_unless_fewer_are_allowed(
    eight_cores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert threads.available() == 8
    for told, number in (("3", 3), ("1", 1), ("8", 8), ("64", 8), ("2,4", 2)):
        monkeypatch.setenv("OMP_NUM_THREADS", told)
        assert threads.available() == number


@pytest.mark.parametrize(
    "told", ["", " ", ",", ",2", "0", "-1", "1.5", "two", "1e1", "0x2", "²", "9" * 5000]
)
def test_what_is_no_number_of_threads_is_ignored(
    told: str, eight_cores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert threads.available() == 8


def test_the_threads_of_an_engine_are_those_asked_for_or_all(
    eight_cores: None, monkeypatch: pytest.MonkeyPatch, teams: set[int]
) -> None:
    X, y = blobs(600, 40)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    compiled(max_iter=1).fit(X, y)
    assert teams == {3}
    compiled(max_iter=1, n_threads=4).fit(X, y)
    assert teams == {3, 4}


# ---- the kernels on the disk -------------------------------------------------------


def test_the_folder_of_the_kernels_is_that_of_their_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "sources"
    shutil.copytree(Path(toolchain.__file__).parent, sources)
    monkeypatch.setattr(toolchain, "__file__", str(sources / "toolchain.py"))
    monkeypatch.setenv(toolchain.CACHE_VARIABLE, str(tmp_path / "kept"))
    folders = [toolchain._cache_folder()]
    assert folders[0] is not None
    assert folders[0].parent == tmp_path / "kept"
    assert toolchain._cache_folder() == folders[0]
    # A function that kernels of other files call.
    text = (sources / "products.py").read_bytes()
    (sources / "products.py").write_bytes(text + b"# changed\n")
    folders.append(toolchain._cache_folder())
    (sources / "another.py").write_bytes(b"")
    monkeypatch.setattr(toolchain, "version", lambda name: f"{name} of tomorrow")
    folders.append(toolchain._cache_folder())
    monkeypatch.setattr(numba.config, "BOUNDSCHECK", 1)
    folders.append(toolchain._cache_folder())
    assert len(set(folders)) == len(folders)
    assert all(folder is not None and folder.is_dir() for folder in folders)


def test_the_sources_as_they_are_have_the_folder_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(toolchain.CACHE_VARIABLE, str(tmp_path))
    folder = toolchain._cache_folder()
    assert folder is not None
    assert toolchain.FOLDER is not None
    assert folder.name == toolchain.FOLDER.name


def test_a_folder_that_cannot_be_written_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    for unusable in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv(toolchain.CACHE_VARIABLE, str(unusable))
        with pytest.warns(UserWarning, match=toolchain.CACHE_VARIABLE) as caught:
            assert toolchain._cache_folder() is None
        assert len(caught) == 1


def test_only_what_takes_long_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    said = threading.Event()
    monkeypatch.setattr(toolchain.logger, "warning", lambda message: said.set())
    with toolchain.announced("float64"):
        pass
    monkeypatch.setattr(toolchain, "ANNOUNCED_AFTER", 0.1)
    assert not said.is_set()
    with toolchain.announced("float64"):
        assert said.wait(30)


FIT_ONCE = """
import numpy as np
from sklearn.exceptions import ConvergenceWarning
import warnings
warnings.simplefilter("ignore", ConvergenceWarning)
from mlproof import MLPClassifier
rng = np.random.default_rng(0)
X, y = rng.standard_normal((300, 7)), rng.integers(0, 3, 300)
for _ in range(2):
    clf = MLPClassifier((130, 16), max_iter=3, random_state=0, engine="compiled")
    clf.fit(X, y)
print(clf.theta_.tobytes().hex())
"""


@pytest.mark.slow
def test_a_second_process_does_not_compile_again(tmp_path: Path) -> None:
    first, second = (
        run_python(FIT_ONCE, MLPROOF_CACHE_DIR=str(tmp_path)) for _ in range(2)
    )
    assert first.stderr.count("compiles its kernels for float64, once") == 1
    assert str(tmp_path) in first.stderr
    assert second.stderr == ""
    assert second.stdout == first.stdout


@pytest.mark.slow
def test_kernels_that_cannot_be_kept_are_compiled_with_one_warning(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_bytes(b"")
    done = run_python(FIT_ONCE, MLPROOF_CACHE_DIR=str(tmp_path / "file" / "below"))
    assert done.stderr.count("cannot be written") == 1
    assert done.stderr.count("compiles its kernels for float64, for this process") == 1
    assert done.stdout == run_python(FIT_ONCE).stdout


@pytest.mark.slow
def test_no_kernel_reads_or_writes_beside_its_arrays(tmp_path: Path) -> None:
    # The same tests with every index checked, which needs kernels of their own.
    chosen = "numpy or bits_of_the_whole or any_number_of_threads or layout"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", __file__, "-k", chosen],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env=os.environ | {"NUMBA_BOUNDSCHECK": "1", "MLPROOF_CACHE_DIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
