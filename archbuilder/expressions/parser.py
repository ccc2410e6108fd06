"""Tokens -> expression, by the precedence that Python has."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from archbuilder.errors import nearest
from archbuilder.expressions.functions import FUNCTIONS
from archbuilder.expressions.lexer import SyntaxMistakeError, Token, tokens
from archbuilder.expressions.nodes import (
    Binary,
    Call,
    Choice,
    Comparison,
    Expression,
    Index,
    ListOf,
    Literal,
    Name,
    Slice,
    Unary,
)

DEPTH: Final = 32
LARGEST: Final = 2**63
_CONSTANTS: Final[dict[str, bool | None]] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,
}
_WORDS: Final = frozenset({"and", "or", "not", "in", "if", "else", "is", "lambda", "for"})
_COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})


def parse_expression(text: str, start: int, end: int, maximum_tokens: int) -> Expression:
    """The expression that text[start:end] is.

    Raises:
        SyntaxMistakeError: where it is none.
    """
    return _Parser(tokens(text, start, end, maximum_tokens)).whole()


class _Parser:
    """Reads tokens from left to right; each method reads one level of precedence."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._place = 0
        self._depth = 0

    def whole(self) -> Expression:
        if self._token.kind == "end":
            raise SyntaxMistakeError(
                "there is no expression between the brackets", self._token.start
            )
        expression = self._choice()
        if self._token.kind != "end":
            self._unexpected("the expression ends before")
        return expression

    @property
    def _token(self) -> Token:
        return self._tokens[self._place]

    def _accept(self, *texts: str) -> Token | None:
        token = self._token
        if token.kind in ("sign", "name") and token.text in texts:
            self._place += 1
            return token
        return None

    def _expect(self, text: str) -> None:
        if self._accept(text) is None:
            self._unexpected(f"expected '{text}', not")

    def _unexpected(self, what: str) -> None:
        token = self._token
        told = f"'{token.text[:60]}'" if token.kind != "end" else "the end"
        raise SyntaxMistakeError(f"{what} {told}", token.start, max(len(token.text), 1))

    def _choice(self) -> Expression:
        self._depth += 1
        if self._depth > DEPTH:
            message = f"an expression is nested {DEPTH} deep at most"
            raise SyntaxMistakeError(message, self._token.start, code="limit")
        then = self._or()
        word = self._accept("if")
        if word is not None:
            condition = self._or()
            self._expect("else")
            then = Choice(condition, then, self._choice(), word.start, 2)
        self._depth -= 1
        return then

    def _left(self, below: Callable[[], Expression], *operators: str) -> Expression:
        left = below()
        while (token := self._accept(*operators)) is not None:
            left = Binary(token.text, left, below(), token.start, len(token.text))
        return left

    def _or(self) -> Expression:
        return self._left(self._and, "or")

    def _and(self) -> Expression:
        return self._left(self._not, "and")

    def _not(self) -> Expression:
        token = self._accept("not")
        if token is None:
            return self._comparison()
        self._depth += 1
        if self._depth > DEPTH:
            raise SyntaxMistakeError(f"an expression is nested {DEPTH} deep at most", token.start,
                                code="limit")  # fmt: skip
        operand = self._not()
        self._depth -= 1
        return Unary("not", operand, token.start, 3)

    def _comparison(self) -> Expression:
        first = self._sum()
        rest: list[tuple[str, Expression]] = []
        start = length = 0
        while (operator := self._comparison_operator()) is not None:
            text, token = operator
            if not rest:
                start, length = token.start, len(token.text)
            rest.append((text, self._sum()))
        return Comparison(first, tuple(rest), start, length) if rest else first

    def _comparison_operator(self) -> tuple[str, Token] | None:
        token = self._accept(*_COMPARISONS)
        if token is not None:
            return token.text, token
        following = self._tokens[self._place + 1 : self._place + 2]
        if self._token.text == "not" and following and following[0].text == "in":
            token = self._token
            self._place += 2
            return "not in", token
        return None

    def _sum(self) -> Expression:
        return self._left(self._product, "+", "-")

    def _product(self) -> Expression:
        return self._left(self._signed, "*", "/", "//", "%")

    def _signed(self) -> Expression:
        token = self._accept("-", "+")
        if token is None:
            return self._power()
        self._depth += 1
        if self._depth > DEPTH:
            raise SyntaxMistakeError(f"an expression is nested {DEPTH} deep at most", token.start,
                                code="limit")  # fmt: skip
        operand = self._signed()
        self._depth -= 1
        return Unary(token.text, operand, token.start, 1)

    def _power(self) -> Expression:
        base = self._indexed()
        token = self._accept("**")
        if token is None:
            return base
        return Binary("**", base, self._signed(), token.start, 2)

    def _indexed(self) -> Expression:
        operand = self._atom()
        while (token := self._accept("[")) is not None:
            first = None if self._token.text == ":" else self._choice()
            if self._accept(":") is not None:
                last = None if self._token.text == "]" else self._choice()
                operand = Slice(operand, first, last, token.start, 1)
            elif first is not None:
                operand = Index(operand, first, token.start, 1)
            self._expect("]")
        return operand

    def _atom(self) -> Expression:
        token = self._token
        if token.kind == "number":
            self._place += 1
            return Literal(_number(token), token.start, len(token.text))
        if token.kind == "text":
            self._place += 1
            return Literal(token.text[1:-1], token.start, len(token.text))
        if token.kind == "name" and token.text not in _WORDS:
            self._place += 1
            return self._name(token)
        if self._accept("(") is not None:
            inner = self._choice()
            self._expect(")")
            return inner
        if self._accept("[") is not None:
            items = self._list("]")
            return ListOf(items, token.start, 1)
        self._unexpected("expected a number, a name or '(', not")
        raise SyntaxMistakeError("", token.start)  # pragma: no cover - the line above raises

    def _name(self, token: Token) -> Expression:
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text], token.start, len(token.text))
        if self._accept("(") is None:
            return Name(token.text, token.start, len(token.text))
        if token.text not in FUNCTIONS:
            near = nearest(token.text, FUNCTIONS)
            hint = f"; did you mean '{near}'?" if near else f"; there are {', '.join(FUNCTIONS)}"
            message = f"there is no function '{token.text[:60]}'{hint}"
            raise SyntaxMistakeError(message, token.start, len(token.text), "expression-error")
        return Call(token.text, self._list(")"), token.start, len(token.text))

    def _list(self, closing: str) -> tuple[Expression, ...]:
        items: list[Expression] = []
        while self._accept(closing) is None:
            if items:
                self._expect(",")
                if self._accept(closing) is not None:
                    break
            items.append(self._choice())
        return tuple(items)


def _number(token: Token) -> int | float:
    if token.text.isdigit():
        value = int(token.text) if len(token.text) <= 19 else LARGEST
        if value >= LARGEST:
            raise SyntaxMistakeError("a whole number is below 2**63", token.start, len(token.text))
        return value
    number = float(token.text)
    if not math.isfinite(number):
        raise SyntaxMistakeError("the number is too large", token.start, len(token.text))
    return number
