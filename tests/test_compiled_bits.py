"""The compiled engine has the same bits for any threads, in any process."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import joblib
import numpy as np
import pytest
from conftest import make_case
from trainings import (
    FLOATS,
    LARGE,
    OPTIMIZERS,
    WEIGHTS,
    assert_same_bits,
    blobs,
    compiled,
    run_python,
    some_orders,
    train,
    weigh,
)

from mlproof import MLPClassifier
from mlproof.engines.compiled import CompiledEngine
from mlproof.engines.compiled.plan import plan_for

# Three epochs are no training to the end, and say so.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("all_is_shared"),
]


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


def test_halves_of_a_batch_are_apart_where_that_is_less_to_exchange() -> None:
    # The rows above, and those of a network too wide for it.
    assert plan_for(LARGE["units"], 4).apart(200)
    assert not plan_for((4000, 2, 2), 4).apart(1)


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


PRINT_BITS = """
import hashlib, json, sys, warnings
import numpy as np
from mlproof import MLPClassifier
from mlproof.engines import chunks
warnings.simplefilter("ignore")
chunks.WORTH_SHARING = 0
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
        processes = pool.map(partial(run_python, PRINT_BITS), (1, 3))
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
from mlproof.engines import chunks
warnings.simplefilter("ignore")
chunks.WORTH_SHARING = 0
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
