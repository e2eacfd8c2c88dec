"""Parts of sparse epochs: columns dealt out, a batch turned round, rows summed up."""

from typing import Any

import numba
import numpy as np
import pytest
from scipy import sparse

from mlproof.engines.compiled import batch_columns, weighted_rows
from mlproof.engines.compiled.batch_columns import CSR, Columns
from mlproof.engines.compiled.ledger import Ledger
from mlproof.engines.compiled.machine import address_of
from mlproof.engines.compiled.toolchain import OPTIONS
from mlproof.functions import Array

GUARD = 777.0


@numba.njit(**OPTIONS)
def deal(columns: Any, n_threads: int, out: Any) -> None:
    by = batch_columns.dealer(n_threads)
    for i in range(columns.size):
        out[i, 0], out[i, 1] = batch_columns.dealt(columns[i], by)


def dealt(columns: Any, n_threads: int) -> Any:
    out = np.empty((columns.size, 2), np.int64)
    deal(columns, n_threads, out)
    return out


@numba.njit(**OPTIONS)
def index_batch(*arguments: Any) -> None:
    batch_columns.index_batch(*arguments)


@numba.njit(**OPTIONS)
def forget_batch(n_threads: int, own: Columns) -> None:
    batch_columns.forget_batch(n_threads, own)


@numba.njit(**OPTIONS)
def weighted_sum(S: Any, x: Any, rows: Any, M: Any, C: Any) -> None:
    weighted_rows.weighted_rows(
        address_of(S) if S.size else 0,
        address_of(x),
        address_of(rows),
        x.size,
        M,
        address_of(C),
    )


@pytest.mark.parametrize("n_threads", [1, 2, 3, 5, 7, 16, 48, 96, 255, 1000])
def test_columns_are_dealt_out_one_after_the_other(n_threads: int) -> None:
    last, turns = 2**31 - 1, np.arange(1, 2**31 // n_threads, 2**20, dtype=np.int64)
    columns = np.concatenate(
        [
            np.arange(3 * n_threads),
            last - np.arange(3 * n_threads),
            turns * n_threads - 1,
            turns * n_threads,
        ]
    ).astype(np.int32)
    place, owner = np.divmod(columns.astype(np.int64), n_threads)
    assert np.array_equal(dealt(columns, n_threads), np.column_stack([owner, place]))


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_threads_find_every_entry_once_by_column_and_row(n_threads: int) -> None:
    rng = np.random.default_rng(0)
    X = sparse.random(40, 23, 0.2, "csr", np.float32, rng)
    rows = rng.permutation(40)[:25]
    expected = X[rows].tocsc()
    csr = CSR(X.indptr.astype(np.int64), X.indices.astype(np.int32), X.data)
    every = Ledger(csr, 23, 25, n_threads, np.float32).columns
    found = 0
    for thread in range(n_threads):
        own = Columns(*(of_all[thread] for of_all in every))
        marks, touched, starts = own.marks, own.touched, own.starts
        index_batch(thread, n_threads, rows, csr, own)
        n_touched = own.counters[batch_columns.TOUCHED]
        assert len(set(touched[:n_touched])) == n_touched
        for slot, column in enumerate(touched[:n_touched]):
            assert column % n_threads == thread
            assert marks[column // n_threads, batch_columns.SLOT] == slot
            here = slice(starts[slot], starts[slot + 1])
            its = slice(expected.indptr[column], expected.indptr[column + 1])
            assert np.array_equal(own.members[here], expected.indices[its])
            assert np.array_equal(own.values[here], expected.data[its])
        found += starts[n_touched]
        forget_batch(n_threads, own)
        assert (marks[:, batch_columns.SLOT] == batch_columns.NO_SLOT).all()
    assert found == expected.nnz


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 2, 7, 8, 15, 16, 17, 31, 64, 65, 100, 200])
def test_weighted_rows_are_a_product(width: int, dtype: Any) -> None:
    rng = np.random.default_rng(width)
    M, none = rng.standard_normal((9, width)).astype(dtype), np.empty(0, dtype)
    s: Array = rng.standard_normal(width).astype(dtype)
    for n in (0, 1, 2, 7):
        rows = rng.integers(0, 9, n).astype(np.int32)
        x = rng.standard_normal(n).astype(dtype)
        for begin in (s, none):
            around = np.full(width + 256, GUARD, dtype)
            weighted_sum(begin, x, rows, M, around[128:-128])
            expected = x @ M[rows] + (begin if begin.size else 0)
            tolerance = 40 * float(np.finfo(dtype).eps)
            np.testing.assert_allclose(around[128:-128], expected, atol=tolerance)
            assert (np.concatenate([around[:128], around[-128:]]) == GUARD).all()
