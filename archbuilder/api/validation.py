"""The function `archbuilder.validate`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from archbuilder.api.arguments import FilePath, blueprint_request
from archbuilder.argument_types import BOOLEAN
from archbuilder.blueprint import Blueprint
from archbuilder.diagnostics.errors import BlueprintError, Diagnostic
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.validation import validate_blueprint


def validate(
    blueprint: FilePath | Blueprint,
    *,
    shapes: bool = False,
    variant: str | None = None,
    params: Mapping[str, PlainData] | None = None,
    limits: Limits | None = None,
    allow_dirs: Iterable[FilePath] = (),
) -> tuple[Diagnostic, ...]:
    """Check a blueprint with its data and training, and return the warnings.

    Args:
        blueprint: A file, the name of a blueprint in the library, or a loaded blueprint.
        shapes: Whether to check shapes and the section `expect` too, with Keras.
        variant: The variant to check; None for all of them.
        params: Parameters of the blueprint by name.
        limits: Bounds for the size of the blueprint and its models.
        allow_dirs: Directories that the blueprint may be read from, besides its own.

    Raises:
        BlueprintError: with all errors and warnings.
        UsageError: if an argument is invalid, or there is no such file or blueprint.
    """
    request = blueprint_request(blueprint, variant, params, limits=limits, allow_dirs=allow_dirs)
    BOOLEAN.check("shapes", shapes)
    report = validate_blueprint(blueprint, request, shapes=shapes)
    if any(each.severity == "error" for each in report.diagnostics):
        raise BlueprintError(report.diagnostics)
    return report.diagnostics
