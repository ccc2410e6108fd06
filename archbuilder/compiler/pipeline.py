"""The compiler on one page: every stage from text to graph, in order.

The next stage, the Keras model, is in `archbuilder.keras_backend`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archbuilder.compiler.expand import expand
from archbuilder.compiler.expand.block_values import resolve_file_parameters
from archbuilder.compiler.expand.scope import FileScope
from archbuilder.compiler.expand.shapes import OracleFactory
from archbuilder.compiler.ir import Graph
from archbuilder.compiler.parameters import (
    ExplicitValues,
    ParameterOwner,
    ParameterValue,
    check_parameter_values,
    check_required,
    resolve_parameters,
)
from archbuilder.compiler.semantic_check import check_program
from archbuilder.diagnostics.errors import (
    BlueprintError,
    Diagnostic,
    Diagnostics,
    ExpansionFrame,
    closest_match,
    quote,
)
from archbuilder.expressions import OpaqueValue, TotalBudget
from archbuilder.files.sandbox import SandboxPath
from archbuilder.language.ast import DataSize
from archbuilder.language.deferred_values import DeferredValue, ValueEvaluator
from archbuilder.language.document import Document
from archbuilder.language.import_loader import load_program
from archbuilder.language.modules import Program
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import Tree

DEFAULT_VARIANT: Final = "default"


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """A variant, and parameters that take precedence over those of the variant."""

    variant: str = DEFAULT_VARIANT
    params: tuple[ParameterValue, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedProgram:
    """A program that passed the semantic check, and its warnings."""

    program: Program
    warnings: tuple[Diagnostic, ...]
    reads_shapes: bool
    """Whether its expressions read shapes, so that its graphs need Keras."""


@dataclass(frozen=True, slots=True)
class ExpansionResult:
    """The graphs of a blueprint by the names of its networks, and the warnings."""

    graphs: Mapping[str, Graph]
    warnings: tuple[Diagnostic, ...]


def read_program(
    file: Path | SandboxPath, limits: Limits, *, allow_dirs: Sequence[Path] = ()
) -> CheckedProgram:
    """Read a blueprint and its imports, and check all names and constant arguments.

    Raises:
        BlueprintError: with all errors. If there are any, the blueprint is also expanded with its
            defaults, in order to report the errors of the expansion in the same run.
    """
    diagnostics = Diagnostics()
    program = load_program(file, limits, diagnostics, allow_dirs=allow_dirs)
    if program is None:
        raise BlueprintError(diagnostics)
    reads_shapes = check_program(program, limits, diagnostics)
    if diagnostics.error_count:
        # For its errors only. The expansion reports most errors of the check again; `Diagnostics`
        # keeps one of each.
        _expand_variant(program, BuildOptions(), limits, diagnostics, require_all=False)
        raise BlueprintError(diagnostics)
    return CheckedProgram(program, diagnostics.warnings, reads_shapes)


def expand_program(
    program: Program,
    options: BuildOptions,
    limits: Limits,
    make_oracle: OracleFactory | None = None,
) -> ExpansionResult:
    """Expand a program into graphs: bind parameters, inline blocks and unroll loops.

    Without `make_oracle`, the graphs are only for checks: arguments that depend on shapes are
    unknown, and a network whose steps do is left out.

    Raises:
        BlueprintError: with all errors in the options and in the expansion.
    """
    diagnostics = Diagnostics()
    graphs = _expand_variant(
        program, options, limits, diagnostics, require_all=True, make_oracle=make_oracle
    )
    if not program.document.networks and not diagnostics.error_count:
        parts, hint = "blocks", "import its blocks into another file, or add 'inputs' and 'layers'"
        if program.document.objective is not None:
            parts, hint = "an objective", "name the file as the 'objective' of another's 'training'"
        diagnostics.error(
            "missing-key",
            f"the blueprint '{program.document.name}' has {parts} but no network",
            program.document.span,
            notes=(hint,),
        )
    diagnostics.raise_errors()
    return ExpansionResult(graphs, diagnostics.warnings)


def expand_every_variant(
    program: Program, limits: Limits, make_oracle: OracleFactory | None = None
) -> tuple[Diagnostic, ...]:
    """Expand a program with its defaults and with every variant; return the warnings.

    A blueprint with a parameter without a default is expanded with its variants alone. Without
    `make_oracle`, what depends on the shapes of tensors is not checked.

    Raises:
        BlueprintError: with the errors of all variants.
    """
    diagnostics = Diagnostics()
    for variant in (DEFAULT_VARIANT, *program.document.variants):
        # A variant has to give what has no default; without one, this is left to the caller.
        require_all = variant != DEFAULT_VARIANT
        _expand_variant(
            program,
            BuildOptions(variant),
            limits,
            diagnostics,
            require_all=require_all,
            make_oracle=make_oracle,
        )
    diagnostics.raise_errors()
    return diagnostics.warnings


def evaluate_section(
    program: Program, value: DeferredValue, options: BuildOptions, limits: Limits
) -> Tree | None:
    """Evaluate the section `data` or `training` with the parameters of `options`.

    Raises:
        BlueprintError: with all errors in the options and in the expressions.
    """
    diagnostics = Diagnostics()
    evaluator = ValueEvaluator(limits, diagnostics, total=TotalBudget(limits))
    params = program.document.params
    explicit = _explicit_values(program.document, options, diagnostics)
    # With a value missing, its default would be used and could lead to misleading errors.
    diagnostics.raise_errors()
    with diagnostics.within(variant_frame(program.document, options.variant)):
        # No expression can read a block.
        values = resolve_parameters(
            params,
            ExplicitValues(explicit),
            {},
            evaluator,
            lambda _block, _variables: OpaqueValue(),
        )
        tree = None if values is None else evaluator.evaluate(value, values)
    diagnostics.raise_errors()
    return tree


def recipe_scope(program: Program, options: BuildOptions, limits: Limits) -> FileScope | None:
    """Return a blueprint with the values of its parameters, for its section `training`.

    The result is None without this section.

    Raises:
        BlueprintError: with all errors in the options and in the defaults of parameters.
    """
    document = program.document
    if document.training is None and document.objective is None:
        return None
    diagnostics = Diagnostics()
    explicit = _explicit_values(document, options, diagnostics)
    diagnostics.raise_errors()
    evaluator = ValueEvaluator(limits, diagnostics, total=TotalBudget(limits))
    file = resolve_file_parameters(program, ExplicitValues(explicit), evaluator)
    diagnostics.raise_errors()
    return file


def sizes_from_data(program: Program, options: BuildOptions) -> dict[str, DataSize]:
    """Return the numbers in the data that parameters without a value stand for, by parameter."""
    document = program.document
    variant = document.variants.get(options.variant)
    explicit = {name for name, _, _ in variant.values} if variant else set()
    explicit |= {each.name for each in options.params}
    return {
        name: param.from_data
        for name, param in document.params.items()
        if param.from_data is not None and name not in explicit
    }


def _expand_variant(
    program: Program,
    options: BuildOptions,
    limits: Limits,
    diagnostics: Diagnostics,
    *,
    require_all: bool,
    make_oracle: OracleFactory | None = None,
) -> dict[str, Graph]:
    """Expand one variant; return no graphs after an error.

    A parameter without a value is an error only with `require_all`; without it, there is simply
    nothing to expand.
    """
    document = program.document
    tracker = diagnostics.track_errors()
    explicit = _explicit_values(document, options, diagnostics)
    if tracker.has_errors():
        return {}
    missing = [name for name, param in document.params.items() if param.required]
    frame = variant_frame(document, options.variant)
    with diagnostics.within(frame):
        if any(name not in explicit for name in missing):
            if require_all:
                owner = ParameterOwner(f"the blueprint '{document.name}'", "parameter")
                check_required(document.params, explicit, owner, document.span, diagnostics)
            return {}
        evaluator = ValueEvaluator(limits, diagnostics, total=TotalBudget(limits))
        return expand(program, explicit, evaluator, frame, make_oracle)


def variant_frame(document: Document, variant: str) -> ExpansionFrame | None:
    """Return the frame that names a variant as the origin of values in messages, if declared."""
    definition = document.variants.get(variant)
    return None if definition is None else ExpansionFrame("variant", variant, definition.span)


def _explicit_values(
    document: Document, options: BuildOptions, diagnostics: Diagnostics
) -> dict[str, Tree]:
    """Return the values of parameters that are not defaults; report an unknown variant."""
    owner = ParameterOwner(f"the blueprint '{document.name}'", "parameter")
    values: list[ParameterValue] = []
    if options.variant != DEFAULT_VARIANT:
        variant = document.variants.get(options.variant)
        if variant is None:
            variants = [DEFAULT_VARIANT, *document.variants]
            diagnostics.error(
                "unknown-variant",
                f"the blueprint '{document.name}' has no variant {quote(options.variant)}",
                None,
                suggestion=closest_match(options.variant, variants),
                notes=(
                    f"its variants are: {', '.join(variants)}"
                    if document.variants
                    else "it has no variants",
                ),
            )
            return {}
        values = [ParameterValue(name, tree, span) for name, tree, span in variant.values]
    # The last value of a name counts, so these take precedence over the variant.
    values += options.params
    return check_parameter_values(
        document.params, values, owner, diagnostics, allow_expressions=False
    )
