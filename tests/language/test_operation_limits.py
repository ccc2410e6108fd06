"""The limit on the operations of all expressions of a blueprint together."""

from __future__ import annotations

from pathlib import Path

import pytest

import archbuilder
from archbuilder import BlueprintError, Limits
from tests.helpers.processor_time import at_most

LIMITS = Limits(total_operations=50_000)


@pytest.mark.parametrize(
    "text",
    [
        "params: {PARAMS}\ninputs: {x: [4]}\nlayers: [Dense: 3]\n",
        "inputs: {x: [4]}\nlayers: [{Dense: '$(len([x for x in range(99)]))', repeat: 9000}]\n",
        "inputs: {x: [4]}\nlayers: [{Reshape: '$([4] + [1 for x in range(500)])', repeat: 9000}]\n",
        "params: {a: $(range(999))}\nblocks: {b: {params: {p: }, layers: [Flatten]}}\n{BODY}",
    ],
)
def test_operations_of_all_expressions_are_limited(tmp_path: Path, text: str):
    """In defaults and in loops; the values that are kept count with their items."""
    params = ", ".join(f"p{i}: $(range(9999))" for i in range(2000))
    body = "inputs: {x: [4]}\nlayers: [{b: $a, repeat: 9000}]\n"
    file = tmp_path / "net.yaml"
    text = text.replace("{PARAMS}", f"{{{params}}}").replace("{BODY}", body)
    file.write_text(f"archbuilder: 1\n{text}")
    with at_most(seconds=3):
        with pytest.raises(BlueprintError) as caught:
            archbuilder.load(file, limits=LIMITS).graphs()
        (error,) = [each for each in caught.value.diagnostics if each.code == "limit-exceeded"]
        assert "all expressions together need more than 50,000 operations" in error.message
        assert error.span is not None
