"""The state of the git repository that a file lies in, without trusting the repository.

A repository may be a stranger's, and its configuration can name programs that git starts: hooks,
watchers of files, filters. So git reads none of it. It is given a configuration of its own, with
the objects and a copy of the index of the repository; the commit is read by ourselves. What is no
regular file there, as a pipe, is not waited for.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from archbuilder.files.sandbox import SandboxPath
from archbuilder.plain_data import PlainData

_TIMEOUT: Final = 20
_COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SHA1_CONFIG: Final = "[core]\nrepositoryFormatVersion = 0\nbare = false\n"
_SHA256_CONFIG: Final = (
    "[core]\nrepositoryFormatVersion = 1\nbare = false\n[extensions]\nobjectFormat = sha256\n"
)
_MAX_TEXT_BYTES: Final = 2**24
_MAX_INDEX_BYTES: Final = 2**28
"""More bytes than a file has that is read here."""


def git_state(file: Path) -> dict[str, PlainData] | None:
    """The commit of the repository that has a file, and whether files differ from it.

    None where there is no repository, or it does not have the file; whether they differ is None
    where git is not there to tell.
    """
    for folder in file.absolute().parents:
        if (folder / ".git").exists():
            try:
                return _read_state(folder, file.absolute())
            except (OSError, ValueError, subprocess.SubprocessError):
                return None
    return None


def _read_state(folder: Path, file: Path) -> dict[str, PlainData] | None:
    git_dir, common_dir = _git_dirs(folder / ".git")
    commit = _read_commit(git_dir, common_dir)
    if commit is None:
        return None
    git = shutil.which("git")
    if git is None:
        return {"commit": commit, "changed": None}
    with tempfile.TemporaryDirectory() as scratch:
        temp_dir = Path(scratch)
        (temp_dir / "refs").mkdir()
        (temp_dir / "HEAD").write_text(f"{commit}\n")
        (temp_dir / "config").write_text(_SHA256_CONFIG if len(commit) > 40 else _SHA1_CONFIG)
        (temp_dir / "index").write_bytes(
            SandboxPath(git_dir).joinpath("index").read(_MAX_INDEX_BYTES)
        )
        tracked_files = _run_git(git, temp_dir, folder, common_dir, "ls-files", "--", str(file))
        if not tracked_files:
            return None
        options = ("--porcelain", "--untracked-files=no", "--ignore-submodules=all")
        changed = _run_git(git, temp_dir, folder, common_dir, "status", *options)
    return {"commit": commit, "changed": bool(changed)}


def _run_git(git: str, git_dir: Path, folder: Path, common_dir: Path, *arguments: str) -> str:
    """What git prints that knows of no configuration but our own."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "GIT_DIR": str(git_dir),
        "GIT_WORK_TREE": str(folder),
        "GIT_OBJECT_DIRECTORY": str(common_dir / "objects"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }
    process = subprocess.run(  # noqa: S603 - a program of this machine, and words of ours
        [git, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=_TIMEOUT,
        check=True,
    )
    return process.stdout.decode(errors="replace")


def _git_dirs(git: Path) -> tuple[Path, Path]:
    """The folders of a work tree's own state, and of what all work trees have."""
    if git.is_dir():
        return git, git
    relative_path = _read_text(git.parent, ".git").removeprefix("gitdir:").strip()
    git_dir = git.parent / relative_path
    has_common_dir = SandboxPath(git_dir).joinpath("commondir").is_file()
    return git_dir, (
        git_dir / _read_text(git_dir, "commondir").strip() if has_common_dir else git_dir
    )


def _read_commit(git_dir: Path, common_dir: Path) -> str | None:
    head = _read_text(git_dir, "HEAD").strip()
    if not head.startswith("ref:"):
        return _valid_commit(head)
    name = head.removeprefix("ref:").strip()
    if ".." in name or not name.startswith("refs/"):
        return None
    for directory in (git_dir, common_dir):
        if SandboxPath(directory).joinpath(*name.split("/")).is_file():
            return _valid_commit(_read_text(directory, name).strip())
    has_packed_refs = SandboxPath(common_dir).joinpath("packed-refs").is_file()
    lines = _read_text(common_dir, "packed-refs").splitlines() if has_packed_refs else []
    return next(
        (_valid_commit(line.split(" ")[0]) for line in lines if line.endswith(f" {name}")), None
    )


def _valid_commit(commit: str) -> str | None:
    return commit if _COMMIT.fullmatch(commit) else None


def _read_text(folder: Path, name: str) -> str:
    content = SandboxPath(folder).joinpath(*name.split("/")).read(_MAX_TEXT_BYTES)
    return content.decode("utf-8", errors="replace")
