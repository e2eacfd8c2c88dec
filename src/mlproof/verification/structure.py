"""Parameters as users hold them: an array, or a list, tuple or dict of arrays."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlproof.functions import Array


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


def aligned(gradient: Any, names: list[str], point: list[Array]) -> list[Array]:
    """The blocks of a gradient in the order of the parameters, their shapes checked."""
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
    arrays = [floating(block) for block in blocks]
    for name, array, p in zip(names, arrays, point, strict=True):
        if array.shape != p.shape:
            raise ValueError(
                f"the gradient of {name} must have its shape {p.shape}; "
                f"got {array.shape}."
            )
    return arrays


def floating(block: Any) -> Array:
    array = np.asarray(block)
    return array if array.dtype.kind == "f" else array.astype(np.float64)
