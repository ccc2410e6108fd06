"""Limits of evaluations: their operations, and the size of every value."""

from __future__ import annotations

import math
from typing import Final

from archbuilder.expressions.parser import MAX_ABS_VALUE
from archbuilder.expressions.values import ExpressionValueError, count_items, items_of
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData

ITEMS_PER_OPERATION: Final = 10
"""Visiting or creating this many items of a list takes about as long as an operation."""


class TotalBudget:
    """The operations that all evaluations together have left.

    Each evaluation has a limit of its own, but a page of text can have thousands of them, and a
    loop a hundred thousand.
    """

    def __init__(self, limits: Limits) -> None:
        self.maximum = limits.total_operations
        self.remaining_operations = limits.total_operations

    @property
    def is_exhausted(self) -> bool:
        """Whether more operations were charged than there are."""
        return self.remaining_operations < 0

    def charge(self, operations: int) -> None:
        """Charge for operations.

        Raises:
            ExpressionValueError: if there are no more.
        """
        self.remaining_operations -= operations
        if self.is_exhausted:
            message = f"all expressions together need more than {self.maximum:,} operations"
            raise ExpressionValueError(message, "limit-exceeded")


class EvaluationBudget:
    """The operations that an evaluation has left, and the bounds of its values.

    All methods raise an `ExpressionValueError` if a limit is exceeded.

    Attributes:
        remaining_operations: The operations that are left; below 0 after one too many.
    """

    def __init__(self, limits: Limits, total: TotalBudget) -> None:
        self._limits = limits
        self._total = total
        self.remaining_operations = limits.expression_operations

    def charge(self, operations: int) -> None:
        """Charge for operations."""
        self._total.charge(operations)
        self.remaining_operations -= operations
        if self.remaining_operations < 0:
            maximum = self._limits.expression_operations
            message = f"the expression needs more than {maximum} operations"
            raise ExpressionValueError(message, "limit-exceeded")

    def charge_visit(self, value: PlainData) -> None:
        """Charge for a visit of all values within a list or a mapping."""
        maximum = ITEMS_PER_OPERATION * (self.remaining_operations + 1)
        self.charge(count_items(value, maximum) // ITEMS_PER_OPERATION)

    def charge_text(self, text: str) -> str:
        """Charge for the creation of a string, and return it."""
        self.charge(len(text) // ITEMS_PER_OPERATION)
        return text

    def charge_list(self, values: list[PlainData]) -> list[PlainData]:
        """Charge for the creation of a list, and return it; also check its size and its depth."""
        # Level by level, and stopped at the limit: lists can share items, so that every step of a
        # chain b = [a, a], c = [b, b], ... doubles the number of values.
        count = 0
        level: list[PlainData] = [values]
        for _ in range(self._limits.depth):
            count += sum(len(items_of(each)) for each in level)
            if count > self._limits.list_items:
                self._report_items("the list")
            level = [
                item for each in level for item in items_of(each) if isinstance(item, list | dict)
            ]
            if not level:
                self.charge(count // ITEMS_PER_OPERATION)
                return values
        message = f"lists can be nested at most {self._limits.depth} deep"
        raise ExpressionValueError(message, "limit-exceeded")

    def check_range(self, arguments: list[PlainData]) -> None:
        """Check the length of a range before its list is allocated."""
        bounds = [argument for argument in arguments if type(argument) is int]
        # Invalid bounds are reported by `range` itself.
        if len(bounds) < len(arguments) or (len(bounds) == 3 and bounds[2] == 0):
            return
        # Not `len(range(...))`, which raises an OverflowError from 2**63 on.
        start, stop = bounds[:2] if len(bounds) > 1 else (0, bounds[0])
        step = bounds[2] if len(bounds) == 3 else 1
        if (stop - start) // step > self._limits.list_items:
            self._report_items("the result")

    def check_bounds(self, value: PlainData) -> PlainData:
        """Return a value that is within the bounds of its type."""
        # `type` instead of `isinstance`: booleans are not numbers.
        if type(value) is int and not -MAX_ABS_VALUE < value < MAX_ABS_VALUE:
            raise ExpressionValueError("the result is larger than 2**63")
        if type(value) is float and not math.isfinite(value):
            raise ExpressionValueError("the result is not a finite number")
        if isinstance(value, str | list) and len(value) > self._limits.list_items:
            self._report_items("the result")
        return value

    def _report_items(self, title: str) -> None:
        message = f"{title} has more than {self._limits.list_items} items"
        raise ExpressionValueError(message, "limit-exceeded")
