"""An objective is checked with its networks and data before the first step."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from archbuilder.cli import main

BLUEPRINT = """archbuilder: 1
name: net
networks:
  net: {inputs: {x: [3]}, layers: [{Dense: 2}]}
  second: {inputs: {z: [2]}, layers: [{Dense: 2}]}
data: {npz: {file: data.npz, inputs: {x: x}, targets: {label: label}}}
training:
  objective:
    inputs: [x, label]
    layers:
      - {net: , from: x, name: prediction}
      - {second: , from: prediction, name: other}
      - {formula: "mean(other ** 2, axis=-1)", name: size}
      - {formula: size, name: total}
      - {formula: size, name: seen}
    metrics: {seen: seen}
    minimize: {total: 1}
  epochs: 1
  batch_size: 5
  distribute: none
"""
ROWS, CLASSES = 40, 3


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", x=np.eye(ROWS, 3, dtype=np.float32), label=np.arange(ROWS) % CLASSES)
    return tmp_path


def train(total: str) -> int:
    """Train with a step for the loss, and return the exit code."""
    Path("net.yaml").write_text(BLUEPRINT.replace("{formula: size, name: total}", total))
    return main(["train", "net.yaml", "--run-dir", "run"])


@pytest.mark.parametrize(
    ("total", "location", "message"),
    [
        (
            "{formula: \"cast(argmax(other, axis=-1) == label, 'float32')\", name: total}",
            "net.yaml:17:16",
            "the loss 'total' has no gradient by the weights of 'net' and 'second'",
        ),
        (
            "{losses.MeanSquaredError: , from: [x, x], name: total}",
            "net.yaml:17:5",
            "the objective has no weights to train",
        ),
        (
            "{losses.MeanSquaredError: , from: [x, prediction], name: total}",
            "net.yaml:14:10",
            "'total' (losses.MeanSquaredError) compares [3] with [2] for each example",
        ),
        (
            '{formula: "mean(take(x, other, axis=0))", name: total}',
            "net.yaml:14:25",
            "'total.take0' (ops.take) cannot take float32 and float32",
        ),
        (
            "{formula: \"mean(einsum('ab->ac', other))\", name: total}",
            "net.yaml:14:25",
            "Keras rejects the step 'total.einsum0' (ops.einsum)",
        ),
        (
            "{Normal: [90000, 90000, 90000], name: total}",
            "net.yaml:14:10",
            "'total' (Normal) draws (90000, 90000, 90000) for each example, which needs",
        ),
    ],
)
def test_wrong_objectives_are_located(
    capfd: pytest.CaptureFixture[str], total: str, location: str, message: str
):
    """A loss that trains nothing, and random numbers that fit no machine."""
    assert train(total) == 2
    errors = capfd.readouterr().err
    assert message in errors
    assert f"--> {location}\n" in errors


SAMPLE = "minimize: {total: 1}\n    sample: "


@pytest.mark.parametrize(
    ("old", "new", "location", "message"),
    [
        ("z: [2]", "z: [3]", "net.yaml:12:10", "'other' (second) cannot take [2]"),
        (
            "formula: size, name: total",
            "formula: mean(x + other), name: total",
            "net.yaml:14:26",
            "'total.add0' (ops.add) cannot take [3] and [2]",
        ),
        (
            "formula: size, name: total",
            "losses.MeanSquaredError: , from: [x, prediction], name: total",
            "net.yaml:14:10",
            "'total' (losses.MeanSquaredError) compares [3] with [2] for each example",
        ),
        (
            "minimize: {total: 1}",
            SAMPLE + "{layers: [{Normal: [3]}, second]}",
            "net.yaml:18:38",
            "'second0' (second) cannot take [3]",
        ),
        (
            "minimize: {total: 1}",
            SAMPLE + "{layers: [{Normal: [2]}, {Dense: 1}]}",
            "net.yaml:18:5",
            "'sample' has a Dense, whose weights no network of the run has",
        ),
        (
            "metrics: {seen: seen}",
            "memories: {rows: {of: scalar, length: 3}}",
            "net.yaml:16:16",
            "the memory 'rows' needs a step with a row for each example",
        ),
    ],
)
def test_shapes_without_data(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    location: str,
    message: str,
):
    """`validate --shapes` runs the steps on shapes; what depends on labels is unknown."""
    text = BLUEPRINT
    if "scalar" in new:
        text = text.replace("{formula: size, name: seen}", "{formula: mean(size), name: scalar}")
        text = text.replace(
            "{formula: size, name: total}", "{formula: size * mean(rows), name: total}"
        )
    assert old in text
    (folder / "net.yaml").write_text(text.replace(old, new))
    assert main(["validate", "net.yaml", "--shapes"]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert f"--> {location}\n" in errors


def test_unknown_shapes(folder: Path, capsys: pytest.CaptureFixture[str]):
    """Labels have shapes of the data, and networks those of their outputs."""
    step = '{formula: "sum(label) * size + mean(copied - other, axis=-1)", name: total}'
    text = BLUEPRINT.replace("{formula: size, name: total}", step)
    text = text.replace(
        "    metrics:", "    copies: {slow: {of: net, momentum: 0.9}}\n    metrics:"
    )
    text = text.replace(
        '      - {formula: "mean',
        '      - {slow: , from: x, name: copied}\n      - {formula: "mean',
    )
    (folder / "net.yaml").write_text(text)
    assert main(["validate", "net.yaml", "--shapes"]) == 0
    assert "no errors" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("step", "labels"),
    [("", "label"), ('{formula: "maximum(label, 0)", name: class}\n      - ', "class")],
)
def test_labels_are_in_range(capfd: pytest.CaptureFixture[str], step: str, labels: str):
    """A label that is not a class is reported with its example, also behind a formula."""
    loss = "losses.SparseCategoricalCrossentropy: {from_logits: true}"
    assert train(f"{step}{{{loss}, from: [{labels}, other], name: total}}") == 1
    errors = capfd.readouterr().err
    assert "the labels of the output 'other' range from 0 to 2, but the network has 2" in errors
    assert "the first invalid one is in example 3" in errors


def test_warnings_and_whole_batches(folder: Path, capfd: pytest.CaptureFixture[str]):
    """A network without gradients, a long memory, and an evaluation in batches of one size.

    Positions in a batch are 2 in the mean for batches of 5. The validation set has 8 examples.
    """
    text = BLUEPRINT.replace("{formula: size, name: total}", "{rows: , from: x, name: row}")
    text = text.replace("{formula: size, name: seen}", "{formula: size * mean(rows), name: total}")
    text = text.replace("from: prediction,", "from: stop_prediction,").replace(
        "      - {second",
        "      - {formula: stop_gradient(prediction), name: stop_prediction}\n      - {second",
    )
    text = text.replace(
        "{seen: seen}", "{position: row}\n    memories: {rows: {of: size, length: 99}}"
    )
    schedule = "{PolynomialDecay: {initial_learning_rate: 1, decay_steps: 50%}}"
    text = text.replace("{total: 1}", f"{{total: {schedule}}}")
    (folder / "net.yaml").write_text(text)
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    log = capfd.readouterr()
    shown = log.out + log.err
    assert (
        "warning: no loss of the objective (net.yaml:19:5) has a gradient by the weights of 'net'"
        in shown
    )
    assert "warning: the memory 'rows' (net.yaml:18:16) has 99 rows, and the training set" in shown
    (row,) = map(json.loads, (folder / "run" / "history.jsonl").read_text().splitlines())
    assert row["position"] == row["val_position"] == 2
    assert main(["train", "--resume", "run", "--epochs", "2"]) == 0
    warning = "the schedule of the objective now spans 2 epochs instead of 1"
    assert warning in capfd.readouterr().out


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("mean(size)", "'seen' has no row for each example, which the features of a probe need"),
        ("max(other, axis=0)", "'seen' has no row for each example"),
        ("split(other, 2, axis=-1)", "'seen' has 2 outputs; select one"),
    ],
)
def test_features_of_a_probe_have_rows(
    features: str, message: str, capfd: pytest.CaptureFixture[str]
):
    """What belongs to a whole batch tells nothing about an example."""
    step = f'{{formula: "{features}", name: seen}}'
    text = BLUEPRINT.replace("{formula: size, name: seen}", step)
    Path("net.yaml").write_text(text.replace("metrics: {seen: seen}", "probe: {knn: seen}"))
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 2
    errors = capfd.readouterr().err
    assert message in errors
    assert "--> net.yaml:16:18\n" in errors


def test_labels_with_an_axis_of_one():
    """Labels `[n, 1]`, as those of CIFAR, are those of `[n]`, and not paired with all examples."""
    step = "{formula: \"size * cast(label, 'float32')\", name: total}"
    losses = []
    for shape in ((ROWS,), (ROWS, 1)):
        x = np.eye(ROWS, 3, dtype=np.float32)
        np.savez("data.npz", x=x, label=np.reshape(np.arange(ROWS) % CLASSES, shape))
        Path("net.yaml").write_text(BLUEPRINT.replace("{formula: size, name: total}", step))
        run = f"run-{len(shape)}"
        assert main(["train", "net.yaml", "--run-dir", run]) == 0
        losses.append(json.loads(Path(run, "history.jsonl").read_text())["val_loss"])
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("value", "shapes"),
    [
        ("(wide - label) ** 2", "[n, 1] with [n]"),
        ("where(label > 0, wide, 0)", "[n] with [n, 1]"),
        ("sum(wide[:, None] - other, axis=-1)", "[n, 1, 1] with [n, 2]"),
    ],
)
def test_rows_are_not_paired_by_accident(
    capfd: pytest.CaptureFixture[str], value: str, shapes: str
):
    """A formula of `[n, 1]` and `[n]` would give `[n, n]`, and a wrong loss."""
    wide = '{formula: "sum(other, axis=-1, keepdims=True)", name: wide}'
    assert train(f'{wide}\n      - {{formula: "{value}", name: total}}') == 2
    errors = capfd.readouterr().err
    assert f"pairs each row with all rows: {shapes}" in errors
    assert "--> net.yaml:15:" in errors


def test_repeated_values_of_a_network(capfd: pytest.CaptureFixture[str]):
    """A difference that repeats the output of a network is suspicious; other broadcasts are not."""
    text = BLUEPRINT.replace("{Dense: 2}]}\ndata", "{Dense: 1}]}\ndata").replace(
        "{formula: size, name: total}",
        """{formula: "mean((x - other) ** 2, axis=-1)", name: total}
      - {formula: "x * other - mean(x, axis=-1, keepdims=True)", name: scaled}""",
    )
    Path("net.yaml").write_text(
        text.replace("formula: size, name: seen", "formula: scaled, name: seen")
    )
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    (warning,) = [line for line in capfd.readouterr().out.splitlines() if "repeats" in line]
    assert "'total.subtract0' (net.yaml:14:28) repeats an axis of length 1" in warning
    assert "[n, 3] and [n, 1]" in warning


@pytest.mark.parametrize(
    ("label", "value", "code", "message"),
    [
        (
            np.arange(ROWS) % 3 + 0.5,
            "cast(label[:, None] == label[None, :], 'float32')",
            2,
            "takes the column 'label' for classes, and it has floats",
        ),
        (
            np.arange(ROWS) % 3 + 0.5,
            "cast(argmax(other, axis=-1) == label, 'float32')",
            2,
            "takes the column 'label' for classes, and it has floats",
        ),
        (
            np.arange(ROWS) + 2**33,
            "cast(label, 'float32')",
            1,
            "and the column 'label' of the objective (net.yaml:9:17) has int32",
        ),
    ],
)
def test_labels_stay_apart(
    capfd: pytest.CaptureFixture[str],
    label: np.ndarray[tuple[int], np.dtype[np.generic]],
    value: str,
    code: int,
    message: str,
):
    """Floats that rounding makes different, and integers that a cast would make equal."""
    np.savez("data.npz", x=np.eye(ROWS, 3, dtype=np.float32), label=label)
    assert train(f'{{formula: "size * mean({value})", name: total}}') == code
    assert message in capfd.readouterr().err


def test_probe_of_features_that_are_nan(capfd: pytest.CaptureFixture[str]):
    """Any classifier would predict some class of them."""
    step = '{formula: "log(-1 - size)", name: seen}'
    text = BLUEPRINT.replace("{formula: size, name: seen}", step)
    Path("net.yaml").write_text(text.replace("metrics: {seen: seen}", "probe: {knn: seen}"))
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 1
    message = "the features 'seen' of the probe 'knn_accuracy' (net.yaml:16:18) have NaN"
    assert message in capfd.readouterr().err


def test_one_number_for_a_batch_counts_by_its_rows():
    """The mean of an epoch is that of its rows, though its last batch is smaller."""
    text = BLUEPRINT.replace("{seen: seen}", "{seen: seen, whole: whole}").replace(
        "{formula: size, name: seen}",
        "{formula: size, name: seen}\n      - {formula: mean(size), name: whole}",
    )
    Path("net.yaml").write_text(text)
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    row = json.loads(Path("run", "history.jsonl").read_text())
    assert row["val_whole"] == pytest.approx(row["val_seen"], rel=1e-6)
    assert row["whole"] == pytest.approx(row["seen"], rel=1e-6)


def test_metrics_and_samples_that_are_nan(
    capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
):
    """They do not stop a run, but have a warning, and their image does not fail."""
    text = BLUEPRINT.replace("{formula: size, name: seen}", "{formula: -1 - size, name: seen}")
    text = text.replace(
        "{seen: seen}",
        "{root: {of: seen, function: sqrt}}\n    sample: {layers: [{Normal: {input_of: net}},"
        ' net, {formula: "reshape(log(-1 - previous ** 2), [-1, 2, 1, 1])"}]}',
    )
    Path("net.yaml").write_text(text.replace("epochs: 1", "epochs: 2"))
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    log = capfd.readouterr()
    warnings = [line for line in (log.out + log.err).splitlines() if "warning" in line]
    assert warnings == [
        "warning: samples have NaN or infinite values (net.yaml:17:5)",
        "warning: 'root' is nan in epoch 1",
        "warning: 'val_root' is nan in epoch 1",
    ]
    assert not [each for each in recwarn if issubclass(each.category, RuntimeWarning)]
