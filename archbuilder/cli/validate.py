"""The command `archbuilder validate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from archbuilder.blueprint import BlueprintRequest
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import blueprint_options
from archbuilder.cli.console import Console
from archbuilder.diagnostics.errors import BlueprintError, Diagnostic, UsageError, quote
from archbuilder.diagnostics.render import summary
from archbuilder.files import path_status
from archbuilder.files.blueprint_files import YAML_SUFFIXES
from archbuilder.files.sandbox import SandboxPath, cannot_read
from archbuilder.formatting import plural
from archbuilder.silence_tensorflow import import_tensorflow
from archbuilder.validation import validate_blueprint

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
        report = validate_blueprint(file, request, shapes=shapes)
        file_diagnostics = report.diagnostics
        unchecked |= dict.fromkeys(report.unchecked)
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
