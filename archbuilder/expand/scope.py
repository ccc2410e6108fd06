"""What is visible within a block while it is expanded: variables, and the steps so far by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Final, TypeAlias

from archbuilder.errors import Diagnostics, Frame, nearest, shown
from archbuilder.expand.flow import BROKEN, Flow, Inputs
from archbuilder.program import Program
from archbuilder.tree import Span
from archbuilder.values import Value, Variables

PREVIOUS: Final = "previous"
_WORD_START: Final = re.compile(r"(.)([A-Z][a-z0-9]+)")
_LOWER_UPPER: Final = re.compile(r"([a-z])([A-Z])")


@dataclass(frozen=True, slots=True)
class FileScope:
    """A file with the values of its parameters."""

    program: Program
    variables: Variables


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a layer or a block: under which name, on which inputs, at which place.

    `call` are constants of the call, `shares` is the name of the earlier use whose weights this
    one takes.
    """

    path: str
    inputs: Inputs
    call: Value | None
    variables: Variables
    span: Span
    shares: str | None


Again: TypeAlias = Callable[[Use], Flow]
"""Expands a step another time, with the weights that it had the first time."""


@dataclass(frozen=True, slots=True)
class Named:
    """A step that has a name: its output, and how to use it again (layers and blocks only)."""

    flow: Flow
    span: Span
    again: Again | None = None


@dataclass(slots=True)
class Scope:
    """The inside of one use of a block. Loops and branches share the scope that they stand in.

    `path` is the name of the use, with a dot behind it, `shares` that of the use whose weights
    this one takes.
    """

    file: FileScope
    path: str
    shares: str | None
    frame: Frame | None
    depth: int
    named: dict[str, Named] = field(default_factory=dict)
    unnamed_blocks: dict[str, list[Flow]] = field(default_factory=dict)
    left_out: dict[str, Span] = field(default_factory=dict)
    numbers: Counter[str] = field(default_factory=Counter)
    generated: set[str] = field(default_factory=set)
    has_broken_name: bool = False
    """Whether a step has a name that is not known because of a mistake in it."""

    def generate_name(self, target: str) -> str:
        """A name for a step without one: `conv2d_0`, `bottleneck0`, `bottleneck1`."""
        base = snake_case(target) or "step"
        while True:
            number = self.numbers[base]
            self.numbers[base] += 1
            name = f"{base}{'_' if base[-1].isdecimal() else ''}{number}"
            if name not in self.named:
                self.generated.add(name)
                return name

    def shared(self, name: str) -> str | None:
        """Return the node whose weights a step of this name takes; None for its own."""
        return None if self.shares is None else self.shares + name

    def is_taken(self, name: str) -> bool:
        """Whether a step of this scope has the name already."""
        return name in self.named or name in self.generated

    def is_left_out(self, name: str) -> bool:
        """Whether the step of this name was left out by its `when`."""
        return name in self.left_out and name not in self.named

    def find(self, name: str, previous: Flow, span: Span, diagnostics: Diagnostics) -> Flow:
        """The flow that a reference stands for; a broken one after reporting a mistake."""
        if name == PREVIOUS:
            return previous
        found = self._step(name)
        if found is not None:
            return found
        base, dot, output = name.rpartition(".")
        whole = previous if base == PREVIOUS else self._step(base) if dot else None
        if whole is None:
            self._report_unknown(name, span, diagnostics)
            return BROKEN
        if whole.broken:
            return BROKEN
        part = whole.output(output)
        if part is None:
            self._report_unknown_output(base, output, whole, span, diagnostics)
            return BROKEN
        return part

    def _step(self, name: str) -> Flow | None:
        if name in self.named:
            return self.named[name].flow
        flows = self.unnamed_blocks.get(name, ())
        return flows[0] if len(flows) == 1 else None

    def _report_unknown(self, name: str, span: Span, diagnostics: Diagnostics) -> None:
        if self.has_broken_name:
            return
        base = name.partition(".")[0]
        notes: tuple[str, ...] = ()
        suggestion = None
        if name in self.left_out:
            notes = (f"what has this name at {self.left_out[name]} was left out by its 'when'",)
        elif len(self.unnamed_blocks.get(base, ())) > 1:
            notes = (f"there are several steps '{base}'; give the one that is meant a 'name'",)
        elif base in self.generated:
            notes = ("this step has no name of its own; give it one with 'name'",)
        else:
            suggestion = nearest(name, [*self.named, PREVIOUS])
            known = ", ".join([*list(self.named)[-8:], PREVIOUS])
            notes = () if suggestion else (f"the steps before it with a name are: {known}",)
        diagnostics.error(
            "unknown-name",
            f"no step before this one is called {shown(name)}",
            span,
            suggestion=suggestion,
            notes=notes,
        )

    def _report_unknown_output(
        self, base: str, output: str, flow: Flow, span: Span, diagnostics: Diagnostics
    ) -> None:
        notes: tuple[str, ...] = ()
        if flow.names:
            notes = (f"its outputs are: {', '.join(flow.names)}",)
        elif len(flow.refs) > 1:
            notes = (f"its outputs are 0 to {len(flow.refs) - 1}",)
        else:
            notes = ("its outputs have no names",)
        diagnostics.error(
            "unknown-output",
            f"'{base}' has no output {shown(output)}",
            span,
            suggestion=nearest(output, flow.names),
            notes=notes,
        )


@cache
def snake_case(target: str) -> str:
    """The name of a layer or block as Keras writes it in names: `MaxPooling2D`, `max_pooling2d`."""
    word = target.removeprefix("ops.").replace(".", "_")
    return _LOWER_UPPER.sub(r"\1_\2", _WORD_START.sub(r"\1_\2", word)).lower()
