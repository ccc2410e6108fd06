"""JSON files of a run are bounded, and their fields have types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from archbuilder.files.json import JsonError, JsonObject
from archbuilder.files.sandbox import SandboxPath


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[1]", "it is list, not an object"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "it is nested too deeply"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "it is not JSON"),
        (b'{"a": 9223372036854775808}', "an integer is too large"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b'{"\\ud800": 1}', "half of a surrogate pair"),
    ],
)
def test_invalid_json_objects(content: bytes, message: str):
    """Each with its reason."""
    with pytest.raises(JsonError, match=message):
        JsonObject.parse(content)


@pytest.mark.parametrize(
    ("take", "message"),
    [
        (lambda fields: fields.text("no"), "the field 'no' is missing, which is a string"),
        (lambda fields: fields.text("a"), "the field 'a' is 1, not a string"),
        (lambda fields: fields.count("b"), "the field 'b' is -5, not an integer"),
        (lambda fields: fields.count("f"), "the field 'f' is True, not an integer"),
        (lambda fields: fields.texts("c"), "the field 'c' is 2, not a string"),
        (lambda fields: fields.object("c"), "the field 'c' is list, not an object"),
        (lambda fields: fields.object("d").path("e"), "the field 'd.e' is 'x.*', not a path"),
        (lambda fields: list(fields.objects("c")), r"the field 'c\[0\]' is 't', not an object"),
        (lambda fields: fields.numbers(), "not a number"),
    ],
)
def test_json_fields_of_other_types(take: Callable[[JsonObject], object], message: str):
    """The message names the field and what it is."""
    values = {"a": 1, "b": -5, "c": ["t", 2], "d": {"e": "x\0"}, "f": True}
    fields = JsonObject.from_value(values, "")
    with pytest.raises(JsonError, match=message):
        take(fields)


def test_json_fields(tmp_path: Path):
    """Those of the right types are given."""
    path = tmp_path / "file.json"
    path.write_text('{"a": {"b": ["x", "y"]}, "n": 3, "loss": {"x": 0.5, "y": NaN}}')
    fields = JsonObject.read(SandboxPath(tmp_path, ("file.json",)))
    assert fields.object("a").texts("b") == ("x", "y")
    assert fields.object("a").paths("b") == (Path("x"), Path("y"))
    assert fields.count("n") == 3
    assert set(fields.object("loss").numbers()) == {"x", "y"}
    assert fields.get("none") is None
