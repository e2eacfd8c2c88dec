"""The examples on which a backward pass is tried, and how it is called on them.

    n    examples    X  (n, d)                    W1  (d_h, d)    b1  (d_h,)
    d    inputs      y  (n,) classes 0 .. m-1     W2  (m, d_h)    b2  (m,)
    d_h  hidden      m  classes

Everything here is held in these shapes.  A ``Convention`` says how somebody's function
wants to be called, and what it returns is brought back from there.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from mlproof.functions import ACTIVATIONS, Activation, Array
from mlproof.losses import cross_entropy
from mlproof.network import Theta
from mlproof.penalties import Penalty

# Every gradient in backward order; of these a function must return PARAMETERS.
BACKWARD_ORDER = (
    *("grad_o_a", "grad_W2", "grad_b2", "grad_h_s", "grad_h_a"),
    *("grad_W1", "grad_b1", "grad_x"),
)
PARAMETERS = tuple(f"grad_{name}" for name in Theta._fields)
INTERMEDIATE = tuple(name for name in BACKWARD_ORDER if name not in PARAMETERS)
HIDDEN = {
    "relu": "rect",
    "rect": "rect",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "logistic": "sigmoid",
}


class Sizes(NamedTuple):
    n: int
    d: int
    d_h: int
    m: int

    def __str__(self) -> str:
        return ", ".join(
            f"{name} = {k}" for name, k in zip(self._fields, self, strict=True)
        )


# Pairwise different, and d_h no m + 1, so that no two mistakes look the same.
DISTINCT = (Sizes(7, 3, 6, 4), Sizes(5, 4, 7, 3))
# For a function that works only where sizes coincide.
EQUAL = (Sizes(4, 4, 4, 4), Sizes(5, 5, 5, 5))


@dataclass(frozen=True)
class Convention:
    """How a backward pass is called, and of what it is the gradient."""

    reduction: str = "mean"
    first_label: int = 0
    orientation: str = "outputs_first"
    single_example: bool = False
    hidden_activation: str = "relu"

    @property
    def activation(self) -> Activation:
        return ACTIVATIONS[HIDDEN[self.hidden_activation]]

    def differs_from(self, stated: "Convention") -> dict[str, Any]:
        """What would have to be stated for this convention, by argument."""
        here, there = asdict(self), asdict(stated)
        return {key: here[key] for key in here if here[key] != there[key]}


@dataclass(frozen=True, eq=False)
class Problem:
    """A network and a batch of examples; the loss is the mean or the sum over them."""

    theta: Theta
    X: Array  # (n, d)
    y: Array  # (n,) from 0
    convention: Convention
    penalty: Penalty

    @property
    def sizes(self) -> Sizes:
        return Sizes(*self.X.shape, *self.theta.W2.shape[::-1])

    @property
    def scale(self) -> float:
        """What the loss of each example counts in the risk."""
        return 1 / len(self.X) if self.convention.reduction == "mean" else 1.0

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a gradient."""
        n, _, d_h, m = self.sizes
        shapes = {"grad_o_a": (n, m), "grad_h_s": (n, d_h), "grad_h_a": (n, d_h)}
        if name in shapes:
            return shapes[name]
        array = self.X if name == "grad_x" else self.parameter(name)
        return tuple(array.shape)

    def parameter(self, name: str) -> Array:
        """The parameter that this is the gradient of."""
        found: Array = getattr(self.theta, name.removeprefix("grad_"))
        return found

    def strengths(self, name: str) -> tuple[float, float]:
        """The coefficients of sign(W) and of W in the gradient of the penalty."""
        if name not in ("grad_W1", "grad_W2"):
            return 0.0, 0.0
        k = int(name[-1]) - 1
        return self.penalty.l1[k], 2 * self.penalty.l2[k]  # (Q2.18)

    def risk(self, moved: Mapping[str, Array]) -> Any:
        """The regularised risk at these parameters, each h_a, h_s, o_a and x moved.

        By gradient: ``grad_W1`` is a value of W1, ``grad_h_a`` is added to h_a.
        """
        W1, b1, W2, b2 = (moved[name] for name in PARAMETERS)
        act = self.convention.activation
        h_a = b1 + (self.X + moved["grad_x"]) @ W1.T + moved["grad_h_a"]
        o_a = b2 + (act.function(h_a) + moved["grad_h_s"]) @ W2.T + moved["grad_o_a"]
        return self.scale * np.sum(cross_entropy(o_a, self.y)) + self.penalty.value(
            [W1, W2]
        )  # (Q2.18)

    def here(self) -> dict[str, Array]:
        """The point at which ``risk`` moves nothing."""
        zeros = {name: np.zeros(self.shape(name)) for name in INTERMEDIATE}
        return zeros | {name: self.parameter(name) for name in PARAMETERS}


def along(problem: Problem, name: str, i: tuple[int, ...]) -> Callable[[Any], Any]:
    """The risk after a step t in one entry of what this is the gradient of."""
    point = problem.here()

    def moved(t: Any) -> Any:
        block = point[name].astype(np.result_type(point[name], t))
        block[i] += t
        return problem.risk(point | {name: block})

    return moved


def draw(
    sizes: Sizes,
    convention: Convention,
    penalty: Penalty,
    rng: np.random.Generator,
    first: int = 0,
) -> Problem:
    """Random examples and weights, away from kinks.

    Labels run through all classes, the last one first; ``first`` shifts them.
    """
    n, d, d_h, m = sizes
    while True:
        theta = Theta(
            *(
                rng.uniform(0.3, 1.2, s) * rng.choice((-1, 1), s)
                for s in ((d_h, d), (d_h,), (m, d_h), (m,))
            )
        )
        X = rng.uniform(0.2, 1.5, (n, d)) * rng.choice((-1, 1), (n, d))
        h_a = theta.b1 + X @ theta.W1.T
        on = np.sum(h_a > 0, axis=0)
        mixed = np.all((on > 0) & (on < n)) if n > 2 else 0 < np.sum(on) < n * d_h
        if np.min(np.abs(h_a)) > 0.02 and mixed:
            break
    y = (m - 1 - first - np.arange(n)) % m
    return Problem(theta, X, y, convention, penalty)


def drawn(
    sizes: Sizes,
    convention: Convention,
    penalty: Penalty,
    seed: int,
) -> list[Problem]:
    """Several draws of the same sizes, which are explained together."""
    rng = np.random.default_rng((seed, *sizes))
    count = 3
    if convention.single_example:
        sizes, count = sizes._replace(n=1), 2 * sizes.m
    return [draw(sizes, convention, penalty, rng, first) for first in range(count)]


class NoGradientError(ValueError):
    """What a function returned is not what was asked for."""


class Answer(NamedTuple):
    """What a backward pass did when it was called."""

    blocks: dict[str, Array]  # by name, rows are examples, W1 is (d_h, d)
    error: Exception | None
    changed: tuple[str, ...]  # the arguments that it changed


def ask(backward: Callable[..., Any], problem: Problem) -> Answer:
    """Call it in its convention."""
    convention = problem.convention
    turned = convention.orientation == "inputs_first"
    W1, b1, W2, b2 = problem.theta
    X, y = problem.X, problem.y + convention.first_label
    arguments: dict[str, Any] = {
        "W1": W1.T if turned else W1,
        "b1": b1,
        "W2": W2.T if turned else W2,
        "b2": b2,
        "X": X[0] if convention.single_example else X,
        "y": int(y[0]) if convention.single_example else y,
    }
    given = {
        name: np.array(value) if isinstance(value, np.ndarray) else value
        for name, value in arguments.items()
    }
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            returned = backward(*given.values())
    except Exception as error:  # whatever somebody's function may raise
        return Answer({}, error, ())
    changed = tuple(
        name for name in given if not np.array_equal(given[name], arguments[name])
    )
    blocks = named(returned)
    for name in blocks:
        if turned and name in ("grad_W1", "grad_W2") and blocks[name].ndim == 2:
            blocks[name] = blocks[name].T
        if convention.single_example and name in INTERMEDIATE:
            blocks[name] = blocks[name].reshape(1, -1)
    return Answer({k: blocks[k] for k in BACKWARD_ORDER if k in blocks}, None, changed)


def told(error: Exception) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def named(returned: Any) -> dict[str, Array]:
    """What was returned, by the name of each gradient."""
    if isinstance(returned, tuple) and hasattr(returned, "_asdict"):
        returned = returned._asdict()
    if isinstance(returned, Mapping):
        blocks = {
            name if str(name).startswith("grad_") else f"grad_{name}": block
            for name, block in returned.items()
        }
        strange = [
            key
            for key in returned
            if str(key).startswith("grad") and key not in BACKWARD_ORDER
        ]
        if strange:
            raise NoGradientError(
                f"the dict that backward returned has {strange[0]!r}; the gradients it "
                f"may hold are {', '.join(BACKWARD_ORDER)}."
            )
        blocks = {name: blocks[name] for name in BACKWARD_ORDER if name in blocks}
        missing = [name for name in PARAMETERS if name not in blocks]
        if missing:
            raise NoGradientError(
                f"backward must return all of {', '.join(PARAMETERS)}; the dict it "
                f"returned has no {', '.join(missing)}."
            )
    elif isinstance(returned, tuple | list) and len(returned) == len(PARAMETERS):
        blocks = dict(zip(PARAMETERS, returned, strict=True))
    else:
        raise NoGradientError(
            f"backward must return ({', '.join(PARAMETERS)}), or a dict of these; "
            f"got {described(returned)}."
        )
    arrays = {}
    for name, block in blocks.items():
        try:
            array = np.asarray(block)
        except ValueError:  # lists of different lengths
            array = np.empty(0, dtype=object)
        if array.dtype.kind not in "fiub":
            raise NoGradientError(
                f"{name} must be an array of real numbers; got {described(block)}."
            )
        arrays[name] = np.array(array, dtype=np.promote_types(array.dtype, np.float32))
    return arrays


def described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} in the shape {value.shape}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return "nothing" if value is None else f"a {type(value).__name__}"
