"""Scopes of blocks during the expansion: variables, and the preceding steps by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final, TypeAlias

from archbuilder.compiler.expand.tensors import ERROR_REFS, CallInputs, TensorRefs
from archbuilder.diagnostics.errors import Diagnostics, ExpansionFrame, closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.language.ast import Block, Step
from archbuilder.language.deferred_values import DeferredValue, ValueEvaluator, Variables
from archbuilder.language.modules import Program, describe_block
from archbuilder.yaml.nodes import Tree

PREVIOUS: Final = "previous"
_MAX_CANDIDATES: Final = 200
"""Names that an unknown name is compared with."""
_WORD_START: Final = re.compile(r"(.)([A-Z][a-z0-9]+)")
_LOWER_UPPER: Final = re.compile(r"([a-z])([A-Z])")


@dataclass(frozen=True, slots=True)
class FileScope:
    """A file with the values of its parameters."""

    program: Program
    variables: Variables


@dataclass(frozen=True, slots=True)
class CallSite:
    """One call of a layer or a block.

    Attributes:
        path: The path of the call through the blocks, which becomes the name of the node.
        inputs: The tensors that it is called on.
        call_constants: The constants of the call (`call`).
        variables: The variables that are visible to the call.
        evaluator: Evaluates the expressions of the call.
        span: The location of the call.
        inputs_span: The location of `from`, or of `merge`; None if the step has neither.
        weight_owner: The path of the earlier call whose weights this one uses, if any.
    """

    path: str
    inputs: CallInputs
    call_constants: DeferredValue | None
    variables: Variables
    evaluator: ValueEvaluator
    span: Span
    inputs_span: Span | None
    weight_owner: str | None

    @property
    def inner_weight_owner_prefix(self) -> str | None:
        """Prefix of the steps whose weights those within this call use, if it is a block."""
        return None if self.weight_owner is None else self.weight_owner + "."

    def with_weights_of(self, first_use: CallSite) -> CallSite:
        """Return this further use of a block with the weights of its first use."""
        # In a block that is itself used again, the weights are those of the same step in the first
        # use of that block.
        if self.weight_owner is not None:
            return self
        return replace(self, weight_owner=first_use.path)


ReuseFunction: TypeAlias = Callable[[CallSite], TensorRefs]
"""Calls a layer or block again at another call site, with the same weights."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named step: its outputs, and for a layer or a block a function to call it again."""

    outputs: TensorRefs
    span: Span
    reuse: ReuseFunction | None = None


@dataclass(slots=True)
class Scope:
    """The scope within one call of a block. Loops and branches do not have scopes of their own.

    Attributes:
        file: The file of the block.
        path: The prefix of the paths of the steps: the path of the call and a dot, or empty.
        weight_owner_prefix: The prefix of the call whose weights this one uses, if any.
        frame: The chain of calls that led here.
        depth: The number of enclosing blocks.
        symbols: The inputs, and the preceding steps with names.
        unnamed_steps: The preceding steps without names, by the names generated for them.
        unnamed_blocks: The generated names of the calls of a block, by its name.
        uncertain: The names of steps that may be left out by a `when` that is unknown.
        skipped: The locations of steps and inputs that their `when` left out, by name.
        name_counters: The next number for generated names, by prefix.
        has_invalid_name: Whether the name of a step is unknown because of an error in it.
        enclosing: The blocks whose text is around the steps: a call of one would be recursive.
        outer: For a list of steps that a parameter holds, the scope where it is written, whose
            names it can use; otherwise None.
    """

    file: FileScope
    path: str
    weight_owner_prefix: str | None
    frame: ExpansionFrame | None
    depth: int
    symbols: dict[str, Symbol] = field(default_factory=dict)
    unnamed_steps: dict[str, Symbol] = field(default_factory=dict)
    unnamed_blocks: dict[str, list[str]] = field(default_factory=dict)
    uncertain: set[str] = field(default_factory=set)
    skipped: dict[str, Span] = field(default_factory=dict)
    name_counters: Counter[str] = field(default_factory=Counter)
    has_invalid_name: bool = False
    enclosing: frozenset[Block] = frozenset()
    outer: Scope | None = None

    def generate_name(self, callee_name: str) -> str:
        """Return a new name for a step without one: `conv2d0`, `bottleneck0`, `bottleneck1`."""
        prefix = name_prefix(callee_name)
        while True:
            name = f"{prefix}{self.name_counters[prefix]}"
            self.name_counters[prefix] += 1
            # A name of a block is left out: as a reference, it means the only call of that block.
            if name not in self.symbols and describe_block(self.file.program, name) is None:
                return name

    def add(self, name: str, symbol: Symbol, *, is_generated: bool, block: str | None) -> None:
        """Add a step under its name; `block` is the name of the block that it calls, if any."""
        if not is_generated:
            self.symbols[name] = symbol
            return
        self.unnamed_steps[name] = symbol
        if block is not None:
            self.unnamed_blocks.setdefault(block, []).append(name)

    def weight_owner(self, name: str) -> str | None:
        """Return the node whose weights a step of this name uses; None if it has its own."""
        return None if self.weight_owner_prefix is None else self.weight_owner_prefix + name

    def is_taken(self, name: str) -> bool:
        """Return whether a step of this scope already has the name."""
        if name in self.uncertain:
            return False
        return name in self.symbols or name in self.unnamed_steps

    def is_skipped(self, name: str) -> bool:
        """Return whether the only steps of this name were left out by their `when`."""
        # Alternatives may share a name: `when: $pool` and `when: $(not pool)`.
        return name in self.skipped and name not in self.symbols

    def resolve(
        self, name: str, previous: TensorRefs, span: Span, diagnostics: Diagnostics
    ) -> TensorRefs:
        """Resolve a reference to a step or one of its outputs; report an unknown one.

        Args:
            name: `encoder`, `encoder.skip` (an output by name) or `lstm.1` (by number).
            previous: The output of the preceding step, for `previous` and `previous.0`.
            span: The location of the reference.
            diagnostics: Receives the error.
        """
        if name == PREVIOUS:
            return previous
        # The whole name first: names of steps may have dots, as the command `expand` writes them.
        symbol = self.find(name)
        if symbol is not None:
            return symbol.outputs
        base, dot, output = name.rpartition(".")
        symbol = self.find(base) if dot else None
        base_tensors = None if symbol is None else symbol.outputs
        if base == PREVIOUS:
            base_tensors = previous
        if base_tensors is None:
            self._report_unknown(name, span, diagnostics)
            return ERROR_REFS
        if base_tensors.has_error:
            return ERROR_REFS
        output_tensors = base_tensors.output(output)
        if output_tensors is None:
            note = "its outputs have no names"
            if base_tensors.names:
                note = f"its outputs are: {', '.join(base_tensors.names)}"
            elif len(base_tensors.refs) > 1:
                note = f"its outputs are 0 to {len(base_tensors.refs) - 1}"
            diagnostics.error(
                "unknown-output",
                f"'{base}' has no output {quote(output)}",
                span,
                suggestion=closest_match(output, base_tensors.names),
                notes=(note,),
            )
            return ERROR_REFS
        return output_tensors

    def find(self, name: str) -> Symbol | None:
        """Return the step with a name: its own, a generated one, or that of a block used once."""
        symbol = self.symbols.get(name) or self.unnamed_steps.get(name)
        block_uses = self.unnamed_blocks.get(name, ())
        if symbol is None and len(block_uses) == 1:
            return self.unnamed_steps[block_uses[0]]
        if symbol is None and self.outer is not None:
            return self.outer.find(name)
        return symbol

    def visible_names(self) -> list[str]:
        """Return the names of the preceding steps, those of the scopes around this one first."""
        return [*(self.outer.visible_names() if self.outer else ()), *self.symbols]

    def _report_unknown(self, name: str, span: Span, diagnostics: Diagnostics) -> None:
        # The step with the invalid name may be the one that is meant.
        if self.has_invalid_name or (self.outer is not None and self.outer.has_invalid_name):
            return
        base = name.partition(".")[0]
        notes: tuple[str, ...] = ()
        suggestion = None
        # 'bottleneck', 'bottleneck9' and 'Bottleneck' all mean one of 'bottleneck0', ...
        prefix = name_prefix(base.rstrip("0123456789").rstrip("_"))
        similar = [each for each in self.unnamed_steps if each.rstrip("0123456789") == prefix]
        if name in self.skipped:
            notes = (f"'when' skipped the step of this name at {self.skipped[name]}",)
        elif similar:
            last = f" to '{similar[-1]}'" if len(similar) > 1 else ""
            notes = (f"the steps without a 'name' have numbers: '{similar[0]}'{last}",)
        else:
            # The nearest steps are the likeliest. A network can have 100,000 names, and an error in
            # each of 100 steps.
            names = [*self.visible_names()[-_MAX_CANDIDATES:], PREVIOUS]
            unnamed = list(self.unnamed_steps)[-_MAX_CANDIDATES:]
            suggestion = closest_match(name, [*names, *unnamed])
            recent_names = ", ".join(names[-9:])
            notes = () if suggestion else (f"the earlier steps with a name are: {recent_names}",)
            if self.depth and not suggestion:
                notes += ("a block sees its own inputs and steps alone; declare further 'inputs'",)
        diagnostics.error(
            "unknown-name",
            f"there is no earlier step {quote(name)}",
            span,
            suggestion=suggestion,
            notes=notes,
        )


def name_prefix(callee_name: str) -> str:
    """Return what precedes the number in the generated names of a layer or a block."""
    # The callee may be an empty text, whose error is reported elsewhere.
    prefix = snake_case(callee_name) or "step"
    # The name of a further use of step '12' has letters, hence no digit in front.
    if prefix[0].isdecimal():
        prefix = f"step_{prefix}"
    # Without the underscore, number 0 of block 'stage2' would be number 20 of 'stage'.
    return f"{prefix}_" if prefix[-1].isdecimal() else prefix


@cache
def snake_case(callee_name: str) -> str:
    """Convert the name of a layer or block as Keras does: `MaxPooling2D` to `max_pooling2d`."""
    word = callee_name.removeprefix("ops.").removeprefix("losses.").replace(".", "_")
    return _LOWER_UPPER.sub(r"\1_\2", _WORD_START.sub(r"\1_\2", word)).lower()


@dataclass(frozen=True, slots=True, eq=False)
class StepSite:
    """One iteration of a step, and what is visible to it."""

    step: Step
    scope: Scope
    variables: Variables
    evaluator: ValueEvaluator

    def evaluate(self, value: DeferredValue) -> Tree | None:
        """Return a value with the results of its expressions; report an error and return None."""
        return self.evaluator.evaluate(value, self.variables)

    def without_errors(self) -> StepSite:
        """Return the same site, whose evaluator reports no errors."""
        return replace(self, evaluator=replace(self.evaluator, diagnostics=Diagnostics()))
