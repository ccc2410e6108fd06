"""Commit and cleanliness of the git repository around a file, without trusting the repository.

The configuration of a repository can name programs that git runs: hooks, file system monitors,
filters. A blueprint may lie in a stranger's repository, so git never reads that configuration: it
gets a temporary git directory with a configuration of ours, a copy of the index, and the object
database of the repository. The commit is parsed here. Only regular files are opened, so that a
named pipe cannot block the process.
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
"""Seconds that one git command may take."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SHARED_INDEX: Final = re.compile(r"sharedindex\.([0-9a-f]{40}([0-9a-f]{24})?)")
_SHA1_CONFIG: Final = "[core]\nrepositoryFormatVersion = 0\nbare = false\n"
_SHA256_CONFIG: Final = (
    "[core]\nrepositoryFormatVersion = 1\nbare = false\n[extensions]\nobjectFormat = sha256\n"
)
# Limits against files of any size; the largest legitimate ones are packed-refs and the index.
_MAX_TEXT_BYTES: Final = 2**24
_MAX_INDEX_BYTES: Final = 2**28


def git_state(file: Path) -> dict[str, PlainData] | None:
    """Return the commit of the repository that tracks a file, and whether the work tree differs.

    Returns:
        `commit` and `dirty`, which is None if git is not installed. None instead of both if the
        file is not in a repository, not tracked, or the repository cannot be read.
    """
    file = file.absolute()
    folder = next((each for each in file.parents if (each / ".git").exists()), None)
    if folder is None:
        return None
    try:
        git_dir, common_dir = _git_dirs(folder / ".git")
        commit = _read_commit(git_dir, common_dir)
        if commit is None:
            return None
        git = shutil.which("git")
        if git is None:
            return {"commit": commit, "dirty": None}
        with tempfile.TemporaryDirectory() as scratch:
            temp_dir = Path(scratch)
            # git recognizes a repository by its HEAD, refs and objects; the latter come from the
            # environment.
            (temp_dir / "refs").mkdir()
            (temp_dir / "HEAD").write_text(f"{commit}\n")
            (temp_dir / "config").write_text(_SHA256_CONFIG if len(commit) > 40 else _SHA1_CONFIG)
            # git looks for the index in its git directory. With core.splitIndex, most entries are
            # in a file that is named after its hash, and the index has the hash as bytes. Files of
            # other hashes are left over from earlier states.
            sandbox = SandboxPath(git_dir)  # does not follow links
            index = sandbox.joinpath("index").read(_MAX_INDEX_BYTES)
            (temp_dir / "index").write_bytes(index)
            for name in sandbox.list_names():
                match = _SHARED_INDEX.fullmatch(name)
                if match is not None and bytes.fromhex(match[1]) in index:
                    content = sandbox.joinpath(name).read(_MAX_INDEX_BYTES)
                    (temp_dir / name).write_bytes(content)
                    break
            tracked_files = _run_git(git, temp_dir, folder, common_dir, "ls-files", "--", str(file))
            if not tracked_files:
                return None
            # In a submodule, git would start another git that reads the submodule's configuration.
            options = ("--porcelain", "--untracked-files=no", "--ignore-submodules=all")
            changes = _run_git(git, temp_dir, folder, common_dir, "status", *options)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": bool(changes)}


def _run_git(git: str, git_dir: Path, folder: Path, common_dir: Path, *arguments: str) -> str:
    """Return the output of a git command that reads no configuration but ours.

    Raises:
        OSError: if git cannot be started.
        subprocess.SubprocessError: if it fails or takes too long.
    """
    # A whole environment rather than changes to ours, which may have other GIT_ variables.
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "GIT_DIR": str(git_dir),
        "GIT_WORK_TREE": str(folder),
        "GIT_OBJECT_DIRECTORY": str(common_dir / "objects"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        # No network access: a partial clone would fetch missing objects from its remote.
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
    """Return the git directory of a work tree, and the one that it shares with other work trees.

    The layout of gitrepository-layout(5): in a linked work tree, `.git` is a file that names the
    former, and the file `commondir` in there names the latter.
    """
    if git.is_dir():
        return git, git
    # Either path may be absolute: joining it to a directory then gives the path itself.
    relative_path = _read_text(git.parent, ".git").removeprefix("gitdir:").strip()
    git_dir = git.parent / relative_path
    has_common_dir = SandboxPath(git_dir).joinpath("commondir").is_file()
    return git_dir, (
        git_dir / _read_text(git_dir, "commondir").strip() if has_common_dir else git_dir
    )


def _read_commit(git_dir: Path, common_dir: Path) -> str | None:
    head = _read_text(git_dir, "HEAD").strip()
    # A detached HEAD holds a commit.
    if not head.startswith("ref:"):
        return _valid_commit(head)
    name = head.removeprefix("ref:").strip()
    # A path that leaves the git directory; git itself forbids '..' in names of refs.
    if ".." in name or not name.startswith("refs/"):
        return None
    for directory in (git_dir, common_dir):
        if SandboxPath(directory).joinpath(*name.split("/")).is_file():
            return _valid_commit(_read_text(directory, name).strip())
    # A ref without a file of its own is a line "COMMIT NAME" of packed-refs.
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
