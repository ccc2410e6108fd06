"""Weights of real files, written by Keras and safetensors, in compiled blueprints."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from safetensors.numpy import save_file
from zoo.parity import Application, alone, random_inputs
from zoo.reference_specs import FAMILIES
from zoo.weights import fill, relative_error, without_softmax

import archbuilder
from archbuilder.weights import Match, compare_weights

APPLICATIONS = [
    pytest.param(
        comparison,
        id=f"{family} {name}",
        marks=[] if family == "mobilenet" else pytest.mark.thorough,
    )
    for family in ("vgg", "resnet", "inception_v3", "xception", "mobilenet")
    for name, comparison in FAMILIES[family].small.items()
    if isinstance(comparison, Application)
]
NET = """
archbuilder: 1
name: net
params: {classes: 3, width: 4}
inputs: {image: [6, 6, 1]}
layers:
  - {Conv2D: {filters: $width, kernel_size: 3}, name: first}
  - BatchNormalization
  - {Conv2D: {filters: $width, kernel_size: 3}, name: second}
  - Dropout: 0.5
  - Flatten
  - {Dense: $classes, name: head}
"""
SEQUENCE = """
archbuilder: 1
name: sequence
inputs: {steps: [5, 3]}
layers:
  - {Bidirectional: {layer: {LSTM: {units: 4, return_sequences: true}}}, name: both}
  - {MultiHeadAttention: {num_heads: 2, key_dim: 3}, name: look, from: {query: both, value: both}}
  - {TimeDistributed: {layer: {Dense: 2}}, name: each}
"""

BLOCK = """
archbuilder: 1
name: block
inputs: {x: [2]}
blocks:
  stem: {layers: [Dense: 2]}
layers: [stem]
"""


def compiled(text: str, folder: Path, **params: object) -> keras.Model:
    """A blueprint's model with random weights."""
    path = folder / "blueprint.yaml"
    path.write_text(text)
    model = archbuilder.load(path).compile(**params)
    fill(model.weights)
    return model


def write(model: keras.Model, path: Path) -> Path:
    """The weights of a model in a file of the kind that its name says."""
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
    elif path.suffix == ".safetensors":
        save_file({weight.path: np.asarray(weight) for weight in model.weights}, path)
    else:
        model.save(path)
    return path


def changed(model: keras.Model) -> keras.Model:
    """The model with other weights than before."""
    fill(model.weights, seed=99)
    return model


def assert_same_weights(model: keras.Model, expected: keras.Model) -> None:
    """All weights are equal."""
    for mine, expected_weight in zip(model.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(
            np.asarray(mine), np.asarray(expected_weight), err_msg=mine.path
        )


SPECTRAL = """
archbuilder: 1
name: spectral
inputs: {image: [6, 6, 1]}
layers:
  - {SpectralNormalization: {layer: {Conv2D: {filters: 3, kernel_size: 3}}}, name: first}
  - {SpectralNormalization: {layer: {Conv2D: {filters: 3, kernel_size: 3}}}, name: second}
"""
KINDS = ["a.weights.h5", "a.h5", "a.keras", "a.safetensors"]


@pytest.mark.parametrize("match_by", [None, "name"])
@pytest.mark.parametrize("text", [NET, SEQUENCE, SPECTRAL], ids=["net", "sequence", "spectral"])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_roundtrip(kind: str, text: str, match_by: str | None, tmp_path: Path) -> None:
    """Each kind of file gives a model its weights back, nested layers included."""
    model = compiled(text, tmp_path)
    file = write(model, tmp_path / kind)
    target = changed(compiled(text, tmp_path))
    match = archbuilder.load_weights(target, file, match=match_by)
    assert match.is_complete
    assert match.matched_by == "name"
    assert_same_weights(target, model)


@pytest.mark.parametrize("match", ["name", "order"])
def test_keras_2_files_list_non_trainable_weights_last(match: str, tmp_path: Path) -> None:
    """SpectralNormalization has a non-trainable vector between the kernel and the bias."""
    model = compiled(SPECTRAL, tmp_path)
    kinds = [weight.trainable for weight in model.get_layer("first").weights]
    assert kinds == [True, False, True]
    target = changed(compiled(SPECTRAL, tmp_path))
    file = write(model, tmp_path / "a.h5")
    assert archbuilder.load_weights(target, file, match=match).is_complete
    assert_same_weights(target, model)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_of_a_block_are_found_by_path(kind: str, tmp_path: Path) -> None:
    """The names of a block's layers have a dot (`stem0.dense0`), in each kind of file."""
    model = compiled(BLOCK, tmp_path)
    assert model.get_layer("stem0.dense0")
    file = write(model, tmp_path / kind)
    target = changed(compiled(BLOCK, tmp_path))
    assert archbuilder.load_weights(target, file, match="name").is_complete
    assert_same_weights(target, model)


@pytest.mark.parametrize("comparison", APPLICATIONS)
def test_weights_of_keras_applications(comparison: Application, tmp_path: Path) -> None:
    """Files as `keras.applications` downloads them fit our blueprints by order.

    And they give the same outputs.
    """
    ours = archbuilder.load(comparison.blueprint).compile(**comparison.params)
    theirs = comparison.theirs(ours)
    file = write(theirs, tmp_path / "a.h5")
    match = archbuilder.load_weights(ours, file)
    assert match.is_complete
    images = alone(random_inputs(ours, length=1, tokens=1))
    outputs = np.asarray(without_softmax(ours)(images)), np.asarray(theirs(images))
    assert relative_error(*outputs) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_mismatched_head(kind: str, tmp_path: Path) -> None:
    """What does not fit is named with both shapes, and nothing is loaded."""
    file = write(compiled(NET, tmp_path), tmp_path / kind)
    model = changed(compiled(NET, tmp_path, classes=5))
    weights = [np.asarray(weight) for weight in model.weights]
    with pytest.raises(archbuilder.RunError) as caught:
        archbuilder.load_weights(model, file)
    assert "8 of its 10 weights match" in str(caught.value)
    assert "head/kernel is 16x5 in the model and 16x3 in the file, as 'head/" in str(caught.value)
    assert "head/bias is 5 in the model and 3 in the file, as 'head/" in str(caught.value)
    for weight, value in zip(model.weights, weights, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), value)


@pytest.mark.parametrize("kind", KINDS)
def test_skip_mismatch(kind: str, tmp_path: Path) -> None:
    """With another head, all but the head is taken."""
    source = compiled(NET, tmp_path)
    model = changed(compiled(NET, tmp_path, classes=5))
    head = np.asarray(model.get_layer("head").kernel)
    match = archbuilder.load_weights(model, write(source, tmp_path / kind), skip_mismatch=True)
    assert [mine.name for mine, _ in match.mismatched] == ["head/kernel", "head/bias"]
    np.testing.assert_array_equal(np.asarray(model.get_layer("head").kernel), head)
    for name in ("first", "second"):
        np.testing.assert_array_equal(
            np.asarray(model.get_layer(name).kernel), np.asarray(source.get_layer(name).kernel)
        )


def test_match_by_order_with_a_gap(tmp_path: Path) -> None:
    """Equal shapes behind a layer that only one of both has are not taken for partners."""
    without_norm = NET.replace("  - BatchNormalization\n", "")
    file = write(compiled(without_norm, tmp_path), tmp_path / "a.h5")
    match = archbuilder.load_weights(
        compiled(NET, tmp_path), file, match="order", skip_mismatch=True
    )
    assert [mine.name for mine, _ in match.pairs] == ["first/kernel", "first/bias"]
    assert len(match.missing) + len(match.mismatched) == 8


def test_match_by_name_and_by_order(tmp_path: Path) -> None:
    """By path nothing fits where names differ; by order everything does."""
    file = write(compiled(NET.replace("first", "one"), tmp_path), tmp_path / "a.weights.h5")
    model = compiled(NET, tmp_path)
    with pytest.raises(archbuilder.RunError, match="8 of its 10") as caught:
        archbuilder.load_weights(model, file, match="name")
    assert "first/kernel (3x3x1x4) is not in the file" in str(caught.value)
    assert "'one/vars/0' (3x3x1x4) is not in the model" in str(caught.value)
    assert archbuilder.load_weights(model, file).matched_by == "order"


NORMS = """
archbuilder: 1
name: norms
inputs: {x: [8]}
layers: [BatchNormalization, LayerNormalization]
"""


@pytest.mark.parametrize("act", [archbuilder.load_weights, compare_weights])
def test_safetensors_have_no_order(act: Callable[..., Match], tmp_path: Path) -> None:
    """Tensors are sorted by name in a file, here beta before gamma: only names pair them."""
    inputs = keras.Input([8])
    hidden = keras.layers.BatchNormalization(name="one")(inputs)
    theirs = keras.Model(inputs, keras.layers.LayerNormalization(name="two")(hidden))
    fill(theirs.weights)
    file = write(theirs, tmp_path / "a.safetensors")
    model = compiled(NORMS, tmp_path)
    weights = [np.asarray(weight) for weight in model.weights]
    with pytest.raises(archbuilder.RunError, match="by name, 0 of its 6") as caught:
        act(model, file)
    assert "batch_normalization0/gamma (8) is not in the file" in str(caught.value)
    assert "sorted by dtype and name" in str(caught.value)
    with pytest.raises(archbuilder.UsageError, match="' cannot be matched by order"):
        act(model, file, match="order", skip_mismatch=True)
    assert act(model, file, skip_mismatch=True).pairs == ()
    for weight, value in zip(model.weights, weights, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), value)


@pytest.mark.parametrize("kind", ["a.h5", "a.weights.h5", "a.keras"])
def test_hdf5_records_the_order(kind: str, tmp_path: Path) -> None:
    """Twelve layers of one class and shape, which sort otherwise by name, keep their order."""
    layers = "".join(f"  - {{Dense: 2, name: {name}}}\n" for name in "lkjihgfedcba")
    text = f"archbuilder: 1\nname: deep\ninputs: {{x: [2]}}\nlayers:\n{layers}"
    theirs = compiled(text, tmp_path)
    ours = changed(compiled(text.replace("name: ", "name: our_"), tmp_path))
    assert archbuilder.load_weights(ours, write(theirs, tmp_path / kind)).matched_by == "order"
    assert_same_weights(ours, theirs)


def test_half_precision(tmp_path: Path) -> None:
    """bfloat16 in a file becomes what the model has."""
    keras.config.set_dtype_policy("bfloat16")
    try:
        half = compiled(NET, tmp_path)
    finally:
        keras.config.set_dtype_policy("float32")
    expected = [np.asarray(keras.ops.cast(weight, "float32")) for weight in half.weights]
    for kind in ("a.weights.h5", "a.safetensors"):
        model = compiled(NET, tmp_path)
        archbuilder.load_weights(model, write(half, tmp_path / kind))
        for weight, value in zip(model.weights, expected, strict=True):
            np.testing.assert_array_equal(np.asarray(weight), value)


@pytest.mark.parametrize("name", ["none.h5", "a.txt"])
def test_invalid_weights_files(name: str, tmp_path: Path) -> None:
    """A file that is missing or of another kind is a mistake of the call."""
    (tmp_path / "a.txt").write_text("weights")
    with pytest.raises(archbuilder.UsageError, match=name):
        archbuilder.load_weights(compiled(NET, tmp_path), tmp_path / name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"PK\x03\x04nonsense"])
def test_damaged_files(kind: str, content: bytes, tmp_path: Path) -> None:
    """Whatever is in a file, the message names it."""
    path = tmp_path / kind
    path.write_bytes(content)
    with pytest.raises(archbuilder.RunError, match=path.name):
        archbuilder.load_weights(compiled(NET, tmp_path), path)


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_files(kind: str, tmp_path: Path) -> None:
    """A file that ends too early is damaged, wherever it ends."""
    model = compiled(NET, tmp_path)
    content = write(model, tmp_path / kind).read_bytes()
    path = tmp_path / f"cut-{kind}"
    for fraction in (0.2, 0.5, 0.9):
        path.write_bytes(content[: int(len(content) * fraction)])
        with pytest.raises(archbuilder.RunError, match="cut-"):
            archbuilder.load_weights(model, path)


def link_elsewhere(file: h5py.File, secret: Path) -> None:
    """A link into another file in the place of a layer's variables."""
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.ExternalLink(str(secret), "layers/dense/vars/0")


def link_within(file: h5py.File, secret: Path) -> None:
    """A soft link, which may lead in a circle."""
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.SoftLink("/layers/dense/vars/0")


def store_elsewhere(file: h5py.File, secret: Path) -> None:
    """An array whose bytes are those of any file."""
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset(
        "0", (16, 3), "float32", external=[(str(secret), 0, h5py.h5f.UNLIMITED)]
    )


def map_elsewhere(file: h5py.File, secret: Path) -> None:
    """A virtual array of another file."""
    del file["layers/dense/vars/0"]
    layout = h5py.VirtualLayout((16, 3), "float32")
    layout[:] = h5py.VirtualSource(str(secret), "layers/dense/vars/0", (16, 3))
    file["layers/dense/vars"].create_virtual_dataset("0", layout)


@pytest.mark.parametrize("attack", [link_elsewhere, link_within, store_elsewhere, map_elsewhere])
def test_external_hdf5_links_are_refused(attack, tmp_path: Path) -> None:
    """What does not lie in the file itself is refused."""
    model = compiled(NET, tmp_path)
    secret = write(model, tmp_path / "secret.weights.h5")
    path = write(model, tmp_path / "a.weights.h5")
    with h5py.File(path, "r+") as file:
        attack(file, secret)
    with pytest.raises(archbuilder.RunError, match=r"link|another file"):
        archbuilder.load_weights(model, path)


def test_huge_array(tmp_path: Path) -> None:
    """An array that would be terabytes is one that does not fit."""
    model = compiled(NET, tmp_path)
    path = write(model, tmp_path / "a.weights.h5")
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars"].create_dataset("0", (1 << 40,), "float32")
    with pytest.raises(archbuilder.RunError, match="1099511627776 in the file"):
        archbuilder.load_weights(model, path)


def test_keras_config_is_not_deserialized(tmp_path: Path) -> None:
    """Only the weights of a `.keras` file are opened; its configuration may be anything."""
    model = compiled(NET, tmp_path)
    original = write(model, tmp_path / "a.keras")
    path = tmp_path / "b.keras"
    with zipfile.ZipFile(original) as archive, zipfile.ZipFile(path, "w") as copy:
        copy.writestr("config.json", '{"module": "os", "class_name": "system"}')
        copy.writestr("model.weights.h5", archive.read("model.weights.h5"))
    target = changed(compiled(NET, tmp_path))
    assert archbuilder.load_weights(target, path).is_complete
    assert_same_weights(target, model)
