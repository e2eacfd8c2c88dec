"""parameters.py: the flat theta and the views into it (Q2.5)."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproof.parameters import n_theta, pack, vector, views, zeros_like

UNITS = st.lists(st.integers(1, 9), min_size=2, max_size=5).map(tuple)


def test_n_theta_of_one_hidden_layer_is_that_of_the_derivation() -> None:
    d, d_h, m = 5, 7, 3  # d_h is not m + 1, where the slip of the document hides
    assert n_theta((d, d_h, m)) == d_h * d + d_h + m * d_h + m == 66


@given(UNITS)
def test_n_theta_counts_every_entry_of_the_views(units: tuple[int, ...]) -> None:
    theta = np.arange(n_theta(units), dtype=np.float64)
    W, b = views(theta, units)
    assert [W_k.shape for W_k in W] == [(j, i) for i, j in pairwise(units)]
    assert [b_k.shape for b_k in b] == [(j,) for j in units[1:]]
    # Every number of theta is seen in one view, and in one only.
    seen = np.concatenate([block.ravel() for block in [*W, *b]])
    np.testing.assert_array_equal(np.sort(seen), theta)


def test_the_order_is_w1_b1_w2_b2_and_the_weights_of_an_input_lie_together() -> None:
    W, b = views(np.arange(11.0), (3, 2, 1))
    # theta = W1[:,0], W1[:,1], W1[:,2], b1, W2[:,0], W2[:,1], b2
    np.testing.assert_array_equal(W[0], [[0, 2, 4], [1, 3, 5]])
    np.testing.assert_array_equal(b[0], [6, 7])
    np.testing.assert_array_equal(W[1], [[8, 9]])
    np.testing.assert_array_equal(b[1], [10])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(n=st.integers(1, 5000))
def test_a_vector_begins_with_a_line_of_the_cache(dtype: Any, n: int) -> None:
    theta = vector(n, dtype)
    moment = zeros_like(theta)
    for array in (theta, moment):
        assert array.shape == (n,)
        assert array.dtype == dtype
        assert array.ctypes.data % 64 == 0
        assert array.flags.writeable
    assert not moment.any()
    theta[...] = 1
    assert not moment.any()
    assert theta.sum() == n


@given(UNITS)
def test_the_weights_of_one_input_are_contiguous(units: tuple[int, ...]) -> None:
    for W_k in views(np.zeros(n_theta(units)), units).W:
        assert all(W_k[:, i].flags.c_contiguous for i in range(W_k.shape[1]))
        assert W_k.T.flags.c_contiguous


@given(UNITS, st.sampled_from([np.float32, np.float64, np.complex128]))
def test_the_views_write_through(units: tuple[int, ...], dtype: Any) -> None:
    theta = np.zeros(n_theta(units), dtype=dtype)
    W, b = views(theta, units)
    for number, block in enumerate([*W, *b], start=1):
        assert block.dtype == dtype
        block += number
    sizes = [block.size for block in [*W, *b]]
    counts = [np.sum(theta == number) for number in range(1, len(sizes) + 1)]
    assert counts == sizes
    theta[...] = -1
    assert all(np.all(block == -1) for block in [*W, *b])


@given(UNITS, st.integers(0, 2**32 - 1))
def test_pack_undoes_views(units: tuple[int, ...], seed: int) -> None:
    theta = np.random.default_rng(seed).standard_normal(n_theta(units))
    np.testing.assert_array_equal(pack(*views(theta, units)), theta)


@given(UNITS, st.integers(0, 2**32 - 1))
def test_views_undo_pack(units: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    W = [rng.standard_normal((j, i)).astype(np.float32) for i, j in pairwise(units)]
    b = [rng.standard_normal(j).astype(np.float32) for j in units[1:]]
    theta = pack(W, b)
    assert theta.shape == (n_theta(units),)
    assert theta.dtype == np.float32
    found = views(theta, units)
    for one, other in zip([*found.W, *found.b], [*W, *b], strict=True):
        np.testing.assert_array_equal(one, other)


def test_packing_copies() -> None:
    W, b = [np.ones((2, 3))], [np.ones(2)]
    pack(W, b)[...] = 0
    assert np.all(W[0] == 1)
    assert np.all(b[0] == 1)


def test_a_layer_without_its_bias_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        pack([np.ones((2, 3)), np.ones((1, 2))], [np.ones(2)])
