"""A fitted network under scikit-learn's names: what can be done with theta."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from mlproof import hyperparameters
from mlproof.deep import Network, forward_through, weighted_loss
from mlproof.engines import Engine, Examples, choice
from mlproof.engines.choice import EngineName
from mlproof.engines.numpy_engine import (
    NumpyEngine,
    all_finite,
    no_false_alarm,
)
from mlproof.engines.threads import number
from mlproof.functions import ACTIVATIONS, Array
from mlproof.labelling import Labelling
from mlproof.layers import LayerViews
from mlproof.losses import OUTPUTS
from mlproof.optimizers import Optimizer
from mlproof.parameters import Parameters, n_theta, pack, views
from mlproof.penalties import Penalty, no_penalty
from mlproof.training import History
from mlproof.validation import X_FORMATS, check_sample_weight, sound
from mlproof.verification.comparison import Comparison, compare
from mlproof.verification.gradient.check import LEAST, OF_A_NETWORK, judged
from mlproof.verification.report import GradientReport
from mlproof.verification.trace import Trace, trace_step

# Rows are predicted from these without scikit-learn's validation.
PLAIN = frozenset({np.ndarray, sparse.csr_array, sparse.csr_matrix})
# Up to so many rows are not worth what an engine prepares for.
FEW_ROWS = 16


class FittedNetwork(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The half of ``MLPClassifier`` that reads theta and leaves training to it."""

    theta_: Array
    classes_: Array
    n_features_in_: int
    out_activation_: str
    engine_: EngineName
    # Fixed by fit, so that set_params on a fitted estimator changes only the next fit.
    _units: tuple[int, ...]
    _hidden_activation: str
    _labelling: Labelling
    _input_scale: float
    # theta_, and what predicts by it.
    _kept: tuple[Array, Network, Parameters]

    _history: History
    _optimizer: Optimizer | None

    def _become(
        self,
        theta: Array,
        units: tuple[int, ...],
        activation: str,
        labelling: Labelling,
        history: History,
        engine: EngineName = "numpy",
        input_scale: float = 1.0,
    ) -> None:
        """Take on this network, fitted or about to be."""
        self.theta_ = theta
        self._units, self._hidden_activation = units, activation
        self._labelling, self._history = labelling, history
        self._input_scale = input_scale
        self._optimizer, self.engine_ = None, engine
        self.classes_ = labelling.classes
        self.n_features_in_ = units[0]
        self.n_layers_, self.n_outputs_ = len(units), units[-1]
        self.out_activation_ = labelling.output
        self._keep_views()
        self._publish()

    def _keep_views(self) -> None:
        """Keep what predicting a single row would otherwise make anew."""
        self._kept = self.theta_, self._network, views(self.theta_, self._units)

    def __getstate__(self) -> dict[str, Any]:
        """All but the views, which would be copied as arrays of their own."""
        state = dict(super().__getstate__())
        state.pop("_kept", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "theta_"):
            self._keep_views()

    def _publish(self) -> None:
        """Set the fitted attributes that training changes."""
        history = self._history
        self.n_iter_, self.t_ = history.n_iter, history.n_seen
        self.loss_, self.loss_curve_ = history.loss, history.loss_curve
        self.best_loss_ = self.validation_scores_ = self.best_validation_score_ = None
        if self._validates:
            self.validation_scores_ = history.validation_scores
            self.best_validation_score_ = history.best_validation_score
        else:
            self.best_loss_ = history.best_loss

    @property
    def _validates(self) -> bool:
        return bool(self.early_stopping) and self.solver != "lbfgs"

    @property
    def _network(self) -> Network:
        return Network(
            self._units,
            ACTIVATIONS[self._hidden_activation],
            OUTPUTS[self.out_activation_],
            self._input_scale,
        )

    def _make_engine(self, name: EngineName) -> Engine:
        return choice.engine(name, self._network, self.n_threads, self.sparse_adam)

    @property
    def _penalty(self) -> Penalty:
        n_layers = len(self._units) - 1
        return Penalty(
            hyperparameters.per_layer("l1", self.l1, n_layers),
            hyperparameters.per_layer("l2", self.l2, n_layers),
            float(self.alpha),
        )

    # ---- the parameters, as scikit-learn shows them ----------------------------------

    def _layers(self, name: str) -> LayerViews:
        if not hasattr(self, "theta_"):
            raise NotFittedError(
                f"{name} belongs to a fitted network; call fit or partial_fit first."
            )

        def arrays() -> Sequence[Array]:
            W, b = views(self.theta_, self._units)
            return [W_k.T for W_k in W] if name == "coefs_" else b

        def writable() -> Sequence[Array]:
            self._make_writable()
            return arrays()

        return LayerViews(name, arrays(), writable)

    @property
    def coefs_(self) -> LayerViews:
        return self._layers("coefs_")

    @coefs_.setter
    def coefs_(self, values: Any) -> None:
        self._layers("coefs_").assign(values)

    @property
    def intercepts_(self) -> LayerViews:
        return self._layers("intercepts_")

    @intercepts_.setter
    def intercepts_(self, values: Any) -> None:
        self._layers("intercepts_").assign(values)

    def _make_writable(self) -> None:
        """Copy into memory what cannot be changed where it is, before it is changed.

        Such as a model mapped from a file, or a column of a matrix set as ``theta_``.
        """
        if not hasattr(self, "theta_"):
            return
        own = self._as_theta(self.theta_)
        if own is not self._kept[0]:
            self.theta_ = own
            self._keep_views()
            self._optimizer = copy.deepcopy(self._optimizer)

    def _as_theta(self, given: Any) -> Array:
        """What was set as ``theta_``, as an array that can be trained.

        Raises
        ------
        ValueError
            If it is not of the length that these layers need.
        """
        own = np.require(given, self._kept[0].dtype, ["C", "W", "A"])
        if own.shape != (n_theta(self._units),):
            raise ValueError(
                f"theta_ must hold the {n_theta(self._units)} weights and biases of "
                f"layers of {self._units} units; it has the shape {own.shape}."
            )
        return own

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "theta_")

    # ---- predicting ------------------------------------------------------------------

    def predict(self, X: Any) -> Any:
        """The most probable class of each row.

        Returns
        -------
        ndarray of shape (n_samples,), in the dtype of ``classes_``
            In a multilabel problem zeros and ones of shape (n_samples, n_labels): the
            labels more probable than not; sparse if y was sparse in ``fit``.
        """
        o_a = self._logits(X)
        return self._labelling.decode(self._labelling.decide(o_a))

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, in the order of ``classes_``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), in the dtype of ``theta_``
            Rows sum to 1, except in a multilabel problem.
        """
        o_a = self._logits(X)
        return self._by_class(o_a, OUTPUTS[self.out_activation_].probabilities)

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of ``predict_proba``, exact also where that rounds to 0.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), in the dtype of ``theta_``
            Finite for every finite logit.
        """
        o_a = self._logits(X)
        output = OUTPUTS[self.out_activation_]
        log_o_s = self._by_class(o_a, output.log_probabilities)
        if self._labelling.kind == "multilabel":
            # Labels whose probabilities round to the same number near 1 stay level, as
            # scikit-learn's tests want: no more than the last digit of 1 is given up.
            o_s = output.probabilities(o_a)
            np.log(o_s, out=log_o_s, where=o_s > 0.5)
        return log_o_s

    def _by_class(self, o_a: Array, of: Callable[[Array], Array]) -> Array:
        if self._labelling.n_outputs > 1 or self._labelling.kind == "multilabel":
            return of(o_a)
        if len(self.classes_) == 1:  # certain, whatever the logit
            return of(np.full_like(o_a, np.inf))
        return np.hstack([of(-o_a), of(o_a)])  # (L.1)

    def _logits(self, X: Any) -> Array:
        if self._is_plain(X):
            o_a = self._plain_logits(sound(X))
            if o_a is not None:
                return o_a
        check_is_fitted(self)
        X = validate_data(self, sound(X), reset=False, **X_FORMATS)
        engine = self._make_engine("numpy")
        return engine.logits(self.theta_, X.tocsr() if sparse.issparse(X) else X)

    def _is_plain(self, X: Any) -> bool:
        """Whether X is what the network takes, but for numbers that are not finite.

        scikit-learn's validation takes longer than the prediction of a row, and reads
        many of them once more; whatever is not as simple as this goes through it, and
        gets its errors and warnings.
        """
        return (
            type(X) in PLAIN
            and X.ndim == 2
            and X.shape[0] > 0
            and hasattr(self, "theta_")
            and X.dtype == self.theta_.dtype
            and X.shape[1] == self.n_features_in_
            and not hasattr(self, "feature_names_in_")
        )

    def _plain_logits(self, X: Any) -> Array | None:
        """The logits of such an X, or None: then the validation tells what is wrong."""
        if X.shape[0] > FEW_ROWS:
            engine = NumpyEngine(self._network, number(self.n_threads))
            return engine.finite_logits(self.theta_, X)
        theta, network, parameters = self._kept
        if theta is not self.theta_:  # somebody has set another
            network, parameters = self._network, views(self.theta_, self._units)
        try:
            with no_false_alarm("raise"):
                trace = forward_through(network, parameters, X)
        except FloatingPointError:
            return None
        return trace.o_a if all_finite(trace) else None

    # ---- checking and keeping --------------------------------------------------------

    def check_gradient(
        self, X: Any, y: Any, sample_weight: Any = None, **options: Any
    ) -> GradientReport:
        """Check the gradient this network trains by, at its weights, on these rows.

        The gradient is the engine's, in the dtype of ``theta_``, of the regularised
        risk of X as one batch.  It is compared with central differences and the complex
        step of that risk in float64, block by block (W1, b1, W2, ...); a difference
        that straddles a kink of the activation is taken again with smaller steps.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.  A hundred rows are enough; the time is that of a few
            thousand evaluations of the risk on them.
        **options
            Passed on to ``mlproof.check_gradient``: max_entries, n_directions, seed.

        Returns
        -------
        GradientReport
        """
        to_check = self._to_check(X, y, sample_weight)
        least = LEAST if self.theta_.dtype == np.float32 else OF_A_NETWORK
        return judged(*to_check, (), least, **options)

    def compare_gradient(
        self, X: Any, y: Any, sample_weight: Any = None, **options: Any
    ) -> Comparison:
        """Entries of the same gradient beside measured slopes, to be drawn.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        **options
            Passed on to ``mlproof.verification.comparison.compare``: max_entries, seed.

        Returns
        -------
        Comparison
            ``mlproof.plots.gradient_check`` draws it.
        """
        return compare(*self._to_check(X, y, sample_weight), **options)

    def _rows_to_check(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[Any, Array, Array | None]:
        """X, the encoded labels and the weights, validated as for ``fit``."""
        check_is_fitted(self)
        X, y = validate_data(
            self,
            sound(X),
            sound(y, "y"),
            multi_output=True,
            reset=False,
            **X_FORMATS,
        )
        X = X.tocsr() if sparse.issparse(X) else X
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y)
        return X, self._labelling.encode(y), check_sample_weight(sample_weight, X)

    def _to_check(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """The terms of the risk, the engine's gradient of it, and the parameters."""
        X, y, weight = self._rows_to_check(X, y, sample_weight)
        batch = Examples(X, y, weight)
        s = float(X.shape[0] if weight is None else np.sum(weight, dtype=np.float64))
        share = np.full(X.shape[0], 1 / s) if weight is None else weight / s
        penalty = self._penalty
        network, engine = self._network, self._make_engine(self.engine_)
        names = [f"{kind}{k + 1}" for k in range(network.n_layers) for kind in "Wb"]

        def flat(blocks: dict[str, Array]) -> Array:
            arrays = [blocks[name] for name in names]
            return pack(arrays[0::2], arrays[1::2])

        def named(theta: Array) -> dict[str, Array]:
            layers = zip(*views(theta, network.units), strict=True)
            return dict(
                zip(names, (block for layer in layers for block in layer), strict=True)
            )

        def data(blocks: dict[str, Array]) -> Any:
            return weighted_loss(network, flat(blocks), X, y, share)

        def added(part: Penalty) -> Callable[[dict[str, Array]], Any]:
            return lambda blocks: part.value([blocks[name] for name in names[0::2]])

        def gradient(blocks: dict[str, Array]) -> dict[str, Array]:
            theta = flat(blocks).astype(self.theta_.dtype)
            return named(engine.risk_and_gradient(theta, batch, penalty)[1])

        full, none = penalty.over(s), no_penalty(network.n_layers)
        terms = {
            "data": data,
            **({"l1": added(full._replace(l2=none.l2))} if any(full.l1) else {}),
            **({"l2": added(full._replace(l1=none.l1))} if any(full.l2) else {}),
        }
        return terms, gradient, named(self.theta_)

    def trace(self, X: Any, y: Any, sample_weight: Any = None) -> Trace:
        """One training step on these rows, with every number on the way.

        Printed, the trace lists each quantity of the forward pass, each gradient beside
        its check and the parameters after the step; in a notebook it is a page, which
        ``trace.to_html()`` gives as text (docs/trace.md).  The step is that of plain
        gradient descent with ``learning_rate_init`` (Q2.6), whatever the solver, and
        all is computed in float64.  The network stays as it is.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``, up to 100 rows.

        Returns
        -------
        Trace
            ``trace["grad_W1"].value`` is a number or array, ``formula`` its line.

        Examples
        --------
        >>> from mlproof import MLPClassifier
        >>> X, y = [[0.0], [1.0], [2.0]], ["no", "yes", "yes"]
        >>> clf = MLPClassifier((2,), solver="lbfgs", random_state=0).fit(X, y)
        >>> trace = clf.trace(X[:1], y[:1])
        >>> trace["h_a"].formula, trace["h_a"].shape, trace.ok
        ('b1 + X @ W1.T', (1, 2), True)
        """
        check_is_fitted(self)
        names: dict[str, Any] = {"output": self.classes_[-self.n_outputs_ :]}
        if hasattr(self, "feature_names_in_"):
            names["input"] = self.feature_names_in_
        X, y, weight = self._rows_to_check(X, y, sample_weight)
        return trace_step(
            self._network,
            self.theta_,
            X,
            y,
            weight,
            penalty=self._penalty,
            eta=self.learning_rate_init,
            names=names,
            note="The step is plain gradient descent by learning_rate_init, "
            f"{self.learning_rate_init:g}; this network's solver is {self.solver}.",
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        return tags
