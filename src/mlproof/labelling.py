"""Between the labels a user has and the targets a network takes."""

from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from mlproof.functions import Array
from mlproof.losses import Labels


class Labelling(NamedTuple):
    """The classes of a problem, and which output a network needs for it.

    ======================  ============  ========  ========================
    kind                    output        logits m  targets
    ======================  ============  ========  ========================
    ``classes``, 3 or more  softmax       classes   (n,)   0 .. m-1
    ``classes``, 2 or 1     logistic      1         (n, 1) False, True
    ``multilabel``          logistic      labels    (n, m) False, True
    ======================  ============  ========  ========================
    """

    kind: Literal["classes", "multilabel"]
    classes: Labels  # sorted; of a multilabel problem the label numbers 0 .. m-1
    sparse: bool = False  # whether a multilabel y came as a sparse matrix

    @property
    def output(self) -> Literal["softmax", "logistic"]:
        many = self.kind == "classes" and len(self.classes) > 2
        return "softmax" if many else "logistic"

    @property
    def n_outputs(self) -> int:
        single = self.kind == "classes" and len(self.classes) <= 2
        return 1 if single else len(self.classes)

    def encode(self, y: Any) -> Labels:
        """The targets of these labels; ValueError for a label that is no class."""
        if self.kind == "multilabel":
            Y = np.asarray(y.toarray() if sparse.issparse(y) else y)
            if Y.ndim != 2 or Y.shape[1] != len(self.classes):
                raise ValueError(
                    f"y must have one column for each of the {len(self.classes)} "
                    f"labels; got shape {Y.shape}."
                )
            if not np.isin(Y, (0, 1)).all():
                raise ValueError("y must hold zeros and ones only, a column per label.")
            return Y.astype(bool)
        y = column_or_1d(y)
        index = np.minimum(np.searchsorted(self.classes, y), len(self.classes) - 1)
        unseen = self.classes[index] != y
        if np.any(unseen):
            raise ValueError(
                f"y holds classes that are not in classes_, such as "
                f"{y[unseen][0]!r}; classes_ is {self.classes}. Name every class in "
                "partial_fit(..., classes=...) on the first call."
            )
        if self.output == "softmax":
            return np.asarray(index)
        return np.asarray(index[:, None] == 1)

    def decide(self, o_a: Array) -> Labels:
        """The targets that the logits speak for, in the form ``encode`` gives."""
        if self.output == "softmax":
            return np.asarray(np.argmax(o_a, axis=1))
        return np.greater(o_a, 0)

    def decode(self, targets: Labels) -> Any:
        """The user's labels again."""
        if self.kind == "multilabel":
            Y = targets.astype(int)
            return sparse.csr_matrix(Y) if self.sparse else Y
        if self.output == "softmax":
            return np.take(self.classes, targets)
        # One class has no second: every row is of it.
        return np.take(self.classes, np.minimum(targets[:, 0], len(self.classes) - 1))


def accuracy(decided: Labels, targets: Labels, sample_weight: Array | None) -> float:
    """The weighted share of rows decided right; a multilabel row in all its labels."""
    right = decided == targets
    return float(
        np.average(
            right if right.ndim == 1 else right.all(axis=1), weights=sample_weight
        )
    )


def infer(y: Any, classes: Any = None) -> Labelling:
    """The labelling of y, with the classes given or else those that y holds."""
    check_classification_targets(y)
    target = type_of_target(y, input_name="y")
    if target == "multilabel-indicator":
        return Labelling("multilabel", np.arange(y.shape[1]), sparse.issparse(y))
    if target == "multiclass-multioutput":
        raise ValueError(
            "y must be one column of labels, or zeros and ones with a column for each "
            f"label; got {y.shape[1]} columns with other values "
            "(multiclass-multioutput targets are not supported)."
        )
    if classes is None:
        return Labelling("classes", np.unique(y))
    if np.ndim(classes) != 1 or len(classes) == 0:
        raise ValueError(
            f"classes must be a list of at least one class; got {classes!r}."
        )
    return Labelling("classes", np.unique(classes))
