"""assert_gradient and assert_backward, as a test suite uses them."""

import numpy as np
import pytest
from backwards import BATCH, written

from mlproof import assert_backward, assert_gradient

X = np.array([1.0, 2.0, 3.0])


def test_what_is_right_passes() -> None:
    assert_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, X)
    assert_backward(written(BATCH))


def test_what_is_wrong_fails_with_the_name_of_the_mistake() -> None:
    with pytest.raises(AssertionError, match=r"(?s)the gradient is wrong\n.*sign: x"):
        assert_gradient(lambda x: np.sum(x**2), lambda x: -2 * x, X)
    with pytest.raises(AssertionError, match="relu_mask_missing: grad_W1, grad_b1"):
        assert_backward(written(BATCH, (" * (h_a > 0)", "")))


def test_options_are_passed_on() -> None:
    with pytest.raises(AssertionError, match="penalty_missing"):
        assert_backward(written(BATCH), l2=0.1)
    with pytest.raises(ValueError, match="max_entries must be at least 1"):
        assert_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, X, max_entries=0)
    assert_gradient(lambda x, k: k * np.sum(x), lambda x, k: k * np.ones(3), X, 4.0)
