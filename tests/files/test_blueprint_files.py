"""Which files can be read, and which paths lead nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.files.blueprint_files import read_file, read_within
from archbuilder.files.sandbox import SandboxPath
from archbuilder.limits import Limits

IMPORT_SPAN = Span(SourceText("net.yaml", "imports: {part: part.yaml}"), 1, 17, 1, 26)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file, a folder in it with another, and a file beside it."""
    folder = tmp_path / "nets"
    (folder / "parts").mkdir(parents=True)
    (folder / "resnet.yaml").write_text("resnet")
    (folder / "parts" / "head.yaml").write_text("head")
    (tmp_path / "secret.yaml").write_text("secret")
    return folder


def inside(folder: Path, reference: str, allow_dirs: tuple[Path, ...] = ()) -> str:
    """The content of a file that a blueprint names."""
    return read_within(
        SandboxPath(folder), reference, IMPORT_SPAN, Limits(), allow_dirs=allow_dirs
    )[1].decode()


def refusal(folder: Path, reference: str) -> str:
    """The code of the mistake that a path is."""
    with pytest.raises(BlueprintError) as caught:
        inside(folder, reference)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span == IMPORT_SPAN
    return diagnostic.code


@pytest.mark.parametrize(
    ("reference", "content"),
    [("resnet.yaml", "resnet"), ("./resnet.yaml", "resnet"), ("parts/head.yaml", "head")],
)
def test_files_in_the_directory_are_read(folder: Path, reference: str, content: str):
    """With or without a dot in front, and in folders below."""
    assert inside(folder, reference) == content


@pytest.mark.parametrize(
    "reference",
    [
        "../secret.yaml",
        "parts/../../secret.yaml",
        "/etc/passwd",
        "C:\\secret.yaml",
        "..\\secret.yaml",
        "file:///etc/passwd",
        "https://example.org/net.yaml",
        "gs://bucket/net.yaml",
        "~/net.yaml",
        "a\x00b",
        "",
        ".",
        "..",
        "résnet.yaml",
    ],
)
def test_paths_outside_are_refused(folder: Path, reference: str):
    """By its text alone, before anything is opened."""
    assert refusal(folder, reference) == "path-outside-directory"


def test_allow_dir(folder: Path, tmp_path: Path):
    """What leads out of the folder has to lead into an allowed one."""
    assert inside(folder, "../secret.yaml", (tmp_path,)) == "secret"
    with pytest.raises(BlueprintError):
        inside(folder, "../secret.yaml", (folder / "parts",))


def test_symlinks_and_hard_links_are_not_followed(folder: Path, tmp_path: Path):
    """Neither as the file nor as a folder on the way, and hard links neither."""
    (folder / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    (folder / "out").symlink_to(tmp_path)
    os.link(tmp_path / "secret.yaml", folder / "hard.yaml")
    for reference in ("link.yaml", "out/secret.yaml", "hard.yaml"):
        assert refusal(folder, reference) == "file-error"


def test_pipes_and_directories_are_not_read(folder: Path):
    """A pipe does not make the compiler wait, a folder is no file."""
    os.mkfifo(folder / "pipe.yaml")
    assert refusal(folder, "pipe.yaml") == "file-error"
    assert refusal(folder, "parts") == "file-error"


def test_a_mistyped_name_gets_a_suggestion(folder: Path):
    """From what lies in the folder."""
    with pytest.raises(BlueprintError) as caught:
        inside(folder, "resnte.yaml")
    assert caught.value.diagnostics[0].suggestion == "resnet.yaml"


def test_a_large_file_is_read_only_as_far_as_needed(folder: Path):
    """One byte more than allowed tells that it is too large."""
    path = folder / "large.yaml"
    path.write_bytes(b"x" * 5_000)
    content = read_file(path, Limits().replace(file_bytes=1_000))
    assert len(content) == 1_001


@pytest.mark.parametrize("name", ["missing.yaml", "parts", "pipe.yaml", "res\x00net.yaml"])
def test_unreadable_user_file(folder: Path, name: str):
    """The message says why, and nothing hangs."""
    os.mkfifo(folder / "pipe.yaml")
    with pytest.raises(BlueprintError) as caught:
        read_file(folder / name, Limits())
    assert caught.value.diagnostics[0].code == "file-error"


def test_user_file_may_be_a_symlink(folder: Path, tmp_path: Path):
    """The restrictions are for strangers, not for the person at the keyboard."""
    (tmp_path / "link.yaml").symlink_to(folder / "resnet.yaml")
    assert read_file(tmp_path / "link.yaml", Limits()) == b"resnet"


def test_dissimilar_names_get_no_suggestion(folder: Path):
    """Neither does a folder that is there, nor a file in a folder that is not."""
    for path in ("unlike.yaml", "parts", "none/resnet.yaml"):
        with pytest.raises(BlueprintError) as caught:
            read_file(folder / path, Limits())
        assert caught.value.diagnostics[0].suggestion is None


def test_devices_are_not_read():
    """One without an end is not read to its end."""
    with pytest.raises(BlueprintError, match="not a regular file"):
        read_file(Path("/dev/zero"), Limits())


def test_symlinks_in_an_allowed_directory_are_not_followed(folder: Path, tmp_path: Path):
    """Allowing a folder does not allow what its links lead to, nor a folder with a like name."""
    for name in ("shared", "shared2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own.yaml").write_text("own")
    (tmp_path / "shared" / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    allowed = (tmp_path / "shared",)
    assert inside(folder, "../shared/own.yaml", allowed) == "own"
    for reference in ("../shared/link.yaml", "../shared2/own.yaml", "../shared/../secret.yaml"):
        with pytest.raises(BlueprintError):
            inside(folder, reference, allowed)


def test_directory_may_be_a_symlink(folder: Path, tmp_path: Path):
    """The person at the keyboard chose it."""
    (tmp_path / "linked").symlink_to(folder)
    assert inside(tmp_path / "linked", "parts/head.yaml") == "head"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_no_file_is_left_open(folder: Path):
    """Reading and refusing close what they opened."""
    (folder / "link.yaml").symlink_to("resnet.yaml")
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        inside(folder, "parts/head.yaml")
        for reference in ("link.yaml", "resnet.yaml/head.yaml", "parts", "none.yaml"):
            refusal(folder, reference)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files
