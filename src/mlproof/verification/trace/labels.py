"""Where the equations are: the headings of docs/derivation.md."""

_HEADINGS = {
    "Q1.1": "Sigmoid by the hyperbolic tangent",
    "Q1.2": "The logarithm of sigmoid; softplus",
    "Q1.3": "The derivative of sigmoid",
    "Q1.4": "The derivative of tanh",
    "Q1.6": "The derivative of the absolute value",
    "Q1.7": "Rect and its derivative",
    "Q1.8": "The gradient of the squared L2 norm",
    "Q1.9": "The gradient of the L1 norm",
    "Q2.1": "The hidden layer",
    "Q2.2": "The logits",
    "Q2.3": "The class probabilities",
    "Q2.4": "The loss of one example",
    "Q2.5": "The empirical risk and the parameters",
    "Q2.6": "Gradient descent",
    "Q2.7": "The gradient at the logits",
    "Q2.8": "For a batch, and in NumPy",
    "Q2.9": "The gradient of the output layer",
    "Q2.10": "For a batch, and in NumPy",
    "Q2.11": "The gradient at the hidden activations",
    "Q2.12": "For a batch, and in NumPy",
    "Q2.13": "The gradient at the hidden pre-activations",
    "Q2.14": "For a batch, and in NumPy",
    "Q2.15": "The gradient of the hidden layer",
    "Q2.16": "For a batch, and in NumPy",
    "Q2.17": "The gradient at the inputs",
    "Q2.18": "The penalty",
    "D.": "Any depth",
    "L.": "Logistic units",
    "S.": "Sums over examples",
}


def heading(label: str) -> str:
    """The heading that a label stands under, as in 'Q2.18 The penalty'."""
    key = ".".join(label.split(".")[:2])
    if key not in _HEADINGS:
        key = label.split(".")[0] + "."
    return f"{key} {_HEADINGS[key]}"
