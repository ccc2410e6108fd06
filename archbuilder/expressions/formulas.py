"""Parse formulas, which compute with the tensors of a network.

The grammar is that of expressions, with tensors as its names. Parameters are written as in other
texts, `$name` and `$(...)`; functions are those of `keras.ops`, with arguments by position or name;
`@` is the product of matrices, and brackets take an item for each axis.
"""

from __future__ import annotations

from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.expressions.functions import FUNCTIONS
from archbuilder.expressions.interpolation import (
    make_template,
    parse_reference,
    split_pieces,
    text_offset,
)
from archbuilder.expressions.lexer import ExpressionSyntaxError, Token, tokenize_formula
from archbuilder.expressions.nodes import (
    BinOp,
    EllipsisItem,
    Expression,
    Index,
    KeywordArgument,
    ListComprehension,
    OperationCall,
    SliceExpr,
    SliceRange,
    Subscript,
    SubscriptItem,
    TensorName,
    walk,
)
from archbuilder.expressions.parser import ExpressionParser
from archbuilder.expressions.shapes import SHAPE_FUNCTIONS
from archbuilder.expressions.template import FileFunctions, Template
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import ScalarNode


def parse_formula(
    scalar: ScalarNode, limits: Limits, diagnostics: Diagnostics, functions: FileFunctions
) -> Template | None:
    """Parse a formula into a template of one expression; return None after a syntax error.

    Its constants can call `functions`.
    """
    text, offset = str(scalar.value), text_offset(scalar)
    try:
        root = _FormulaParser(text, limits, functions).parse()
    except ExpressionSyntaxError as error:
        span = scalar.span
        diagnostics.error(
            error.code,
            error.message,
            span if offset is None else span.subspan(offset + error.start, error.length),
        )
        return None
    return make_template((root,), functions, scalar.span, offset)


def reads_tensor(expression: Expression) -> bool:
    """Return whether a part of a formula has tensors in it, or something that only they can do."""
    return any(
        isinstance(node, TensorName | OperationCall | Subscript)
        or (isinstance(node, BinOp) and node.operator == "@")
        for node in walk(expression)
    )


class _FormulaParser(ExpressionParser):
    """The parser of formulas."""

    multiplication = (*ExpressionParser.multiplication, "@")
    tensor_kind = "name"

    def __init__(self, text: str, limits: Limits, functions: FileFunctions) -> None:
        tokens = tokenize_formula(text, limits.expression_tokens)
        super().__init__(tokens, functions.signatures)
        self._text = text
        self._limits = limits
        self._file_functions = functions

    def _atom(self) -> Expression:
        token = self._token
        if token.kind != "reference":
            return super()._atom()
        self._position += 1
        end = token.start + len(token.text)
        return parse_reference(
            self._text, token.start, end, self._limits, self._file_functions, self._depth
        )

    def _name(self, token: Token) -> Expression:
        length = len(token.text)
        end = token.start + length
        pieces = split_pieces(
            self._text, token.start, end, self._limits, self._file_functions, self._depth
        )
        return TensorName(tuple(pieces), token.start, length)

    def _function_call(self, name: Token) -> Expression:
        if name.text in SHAPE_FUNCTIONS:
            return self._shape_call(name)
        arguments: list[Expression] = []
        keywords: list[KeywordArgument] = []
        while self._accept(")") is None:
            if arguments or keywords:
                self._expect(",")
                # A trailing comma.
                if self._accept(")") is not None:
                    break
            keyword = self._keyword()
            if keyword is not None:
                keywords.append(
                    KeywordArgument(
                        keyword.text, self._conditional(), keyword.start, len(keyword.text)
                    )
                )
                continue
            if keywords:
                raise ExpressionSyntaxError(
                    "arguments without a name come before those with one", self._token.start
                )
            arguments.append(self._conditional())
        # What reads no tensor is computed before there is a network, as in `$(...)`.
        is_constant = not keywords and not any(map(reads_tensor, arguments))
        if is_constant and (name.text in FUNCTIONS or name.text in self._functions):
            return self._make_call(name, tuple(arguments))
        return OperationCall(
            name.text, tuple(arguments), tuple(keywords), name.start, len(name.text)
        )

    def _list(self, bracket: Token) -> Expression:
        values = super()._list(bracket)
        if isinstance(values, ListComprehension):
            # Its names would be those of tensors.
            message = "a list in a formula has no 'for'; put it into $([...])"
            raise ExpressionSyntaxError(message, values.start, values.length)
        return values

    def _keyword(self) -> Token | None:
        """Consume a name and `=`; return the name, or None if something else follows."""
        name, following = self._token, self._tokens[self._position + 1 : self._position + 2]
        if name.kind != "name" or not following or following[0].text != "=":
            return None
        self._position += 2
        return name

    def _subscript(self, base: Expression, bracket: Token) -> Expression:
        items = [self._subscript_item()]
        while self._accept(",") is not None and self._token.text != "]":
            items.append(self._subscript_item())
        item = items[0]
        if len(items) == 1 and isinstance(item, SliceRange) and item.step is None:
            return SliceExpr(base, item.first, item.last, bracket.start, 1)
        if len(items) == 1 and not isinstance(item, SliceRange | EllipsisItem):
            return Index(base, item, bracket.start, 1)
        return Subscript(base, tuple(items), bracket.start, 1)

    def _subscript_item(self) -> SubscriptItem:
        """Parse an index, `first:last:step` or `...`."""
        if self._accept("...") is not None:
            return EllipsisItem()
        first = None if self._token.text == ":" else self._conditional()
        if self._accept(":") is None and first is not None:
            return first
        last = None if self._token.text in (":", ",", "]") else self._conditional()
        step = None
        if self._accept(":") is not None and self._token.text not in (",", "]"):
            step = self._conditional()
        return SliceRange(first, last, step)
