"""Holds the package to one way of opening files: `archbuilder.places`.

Whatever lies in a folder may have been put there by another person. So every call that takes a path
is either in `places.py` or has a reason here.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "archbuilder"

CALLS = frozenset(
    (
        *("open", "read_text", "read_bytes", "write_text", "write_bytes", "touch", "mkdir"),
        *("makedirs", "rmdir", "rmtree", "unlink", "rename", "symlink_to", "hardlink_to"),
        *("iterdir", "scandir", "listdir", "glob", "rglob", "walk", "copyfile", "copytree"),
        *("mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryFile", "TemporaryDirectory"),
        *("memmap", "fromfile", "open_memmap", "loadtxt", "safe_open", "load_file", "save_file"),
        *("File", "ZipFile", "ParquetFile", "TFRecordWriter", "TFRecordDataset", "GFile"),
        *("create_file_writer", "savefig", "from_file", "load_model"),
    )
)
"""How functions and methods are called that open a path, or that could."""
ALSO = frozenset(("os.replace", "os.remove", "np.load", "np.save", "np.savez", "shutil.copy"))
"""Those whose last name alone says too little."""

OURS = "in the package itself, which another person cannot write"
PLACE = "of a `RunFolder` or a `Place`"
MEMORY = "of bytes in memory"
NAMELESS = "a file or folder of a name that nobody knows, in the system's folder or without a name"
DESCRIPTOR = "the path of a descriptor that a `Place` or an `Opener` has opened"
LISTED = "lists names in a folder that the user names; opens none of them"
NEW = "makes folders where the user says; opens nothing"
DIGITS = "(resources.files('archbuilder') / 'data' / 'digits.csv.gz')"

ALLOWED = {
    ("backend/memory.py", "path.read_text"): "a file of the kernel",
    ("catalogue/reader.py", "FILE.read_text"): OURS,
    ("cli/application.py", "os.open"): "the null device",
    ("cli/compile.py", "path.parent.mkdir"): NEW,
    ("cli/new.py", "each.read_text"): OURS,
    ("cli/quiet.py", "os.open"): "the null device",
    ("files.py", "os.listdir"): LISTED,
    ("launching/local.py", "tempfile.TemporaryFile"): NAMELESS,
    ("library.py", "folder.rglob"): OURS,
    ("library.py", "gallery_path().read_text"): OURS,
    ("loading.py", "source.read_text"): MEMORY,
    ("recipe/given.py", "folder.iterdir"): LISTED,
    ("training/bad_batch.py", "run.write_bytes"): PLACE,
    ("training/checkpoints.py", "load_file"): DESCRIPTOR,
    ("training/checkpoints.py", "part.rename"): PLACE,
    ("training/curves.py", "figure.savefig"): MEMORY,
    ("training/curves.py", "run.write_bytes"): PLACE,
    ("training/curves.py", "tf.io.TFRecordWriter"): DESCRIPTOR,
    ("training/opening.py", "path.iterdir"): LISTED,
    ("training/repository.py", "(place / 'HEAD').write_text"): NAMELESS,
    ("training/repository.py", "(place / 'config').write_text"): NAMELESS,
    ("training/repository.py", "(place / 'index').write_bytes"): NAMELESS,
    ("training/repository.py", "(place / 'refs').mkdir"): NAMELESS,
    ("training/repository.py", "tempfile.TemporaryDirectory"): NAMELESS,
    ("training/run.py", "parent.mkdir"): NEW,
    ("training/run.py", "path.mkdir"): NEW,
    ("training/run.py", "self.write_bytes"): PLACE,
    ("training/run.py", "self.write_text"): PLACE,
    ("training/samples.py", "self._run.write_bytes"): PLACE,
    ("training/sources/digits.py", f"{DIGITS}.read_bytes"): OURS,
    ("training/sources/framing.py", "tempfile.TemporaryFile"): NAMELESS,
    ("training/sources/framing.py", "tf.data.TFRecordDataset"): DESCRIPTOR,
    ("training/sources/gathering.py", "tempfile.TemporaryFile"): NAMELESS,
    ("training/sources/pairs.py", "tempfile.TemporaryDirectory"): NAMELESS,
    ("training/sources/parquet.py", "pq.ParquetFile"): DESCRIPTOR,
    ("training/sources/pictures.py", "Image.open"): MEMORY,
    ("training/sources/text.py", "tempfile.TemporaryDirectory"): NAMELESS,
    ("training/train.py", "run.write_text"): PLACE,
    ("using/sampling.py", "np.savez"): MEMORY,
    ("weights/hdf5.py", "h5py.File"): DESCRIPTOR,
    ("weights/reading.py", "safe_open"): DESCRIPTOR,
    ("weights/reading.py", "tempfile.TemporaryFile"): NAMELESS,
    ("zip_archive.py", "self._archive.open"): "a member of an archive",
    ("zip_archive.py", "zipfile.ZipFile"): DESCRIPTOR,
}


def opens(source: str) -> set[str]:
    """The calls in a module that take a path, or could."""
    called = {
        ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)
    }
    own = {"write_text", "read_text"}
    return {each for each in called - own if each.rpartition(".")[2] in CALLS or each in ALSO}


def test_every_file_is_opened_by_places():
    """A new call is replaced by one of `Place`, or gets a reason; an old reason goes."""
    found = {
        (file.relative_to(PACKAGE).as_posix(), call)
        for file in PACKAGE.rglob("*.py")
        if file.name != "places.py"
        for call in opens(file.read_text())
    }
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    "code",
    [
        "open(path)",
        "path.open()",
        "os.open(path, os.O_RDONLY)",
        "Path(a, b).read_text()",
        "np.load(path)",
        "h5py.File(path)",
        "shutil.rmtree(path)",
        "tf.io.gfile.GFile(path)",
    ],
)
def test_such_calls_are_found(code: str):
    """Whatever they are called on."""
    assert opens(code)
