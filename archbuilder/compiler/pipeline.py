"""The compiler on one page: every stage from text to graph, in order.

Building with Keras comes behind it, in `archbuilder.keras_backend`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archbuilder.compiler.expand import expand
from archbuilder.compiler.ir import Graph
from archbuilder.compiler.parameters import (
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
from archbuilder.files.sandbox import SandboxPath
from archbuilder.language.ast import Document
from archbuilder.language.deferred_values import DeferredValue, ValueEvaluator
from archbuilder.language.import_loader import load_program
from archbuilder.language.modules import Program
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import Tree

DEFAULT_VARIANT: Final = "default"


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a blueprint is wanted with: a variant, and parameters that go before the variant's."""

    variant: str = DEFAULT_VARIANT
    params: tuple[ParameterValue, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedProgram:
    """A program whose names are right, and what is worth a warning in it."""

    program: Program
    warnings: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class ExpansionResult:
    """The graphs of a blueprint by the names of its networks, and what is worth a warning."""

    graphs: Mapping[str, Graph]
    warnings: tuple[Diagnostic, ...]


def read_program(
    file: Path | SandboxPath, limits: Limits, *, allow: Sequence[Path] = ()
) -> CheckedProgram:
    """Text to program: read, decode and follow the imports, then check all names.

    Raises:
        BlueprintError: with every mistake that can be seen; to that end it also expands the
            blueprint with its defaults.
    """
    diagnostics = Diagnostics()
    program = load_program(file, limits, diagnostics, allow=allow)
    if program is None:
        raise BlueprintError(diagnostics)
    check_program(program, diagnostics)
    if diagnostics.error_count:
        _expand_variant(program, BuildOptions(), limits, diagnostics, require_all=False)
        raise BlueprintError(diagnostics)
    return CheckedProgram(program, diagnostics.warnings)


def expand_program(program: Program, options: BuildOptions, limits: Limits) -> ExpansionResult:
    """Program to graphs: parameters get their values, blocks and loops are written out.

    Raises:
        BlueprintError: with every mistake in the choice or in the expansion.
    """
    diagnostics = Diagnostics()
    graphs = _expand_variant(program, options, limits, diagnostics, require_all=True)
    if not graphs and not diagnostics.error_count:
        _report_no_network(program.document, diagnostics)
    diagnostics.raise_errors()
    return ExpansionResult(graphs, diagnostics.warnings)


def expand_every_variant(program: Program, limits: Limits) -> tuple[Diagnostic, ...]:
    """Expand a program with its defaults and with every variant; gives the warnings.

    A blueprint whose parameters have no defaults is expanded with its variants alone.

    Raises:
        BlueprintError: with every mistake in any of them.
    """
    diagnostics = Diagnostics()
    for variant in (DEFAULT_VARIANT, *program.document.variants):
        require_all = variant != DEFAULT_VARIANT
        _expand_variant(
            program, BuildOptions(variant), limits, diagnostics, require_all=require_all
        )
    diagnostics.raise_errors()
    return diagnostics.warnings


def evaluate_section(
    program: Program, value: DeferredValue, options: BuildOptions, limits: Limits
) -> Tree | None:
    """The tree of `data` or `training` with the parameters of a choice put in.

    Raises:
        BlueprintError: with every mistake in the choice or in a formula.
    """
    diagnostics = Diagnostics()
    evaluator = ValueEvaluator(limits, diagnostics)
    params = program.document.params
    explicit = _explicit_values(program.document, options, diagnostics)
    diagnostics.raise_errors()
    values = resolve_parameters(params, explicit, {}, evaluator)
    tree = None if values is None else evaluator.evaluate(value, values)
    diagnostics.raise_errors()
    return tree


def _expand_variant(
    program: Program,
    options: BuildOptions,
    limits: Limits,
    diagnostics: Diagnostics,
    *,
    require_all: bool,
) -> dict[str, Graph]:
    """Expand with a choice; without `whole`, a missing parameter is no mistake."""
    document = program.document
    errors = diagnostics.error_count
    explicit = _explicit_values(document, options, diagnostics)
    if diagnostics.error_count > errors:
        return {}
    missing = [name for name, param in document.params.items() if param.required]
    if any(name not in explicit for name in missing):
        if require_all:
            owner = ParameterOwner(f"the blueprint '{document.name}'", "parameter")
            check_required(document.params, explicit, owner, document.span, diagnostics)
        return {}
    frame = _variant_frame(document, options.variant)
    with diagnostics.within(frame):
        return expand(program, explicit, ValueEvaluator(limits, diagnostics), frame)


def _variant_frame(document: Document, variant: str) -> ExpansionFrame | None:
    """What messages say of the variant that led to a mistake."""
    definition = document.variants.get(variant)
    if definition is None:
        return None
    return ExpansionFrame(f"in variant '{variant}'", definition.span, verb="declared")


def _explicit_values(
    document: Document, options: BuildOptions, diagnostics: Diagnostics
) -> dict[str, Tree]:
    owner = ParameterOwner(f"the blueprint '{document.name}'", "parameter")
    values: list[ParameterValue] = []
    if options.variant != DEFAULT_VARIANT:
        variant = document.variants.get(options.variant)
        if variant is None:
            _report_unknown_variant(document, options.variant, diagnostics)
            return {}
        values = [ParameterValue(name, tree, span) for name, tree, span in variant.values]
    # What is given goes before what the variant says, which goes before the defaults.
    values += options.params
    return check_parameter_values(
        document.params, values, owner, diagnostics, allow_expressions=False
    )


def _report_unknown_variant(document: Document, variant: str, diagnostics: Diagnostics) -> None:
    variants = [DEFAULT_VARIANT, *document.variants]
    suggestion = closest_match(variant, variants)
    diagnostics.error(
        "unknown-variant",
        f"the blueprint '{document.name}' has no variant {quote(variant)}",
        None,
        suggestion=suggestion,
        notes=(f"its variants are: {', '.join(variants)}",),
    )


def _report_no_network(document: Document, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        "missing-key",
        f"the blueprint '{document.name}' has blocks but no network of its own",
        document.span,
        notes=("import its blocks into another file, or give it 'inputs' and 'layers'",),
    )
