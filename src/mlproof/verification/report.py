"""What a gradient check found, for people and for programs."""

import json
import math
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class BlockReport:
    """What was found of one parameter array.

    Errors are relative to the largest derivative found in the block.
    """

    name: str
    shape: tuple[int, ...]
    n_checked: int  # entries compared one by one; all of them, or a random sample
    n_kinks: int  # of these, how many lie on a kink and have an admissible value
    worst_index: tuple[int, ...] | None  # None for a direction through the whole block
    analytic: float  # the value given, there
    numeric: float  # the value found there
    central_error: float
    complex_error: float | None  # None where the loss does not carry a complex step
    direction_error: float | None  # over the whole block, where only a sample was taken
    unnoticed: float  # the largest error of a checked entry that rounding could hide
    vacuous: bool  # whether rounding hides everything, so that nothing can be said
    ok: bool

    @property
    def error(self) -> float:
        """The largest error found, by the sharper of the two methods."""
        entry = self.central_error if self.complex_error is None else self.complex_error
        errors = (entry, self.direction_error or 0.0)
        return math.inf if any(map(math.isnan, errors)) else max(errors)

    def verdict(self) -> str:
        """What was found, in a few words."""
        if self.ok and self.vacuous:
            return "cannot tell: rounding could hide a gradient of this size"
        if self.ok:
            return "agrees" + (f", {self.n_kinks} on a kink" if self.n_kinks else "")
        where = "along a random direction"
        if self.worst_index is not None:
            where = f"[{', '.join(map(str, self.worst_index))}]"
        return f"WRONG: {where} is {self.analytic:.6g}, should be {self.numeric:.6g}"


@dataclass(frozen=True)
class GradientReport:
    """The verdict on a gradient, block by block."""

    blocks: tuple[BlockReport, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing wrong was found in any block."""
        return all(block.ok for block in self.blocks)

    @property
    def worst(self) -> float:
        """The largest error of any block, relative to that block's largest entry."""
        return max(block.error for block in self.blocks)

    def to_json(self) -> str:
        """The same as a JSON object; a number that is not finite becomes null."""
        blocks = [
            {
                key: None if isinstance(v, float) and not math.isfinite(v) else v
                for key, v in (asdict(block) | {"error": block.error}).items()
            }
            for block in self.blocks
        ]
        worst = self.worst if math.isfinite(self.worst) else None
        return json.dumps({"ok": self.ok, "worst": worst, "blocks": blocks})

    def __str__(self) -> str:
        lines = [
            f"{'block':<6} {'shape':>12} {'checked':>8}  "
            f"{'central':>8} {'complex':>8}  verdict"
        ]
        for block in self.blocks:
            shape = "x".join(map(str, block.shape)) or "scalar"
            complex_error = block.complex_error
            digits = "-" if complex_error is None else f"{complex_error:.1e}"
            lines.append(
                f"{block.name:<6} {shape:>12} {block.n_checked:>8}  "
                f"{block.central_error:>8.1e} {digits:>8}  {block.verdict()}"
            )
        return "\n".join(lines)
