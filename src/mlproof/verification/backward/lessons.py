"""What to say of each mistake: what was written, what the derivation says, in NumPy.

Q2.1 to Q2.18 are the labels of the derivation.
"""

from mlproof.verification.backward.coefficients import Mistake
from mlproof.verification.backward.problem import Convention

# By code: what yours behaves like; what the derivation says; the line in NumPy.
LESSONS: dict[str, tuple[str, str, str]] = {
    "sign": (
        "has its sign turned round",
        "grad_o_a is o_s - onehot(y), and a step is taken against it (Q2.6, Q2.7)",
        "grad_o_a = {delta}",
    ),
    "factor": (
        "is {factor} times the derivative",
        "{once}, and no other factor does (Q2.5, Q2.7)",
        "grad_o_a = {delta}",
    ),
    "missing_mean": (
        "is n times the derivative, as if the 1/n of the mean were left out",
        "{once} (Q2.5)",
        "grad_o_a = {delta}",
    ),
    "extra_mean": (
        "is 1/n times the derivative, as if a mean were taken too many times",
        "{once} (Q2.5)",
        "grad_o_a = {delta}, and sums from there on",
    ),
    "mean_instead_of_sum": (
        "is averaged over the examples",
        "a bias adds to every example alike, so its gradient is a sum (Q2.9, Q2.15)",
        "grad_b2 = {grad_b2}",
    ),
    "transposed": (
        "is the transpose",
        "a gradient has the shape of its parameter (Q2.10, Q2.16)",
        "grad_W2 = {grad_W2}",
    ),
    "transposed W2": (
        "comes out as if W2 were transposed in grad_h_s",
        "grad_h_s = W2^T grad_o_a, an example a column, and W2 as it is where examples "
        "are rows (Q2.11, Q2.12)",
        "grad_h_s = {grad_h_s}",
    ),
    "transposed W1": (
        "comes out as if W1 were transposed in it",
        "grad_x = W1^T grad_h_a, an example a column, and W1 as it is where examples "
        "are rows (Q2.17)",
        "grad_x = {grad_x}",
    ),
    "reshaped": (
        "has the right numbers in the wrong places, as after reshape instead of .T",
        "grad_W[j, i] belongs to W[j, i] (Q2.9, Q2.15)",
        "grad_W2 = {grad_W2}",
    ),
    "not_summed_over_batch": (
        "still has one entry for each example",
        "the gradient of the risk is added up over the examples (Q2.5, Q2.9)",
        "grad_b2 = {grad_b2}",
    ),
    "summed_over_wrong_axis": (
        "is summed over the units and not over the examples",
        "a bias has one entry for each unit, so the sum runs over the rows (Q2.9)",
        "grad_b2 = {grad_b2}",
    ),
    "zero_block": (
        "has no gradient of the loss in it: not computed, or not stored",
        "every parameter has a derivative here that is not zero (Q2.9, Q2.15)",
        "grad_W1 = {grad_W1}, grad_b1 = {grad_b1}, and all four returned",
    ),
    "blocks_swapped": (
        "are returned in each other's place",
        "the order is that of theta: W1, b1, W2, b2 (Q2.5)",
        "return grad_W1, grad_b1, grad_W2, grad_b2",
    ),
    "not_finite": (
        "holds what is not a finite number",
        "all derivatives are finite here",
        "np.isfinite of each step shows where it begins",
    ),
    "relu_mask_missing": (
        "comes out as if rect'(h_a) were 1: the mask is missing",
        "a unit that is off passes nothing down: grad_h_a = grad_h_s * 1{{h_a > 0}} "
        "(Q2.13)",
        "grad_h_a = grad_h_s * {derivative}",
    ),
    "activation_derivative_missing": (
        "comes out as if the derivative of the activation were 1",
        "grad_h_a is grad_h_s times the derivative at h_a (Q2.13)",
        "grad_h_a = grad_h_s * {derivative}",
    ),
    "relu_mask_inverted": (
        "comes out as if units that are off passed the gradient, and those on did not",
        "rect'(h_a) is 1 where h_a > 0 (Q1.7, Q2.13)",
        "grad_h_a = grad_h_s * {derivative}",
    ),
    "relu_mask_on_wrong_layer": (
        "comes out as if the mask were applied in another place ({detail})",
        "rect stands between h_a and h_s, so its derivative stands between grad_h_s "
        "and grad_h_a and nowhere else (Q2.1, Q2.13)",
        "grad_h_a = grad_h_s * {derivative}",
    ),
    "preactivation_for_activation": (
        "is computed with h_a where h_s belongs",
        "o_a = b2 + W2 h_s, so grad_W2 = grad_o_a h_s^T (Q2.2, Q2.9)",
        "grad_W2 = {grad_W2}",
    ),
    "one_hot_missing": (
        "comes out as if the one-hot vector of the label were left out ({detail})",
        "grad_o_a = o_s - onehot(y) (Q2.7)",
        "{o_s_y} -= 1",
    ),
    "one_hot_off_by_one": (
        "comes out as if the 1 stood beside the class of the label ({detail})",
        "onehot(y) is 1 at class y, and labels begin at {first_label} here (Q2.7)",
        "{o_s_y} -= 1; if yours begin at {other_label}, say first_label={other_label}",
    ),
    "softmax_missing": (
        "comes out as if o_a stood where o_s belongs",
        "grad_o_a = o_s - onehot(y), with probabilities (Q2.3, Q2.7)",
        "o_s = {exp}, divided by {sums}",
    ),
    "softmax_jacobian_diagonal": (
        "has in grad_o_a an entry for the class of the label alone: the Jacobian was "
        "taken for its diagonal, {detail}",
        "every logit changes every probability, so the Jacobian of softmax is full: "
        "grad_o_a = o_s - onehot(y) (Q2.7)",
        "grad_o_a = {delta}",
    ),
    "extra_softmax_derivative": (
        "comes out as if o_s - onehot(y) were multiplied by the derivative of softmax "
        "once more ({detail})",
        "o_s - onehot(y) is the derivative with respect to o_a already (Q2.7)",
        "grad_o_a = {delta}",
    ),
    "softmax_over_wrong_axis": (
        "comes out as if softmax did not run over the classes of each example "
        "({detail})",
        "each example has its own probabilities, which sum to 1 over its classes "
        "(Q2.3)",
        "e / e.{sum}",
    ),
    "softmax_overflow": (
        "cannot be computed once logits are large or far apart: exp overflows, or all "
        "of a row becomes 0",
        "softmax(o_a) = softmax(o_a - c), so the maximum of each row can be taken off "
        "first (Q2.3)",
        "{exp}",
    ),
    "activation_derivative_of_wrong_argument": (
        "comes out as if the derivative of the activation were taken at the wrong "
        "place ({detail})",
        "grad_h_a = grad_h_s times the derivative at h_a, {derivative_is} (Q2.13)",
        "grad_h_a = grad_h_s * {derivative}",
    ),
    "activation_for_derivative": (
        "comes out as if h_s stood where the derivative of the activation belongs",
        "grad_h_a = grad_h_s times the derivative at h_a, {derivative_is} (Q2.13)",
        "grad_h_a = grad_h_s * {derivative}",
    ),
    "preactivation_for_derivative": (
        "comes out as if h_a stood where the derivative of the activation belongs",
        "grad_h_a = grad_h_s times the derivative at h_a, {derivative_is} (Q2.13)",
        "grad_h_a = grad_h_s * {derivative}",
    ),
    "derivative_of_another_activation": (
        "comes out as if the derivative of {detail} stood there",
        "the derivative is that of the activation of the forward pass (Q2.1, Q2.13)",
        "h_s * (1 - h_s) for sigmoid, 1 - h_s**2 for tanh, h_a > 0 for rect",
    ),
    "last_example_only": (
        "is the gradient of the last example alone, as by = where += belongs",
        "the gradient of the risk is added up over the examples (Q2.5)",
        "grad_W1 += np.outer(grad_h_a, x)",
    ),
    "weights_updated_before_use": (
        "is computed with weights that have been updated already",
        "all gradients are taken at the same theta, and then all of it moves (Q2.6)",
        "all four gradients first, then W2 -= eta * grad_W2",
    ),
    "weights_swapped": (
        "is computed with the other layer's weights ({detail})",
        "grad_h_s = W2^T grad_o_a and grad_x = W1^T grad_h_a (Q2.12, Q2.17)",
        "grad_h_s = {grad_h_s}",
    ),
    "penalty_missing": (
        "has no gradient of the penalty{of_part} in it",
        "l1 sign(W) + 2 l2 W is added to the gradient of each W (Q2.18)",
        "grad_W1 += l1 * np.sign(W1) + 2 * l2 * W1",
    ),
    "penalty_factor": (
        "has {factor} times the gradient of the penalty{of_part}",
        "the derivative of l1 |w| is l1 sign(w), and that of l2 w^2 is 2 l2 w (Q2.18)",
        "grad_W1 += l1 * np.sign(W1) + 2 * l2 * W1",
    ),
    "penalty_sign": (
        "has the penalty{of_part} with the wrong sign",
        "the penalty is added to the risk, and so is its gradient (Q2.18)",
        "grad_W1 += l1 * np.sign(W1) + 2 * l2 * W1",
    ),
    "penalty_divided_by_n": (
        "has the penalty{of_part} divided by n",
        "the mean runs over the losses, and the penalty stands outside it (Q2.18)",
        "grad_W1 = {grad_W1} + l1 * np.sign(W1) + 2 * l2 * W1",
    ),
    "penalty_on_bias": (
        "has a penalty in it",
        "only weights are penalised, no biases (Q2.18)",
        "grad_b1 = {grad_b1}",
    ),
    "penalties_swapped": (
        "has the strengths of {detail} in each other's place",
        "layer 1 has l11 ||W1||_1 + l12 ||W1||^2, layer 2 l21 and l22 (Q2.18)",
        "grad_W1 += l11 * np.sign(W1) + 2 * l12 * W1",
    ),
    "penalty_not_asked": (
        "has a penalty in it, where none was stated",
        "the risk alone is the mean of the losses (Q2.5)",
        "check_backward(backward, l1=..., l2=...) if there is to be one",
    ),
    "arguments_changed": (
        "changes its arguments {detail}",
        "a gradient is computed at theta and leaves it as it was (Q2.6)",
        "y = y - 1 and W2 = W2 - ... make new arrays, where y -= 1 and W2 -= do not",
    ),
    "step_returned": (
        "is the parameter after a step, not the gradient",
        "a step is theta - eta grad, and what is asked for is grad (Q2.6)",
        "return grad_W1, grad_b1, grad_W2, grad_b2",
    ),
    "raises": (
        "cannot be computed: {detail}",
        "X is (n, d), W1 (d_h, d), b1 (d_h,), W2 (m, d_h) and b2 (m,) (Q2.5)",
        "grad_h_s = {grad_h_s}",
    ),
    "only_equal_sizes": (
        "can only be computed where sizes coincide: {detail}",
        "n, d, d_h and m may all be different (Q2.5)",
        "grad_h_s = {grad_h_s}, of the shapes (n, m) and (m, d_h)",
    ),
    "unknown": (
        "differs from the derivative in a way that none of the known mistakes explains"
        "{detail}",
        "each line of the pass is in Q2.7 to Q2.17",
        "return a dict with grad_o_a, grad_h_s and grad_h_a too, to see where it "
        "begins",
    ),
}
# Codes that speak of rect, and what they are called for another activation.
FOR_OTHERS = {
    "relu_mask_missing": "activation_derivative_missing",
    "relu_mask_on_wrong_layer": "activation_derivative_of_wrong_argument",
}


# The derivative of each hidden activation, in NumPy and in the derivation.
DERIVATIVES = {
    "rect": ("(h_a > 0)", "which is 1{h_a > 0}"),
    "tanh": ("(1 - h_s**2)", "which is 1 - h_s^2"),
    "sigmoid": ("h_s * (1 - h_s)", "which is h_s (1 - h_s)"),
}


def lesson(mistake: Mistake, names: tuple[str, ...], convention: Convention) -> str:
    """The message of a finding."""
    code, first = mistake.code, convention.first_label
    by_detail = f"{code} {mistake.detail}"
    yours, derivation, line = LESSONS[by_detail if by_detail in LESSONS else code]
    words = {
        "detail": mistake.detail,
        "factor": mistake.times,
        "of_part": f" {mistake.detail}" if mistake.detail else "",
        "first_label": str(first),
        "other_label": str(1 - first),
        **_lines(convention),
    }
    return (
        f"{', '.join(names)}: yours {yours};\n"
        f"  the derivation says {derivation};\n"
        f"  in NumPy: {line}."
    ).format(**words)


def _lines(convention: Convention) -> dict[str, str]:
    """The lines of the pass in NumPy, as they are written in this convention."""
    derivative, derivative_is = DERIVATIVES[convention.activation.name]
    turned = convention.orientation == "inputs_first"
    y = "y" if convention.first_label == 0 else "y - 1"
    lines = {
        "grad_W2": "h_s.T @ grad_o_a" if turned else "grad_o_a.T @ h_s",
        "grad_W1": "X.T @ grad_h_a" if turned else "grad_h_a.T @ X",
        "grad_h_s": "grad_o_a @ W2.T" if turned else "grad_o_a @ W2",
        "grad_x": "grad_h_a @ W1.T" if turned else "grad_h_a @ W1",
        "grad_b1": "grad_h_a.sum(axis=0)",
        "grad_b2": "grad_o_a.sum(axis=0)",
        "o_s_y": f"o_s[np.arange(n), {y}]",
        "exp": "np.exp(o_a - o_a.max(axis=1, keepdims=True))",
        "sum": "sum(axis=1, keepdims=True)",
        "sums": "its row sums",
    }
    if convention.single_example:
        lines = {
            "grad_W2": f"np.outer({'h_s, grad_o_a' if turned else 'grad_o_a, h_s'})",
            "grad_W1": f"np.outer({'x, grad_h_a' if turned else 'grad_h_a, x'})",
            "grad_h_s": "W2 @ grad_o_a" if turned else "W2.T @ grad_o_a",
            "grad_x": "W1 @ grad_h_a" if turned else "W1.T @ grad_h_a",
            "grad_b1": "grad_h_a",
            "grad_b2": "grad_o_a",
            "o_s_y": f"o_s[{y}]",
            "exp": "np.exp(o_a - o_a.max())",
            "sum": "sum()",
            "sums": "its sum",
        }
    mean = convention.reduction == "mean" and not convention.single_example
    once = "the risk is the mean of the losses, so 1/n enters once, in grad_o_a"
    return lines | {
        "delta": "(o_s - onehot) / n" if mean else "o_s - onehot",
        "once": once if mean else "the losses are added up as they are",
        "derivative": derivative,
        "derivative_is": derivative_is,
    }
