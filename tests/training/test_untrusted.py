"""The folder of a run that another person made: no command leaves it, waits, or shows a traceback.

Each test copies the folder of a short run and puts something hostile into it. What lies beside it
has to stay as it is.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from training.hostile import HOSTILE, Hostile
from training.test_checkpoints import seal

from archbuilder.cli import main

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
    assert main(["train", str(folder / "net.yaml"), "--run", str(folder / "run")]) == 0
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
def other(run: Path) -> Path:
    """The folder beside it."""
    return run.parent / "other"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert "mistake in archbuilder" not in out + err
    assert "secret" not in out + err
    return out + err


def assert_untouched(other: Path) -> None:
    names = sorted(each.name for each in other.iterdir())
    assert names == ["epoch-00001-batch-0000000", "events.out", "file", "x.part"]
    assert all(each.read_text() == CONTENT for each in other.iterdir())


def resume(run: Path) -> int:
    return main(["train", "--resume", str(run), "--epochs", "2"])


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("name", [".lock", "blueprint.yaml", "run.json", "checkpoints"])
def test_a_run_does_not_go_on(
    run: Path, other: Path, name: str, hostile: Hostile, capsys: pytest.CaptureFixture[str]
):
    """What is read before a run goes on is refused by its name."""
    path = run / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    hostile(path, other)
    assert resume(run) in (1, 2)
    assert str(run) in said(capsys)
    assert_untouched(other)


@pytest.mark.parametrize(
    "names",
    [
        (".history.csv.part", ".run.json.part", ".curves.png.part", ".blueprint.yaml.part"),
        ("history.csv", "history.jsonl", "curves.png", "net.keras"),
        ("tensorboard",),
        ("tensorboard/train", "tensorboard/held_out"),
    ],
)
def test_nothing_outside_is_written(
    run: Path, other: Path, names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
):
    """A run goes on and replaces what stands in its way, or stops at a folder that is a link."""
    for name in names:
        path = run / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(other if "tensorboard" in name else other / "file")
    code = resume(run)
    assert code == (1 if "tensorboard" in names[0] else 0)
    assert ("links are not followed" in said(capsys)) == bool(code)
    assert_untouched(other)
    assert code or not (run / "net.keras").is_symlink()


@pytest.mark.parametrize("batch", [3, 10**18])
def test_a_checkpoint_of_a_batch_that_no_epoch_has(
    run: Path, batch: int, capsys: pytest.CaptureFixture[str]
):
    """Its sums are right, and what it says is not."""
    (checkpoint,) = (run / "checkpoints").iterdir()
    progress = json.loads((checkpoint / "progress.json").read_text())
    (checkpoint / "progress.json").write_text(json.dumps({**progress, "batch": batch}))
    seal(checkpoint, f"epoch-00001-batch-{batch:07}")
    assert resume(run) == 1
    assert "an epoch of this run has 3" in said(capsys)


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
def test_what_a_run_is_used_for(
    run: Path,
    other: Path,
    command: str,
    name: str,
    hostile: Hostile,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Nothing is read from elsewhere, whatever is in the place of a file."""
    monkeypatch.chdir(run.parent)
    (run / name).unlink()
    hostile(run / name, other)
    assert main([command, str(run)]) in (1, 2)
    said(capsys)
    assert_untouched(other)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[]", "it is list, not an object"),
        ('{"recipe": 3}', "the field 'recipe' is 3, not an object"),
        ('{"recipe": {"folder": 3}}', "the field 'recipe.folder' is 3, not a text"),
        ('{"recipe": {"folder": "/", "allow": "/"}}', "the field 'recipe.allow' is '/'"),
        ('{"recipe": {"folder": "a\\u0000"}}', "the field 'recipe.folder' is"),
        ('{"recipe": {"folder": "/", "allow": [], "given": 3}}', "the field 'recipe.given'"),
        ('{"recipe": {}, "legend": {"columns": 3}}', "the field 'legend.columns' is 3"),
    ],
)
def test_a_damaged_record(
    run: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]
):
    """The field is named."""
    (run / "run.json").write_text(content)
    assert resume(run) == 2
    assert message in said(capsys)
