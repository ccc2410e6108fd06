"""Parser of the functions of a file, which its expressions can call."""

from __future__ import annotations

from typing import Final

from archbuilder import expressions
from archbuilder.diagnostics.errors import closest_match
from archbuilder.diagnostics.span import Span
from archbuilder.expressions import FileFunctions, FunctionSignature, Template
from archbuilder.expressions.functions import FUNCTIONS
from archbuilder.expressions.shapes import SHAPE_FUNCTIONS
from archbuilder.language.call_graph import find_cycles
from archbuilder.language.parser.declarations import RESERVED_NAMES
from archbuilder.language.parser.fields import FieldReader, quoted
from archbuilder.yaml.nodes import ScalarNode, SequenceNode, Tree

FUNCTION_KEYS: Final = ("args", "value", "description")


def decode_functions(reader: FieldReader, tree: Tree | None) -> FileFunctions:
    """Decode `functions`; one that is not valid is reported and has no value."""
    mapping = reader.expect_mapping(
        tree, "'functions'", expected="a mapping such as {twice: {args: [x], value: $(2 * x)}}"
    )
    signatures: dict[str, FunctionSignature] = {}
    value_trees: dict[str, Tree] = {}
    for entry in mapping or ():
        _check_name(reader, entry.key, entry.key_span, "a function")
        title = f"the function {quoted(entry.key)}"
        body = reader.expect_mapping(entry.value, title)
        fields = reader.fields(body, FUNCTION_KEYS, title)
        reader.expect_text(fields.get("description"), "'description'")
        arguments = _decode_arguments(reader, fields.get("args"), title)
        # Also after an error, so that calls are not reported as unknown.
        signatures[entry.key] = FunctionSignature(entry.key, arguments, entry.key_span)
        if "value" in fields:
            value_trees[entry.key] = fields["value"]
        elif body is not None and not reader.is_misspelled(body, "value", FUNCTION_KEYS):
            reader.diagnostics.error("missing-key", f"{title} has no 'value'", entry.key_span)
    functions = FileFunctions(signatures)
    for name, value in value_trees.items():
        template = _decode_value(reader, functions, signatures[name], value)
        if template is not None:
            functions.values[name] = template
    _remove_recursive_functions(reader, functions)
    return functions


def _check_name(reader: FieldReader, name: str, span: Span, noun: str) -> None:
    if name in RESERVED_NAMES or (noun == "a function" and name in (*FUNCTIONS, *SHAPE_FUNCTIONS)):
        reader.diagnostics.error(
            "invalid-name",
            f"{quoted(name)} is reserved in expressions; choose another name",
            span,
        )
    else:
        reader.check_name(name, span, noun)


def _decode_arguments(reader: FieldReader, tree: Tree | None, title: str) -> tuple[str, ...]:
    if tree is None:
        return ()
    sequence = reader.expect_sequence(tree, f"'args' of {title}", expected="a list of names")
    names: list[str] = []
    for item in (sequence or SequenceNode((), tree.span)).items:
        name = reader.expect_text(item, "an argument")
        if name is None:
            continue
        _check_name(reader, name, item.span, "an argument")
        if name in names:
            reader.diagnostics.error(
                "duplicate-name", f"the argument {quoted(name)} is listed twice", item.span
            )
        names.append(name)
    return tuple(names)


def _decode_value(
    reader: FieldReader, functions: FileFunctions, signature: FunctionSignature, tree: Tree
) -> Template | None:
    """Parse the value of a function; report an error in it and return None."""
    title = f"the function {quoted(signature.name)}"
    has_expression = isinstance(tree, ScalarNode) and "$" in str(tree.value)
    if not isinstance(tree, ScalarNode) or not has_expression:
        reader.report_unexpected(tree, f"'value' of {title}", "an expression such as $(2 * x)")
        return None
    template = expressions.parse(tree, reader.limits, reader.diagnostics, functions)
    if template is None:
        return None
    unknown = [each for each in template.references if each[0] not in signature.arguments]
    for name, start, length in unknown:
        suggestion = closest_match(name, signature.arguments)
        argument_names = ", ".join(signature.arguments) or "none"
        note = f"a function sees its arguments alone, which are: {argument_names}"
        reader.diagnostics.error(
            "unknown-parameter",
            f"{title} has no argument {quoted(name)}",
            template.subspan(start, length),
            suggestion=suggestion,
            notes=() if suggestion else (note,),
        )
    for tensor in template.tensors:
        reader.diagnostics.error(
            "unknown-name",
            f"{title} has no argument for this shape",
            template.subspan(tensor.start, tensor.length),
            notes=(f"pass it where the function is called: {signature.name}(channels(previous))",),
        )
    return None if unknown or template.tensors else template


def _remove_recursive_functions(reader: FieldReader, functions: FileFunctions) -> None:
    """Report functions that call themselves, and remove their values."""
    call_graph = {
        name: {callee: template.subspan(start, length) for callee, start, length in template.calls}
        for name, template in functions.values.items()
    }
    for cycle, span in find_cycles(call_graph):
        reader.diagnostics.error(
            "recursive-definition",
            f"the function '{cycle[0]}' calls itself: {' -> '.join(cycle)}",
            span,
        )
        for name in cycle:
            functions.values.pop(name, None)
