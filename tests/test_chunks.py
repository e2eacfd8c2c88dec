"""chunks.py: where a batch is cut, and in which order the parts are added (S.2)."""

import gc
import weakref
from collections.abc import Iterator
from math import log2
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlproof.engines.chunks import (
    MAX_ROWS,
    MIN_ROWS,
    WORKSPACE_BYTES,
    WORTH_SHARING,
    chunks,
    tree_sum,
)
from mlproof.functions import Array
from mlproof.parameters import n_theta

ROWS = st.integers(0, 200_000)
UNITS = st.lists(st.integers(1, 5000), min_size=2, max_size=5).map(tuple)
ITEMSIZES = st.sampled_from([4, 8])


@given(ROWS, UNITS, ITEMSIZES)
def test_the_chunks_partition_the_rows_in_order(
    n: int, units: tuple[int, ...], itemsize: int
) -> None:
    end = 0
    for rows in chunks(n, units, itemsize):
        assert rows.start == end
        assert rows.stop > rows.start
        assert rows.step is None
        end = rows.stop
    assert end == n


@given(st.integers(1, 200_000), UNITS, ITEMSIZES)
def test_the_lengths_of_the_chunks_differ_by_1_at_most(
    n: int, units: tuple[int, ...], itemsize: int
) -> None:
    lengths = [rows.stop - rows.start for rows in chunks(n, units, itemsize)]
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= MAX_ROWS


@given(st.integers(1, 200_000), UNITS, ITEMSIZES)
def test_a_chunk_fits_the_workspace_unless_it_is_as_short_as_allowed(
    n: int, units: tuple[int, ...], itemsize: int
) -> None:
    # A pre-activation and an activation for every unit of every layer.
    row_bytes = 2 * itemsize * sum(units[1:])
    for rows in chunks(n, units, itemsize):
        length = rows.stop - rows.start
        assert length <= MIN_ROWS or length * row_bytes <= WORKSPACE_BYTES


@given(st.integers(1, 200_000), UNITS, ITEMSIZES)
def test_there_are_no_more_chunks_than_needed(
    n: int, units: tuple[int, ...], itemsize: int
) -> None:
    row_bytes = 2 * itemsize * sum(units[1:])
    most_rows = min(max(WORKSPACE_BYTES // row_bytes, MIN_ROWS), MAX_ROWS)
    count = len(list(chunks(n, units, itemsize)))
    needed = -(-n // most_rows)
    if n < 2 * MIN_ROWS or n * n_theta(units) < WORTH_SHARING:
        assert count == needed
    else:
        assert count == 2 or count // 2 < needed <= count


@given(st.integers(2 * MIN_ROWS, 200_000), UNITS, ITEMSIZES)
def test_threads_can_share_the_chunks_of_much_work_evenly(
    n: int, units: tuple[int, ...], itemsize: int
) -> None:
    assume(n * n_theta(units) >= WORTH_SHARING)
    assert len(list(chunks(n, units, itemsize))) in (2**k for k in range(1, 20))


@given(ROWS, UNITS, ITEMSIZES)
def test_the_boundaries_are_a_function_of_their_arguments_alone(
    n: int, units: tuple[int, ...], itemsize: int
) -> None:
    first = list(chunks(n, units, itemsize))
    list(chunks(n + 1, (3, 2), 12 - itemsize))
    assert list(chunks(n, units, itemsize)) == first


def test_the_number_of_inputs_does_not_move_a_boundary() -> None:
    # The inputs are not part of the workspace, and sparse ones may be very many.
    assert list(chunks(5000, (3, 40, 2), 8)) == list(chunks(5000, (10**6, 40, 2), 8))


@pytest.mark.parametrize(
    ("d", "n", "count"),
    [
        *[(3, 0, 0), (3, 1, 1), (3, 128, 1), (3, 129, 2), (3, 257, 3)],
        *[(3000, 63, 1), (3000, 64, 2), (3000, 256, 2), (3000, 257, 4)],
    ],
)
def test_the_first_boundaries_of_a_small_network_are_known(
    d: int, n: int, count: int
) -> None:
    # 2 * 8 * (4 + 2) = 96 bytes a row: the workspace would hold more than MAX_ROWS.
    # 64 rows of 12,014 parameters are worth sharing.
    assert len(list(chunks(n, (d, 4, 2), 8))) == count


def test_the_boundaries_of_201_rows_are_worked_by_hand() -> None:
    assert list(chunks(201, (3, 4, 2), 8)) == [slice(0, 100), slice(100, 201)]


def recursive_sum(terms: list[Any]) -> Any:
    """The tree of (S.2) from its top: the longest full tree on the left, then the rest.

    A full tree has 2^k leaves; what is left over is a tree by itself, so the last sums
    are added from the right.
    """
    if len(terms) == 1:
        return terms[0]
    full = 1
    while 2 * full < len(terms):
        full *= 2
    return recursive_sum(terms[:full]) + recursive_sum(terms[full:])


class Traced:
    """A number that remembers how it was added up."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __add__(self, other: "Traced") -> "Traced":
        return Traced(f"({self.text}+{other.text})")

    __iadd__ = __add__


def order_of_addition(n: int) -> tuple[str, str]:
    numbers = [Traced(str(i)) for i in range(n)]
    letters = [Traced(str(i)) for i in range(n)]
    terms: Any = zip(numbers, letters, strict=True)
    risk, gradient = tree_sum(terms)
    return risk.text, gradient.text  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, "0"),
        (2, "(0+1)"),
        (3, "((0+1)+2)"),
        (4, "((0+1)+(2+3))"),
        (5, "(((0+1)+(2+3))+4)"),
        (6, "(((0+1)+(2+3))+(4+5))"),
        (7, "(((0+1)+(2+3))+((4+5)+6))"),
    ],
)
def test_the_order_of_addition_is_written_down(n: int, expected: str) -> None:
    assert order_of_addition(n) == (expected, expected)


@pytest.mark.parametrize("n", range(1, 70))
def test_the_order_of_addition_is_the_recursive_one(n: int) -> None:
    expected = recursive_sum([Traced(str(i)) for i in range(n)]).text
    assert order_of_addition(n) == (expected, expected)


@given(st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_the_sum_is_the_recursive_one_to_the_last_bit(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Sizes from 1e-8 to 1e8: another order gives other bits nearly always.
    values = rng.standard_normal((n, 4)) * 10 ** rng.uniform(-8, 8, (n, 4))
    risk, gradient = tree_sum((float(v[0]), v.copy()) for v in values)
    np.testing.assert_array_equal(gradient, recursive_sum(list(values)))
    assert risk == recursive_sum([float(v[0]) for v in values])


def test_another_order_would_be_noticed() -> None:
    big = 2.0**53  # big + 1 is big, to even; 1 - big is exact
    values = [1.0, big, 1.0, -big]
    risk, gradient = tree_sum((v, np.array([v])) for v in values)
    assert risk == gradient[0] == 1  # (1 + big) + (1 - big)
    assert sum(values) == 0  # from left to right


@pytest.mark.parametrize("n", [1, 2, 3, 64, 100, 127, 1000, 1024])
def test_a_long_sum_holds_a_logarithm_of_its_gradients(n: int) -> None:
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most = 0

    def count() -> None:
        nonlocal most
        most = max(most, len(alive))

    class Gradient(np.ndarray):  # type: ignore[type-arg]
        __hash__ = object.__hash__  # what a WeakSet needs

        def __eq__(self, other: object) -> bool:  # type: ignore[override]
            return self is other

    def terms() -> Iterator[tuple[float, Array]]:
        for _ in range(n):
            gradient = np.ones(3).view(Gradient)
            alive.add(gradient)
            count()
            yield 1.0, gradient
            del gradient

    gc.disable()  # what only the collector would free counts as held
    try:
        risk, total = tree_sum(terms())
    finally:
        gc.enable()
    assert risk == n
    np.testing.assert_array_equal(np.asarray(total), n)
    # One for each power of two in the count so far, the one that came last, and the
    # new one.
    assert most <= log2(n) + 3
    assert most <= n


def test_the_sum_of_one_chunk_is_the_chunk() -> None:
    given_gradient = np.array([1.0, 2.0], dtype=np.float32)
    risk, gradient = tree_sum([(0.5, given_gradient)])
    assert risk == 0.5
    assert gradient.dtype == np.float32
    np.testing.assert_array_equal(gradient, [1, 2])


def test_the_terms_are_taken_one_after_the_other() -> None:
    log: list[int] = []

    def terms() -> Iterator[tuple[float, Array]]:
        for i in range(5):
            log.append(i)
            yield float(i), np.array([float(i)])

    risk, gradient = tree_sum(terms())
    assert log == [0, 1, 2, 3, 4]
    assert risk == gradient[0] == 10
