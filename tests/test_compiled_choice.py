"""Which engine trains, which is kept with a model, and which is checked."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import assert_close, make_case
from hypothesis import given
from hypothesis import strategies as st
from trainings import blobs, compiled, train

from mlproof import load
from mlproof.deep import Network
from mlproof.engines import choice
from mlproof.engines.compiled import CompiledEngine
from mlproof.functions import ACTIVATIONS
from mlproof.losses import SOFTMAX

# Three epochs are no training to the end, and say so.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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


@pytest.mark.parametrize("told", ["1", "0", "", "false"])
def test_without_a_compiler_numpy_trains(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", told)
    X, y = blobs(3000, 200)
    found = compiled(engine="auto", max_iter=1).fit(X, y)
    assert found.engine_ == ("numpy" if told == "1" else "compiled")
    if told == "1":
        with pytest.raises(ValueError, match=r"NUMBA_DISABLE_JIT switches it off\."):
            compiled(max_iter=1).fit(X, y)


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


def test_little_work_is_not_shared(teams: set[int]) -> None:
    shape = {"units": (4, 3), "activation": "rect", "output": "softmax", "n": 60}
    case = make_case(20, **shape)
    train(CompiledEngine(case.network, 4), case, "plain", 20, [None])
    assert teams == {1}
