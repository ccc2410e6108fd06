"""`archbuilder new`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from archbuilder import zoo

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_template_is_valid(run: Run, tmp_path: Path) -> None:
    """What a person starts from passes, and every variant of it builds."""
    path = tmp_path / "my net.yaml"
    assert f"; train it with: archbuilder train '{path}'" in run("new", path).out
    assert run("validate", path, "--shapes").out == "Checked 1 blueprint: no errors\n"


@pytest.mark.parametrize("name", zoo.names())
def test_copy_from_library_is_valid(run: Run, tmp_path: Path, name: str) -> None:
    """With all that it imports."""
    path = tmp_path / "mine.yaml"
    assert run("new", path, "--from", name).code == 0
    assert run("validate", path).code == 0


def test_imported_files_are_copied(run: Run, tmp_path: Path) -> None:
    """Beside the copy; what is there already and differs is kept."""
    result = run("new", tmp_path / "mine.yaml", "--from", "resnet_basic:34")
    assert result.code == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mine.yaml", "resnet.yaml"]
    assert run("new", tmp_path / "other.yaml", "--from", "resnet_basic").code == 0
    (tmp_path / "resnet.yaml").write_text("mine")
    result = run("new", tmp_path / "third.yaml", "--from", "resnet_basic")
    assert result.code == 2
    assert "exists" in result.err
    assert not (tmp_path / "third.yaml").exists()


def test_copy_has_no_path_to_the_schema_of_the_library(run: Run, tmp_path: Path) -> None:
    """There is no schema at that path beside the copy, and editors complain."""
    path = tmp_path / "mine.yaml"
    assert run("new", path, "--from", "lenet5").code == 0
    original = zoo.path("lenet5").read_text()
    assert original.startswith("# yaml-language-server: $schema=../")
    assert path.read_text() == original.partition("\n")[2]


def test_existing_file_is_not_overwritten(run: Run, lenet: Path) -> None:
    """Unless it is to be replaced."""
    text = lenet.read_text()
    result = run("new", lenet)
    assert result.code == 2
    assert "--force" in result.err
    assert lenet.read_text() == text
    assert run("new", lenet, "--force").code == 0
    assert lenet.read_text() != text


def test_invalid_arguments(run: Run, tmp_path: Path) -> None:
    """A folder, a missing folder, an unknown name of the library."""
    assert "is a directory" in run("new", tmp_path).err
    assert "model.keras' must end in .yaml or .yml" in run("new", tmp_path / "model.keras").err
    assert "no directory" in run("new", tmp_path / "missing" / "a.yaml").err
    result = run("new", tmp_path / "a.yaml", "--from", "zzzzzz")
    assert result.code == 2
    assert "'archbuilder list'" in result.err
    assert not (tmp_path / "a.yaml").exists()


@pytest.mark.parametrize("name", ["moco.yaml", "resnet.yaml"])
def test_symlinks_are_not_followed(run: Run, tmp_path: Path, name: str) -> None:
    """Neither to the file that is named, nor to one that comes with it, nor with --force."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / name).symlink_to(tmp_path / "other.yaml")
    for options in ([], ["--force"]):
        result = run("new", folder / "moco.yaml", "--from", "moco", *options)
        assert result.code == 2
        assert f"is a link to '{tmp_path / 'other.yaml'}'" in result.err
    assert [each.name for each in folder.iterdir()] == [name]
    assert not (tmp_path / "other.yaml").exists()
