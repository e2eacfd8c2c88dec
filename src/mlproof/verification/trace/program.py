"""Runs the lines of a trace, and runs them again with one quantity changed."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import CodeType
from typing import Any

import numpy as np

from mlproof import functions
from mlproof.deep import Network, weighted_loss
from mlproof.functions import ACTIVATIONS, Array
from mlproof.losses import cross_entropy, logistic_loss, softmax
from mlproof.parameters import pack
from mlproof.penalties import Penalty
from mlproof.verification.trace.step import Step, names_in

Values = dict[str, Any]


class Program:
    """The lines of one training step, and the functions that occur in them.

    They are Python expressions that this package wrote, over these names alone.
    """

    def __init__(self, steps: Sequence[Step], names: Mapping[str, Any]) -> None:
        self._steps = [step for step in steps if step.formula]
        self._names = dict(names)
        self._code = {step.name: _compiled(step.formula) for step in self._steps}
        self._between = cache(self._find_between)

    def run(self, given: Values) -> Values:
        """The value of every line, with what was given."""
        values = dict(given)
        for step in self._steps:
            values[step.name] = self._value(step, values)
        return values

    def again(self, values: Values, changed: str, value: Any, wanted: str) -> Any:
        """What ``wanted`` would be if ``changed`` were ``value`` and the rest followed.

        Nothing that ``changed`` is computed from is looked at, so this is also the
        function whose derivative with respect to an intermediate is asked for.
        """
        values = {**values, changed: value}
        for step in self._between(changed, wanted):
            values[step.name] = self._value(step, values)
        return values[wanted]

    def _value(self, step: Step, values: Values) -> Any:
        # What is not finite is reported by name afterwards, in one sentence.
        with np.errstate(over="ignore", invalid="ignore"):
            return eval(self._code[step.name], {**self._names, **values})

    def _find_between(self, changed: str, wanted: str) -> list[Step]:
        """The lines that depend on the one and that the other depends on."""
        follows = {changed}
        for step in self._steps:
            if step.name != changed and follows.intersection(names_in(step.formula)):
                follows.add(step.name)
        needed, steps = {wanted}, []
        for step in reversed(self._steps):
            if step.name in needed & follows - {changed}:
                needed.update(names_in(step.formula))
                steps.append(step)
        return steps[::-1]


def _compiled(formula: str) -> CodeType:
    return compile(formula, "<trace>", "eval")


def vocabulary(network: Network, penalty: Penalty, weight: Array) -> dict[str, Any]:
    """What the lines may say besides their own names.

    ``weight`` (n,) is what each example counts in the risk, and ``penalty`` that of the
    batch.
    """
    seen = network._replace(input_scale=1.0)  # X is as the network sees it

    def risk(X: Array, truth: Array, *theta: Array) -> Any:
        W, b = list(theta[0::2]), list(theta[1::2])
        return weighted_loss(seen, pack(W, b), X, truth, weight) + penalty.value(W)

    activations: dict[str, Callable[[Array], Array]] = {}
    for activation in ACTIVATIONS.values():
        activations[activation.name] = activation.function
        activations[f"{activation.name}_prime"] = activation.derivative
    return {
        **activations,
        "np": np,
        "n": len(weight),
        "m": network.units[-1],
        "onehot": lambda y, m: np.eye(m)[y],  # as in (Q2.8)
        "softmax": softmax,
        "cross_entropy": cross_entropy,
        "logistic_loss": logistic_loss,
        "risk": risk,
        "sign": functions.sign,
        "l1_norm": functions.l1_norm,
        "squared_norm": functions.squared_norm,
    }
