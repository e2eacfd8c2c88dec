"""What each parameter of the estimator may be, said once."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

# scikit-learn's words for the hidden activations, and the derivation's.
ACTIVATION_NAMES = {
    "relu": "rect",
    "tanh": "tanh",
    "logistic": "sigmoid",
    "identity": "identity",
    "softplus": "softplus",
    "abs": "abs",
}
SOLVERS = ("adam", "sgd", "gd", "lbfgs")


class Rule(NamedTuple):
    expected: str
    holds: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and _is_number(value) and int(value) >= 1


def _number(expected: str, holds: Callable[[float], bool]) -> Rule:
    return Rule(
        expected, lambda v: _is_number(v) and math.isfinite(v) and holds(float(v))
    )


def _one_of(*names: str) -> Rule:
    return Rule(
        "one of " + ", ".join(map(repr, names)),
        lambda v: isinstance(v, str) and v in names,
    )


_COUNT = Rule("an integer of at least 1", _is_count)
_FLAG = Rule("True or False", lambda v: isinstance(v, (bool, np.bool_)))
_NON_NEGATIVE = _number("a number of at least 0", lambda v: v >= 0)
_POSITIVE = _number("a number above 0", lambda v: v > 0)
_BELOW_ONE = _number("a number from 0 up to, not including, 1", lambda v: 0 <= v < 1)
_PER_LAYER = Rule(
    "a number of at least 0, or one for each layer of weights",
    lambda v: all(
        _NON_NEGATIVE.holds(number)
        for number in (v if isinstance(v, Iterable) and not isinstance(v, str) else [v])
    ),
)

RULES: Mapping[str, Rule] = {
    "hidden_layer_sizes": Rule(
        "an integer of at least 1, or a sequence of them",
        lambda v: (
            _is_count(v)
            or (
                isinstance(v, Sequence | np.ndarray)
                and np.ndim(v) == 1
                and not isinstance(v, str)
                and all(_is_count(size) for size in v)
            )
        ),
    ),
    "activation": _one_of(*ACTIVATION_NAMES),
    "solver": _one_of(*SOLVERS),
    "alpha": _NON_NEGATIVE,
    "l1": _PER_LAYER,
    "l2": _PER_LAYER,
    "batch_size": Rule(
        "'auto' or an integer of at least 1",
        lambda v: (isinstance(v, str) and v == "auto") or _is_count(v),
    ),
    "learning_rate": _one_of("constant", "invscaling", "adaptive"),
    "learning_rate_init": _POSITIVE,
    "power_t": _NON_NEGATIVE,
    "max_iter": _COUNT,
    "shuffle": _FLAG,
    "random_state": Rule(
        "None, an integer from 0 to 2**32 - 1, or a numpy.random.RandomState",
        lambda v: (
            v is None
            or v is np.random
            or isinstance(v, np.random.RandomState)
            or (isinstance(v, Integral) and 0 <= int(v) < 2**32)
        ),
    ),
    "tol": _NON_NEGATIVE,
    "verbose": Rule(
        "True, False or an integer of at least 0",
        lambda v: _FLAG.holds(v) or (isinstance(v, Integral) and int(v) >= 0),
    ),
    "warm_start": _FLAG,
    "momentum": _number("a number from 0 to 1", lambda v: 0 <= v <= 1),
    "nesterovs_momentum": _FLAG,
    "early_stopping": _FLAG,
    "validation_fraction": _BELOW_ONE,
    "beta_1": _BELOW_ONE,
    "beta_2": _BELOW_ONE,
    "epsilon": _POSITIVE,
    "n_iter_no_change": Rule(
        "an integer of at least 1, or numpy.inf",
        lambda v: _is_count(v) or (isinstance(v, float) and v == np.inf),
    ),
    "max_fun": _COUNT,
    "input_scale": _POSITIVE,
    "engine": _one_of("auto", "numpy", "compiled"),
    "sparse_adam": _one_of("exact", "lazy"),
    "n_threads": Rule(
        "None or an integer of at least 1", lambda v: v is None or _is_count(v)
    ),
}


def check(parameters: Mapping[str, Any]) -> None:
    """Raise ValueError at the first bad one: what was expected and what came."""
    for name, rule in RULES.items():
        value = parameters[name]
        if not rule.holds(value):
            raise ValueError(f"{name} must be {rule.expected}; got {value!r}.")
    n_layers = len(hidden_sizes(parameters["hidden_layer_sizes"])) + 1
    for name in ("l1", "l2"):
        per_layer(name, parameters[name], n_layers)


def hidden_sizes(hidden_layer_sizes: Any) -> tuple[int, ...]:
    sizes = (
        hidden_layer_sizes
        if isinstance(hidden_layer_sizes, Iterable)
        else [hidden_layer_sizes]
    )
    return tuple(int(size) for size in sizes)


def per_layer(name: str, value: Any, n_layers: int) -> tuple[float, ...]:
    """The penalty of each layer of weights, from one number for all or one for each."""
    if not isinstance(value, Iterable):
        return (float(value),) * n_layers
    values = tuple(float(v) for v in value)
    if len(values) != n_layers:
        raise ValueError(
            f"{name} must be one number, or {n_layers}, one for each layer of weights; "
            f"got {len(values)}."
        )
    return values
