"""Right backward passes, as people write them, and the lines they get wrong.

A wrong one is a right one with some text replaced, so each mistake reads as it is made.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

BATCH = """
def backward(W1, b1, W2, b2, X, y):
    n, m = len(y), len(b2)
    h_a = b1 + X @ W1.T
    h_s = np.maximum(h_a, 0)
    o_a = b2 + h_s @ W2.T
    e = np.exp(o_a - o_a.max(axis=1, keepdims=True))
    o_s = e / e.sum(axis=1, keepdims=True)
    hot = np.eye(m)[y]
    grad_o_a = (o_s - hot) / n
    grad_W2 = grad_o_a.T @ h_s
    grad_b2 = grad_o_a.sum(axis=0)
    grad_h_s = grad_o_a @ W2
    grad_h_a = grad_h_s * (h_a > 0)
    grad_W1 = grad_h_a.T @ X
    grad_b1 = grad_h_a.sum(axis=0)
    grad_x = grad_h_a @ W1
    return grad_W1, grad_b1, grad_W2, grad_b2
"""
ALL = BATCH.replace(
    "return grad_W1, grad_b1, grad_W2, grad_b2",
    "return dict(grad_o_a=grad_o_a, grad_W2=grad_W2, grad_b2=grad_b2,\n"
    "                grad_h_s=grad_h_s, grad_h_a=grad_h_a, grad_W1=grad_W1,\n"
    "                grad_b1=grad_b1, grad_x=grad_x)",
)
PENALISED = BATCH.replace(
    "    return",
    "    grad_W1 = grad_W1 + L11 * np.sign(W1) + 2 * L12 * W1\n"
    "    grad_W2 = grad_W2 + L21 * np.sign(W2) + 2 * L22 * W2\n"
    "    return",
)
TANH = BATCH.replace("np.maximum(h_a, 0)", "np.tanh(h_a)").replace(
    "(h_a > 0)", "(1 - h_s**2)"
)
SIGMOID = BATCH.replace("np.maximum(h_a, 0)", "1 / (1 + np.exp(-h_a))").replace(
    "(h_a > 0)", "h_s * (1 - h_s)"
)
INPUTS_FIRST = """
def backward(W1, b1, W2, b2, X, y):
    n, m = len(y), len(b2)
    h_a = X @ W1 + b1
    h_s = np.maximum(h_a, 0)
    o_a = h_s @ W2 + b2
    e = np.exp(o_a - o_a.max(axis=1, keepdims=True))
    o_s = e / e.sum(axis=1, keepdims=True)
    hot = np.eye(m)[y]
    grad_o_a = (o_s - hot) / n
    grad_W2 = h_s.T @ grad_o_a
    grad_b2 = grad_o_a.sum(axis=0)
    grad_h_s = grad_o_a @ W2.T
    grad_h_a = grad_h_s * (h_a > 0)
    grad_W1 = X.T @ grad_h_a
    grad_b1 = grad_h_a.sum(axis=0)
    return grad_W1, grad_b1, grad_W2, grad_b2
"""
LOOP = """
def backward(W1, b1, W2, b2, X, y):
    n = len(y)
    grad_W1, grad_b1 = np.zeros_like(W1), np.zeros_like(b1)
    grad_W2, grad_b2 = np.zeros_like(W2), np.zeros_like(b2)
    for x, k in zip(X, y):
        h_a = b1 + W1 @ x
        h_s = np.maximum(h_a, 0)
        o_a = b2 + W2 @ h_s
        e = np.exp(o_a - o_a.max())
        grad_o_a = e / e.sum()
        grad_o_a[k] -= 1
        grad_W2 += np.outer(grad_o_a, h_s)
        grad_b2 += grad_o_a
        grad_h_a = (W2.T @ grad_o_a) * (h_a > 0)
        grad_W1 += np.outer(grad_h_a, x)
        grad_b1 += grad_h_a
    return grad_W1 / n, grad_b1 / n, grad_W2 / n, grad_b2 / n
"""
SINGLE = """
def backward(W1, b1, W2, b2, x, y):
    h_a = b1 + W1 @ x
    h_s = np.maximum(h_a, 0)
    o_a = b2 + W2 @ h_s
    e = np.exp(o_a - o_a.max())
    grad_o_a = e / e.sum()
    grad_o_a[y] -= 1
    grad_W2 = np.outer(grad_o_a, h_s)
    grad_b2 = grad_o_a
    grad_h_a = (W2.T @ grad_o_a) * (h_a > 0)
    grad_W1 = np.outer(grad_h_a, x)
    grad_b1 = grad_h_a
    return grad_W1, grad_b1, grad_W2, grad_b2
"""
# The strengths of the penalty in PENALISED, as check_backward is told them.
STRENGTHS = {"l1": (0.03, 0.02), "l2": (0.05, 0.07)}
NUMBERS = {"L11": 0.03, "L21": 0.02, "L12": 0.05, "L22": 0.07}


def written(source: str, *changes: tuple[str, str]) -> Callable[..., Any]:
    """The function of this source, with some of its text replaced."""
    for old, new in changes:
        assert old in source, f"{old!r} is not there"
        source = source.replace(old, new)
    scope: dict[str, Any] = {"np": np, "math": math} | NUMBERS
    exec(compile(source, "<a backward pass>", "exec"), scope)
    found: Callable[..., Any] = scope["backward"]
    return found


OUTPUT, HIDDEN = ("grad_W2", "grad_b2"), ("grad_W1", "grad_b1")
DATA = OUTPUT + HIDDEN
WEIGHTS, BIASES = ("grad_W2", "grad_W1"), ("grad_b2", "grad_b1")
EVERYWHERE = (
    *("grad_o_a", "grad_W2", "grad_b2", "grad_h_s", "grad_h_a"),
    *("grad_W1", "grad_b1", "grad_x"),
)
Expected = list[tuple[str, tuple[str, ...]]]


def found(report: Any) -> Expected:
    return [(finding.code, finding.blocks) for finding in report.diagnosis]


SMALLEST = "The smallest network on which it shows: n = "


def same(report: Any, expected: Expected) -> None:
    assert sorted(found(report)) == sorted(expected), str(report)
    assert report.ok == (not expected)
    for finding in report.diagnosis:
        assert finding.block == finding.blocks[0]
        assert finding.message in str(report)
    assert (SMALLEST in str(report)) == bool(expected)
