"""What examples count, as the data says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from archbuilder.cli import main
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.data.columns import ArrayColumn
from archbuilder.data.sample_weights import make_class_weights
from archbuilder.data.targets import adapt_target
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.yaml.nodes import ScalarNode

SPAN = Span(SourceText("test.yaml", ""), 1, 1, 1, 1)

NET = """
archbuilder: 1
name: net
inputs: {x: [3]}
layers:
  - Dense: {units: 2, activation: softmax}
data: {npz: {file: data.npz, WEIGHTS}}
training: {loss: SparseCategoricalCrossentropy, optimizer: {SGD: 0.5}, epochs: 3, batch_size: 4,
  validation_split: 0CLASSES}
"""


def trained(folder: Path, data: dict[str, np.ndarray], weights: str = "", classes: str = ""):
    """The weights of a small network."""
    np.savez(folder / "data.npz", **data)
    text = NET.replace(", WEIGHTS", f", {weights}" if weights else "")
    (folder / "net.yaml").write_text(text.replace("CLASSES", f", {classes}" if classes else ""))
    run = folder / f"run-{len([*folder.iterdir()])}"
    assert main(["train", str(folder / "net.yaml"), "--run-dir", str(run)]) == 0
    record = json.loads((run / "history.jsonl").read_text().splitlines()[-1])
    return record["loss"]


@pytest.fixture
def data() -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(3)
    x = numbers.normal(size=(16, 3)).astype(np.float32)
    return {"x": x, "y": (x.sum(axis=1) > 0).astype(int), "w": np.ones(16, np.float32)}


def test_unit_weights_change_nothing(tmp_path: Path, data):
    """An example counts one where nothing is said."""
    assert trained(tmp_path, data, "sample_weight: w") == pytest.approx(trained(tmp_path, data))


def test_zero_weight_examples_are_ignored(tmp_path: Path, data):
    """Examples with wrong labels and no weight leave the loss of the others as if they were right.

    The mean is over all examples, so that two halves of weight 2 and 0 weigh as much as ones do.
    """
    twice = {key: np.concatenate([each, each]) for key, each in data.items()}
    twice["w"][:16], twice["w"][16:] = 2, 0
    spoiled = {**twice, "y": np.concatenate([data["y"], 1 - data["y"]])}
    right = trained(tmp_path, twice, "sample_weight: w")
    assert trained(tmp_path, spoiled, "sample_weight: w") == pytest.approx(right)
    assert trained(tmp_path, spoiled) != pytest.approx(right)


def test_sample_and_class_weights_multiply(tmp_path: Path, data):
    """Either of them alone says the same as both."""
    of_class = {**data, "w": np.where(data["y"] == 1, 3, 1).astype(np.float32)}
    classes = "class_weight: {1: 3}"
    once = trained(tmp_path, of_class, "sample_weight: w")
    assert trained(tmp_path, data, classes=classes) == pytest.approx(once)
    root = {**data, "w": np.where(data["y"] == 1, 1.5, 1).astype(np.float32)}
    halves = trained(tmp_path, root, "sample_weight: w", "class_weight: {1: 2}")
    assert halves == pytest.approx(once)


STEPS = """
archbuilder: 1
name: net
inputs: {x: [4, 2]}
layers: [{Dense: OUTPUT}]
data: {npz: {file: data.npz, sample_weight: w}}
training: {loss: LOSS, epochs: 1, batch_size: 8, validation_split: 0CLASSES}
"""
SOFTMAX = "{units: 2, activation: softmax}"


def step_loss(
    folder: Path,
    output: str,
    loss: str,
    targets: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    classes: str = "",
) -> float:
    """The loss of one step with all examples, by a network whose weights are always the same."""
    x = np.random.default_rng(1).normal(size=(8, 4, 2))
    np.savez(folder / "data.npz", x=x, y=targets, w=np.ones(8) if weights is None else weights)
    text = STEPS.replace("OUTPUT", output).replace("LOSS", loss)
    (folder / "net.yaml").write_text(text.replace("CLASSES", classes))
    run = folder / f"run-{len([*folder.iterdir()])}"
    assert main(["train", str(folder / "net.yaml"), "--run-dir", str(run)]) == 0
    return json.loads((run / "history.jsonl").read_text().splitlines()[-1])["loss"]


@pytest.mark.parametrize(
    ("output", "loss", "targets"),
    [
        (SOFTMAX, "SparseCategoricalCrossentropy", "labels"),
        pytest.param(SOFTMAX, "CategoricalCrossentropy", "labels", marks=pytest.mark.thorough),
        (SOFTMAX, "CategoricalCrossentropy", "shares"),
        ("{units: 1, activation: sigmoid}", "BinaryCrossentropy", "labels"),
        pytest.param(
            "{units: 3, activation: sigmoid}",
            "BinaryCrossentropy",
            "several",
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_class_weight_per_position(tmp_path: Path, output: str, loss: str, targets: str):
    """Classes weigh steps, one-hot targets, and sigmoid outputs: the loss is linear in them."""
    labels = np.random.default_rng(2).integers(0, 2, (8, 4))
    values = {
        "labels": labels,
        "shares": np.eye(2)[labels],
        "several": np.random.default_rng(3).integers(0, 2, (8, 4, 3)),
    }[targets]
    plain = step_loss(tmp_path, output, loss, values)
    first = step_loss(tmp_path, output, loss, values, classes=", class_weight: {1: 0}")
    second = step_loss(tmp_path, output, loss, values, classes=", class_weight: {0: 0}")
    both = step_loss(tmp_path, output, loss, values, classes=", class_weight: {0: 2, 1: 5}")
    assert min(first, second) > 0
    assert first + second == pytest.approx(plain, rel=1e-5)
    assert both == pytest.approx(2 * first + 5 * second, rel=1e-5)


def test_sample_weight_per_position(tmp_path: Path):
    """Each step may have a weight; that of an example is the weight of all its steps."""
    labels = np.random.default_rng(2).integers(0, 2, (8, 4))
    loss, weights_of_examples = "SparseCategoricalCrossentropy", np.arange(8.0)
    repeated = np.repeat(weights_of_examples[:, np.newaxis], 4, axis=1)
    of_examples, of_steps, of_uneven_steps = (
        step_loss(tmp_path, SOFTMAX, loss, labels, weights=weights)
        for weights in (weights_of_examples, repeated, repeated * [0, 2, 0, 2])
    )
    assert of_steps == pytest.approx(of_examples, rel=1e-6)
    assert of_uneven_steps != pytest.approx(of_examples, rel=1e-3)


def test_validation_has_no_class_weights(tmp_path: Path, data):
    """Class weights change what is trained, and not what is measured; as in Keras."""
    np.savez(tmp_path / "data.npz", **data)
    text = NET.replace(", WEIGHTS", "").replace("validation_split: 0", "validation_split: 0.5")
    losses = []
    for name, classes in {"plain": "", "weighted": ", class_weight: {0: 9, 1: 9}"}.items():
        text_of = text.replace("CLASSES", classes).replace("{SGD: 0.5}", "{SGD: 0.0}")
        (tmp_path / "net.yaml").write_text(text_of)
        run = tmp_path / name
        assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 0
        losses.append(json.loads((run / "history.jsonl").read_text().splitlines()[-1]))
    plain, weighted = losses
    assert weighted["loss"] == pytest.approx(9 * plain["loss"], rel=1e-5)
    assert weighted["val_loss"] == pytest.approx(plain["val_loss"], rel=1e-6)


def test_class_weight_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Classes that are words in the data have their names as keys."""
    rows = "".join(f"{x / 10},{'cat' if x % 3 else 'dog'}\n" for x in range(30))
    (tmp_path / "data.csv").write_text("x,kind\n" + rows)
    text = """
archbuilder: 1
name: net
inputs: {x: [1]}
layers: [{Dense: {units: 2, activation: softmax}}]
data: {csv: {file: data.csv, target: kind}}
training: {loss: SparseCategoricalCrossentropy, epochs: 1, validation_split: 0, class_weight: KEYS}
"""
    losses = []
    for number, keys in enumerate(
        ("{cat: 2, dog: 7}", "{0: 2, 1: 7}", "{cta: 2}", "{0: 2, cat: 7}")
    ):
        (tmp_path / "net.yaml").write_text(text.replace("KEYS", keys))
        run = tmp_path / f"run-{number}"
        code = main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)])
        if code == 0:
            losses.append(json.loads((run / "history.jsonl").read_text())["loss"])
    errors = capsys.readouterr().err
    assert "did you mean 'cat'?" in errors
    assert "'0' and 'cat' are the same class of the output 'output'" in errors
    assert f"{tmp_path / 'net.yaml'}:7:{text.splitlines()[-1].index('KEYS') + 2}" in errors
    assert losses == [losses[0]] * 2


def balanced(labels: np.ndarray) -> dict[str, float]:
    """The formula of scikit-learn's `compute_class_weight`."""
    names, counts = np.unique(labels, return_counts=True)
    weights = len(labels) / (len(names) * counts)
    return dict(zip(map(str, names), weights.tolist(), strict=True))


def test_balanced_class_weight(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The weights follow from the training set alone, are recorded, and act as written ones."""
    kinds = np.array(["cat" if x % 3 else "dog" for x in range(30)] + ["dog"] * 10)
    rows = "".join(f"{x / 10},{kind}\n" for x, kind in enumerate(kinds))
    (tmp_path / "data.csv").write_text("x,kind\n" + rows)
    text = """
archbuilder: 1
name: net
inputs: {x: [1]}
layers: [{Dense: {units: 2, activation: softmax}}]
data: {csv: {file: data.csv, target: kind}}
training: {loss: SparseCategoricalCrossentropy, epochs: 1, validation_split: {last: 0.25},
  class_weight: WEIGHTS}
"""
    expected = balanced(kinds[:30])
    losses = []
    for number, weights in enumerate(("balanced", json.dumps(expected))):
        (tmp_path / "net.yaml").write_text(text.replace("WEIGHTS", weights))
        run = tmp_path / f"run-{number}"
        assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 0
        losses.append(json.loads((run / "history.jsonl").read_text())["loss"])
        record = json.loads((run / "run.json").read_text())
        assert record["class_weights"] == {"output": pytest.approx(expected)}
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert "Class weights of 'output': cat 0.75, dog 1.5\n" in capsys.readouterr().out


@pytest.mark.parametrize("units", [1, 3])
def test_balanced_class_weight_of_other_targets(units: int):
    """The 0 and 1 of a binary loss and one-hot vectors are classes too; absent ones weigh 1."""
    labels = np.array([0, 1, 1, 1, 0, 1, 1, 1])
    values = labels if units == 1 else np.eye(3)[labels]
    loss = "BinaryCrossentropy" if units == 1 else "CategoricalCrossentropy"
    keras_loss = KerasObject.from_tree("loss", ScalarNode(loss, SPAN))
    target = adapt_target(ArrayColumn(values), "out", (units,), keras_loss)
    weights = make_class_weights(
        target, "out", "balanced", (units,), keras_loss, (), np.arange(7)
    ).by_name
    absent = {"2": 1.0} if units == 3 else {}
    assert weights == pytest.approx({**balanced(labels[:7]), **absent})


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((16, 2)), "the shape [2] per example: expected one number"),
        (np.full(16, -1.0), "the sample weight of example 1 is negative"),
        (np.full(16, np.nan), "is not finite in 16 of 16"),
        (np.ones(15), "different lengths: 'w' has 15 examples, 'x' has 16 examples"),
    ],
)
def test_invalid_sample_weights(tmp_path: Path, data, weights: np.ndarray, message: str, capsys):
    """They are told before the training begins."""
    np.savez(tmp_path / "data.npz", **{**data, "w": weights})
    (tmp_path / "net.yaml").write_text(
        NET.replace("WEIGHTS", "sample_weight: w").replace("CLASSES", "")
    )
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "run")]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("weights", "code", "message"),
    [
        ("sample_weight: {outptu: w}", 1, "sample weights for 'outptu'"),
        ("sample_weight: v", 1, "no array 'v'; it has 'x', 'y', 'w'"),
        ("sample_weight: [w]", 2, "'sample_weight' must be a string"),
    ],
)
def test_invalid_class_names(tmp_path: Path, data, weights: str, code: int, message: str, capsys):
    """They are told too."""
    np.savez(tmp_path / "data.npz", **data)
    (tmp_path / "net.yaml").write_text(NET.replace("WEIGHTS", weights).replace("CLASSES", ""))
    exit_code = main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "run")])
    assert (exit_code, message in capsys.readouterr().err) == (code, True)
