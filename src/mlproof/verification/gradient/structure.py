"""Parameters as users hold them: an array, or a list, tuple or dict of arrays."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from mlproof.functions import Array

Done = Literal["", "transposed", "reshaped", "summed"]


def blocks_of(
    parameters: Any,
) -> tuple[list[str], list[Any], Callable[[list[Array]], Any]]:
    """Names, arrays, and how to put arrays back into the structure they came in."""
    if isinstance(parameters, Mapping):
        keys = list(parameters)
        return (
            [str(key) for key in keys],
            [parameters[key] for key in keys],
            lambda arrays: dict(zip(keys, arrays, strict=True)),
        )
    if isinstance(parameters, tuple) and hasattr(parameters, "_fields"):
        kind = type(parameters)
        return list(parameters._fields), list(parameters), lambda arrays: kind(*arrays)
    if isinstance(parameters, list | tuple):
        plain = tuple if isinstance(parameters, tuple) else list
        names = [f"[{k}]" for k in range(len(parameters))]
        return names, list(parameters), plain
    return ["x"], [parameters], lambda arrays: arrays[0]


def aligned(gradient: Any, names: Sequence[str]) -> list[Any]:
    """The blocks of a gradient in the order of the parameters, of whatever shape."""
    given, blocks, _ = blocks_of(gradient)
    if isinstance(gradient, Mapping):
        if set(given) != set(names):
            raise ValueError(
                f"the gradient must have the blocks {', '.join(names)}; it has "
                f"{', '.join(given) or 'none'}."
            )
        blocks = [blocks[given.index(name)] for name in names]
    if len(blocks) != len(names):
        raise ValueError(
            f"the gradient must have a block for each of {', '.join(names)}; "
            f"got {len(blocks)}."
        )
    return blocks


def floating(block: Any, what: str) -> Array:
    """The block as an array of floats; whole numbers become float64."""
    try:
        array = np.asarray(block)
    except ValueError:  # rows of different lengths
        array = np.empty(0, dtype=object)
    if array.dtype.kind in "biu":
        return array.astype(np.float64)
    if array.dtype.kind != "f":
        raise ValueError(
            f"{what} must be an array of real numbers; "
            + ("got None." if block is None else f"its dtype is {array.dtype}.")
        )
    return array


class Reading(NamedTuple):
    """A block in the shape of its parameter, and what had to be done for that."""

    block: Array
    done: Done = ""


def readings(block: Array, shape: tuple[int, ...]) -> tuple[Reading, ...]:
    """The ways to read a block in this shape, the likeliest first; perhaps none."""
    if block.shape == shape:
        return (Reading(block),)
    found = []
    if block.ndim == 2 and block.T.shape == shape:
        found.append(Reading(block.T, "transposed"))
    if block.size == np.prod(shape):
        found.append(Reading(block.reshape(shape), "reshaped"))
        found.append(Reading(block.reshape(shape, order="F"), "reshaped"))
        return tuple(found)
    for axis, rest in ((0, block.shape[1:]), (-1, block.shape[:-1])):
        if block.ndim and rest == shape:
            found.append(Reading(block.sum(axis), "summed"))
    return tuple(found)


def reordered(blocks: list[Array], shapes: list[tuple[int, ...]]) -> list[int] | None:
    """Which block was meant for each shape, if only their order is wrong."""
    order = list(range(len(blocks)))
    misplaced = [k for k in order if blocks[k].shape != shapes[k]]
    left = list(misplaced)
    for k in misplaced:
        fitting = [j for j in left if blocks[j].shape == shapes[k]]
        if not fitting:
            return None
        order[k] = fitting[0]
        left.remove(fitting[0])
    return order
