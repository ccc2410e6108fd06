"""`archbuilder validate`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from archbuilder.api import Blueprint
from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.options import Wanted, set_errors, takes_choice
from archbuilder.cli.quiet import import_tensorflow
from archbuilder.errors import BlueprintError, Diagnostic, UsageError, shown
from archbuilder.pipeline import DEFAULT_VARIANT
from archbuilder.places import Place, reason
from archbuilder.recipe import read_recipe
from archbuilder.rendering import FORMATS, summary

SUFFIXES: Final = (".yaml", ".yml")
_DEEPEST: Final = 64


@click.command(
    "validate",
    cls=Command,
    examples=(
        "archbuilder validate lenet.yaml",
        "archbuilder validate blueprints/ --shapes",
        "archbuilder validate resnet:50 --set classes=10",
        "archbuilder validate blueprints/ --format github",
    ),
)
@click.argument("blueprints", nargs=-1, required=True, metavar="BLUEPRINT...")
@click.option("--shapes", is_flag=True, help="Let Keras check all shapes too; takes seconds.")
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    expose_value=False,
    callback=set_errors,
    help="The same as --errors.",
)
@takes_choice
@click.pass_obj
def validate_command(
    console: Console, *, blueprints: tuple[str, ...], shapes: bool, wanted: Wanted
) -> None:
    """Find all mistakes in blueprints.

    Each BLUEPRINT is a file, a folder with files in it, or a name of the library. Without
    --variant and --set, all variants are checked. As 'json' and 'github' mistakes go to the
    standard output, for editors and continuous integration; 'json' is a list, empty if all is well.
    """
    if shapes:
        import_tensorflow()
    names = list(_files(blueprints))
    found: dict[object, Diagnostic] = {}
    for name in names:
        for diagnostic in _mistakes(name, wanted, shapes=shapes):
            # A file that several import is read for each of them.
            key = (diagnostic.code, diagnostic.place, diagnostic.message)
            found.setdefault(key, diagnostic)
    _report(console, len(names), tuple(found.values()), shapes=shapes)


def _files(blueprints: Iterable[str]) -> Iterator[str | Place]:
    for name in blueprints:
        folder = Path(name)
        # The path of nothing is the folder that one is in.
        if not name or not folder.is_dir():
            yield name
            continue
        files = list(_below(Place(folder)))
        if not files:
            raise UsageError(f"there is no .yaml file in the folder {shown(name)}")
        yield from sorted(files, key=lambda file: file.path)


def _below(root: Place) -> Iterator[Place]:
    """The blueprints in a folder and in those within it. Reading reports those that are links."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        if len(folder.parts) > _DEEPEST:
            name = shown(str(folder.path), 200)
            raise UsageError(f"the folder {name} lies more than {_DEEPEST} folders deep")
        try:
            for file in map(folder.inside, folder.names()):
                if file.is_directory():
                    waiting.append(file)
                elif file.path.suffix in SUFFIXES:
                    yield file
        except OSError as error:
            name = shown(str(folder.path), 200)
            raise UsageError(f"cannot read the folder {name}: {reason(error)}") from error


def _mistakes(name: str | Place, wanted: Wanted, *, shapes: bool) -> tuple[Diagnostic, ...]:
    try:
        blueprint = wanted.load(name)
        variant = wanted.variant_of(blueprint)
        every = variant == DEFAULT_VARIANT and wanted.variant is None and not wanted.params
        warnings = blueprint.validate(variant=None if every else variant, **wanted.params)
    except BlueprintError as error:
        return error.diagnostics
    found = list(warnings)
    for each in (variant, *blueprint.variants) if every else (variant,):
        found += _later_mistakes(blueprint, each, wanted, shapes=shapes)
    return tuple(found)


def _later_mistakes(
    blueprint: Blueprint, variant: str, wanted: Wanted, *, shapes: bool
) -> Sequence[Diagnostic]:
    """The mistakes in the recipe and in the shapes of a variant that is right otherwise."""
    if not shapes and not _has_recipe(blueprint, variant, wanted):
        return ()
    try:
        blueprint.graphs(variant=variant, **wanted.params)
    except BlueprintError:
        # A file of blocks, or one whose parameters have no defaults, has nothing to build.
        return ()
    try:
        read_recipe(blueprint, variant=variant, params=wanted.params, limits=wanted.limits)
        if shapes:
            for draft in blueprint.draft(variant=variant, **wanted.params).values():
                draft.check(blueprint.limits)
    except BlueprintError as error:
        return error.diagnostics
    return ()


def _has_recipe(blueprint: Blueprint, variant: str, wanted: Wanted) -> bool:
    try:
        data = blueprint.section("data", variant=variant, **wanted.params)
        return data is not None or (
            blueprint.section("training", variant=variant, **wanted.params) is not None
        )
    except BlueprintError:
        return True


def _report(console: Console, count: int, found: tuple[Diagnostic, ...], *, shapes: bool) -> None:
    errors = [diagnostic for diagnostic in found if diagnostic.severity == "error"]
    if console.errors != "text":
        console.publish(found)
    else:
        console.show(found)
        if not errors:
            what = "the blueprint is fine" if count == 1 else f"all {count} blueprints are fine"
            but = "" if shapes else " but for shapes and promises, which --shapes checks"
            console.say(what + but + (f"; {summary(found)}" if found else ""))
    if errors:
        click.get_current_context().exit(BlueprintError.exit_code)
