"""The state of a repository is told, and nothing in it is run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from archbuilder.runs.git_state import git_state

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    return subprocess.check_output(["git", *names, *arguments], cwd=folder, text=True).strip()


@pytest.fixture
def blueprint(tmp_path: Path) -> Path:
    """A blueprint in a folder of a repository."""
    git(tmp_path, "init", "-q")
    path = tmp_path / "nets" / "net.yaml"
    path.parent.mkdir()
    path.write_text("archbuilder: 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    return path


def test_commit_and_changes(blueprint: Path):
    """The commit is that of HEAD, packed or not; a file that differs from it is told."""
    commit = git(blueprint.parent, "rev-parse", "HEAD")
    assert git_state(blueprint) == {"commit": commit, "dirty": False}
    git(blueprint.parent, "pack-refs", "--all")
    git(blueprint.parent, "gc", "-q")
    assert git_state(blueprint) == {"commit": commit, "dirty": False}
    blueprint.write_text("archbuilder: 1\nname: net\n")
    assert git_state(blueprint) == {"commit": commit, "dirty": True}
    git(blueprint.parent, "add", ".")
    assert git_state(blueprint) == {"commit": commit, "dirty": True}


def test_a_split_index(blueprint: Path):
    """An index whose entries are in another file, as git writes it in large repositories."""
    commit = git(blueprint.parent, "rev-parse", "HEAD")
    git(blueprint.parent, "update-index", "--split-index")
    assert git_state(blueprint) == {"commit": commit, "dirty": False}
    blueprint.write_text("archbuilder: 1\nname: net\n")
    assert git_state(blueprint) == {"commit": commit, "dirty": True}


def test_second_work_tree(blueprint: Path, tmp_path: Path):
    """A work tree beside the first has a commit of its own."""
    git(blueprint.parent, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    commit = git(tmp_path / "tree", "rev-parse", "HEAD")
    blueprint_path = tmp_path / "tree" / "nets" / "net.yaml"
    assert git_state(blueprint_path) == {"commit": commit, "dirty": False}


def test_no_repository(tmp_path: Path, blueprint: Path):
    """Nothing is told of a file that no repository has, or of one that is damaged."""
    stray = blueprint.with_name("stray.yaml")
    stray.write_text("archbuilder: 1\n")
    assert git_state(stray) is None
    (tmp_path / ".git" / "HEAD").write_text("ref: ../../etc/passwd\n")
    assert git_state(blueprint) is None
    shutil.rmtree(tmp_path / ".git")
    assert git_state(blueprint) is None


@pytest.mark.parametrize("name", ["HEAD", "index", "packed-refs", "refs/heads/main", "commondir"])
def test_pipes_do_not_block(blueprint: Path, tmp_path: Path, name: str):
    """Nothing is told of a repository with a pipe or a link to a device in place of a file."""
    (tmp_path / ".git" / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / ".git" / name)
    state = git_state(blueprint)
    assert state is None or name in ("packed-refs", "commondir")
    (tmp_path / ".git" / name).unlink()
    (tmp_path / ".git" / name).symlink_to("/dev/zero")
    assert git_state(blueprint) == state


def test_a_pipe_in_place_of_a_repository(tmp_path: Path):
    """A file .git may tell where the repository is; a pipe tells nothing."""
    (tmp_path / "net.yaml").write_text("archbuilder: 1\n")
    os.mkfifo(tmp_path / ".git")
    assert git_state(tmp_path / "net.yaml") is None


def test_commit_without_git(blueprint: Path, monkeypatch: pytest.MonkeyPatch):
    """The commit is read without it."""
    commit = git(blueprint.parent, "rev-parse", "HEAD")
    monkeypatch.setenv("PATH", "")
    assert git_state(blueprint) == {"commit": commit, "dirty": None}


def test_repository_configuration_runs_no_programs(blueprint: Path, tmp_path: Path):
    """Programs that the repository's own configuration names are not started."""
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    (tmp_path / ".gitattributes").write_text("*.yaml filter=trap diff=trap\n")
    git(tmp_path, "add", ".gitattributes")
    for key in ("core.fsmonitor", "filter.trap.clean", "filter.trap.process", "diff.trap.textconv"):
        git(tmp_path, "config", key, str(trap))
    for hook in ("post-index-change", "fsmonitor-watchman", "pre-commit"):
        shutil.copy(trap, tmp_path / ".git" / "hooks" / hook)
    blueprint.write_text("archbuilder: 1\nname: other\n")
    state = git_state(blueprint)
    assert state is not None
    assert state["dirty"] is True
    assert not (tmp_path / "sprung").exists()
