"""penalties.py: the elastic net of (Q2.18), and the alpha of scikit-learn (S.3)."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlproof.penalties import Penalty, no_penalty

W1 = np.array([[1.0, -2.0], [0.0, 3.0]])
W2 = np.array([[-0.5, 4.0]])


def test_the_value_is_worked_by_hand() -> None:
    # 2 (1 + 2 + 3) + 3 (1 + 4 + 9) + 4 (1/2 + 4) + 8 (1/4 + 16) = 12 + 42 + 18 + 130
    assert Penalty((2.0, 4.0), (3.0, 8.0)).value([W1, W2]) == 202


def test_the_gradient_is_worked_by_hand() -> None:
    grad_W1, grad_W2 = Penalty((2.0, 4.0), (3.0, 8.0)).gradient([W1, W2])
    # l1 sign(w) + 2 l2 w; where w = 0 the subgradient is 0.
    np.testing.assert_array_equal(grad_W1, [[2 + 6, -2 - 12], [0, 2 + 18]])
    np.testing.assert_array_equal(grad_W2, [[-4 - 8, 4 + 64]])


def test_alpha_adds_half_of_itself_over_the_total_weight_to_every_l2() -> None:
    penalty = Penalty((1.0, 2.0), (0.25, 0.5), alpha=3.0).over(6)
    assert penalty == Penalty((1.0, 2.0), (0.5, 0.75))


def test_alpha_has_no_effect_until_the_batch_is_known() -> None:
    penalty = Penalty((0.0,), (0.0,), alpha=3.0)
    assert penalty.value([W1]) == 0
    np.testing.assert_array_equal(penalty.gradient([W1])[0], np.zeros_like(W1))


def test_alpha_is_the_penalty_of_scikit_learn() -> None:
    # Its loss adds 0.5 alpha (sum of squared weights) / n, its gradient alpha W / n.
    n, alpha = 8, 0.5
    penalty = Penalty((0.0, 0.0), (0.0, 0.0), alpha).over(n)
    squares = 1 + 4 + 9 + 0.25 + 16
    assert penalty.value([W1, W2]) == pytest.approx(0.5 * alpha * squares / n)
    for grad, W_k in zip(penalty.gradient([W1, W2]), [W1, W2], strict=True):
        np.testing.assert_allclose(grad, alpha * W_k / n, rtol=1e-15)


def test_no_penalty_is_0_for_every_layer() -> None:
    assert no_penalty(3) == Penalty((0.0,) * 3, (0.0,) * 3)
    assert no_penalty(2).value([W1, W2]) == 0


@pytest.mark.parametrize("coefficients", [((1.0,), (1.0, 2.0)), ((1.0, 2.0), (1.0,))])
def test_a_missing_coefficient_is_an_error(coefficients: Any) -> None:
    with pytest.raises(ValueError, match="zip"):
        Penalty(*coefficients).value([W1, W2])
    with pytest.raises(ValueError, match="zip"):
        Penalty(*coefficients).gradient([W1, W2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradient_keeps_the_dtype_and_shape_of_the_weights(dtype: Any) -> None:
    W = [W1.astype(dtype), W2.astype(dtype)]
    penalty = Penalty((0.1, 0.2), (0.3, 0.4), 0.5).over(7.0)
    assert penalty.value(W).dtype == dtype
    for grad, W_k in zip(penalty.gradient(W), W, strict=True):
        assert grad.dtype == dtype
        assert grad.shape == W_k.shape


@given(st.integers(0, 2**32 - 1))
def test_the_gradient_is_the_complex_step_of_the_value(seed: int) -> None:
    rng = np.random.default_rng(seed)
    W = [rng.standard_normal((3, 2)), rng.standard_normal((2, 3))]
    l1, l2 = rng.uniform(0, 1, (2, 2))
    penalty = Penalty(tuple(l1), tuple(l2), rng.uniform()).over(rng.uniform(1, 9))
    gradient = penalty.gradient(W)
    for k in range(2):
        for i in np.ndindex(W[k].shape):
            moved = [W_k.astype(np.complex128) for W_k in W]
            moved[k][i] += 1e-30j
            slope = penalty.value(moved).imag / 1e-30
            # l1 sign(w) + 2 l2 w may cancel; its terms are below 10.
            assert slope == pytest.approx(gradient[k][i], abs=1e-14)
