"""A collection of wrong gradients, as they get written, and what each must be called.

No network of this package is among the first of them: the functions are what people
write, rows or columns as examples, lists, dicts or one vector of parameters.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from losses_checked import block_functions, network_of_number
from sklearn.neural_network import MLPClassifier

from mlproof import check_gradient
from mlproof.functions import Array
from mlproof.verification.report import GradientReport


class Wrong(NamedTuple):
    """A loss, a gradient that is not its own, and the mistakes: codes and blocks."""

    loss: Any
    gradient: Callable[..., Any]
    parameters: Any
    args: tuple[Any, ...]
    mistakes: set[tuple[str, tuple[str, ...]]]


def told(report: GradientReport) -> set[tuple[str, tuple[str, ...]]]:
    return {(finding.code, finding.blocks) for finding in report.diagnosis}


def softmax(o: Array, axis: int = 1) -> Array:
    e = np.exp(o - o.real.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


# ---- softmax regression, W (m, d) and b (m,), rows of X (n, d) are examples ----------


def softmax_loss(p: dict[str, Array], X: Array, T: Array) -> Any:
    o = X @ p["W"].T + p["b"]
    return -np.mean(np.sum(T * np.log(softmax(o)), axis=1))


def softmax_regression(seed: int) -> tuple[dict[str, Array], Array, Array]:
    rng = np.random.default_rng(seed)
    n, d, m = (7, 5, 3) if seed % 2 else (11, 4, 6)
    X = rng.normal(size=(n, d))
    T = np.eye(m)[rng.integers(0, m, n)]
    return {"W": rng.normal(size=(m, d)), "b": rng.normal(size=m)}, X, T


def softmax_gradient(p: dict[str, Array], X: Array, T: Array) -> dict[str, Array]:
    G = (softmax(X @ p["W"].T + p["b"]) - T) / len(X)
    return {"W": G.T @ X, "b": G.sum(0)}


def with_classes(mistake: str, p: dict[str, Array], X: Array, T: Array) -> Any:
    P = softmax(X @ p["W"].T + p["b"])
    n = len(X)
    G = (P - T) / n
    W, b = G.T @ X, G.sum(0)
    made: dict[str, Callable[[], tuple[Array, Array]]] = {
        "sign": lambda: (-W, -b),
        "T minus P for the weights": lambda: (-W, b),
        "no mean": lambda: (n * W, n * b),
        "mean twice": lambda: (W / n, b / n),
        "mean twice for b": lambda: (W, b / n),
        "mean for sum in W": lambda: (W / n, b),
        "sum in b": lambda: (W, n * b),
        "not summed": lambda: (W, G),
        "not averaged": lambda: (W, n * G),
        "X.T @ G": lambda: (X.T @ G, b),
        "b is a column": lambda: (W, b[:, None]),
        "W is flat": lambda: (W.ravel(), b),
        "b forgotten": lambda: (W, np.zeros_like(b)),
        "no one-hot": lambda: ((P / n).T @ X, (P / n).sum(0)),
        "rolled": lambda: (np.roll(W, 1, 0), np.roll(b, 1)),
        "nan": lambda: (W / (W * 0), b),
        "two: sign and transposed": lambda: (X.T @ G, -b),
        "two: no mean and sign of b": lambda: (n * W, -n * b),
        "two: zero and twice": lambda: (2 * W, 0 * b),
    }
    gW, gb = made[mistake]()
    return {"W": gW, "b": gb}


BOTH, W_, B_ = ("W", "b"), ("W",), ("b",)
CLASSES: dict[str, set[tuple[str, tuple[str, ...]]]] = {
    "sign": {("sign", BOTH)},
    "T minus P for the weights": {("sign", W_)},
    "no mean": {("missing_mean", BOTH)},
    "mean twice": {("extra_mean", BOTH)},
    "mean twice for b": {("mean_instead_of_sum", B_)},
    "mean for sum in W": {("mean_instead_of_sum", W_)},
    "sum in b": {("missing_mean", B_)},
    "not summed": {("not_summed_over_batch", B_)},
    "not averaged": {("not_summed_over_batch", B_)},
    "X.T @ G": {("transposed", W_)},
    "b is a column": {("reshaped", B_)},
    "W is flat": {("reshaped", W_)},
    "b forgotten": {("zero_block", B_)},
    "no one-hot": {("unknown", BOTH)},
    "rolled": {("unknown", BOTH)},
    "nan": {("not_finite", W_)},
    "two: sign and transposed": {("transposed", W_), ("sign", B_)},
    "two: no mean and sign of b": {("missing_mean", BOTH), ("sign", B_)},
    "two: zero and twice": {("factor", W_), ("zero_block", B_)},
}


def of_classes(mistake: str, seed: int) -> Wrong:
    p, X, T = softmax_regression(seed)
    return Wrong(
        softmax_loss,
        lambda p, X, T: with_classes(mistake, p, X, T),
        p,
        (X, T),
        CLASSES[mistake],
    )


# ---- least squares, one vector -------------------------------------------------------


def squares_loss(w: Array, X: Array, y: Array) -> Any:
    return np.mean((X @ w - y) ** 2)


SQUARES: dict[str, tuple[Callable[..., Array], str]] = {
    "no 2": (lambda w, X, y: X.T @ (X @ w - y) / len(X), "factor"),
    "no mean": (lambda w, X, y: 2 * X.T @ (X @ w - y), "missing_mean"),
    "no mean, no 2": (lambda w, X, y: X.T @ (X @ w - y), "factor"),
    "sign": (lambda w, X, y: 2 * X.T @ (y - X @ w) / len(X), "sign"),
    "mean over entries": (lambda w, X, y: 2 * X.T @ (X @ w - y) / X.size, "factor"),
    "not summed": (
        lambda w, X, y: 2 * X * (X @ w - y)[:, None] / len(X),
        "not_summed_over_batch",
    ),
    "no residual": (lambda w, X, y: 2 * X.T @ (X @ w) / len(X), "unknown"),
    "last step's": (lambda w, X, y: 2 * X.T @ (X @ w * 0.9 - y) / len(X), "unknown"),
    "a column": (
        lambda w, X, y: (2 * X.T @ (X @ w - y) / len(X))[:, None],
        "reshaped",
    ),
    "by 3.7": (lambda w, X, y: 7.4 * X.T @ (X @ w - y) / len(X), "factor"),
}


def of_squares(mistake: str, seed: int) -> Wrong:
    rng = np.random.default_rng(seed)
    n, d = (9, 4) if seed % 2 else (13, 6)
    gradient, code = SQUARES[mistake]
    args = rng.normal(size=(n, d)), rng.normal(size=n)
    return Wrong(squares_loss, gradient, rng.normal(size=d), args, {(code, ("x",))})


# ---- logistic regression with a penalty, terms by name -------------------------------

L2 = 0.3
LOGISTIC = {
    "data": lambda p, X, t: np.mean(
        np.log(1 + np.exp(-(2 * t - 1) * (X @ p[0] + p[1])))
    ),
    "l2": lambda p, X, t: L2 * np.sum(p[0] ** 2),
}


def logistic_parts(p: list[Array], X: Array, t: Array) -> tuple[Array, Any, Array]:
    r = (sigmoid(X @ p[0] + p[1]) - t) / len(t)
    return X.T @ r, np.sum(r), 2 * L2 * p[0]


PENALISED: dict[str, tuple[Callable[..., list[Any]], set[tuple[str, tuple[str, ...]]]]]
PENALISED = {
    "no penalty": (lambda n, w, b, w2: [w, b], {("term_missing", ("[0]",))}),
    "half the penalty": (
        lambda n, w, b, w2: [w + w2 / 2, b],
        {("term_factor", ("[0]",))},
    ),
    "penalty over n": (
        lambda n, w, b, w2: [w + w2 / n, b],
        {("term_factor", ("[0]",))},
    ),
    "penalty subtracted": (
        lambda n, w, b, w2: [w - w2, b],
        {("term_sign", ("[0]",))},
    ),
    "only the penalty": (
        lambda n, w, b, w2: [w2, 0 * b],
        {("term_missing", ("[0]", "[1]"))},
    ),
    "sum of the data": (
        lambda n, w, b, w2: [n * w + w2, n * b],
        {("missing_mean", ("[0]", "[1]"))},
    ),
    "data over n twice": (
        lambda n, w, b, w2: [w / n + w2, b / n],
        {("extra_mean", ("[0]", "[1]"))},
    ),
    "sign of all": (
        lambda n, w, b, w2: [-w - w2, -b],
        {("sign", ("[0]", "[1]"))},
    ),
    "sign of the data": (
        lambda n, w, b, w2: [w2 - w, -b],
        {("term_sign", ("[0]", "[1]"))},
    ),
    "two: no penalty, sign of b": (
        lambda n, w, b, w2: [w, -b],
        {("term_missing", ("[0]",)), ("sign", ("[1]",))},
    ),
    "two: sum and half the penalty": (
        lambda n, w, b, w2: [n * w + w2 / 2, n * b],
        {("missing_mean", ("[0]", "[1]")), ("term_factor", ("[0]",))},
    ),
}


def of_penalised(mistake: str, seed: int) -> Wrong:
    rng = np.random.default_rng(seed)
    n, d = (9, 5) if seed % 2 else (14, 8)
    made, mistakes = PENALISED[mistake]

    def gradient(p: list[Array], X: Array, t: Array) -> list[Any]:
        w, b, penalty = logistic_parts(p, X, t)
        return made(len(t), w, np.asarray(b), penalty)

    args = rng.normal(size=(n, d)), rng.integers(0, 2, n)
    p = [rng.normal(size=d), np.array(rng.normal())]
    return Wrong(LOGISTIC, gradient, p, args, mistakes)


# ---- two layers of tanh, columns of X (d, n) are examples ----------------------------


class Net(NamedTuple):
    V: Array  # (h, d)
    c: Array  # (h, 1)
    U: Array  # (m, h)


def net_loss(p: Net, X: Array, Y: Array) -> Any:
    return np.sum((p.U @ np.tanh(p.V @ X + p.c) - Y) ** 2) / (2 * X.shape[1])


def net_by(mistake: str, p: Net, X: Array, Y: Array) -> Net:
    n = X.shape[1]
    a = np.tanh(p.V @ X + p.c)
    E = (p.U @ a - Y) / n
    D = p.U.T @ E
    H = D * (1 - a**2)
    V, c, U = H @ X.T, H.sum(1, keepdims=True), E @ a.T
    no_prime = Net(D @ X.T, D.sum(1, keepdims=True), U)
    made = {
        "right": Net(V, c, U),
        "no derivative of tanh": no_prime,
        "a.T without .T": Net(V, c, U.T),
        "U reshaped": Net(V, c, U.T.reshape(U.shape)),
        "c flat": Net(V, c.ravel(), U),
        "c not summed": Net(V, H, U),
        "X for a": Net(V, c, (E @ np.resize(X, a.shape).T)),
        "no mean": Net(n * V, n * c, n * U),
        "sign of U": Net(V, c, -U),
        "twice": Net(2 * V, 2 * c, 2 * U),
        "two: transposed, twice": Net(2 * V.T, c, U),
        "two: no derivative, sign of U": no_prime._replace(U=-U),
        "V zero": Net(0 * V, c, U),
    }
    return made[mistake]


NETS: dict[str, set[tuple[str, tuple[str, ...]]]] = {
    "no derivative of tanh": {("unknown", ("V", "c"))},
    "a.T without .T": {("transposed", ("U",))},
    "U reshaped": {("reshaped", ("U",))},
    "c flat": {("reshaped", ("c",))},
    "X for a": {("unknown", ("U",))},
    "no mean": {("missing_mean", ("V", "c", "U"))},
    "sign of U": {("sign", ("U",))},
    "twice": {("factor", ("V", "c", "U"))},
    "two: transposed, twice": {("transposed", ("V",)), ("factor", ("V",))},
    "two: no derivative, sign of U": {("unknown", ("V", "c")), ("sign", ("U",))},
    "V zero": {("zero_block", ("V",))},
}


def of_nets(mistake: str, seed: int) -> Wrong:
    rng = np.random.default_rng(seed)
    n, d, h, m = (8, 3, 5, 4) if seed % 2 else (6, 7, 4, 3)
    p = Net(rng.normal(size=(h, d)), rng.normal(size=(h, 1)), rng.normal(size=(m, h)))
    args = rng.normal(size=(d, n)), rng.normal(size=(m, n))
    return Wrong(
        net_loss, lambda p, X, Y: net_by(mistake, p, X, Y), p, args, NETS[mistake]
    )


COLLECTION: dict[str, tuple[Callable[[str, int], Wrong], str]] = {
    f"{kind}: {mistake}": (make, mistake)
    for kind, make, mistakes in (
        ("softmax", of_classes, CLASSES),
        ("squares", of_squares, SQUARES),
        ("logistic", of_penalised, PENALISED),
        ("net", of_nets, NETS),
    )
    for mistake in mistakes
}
# Where n is the first axis of no argument, the number of rows is but a size.
BY_COLUMNS = {("missing_mean", ("V", "c", "U")): ("factor", ("V", "c", "U"))}


@pytest.mark.parametrize("name", COLLECTION)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_wrong_gradient_is_called_what_it_is(name: str, seed: int) -> None:
    make, mistake = COLLECTION[name]
    case = make(mistake, seed)
    with np.errstate(all="ignore"):
        report = check_gradient(
            case.loss, case.gradient, case.parameters, *case.args, seed=seed
        )
    assert not report.ok
    assert told(report) == {BY_COLUMNS.get(m, m) for m in case.mistakes}, report


def test_the_collection_is_as_large_as_it_is_said_to_be() -> None:
    assert len(COLLECTION) >= 50


@pytest.mark.parametrize("seed", range(4))
def test_the_right_gradients_beside_them_are_accepted(seed: int) -> None:
    p, X, T = softmax_regression(seed)
    assert check_gradient(softmax_loss, softmax_gradient, p, X, T).ok
    net = of_nets("twice", seed)
    assert check_gradient(
        net_loss, lambda p, X, Y: net_by("right", p, X, Y), net.parameters, *net.args
    ).ok
    logistic = of_penalised("no penalty", seed)

    def gradient(p: list[Array], X: Array, t: Array) -> list[Any]:
        w, b, penalty = logistic_parts(p, X, t)
        return [w + penalty, b]

    assert check_gradient(LOGISTIC, gradient, logistic.parameters, *logistic.args).ok


# ---- networks of any depth -----------------------------------------------------------

DEEP: dict[str, tuple[Callable[[Array], Array], str]] = {
    "sign": (lambda g: -g, "sign"),
    "twice": (lambda g: 2 * g, "factor"),
    "two thirds": (lambda g: 2 * g / 3, "factor"),
    "zero": (np.zeros_like, "zero_block"),
    "transposed": (lambda g: g.T, "transposed"),
    "not finite": (lambda g: g + np.inf, "not_finite"),
    "one entry": (lambda g: g + np.eye(*g.shape) * [[1]] * np.max(abs(g)), "unknown"),
}


@pytest.mark.parametrize("mistake", DEEP)
@pytest.mark.parametrize(
    "dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)]
)
def test_a_mistake_in_one_layer_of_many_is_called_what_it_is(
    mistake: str, dtype: Any
) -> None:
    change, code = DEEP[mistake]
    named = []
    for number in range(14):
        case = network_of_number(number, dtype, kinked=False)
        loss, gradient, parameters = block_functions(case)
        layers = [
            k
            for k in range(case.network.n_layers)
            if min(parameters[k].shape) > 1 and parameters[k].size > 5
        ]
        large = [k for k in layers if np.abs(gradient(parameters)[k]).max() > 1e-3]
        if not large:
            continue
        k = large[number % len(large)]

        def wrong(p: Any, gradient: Any = gradient, k: int = k) -> Any:
            found = gradient(p)
            found[k] = change(found[k]).astype(dtype)
            return found

        report = check_gradient(loss, wrong, parameters)
        assert not report.ok
        named.append((told(report) == {(code, (f"[{k}]",))}, number, str(report)))
    assert len(named) >= 7
    assert not [(number, text) for right, number, text in named if not right]


# ---- someone else's ------------------------------------------------------------------


def test_the_loss_of_scikit_learn_is_clipped_where_its_gradient_is_not() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 3)), np.arange(12) % 3
    network = MLPClassifier((4,), max_iter=1, solver="lbfgs", random_state=0)
    with pytest.warns(Warning, match="converge|iterations"):
        network.fit(X, y)
    T = network._label_binarizer.transform(y).astype(np.float64)
    units = (3, 4, 3)

    def both(theta: Array) -> tuple[float, Array]:
        """The loss and its gradient, as the optimiser asks for them."""
        a = [X] + [np.empty((len(X), k)) for k in units[1:]]
        deltas = [np.empty((len(X), k)) for k in units[1:]]
        c = [np.empty_like(w) for w in network.coefs_]
        i = [np.empty_like(b) for b in network.intercepts_]
        loss, gradient = network._loss_grad_lbfgs(theta, X, T, None, a, deltas, c, i)
        return float(loss), gradient.copy()

    theta = np.concatenate([b.ravel() for b in network.coefs_ + network.intercepts_])
    assert check_gradient(lambda t: both(t)[0], both, theta).ok
    saturated = check_gradient(lambda t: both(t)[0], both, 60 * theta)
    assert not saturated.ok
    assert {f.code for f in saturated.diagnosis} == {"unknown"}
