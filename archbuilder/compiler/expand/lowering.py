"""Lowering of steps to the nodes of a graph: loops, branches, blocks and shared weights."""

from __future__ import annotations

from dataclasses import replace

from archbuilder.compiler.expand.blocks import (
    bind_block_inputs,
    bind_block_parameters,
    resolve_block_outputs,
)
from archbuilder.compiler.expand.inputs import resolve_inputs
from archbuilder.compiler.expand.iteration import evaluate_when, iterations
from archbuilder.compiler.expand.layer_calls import LayerCalls
from archbuilder.compiler.expand.scope import CallSite, FileScope, Scope, Symbol
from archbuilder.compiler.expand.size_limit import MAX_STEP_NESTING, report_too_many_steps
from archbuilder.compiler.expand.step_names import assign_step_name, mark_skipped, register_name
from archbuilder.compiler.expand.tensors import ERROR_REFS, CallInputs, TensorRefs
from archbuilder.compiler.ir import Node
from archbuilder.diagnostics.errors import ExpansionFrame, closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.language.ast import (
    Block,
    Branches,
    ErrorNode,
    Sequential,
    SharedCall,
    Step,
    StepCall,
)
from archbuilder.language.deferred_values import ValueEvaluator, Variables
from archbuilder.language.modules import (
    BlockCallee,
    LayerCallee,
    has_reported_error,
    report_unknown_callee,
    resolve_callee,
)
from archbuilder.yaml.nodes import ScalarNode


class Expander:
    """Expands the steps of one network and collects its nodes.

    A step with an error is reported and its output becomes `ERROR_REFS`. Steps that read it emit
    no nodes and report no follow-up errors, so that one run finds all independent errors.
    """

    def __init__(self, evaluator: ValueEvaluator) -> None:
        self._layers = LayerCalls(evaluator)
        self._evaluator = evaluator
        self._diagnostics = evaluator.diagnostics
        self._step_count = 0
        self._nesting = 0
        self._block_stack: list[Block] = []

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes of the steps so far, in topological order."""
        return tuple(self._layers.nodes.values())

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
            all_iterations = iterations(step, variables, self._evaluator)
            if not all_iterations:
                # Evaluating `repeat` and `for` takes time as well, and may happen in every call of
                # a block.
                self._count_step(step)
            if all_iterations is None:
                # Register the name, so that references to it are not reported as unknown.
                if step.name is None or step.name.is_constant:
                    register_name(step, scope, ERROR_REFS, variables, self._evaluator)
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
        self._step_count += 1
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
        is_active = evaluate_when(step, variables, self._evaluator)
        if self._nesting == MAX_STEP_NESTING:
            self._diagnostics.error(
                "limit-exceeded",
                f"steps are nested more than {MAX_STEP_NESTING} deep, with the blocks around them",
                step.span,
            )
            is_active = None
        if is_active is None:
            register_name(step, scope, ERROR_REFS, variables, self._evaluator)
            return ERROR_REFS, True
        if not is_active:
            mark_skipped(step, scope, variables, self._evaluator)
            return previous, False
        # Not before `when`: the inputs of a skipped step may be skipped as well.
        inputs = resolve_inputs(
            step,
            scope,
            previous,
            variables,
            self._evaluator,
            from_previous_iteration=from_previous_iteration,
        )
        self._nesting += 1
        outputs = self._expand_body(step, scope, inputs, variables)
        self._nesting -= 1
        return outputs, True

    def _expand_body(
        self, step: Step, scope: Scope, inputs: CallInputs, variables: Variables
    ) -> TensorRefs:
        body = step.body
        if isinstance(body, StepCall):
            return self._expand_call(step, body, scope, inputs, variables)
        if isinstance(body, SharedCall):
            return self._expand_shared(step, body, scope, inputs, variables)
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
            merge_inputs = CallInputs(branch_outputs, ())
            return self._expand_call(step, body.merge, scope, merge_inputs, variables)
        else:
            outputs = self._expand_branches(body, scope, inputs.positional, variables)
        if step.call_constants is not None:
            self._diagnostics.error(
                "invalid-structure", "'call' needs a layer in the step", step.call_constants.span
            )
        register_name(step, scope, outputs, variables, self._evaluator)
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

    def _expand_call(
        self, step: Step, call: StepCall, scope: Scope, inputs: CallInputs, variables: Variables
    ) -> TensorRefs:
        program = scope.file.program
        callee = resolve_callee(program, call.callee)
        # `assign_step_name` also reports invalid and duplicate names, so it is called for an
        # unknown callee too.
        step_name = assign_step_name(step, scope, call.callee, variables, self._evaluator)
        call_site = CallSite(
            path=scope.path + step_name,
            inputs=inputs,
            call_constants=step.call_constants,
            variables=variables,
            span=call.span,
            inputs_span=call.span if isinstance(step.body, Branches) else _from_span(step),
            weight_owner=scope.weight_owner(step_name),
        )
        if callee is None:
            if not has_reported_error(program, call.callee):
                report_unknown_callee(program, call, self._diagnostics)
            symbol = Symbol(ERROR_REFS, call.span)
        elif isinstance(callee, LayerCallee):
            symbol = self._layers.add(callee.signature, call, call_site, scope)
        else:
            symbol = self._expand_block_call(callee, call, scope, call_site)
        block = None if isinstance(callee, LayerCallee) else call.callee
        scope.add(step_name, symbol, is_generated=step.name is None, block=block)
        return symbol.outputs

    def _expand_shared(
        self,
        step: Step,
        shared_call: SharedCall,
        scope: Scope,
        inputs: CallInputs,
        variables: Variables,
    ) -> TensorRefs:
        tree = self._evaluator.evaluate(shared_call.name, variables)
        name = tree.value if isinstance(tree, ScalarNode) else None
        step_name = assign_step_name(step, scope, f"{name}_use", variables, self._evaluator)
        outputs = ERROR_REFS
        symbol = scope.find(name) if isinstance(name, str) else None
        if symbol is None:
            # `tree` is None after an error in the expression, which is already reported.
            if tree is not None:
                suggestion = closest_match(str(name), scope.symbols)
                self._diagnostics.error(
                    "unknown-name",
                    f"'reuse' needs the name of an earlier step, not {quote(name)}",
                    shared_call.name.span,
                    suggestion=suggestion,
                )
        elif symbol.reuse is not None:
            path, weight_owner = scope.path + step_name, scope.weight_owner(step_name)
            outputs = symbol.reuse(
                CallSite(
                    path=path,
                    inputs=inputs,
                    call_constants=step.call_constants,
                    variables=variables,
                    span=step.span,
                    inputs_span=_from_span(step),
                    weight_owner=weight_owner,
                )
            )
        elif not symbol.outputs.has_error:
            self._diagnostics.error(
                "unknown-name",
                f"{quote(name)} is not a layer or block, so it has no weights to reuse",
                shared_call.name.span,
            )
        reuse = None if symbol is None else symbol.reuse
        use = Symbol(outputs, step.span, reuse)
        scope.add(step_name, use, is_generated=step.name is None, block=None)
        return outputs

    def _expand_block_call(
        self, callee: BlockCallee, call: StepCall, scope: Scope, call_site: CallSite
    ) -> Symbol:
        binding = bind_block_parameters(
            callee, call, scope.file, call_site.variables, self._evaluator
        )
        # The semantic check reports recursion, but the expansion also runs after its errors.
        if binding is None or callee.block in self._block_stack:
            return Symbol(ERROR_REFS, call_site.span)
        file, variables = binding

        def reuse(reuse_site: CallSite) -> TensorRefs:
            # In a block that is itself used again, the weights are those of the same step in the
            # first use of that block.
            weight_owner = (
                reuse_site.weight_owner if reuse_site.weight_owner is not None else call_site.path
            )
            return self._expand_block(
                callee, call, file, variables, scope, replace(reuse_site, weight_owner=weight_owner)
            )

        outputs = self._expand_block(callee, call, file, variables, scope, call_site)
        return Symbol(outputs, call_site.span, reuse)

    def _expand_block(
        self,
        callee: BlockCallee,
        call: StepCall,
        file: FileScope,
        variables: Variables,
        outer: Scope,
        call_site: CallSite,
    ) -> TensorRefs:
        """Inline a block at a call site; return its outputs."""
        block = callee.block
        inner = Scope(
            file=file,
            path=call_site.path + ".",
            weight_owner_prefix=None
            if call_site.weight_owner is None
            else call_site.weight_owner + ".",
            frame=ExpansionFrame("block", call.callee, call_site.span, outer.frame),
            depth=outer.depth + 1,
        )
        if call_site.call_constants is not None:
            self._diagnostics.error(
                "invalid-structure",
                "'call' needs a layer in the step",
                call_site.call_constants.span,
            )
        if inner.depth > self._evaluator.limits.block_depth:
            self._diagnostics.error(
                "limit-exceeded",
                f"blocks are nested more than {self._evaluator.limits.block_depth} deep",
                call_site.span,
                notes=("raise it with --limit block_depth=N",),
            )
            return ERROR_REFS
        first_inputs = bind_block_inputs(callee, call, call_site, inner, variables, self._evaluator)
        self._block_stack.append(block)
        with self._diagnostics.within(inner.frame):
            last_outputs = self.expand_steps(block.steps, inner, first_inputs, variables)
            outputs = resolve_block_outputs(block, inner, last_outputs, variables, self._evaluator)
        self._block_stack.pop()
        return outputs


def _from_span(step: Step) -> Span | None:
    return None if step.input_refs is None else step.input_refs.span
