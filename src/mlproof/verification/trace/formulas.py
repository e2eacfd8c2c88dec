"""A line of NumPy as MathML: what is read is what is run.

    h_a = b1 + X @ W1.T             h^a = b^(1) + X W^(1)T
    grad_h_a = grad_h_s * rect_prime(h_a)      fractions, circled dot and rect'

Browsers draw MathML by themselves, without a script or a font of its own.
"""

import ast
import re
from html import escape

# What binds how strongly; a weaker operand of a stronger operator is put in brackets.
SUM, PRODUCT, ATOM = 1, 2, 3

_SCALARS = re.compile(r"eta|input_scale|l\d+")
_UPRIGHT = ("penalty",)


def mathml(name: str, formula: str) -> str:
    """``name = formula`` typeset; a new parameter by an arrow, as an assignment."""
    left, relation = symbol(name), "="
    if name.startswith(("W", "b")) and name.endswith("_new"):
        relation = "←"
    right, _ = _typeset(ast.parse(formula, mode="eval").body)
    return f'<math displaystyle="true">{_row(left, _mo(relation), right)}</math>'


def inline(name: str) -> str:
    """A quantity by itself."""
    return f"<math>{symbol(name)}</math>"


def symbol(name: str) -> str:
    """The derivation's symbol for a name of the code."""
    base = name.removesuffix("_new")
    for prefix, risk in (
        ("grad_penalty_", _upright("penalty")),
        ("grad_lambda_", _sub(_mi("R"), _mi("λ"))),
        ("grad_", _mi("R")),
    ):
        if base.startswith(prefix):
            at = base.removeprefix(prefix)
            below = symbol("X" if at == "x" else at)
            return _fraction(_row(_mo("∂"), risk), _row(_mo("∂"), below))
    if base in _UPRIGHT:
        return _upright(base)
    if found := re.fullmatch(r"([Wb])(\d+)", base):
        return _sup(
            _mi(found[1]), f"<mrow>{_mo('(')}<mn>{found[2]}</mn>{_mo(')')}</mrow>"
        )
    if found := re.fullmatch(r"h(\d*)_([as])", base):
        layer = f"{_mo('(')}<mn>{found[1]}</mn>{_mo(')')}" if found[1] else ""
        return _sup(_mi("h"), f"<mrow>{_mi(found[2])}{layer}</mrow>")
    if found := re.fullmatch(r"o_([as])", base):
        return _sup(_mi("o"), _mi(found[1]))
    if found := re.fullmatch(r"l(\d+)([12])", base):
        return _sub(_mi("λ"), f"<mn>{found[1]}{found[2]}</mn>")
    special = {
        "R_lambda": _sub(_mi("R"), _mi("λ")),
        "eta": _mi("η"),
        "X_given": _sub(_mi("X"), _upright("given")),
        "input_scale": _upright("scale"),
    }
    return special.get(base, _mi(base))


# ---- expressions -------------------------------------------------------------------


def _typeset(node: ast.expr) -> tuple[str, int]:
    """The expression and how strongly it binds."""
    match node:
        case ast.Name(id=name):
            return symbol(name), ATOM
        case ast.Constant(value=value):
            return f"<mn>{escape(str(value))}</mn>", ATOM
        case ast.Attribute(value=inner, attr="T"):
            return _transposed(inner), ATOM
        case ast.Subscript(value=inner):  # w[:, None], a factor for each row
            return _row(_upright("diag"), _bracketed(_typeset(inner)[0])), ATOM
        case ast.BinOp(left=left, op=op, right=right):
            return _operation(left, op, right)
        case ast.Call(func=function, args=arguments):
            return _call(ast.unparse(function), arguments)
    raise NotImplementedError(ast.dump(node))


def _operation(left: ast.expr, op: ast.operator, right: ast.expr) -> tuple[str, int]:
    if isinstance(op, ast.Add | ast.Sub):
        sign = "+" if isinstance(op, ast.Add) else "−"
        after = SUM if isinstance(op, ast.Add) else PRODUCT
        return _row(_at_least(SUM, left), _mo(sign), _at_least(after, right)), SUM
    if isinstance(op, ast.Div) and isinstance(right, ast.Name):  # as 1/n times the rest
        factor = _fraction("<mn>1</mn>", symbol(right.id))
        return _row(factor, _at_least(PRODUCT, left)), PRODUCT
    if isinstance(op, ast.Div):
        return _fraction(_typeset(left)[0], _typeset(right)[0]), PRODUCT
    first, second = _at_least(PRODUCT, left), _at_least(PRODUCT, right)
    if isinstance(op, ast.Mult) and not _is_scalar(left):
        return _row(first, _mo("⊙"), second), PRODUCT
    if isinstance(op, ast.MatMult) and ast.unparse(left) == "w":  # a vector of rows
        first = _transposed(left)
    return _row(first, '<mspace width="0.17em"/>', second), PRODUCT


def _is_scalar(node: ast.expr) -> bool:
    """Whether it multiplies all entries alike; diag(w) does so with those of a row."""
    match node:
        case ast.Constant() | ast.Subscript():
            return True
        case ast.Name(id=name):
            return _SCALARS.fullmatch(name) is not None
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _is_scalar(left) and _is_scalar(right)
    return False


def _call(function: str, arguments: list[ast.expr]) -> tuple[str, int]:
    first = _typeset(arguments[0])[0]
    name = ast.unparse(arguments[0])
    over_rows = f"<munder>{_mo('∑')}{_mi('r')}</munder>"
    match function:
        case "np.sum":
            return _row(over_rows, _of_row(name, first)), PRODUCT
        case "np.mean":
            mean = _fraction("<mn>1</mn>", _mi("n"))
            return _row(mean, over_rows, _of_row(name, first)), PRODUCT
        case "cross_entropy":
            return _LOG_SUM_EXP, SUM
        case "logistic_loss":
            return _SUM_SOFTPLUS, SUM
        case "onehot":
            onehot = _sub(_upright("onehot"), _typeset(arguments[1])[0])
            return _row(onehot, _bracketed(first)), ATOM
        case "risk":
            return _row(_mi("R"), _bracketed(_mi("θ"))), ATOM
        case "l1_norm":
            return _sub(_norm(first), "<mn>1</mn>"), ATOM
        case "squared_norm":
            two = "<mn>2</mn>"
            return f"<msubsup>{_norm(first)}{two}{two}</msubsup>", ATOM
    plain = _upright(function.removesuffix("_prime"))
    if function.endswith("_prime"):
        plain = _sup(plain, _mo("′"))
    return _row(plain, _bracketed(first)), ATOM


def _at_least(strength: int, node: ast.expr) -> str:
    typeset, binds = _typeset(node)
    return typeset if binds >= strength else _bracketed(typeset)


def _transposed(node: ast.expr) -> str:
    typeset, _ = _typeset(node)
    plain = typeset.startswith("<mi>")  # no upper index that the transpose would join
    return _sup(typeset if plain else _bracketed(typeset), _mo("⊤"))


def _of_row(name: str, typeset: str) -> str:
    """Row r of an array, or its entry r."""
    inner = _bracketed(typeset) if name.startswith("grad_") else typeset
    return _sub(inner, _mi("r"))


# ---- elements ----------------------------------------------------------------------


def _mi(text: str) -> str:
    return f"<mi>{escape(text)}</mi>"


def _upright(text: str) -> str:
    return f'<mi mathvariant="normal">{escape(text)}</mi>'


def _mo(text: str) -> str:
    return f"<mo>{escape(text)}</mo>"


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _bracketed(inner: str) -> str:
    return _row(_mo("("), inner, _mo(")"))


def _norm(inner: str) -> str:
    return _row(_mo("‖"), inner, _mo("‖"))


def _sup(base: str, above: str) -> str:
    return f"<msup>{base}{above}</msup>"


def _sub(base: str, below: str) -> str:
    return f"<msub>{base}{below}</msub>"


def _fraction(above: str, below: str) -> str:
    return f"<mfrac>{above}{below}</mfrac>"


def _entry(name: str, index: str) -> str:
    return f"<msubsup>{_mi(name)}{_mi(index)}{_mi('a')}</msubsup>"


# (Q2.4) and (L.4): what the functions of losses.py compute, without their care for
# digits.
_LOG_SUM_EXP = _row(
    _upright("log"),
    f"<munder>{_mo('∑')}{_mi('c')}</munder>",
    _upright("exp"),
    _bracketed(_entry("o", "c")),
    _mo("−"),
    _entry("o", "y"),
)
_SUM_SOFTPLUS = _row(
    f"<munder>{_mo('∑')}{_mi('k')}</munder>",
    _bracketed(
        _row(
            _upright("softplus"),
            _bracketed(_entry("o", "k")),
            _mo("−"),
            _sub(_mi("y"), _mi("k")),
            _entry("o", "k"),
        )
    ),
)
