"""The folder of a run that another person made: no command leaves it, waits, or shows a traceback.

Each test copies the folder of a short run and puts something hostile into it. What lies beside it
has to stay as it is.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.hostile_files import HOSTILE, Hostile
from runs.test_checkpoint_manager import seal

from archbuilder.cli import main
from archbuilder.config.run_config import RunConfig
from archbuilder.plain_data import PlainData
from archbuilder.runs.checkpoint_manager import CheckpointManager
from archbuilder.runs.run_dir import EpochLogs, RunDir

BLUEPRINT = """
archbuilder: 1
name: net
inputs: {image: [8, 8]}
layers:
  - Flatten
  - Dense: {units: 10, activation: softmax}
data: digits
training:
  loss: SparseCategoricalCrossentropy
  epochs: 1
  batch_size: 512
  distribute: none
"""
CONTENT = "secret: [1, 2\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one epoch."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "net.yaml").write_text(BLUEPRINT)
    assert main(["train", str(folder / "net.yaml"), "--run-dir", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, beside a file and a folder with files that no command may touch."""
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "other").mkdir()
    for name in ("file", "events.out", "epoch-00001-batch-0000000", "x.part"):
        (tmp_path / "other" / name).write_text(CONTENT)
    return tmp_path / "run"


@pytest.fixture
def outside(run: Path) -> Path:
    """The folder beside it."""
    return run.parent / "other"


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert "bug in archbuilder" not in out + err
    assert "secret" not in out + err
    return out + err


def assert_untouched(outside: Path) -> None:
    names = sorted(each.name for each in outside.iterdir())
    assert names == ["epoch-00001-batch-0000000", "events.out", "file", "x.part"]
    assert all(each.read_text() == CONTENT for each in outside.iterdir())


def resume(run: Path) -> int:
    return main(["train", "--resume", str(run), "--epochs", "2"])


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("name", [".lock", "blueprint.yaml", "run.json", "checkpoints"])
def test_hostile_files_stop_resume(
    run: Path, outside: Path, name: str, hostile: Hostile, capsys: pytest.CaptureFixture[str]
):
    """What is read before a run goes on is refused by its name."""
    path = run / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    hostile(path, outside)
    assert resume(run) in (1, 2)
    assert str(run) in printed(capsys)
    assert_untouched(outside)


@pytest.mark.parametrize(
    "names",
    [
        (".history.csv.part", ".run.json.part", ".curves.png.part", ".blueprint.yaml.part"),
        ("history.csv", "history.jsonl", "curves.png", "net.keras"),
        ("tensorboard",),
        ("tensorboard/train", "tensorboard/validation"),
    ],
)
def test_resume_writes_nothing_outside(
    run: Path, outside: Path, names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
):
    """A run goes on and replaces what stands in its way, or stops at a folder that is a link."""
    for name in names:
        path = run / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(outside if "tensorboard" in name else outside / "file")
    code = resume(run)
    assert code == (1 if "tensorboard" in names[0] else 0)
    assert ("links are not followed" in printed(capsys)) == bool(code)
    assert_untouched(outside)
    assert code or not (run / "net.keras").is_symlink()


@pytest.mark.parametrize("batch", [3, 10**18])
def test_checkpoint_beyond_the_epoch(run: Path, batch: int, capsys: pytest.CaptureFixture[str]):
    """Its sums are right, and what it says is not."""
    (checkpoint,) = (run / "checkpoints").iterdir()
    progress = json.loads((checkpoint / "progress.json").read_text())
    (checkpoint / "progress.json").write_text(json.dumps({**progress, "batch": batch}))
    seal(checkpoint, f"epoch-00001-batch-{batch:07}")
    assert resume(run) == 1
    assert "an epoch has 3 batches" in printed(capsys)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("evaluate", "net.keras"),
        ("predict", "net.keras"),
        ("evaluate", "blueprint.yaml"),
        ("predict", "run.json"),
        ("generate", "blueprint.yaml"),
        ("sample", "run.json"),
    ],
)
def test_hostile_files_stop_inference(
    run: Path,
    outside: Path,
    command: str,
    name: str,
    hostile: Hostile,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Nothing is read from elsewhere, whatever is in the place of a file."""
    monkeypatch.chdir(run.parent)
    (run / name).unlink()
    hostile(run / name, outside)
    assert main([command, str(run)]) in (1, 2)
    printed(capsys)
    assert_untouched(outside)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[]", "it is list, not an object"),
        ('{"recipe": 3}', "the field 'recipe' is 3, not an object"),
        ('{"recipe": {"directory": 3}}', "the field 'recipe.directory' is 3, not a string"),
        (
            '{"recipe": {"directory": "/", "allow_dirs": "/"}}',
            "the field 'recipe.allow_dirs' is '/'",
        ),
        ('{"recipe": {"directory": "a\\u0000"}}', "the field 'recipe.directory' is"),
        (
            '{"recipe": {"directory": "/", "allow_dirs": [], "cli_argument": 3}}',
            "the field 'recipe.cli_argument'",
        ),
        ('{"recipe": {}, "schema": {"columns": 3}}', "the field 'schema.columns' is 3"),
    ],
)
def test_damaged_run_json(
    run: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]
):
    """The field is named."""
    (run / "run.json").write_text(content)
    assert resume(run) == 2
    assert message in printed(capsys)


def test_read_only_disk(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """It is told before anything else is done."""
    open_file = os.open

    def read_only(path: str, flags: int, *args: int, **kwargs: int) -> int:
        if flags & os.O_CREAT and kwargs:
            raise OSError(errno.EROFS, "Read-only file system")
        return open_file(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", read_only)
    assert resume(run) == 1
    output = printed(capsys)
    assert output == f"error: cannot resume in '{run}': Read-only file system\n"


def test_full_disk_is_reported_once(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """And again when the reason is another one."""
    record = json.loads((run / "run.json").read_text())
    record["recipe"]["training"]["checkpoint_every_seconds"] = 0
    (run / "run.json").write_text(json.dumps(record))
    causes = iter([errno.ENOSPC, errno.ENOSPC, errno.EIO, errno.EIO, errno.ENOSPC])

    def fail(*_: object) -> Path:
        code = next(causes, errno.ENOSPC)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(CheckpointManager, "save", fail)
    assert main(["train", "--resume", str(run), "--epochs", "4"]) == 0
    lines = [line for line in printed(capsys).splitlines() if "cannot write a checkpoint" in line]
    assert [line.rpartition(": ")[2] for line in lines] == [
        os.strerror(code) for code in (errno.ENOSPC, errno.EIO, errno.ENOSPC)
    ]


@pytest.fixture
def with_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """A run on data that lies elsewhere, which the command line named relative to its folder."""
    (tmp_path / "net.yaml").write_text(BLUEPRINT)
    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 8, 8), np.float32), rng.integers(0, 10, 64)
    np.savez(tmp_path / "data" / "set.npz", x=x, y=y)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "net.yaml", "--data", "data/set.npz", "--run-dir", "run"]) == 0
    printed(capsys)
    return tmp_path / "run"


def test_own_run_resumes(with_data: Path, monkeypatch: pytest.MonkeyPatch):
    """Wherever its data lies, and from any folder."""
    monkeypatch.chdir("/")
    assert resume(with_data) == 0
    assert main(["evaluate", str(with_data)]) == 0


def test_data_of_another_owner_needs_allow_dir(with_data: Path, capsys: pytest.CaptureFixture[str]):
    """The record of a run of theirs names data; it is read if the user allows it."""
    data = with_data.parent / "data"
    allowed = ["--allow-dir", str(data)]
    for command in (["train", "--resume"], ["evaluate"], ["predict"]):
        (with_data / "run.json").chmod(0o666)
        assert main([*command, str(with_data)]) == 2
        assert f"if you trust it, add --allow-dir {data}" in printed(capsys)
        assert main([*command, str(with_data), *allowed]) == 0
    # What needs none of that data works as it is.
    assert main(["predict", str(with_data), str(data / "set.npz")]) == 0
    assert main(["evaluate", str(with_data), "--data", str(data / "set.npz")]) == 0


TRUST = "if you trust it, add --allow-dir {other}"
NO_LINKS = "links are not followed"
LINKED_DATA: list[tuple[str, PlainData, str]] = [
    ("{run}/link.csv", {"train": {"csv": {"file": "{run}/link.csv"}}}, TRUST),
    ("{run}/hard.csv", {"train": {"csv": {"file": "{run}/hard.csv"}}}, "it has several hard links"),
    ("{run}/to/file", {"train": {"csv": {"file": "{run}/to/file"}}}, TRUST),
    ("{run}/t*/fil?", {"train": {"csv": {"file": "{run}/t*/fil?"}}}, "no file matches"),
    ("{run}/lin*.csv", {"train": {"csv": {"file": "{run}/lin*.csv"}}}, TRUST),
    ("{run}/in/*/file", {"train": {"text": {"file": "{run}/in/*/file"}}}, "no file matches"),
    ("{run}/lin*.csv", {"train": {"pairs": {"file": "{run}/lin*.csv"}}}, TRUST),
    ("{run}/lin*.csv", {"train": {"jsonl": {"file": "{run}/lin*.csv"}}}, TRUST),
    ("{run}/lin*.csv", {"train": {"parquet": {"file": "{run}/lin*.csv"}}}, TRUST),
    ("{run}/lin*.csv", {"train": {"tfrecord": {"file": "{run}/lin*.csv"}}}, TRUST),
    ("{run}/lin*.csv", {"train": {"npz": {"file": "{run}/lin*.csv"}}}, TRUST),
    ("{run}", {"train": {"npy": {"inputs": "{run}/lin*.csv", "targets": "{run}/x"}}}, TRUST),
    ("{run}/in", {"train": {"idx": {"images": "{run}/link.csv", "labels": "{run}"}}}, TRUST),
    ("{run}/to", {"train": {"images": {"directory": "{run}/to"}}}, TRUST),
    ("{run}/in", {"train": {"images": {"directory": "{run}/in"}}}, NO_LINKS),
    ("{run}/in", {"train": {"images": {"directory": "{run}/in*"}}}, NO_LINKS),
    (
        "{run}/in",
        {"train": {"digits": None}, "validation": {"csv": {"file": "{run}/lin*.csv"}}},
        TRUST,
    ),
    # The record names two things.
    ("{run}/net.csv", {"train": {"csv": {"file": "{other}/file"}}}, TRUST),
    ("{run}/net.csv", {"train": {"tfds": {"name": "mnist"}}}, "--allow-dir"),
    ("{run}/loop", {"train": {"csv": {"file": "{run}/loop"}}}, "--allow-dir"),
    ("{run}/net.csv", {"train": {"csv": {"file": "{run}/\0"}}}, "--allow-dir"),
]


def filled_in(value: PlainData, run: Path, outside: Path) -> PlainData:
    if isinstance(value, dict):
        return {key: filled_in(each, run, outside) for key, each in value.items()}
    return value.format(run=run, other=outside) if isinstance(value, str) else value


@pytest.fixture
def never_opened(outside: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What checks that nothing beside the run was opened, by whatever name."""
    open_file, list_folder = os.open, os.listdir
    opened: set[int] = set()

    def record(path: str, *args: int, **kwargs: int) -> int:
        descriptor = open_file(path, *args, **kwargs)
        opened.add(os.fstat(descriptor).st_ino)
        return descriptor

    def record_list(path: str | int = ".") -> list[str]:
        opened.add(os.fstat(path).st_ino if isinstance(path, int) else Path(path).stat().st_ino)
        return list_folder(path)

    monkeypatch.setattr(os, "open", record)
    monkeypatch.setattr(os, "listdir", record_list)

    def check() -> None:
        seen = {*opened}
        stats = [outside.stat(), *(each.stat() for each in outside.iterdir())]
        # A file with two names is opened to find that out, and closed before it is read.
        forbidden = {
            each.st_ino for each in stats if stat.S_ISDIR(each.st_mode) or each.st_nlink < 2
        }
        assert not seen & forbidden

    return check


@pytest.mark.parametrize("command", ["train", "evaluate"])
@pytest.mark.parametrize("case", LINKED_DATA, ids=str)
def test_symlinks_do_not_leave_the_run(
    run: Path,
    outside: Path,
    never_opened: Callable[[], None],
    case: tuple[str, PlainData, str],
    command: str,
    capsys: pytest.CaptureFixture[str],
):
    """Neither by the name of a data file, nor by a pattern, nor from within a folder."""
    cli_argument, data, message = case
    (run / "in" / "a").mkdir(parents=True)
    (run / "in" / "to").symlink_to(outside)
    (run / "in" / "a" / "x.png").symlink_to(outside / "file")
    (run / "to").symlink_to(outside)
    (run / "link.csv").symlink_to(outside / "file")
    (run / "loop").symlink_to(run / "loop")
    if "hard" in cli_argument:
        os.link(outside / "file", run / "hard.csv")
    record = json.loads((run / "run.json").read_text())
    record["recipe"] |= {
        "cli_argument": cli_argument.format(run=run),
        "data": filled_in(data, run, outside),
    }
    (run / "run.json").write_text(json.dumps(record))
    (run / "run.json").chmod(0o666)
    code = resume(run) if command == "train" else main([command, str(run)])
    never_opened()
    assert code in (1, 2)
    assert message.format(other=outside) in printed(capsys)


def test_allowed_directories_of_the_record_do_not_hold_for_another_recipe(
    run: Path,
    outside: Path,
    never_opened: Callable[[], None],
    capsys: pytest.CaptureFixture[str],
):
    """Which directories the data of `--recipe` is read from is up to the user alone."""
    record = json.loads((run / "run.json").read_text())
    record["recipe"]["allow_dirs"] = [str(outside)]
    (run / "run.json").write_text(json.dumps(record))
    (run / "run.json").chmod(0o666)
    recipe = run / "recipe.yaml"
    recipe.write_text("archbuilder: 1\ndata: {csv: {file: ../other/file}}\n")
    assert main(["evaluate", str(run), "--recipe", str(recipe)]) == 2
    never_opened()
    assert "path-outside-directory" in printed(capsys)


@pytest.mark.parametrize("target", ["directory", "allow_dirs"])
def test_symlink_in_place_of_the_blueprint_directory(
    run: Path,
    outside: Path,
    never_opened: Callable[[], None],
    target: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """A folder in the run that becomes a link after it was looked at is not followed."""
    (run / "in").mkdir()
    record = json.loads((run / "run.json").read_text())
    path = "file" if target == "directory" else "../in/file"
    record["recipe"]["data"] = {"train": {"csv": {"file": path}}}
    record["recipe"] |= {"directory": str(run / "in"), "allow_dirs": [str(run / "in")]}
    (run / "run.json").write_text(json.dumps(record))
    (run / "run.json").chmod(0o666)
    check_data = RunConfig.check_data

    def swap(self: RunConfig) -> None:
        check_data(self)
        (run / "in").rmdir()
        (run / "in").symlink_to(outside)

    monkeypatch.setattr(RunConfig, "check_data", swap)
    assert main(["evaluate", str(run)]) == 2
    never_opened()
    assert "--allow-dir" in printed(capsys)


def test_invalid_file_name_in_run_json(run: Path, capsys: pytest.CaptureFixture[str]):
    """It is an error of the run, also of one's own."""
    record = json.loads((run / "run.json").read_text())
    record["recipe"] |= {"cli_argument": "/x.csv", "data": {"train": {"csv": {"file": "/\0"}}}}
    (run / "run.json").write_text(json.dumps(record))
    assert main(["evaluate", str(run)]) == 1
    assert "invalid file name" in printed(capsys)


def test_data_in_the_run_directory(with_data: Path):
    """By its name and by a pattern, without a word of the user."""
    shutil.copy(with_data.parent / "data" / "set.npz", with_data / "set.npz")
    record = json.loads((with_data / "run.json").read_text())
    for name in ("set.npz", "s*.npz"):
        file = str(with_data / name)
        record["recipe"] |= {"cli_argument": file, "data": {"train": {"npz": {"file": file}}}}
        (with_data / "run.json").write_text(json.dumps(record))
        (with_data / "run.json").chmod(0o666)
        assert main(["evaluate", str(with_data)]) == 0


def test_data_in_the_run_directory_and_package_data(run: Path):
    """Nothing of the user's is in them."""
    (run / "run.json").chmod(0o666)
    assert main(["evaluate", str(run)]) == 0


def test_run_directory_swapped_during_training(
    run: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The run ends, and the folder that takes its place stays as it is."""
    add_history = RunDir.add_history

    def swap(self: RunDir, row: EpochLogs, *, first: bool) -> None:
        run.rename(run.with_name("moved"))
        run.symlink_to(outside)
        add_history(self, row, first=first)

    monkeypatch.setattr(RunDir, "add_history", swap)
    assert resume(run) == 1
    assert "its directory was replaced by another one" in printed(capsys)
    assert_untouched(outside)


def test_checkpoints_directory_swapped_during_training(
    run: Path, outside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Checkpoints are not written where a link leads that was a folder before."""
    add_history = RunDir.add_history

    def swap(self: RunDir, row: EpochLogs, *, first: bool) -> None:
        for name in ("checkpoints", "tensorboard"):
            (run / name).rename(run / f"moved-{name}")
            (run / name).symlink_to(outside)
        add_history(self, row, first=first)

    monkeypatch.setattr(RunDir, "add_history", swap)
    assert resume(run) == 0
    assert "cannot write a checkpoint: links are not followed" in printed(capsys)
    assert_untouched(outside)
