"""From a network and a few examples to their ``Trace``."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from mlproof.deep import Network
from mlproof.functions import Array
from mlproof.losses import Labels
from mlproof.parameters import views
from mlproof.penalties import Penalty, no_penalty
from mlproof.verification.trace.backward import backward, penalty_gradients, update
from mlproof.verification.trace.checks import check
from mlproof.verification.trace.forward import forward, given
from mlproof.verification.trace.program import Program, Values, vocabulary
from mlproof.verification.trace.record import Node, Trace
from mlproof.verification.trace.step import Step, hidden, names_in, unit_axis

# A page is read by a person, and every one of its gradients is measured.
MOST_ROWS, MOST_PARAMETERS = 100, 5_000_000
# An axis of up to so many entries is shown whole, of a longer one so many.
WHOLE, FEW = 12, 8


def trace_step(
    network: Network,
    theta: Array,
    X: Any,
    y: Labels,
    sample_weight: Array | None = None,
    *,
    penalty: Penalty | None = None,
    eta: float,
    names: Mapping[str, Sequence[Any]] | None = None,
    title: str = "One training step",
    note: str = "",
) -> Trace:
    """One step of gradient descent on these rows, with every number on the way.

    Everything is computed in float64, by the lines that the trace shows.

    Parameters
    ----------
    network, theta
        As in ``mlproof.deep``; theta is left as it is.
    X : (n, d), dense or sparse, n at most 100
        The examples.  Of a sparse X these rows are made dense.
    y : (n,) or (n, m)
        The targets as the output of the network wants them (see ``mlproof.losses``).
    sample_weight : (n,), default=None
        What each example counts (S.1).
    penalty : Penalty, default=None
        With ``alpha`` as given; it is divided by the sum of the weights here.
    eta : float
        The step size.
    names : mapping, default=None
        What to call the entries of the axes "row", "input" and "output"; their numbers
        if not given.
    title, note : str
        Shown at the top: what this is, and what else to know about the step.

    Returns
    -------
    Trace

    Raises
    ------
    ValueError
        If there are too many rows or parameters to show, or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from mlproof.deep import Network
    >>> from mlproof.functions import ACTIVATIONS
    >>> from mlproof.losses import OUTPUTS
    >>> from mlproof.verification.trace import trace_step
    >>> network = Network((2, 2, 3), ACTIVATIONS["rect"], OUTPUTS["softmax"])
    >>> theta = np.linspace(-1, 1, 15)
    >>> trace = trace_step(network, theta, np.ones((1, 2)), np.array([2]), eta=0.1)
    >>> trace["grad_W2"].formula, trace["grad_W2"].inputs, trace["grad_W2"].shape
    ('grad_o_a.T @ h_s', ('grad_o_a', 'h_s'), (3, 2))
    >>> trace.ok
    True
    """
    n = X.shape[0]
    if not 1 <= n <= MOST_ROWS:
        raise ValueError(
            f"a trace shows every number of its rows, so it takes 1 to {MOST_ROWS} of "
            f"them; got {n}."
        )
    if theta.size > MOST_PARAMETERS:
        raise ValueError(
            f"a trace holds every number of a step, so it takes up to "
            f"{MOST_PARAMETERS:,} parameters; the network has {theta.size:,}."
        )
    s = float(n) if sample_weight is None else float(np.sum(sample_weight))
    if not s > 0:
        raise ValueError(f"sample_weight must sum to more than 0; it sums to {s}.")
    weight = np.full(n, 1 / s) if sample_weight is None else sample_weight / s
    penalty = (penalty or no_penalty(network.n_layers)).over(s)

    weighted = sample_weight is not None
    steps = [
        *given(network, penalty, weighted),
        *forward(network, penalty, weighted),
        *backward(network, weighted),
        *penalty_gradients(network, penalty),
        *update(network, penalty),
    ]
    program = Program(steps, vocabulary(network, penalty, weight))
    values = program.run(
        _given_values(network, theta, X, y, sample_weight, penalty, eta)
    )
    for step in steps:
        if not np.isfinite(values[step.name]).all():
            raise ValueError(
                f"{step.name} is not finite on these rows, so there is nothing to "
                "follow; bring the columns to a size near 1."
            )
    shown = _shown(network, values)
    return Trace(
        tuple(_node(step, program, values, shown) for step in steps),
        title,
        _in_words(network),
        note,
        _named(network, n, names or {}),
        shown,
    )


def _given_values(
    network: Network,
    theta: Array,
    X: Any,
    y: Labels,
    sample_weight: Array | None,
    penalty: Penalty,
    eta: float,
) -> Values:
    dense = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
    logistic = network.output.name == "logistic"
    values: Values = {
        "X_given" if network.input_scale != 1 else "X": dense.astype(np.float64),
        "input_scale": np.float64(network.input_scale),
        "Y" if logistic else "y": y.astype(np.float64) if logistic else y,
        "eta": np.float64(eta),
    }
    if sample_weight is not None:
        values["s"] = sample_weight.astype(np.float64)
    W, b = views(theta.astype(np.float64), network.units)
    layers = zip(W, b, penalty.l1, penalty.l2, strict=True)
    for k, (W_k, b_k, l1, l2) in enumerate(layers, start=1):
        values |= {f"W{k}": W_k, f"b{k}": b_k}
        values |= {f"l{k}1": np.float64(l1), f"l{k}2": np.float64(l2)}
    return values


def _node(
    step: Step, program: Program, values: Values, shown: Mapping[str, Array]
) -> Node:
    corner = np.ix_(*(shown[axis] for axis in step.axes))
    return Node(
        step.part,
        step.name,
        step.formula,
        step.labels,
        step.meaning,
        step.axes,
        tuple(name for name in names_in(step.formula) if name in values),
        np.asarray(values[step.name]),
        None if step.of is None else check(program, values, step.name, step.of, corner),
    )


def _shown(network: Network, values: Values) -> dict[str, Array]:
    """The entries of each axis that a page shows, in their order.

    Of a long axis they are the same in every array, so that a product can be followed
    by hand: the inputs that are largest, and the units that the risk depends on most.
    """
    shown = {"row": _largest(np.arange(len(values["L"]), 0, -1.0))}
    shown["input"] = _largest(np.sum(np.abs(values["X"]), axis=0))
    for k in range(1, network.n_layers):
        grad = values[f"grad_{hidden(network, k, 'a')}"]
        shown[unit_axis(network, k)] = _largest(np.sum(np.abs(grad), axis=0))
    shown["output"] = _largest(np.sum(np.abs(values["grad_o_a"]), axis=0))
    return shown


def _largest(sizes: Array) -> Array:
    if len(sizes) <= WHOLE:
        return np.arange(len(sizes))
    return np.sort(np.argsort(-sizes, kind="stable")[:FEW])


def _named(
    network: Network, n: int, names: Mapping[str, Sequence[Any]]
) -> dict[str, tuple[str, ...]]:
    sizes = {"row": n}
    sizes |= {unit_axis(network, k): size for k, size in enumerate(network.units)}
    return {
        axis: tuple(map(str, names.get(axis, range(size))))
        for axis, size in sizes.items()
    }


def _in_words(network: Network) -> str:
    """As in '4 inputs, 8 rect, 3 softmax'."""
    words = [f"{network.units[0]} inputs"]
    for _, size in pairwise(network.units):
        words.append(f"{size} {network.activation.name}")
    words[-1] = f"{network.units[-1]} {network.output.name}"
    return ", ".join(words)
