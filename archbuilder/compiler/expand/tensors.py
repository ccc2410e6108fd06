"""What flows from step to step while a block is expanded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archbuilder.compiler.ir import TensorRef
from archbuilder.yaml.scalars import is_ascii_digits


@dataclass(frozen=True, slots=True)
class TensorRefs:
    """What comes out of a step: one tensor, or several, which may have names.

    A broken flow stands for the output of a step with a mistake; whatever reads it is broken too,
    and is no mistake of its own.
    """

    refs: tuple[TensorRef, ...]
    names: tuple[str, ...] = ()
    has_error: bool = False

    def output(self, name: str) -> TensorRefs | None:
        """One of several outputs, by its name or its number."""
        if name in self.names:
            return TensorRefs((self.refs[self.names.index(name)],))
        if not is_ascii_digits(name) or len(name) > 4:
            return None
        index = int(name)
        if len(self.refs) > 1:
            return TensorRefs((self.refs[index],)) if index < len(self.refs) else None
        ref = self.refs[0]
        return TensorRefs((TensorRef(ref.node, index),)) if ref.output is None else None


ERROR_REFS: Final = TensorRefs((), has_error=True)


@dataclass(frozen=True, slots=True)
class CallInputs:
    """What a step is used on: tensors in order, and tensors by name."""

    positional: TensorRefs
    keywords: tuple[tuple[str, TensorRefs], ...]

    @property
    def has_error(self) -> bool:
        """Whether any of it has a mistake."""
        return self.positional.has_error or any(tensors.has_error for _, tensors in self.keywords)

    def keyword_refs(self) -> tuple[tuple[str, TensorRef | tuple[TensorRef, ...]], ...]:
        """The tensors by name as a graph has them: one, or a tuple of several."""
        return tuple(
            (name, tensors.refs[0] if len(tensors.refs) == 1 else tensors.refs)
            for name, tensors in self.keywords
        )
