"""The bounds that a blueprint from a stranger is read within, every one of them an option."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from archbuilder.diagnostics.errors import UsageError


@dataclass(frozen=True, slots=True)
class Limits:
    """What a blueprint may take. `Limits().raised(steps=1_000_000)` allows more."""

    file_bytes: int = 1_000_000
    """Bytes of one file."""
    nodes: int = 100_000
    """Values of one file, aliases expanded."""
    depth: int = 64
    """Nesting of brackets and indentation in one file."""
    scalar_characters: int = 65_536
    """Characters of one text."""
    digits: int = 19
    """Digits of one whole number."""
    files: int = 64
    """Files that one blueprint may import, directly or through others."""
    import_depth: int = 8
    """Files that may stand between a blueprint and one that it imports."""
    block_depth: int = 32
    """Blocks used within blocks."""
    steps: int = 100_000
    """Steps after all blocks, repeats and loops are written out."""
    expression_tokens: int = 200
    """Names, numbers and signs of one expression."""
    expression_operations: int = 1_000
    """Operations that one evaluation of an expression may take."""
    list_items: int = 10_000
    """Items of a list, and characters of a text, that an expression makes."""
    unrolled_steps: int = 256
    """Steps of a sequence that a recurrent layer with `unroll` writes out."""
    memory_bytes: int = 0
    """Bytes that weights or one example's activations may take; 0 means what the machine has."""

    def replace(self, **values: int) -> Limits:
        """The same limits with some of them changed.

        Raises:
            UsageError: for a name that is no limit, or a value below zero.
        """
        field_names = [field.name for field in fields(self)]
        for name, value in values.items():
            if name not in field_names:
                raise UsageError(
                    f"there is no limit '{name}'; the limits are {', '.join(field_names)}"
                )
            if value < 0:
                raise UsageError(f"the limit '{name}' cannot be {value}")
        return replace(self, **values)
