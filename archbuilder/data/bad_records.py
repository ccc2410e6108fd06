"""Counting of damaged lines, records and images, which stop the run or are skipped."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from archbuilder.config.sources import OnError
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.files.json import JsonError, JsonObject
from archbuilder.files.sandbox import SandboxPath, cannot_read, os_error_reason

_MAX_MESSAGES: Final = 3
"""Number of errors that are kept and shown; a large file may have millions."""


@dataclass(slots=True, eq=False)
class BadRecords:
    """The errors in a source of data so far."""

    on_error: OnError
    noun: str
    """The plural of what is skipped: lines, records, images."""
    count: int = 0
    messages: list[str] = field(default_factory=list)

    def add(self, error: RunError) -> None:
        """Count an error and keep its message.

        Raises:
            RunError: the error itself, if `on_error` is "stop".
        """
        if self.on_error == "stop":
            raise error
        self.count += 1
        if len(self.messages) < _MAX_MESSAGES:
            self.messages.append(str(error))

    def write(self, path: SandboxPath) -> None:
        """Write the errors so far to a file, for `restore`.

        Raises:
            RunError: if the file cannot be written.
        """
        try:
            path.write(json.dumps({"count": self.count, "messages": self.messages}).encode())
        except OSError as error:
            name = quote(str(path.path), 200)
            raise RunError(f"cannot write {name}: {os_error_reason(error)}") from error

    def restore(self, path: SandboxPath) -> None:
        """Replace the errors by those in a file that `write` wrote.

        Raises:
            RunError: if the file cannot be read or is damaged.
        """
        name = quote(str(path.path), 200)
        try:
            fields = JsonObject.read(path)
            self.count, self.messages = fields.count("count"), [*fields.texts("messages")]
        except OSError as error:
            raise RunError(cannot_read(path.path, error)) from error
        except JsonError as error:
            raise RunError(f"{name} does not list skipped {self.noun}: {error}") from None
        if len(self.messages) != min(self.count, _MAX_MESSAGES):
            raise RunError(f"{name} does not list skipped {self.noun}: it has another number")

    def summary(self, num_valid: int, name: str) -> tuple[str, ...]:
        """Return a note about skipped records out of all, once the source `name` is fully read.

        Raises:
            RunError: if there are no valid records.
        """
        total = num_valid + self.count
        if self.count and not num_valid:
            raise RunError(
                f"none of {total:,} {self.noun} can be read; the first: {self.messages[0]}"
            )
        if not num_valid:
            raise RunError(f"{name} has no examples")
        return self.notes(f" of {total:,}")

    def notes(self, total_text: str = "") -> tuple[str, ...]:
        """Return a note about skipped records, or nothing; without a total if it is not known."""
        if not self.count:
            return ()
        omitted_text = (
            f"; and {self.count - _MAX_MESSAGES:,} more" if self.count > _MAX_MESSAGES else ""
        )
        return (
            (
                f"skipped {self.count:,}{total_text} {self.noun}:"
                f" {'; '.join(self.messages)}{omitted_text}"
            ),
        )
