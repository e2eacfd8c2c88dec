"""What each gradient checker says of the same five mistakes in a backward pass.

The network has one hidden layer, relu and softmax, and an l2 penalty on its weights;
the loss and its gradient are written once, below, and every tool checks that gradient,
as a derivative that somebody has defined by hand.  All numbers are in float64 and each
tool has the settings that it comes with.

    python benchmarks/five_mistakes.py [--output FILE.json] [--page FILE.md]
    python benchmarks/five_mistakes.py --read FILE.json --page FILE.md

Tools that are missing are said to be: pip install torch jax autograd scipy.  With
--page the tables are written into that page, with --read they are those of an earlier
run.
"""

import argparse
import json
import platform
import re
import warnings
from collections.abc import Callable
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mlproof import check_backward, check_gradient

# Before anything is replaced this is right; xp is numpy, torch or jax.numpy.
BACKWARD = """
def backward(W1, b1, W2, b2, X, y):
    n, m = len(y), len(b2)
    h_a = b1 + X @ W1.T
    h_s = h_a * (h_a > 0)
    o_a = b2 + h_s @ W2.T
    e = xp.exp(o_a - xp.amax(o_a, 1)[:, None])
    o_s = e / e.sum(1)[:, None]
    hot = xp.eye(m, dtype=xp.float64)[y]
    grad_o_a = (o_s - hot) / n
    grad_W2 = grad_o_a.T @ h_s
    grad_b2 = grad_o_a.sum(0)
    grad_h_s = grad_o_a @ W2
    grad_h_a = grad_h_s * (h_a > 0)
    grad_W1 = grad_h_a.T @ X
    grad_b1 = grad_h_a.sum(0)
    grad_W1 = grad_W1 + 2 * l2 * W1
    grad_W2 = grad_W2 + 2 * l2 * W2
    return grad_W1, grad_b1, grad_W2, grad_b2
"""
L2 = 0.05
D, D_H, M, N = 3, 5, 4, 7  # all different, so that a wrong shape shows
LONGEST = 160  # characters that the table shows of a text


class Mistake(NamedTuple):
    """What is wrong, and the text that is replaced."""

    what: str
    right: str
    wrong: str


MISTAKES = (
    Mistake("the 1/n is missing", "(o_s - hot) / n", "o_s - hot"),
    Mistake(
        "the ReLU's mask is missing",
        "grad_h_a = grad_h_s * (h_a > 0)",
        "grad_h_a = grad_h_s",
    ),
    Mistake(
        "the labels are taken to begin at 1",
        "hot = xp.eye(m, dtype=xp.float64)[y]",
        "hot = xp.eye(m, dtype=xp.float64)[y - 1]",
    ),
    Mistake(
        "grad_W2 is transposed",
        "return grad_W1, grad_b1, grad_W2, grad_b2",
        "return grad_W1, grad_b1, grad_W2.T, grad_b2",
    ),
    Mistake("the 2 of the penalty is missing", "2 * l2 *", "l2 *"),
)
NONE = Mistake("nothing", "", "")  # what a tool must let pass


class Answer(NamedTuple):
    """What a tool printed, raised or returned."""

    how: str  # such as "returns", "raises GradcheckError"
    text: str  # all of it
    core: str = ""  # the part that the table shows, if not the beginning
    codes: tuple[str, ...] = ()  # the names of the mistakes, where the tool has such


# ---- the network --------------------------------------------------------------------


def written(mistake: Mistake, xp: Any) -> Callable[..., Any]:
    """The backward pass with this mistake, over the arrays of this library."""
    if mistake.right not in BACKWARD:
        raise ValueError(f"{mistake.right!r} is not in the backward pass.")
    source = BACKWARD
    if mistake.right:
        source = source.replace(mistake.right, mistake.wrong)
    scope: dict[str, Any] = {"xp": xp, "l2": L2}
    exec(compile(source, "<backward>", "exec"), scope)
    return scope["backward"]


def data_term(xp: Any, W1: Any, b1: Any, W2: Any, b2: Any, X: Any, y: Any) -> Any:
    """The mean cross-entropy; a label's logit is taken by a product with 0 and 1."""
    h_a = b1 + X @ W1.T
    o_a = b2 + (h_a * (h_a > 0)) @ W2.T
    highest = xp.amax(o_a, 1)
    log_sum = highest + xp.log(xp.exp(o_a - highest[:, None]).sum(1))
    hot = xp.eye(len(b2), dtype=xp.float64)[y]
    return (log_sum - (o_a * hot).sum(1)).mean()


def penalty(W1: Any, W2: Any) -> Any:
    return L2 * ((W1**2).sum() + (W2**2).sum())


def loss(xp: Any, W1: Any, b1: Any, W2: Any, b2: Any, X: Any, y: Any) -> Any:
    return data_term(xp, W1, b1, W2, b2, X, y) + penalty(W1, W2)


def problem() -> tuple[tuple[Any, ...], Any, Any]:
    """W1 (d_h, d), b1 (d_h,), W2 (m, d_h), b2 (m,); X (n, d); y (n,)."""
    rng = np.random.default_rng(0)
    shapes: tuple[tuple[int, ...], ...] = ((D_H, D), (D_H,), (M, D_H), (M,))
    theta = tuple(rng.standard_normal(shape) for shape in shapes)
    return theta, rng.standard_normal((N, D)), np.arange(N) % M


# ---- the tools: a function each, which may raise ImportError ------------------------


def of_mlproof_backward(mistake: Mistake) -> Answer:
    report = check_backward(written(mistake, np), l2=L2)
    return of_report(report)


def of_mlproof_gradient(mistake: Mistake) -> Answer:
    theta, X, y = problem()
    backward = written(mistake, np)
    terms = {
        "data": lambda theta, X, y: data_term(np, *theta.values(), X, y),
        "l2": lambda theta, *_: penalty(theta["W1"], theta["W2"]),
    }

    def gradient(theta: Any, X: Any, y: Any) -> Any:
        return dict(zip(theta, backward(*theta.values(), X, y), strict=True))

    names = ("W1", "b1", "W2", "b2")
    return of_report(
        check_gradient(terms, gradient, dict(zip(names, theta, strict=True)), X, y)
    )


def of_report(report: Any) -> Answer:
    found = report.diagnosis
    named = "; ".join(f"{finding.code}: {finding.message}" for finding in found)
    codes = tuple(finding.code for finding in found)
    return Answer(f"returns a report, ok is {report.ok}", str(report), named, codes)


def of_pytorch(mistake: Mistake) -> Answer:
    import torch

    backward = written(mistake, torch)

    class Risk(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            ctx.save_for_backward(*inputs)
            return loss(torch, *inputs)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            found = backward(*ctx.saved_tensors)
            return *(grad * block for block in found), None, None

    theta, X, y = problem()
    inputs = [torch.tensor(block, requires_grad=True) for block in theta]
    data = torch.tensor(X), torch.tensor(y)
    return answer(
        lambda: torch.autograd.gradcheck(lambda *p: Risk.apply(*p, *data), inputs)
    )


def of_jax(mistake: Mistake) -> Answer:
    import jax
    from jax import numpy as jnp
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    theta, X, y = problem()
    backward = written(mistake, jnp)

    @jax.custom_vjp
    def risk(*theta: Any) -> Any:
        return loss(jnp, *theta, X, y)

    def pull_back(theta: Any, grad: Any) -> Any:
        return tuple(grad * block for block in backward(*theta, X, y))

    risk.defvjp(lambda *theta: (risk(*theta), theta), pull_back)
    inputs = tuple(jnp.asarray(block) for block in theta)
    return answer(lambda: check_grads(risk, inputs, order=1, modes=["rev"]))


def of_autograd(mistake: Mistake) -> Answer:
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    theta, X, y = problem()
    backward = written(mistake, np)

    @primitive
    def risk(*theta: Any) -> Any:
        return loss(np, *theta, X, y)

    def derivative(k: int) -> Callable[..., Any]:
        return lambda _, *theta: lambda grad: grad * backward(*theta, X, y)[k]

    defvjp(risk, *map(derivative, range(len(theta))))
    np.random.seed(0)  # noqa: NPY002 - it draws its directions from there
    every = tuple(range(len(theta)))  # by default it checks the first argument alone
    return answer(lambda: check_grads(risk, every, modes=["rev"], order=1)(*theta))


def of_scipy(mistake: Mistake) -> Answer:
    """It takes a vector, so the blocks are flattened and joined, of whatever shape."""
    from scipy.optimize import check_grad

    theta, X, y = problem()
    backward = written(mistake, np)
    ends = np.cumsum([block.size for block in theta])[:-1]

    def apart(flat: Any) -> list[Any]:
        blocks = np.split(flat, ends)
        return [b.reshape(p.shape) for b, p in zip(blocks, theta, strict=True)]

    def joined(blocks: Any) -> Any:
        return np.concatenate([block.ravel() for block in blocks])

    return answer(
        lambda: check_grad(
            lambda flat: loss(np, *apart(flat), X, y),
            lambda flat: joined(backward(*apart(flat), X, y)),
            joined(theta),
        )
    )


def answer(check: Callable[[], Any]) -> Answer:
    """What it returns or raises; any exception is an answer."""
    try:
        returned = check()
    except Exception as error:
        return Answer(f"raises {type(error).__name__}", str(error))
    return Answer("returns", str(returned))


class Tool(NamedTuple):
    """A checker: the package it comes with, and how it is asked."""

    name: str
    package: str
    ask: Callable[[Mistake], Answer]


TOOLS = (
    Tool("mlproof.check_backward", "mlproof", of_mlproof_backward),
    Tool("mlproof.check_gradient", "mlproof", of_mlproof_gradient),
    Tool("torch.autograd.gradcheck", "torch", of_pytorch),
    Tool("jax.test_util.check_grads", "jax", of_jax),
    Tool("autograd.test_util.check_grads", "autograd", of_autograd),
    Tool("scipy.optimize.check_grad", "scipy", of_scipy),
)


# ---- the report ---------------------------------------------------------------------


def asked(tool: Tool, mistake: Mistake) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tool.ask(mistake)._asdict()
    except ImportError:
        return Answer("not installed", "")._asdict()


def report() -> dict[str, Any]:
    return {
        "what": __doc__.splitlines()[0],
        "date": date.today().isoformat(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__}
        | {tool.package: installed(tool.package) for tool in TOOLS},
        "sizes": {"n": N, "d": D, "d_h": D_H, "m": M},
        "mistakes": [
            mistake._asdict()
            | {"answers": {tool.name: asked(tool, mistake) for tool in TOOLS}}
            for mistake in (NONE, *MISTAKES)
        ],
    }


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def overview(found: dict[str, Any]) -> str:
    """A Markdown table of all mistakes and tools, a word for each."""
    tools = list(found["mistakes"][0]["answers"])
    lines = [
        f"{found['date']}; {versions_told(found['versions'])}.\n",
        f"| wrong | {' | '.join(f'`{tool}`' for tool in tools)} |",
        f"| --- |{' --- |' * len(tools)}",
    ]
    for mistake in found["mistakes"]:
        cells = (in_a_word(mistake["answers"][tool]) for tool in tools)
        lines.append(f"| {mistake['what']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def in_a_word(said: dict[str, Any]) -> str:
    """What it calls the mistake, or what it does."""
    if said["codes"]:
        return ", ".join(f"`{code}`" for code in said["codes"])
    if said["how"].startswith("returns a report"):
        return "passes" if said["how"].endswith("True") else "wrong"
    if said["how"] != "returns":
        return said["how"]
    if said["text"] in ("True", "None"):
        return "passes"
    return f"returns {float(said['text']):.2g}"


def table(found: dict[str, Any]) -> str:
    """The answers in words as a Markdown table for each mistake."""
    parts = []
    for mistake in found["mistakes"]:
        change = ""
        if mistake["right"]:
            change = f": `{mistake['wrong']}` instead of `{mistake['right']}`"
        lines = [
            f"**Wrong: {mistake['what']}**{change}.\n",
            "| tool | answer | in its words |",
            "| --- | --- | --- |",
        ]
        for tool, said in mistake["answers"].items():
            lines.append(f"| `{tool}` | {said['how']} | {shown(said)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def shown(said: dict[str, Any]) -> str:
    """The first characters, and how many there are in all."""
    text = " ".join((said["core"] or said["text"]).split())
    if not text:
        return ""
    cut = text[:LONGEST] + ("…" if len(text) > LONGEST else "")
    # Inside backticks Markdown changes nothing, but a bar would end the cell.
    cut = cut.replace("`", "'").replace("|", "\\|")
    length = len(said["text"])
    return f"`{cut}` ({length:,} characters)" if length > LONGEST else f"`{cut}`"


def versions_told(versions: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {number or 'not installed'}" for name, number in versions.items()
    )


def between(name: str, text: str, page: str) -> str:
    """The page with this text between the comments of this name."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*(<!-- end of {name} -->)", re.S)
    if len(pattern.findall(page)) != 1:
        raise ValueError(f"the page must have one part named {name!r}.")
    return pattern.sub(lambda part: f"{part[1]}\n{text}\n{part[2]}", page)


def refreshed(page: str, found: dict[str, Any]) -> str:
    return between("words", table(found), between("mistakes", overview(found), page))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--page", type=Path, help="write the tables into this page")
    parser.add_argument("--read", type=Path, help="show an earlier run")
    options = parser.parse_args()
    found = json.loads(options.read.read_bytes()) if options.read else report()
    print(overview(found), table(found), sep="\n")
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        options.page.write_text(refreshed(page, found), encoding="utf-8")


if __name__ == "__main__":
    main()
