"""The numbers of a `Constant`: nested lists of equal lengths, of one dtype, or a file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from archbuilder.compiler.ir import FILE_ARGUMENT, Argument
from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, quote
from archbuilder.files.array_files import ArrayKind, open_array
from archbuilder.formatting import plural
from archbuilder.language.modules import Program
from archbuilder.language.parser.fields import describe_value
from archbuilder.yaml.nodes import ScalarNode, SequenceNode, Tree, is_unknown

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
    value = trees.get("value")
    # A file is read by the expansion alone, and shapes are known with Keras alone.
    if value is None or is_unknown(value):
        return
    try:
        shape = _shape_of(value)
        numbers: list[_Number] = []
        _collect_numbers(value, shape, numbers)
        _check_dtype(numbers, _dtype_name(trees.get("dtype")))
    except _ConstantError as error:
        diagnostics.error(error.code, error.message, error.tree.span, notes=error.notes)


def constant_size(arguments: Iterable[Argument]) -> int:
    """Return the number of values of a `Constant` that passed the check."""
    for argument in arguments:
        if argument.array is not None:
            return argument.array.size
        if argument.name == "value":
            return math.prod(_shape_of(argument.value))
    return 0


def open_constant_file(
    arguments: tuple[Argument, ...], program: Program, diagnostics: Diagnostics
) -> tuple[Argument, ...]:
    """Return the arguments of a `Constant` with the header of its file; report an error in it."""
    dtype = next((each for each in arguments if each.name == "dtype"), None)
    opened: list[Argument] = []
    for argument in arguments:
        tree = argument.value
        if argument.name != FILE_ARGUMENT or not isinstance(tree, ScalarNode):
            opened.append(argument)
            continue
        try:
            array = open_array(program.directory, str(tree.value), tree.span, program.allow_dirs)
        except BlueprintError as error:
            diagnostics.extend(error.diagnostics)
            continue
        opened.append(replace(argument, array=array))
        name = _dtype_name(None if dtype is None else dtype.value)
        if dtype is not None and name is not None and not _can_convert(array.kind, name):
            message = f"the numbers of {quote(array.path_text)} are no values of the dtype {name}"
            diagnostics.error("type-mismatch", message, dtype.value.span)
    return tuple(opened)


def _dtype_name(tree: Tree | None) -> str | None:
    """Return the `dtype` of a `Constant`, or None if it has none."""
    return tree.value if isinstance(tree, ScalarNode) and isinstance(tree.value, str) else None


def _can_convert(kind: ArrayKind, dtype: str) -> bool:
    """Return whether numbers of a kind can be values of a dtype, apart from their range."""
    if "b" in (kind, dtype[0]) and dtype != "bfloat16":
        return kind == "b" and dtype == "bool"
    return kind != "b" and (kind != "f" or dtype not in _INTEGERS)


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
