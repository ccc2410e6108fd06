"""The compiler on one page: every stage from text to graph, in order.

Building with Keras comes behind it, in `archbuilder.backend`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archbuilder.check import check
from archbuilder.document import Document
from archbuilder.errors import BlueprintError, Diagnostic, Diagnostics, Frame, nearest, shown
from archbuilder.expand import expand
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.loading import load
from archbuilder.params import Given, Owner, check_given, check_required, resolve
from archbuilder.places import Place
from archbuilder.program import Program
from archbuilder.tree import Tree
from archbuilder.values import Evaluator, Value

DEFAULT_VARIANT: Final = "default"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a blueprint is wanted with: a variant, and parameters that go before the variant's."""

    variant: str = DEFAULT_VARIANT
    params: tuple[Given, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """A program whose names are right, and what is worth a warning in it."""

    program: Program
    warnings: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class Expansion:
    """The graphs of a blueprint by the names of its networks, and what is worth a warning."""

    graphs: Mapping[str, Graph]
    warnings: tuple[Diagnostic, ...]


def read_program(file: Path | Place, limits: Limits, *, allow: Sequence[Path] = ()) -> Reading:
    """Text to program: read, decode and follow the imports, then check all names.

    Raises:
        BlueprintError: with every mistake that can be seen; to that end it also expands the
            blueprint with its defaults.
    """
    diagnostics = Diagnostics()
    program = load(file, limits, diagnostics, allow=allow)
    if program is None:
        raise BlueprintError(diagnostics)
    check(program, diagnostics)
    if diagnostics.error_count:
        _expand_with(program, Choice(), limits, diagnostics, whole=False)
        raise BlueprintError(diagnostics)
    return Reading(program, diagnostics.warnings)


def expand_program(program: Program, choice: Choice, limits: Limits) -> Expansion:
    """Program to graphs: parameters get their values, blocks and loops are written out.

    Raises:
        BlueprintError: with every mistake in the choice or in the expansion.
    """
    diagnostics = Diagnostics()
    graphs = _expand_with(program, choice, limits, diagnostics, whole=True)
    if not graphs and not diagnostics.error_count:
        _report_no_network(program.document, diagnostics)
    diagnostics.raise_errors()
    return Expansion(graphs, diagnostics.warnings)


def expand_every_variant(program: Program, limits: Limits) -> tuple[Diagnostic, ...]:
    """Expand a program with its defaults and with every variant; gives the warnings.

    A blueprint whose parameters have no defaults is expanded with its variants alone.

    Raises:
        BlueprintError: with every mistake in any of them.
    """
    diagnostics = Diagnostics()
    for variant in (DEFAULT_VARIANT, *program.document.variants):
        whole = variant != DEFAULT_VARIANT
        _expand_with(program, Choice(variant), limits, diagnostics, whole=whole)
    diagnostics.raise_errors()
    return diagnostics.warnings


def evaluate_section(program: Program, value: Value, choice: Choice, limits: Limits) -> Tree | None:
    """The tree of `data` or `training` with the parameters of a choice put in.

    Raises:
        BlueprintError: with every mistake in the choice or in a formula.
    """
    diagnostics = Diagnostics()
    evaluator = Evaluator(limits, diagnostics)
    params = program.document.params
    given = _given(program.document, choice, diagnostics)
    diagnostics.raise_errors()
    values = resolve(params, given, {}, evaluator)
    tree = None if values is None else evaluator.evaluate(value, values)
    diagnostics.raise_errors()
    return tree


def _expand_with(
    program: Program, choice: Choice, limits: Limits, diagnostics: Diagnostics, *, whole: bool
) -> dict[str, Graph]:
    """Expand with a choice; without `whole`, a missing parameter is no mistake."""
    document = program.document
    errors = diagnostics.error_count
    given = _given(document, choice, diagnostics)
    if diagnostics.error_count > errors:
        return {}
    missing = [name for name, param in document.params.items() if param.required]
    if any(name not in given for name in missing):
        if whole:
            owner = Owner(f"the blueprint '{document.name}'", "parameter")
            check_required(document.params, given, owner, document.span, diagnostics)
        return {}
    frame = _variant_frame(document, choice.variant)
    with diagnostics.inside(frame):
        return expand(program, given, Evaluator(limits, diagnostics), frame)


def _variant_frame(document: Document, variant: str) -> Frame | None:
    """What messages say of the variant that led to a mistake."""
    chosen = document.variants.get(variant)
    if chosen is None:
        return None
    return Frame(f"in variant '{variant}'", chosen.span, verb="declared")


def _given(document: Document, choice: Choice, diagnostics: Diagnostics) -> dict[str, Tree]:
    owner = Owner(f"the blueprint '{document.name}'", "parameter")
    values: list[Given] = []
    if choice.variant != DEFAULT_VARIANT:
        variant = document.variants.get(choice.variant)
        if variant is None:
            _report_variant(document, choice.variant, diagnostics)
            return {}
        values = [Given(name, tree, span) for name, tree, span in variant.values]
    # What is given goes before what the variant says, which goes before the defaults.
    values += choice.params
    return check_given(document.params, values, owner, diagnostics, formulas=False)


def _report_variant(document: Document, variant: str, diagnostics: Diagnostics) -> None:
    known = [DEFAULT_VARIANT, *document.variants]
    suggestion = nearest(variant, known)
    diagnostics.error(
        "unknown-variant",
        f"the blueprint '{document.name}' has no variant {shown(variant)}",
        None,
        suggestion=suggestion,
        notes=(f"its variants are: {', '.join(known)}",),
    )


def _report_no_network(document: Document, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        "missing-key",
        f"the blueprint '{document.name}' has blocks but no network of its own",
        document.span,
        notes=("import its blocks into another file, or give it 'inputs' and 'layers'",),
    )
