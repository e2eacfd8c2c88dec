"""The lines from the risk back to the inputs, the penalties, and the step."""

from collections.abc import Iterator

from mlproof.deep import Network
from mlproof.penalties import Penalty
from mlproof.verification.trace.step import (
    ACTIVATION_LABELS,
    Step,
    hidden,
    is_rect,
    shallow,
    unit_axis,
)


def backward(network: Network, weighted: bool) -> Iterator[Step]:
    K = network.n_layers
    if network.output.name == "softmax":
        labels = ("Q2.7", "D.3") if weighted else ("Q2.7", "Q2.8")
    else:
        labels = ("L.3" if network.units[-1] == 1 else "L.4.1", "D.3")
    yield Step(
        "backward",
        "grad_o_a",
        "w[:, None] * (o_s - Y)" if weighted else "(o_s - Y) / n",
        labels,
        "the probability minus the truth; what an example counts enters here, once",
        ("row", "output"),
        ("R", "o_a"),
    )
    for k in range(K, 0, -1):
        yield from _affine_backward(network, k)
        if k > 1:
            yield from _activation_backward(network, k - 1)


def _affine_backward(network: Network, k: int) -> Iterator[Step]:
    """The gradients of W_k and b_k, and of what lies below them."""
    last = k == network.n_layers
    above, below = unit_axis(network, k), unit_axis(network, k - 1)
    grad_a = "grad_o_a" if last else f"grad_{hidden(network, k, 'a')}"
    pair = ("Q2.9", "Q2.10") if last else ("Q2.15", "Q2.16")
    labels = shallow(network, *pair, otherwise="D.4")
    yield Step(
        "backward",
        f"grad_W{k}",
        f"{grad_a}.T @ {hidden(network, k - 1, 's')}",
        labels,
        "a weight multiplies one number below on its way to one above: gradient above "
        "times number below, an outer product, summed over the rows",
        (above, below),
        ("R", f"W{k}"),
    )
    yield Step(
        "backward",
        f"grad_b{k}",
        f"np.sum({grad_a}, axis=0)",
        labels,
        "a bias is added to its unit in every row: the gradients of the rows, summed",
        (above,),
        ("R", f"b{k}"),
    )
    if k == 1:
        yield Step(
            "backward",
            "grad_x",
            f"{grad_a} @ W1",
            shallow(network, "Q2.17", otherwise="D.5"),
            "how the risk answers to each input; training does not need it",
            ("row", "input"),
            ("R", "X"),
        )
        return
    yield Step(
        "backward",
        f"grad_{hidden(network, k - 1, 's')}",
        f"{grad_a} @ W{k}",
        shallow(network, "Q2.11", "Q2.12", otherwise="D.5"),
        "an activation occurs in every unit above, each time with its weight: the sum "
        "over those units",
        ("row", below),
        ("R", hidden(network, k - 1, "s")),
    )


def _activation_backward(network: Network, k: int) -> Iterator[Step]:
    h_a, h_s = hidden(network, k, "a"), hidden(network, k, "s")
    activation = network.activation.name
    rect = is_rect(network)
    labels = ("Q2.13", "Q2.14") if rect and network.n_layers == 2 else ("D.5",)
    yield Step(
        "backward",
        f"grad_{h_a}",
        f"grad_{h_s} * {activation}_prime({h_a})",
        labels + ACTIVATION_LABELS[activation],
        "a unit that is off passes nothing back"
        if rect
        else "each entry times the slope of its own activation",
        ("row", unit_axis(network, k)),
        ("R", h_a),
    )


# ---- penalties and the step ---------------------------------------------------------


def penalty_gradients(network: Network, penalty: Penalty) -> Iterator[Step]:
    for k in range(network.n_layers, 0, -1):
        l1, l2 = penalty.l1[k - 1], penalty.l2[k - 1]
        terms = [f"l{k}1 * sign(W{k})"] * bool(l1) + [f"2 * l{k}2 * W{k}"] * bool(l2)
        if not terms:
            continue
        labels = shallow(network, f"Q2.18.{k}", otherwise="Q2.18")
        axes = (unit_axis(network, k), unit_axis(network, k - 1))
        yield Step(
            "penalty",
            f"grad_penalty_W{k}",
            " + ".join(terms),
            labels,
            "every weight is drawn towards 0",
            axes,
            ("penalty", f"W{k}"),
        )
        yield Step(
            "penalty",
            f"grad_lambda_W{k}",
            f"grad_W{k} + grad_penalty_W{k}",
            labels,
            "the gradient of the penalised risk",
            axes,
            ("R_lambda", f"W{k}"),
        )


def update(network: Network, penalty: Penalty) -> Iterator[Step]:
    names = []
    for k in range(1, network.n_layers + 1):
        above, below = unit_axis(network, k), unit_axis(network, k - 1)
        penalised = penalty.l1[k - 1] or penalty.l2[k - 1]
        grad_W = f"grad_lambda_W{k}" if penalised else f"grad_W{k}"
        for name, grad, axes in (
            (f"W{k}", grad_W, (above, below)),
            (f"b{k}", f"grad_b{k}", (above,)),
        ):
            names.append(f"{name}_new")
            yield Step(
                "update",
                f"{name}_new",
                f"{name} - eta * {grad}",
                ("Q2.6",),
                "a small step against the gradient",
                axes,
            )
    risk = "R_lambda" if any(penalty.l1) or any(penalty.l2) else "R"
    truth = "y" if network.output.name == "softmax" else "Y"
    yield Step(
        "update",
        f"{risk}_new",
        f"risk(X, {truth}, {', '.join(names)})",
        ("Q2.5",),
        "the risk after the step, on the same examples",
        (),
    )
