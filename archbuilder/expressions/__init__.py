"""Parse and evaluate `$name` and `$(expression)` within limits; parse formulas.

Values are numbers, booleans, strings, null and lists. An expression cannot reach attributes,
objects, or functions other than those in `functions.py` and `shapes.py` and those that its file
declares.
"""

from __future__ import annotations

from archbuilder.expressions.budget import TotalBudget
from archbuilder.expressions.evaluator import EVALUATION_FAILED, EvaluationFailed, evaluate
from archbuilder.expressions.formulas import parse_formula, reads_tensor
from archbuilder.expressions.interpolation import has_expression, parse
from archbuilder.expressions.opaque import OpaqueValue
from archbuilder.expressions.shapes import ShapeLookup
from archbuilder.expressions.template import (
    NO_FUNCTIONS,
    FileFunctions,
    FunctionSignature,
    Template,
)
from archbuilder.expressions.values import ExpressionValueError, count_items

__all__ = [
    "EVALUATION_FAILED",
    "NO_FUNCTIONS",
    "EvaluationFailed",
    "ExpressionValueError",
    "FileFunctions",
    "FunctionSignature",
    "OpaqueValue",
    "ShapeLookup",
    "Template",
    "TotalBudget",
    "count_items",
    "evaluate",
    "has_expression",
    "parse",
    "parse_formula",
    "reads_tensor",
]
