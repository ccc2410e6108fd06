"""References to the tensors that steps pass on during the expansion."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from archbuilder.compiler.ir import TensorRef
from archbuilder.yaml.scalars import is_ascii_digits

OPTIONAL: Final = "?"
"""The end of the name of an input that a network may have, as in `mask?`."""


@dataclass(frozen=True, slots=True)
class TensorRefs:
    """The outputs of a step: one tensor, or several, optionally with names.

    With `has_error`, they stand for the outputs of a step with an error, or of one that depends on
    an unknown value. Steps that read them have an error too, which is not reported again.
    """

    refs: tuple[TensorRef, ...]
    names: tuple[str, ...] = ()
    has_error: bool = False

    def named(self, names: tuple[str, ...]) -> TensorRefs:
        """Return the outputs of a call by name, where this is the call as a whole."""
        if self.has_error:
            return self
        (ref,) = self.refs
        return TensorRefs(tuple(TensorRef(ref.node, n) for n in range(len(names))), names)

    def output(self, name: str) -> TensorRefs | None:
        """Return one of several outputs, by name or number, or None if there is no such output."""
        if name in self.names:
            return TensorRefs((self.refs[self.names.index(name)],))
        # `int` raises ValueError for more than 4,300 digits.
        if not is_ascii_digits(name) or len(name) > 4:
            return None
        index = int(name)
        if len(self.refs) > 1:
            return TensorRefs((self.refs[index],)) if index < len(self.refs) else None
        # How many outputs a layer has, such as an LSTM with `return_state`, only Keras knows:
        # `keras_backend.functional` checks the number.
        ref = self.refs[0]
        return TensorRefs((TensorRef(ref.node, index),)) if ref.output is None else None


ERROR_REFS: Final = TensorRefs((), has_error=True)


@dataclass(frozen=True, slots=True)
class CallInputs:
    """The inputs of a step: positional tensors, and tensors by name."""

    positional: TensorRefs
    keywords: tuple[tuple[str, TensorRefs], ...]

    @property
    def has_error(self) -> bool:
        """Whether any of the inputs has an error."""
        return self.positional.has_error or any(tensors.has_error for _, tensors in self.keywords)

    def for_network(self, names: Collection[str]) -> CallInputs:
        """Return the inputs for a network with these names: `mask?` is left out if it has none."""
        keywords = tuple(
            (name.removesuffix(OPTIONAL), tensors)
            for name, tensors in self.keywords
            if not name.endswith(OPTIONAL) or name.removesuffix(OPTIONAL) in names
        )
        return CallInputs(self.positional, keywords)

    def keyword_refs(self) -> tuple[tuple[str, TensorRef | tuple[TensorRef, ...]], ...]:
        """Return the inputs by name as a `Node` holds them: one tensor, or a tuple of several."""
        return tuple(
            (name, tensors.refs[0] if len(tensors.refs) == 1 else tensors.refs)
            for name, tensors in self.keywords
        )


NO_INPUTS: Final = CallInputs(TensorRefs(()), ())
