"""The names that are visible at one point of a file, for the semantic check."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.language.ast import Param
from archbuilder.language.deferred_values import DeferredValue


@dataclass(frozen=True, slots=True)
class VisibleNames:
    """The parameters and loop variables that are visible at one point of a block.

    Attributes:
        block: The block, by its name in the call graph.
        names: The visible names.
        names_read: The names that the block reads; shared by all points of the block.
        holders: The visible parameters that hold blocks, each with its name in the call graph. What
            a parameter of a block holds is written where the block is called, so it has none.
        tensors: The inputs whose shapes can be read; None stands for steps, which the expansion
            checks.
    """

    block: str
    names: AbstractSet[str]
    names_read: set[str]
    holders: Mapping[str, str | None]
    tensors: AbstractSet[str] | None = frozenset()

    def with_names(self, names: AbstractSet[str]) -> VisibleNames:
        """Return these names and further ones, such as the variables of a loop."""
        holders = {name: each for name, each in self.holders.items() if name not in names}
        return replace(self, names=self.names | names, holders=holders)

    def report_unknown(self, name: str, span: Span, diagnostics: Diagnostics) -> None:
        """Report a name that is not visible."""
        suggestion = closest_match(name, self.names)
        where = "the block" if self.block else "the file"
        note = f"declare it in {where}: params: {{{name}: }}"
        if self.names:
            note = f"the parameters are: {', '.join(sorted(self.names))}; or {note}"
        diagnostics.error(
            "unknown-parameter",
            f"there is no parameter {quote(name)} here",
            span,
            suggestion=suggestion,
            notes=() if suggestion else (note,),
        )

    def check_tensors(self, value: DeferredValue, diagnostics: Diagnostics) -> None:
        """Report the shapes of tensors that are not known where a value is evaluated."""
        if self.tensors is None:
            return
        for name, span in value.tensors():
            inputs = ", ".join(sorted(self.tensors))
            if not inputs:
                report_unreadable_shape(span, diagnostics)
            elif name.partition(".")[0] not in self.tensors:
                diagnostics.error(
                    "unknown-name",
                    f"there is no earlier step {quote(name)}",
                    span,
                    suggestion=closest_match(name, self.tensors),
                    notes=(f"a default can read the shapes of its block's inputs: {inputs}",),
                )


def report_unreadable_shape(span: Span, diagnostics: Diagnostics) -> None:
    """Report a shape that an expression reads where no shapes are known."""
    diagnostics.error(
        "unknown-name",
        "shapes of tensors are not known here",
        span,
        notes=("read them in 'layers', or in a default under 'params' of a block",),
    )


def block_params(params: Mapping[str, Param]) -> frozenset[str]:
    """Return the parameters whose values are blocks."""
    return frozenset(name for name, param in params.items() if param.is_block)


def file_holders(params: Mapping[str, Param]) -> dict[str, str]:
    """Return the parameters of a file that hold blocks, each with its name in the call graph.

    There, such a parameter is between the blocks that use it and those that it holds.
    """
    return {name: f"${name}" for name in block_params(params)}
