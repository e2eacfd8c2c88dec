"""One training, in words that every contestant understands."""

from typing import Any, NamedTuple

from scipy.sparse import issparse

from mlproof.bench.problems import Problem


class Task(NamedTuple):
    """What is trained on, which network, and how."""

    problem: Problem
    hidden: tuple[int, ...]
    batch_size: int
    epochs: int  # in one run
    solver: str = "adam"
    activation: str = "relu"
    learning_rate: float = 1e-3
    momentum: float = 0.9  # Nesterov's, of 'sgd'

    @property
    def units(self) -> tuple[int, ...]:
        """The units of each layer; two classes share one logit."""
        m = int(self.problem.y.max()) + 1
        return self.problem.X.shape[1], *self.hidden, 1 if m == 2 else m

    @property
    def title(self) -> str:
        solver = {"adam": "Adam", "sgd": "SGD with momentum"}[self.solver]
        return (
            f"{self.problem.what}, {'-'.join(map(str, self.units))} {self.activation}, "
            f"batches of {self.batch_size}, {solver}"
        )

    def parameters(self) -> dict[str, Any]:
        """The task in scikit-learn's words; training stops after all epochs only."""
        return {
            "hidden_layer_sizes": self.hidden,
            "activation": self.activation,
            "solver": self.solver,
            "batch_size": self.batch_size,
            "learning_rate_init": self.learning_rate,
            "momentum": self.momentum,
            "nesterovs_momentum": True,
            "max_iter": self.epochs,
            "tol": 0,
            "n_iter_no_change": 10**9,
            "random_state": 0,
        }

    def describe(self) -> dict[str, Any]:
        """What a reader needs to repeat it."""
        X = self.problem.X
        return {
            "rows": X.shape[0],
            "entries": int(X.nnz if issparse(X) else X.size),
            "units": list(self.units),
            "activation": self.activation,
            "solver": self.solver,
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
        }
