"""Parse tokens into an expression, with Python's operator precedence."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from archbuilder.diagnostics.errors import closest_match
from archbuilder.expressions.functions import FUNCTIONS
from archbuilder.expressions.lexer import ExpressionSyntaxError, Token
from archbuilder.expressions.nodes import (
    BinOp,
    Comparison,
    Expression,
    FunctionCall,
    IfExp,
    Index,
    ListComprehension,
    ListExpr,
    Literal,
    Name,
    ShapeCall,
    SliceExpr,
    TensorName,
    UnaryOp,
)
from archbuilder.expressions.shapes import SHAPE_FUNCTIONS
from archbuilder.expressions.template import FunctionSignature

# A level of brackets takes up to 17 frames of the parser, at least one for each level of
# precedence; Python's recursion limit is 1000.
MAX_DEPTH: Final = 32
# Integers of Python have no bound; those of TensorFlow and numpy are int64.
MAX_ABS_VALUE: Final = 2**63
# In the spelling of YAML and in that of Python.
_CONSTANTS: Final[dict[str, bool | None]] = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,
}
_TENSOR_PIECE: Final = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)|[^$]+", re.ASCII)
# More than the grammar uses: `lambda: 1` gets an error at `lambda`, not one about a parameter.
_RESERVED_WORDS: Final = frozenset({"and", "or", "not", "in", "if", "else", "is", "lambda", "for"})
_COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})


def parse_expression(
    tokens: Sequence[Token], functions: Mapping[str, FunctionSignature], depth: int = 0
) -> Expression:
    """Parse the tokens of an expression, which can call the functions of its file.

    The expression is nested `depth` levels deep in another one.

    Raises:
        ExpressionSyntaxError: if they are not an expression.
    """
    return ExpressionParser(tokens, functions, depth).parse()


class ExpressionParser:
    """A recursive descent parser with one method for each level of precedence."""

    multiplication: tuple[str, ...] = ("*", "/", "//", "%")
    """The operators that bind as tightly as a multiplication."""
    tensor_kind = "tensor"
    """The kind of the tokens that are names of tensors."""

    def __init__(
        self,
        tokens: Sequence[Token],
        functions: Mapping[str, FunctionSignature],
        depth: int = 0,
    ) -> None:
        self._tokens = tokens
        self._functions = functions
        self._position = 0
        self._depth = depth

    def parse(self) -> Expression:
        """Parse all tokens.

        Raises:
            ExpressionSyntaxError: if they are not an expression.
        """
        if self._token.kind == "end":
            raise ExpressionSyntaxError("the expression is empty", self._token.start)
        expression = self._conditional()
        if self._token.kind != "end":
            self._raise_unexpected("the expression ends before")
        return expression

    @property
    def _token(self) -> Token:
        return self._tokens[self._position]

    def _accept(self, *texts: str) -> Token | None:
        """Consume the next token if it is one of these signs or keywords."""
        token = self._token
        # Not a token of kind text: the string 'in' is not the operator.
        if token.kind in ("sign", "name") and token.text in texts:
            self._position += 1
            return token
        return None

    def _expect(self, text: str) -> None:
        if self._accept(text) is None:
            self._raise_unexpected(f"expected '{text}', not")

    def _raise_unexpected(self, expectation: str) -> None:
        token = self._token
        token_text = f"'{token.text[:60]}'" if token.kind != "end" else "the end"
        raise ExpressionSyntaxError(
            f"{expectation} {token_text}", token.start, max(len(token.text), 1)
        )

    def _enter_level(self, start: int) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"an expression can be nested at most {MAX_DEPTH} deep"
            raise ExpressionSyntaxError(message, start, code="limit-exceeded")

    def _conditional(self) -> Expression:
        self._enter_level(self._token.start)
        then = self._or()
        if_token = self._accept("if")
        if if_token is not None:
            # As in Python, a conditional in the condition needs brackets, one in `else` does not.
            condition = self._or()
            self._expect("else")
            then = IfExp(condition, then, self._conditional(), if_token.start, 2)
        self._depth -= 1
        return then

    def _left_associative(
        self,
        parse_operand: Callable[[], Expression],
        operators: tuple[str, ...],
        *tighter: tuple[str, ...],
    ) -> Expression:
        """Parse a chain of binary operators; `tighter` are those that bind more tightly."""
        if tighter:
            parse_operand = partial(self._left_associative, parse_operand, *tighter)
        left = parse_operand()
        while (token := self._accept(*operators)) is not None:
            left = BinOp(token.text, left, parse_operand(), token.start, len(token.text))
        return left

    def _or(self) -> Expression:
        return self._left_associative(self._not, ("or",), ("and",))

    def _not(self) -> Expression:
        """Parse a comparison with any number of `not` before it."""
        token = self._accept("not")
        if token is not None:
            self._enter_level(token.start)
            operand = self._not()
            self._depth -= 1
            return UnaryOp("not", operand, token.start, 3)
        first = self._additive()
        rest: list[tuple[str, Expression]] = []
        # Errors point to the first operator of a chain.
        start = length = 0
        while True:
            token = self._token
            sign = token.text
            following = self._tokens[self._position + 1 : self._position + 2]
            # `not` alone is a prefix operator; only after an operand, with `in`, it is a
            # comparison.
            if sign == "not" and following and following[0].text == "in":
                sign = "not in"
                self._position += 2
            elif self._accept(*_COMPARISONS) is None:
                break
            if not rest:
                start, length = token.start, len(token.text)
            rest.append((sign, self._additive()))
        return Comparison(first, tuple(rest), start, length) if rest else first

    def _additive(self) -> Expression:
        return self._left_associative(self._unary, ("+", "-"), self.multiplication)

    def _unary(self) -> Expression:
        """Parse an atom with its indices and its exponent, or one with signs before it."""
        token = self._accept("-", "+")
        if token is not None:
            self._enter_level(token.start)
            operand = self._unary()
            self._depth -= 1
            return UnaryOp(token.text, operand, token.start, 1)
        base = self._atom()
        while (token := self._accept("[", ".")) is not None:
            if token.text == ".":
                base = Index(base, self._key(), token.start, 1)
                continue
            base = self._subscript(base, token)
            self._expect("]")
        token = self._accept("**")
        if token is None:
            return base
        # `**` binds less tightly than a sign on its right, so that `2**-1` works, but more tightly
        # than one on its left: `-2**2` is -4. It is right associative, so that a chain recurses.
        self._enter_level(token.start)
        exponent = self._unary()
        self._depth -= 1
        return BinOp("**", base, exponent, token.start, 2)

    def _key(self) -> Literal:
        """Parse the key after a dot. Keywords are keys, too: a mapping may have any."""
        token = self._token
        if token.kind != "name":
            self._raise_unexpected("expected a key after '.', not")
        self._position += 1
        return Literal(token.text, token.start, len(token.text))

    def _subscript(self, base: Expression, bracket: Token) -> Expression:
        """Parse `first:last` or an index; the bracket before it was accepted."""
        first = None if self._token.text == ":" else self._conditional()
        if self._accept(":") is not None:
            last = None if self._token.text == "]" else self._conditional()
            return SliceExpr(base, first, last, bracket.start, 1)
        # Without a colon, there is an index.
        return base if first is None else Index(base, first, bracket.start, 1)

    def _atom(self) -> Expression:
        token = self._token
        if token.kind == "number":
            self._position += 1
            return Literal(_parse_number(token), token.start, len(token.text))
        if token.kind == "text":
            self._position += 1
            return Literal(token.text[1:-1], token.start, len(token.text))
        if token.kind == "name" and token.text not in _RESERVED_WORDS:
            self._position += 1
            if token.text in _CONSTANTS:
                return Literal(_CONSTANTS[token.text], token.start, len(token.text))
            if self._accept("(") is None:
                return self._name(token)
            return self._function_call(token)
        if self._accept("(") is not None:
            inner = self._conditional()
            if self._token.text == "," and self._token.kind == "sign":
                message = "expected ')', not ','; a list is written [a, b]"
                raise ExpressionSyntaxError(message, self._token.start)
            self._expect(")")
            return inner
        if self._accept("[") is not None:
            return self._list(token)
        self._raise_unexpected("expected a number, a name or '(', not")
        raise ExpressionSyntaxError("", token.start)  # pragma: no cover - the line above raises

    def _name(self, token: Token) -> Expression:
        return Name(token.text, token.start, len(token.text))

    def _function_call(self, name: Token) -> Expression:
        """Parse the arguments of a call, whose name and bracket were accepted."""
        if name.text in SHAPE_FUNCTIONS:
            return self._shape_call(name)
        arguments: list[Expression] = []
        if self._accept(")") is None:
            arguments.append(self._conditional())
            self._remaining_items(arguments, ")")
        return self._make_call(name, tuple(arguments))

    def _make_call(self, name: Token, arguments: tuple[Expression, ...]) -> FunctionCall:
        """Return the call of a function; raise the error of an unknown one, or of its arguments."""
        message = self._check_call(name.text, len(arguments))
        if message is not None:
            raise ExpressionSyntaxError(message, name.start, len(name.text), "expression-error")
        return FunctionCall(name.text, arguments, name.start, len(name.text))

    def _check_call(self, name: str, argument_count: int) -> str | None:
        """Return what is wrong with a call, or None."""
        if name in self._functions:
            arguments = self._functions[name].arguments
            if argument_count == len(arguments):
                return None
            expected = f"{len(arguments)} arguments ({', '.join(arguments) or 'none'})"
            return f"{name} takes {expected}, not {argument_count}"
        if name in FUNCTIONS:
            _, minimum, maximum = FUNCTIONS[name]
            if minimum <= argument_count <= maximum:
                return None
            count_text = f"{minimum}" if minimum == maximum else f"{minimum} to {maximum}"
            return f"{name} takes {count_text} arguments, not {argument_count}"
        function_names = [*self._functions, *FUNCTIONS, *SHAPE_FUNCTIONS]
        near = "len(shape(x))" if name == "rank" else closest_match(name, function_names)
        hint = (
            f"did you mean '{near}'?" if near else f"the functions are: {', '.join(function_names)}"
        )
        return f"there is no function '{name[:60]}'; {hint}"

    def _shape_call(self, function: Token) -> Expression:
        """Parse the name of a tensor in brackets, of which the opening one was accepted."""
        token = self._token
        if token.kind != self.tensor_kind:
            message = f"write the name of a step, as under 'from': {function.text}(previous)"
            raise ExpressionSyntaxError(message, token.start, max(len(token.text), 1))
        self._position += 1
        self._expect(")")
        tensor = _parse_tensor_name(token)
        return ShapeCall(function.text, tensor, function.start, len(function.text))

    def _list(self, bracket: Token) -> Expression:
        """Parse a list or a comprehension, whose opening bracket was accepted."""
        if self._accept("]") is not None:
            return ListExpr((), bracket.start, 1)
        first = self._conditional()
        for_token = self._accept("for")
        if for_token is None:
            items = [first]
            self._remaining_items(items, "]")
            return ListExpr(tuple(items), bracket.start, 1)
        targets = [self._target()]
        while self._accept(",") is not None:
            targets.append(self._target())
        self._expect("in")
        # As in Python, a conditional here needs brackets: `if` begins the condition.
        iterable = self._or()
        condition = None if self._accept("if") is None else self._or()
        if self._token.text == "for" and self._token.kind == "name":
            message = "a list can have only one 'for'; put the inner one into a list of its own"
            raise ExpressionSyntaxError(message, self._token.start, 3)
        self._expect("]")
        return ListComprehension(first, tuple(targets), iterable, condition, for_token.start, 3)

    def _target(self) -> str:
        """Parse a name after `for`."""
        token = self._token
        if token.kind != "name" or token.text in _RESERVED_WORDS or token.text in _CONSTANTS:
            self._raise_unexpected("expected a name after 'for', not")
        self._position += 1
        return token.text

    def _remaining_items(self, items: list[Expression], closing: str) -> None:
        """Parse the items after the first one up to the closing bracket, and add them."""
        while self._accept(closing) is None:
            self._expect(",")
            # A trailing comma.
            if self._accept(closing) is not None:
                break
            items.append(self._conditional())


def _parse_tensor_name(token: Token) -> TensorName:
    """Split the name of a step at the parameters in it: `skip$i.0`."""
    pieces: list[str | Name] = []
    position = 0
    while position < len(token.text):
        start = token.start + position
        match = _TENSOR_PIECE.match(token.text, position)
        if match is None:
            raise ExpressionSyntaxError("'$' is followed by a name", start)
        pieces.append(Name(match[1], start, len(match[0])) if match[1] else match[0])
        position = match.end()
    return TensorName(tuple(pieces), token.start, len(token.text))


def _parse_number(token: Token) -> int | float:
    if token.text.isdigit():
        # 2**63 has 19 digits. `int` would raise a ValueError for more than 4300.
        value = int(token.text) if len(token.text) <= 19 else MAX_ABS_VALUE
        if value >= MAX_ABS_VALUE:
            raise ExpressionSyntaxError(
                "integers must be below 2**63", token.start, len(token.text)
            )
        return value
    number = float(token.text)
    if not math.isfinite(number):
        raise ExpressionSyntaxError("the number is too large", token.start, len(token.text))
    return number
