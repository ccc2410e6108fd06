"""Checks a program before anything is expanded: every name and every constant argument.

Blocks that nothing uses are checked as well, and whatever depends on parameters is left to the
expansion.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from archbuilder.arguments import check_arguments, check_call
from archbuilder.document import Block, Branches, Call, Group, Loop, Param, Reuse, Step
from archbuilder.errors import Diagnostics, nearest, shown
from archbuilder.expand.rounds import ROUND
from archbuilder.params import Given, Owner, check_given, check_required, check_type, given_by_name
from archbuilder.program import (
    BlockTarget,
    LayerTarget,
    Program,
    describe_block,
    find_target,
    is_known_to_be_broken,
    report_unknown,
)
from archbuilder.tree import Mapping, Sequence, Span, Tree
from archbuilder.values import Value


def check(program: Program, diagnostics: Diagnostics) -> None:
    """Add every mistake in the files of a program that can be seen without expanding them."""
    for each in program.all():
        _Checker(each, diagnostics).check()


_WHOLE_FILE: Final = ""
"""The network that a file is, among the callers: a block of the file may have the file's name."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A place within a block: the names that it sees, and those that the block has read so far."""

    block: str
    visible: AbstractSet[str]
    read: set[str]

    def seeing(self, names: AbstractSet[str]) -> _Place:
        """The same place with further names, those of a loop."""
        return replace(self, visible=self.visible | names)


class _Checker:
    """Checks one file."""

    def __init__(self, program: Program, diagnostics: Diagnostics) -> None:
        self._program = program
        self._document = program.document
        self._diagnostics = diagnostics
        self._read_of_file: set[str] = set()
        self._used: set[str] = set()
        self._unused_params: list[tuple[Param, str]] = []
        self._calls: dict[str, dict[str, Span]] = {}

    def check(self) -> None:
        document = self._document
        self._check_file()
        for name, block in document.blocks.items():
            self._check_block(name, block, f"block '{name}'")
        for name, network in document.networks.items():
            if document.single:
                self._check_block(_WHOLE_FILE, network, "")
            else:
                self._check_block(name, network, f"network '{name}'")
        self._check_imports()
        self._check_variants()
        self._check_expectations()
        self._check_recursion()
        if not self._diagnostics.error_count:
            # What a mistake hides is not unused.
            self._warn_unused()

    def _check_file(self) -> None:
        document = self._document
        place = _Place("", frozenset(document.params), self._read_of_file)
        self._check_defaults(document.params, place)
        for imported in document.imports.values():
            for _, value, _ in imported.params:
                self._check_names(value, place)
        for section in (document.data, document.training):
            self._check_names(section, place)

    def _check_block(self, name: str, block: Block, what: str) -> None:
        own = frozenset(block.params)
        place = _Place(name, own | frozenset(self._document.params), set())
        self._calls[name] = {}
        self._check_defaults(block.params, place)
        for each in block.inputs:
            self._check_names(each.shape, place)
            self._check_names(each.dtype, place)
            self._check_names(each.condition, place)
        self._check_steps(block.steps, place)
        for output in block.outputs or ():
            self._check_names(output.target, place)
        self._read_of_file |= place.read - own
        for param in block.params.values():
            if param.name not in place.read:
                self._unused_params.append((param, f" of {what}" if what else ""))

    def _check_defaults(self, params: MappingType[str, Param], place: _Place) -> None:
        for param in params.values():
            self._check_names(param.default, place)
            if param.default is not None and param.default.constant:
                check_type(param, param.default.tree, self._diagnostics, formulas=False)

    def _check_steps(self, steps: tuple[Step, ...], outer: _Place) -> None:
        for step in steps:
            place = self._check_modifiers(step, outer)
            body = step.body
            if isinstance(body, Call):
                self._check_call(body, step.call, place)
            elif isinstance(body, Reuse):
                self._check_names(body.name, place)
            elif isinstance(body, Group):
                self._check_steps(body.steps, place)
            elif isinstance(body, Branches):
                for branch in body.branches:
                    self._check_steps(branch.steps, place)
                if body.merge is not None:
                    self._check_call(body.merge, step.call, place)

    def _check_modifiers(self, step: Step, outer: _Place) -> _Place:
        """Check what stands beside a step; gives the place that the step itself is in."""
        place = outer
        if step.loop is not None:
            for _, value in step.loop.variables:
                self._check_names(value, outer)
            self._check_lengths(step.loop)
            place = place.seeing({name for name, _ in step.loop.variables} | {ROUND})
        if step.repeat is not None:
            self._check_names(step.repeat, place)
            place = place.seeing({ROUND})
        for value_or_none in (step.name, step.condition, step.call):
            self._check_names(value_or_none, place)
        if step.sources is not None:
            for value in step.sources.inputs:
                self._check_names(value, place)
            for _, value in step.sources.keywords:
                self._check_names(value, place)
        return place

    def _check_lengths(self, loop: Loop) -> None:
        lengths = {
            name: len(value.tree.items)
            for name, value in loop.variables
            if isinstance(value.tree, Sequence)
        }
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"'{name}' has {length}" for name, length in lengths.items())
            self._diagnostics.error(
                "unequal-lists",
                f"the lists of a 'for' run side by side and are equally long, but {told}",
                loop.span,
            )

    def _check_call(self, call: Call, constants: Value | None, place: _Place) -> None:
        self._check_names(call.arguments, place)
        self._used.add(call.target.partition(".")[0])
        target = find_target(self._program, call.target)
        if target is None:
            if not is_known_to_be_broken(self._program, call.target):
                report_unknown(self._program, call, self._diagnostics)
        elif isinstance(target, LayerTarget):
            self._check_layer(target, call, constants)
        else:
            if target.imported is None:
                self._calls[place.block].setdefault(call.target, call.span)
            self._check_arguments_of_block(target, call)

    def _check_layer(self, target: LayerTarget, call: Call, constants: Value | None) -> None:
        written = None if call.arguments is None else call.arguments.tree
        check_arguments(
            target.signature,
            written,
            call.span,
            self._diagnostics,
            formulas=True,
            find_block=partial(describe_block, self._program),
        )
        if constants is not None:
            check_call(target.signature, constants.tree, self._diagnostics, formulas=True)

    def _check_arguments_of_block(self, target: BlockTarget, call: Call) -> None:
        written = None if call.arguments is None else call.arguments.tree
        owner = Owner(f"block '{call.target}'", "argument")
        if written is not None and not target.params:
            if not _is_empty(written):
                self._diagnostics.error(
                    "unknown-argument",
                    f"{owner.text} takes no arguments",
                    written.span,
                )
            return
        arguments = given_by_name(written, target.params)
        check_given(target.params, arguments, owner, self._diagnostics, formulas=True)
        names = [each.name for each in arguments]
        if target.is_whole_file and target.imported is not None:
            names += [name for name, _, _ in target.imported.params]
        check_required(target.params, names, owner, call.span, self._diagnostics)

    def _check_names(self, value: Value | None, place: _Place) -> None:
        for name, span in value.names() if value is not None else ():
            place.read.add(name)
            if name not in place.visible:
                suggestion = nearest(name, place.visible)
                self._diagnostics.error(
                    "unknown-parameter",
                    f"there is no parameter {shown(name)} here",
                    span,
                    suggestion=suggestion,
                    notes=() if suggestion else _visible_note(place.visible),
                )

    def _check_imports(self) -> None:
        for name, imported in self._document.imports.items():
            program = self._program.imports.get(name)
            if program is not None:
                given = [Given(param, value.tree, span) for param, value, span in imported.params]
                owner = Owner(f"the file {shown(imported.file)}", "parameter")
                params = program.document.params
                check_given(params, given, owner, self._diagnostics, formulas=True)

    def _check_variants(self) -> None:
        params = self._document.params
        for variant in self._document.variants.values():
            given = [Given(name, tree, span) for name, tree, span in variant.values]
            check_given(params, given, Owner("the blueprint", "parameter"), self._diagnostics,
                        formulas=False)  # fmt: skip

    def _check_expectations(self) -> None:
        known = ["default", *self._document.variants]
        for name, expectation in self._document.expectations.items():
            if name not in known:
                self._diagnostics.error(
                    "unknown-variant",
                    f"there is no variant {shown(name)}",
                    expectation.span,
                    suggestion=nearest(name, known),
                    notes=(f"the variants are: {', '.join(known)}",),
                )

    def _check_recursion(self) -> None:
        """Report blocks that use themselves, each circle once, with the way around it."""
        done: set[str] = set()
        for start in self._calls:
            self._follow(start, done)

    def _follow(self, block: str, done: set[str]) -> None:
        stack: list[tuple[str, Iterator[str]]] = [(block, iter(self._calls.get(block, {})))]
        path = [block]
        while stack:
            name, callees = stack[-1]
            callee = next((each for each in callees if each not in done), None)
            if callee is None:
                done.add(name)
                stack.pop()
                path.pop()
            elif callee in path:
                circle = [*path[path.index(callee) :], callee]
                self._diagnostics.error(
                    "recursion",
                    f"block '{callee}' uses itself: {' -> '.join(circle)}",
                    self._calls[name][callee],
                )
            else:
                stack.append((callee, iter(self._calls.get(callee, {}))))
                path.append(callee)

    def _warn_unused(self) -> None:
        document = self._document
        for param in document.params.values():
            if param.name not in self._read_of_file:
                self._unused_params.append((param, ""))
        for param, of in self._unused_params:
            self._diagnostics.warning(
                "unused-parameter", f"the parameter '{param.name}'{of} is not used", param.span
            )
        for name, imported in document.imports.items():
            if name not in self._used:
                self._diagnostics.warning(
                    "unused-import", f"the import '{name}' is not used", imported.span
                )
        if not document.networks:
            return
        reached = {_WHOLE_FILE} if document.single else set(document.networks)
        waiting = list(reached)
        while waiting:
            for callee in self._calls.get(waiting.pop(), {}):
                if callee not in reached:
                    reached.add(callee)
                    waiting.append(callee)
        for name, block in document.blocks.items():
            if name not in reached:
                self._diagnostics.warning(
                    "unused-block", f"the block '{name}' is not used", block.span
                )


def _is_empty(tree: Tree) -> bool:
    """Whether arguments are none at all: `- block: {}` or `- block: []`."""
    if isinstance(tree, Sequence):
        return not tree.items
    return isinstance(tree, Mapping) and not tree.entries


def _visible_note(visible: AbstractSet[str]) -> tuple[str, ...]:
    if not visible:
        return ("no parameters are declared",)
    return (f"the parameters are: {', '.join(sorted(visible))}",)
