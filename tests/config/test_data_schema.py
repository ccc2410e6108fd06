"""What a run keeps of the meaning of its examples."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbuilder.config.data_schema import (
    ColumnNames,
    DatasetSchema,
    schema_from_dict,
    schema_to_dict,
)
from archbuilder.files.json import JsonError

TEXTS = st.lists(st.text(), max_size=4).map(tuple)
HEADINGS = st.builds(ColumnNames, TEXTS, st.dictionaries(st.text(), st.text(), max_size=3), TEXTS)
NAMES = st.lists(st.text(), min_size=1, max_size=4).map(tuple)
SCHEMAS = st.builds(
    DatasetSchema, st.none() | HEADINGS, st.dictionaries(st.text(), NAMES, max_size=3)
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["columns", "classes", "inputs", "targets", "weights", ""]), inner
        )
    ),
)


@given(SCHEMAS)
def test_schema_roundtrip(schema: DatasetSchema):
    """Through the text of a record it stays the same."""
    assert schema_from_dict(json.loads(json.dumps(schema_to_dict(schema)))) == schema


@given(PLAIN)
def test_fuzz_invalid_schema(value):
    """An invalid schema is an error, and a valid one is read."""
    if isinstance(value, dict):
        # Otherwise nearly every dictionary would be invalid, because it lacks one of them.
        value = {"images": {}, "scales": {}, **value}
    try:
        schema = schema_from_dict(value)
    except JsonError:
        return
    assert schema_from_dict(schema_to_dict(schema)) == DatasetSchema(
        schema.column_names, {target: names for target, names in schema.classes.items() if names}
    )


def test_missing_schema_is_empty():
    """Records without a schema have an empty one."""
    assert schema_from_dict(None) == DatasetSchema()
    with pytest.raises(JsonError, match="the field 'schema' is 3, not an object"):
        schema_from_dict(3)
    with pytest.raises(JsonError, match=r"the field 'schema.classes.y' is 3, not a list"):
        schema_from_dict({"classes": {"y": 3}})


def test_records_of_earlier_versions():
    """They have neither features nor columns that a split follows."""
    columns = ColumnNames(("a",), {"": "b"})
    record = schema_to_dict(DatasetSchema(columns))
    assert isinstance(record, dict)
    assert isinstance(record["columns"], dict)
    del record["features"], record["columns"]["keys"]
    assert schema_from_dict(record) == DatasetSchema(columns)
