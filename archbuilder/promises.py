"""Holds a blueprint to what it promises of itself under `expect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archbuilder.document import Expectation
from archbuilder.errors import Diagnostics, shown
from archbuilder.pipeline import Choice
from archbuilder.program import Program
from archbuilder.tree import Mapping as MappingTree
from archbuilder.tree import Plain, Span, Tree, plain

if TYPE_CHECKING:
    from archbuilder.backend.analysis import Analysis


def check_promises(program: Program, choice: Choice, analyses: Mapping[str, Analysis]) -> None:
    """Compare the analyses of a blueprint's networks with what the file promises of the variant.

    A blueprint promises nothing of parameters that it did not choose itself.

    Raises:
        BlueprintError: with every promise that is not kept.
    """
    expectation = program.document.expectations.get(choice.variant)
    if expectation is None or choice.params:
        return
    diagnostics = Diagnostics()
    _check_counts(expectation, analyses, diagnostics)
    if expectation.output is not None:
        _check_output(expectation.output, analyses, diagnostics)
    diagnostics.raise_errors()


def _check_counts(
    expectation: Expectation, analyses: Mapping[str, Analysis], diagnostics: Diagnostics
) -> None:
    counts = (
        ("parameters", expectation.parameters, "parameters", "parameters"),
        ("trainable", expectation.trainable, "trainable_parameters", "trainable parameters"),
        ("multiply_adds", expectation.multiply_adds, "multiply_adds", "multiply-adds"),
    )
    for key, promised, attribute, what in counts:
        counted = sum(getattr(analysis, attribute) for analysis in analyses.values())
        if promised is not None and promised != counted:
            diagnostics.error(
                "expectation",
                f"'{expectation.variant}' promises {promised:,} {what}, but has {counted:,}",
                expectation.spans[key],
                label=f"{counted - promised:+,}",
            )


def _check_output(
    promised: Tree, analyses: Mapping[str, Analysis], diagnostics: Diagnostics
) -> None:
    """One shape where there is one output; otherwise shapes by the name of output or network."""
    shapes: dict[str, Plain] = {}
    for network, analysis in analyses.items():
        for output, shape in analysis.outputs.items():
            name = output if len(analyses) == 1 else network
            shapes[name] = [None, *shape]
    if not isinstance(promised, MappingTree):
        if len(shapes) == 1:
            _compare(promised, next(iter(shapes.values())), promised.span, diagnostics)
        else:
            names = ", ".join(shapes)
            message = f"a promise of several outputs is a mapping by their names: {names}"
            diagnostics.error("expectation", message, promised.span)
        return
    for entry in promised:
        if entry.key in shapes:
            _compare(entry.value, shapes[entry.key], entry.value.span, diagnostics)
        else:
            message = f"there is no output {shown(entry.key)}; the outputs are {', '.join(shapes)}"
            diagnostics.error("expectation", message, entry.key_span)


def _compare(promised: Tree, shape: Plain, span: Span, diagnostics: Diagnostics) -> None:
    if plain(promised) != shape:
        diagnostics.error(
            "expectation",
            f"the output is promised to be {_shape(plain(promised))}, but is {_shape(shape)}",
            span,
        )


def _shape(shape: Plain) -> str:
    sizes = shape if isinstance(shape, list) else [shape]
    return "[" + ", ".join("null" if size is None else str(size) for size in sizes) + "]"
