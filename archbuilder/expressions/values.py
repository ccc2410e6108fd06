"""Values of expressions: checks of their types, comparison, and conversion to text."""

from __future__ import annotations

from collections.abc import Collection

from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import quote
from archbuilder.plain_data import PlainData


class ExpressionValueError(Exception):
    """An operand or argument of the wrong type or out of range, or a limit that is exceeded.

    It has no location. The evaluator adds that of the expression.
    """

    def __init__(self, message: str, code: Code = "expression-error") -> None:
        super().__init__(message)
        self.code = code


def require_number(value: PlainData, context: str) -> int | float:
    """Return the value if it is a number; booleans are not.

    Raises:
        ExpressionValueError: otherwise.
    """
    # Not `isinstance`: `bool` is a subclass of `int`, and `true + 1` would be 2.
    if type(value) in (int, float):
        return value  # type: ignore[return-value]
    raise ExpressionValueError(f"{context} needs numbers, not {describe(value)}")


def require_integer(value: PlainData, context: str) -> int:
    """Return the value if it is an integer; floats such as 2.0 are not.

    Raises:
        ExpressionValueError: otherwise.
    """
    if type(value) is int:
        return value
    raise ExpressionValueError(f"{context} needs integers, not {describe(value)}")


def require_list(value: PlainData, context: str) -> list[PlainData]:
    """Return the value if it is a list.

    Raises:
        ExpressionValueError: otherwise.
    """
    if isinstance(value, list):
        return value
    raise ExpressionValueError(f"{context} needs a list, not {describe(value)}")


def require_boolean(value: PlainData, context: str) -> bool:
    """Return the value if it is true or false.

    Raises:
        ExpressionValueError: otherwise.
    """
    if isinstance(value, bool):
        return value
    raise ExpressionValueError(f"{context} needs true or false, not {describe(value)}")


def describe(value: PlainData) -> str:
    """Return a value as messages show it: `true`, `the string 'relu'`, `a list`."""
    # As YAML spells it, not as Python does.
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the string {quote(value[:40])}"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return "null" if value is None else str(value)


def to_text(value: PlainData) -> str:
    """Convert a value that is inserted into a string.

    Raises:
        ExpressionValueError: for a list, a mapping or null.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise ExpressionValueError(f"{describe(value)} cannot be inserted into a string")


def items_of(value: PlainData) -> Collection[PlainData]:
    """Return the items of a list or the values of a mapping; a scalar has none."""
    if isinstance(value, list):
        return value
    return value.values() if isinstance(value, dict) else ()


def count_items(value: PlainData, limit: int) -> int:
    """Count the items of a value and of all values in it; return any larger number above `limit`.

    The count stops at `limit` because nested lists may be shared: a small object can stand for
    more items than could be visited.
    """
    stack, count = [value], 0
    while stack and count <= limit:
        items = items_of(stack.pop())
        count += len(items)
        stack += [item for item in items if isinstance(item, list | dict)]
    return count


def is_equal(left: PlainData, right: PlainData) -> bool:
    """Whether two values are equal; unlike in Python, true is not equal to 1."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(is_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            is_equal(value, right[key]) for key, value in left.items()
        )
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def identity(value: PlainData) -> object:
    """Return a hashable object, which is equal for equal values alone; true is not equal to 1."""
    if isinstance(value, list):
        return tuple(map(identity, value))
    if isinstance(value, dict):
        return frozenset((key, identity(item)) for key, item in value.items())
    return (bool, value) if isinstance(value, bool) else value
