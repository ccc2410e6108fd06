"""Counts the steps of a blueprint before any of them is expanded.

A few lines can stand for billions of steps. How many a step stands for depends only on the
variables that it reads, so each is counted once for the same values, and the rest is arithmetic.
"""

from __future__ import annotations

from typing import Final

from archbuilder.document import Block, Branches, Call, Group, Reuse, Step
from archbuilder.errors import BlueprintError, Diagnostics
from archbuilder.expand.blocks import block_variables
from archbuilder.expand.rounds import ROUND, is_kept, rounds
from archbuilder.expand.scope import FileScope
from archbuilder.program import BlockTarget, find_target
from archbuilder.tree import Span
from archbuilder.values import Evaluator, Value, Variables

_ANY_NUMBER: Final = 10**9


def check_size(block: Block, file: FileScope, variables: Variables, evaluator: Evaluator) -> None:
    """Hold a network to the number of steps that it may expand to.

    Raises:
        BlueprintError: when there are more.
    """
    # What is wrong otherwise is reported when the steps are expanded.
    quiet = Evaluator(evaluator.limits, Diagnostics(maximum=_ANY_NUMBER))
    try:
        _Count(quiet).of_block(block, file, variables)
    except BlueprintError as error:
        for diagnostic in error.diagnostics:
            if diagnostic.code == "limit":
                evaluator.diagnostics.add(diagnostic)
        raise BlueprintError(evaluator.diagnostics) from None


def refuse_size(evaluator: Evaluator, span: Span) -> None:
    """Report that there are too many steps.

    Raises:
        BlueprintError: always.
    """
    evaluator.diagnostics.error(
        "limit",
        f"the blueprint expands to more than {evaluator.limits.steps:,} steps",
        span,
        notes=("raise it with the limit 'steps'",),
    )
    raise BlueprintError(evaluator.diagnostics)


class _Count:
    """Counts with memory of what was counted before."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._active: list[Block] = []
        self._known: dict[tuple[object, ...], int] = {}
        self._reads: dict[int, frozenset[str]] = {}
        self._named: dict[str, int] = {}

    def of_block(self, block: Block, file: FileScope, variables: Variables) -> int:
        """How many steps a block expands to; one that uses itself is a mistake of its own."""
        if block in self._active or len(self._active) > self._evaluator.limits.block_depth:
            return 1
        self._active.append(block)
        count = self._of_steps(block.steps, file, variables)
        self._active.pop()
        return count

    def _of_steps(self, steps: tuple[Step, ...], file: FileScope, variables: Variables) -> int:
        total = 0
        for step in steps:
            total += self._of_step(step, file, variables)
            if total > self._evaluator.limits.steps:
                refuse_size(self._evaluator, step.span)
        return total

    def _of_step(self, step: Step, file: FileScope, variables: Variables) -> int:
        reads = self._read_by(step)
        values = tuple(repr(variables.get(name)) for name in sorted(reads))
        key = (id(step), id(file.program), values)
        if key not in self._known:
            self._known[key] = self._count(step, file, variables)
        return self._known[key]

    def _count(self, step: Step, file: FileScope, variables: Variables) -> int:
        all_rounds = rounds(step, variables, self._evaluator)
        if not all_rounds:
            return 1
        if step.loop is None and ROUND not in self._inner_reads(step):
            # Every round is like the first.
            return len(all_rounds) * self._of_round(step, file, all_rounds[0])
        total = 0
        for round_variables in all_rounds:
            total += self._of_round(step, file, round_variables)
            if total > self._evaluator.limits.steps:
                break
        return total

    def _of_round(self, step: Step, file: FileScope, variables: Variables) -> int:
        if not is_kept(step, variables, self._evaluator):
            return 1
        body = step.body
        if isinstance(body, Group):
            return 1 + self._of_steps(body.steps, file, variables)
        if isinstance(body, Branches):
            return 1 + sum(
                self._of_steps(branch.steps, file, variables) for branch in body.branches
            )
        if isinstance(body, Reuse):
            name = self._evaluator.evaluate(body.name, variables)
            return self._named.get(repr(name), 1)
        if isinstance(body, Call):
            return self._of_call(step, body, file, variables)
        return 1

    def _of_call(
        self,
        step: Step,
        call: Call,
        file: FileScope,
        variables: Variables,
    ) -> int:
        target = find_target(file.program, call.target)
        if not isinstance(target, BlockTarget):
            return 1
        inside = block_variables(target, call, file, variables, self._evaluator)
        if inside is None:
            return 1
        inner, inner_variables = inside
        count = 1 + self.of_block(target.block, inner, inner_variables)
        if step.name is not None:
            self._named[repr(self._evaluator.evaluate(step.name, variables))] = count
        return count

    def _read_by(self, step: Step) -> frozenset[str]:
        """The variables that decide what a step expands to, those of its loop among them."""
        if id(step) not in self._reads:
            own = [step.repeat, *(value for _, value in (step.loop.variables if step.loop else ()))]
            self._reads[id(step)] = _names(own) | self._inner_reads(step)
        return self._reads[id(step)]

    def _inner_reads(self, step: Step) -> frozenset[str]:
        """The variables that decide what one round of a step expands to."""
        body = step.body
        reads = _names([step.condition, step.name])
        if isinstance(body, Call):
            reads |= _names([body.arguments])
        elif isinstance(body, Reuse):
            reads |= _names([body.name])
        steps: tuple[Step, ...] = ()
        if isinstance(body, Group):
            steps = body.steps
        elif isinstance(body, Branches):
            steps = tuple(each for branch in body.branches for each in branch.steps)
        return reads.union(*(self._read_by(each) for each in steps))


def _names(values: list[Value | None]) -> frozenset[str]:
    return frozenset(name for value in values if value is not None for name, _ in value.names())
