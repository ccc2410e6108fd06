"""Names of other tools, and what a message says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.blueprints import write

import archbuilder
from archbuilder.config.load import read_recipe
from archbuilder.config.objectives import OBJECTIVES
from archbuilder.config.settings import settings_of
from archbuilder.config.training import TrainingConfig
from archbuilder.diagnostics.errors import BlueprintError, Diagnostic
from archbuilder.language.foreign_keys import HINTS, key_hint
from archbuilder.language.parser.blocks import BLOCK_KEYS
from archbuilder.language.parser.document import FILE_KEYS
from archbuilder.language.parser.steps import STEP_KEYS

TRAINING_KEYS = {
    "objective",
    *(
        each.name
        for section in (TrainingConfig, *OBJECTIVES.values())
        for each in settings_of(section)
        if not each.is_option
    ),
}


def mistake(folder: Path, text: str) -> Diagnostic:
    """The one error of a blueprint that has a line more."""
    path = write(folder, f"inputs: {{x: [3]}}\nlayers: [Dense: 1]\n{text}\n")
    with pytest.raises(BlueprintError) as caught:
        read_recipe(archbuilder.load(path))
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimizer: Adam", "'optimizer' belongs under 'training'"),
        ("callbacks: [EarlyStopping]", "'callbacks' belongs under 'training'"),
        (
            "data: {csv: {file: t, inputs: {x: {column: a, standardize: lower}}}}",
            "write 'lowercase: true' and 'strip_punctuation: true'",
        ),
        ("data: {text: {file: a.txt, max_tokens: 9}}", "write 'vocabulary_size' of the tokenizer"),
        ("class_weights: {0: 1}", "write 'class_weight' under 'training'"),
        ("class_weight: {0: 1}", "'class_weight' belongs under 'training'"),
        ("dataset: mnist", "write 'data'"),
        ("pretrained: resnet.h5", "--weights FILE"),
        (
            "data: {images: {directory: pets, folder: a}}",
            "write 'directory' in the source 'images'",
        ),
        ("data: {csv: {file: a.csv, window_size: 24}}", "windows of a series"),
        ("data: {csv: {file: a.csv, time_split: 0.2}}", "'shuffle: false' under 'training'"),
        ("data: {csv: {file: a.csv, batch_size: 8}}", "'batch_size' belongs under 'training'"),
        ("data: {csv: {file: a.csv, epochs: 8}}", "'epochs' belongs under 'training'"),
        ("data: {csv: {file: a.csv, class_weights: {0: 1}}}", "write 'class_weight' under"),
        (
            "data: {images: {directory: pets, weights: w}}",
            "npz, npy, csv, parquet, jsonl or tfrecord",
        ),
        ("data: {npz: {file: a.npz, weights: w}}", "write 'sample_weight'"),
        ("data: {npz: {file: a.npz, scale: 255}}", "write 'divide_by: 255'"),
        ("data: {text: {file: a.txt, tokens: bpe}}", "'tokenizer: bpe'"),
        ("data: {text: {file: a.txt, vocabulary: 900}}", "write 'vocabulary_size'"),
        ("data: {pairs: {file: a.tsv, length: 9}}", "write 'sequence_length'"),
        ("data: {train: digits, val_split: 0.1}", "'validation_split: 0.2' under 'training'"),
        ("data: {train: digits, validation_split: 0.1}", "'validation_split: 0.2' under"),
        ("data: {npz: {file: a.npz, validation: 0.1}}", "'validation_split: 0.2' under 'training'"),
    ],
)
def test_foreign_sections(tmp_path: Path, text: str, expected: str):
    """A key of another tool gets a sentence that names what archbuilder has in its place."""
    diagnostic = mistake(tmp_path, text)
    assert diagnostic.code == "unknown-key"
    assert any(expected in note for note in diagnostic.notes), diagnostic.notes


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("early_stopping: 3", "callbacks: [{EarlyStopping: {monitor: val_loss"),
        ("EarlyStopping: {patience: 3}", "callbacks: [{EarlyStopping: {monitor: val_loss"),
        ("reduce_lr: true", "callbacks: [{ReduceLROnPlateau: {factor"),
        ("ReduceLROnPlateau: {factor: 0.1}", "callbacks: [{ReduceLROnPlateau: {factor"),
        ("patience: 3", "it is an argument of a callback"),
        ("monitor: val_loss", "it is an argument of a callback"),
        ("best: true", "write 'save_best' under 'training'"),
        ("save_best_only: true", "write 'save_best' under 'training'"),
        ("restore_best_weights: true", "restore_best_weights: true}}] under"),
        ("time_split: 0.2", "'shuffle: false' under 'training'"),
        ("accumulation_steps: 4", "write 'gradient_accumulation_steps: 4'"),
        ("initial_weights: a.h5", "write 'weights: FILE' under 'training'"),
        ("steps_per_epoch: 100", "an epoch is every example once"),
        ("val_split: 0.1", "'validation_split: 0.2' under 'training'"),
        ("sample_weight: w", "write 'sample_weight' in the data source"),
        ("learning_rate: 1", "argument of the optimizer"),
        (
            "optimizer: {ReduceLROnPlateau: {factor: 0.1}}",
            "callbacks: [{ReduceLROnPlateau: {factor",
        ),
        (
            "optimizer: {SGD: {learning_rate: {ReduceLROnPlateau: {factor: 0.1}}}}",
            "callbacks: [{ReduceLROnPlateau: {factor",
        ),
        ("metrics: [EarlyStopping]", "callbacks: [{EarlyStopping: {monitor: val_loss"),
    ],
)
def test_foreign_training_keys(tmp_path: Path, key: str, expected: str):
    """In 'training' too; a callback is known by its name, also where an object stands."""
    diagnostic = mistake(tmp_path, f"training: {{loss: MeanSquaredError, {key}}}")
    keys = (None, "validation_split", "gradient_accumulation_steps", "save_best", "weights")
    assert diagnostic.suggestion in keys
    assert any(expected in note for note in diagnostic.notes), diagnostic.notes


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("accumulate: 4", "gradient_accumulation_steps"),
        ("checkpoint_seconds: 4", "checkpoint_every_seconds"),
        ("class_weights: {0: 1}", "class_weight"),
        ("inputs: {a: b}", "feed_targets_to_inputs"),
        ("precision: float32", "dtype_policy"),
        ("targets: {a: b}", "target_from_input"),
        ("validation: 0.1", "validation_split"),
        ("xla: true", "jit_compile"),
        ("objective: {ridge: {penalty: 1}}", "alpha"),
    ],
)
def test_foreign_names_of_settings(tmp_path: Path, settings: str, expected: str):
    """A setting under a similar or more general name gets the key as a note."""
    loss = "" if "objective" in settings else "loss: MeanSquaredError, "
    diagnostic = mistake(tmp_path, f"training: {{{loss}{settings}}}")
    assert diagnostic.code == "unknown-key"
    assert any(f"'{expected}" in note for note in diagnostic.notes), diagnostic.notes


def test_foreign_key_suggestion(tmp_path: Path):
    """Where the key that a hint names is known, editors can put it in."""
    diagnostic = mistake(tmp_path, "training: {loss: MeanSquaredError, class_weights: {0: 1}}")
    assert diagnostic.suggestion == "class_weight"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("freeze: true", "trainable: false"),
        ("epochs: 3", "'epochs' belongs under 'training'"),
        ("class_weights: {0: 1}", "write 'class_weight' under 'training'"),
    ],
)
def test_foreign_keys_beside_a_layer(tmp_path: Path, key: str, expected: str):
    """So do keys beside the layer of a step."""
    path = write(tmp_path, f"inputs: {{x: [3]}}\nlayers:\n  - {{Dense: 1, {key}}}\n")
    with pytest.raises(BlueprintError) as caught:
        archbuilder.load(path)
    assert expected in caught.value.diagnostics[0].notes[0]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("GELU", "write 'Activation: gelu'"),
        ("Linear: 3", "write 'Dense'"),
        ("Sequential: 3", "write the steps under 'layers'"),
        ("keras.layers.Dense: 3", "write the name of the layer alone: Dense"),
        ("nn.Linear: 3", "write 'Dense'"),
        ("nn.Nothing: 3", "the file imports nothing"),
    ],
)
def test_layers_of_other_tools(tmp_path: Path, layer: str, expected: str):
    """The hint names the layer to write, in place of one that happens to have a similar name."""
    path = write(tmp_path, f"inputs: {{x: [3]}}\nlayers: [{layer}]\n")
    with pytest.raises(BlueprintError) as caught:
        archbuilder.load(path)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.suggestion, expected in diagnostic.notes[0]) == (None, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training: {loss: CrossEntropyLoss}", "write 'SparseCategoricalCrossentropy'"),
        ("training: {loss: MeanSquaredError, metrics: acc}", "write 'accuracy'"),
        ("training: {loss: MeanSquaredError, optimizer: Adam(0.1)}", "arguments are a mapping"),
        (
            "training: {loss: MeanSquaredError, callbacks: [{EarlyStopping: 1, Other: 1}]}",
            "write each in an item of its own",
        ),
        ("data: numbers.npz", "write the source before the file: {npz: numbers.npz}"),
        ("data: pets/", "write the source before the file: {images: pets/}"),
    ],
)
def test_objects_and_sources_in_the_form_of_other_tools(tmp_path: Path, text: str, expected: str):
    """A note says how to write it."""
    assert expected in mistake(tmp_path, text).notes[0]


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ("{type: Adam, learning_rate: 0.1}", "not a mapping of 2 keys"),
        ("{Adam: {learning_rate: '0.1'}}", "must be a number of at least 0, not a string '0.1'"),
    ],
)
def test_optimizer_in_another_form(tmp_path: Path, optimizer: str, expected: str):
    """There is one error, about the optimizer."""
    text = f"training: {{loss: MeanSquaredError, optimizer: {optimizer}}}"
    assert expected in mistake(tmp_path, text).message


def test_training_settings_are_not_parameters(tmp_path: Path):
    """Settings of the training are not parameters of the network."""
    path = write(tmp_path, "params: {units: 1}\ninputs: {x: [3]}\nlayers: [Dense: $units]\n")
    with pytest.raises(BlueprintError) as caught:
        archbuilder.load(path).graphs(epochs=3)
    assert caught.value.diagnostics[0].notes == (
        "its parameters are: units",
        "'epochs' belongs under 'training'",
    )


def test_hints_name_no_valid_key():
    """A hint for a key of the language would never be seen."""
    assert set(HINTS).isdisjoint({*FILE_KEYS, *STEP_KEYS, *BLOCK_KEYS, *TRAINING_KEYS})


def test_every_key_of_training_has_a_hint_elsewhere():
    """At the top of a blueprint the section of each key is named."""
    for key in TRAINING_KEYS:
        assert "'training'" in (key_hint(key, "a blueprint") or ""), key


def test_use_suggests_reuse(tmp_path: Path):
    """`use` is read as the name of a block, and the key that is meant is suggested."""
    path = write(tmp_path, "inputs: {x: [3]}\nlayers: [{Dense: 3, name: a}, {use: a}]\n")
    with pytest.raises(BlueprintError) as caught:
        archbuilder.load(path)
    assert caught.value.diagnostics[0].suggestion == "reuse"
