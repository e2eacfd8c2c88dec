"""First-order optimisers: what a gradient does to theta.

theta, the gradient and every moment are flat vectors of n_theta numbers, so one line
updates every layer.  An optimiser is its explicit state: settings, moments, counters.
"""

import math
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from mlproof.functions import Array
from mlproof.parameters import zeros_like

LearningRateSchedule = Literal["constant", "invscaling", "adaptive"]

# An adaptive learning rate is divided by the one until it falls to the other.
PLATEAU_DIVISOR, SMALLEST_LEARNING_RATE = 5.0, 1e-6


class Optimizer(Protocol):
    learning_rate: float

    def update(self, theta: Array, grad: Array) -> None:
        """Change theta in place by one step; grad is left as it was."""

    def end_epoch(self, n_seen: int) -> None:
        """Note the end of an epoch, after n_seen examples in all."""

    def plateau(self) -> bool:
        """React to a loss that no longer improves; True if there is nothing to try."""


@dataclass
class SGD:
    """Gradient descent on batches, with momentum as Sutskever et al. (2013) write it.

    With momentum 0 and the batch all examples it is the gradient descent of the
    derivation (Q2.6).  The schedules are scikit-learn's: ``invscaling`` divides by
    (examples seen + 1) ** power_t, ``adaptive`` divides by 5 at every plateau.
    """

    learning_rate_init: float
    momentum: float = 0.0
    nesterov: bool = False
    schedule: LearningRateSchedule = "constant"
    power_t: float = 0.5
    velocity: Array | None = None
    learning_rate: float = field(init=False)

    def __post_init__(self) -> None:
        self.learning_rate = self.learning_rate_init

    def update(self, theta: Array, grad: Array) -> None:
        step = self.learning_rate * grad
        if self.momentum == 0:
            theta -= step  # (Q2.6)
            return
        velocity = self.moment(theta)
        velocity *= self.momentum
        velocity -= step  #  (O.1)
        if self.nesterov:
            theta += self.momentum * velocity - step  # (O.2)
        else:
            theta += velocity  # (O.1)

    def moment(self, theta: Array) -> Array:
        """The velocity, at first 0."""
        if self.velocity is None:
            self.velocity = zeros_like(theta)
        return self.velocity

    def end_epoch(self, n_seen: int) -> None:
        if self.schedule == "invscaling":
            self.learning_rate = self.learning_rate_init / (n_seen + 1) ** self.power_t

    def plateau(self) -> bool:
        if self.schedule != "adaptive" or self.learning_rate <= SMALLEST_LEARNING_RATE:
            return True
        self.learning_rate /= PLATEAU_DIVISOR
        return False


@dataclass
class Adam:
    """Adam (Kingma and Ba, arXiv 1412.6980), in the efficient form of its section 2."""

    learning_rate_init: float
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    t: int = 0
    m: Array | None = None  # first moment
    v: Array | None = None  # second moment
    learning_rate: float = field(init=False)

    def __post_init__(self) -> None:
        self.learning_rate = self.learning_rate_init

    def update(self, theta: Array, grad: Array, changes: Array | None = None) -> None:
        """Make a step; where ``changes`` is given and False, leave all as it is."""
        m, v = self.moments(theta)
        self.t += 1
        self.learning_rate = self.rate(self.t)
        if changes is None:
            self._step(theta, grad, m, v)
            return
        parts = theta[changes], grad[changes], m[changes], v[changes]
        self._step(*parts)
        theta[changes], _, m[changes], v[changes] = parts

    def _step(self, theta: Array, grad: Array, m: Array, v: Array) -> None:
        m *= self.beta_1
        m += (1 - self.beta_1) * grad
        v *= self.beta_2
        v += (1 - self.beta_2) * np.square(grad)
        theta -= self.learning_rate * m / (np.sqrt(v) + self.epsilon)  # (O.3)

    def moments(self, theta: Array) -> tuple[Array, Array]:
        """Both moments, at first 0."""
        if self.m is None or self.v is None:
            self.m, self.v = zeros_like(theta), zeros_like(theta)
        return self.m, self.v

    def rate(self, t: int) -> float:
        """The learning rate of step t, with the bias corrections put into it."""
        if t == 0:
            return self.learning_rate_init
        correction = math.sqrt(1 - self.beta_2**t)
        return self.learning_rate_init * correction / (1 - self.beta_1**t)

    def end_epoch(self, n_seen: int) -> None:
        pass  # its step sizes follow from t

    def plateau(self) -> bool:
        return True
