"""Base class of the commands: --error-format, and examples at the end of the help."""

from __future__ import annotations

from typing import Any, Final

import click

from archbuilder.diagnostics.render import ERROR_FORMATS


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


_ERROR_FORMAT: Final = click.Option(
    ["--error-format"],
    type=click.Choice(ERROR_FORMATS),
    metavar="FORMAT",
    default="text",
    show_default=True,
    # `main` has read it; click only checks the value.
    expose_value=False,
    help="Format of errors and warnings: text, json or github.",
)
