"""How a batch is cut into chunks and how their sums are added: one definition.

The boundaries depend on the number of rows, the layer sizes and the dtype, never on who
computes.  The chunk sums are added in a fixed binary tree over the chunk's number, so
threads, processes and machines that share the work give the same sum to the last bit.
"""

from collections.abc import Iterable, Iterator

from mlproof.functions import Array
from mlproof.parameters import n_theta

# Raise it with any change of boundaries or tree: the results then differ in bits.
VERSION = 4

# What a chunk's pre-activations and activations may take: they stay in the cache.
WORKSPACE_BYTES = 320 * 1024

# Products of fewer rows run below the speed of the machine, and of more no faster.
MIN_ROWS, MAX_ROWS = 32, 128

# Multiplications in a batch, forwards, from which a second thread is worth having.
WORTH_SHARING = 600_000


def n_chunks(n_rows: int, units: tuple[int, ...], itemsize: int) -> int:
    """How many chunks there are: 2, 4, 8 .. where threads are to share them."""
    row_bytes = 2 * itemsize * sum(units[1:])
    rows = min(max(WORKSPACE_BYTES // row_bytes, MIN_ROWS), MAX_ROWS)
    count = -(-n_rows // rows)
    if n_rows < 2 * MIN_ROWS or not worth_sharing(n_rows * n_theta(units)):
        return count
    return max(1 << (count - 1).bit_length(), 2)


def worth_sharing(multiplications: int) -> bool:
    """Whether a batch with so many, forwards, is worth a second thread."""
    return multiplications >= WORTH_SHARING


def chunks(n_rows: int, units: tuple[int, ...], itemsize: int) -> Iterator[slice]:
    """The rows of each chunk in turn, of nearly equal length; none for no rows."""
    count = n_chunks(n_rows, units, itemsize)
    for i in range(count):
        yield slice(i * n_rows // count, (i + 1) * n_rows // count)


def tree_sum(terms: Iterable[tuple[float, Array]]) -> tuple[float, Array]:
    """Add the (risk, gradient) of all chunks, holding O(log chunks) gradients (S.2).

    Chunks 0 and 1 are added, 2 and 3, then the two sums, and so on; what is left at the
    end is added from the right.  The arrays given are overwritten.  The terms may also
    be sums of 2, 4, 8 .. chunks each, the last of them of fewer: the tree is the same.
    """
    pending: list[tuple[int, float, Array]] = []  # (height, risk, gradient)
    for risk, gradient in terms:
        pending.append((0, risk, gradient))
        while len(pending) > 1 and pending[-1][0] == pending[-2][0]:
            _merge(pending)
    while len(pending) > 1:
        _merge(pending)
    _, risk, gradient = pending[0]
    return risk, gradient


def _merge(pending: list[tuple[int, float, Array]]) -> None:
    _, right_risk, right = pending.pop()
    height, left_risk, left = pending.pop()
    left += right
    pending.append((height + 1, left_risk + right_risk, left))
