"""Calls in steps: of layers, of blocks, of blocks that parameters hold, and of earlier steps."""

from __future__ import annotations

from dataclasses import replace

from archbuilder.compiler.expand.block_values import (
    check_call_of_steps,
    held_block,
    wrapped_argument,
)
from archbuilder.compiler.expand.blocks import (
    bind_block_inputs,
    bind_block_parameters,
    resolve_block_outputs,
)
from archbuilder.compiler.expand.environment import BlockValue, BoundCall, Environment
from archbuilder.compiler.expand.scope import CallSite, Scope, StepSite, Symbol
from archbuilder.compiler.expand.shapes import InputShapes
from archbuilder.compiler.expand.step_names import assign_step_name
from archbuilder.compiler.expand.tensors import ERROR_REFS, CallInputs, TensorRefs
from archbuilder.compiler.expand.wrapped_blocks import NetworkExpansion, WrapperExpander
from archbuilder.diagnostics.errors import ExpansionFrame, closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.language.ast import Branches, ErrorNode, Sequential, SharedCall, StepCall
from archbuilder.language.deferred_values import Variables
from archbuilder.language.modules import (
    BlockCallee,
    LayerCallee,
    has_reported_error,
    is_keras_name,
    report_unknown_callee,
    resolve_callee,
)
from archbuilder.plain_data import UnknownValue
from archbuilder.yaml.nodes import ScalarNode


class CallExpander:
    """Expands the calls in the steps of one network."""

    def __init__(self, network: NetworkExpansion) -> None:
        self._network = network
        self._wrappers = WrapperExpander(network)
        self._diagnostics = network.evaluator.diagnostics

    def expand_call(self, site: StepSite, call: StepCall, inputs: CallInputs) -> TensorRefs:
        """Expand the call of a layer, a block or a parameter in a step; return its outputs."""
        step, scope, variables, evaluator = site.step, site.scope, site.variables, site.evaluator
        # `assign_step_name` also reports invalid and duplicate names, so it is called for an
        # unknown callee too.
        base = call.parameter or call.callee
        step_name = assign_step_name(site, base)
        call_site = CallSite(
            path=scope.path + step_name,
            inputs=inputs,
            call_constants=step.call_constants,
            variables=variables,
            evaluator=evaluator,
            span=call.span,
            inputs_span=call.span if isinstance(step.body, Branches) else step.from_span,
            weight_owner=scope.weight_owner(step_name),
        )
        environment = Environment(scope.file, variables, scope, scope.enclosing, evaluator.shapes)
        if call.parameter is not None:
            block = held_block(call, environment, self._diagnostics)
            symbol = self._expand_held_block(block, call, call_site, scope)
        else:
            symbol = self._expand_bound_call(
                BoundCall(call, environment), call_site, scope.frame, scope.depth
            )
        block_name = None if is_keras_name(base) else base
        scope.add(step_name, symbol, is_generated=step.name is None, block=block_name)
        return symbol.outputs

    def _expand_bound_call(
        self, bound: BoundCall, call_site: CallSite, frame: ExpansionFrame | None, depth: int
    ) -> Symbol:
        """Expand a call of a layer or block by its name, within `depth` blocks."""
        call, program = bound.call, bound.environment.file.program
        callee = resolve_callee(program, call.callee)
        if isinstance(callee, LayerCallee):
            wrapped = wrapped_argument(callee.signature, bound)
            if wrapped is None:
                return self._network.layers.add(callee, bound, call_site, frame)
            return self._wrappers.expand(callee, wrapped, bound, call_site, frame, depth)
        if callee is not None:
            return self._expand_block_call(callee, bound, call_site, frame, depth)
        if not has_reported_error(program, call.callee):
            report_unknown_callee(program, call, self._diagnostics)
        return Symbol(ERROR_REFS, call.span)

    def _expand_held_block(
        self, block: BlockValue | None, call: StepCall, call_site: CallSite, scope: Scope
    ) -> Symbol:
        """Expand `$name`: the block that a parameter holds. Null is the identity."""
        frame = ExpansionFrame("parameter", call.parameter or "", call.span, scope.frame)
        if block is not None and isinstance(block.body, StepCall):
            bound = BoundCall(block.body, block.environment, block.added)
            held_site = replace(call_site, span=block.body.span)
            with self._diagnostics.within(frame):
                return self._expand_bound_call(bound, held_site, frame, scope.depth)

        def expand(site: CallSite) -> TensorRefs:
            if block is not None and isinstance(block.body, ErrorNode):
                return ERROR_REFS
            if not check_call_of_steps(site, call, block, self._diagnostics):
                return ERROR_REFS
            if block is None:
                return site.inputs.positional
            # As a block, a list is one component of the paths of its steps.
            steps_frame = replace(frame, kind="block", name=call.callee)
            return self._expand_held_steps(block, steps_frame, site, scope.depth + 1)

        def reuse(reuse_site: CallSite) -> TensorRefs:
            return expand(reuse_site.with_weights_of(call_site))

        return Symbol(expand(call_site), call_site.span, reuse)

    def _expand_held_steps(
        self, block: BlockValue, frame: ExpansionFrame, call_site: CallSite, depth: int
    ) -> TensorRefs:
        """Expand a list of steps that a parameter holds, in the scope where it is written."""
        environment = block.environment
        scope = Scope(
            file=environment.file,
            path=call_site.path + ".",
            weight_owner_prefix=call_site.inner_weight_owner_prefix,
            frame=frame,
            depth=depth,
            enclosing=environment.enclosing,
            outer=environment.scope,
        )
        if not self._check_depth(depth, call_site.span) or not isinstance(block.body, Sequential):
            return ERROR_REFS
        with self._diagnostics.within(frame):
            return self._network.steps.expand_steps(
                block.body.steps, scope, call_site.inputs.positional, environment.variables
            )

    def expand_shared(
        self, site: StepSite, shared_call: SharedCall, inputs: CallInputs
    ) -> TensorRefs:
        """Expand `reuse`: another call of an earlier step; return its outputs."""
        step, scope = site.step, site.scope
        tree = site.evaluate(shared_call.name)
        name = tree.value if isinstance(tree, ScalarNode) else None
        step_name = assign_step_name(site, f"{name}_use")
        outputs = ERROR_REFS
        symbol = scope.find(name) if isinstance(name, str) else None
        if symbol is None:
            # `tree` is None after an error in the expression, which is already reported.
            if tree is not None and not isinstance(name, UnknownValue):
                suggestion = closest_match(str(name), scope.visible_names())
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
                    variables=site.variables,
                    evaluator=site.evaluator,
                    span=step.span,
                    inputs_span=step.from_span,
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
        self,
        callee: BlockCallee,
        bound: BoundCall,
        call_site: CallSite,
        frame: ExpansionFrame | None,
        depth: int,
    ) -> Symbol:
        # The semantic check reports recursion, but the expansion also runs after its errors.
        if callee.block in bound.environment.enclosing:
            return Symbol(ERROR_REFS, call_site.span)
        # The parameters of a file may decide which inputs it has.
        shapes = (
            None
            if callee.is_file_network
            else InputShapes(
                callee, bound, call_site, self._network.shapes, self._network.evaluator
            )
        )
        binding = bind_block_parameters(callee, bound, self._network.evaluator, shapes)
        if binding is None:
            return Symbol(ERROR_REFS, call_site.span)
        file, variables = binding
        call = bound.call

        def expand(site: CallSite) -> TensorRefs:
            inner = Scope(
                file=file,
                path=site.path + ".",
                weight_owner_prefix=site.inner_weight_owner_prefix,
                frame=ExpansionFrame("block", call.callee, site.span, frame),
                depth=depth + 1,
                enclosing=bound.environment.enclosing | {callee.block},
            )
            return self._expand_block(callee, call, variables, inner, site)

        def reuse(reuse_site: CallSite) -> TensorRefs:
            return expand(reuse_site.with_weights_of(call_site))

        return Symbol(expand(call_site), call_site.span, reuse)

    def _expand_block(
        self,
        callee: BlockCallee,
        call: StepCall,
        variables: Variables,
        inner: Scope,
        call_site: CallSite,
    ) -> TensorRefs:
        """Inline a block at a call site, in the scope `inner`; return its outputs."""
        block = callee.block
        if call_site.call_constants is not None:
            self._diagnostics.error(
                "invalid-structure",
                "'call' needs a layer in the step",
                call_site.call_constants.span,
            )
        if not self._check_depth(inner.depth, call_site.span):
            return ERROR_REFS
        first_inputs = bind_block_inputs(
            callee, call, call_site, inner, variables, self._network.evaluator
        )
        with self._diagnostics.within(inner.frame):
            last_outputs = self._network.steps.expand_steps(
                block.steps, inner, first_inputs, variables
            )
            evaluator = self._network.steps.evaluator_at(inner, last_outputs)
            return resolve_block_outputs(block, inner, last_outputs, variables, evaluator)

    def _check_depth(self, depth: int, span: Span) -> bool:
        """Check how deep blocks, and lists of steps in parameters, are nested; report it."""
        limit = self._network.evaluator.limits.block_depth
        if depth <= limit:
            return True
        message = f"blocks are nested more than {limit} deep"
        self._diagnostics.limit_error("block_depth", message, span)
        return False
