"""The command `archbuilder validate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from archbuilder.blueprint import Blueprint, BlueprintRequest
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import blueprint_options
from archbuilder.cli.console import Console
from archbuilder.compiler.pipeline import DEFAULT_VARIANT
from archbuilder.diagnostics.errors import BlueprintError, Diagnostic, UsageError, quote
from archbuilder.diagnostics.render import summary
from archbuilder.files import path_status
from archbuilder.files.blueprint_files import YAML_SUFFIXES
from archbuilder.files.sandbox import SandboxPath, cannot_read
from archbuilder.formatting import plural
from archbuilder.silence_tensorflow import import_tensorflow

_MAX_DEPTH: Final = 64


@click.command(
    "validate",
    cls=Command,
    examples=(
        "archbuilder validate net.yaml",
        "archbuilder validate blueprints/ --shapes",
        "archbuilder validate resnet:50 --set classes=10",
        "archbuilder validate blueprints/ --error-format github",
    ),
)
@click.argument("blueprints", nargs=-1, required=True, metavar="BLUEPRINT...")
@click.option(
    "--shapes",
    is_flag=True,
    help="Also check shapes and the section 'expect' with Keras, which takes seconds.",
)
@blueprint_options
@click.pass_obj
def validate_command(
    console: Console, *, blueprints: tuple[str, ...], shapes: bool, request: BlueprintRequest
) -> None:
    """Check blueprints and report all errors.

    BLUEPRINT is a file, a directory with .yaml files, or the name of a blueprint in the library.
    All variants are checked, unless --variant or --set is given. With --error-format json or
    github, for editors and CI, errors are printed to standard output; the JSON is a list, which is
    empty if there are none.
    """
    if shapes:
        import_tensorflow()
    files: list[str | SandboxPath] = []
    for name in blueprints:
        # Path("") is the working directory.
        if not name or not path_status.is_dir(Path(name)):
            files.append(name)
            continue
        yaml_files = sorted(_walk(SandboxPath(Path(name))), key=lambda file: file.path)
        if not yaml_files:
            raise UsageError(f"there is no .yaml file in the directory {quote(name)}")
        files += yaml_files
    unique: dict[object, Diagnostic] = {}
    unchecked = {} if shapes else dict.fromkeys(("shapes", "'expect'"))
    num_invalid = 0
    for file in files:
        file_diagnostics, file_unchecked = _diagnose(file, request, shapes=shapes)
        unchecked |= dict.fromkeys(file_unchecked)
        num_invalid += any(each.severity == "error" for each in file_diagnostics)
        for diagnostic in file_diagnostics:
            # A file that several blueprints import is checked for each of them.
            key = (diagnostic.code, diagnostic.location, diagnostic.message)
            unique.setdefault(key, diagnostic)
    diagnostics = tuple(unique.values())
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.severity == "error"]
    if console.error_format != "text":
        console.print_diagnostics(diagnostics)
    else:
        console.report_diagnostics(diagnostics)
        if errors and len(files) > 1:
            console.print(f"Checked {plural(len(files), 'blueprint')}: {num_invalid} with errors")
        if not errors:
            result = summary(diagnostics) if diagnostics else "no errors"
            *first, last = unchecked or ("",)
            names = f"{', '.join(first)} and {last}"
            caveat = f" ({names} not checked; use --shapes)" if unchecked else ""
            console.print(f"Checked {plural(len(files), 'blueprint')}: {result}{caveat}")
    # Not an exception: main() would print the diagnostics a second time.
    if errors:
        click.get_current_context().exit(BlueprintError.exit_code)


def _walk(root: SandboxPath) -> Iterator[SandboxPath]:
    """Yield the blueprints below a directory. Links are yielded too; reading reports them."""
    pending = [root]
    while pending:
        directory = pending.pop()
        if len(directory.parts) > _MAX_DEPTH:
            name = quote(str(directory.path), 200)
            raise UsageError(f"the directory {name} is nested more than {_MAX_DEPTH} levels deep")
        try:
            for file in map(directory.joinpath, directory.list_names()):
                # is_dir is false for a link, so that a link cannot make an endless tree.
                if file.is_dir():
                    pending.append(file)
                elif file.path.suffix in YAML_SUFFIXES:
                    yield file
        except OSError as error:
            raise UsageError(cannot_read(directory.path, error)) from error


def _diagnose(
    name: str | SandboxPath, request: BlueprintRequest, *, shapes: bool
) -> tuple[tuple[Diagnostic, ...], tuple[str, ...]]:
    """Return the diagnostics of a blueprint, and what could not be checked without Keras."""
    try:
        blueprint = request.load(name)
        variant = request.select_variant(blueprint)
        all_variants = variant == DEFAULT_VARIANT and request.variant is None and not request.params
        validate = blueprint.validate_with_shapes if shapes else blueprint.validate
        warnings = validate(variant=None if all_variants else variant, **request.params)
    except BlueprintError as error:
        return error.diagnostics, ()
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
        try:
            # Imported here: most blueprints have no recipe, and a fifth of the time would go into
            # the declarations of its settings.
            from archbuilder.config import read_recipe  # noqa: PLC0415

            recipe = read_recipe(
                blueprint,
                variant=variant_name,
                params=request.params,
                limits=request.limits,
                graphs=graphs,
            )
            diagnostics += [each for each in recipe.warnings if each not in diagnostics]
            drafts = (
                blueprint.build_symbolic(variant=variant_name, **request.params) if shapes else {}
            )
            for draft in drafts.values():
                draft.check(blueprint.limits)
            if shapes and recipe.training is not None:
                recipe.training.objective.check_shapes(drafts)
        except BlueprintError as error:
            diagnostics += error.diagnostics
    return tuple(diagnostics), unchecked


def _has_recipe(blueprint: Blueprint, variant: str, request: BlueprintRequest) -> bool:
    try:
        data = blueprint.evaluate_section("data", variant=variant, **request.params)
        return data is not None or (
            blueprint.evaluate_section("training", variant=variant, **request.params) is not None
        )
    # An error in a section: read_recipe will raise it, and its caller reports it.
    except BlueprintError:
        return True
