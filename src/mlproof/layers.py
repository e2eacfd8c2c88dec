"""``coefs_`` and ``intercepts_``: lists of views that write through to theta."""

from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

import numpy as np

from mlproof.functions import Array


class LayerViews(list[Array]):
    """One array for each layer, each a view into theta.

    Changing an array in place changes theta, and so does assigning to an item: the new
    values are copied in, in theta's dtype.  A copy or a pickle of the list is a plain
    list of plain arrays.
    """

    def __init__(
        self,
        name: str,
        arrays: Sequence[Array],
        writable: Callable[[], Sequence[Array]],
    ) -> None:
        """``writable`` gives such views again, of a theta that can be written to."""
        super().__init__(arrays)
        self._name, self._writable = name, writable

    def __setitem__(self, index: SupportsIndex | slice, value: Any) -> None:
        if isinstance(index, slice):
            return self._copy_in(range(len(self))[index], value)
        return self._copy_in([range(len(self))[index]], [value])

    def assign(self, values: Any) -> None:
        """Copy in one array for each layer; nothing is changed if one does not fit."""
        self._copy_in(range(len(self)), values)

    def _copy_in(self, layers: Sequence[int], values: Any) -> None:
        if len(values) != len(layers):
            raise ValueError(
                f"{self._name} must be {len(layers)} arrays, one for each layer; "
                f"got {len(values)}."
            )
        # Copies, as a value may be a view into the very layers that are written.
        arrays = [
            np.array(value, dtype=self[layer].dtype)
            for layer, value in zip(layers, values, strict=True)
        ]
        for layer, array in zip(layers, arrays, strict=True):
            if array.shape != self[layer].shape:
                raise ValueError(
                    f"{self._name}[{layer}] must have shape {self[layer].shape}; "
                    f"got {array.shape}."
                )
        if not all(self[layer].flags.writeable for layer in layers):
            super().__setitem__(slice(None), self._writable())
        for layer, array in zip(layers, arrays, strict=True):
            self[layer][...] = array

    def __reduce__(self) -> tuple[type[list[Array]], tuple[list[Array]]]:
        return list, ([np.array(array) for array in self],)
