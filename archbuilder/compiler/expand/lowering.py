"""Lowering of steps to the nodes of a graph: loops, alternatives and branches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from archbuilder.compiler.expand.calls import CallExpander
from archbuilder.compiler.expand.formula_lowering import expand_formula
from archbuilder.compiler.expand.inputs import resolve_inputs
from archbuilder.compiler.expand.iteration import evaluate_when, iterations
from archbuilder.compiler.expand.layer_calls import LayerCalls
from archbuilder.compiler.expand.scope import Scope, StepSite
from archbuilder.compiler.expand.shapes import NetworkShapes, OracleFactory, ScopeShapes
from archbuilder.compiler.expand.size_limit import (
    MAX_STEP_NESTING,
    report_too_many_steps,
    step_cost,
)
from archbuilder.compiler.expand.step_names import mark_unknown, register_name, select_alternative
from archbuilder.compiler.expand.tensors import ERROR_REFS, CallInputs, TensorRefs
from archbuilder.compiler.expand.wrapped_blocks import NetworkExpansion
from archbuilder.compiler.ir import GraphInput, Node
from archbuilder.language.ast import Branches, ErrorNode, Sequential, SharedCall, Step, StepCall
from archbuilder.language.deferred_values import ValueEvaluator, Variables
from archbuilder.language.formulas import Formula
from archbuilder.plain_data import UnknownValue


class Expander:
    """Expands the steps of one network and collects its nodes.

    A step with an error is reported and its output becomes `ERROR_REFS`. Steps that read it emit
    no nodes and report no follow-up errors, so that one run finds all independent errors.
    """

    def __init__(
        self,
        evaluator: ValueEvaluator,
        inputs: Sequence[GraphInput],
        make_oracle: OracleFactory | None,
        unbatched: Iterable[str] = (),
    ) -> None:
        self._layers = LayerCalls(evaluator, unbatched)
        self.shapes = NetworkShapes(make_oracle, inputs, self._layers.nodes, evaluator.diagnostics)
        self._evaluator = evaluator
        self._diagnostics = evaluator.diagnostics
        self._calls = CallExpander(NetworkExpansion(self, self._layers, self.shapes, evaluator))
        self._step_count = 0
        self._nesting = 0

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes of the steps so far, in topological order."""
        return tuple(self._layers.nodes.values())

    def evaluator_at(self, scope: Scope, previous: TensorRefs) -> ValueEvaluator:
        """Return the evaluator of a step, which knows the shapes of the steps before it."""
        shapes = ScopeShapes(scope, previous, self.shapes, self._diagnostics)
        return replace(self._evaluator, shapes=shapes)

    def expand_steps(
        self, steps: tuple[Step, ...], scope: Scope, tensors: TensorRefs, variables: Variables
    ) -> TensorRefs:
        """Expand a chain of steps that starts from `tensors`; return the output of the last one."""
        for step in steps:
            if step.loop is None and step.repeat is None:
                tensors, _ = self._expand_iteration(
                    step, scope, tensors, variables, from_previous_iteration=False
                )
                continue
            evaluator = self.evaluator_at(scope, tensors)
            all_iterations = iterations(step, variables, evaluator)
            if not all_iterations or isinstance(all_iterations, UnknownValue):
                # Evaluating `repeat` and `for` takes time as well, and may happen in every call of
                # a block.
                self._count_step(step)
            if isinstance(all_iterations, UnknownValue):
                mark_unknown(StepSite(step, scope, variables, evaluator))
                tensors = ERROR_REFS
                continue
            if all_iterations is None:
                # Register the name, so that references to it are not reported as unknown.
                if step.name is None or step.name.is_constant:
                    register_name(StepSite(step, scope, variables, evaluator), ERROR_REFS)
                else:
                    # The name may read the variables of the loop, which have no values.
                    scope.has_invalid_name = True
                tensors = ERROR_REFS
                continue
            # `check_step_count` counts a step with an error or a `reuse` as one, so the limit is
            # checked here too.
            if self._step_count + len(all_iterations) > self._evaluator.limits.expanded_steps:
                report_too_many_steps(self._evaluator, step.span)
            # `from` feeds the first iteration that is not skipped; each later one reads its
            # predecessor.
            from_previous_iteration = False
            for iteration_variables in all_iterations:
                tensors, is_active = self._expand_iteration(
                    step,
                    scope,
                    tensors,
                    iteration_variables,
                    from_previous_iteration=from_previous_iteration,
                )
                from_previous_iteration = from_previous_iteration or is_active
        return tensors

    def _count_step(self, step: Step) -> None:
        self._step_count += step_cost(step)
        if self._step_count > self._evaluator.limits.expanded_steps:
            report_too_many_steps(self._evaluator, step.span)

    def _expand_iteration(
        self,
        step: Step,
        scope: Scope,
        previous: TensorRefs,
        variables: Variables,
        *,
        from_previous_iteration: bool,
    ) -> tuple[TensorRefs, bool]:
        """Expand one iteration; return the outputs, and False if its `when` skips it."""
        self._count_step(step)
        site = StepSite(step, scope, variables, self.evaluator_at(scope, previous))
        is_active = evaluate_when(step, variables, site.evaluator)
        if self._nesting == MAX_STEP_NESTING:
            self._diagnostics.error(
                "limit-exceeded",
                f"steps are nested more than {MAX_STEP_NESTING} deep, with the blocks around them",
                step.span,
            )
            is_active = None
        if is_active is None:
            register_name(site, ERROR_REFS)
            return ERROR_REFS, True
        if isinstance(is_active, UnknownValue):
            mark_unknown(site)
            return ERROR_REFS, True
        selected = select_alternative(site, is_active=is_active)
        if selected is None:
            return previous, False
        # Not before `when`: the inputs of a skipped step may be skipped as well.
        site = replace(site, step=selected)
        inputs = resolve_inputs(site, previous, from_previous_iteration=from_previous_iteration)
        self._nesting += 1
        outputs = self._expand_body(site, inputs)
        self._nesting -= 1
        return outputs, True

    def _expand_body(self, site: StepSite, inputs: CallInputs) -> TensorRefs:
        step, scope, variables, body = site.step, site.scope, site.variables, site.step.body
        if isinstance(body, StepCall):
            return self._calls.expand_call(site, body, inputs)
        if isinstance(body, SharedCall):
            return self._calls.expand_shared(site, body, inputs)
        if isinstance(body, Formula):
            return expand_formula(site, body, inputs, self._layers)
        if isinstance(body, ErrorNode):
            outputs = ERROR_REFS
        elif inputs.keywords:
            self._diagnostics.error(
                "invalid-structure",
                "'from' with names of inputs needs a layer or a block in the step",
                step.span,
            )
            outputs = ERROR_REFS
        elif isinstance(body, Sequential):
            outputs = self.expand_steps(body.steps, scope, inputs.positional, variables)
        elif body.merge is not None:
            branch_outputs = self._expand_branches(body, scope, inputs.positional, variables)
            return self._calls.expand_call(site, body.merge, CallInputs(branch_outputs, ()))
        else:
            outputs = self._expand_branches(body, scope, inputs.positional, variables)
        if step.call_constants is not None:
            self._diagnostics.error(
                "invalid-structure", "'call' needs a layer in the step", step.call_constants.span
            )
        register_name(site, outputs)
        return outputs

    def _expand_branches(
        self, body: Branches, scope: Scope, tensors: TensorRefs, variables: Variables
    ) -> TensorRefs:
        branch_outputs = [
            self.expand_steps(branch.steps, scope, tensors, variables) for branch in body.branches
        ]
        if any(each.has_error for each in branch_outputs):
            return ERROR_REFS
        refs = tuple(ref for each in branch_outputs for ref in each.refs)
        # If a branch has several outputs, the names of branches do not match the tensors.
        names = tuple(branch.name for branch in body.branches if branch.name is not None)
        return TensorRefs(refs, names if len(names) == len(refs) else ())
