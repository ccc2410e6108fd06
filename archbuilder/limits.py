"""Limits on the size of blueprints that may come from a stranger; each is an option."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final

from archbuilder.diagnostics.errors import UsageError, quote

MAXIMA: Final = {"depth": 150, "import_depth": 64, "block_depth": 64, "integer_digits": 4_300}
"""The largest values of some limits. The stages after the YAML reader recurse over trees, imports
and blocks, up to three frames a level, and Python's recursion limit is 1000. Python converts
integers of at most 4,300 digits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on a blueprint. `Limits().replace(expanded_steps=1_000_000)` returns larger ones."""

    file_bytes: int = 1_000_000
    """Bytes of one file."""
    # Aliases count as what they stand for: a few hundred bytes of nested aliases can otherwise
    # expand to billions of values ("billion laughs").
    yaml_nodes: int = 100_000
    """Values of one file, aliases expanded."""
    depth: int = 64
    """Nesting of brackets and indentation in one file."""
    scalar_characters: int = 65_536
    """Characters of one string."""
    # 2**63 - 1, the largest int64, has 19 digits.
    integer_digits: int = 19
    """Digits of one integer."""
    files: int = 64
    """Files that one blueprint may import, directly or through others."""
    import_depth: int = 8
    """Length of a chain of imports: files between a blueprint and one that it imports."""
    block_depth: int = 32
    """Nesting of blocks used within blocks."""
    expanded_steps: int = 100_000
    """Steps of a network after blocks, repeats and loops are expanded."""
    expression_tokens: int = 200
    """Names, numbers and operators of one expression."""
    expression_operations: int = 10_000
    """Operations of one evaluation of an expression."""
    total_operations: int = 5_000_000
    """Operations of all evaluations, each with the items of its value."""
    list_items: int = 10_000
    """Items of a list, and characters of a string, that an expression creates."""
    constant_values: int = 10_000_000
    """Values of all constants of a network."""
    unrolled_steps: int = 256
    """Time steps that a recurrent layer with `unroll` may expand."""
    memory_bytes: int = 0
    """Peak memory while the weights are initialized, or the activations of one example; 0 means the
    memory of the machine."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            UsageError: if a value is negative, or above its maximum.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int:
                raise UsageError(f"the limit '{field.name}' must be an integer, not {quote(value)}")
            if value < 0:
                raise UsageError(f"the limit '{field.name}' cannot be {value}")
            if value > MAXIMA.get(field.name, value):
                raise UsageError(
                    f"the limit '{field.name}' cannot be {value}; its maximum is"
                    f" {MAXIMA[field.name]}"
                )

    def replace(self, **values: int) -> Limits:
        """Return these limits with some of them changed.

        Raises:
            UsageError: if a name is not that of a limit, or a value is negative or above its
                maximum.
        """
        field_names = [field.name for field in fields(self)]
        for name in values:
            if name not in field_names:
                raise UsageError(
                    f"there is no limit '{name}'; the limits are: {', '.join(field_names)}"
                )
        # `dataclasses.replace`: the body of a method does not see the names of its class.
        return replace(self, **values)
