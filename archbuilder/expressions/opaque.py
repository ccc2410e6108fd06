"""Values that expressions cannot look into."""

from __future__ import annotations


class OpaqueValue:
    """A value of a parameter that expressions only compare with null: a block."""

    __slots__ = ()
