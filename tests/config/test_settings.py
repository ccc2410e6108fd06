"""Declarations of settings: one declaration gives the parser, the JSON Schema and the texts."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema
import pytest

from archbuilder.config.json_schema import settings_schema
from archbuilder.config.settings import (
    make_section,
    parse_settings,
    setting,
    setting_schema,
    setting_trees,
    settings_of,
)
from archbuilder.config.value_types import (
    SectionContext,
    boolean,
    choice,
    either,
    integer,
    list_between,
    number,
    or_by_name,
    pair_of,
    text,
)
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.language.parser.fields import FieldReader
from archbuilder.limits import Limits
from archbuilder.yaml.reader import parse_yaml


@dataclass(frozen=True, slots=True)
class Section:
    """A section with a setting of each plain type."""

    file: str = setting(text(), "Path of the file.")
    size: tuple[int, int] = setting(pair_of(integer(1, 64)), "Size.", default=(8, 8))
    rate: float = setting(number(minimum=0, below=1), "Rate.", default=0.5)
    mode: str | bool = setting(choice("auto", True, False), "Mode.", default="auto")
    steps: int | str = setting(either(integer(1, 9), choice("auto")), "Steps.", default="auto")
    columns: str | Mapping[str, str] = setting(or_by_name(text()), "Columns.", default="x")
    scale: float = setting(number(above=0), "Scale.", default=1.0)
    flag: bool = setting(boolean(), "Flag.", default=False)
    others: tuple[str, ...] = setting(list_between(text(), 0, 9), "Others.", default_factory=tuple)
    computed: int = field(default=3, metadata={})


def parse(source: str) -> tuple[Section | None, list[str]]:
    """Return the parsed section, and the messages of the errors."""
    limits, diagnostics = Limits(), Diagnostics()
    tree = parse_yaml(source, "file.yaml", limits)
    context = SectionContext(FieldReader(limits, diagnostics))
    mapping = context.fields.expect_mapping(tree, "'section'")
    section = None
    if mapping is not None:
        settings = settings_of(Section)
        trees = setting_trees(settings, mapping, "'section'", context)
        values = parse_settings(settings, trees, "'section'", mapping.span, context)
        section = None if diagnostics.error_count else make_section(Section, values)
    return section, [each.message for each in diagnostics]


def test_values_are_parsed_and_defaults_are_filled_in():
    """Fields without a key have their default."""
    section, errors = parse("{file: a.csv, size: [2, 3], rate: 0, columns: {a: b}, scale: 4}")
    assert not errors
    assert section == Section("a.csv", (2, 3), 0.0, columns={"a": "b"}, scale=4.0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{size: [1, 2]}", "'section' has no 'file'"),
        ("{file: a, sise: [1, 2]}", "'section' has no key 'sise'"),
        ("{file: a, size: [1]}", "'size'"),
        ("{file: a, rate: 1}", "'rate'"),
        ("{file: a, mode: maybe}", "'mode'"),
        ("{file: a, steps: 10}", "'steps'"),
        ("{file: a, columns: {x: 3}}", "'columns' of 'x'"),
        ("{file: a, scale: 0}", "'scale'"),
        ("{file: a, computed: 4}", "'section' has no key 'computed'"),
        ("[file]", "'section' must be a mapping"),
    ],
)
def test_errors_name_the_setting(source: str, message: str):
    """Each error is about one setting, and names it."""
    section, errors = parse(source)
    assert section is None
    assert len(errors) == 1
    assert message in errors[0]


def test_all_errors_are_reported_at_once():
    """A user can fix a section in one go."""
    _, errors = parse("{rate: 2, flag: 1, steps: 0}")
    assert len(errors) == 4


@pytest.mark.parametrize(
    "source",
    [
        "{file: a}",
        "{size: [1, 2]}",
        "{file: a, size: [1, 2, 3]}",
        "{file: a, rate: 0.999}",
        "{file: a, rate: -1}",
        "{file: a, mode: true}",
        "{file: a, mode: 1}",
        "{file: a, steps: 9}",
        "{file: a, steps: 9.5}",
        "{file: a, columns: [x]}",
        "{file: '', flag: true}",
        "{file: a, others: [a, b]}",
        "{file: a, unknown: 1}",
    ],
)
def test_schema_and_parser_agree(source: str):
    """An editor marks what the parser would report."""
    import yaml

    schema = settings_schema(settings_of(Section))
    schema["definitions"] = {"expression": {"type": "string", "pattern": r"\$"}}
    schema_accepts = jsonschema.Draft7Validator(schema).is_valid(yaml.safe_load(source))
    section, _ = parse(source)
    assert schema_accepts == (section is not None)


def test_declarations_carry_descriptions_and_defaults():
    """The reference page and editors read them."""
    declared = {each.name: each for each in settings_of(Section)}
    assert "computed" not in declared
    assert declared["file"].is_required
    assert declared["rate"].description == "Rate."
    assert declared["rate"].value_type.text == "number at least 0 and below 1"
    schema = settings_schema(settings_of(Section))
    assert schema["required"] == ["file"]
    assert setting_schema(declared["rate"]) == {
        "description": "Rate.",
        "default": 0.5,
        "type": "number",
        "minimum": 0,
        "exclusiveMaximum": 1,
    }


def test_reference_page_is_up_to_date():
    """`make settings` was run after a declaration changed."""
    root = Path(__file__).parents[2]
    path = root / "scripts" / "generate_settings_page.py"
    spec = importlib.util.spec_from_file_location("generate_settings_page", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert (root / "docs" / "settings.md").read_text(encoding="utf-8") == script.page()


def test_text_of_one_choice():
    """It is the choice itself."""
    assert either(integer(1, 9), choice("auto")).text == "integer from 1 to 9, or `auto`"
