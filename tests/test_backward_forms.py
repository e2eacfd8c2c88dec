"""check_backward on other activations, loops, single examples and conventions."""

from typing import Any

import pytest
from backwards import (
    ALL,
    BATCH,
    BIASES,
    DATA,
    EVERYWHERE,
    HIDDEN,
    INPUTS_FIRST,
    LOOP,
    PENALISED,
    SIGMOID,
    SINGLE,
    STRENGTHS,
    TANH,
    WEIGHTS,
    Expected,
    same,
    written,
)

from mlproof import check_backward

# ---- other functions than a batch of relu ------------------------------------------

IN_OTHERS: dict[str, tuple[str, dict[str, Any], list[tuple[str, str]], Expected]] = {
    "all, sign": (ALL, {}, [("(o_s - hot)", "(hot - o_s)")], [("sign", EVERYWHERE)]),
    "all, no mask": (
        ALL,
        {},
        [(" * (h_a > 0)", "")],
        [("relu_mask_missing", ("grad_h_a", *HIDDEN, "grad_x"))],
    ),
    "all, each under the other's name": (
        ALL,
        {},
        [
            (
                "grad_h_s=grad_h_s, grad_h_a=grad_h_a",
                "grad_h_s=grad_h_a, grad_h_a=grad_h_s",
            )
        ],
        [("blocks_swapped", ("grad_h_s", "grad_h_a"))],
    ),
    "all, mean twice": (
        ALL,
        {},
        [("/ n", "/ n**2")],
        [("extra_mean", EVERYWHERE)],
    ),
    "all, mask on x": (
        ALL,
        {},
        [(" * (h_a > 0)", ""), ("grad_h_a @ W1", "grad_h_a @ W1 * (X > 0)")],
        [("relu_mask_on_wrong_layer", ("grad_h_a", *HIDDEN, "grad_x"))],
    ),
    "all, W2 for W1": (
        ALL,
        {},
        [("grad_h_a @ W1", "grad_h_a @ W2.T")],
        [("weights_swapped", ("grad_x",))],
    ),
    "all, updated": (
        ALL,
        {},
        [
            (
                "grad_h_s = grad_o_a @ W2",
                "W2 = W2 - 0.1 * grad_W2\n    grad_h_s = grad_o_a @ W2",
            ),
            ("grad_x =", "W1 = W1 - 0.1 * grad_W1\n    grad_x ="),
        ],
        [("weights_updated_before_use", ("grad_h_s", "grad_h_a", *HIDDEN, "grad_x"))],
    ),
    "all, W1 updated": (
        ALL,
        {},
        [("grad_x =", "W1 -= 0.1 * grad_W1\n    grad_x =")],
        [("weights_updated_before_use", ("grad_x",))],
    ),
    "all, masked early": (
        ALL,
        {},
        [("grad_o_a @ W2", "(grad_o_a @ W2) * (h_a > 0)")],
        [("relu_mask_on_wrong_layer", ("grad_h_s",))],
    ),
    "tanh of h_a": (
        TANH,
        {"hidden_activation": "tanh"},
        [("(1 - h_s**2)", "(1 - h_a**2)")],
        [("activation_derivative_of_wrong_argument", HIDDEN)],
    ),
    "tanh' of h_s": (
        TANH,
        {"hidden_activation": "tanh"},
        [("(1 - h_s**2)", "(1 - np.tanh(h_s)**2)")],
        [("activation_derivative_of_wrong_argument", HIDDEN)],
    ),
    "tanh, none": (
        TANH,
        {"hidden_activation": "tanh"},
        [(" * (1 - h_s**2)", "")],
        [("activation_derivative_missing", HIDDEN)],
    ),
    "tanh for its derivative": (
        TANH,
        {"hidden_activation": "tanh"},
        [("(1 - h_s**2)", "h_s")],
        [("activation_for_derivative", HIDDEN)],
    ),
    "sigmoid of h_a": (
        SIGMOID,
        {"hidden_activation": "sigmoid"},
        [("h_s * (1 - h_s)", "h_a * (1 - h_a)")],
        [("activation_derivative_of_wrong_argument", HIDDEN)],
    ),
    "sigmoid, that of tanh": (
        SIGMOID,
        {"hidden_activation": "sigmoid"},
        [("h_s * (1 - h_s)", "(1 - h_s**2)")],
        [("derivative_of_another_activation", HIDDEN)],
    ),
    "tanh, not said": (TANH, {}, [], [("convention", DATA)]),
    "inputs first, not said": (INPUTS_FIRST, {}, [], [("convention", DATA)]),
    "inputs first, not said, no mask": (
        INPUTS_FIRST,
        {},
        [(" * (h_a > 0)", "")],
        [("convention", DATA), ("relu_mask_missing", HIDDEN)],
    ),
    "single, not said": (SINGLE, {}, [], [("convention", DATA)]),
    "labels from 1, said wrongly": (
        BATCH,
        {"first_label": 1},
        [],
        [("one_hot_off_by_one", DATA)],
    ),
    "labels from 1": (
        BATCH,
        {"first_label": 1},
        [("np.eye(m)[y]", "np.eye(m)[(y - 2) % m]")],
        [("one_hot_off_by_one", DATA)],
    ),
    "inputs first, transposed": (
        INPUTS_FIRST,
        {"orientation": "inputs_first"},
        [("X.T @ grad_h_a", "grad_h_a.T @ X")],
        [("transposed", ("grad_W1",))],
    ),
    "inputs first, no one-hot": (
        INPUTS_FIRST,
        {"orientation": "inputs_first"},
        [("(o_s - hot)", "o_s")],
        [("one_hot_missing", DATA)],
    ),
    "inputs first, W2 not transposed": (
        INPUTS_FIRST,
        {"orientation": "inputs_first"},
        [("grad_o_a @ W2.T", "grad_o_a @ W2")],
        [("transposed", HIDDEN)],
    ),
    "= for +=": (
        LOOP,
        {},
        [("grad_W2 += np.outer", "grad_W2 = np.outer")],
        [("last_example_only", ("grad_W2",))],
    ),
    "= for += everywhere": (
        LOOP,
        {},
        [("+=", "=")],
        [("last_example_only", DATA)],
    ),
    "loop, math.exp": (
        LOOP,
        {},
        [("np.exp(o_a - o_a.max())", "np.array([math.exp(o) for o in o_a])")],
        [("softmax_overflow", DATA)],
    ),
    "loop, no mean": (LOOP, {}, [(" / n", "")], [("missing_mean", DATA)]),
    "loop, no mean for biases": (
        LOOP,
        {},
        [("grad_b1 / n", "grad_b1"), ("grad_b2 / n", "grad_b2")],
        [("factor", BIASES)],
    ),
    "loop, a mean for the sum": (
        LOOP,
        {"reduction": "sum"},
        [],
        [("extra_mean", DATA)],
    ),
    "loop, y - 1": (
        LOOP,
        {},
        [("grad_o_a[k]", "grad_o_a[k - 1]")],
        [("one_hot_off_by_one", DATA)],
    ),
    "single, sign": (
        SINGLE,
        {"single_example": True},
        [("return grad_W1", "return -grad_W1")],
        [("sign", ("grad_W1",))],
    ),
    "single, no one-hot": (
        SINGLE,
        {"single_example": True},
        [("grad_o_a[y] -= 1", "pass")],
        [("one_hot_missing", DATA)],
    ),
    "single, no mask": (
        SINGLE,
        {"single_example": True},
        [(" * (h_a > 0)", "")],
        [("relu_mask_missing", HIDDEN)],
    ),
    "single, W1 transposed": (
        SINGLE,
        {"single_example": True},
        [("np.outer(grad_h_a, x)", "np.outer(x, grad_h_a)")],
        [("transposed", ("grad_W1",))],
    ),
    "single, h_a": (
        SINGLE,
        {"single_example": True},
        [("np.outer(grad_o_a, h_s)", "np.outer(grad_o_a, h_a)")],
        [("preactivation_for_activation", ("grad_W2",))],
    ),
    "single, y - 1": (
        SINGLE,
        {"single_example": True},
        [("grad_o_a[y]", "grad_o_a[y - 1]")],
        [("one_hot_off_by_one", DATA)],
    ),
    "nothing works": (
        BATCH,
        {},
        [("    h_a = b1", "    raise KeyError('W1')\n    h_a = b1")],
        [("raises", ("grad_W1", "grad_b1", "grad_W2", "grad_b2"))],
    ),
    "only equal sizes": (
        BATCH,
        {},
        [("    h_a = b1", "    assert len(b1) == len(b2)\n    h_a = b1")],
        [("only_equal_sizes", ("grad_W1", "grad_b1", "grad_W2", "grad_b2"))],
    ),
    "penalty not said": (
        PENALISED,
        {},
        [],
        [("penalty_not_asked", WEIGHTS)],
    ),
}


@pytest.mark.parametrize("name", IN_OTHERS)
def test_a_mistake_in_another_form_is_named(name: str) -> None:
    source, stated, changes, expected = IN_OTHERS[name]
    same(check_backward(written(source, *changes), **stated), expected)


RIGHT: dict[str, tuple[str, dict[str, Any], list[tuple[str, str]]]] = {
    "batch": (BATCH, {}, []),
    "all": (ALL, {}, []),
    "all, intermediates of the sum": (
        ALL,
        {},
        [
            ("(o_s - hot) / n", "o_s - hot"),
            (
                "grad_W2=grad_W2, grad_b2=grad_b2",
                "grad_W2=grad_W2 / n, grad_b2=grad_b2 / n",
            ),
            ("grad_W1=grad_W1", "grad_W1=grad_W1 / n"),
            ("grad_b1=grad_b1", "grad_b1=grad_b1 / n"),
        ],
    ),
    "penalised": (PENALISED, STRENGTHS, []),
    "tanh": (TANH, {"hidden_activation": "tanh"}, []),
    "sigmoid": (SIGMOID, {"hidden_activation": "sigmoid"}, []),
    "inputs first": (INPUTS_FIRST, {"orientation": "inputs_first"}, []),
    "loop": (LOOP, {}, []),
    "sum": (LOOP, {"reduction": "sum"}, [(" / n", "")]),
    "single": (SINGLE, {"single_example": True}, []),
    "labels from 1": (
        BATCH,
        {"first_label": 1},
        [("np.eye(m)[y]", "np.eye(m)[y - 1]")],
    ),
    "float32": (
        BATCH,
        {},
        [
            (
                "h_a = b1 + X @ W1.T",
                "W1, X, W2 = (np.float32(a) for a in (W1, X, W2))\n"
                "    h_a = np.float32(b1) + X @ W1.T",
            )
        ],
    ),
    "float32 inside": (
        BATCH,
        {},
        [("    o_a = b2", "    h_s = np.float64(np.float32(h_s))\n    o_a = b2")],
    ),
    "columns for biases": (BATCH, {}, [("sum(axis=0)", "sum(axis=0, keepdims=True)")]),
    "h_a >= 0": (BATCH, {}, [("(h_a > 0)", "(h_a >= 0)")]),
    "rect' of h_s": (BATCH, {}, [("(h_a > 0)", "(h_s > 0)")]),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_one_is_not_accused(name: str, seed: int) -> None:
    source, stated, changes = RIGHT[name]
    same(check_backward(written(source, *changes), seed=seed, **stated), [])
