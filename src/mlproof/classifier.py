"""``MLPClassifier``: scikit-learn's estimator over this project's network."""

from collections import deque
from collections.abc import Generator, Iterator
from os import PathLike
from typing import Any, Self

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from mlproof import modelfile, persistence
from mlproof.learning import LearningNetwork
from mlproof.training import Epoch


def _exhaust(epochs: Iterator[Epoch]) -> None:
    # Not a for loop: Ctrl-C must land in the generator, which then keeps the weights.
    deque(epochs, maxlen=0)


def _has_partial_fit(estimator: "MLPClassifier") -> bool:
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit needs a solver that learns batch by batch; lbfgs is not one. "
            "Use solver='adam', 'sgd' or 'gd'."
        )
    return True


class MLPClassifier(LearningNetwork):
    """A multi-layer perceptron whose every gradient is derived by hand and checked.

    A drop-in for ``sklearn.neural_network.MLPClassifier``: its parameters, methods and
    fitted attributes, with the same meaning and defaults; with an integer
    ``random_state`` also the same initial weights, validation split and batch order.
    Where it deliberately differs is listed in docs/scikit-learn.md.  The network is
    that of docs/derivation.md, at any depth; the loss is computed on the logits, so it
    stays exact where scikit-learn's is clipped.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        The number of units of each hidden layer; an empty sequence for none.
    activation : {'relu', 'tanh', 'logistic', 'identity', 'softplus', 'abs'}, \
default='relu'
        The function of the hidden units (Q1.1 to Q1.7).
    solver : {'adam', 'sgd', 'gd', 'lbfgs'}, default='adam'
        'gd' is plain gradient descent, one step on all rows an epoch (Q2.6); 'sgd' and
        'adam' step on every batch (O.1 to O.3); 'lbfgs' is SciPy's L-BFGS-B.
    alpha : float, default=0.0001
        scikit-learn's L2 strength: adds alpha / (2 s) times the squared norm of the
        weights to the loss of a batch, s being its rows or the sum of their weights
        (S.3).  For a strength that does not depend on the batch, see ``l2``.
    l1, l2 : float or sequence of float, default=0.0
        Elastic-net penalty l1 ||W||_1 + l2 ||W||_2^2 (Q2.18), one number for all layers
        of weights or one for each.  Biases are not penalised.
    batch_size : int or 'auto', default='auto'
        Rows in a batch; 'auto' is min(200, n_samples).  Not used by 'gd' and 'lbfgs'.
    learning_rate : {'constant', 'invscaling', 'adaptive'}, default='constant'
        The schedule of 'sgd'.  'invscaling' divides by (rows seen + 1) ** power_t after
        each epoch; 'adaptive' divides by 5 each time the loss stops improving.
    learning_rate_init : float, default=0.001
        The (first) step size of 'adam', 'sgd' and 'gd'.
    power_t : float, default=0.5
        The exponent of 'invscaling'.
    max_iter : int, default=200
        The most epochs, or iterations of 'lbfgs'.
    shuffle : bool, default=True
        Whether 'sgd' and 'adam' visit the rows in a new order each epoch.
    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the validation split and the batch order.
    tol : float, default=1e-4
        An epoch improves if the loss falls, or the validation score rises, by more than
        this; for 'lbfgs', the largest gradient entry at which it stops.
    verbose : bool or int, default=False
        Print the loss after every epoch.
    warm_start : bool, default=False
        Whether ``fit`` begins with the weights of the last one.
    momentum, nesterovs_momentum : float, default=0.9, and bool, default=True
        Momentum of 'sgd'.
    early_stopping : bool, default=False
        Hold out a validation set, stop when the accuracy on it no longer improves, and
        keep the best weights.  Not used by 'lbfgs', which says so.
    validation_fraction : float, default=0.1
        The share of rows held out.
    beta_1, beta_2, epsilon : float, default=0.9, 0.999 and 1e-8
        The parameters of 'adam'.
    n_iter_no_change : int or inf, default=10
        Training stops after more than this many epochs in a row without improvement.
    max_fun : int, default=15000
        The most evaluations of the loss by 'lbfgs'.
    engine : {'auto', 'numpy', 'compiled'}, default='auto'
        Who computes: plain NumPy, or kernels that Numba compiles, once, and keeps on
        disk.  'auto' takes the kernels for all but small problems (docs/engines.md).
        The engines agree to rounding.
    n_threads : int or None, default=None
        Threads to train and predict with; None for all cores this process may use.
        It does not change the result, not in the last bit.
    sparse_adam : {'exact', 'lazy'}, default='exact'
        What 'adam' does, when X is sparse, with the first-layer weights of columns in
        which a batch has no entry.  'exact' changes them as it would for dense X, which
        visits every weight at every step; 'lazy' leaves them and their moments as they
        are, the penalty included, so that the work is that of the entries (O.6).
    input_scale : float, default=1.0
        The network sees ``input_scale * X``, in training and prediction.  With 1 / 255,
        images of uint8 are trained on as they are, a batch at a time converted.

    Attributes
    ----------
    theta_ : ndarray of shape (n_theta,), float32 or float64
        All parameters in one vector (Q2.5); everything else looks into it.
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        The weights of each layer, views into ``theta_``.
    intercepts_ : list of ndarray of shape (fan_out,)
        The biases of each layer, views into ``theta_``.
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    n_features_in_ : int
        The number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X had names that are all strings.
    loss_ : float
        The regularised risk of the last epoch.
    loss_curve_ : list of float
        The same for every epoch.
    best_loss_ : float or None
        The smallest of them; None with early stopping.
    validation_scores_ : list of float or None
        The accuracy on the validation set after every epoch, with early stopping.
    best_validation_score_ : float or None
        The largest of them; after a warm start, of those since and of the score that it
        began with.
    n_iter_ : int
        Epochs of the last ``fit``, and those of ``partial_fit`` since.
    t_ : int
        Rows seen in training.
    n_layers_ : int
        The number of layers, input and output included.
    n_outputs_ : int
        The number of logits.
    out_activation_ : {'softmax', 'logistic'}
        How logits become probabilities.
    engine_ : {'numpy', 'compiled'}
        The engine of the last training.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : The estimator whose interface this is.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", arXiv 1412.6980.
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010: the initial weights.

    Examples
    --------
    >>> from mlproof import MLPClassifier
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MLPClassifier((16,), solver="lbfgs", random_state=0).fit(X, y)
    >>> clf.score(X, y) > 0.95
    True
    >>> clf.check_gradient(X, y).ok
    True
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        l1: Any = 0.0,
        l2: Any = 0.0,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        engine: str = "auto",
        n_threads: int | None = None,
        sparse_adam: str = "exact",
        input_scale: float = 1.0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.l1 = l1
        self.l2 = l2
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.engine = engine
        self.n_threads = n_threads
        self.sparse_adam = sparse_adam
        self.input_scale = input_scale

    # ---- learning -------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X and y.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Finite numbers.  float32 and uint8 are kept and trained on in float32, where
            each row lies in one piece without a copy; everything else becomes float64.
        y : array-like of shape (n_samples,), or (n_samples, n_labels)
            Class labels of any sortable type; or zeros and ones, a column per label.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts in the risk (S.1).

        Returns
        -------
        self : MLPClassifier

        Raises
        ------
        ValueError
            For a parameter, X, y or sample_weight that cannot be used, and if training
            diverged to weights that are not finite.
        """
        _exhaust(self.iter_fit(X, y, sample_weight))
        return self

    def iter_fit(
        self, X: Any, y: Any, sample_weight: Any = None
    ) -> Generator[Epoch, None, None]:
        """Train as ``fit`` does, handing over after every epoch.

        The estimator can be used inside the loop, and leaving the loop ends training
        with the weights reached (with early stopping, the best ones), so a callback is
        a loop body:

        >>> from mlproof import MLPClassifier
        >>> X, y = [[0.0], [1.0]], [0, 1]
        >>> clf = MLPClassifier((4,), max_iter=500, random_state=0)
        >>> for epoch in clf.iter_fit(X, y):
        ...     if epoch.loss < 0.6:
        ...         break
        >>> clf.n_iter_ == epoch.number
        True

        Yields
        ------
        Epoch
            number, loss, validation_score, learning_rate and message.
        """
        return self._train(X, y, sample_weight, resume=self.warm_start)

    @available_if(_has_partial_fit)  # type: ignore[untyped-decorator]
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> Self:
        """Train for one epoch, going on where the last call ended.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``; y need not hold every class.
        classes : array-like of shape (n_classes,), default=None
            Every class that any call will see.  Needed on the first call.

        Returns
        -------
        self : MLPClassifier
        """
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True: it has no set to "
                "validate on. Set early_stopping=False."
            )
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        known = classes is not None and hasattr(self, "classes_")
        if known and not np.array_equal(self.classes_, np.unique(classes)):
            raise ValueError(
                f"classes={classes!r} is not the same as on the last call to "
                f"partial_fit, where it was {self.classes_!r}."
            )
        _exhaust(
            self._train(
                X, y, sample_weight, resume=True, incremental=True, classes=classes
            )
        )
        return self

    # ---- keeping ---------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted network to a file that ``mlproof.load`` reads.

        safetensors with JSON metadata: weights, classes, parameters and loss curve.
        The optimiser's moments are left out: partial_fit goes on with new ones.  The
        file appears whole or not at all; OSError tells why it could not be written.
        """
        check_is_fitted(self)
        modelfile.write(path, self.theta_, persistence.describe(self))


def load(path: str | PathLike[str]) -> MLPClassifier:
    """Read a classifier that ``MLPClassifier.save`` wrote.

    Nothing in the file is run, and nothing in it is trusted unchecked.

    Raises
    ------
    OSError
        If there is no such file, or it may not be read.
    mlproof.modelfile.ModelFileError
        A ValueError: if it is not a whole model file that this version can read.
    """
    theta, description = modelfile.read(path)
    classifier = MLPClassifier()
    persistence.restore(classifier, theta, description, path)
    return classifier
