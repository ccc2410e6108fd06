"""Patterns that stand for several files."""

from __future__ import annotations

from pathlib import Path

import pytest

from archbuilder.config.sources import DataPath
from archbuilder.data.file_access import DataFileOpener
from archbuilder.diagnostics.errors import BlueprintError, RunError, UsageError
from archbuilder.diagnostics.span import SourceText, Span

SPAN = Span(SourceText("net.yaml", ""), 1, 1, 1, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.csv", "a.csv", ".hidden.csv", "a.txt", "one/x.csv", "two/x.csv", "two/y.csv"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("data/*.csv", ["data/a.csv", "data/b.csv"]),
        ("data/?.txt", ["data/a.txt"]),
        ("data/[ab].csv", ["data/a.csv", "data/b.csv"]),
        ("data/*/x.csv", ["data/one/x.csv", "data/two/x.csv"]),
        ("*/*/y.csv", ["data/two/y.csv"]),
        ("data/.h*", ["data/.hidden.csv"]),
        ("data/a.csv", ["data/a.csv"]),
    ],
)
def test_matched_files_are_sorted(folder: Path, pattern: str, names: list[str]):
    """Those of a person and those of a blueprint, which lie in its folder."""
    persons = DataFileOpener().match_files(DataPath(str(folder / pattern)))
    assert [each.path for each in persons] == [str(folder / name) for name in names]
    blueprints = DataFileOpener(folder).match_files(DataPath(pattern, SPAN))
    assert blueprints == tuple(DataPath(name, SPAN) for name in names)


def test_pattern_without_matches(folder: Path):
    """A pattern that stands for nothing is told, at its place where it has one."""
    with pytest.raises(UsageError, match=r"no file matches '.*\*\.npz'"):
        DataFileOpener().match_files(DataPath(str(folder / "data/*.npz")))
    with pytest.raises(BlueprintError, match=r"no file matches 'data/\*\.npz'"):
        DataFileOpener(folder).match_files(DataPath("data/*.npz", SPAN))


@pytest.mark.parametrize("pattern", ["../data/*.csv", "/etc/*", "../*/a.csv"])
def test_patterns_stay_in_the_directory_of_the_blueprint(folder: Path, pattern: str):
    """They lead nowhere else, unless a person allows it."""
    inner = folder / "inner"
    inner.mkdir()
    with pytest.raises(BlueprintError, match="path-outside-directory"):
        DataFileOpener(inner).match_files(DataPath(pattern, SPAN))
    if pattern == "../data/*.csv":
        paths = DataFileOpener(inner, [folder / "data"]).match_files(DataPath(pattern, SPAN))
        assert [each.path for each in paths] == ["../data/a.csv", "../data/b.csv"]


def test_patterns_do_not_follow_symlinked_directories(folder: Path):
    """A stranger's link beside the data leads nowhere."""
    (folder / "data" / "zoo").symlink_to("/etc")
    paths = DataFileOpener(folder).match_files(DataPath("data/*/*", SPAN))
    assert [each.path for each in paths] == ["data/one/x.csv", "data/two/x.csv", "data/two/y.csv"]


def test_file_name_that_looks_like_a_pattern(folder: Path):
    """A person may have one."""
    path = folder / "a[1].csv"
    path.write_text("x")
    assert DataFileOpener().match_files(DataPath(str(path))) == (DataPath(str(path)),)


def test_error_names_the_nested_directory(folder: Path):
    """An error of a folder within the one that is named says which it is."""
    with pytest.raises(RunError, match=r"cannot read '.*/data/one/gone'"):
        DataFileOpener().list_dir(DataPath(str(folder / "data")), "one", "gone")
    with pytest.raises(BlueprintError, match=r"cannot read 'data/one/gone'"):
        DataFileOpener(folder).list_dir(DataPath("data", SPAN), "one", "gone")
