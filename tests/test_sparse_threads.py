"""Sparse X: the same bits for any threads, also after one of them has failed."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from trainings import FLOATS, RULES, pair, run_python, some_orders, train_sparse

from mlproof.engines.compiled import CompiledEngine
from mlproof.engines.compiled.team import Team

# Most fits here are cut short.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("all_is_shared"),
]


# 26 entries a row, 64 hidden units: 90 rows are worth a second thread.
LARGE = {"units": (650, 64, 16, 3), "activation": "softplus", "n": 600, "density": 0.04}


def bits_cases() -> Iterator[Any]:
    """Every rule with every penalty in one dtype or the other; the others are slow."""
    for penalty in ("none", "l2 and alpha", "l1"):
        for rule in (*RULES, "lazy adam"):
            for dtype in FLOATS:
                quick = (dtype == np.float64) == (penalty == "l2 and alpha")
                marks = () if quick else pytest.mark.slow
                yield pytest.param(penalty, rule, dtype, marks=marks)


@pytest.mark.parametrize(("penalty", "rule", "dtype"), list(bits_cases()))
def test_any_number_of_threads_trains_to_the_same_bits(
    dtype: Any, rule: str, penalty: str, teams: set[int]
) -> None:
    case = pair(17, **LARGE, dtype=dtype, penalty=penalty, weights="some 0").thin
    name, lazy = rule.split()[-1], rule == "lazy adam"
    # Whole chunks, one chunk, and several with a shorter batch at the end.
    for batch_size in (200, 90, 450):
        alone, *others = (
            train_sparse(
                CompiledEngine(case.network, n_threads, lazy_adam=lazy),
                case,
                name,
                batch_size,
                some_orders(600),
            )
            for n_threads in (1, 2, 3, 5)
        )
        for found in others:
            assert found.theta.tobytes() == alone.theta.tobytes()
            np.testing.assert_array_equal(found.moments, alone.moments)
            assert found.losses == alone.losses
    assert teams == {1, 2, 3, 5}


def test_more_threads_than_columns_are_touched_train_to_the_same_bits(
    teams: set[int],
) -> None:
    shape = {"units": (2, 100, 20, 2), "n": 300}
    for rule in RULES:
        case = pair(18, **shape, density=0.6).thin
        alone, many = (
            train_sparse(CompiledEngine(case.network, k), case, rule, 100, [None])
            for k in (1, 24)
        )
        np.testing.assert_array_equal(many.theta, alone.theta)
        assert many.losses == alone.losses
    assert teams == {1, 24}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("rule", ["nesterov", "adam"])
@pytest.mark.parametrize("who", [0, 1])
def test_an_engine_can_be_used_after_one_of_its_threads_has_failed(
    rule: str, lazy: bool, who: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = pair(19, **LARGE).thin
    expected = train_sparse(
        CompiledEngine(case.network, lazy_adam=lazy), case, rule, 200, [None]
    )
    # When a batch has been turned round, perhaps, and not yet forgotten.
    for failing_run in (1, 2, 3):
        engine = CompiledEngine(case.network, 2, lazy_adam=lazy)
        run, n_runs = Team.run, 0

        def failing(
            self: Team,
            kernel: Any,
            meeting: Any,
            run: Any = run,
            failing_run: int = failing_run,
        ) -> None:
            nonlocal n_runs
            n_runs += 1
            number = n_runs

            def work(thread: int) -> None:
                if thread == who and number == failing_run:
                    raise MemoryError
                kernel(thread)

            run(self, work, meeting)

        with monkeypatch.context() as patched:
            patched.setattr(Team, "run", failing)
            try:
                train_sparse(engine, case, rule, 200, [None])
            except MemoryError:
                pass
            else:
                assert n_runs < failing_run
        found = train_sparse(engine, case, rule, 200, [None])
        np.testing.assert_array_equal(found.theta, expected.theta)
        assert found.losses == expected.losses


PRINT_BITS = """
import hashlib, json, sys, warnings
from scipy import sparse
from mlproof import MLPClassifier
from mlproof.engines import chunks
from trainings import SOLVERS, rows_of_words
warnings.simplefilter("ignore")
chunks.WORTH_SHARING = 0
bits = {}
for dtype in ("float32", "float64"):
    X, y = rows_of_words(500, 120, dtype)
    for name, options in SOLVERS.items():
        clf = MLPClassifier(
            (64, 16), max_iter=3, random_state=0, engine="compiled",
            n_threads=int(sys.argv[1]), **options,
        ).fit(sparse.csr_matrix(X), y)
        assert clf.engine_ == "compiled" and clf.theta_.dtype == dtype
        bits[f"{dtype} {name}"] = [
            hashlib.sha256(clf.theta_.tobytes()).hexdigest(),
            [loss.hex() for loss in clf.loss_curve_],
        ]
print(json.dumps(bits))
"""


def test_new_processes_with_any_threads_train_to_the_same_bits() -> None:
    with ThreadPoolExecutor(2) as pool:
        processes = pool.map(partial(run_python, PRINT_BITS, timeout=300), (1, 3))
    alone, other = [json.loads(process.stdout) for process in processes]
    assert len(alone) == len({theta for theta, _ in alone.values()}) == 14
    assert other == alone
