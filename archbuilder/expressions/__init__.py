"""Parse and evaluate `$name` and `$(expression)` within limits.

Values are numbers, booleans, strings, null and lists. An expression cannot reach attributes,
objects, or functions other than those in `functions.py`.
"""

from __future__ import annotations

from archbuilder.expressions.evaluator import EVALUATION_FAILED, EvaluationFailed, evaluate
from archbuilder.expressions.interpolation import Template, has_expression, parse
from archbuilder.expressions.values import count_items

__all__ = [
    "EVALUATION_FAILED",
    "EvaluationFailed",
    "Template",
    "count_items",
    "evaluate",
    "has_expression",
    "parse",
]
