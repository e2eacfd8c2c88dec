"""The functions of the hidden units and of the outputs, on whole arrays.

Activation and output are small numbers here, and each function branches on them once,
outside its loop, so that one compiled kernel serves them all.
"""

from typing import Any

from mlproof.engines.compiled.elementary import exp, expm1, log1p, log1p_wide
from mlproof.engines.compiled.machine import flat
from mlproof.engines.compiled.toolchain import part

# The order of these names is the meaning of the numbers.
ACTIVATIONS = ("rect", "tanh", "sigmoid", "identity", "softplus", "abs")
RECT, TANH, SIGMOID, IDENTITY, SOFTPLUS, ABS = range(6)
OUTPUTS = ("softmax", "logistic")
SOFTMAX, LOGISTIC = range(2)


@part
def activate(activation: int, A: Any, H: Any) -> None:
    """h_s = f(h_a) into H, for the pre-activations h_a in A  (D.1).

    A becomes f'(h_a), which is all that backward needs, or, where f' can be told from
    h_s, is left.  The conditions are those of functions.py: NaN stays NaN, and the
    derivative at a kink is the same one.
    """
    zero, one, two = A.dtype.type(0), A.dtype.type(1), A.dtype.type(2)
    h_a, h_s = flat(A), flat(H)
    if activation == RECT:
        for i in range(h_a.size):
            x = h_a[i]
            h_s[i] = zero if x <= zero else x  # (Q1.7)
    elif activation == IDENTITY:
        for i in range(h_a.size):
            h_s[i] = h_a[i]
    elif activation == TANH:
        for i in range(h_a.size):
            x = h_a[i]
            e = exp(-two * abs(x))
            t = -expm1(-two * abs(x)) / (one + e)
            h_s[i] = -t if x < zero else t  # (Q1.4)
            h_a[i] = (two * two) * e / ((one + e) * (one + e))  # (Q1.4)
    elif activation == SIGMOID:
        for i in range(h_a.size):
            x = h_a[i]
            e = exp(-abs(x))
            h_s[i] = (e if x < zero else one) / (one + e)  # (Q1.1)
            h_a[i] = e / ((one + e) * (one + e))  # (Q1.3)
    elif activation == SOFTPLUS:
        for i in range(h_a.size):
            x = h_a[i]
            e = exp(-abs(x))
            h_s[i] = (zero if x <= zero else x) + log1p(e)
            h_a[i] = (e if x < zero else one) / (one + e)  # (Q1.2)
    else:
        for i in range(h_a.size):
            x = h_a[i]
            h_s[i] = abs(x)  # (Q1.6)
            h_a[i] = one if x > zero else (-one if x < zero else zero)  # (Q1.5)


@part
def deactivate(activation: int, A: Any, H: Any, grad_h_s: Any) -> None:
    """grad_h_a = grad_h_s f'(h_a) into A, after ``activate``  (D.5)."""
    derivative, h_s, grad = flat(A), flat(H), flat(grad_h_s)
    zero = A.dtype.type(0)
    if activation == RECT:
        for i in range(grad.size):
            g = grad[i]  # loaded in any case, so that this is no branch
            derivative[i] = g if h_s[i] > zero else zero  # (Q1.7)
    elif activation == IDENTITY:
        for i in range(grad.size):
            derivative[i] = grad[i]
    else:
        for i in range(grad.size):
            derivative[i] *= grad[i]


@part
def softmax_loss(
    o_a: Any, y: Any, weight: Any, who: Any, s: float, top: Any, others: Any
) -> Any:
    """The weighted sum of the losses; o_a becomes its gradient, the last two are used.

    Row i counts weight[i] / s, or 1 / s where there are no weights.
    """
    rows, m = o_a.shape
    zero, one = o_a.dtype.type(0), o_a.dtype.type(1)
    risk, equal = 0.0, 1 / s
    for i in range(rows):
        best, largest = 0, o_a[i, 0]
        for j in range(1, m):
            x = o_a[i, j]
            # Chosen and not branched on: which is the largest cannot be foreseen.
            best = j if x > largest else best
            largest = x if x > largest else largest
        share = weight[who[i]] / s if weight.size else equal
        risk += share * (largest - o_a[i, y[who[i]]])
        for j in range(m):
            o_a[i, j] -= largest  # softmax is the same for o_a - constant
        top[i] = best
    logits = flat(o_a)
    for i in range(logits.size):
        logits[i] = exp(logits[i])
    for i in range(rows):
        # The largest term, 1, is left to log1p: a tiny logarithm keeps its digits.
        best, rest = top[i], zero
        for j in range(m):
            rest += zero if j == best else o_a[i, j]
        others[i] = rest
        share = weight[who[i]] / s if weight.size else equal
        scale = o_a.dtype.type(share) / (one + rest)
        for j in range(m):
            o_a[i, j] *= scale  # (Q2.3)
        o_a[i, y[who[i]]] -= o_a.dtype.type(share)  # (Q2.7)
    for i in range(rows):
        others[i] = log1p_wide(others[i])
    for i in range(rows):
        share = weight[who[i]] / s if weight.size else equal
        risk += share * others[i]  # (Q2.4)
    return risk


@part
def logistic_loss(
    o_a: Any, y: Any, weight: Any, who: Any, s: float, losses: Any
) -> Any:
    """The same for logistic units, y of zeros and ones, a column for each unit."""
    rows, m = o_a.shape
    logits = flat(o_a)
    zero, one = o_a.dtype.type(0), o_a.dtype.type(1)
    for i in range(rows):
        for j in range(m):
            x = o_a[i, j]  # loaded in any case, so that this is no branch
            o_a[i, j] = -x if y[who[i], j] else x
    for i in range(logits.size):
        x = logits[i]
        e = exp(-abs(x))
        losses[i] = (zero if x <= zero else x) + log1p(e)  # (L.2, L.4)
        logits[i] = (e if x < zero else one) / (one + e)
    risk, equal = 0.0, 1 / s
    for i in range(rows):
        share = weight[who[i]] / s if weight.size else equal
        step = o_a.dtype.type(share)
        for j in range(m):
            risk += share * losses[i * m + j]
            o_a[i, j] *= -step if y[who[i], j] else step  # (L.3)
    return risk
