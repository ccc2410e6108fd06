"""Memory that this machine or container allows a process, as the kernel reports it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Files in which a container finds its own limit, for cgroup versions 2 and 1."""


def total_memory() -> int:
    """Return the bytes of memory of the machine, or the limit of the container if that is less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    limits += [limit for path in _CGROUP_LIMITS if (limit := cgroup_limit(path)) is not None]
    return min(limits)


def cgroup_limit(path: Path) -> int | None:
    """Return the bytes in a limit file of a cgroup, None without such a file or limit."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    # Version 2 has "max" for no limit; version 1 has a number larger than any memory.
    return int(text) if text.isdigit() else None
