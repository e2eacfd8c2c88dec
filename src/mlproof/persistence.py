"""A fitted classifier as a JSON description, and back.

What a file says is not trusted: every entry is checked before anything is made of it.
"""

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any, cast

import numpy as np

from mlproof import hyperparameters
from mlproof.fitted import FittedNetwork
from mlproof.functions import ACTIVATIONS, Array
from mlproof.labelling import Labelling
from mlproof.losses import Labels
from mlproof.modelfile import ModelFileError
from mlproof.parameters import n_theta
from mlproof.training import History
from mlproof.version import __version__


def describe(estimator: FittedNetwork) -> dict[str, Any]:
    """Everything about a fitted estimator but theta, in types that JSON has."""
    parameters = estimator.get_params(deep=False)
    if not isinstance(parameters["random_state"], int | np.integer):
        parameters["random_state"] = None  # a generator would need its whole state
    labelling = estimator._labelling
    names = getattr(estimator, "feature_names_in_", None)
    history = estimator._history
    return {
        "mlproof": __version__,
        "parameters": {name: _plain(value) for name, value in parameters.items()},
        "units": list(estimator._units),
        "activation": estimator._hidden_activation,
        "labelling": {
            "kind": labelling.kind,
            "classes": _class_list(labelling.classes),
            "dtype": labelling.classes.dtype.str,
            "sparse": labelling.sparse,
        },
        "input_scale": estimator._input_scale,
        "engine": estimator.engine_,
        "feature_names": None if names is None else [str(name) for name in names],
        "history": {
            "n_iter": history.n_iter,
            "n_seen": history.n_seen,
            "loss": history.loss,
            "loss_curve": history.loss_curve,
            "best_loss": history.best_loss,
            "validation_scores": history.validation_scores,
            "best_validation_score": history.best_validation_score,
        },
    }


def _plain(value: Any) -> Any:
    """A parameter, which may be any kind of number and any sequence of them."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, Integral) else float(value)


def _class_list(classes: Labels) -> list[Any]:
    values = classes.tolist()
    if not all(isinstance(value, bool | int | float | str) for value in values):
        raise ValueError(
            "only classes that are numbers, strings or booleans can be saved; "
            f"these are {classes!r}."
        )
    return cast("list[Any]", values)


def restore(
    estimator: FittedNetwork, theta: Array, description: Mapping[str, Any], path: Any
) -> None:
    """Make this new estimator the fitted one that was described.

    Raises
    ------
    ModelFileError
        If the description is incomplete or contradicts itself.
    """
    try:
        _restore(estimator, theta, description)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ModelFileError(f"{path} does not describe a model: {reason}.") from error


def _restore(
    estimator: FittedNetwork, theta: Array, description: Mapping[str, Any]
) -> None:
    parameters = dict(description["parameters"])
    if isinstance(parameters["hidden_layer_sizes"], list):
        parameters["hidden_layer_sizes"] = tuple(parameters["hidden_layer_sizes"])
    estimator.set_params(**parameters)
    hyperparameters.check(estimator.get_params(deep=False))

    units = tuple(description["units"])
    if len(units) < 2 or not all(type(size) is int and size >= 1 for size in units):
        raise ValueError("units must be two or more positive integers")
    if n_theta(units) != theta.size:
        raise ValueError(
            f"its layers have {n_theta(units)} parameters, but theta has {theta.size}"
        )
    if description["activation"] not in ACTIVATIONS:
        raise ValueError(f"the activation {description['activation']!r} is unknown")

    labelling = _labelling(description["labelling"])
    if labelling.n_outputs != units[-1]:
        raise ValueError(
            f"{len(labelling.classes)} classes do not go with {units[-1]} outputs"
        )
    names = description["feature_names"]
    if names is not None:
        strings = isinstance(names, list) and all(isinstance(n, str) for n in names)
        if not strings or len(names) != units[0]:
            raise ValueError(f"feature_names must be {units[0]} strings")
        estimator.feature_names_in_ = np.array(names, dtype=object)
    engine = description.get("engine", "numpy")
    if engine not in ("numpy", "compiled"):
        raise ValueError(f"the engine {engine!r} is unknown")
    scale = description.get("input_scale", 1.0)
    if type(scale) not in (int, float) or not 0 < scale < float("inf"):
        raise ValueError(f"input_scale must be a positive number, not {scale!r}")
    scale = float(scale)  # which an integer may be too large for
    history = _history(description["history"])
    activation = description["activation"]
    estimator._become(theta, units, activation, labelling, history, engine, scale)


def _history(description: Any) -> History:
    counts, numbers = (
        ("n_iter", "n_seen"),
        ("loss", "best_loss", "best_validation_score"),
    )
    curves = ("loss_curve", "validation_scores")
    if not isinstance(description, dict) or set(description) != {
        *counts,
        *numbers,
        *curves,
    }:
        raise ValueError("history must have the entries that mlproof writes")
    fits = (
        all(type(description[n]) is int and description[n] >= 0 for n in counts)
        and all(type(description[name]) in (int, float) for name in numbers)
        and all(
            isinstance(description[name], list)
            and all(type(number) in (int, float) for number in description[name])
            for name in curves
        )
    )
    if not fits:
        raise ValueError(
            "history must hold numbers, and lists of numbers for the curves"
        )
    return History(**description)


def _labelling(description: Mapping[str, Any]) -> Labelling:
    dtype = np.dtype(description["dtype"])
    if dtype.kind not in "biufUO":
        raise ValueError(f"classes cannot be of dtype {dtype}")
    values = description["classes"]
    if not isinstance(values, list) or not values:
        raise ValueError("classes must be a list of at least one class")
    if len({type(value) for value in values}) > 1 or not isinstance(
        values[0], bool | int | float | str
    ):
        raise ValueError("classes must be all numbers, all strings or all booleans")
    if description["kind"] not in ("classes", "multilabel"):
        raise ValueError(f"the kind of labels {description['kind']!r} is unknown")
    if type(description["sparse"]) is not bool:
        raise ValueError("sparse must be true or false")
    # The width of strings is that of the classes, not one that the file asks for.
    classes = np.array(values, dtype="U" if dtype.kind == "U" else dtype)
    if classes.tolist() != values:
        raise ValueError(f"the classes are not of their dtype {dtype}")
    if not np.array_equal(np.unique(classes), classes):
        raise ValueError("classes must be sorted, each once")
    return Labelling(description["kind"], classes, description["sparse"])
