"""How much memory this machine lets a program take, from what the kernel says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where a container finds its own limit, as version 2 and version 1 of cgroups say it."""


def total_memory() -> int:
    """The memory of the machine, or of the container where that has less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    limits += [limit for path in _CGROUP_LIMITS if (limit := cgroup_limit(path)) is not None]
    return min(limits)


def cgroup_limit(path: Path) -> int | None:
    """The limit that a file of a cgroup tells, None where there is no such file or no limit."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
