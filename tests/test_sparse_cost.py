"""Sparse X: time and memory for its entries, none for its zeros."""

import time
from typing import Any

import numpy as np
import pytest
from conftest import peak_memory
from scipy import sparse
from trainings import OPTIMIZERS, SOLVERS, new

from mlproof.deep import Network
from mlproof.engines import Examples
from mlproof.engines.compiled import CompiledEngine
from mlproof.engines.compiled.ledger import Ledger
from mlproof.functions import ACTIVATIONS
from mlproof.losses import SOFTMAX
from mlproof.optimizers import Adam
from mlproof.parameters import n_theta
from mlproof.penalties import no_penalty

# Most fits here are cut short.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


MANY_COLUMNS = 2_000_000


def scattered(n: int, d: int, dtype: Any = np.float32) -> Any:
    """Twenty entries in every row, anywhere."""
    rng = np.random.default_rng(0)
    indices = np.sort(rng.integers(0, d, (n, 20)), axis=1).astype(np.int32)
    data = rng.uniform(0.5, 1, 20 * n).astype(dtype)
    return sparse.csr_array((data, indices.ravel(), np.arange(n + 1) * 20), (n, d))


@pytest.mark.parametrize("solver", ["lazy", "exact", "nesterov"])
def test_no_array_has_an_element_for_every_zero(solver: str) -> None:
    n, d = 600, MANY_COLUMNS
    X, y = scattered(n, d), np.arange(n) % 3
    options = {"hidden_layer_sizes": (16,), "engine": "compiled", "max_iter": 1}
    options |= {"batch_size": 300} | SOLVERS[solver]
    new(**options).fit(X[:, :1000], y)  # the kernels are loaded
    clf = new(**options)
    peak = peak_memory(lambda: clf.fit(X, y).predict(X))
    # theta, two moments, and the weights as they are drawn in float64; a byte for
    # every element of X would be more.
    assert peak < 5 * clf.theta_.nbytes < n * d


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_array, sparse.coo_array])
@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("solver", [*sorted(SOLVERS), "gd", "lbfgs"])
def test_nothing_asks_for_a_dense_matrix(
    solver: str, engine: str, form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = form(scattered(60, 500)), np.arange(60) % 3

    def dense(self: Any, *arguments: Any, **named: Any) -> None:
        raise AssertionError("a sparse matrix was made dense")

    for kind in (sparse.csr_array, sparse.csc_array, sparse.coo_array):
        for name in ("toarray", "todense"):
            monkeypatch.setattr(kind, name, dense)
    options = SOLVERS.get(solver, {"solver": solver})
    for early_stopping in (False, True) if solver != "lbfgs" else (False,):
        clf = new(engine=engine, max_iter=2, early_stopping=early_stopping, **options)
        clf.fit(X, y)
    clf.predict_proba(X)
    clf.predict_log_proba(X)
    clf.score(X, y)
    if solver != "lbfgs":
        clf.set_params(early_stopping=False).partial_fit(X, y)


@pytest.mark.parametrize(("rule", "times"), [("nesterov", 1), ("lazy adam", 0)])
def test_rows_that_no_batch_touches_are_visited_at_the_end_if_at_all(
    rule: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, close = [], Ledger.close

    def watched(self: Ledger, *arguments: Any) -> float:
        closed.append(self)
        return close(self, *arguments)

    monkeypatch.setattr(Ledger, "close", watched)
    units, lazy = (1000, 8, 3), rule == "lazy adam"
    network = Network(units, ACTIVATIONS["rect"], SOFTMAX)
    theta, optimizer = np.zeros(n_theta(units)), OPTIMIZERS[rule.split()[-1]](1e-3)
    examples = Examples(scattered(500, 1000, np.float64), np.arange(500) % 3, None)
    engine = CompiledEngine(network, lazy_adam=lazy)
    engine.epoch(theta, optimizer, examples, None, 1, no_penalty(2))
    assert len(closed) == times


def test_the_time_of_a_lazy_step_is_not_that_of_the_columns() -> None:
    seconds = []
    for d in (MANY_COLUMNS // 100, MANY_COLUMNS):
        units = (d, 16, 3)
        network = Network(units, ACTIVATIONS["rect"], SOFTMAX)
        theta, adam = np.zeros(n_theta(units), np.float32), Adam(1e-3)
        examples = Examples(scattered(300, d), np.arange(300) % 3, None)
        engine, times = CompiledEngine(network, lazy_adam=True), []
        for _ in range(8):
            began = time.perf_counter()
            engine.epoch(theta, adam, examples, None, 30, no_penalty(2))
            times.append(time.perf_counter() - began)
        seconds.append(min(times))
    # Proportional to the columns it would be a hundred; the caches make some of that.
    assert seconds[1] < 25 * seconds[0]
