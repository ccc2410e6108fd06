"""Semantic checks of a program before its expansion: all names and all constant arguments.

Unused blocks are checked as well. Whatever depends on parameters is left to the expansion.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from archbuilder.compiler.check_arguments import check_arguments, check_call_constants
from archbuilder.compiler.expand.iteration import check_loop_lengths
from archbuilder.compiler.parameters import (
    ParameterOwner,
    ParameterValue,
    bind_by_name,
    check_parameter_values,
    check_required,
    check_type,
)
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.language.ast import (
    Block,
    Param,
    SharedCall,
    Step,
    StepCall,
    call_of,
    inner_steps,
)
from archbuilder.language.call_graph import find_cycles
from archbuilder.language.deferred_values import DeferredValue
from archbuilder.language.modules import (
    BlockCallee,
    LayerCallee,
    Program,
    describe_block,
    has_reported_error,
    report_unknown_callee,
    resolve_callee,
)
from archbuilder.yaml.nodes import SequenceNode, to_plain


def check_program(program: Program, diagnostics: Diagnostics) -> None:
    """Report all errors and warnings in the files of a program that need no expansion."""
    imported_blocks: set[Block] = set()
    checkers = [
        _ProgramChecker(unit, diagnostics, imported_blocks) for unit in program.iter_programs()
    ]
    for checker in checkers:
        checker.check()
    # After an error, names may seem unused because their use could not be decoded.
    if not diagnostics.error_count:
        for checker in checkers:
            checker.warn_unused()


_FILE_NETWORK: Final = ""
"""The key of the file's network in the call graph. Not its name, which a block may have too."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """The names visible at one point of a block.

    `names_read` collects the names that the block reads; it is shared by all scopes of the block.
    """

    block: str
    visible: AbstractSet[str]
    names_read: set[str]

    def with_names(self, names: AbstractSet[str]) -> _Scope:
        """Return this scope with further visible names, such as the variables of a loop."""
        return replace(self, visible=self.visible | names)


class _ProgramChecker:
    """Checks one file.

    `imported_blocks` collects the blocks that files use from other files; the checkers of all files
    share it.
    """

    def __init__(
        self, program: Program, diagnostics: Diagnostics, imported_blocks: set[Block]
    ) -> None:
        self._program = program
        self._document = program.document
        self._diagnostics = diagnostics
        self._imported_blocks = imported_blocks
        self._file_params_used: set[str] = set()
        self._used_names: set[str] = set()
        self._called_functions: set[str] = set()
        self._unused_params: list[tuple[Param, str]] = []
        self._call_graph: dict[str, dict[str, Span]] = {}

    def check(self) -> None:
        """Report all errors in the file, and collect what it uses."""
        document = self._document
        self._check_file()
        for name, block in document.blocks.items():
            self._check_block(name, block, f"block '{name}'")
        for name, network in document.networks.items():
            if document.is_single_network:
                self._check_block(_FILE_NETWORK, network, "")
            else:
                self._check_block(name, network, f"network '{name}'")
        self._check_recursion()

    def _check_file(self) -> None:
        """Check the parameters, imports, variants and expectations of the file."""
        document = self._document
        scope = _Scope("", frozenset(document.params), self._file_params_used)
        self._check_defaults(document.params, scope)
        for section in (document.data, document.training):
            self._check_names(section, scope)
        for name, imported in document.imports.items():
            for _, value, _ in imported.params:
                self._check_names(value, scope)
            program = self._program.imports.get(name)
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
        # Values of variants are plain: `$` in them is text. Whether a variant gives all required
        # parameters is checked when it is expanded.
        for variant in document.variants.values():
            check_parameter_values(
                document.params,
                [ParameterValue(name, tree, span) for name, tree, span in variant.values],
                ParameterOwner("the blueprint", "parameter"),
                self._diagnostics,
                allow_expressions=False,
            )
        variants = ["default", *document.variants]
        for name, expectation in document.expectations.items():
            if name not in variants:
                self._diagnostics.error(
                    "unknown-variant",
                    f"there is no variant {quote(name)}",
                    expectation.span,
                    suggestion=closest_match(name, variants),
                    notes=(f"the variants are: {', '.join(variants)}",),
                )

    def _check_block(self, name: str, block: Block, title: str) -> None:
        param_names = frozenset(block.params)
        scope = _Scope(name, param_names | frozenset(self._document.params), set())
        self._call_graph[name] = {}
        self._check_defaults(block.params, scope)
        for block_input in block.inputs:
            self._check_names(block_input.shape, scope)
            self._check_names(block_input.dtype, scope)
            self._check_names(block_input.condition, scope)
        self._check_steps(block.steps, scope)
        for output in block.outputs or ():
            self._check_names(output.ref, scope)
        # A parameter of the block hides that of the file.
        self._file_params_used |= scope.names_read - param_names
        for param in block.params.values():
            if param.name not in scope.names_read:
                self._unused_params.append((param, f" of {title}" if title else ""))

    def _check_defaults(self, params: Mapping[str, Param], scope: _Scope) -> None:
        for param in params.values():
            self._check_names(param.default, scope)
            if param.default is not None and param.default.is_constant:
                check_type(param, param.default.tree, self._diagnostics, allow_expressions=False)

    def _check_steps(self, steps: tuple[Step, ...], outer: _Scope) -> None:
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
            self._check_steps(inner_steps(step.body), scope)
            call = call_of(step)
            if call is not None:
                self._check_call(call, step.call_constants, scope)

    def _check_call(self, call: StepCall, constants: DeferredValue | None, scope: _Scope) -> None:
        self._check_names(call.arguments, scope)
        # `resnet.bottleneck` uses the import `resnet`.
        self._used_names.add(call.callee.partition(".")[0])
        callee = resolve_callee(self._program, call.callee)
        if callee is None:
            if not has_reported_error(self._program, call.callee):
                report_unknown_callee(self._program, call, self._diagnostics)
        elif isinstance(callee, LayerCallee):
            check_arguments(
                callee.signature,
                None if call.arguments is None else call.arguments.tree,
                call.span,
                self._diagnostics,
                allow_expressions=True,
                describe_block=partial(describe_block, self._program),
            )
            if constants is not None:
                check_call_constants(
                    callee.signature, constants.tree, self._diagnostics, allow_expressions=True
                )
        else:
            # A block of another file cannot call back: files do not import each other.
            if callee.imported is None:
                self._call_graph[scope.block].setdefault(call.callee, call.span)
            else:
                self._imported_blocks.add(callee.block)
            self._check_block_arguments(callee, call)

    def _check_block_arguments(self, callee: BlockCallee, call: StepCall) -> None:
        tree = None if call.arguments is None else call.arguments.tree
        owner = ParameterOwner(f"block '{call.callee}'", "argument")
        if tree is not None and not callee.params:
            # `- block: {}` is a call without arguments.
            if to_plain(tree) not in ({}, []):
                self._diagnostics.error(
                    "unknown-argument",
                    f"{owner.text} takes no arguments",
                    tree.span,
                )
            return
        arguments = bind_by_name(tree, callee.params)
        check_parameter_values(
            callee.params, arguments, owner, self._diagnostics, allow_expressions=True
        )
        names = [each.name for each in arguments]
        # The import may already pass some of the parameters of an imported network.
        if callee.is_file_network and callee.imported is not None:
            names += [name for name, _, _ in callee.imported.params]
        check_required(callee.params, names, owner, call.span, self._diagnostics)

    def _check_names(self, value: DeferredValue | None, scope: _Scope) -> None:
        if value is None:
            return
        self._called_functions.update(value.calls())
        for name, span in value.names():
            scope.names_read.add(name)
            if name not in scope.visible:
                visible_names = ", ".join(sorted(scope.visible))
                suggestion = closest_match(name, scope.visible)
                note = (
                    f"the parameters are: {visible_names}"
                    if scope.visible
                    else "no parameters are declared"
                )
                self._diagnostics.error(
                    "unknown-parameter",
                    f"there is no parameter {quote(name)} here",
                    span,
                    suggestion=suggestion,
                    notes=() if suggestion else (note,),
                )

    def _check_recursion(self) -> None:
        """Report blocks that call themselves, directly or through others, each cycle once."""
        for cycle, span in find_cycles(self._call_graph):
            self._diagnostics.error(
                "recursive-definition",
                f"block '{cycle[0]}' contains itself: {' -> '.join(cycle)}",
                span,
            )

    def warn_unused(self) -> None:
        """Warn about parameters, imports and blocks that nothing uses.

        Must run after the checks of all files, since a block may be used by other files alone.
        """
        document = self._document
        for param in document.params.values():
            if param.name not in self._file_params_used:
                self._unused_params.append((param, ""))
        for param, owner_text in self._unused_params:
            self._diagnostics.warning(
                "unused-parameter",
                f"the parameter '{param.name}'{owner_text} is not used",
                param.span,
            )
        self._warn_unused_functions()
        for name, imported in document.imports.items():
            if name not in self._used_names:
                self._diagnostics.warning(
                    "unused-import", f"the import '{name}' is not used", imported.span
                )
        # The blocks of a file without a network are there for other files to import.
        if not document.networks:
            return
        # Reachable from a network or another file, rather than called at all: unused blocks may
        # call each other.
        reachable = {_FILE_NETWORK} if document.is_single_network else set(document.networks)
        reachable |= {
            name for name, block in document.blocks.items() if block in self._imported_blocks
        }
        stack = list(reachable)
        while stack:
            for callee in self._call_graph.get(stack.pop(), {}):
                if callee not in reachable:
                    reachable.add(callee)
                    stack.append(callee)
        for name, block in document.blocks.items():
            if name not in reachable:
                self._diagnostics.warning(
                    "unused-block", f"the block '{name}' is not used", block.span
                )

    def _warn_unused_functions(self) -> None:
        """Warn about functions that no value calls, and about arguments that they do not read."""
        functions = self._document.functions
        reachable = set(self._called_functions)
        stack = list(reachable)
        while stack:
            callees = {name for name, _, _ in functions.values[stack.pop()].calls} - reachable
            reachable |= callees
            stack += callees
        for name, signature in functions.signatures.items():
            if name not in reachable:
                self._diagnostics.warning(
                    "unused-function", f"the function '{name}' is not called", signature.span
                )
            names_read = {each for each, _, _ in functions.values[name].references}
            for argument in signature.arguments:
                if argument not in names_read:
                    self._diagnostics.warning(
                        "unused-parameter",
                        f"the argument '{argument}' of the function '{name}' is not used",
                        signature.span,
                    )
