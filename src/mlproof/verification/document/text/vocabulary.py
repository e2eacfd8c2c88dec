r"""The words and signs that formulas are written with, and what each stands for."""

GREEK = frozenset(
    (
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi "
        "omicron pi rho sigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda "
        "Xi Pi Sigma Upsilon Phi Psi Omega ell hbar imath jmath"
    ).split()
)
# Two shapes of one letter are two letters only to the eye.
VARIANTS = {"varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi"} | {
    "varrho": "rho",
    "varsigma": "sigma",
    "varpi": "pi",
    "varkappa": "kappa",
}
UNICODE = {
    **dict(
        zip(
            "αβγδεζηθικλμνξπρστυφχψω",
            (
                "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu "
                "xi pi rho sigma tau upsilon phi chi psi omega"
            ).split(),
            strict=True,
        )
    ),
    **dict(
        zip(
            "ΓΔΘΛΞΠΣΦΨΩ",
            ("Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega").split(),
            strict=True,
        )
    ),
    "ϵ": "epsilon",
    "ϕ": "phi",
    "ϑ": "theta",
    "ℓ": "ell",
    "σ": "sigma",
}

# What is put on a letter, by its command.  A face that is only a typeface of variables
# in this field, as the calligraphic, is kept: two faces of a letter are two symbols.
ACCENTS = {
    "hat": "hat", "widehat": "hat", "bar": "bar", "overline": "bar",
    "tilde": "tilde", "widetilde": "tilde", "vec": "vec", "dot": "dot", "ddot": "ddot",
    "check": "check", "breve": "breve", "underline": "under",
}  # fmt: skip
FACES = {
    "mathbf": "bf", "boldsymbol": "bf", "bm": "bf", "pmb": "bf", "symbf": "bf",
    "bold": "bf", "mathcal": "cal", "mathscr": "cal", "mathbb": "bb", "mathds": "bb",
    "Bbb": "bb", "mathfrak": "frak", "mathit": "", "mathnormal": "", "bb": "bb",
}  # fmt: skip

# Functions, by every name they go by.
FUNCTIONS = {
    "exp": "exp", "log": "log", "ln": "log", "sqrt": "sqrt", "abs": "abs",
    "sin": "sin", "cos": "cos", "tan": "tan", "sinh": "sinh", "cosh": "cosh",
    "tanh": "tanh", "arctan": "atan", "atan": "atan", "arcsin": "asin",
    "arccos": "acos", "artanh": "atanh", "arctanh": "atanh", "atanh": "atanh",
    "sign": "sign", "sgn": "sign", "signe": "sign",
    "sigmoid": "sigmoid", "sigm": "sigmoid", "logistic": "sigmoid", "expit": "sigmoid",
    "sigmoide": "sigmoid", "sigmoïde": "sigmoid", "logit": "logit",
    "softplus": "softplus", "rect": "rect", "relu": "rect", "ReLU": "rect",
    "RELU": "rect", "Relu": "rect", "ReLu": "rect", "relu6": "", "softmax": "softmax",
    "Softmax": "softmax", "SoftMax": "softmax", "logsumexp": "logsumexp",
    "LogSumExp": "logsumexp", "LSE": "logsumexp", "lse": "logsumexp",
    "onehot": "onehot", "one-hot": "onehot", "one_hot": "onehot", "onehot ": "onehot",
    "diag": "diag", "Diag": "diag", "tr": "trace", "Tr": "trace", "trace": "trace",
    "max": "max", "min": "min", "det": "", "vec": "", "rank": "", "erf": "erf",
    "log1p": "log1p", "expm1": "expm1", "identity": "identity", "id": "identity",
    "heaviside": "", "mean": "mean", "sum": "sum", "dim": "",
}  # fmt: skip
FUNCTIONS = {name: meant for name, meant in FUNCTIONS.items() if meant}
COMMAND_FUNCTIONS = frozenset(
    (
        "exp log ln sin cos tan sinh cosh tanh arctan arcsin arccos max min det dim"
    ).split()
)

BIG = {
    "sum": "sum", "prod": "prod", "bigoplus": "", "max": "max", "min": "min",
    "argmax": "argmax", "argmin": "argmin", "arg max": "argmax", "arg min": "argmin",
    "sup": "", "inf": "", "lim": "",
}  # fmt: skip
BIG = {name: meant for name, meant in BIG.items() if meant}

# Signs between members, by what they are written with.
RELATIONS = {
    "=": "=", r"\neq": "!=", r"\ne": "!=", "<": "<", r"\lt": "<", ">": ">",
    r"\gt": ">", r"\le": "<=", r"\leq": "<=", r"\leqslant": "<=", r"\ge": ">=",
    r"\geq": ">=", r"\geqslant": ">=", r"\in": "in", r"\notin": "notin",
    r"\approx": "approx", r"\simeq": "approx", r"\equiv": "=", r"\propto": "propto",
    r"\sim": "sim", r"\leftarrow": "gets", r"\gets": "gets", r"\coloneqq": ":=",
    r"\triangleq": ":=", r"\doteq": ":=", r"\to": "to", r"\rightarrow": "to",
    r"\longrightarrow": "to", r"\mapsto": "mapsto", r"\subset": "subset",
    r"\subseteq": "subset", r"\ll": "ll", r"\gg": "gg", r"\perp": "perp",
    r"\overset": "", "≠": "!=", "≤": "<=", "≥": ">=", "∈": "in", "←": "gets",
    "≈": "approx", "→": "to", r"\cong": "approx",
}  # fmt: skip
RELATIONS = {name: meant for name, meant in RELATIONS.items() if meant}
# Relations that limit, as names of ``RELATIONS``.
ORDERS = frozenset(("<", ">", "<=", ">=", "!="))
# Between whole statements.
CONNECTIVES = frozenset(
    (
        r"\iff", r"\Leftrightarrow", r"\Longleftrightarrow", r"\Rightarrow",
        r"\implies", r"\Longrightarrow", r"\therefore", r"\Leftarrow", r"\impliedby",
        r"\land", r"\wedge", "⇒", "⇔",
    )
)  # fmt: skip

PRODUCTS = {
    r"\cdot": "dot", "*": "star", r"\times": "times", r"\odot": "odot",
    r"\circ": "odot", r"\ast": "star", r"\otimes": "otimes", "·": "dot", "×": "times",
    "⊙": "odot", r"\bullet": "dot",
}  # fmt: skip

DOTS = {
    "dots": "", "ldots": "", "cdots": "", "dotsc": "", "dotsb": "", "dotsm": "",
    "vdots": "v", "ddots": "d", "hdots": "", "dotso": "",
}  # fmt: skip

MATRICES = frozenset(
    [
        "matrix",
        "pmatrix",
        "bmatrix",
        "Bmatrix",
        "smallmatrix",
        "psmallmatrix",
        "bsmallmatrix",
        "array",
    ]
)
CASES = frozenset(("cases", "dcases", "rcases"))
# Environments that only lay out lines.
LAYOUT = frozenset(
    (
        "aligned align align* alignedat split gather gather* gathered multline "
        "multline* equation equation* eqnarray eqnarray* alignat alignat* flalign "
        "flalign* subequations math displaymath"
    ).split()
)
