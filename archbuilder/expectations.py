"""Check a blueprint against the counts and output shapes that it states under `expect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archbuilder.compiler.pipeline import BuildOptions
from archbuilder.diagnostics.errors import Diagnostics, quote
from archbuilder.diagnostics.span import Span
from archbuilder.language.modules import Program
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import MappingNode, Tree, to_plain

if TYPE_CHECKING:
    from archbuilder.keras_backend.analysis import Analysis


def check_expectations(
    program: Program, options: BuildOptions, analyses: Mapping[str, Analysis]
) -> None:
    """Compare the analyses of a blueprint's networks with the expectation for the variant.

    Raises:
        BlueprintError: with every expectation that does not hold.
    """
    expectation = program.document.expectations.get(options.variant)
    # Expectations hold for the parameters of the variant, not for those that a user changes.
    if expectation is None or options.params:
        return
    diagnostics = Diagnostics()
    counts = (
        ("parameters", expectation.parameters, "parameters", "parameters"),
        ("trainable", expectation.trainable, "trainable_parameters", "trainable parameters"),
        ("multiply_adds", expectation.multiply_adds, "multiply_adds", "multiply-adds"),
    )
    for key, expected, attribute, description in counts:
        # One number for all networks of the blueprint together.
        actual = sum(getattr(analysis, attribute) for analysis in analyses.values())
        if expected is not None and expected != actual:
            diagnostics.error(
                "expectation-failed",
                f"'{expectation.variant}' should have {expected:,} {description}, but has"
                f" {actual:,}",
                expectation.spans[key],
                label=f"{actual - expected:+,}",
            )
    if expectation.output is not None:
        _check_output(expectation.output, analyses, diagnostics)
    diagnostics.raise_errors()


def _check_output(
    expected: Tree, analyses: Mapping[str, Analysis], diagnostics: Diagnostics
) -> None:
    """Compare output shapes: one shape, or a mapping by the names of outputs or networks.

    Among several networks, one with several outputs has them as `network.output`.
    """
    shapes: dict[str, PlainData] = {}
    for network, analysis in analyses.items():
        for output, shape in analysis.outputs.items():
            if len(analyses) == 1:
                name = output
            else:
                name = network if len(analysis.outputs) == 1 else f"{network}.{output}"
            # Blueprints state shapes with the batch axis, as Keras prints them.
            shapes[name] = [None, *shape]
    if not isinstance(expected, MappingNode):
        if len(shapes) == 1:
            _check_shape(expected, next(iter(shapes.values())), expected.span, diagnostics)
        else:
            names = ", ".join(shapes)
            message = f"several outputs need a mapping from names to shapes: {names}"
            diagnostics.error("expectation-failed", message, expected.span)
        return
    for entry in expected:
        if entry.key in shapes:
            _check_shape(entry.value, shapes[entry.key], entry.value.span, diagnostics)
        else:
            message = f"there is no output {quote(entry.key)}; the outputs are {', '.join(shapes)}"
            diagnostics.error("expectation-failed", message, entry.key_span)


def _check_shape(expected: Tree, shape: PlainData, span: Span, diagnostics: Diagnostics) -> None:
    """Report a shape that differs from the expected one."""
    if to_plain(expected) != shape:
        diagnostics.error(
            "expectation-failed",
            f"the output should be {_format_shape(to_plain(expected))}, but is"
            f" {_format_shape(shape)}",
            span,
        )


def _format_shape(shape: PlainData) -> str:
    sizes = shape if isinstance(shape, list) else [shape]
    return "[" + ", ".join("null" if size is None else str(size) for size in sizes) + "]"
