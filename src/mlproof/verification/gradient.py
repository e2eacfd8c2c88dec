"""Is this gradient the derivative of that loss?  Two independent answers, compared.

Central differences, (f(x+h) - f(x-h)) / 2h, work for every loss and carry about ten
digits.  The complex step, Im f(x+ih) / h with h = 1e-30, subtracts nothing and carries
all sixteen, but only for a loss that computes with complex numbers as with real ones;
``np.abs`` and ``np.linalg.norm`` silently do not.  So it counts only where central
differences confirm it, and then it decides.

A difference that straddles a kink is no evidence: it is taken again with smaller steps.
Where the point itself lies on a kink, anything between the two one-sided slopes is a
subgradient, and accepted.
"""

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from mlproof.functions import Array

EPS = float(np.finfo(np.float64).eps)
COMPLEX_STEP = 1e-30
# About eps ** (1/3), where the truncation of a central difference, h^2, and its
# rounding, eps / h, balance; then what is tried to get between a point and a kink.
CENTRAL_STEP = 2.0**-17
SMALLER_STEPS = (CENTRAL_STEP / 8, CENTRAL_STEP / 64, CENTRAL_STEP / 512)
# What a right gradient keeps to, relative to the largest entry of its block; what is
# added for the rounding of sums and for float32, see _tolerance.
CENTRAL_TOLERANCE, COMPLEX_TOLERANCE = 1e-7, 1e-9


@dataclass(frozen=True)
class BlockReport:
    """What was found of one parameter array, relative to its largest derivative."""

    name: str
    shape: tuple[int, ...]
    n_checked: int  # entries compared one by one; all of them, or a random sample
    n_kinks: int  # of these, how many lie on a kink with an admissible subgradient
    worst_index: tuple[int, ...]
    analytic: float  # the value given, at worst_index
    numeric: float  # the value found there
    central_error: float
    complex_error: float | None  # None where the loss does not carry a complex step
    direction_error: (
        float | None
    )  # over the whole block, where only a sample was compared
    tolerance: float
    ok: bool

    @property
    def error(self) -> float:
        """The largest error found, by the sharper of the two methods."""
        entry = self.central_error if self.complex_error is None else self.complex_error
        return max(entry, self.direction_error or 0.0)


@dataclass(frozen=True)
class GradientReport:
    """The verdict on a gradient, block by block."""

    blocks: tuple[BlockReport, ...]

    @property
    def ok(self) -> bool:
        """Whether every block agrees."""
        return all(block.ok for block in self.blocks)

    @property
    def worst(self) -> float:
        """The largest error of any block, relative to that block's largest entry."""
        return max(block.error for block in self.blocks)

    def to_json(self) -> str:
        blocks = [asdict(block) | {"error": block.error} for block in self.blocks]
        return json.dumps({"ok": self.ok, "worst": self.worst, "blocks": blocks})

    def __str__(self) -> str:
        lines = [
            f"{'block':<6} {'shape':>12} {'checked':>8}  "
            f"{'central':>8} {'complex':>8}  verdict"
        ]
        for block in self.blocks:
            shape = "x".join(map(str, block.shape)) or "scalar"
            complex_error = block.complex_error
            digits = "-" if complex_error is None else f"{complex_error:.1e}"
            verdict = "agrees"
            if not block.ok:
                index = ", ".join(map(str, block.worst_index))
                verdict = (
                    f"WRONG: [{index}] is {block.analytic:.6g}, "
                    f"should be {block.numeric:.6g}"
                )
            elif block.n_kinks:
                verdict += f" ({block.n_kinks} on a kink)"
            lines.append(
                f"{block.name:<6} {shape:>12} {block.n_checked:>8}  "
                f"{block.central_error:>8.1e} {digits:>8}  {verdict}"
            )
        return "\n".join(lines)


def check_gradient(
    loss: Callable[..., Any],
    gradient: Callable[..., Any],
    parameters: Any,
    *args: Any,
    max_entries: int = 200,
    n_directions: int = 3,
    seed: int = 0,
) -> GradientReport:
    """Compare ``gradient(parameters, *args)`` with the derivative of the loss.

    Parameters
    ----------
    loss : callable
        ``loss(parameters, *args)`` is a number.
    gradient : callable
        ``gradient(parameters, *args)`` is of the same structure as the parameters.
    parameters : array, or list, tuple, named tuple or dict of arrays
        Where to check.  The loss is called with float64 and complex128 copies of them.
    *args
        Passed on to both.
    max_entries : int, default=200
        Blocks with more entries are checked on a random sample of so many, and in
        random directions over all entries.
    n_directions : int, default=3
        How many directions.
    seed : int, default=0
        Chooses the sample and the directions.

    Returns
    -------
    GradientReport

    Examples
    --------
    >>> import numpy as np
    >>> from mlproof import check_gradient
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> check_gradient(lambda x: np.sum(x**2), lambda x: 2 * x, x).ok
    True
    >>> print(check_gradient(lambda x: np.sum(x**2), lambda x: x, x))
    block         shape  checked   central  complex  verdict
    x                 3        3   5.0e-01  5.0e-01  WRONG: [2] is 3, should be 6
    """
    names, arrays, rebuild = _blocks(parameters)
    _, gradients, _ = _blocks(gradient(parameters, *args))
    for name, array, grad in zip(names, arrays, gradients, strict=True):
        if np.shape(grad) != np.shape(array):
            raise ValueError(
                f"the gradient of {name} must have its shape {np.shape(array)}; "
                f"got {np.shape(grad)}."
            )
    point = [np.array(array, dtype=np.float64) for array in arrays]
    rng = np.random.default_rng(seed)

    def in_block(k: int) -> Loss:
        return lambda values: loss(
            rebuild([*point[:k], values, *point[k + 1 :]]), *args
        )

    return GradientReport(
        tuple(
            _judge(
                name,
                in_block(k),
                point[k],
                np.asarray(gradients[k]),
                _sample(point[k].size, max_entries, rng),
                n_directions,
                rng,
            )
            for k, name in enumerate(names)
        )
    )


Loss = Callable[[Array], Any]


def _blocks(
    parameters: Any,
) -> tuple[list[str], list[Any], Callable[[list[Array]], Any]]:
    """Names, arrays, and how to put arrays back into the structure they came in."""
    if isinstance(parameters, Mapping):
        names = list(parameters)
        return (
            [str(name) for name in names],
            [parameters[name] for name in names],
            lambda arrays: dict(zip(names, arrays, strict=True)),
        )
    if isinstance(parameters, tuple) and hasattr(parameters, "_fields"):
        kind = type(parameters)
        return list(parameters._fields), list(parameters), lambda arrays: kind(*arrays)
    if isinstance(parameters, list | tuple):
        names = [f"[{k}]" for k in range(len(parameters))]
        return names, list(parameters), type(parameters)
    return ["x"], [parameters], lambda arrays: arrays[0]


def _sample(size: int, max_entries: int, rng: np.random.Generator) -> Array:
    if size <= max_entries:
        return np.arange(size)
    return np.sort(rng.choice(size, max_entries, replace=False))


class _Slope(NamedTuple):
    """The derivative along one direction, as the two methods see it."""

    central: float
    complex: float  # nan where the loss does not take complex numbers
    bend: float  # |f(h) - 2 f(0) + f(-h)| / h, twice what a kink inside costs central


def _judge(
    name: str,
    loss: Loss,
    point: Array,
    gradient: Array,
    entries: Array,
    n_directions: int,
    rng: np.random.Generator,
) -> BlockReport:
    if point.size == 0:
        raise ValueError(f"{name} is empty, so it has no gradient to check.")
    value = float(np.real(loss(point)))
    analytic = gradient.astype(np.float64).ravel()[entries]
    slopes = [_slope(loss, value, point, _unit(point, i)) for i in entries]
    central, complex_, bend = (np.array(column) for column in zip(*slopes, strict=True))
    scale = float(np.max(np.abs(central)))
    loose = _tolerance(CENTRAL_TOLERANCE, 32 / CENTRAL_STEP, gradient, scale, value)
    tight = _tolerance(COMPLEX_TOLERANCE, 1e5, gradient, scale, value)

    # A central difference may be off by what a kink costs it, and not by more.
    trusted = bool(np.all(np.abs(complex_ - central) <= loose + 0.6 * bend))
    central_error = np.abs(analytic - central)
    n_kinks = 0
    straddles = (central_error > loose) & (central_error <= loose + 0.6 * bend)
    for j in np.flatnonzero(straddles):
        unit = _unit(point, entries[j])
        central_error[j], on_kink = _closer(
            loss, value, point, unit, analytic[j], loose
        )
        if on_kink:
            n_kinks += 1
            complex_[j] = analytic[j]

    error = np.abs(analytic - complex_) if trusted else central_error
    ok = bool(np.all(central_error <= loose))
    if trusted:
        ok = ok and bool(np.all(error <= tight))
    direction_error = None
    if len(entries) < point.size and n_directions > 0:
        error_found, allowed = _along_directions(
            loss, value, point, gradient, trusted, n_directions, rng
        )
        ok = ok and error_found <= allowed
        direction_error = error_found / (scale or 1.0)
    worst = int(np.argmax(error))
    return BlockReport(
        name=name,
        shape=point.shape,
        n_checked=len(entries),
        n_kinks=n_kinks,
        worst_index=tuple(
            int(i) for i in np.unravel_index(entries[worst], point.shape)
        ),
        analytic=float(analytic[worst]),
        numeric=float((complex_ if trusted else central)[worst]),
        central_error=float(np.max(central_error)) / (scale or 1.0),
        complex_error=float(np.max(error)) / (scale or 1.0) if trusted else None,
        direction_error=direction_error,
        tolerance=(tight if trusted else loose) / (scale or 1.0),
        ok=ok,
    )


def _unit(point: Array, entry: int) -> Array:
    unit = np.zeros(point.size)
    unit[entry] = 1.0
    return unit.reshape(point.shape)


def _tolerance(
    relative: float, noise: float, gradient: Array, scale: float, value: float
) -> float:
    """How far a right gradient may be from what is measured.

    ``noise`` is the rounding of the loss in units of eps, as the method magnifies it; a
    gradient computed in float32 brings rounding of its own.
    """
    allowed = relative * scale + noise * EPS * max(1.0, abs(value))
    if gradient.dtype.itemsize < 8:
        eps = float(np.finfo(gradient.dtype).eps)
        allowed += 1e3 * eps * scale + 1e2 * eps * max(1.0, abs(value))
    return allowed


def _slope(loss: Loss, value: float, point: Array, direction: Array) -> _Slope:
    h = CENTRAL_STEP
    above, below = (float(np.real(loss(point + t * direction))) for t in (h, -h))
    return _Slope(
        (above - below) / (2 * h),
        _complex_step(loss, point, direction),
        abs(above - 2 * value + below) / h,
    )


def _complex_step(loss: Loss, point: Array, direction: Array) -> float:
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
            moved = loss(point + 1j * COMPLEX_STEP * direction)
    except (TypeError, ValueError):  # a loss for real numbers only says so
        return np.nan
    return float(np.imag(moved)) / COMPLEX_STEP


def _closer(
    loss: Loss,
    value: float,
    point: Array,
    direction: Array,
    analytic: float,
    loose: float,
) -> tuple[float, bool]:
    """The error by smaller steps, and whether the point itself is on a kink.

    On a kink the two one-sided slopes do not meet, and anything between is accepted.
    """
    error = np.inf
    for h in SMALLER_STEPS:
        above, below = (float(np.real(loss(point + t * direction))) for t in (h, -h))
        allowed = loose * CENTRAL_STEP / h  # the rounding grows as the step shrinks
        error = min(error, abs((above - below) / (2 * h) - analytic))
        if error <= allowed:
            return min(error, loose), False
    low, high = sorted(((above - value) / h, (value - below) / h))
    if high - low > 10 * allowed and low - allowed <= analytic <= high + allowed:
        return 0.0, True
    return error, False


def _along_directions(
    loss: Loss,
    value: float,
    point: Array,
    gradient: Array,
    trusted: bool,
    n_directions: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """The largest error of gradient . v over random unit vectors v, and its bound.

    One wrong entry anywhere in the block shows in every direction.
    """
    found = allowed = 0.0
    for _ in range(n_directions):
        v = rng.standard_normal(point.shape)
        v /= np.linalg.norm(v)
        slope = _slope(loss, value, point, v)
        numeric = slope.complex if trusted else slope.central
        size = float(np.linalg.norm(gradient.astype(np.float64)))
        # A direction crosses many kinks at once: what they cost is allowed for.
        relative, noise, kinks = (
            (COMPLEX_TOLERANCE, 1e5, 0.0)
            if trusted
            else (CENTRAL_TOLERANCE, 32 / CENTRAL_STEP, slope.bend)
        )
        given = float(np.sum(gradient.astype(np.float64) * v))
        found = max(found, abs(given - numeric))
        allowed = max(
            allowed, kinks + _tolerance(relative, noise, gradient, size, value)
        )
    return found, allowed
