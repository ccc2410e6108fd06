"""`$name` and `$(expression)`: parsed once, evaluated within bounds.

Knows nothing of layers or YAML. Values are numbers, booleans, texts, null and lists; an expression
reaches no attribute, no object and no function but a few of its own.
"""

from __future__ import annotations

from archbuilder.expressions.evaluator import EVALUATION_FAILED, EvaluationFailed, evaluate
from archbuilder.expressions.interpolation import Template, has_expression, parse

__all__ = [
    "EVALUATION_FAILED",
    "EvaluationFailed",
    "Template",
    "evaluate",
    "has_expression",
    "parse",
]
