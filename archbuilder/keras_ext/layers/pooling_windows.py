"""The size of pooling windows and the order of positions within them."""

from __future__ import annotations

from collections.abc import Iterator


def standardize_pool_size(pool_size: int | tuple[int, int] | list[int]) -> tuple[int, int]:
    """Return the height and the width of a window, which are equal if one number is given.

    Raises:
        ValueError: if it is neither one nor two integers above zero.
    """
    sizes = (pool_size, pool_size) if isinstance(pool_size, int) else tuple(pool_size)
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f"pool_size must be one or two numbers above zero, not {pool_size}")
    return sizes


def window_offsets(pool_size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Return the row and column of each position in a window, in row-major order."""
    rows, columns = pool_size
    return ((row, column) for row in range(rows) for column in range(columns))
