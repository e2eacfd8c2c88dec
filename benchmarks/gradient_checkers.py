"""How long check_gradient takes, beside PyTorch's torch.autograd.gradcheck.

Both check a hand-written gradient of the same network, on the same data in float64:
mlproof that of mlproof.network, PyTorch the same one as a torch.autograd.Function.
They take turns in one process, as in `mlproof bench`.

What they do is not the same.  check_gradient compares with central differences and with
the complex step; gradcheck with central differences; its fast mode with one random
direction through each block.  So it is also tried which error each still notices: the
gradient of W1 is multiplied by 2, by 1.1, by 1.01 and so on.

    python benchmarks/gradient_checkers.py [--output FILE.json] [--page FILE.md]
    python benchmarks/gradient_checkers.py --read FILE.json --page FILE.md
    python benchmarks/gradient_checkers.py --quick

A full gradcheck of the large network takes minutes, nearly all of them for W1; so it
has one turn, besides the one that warms up, on all threads.  In the five rounds it is
asked for the other blocks only.  --quick takes little networks, to see that it runs.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from five_mistakes import between, versions_told

from mlproof import check_gradient
from mlproof.bench.contestants import THREADS, Contestant, Run, clocked
from mlproof.bench.contestants.pytorch import library, tuned
from mlproof.bench.machine import machine, versions
from mlproof.bench.measure import Scores, ratio, take_turns
from mlproof.functions import rect
from mlproof.losses import cross_entropy
from mlproof.network import Theta, backward, forward

ROUNDS = 5
ALL = sys.maxsize  # of the entries
EXPONENTS = range(-12, 1)  # of the errors that are tried: 10^-12, 10^-11 and so on

Check = Callable[[float], bool]  # with the gradient of W1 times this, whether it passes


class Problem(NamedTuple):
    """A network and its data."""

    theta: Theta
    X: Any  # (n, d)
    y: Any  # (n,)

    def sizes(self) -> str:
        return f"{self.X.shape[1]}-{len(self.theta.b1)}-{len(self.theta.b2)}"

    def parameters(self) -> int:
        return sum(block.size for block in self.theta)


class Case(NamedTuple):
    """A contest of the first with the others."""

    what: str
    problem: Problem
    contestants: dict[str, Callable[[Problem], Check]]  # what makes each ready
    rounds: int
    errors: bool  # whether to try which error each notices


def problem(d: int, d_h: int, m: int, n: int) -> Problem:
    rng = np.random.default_rng(0)
    theta = Theta(
        rng.standard_normal((d_h, d)) / np.sqrt(d),
        0.1 * rng.standard_normal(d_h),
        rng.standard_normal((m, d_h)) / np.sqrt(d_h),
        0.1 * rng.standard_normal(m),
    )
    return Problem(theta, rng.random((n, d)), rng.integers(0, m, n))


# ---- the contestants ----------------------------------------------------------------


def loss(theta: Theta, X: Any, y: Any, _: float) -> Any:
    """The risk from the logits, as PyTorch has it: the probabilities are not needed."""
    h_s = rect(theta.b1 + X @ theta.W1.T)
    return np.mean(cross_entropy(theta.b2 + h_s @ theta.W2.T, y))


def ours(on: Problem, **settings: Any) -> Check:
    def gradient(theta: Theta, X: Any, y: Any, factor: float) -> Theta:
        grad = backward(theta, X, y, forward(theta, X))
        return Theta(factor * grad.grad_W1, grad.grad_b1, grad.grad_W2, grad.grad_b2)

    def check(factor: float) -> bool:
        return check_gradient(
            loss,
            gradient,
            on.theta,
            on.X,
            on.y,
            factor,
            **settings,
        ).ok

    return check


def ours_in_full(on: Problem) -> Check:
    return ours(on, max_entries=ALL)


def gradcheck(on: Problem, fast: bool = False, without: tuple[str, ...] = ()) -> Check:
    torch = library()
    X, y = torch.from_numpy(on.X), torch.from_numpy(on.y)
    theta = [
        torch.tensor(block, requires_grad=name not in without)
        for name, block in on.theta._asdict().items()
    ]
    n, rows = len(y), torch.arange(len(y))

    class Risk(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, W1: Any, b1: Any, W2: Any, b2: Any, factor: float) -> Any:
            h_s = torch.relu(torch.addmm(b1, X, W1.T))
            log_o_s = torch.log_softmax(torch.addmm(b2, h_s, W2.T), 1)
            ctx.save_for_backward(h_s, log_o_s, W2)
            ctx.factor = factor
            return torch.nn.functional.nll_loss(log_o_s, y)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            h_s, log_o_s, W2 = ctx.saved_tensors
            grad_o_a = log_o_s.exp()
            grad_o_a[rows, y] -= 1
            grad_o_a *= grad / n
            grad_h_a = (grad_o_a @ W2) * (h_s > 0)
            grad_W1 = ctx.factor * (grad_h_a.T @ X)
            return grad_W1, grad_h_a.sum(0), grad_o_a.T @ h_s, grad_o_a.sum(0), None

    def check(factor: float) -> bool:
        return torch.autograd.gradcheck(
            lambda *theta: Risk.apply(*theta, factor),
            theta,
            fast_mode=fast,
            raise_exception=False,
        )

    return check


def fast_gradcheck(on: Problem) -> Check:
    return gradcheck(on, fast=True)


def gradcheck_of_others(on: Problem) -> Check:
    return gradcheck(on, without=("W1",))


MLPROOF, MLPROOF_IN_FULL = "check_gradient", "check_gradient, every entry"
FULL, FAST = "gradcheck", "gradcheck, fast mode"
WITHOUT_W1 = "gradcheck, of W2, b1 and b2 only"
IN_FULL = {MLPROOF_IN_FULL: ours_in_full, FULL: gradcheck}


def cases(quick: bool) -> dict[str, Case]:
    small = problem(6, 5, 4, 7) if quick else problem(64, 32, 10, 50)
    large = problem(8, 60, 5, 10) if quick else problem(784, 100, 10, 200)
    return {
        "small": Case(
            "every entry",
            small,
            IN_FULL | {FAST: fast_gradcheck},
            ROUNDS,
            errors=True,
        ),
        "large": Case(
            "each in its quick way",
            large,
            {MLPROOF: ours, FAST: fast_gradcheck, WITHOUT_W1: gradcheck_of_others},
            ROUNDS,
            errors=False,  # refusing, the fast mode goes on to check in full
        ),
        "large-in-full": Case(
            "gradcheck in full, one turn",
            large,
            {MLPROOF: ours, FULL: gradcheck},
            1,
            errors=False,
        ),
    }


# ---- the measurement ----------------------------------------------------------------


def measure(case: Case) -> dict[str, Any]:
    """The seconds of each turn, and in which ratio they stand."""
    scores, checks = Scores(), {}

    def contestant(name: str) -> Contestant:
        def prepare() -> Run:
            checks[name] = check = case.contestants[name](case.problem)

            def work() -> None:
                must_pass(name, check)

            if name in (FULL, FAST, WITHOUT_W1) and case.rounds > 1:
                return tuned(library(), work)
            if name == FULL:  # tuning would run it four times more
                library().set_num_threads(THREADS)
            return clocked(work)

        return Contestant(name, prepare)

    for turn in take_turns([*map(contestant, case.contestants)], case.rounds, scores):
        print(f"  {turn.over:4.0%} {turn.contestant}", flush=True)
    subject = next(iter(case.contestants))
    return {
        "what": case.what,
        "network": case.problem.sizes(),
        "parameters": case.problem.parameters(),
        "rows": len(case.problem.y),
        "first": scores.first,
        "seconds": scores.rounds,
        "ratios": {
            name: ratio(seconds, scores.rounds[subject])._asdict()
            for name, seconds in scores.rounds.items()
        },
        "smallest_error_noticed": {
            name: smallest_noticed(check) for name, check in checks.items()
        }
        if case.errors
        else {},
        "skipped": scores.skipped,
        "cores_of_others": scores.cores_of_others,
    }


def must_pass(name: str, check: Check) -> None:
    if not check(1.0):
        raise RuntimeError(f"{name} refuses a gradient that is right.")


def smallest_noticed(check: Check) -> float | None:
    """The smallest power of ten that as an error of W1's gradient is not let pass.

    From the smallest up: gradcheck in its fast mode, where it refuses, goes on to check
    in full for the sake of its message, which takes a large network minutes.
    """
    for exponent in EXPONENTS:
        if not check(1 + 10.0**exponent):
            return 10.0**exponent
    return None


# ---- the page -----------------------------------------------------------------------


def table(report: dict[str, Any]) -> str:
    """All cases of a report as Markdown."""
    found, others = report["machine"], worked_for_others(report["cases"].values())
    packages = {
        name: report["versions"][name] for name in ("python", "numpy", "torch")
    } | {"mlproof": report["versions"]["mlproof"]}
    lines = [
        f"{report['date']}, {found['processor']}, {found['cores']} cores, "
        f"{report['settings']['threads']} threads; {versions_told(packages)}. Median "
        f"of {report['settings']['rounds']} rounds, with quartiles; other programs "
        f"used up to {others:.2g} cores meanwhile.\n",
        "| network | checker | seconds | in units of the first | notices |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for case in report["cases"].values():
        title = (
            f"{case['network']}, {case['rows']} rows, {case['parameters']:,} "
            f"parameters: {case['what']}"
        )
        for name, seconds in case["seconds"].items():
            lines.append(
                f"| {title} | {name} | {np.median(seconds):.3g} "
                f"| {in_ratio(case['ratios'][name], len(seconds))} "
                f"| {noticed(case['smallest_error_noticed'], name)} |"
            )
            title = ""
        for name, reason in case["skipped"].items():
            lines.append(f"| {title} | {name} | {reason} |  |  |")
    return "\n".join(lines) + "\n"


def noticed(smallest: dict[str, float | None], name: str) -> str:
    """In words; an error of 1 is a gradient of twice the size."""
    if name not in smallest:
        return ""
    return "not even 1" if smallest[name] is None else f"{smallest[name]:.0e}"


def in_ratio(found: dict[str, float], rounds: int) -> str:
    median = f"{found['median']:.3g}"
    if rounds == 1 or found["lower"] == found["upper"]:
        return median
    return f"{median} ({found['lower']:.3g}–{found['upper']:.3g})"


def worked_for_others(measured: Iterable[dict[str, Any]]) -> float:
    return max(case["cores_of_others"] or 0.0 for case in measured)


def refreshed(page: str, report: dict[str, Any]) -> str:
    return between("speed", table(report), page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--page", type=Path, help="write the table into this page")
    parser.add_argument("--read", type=Path, help="show an earlier run")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    report = (
        json.loads(options.read.read_bytes())
        if options.read
        else measured(options.quick)
    )
    print(table(report))
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        options.page.write_text(refreshed(page, report), encoding="utf-8")


def measured(quick: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, case in cases(quick).items():
        print(f"{name}: {case.what}", flush=True)
        found[name] = measure(case)
    return {
        "what": __doc__.splitlines()[0],
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "settings": {"rounds": ROUNDS, "threads": THREADS},
        "quick": quick,
        "cases": found,
    }


if __name__ == "__main__":
    main()
