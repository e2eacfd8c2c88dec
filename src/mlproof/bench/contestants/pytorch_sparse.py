"""PyTorch on sparse rows: the first layer as a sum of embeddings."""

from typing import Any

import numpy as np

from mlproof.bench.contestants import Contestant, Run
from mlproof.bench.contestants.pytorch import (
    UNITS,
    library,
    network,
    optimizer,
    risk_and_labels,
    tuned,
)
from mlproof.bench.tasks import Task
from mlproof.functions import Array


def padded(X: Any) -> tuple[Array, Array]:
    """Columns and values of each row, (n, longest row), filled up with column d."""
    n, d = X.shape
    lengths = np.diff(X.indptr)
    columns = np.full((n, int(lengths.max())), d, dtype=np.int64)
    values = np.zeros(columns.shape, dtype=X.dtype)
    filled = np.arange(columns.shape[1]) < lengths[:, None]
    columns[filled], values[filled] = X.indices, X.data
    return columns, values


def fitting(task: Task, *, lazy: bool = False) -> Contestant:
    """The epochs of a run, by an EmbeddingBag for the first layer.

    Lazy is Adam with sparse gradients, which leaves the moments of absent columns as
    they are.  Otherwise they are dense: a sparse momentum would grow with every batch.
    """

    def prepare() -> Run:
        torch = library()
        d, d_h = task.units[:2]
        first = torch.nn.EmbeddingBag(
            d + 1, d_h, mode="sum", sparse=lazy, padding_idx=d
        )
        bias = torch.nn.Parameter(torch.zeros(d_h))
        others = torch.nn.Sequential(
            getattr(torch.nn, UNITS[task.activation])(),
            network(torch, task.units[1:], task.activation),
        )
        dense = [bias, *others.parameters()]
        if lazy:
            rate = task.learning_rate
            optimizers = [torch.optim.SparseAdam(first.parameters(), lr=rate)]
        else:
            optimizers, dense = [], [*first.parameters(), *dense]
        optimizers.append(optimizer(torch, task, dense))
        risk, y = risk_and_labels(torch, task)
        columns, values = map(torch.from_numpy, padded(task.problem.X))

        def work() -> None:
            for _ in range(task.epochs):
                for rows in torch.randperm(len(y)).split(task.batch_size):
                    for steps in optimizers:
                        steps.zero_grad()
                    h_a = first(columns[rows], per_sample_weights=values[rows]) + bias
                    risk(others(h_a), y[rows]).backward()
                    for steps in optimizers:
                        steps.step()

        return tuned(torch, work)

    return Contestant("PyTorch", prepare)
