"""One blueprint file, as the parser returns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archbuilder.diagnostics.span import Span
from archbuilder.expressions import FileFunctions
from archbuilder.language.ast import Block, Expectation, Import, Param, Variant
from archbuilder.language.deferred_values import DeferredValue
from archbuilder.language.objective_ast import ObjectiveBlock


@dataclass(frozen=True, slots=True)
class Document:
    """One blueprint file.

    `networks` holds the network of the file under the file's name, or the networks listed under
    `networks:`. It is empty for a file that has only blocks.
    """

    name: str
    title: str
    description: str
    references: tuple[str, ...]
    params: Mapping[str, Param]
    functions: FileFunctions
    imports: Mapping[str, Import]
    blocks: Mapping[str, Block]
    networks: Mapping[str, Block]
    is_single_network: bool
    """Whether the file itself is the network: it has no key `networks`."""
    variants: Mapping[str, Variant]
    expectations: Mapping[str, Expectation]
    data: DeferredValue | None
    training: DeferredValue | None
    span: Span
    invalid_names: frozenset[str] = field(default=frozenset())
    """Names of blocks, networks and imports that could not be decoded; a call of one is not
    reported as a second error."""
    objective: ObjectiveBlock | None = None
    """The objective of the file, or of its section `training`."""
