"""Type of options and arguments that are the path of a file or directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from archbuilder.diagnostics.errors import UsageError
from archbuilder.files.blueprint_files import check_exists


class PathType(click.Path):
    """A path, as `pathlib.Path`; an empty string, which would be `.`, is an error."""

    def __init__(self, *, must_be_directory: bool = False) -> None:
        self._must_be_directory = must_be_directory
        super().__init__(exists=must_be_directory, file_okay=not must_be_directory, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path of a string."""
        # An unset variable of a shell script: "$RUN".
        if value == "":
            self.fail("must not be an empty string", param, ctx)
        if self._must_be_directory:
            try:
                check_exists(Path(value))
            except UsageError as error:
                self.fail(str(error), param, ctx)
        return super().convert(value, param, ctx)
