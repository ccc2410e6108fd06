"""Checks that the package opens files in one module: `archbuilder.files.sandbox`.

Whatever lies in a folder may have been put there by another person. So every call that takes a path
is either in `sandbox.py` or has a reason here.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "archbuilder"

CALLS = frozenset(
    (
        "open",
        "read_text",
        "read_bytes",
        "write_text",
        "write_bytes",
        "touch",
        "mkdir",
        "makedirs",
        "rmdir",
        "rmtree",
        "unlink",
        "rename",
        "symlink_to",
        "hardlink_to",
        "iterdir",
        "scandir",
        "listdir",
        "glob",
        "rglob",
        "walk",
        "copyfile",
        "copytree",
        "mkstemp",
        "mkdtemp",
        "NamedTemporaryFile",
        "TemporaryFile",
        "TemporaryDirectory",
        "memmap",
        "fromfile",
        "open_memmap",
        "loadtxt",
        "safe_open",
        "load_file",
        "save_file",
        "File",
        "ZipFile",
        "ParquetFile",
        "TFRecordWriter",
        "TFRecordDataset",
        "tf_record_iterator",
        "_iter_contents",
        "GFile",
        "create_file_writer",
        "savefig",
        "from_file",
        "load_model",
    )
)
"""How functions and methods are called that open a path, or that could."""
ALSO = frozenset(("os.replace", "os.remove", "np.load", "np.save", "np.savez", "shutil.copy"))
"""Those whose last name alone says too little."""

TREE = "the nodes of a syntax tree"
OURS = "in the package itself, which another person cannot write"
SANDBOX_METHOD = "of a `RunDir` or a `SandboxPath`"
MEMORY = "of bytes in memory"
NAMELESS = "a file or folder of a name that nobody knows, in the system's folder or without a name"
DESCRIPTOR = "the path of a descriptor that a `SandboxPath` or an `DataFileOpener` has opened"
LISTED = "lists names in a folder that the user names; opens none of them"
NEW = "makes folders where the user says; opens nothing"
RUN = "a run directory, which is read through `SandboxPath`"
DIGITS = "(resources.files('archbuilder') / 'data' / 'digits.csv.gz')"

ALLOWED = {
    ("keras_backend/machine_memory.py", "path.read_text"): "a file of the kernel",
    ("registry/registry.py", "REGISTRY_FILE.read_text"): OURS,
    ("cli/application.py", "os.open"): "the null device",
    ("diagnostics/explanations.py", "_DOCUMENTS.iterdir"): OURS,
    ("diagnostics/explanations.py", "_DOCUMENTS.joinpath(code + _SUFFIX).read_text"): OURS,
    ("cli/compile.py", "path.parent.mkdir"): NEW,
    ("cli/new.py", "each.read_text"): OURS,
    ("silence_tensorflow.py", "os.open"): "the null device",
    ("files/blueprint_files.py", "os.listdir"): LISTED,
    ("launch/local_workers.py", "tempfile.TemporaryFile"): NAMELESS,
    ("compiler/formula_calls.py", "nodes.walk"): TREE,
    ("expressions/formulas.py", "walk"): TREE,
    ("language/formulas.py", "nodes.walk"): TREE,
    ("zoo.py", "_directory().glob"): OURS,
    ("zoo.py", "each.glob"): OURS,
    ("zoo.py", "gallery_path().read_text"): OURS,
    ("config/data_cli.py", "directory.iterdir"): LISTED,
    ("config/data_cli.py", "subset.glob"): LISTED,
    ("scaffold/data_blueprint.py", "directory.glob"): LISTED,
    ("trainer/callbacks/nan_batch_dump.py", "run_dir.write_bytes"): SANDBOX_METHOD,
    ("runs/checkpoint_manager.py", "load_file"): DESCRIPTOR,
    ("runs/checkpoint_manager.py", "temp_dir.rename"): SANDBOX_METHOD,
    ("trainer/callbacks/tensorboard.py", "figure.savefig"): MEMORY,
    ("trainer/callbacks/tensorboard.py", "run_dir.write_bytes"): SANDBOX_METHOD,
    ("trainer/callbacks/tensorboard.py", "tf.io.TFRecordWriter"): DESCRIPTOR,
    ("data/file_access.py", "path.iterdir"): LISTED,
    ("runs/git_state.py", "(temp_dir / 'HEAD').write_text"): NAMELESS,
    ("runs/git_state.py", "(temp_dir / 'config').write_text"): NAMELESS,
    ("keras_backend/machine_memory.py", "process_cgroups.read_text"): "a file of the kernel",
    ("runs/git_state.py", "(temp_dir / 'index').write_bytes"): NAMELESS,
    ("runs/git_state.py", "(temp_dir / name).write_bytes"): NAMELESS,
    ("runs/git_state.py", "(temp_dir / 'refs').mkdir"): NAMELESS,
    ("runs/git_state.py", "tempfile.TemporaryDirectory"): NAMELESS,
    ("runs/run_dir.py", "parent.mkdir"): NEW,
    ("runs/run_dir.py", "path.mkdir"): NEW,
    ("runs/run_dir.py", "self.write_bytes"): SANDBOX_METHOD,
    ("runs/run_dir.py", "self.write_text"): SANDBOX_METHOD,
    ("trainer/callbacks/sample_images.py", "self._run_dir.write_bytes"): SANDBOX_METHOD,
    ("data/sources/digits.py", f"{DIGITS}.read_bytes"): OURS,
    ("data/sources/tfrecord_io.py", "tempfile.TemporaryFile"): NAMELESS,
    ("data/sources/tfrecord_io.py", "_iter_contents"): DESCRIPTOR,
    ("data/sources/disk_columns.py", "tempfile.TemporaryFile"): NAMELESS,
    ("data/sources/parquet_file.py", "pq.ParquetFile"): DESCRIPTOR,
    ("data/sources/image_decoding.py", "Image.open"): MEMORY,
    ("data/text/token_file.py", "tempfile.TemporaryDirectory"): NAMELESS,
    ("training.py", "self.run_dir.write_text"): SANDBOX_METHOD,
    ("training.py", "self.run_dir.write_bytes"): SANDBOX_METHOD,
    ("trainer/adapted_layers.py", "context.run_dir.write_text"): SANDBOX_METHOD,
    ("inference/sample.py", "np.savez"): MEMORY,
    ("weights/hdf5.py", "h5py.File"): DESCRIPTOR,
    ("weights/readers.py", "safe_open"): DESCRIPTOR,
    ("weights/readers.py", "tempfile.TemporaryFile"): NAMELESS,
    ("files/zip_archive.py", "self._archive.open"): "a member of an archive",
    ("files/zip_archive.py", "zipfile.ZipFile"): DESCRIPTOR,
}


def opens(source: str) -> set[str]:
    """The calls in a module that take a path, or could."""
    names = {
        ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)
    }
    path_methods = {"write_text", "read_text"}
    return {
        each for each in names - path_methods if each.rpartition(".")[2] in CALLS or each in ALSO
    }


def test_every_file_is_opened_by_the_sandbox():
    """A new call is replaced by one of `SandboxPath`, or gets a reason; an old reason goes."""
    calls = {
        (file.relative_to(PACKAGE).as_posix(), call)
        for file in PACKAGE.rglob("*.py")
        if file.name != "sandbox.py"
        for call in opens(file.read_text())
    }
    assert calls == set(ALLOWED)


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
def test_file_access_calls_are_detected(code: str):
    """Whatever they are called on."""
    assert opens(code)
