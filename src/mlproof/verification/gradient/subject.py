"""What is to be checked: a loss, a gradient and a point, called with due distrust.

A function that cannot be judged, as it changes what it is given, answers differently
from call to call or returns no numbers, is refused in one sentence that says so.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mlproof.functions import Array
from mlproof.verification.gradient.structure import aligned, blocks_of, floating


class Subject(NamedTuple):
    """A loss and a gradient, and where they are compared."""

    loss: Callable[..., Any]
    terms: dict[str, Callable[..., Any]]  # of the loss; empty if it has no named ones
    gradient: Callable[..., Any]
    names: tuple[str, ...]  # of the blocks
    rebuild: Callable[[list[Array]], Any]  # from blocks to the user's structure
    arrays: list[Array]  # the blocks as the gradient gets them
    point: list[Array]  # the same in float64, as the loss gets them
    args: tuple[Any, ...]  # copies, so that nothing can happen to the user's own


def subject_of(
    loss: Any, gradient: Any, parameters: Any, args: tuple[Any, ...]
) -> Subject:
    """The subject, if loss and gradient can be called and judged."""
    terms = dict(loss) if isinstance(loss, Mapping) else {}
    if terms and all(map(callable, terms.values())):
        loss = _sum_of(terms)
    if not callable(loss) or not callable(gradient):
        raise TypeError(
            "check_gradient takes two functions first, loss and gradient; got "
            f"{type(loss).__name__} and {type(gradient).__name__}."
        )
    names, blocks, rebuild = blocks_of(parameters)
    pairs = zip(names, blocks, strict=True)
    arrays = [floating(block, f"the parameter {name}") for name, block in pairs]
    if not names:
        raise ValueError("there are no parameters, so there is nothing to check.")
    for name, array in zip(names, arrays, strict=True):
        if array.size == 0:
            raise ValueError(f"{name} is empty, so it has no gradient to check.")
        if not np.isfinite(array).all():
            raise ValueError(f"the parameter {name} must be finite; it is not.")
    point = [array.astype(np.float64) for array in arrays]
    subject = Subject(
        loss, terms, gradient, tuple(names), rebuild, arrays, point, copied(args)
    )
    _try(subject, args)
    return subject


def _sum_of(terms: dict[str, Callable[..., Any]]) -> Callable[..., Any]:
    def loss(parameters: Any, *args: Any) -> Any:
        total: Any = 0.0
        for name, term in terms.items():
            value = term(parameters, *args)
            if np.ndim(value) != 0:
                raise ValueError(
                    f"the term {name!r} of the loss must be one number; it has shape "
                    f"{np.shape(value)}."
                )
            total = total + value
        return total

    return loss


def _try(subject: Subject, args: tuple[Any, ...]) -> None:
    """Call both functions once or twice, and refuse what cannot be judged."""
    value = loss_at(subject, subject.point)
    _unchanged("loss", args, subject.args)
    if loss_at(subject, subject.point) != value:
        raise ValueError(
            "the loss differs between two calls with the same parameters, so there is "
            "nothing to check; make it deterministic."
        )
    returned = _call_gradient(subject, subject.arrays)
    _unchanged("gradient", args, subject.args)
    beside, _ = _parted(returned, subject)
    if beside is None:
        return
    eps = max(_eps(array) for array in subject.arrays)
    coarse = 1e6 * max(eps, _eps(np.asarray(beside)))  # sums lose digits
    near = coarse * max(1.0, abs(value))
    if not abs(value_of(beside) - value) <= near:
        raise ValueError(
            f"the loss that the gradient returns beside it, {float(beside):.9g}, is "
            f"not the loss, {value:.9g}; let both compute the same."
        )


def _eps(array: Array) -> float:
    return float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else 0.0


def value_of(loss: Any) -> float:
    """The loss as a finite real number."""
    if np.ndim(loss) != 0 or isinstance(loss, tuple | list):
        raise ValueError(
            f"the loss must be one number, such as a sum or a mean; it has shape "
            f"{np.shape(loss)}."
        )
    number = np.asarray(loss)
    if number.dtype.kind not in "biufc" or number.imag != 0:
        raise ValueError(f"the loss must be a real number; got {loss!r}.")
    value = float(number.real)
    if not math.isfinite(value):
        raise ValueError(f"the loss at the point to check must be finite; got {value}.")
    return value


def loss_at(subject: Subject, blocks: list[Array]) -> float:
    """The loss, of copies of the blocks that it must not change."""
    given = [block.copy() for block in blocks]
    value = subject.loss(subject.rebuild(given), *subject.args)
    refuse_changes("loss", subject.names, blocks, given)
    return value_of(value)


def gradient_at(subject: Subject, blocks: list[Array]) -> list[Array]:
    """The gradient as it is returned, block by block, of whatever shape.

    The loss is computed first at the same point, for gradients that read what it keeps.
    """
    wide = [block.astype(np.float64) for block in blocks]
    subject.loss(subject.rebuild(wide), *subject.args)
    return lone_gradient_at(subject, blocks)


def lone_gradient_at(subject: Subject, blocks: list[Array]) -> list[Array]:
    """The gradient, whatever the loss was last computed for."""
    _, gradient = _parted(_call_gradient(subject, blocks), subject)
    found = aligned(gradient, subject.names)
    return [
        floating(block, f"the gradient of {name}").copy()
        for name, block in zip(subject.names, found, strict=True)
    ]


def whole_numbers(subject: Subject) -> tuple[str, ...]:
    """The blocks whose gradient is returned in an integer dtype."""
    _, gradient = _parted(_call_gradient(subject, subject.arrays), subject)
    found = aligned(gradient, subject.names)
    pairs = zip(subject.names, found, strict=True)
    return tuple(name for name, block in pairs if np.asarray(block).dtype.kind in "iub")


def _call_gradient(subject: Subject, blocks: list[Array]) -> Any:
    given = [block.copy() for block in blocks]
    returned = subject.gradient(subject.rebuild(given), *subject.args)
    refuse_changes("gradient", subject.names, blocks, given)
    return returned


def _parted(returned: Any, subject: Subject) -> tuple[Any, Any]:
    """The loss and the gradient, of a function that returns both; else None and it."""
    flat = isinstance(subject.rebuild(subject.point), np.ndarray)
    if flat and _is_vector(returned) and subject.point[0].ndim:
        return None, np.asarray(returned)
    if not isinstance(returned, tuple) or len(returned) != 2:
        return None, returned
    first, second = returned
    if np.ndim(first) != 0 or isinstance(first, list | tuple | Mapping):
        return None, returned
    whole = isinstance(second, list | tuple | Mapping) or flat
    return (first, second) if whole else (None, returned)


def _is_vector(returned: Any) -> bool:
    """Whether it is a list of numbers, or a tuple of them, as good as an array."""
    return isinstance(returned, list | tuple) and all(np.ndim(r) == 0 for r in returned)


def refuse_changes(
    who: str, names: tuple[str, ...], before: list[Array], after: list[Array]
) -> None:
    """ValueError if a function has changed the parameters that it was given."""
    for name, one, other in zip(names, before, after, strict=True):
        if not np.array_equal(one, other, equal_nan=True):
            raise ValueError(
                f"the {who} changes its argument {name}; let it work on a copy."
            )


def copied(value: Any) -> Any:
    """Copies of the arrays in it; of what holds none, the same."""
    if type(value) is np.ndarray:
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(map(copied, value))
    if type(value) is dict:
        return {key: copied(part) for key, part in value.items()}
    return value


def _unchanged(who: str, args: tuple[Any, ...], given: tuple[Any, ...]) -> None:
    for k, (before, after) in enumerate(zip(args, given, strict=True)):
        if not _same(before, after):
            raise ValueError(
                f"the {who} changes the argument number {k + 1} after the parameters; "
                "let it work on a copy."
            )


def _same(one: Any, other: Any) -> bool:
    if type(one) is np.ndarray:
        numbers = one.dtype.kind in "fc"
        return np.array_equal(one, other, equal_nan=numbers)
    if type(one) in (list, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if type(one) is dict:
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    return True
