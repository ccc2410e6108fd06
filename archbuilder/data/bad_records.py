"""Lines, records and pictures that are wrong: they stop the run, or are left out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from archbuilder.config.sources import OnError
from archbuilder.diagnostics.errors import RunError

_MAX_MESSAGES: Final = 3


@dataclass(slots=True, eq=False)
class BadRecords:
    """What was wrong in a source of data, as far as it is read."""

    on_error: OnError
    noun: str
    """What is left out: lines, records, images."""
    count: int = 0
    messages: list[str] = field(default_factory=list)

    def add(self, error: RunError) -> None:
        """Count what is wrong with one of them.

        Raises:
            RunError: the same, where it is to stop the run.
        """
        if self.on_error == "stop":
            raise error
        self.count += 1
        if len(self.messages) < _MAX_MESSAGES:
            self.messages.append(str(error))

    def summary(self, num_valid: int, name: str) -> tuple[str, ...]:
        """What is to be said of a source of this name, where so many were right.

        Raises:
            RunError: if none was.
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
        """What is to be said, where it is not known how many were right."""
        if not self.count:
            return ()
        more_text = (
            f"; and {self.count - _MAX_MESSAGES:,} more" if self.count > _MAX_MESSAGES else ""
        )
        return (
            (
                f"left out {self.count:,}{total_text} {self.noun}:"
                f" {'; '.join(self.messages)}{more_text}"
            ),
        )
