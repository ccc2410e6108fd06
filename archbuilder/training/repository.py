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

from archbuilder.places import Place
from archbuilder.tree import Plain

_SECONDS: Final = 20
_COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SHA1: Final = "[core]\nrepositoryFormatVersion = 0\nbare = false\n"
_SHA256: Final = (
    "[core]\nrepositoryFormatVersion = 1\nbare = false\n[extensions]\nobjectFormat = sha256\n"
)
_MOST_TEXT: Final = 2**24
_MOST_INDEX: Final = 2**28
"""More bytes than a file has that is read here."""


def repository_state(file: Path) -> dict[str, Plain] | None:
    """The commit of the repository that has a file, and whether files differ from it.

    None where there is no repository, or it does not have the file; whether they differ is None
    where git is not there to tell.
    """
    for folder in file.absolute().parents:
        if (folder / ".git").exists():
            try:
                return _state(folder, file.absolute())
            except (OSError, ValueError, subprocess.SubprocessError):
                return None
    return None


def _state(folder: Path, file: Path) -> dict[str, Plain] | None:
    own, common = _places(folder / ".git")
    commit = _commit(own, common)
    if commit is None:
        return None
    git = shutil.which("git")
    if git is None:
        return {"commit": commit, "changed": None}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "refs").mkdir()
        (place / "HEAD").write_text(f"{commit}\n")
        (place / "config").write_text(_SHA256 if len(commit) > 40 else _SHA1)
        (place / "index").write_bytes(Place(own).inside("index").read(_MOST_INDEX))
        names = _git(git, place, folder, common, "ls-files", "--", str(file))
        if not names:
            return None
        options = ("--porcelain", "--untracked-files=no", "--ignore-submodules=all")
        changed = _git(git, place, folder, common, "status", *options)
    return {"commit": commit, "changed": bool(changed)}


def _git(git: str, place: Path, folder: Path, common: Path, *arguments: str) -> str:
    """What git prints that knows of no configuration but our own."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "GIT_DIR": str(place),
        "GIT_WORK_TREE": str(folder),
        "GIT_OBJECT_DIRECTORY": str(common / "objects"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }
    done = subprocess.run(  # noqa: S603 - a program of this machine, and words of ours
        [git, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=_SECONDS,
        check=True,
    )
    return done.stdout.decode(errors="replace")


def _places(git: Path) -> tuple[Path, Path]:
    """The folders of a work tree's own state, and of what all work trees have."""
    if git.is_dir():
        return git, git
    told = _text(git.parent, ".git").removeprefix("gitdir:").strip()
    own = git.parent / told
    common = Place(own).inside("commondir").is_file()
    return own, (own / _text(own, "commondir").strip() if common else own)


def _commit(own: Path, common: Path) -> str | None:
    head = _text(own, "HEAD").strip()
    if not head.startswith("ref:"):
        return _checked(head)
    name = head.removeprefix("ref:").strip()
    if ".." in name or not name.startswith("refs/"):
        return None
    for place in (own, common):
        if Place(place).inside(*name.split("/")).is_file():
            return _checked(_text(place, name).strip())
    packed = Place(common).inside("packed-refs").is_file()
    lines = _text(common, "packed-refs").splitlines() if packed else []
    return next((_checked(line.split(" ")[0]) for line in lines if line.endswith(f" {name}")), None)


def _checked(commit: str) -> str | None:
    return commit if _COMMIT.fullmatch(commit) else None


def _text(folder: Path, name: str) -> str:
    content = Place(folder).inside(*name.split("/")).read(_MOST_TEXT)
    return content.decode("utf-8", errors="replace")
