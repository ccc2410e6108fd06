"""Lines, records and pictures that are wrong: they stop the run, or are left out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from archbuilder.errors import RunError
from archbuilder.recipe.sources import OnError

_SHOWN: Final = 3


@dataclass(slots=True, eq=False)
class Faults:
    """What was wrong in a source of data, as far as it is read."""

    on_error: OnError
    what: str
    """What is left out: lines, records, images."""
    count: int = 0
    first: list[str] = field(default_factory=list)

    def meet(self, fault: RunError) -> None:
        """Count what is wrong with one of them.

        Raises:
            RunError: the same, where it is to stop the run.
        """
        if self.on_error == "stop":
            raise fault
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(str(fault))

    def remarks(self, right: int, name: str) -> tuple[str, ...]:
        """What is to be said of a source of this name, where so many were right.

        Raises:
            RunError: if none was.
        """
        total = right + self.count
        if self.count and not right:
            raise RunError(f"none of {total:,} {self.what} can be read; the first: {self.first[0]}")
        if not right:
            raise RunError(f"{name} has no examples")
        return self.told(f" of {total:,}")

    def told(self, of: str = "") -> tuple[str, ...]:
        """What is to be said, where it is not known how many were right."""
        if not self.count:
            return ()
        more = f"; and {self.count - _SHOWN:,} more" if self.count > _SHOWN else ""
        return (f"left out {self.count:,}{of} {self.what}: {'; '.join(self.first)}{more}",)
