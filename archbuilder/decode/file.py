"""Decodes a whole file: the block that it is, and the metadata around it."""

from __future__ import annotations

import re
from typing import Final

from archbuilder.decode.blocks import (
    decode_block,
    decode_blocks,
    decode_networks,
)
from archbuilder.decode.declarations import (
    decode_expectations,
    decode_imports,
    decode_params,
    decode_variants,
)
from archbuilder.decode.form import NAME_LENGTH, Form, quoted
from archbuilder.document import Block, Document
from archbuilder.errors import Diagnostics
from archbuilder.limits import Limits
from archbuilder.tree import Entry, Mapping, Scalar, Sequence, Span, Tree

VERSION: Final = 1
FILE_KEYS: Final = (
    "archbuilder",
    "name",
    "title",
    "description",
    "references",
    "imports",
    "params",
    "blocks",
    "inputs",
    "layers",
    "outputs",
    "networks",
    "variants",
    "expect",
    "data",
    "training",
)
_BODY_KEYS: Final = ("inputs", "layers", "outputs")
_STEM: Final = re.compile(r"([^/\\]*?)(\.ya?ml)?$")


def decode(tree: Tree, limits: Limits, diagnostics: Diagnostics) -> Document | None:
    """The document of a tree, or None where it is nothing like one.

    What is wrong is added to `diagnostics`; the document then lacks the wrong parts, so that the
    later stages can report what else is wrong.
    """
    form = Form(limits, diagnostics)
    file = form.mapping(tree, "a blueprint", of="a mapping with keys such as 'inputs' and 'layers'")
    if file is None:
        return None
    entries = {entry.key: entry for entry in form.known(file, FILE_KEYS, "a blueprint")}
    _need_version(form, file, entries.get("archbuilder"))
    name = _decode_name(form, file, entries.get("name"))
    imports = decode_imports(form, entries["imports"].value) if "imports" in entries else {}
    blocks, broken_blocks = (
        decode_blocks(form, entries["blocks"].value) if "blocks" in entries else ({}, frozenset())
    )
    networks, broken_networks = _decode_networks(form, file, name, entries)
    _check_distinct(form, entries)
    return Document(
        name=name,
        title=_text(form, entries.get("title")),
        description=_text(form, entries.get("description")),
        references=_decode_references(form, entries.get("references")),
        params=decode_params(form, entries["params"].value) if "params" in entries else {},
        imports=imports,
        blocks=blocks,
        networks=networks,
        single="networks" not in entries,
        variants=decode_variants(form, entries["variants"].value) if "variants" in entries else {},
        expectations=(
            decode_expectations(form, entries["expect"].value) if "expect" in entries else {}
        ),
        data=form.value(entries["data"].value) if "data" in entries else None,
        training=form.value(entries["training"].value) if "training" in entries else None,
        span=tree.span,
        broken_names=broken_blocks
        | broken_networks
        | (frozenset(_keys(entries.get("imports"))) - frozenset(imports)),
    )


def check_version(form: Form, version: Tree) -> None:
    """Report a version of the language, as a file gives it, that is not the one that we read."""
    if not isinstance(version, Scalar) or type(version.value) is not int:
        form.wrong(version, "'archbuilder'", f"the version of the language, {VERSION}")
    elif version.value != VERSION:
        form.diagnostics.error(
            "unsupported-version",
            f"this archbuilder reads version {VERSION} of the language, not {version.value}",
            version.span,
        )


def _need_version(form: Form, file: Mapping, entry: Entry | None) -> None:
    if entry is not None:
        check_version(form, entry.value)
        return
    form.diagnostics.error(
        "missing-key",
        "a blueprint says which version of the language it is in",
        file.entries[0].key_span if file.entries else file.span,
        notes=(f"write as its first line: archbuilder: {VERSION}",),
    )


def _decode_name(form: Form, file: Mapping, entry: Entry | None) -> str:
    if entry is not None:
        text = form.text(entry.value, "'name'")
        if text is not None and form.name(text, entry.value.span, "a blueprint"):
            return text
        return "blueprint"
    stem = _STEM.search(file.span.source.name)
    word = re.sub(r"[^A-Za-z0-9_]+", "_", stem.group(1) if stem else "").strip("_")[:NAME_LENGTH]
    return word if word and not word[0].isdigit() else f"blueprint{'_' if word else ''}{word}"


def _decode_networks(
    form: Form, file: Mapping, name: str, entries: dict[str, Entry]
) -> tuple[dict[str, Block], frozenset[str]]:
    body = tuple(entries[key] for key in _BODY_KEYS if key in entries)
    if "networks" in entries:
        for entry in body:
            form.diagnostics.error(
                "wrong-form",
                f"{quoted(entry.key)} stands beside 'networks'; it belongs into one of them",
                entry.key_span,
            )
        return decode_networks(form, entries["networks"].value)
    if not body and "blocks" in entries:
        return {}, frozenset()
    span = entries["name"].value.span if "name" in entries else file.span
    first_line = Span(span.source, span.line, span.column, span.line, span.column + 1)
    block = decode_block(
        form,
        name,
        Mapping(body, file.span),
        span if "name" in entries else first_line,
        network=True,
    )
    return {name: block}, frozenset()


def _check_distinct(form: Form, entries: dict[str, Entry]) -> None:
    """Blocks, imports and networks are used by name alike, so a name means one of them."""
    seen: dict[str, str] = {}
    for key, what in (("imports", "an import"), ("blocks", "a block"), ("networks", "a network")):
        entry = entries.get(key)
        for each in entry.value if entry and isinstance(entry.value, Mapping) else ():
            if each.key in seen:
                form.diagnostics.error(
                    "duplicate-name",
                    f"{quoted(each.key)} is {what} and also {seen[each.key]}",
                    each.key_span,
                )
            seen.setdefault(each.key, what)


def _keys(entry: Entry | None) -> list[str]:
    if entry is None or not isinstance(entry.value, Mapping):
        return []
    return [each.key for each in entry.value]


def _text(form: Form, entry: Entry | None) -> str:
    if entry is None:
        return ""
    return form.text(entry.value, f"'{entry.key}'") or ""


def _decode_references(form: Form, entry: Entry | None) -> tuple[str, ...]:
    if entry is None:
        return ()
    tree = entry.value
    items = tree.items if isinstance(tree, Sequence) else (tree,)
    texts = [form.text(item, "a reference") for item in items]
    return tuple(text for text in texts if text is not None)
