"""Where MLPClassifier differs from scikit-learn 1.9's on purpose, both sides shown.

docs/scikit-learn.md lists these tests, one or more for each row of its table.  When a
new scikit-learn changes its side, the test fails and the row is out of date.
"""

import pickle
import re
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import scipy.optimize
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.neural_network import MLPClassifier as Theirs

import mlproof.training
from mlproof import MLPClassifier as Ours

BOTH = [Theirs, Ours]
PAGE = Path(__file__).parents[1] / "docs" / "scikit-learn.md"

# Most fits here are cut short.
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = np.argmax(X, axis=1)  # three classes


def new(kind, **parameters):
    small = {"hidden_layer_sizes": (4,), "max_iter": 5, "random_state": 0}
    return kind(**small | parameters)


def weights(estimator):
    """All weights and biases in one vector, the same for both."""
    return np.hstack([w.ravel() for w in estimator.coefs_ + estimator.intercepts_])


def linear(kind, W, b, y, X=X, **parameters):
    """A network of no hidden layer with these weights, whatever it was trained on."""
    parameters = {"hidden_layer_sizes": (), "alpha": 0.0} | parameters
    fitted = new(kind, **parameters).fit(X, y)
    fitted.coefs_[0][...] = W
    fitted.intercepts_[0][...] = b
    return fitted


# ---- the loss ----------------------------------------------------------------------


def _loss_and_slope(kind, w):
    """The loss at the weight w, and its slope as one step of gradient descent has it.

    Both public: with warm_start, one epoch of one batch starts at w, reports the loss
    there and ends at w - slope.  Each row, x = -1 of class 0 and x = 1 of class 1, is
    right if w is large, and as wrong as can be if w is very negative.
    """
    X, y = np.array([[-1.0], [1.0]]), [0, 1]
    one_step = {
        "solver": "sgd",
        "momentum": 0,
        "learning_rate_init": 1.0,
        "shuffle": False,
        "max_iter": 1,
        "warm_start": True,
    }
    fitted = linear(kind, [[w]], [0.0], y, X=X, **one_step).fit(X, y)
    return fitted.loss_, w - fitted.coefs_[0][0, 0]


def test_the_loss_and_the_gradient_of_a_saturated_network_belong_together():
    for w, saturated in [(-3.0, False), (-100.0, True)]:
        for kind in BOTH:
            (above, _), (below, _) = (
                _loss_and_slope(kind, w + h) for h in (1e-3, -1e-3)
            )
            loss, slope = _loss_and_slope(kind, w)
            difference = (above - below) / 2e-3
            if saturated and kind is Theirs:
                assert loss == pytest.approx(-np.log(np.finfo(float).eps))  # the clip
                assert difference == 0
                assert slope == -1
            else:
                # softplus(-w), from 1e-3 apart: error of third order, 1e-6.
                assert loss == pytest.approx(np.log1p(np.exp(-abs(w))) + max(-w, 0))
                assert slope == pytest.approx(difference, abs=1e-6)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_log_probabilities_are_finite_where_probabilities_round_to_0():
    logits = [0.0, 800.0, -3.0]
    theirs, ours = (linear(kind, 0.0, logits, Y) for kind in BOTH)
    expected = [-800.0, 0.0, -803.0]
    np.testing.assert_array_equal(
        theirs.predict_log_proba(X[:1]), [[-np.inf, 0, -np.inf]]
    )
    np.testing.assert_array_equal(ours.predict_log_proba(X[:1]), [expected])


def test_the_smaller_of_two_probabilities_keeps_its_digits():
    theirs, ours = (linear(kind, 0.0, [50.0], Y > 0) for kind in BOTH)
    assert theirs.predict_proba(X[:1])[0, 0] == 0
    assert ours.predict_proba(X[:1])[0, 0] == pytest.approx(np.exp(-50.0), rel=1e-15)


def test_the_class_of_the_largest_logit_is_predicted_though_probabilities_tie():
    theirs, ours = (linear(kind, 0.0, [0.0, 1e-17, -1.0], Y) for kind in BOTH)
    for fitted in (theirs, ours):
        first, second, _ = fitted.predict_proba(X[:1])[0]
        assert first == second
    assert theirs.predict(X[:1]) == [0]
    assert ours.predict(X[:1]) == [1]


# ---- classes -----------------------------------------------------------------------


def test_a_problem_of_one_class_has_one_column_of_certainty():
    theirs, ours = (new(kind).fit(X, np.full(40, 7)) for kind in BOTH)
    assert list(theirs.classes_) == list(ours.classes_) == [7]
    assert theirs.predict_proba(X).shape == (40, 2)
    np.testing.assert_array_equal(ours.predict_proba(X), np.ones((40, 1)))


def test_the_dtype_of_the_labels_is_kept():
    y = np.array(["a", "b", "ccc"], dtype=object)[Y]
    theirs, ours = (new(kind).fit(X, y) for kind in BOTH)
    assert theirs.predict(X).dtype == "<U3"
    assert ours.predict(X).dtype == ours.classes_.dtype == object
    assert list(ours.classes_) == list(theirs.classes_)


# ---- sample weights ----------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_minibatch_whose_weights_are_all_0_is_skipped(solver):
    sample_weight = np.ones(40)
    sample_weight[10:20] = 0
    parameters = {"solver": solver, "batch_size": 10, "shuffle": False}
    with pytest.raises(ZeroDivisionError):
        new(Theirs, **parameters).fit(X, Y, sample_weight)
    skipped = new(Ours, **parameters).fit(X, Y, sample_weight)
    counts = sample_weight > 0
    removed = new(Ours, **parameters).fit(X[counts], Y[counts])
    # Equal bits: the same batches in the same order.
    np.testing.assert_array_equal(skipped.theta_, removed.theta_)


# ---- X -----------------------------------------------------------------------------


def test_images_of_uint8_are_trained_on_in_float32():
    images = RNG.integers(0, 256, (40, 3)).astype(np.uint8)
    assert weights(new(Theirs).fit(images, Y)).dtype == np.float64
    assert weights(new(Ours).fit(images, Y)).dtype == np.float32


def test_a_sparse_matrix_that_contradicts_itself_is_refused():
    matrix = sparse.csr_matrix(np.eye(3))
    fitted = {kind: new(kind).fit(matrix, [0, 1, 2]) for kind in BOTH}
    matrix.indices[1] = 5  # reads past the weights, but not past their memory
    assert fitted[Theirs].predict(matrix).shape == (3,)
    with pytest.raises(ValueError, match="contradicts itself"):
        fitted[Ours].predict(matrix)


@pytest.mark.parametrize("dtype", ["U25", "M8[s]"])
def test_strings_and_dates_are_numbers_to_predict_as_they_are_to_fit(dtype):
    numbers = np.round(1000 * X)
    given = numbers.astype(dtype if dtype == "U25" else "i8").astype(dtype)
    theirs, ours = (new(kind).fit(given, Y) for kind in BOTH)
    np.testing.assert_array_equal(weights(ours), weights(new(Ours).fit(numbers, Y)))
    with pytest.raises((ValueError, TypeError)):
        theirs.predict(given)
    np.testing.assert_array_equal(ours.predict(given), ours.predict(numbers))


# ---- partial_fit -------------------------------------------------------------------


def _rows_visited(kind, calls):
    """The order of the rows in each epoch of partial_fit, read off the weights.

    Row i is the i-th unit vector, so it alone moves weight i, by as much as the bias.
    From 0, and with every row of one class, the bias grows from row to row and each
    step is smaller than the one before: the larger the weight, the earlier the row.
    """
    n = 8
    estimator = new(
        kind,
        hidden_layer_sizes=(),
        solver="sgd",
        momentum=0,
        batch_size=1,
        learning_rate_init=0.5,
        alpha=0.0,
    )
    orders = []
    for _ in range(calls):
        estimator.partial_fit(np.eye(n), np.ones(n), classes=[0, 1])
        moved = estimator.coefs_[0].ravel().copy()
        estimator.coefs_[0][...] = 0
        estimator.intercepts_[0][...] = 0
        orders.append(tuple(np.argsort(-moved)))
    return orders[1:]  # the first call starts at random weights


def test_partial_fit_visits_the_rows_in_a_new_order_at_every_call():
    assert len(set(_rows_visited(Theirs, 5))) == 1
    assert len(set(_rows_visited(Ours, 5))) == 4


def test_n_iter_counts_the_epochs_of_partial_fit():
    for kind, n_iter in [(Theirs, 1), (Ours, 5)]:
        estimator = new(kind, max_iter=2).fit(X, Y)
        for _ in range(3):
            estimator.partial_fit(X, Y)
        assert len(estimator.loss_curve_) == 5
        assert estimator.n_iter_ == n_iter


def test_partial_fit_takes_a_part_of_the_classes_with_warm_start_too():
    theirs, ours = (new(kind, warm_start=True).fit(X, Y) for kind in BOTH)
    only_1 = Y == 1
    with pytest.raises(ValueError, match="warm_start can only be used"):
        theirs.partial_fit(X[only_1], Y[only_1])
    ours.partial_fit(X[only_1], Y[only_1])
    assert list(ours.classes_) == [0, 1, 2]


def test_a_first_call_of_partial_fit_that_fails_leaves_nothing_fitted():
    theirs, ours = new(Theirs), new(Ours)
    for estimator in (theirs, ours):
        with pytest.raises(ValueError, match="classes"):
            estimator.partial_fit(X, Y, classes=[0, 1])  # Y has three
    assert hasattr(theirs, "classes_")
    with pytest.raises(AttributeError, match="n_layers_"):
        theirs.predict(X)
    assert not hasattr(ours, "classes_")
    with pytest.raises(NotFittedError):
        ours.predict(X)


# ---- L-BFGS ------------------------------------------------------------------------


def test_lbfgs_keeps_float32():
    theirs, ours = (
        new(kind, solver="lbfgs").fit(X.astype(np.float32), Y) for kind in BOTH
    )
    assert theirs.coefs_[0].dtype == np.float64
    assert ours.coefs_[0].dtype == ours.predict_proba(X).dtype == np.float32


def test_lbfgs_says_that_it_does_not_stop_early():
    parameters = {"solver": "lbfgs", "early_stopping": True, "max_iter": 200}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new(Theirs, **parameters).fit(X, Y)
    ours = new(Ours, **parameters)
    with pytest.warns(UserWarning, match="early_stopping=True is not used by"):
        ours.fit(X, Y)
    assert ours.validation_scores_ is ours.best_validation_score_ is None
    assert ours.best_loss_ == min(ours.loss_curve_)


def test_lbfgs_has_a_loss_curve():
    theirs, ours = (new(kind, solver="lbfgs").fit(X, Y) for kind in BOTH)
    for name in ("loss_curve_", "best_loss_"):
        assert not hasattr(theirs, name)
    assert len(ours.loss_curve_) == ours.n_iter_ == 5
    assert ours.best_loss_ == ours.loss_curve_[-1] == ours.loss_
    # Not to rounding: both follow the same path for these five iterations.
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)


def test_an_interrupted_lbfgs_keeps_the_weights_of_its_last_iteration(monkeypatch):
    minimize = scipy.optimize.minimize

    def interrupted(objective, start, args=(), **options):
        evaluations = iter(range(6))

        def once_more(*arguments):
            if next(evaluations, None) is None:
                raise KeyboardInterrupt
            return objective(*arguments)

        return minimize(once_more, start, args=args, **options)

    monkeypatch.setattr(scipy.optimize, "minimize", interrupted)
    monkeypatch.setattr(mlproof.training, "minimize", interrupted)
    with pytest.raises(KeyboardInterrupt):
        new(Theirs, solver="lbfgs", max_iter=50).fit(X, Y)
    estimator = new(Ours, solver="lbfgs", max_iter=50)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        estimator.fit(X, Y)
    assert 1 <= estimator.n_iter_ == len(estimator.loss_curve_) <= 6
    shorter = new(Ours, solver="lbfgs", max_iter=estimator.n_iter_).fit(X, Y)
    np.testing.assert_array_equal(estimator.theta_, shorter.theta_)


# ---- going on with another configuration -------------------------------------------


@pytest.mark.parametrize("go_on", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "changed", [{"hidden_layer_sizes": (7,)}, {"activation": "tanh"}]
)
def test_training_does_not_go_on_with_another_network(changed, go_on):
    theirs, ours = (new(kind, warm_start=True).fit(X, Y) for kind in BOTH)
    getattr(theirs.set_params(**changed), go_on)(X, Y)
    assert theirs.coefs_[0].shape == (3, 4)  # the old layer, whatever was asked for
    before = ours.theta_.copy()
    with pytest.raises(ValueError, match="training goes on with"):
        getattr(ours.set_params(**changed), go_on)(X, Y)
    np.testing.assert_array_equal(ours.theta_, before)


def test_setting_the_activation_does_not_change_what_is_fitted():
    theirs, ours = (new(kind).fit(X, Y) for kind in BOTH)
    before = [fitted.predict_proba(X) for fitted in (theirs, ours)]
    after = [
        fitted.set_params(activation="tanh").predict_proba(X)
        for fitted in (theirs, ours)
    ]
    assert not np.allclose(after[0], before[0])
    np.testing.assert_array_equal(after[1], before[1])


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"early_stopping": False}, {"early_stopping": True}),
        ({"solver": "lbfgs"}, {"solver": "adam"}),
    ],
)
def test_a_warm_start_may_change_how_to_train(first, then):
    theirs, ours = (new(kind, warm_start=True, **first).fit(X, Y) for kind in BOTH)
    with pytest.raises(AttributeError):
        theirs.set_params(**then).fit(X, Y)
    assert ours.set_params(**then).fit(X, Y).n_iter_ == 5


def test_early_stopping_after_a_warm_start_keeps_the_weights_it_began_with_if_best():
    y = X[:, 0] > 0
    theirs, ours = (
        new(
            kind,
            max_iter=30,
            early_stopping=True,
            warm_start=True,
            learning_rate_init=0.1,
        ).fit(X, y)
        for kind in BOTH
    )
    for fitted in (theirs, ours):
        assert fitted.best_validation_score_ == 1  # no epoch can do better
        before = weights(fitted).copy()
        fitted.set_params(max_iter=3, learning_rate_init=0.001).fit(X, y)
        kept = np.array_equal(weights(fitted), before)
        assert kept == (fitted is ours)


# ---- the weights as attributes -----------------------------------------------------


def test_coefs_of_a_wrong_shape_are_refused():
    theirs, ours = (new(kind).fit(X, Y) for kind in BOTH)
    theirs.coefs_[0] = np.ones((5, 4))
    with pytest.raises(ValueError, match="matmul"):
        theirs.predict(X)
    with pytest.raises(ValueError, match=r"coefs_\[0\] must have shape \(3, 4\)"):
        ours.coefs_[0] = np.ones((5, 4))
    ours.predict(X)


def test_an_array_assigned_to_coefs_is_copied_in_the_dtype_of_the_others():
    given = np.ones((3, 4))
    theirs, ours = (new(kind).fit(X.astype(np.float32), Y) for kind in BOTH)
    for fitted in (theirs, ours):
        fitted.coefs_[0] = given
    given[0, 0] = 9
    assert theirs.coefs_[0][0, 0] == 9
    assert ours.coefs_[0][0, 0] == ours.theta_[0] == 1
    assert theirs.coefs_[0].dtype == np.float64
    assert ours.coefs_[0].dtype == np.float32


def test_partial_fit_goes_on_from_a_memory_mapped_model(tmp_path):
    for kind in BOTH:
        joblib.dump(new(kind).fit(X, Y), tmp_path / "model")
        mapped = joblib.load(tmp_path / "model", mmap_mode="r")
        in_memory = joblib.load(tmp_path / "model")
        if kind is Theirs:
            with pytest.raises(ValueError, match="read-only"):
                mapped.partial_fit(X, Y)
        else:
            mapped.partial_fit(X, Y)
            in_memory.partial_fit(X, Y)
            np.testing.assert_array_equal(mapped.theta_, in_memory.theta_)


@pytest.mark.parametrize(
    ("parameters", "copies_theirs", "copies_ours"),
    [
        ({"solver": "adam"}, 4, 3),  # the weights and two moments; theirs: and the best
        ({"solver": "sgd"}, 3, 2),  # the weights and the velocity; theirs: and the best
        ({"solver": "lbfgs"}, 2, 1),  # the weights; theirs: and the initial ones
    ],
)
def test_a_pickle_holds_the_weights_and_the_moments(
    parameters, copies_theirs, copies_ours
):
    X, y = load_digits(return_X_y=True)
    for kind, copies in [(Theirs, copies_theirs), (Ours, copies_ours)]:
        fitted = new(kind, hidden_layer_sizes=(100,), max_iter=2, **parameters)
        fitted.fit(X, y)
        size = len(pickle.dumps(fitted))
        # The rest, 1 to 8 kB: the generator, parameters, classes, and names of modules.
        assert 0 < size - copies * weights(fitted).nbytes < 10_000


# ---- what is said ------------------------------------------------------------------


@pytest.mark.parametrize("bad", [{"alpha": True}, {"max_iter": True}])
def test_true_is_no_number(bad):
    new(Theirs, **bad).fit(X, Y)
    with pytest.raises(ValueError, match=f"{next(iter(bad))} must be .*; got True"):
        new(Ours, **bad).fit(X, Y)


@pytest.mark.parametrize("sizes", [(2.5,), np.array([3.0]), np.ones((2, 2), int)])
def test_hidden_layer_sizes_that_are_no_integers_are_a_value_error(sizes):
    with pytest.raises(TypeError):
        new(Theirs, hidden_layer_sizes=sizes).fit(X, Y)
    with pytest.raises(ValueError, match="hidden_layer_sizes must be an integer"):
        new(Ours, hidden_layer_sizes=sizes).fit(X, Y)


def test_the_warning_of_a_batch_too_large_has_both_numbers():
    for kind, words in [
        (Theirs, "Got `batch_size` less than 1 or larger than sample size"),
        (Ours, "batch_size=100 is more than the 40 rows to train on"),
    ]:
        with pytest.warns(UserWarning, match=words):
            new(kind, batch_size=100).fit(X, Y)


def test_verbose_prints_an_epoch_on_one_line(capsys):
    for kind, separator in [
        (Theirs, "\nValidation score: "),
        (Ours, ", validation score = "),
    ]:
        fitted = new(kind, verbose=True, early_stopping=True, max_iter=1).fit(X, Y)
        score = fitted.validation_scores_[0]
        expected = f"Iteration 1, loss = {fitted.loss_:.8f}{separator}{score:.6f}\n"
        assert capsys.readouterr().out == expected


def test_verbose_prints_the_loss_of_lbfgs(capsys):
    for kind in BOTH:
        new(kind, verbose=True, solver="lbfgs").fit(X, Y)
        lines = capsys.readouterr().out.splitlines()
        printed = [line.startswith("Iteration") for line in lines]
        assert printed == ([] if kind is Theirs else [True] * 5)


def test_a_fit_cut_short_says_so_in_our_own_words():
    for kind, words in [
        (Theirs, r"Maximum iterations \(5\) reached"),
        (Ours, "Training ended at max_iter=5 epochs"),
    ]:
        with pytest.warns(ConvergenceWarning, match=words):
            new(kind).fit(X, Y)


# ---- the page ----------------------------------------------------------------------


def test_the_page_names_these_tests_and_no_others():
    named = re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8"))
    here = [name for name in globals() if name.startswith("test_")]
    assert sorted(set(named)) == sorted(here)
