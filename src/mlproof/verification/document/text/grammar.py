r"""From tokens to a tree, by a grammar that refuses what it does not know.

A term is a run of factors, and a factor an atom with its scripts.  A big sign such as a
sum takes the rest of its term: ``\sum_i a_i b_i + c`` is the sum of the products, plus
c.  What a run of factors means, a product or a function at its argument, is not decided
here.
"""

from fractions import Fraction as Rational

from mlproof.verification.document.text.syntax import (
    Bars,
    Beside,
    Big,
    Binary,
    Cases,
    Derivative,
    Dots,
    Factorial,
    Fraction,
    Group,
    Listed,
    Matrix,
    Nabla,
    Name,
    Node,
    Number,
    Related,
    Root,
    Script,
    Signed,
)
from mlproof.verification.document.text.tokens import Token, TokenKind
from mlproof.verification.document.text.vocabulary import (
    ACCENTS,
    BIG,
    CASES,
    COMMAND_FUNCTIONS,
    DOTS,
    FACES,
    GREEK,
    MATRICES,
    PRODUCTS,
    RELATIONS,
    UNICODE,
    VARIANTS,
)

DEEPEST = 60  # brackets within brackets; nobody writes more, and recursion is not free
_CLOSING = {"(": ")", "[": "]", "{": "}", r"\{": r"\}", r"\lbrace": r"\rbrace"} | {
    r"\langle": r"\rangle",
}
_BARS = {"|": "|", r"\lvert": r"\rvert", r"\vert": r"\vert"}
_DOUBLE = {r"\|": r"\|", r"\lVert": r"\rVert", r"\Vert": r"\Vert"}
_OPENING_BARS = _BARS | _DOUBLE
_OTHERWISE = ("otherwise", "sinon", "else", "autrement", "elsewhere", "ailleurs")
_IF = ("if", "si", "for", "pour", "when", "quand", "lorsque", "where")


class NotUnderstood(Exception):
    """A formula says something that is not known here; where, and what."""

    def __init__(self, reason: str, start: int, end: int):
        super().__init__(reason)
        self.reason, self.start, self.end = reason, start, end


def parse(tokens: list[Token]) -> Node:
    """The tree of a formula without a relation at its top.

    Raises
    ------
    NotUnderstood
        If it is not a whole formula, or holds what this grammar does not know.
    """
    parser = _Parser(tokens)
    node = parser.listed()
    parser.expect_end()
    return node


class _Parser:
    def __init__(self, tokens: list[Token]):
        self.tokens, self.at, self.depth = list(tokens), 0, 0
        self.open_bars: list[str] = []  # that closes the innermost open ones
        self.below = 0  # how deep in subscripts

    # What comes next

    @property
    def next(self) -> Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def is_next(self, *texts: str) -> bool:
        token = self.next
        return (
            token is not None
            and token.kind in (TokenKind.SIGN, TokenKind.COMMAND, TokenKind.UNKNOWN)
            and token.text in texts
        )

    def take(self) -> Token:
        token = self.next
        if token is None:
            last = self.tokens[-1] if self.tokens else None
            end = last.end if last else 0
            raise NotUnderstood("it ends too early", last.start if last else 0, end)
        self.at += 1
        return token

    def expect(self, text: str) -> Token:
        token = self.take()
        if token.text != text:
            self.at -= 1
            raise self.refusal(token, f"{text} was expected here")
        return token

    def expect_end(self) -> None:
        if self.next is not None:
            raise self.refusal(self.next)

    def refusal(self, token: Token, why: str = "") -> NotUnderstood:
        why = why or f"{_shown(token)} is not known here"
        return NotUnderstood(why, token.start, token.end)

    # From loose to tight

    def listed(self) -> Node:
        """Several by commas, or one."""
        items = [self.related()]
        while self.is_next(",", ";"):
            self.take()
            if self.next is None or self.next.kind in (TokenKind.ROW, TokenKind.END):
                break  # a comma that only ends a line
            items.append(self.related())
        if len(items) == 1:
            return items[0]
        return Listed(items[0].start, items[-1].end, tuple(items))

    def related(self) -> Node:
        members, relations = [self.sum()], []
        while (token := self.next) is not None and token.text in RELATIONS:
            if token.kind is TokenKind.TEXT:
                break
            self.take()
            relations.append(RELATIONS[token.text])
            members.append(self.sum())
        if not relations:
            return members[0]
        return Related(
            members[0].start, members[-1].end, tuple(members), tuple(relations)
        )

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise NotUnderstood(
                "it is nested too deeply", self.tokens[0].start, self.tokens[-1].end
            )
        node = self.signed_term()
        while self.is_next("+", "-", r"\pm", r"\mp", "−"):
            token = self.take()
            if token.text in (r"\pm", r"\mp"):
                raise self.refusal(token)
            sign = "-" if token.text == "−" else token.text
            if self.dots_next():
                right: Node = self.dots()
            else:
                right = self.signed_term()
            node = Binary(
                node.start, right.end, sign, node, right, (token.start, token.end)
            )
        self.depth -= 1
        return node

    def signed_term(self) -> Node:
        if self.is_next("+", "-", "−"):
            token = self.take()
            body = self.signed_term()
            sign = "-" if token.text == "−" else token.text
            return Signed(token.start, body.end, sign, body)
        return self.term()

    def term(self) -> Node:
        node = self.run()
        while self.is_next(*PRODUCTS, "/"):
            token = self.take()
            sign = PRODUCTS.get(token.text, "/")
            if sign != "/" and self.is_next("-", "+"):
                right: Node = self.signed_term()
            else:
                right = self.run()
            node = self.product(node, sign, right, token)
        return node

    def product(self, left: Node, sign: str, right: Node, token: Token) -> Node:
        at = (token.start, token.end)
        if sign == "/":
            derivative = _derivative(left, right, left.start, right.end)
            if derivative is not None and not derivative.lost:
                return derivative
            # 1/2 x is half of x, but a/b c might mean two things.
            if isinstance(right, Beside):
                first, *rest = right.items
                if _plain_number(left) and isinstance(first, Number):
                    half = Binary(left.start, first.end, "/", left, first, at)
                    return Beside(left.start, right.end, (half, *rest))
        return Binary(left.start, right.end, sign, left, right, at)

    def run(self) -> Node:
        """Factors without a sign between."""
        items: list[Node] = []
        while self.factor_next():
            item = self.factor()
            while self.is_next("!"):
                token = self.take()
                item = Factorial(item.start, token.end, item)
            items.append(item)
        if not items:
            if self.next is not None:
                raise self.refusal(self.next)
            self.take()
        if len(items) == 1:
            return items[0]
        return Beside(items[0].start, items[-1].end, tuple(items))

    def factor_next(self) -> bool:
        token = self.next
        if token is None:
            return False
        if token.kind in (TokenKind.NUMBER, TokenKind.TEXT, TokenKind.BEGIN):
            return True
        if token.text in RELATIONS or token.text in PRODUCTS:
            return False
        if token.kind is TokenKind.LETTER:
            return True
        if token.text in _OPENING_BARS:
            return not (self.open_bars and self.open_bars[-1] == token.text)
        if token.kind is TokenKind.COMMAND:
            closing = (*_CLOSING.values(), *_BARS.values(), *_DOUBLE.values())
            return token.text not in (*closing, r"\pm", r"\mp", r"\mid")
        return token.kind is TokenKind.SIGN and token.text in (
            "(",
            "[",
            "{",
            r"\{",
            "?",
        )

    def factor(self) -> Node:
        """An atom with its scripts."""
        node = self.atom()
        below = above = None
        primes = 0
        while True:
            if self.is_next("_") and below is None:
                self.take()
                self.below += 1
                below = self.argument()
                self.below -= 1
            elif self.is_next("^") and above is None:
                self.take()
                if self.is_next("'", r"\prime"):
                    self.take()
                    primes += 1
                else:
                    above = self.argument()
            elif self.is_next("'", r"\prime"):
                self.take()
                primes += 1
            else:
                break
        if below is None and above is None and not primes:
            return node
        if isinstance(node, Big):  # only a sign so far
            return self.big(node, below, above)
        if isinstance(node, Nabla):
            end = self.tokens[self.at - 1].end
            if above is not None and not _is_count(above):
                raise NotUnderstood("a gradient with this above it", node.start, end)
            order = int(above.value) if isinstance(above, Number) else 1
            return Nabla(node.start, end, below, order)
        end = self.tokens[self.at - 1].end
        if primes and self.below and isinstance(node, Name) and not (below or above):
            return Name(node.start, end, node.text + "'" * primes, node.face)
        return Script(node.start, end, node, below, above, primes)

    def big(self, sign: Big, below: Node | None, above: Node | None) -> Node:
        body: Node | None = None
        if self.factor_next():
            body = self.term()
        end = body.end if body else self.tokens[self.at - 1].end
        return Big(sign.start, end, sign.name, below, above, body)

    def argument(self) -> Node:
        """What stands below or above: one token, or what is in braces."""
        token = self.next
        if token is not None and token.text == "{" and token.kind is TokenKind.SIGN:
            return self.braced()
        if self.is_next("*", "+", "-", r"\ast"):
            token = self.take()
            return Name(token.start, token.end, token.text.lstrip("\\"))
        if token is not None and token.kind is TokenKind.NUMBER and len(token.text) > 1:
            # x^10 is x to the 1, then a 0: LaTeX takes one digit, and its writer ten.
            raise self.refusal(token, "braces are missing around this script")
        return self.atom()

    def braced(self) -> Node:
        """The content of braces; of several scripts a tree may be made in a row."""
        start = self.expect("{")
        if self.is_next("}"):
            raise self.refusal(start, "nothing stands in these braces")
        mark = self.open_bars
        self.open_bars = []
        node = self.script_content()
        self.open_bars = mark
        self.expect("}")
        return node

    def script_content(self) -> Node:
        first = self.next
        after = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None
        lone = after is not None and after.text == "}"
        if lone and self.is_next("*", "+", "-", r"\cdot", r"\ast", "'", r"\prime"):
            token = self.take()
            return Name(token.start, token.end, token.text.lstrip("\\"))
        if first is not None and self.is_next(r"\cdot", ":") and not lone:
            token = self.take()  # a whole row or column: W_{\cdot j}
            rest = self.run()
            dot = Name(token.start, token.end, "cdot")
            items = rest.items if isinstance(rest, Beside) else (rest,)
            return Beside(token.start, rest.end, (dot, *items))
        return self.listed()

    # Atoms

    def atom(self) -> Node:
        token = self.take()
        match token.kind:
            case TokenKind.NUMBER:
                return Number(
                    token.start, token.end, Rational(token.text.replace("\\,", ""))
                )
            case TokenKind.LETTER:
                name = UNICODE.get(token.text, token.text)
                return Name(token.start, token.end, name)
            case TokenKind.TEXT:
                return self.word(token)
            case TokenKind.BEGIN:
                return self.environment(token)
            case TokenKind.COMMAND:
                return self.command(token)
            case TokenKind.SIGN:
                return self.sign(token)
        raise self.refusal(token)

    def word(self, token: Token) -> Node:
        text = token.text.strip()
        if not text or any(c.isspace() for c in text):
            raise self.refusal(token, f"the words “{text}” stand within a formula")
        if text == "d":
            return Name(token.start, token.end, "d")
        if text in BIG and text not in ("max", "min"):
            return self.big_sign(token, BIG[text])
        return Name(token.start, token.end, text, word=True)

    def sign(self, token: Token) -> Node:
        if token.text in _CLOSING:
            return self.group(token)
        if token.text in _OPENING_BARS:
            return self.bars(token)
        if token.text == "?":
            return Name(token.start, token.end, "?")
        raise self.refusal(token)

    def group(self, opening: Token) -> Node:
        if opening.text == "{":
            self.at -= 1
            body = self.braced()
            return Group(opening.start, self.tokens[self.at - 1].end, "", (body,))
        mark, self.open_bars = self.open_bars, []
        items: list[Node] = []
        closing = _CLOSING[opening.text]
        if not self.is_next(closing):
            items.append(self.item())
            while self.is_next(",", ";"):
                self.take()
                items.append(self.item())
        self.open_bars = mark
        last = self.expect(closing)
        bracket = {r"\{": "{", r"\lbrace": "{", r"\langle": "<"}.get(
            opening.text, opening.text
        )
        return Group(opening.start, last.end, bracket, tuple(items))

    def item(self) -> Node:
        if self.dots_next():
            return self.dots()
        return self.related()

    def bars(self, opening: Token) -> Node:
        closing = _OPENING_BARS[opening.text]
        self.open_bars.append(closing)
        body = self.sum()
        last = self.expect(closing)
        self.open_bars.pop()
        return Bars(opening.start, last.end, body, opening.text in _DOUBLE)

    def command(self, token: Token) -> Node:
        name = token.text[1:]
        if name in GREEK or name in VARIANTS:
            return Name(token.start, token.end, VARIANTS.get(name, name))
        if name in ("frac", "dfrac", "tfrac", "cfrac", "nicefrac", "sfrac"):
            return self.fraction(token)
        if name == "sqrt":
            return self.root(token)
        if name in ACCENTS or name in FACES:
            return self.decorated(token, name)
        if name in ("max", "min") and not self.is_next("_"):
            return Name(token.start, token.end, name, word=True)
        if name == "arg":
            inner = self.take()
            if inner.text not in (r"\min", r"\max", "min", "max"):
                raise self.refusal(inner)
            return self.big_sign(token, "arg" + inner.text.lstrip("\\"))
        if name in BIG:
            return self.big_sign(token, BIG[name])
        if name in COMMAND_FUNCTIONS:
            return Name(token.start, token.end, name, word=True)
        if name in DOTS:
            return Dots(token.start, token.end, DOTS[name])
        if name in ("partial", "top", "intercal", "infty", "star"):
            return Name(token.start, token.end, name)
        if name == "nabla":
            return Nabla(token.start, token.end, None)
        if name in ("mathop", "mathrm", "operatorname"):
            return self.decorated(token, name)
        if token.text in _CLOSING:
            return self.group(token)
        if token.text in _OPENING_BARS:
            return self.bars(token)
        if name in ("underbrace", "overbrace"):
            return self.braces_beside(token)
        raise self.refusal(token)

    def big_sign(self, token: Token, name: str) -> Node:
        sign = Big(token.start, token.end, name, None, None, None)
        if self.is_next("_", "^"):
            return sign
        return self.big(sign, None, None)

    def braces_beside(self, token: Token) -> Node:
        body = self.argument()
        while self.is_next("_", "^"):
            self.take()
            self.skipped()
        return Group(token.start, self.tokens[self.at - 1].end, "", (body,))

    def skipped(self) -> None:
        """Pass over a remark, to the brace that closes it."""
        open_braces = 0
        while True:
            token = self.take()
            open_braces += (token.text == "{") - (token.text == "}")
            if open_braces <= 0:
                return

    def fraction(self, token: Token) -> Node:
        above, below = self.one_digit(), self.one_digit()
        end = self.tokens[self.at - 1].end
        derivative = _derivative(above, below, token.start, end)
        return derivative or Fraction(token.start, end, above, below)

    def one_digit(self) -> Node:
        r"""An argument; without braces a number is one digit, as in ``\frac12``."""
        token = self.next
        if token is not None and token.kind is TokenKind.NUMBER and len(token.text) > 1:
            middle = token.start + 1
            first = Token(token.kind, token.text[0], token.start, middle)
            rest = Token(token.kind, token.text[1:], middle, token.end)
            self.tokens[self.at : self.at + 1] = [first, rest]
        return self.argument()

    def root(self, token: Token) -> Node:
        degree = None
        if self.is_next("["):
            self.take()
            degree = self.sum()
            self.expect("]")
        body = self.argument()
        return Root(token.start, self.tokens[self.at - 1].end, body, degree)

    def decorated(self, token: Token, command: str) -> Node:
        """A letter with something on it, or in another face."""
        body = self.argument()
        end = self.tokens[self.at - 1].end
        face = ACCENTS.get(command) or FACES.get(command, "")
        if isinstance(body, Number) and command in FACES:
            return Name(token.start, end, str(body.value), face)
        if isinstance(body, Script) and isinstance(body.base, Name):
            base = self.faced(token, body.base.end, face, body.base)
            return Script(token.start, end, base, body.below, body.above, body.primes)
        if isinstance(body, Beside) and all(isinstance(i, Name) for i in body.items):
            # A word of letters, as in \mathbf{softmax}.
            text = "".join(i.text for i in body.items if isinstance(i, Name))
            return Name(token.start, end, text, face if face == "bb" else "", True)
        if not isinstance(body, Name):
            raise NotUnderstood(f"{token.text} is put on a formula", token.start, end)
        return self.faced(token, end, face, body)

    @staticmethod
    def faced(token: Token, end: int, face: str, body: Name) -> Name:
        faces = " ".join(f for f in (face, body.face) if f)
        return Name(token.start, end, body.text, faces, body.word)

    # Rows

    def environment(self, token: Token) -> Node:
        if token.text in CASES:
            return self.cases(token)
        if token.text in MATRICES:
            return self.matrix(token)
        raise self.refusal(token)

    def matrix(self, token: Token) -> Node:
        if token.text == "array" and self.is_next("{"):
            self.skipped()
        rows = self.rows(token.text)
        end = self.tokens[self.at - 1].end
        if not rows:
            raise NotUnderstood("a matrix without entries", token.start, end)
        return Matrix(token.start, end, tuple(rows))

    def rows(self, name: str) -> list[tuple[Node | None, ...]]:
        mark, self.open_bars = self.open_bars, []
        rows: list[tuple[Node | None, ...]] = []
        row: list[Node | None] = [None]
        while True:
            token = self.next
            if token is None:
                self.take()
            elif token.kind is TokenKind.END and token.text == name:
                self.take()
                break
            elif token.kind is TokenKind.COLUMN:
                self.take()
                row.append(None)
            elif token.kind is TokenKind.ROW:
                self.take()
                rows.append(tuple(row))
                row = [None]
            else:
                if row[-1] is not None:
                    raise self.refusal(token)
                row[-1] = self.dots() if self.dots_next() else self.listed()
        if row != [None]:
            rows.append(tuple(row))
        self.open_bars = mark
        return rows

    def cases(self, token: Token) -> Node:
        mark, self.open_bars = self.open_bars, []
        rows: list[tuple[Node, Node | None]] = []
        while not (self.next and self.next.kind is TokenKind.END):
            value = self.sum()
            self.skip(",", ";")
            rows.append((value, self.condition()))
            if self.next is not None and self.next.kind is TokenKind.ROW:
                self.take()
        self.open_bars = mark
        self.take()
        return Cases(token.start, self.tokens[self.at - 1].end, tuple(rows))

    def condition(self) -> Node | None:
        """When a case holds; None for otherwise."""
        if self.next is not None and self.next.kind is TokenKind.COLUMN:
            self.take()
        while self.next is not None and self.next.kind is TokenKind.TEXT:
            word = self.next.text.strip().strip(",.").lower()
            if word.startswith(_OTHERWISE):
                self.take()
                self.skip(",", ".", ";")
                return None
            if word and word not in _IF:
                break
            self.take()
        condition = self.listed()
        self.skip(",", ".", ";")
        return condition

    def skip(self, *signs: str) -> None:
        while self.is_next(*signs):
            self.take()

    # Dots

    def dots_next(self) -> bool:
        token = self.next
        return (
            token is not None
            and token.kind is TokenKind.COMMAND
            and token.text[1:] in DOTS
        )

    def dots(self) -> Dots:
        token = self.take()
        return Dots(token.start, token.end, DOTS[token.text[1:]])


def _shown(token: Token) -> str:
    if token.kind is TokenKind.BEGIN:
        return rf"\begin{{{token.text}}}"
    if token.kind is TokenKind.END:
        return rf"\end{{{token.text}}}"
    return {"&": "&", "\\\\": r"\\"}.get(token.text, token.text)


def _plain_number(node: Node) -> bool:
    return isinstance(node, Number)


def _derivative(above: Node, below: Node, start: int, end: int) -> Derivative | None:
    """The derivative that a fraction stands for; None if it is only a fraction."""
    variables = _variables(below)
    if variables is None:
        return None
    sign, wrt = variables
    head, rest = _headed(above)
    if head is None or (head[0] != sign and (head[0], sign) != ("partial", "d")):
        quotient = Fraction(start, end, above, below)
        return Derivative(start, end, above, wrt, len(wrt), lost=quotient)
    if head[1] == 1 < len(wrt) and isinstance(below, Beside) and len(below.items) == 2:
        wrt = below.items[1:]  # the layer of W^2 is no order
    if head[1] != len(wrt):
        return None
    return Derivative(start, end, rest, wrt, len(wrt))


def _headed(node: Node) -> tuple[tuple[str, int] | None, Node | None]:
    """The d that a numerator begins with and its order, and what follows."""
    first, rest = node, None
    if isinstance(node, Beside):
        first = node.items[0]
        others = node.items[1:]
        rest = others[0] if len(others) == 1 else None
        if rest is None:
            rest = Beside(others[0].start, others[-1].end, others)
    order = 1
    if isinstance(first, Script) and isinstance(first.above, Number):
        if first.below is not None or first.primes or first.above.value.denominator > 1:
            return None, None
        order, first = int(first.above.value), first.base
    if isinstance(first, Name) and first.text in ("d", "partial") and not first.face:
        return (first.text, order), rest
    return None, None


def _variables(node: Node) -> tuple[str, tuple[Node, ...]] | None:
    """The variables of a denominator such as dx, in a row, and the sign it uses."""
    if isinstance(node, Group) and node.bracket == "" and len(node.items) == 1:
        node = node.items[0]
    if not isinstance(node, Beside) or len(node.items) % 2:
        return None
    found: list[Node] = []
    signs = set()
    for head, variable in zip(node.items[::2], node.items[1::2], strict=True):
        if not isinstance(head, Name) or head.text not in ("d", "partial"):
            return None
        signs.add(head.text)
        # dx^2 is (dx)^2.
        if isinstance(variable, Script) and _is_count(variable.above):
            count = int(variable.above.value)  # type: ignore[union-attr]
            bare: Node = variable.base
            if variable.below is not None:
                bare = Script(
                    variable.start, variable.end, bare, variable.below, None, 0
                )
            found += [bare] * count
            continue
        if isinstance(variable, Group) and len(variable.items) == 1:
            variable = variable.items[0]
        found.append(variable)
    if len(signs) != 1:
        return None
    return signs.pop(), tuple(found)


def _is_count(node: Node | None) -> bool:
    return isinstance(node, Number) and node.value in (2, 3, 4)
