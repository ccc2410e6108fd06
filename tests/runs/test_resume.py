"""A run that was broken off at any moment goes on as if nothing had happened."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.subprocesses import CommandProcess, finish, start
from PIL import Image
from safetensors.numpy import load_file

from archbuilder.cli import main

TEXT = """
archbuilder: 1
name: net
inputs: {image: [8, 8]}
layers:
  - Flatten
  - Dense: 24
  - BatchNormalization
  - ReLU
  - Dropout: 0.3
  - Dense: {units: 10, activation: softmax}
data: digits
training:
  loss: SparseCategoricalCrossentropy
  optimizer: {Adam: {learning_rate: {CosineDecay: {initial_learning_rate: 0.01, decay_steps: 180}}}}
  metrics: [SparseCategoricalAccuracy]
  epochs: 6
  batch_size: 48
  seed: 5
  distribute: none
  checkpoint_every_seconds: 0
"""


@pytest.fixture(scope="module")
def blueprint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with everything that has a state: dropout, batch statistics, a schedule."""
    path = tmp_path_factory.mktemp("blueprint") / "net.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def uninterrupted(blueprint: Path) -> Path:
    """The folder of a run that nothing has happened to."""
    folder = blueprint.parent / "uninterrupted"
    assert finish("train", blueprint, "--run-dir", folder) == 0
    return folder


def assert_same(run: Path, second_run: Path, *networks: str) -> None:
    """Both runs have come to the same numbers, bit by bit."""
    newest = max((run / "checkpoints").iterdir()).name
    arrays, others = (
        load_file(folder / "checkpoints" / newest / "variables.safetensors")
        for folder in (run, second_run)
    )
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], err_msg=name)
    assert rows(run) == rows(second_run)
    for network in networks or ("net",):
        assert (run / f"{network}.keras").is_file()


def rows(run: Path) -> list[dict[str, float]]:
    """The history of a run without the times."""
    lines = (run / "history.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def wait_for(path: Path, process: CommandProcess) -> None:
    """Until a path is there; fails if the process ends before."""
    while not path.exists():
        assert process.is_alive, process.log
        time.sleep(0.01)


def checkpointed_steps(run: Path, of_epoch: int) -> int:
    """After how many steps the newest weights were kept."""
    names = [path.name.split("-") for path in (run / "checkpoints").glob("epoch-*-batch-*[0-9]")]
    return max((int(epoch) * of_epoch + int(batch) for _, epoch, _, batch in names), default=0)


def kill_and_go_on(blueprint: Path, run: Path, *, kills: int, of_epoch: int, last: int) -> None:
    """Train, and kill it at random steps up to the last, and as often before the next one."""

    def wait_for_step(step: int) -> None:
        while checkpointed_steps(run, of_epoch) < step:
            assert process.is_alive, process.log
            time.sleep(0.001)

    chance = np.random.default_rng(8)
    started = time.monotonic()
    process = start("train", blueprint, "--run-dir", run)
    wait_for_step(1)
    preparing = time.monotonic() - started
    for step in sorted(chance.integers(1, last, kills // 2)):
        wait_for_step(step)
        for seconds in (chance.uniform(0, 0.02), chance.uniform(0, preparing)):
            # No longer than to the next step: a machine may be faster now than it was at first.
            until, reached = time.monotonic() + seconds, checkpointed_steps(run, of_epoch)
            while time.monotonic() < until and checkpointed_steps(run, of_epoch) == reached:
                time.sleep(0.001)
            assert process.is_alive, process.log
            process.kill()
            process = start("train", "--resume", run)
    assert process.wait() == 0, process.log


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.thorough)])
def test_kill_at_random_moments(blueprint: Path, uninterrupted: Path, tmp_path: Path, kills: int):
    """Killed many times, in its steps and before the first, a run comes to the same weights."""
    kill_and_go_on(blueprint, tmp_path / "run", kills=kills, of_epoch=30, last=120)
    assert_same(tmp_path / "run", uninterrupted)


PICTURES = """
archbuilder: 1
name: net
inputs: {photo: INPUT}
layers: [Flatten, {Dense: {units: 12, activation: relu}, name: body}, Dropout: 0.2LAYERS]
outputs: {OUTPUTS}
data:
  jsonl:
    file: table.jsonl
    inputs: {photo: {column: FILE}}
    targets: {TARGETS}
training:
  LOSSES
  epochs: 4
  batch_size: 3
  seed: 5
  distribute: none
  validation_split: 0.25
  checkpoint_every_seconds: 0
"""
BOXES = {
    "INPUT": "[8, 8, 3]",
    "LAYERS": ", Dense: 12, {Reshape: [3, 4], name: boxes}, {Dense: 6, from: body},"
    " Reshape: [3, 2], {Softmax: , name: kinds}",
    "OUTPUTS": "boxes: boxes, kinds: kinds",
    "FILE": "file, image: true",
    "TARGETS": "boxes: {column: boxes, length: 3, relative_to: photo, coordinates: xywh},"
    " kinds: {column: kinds, labels_of: boxes}",
    "LOSSES": """loss:
    boxes: {CIoU: xywh}
    kinds: {SparseCategoricalCrossentropy: {ignore_class: -1}}
  metrics: {boxes: [{MeanAveragePrecision: {classes: kinds, bounding_box_format: xywh}}]}
  augment: [RandomFlip, {RandomTranslation: {height_factor: 0.3, width_factor: 0.3}}]""",
}
VIDEOS = {
    "INPUT": "[3, 8, 8, 3]",
    "LAYERS": ", {Dense: {units: 2, activation: softmax}, name: kind}",
    "OUTPUTS": "kind: kind",
    "FILE": "clip, video: {frames: 3}",
    "TARGETS": "kind: kind",
    "LOSSES": "loss: SparseCategoricalCrossentropy",
}


@pytest.mark.thorough
@pytest.mark.parametrize("parts", [BOXES, VIDEOS], ids=["boxes", "videos"])
def test_kill_with_boxes_and_videos(tmp_path: Path, parts: dict[str, str]):
    """Files that are read on demand, and boxes that move, come in the order of the steps."""
    random = np.random.default_rng(0)
    lines = []
    for number in range(24):
        frames = random.integers(0, 256, (4, 10, 12, 3), np.uint8)
        (tmp_path / f"clip{number}").mkdir()
        for frame, pixels in enumerate(frames):
            Image.fromarray(pixels).save(tmp_path / f"clip{number}/{frame}.png")
        boxes = [[*random.integers(0, 6, 2).tolist(), 4, 3] for _ in range(number % 4)]
        row = {"file": f"clip{number}/0.png", "clip": f"clip{number}", "kind": "ab"[number % 2]}
        lines.append(json.dumps({**row, "boxes": boxes, "kinds": [*"abb"][: len(boxes)]}))
    (tmp_path / "table.jsonl").write_text("\n".join(lines))
    text = PICTURES
    for name, value in parts.items():
        text = text.replace(name, value)
    (tmp_path / "net.yaml").write_text(text)
    assert finish("train", tmp_path / "net.yaml", "--run-dir", tmp_path / "single") == 0
    kill_and_go_on(tmp_path / "net.yaml", tmp_path / "run", kills=4, of_epoch=6, last=20)
    assert_same(tmp_path / "run", tmp_path / "single")


SCHEDULE = "{CosineDecay: {initial_learning_rate: 0.01, decay_steps: 180}}"
CALLBACKS = """\
  callbacks:
    - ReduceLROnPlateau: {factor: 0.5, patience: 1, cooldown: 1, min_delta: 0.01}
    - EarlyStopping: {patience: 3, min_delta: 0.01, restore_best_weights: true}
"""


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.thorough)])
def test_kill_with_callbacks(tmp_path: Path, kills: int):
    """Killed while metrics stagnate, a run stops at the same epoch with the same weights."""
    blueprint, uninterrupted, run = (tmp_path / each for each in ("net.yaml", "whole", "run"))
    text = TEXT.replace(SCHEDULE, "0.05").replace("epochs: 6", "epochs: 60")
    blueprint.write_text(text + CALLBACKS)
    assert finish("train", blueprint, "--run-dir", uninterrupted) == 0
    epochs = len(rows(uninterrupted))
    assert epochs < 60
    kill_and_go_on(blueprint, run, kills=kills, of_epoch=30, last=30 * epochs - 5)
    # The arrays have the state of the callbacks, the learning rate and the best weights too.
    assert_same(run, uninterrupted)
    models = [keras.saving.load_model(each / "net.keras") for each in (run, uninterrupted)]
    for value, expected in zip(*(each.get_weights() for each in models), strict=True):
        np.testing.assert_array_equal(value, expected)
    early_stops = [
        json.loads((each / "run.json").read_text())["early_stop"] for each in (run, uninterrupted)
    ]
    assert early_stops[0] == early_stops[1]
    assert early_stops[0]["stopped_epoch"] == epochs


def test_changed_callbacks_are_refused(uninterrupted: Path, tmp_path: Path):
    """The state of callbacks in a checkpoint belongs to the callbacks of the run."""
    run = tmp_path / "run"
    shutil.copytree(uninterrupted, run)
    record = json.loads((run / "run.json").read_text())
    record["recipe"]["training"]["callbacks"] = ["EarlyStopping"]
    (run / "run.json").write_text(json.dumps(record))
    assert main(["train", "--resume", str(run)]) == 1


def test_sigterm_keeps_the_step(blueprint: Path, uninterrupted: Path, tmp_path: Path):
    """The run ends with the code for 'try again', says so, and goes on to the same weights."""
    run = tmp_path / "run"
    process = start("train", blueprint, "--run-dir", run)
    wait_for(run / "checkpoints" / "epoch-00000-batch-0000001", process)
    process.terminate()
    assert process.wait() == 75
    assert json.loads((run / "run.json").read_text())["status"] == "stopped"
    assert main(["train", "--resume", str(run)]) == 0
    assert_same(run, uninterrupted)


def test_sigterm_at_the_last_step_of_an_epoch(tmp_path: Path):
    """The epoch is completed, with its validation metrics, before the run stops."""
    blueprint, run, uninterrupted = (tmp_path / name for name in ("net.yaml", "run", "whole"))
    blueprint.write_text(TEXT.replace("batch_size: 48", "batch_size: 1438"))
    process = start("train", blueprint, "--run-dir", run, "--epochs", "100000")
    wait_for(run / "checkpoints", process)
    process.terminate()
    assert process.wait() == 75
    epochs = len(rows(run)) + 1
    assert main(["train", "--resume", str(run), "--epochs", str(epochs)]) == 0
    assert (
        main(["train", str(blueprint), "--run-dir", str(uninterrupted), "--epochs", str(epochs)])
        == 0
    )
    assert_same(run, uninterrupted)


def test_resume_with_more_epochs(blueprint: Path, uninterrupted: Path, tmp_path: Path):
    """A run that is over goes on for more epochs as if it had been meant to."""
    run = tmp_path / "run"
    assert main(["train", str(blueprint), "--run-dir", str(run), "--epochs", "3"]) == 0
    assert main(["train", "--resume", str(run), "--epochs", "6"]) == 0
    assert_same(run, uninterrupted)


def test_run_directory_is_locked(
    blueprint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    """The second one is refused while the first is at work."""
    run = tmp_path / "run"
    process = start("train", blueprint, "--run-dir", run, "--epochs", "10000")
    wait_for(run / "run.json", process)
    assert main(["train", "--resume", str(run)]) == 2
    assert "another run is using" in capfd.readouterr().err
    process.kill()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume", "nowhere"], "there is no such file or directory"),
        (["--resume", "RUN", "--seed", "3"], "--seed cannot be used with --resume"),
        (["--resume", "RUN", "--data", "digits"], "--data cannot be used with --resume"),
        (["net.yaml", "--resume", "RUN"], "BLUEPRINT cannot be used with --resume"),
        ([], "pass a BLUEPRINT"),
    ],
)
def test_options_rejected_with_resume(
    uninterrupted: Path, arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
):
    """Each wrong command line is told what is wrong."""
    options = [str(uninterrupted) if each == "RUN" else each for each in arguments]
    assert main(["train", *options]) == 2
    assert message in capfd.readouterr().err


def test_an_edited_blueprint_is_refused(uninterrupted: Path, tmp_path: Path):
    """A run does not go on with another network than it began with."""
    run = tmp_path / "run"
    shutil.copytree(uninterrupted, run)
    text = (run / "blueprint.yaml").read_text()
    (run / "blueprint.yaml").write_text(text.replace("units: 24", "units: 25"))
    assert main(["train", "--resume", str(run)]) == 1


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"recipe": 3}', '{"recipe": {"training": {}}}'])
def test_damaged_run_json(uninterrupted: Path, tmp_path: Path, text: str):
    """Whatever stands in the record, the user is told and no traceback is shown."""
    run = tmp_path / "run"
    shutil.copytree(uninterrupted, run)
    (run / "run.json").write_text(text)
    assert main(["train", "--resume", str(run)]) == 2
