"""optimizers.py: steps worked by hand, minima reached, schedules, and what is left."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlproof.functions import Array
from mlproof.optimizers import SGD, SMALLEST_LEARNING_RATE, Adam, Optimizer

DTYPES = [np.float32, np.float64]


def trace(optimizer: Optimizer, dtype: Any, steps: int) -> list[float]:
    """theta after each step on f(theta) = theta^2 from theta = 1."""
    theta = np.array([1.0], dtype=dtype)
    seen = []
    for _ in range(steps):
        optimizer.update(theta, 2 * theta)
        seen.append(float(theta[0]))
    return seen


# Every number below is a fraction of powers of two, exact in both formats.


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradient_descent_steps_as_worked_by_hand(dtype: Any) -> None:
    # eta = 1/4: 1 - 2/4 = 1/2, 1/2 - 1/4 = 1/4, 1/4 - 1/8 = 1/8  (Q2.6)
    assert trace(SGD(0.25), dtype, 3) == [1 / 2, 1 / 4, 1 / 8]


@pytest.mark.parametrize("dtype", DTYPES)
def test_momentum_steps_as_worked_by_hand(dtype: Any) -> None:
    # eta = 1/4, mu = 1/2  (O.1)
    # g = 2:  v = -1/2,              theta = 1 - 1/2 = 1/2
    # g = 1:  v = -1/4 - 1/4 = -1/2, theta = 1/2 - 1/2 = 0
    # g = 0:  v = -1/4,              theta = -1/4
    assert trace(SGD(0.25, momentum=0.5), dtype, 3) == [1 / 2, 0, -1 / 4]


@pytest.mark.parametrize("dtype", DTYPES)
def test_nesterov_steps_as_worked_by_hand(dtype: Any) -> None:
    # eta = 1/4, mu = 1/2, theta moves by v/2 - g/4  (O.2)
    # g = 2:     v = -1/2,                 theta = 1 - 1/4 - 1/2 = 1/4
    # g = 1/2:   v = -1/4 - 1/8 = -3/8,    theta = 1/4 - 3/16 - 1/8 = -1/16
    # g = -1/8:  v = -3/16 + 1/32 = -5/32, theta = -1/16 - 5/64 + 1/32 = -7/64
    optimizer = SGD(0.25, momentum=0.5, nesterov=True)
    assert trace(optimizer, dtype, 3) == [1 / 4, -1 / 16, -7 / 64]


@pytest.mark.parametrize("dtype", DTYPES)
def test_adam_steps_as_worked_by_hand(dtype: Any) -> None:
    # beta_1 = 1/2, beta_2 = 3/4, eta = 1, epsilon = 1/4, g = 1, 1/2, 1/2  (O.3)
    # t = 1:  m = 1/2, v = 1/4, eta_1 = sqrt(1/4) / (1/2) = 1
    #         the step is (1/2) / (1/2 + 1/4) = 2/3
    # t = 2:  m = 1/4 + 1/4 = 1/2, v = 3/16 + 1/16 = 1/4
    #         eta_2 = sqrt(7/16) / (3/4) = sqrt(7)/3, the step 2/3 of it
    # t = 3:  m = 1/2, v = 1/4 again
    #         eta_3 = sqrt(37/64) / (7/8) = sqrt(37)/7, the step 2/3 of it
    optimizer = Adam(1.0, beta_1=0.5, beta_2=0.75, epsilon=0.25)
    theta = np.array([5.0], dtype=dtype)
    expected, eps = 5.0, np.finfo(dtype).eps
    for g, eta_t in ((1.0, 1.0), (0.5, 7**0.5 / 3), (0.5, 37**0.5 / 7)):
        optimizer.update(theta, np.array([g], dtype=dtype))
        expected -= eta_t * 2 / 3
        # Each step rounds about four times, by half an eps of at most 5.
        np.testing.assert_allclose(theta, expected, rtol=0, atol=30 * eps)
        assert optimizer.learning_rate == pytest.approx(eta_t, rel=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_first_step_of_adam_is_its_learning_rate_whatever_the_gradient(
    dtype: Any,
) -> None:
    # (O.3.3); epsilon is 1e-8 of gradients of at least 1, times sqrt(1 - beta_2)
    theta = np.zeros(3, dtype=dtype)
    Adam(0.125).update(theta, np.array([1.0, -50.0, 1e6], dtype=dtype))
    np.testing.assert_allclose(theta, [-0.125, 0.125, -0.125], rtol=1e-6)


def parabola(theta: Array) -> Array:
    """The gradient of (x - 1)^2 + 4 (y - 1)^2."""
    return np.array([2, 8], dtype=theta.dtype) * (theta - 1)


def rosenbrock(theta: Array) -> Array:
    """The gradient of (1 - x)^2 + 100 (y - x^2)^2, which is 0 at (1, 1) only."""
    x, y = theta
    bend = 200 * (y - x**2)
    return np.array([-2 * (1 - x) - 2 * x * bend, bend], dtype=theta.dtype)


# Curvatures at the minimum: 2 and 8 for the parabola, about 0.4 and 1000 for the valley
# of Rosenbrock.  The steps keep below 2/curvature; the counts are so large that
# (1 - eta 0.4)^count (momentum 0.9 counts tenfold) leaves less than 1e-3.
OPTIMIZERS: dict[str, Callable[[float], Optimizer]] = {
    "sgd": lambda eta: SGD(eta),
    "momentum": lambda eta: SGD(eta, momentum=0.9),
    "nesterov": lambda eta: SGD(eta, momentum=0.9, nesterov=True),
    "adam": lambda eta: Adam(10 * eta),
}
PROBLEMS: dict[str, tuple[Callable[[Array], Array], float, int]] = {
    "parabola": (parabola, 0.05, 1000),
    "rosenbrock": (rosenbrock, 1e-3, 25_000),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_reaches_the_minimum(
    name: str, problem: str, dtype: Any
) -> None:
    gradient, eta, steps = PROBLEMS[problem]
    optimizer = OPTIMIZERS[name](eta)
    theta = np.array([-0.5, 0.75], dtype=dtype)
    for _ in range(steps):
        optimizer.update(theta, gradient(theta))
    # In float32 the gradient of Rosenbrock carries 400 * 6e-8 of rounding, which over
    # the small curvature, 0.4, is 6e-5.
    np.testing.assert_allclose(theta, 1, atol=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_theta_keeps_its_dtype_and_place_and_the_gradient_its_values(
    name: str, dtype: Any
) -> None:
    optimizer = OPTIMIZERS[name](0.1)
    theta = np.array([1.0, 2.0, 3.0], dtype=dtype)
    grad = np.array([0.5, -1.0, 2.0], dtype=dtype)
    before, kept = theta.copy(), grad.copy()
    for _ in range(3):
        assert optimizer.update(theta, grad) is None
    assert theta.dtype == dtype
    assert np.all(np.sign(before - theta) == np.sign(grad))
    np.testing.assert_array_equal(grad, kept)
    state = [v for v in vars(optimizer).values() if isinstance(v, np.ndarray)]
    assert all(moment.dtype == dtype for moment in state)
    assert not any(np.shares_memory(moment, grad) for moment in state)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_gradient_may_be_read_only_and_used_again(name: str) -> None:
    grad = np.array([0.5, -1.0])
    grad.flags.writeable = False
    reused = np.empty(2)
    theta, same = np.zeros(2), np.zeros(2)
    optimizer, other = OPTIMIZERS[name](0.1), OPTIMIZERS[name](0.1)
    for _ in range(3):
        optimizer.update(theta, grad)
        reused[...] = grad
        other.update(same, reused)
        reused[...] = np.nan  # what an engine may do with its buffer
    np.testing.assert_array_equal(theta, same)


def test_no_momentum_is_gradient_descent_without_a_velocity() -> None:
    optimizer = SGD(0.1, momentum=0.0, nesterov=True)
    theta = np.array([1.0])
    optimizer.update(theta, np.array([1.0]))
    assert theta == pytest.approx(0.9, rel=1e-15)
    assert optimizer.velocity is None


def test_invscaling_divides_by_a_power_of_the_examples_seen() -> None:
    optimizer = SGD(0.5, schedule="invscaling", power_t=0.5)
    assert optimizer.learning_rate == 0.5
    optimizer.end_epoch(n_seen=3)
    assert optimizer.learning_rate == 0.25  #      0.5 / sqrt(4)
    optimizer.end_epoch(n_seen=99)
    assert optimizer.learning_rate == 0.05  #      0.5 / sqrt(100), not 0.25 / 10
    assert optimizer.plateau()
    optimizer = SGD(0.5, schedule="invscaling", power_t=2.0)
    optimizer.end_epoch(n_seen=1)
    assert optimizer.learning_rate == 0.125  #     0.5 / 2^2


def test_adaptive_divides_by_5_at_a_plateau_until_it_is_too_small() -> None:
    optimizer = SGD(0.5, schedule="adaptive")
    optimizer.end_epoch(n_seen=1000)
    assert optimizer.learning_rate == 0.5
    rates = [0.5]
    while not optimizer.plateau():
        rates.append(optimizer.learning_rate)
        assert rates[-1] == pytest.approx(rates[-2] / 5, rel=1e-15)
    # 0.5 / 5^9 = 2.56e-7 is the first at or below 1e-6.
    assert len(rates) == 10
    assert rates[-1] <= SMALLEST_LEARNING_RATE < rates[-2]
    assert optimizer.plateau()
    assert optimizer.learning_rate == rates[-1]


@pytest.mark.parametrize("optimizer", [SGD(0.5), SGD(0.5, momentum=0.9), Adam(0.5)])
def test_without_a_schedule_a_plateau_ends_and_the_rate_stays(
    optimizer: Optimizer,
) -> None:
    optimizer.end_epoch(n_seen=1000)
    assert optimizer.plateau()
    assert optimizer.learning_rate == 0.5


def test_a_new_learning_rate_counts_from_the_next_step_on() -> None:
    optimizer = SGD(0.5, schedule="adaptive")
    optimizer.plateau()
    theta = np.array([1.0])
    optimizer.update(theta, np.array([1.0]))
    assert theta[0] == pytest.approx(0.9, rel=1e-15)
