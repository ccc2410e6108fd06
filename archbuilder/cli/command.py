"""Base class of the commands: --error-format, and examples at the end of the help."""

from __future__ import annotations

from typing import Any, Final, cast

import click

from archbuilder.cli.console import Console
from archbuilder.diagnostics.render import ERROR_FORMATS, ErrorFormat


class Command(click.Command):
    """A click command with --error-format and `examples`, which are complete command lines."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_ERROR_FORMAT)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the options."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Examples"):
            for example in self.examples:
                # Not write_text, which wraps lines: an example is copied as one line.
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def _set_error_format(context: click.Context, _: click.Parameter, value: str) -> str:
    context.ensure_object(Console).error_format = cast(ErrorFormat, value)
    return value


_ERROR_FORMAT: Final = click.Option(
    ["--error-format"],
    type=click.Choice(ERROR_FORMATS),
    metavar="FORMAT",
    default="text",
    show_default=True,
    expose_value=False,
    # Eager, so that errors in the values of other options have this format too.
    is_eager=True,
    callback=_set_error_format,
    help="Format of errors and warnings: text, json or github.",
)
