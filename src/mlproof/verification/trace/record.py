"""``Trace``: one training step, every number on the way a named, ordered node."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlproof.functions import Array
from mlproof.verification.trace.checks import Check
from mlproof.verification.trace.step import Part

# A larger array is written to JSON as what a page shows of it.
LARGEST_IN_JSON = 100_000


@dataclass(frozen=True)
class Node:
    """One quantity: its value, the line it comes from, and what that line reads."""

    part: Part
    name: str
    formula: str  # as NumPy; empty for what is given
    labels: tuple[str, ...]  # of the equations of docs/derivation.md
    meaning: str
    axes: tuple[str, ...]  # what rows and columns count
    inputs: tuple[str, ...]  # the nodes it is computed from
    value: Array
    check: Check | None = None  # of a gradient

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape


@dataclass(frozen=True)
class Trace:
    """One training step, from the inputs to the new parameters.

    ``trace["grad_W1"]`` is a node, iterating gives them all in the order in which they
    are computed.  Printed it is a listing, ``to_json`` is for programs and ``to_html``
    a page that shows each formula beside its numbers; a notebook shows that by itself.

    Attributes
    ----------
    nodes : tuple of Node
        In the order in which they are computed.
    title, network, note : str
        What was traced, the network in a few words, and how training itself steps.
    names : mapping of str to tuple of str
        What the entries of each axis are called: rows, inputs, outputs.
    shown : mapping of str to ndarray
        Which entries of each axis a page shows: all of a short one, else a few, those
        that matter most to these examples.
    """

    nodes: tuple[Node, ...]
    title: str
    network: str
    note: str
    names: Mapping[str, tuple[str, ...]]
    shown: Mapping[str, Array]

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise KeyError(f"there is no {name!r}; the nodes are: {known}")

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def ok(self) -> bool:
        """Whether every gradient agrees with what was measured."""
        return all(node.check.ok for node in self.nodes if node.check is not None)

    def visible(self, node: Node, array: Array | None = None) -> Array:
        """What a page shows of the node's value, or of an array of its shape."""
        whole = node.value if array is None else array
        return whole[self.corner(node.axes)] if node.axes else whole

    def corner(self, axes: tuple[str, ...]) -> tuple[Array, ...]:
        """The index of what a page shows of an array with these axes."""
        return np.ix_(*(self.shown[axis] for axis in axes))

    def is_whole(self, node: Node) -> bool:
        """Whether a page shows every entry."""
        return all(
            len(self.shown[axis]) == size
            for axis, size in zip(node.axes, node.shape, strict=True)
        )

    def to_json(self, largest: int = LARGEST_IN_JSON) -> str:
        """The same as a JSON object.

        The value of an array of more than ``largest`` entries is null, with its
        smallest and largest entry and the entries that a page shows.
        """
        return json.dumps(
            {
                "ok": self.ok,
                "title": self.title,
                "network": self.network,
                "note": self.note,
                "names": {axis: list(names) for axis, names in self.names.items()},
                "shown": {axis: shown.tolist() for axis, shown in self.shown.items()},
                "nodes": [self._plain(node, largest) for node in self.nodes],
            }
        )

    def _plain(self, node: Node, largest: int) -> dict[str, Any]:
        whole = node.value.size <= largest
        plain: dict[str, Any] = {
            "name": node.name,
            "part": node.part,
            "formula": node.formula,
            "labels": list(node.labels),
            "meaning": node.meaning,
            "inputs": list(node.inputs),
            "axes": list(node.axes),
            "shape": list(node.shape),
            "value": node.value.tolist() if whole else None,
        }
        if not whole:
            plain["min"], plain["max"] = (
                float(node.value.min()),
                float(node.value.max()),
            )
            plain["value_shown"] = self.visible(node).tolist()
        if node.check is not None:
            plain["check"] = {
                "ok": node.check.ok,
                "verdict": node.check.verdict,
                "n_checked": node.check.n_checked,
                "central": node.check.central.tolist(),
                "complex": node.check.complex.tolist(),
            }
        return plain

    def __str__(self) -> str:
        from mlproof.verification.trace.listing import listing

        return listing(self)

    def to_html(self) -> str:
        """A page of its own: no script, nothing fetched, readable from a file."""
        from mlproof.verification.trace.page import page

        return page(self)

    def _repr_html_(self) -> str:
        from mlproof.verification.trace.page import fragment

        return fragment(self)
