"""What is visible within a block while it is expanded: variables, and the steps so far by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Final, TypeAlias

from archbuilder.compiler.expand.tensors import ERROR_REFS, CallInputs, TensorRefs
from archbuilder.diagnostics.errors import Diagnostics, ExpansionFrame, closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.language.deferred_values import DeferredValue, Variables
from archbuilder.language.modules import Program

PREVIOUS: Final = "previous"
_WORD_START: Final = re.compile(r"(.)([A-Z][a-z0-9]+)")
_LOWER_UPPER: Final = re.compile(r"([a-z])([A-Z])")


@dataclass(frozen=True, slots=True)
class FileScope:
    """A file with the values of its parameters."""

    program: Program
    variables: Variables


@dataclass(frozen=True, slots=True)
class CallSite:
    """One use of a layer or a block: under which name, on which inputs, at which place.

    `call` are constants of the call, `shares` is the name of the earlier use whose weights this
    one takes.
    """

    path: str
    inputs: CallInputs
    call_constants: DeferredValue | None
    variables: Variables
    span: Span
    weight_owner: str | None


Reinstantiate: TypeAlias = Callable[[CallSite], TensorRefs]
"""Expands a step another time, with the weights that it had the first time."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A step that has a name: its output, and how to use it again (layers and blocks only)."""

    outputs: TensorRefs
    span: Span
    reinstantiate: Reinstantiate | None = None


@dataclass(slots=True)
class Scope:
    """The inside of one use of a block. Loops and branches share the scope that they stand in.

    `path` is the name of the use, with a dot behind it, `shares` that of the use whose weights
    this one takes.
    """

    file: FileScope
    path: str
    weight_owner_prefix: str | None
    frame: ExpansionFrame | None
    depth: int
    symbols: dict[str, Symbol] = field(default_factory=dict)
    unnamed_blocks: dict[str, list[TensorRefs]] = field(default_factory=dict)
    skipped: dict[str, Span] = field(default_factory=dict)
    name_counters: Counter[str] = field(default_factory=Counter)
    generated_names: set[str] = field(default_factory=set)
    has_invalid_name: bool = False
    """Whether a step has a name that is not known because of a mistake in it."""

    def generate_name(self, callee_name: str) -> str:
        """A name for a step without one: `conv2d_0`, `bottleneck0`, `bottleneck1`."""
        base = snake_case(callee_name) or "step"
        while True:
            number = self.name_counters[base]
            self.name_counters[base] += 1
            name = f"{base}{'_' if base[-1].isdecimal() else ''}{number}"
            if name not in self.symbols:
                self.generated_names.add(name)
                return name

    def weight_owner(self, name: str) -> str | None:
        """Return the node whose weights a step of this name takes; None for its own."""
        return None if self.weight_owner_prefix is None else self.weight_owner_prefix + name

    def is_taken(self, name: str) -> bool:
        """Whether a step of this scope has the name already."""
        return name in self.symbols or name in self.generated_names

    def is_skipped(self, name: str) -> bool:
        """Whether the step of this name was left out by its `when`."""
        return name in self.skipped and name not in self.symbols

    def resolve(
        self, name: str, previous: TensorRefs, span: Span, diagnostics: Diagnostics
    ) -> TensorRefs:
        """The flow that a reference stands for; a broken one after reporting a mistake."""
        if name == PREVIOUS:
            return previous
        tensors = self._find_step(name)
        if tensors is not None:
            return tensors
        base, dot, output = name.rpartition(".")
        base_tensors = previous if base == PREVIOUS else self._find_step(base) if dot else None
        if base_tensors is None:
            self._report_unknown(name, span, diagnostics)
            return ERROR_REFS
        if base_tensors.has_error:
            return ERROR_REFS
        output_tensors = base_tensors.output(output)
        if output_tensors is None:
            self._report_unknown_output(base, output, base_tensors, span, diagnostics)
            return ERROR_REFS
        return output_tensors

    def _find_step(self, name: str) -> TensorRefs | None:
        if name in self.symbols:
            return self.symbols[name].outputs
        candidates = self.unnamed_blocks.get(name, ())
        return candidates[0] if len(candidates) == 1 else None

    def _report_unknown(self, name: str, span: Span, diagnostics: Diagnostics) -> None:
        if self.has_invalid_name:
            return
        base = name.partition(".")[0]
        notes: tuple[str, ...] = ()
        suggestion = None
        if name in self.skipped:
            notes = (f"what has this name at {self.skipped[name]} was left out by its 'when'",)
        elif len(self.unnamed_blocks.get(base, ())) > 1:
            notes = (f"there are several steps '{base}'; give the one that is meant a 'name'",)
        elif base in self.generated_names:
            notes = ("this step has no name of its own; give it one with 'name'",)
        else:
            suggestion = closest_match(name, [*self.symbols, PREVIOUS])
            recent_names = ", ".join([*list(self.symbols)[-8:], PREVIOUS])
            notes = () if suggestion else (f"the steps before it with a name are: {recent_names}",)
        diagnostics.error(
            "unknown-name",
            f"no step before this one is called {quote(name)}",
            span,
            suggestion=suggestion,
            notes=notes,
        )

    def _report_unknown_output(
        self, base: str, output: str, tensors: TensorRefs, span: Span, diagnostics: Diagnostics
    ) -> None:
        notes: tuple[str, ...] = ()
        if tensors.names:
            notes = (f"its outputs are: {', '.join(tensors.names)}",)
        elif len(tensors.refs) > 1:
            notes = (f"its outputs are 0 to {len(tensors.refs) - 1}",)
        else:
            notes = ("its outputs have no names",)
        diagnostics.error(
            "unknown-output",
            f"'{base}' has no output {quote(output)}",
            span,
            suggestion=closest_match(output, tensors.names),
            notes=notes,
        )


@cache
def snake_case(callee_name: str) -> str:
    """The name of a layer or block as Keras writes it in names: `MaxPooling2D`, `max_pooling2d`."""
    word = callee_name.removeprefix("ops.").replace(".", "_")
    return _LOWER_UPPER.sub(r"\1_\2", _WORD_START.sub(r"\1_\2", word)).lower()
