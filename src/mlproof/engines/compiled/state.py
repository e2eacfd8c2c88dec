"""An optimiser and a penalty as the numbers that kernels take."""

from typing import NamedTuple

import numpy as np

from mlproof.engines.compiled.update import (
    ADAM,
    ALPHA,
    DESCEND,
    L1,
    L2,
    MOMENTUM,
    NESTEROV,
)
from mlproof.functions import Array
from mlproof.optimizers import SGD, Adam, Optimizer
from mlproof.penalties import Penalty


class State(NamedTuple):
    """The moments are the optimiser's own arrays, which kernels change in place."""

    rule: int
    settings: Array  # in the order of update.py
    t: int  #           steps so far
    first: Array
    second: Array

    @classmethod
    def of(cls, optimizer: Optimizer, theta: Array) -> "State":
        none = theta[:0]
        if isinstance(optimizer, Adam):
            settings = (
                optimizer.learning_rate_init,
                optimizer.beta_1,
                optimizer.beta_2,
                optimizer.epsilon,
            )
            moments = optimizer.moments(theta)
            return cls(ADAM, np.array(settings), optimizer.t, *moments)
        if not isinstance(optimizer, SGD):
            raise TypeError(f"there is no kernel for {type(optimizer).__name__}")
        settings = optimizer.learning_rate, optimizer.momentum, 0.0, 0.0
        if optimizer.momentum == 0:
            return cls(DESCEND, np.array(settings), 0, none, none)
        rule = NESTEROV if optimizer.nesterov else MOMENTUM
        return cls(rule, np.array(settings), 0, optimizer.moment(theta), none)


def penalty_table(penalty: Penalty) -> Array:
    """The rows that update.py names: l1 and l2 of each layer, and alpha."""
    rows = np.zeros((3, len(penalty.l1)))
    rows[L1], rows[L2], rows[ALPHA, 0] = penalty.l1, penalty.l2, penalty.alpha
    return rows
