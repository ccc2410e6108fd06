"""Expands the steps of a block, and of the blocks that they use, into the nodes of a graph."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from archbuilder.arguments import check_arguments, check_call
from archbuilder.catalogue.signatures import Signature
from archbuilder.document import Block, Branches, Broken, Call, Group, Reuse, Step
from archbuilder.errors import Frame, nearest, shown
from archbuilder.expand.blocks import block_inputs, block_outputs, block_variables
from archbuilder.expand.counting import refuse_size
from archbuilder.expand.flow import BROKEN, Flow, Inputs
from archbuilder.expand.inputs import check_tensors, step_inputs
from archbuilder.expand.rounds import is_kept, rounds
from archbuilder.expand.scope import FileScope, Named, Scope, Use
from archbuilder.expand.step_names import leave_out, local_name, register
from archbuilder.graph import Argument, Node, Ref
from archbuilder.program import (
    BlockTarget,
    LayerTarget,
    Program,
    describe_block,
    find_target,
    is_known_to_be_broken,
    report_unknown,
)
from archbuilder.tree import Mapping, Scalar
from archbuilder.values import Evaluator, Variables


class Expander:
    """Collects the nodes of one network.

    A step with a mistake is reported and gives a broken flow, on which nothing is built, so that
    one run finds all mistakes.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self.nodes: dict[str, Node] = {}
        self._evaluator = evaluator
        self._diagnostics = evaluator.diagnostics
        self._steps = 0
        self._active: list[Block] = []
        self._constant_arguments: dict[int, tuple[Argument, ...]] = {}

    def steps(
        self, steps: tuple[Step, ...], scope: Scope, flow: Flow, variables: Variables
    ) -> Flow:
        """The flow behind a list of steps that begin on `flow`."""
        for step in steps:
            flow = self._step(step, scope, flow, variables)
        return flow

    def _step(self, step: Step, scope: Scope, flow: Flow, variables: Variables) -> Flow:
        if step.loop is None and step.repeat is None:
            return self._round(step, scope, flow, variables, later=False)
        all_rounds = rounds(step, variables, self._evaluator)
        if all_rounds is None:
            register(step, scope, BROKEN, variables, self._evaluator)
            return BROKEN
        if self._steps + len(all_rounds) > self._evaluator.limits.steps:
            refuse_size(self._evaluator, step.span)
        for number, round_variables in enumerate(all_rounds):
            flow = self._round(step, scope, flow, round_variables, later=number > 0)
        return flow

    def _round(
        self, step: Step, scope: Scope, previous: Flow, variables: Variables, *, later: bool
    ) -> Flow:
        self._steps += 1
        if self._steps > self._evaluator.limits.steps:
            refuse_size(self._evaluator, step.span)
        kept = is_kept(step, variables, self._evaluator)
        if kept is None:
            register(step, scope, BROKEN, variables, self._evaluator)
            return BROKEN
        if not kept:
            leave_out(step, scope, variables, self._evaluator)
            return previous
        inputs = step_inputs(step, scope, previous, variables, self._evaluator, later=later)
        return self._body(step, scope, inputs, variables)

    def _body(self, step: Step, scope: Scope, inputs: Inputs, variables: Variables) -> Flow:
        body = step.body
        if isinstance(body, Call):
            return self._call(step, body, scope, inputs, variables)
        if isinstance(body, Reuse):
            return self._reuse(step, body, scope, inputs, variables)
        if isinstance(body, Broken):
            flow = BROKEN
        elif inputs.keywords:
            self._diagnostics.error(
                "wrong-form",
                "'from' with names of inputs goes with a layer or a block",
                step.span,
            )
            flow = BROKEN
        elif isinstance(body, Group):
            flow = self.steps(body.steps, scope, inputs.flow, variables)
        elif body.merge is not None:
            return self._merge(step, body, body.merge, scope, inputs.flow, variables)
        else:
            flow = self._branches(body, scope, inputs.flow, variables)
        if step.call is not None:
            self._diagnostics.error("wrong-form", "'call' goes with a layer", step.call.span)
        register(step, scope, flow, variables, self._evaluator)
        return flow

    def _branches(self, body: Branches, scope: Scope, flow: Flow, variables: Variables) -> Flow:
        flows = [self.steps(branch.steps, scope, flow, variables) for branch in body.branches]
        if any(each.broken for each in flows):
            return BROKEN
        refs = tuple(ref for each in flows for ref in each.refs)
        names = tuple(branch.name for branch in body.branches if branch.name is not None)
        return Flow(refs, names if len(names) == len(refs) else ())

    def _merge(
        self,
        step: Step,
        body: Branches,
        merge: Call,
        scope: Scope,
        flow: Flow,
        variables: Variables,
    ) -> Flow:
        merged = Inputs(self._branches(body, scope, flow, variables), ())
        return self._call(step, merge, scope, merged, variables)

    def _call(
        self, step: Step, call: Call, scope: Scope, inputs: Inputs, variables: Variables
    ) -> Flow:
        program = scope.file.program
        target = find_target(program, call.target)
        local = local_name(step, scope, call.target, variables, self._evaluator)
        if target is None:
            if not is_known_to_be_broken(program, call.target):
                report_unknown(program, call, self._diagnostics)
            if step.name is not None:
                scope.named[local] = Named(BROKEN, call.span)
            return BROKEN
        use = Use(
            path=scope.path + local,
            inputs=inputs,
            call=step.call,
            variables=variables,
            span=call.span,
            shares=scope.shared(local),
        )
        if isinstance(target, LayerTarget):
            named = self._layer(target.signature, call, scope, use)
        else:
            named = self._block(target, call, scope, use)
            if step.name is None:
                scope.unnamed_blocks.setdefault(call.target, []).append(named.flow)
        if step.name is not None:
            scope.named[local] = named
        return named.flow

    def _reuse(
        self, step: Step, reuse: Reuse, scope: Scope, inputs: Inputs, variables: Variables
    ) -> Flow:
        tree = self._evaluator.evaluate(reuse.name, variables)
        name = tree.value if isinstance(tree, Scalar) else None
        local = local_name(step, scope, f"{name}_use", variables, self._evaluator)
        flow = BROKEN
        earlier = scope.named.get(name) if isinstance(name, str) else None
        if earlier is None:
            if tree is not None:
                suggestion = nearest(str(name), scope.named)
                self._diagnostics.error(
                    "unknown-name",
                    f"'use' takes the name of a step before this one, not {shown(name)}",
                    reuse.name.span,
                    suggestion=suggestion,
                )
        elif earlier.again is not None:
            path, shares = scope.path + local, scope.shared(local)
            flow = earlier.again(Use(path, inputs, step.call, variables, step.span, shares))
        elif not earlier.flow.broken:
            self._diagnostics.error(
                "unknown-name",
                f"{shown(name)} is no layer and no block, so it has no weights to use again",
                reuse.name.span,
            )
        if step.name is not None:
            again = None if earlier is None else earlier.again
            scope.named[local] = Named(flow, step.span, again)
        return flow

    def _layer(self, signature: Signature, call: Call, scope: Scope, use: Use) -> Named:
        arguments = self._arguments(signature, call, scope.file.program, use.variables)
        frame = scope.frame
        owner = use.path if use.shares is None else self._owner(use.shares)

        def again(later: Use) -> Flow:
            return self._node(signature, arguments, replace(later, shares=owner), frame)

        first = use if use.shares is None else replace(use, shares=owner)
        return Named(self._node(signature, arguments, first, frame), use.span, again)

    def _owner(self, name: str) -> str:
        """The node whose weights the node `name` has."""
        node = self.nodes.get(name)
        return name if node is None or node.shares is None else node.shares

    def _node(
        self,
        signature: Signature,
        arguments: tuple[Argument, ...] | None,
        use: Use,
        frame: Frame | None,
    ) -> Flow:
        errors = self._diagnostics.error_count
        constants = self._call_constants(signature, use)
        fits = check_tensors(signature, arguments, use, self._diagnostics)
        if arguments is None or use.inputs.broken or not fits:
            return BROKEN
        if use.path in self.nodes:
            # A name with dots, as 'expand' writes them, may be that of a step in a block.
            self._diagnostics.error(
                "duplicate-name",
                f"another step before this one is called '{use.path}', at"
                f" {self.nodes[use.path].span}",
                use.span,
            )
        if constants is None or self._diagnostics.error_count > errors:
            return BROKEN
        self.nodes[use.path] = Node(
            name=use.path,
            operation=signature.name,
            arguments=arguments,
            inputs=use.inputs.flow.refs,
            keywords=use.inputs.keyword_refs(),
            call=constants,
            shares=use.shares,
            span=use.span,
            frame=frame,
        )
        return Flow((Ref(use.path),))

    def _arguments(
        self, signature: Signature, call: Call, program: Program, variables: Variables
    ) -> tuple[Argument, ...] | None:
        known = self._constant_arguments.get(id(call))
        if known is not None:
            return known
        errors = self._diagnostics.error_count
        written = None
        if call.arguments is not None:
            written = self._evaluator.evaluate(call.arguments, variables)
            if written is None:
                return None
        arguments = check_arguments(
            signature,
            written,
            call.span,
            self._diagnostics,
            formulas=False,
            find_block=partial(describe_block, program),
        )
        bare = written is not None and not isinstance(written, Mapping)
        if self._diagnostics.error_count > errors or (bare and not arguments):
            return None
        if call.arguments is None or call.arguments.constant:
            self._constant_arguments[id(call)] = arguments
        return arguments

    def _call_constants(self, signature: Signature, use: Use) -> tuple[Argument, ...] | None:
        if use.call is None:
            return ()
        tree = self._evaluator.evaluate(use.call, use.variables)
        if tree is None:
            return None
        return check_call(signature, tree, self._diagnostics, formulas=False)

    def _block(self, target: BlockTarget, call: Call, scope: Scope, use: Use) -> Named:
        resolved = block_variables(target, call, scope.file, use.variables, self._evaluator)
        if resolved is None or target.block in self._active:
            return Named(BROKEN, use.span)
        file, variables = resolved

        def again(later: Use) -> Flow:
            shares = later.shares if later.shares is not None else use.path
            return self._expand_block(
                target, call, file, variables, scope, replace(later, shares=shares)
            )

        flow = self._expand_block(target, call, file, variables, scope, use)
        return Named(flow, use.span, again)

    def _expand_block(
        self,
        target: BlockTarget,
        call: Call,
        file: FileScope,
        variables: Variables,
        outer: Scope,
        use: Use,
    ) -> Flow:
        block = target.block
        inner = Scope(
            file=file,
            path=use.path + ".",
            shares=None if use.shares is None else use.shares + ".",
            frame=Frame(f"in block '{call.target}'", use.span, outer.frame),
            depth=outer.depth + 1,
        )
        if use.call is not None:
            self._diagnostics.error("wrong-form", "'call' goes with a layer", use.call.span)
        if inner.depth > self._evaluator.limits.block_depth:
            self._diagnostics.error(
                "limit",
                f"blocks stand in blocks more than {self._evaluator.limits.block_depth} deep",
                use.span,
                notes=("raise it with the limit 'block_depth'",),
            )
            return BROKEN
        first = block_inputs(target, call, use, inner, variables, self._evaluator)
        self._active.append(block)
        with self._diagnostics.inside(inner.frame):
            last = self.steps(block.steps, inner, first, variables)
            flow = block_outputs(block, inner, last, variables, self._evaluator)
        self._active.pop()
        return flow
