"""Parser of a whole file: metadata, blocks and networks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.diagnostics.span import Span
from archbuilder.language.ast import Block
from archbuilder.language.document import Document
from archbuilder.language.parser.blocks import decode_block, decode_blocks, decode_networks
from archbuilder.language.parser.declarations import (
    decode_expectations,
    decode_imports,
    decode_params,
    decode_variants,
)
from archbuilder.language.parser.fields import MAX_NAME_LENGTH, FieldReader, quoted
from archbuilder.language.parser.functions import decode_functions
from archbuilder.language.parser.objectives import decode_objective, split_objective
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, SequenceNode, Tree

LANGUAGE_VERSION: Final = 1
FILE_KEYS: Final = (
    "archbuilder",
    "name",
    "title",
    "description",
    "references",
    "imports",
    "params",
    "functions",
    "blocks",
    "inputs",
    "layers",
    "outputs",
    "networks",
    "variants",
    "expect",
    "objective",
    "data",
    "training",
)
_BODY_KEYS: Final = ("inputs", "layers", "outputs")
_STEM: Final = re.compile(r"([^/\\]*?)(\.ya?ml)?$")


def decode_document(tree: Tree, limits: Limits, diagnostics: Diagnostics) -> Document | None:
    """Decode the tree of a file; return None if the tree is not even a mapping.

    Errors are added to `diagnostics`. The document then lacks the invalid parts, so that the
    later stages can check the rest.
    """
    reader = FieldReader(limits, diagnostics)
    file = reader.expect_mapping(
        tree, "a blueprint", expected="a mapping with keys such as 'inputs' and 'layers'"
    )
    if file is None:
        return None
    entries = {entry.key: entry for entry in reader.known_entries(file, FILE_KEYS, "a blueprint")}
    _check_has_version(reader, file, entries)
    name = _decode_name(reader, file, entries.get("name"))
    values = {entry.key: entry.value for entry in entries.values()}
    # Before all other values, whose expressions can call them.
    functions = decode_functions(reader, values.get("functions"))
    reader = replace(reader, functions=functions)
    imports, invalid_imports = decode_imports(reader, values.get("imports"))
    blocks, invalid_blocks = decode_blocks(reader, values.get("blocks"))
    networks, invalid_networks = _decode_networks(reader, file, name, entries)
    _check_unique_names(reader, entries)
    objective = entries.get("objective")
    if objective is not None and networks:
        reader.diagnostics.error(
            "invalid-structure",
            "the objective of a blueprint stands under 'training', and one for several blueprints"
            " in a file of its own",
            objective.key_span,
        )
    if "training" in values:
        values["training"], inline_objective = split_objective(values["training"])
        objective = inline_objective or objective
    return Document(
        name=name,
        title=reader.expect_text(values.get("title"), "'title'") or "",
        description=reader.expect_text(values.get("description"), "'description'") or "",
        references=_decode_references(reader, values.get("references")),
        params=decode_params(reader, values.get("params")),
        functions=functions,
        imports=imports,
        blocks=blocks,
        networks=networks,
        is_single_network="networks" not in values,
        variants=decode_variants(reader, values.get("variants")),
        expectations=decode_expectations(reader, values.get("expect")),
        data=reader.decode_optional(values.get("data")),
        training=reader.decode_optional(values.get("training")),
        span=tree.span,
        # A call of a name with an error must not be reported as unknown.
        invalid_names=invalid_blocks | invalid_networks | invalid_imports,
        objective=None if objective is None else decode_objective(reader, name, objective),
    )


def _check_has_version(
    reader: FieldReader, file: MappingNode, entries: Mapping[str, MappingEntry]
) -> None:
    if "archbuilder" in entries:
        check_version(reader, entries["archbuilder"].value)
    elif not reader.is_misspelled(file, "archbuilder", FILE_KEYS):
        reader.diagnostics.error(
            "missing-key",
            "the blueprint has no version of the language",
            file.entries[0].key_span if file.entries else file.span,
            notes=(f"add as the first line: archbuilder: {LANGUAGE_VERSION}",),
        )


def _decode_references(reader: FieldReader, tree: Tree | None) -> tuple[str, ...]:
    """Decode one reference, or a list of them."""
    items = tree.items if isinstance(tree, SequenceNode) else (tree,)
    texts = [reader.expect_text(item, "a reference") for item in items]
    return tuple(text for text in texts if text is not None)


def check_version(reader: FieldReader, version: Tree) -> None:
    """Report a version of the language other than `LANGUAGE_VERSION`."""
    if not isinstance(version, ScalarNode) or type(version.value) is not int:
        reader.report_unexpected(
            version, "'archbuilder'", f"the version of the language, {LANGUAGE_VERSION}"
        )
    elif version.value != LANGUAGE_VERSION:
        reader.diagnostics.error(
            "unsupported-version",
            f"version {version.value} of the blueprint language is not supported",
            version.span,
            notes=(f"this release of archbuilder supports version {LANGUAGE_VERSION}",),
        )


def _decode_name(reader: FieldReader, file: MappingNode, entry: MappingEntry | None) -> str:
    if entry is not None:
        text = reader.expect_text(entry.value, "'name'")
        if text is not None and reader.check_name(text, entry.value.span, "a blueprint"):
            return text
        return "blueprint"
    # Without a name, the network is called after its file. The name becomes one of Keras, hence no
    # other characters, and no digit in front.
    stem_match = _STEM.search(file.span.source.name)
    word = re.sub(r"[^A-Za-z0-9_]+", "_", stem_match.group(1) if stem_match else "").strip("_")
    if not word:
        return "blueprint"
    return (f"blueprint_{word}" if word[0].isdigit() else word)[:MAX_NAME_LENGTH]


def _decode_networks(
    reader: FieldReader, file: MappingNode, name: str, entries: dict[str, MappingEntry]
) -> tuple[dict[str, Block], frozenset[str]]:
    body = tuple(entries[key] for key in _BODY_KEYS if key in entries)
    if "networks" in entries:
        # `params` is not among these: with several networks, it has the parameters of the file.
        for entry in body:
            reader.diagnostics.error(
                "invalid-structure",
                f"{quoted(entry.key)} cannot be used beside 'networks'; move it into one of the"
                " networks",
                entry.key_span,
            )
        return decode_networks(reader, entries["networks"].value)
    # A collection of blocks for other files to import, or an objective. Any other file is taken for
    # a network, whose missing keys are reported.
    if not body and ("blocks" in entries or "objective" in entries):
        return {}, frozenset()
    # The network is the whole file. Errors about it point to its name or to the first character:
    # an excerpt of the whole file would not show anything.
    span = entries["name"].value.span if "name" in entries else file.span
    first_line = Span(span.source, span.line, span.column, span.line, span.column + 1)
    # With the unknown keys, which are reported, and may be misspelled keys of the network.
    unknown = tuple(entry for entry in file if entry.key not in FILE_KEYS)
    block = decode_block(
        reader,
        name,
        MappingNode((*body, *unknown), file.span),
        span if "name" in entries else first_line,
        is_network=True,
    )
    return {name: block}, frozenset()


def _check_unique_names(reader: FieldReader, entries: dict[str, MappingEntry]) -> None:
    """Check that imports, blocks and networks do not share a name, since steps use all three."""
    seen: dict[str, str] = {}
    for key, kind in (("imports", "an import"), ("blocks", "a block"), ("networks", "a network")):
        entry = entries.get(key)
        for definition in entry.value if entry and isinstance(entry.value, MappingNode) else ():
            if definition.key in seen:
                reader.diagnostics.error(
                    "duplicate-name",
                    f"{quoted(definition.key)} is {kind} and also {seen[definition.key]}",
                    definition.key_span,
                )
            seen.setdefault(definition.key, kind)
