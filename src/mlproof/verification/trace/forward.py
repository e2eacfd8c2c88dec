"""What is given, and the lines from the inputs to the risk."""

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


def given(network: Network, penalty: Penalty, weighted: bool) -> Iterator[Step]:
    def plain(name: str, meaning: str, *axes: str, label: str = "Q2.5") -> Step:
        return Step("given", name, "", (label,) if label else (), meaning, axes)

    scaled = network.input_scale != 1
    yield plain(
        "X_given" if scaled else "X",
        "the inputs, a row for each example",
        "row",
        "input",
        label="",
    )
    if scaled:
        yield plain("input_scale", "what the inputs are multiplied by", label="")
        yield Step(
            "given",
            "X",
            "input_scale * X_given",
            (),
            "the inputs as the network sees them",
            ("row", "input"),
        )
    if network.output.name == "softmax":
        yield plain("y", "the class of each example, counted from 0", "row", label="")
        yield Step(
            "given",
            "Y",
            "onehot(y, m)",
            ("Q2.7",),
            "the same as a row of zeros with a 1 in the place of the class",
            ("row", "output"),
        )
    else:
        yield plain(
            "Y", "the truth, 0 or 1 for each logistic unit", "row", "output", label=""
        )
    if weighted:
        yield plain("s", "what each example counts", "row", label="S.1")
        yield Step(
            "given", "w", "s / np.sum(s)", ("S.1",), "its share of the whole", ("row",)
        )
    for k in range(1, network.n_layers + 1):
        above, below = unit_axis(network, k), unit_axis(network, k - 1)
        yield plain(
            f"W{k}",
            "weights: a row for each unit above, a column for each below",
            above,
            below,
        )
        yield plain(f"b{k}", "biases, one for each unit", above)
    for k, (l1, l2) in enumerate(zip(penalty.l1, penalty.l2, strict=True), start=1):
        if l1:
            yield plain(f"l{k}1", f"penalty on the L1 norm of W{k}", label="Q2.18")
        if l2:
            yield plain(
                f"l{k}2",
                f"penalty on the squared norm of W{k}; alpha is in it as alpha / (2 s)",
                label="S.3",
            )
    yield plain("eta", "the step size", label="Q2.6")


# ---- forward -----------------------------------------------------------------------


def forward(network: Network, penalty: Penalty, weighted: bool) -> Iterator[Step]:
    K, activation = network.n_layers, network.activation.name
    for k in range(1, K):
        axes = ("row", unit_axis(network, k))
        yield Step(
            "forward",
            hidden(network, k, "a"),
            f"b{k} + {hidden(network, k - 1, 's')} @ W{k}.T",
            shallow(network, "Q2.1", otherwise="D.1"),
            "hidden pre-activations: each unit's weighted sum of what lies below",
            axes,
        )
        labels = ("Q2.1",) if K == 2 and is_rect(network) else ("D.1",)
        yield Step(
            "forward",
            hidden(network, k, "s"),
            f"{activation}({hidden(network, k, 'a')})",
            labels + ACTIVATION_LABELS[activation],
            "hidden activations: a unit below 0 is off"
            if is_rect(network)
            else "hidden activations, entry by entry",
            axes,
        )
    axes = ("row", "output")
    yield Step(
        "forward",
        "o_a",
        f"b{K} + {hidden(network, K - 1, 's')} @ W{K}.T",
        shallow(network, "Q2.2", otherwise="D.2"),
        "logits: how much speaks for each class",
        axes,
    )
    yield from _loss(network, weighted)
    terms = [
        term
        for k, (l1, l2) in enumerate(zip(penalty.l1, penalty.l2, strict=True), start=1)
        for term in _penalty_terms(k, l1, l2)
    ]
    if terms:
        yield Step(
            "forward",
            "penalty",
            " + ".join(terms),
            ("Q2.18", "Q1.8", "Q1.9"),
            "what large weights cost; biases are free",
            (),
        )
        yield Step(
            "forward",
            "R_lambda",
            "R + penalty",
            ("Q2.18",),
            "the penalised risk, which training makes smaller",
            (),
        )


def _loss(network: Network, weighted: bool) -> Iterator[Step]:
    if network.output.name == "softmax":
        yield Step(
            "forward",
            "o_s",
            "softmax(o_a)",
            ("Q2.3",),
            "class probabilities: positive, each row sums to 1",
            ("row", "output"),
        )
        yield Step(
            "forward",
            "L",
            "cross_entropy(o_a, y)",
            ("Q2.4",),
            "the loss of each example: minus the logarithm of the probability given "
            "to its class, computed from the logits",
            ("row",),
        )
    else:
        single = network.units[-1] == 1
        yield Step(
            "forward",
            "o_s",
            "sigmoid(o_a)",
            ("L.1", "Q1.1"),
            "the probability that each unit's truth is 1",
            ("row", "output"),
        )
        yield Step(
            "forward",
            "L",
            "logistic_loss(o_a, Y)",
            ("L.2" if single else "L.4",),
            "the loss of each example: minus the logarithm of the probability given "
            "to the truth, computed from the logits",
            ("row",),
        )
    if weighted:
        yield Step(
            "forward", "R", "w @ L", ("S.1",), "the risk: the weighted mean loss", ()
        )
    else:
        yield Step(
            "forward", "R", "np.mean(L)", ("Q2.5",), "the risk: the mean loss", ()
        )


def _penalty_terms(k: int, l1: float, l2: float) -> Iterator[str]:
    if l1:
        yield f"l{k}1 * l1_norm(W{k})"
    if l2:
        yield f"l{k}2 * squared_norm(W{k})"
