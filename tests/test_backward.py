"""check_backward names the mistakes in a backward pass over a batch, and where."""

import pytest
from backwards import (
    BATCH,
    BIASES,
    DATA,
    HIDDEN,
    PENALISED,
    STRENGTHS,
    WEIGHTS,
    Expected,
    same,
    written,
)

from mlproof import check_backward

# What is replaced in the right pass over a batch; what has to be found.
IN_A_BATCH: dict[str, tuple[list[tuple[str, str]], Expected]] = {
    "sign": ([("(o_s - hot) / n", "(hot - o_s) / n")], [("sign", DATA)]),
    "sign of one": (
        [("return grad_W1,", "return -grad_W1,")],
        [("sign", ("grad_W1",))],
    ),
    "no mean": ([("(o_s - hot) / n", "o_s - hot")], [("missing_mean", DATA)]),
    "mean twice": ([("/ n", "/ n**2")], [("extra_mean", DATA)]),
    "two": ([("(o_s - hot) / n", "2 * (o_s - hot) / n")], [("factor", DATA)]),
    "a half of one": (
        [("return grad_W1,", "return grad_W1 / 2,")],
        [("factor", ("grad_W1",))],
    ),
    "1/m": ([("(o_s - hot) / n", "(o_s - hot) / n / m")], [("factor", DATA)]),
    "1/(n - 1)": ([("/ n", "/ (n - 1)")], [("factor", DATA)]),
    "1/m for 1/n": ([("/ n", "/ m")], [("factor", DATA)]),
    "theta after a step": (
        [
            (
                "return grad_W1, grad_b1, grad_W2, grad_b2",
                "return (W1 - 0.1 * grad_W1, b1 - 0.1 * grad_b1,"
                " W2 - 0.1 * grad_W2, b2 - 0.1 * grad_b2)",
            )
        ],
        [("step_returned", DATA)],
    ),
    "pi": (
        [("return grad_W1,", "return np.pi * grad_W1,")],
        [("factor", ("grad_W1",))],
    ),
    "W1 transposed": (
        [("grad_h_a.T @ X", "X.T @ grad_h_a")],
        [("transposed", ("grad_W1",))],
    ),
    "both transposed": (
        [
            ("grad_h_a.T @ X", "X.T @ grad_h_a"),
            ("grad_o_a.T @ h_s", "h_s.T @ grad_o_a"),
        ],
        [("transposed", WEIGHTS)],
    ),
    "reshaped": (
        [("grad_o_a.T @ h_s", "(h_s.T @ grad_o_a).reshape(W2.shape)")],
        [("reshaped", ("grad_W2",))],
    ),
    "biases not summed": (
        [("grad_o_a.sum(axis=0)", "grad_o_a"), ("grad_h_a.sum(axis=0)", "grad_h_a")],
        [("not_summed_over_batch", BIASES)],
    ),
    "bias over the wrong axis": (
        [("grad_o_a.sum(axis=0)", "grad_o_a.sum(axis=1)")],
        [("summed_over_wrong_axis", ("grad_b2",))],
    ),
    "per example": (
        [("grad_o_a.T @ h_s", "n * np.einsum('nk,nj->nkj', grad_o_a, h_s)")],
        [("not_summed_over_batch", ("grad_W2",))],
    ),
    "biases averaged": (
        [("sum(axis=0)", "mean(axis=0)")],
        [("mean_instead_of_sum", BIASES)],
    ),
    "a bias averaged": (
        [("grad_h_a.sum(axis=0)", "grad_h_a.mean(axis=0)")],
        [("mean_instead_of_sum", ("grad_b1",))],
    ),
    "a zero": (
        [("return grad_W1, grad_b1", "return grad_W1, np.zeros_like(b1)")],
        [("zero_block", ("grad_b1",))],
    ),
    "zeros": (
        [("grad_h_s * (h_a > 0)", "grad_h_s * 0")],
        [("zero_block", HIDDEN)],
    ),
    "output layer first": (
        [
            (
                "return grad_W1, grad_b1, grad_W2, grad_b2",
                "return grad_W2, grad_b2, grad_W1, grad_b1",
            )
        ],
        [("blocks_swapped", DATA)],
    ),
    "weights first": (
        [
            (
                "return grad_W1, grad_b1, grad_W2, grad_b2",
                "return grad_W1, grad_W2, grad_b1, grad_b2",
            )
        ],
        [("blocks_swapped", ("grad_W2", "grad_b1"))],
    ),
    "no mask": ([(" * (h_a > 0)", "")], [("relu_mask_missing", HIDDEN)]),
    "mask of h_a <= 0": (
        [("(h_a > 0)", "(h_a <= 0)")],
        [("relu_mask_inverted", HIDDEN)],
    ),
    "no mask for W1": (
        [("grad_h_a.T @ X", "grad_h_s.T @ X")],
        [("relu_mask_missing", ("grad_W1",))],
    ),
    "mask on the output": (
        [("(o_s - hot) / n", "(o_s - hot) / n * (o_a > 0)"), (" * (h_a > 0)", "")],
        [("relu_mask_on_wrong_layer", DATA)],
    ),
    "mask on both": (
        [("(o_s - hot) / n", "(o_s - hot) / n * (o_a > 0)")],
        [("relu_mask_on_wrong_layer", DATA)],
    ),
    "h_a in grad_W2": (
        [("grad_o_a.T @ h_s", "grad_o_a.T @ h_a")],
        [("preactivation_for_activation", ("grad_W2",))],
    ),
    "no one-hot": ([("(o_s - hot)", "o_s")], [("one_hot_missing", DATA)]),
    "y - 1": ([("np.eye(m)[y]", "np.eye(m)[y - 1]")], [("one_hot_off_by_one", DATA)]),
    "y compared with 1..m": (
        [("np.eye(m)[y]", "(y[:, None] == np.arange(1, m + 1))")],
        [("one_hot_off_by_one", DATA)],
    ),
    "y + 1": (
        [("np.eye(m)[y]", "np.eye(m)[(y + 1) % m]")],
        [("one_hot_off_by_one", DATA)],
    ),
    "diagonal": (
        [("(o_s - hot) / n", "(-hot / o_s) * o_s * (1 - o_s) / n")],
        [("softmax_jacobian_diagonal", DATA)],
    ),
    "softmax again": (
        [("(o_s - hot) / n", "(o_s - hot) * o_s * (1 - o_s) / n")],
        [("extra_softmax_derivative", DATA)],
    ),
    "Jacobian again": (
        [
            (
                "grad_o_a = (o_s - hot) / n",
                "g = o_s - hot\n    grad_o_a = o_s / n"
                " * (g - (o_s * g).sum(axis=1, keepdims=True))",
            )
        ],
        [("extra_softmax_derivative", DATA)],
    ),
    "logits": ([("(o_s - hot)", "(o_a - hot)")], [("softmax_missing", DATA)]),
    "softmax over examples": (
        [
            ("o_a.max(axis=1, keepdims=True)", "o_a.max()"),
            ("e.sum(axis=1, keepdims=True)", "e.sum(axis=0)"),
        ],
        [("softmax_over_wrong_axis", DATA)],
    ),
    "exp of large logits": (
        [(" - o_a.max(axis=1, keepdims=True)", "")],
        [("softmax_overflow", DATA)],
    ),
    "h_s for rect'": ([("(h_a > 0)", "h_s")], [("activation_for_derivative", HIDDEN)]),
    "rect' of grad_h_s": (
        [("(h_a > 0)", "(grad_h_s > 0)")],
        [("activation_derivative_of_wrong_argument", HIDDEN)],
    ),
    "W2 updated": (
        [
            (
                "grad_h_s = grad_o_a @ W2",
                "W2 = W2 - 0.1 * grad_W2\n    grad_h_s = grad_o_a @ W2",
            )
        ],
        [("weights_updated_before_use", HIDDEN)],
    ),
    "W2 updated in place": (
        [
            (
                "grad_h_s = grad_o_a @ W2",
                "W2 -= 0.1 * grad_W2\n    grad_h_s = grad_o_a @ W2",
            )
        ],
        [("weights_updated_before_use", HIDDEN)],
    ),
    "arguments changed": (
        [("    return", "    W2 -= 0.1 * grad_W2\n    return")],
        [("arguments_changed", ("grad_W1", "grad_b1", "grad_W2", "grad_b2"))],
    ),
    "W1 for W2": (
        [("grad_o_a @ W2", "grad_o_a @ W1")],
        [("weights_swapped", HIDDEN)],
    ),
    "W2 transposed": (
        [("grad_o_a @ W2", "grad_o_a @ W2.T")],
        [("transposed", HIDDEN)],
    ),
    "not finite": (
        [("return grad_W1,", "return grad_W1 / (0 * W1),")],
        [("not_finite", ("grad_W1",))],
    ),
    "a number changed": (
        [("    return", "    grad_W2[1, 2] += 1e-3\n    return")],
        [("unknown", ("grad_W2",))],
    ),
    "no biases": (
        [("h_a = b1 + X @ W1.T", "h_a = X @ W1.T")],
        [("unknown", DATA)],
    ),
    # ---- two at once
    "no mask and no one-hot": (
        [(" * (h_a > 0)", ""), ("(o_s - hot)", "o_s")],
        [("one_hot_missing", DATA), ("relu_mask_missing", HIDDEN)],
    ),
    "sign and h_a": (
        [("(o_s - hot)", "(hot - o_s)"), ("grad_o_a.T @ h_s", "grad_o_a.T @ h_a")],
        [("preactivation_for_activation", ("grad_W2",)), ("sign", DATA)],
    ),
    "no mean, and a zero": (
        [
            ("(o_s - hot) / n", "o_s - hot"),
            ("return grad_W1, grad_b1", "return grad_W1, 0 * b1"),
        ],
        [
            ("missing_mean", ("grad_W2", "grad_b2", "grad_W1")),
            ("zero_block", ("grad_b1",)),
        ],
    ),
    "transposed and no mask": (
        [("grad_o_a.T @ h_s", "h_s.T @ grad_o_a"), (" * (h_a > 0)", "")],
        [("transposed", ("grad_W2",)), ("relu_mask_missing", HIDDEN)],
    ),
    "sign and no mean": (
        [("(o_s - hot) / n", "hot - o_s")],
        [("missing_mean", DATA), ("sign", DATA)],
    ),
    "bias averaged, the other zero": (
        [
            ("grad_o_a.sum(axis=0)", "grad_o_a.mean(axis=0)"),
            ("return grad_W1, grad_b1", "return grad_W1, 0 * b1"),
        ],
        [("mean_instead_of_sum", ("grad_b2",)), ("zero_block", ("grad_b1",))],
    ),
    "inverted mask and y - 1": (
        [("(h_a > 0)", "(h_a < 0)"), ("np.eye(m)[y]", "np.eye(m)[y - 1]")],
        [("one_hot_off_by_one", DATA), ("relu_mask_inverted", HIDDEN)],
    ),
}
WITH_PENALTY: dict[str, tuple[list[tuple[str, str]], Expected]] = {
    "none": (
        [
            (" + L11 * np.sign(W1) + 2 * L12 * W1", ""),
            (" + L21 * np.sign(W2) + 2 * L22 * W2", ""),
        ],
        [("penalty_missing", WEIGHTS)],
    ),
    "none on W1": (
        [(" + L11 * np.sign(W1) + 2 * L12 * W1", "")],
        [("penalty_missing", ("grad_W1",))],
    ),
    "no l1": (
        [(" + L11 * np.sign(W1)", ""), (" + L21 * np.sign(W2)", "")],
        [("penalty_missing", WEIGHTS)],
    ),
    "without the 2": ([("2 * L", "L")], [("penalty_factor", WEIGHTS)]),
    "minus": (
        [("+ L11 * np.sign(W1) + 2 * L12 * W1", "- L11 * np.sign(W1) - 2 * L12 * W1")],
        [("penalty_sign", ("grad_W1",))],
    ),
    "minus l2": ([("+ 2 * L", "- 2 * L")], [("penalty_sign", WEIGHTS)]),
    "divided by n": (
        [
            (
                "L11 * np.sign(W1) + 2 * L12 * W1",
                "(L11 * np.sign(W1) + 2 * L12 * W1) / n",
            ),
            (
                "L21 * np.sign(W2) + 2 * L22 * W2",
                "(L21 * np.sign(W2) + 2 * L22 * W2) / n",
            ),
        ],
        [("penalty_divided_by_n", WEIGHTS)],
    ),
    "on a bias": (
        [
            (
                "    return",
                "    grad_b1 = grad_b1 + L11 * np.sign(b1) + 2 * L12 * b1\n    return",
            )
        ],
        [("penalty_on_bias", ("grad_b1",))],
    ),
    "on biases": (
        [
            (
                "    return",
                "    grad_b1 = grad_b1 + 2 * L12 * b1\n"
                "    grad_b2 = grad_b2 + 2 * L22 * b2\n    return",
            )
        ],
        [("penalty_on_bias", BIASES)],
    ),
    "l1 for l2": (
        [
            ("L11 * np.sign(W1) + 2 * L12", "L12 * np.sign(W1) + 2 * L11"),
            ("L21 * np.sign(W2) + 2 * L22", "L22 * np.sign(W2) + 2 * L21"),
        ],
        [("penalties_swapped", WEIGHTS)],
    ),
    "layers": (
        [
            ("L11", "L_1"),
            ("L12", "L_2"),
            ("L21", "L11"),
            ("L22", "L12"),
            ("L_1", "L21"),
            ("L_2", "L22"),
        ],
        [("penalties_swapped", WEIGHTS)],
    ),
    "none, and no mask": (
        [
            (" + L11 * np.sign(W1) + 2 * L12 * W1", ""),
            (" + L21 * np.sign(W2) + 2 * L22 * W2", ""),
            (" * (h_a > 0)", ""),
        ],
        [("penalty_missing", WEIGHTS), ("relu_mask_missing", HIDDEN)],
    ),
    "no mean": ([("(o_s - hot) / n", "o_s - hot")], [("missing_mean", DATA)]),
    "sign of the data": ([("(o_s - hot)", "(hot - o_s)")], [("sign", DATA)]),
    "sign of all": (
        [
            (
                "return grad_W1, grad_b1, grad_W2, grad_b2",
                "return -grad_W1, -grad_b1, -grad_W2, -grad_b2",
            )
        ],
        [("sign", DATA)],
    ),
}


@pytest.mark.parametrize("name", IN_A_BATCH)
def test_a_mistake_in_a_batch_is_named(name: str) -> None:
    changes, expected = IN_A_BATCH[name]
    same(check_backward(written(BATCH, *changes)), expected)


@pytest.mark.parametrize("name", WITH_PENALTY)
def test_a_mistake_in_the_penalty_is_named(name: str) -> None:
    changes, expected = WITH_PENALTY[name]
    same(check_backward(written(PENALISED, *changes), **STRENGTHS), expected)
