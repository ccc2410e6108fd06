"""Check of the numbers of a `Constant`: nested lists of equal lengths, of one dtype."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from archbuilder.compiler.ir import Argument
from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import Diagnostics, quote
from archbuilder.formatting import plural
from archbuilder.language.parser.fields import describe_value
from archbuilder.yaml.nodes import ScalarNode, SequenceNode, Tree

CONSTANT: Final = "Constant"
"""The layer whose arguments are checked here."""
_MAX_RANK: Final = 15
"""As many axes as the `shape` of a `Parameter` may have."""
_INTEGERS: Final = {
    f"{prefix}int{bits}": (0, 2**bits - 1) if prefix else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for prefix in ("", "u")
    for bits in (8, 16, 32, 64)
}
_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    **_INTEGERS,
    "float16": (-65_504.0, 65_504.0),
    "bfloat16": (-3.3895e38, 3.3895e38),
    "float32": (-3.4028235e38, 3.4028235e38),
}
"""The smallest and the largest value of each dtype; float64 has all numbers of a blueprint."""

_Number: TypeAlias = tuple[int | float, Tree]
"""A number or boolean, and where it stands."""


class _ConstantError(Exception):
    """A value that does not fit; the message describes what was expected."""

    def __init__(self, code: Code, message: str, tree: Tree, notes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.tree = tree
        self.notes = notes


def check_constant(arguments: Iterable[Argument], diagnostics: Diagnostics) -> None:
    """Report the first value of a `Constant` that is no number or does not fit the others."""
    trees = {argument.name: argument.value for argument in arguments}
    value, dtype = trees.get("value"), trees.get("dtype")
    if value is None:
        return
    dtype_name = dtype.value if isinstance(dtype, ScalarNode) else None
    try:
        shape = _shape_of(value)
        numbers: list[_Number] = []
        _collect_numbers(value, shape, numbers)
        _check_dtype(numbers, dtype_name if isinstance(dtype_name, str) else None)
    except _ConstantError as error:
        diagnostics.error(error.code, error.message, error.tree.span, notes=error.notes)


def constant_size(arguments: Iterable[Argument]) -> int:
    """Return the number of values of a `Constant` that passed the check."""
    value = next((each.value for each in arguments if each.name == "value"), None)
    return 0 if value is None else math.prod(_shape_of(value))


def _shape_of(tree: Tree) -> tuple[int, ...]:
    """Return the lengths of a list, of its first item, and so on."""
    lengths: list[int] = []
    while isinstance(tree, SequenceNode):
        if not tree.items:
            raise _ConstantError("empty-output", "a list of Constant cannot be empty", tree)
        if len(lengths) == _MAX_RANK:
            message = f"a Constant can have at most {_MAX_RANK} axes"
            raise _ConstantError("limit-exceeded", message, tree)
        lengths.append(len(tree.items))
        tree = tree.items[0]
    return tuple(lengths)


def _collect_numbers(tree: Tree, shape: tuple[int, ...], numbers: list[_Number]) -> None:
    """Add the numbers of a tree, which must have this shape, to `numbers` in order."""
    if not shape:
        value = tree.value if isinstance(tree, ScalarNode) else None
        if not isinstance(value, int | float) or not math.isfinite(value):
            suffix = (
                " at this depth, as the first item is" if isinstance(tree, SequenceNode) else ""
            )
            message = f"a Constant needs a number or a boolean{suffix}, not {describe_value(tree)}"
            raise _ConstantError("type-mismatch", message, tree)
        numbers.append((value, tree))
        return
    if not isinstance(tree, SequenceNode):
        message = f"a Constant needs a list of {plural(shape[0], 'item')} here, as the first one is"
        raise _ConstantError("type-mismatch", f"{message}, not {describe_value(tree)}", tree)
    if len(tree.items) != shape[0]:
        message = (
            "the lists of a Constant must have equal lengths: this one has"
            f" {plural(len(tree.items), 'item')}, the first one {shape[0]}"
        )
        raise _ConstantError("length-mismatch", message, tree)
    for item in tree.items:
        _collect_numbers(item, shape[1:], numbers)


def _check_dtype(numbers: list[_Number], dtype: str | None) -> None:
    """Check that all numbers are values of a dtype; None is that of `Constant` without one."""
    has_floats = any(isinstance(value, float) for value, _ in numbers)
    is_boolean = isinstance(numbers[0][0], bool)
    name = dtype or ("bool" if is_boolean else "float32" if has_floats else "int32")
    smallest, largest = _RANGES.get(name, (-math.inf, math.inf))
    for value, tree in numbers:
        if isinstance(value, bool) is not is_boolean:
            message = f"a Constant has either numbers or booleans, not both: {describe_value(tree)}"
            raise _ConstantError("type-mismatch", message, tree)
        if is_boolean is not (name == "bool"):
            message = f"{describe_value(tree)} is not a value of the dtype {name}"
            notes = () if is_boolean else ("write true and false",)
            raise _ConstantError("type-mismatch", message, tree, notes)
        if isinstance(value, float) and name in _INTEGERS:
            message = f"{quote(value)} is not an integer, but the dtype is {name}"
            raise _ConstantError("type-mismatch", message, tree)
        if not smallest <= value <= largest:
            message = f"{quote(value)} is out of the range of the dtype {name}"
            notes = ("write dtype: int64",) if dtype is None and name == "int32" else ()
            raise _ConstantError("out-of-range", message, tree, notes)
