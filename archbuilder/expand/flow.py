"""What flows from step to step while a block is expanded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archbuilder.graph import Ref
from archbuilder.scalars import is_whole_number


@dataclass(frozen=True, slots=True)
class Flow:
    """What comes out of a step: one tensor, or several, which may have names.

    A broken flow stands for the output of a step with a mistake; whatever reads it is broken too,
    and is no mistake of its own.
    """

    refs: tuple[Ref, ...]
    names: tuple[str, ...] = ()
    broken: bool = False

    def output(self, name: str) -> Flow | None:
        """One of several outputs, by its name or its number."""
        if name in self.names:
            return Flow((self.refs[self.names.index(name)],))
        if not is_whole_number(name) or len(name) > 4:
            return None
        number = int(name)
        if len(self.refs) > 1:
            return Flow((self.refs[number],)) if number < len(self.refs) else None
        ref = self.refs[0]
        return Flow((Ref(ref.node, number),)) if ref.output is None else None


BROKEN: Final = Flow((), broken=True)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a step is used on: tensors in order, and tensors by name."""

    flow: Flow
    keywords: tuple[tuple[str, Flow], ...]

    @property
    def broken(self) -> bool:
        """Whether any of it has a mistake."""
        return self.flow.broken or any(flow.broken for _, flow in self.keywords)

    def keyword_refs(self) -> tuple[tuple[str, Ref | tuple[Ref, ...]], ...]:
        """The tensors by name as a graph has them: one, or a tuple of several."""
        return tuple(
            (name, flow.refs[0] if len(flow.refs) == 1 else flow.refs)
            for name, flow in self.keywords
        )
