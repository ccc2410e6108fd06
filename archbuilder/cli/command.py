"""Base class of the commands: a click command whose help ends with examples."""

from __future__ import annotations

import click


class Command(click.Command):
    """A click command with `examples`, which are complete command lines."""

    def __init__(self, *args: object, examples: tuple[str, ...] = (), **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own, handed on
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the options."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Examples"):
            for example in self.examples:
                # Not write_text, which wraps lines: an example is copied as one line.
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")
