"""Semantic checks of a program before its expansion: all names and all constant arguments.

Unused blocks are checked as well. Whatever depends on parameters is left to the expansion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from archbuilder.compiler.check_arguments import check_arguments, check_call_constants
from archbuilder.compiler.expand.iteration import check_loop_lengths
from archbuilder.compiler.formula_calls import check_formula
from archbuilder.compiler.parameters import (
    ParameterOwner,
    ParameterValue,
    bind_by_name,
    check_parameter_values,
    check_required,
    check_type,
)
from archbuilder.compiler.unused_definitions import FILE_NETWORK, OBJECTIVE, Uses, warn_unused
from archbuilder.compiler.variant_check import check_variants
from archbuilder.compiler.visible_names import VisibleNames, block_params, file_holders
from archbuilder.diagnostics.errors import Diagnostics, quote
from archbuilder.diagnostics.span import Span
from archbuilder.language.ast import (
    Block,
    BlockArgument,
    Import,
    Param,
    Sequential,
    SharedCall,
    Step,
    StepCall,
    call_of,
    inner_steps,
)
from archbuilder.language.block_arguments import may_have_steps, wraps_block
from archbuilder.language.call_graph import find_cycles
from archbuilder.language.deferred_values import DeferredValue
from archbuilder.language.formulas import Formula
from archbuilder.language.modules import (
    BlockCallee,
    LayerCallee,
    Program,
    describe_block,
    has_reported_error,
    report_unknown_callee,
    resolve_callee,
)
from archbuilder.language.objective_operations import objective_program
from archbuilder.language.parser.fields import FieldReader
from archbuilder.language.parser.steps import decode_block_argument
from archbuilder.limits import Limits
from archbuilder.registry.signatures import Signature
from archbuilder.yaml.nodes import MappingNode, ScalarNode, SequenceNode, Tree, to_plain


def check_program(program: Program, limits: Limits, diagnostics: Diagnostics) -> bool:
    """Report all errors and warnings in the files of a program that need no expansion.

    Return whether its expressions read the shapes of tensors.
    """
    imported_blocks: set[Block] = set()
    checkers = [
        _ProgramChecker(
            unit, FieldReader(limits, diagnostics, unit.document.functions), imported_blocks
        )
        for unit in program.iter_programs()
    ]
    for checker in checkers:
        checker.check()
    # After an error, names may seem unused because their use could not be decoded.
    if not diagnostics.error_count:
        for checker in checkers:
            warn_unused(checker.document, checker.uses, diagnostics)
    return any(checker.reads_shapes for checker in checkers)


class _ProgramChecker:
    """Checks one file, and collects what it uses."""

    def __init__(self, program: Program, reader: FieldReader, imported_blocks: set[Block]) -> None:
        self._program = program
        self.document = program.document
        self._reader = reader
        self._diagnostics = reader.diagnostics
        self.uses = Uses(imported_blocks)
        self.reads_shapes = False

    def check(self) -> None:
        """Report all errors in the file, and collect what it uses."""
        document = self.document
        self._check_file()
        for name, network in document.networks.items():
            if document.is_single_network:
                self._check_block(FILE_NETWORK, network, "")
            else:
                self._check_block(name, network, f"network '{name}'")
        if document.objective is not None:
            self._program = objective_program(self._program, document.objective)
            for block in document.objective.blocks:
                self._check_block(OBJECTIVE, block, "the objective")
        # With an objective, blocks may be parts of it. The expansion reports one that a network
        # uses.
        for name, block in document.blocks.items():
            self._check_block(name, block, f"block '{name}'")
        self._check_recursion()

    def _check_file(self) -> None:
        """Check the parameters, imports, variants and expectations of the file."""
        document = self.document
        params = document.params
        holders = file_holders(params)
        scope = VisibleNames(FILE_NETWORK, frozenset(params), self.uses.file_params, holders)
        for name, param in params.items():
            holder = holders.get(name, FILE_NETWORK)
            self._check_defaults({name: param}, replace(scope, block=holder))
        numbers = () if document.objective is None else document.objective.values()
        for value in (document.data, document.training, *numbers):
            self._check_names(value, scope)
        training = None if document.training is None else document.training.tree
        objective = training.get("objective") if isinstance(training, MappingNode) else None
        if objective is not None:
            self._add_blocks_in(objective.value)
        for name, imported in document.imports.items():
            program = self._program.imports.get(name)
            self._check_import_values(
                imported, {} if program is None else program.document.params, scope
            )
            if program is not None:
                check_parameter_values(
                    program.document.params,
                    [
                        ParameterValue(param, value.tree, span)
                        for param, value, span in imported.params
                    ],
                    ParameterOwner(f"the file {quote(imported.file)}", "parameter"),
                    self._diagnostics,
                    allow_expressions=True,
                )
        check_variants(document, self._diagnostics)
        for variant in document.variants.values():
            for name, tree, _ in variant.values:
                if name in holders:
                    title = f"the parameter {quote(name)}"
                    block = decode_block_argument(self._reader, tree, title)
                    self._check_block_argument(block, replace(scope, block=holders[name]))

    def _check_block(self, name: str, block: Block, title: str) -> None:
        param_names = frozenset(block.params)
        file_params = self.document.params
        scope = VisibleNames(
            name,
            param_names | frozenset(file_params),
            set(),
            {
                **file_holders({key: file_params[key] for key in file_params.keys() - param_names}),
                **dict.fromkeys(block_params(block.params)),
            },
        )
        # The parameters of a network are known before its inputs, which may depend on them.
        inputs = frozenset(each.name for each in block.inputs if each.shape is None)
        self._check_defaults(block.params, replace(scope, tensors=inputs))
        for block_input in block.inputs:
            self._check_names(block_input.shape, scope)
            self._check_names(block_input.dtype, scope)
            self._check_names(block_input.condition, scope)
        step_scope = replace(scope, tensors=None)
        self._check_steps(block.steps, step_scope)
        for output in block.outputs or ():
            self._check_names(output.ref, step_scope)
        # A parameter of the block hides that of the file.
        self.uses.file_params |= scope.names_read - param_names
        for param in block.params.values():
            if param.name not in scope.names_read:
                self.uses.unused_params.append((param, f" of {title}" if title else ""))

    def _check_defaults(self, params: Mapping[str, Param], scope: VisibleNames) -> None:
        for param in params.values():
            if param.default_block is not None:
                self._check_block_argument(param.default_block, scope)
                continue
            self._check_names(param.default, scope)
            if param.default is not None and param.default.is_constant:
                check_type(param, param.default.tree, self._diagnostics, allow_expressions=False)

    def _check_steps(self, steps: tuple[Step, ...], outer: VisibleNames) -> None:
        for step in steps:
            scope = outer
            if step.loop is not None:
                for _, value in step.loop.variables:
                    self._check_names(value, outer)
                # The lengths of lists from expressions are not known yet.
                lengths = {
                    name: len(value.tree.items)
                    for name, value in step.loop.variables
                    if isinstance(value.tree, SequenceNode)
                }
                check_loop_lengths(lengths, step.loop, self._diagnostics)
                scope = scope.with_names(
                    {name for name, _ in step.loop.variables} | {step.loop.index}
                )
            # `for` is the outer loop of a step with both, so `repeat` sees its variables.
            if step.repeat is not None:
                self._check_names(step.repeat.times, scope)
                scope = scope.with_names({step.repeat.index})
            refs = step.input_refs
            sources = () if refs is None else (*refs.inputs, *(value for _, value in refs.keywords))
            for modifier in (step.name, step.condition, step.call_constants, *sources):
                self._check_names(modifier, scope)
            if isinstance(step.body, SharedCall):
                self._check_names(step.body.name, scope)
            if isinstance(step.body, Formula):
                self._check_names(step.body.value_of(step.body.root), scope)
                check_formula(step.body, self._diagnostics)
            self._check_steps(inner_steps(step), scope)
            call = call_of(step)
            if call is not None:
                self._check_call(call, step.call_constants, scope)

    def _check_import_values(
        self, imported: Import, params: Mapping[str, Param], scope: VisibleNames
    ) -> None:
        """Check the values that an import passes to the parameters of its file."""
        for name, value, _ in imported.params:
            if name in params and params[name].is_block:
                title = f"the parameter {quote(name)}"
                block = self._program.block_arguments.decode(value, title, self._reader)
                self._check_block_argument(block, scope)
            else:
                self._check_names(value, scope)

    def _add_blocks_in(self, tree: Tree) -> None:
        """Count the blocks in the arguments of an objective as used; its file decodes these."""
        if isinstance(tree, SequenceNode):
            for item in tree.items:
                self._add_blocks_in(item)
            return
        names = [tree.value] if isinstance(tree, ScalarNode) else [each.key for each in tree]
        for name in names:
            if isinstance(name, str) and resolve_callee(self._program, name) is not None:
                self.uses.names.add(name.partition(".")[0])
                self._add_call(OBJECTIVE, name, tree.span)
        for entry in tree.entries if isinstance(tree, MappingNode) else ():
            self._add_blocks_in(entry.value)

    def _check_block_argument(self, block: BlockArgument, scope: VisibleNames) -> None:
        """Check a block that is a value, where it is written."""
        if isinstance(block.body, StepCall):
            # The parameter that holds it may be used with further arguments.
            self._check_call(block.body, None, scope, is_complete=False)
        elif isinstance(block.body, Sequential):
            self._check_steps(block.body.steps, scope)

    def _check_parameter_call(self, call: StepCall, name: str, scope: VisibleNames) -> None:
        """Check `$name` as a step; its arguments depend on the block that the parameter holds."""
        scope.names_read.add(name)
        if name not in scope.names:
            scope.report_unknown(name, call.span, self._diagnostics)
        elif name not in scope.holders:
            self._diagnostics.error(
                "type-mismatch",
                f"the parameter {quote(name)} is not a block",
                call.span,
                notes=("only a parameter that is declared with 'type: block' can be a step",),
            )
        elif (holder := scope.holders[name]) is not None:
            self._add_call(scope.block, holder, call.span)
        self._check_loose_names(call.arguments, scope)

    def _check_loose_names(self, value: DeferredValue | None, scope: VisibleNames) -> None:
        """Check the names in arguments of an unknown callee, except in what may be steps.

        Steps bring variables of their own, those of their loops.
        """
        if value is None:
            return
        scope.names_read.update(name for name, _ in value.names())
        self.uses.functions.update(value.calls())
        tree = value.tree
        for item in [each.value for each in tree] if isinstance(tree, MappingNode) else [tree]:
            if not may_have_steps(item):
                self._check_names(self._reader.decode_value(item), scope)

    def _check_call(
        self,
        call: StepCall,
        constants: DeferredValue | None,
        scope: VisibleNames,
        *,
        is_complete: bool = True,
    ) -> None:
        """Check a call; unless it `is_complete`, its use may add arguments."""
        if call.parameter is not None:
            self._check_parameter_call(call, call.parameter, scope)
            return
        # `resnet.bottleneck` uses the import `resnet`.
        self.uses.names.add(call.callee.partition(".")[0])
        callee = resolve_callee(self._program, call.callee)
        if callee is None:
            self._check_loose_names(call.arguments, scope)
            if not has_reported_error(self._program, call.callee):
                report_unknown_callee(self._program, call, self._diagnostics)
        elif isinstance(callee, LayerCallee):
            signature = callee.signature
            wrapped = self._wrapped_argument(signature, call, scope)
            split = self._program.block_arguments.split(
                call.arguments,
                () if wrapped is None else (wrapped,),
                signature.bare_argument,
                self._reader,
            )
            self._check_names(split.values, scope)
            for named in split.blocks:
                self._check_block_argument(named.block, scope)
            check_arguments(
                signature,
                None if split.values is None else split.values.tree,
                call.span,
                self._diagnostics,
                allow_expressions=True,
                may_lack=[*signature.arguments] if not is_complete else [*filter(None, [wrapped])],
                describe_block=partial(describe_block, self._program),
            )
            if constants is not None:
                check_call_constants(
                    callee.signature, constants.tree, self._diagnostics, allow_expressions=True
                )
        else:
            # A block of another file cannot call back: files do not import each other.
            if callee.imported is None:
                self._add_call(scope.block, call.callee, call.span)
            else:
                self.uses.imported_blocks.add(callee.block)
            self._check_block_arguments(callee, call, scope, is_complete=is_complete)

    def _wrapped_argument(
        self, signature: Signature, call: StepCall, scope: VisibleNames
    ) -> str | None:
        """Return the argument of a layer that is a block where it could be a layer, if any."""

        def is_block(text: str) -> bool:
            if text.startswith("$"):
                return text[1:] in scope.holders
            return isinstance(resolve_callee(self._program, text), BlockCallee)

        name = signature.block_argument
        return name if name and wraps_block(call.arguments, name, is_block) else None

    def _check_block_arguments(
        self, callee: BlockCallee, call: StepCall, scope: VisibleNames, *, is_complete: bool
    ) -> None:
        split = self._program.block_arguments.split(
            call.arguments,
            block_params(callee.params),
            next(iter(callee.params), None),
            self._reader,
        )
        self._check_names(split.values, scope)
        for named in split.blocks:
            self._check_block_argument(named.block, scope)
        tree = None if split.values is None else split.values.tree
        owner = ParameterOwner(f"block '{call.callee}'", "argument")
        # `- block: {}` and `- block: []` are calls without arguments.
        if not callee.params and not isinstance(tree, MappingNode | None) and to_plain(tree) != []:
            self._diagnostics.error(
                "unknown-argument", f"{owner.text} takes no arguments", tree.span
            )
            return
        arguments = bind_by_name(tree, callee.params)
        check_parameter_values(
            callee.params, arguments, owner, self._diagnostics, allow_expressions=True
        )
        is_expression = call.arguments is not None and not call.arguments.is_constant
        if isinstance(tree, ScalarNode) and is_expression:
            # The expression may give a mapping, which has the arguments by name.
            return
        names = [*(each.name for each in arguments), *(each.name for each in split.blocks)]
        # The import may already pass some of the parameters of an imported network.
        if callee.is_file_network and callee.imported is not None:
            names += [name for name, _, _ in callee.imported.params]
        if is_complete:
            check_required(callee.params, names, owner, call.span, self._diagnostics)

    def _check_names(self, value: DeferredValue | None, scope: VisibleNames) -> None:
        if value is None:
            return
        self.uses.functions.update(value.calls())
        if value.reads_shapes:
            self.reads_shapes = True
            scope.check_tensors(value, self._diagnostics)
        for name, span in value.names():
            scope.names_read.add(name)
            if name not in scope.names:
                scope.report_unknown(name, span, self._diagnostics)

    def _add_call(self, caller: str, callee: str, span: Span) -> None:
        self.uses.call_graph.setdefault(caller, {}).setdefault(callee, span)

    def _check_recursion(self) -> None:
        """Report blocks that call themselves, directly or through others, each cycle once."""
        for cycle, span in find_cycles(self.uses.call_graph):
            noun = "parameter" if cycle[0].startswith("$") else "block"
            self._diagnostics.error(
                "recursive-definition",
                f"{noun} '{cycle[0]}' contains itself: {' -> '.join(cycle)}",
                span,
            )
