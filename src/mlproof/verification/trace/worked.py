"""One entry of a line with its numbers put in, to be followed by hand.

grad_W2[versicolor, 2] = -0.5232 · 2.888 = -1.511
"""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlproof.functions import ACTIVATIONS, Array
from mlproof.verification.trace.numbers import digits
from mlproof.verification.trace.record import Node, Trace

# A longer sum is written as so many terms, the largest, and what the others come to.
TERMS = 5

Index = tuple[int, ...]
Values = Mapping[str, Array]

_OF_AN_ENTRY = {"sign", "sigmoid"} | {
    name for activation in ACTIVATIONS for name in (activation, f"{activation}_prime")
}


def worked(trace: Trace, node: Node) -> str | None:
    """The largest entry that is shown; None where there is nothing to work out."""
    values = {n.name: n.value for n in trace} | {"n": np.array(len(trace.names["row"]))}
    index = _largest(trace, node)
    try:
        arithmetic = _written(ast.parse(node.formula, mode="eval").body, index, values)
    except NotImplementedError:
        return None
    result = digits(node.value[index])
    if arithmetic == result:
        return None
    names = (trace.names[axis][i] for axis, i in zip(node.axes, index, strict=True))
    at = f"[{', '.join(names)}]" if index else ""
    return f"{node.name}{at} = {arithmetic} = {result}"


def _largest(trace: Trace, node: Node) -> Index:
    visible = np.abs(trace.visible(node))
    places = np.unravel_index(int(np.argmax(visible)), visible.shape)
    return tuple(
        int(trace.shown[axis][place])
        for axis, place in zip(node.axes, places, strict=True)
    )


def _written(node: ast.expr, index: Index, values: Values) -> str:
    """The entry of an expression, its numbers in the place of the names."""
    match node:
        case ast.Constant(value=value):
            return str(value)
        case ast.Name() | ast.Attribute() | ast.Subscript():
            return digits(_number(node, index, values))
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            return _sum_of_products(left, right, index, values)
        case ast.BinOp(left=left, op=op, right=right):
            first, second = (_written(side, index, values) for side in (left, right))
            if isinstance(op, ast.Add | ast.Sub):
                sign = "+" if isinstance(op, ast.Add) else "-"
                return f"{first} {sign} {_bracketed(right, second)}"
            sign = "·" if isinstance(op, ast.Mult) else "/"
            first = f"({first})" if _is_sum(left) else first
            return f"{first} {sign} {_bracketed(right, second)}"
        case ast.Call(func=function, args=arguments):
            return _call(ast.unparse(function), arguments, index, values)
    raise NotImplementedError(ast.dump(node))


def _number(node: ast.expr, index: Index, values: Values) -> float:
    """The entry of a name, transposed or not; a shorter array repeats in every row."""
    match node:
        case ast.Attribute(value=ast.Name(id=name)):
            return float(values[name][index[::-1]])
        case ast.Subscript(value=ast.Name(id=name)):  # w[:, None]
            return float(values[name][index[0]])
        case ast.Name(id=name):
            array = values[name]
            return float(array[index[len(index) - array.ndim :]])
    raise NotImplementedError(ast.dump(node))


def _sum_of_products(
    left: ast.expr, right: ast.expr, index: Index, values: Values
) -> str:
    if not index:  # w @ L
        pairs = list(zip(values["w"], values["L"], strict=True))
    else:
        i, j = index
        array = values[_name(left)]
        length = array.shape[0 if isinstance(left, ast.Attribute) else -1]
        pairs = [
            (_number(left, (i, k), values), _number(right, (k, j), values))
            for k in range(length)
        ]
    terms = [f"{digits(a)} · {_signed(digits(b))}" for a, b in pairs]
    return _sum(terms, np.array([a * b for a, b in pairs]))


def _call(
    function: str, arguments: Sequence[ast.expr], index: Index, values: Values
) -> str:
    array = values[_name(arguments[0])]
    if function in _OF_AN_ENTRY:
        slope = function.endswith("_prime")
        name = function.removesuffix("_prime") + "'" * slope
        return f"{name}({digits(array[index])})"
    if function == "np.sum" and array.ndim == 2:  # over the rows
        column = array[:, index[0]]
        return _sum([digits(value) for value in column], column)
    if function == "np.sum":
        return _sum([digits(value) for value in array], array)
    if function == "np.mean":
        total = _sum([digits(value) for value in array], array)
        return f"({total}) / {len(array)}" if len(array) > 1 else total
    if function == "softmax":
        row = array[index[0]] - array[index[0]].max()  # as it is computed (Q2.3.2)
        total = _sum([f"exp({digits(value)})" for value in row], np.exp(row))
        return f"exp({digits(row[index[1]])}) / ({total})"
    if function == "cross_entropy":
        probability = digits(values["o_s"][index[0], int(values["y"][index])])
        if float(probability) not in (0, 1):  # else its digits are in the logits alone
            return f"-log({probability})"
    raise NotImplementedError(function)


def _sum(terms: Sequence[str], sizes: Array) -> str:
    """The terms, or the largest of them and the sum of the others."""
    if len(terms) <= TERMS + 1:
        return " + ".join([terms[0], *map(_signed, terms[1:])]) if terms else "0"
    largest = np.sort(np.argsort(-np.abs(sizes), kind="stable")[:TERMS])
    others = float(np.sum(sizes) - np.sum(sizes[largest]))
    first, *more = (terms[k] for k in largest)
    rest = f"{_signed(digits(others))} from {len(terms) - TERMS} others"
    return " + ".join([first, *map(_signed, more), rest])


def _name(node: Any) -> str:
    """The array at the bottom of an operand."""
    while not isinstance(node, ast.Name):
        node = getattr(node, "value", None)
        if node is None:
            raise NotImplementedError("an operand that is computed itself")
    return node.id


def _is_sum(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) == "np.sum"
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def _bracketed(node: ast.expr, written: str) -> str:
    return f"({written})" if _is_sum(node) else _signed(written)


def _signed(written: str) -> str:
    """In brackets if it begins with a sign, so that no two stand side by side."""
    if not written.startswith("-"):
        return written
    first, *rest = written.split(" ", 1)
    return " ".join([f"({first})", *rest])
