"""A line of the trace, and how its quantities are named.

A line is run, typeset and differentiated from one text, so that what is read is what
was computed.  For one hidden layer of rect units under a softmax the lines are those of
network.py, for every other network those of deep.py with its layers written out.

    K        layers of weights, W1 b1 .. WK bK as in the derivation
    h_a h_s  the hidden layer; with several of them h1_a, h1_s, h2_a, ..
    axes     what the rows and the columns of an array count: row, input, unit, output
"""

import ast
from functools import cache
from typing import Literal, NamedTuple

from mlproof.deep import Network

Part = Literal["given", "forward", "backward", "penalty", "update"]


class Step(NamedTuple):
    """One line: ``name = formula``."""

    part: Part
    name: str
    formula: str  # an expression over the names above it; empty for what is given
    labels: tuple[str, ...]  # of the equations of docs/derivation.md that it is
    meaning: str
    axes: tuple[str, ...]
    of: tuple[str, str] | None = None  # ("R", "W1") for the gradient of R there


# Where the derivation treats each activation and its derivative.
ACTIVATION_LABELS: dict[str, tuple[str, ...]] = {
    "rect": ("Q1.7",),
    "tanh": ("Q1.4",),
    "sigmoid": ("Q1.1", "Q1.3"),
    "identity": (),
    "softplus": ("Q1.2",),
    "abs": ("Q1.6",),
}


@cache
def names_in(formula: str) -> tuple[str, ...]:
    """The names a formula is made of, each once, in the order in which they come."""
    if not formula:
        return ()
    tree = ast.walk(ast.parse(formula, mode="eval"))
    found = [node for node in tree if isinstance(node, ast.Name)]
    found.sort(key=lambda node: node.col_offset)
    return tuple(dict.fromkeys(node.id for node in found))


def hidden(network: Network, k: int, kind: Literal["a", "s"]) -> str:
    """The name of hidden layer k = 1 .. K-1; what lies below the first is X."""
    if k == 0:
        return "X"
    return f"h_{kind}" if network.n_layers == 2 else f"h{k}_{kind}"


def unit_axis(network: Network, k: int) -> str:
    """What the entries of layer k count; layer 0 is the input, layer K the output."""
    if k in (0, network.n_layers):
        return "input" if k == 0 else "output"
    return "unit" if network.n_layers == 2 else f"unit {k}"


def shallow(network: Network, *labels: str, otherwise: str) -> tuple[str, ...]:
    """Labels of Part 2 for one hidden layer, else of the section on any depth."""
    return labels if network.n_layers == 2 else (otherwise,)


def is_rect(network: Network) -> bool:
    return network.activation.name == "rect"
