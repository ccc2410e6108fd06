"""Errors of Keras and TensorFlow in a step of a network, through the commands that compute."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.objectives import GAN

import archbuilder
from archbuilder.cli import main
from archbuilder.compiler.ir import Graph, Node
from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import RunError, StepError
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.keras_backend import build
from archbuilder.limits import Limits
from archbuilder.runs.state_dict import first_non_finite, state_dict
from archbuilder.trainer.distributed_model import DistributedModel
from archbuilder.trainer.step_errors import not_finite_error, translate_tf_errors

NET = """\
archbuilder: 1
name: net
blocks:
  head:
    layers:
      - Dense: {units: 4, activation: softmax}
inputs: {x: [6]}
layers:
STEP  - Flatten
  - head
data: {npz: {file: d.npz}}
training: {loss: SparseCategoricalCrossentropy, epochs: 1, batch_size: 8}
"""


def errors_of(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """What a command that fails writes on the error output."""
    assert main([str(each) for each in arguments]) == 1
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    assert "bug in archbuilder" not in errors
    return errors


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with features and labels."""
    monkeypatch.chdir(tmp_path)
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(24, 6)).astype(np.float32)
    np.savez("d.npz", x=x, y=np.arange(24) % 4)
    return tmp_path


def test_failed_kernel_has_a_location(folder: Path, capsys: pytest.CaptureFixture[str]):
    """An index that the network computes is beyond its table: in every command that computes."""
    words = "  - ops.multiply: {x2: 1}\n  - Embedding: {input_dim: 10, output_dim: 3}\n"
    (folder / "net.yaml").write_text(NET.replace("STEP", words))
    fine, beyond = np.full((24, 6), 3.0, np.float32), np.full((24, 6), 70.0, np.float32)
    np.savez("d.npz", x=fine, y=np.arange(24) % 4)
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    capsys.readouterr()
    np.savez("beyond.npz", x=beyond, y=np.arange(24) % 4)
    for command, computation in {
        ("train", "net.yaml", "--data", "beyond.npz"): "the training",
        ("evaluate", "run", "--data", "beyond.npz"): "the evaluation",
        ("predict", "run", "beyond.npz"): "the prediction",
    }.items():
        errors = errors_of(capsys, *command)
        message, location, *_ = errors[errors.index("error[") :].splitlines()
        assert message == f"error[step-failed]: {computation} failed in 'embedding0' (Embedding)"
        assert (
            "net.yaml:10:5" in location
            if command[0] == "train"
            else "run/blueprint.yaml" in location
        )
        assert "Keras says: indices[0,0] = 70 is not in [0, 10)\n" in errors


def test_data_dependent_size_error(folder: Path, capsys: pytest.CaptureFixture[str]):
    """The reason without the definition of the operation, the place, and the block around it."""
    wide = "  wide:\n    layers:\n      - Conv1D: {filters: 2, kernel_size: 9}\n"
    steps = "  - wide\n  - GlobalAveragePooling1D\n"
    text = NET.replace("x: [6]", "x: [null, 1]").replace("STEP", steps)
    (folder / "net.yaml").write_text(text.replace("inputs:", f"{wide}inputs:", 1))
    np.savez("d.npz", x=np.zeros((24, 6, 1), np.float32), y=np.arange(24) % 4)
    errors = errors_of(capsys, "train", "net.yaml")
    assert errors.startswith(
        "error[step-failed]: the training failed in 'wide0.conv1d0' (Conv1D)\n"
    )
    assert "--> net.yaml:9:9\n" in errors
    assert "9 |       - Conv1D: {filters: 2" in errors
    assert "Keras says: Negative dimension size caused by subtracting 9 from 6 with input" in errors
    assert "in block 'wide', used at net.yaml:12:5" in errors


def test_nonfinite_weights_are_named(folder: Path, capsys: pytest.CaptureFixture[str]):
    """The variable, the step with its place, when, and what to do."""
    settings = "optimizer: {SGD: {learning_rate: 1e38}}, validation_split: 0, batch_size: 24"
    text = NET.replace("STEP", "").replace("batch_size: 8", settings)
    np.savez("d.npz", x=np.full((24, 6), 100, np.float32), y=np.arange(24) % 2)
    (folder / "net.yaml").write_text(text)
    errors = errors_of(capsys, "train", "net.yaml")
    message, location, *_ = errors.splitlines()
    assert message == (
        "error[step-failed]: 'kernel' of 'head0.dense0' (Dense) has NaN or infinite values"
        " after step 1 (epoch 1)"
    )
    assert location == " --> net.yaml:6:9"
    assert "= decrease the learning rate, clip gradients with 'global_clipnorm'" in errors


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_nonfinite_weights_of_a_gan(tmp_path: Path, network: str):
    """Both may have steps of the same name."""
    (tmp_path / "gan.yaml").write_text(GAN)
    graphs = archbuilder.load(tmp_path / "gan.yaml").graphs()
    models = {name: build(graph, Limits()) for name, graph in graphs.items()}
    gan = DistributedModel()
    gan.networks = [*models.values()]
    gan.optimizers = [(keras.optimizers.SGD(), each.trainable_variables) for each in gan.networks]
    models[network].get_layer("dense0").kernel.assign(models[network].layers[1].kernel * np.nan)
    name = first_non_finite(state_dict(gan))
    assert name is not None
    error = not_finite_error(gan, tuple(graphs.values()), 1, name, TrainingPosition(0, 1))
    assert isinstance(error, StepError)
    span = error.diagnostics[0].span
    assert span is not None
    assert (
        GAN.splitlines()[span.line - 1].strip()
        == {
            "generator": "- Dense: {units: 32, activation: relu}",
            "discriminator": "- Dense: {units: 32, activation: leaky_relu}",
        }[network]
    )


def test_error_outside_of_steps():
    """What Keras raises outside of the steps, such as in a loss, is one line."""
    with pytest.raises(RunError) as caught, translate_tf_errors("the training", ()):
        keras.ops.matmul(np.ones((2, 3)), np.ones((2, 3)))
    reason = "Matrix size-incompatible: In[0]: [2,3], In[1]: [2,3]"
    assert str(caught.value) == f"the training failed; Keras says: {reason}"


def test_metric_error(folder: Path, capsys: pytest.CaptureFixture[str]):
    """It is not a step, and has no place, but a name."""
    text = NET.replace("STEP", "").replace("SparseCat", "Cat")
    text = text.replace("epochs: 1", "metrics: [{Precision: {class_id: 9}}]")
    (folder / "net.yaml").write_text(text)
    errors = errors_of(capsys, "train", "net.yaml", "--epochs", "1")
    assert errors.startswith("error: the training failed in the metric 'precision'; Keras says: ")


def test_errors_of_replicas_are_merged():
    """TensorFlow counts them, and names the code in front of each."""
    reason = "indices[0,0] = 7 is not in [0, 3)"
    roots = "".join(
        f"  ({each}) INVALID_ARGUMENT:  {reason}\n\t [[{{{{node r_{each}/x}}}}]]\n"
        for each in (0, 1)
    )
    message = f"Graph execution error:\n\n2 root error(s) found.\n{roots}0 successful operations."
    with pytest.raises(RunError) as caught, translate_tf_errors("the training", ()):
        raise tf.errors.InvalidArgumentError(None, None, message)
    assert str(caught.value) == f"the training failed; Keras says: {reason}"


def test_internal_errors_are_not_wrapped():
    """An error that does not come from a library is not said to be Keras's."""
    with pytest.raises(ValueError, match="ours"), translate_tf_errors("the training", ()):
        raise ValueError("ours")
    assert keras.config.is_traceback_filtering_enabled()


def test_out_of_memory_has_a_location():
    """With the advice to decrease the batch size."""
    source = SourceText("net.yaml", "- Dense: 4\n")
    node = Node("a", "Dense", (), (), (), (), None, Span(source, 1, 3, 1, 8), None)
    graph = Graph("net", (), (node,), (), node.span)
    message = "OOM when allocating tensor with shape[8000,1000]\n\t [[{{node net_1/a_1/MatMul}}]]"
    with pytest.raises(StepError) as caught, translate_tf_errors("the training", (graph,)):
        raise tf.errors.ResourceExhaustedError(None, None, message)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message == "the memory is too small for 'a' (Dense)"
    assert diagnostic.notes[0] == f"Keras says: {message.splitlines()[0]}"
    assert "decrease 'batch_size'" in diagnostic.notes[1]
