"""Memory that this machine or container allows a process, as the kernel reports it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
_PROCESS_CGROUPS: Final = Path("/proc/self/cgroup")
"""Lines such as `0::/user.slice` (version 2) and `9:memory:/slurm/job_7` (version 1)."""


def total_memory() -> int:
    """Return the bytes of memory of the machine, or the limit of a cgroup if that is less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    paths = limit_files(_PROCESS_CGROUPS, _CGROUP_ROOT)
    limits += [limit for path in paths if (limit := cgroup_limit(path)) is not None]
    return min(limits)


def limit_files(process_cgroups: Path, root: Path) -> list[Path]:
    """Return the files that may limit the memory of this process, for cgroup versions 1 and 2.

    A job of Slurm and a slice of systemd have cgroups below the root, and the limits of all cgroups
    above hold as well. A container finds its own limit at the root.
    """
    version_1 = root / "memory"
    files = [root / "memory.max", version_1 / "memory.limit_in_bytes"]
    try:
        text = process_cgroups.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return files
    for line in text.splitlines():
        _, _, controllers_and_path = line.partition(":")
        controllers, _, path = controllers_and_path.partition(":")
        if not controllers:
            directory, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            directory, name = version_1, "memory.limit_in_bytes"
        else:
            continue
        for segment in path.strip("/").split("/"):
            # Within a container the path may be that on the host, which does not exist here.
            directory /= segment
            files.append(directory / name)
    return files


def cgroup_limit(path: Path) -> int | None:
    """Return the bytes in a limit file of a cgroup, None without such a file or limit."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    # Version 2 has "max" for no limit; version 1 has a number larger than any memory.
    return int(text) if text.isdigit() else None
