"""The derivation that the package stands on, verified; and the arrow to the code.

Every claim of docs/derivation.md holds, and what its formulas give, evaluated by the
verifier, is what the network and both engines compute: forward, risk and every
gradient.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mlproof import verify_document
from mlproof.deep import Network
from mlproof.engines import Engine, Examples
from mlproof.engines.compiled import CompiledEngine
from mlproof.engines.numpy_engine import NumpyEngine
from mlproof.functions import ACTIVATIONS, Array
from mlproof.losses import OUTPUTS
from mlproof.network import Theta, backward, forward, risk
from mlproof.parameters import pack, views
from mlproof.penalties import no_penalty
from mlproof.verification.document.notation.gathering import notation_of
from mlproof.verification.document.notation.notation import Notation
from mlproof.verification.document.report import DocumentReport
from mlproof.verification.document.text.prose import statements_of
from mlproof.verification.document.text.reading import read_document
from mlproof.verification.document.text.statements import Statement
from mlproof.verification.document.values.arrays import is_array
from mlproof.verification.document.values.evaluate import evaluate
from mlproof.verification.document.values.numbers import Arithmetic, plain
from mlproof.verification.document.values.world import DRAWS, World

DERIVATION = Path(__file__).parents[1] / "docs" / "derivation.md"

# Left sides of the text, and what the code calls the same.
FORWARD = {"H^a": "h_a", "H^s": "h_s", "O^a": "o_a"}
GRADIENTS = {
    r"\frac{\partial R}{\partial O^a}": "grad_o_a",
    r"\frac{\partial R}{\partial W^{(2)}}": "grad_W2",
    r"\frac{\partial R}{\partial b^{(2)}}": "grad_b2",
    r"\frac{\partial R}{\partial H^s}": "grad_h_s",
    r"\frac{\partial R}{\partial H^a}": "grad_h_a",
    r"\frac{\partial R}{\partial W^{(1)}}": "grad_W1",
    r"\frac{\partial R}{\partial b^{(1)}}": "grad_b1",
    r"\frac{\partial R}{\partial X}": "grad_x",
}


@pytest.fixture(scope="module")
def report() -> DocumentReport:
    return verify_document(DERIVATION)


@pytest.mark.slow
def test_every_claim_holds(report: DocumentReport) -> None:
    assert [(c.line, c.text, c.message) for c in report.claims if c.wrong] == []


@pytest.mark.slow
def test_at_least_95_percent_of_the_claims_are_checked(report: DocumentReport) -> None:
    assert report.coverage.claims > 300
    assert report.coverage.checked >= 0.95 * report.coverage.claims


@cache
def derivation() -> tuple[list[Statement], Notation]:
    statements = statements_of(read_document(DERIVATION).blocks)
    return statements, notation_of(statements)


def stated(left: str) -> tuple[Statement, int]:
    """The first statement of the derivation with this left side."""
    statements, _ = derivation()
    return next(
        (s, order)
        for order, s in enumerate(statements)
        if s.members[0].text == left and s.relations == ["="]
    )


def right_side(left: str, world: World) -> np.ndarray:
    """What the derivation says this is, evaluated."""
    formula = stated(left)[0].members[-1].formula
    assert formula is not None
    return numbers(evaluate(formula, world))


def numbers(value: object) -> np.ndarray:
    if not is_array(value):
        return np.array(float(plain(value)))
    made = np.array([[float(plain(x)) for x in row] for row in value])  # type: ignore[attr-defined]
    return made[:, 0] if made.shape[1] == 1 else made


def worlds(left: str) -> Iterator[World]:
    """Values for all symbols, where this statement stands."""
    statement, order = stated(left)
    for draw in DRAWS:
        arithmetic = Arithmetic()
        yield World(
            *(derivation()[1], arithmetic, draw, evaluate, order, statement.section)
        )


def network_of(world: World) -> tuple[Theta, np.ndarray, np.ndarray]:
    """The parameters, the batch and its classes that a world holds."""
    theta = Theta(
        *(numbers(world.value(k)) for k in ("W^(1)", "b^(1)")),
        *(numbers(world.value(k)) for k in ("W^(2)", "b^(2)")),
    )
    X = numbers(world.value("X"))
    Y = numbers(world.value("Y"))
    return theta, X, Y.argmax(axis=1)


@pytest.mark.parametrize(("left", "name"), FORWARD.items())
def test_the_forward_formulas_are_what_the_network_computes(
    left: str, name: str
) -> None:
    for world in worlds(left):
        theta, X, _ = network_of(world)
        expected = getattr(forward(theta, X), name)
        given = right_side(left, world)
        np.testing.assert_allclose(given, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("left", "name"), GRADIENTS.items())
def test_the_gradient_formulas_are_what_the_network_computes(
    left: str, name: str
) -> None:
    moves = False
    for world in worlds(left):
        theta, X, y = network_of(world)
        expected = getattr(backward(theta, X, y, forward(theta, X)), name)
        given = right_side(left, world)
        np.testing.assert_allclose(given, expected, rtol=1e-10, atol=1e-13)
        moves |= bool(expected.any())
    assert moves  # not all units are off at every point


def test_the_risk_is_what_the_network_computes() -> None:
    for world in worlds(r"\frac{\partial R}{\partial X}"):
        theta, X, y = network_of(world)
        given = numbers(world.value("R"))
        np.testing.assert_allclose(given, risk(theta, X, y), rtol=1e-12)


# ---- and what the engines compute --------------------------------------------------

ENGINES = [NumpyEngine, CompiledEngine]


def engine_of(kind: type[Engine], theta: Theta) -> tuple[Engine, Array]:
    """An engine for the network of a world, and its parameters as a flat vector."""
    m, d_h, d = *theta.W2.shape, theta.W1.shape[1]
    network = Network((d, d_h, m), ACTIVATIONS["rect"], OUTPUTS["softmax"])
    flat = pack([theta.W1, theta.W2], [theta.b1, theta.b2])
    return kind(network), flat  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", ENGINES)
def test_the_forward_formulas_are_what_the_engines_compute(kind: type[Engine]) -> None:
    for world in worlds("O^a"):
        theta, X, _ = network_of(world)
        engine, flat = engine_of(kind, theta)
        given = right_side("O^a", world)
        np.testing.assert_allclose(given, engine.logits(flat, X), rtol=1e-11)


@pytest.mark.parametrize("kind", ENGINES)
def test_the_risk_and_its_gradients_are_what_the_engines_compute(
    kind: type[Engine],
) -> None:
    lefts = {name: left for left, name in GRADIENTS.items()}
    for world in worlds(lefts["grad_W1"]):
        theta, X, y = network_of(world)
        engine, flat = engine_of(kind, theta)
        examples = Examples(X, y, None)
        value, gradient = engine.risk_and_gradient(flat, examples, no_penalty(2))
        np.testing.assert_allclose(value, numbers(world.value("R")), rtol=1e-11)
        W, b = views(gradient, engine.network.units)
        computed = {"grad_W1": W[0], "grad_b1": b[0], "grad_W2": W[1], "grad_b2": b[1]}
        for name, given in computed.items():
            expected = right_side(lefts[name], world)
            np.testing.assert_allclose(given, expected, rtol=1e-10, atol=1e-13)
