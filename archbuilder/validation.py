"""Check blueprints with their data and training, without training them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike

from archbuilder.blueprint import Blueprint, BlueprintRequest
from archbuilder.compiler.ir import Graph
from archbuilder.compiler.pipeline import DEFAULT_VARIANT
from archbuilder.diagnostics.errors import BlueprintError, Diagnostic
from archbuilder.files.sandbox import SandboxPath


@dataclass(frozen=True)
class ValidationReport:
    """The errors and warnings of a blueprint."""

    diagnostics: tuple[Diagnostic, ...]
    unchecked: tuple[str, ...] = ()
    """What could not be checked without Keras."""


def validate_blueprint(
    source: str | PathLike[str] | SandboxPath | Blueprint,
    request: BlueprintRequest,
    *,
    shapes: bool,
) -> ValidationReport:
    """Check a blueprint with its data and training.

    All variants are checked, unless the request has a variant or parameters.

    Raises:
        UsageError: if there is no such file or blueprint.
    """
    try:
        blueprint = request.load(source)
        variant = request.select_variant(blueprint)
        all_variants = variant == DEFAULT_VARIANT and request.variant is None and not request.params
        validate = blueprint.validate_with_shapes if shapes else blueprint.validate
        warnings = validate(variant=None if all_variants else variant, **request.params)
    except BlueprintError as error:
        return ValidationReport(error.diagnostics)
    diagnostics = list(warnings)
    unchecked: tuple[str, ...] = ()
    if blueprint.reads_shapes and not shapes:
        unchecked = ("what depends on a shape",)
    for variant_name in (variant, *blueprint.variants) if all_variants else (variant,):
        # Without a recipe, the expansion below would only repeat that of Blueprint.validate.
        if not shapes and not _has_recipe(blueprint, variant_name, request):
            continue
        expand = blueprint.graphs if shapes else blueprint.outline
        try:
            graphs = expand(variant=variant_name, **request.params)
        except BlueprintError:
            # A file of blocks, or one whose parameters have no defaults, has nothing to build.
            continue
        # A recipe refers to the outputs and layers of the graphs.
        if graphs is None:
            unchecked += ("'data'", "'training'")
            continue
        recipe_diagnostics = _check_recipe(blueprint, variant_name, request, graphs, shapes=shapes)
        diagnostics += [each for each in recipe_diagnostics if each not in diagnostics]
    return ValidationReport(tuple(diagnostics), unchecked)


def _check_recipe(
    blueprint: Blueprint,
    variant: str,
    request: BlueprintRequest,
    graphs: Mapping[str, Graph],
    *,
    shapes: bool,
) -> tuple[Diagnostic, ...]:
    """Return the warnings and errors of the sections `data` and `training`."""
    # Imported here: most blueprints have no recipe, and a fifth of the time would go into the
    # declarations of its settings.
    from archbuilder.config import read_recipe

    warnings: tuple[Diagnostic, ...] = ()
    try:
        recipe = read_recipe(
            blueprint,
            variant=variant,
            params=request.params,
            limits=request.limits,
            graphs=graphs,
        )
        warnings = tuple(recipe.warnings)
        if shapes:
            drafts = blueprint.build_symbolic(variant=variant, **request.params)
            for draft in drafts.values():
                draft.check(blueprint.limits)
            if recipe.training is not None:
                recipe.training.objective.check_shapes(drafts)
    except BlueprintError as error:
        return (*warnings, *error.diagnostics)
    return warnings


def _has_recipe(blueprint: Blueprint, variant: str, request: BlueprintRequest) -> bool:
    try:
        data = blueprint.evaluate_section("data", variant=variant, **request.params)
        return data is not None or (
            blueprint.evaluate_section("training", variant=variant, **request.params) is not None
        )
    # An error in a section: read_recipe will raise it, and its caller reports it.
    except BlueprintError:
        return True
