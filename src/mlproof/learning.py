"""How an estimator learns: from its parameters and the data to epochs of training."""

import math
import warnings
from collections.abc import Callable, Generator, Iterator
from typing import Any, cast

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import column_or_1d, validate_data

from mlproof import hyperparameters, labelling
from mlproof.engines import Engine, Examples, choice
from mlproof.engines.choice import EngineName
from mlproof.fitted import FittedNetwork
from mlproof.functions import Array
from mlproof.labelling import Labelling
from mlproof.optimizers import SGD, Adam, LearningRateSchedule, Optimizer
from mlproof.parameters import n_theta, vector
from mlproof.training import Epoch, History, Rules, descend, lbfgs
from mlproof.validation import X_FORMATS, check_sample_weight, sound

# So many weights are drawn at once: they stay in the cache.
DRAWN_AT_ONCE = 16_384


class LearningNetwork(FittedNetwork):
    """The half of ``MLPClassifier`` that changes theta."""

    def _train(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        resume: bool,
        incremental: bool = False,
        classes: Any = None,
    ) -> Generator[Epoch, None, None]:
        before = self.__dict__.copy()
        try:
            epochs = self._prepare(X, y, sample_weight, resume, incremental, classes)
        except BaseException:  # what was fitted before stays fitted, and nothing else
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        yield from self._run(epochs, incremental)
        if not np.isfinite(self.theta_).all():
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may"
                " contain large values and need to be preprocessed, or"
                " learning_rate_init may be too large."
            )

    def _prepare(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        resume: bool,
        incremental: bool,
        classes: Any,
    ) -> Iterator[Epoch]:
        """Check everything and draw the first weights; the training yet to be run."""
        hyperparameters.check(self.get_params(deep=False))
        resume = resume and hasattr(self, "theta_")
        X, y = validate_data(
            self,
            sound(X),
            sound(y, "y"),
            multi_output=True,
            reset=not resume,
            **X_FORMATS,
        )
        sample_weight = check_sample_weight(sample_weight, X)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if resume:
            self._check_resumable(y, incremental)
        labels = self._labelling if resume else labelling.infer(y, classes)
        targets = labels.encode(y)
        if not (incremental and hasattr(self, "_rng")):
            self._rng = check_random_state(self.random_state)
        if resume:
            self._make_writable()
        else:
            self._initialize(X, labels)
        # Slicing rows is what batches do, and CSR is the format for that.
        X = X.tocsr() if sparse.issparse(X) else X
        return self._solve(Examples(X, targets, sample_weight), incremental, resume)

    def _check_resumable(self, y: Any, incremental: bool) -> None:
        """Training can go on only with the network there is."""
        sizes = hyperparameters.hidden_sizes(self.hidden_layer_sizes)
        activation = hyperparameters.ACTIVATION_NAMES[self.activation]
        if (sizes, activation) != (self._units[1:-1], self._hidden_activation):
            raise ValueError(
                f"training goes on with hidden layers of {self._units[1:-1]} units and "
                f"the activation {self._hidden_activation!r}; got hidden_layer_sizes="
                f"{self.hidden_layer_sizes!r} and activation={self.activation!r}. Set "
                "warm_start=False and call fit to begin anew."
            )
        if float(self.input_scale) != self._input_scale:
            raise ValueError(
                f"training goes on with input_scale={self._input_scale}; got "
                f"{self.input_scale}. Set warm_start=False and call fit to begin anew."
            )
        if incremental:
            return
        given = labelling.infer(y).classes
        if set(given) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the "
                f"previous call to fit. Previously got {self.classes_}, `y` has {given}"
            )

    def _initialize(self, X: Any, labels: Labelling) -> None:
        """Draw the weights and forget all training, layer by layer as scikit-learn."""
        sizes = hyperparameters.hidden_sizes(self.hidden_layer_sizes)
        units = (X.shape[1], *sizes, labels.n_outputs)
        self._become(
            vector(n_theta(units), np.float32 if X.dtype == np.uint8 else X.dtype),
            units,
            hyperparameters.ACTIVATION_NAMES[self.activation],
            labels,
            History(),
            input_scale=float(self.input_scale),
        )
        factor = 2 if self.activation == "logistic" else 6
        for coef, intercept in zip(self.coefs_, self.intercepts_, strict=True):
            bound = np.sqrt(factor / sum(coef.shape))
            # Some inputs at a time: the numbers are drawn in float64, and a large layer
            # of them would go through memory on its way to theta.
            step = -(-DRAWN_AT_ONCE // coef.shape[1])
            for first in range(0, len(coef), step):
                inputs = coef[first : first + step]
                inputs[...] = self._rng.uniform(-bound, bound, inputs.shape)
            intercept[...] = self._rng.uniform(-bound, bound, intercept.shape)

    def _run(self, epochs: Iterator[Epoch], incremental: bool) -> Iterator[Epoch]:
        """Train, keeping the fitted attributes true after every epoch."""
        history, theta = self._history, self.theta_
        history.warning = None
        history.best_theta = None  # of a run that was left
        history.n_runs += 1
        run = history.n_runs
        if not incremental:
            history.n_iter = 0
        try:
            for epoch in epochs:
                self._publish()
                if self.verbose:
                    self._print(epoch)
                yield epoch
                current = self._history is history and history.n_runs == run
                if current and self.theta_ is not theta:
                    self._take_over(theta)
            if history.warning and not incremental:
                warnings.warn(history.warning, ConvergenceWarning, stacklevel=2)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=2)
        finally:
            # What was left in the middle may end when training has long gone on.
            if history.n_runs == run and history.best_theta is not None:
                theta[...] = history.best_theta
                history.best_theta = None
            self._publish()

    def _take_over(self, theta: Array) -> None:
        """Go on from the weights that were set meanwhile, in the array of before."""
        given, self.theta_ = self.theta_, theta  # again, also where it cannot be
        theta[...] = self._as_theta(given)

    @staticmethod
    def _print(epoch: Epoch) -> None:
        score = epoch.validation_score
        print(
            f"Iteration {epoch.number}, loss = {epoch.loss:.8f}"
            + ("" if score is None else f", validation score = {score:.6f}")
        )
        if epoch.message:
            print(epoch.message)

    def _solve(
        self, examples: Examples, incremental: bool, resumed: bool
    ) -> Iterator[Epoch]:
        """The training that the parameters ask for."""
        n = examples.X.shape[0]
        if self.solver == "lbfgs":
            if self.early_stopping:
                warnings.warn(
                    "early_stopping=True is not used by solver='lbfgs'.", stacklevel=2
                )
            return lbfgs(
                self._chosen_engine(examples, n, n),
                self.theta_,
                examples,
                self._penalty,
                self._history,
                max_iter=self.max_iter,
                max_fun=self.max_fun,
                tol=self.tol,
            )
        if self._optimizer is None or not incremental:
            self._optimizer = self._new_optimizer()
        rows, validation_score = None, None
        if self._validates:
            rows, held_out = self._split(examples)
            validation_score = self._accuracy_on(examples, held_out)
            n = len(rows)
        batch_size = self._rows_in_batch(n)
        rules = Rules(
            max_iter=1 if incremental else self.max_iter,
            batch_size=batch_size,
            shuffle=self.shuffle and self.solver != "gd",
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
        )
        return descend(
            self._chosen_engine(examples, n, batch_size),
            self.theta_,
            self._optimizer,
            examples,
            self._penalty,
            rules,
            self._history,
            self._rng,
            rows,
            validation_score,
            resumed,
        )

    def _chosen_engine(self, examples: Examples, n: int, batch_size: int) -> Engine:
        """The engine to train n of the examples with; engine_ tells which it is."""
        name: EngineName = self.engine
        if self.engine == "auto":
            name = choice.choose(self._network, examples.X, n, batch_size)
        self.engine_ = name
        return self._make_engine(name)

    def _new_optimizer(self) -> Optimizer:
        # Python's floats leave float32 as it is; NumPy's would compute in float64.
        eta = float(self.learning_rate_init)
        if self.solver == "adam":
            betas = float(self.beta_1), float(self.beta_2)
            return Adam(eta, *betas, float(self.epsilon))
        if self.solver == "gd":
            return SGD(eta)
        return SGD(
            eta,
            float(self.momentum),
            bool(self.nesterovs_momentum),
            cast(LearningRateSchedule, self.learning_rate),
            float(self.power_t),
        )

    def _rows_in_batch(self, n: int) -> int:
        if self.solver == "gd":
            return n
        if isinstance(self.batch_size, str):  # "auto"
            return min(200, n)
        if self.batch_size > n:
            warnings.warn(
                f"batch_size={self.batch_size} is more than the {n} rows to train on; "
                f"a batch will be all {n} rows.",
                stacklevel=2,
            )
        return int(min(self.batch_size, n))

    def _split(self, examples: Examples) -> tuple[Array, Array]:
        """The numbers of the training rows, and of those held out."""
        n, weight = examples.X.shape[0], examples.sample_weight
        if not 0 < math.ceil(self.validation_fraction * n) < n:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {n} rows leaves "
                "none to train on or none to validate on."
            )
        try:
            rows, held_out = train_test_split(
                np.arange(n),
                test_size=self.validation_fraction,
                random_state=self._rng,
                stratify=examples.y if self.n_outputs_ == 1 else None,
            )
        except ValueError as error:
            raise ValueError(
                f"early_stopping=True cannot hold out validation_fraction="
                f"{self.validation_fraction} of these {n} rows: {error}"
            ) from error
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or "
                "the size of your dataset."
            )
        if weight is not None and not np.any(weight[rows]):
            raise ValueError(
                "sample_weight is 0 for every row that the validation set leaves to "
                "train on. Give more rows weight or set early_stopping=False."
            )
        return rows, held_out

    def _accuracy_on(self, examples: Examples, rows: Array) -> Callable[[], float]:
        """A function that tells the accuracy on these rows, which are not copied."""
        y, sample_weight = examples.y[rows], examples.sample_weight
        if sample_weight is not None:
            sample_weight = sample_weight[rows]
            if not np.any(sample_weight):
                raise ValueError(
                    "sample_weight is 0 for every row of the validation set, so no "
                    "epoch can be judged. Give more rows weight or set "
                    "early_stopping=False."
                )
        engine = self._make_engine("numpy")

        def score() -> float:
            o_a = engine.logits(self.theta_, examples.X, rows)
            return labelling.accuracy(self._labelling.decide(o_a), y, sample_weight)

        return score
