"""The windows of pooling and unpooling: how large they are, and the order of places in them."""

from __future__ import annotations

from collections.abc import Iterator


def standardize_pool_size(pool_size: int | tuple[int, int] | list[int]) -> tuple[int, int]:
    """The height and the width of a window; both are the same where there is one number.

    Raises:
        ValueError: when it is neither a number above zero nor two of them.
    """
    sizes = (pool_size, pool_size) if isinstance(pool_size, int) else tuple(pool_size)
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f"pool_size must be one or two numbers above zero, not {pool_size}")
    return sizes


def window_offsets(pool_size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The rows and columns in a window, row by row."""
    rows, columns = pool_size
    return ((row, column) for row in range(rows) for column in range(columns))
