from __future__ import annotations

import pytest

from archbuilder.config import TrainingConfig, parse_training
from archbuilder.config.objectives import RidgeConfig, SupervisedConfig
from archbuilder.config.split import SplitConfig
from archbuilder.diagnostics.errors import Diagnostic, Diagnostics
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import from_plain, to_plain

SPAN = Span(SourceText("test.yaml", ""), 1, 1, 1, 1)
LOSS = "SparseCategoricalCrossentropy"


def adam(**arguments: PlainData) -> dict[str, PlainData]:
    """A `training` section whose optimizer has these arguments."""
    return {"loss": LOSS, "optimizer": {"Adam": arguments}}


def decode(
    value: PlainData, outputs: tuple[str, ...] = ("digit",)
) -> tuple[TrainingConfig | None, tuple[Diagnostic, ...]]:
    diagnostics = Diagnostics()
    spec = parse_training(
        from_plain(value, SPAN), ("image", "label"), outputs, Limits(), diagnostics
    )
    return spec, diagnostics.errors


def right(value: PlainData, outputs: tuple[str, ...] = ("digit",)) -> TrainingConfig:
    spec, errors = decode(value, outputs)
    assert errors == ()
    assert spec is not None
    return spec


def supervised(spec: TrainingConfig) -> SupervisedConfig:
    assert isinstance(spec.objective, SupervisedConfig)
    return spec.objective


def test_loss_only():
    """Everything else has a default."""
    spec = right({"loss": LOSS})
    assert to_plain(supervised(spec).loss["digit"].tree) == LOSS
    assert to_plain(supervised(spec).optimizer.tree) == "Adam"
    assert (spec.epochs, spec.batch_size, spec.validation_split, spec.seed) == (10, 32, 0.2, 0)


def test_all_options():
    """Objects nest as layers do, schedules too."""
    schedule = {"CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 100}}
    spec = right(
        {
            "objective": "supervised",
            "loss": {"SparseCategoricalCrossentropy": {"from_logits": True}},
            "optimizer": {"SGD": {"learning_rate": schedule, "momentum": 0.9}},
            "metrics": ["SparseCategoricalAccuracy", {"SparseTopKCategoricalAccuracy": 3}],
            "epochs": 3,
            "batch_size": 8,
            "validation_split": 0,
            "seed": 7,
            "distribute": "mirrored",
        }
    )
    objective = supervised(spec)
    assert to_plain(objective.optimizer.tree) == {
        "SGD": {"learning_rate": schedule, "momentum": 0.9}
    }
    assert [to_plain(metric.tree) for metric in objective.metrics["digit"]] == [
        "SparseCategoricalAccuracy",
        {"SparseTopKCategoricalAccuracy": 3},
    ]
    assert (spec.epochs, spec.batch_size, spec.validation_split) == (3, 8, 0)
    assert (spec.seed, spec.distribute) == (7, "mirrored")


def test_losses_and_metrics_by_output():
    """Losses, weights and metrics stand under the names of outputs; one may be left out."""
    objective = supervised(
        right(
            {
                "loss": {"main": LOSS, "aux": {"CategoricalCrossentropy": {"from_logits": True}}},
                "loss_weights": {"aux": 0.3},
                "metrics": {"main": "SparseCategoricalAccuracy"},
            },
            ("main", "aux", "features"),
        )
    )
    assert list(objective.loss) == ["main", "aux"]
    assert objective.loss_weights == {"aux": 0.3}
    assert list(objective.metrics) == ["main"]


def test_ridge_defaults():
    """`alpha` and washout have defaults."""
    spec = right({"objective": "ridge"})
    assert spec.objective == RidgeConfig({})
    assert right({"objective": {"ridge": None}}) == spec


def test_ridge_all_options():
    """Its own options stand behind its name, all others beside it."""
    spec = right(
        {
            "objective": {"ridge": {"alpha": 2, "washout": 10}},
            "metrics": "CategoricalAccuracy",
            "validation_split": 0.5,
            "batch_size": 8,
            "seed": 3,
        }
    )
    assert isinstance(spec.objective, RidgeConfig)
    assert (spec.objective.alpha, spec.objective.washout) == (2.0, 10)
    assert list(spec.objective.metrics) == ["digit"]
    assert (spec.validation_split, spec.batch_size, spec.seed) == (0.5, 8, 3)


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        ({"objective": "rigde"}, "invalid-choice", "no objective 'rigde'"),
        ({"objective": 3}, "type-mismatch", "'objective'"),
        ({"objective": []}, "type-mismatch", "'objective'"),
        ({"objective": {"ridge": {}, "supervised": {}}}, "invalid-structure", "'objective'"),
        ({"objective": {"ridge": 3}}, "invalid-structure", "'ridge'"),
        ({"objective": {"ridge": {"alpha": -1}}}, "out-of-range", "'alpha'"),
        ({"objective": {"ridge": {"penality": 1}}}, "unknown-key", "'penality'"),
        (
            {"objective": {"supervised": {"epochs": 3}}, "loss": LOSS},
            "unknown-key",
            "'supervised' has no key 'epochs'",
        ),
        ({"objective": "ridge", "loss": LOSS}, "unknown-key", "'ridge' has no key 'loss'"),
        ({"objective": "ridge", "epochs": 3}, "unknown-key", "'ridge' has no key 'epochs'"),
        (
            {"objective": "ridge", "metrics": "SparseCategoricalAccuracy"},
            "invalid-choice",
            "one value per class",
        ),
    ],
)
def test_invalid_objectives(value: PlainData, code: str, message: str):
    """What does not belong to an objective is told with its name."""
    errors = decode(value)[1]
    assert (errors[0].code, message in errors[0].message) == (code, True), errors


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        ([], "invalid-structure", "'training' must be a mapping"),
        ({}, "missing-key", "'training' has no 'loss'"),
        ({"loss": LOSS, "epoch": 3}, "unknown-key", "no key 'epoch'"),
        ({"loss": "SparseCategoricalCrossEntropy"}, "unknown-keras-object", ""),
        ({"loss": {"digits": LOSS}}, "unknown-output", "no output 'digits'"),
        ({"loss": {}}, "missing-argument", "'loss' does not name an output"),
        ({"loss": LOSS, "loss_weights": {"x": 1}}, "unknown-output", "no output 'x'"),
        ({"loss": LOSS, "loss_weights": {"digit": -1}}, "out-of-range", "weight of 'digit'"),
        ({"loss": LOSS, "metrics": ["Acuracy"]}, "unknown-keras-object", ""),
        (
            {"loss": LOSS, "metrics": ["CategoricalAccuracy"]},
            "invalid-choice",
            "needs class indices",
        ),
        (
            {"loss": LOSS, "metrics": ["SparseCategoricalAccuracy", "AUC"]},
            "invalid-choice",
            "needs class indices, and the metric 'AUC' does not take them",
        ),
        (
            {"loss": LOSS, "metrics": ["Accuracy"]},
            "invalid-choice",
            "the metric 'Accuracy' does not",
        ),
        ({"loss": LOSS, "metrics": ["MeanSquaredError"]}, "invalid-choice", "does not"),
        (
            {"loss": LOSS, "metrics": [{"MeanIoU": {"num_classes": 3}}]},
            "missing-argument",
            f"the metric 'MeanIoU' does not match the targets and outputs of the loss '{LOSS}'",
        ),
        (
            {
                "loss": "CategoricalCrossentropy",
                "metrics": [{"MeanIoU": {"num_classes": 3, "sparse_y_pred": False}}],
            },
            "missing-argument",
            "the metric 'MeanIoU' does not match the targets and outputs",
        ),
        (
            {"loss": {LOSS: {"ignore_class": 9}}, "metrics": [{LOSS: {"ignore_class": 0}}]},
            "invalid-choice",
            f"the metric '{LOSS}' ignores class 0, and the loss of its output ignores class 9",
        ),
        (
            {"loss": "CategoricalCrossentropy", "metrics": ["F1Score"]},
            "missing-argument",
            "without an 'average'",
        ),
        (
            {"loss": "Huber", "metrics": ["SparseCategoricalAccuracy"]},
            "invalid-choice",
            "one value per class",
        ),
        ({"loss": LOSS, "optimizer": {"Adam": {"lr": 1}}}, "unknown-argument", ""),
        ({"loss": LOSS, "epochs": 0}, "out-of-range", "'epochs'"),
        ({"loss": LOSS, "epochs": True}, "type-mismatch", "'epochs'"),
        ({"loss": LOSS, "validation_split": 1}, "out-of-range", "'validation_split'"),
        ({"loss": LOSS, "distribute": "auot"}, "invalid-choice", "'distribute'"),
        (
            {"loss": LOSS, "jit_compile": "maybe"},
            "invalid-choice",
            "'jit_compile' must be auto, true or false",
        ),
        ({"loss": LOSS, "jit_compile": 1}, "type-mismatch", "'jit_compile' must be auto, true"),
        ({"loss": LOSS, "steps_per_execution": 0}, "out-of-range", "'steps_per_execution'"),
        ({"loss": LOSS, "steps_per_execution": "many"}, "type-mismatch", "'steps_per_execution'"),
        ({"loss": LOSS, "dtype_policy": "bfloat16"}, "invalid-choice", "'dtype_policy'"),
        (
            {"loss": LOSS, "gradient_accumulation_steps": 0},
            "out-of-range",
            "'gradient_accumulation_steps'",
        ),
        ({"loss": LOSS, "clip": {"norm": 1}}, "unknown-key", "no key 'clip'"),
        ({"loss": LOSS, "ema": {"momentum": 0.9}}, "unknown-key", "no key 'ema'"),
        (adam(clipnorm=1, clipvalue=1), "invalid-structure", "'clipnorm' or 'clipvalue'"),
        (adam(clipnorm=0), "out-of-range", "'clipnorm'"),
        (adam(clipnrom=1), "unknown-argument", "'clipnrom'"),
        (adam(use_ema=0.9), "type-mismatch", "'use_ema'"),
        (adam(use_ema=True, ema_momentum=1), "out-of-range", "'ema_momentum'"),
        (adam(use_ema=True, ema_overwrite_frequency=0), "out-of-range", "overwrite_frequency'"),
        (adam(ema_momentum=0.9), "missing-argument", "no effect without 'use_ema'"),
        (adam(gradient_accumulation_steps=2), "unsupported-argument", "under 'training'"),
        (adam(loss_scale_factor=2), "unsupported-argument", "'dtype_policy: mixed_float16'"),
        ({"objective": "ridge", "optimizer": "Adam"}, "unknown-key", "'ridge' has no key 'opti"),
        ({"objective": "ridge", "dtype_policy": "float32"}, "unknown-key", "'dtype_policy'"),
        ({"loss": LOSS, "objective": "gan"}, "invalid-choice", "no objective 'gan'"),
    ],
)
def test_errors_have_a_code(value: PlainData, code: str, message: str):
    """Every mistake is reported with its code, and gives no training."""
    spec, errors = decode(value)
    assert spec is None
    assert [error.code for error in errors] == [code]
    assert message in errors[0].message


def test_single_loss_for_several_outputs_is_an_error():
    """Nobody can know which output a lonely loss is for."""
    _, errors = decode({"loss": LOSS}, ("main", "aux"))
    assert errors[0].code == "missing-argument"
    assert "'loss: {main: ..., aux: ...}'" in errors[0].notes[0]


def test_all_errors_are_reported_at_once():
    """A user mends a recipe in one go."""
    _, errors = decode({"loss": "Nothing", "epochs": -1, "sead": 3})
    assert {error.code for error in errors} == {
        "unknown-keras-object",
        "out-of-range",
        "unknown-key",
    }


@pytest.mark.parametrize("key", ["loss", "metrics"])
def test_output_named_val(key: str):
    """Its numbers would take the place of those of the validation set, if there are several."""
    numbers = {"loss": {"val": LOSS, "b": LOSS}, "metrics": {"val": "SparseCategoricalAccuracy"}}
    options: dict[str, PlainData] = {"loss": {"b": LOSS}, key: numbers[key]}
    (error,) = decode(options, ("val", "b"))[1]
    assert "the metrics of the output 'val' would have the prefix 'val_' of" in error.message
    right({"loss": {"val": LOSS}}, ("val",))


@pytest.mark.parametrize(
    ("value", "config"),
    [
        (0.3, 0.3),
        ({"last": 0.2}, SplitConfig(last=0.2)),
        ({"fraction": 0.2, "by": "patient"}, SplitConfig(0.2, by="patient")),
        ({"fraction": 0.2, "stratify": True}, SplitConfig(0.2, stratify=True)),
        ({"column": "split", "value": "val"}, SplitConfig(column="split", value="val")),
    ],
)
def test_splits(value: PlainData, config: float | SplitConfig):
    """A fraction, or a mapping."""
    assert right({"loss": LOSS, "validation_split": value}).validation_split == config


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1, "'validation_split' must be a number of at least 0 and less than 1"),
        ("val", "'validation_split' must be a number"),
        ({"last": 0}, "'last' must be a number of more than 0"),
        ({"first": 0.2}, "'validation_split' has no key 'first'"),
        ({}, "'validation_split' has neither 'fraction' nor 'last' nor 'folds' nor 'column'"),
        ({"folds": 5}, "'validation_split' has 'folds' and no 'fold'"),
        ({"fold": 1, "folds": 3, "last": 0.1}, "'last', 'folds': write only one of them"),
        ({"last": 0.2, "by": "x"}, "has 'by', which needs 'fraction' or 'folds'"),
        (
            {"column": "x", "value": 1, "stratify": True},
            "has 'stratify', which needs 'fraction' or 'folds'",
        ),
        ({"fraction": 0.2, "by": "x", "stratify": True}, "has both 'by' and 'stratify'"),
        ({"fraction": 0.2, "value": 1}, "has a 'value' and no 'column'"),
        ({"fraction": 0.2, "stratify": False}, "'stratify'"),
    ],
)
def test_wrong_splits(value: PlainData, message: str):
    """Settings that contradict each other are errors."""
    _, errors = decode({"loss": LOSS, "validation_split": value})
    assert [message in each.message for each in errors] == [True], errors


@pytest.mark.parametrize(
    ("value", "outputs", "weights"),
    [
        ("balanced", ("digit",), {"digit": "balanced"}),
        ({"a": "balanced", "b": {"0": 2}}, ("a", "b"), {"a": "balanced", "b": {"0": 2.0}}),
    ],
)
def test_balanced_class_weight(value: PlainData, outputs: tuple[str, ...], weights: object):
    """For the only output, or by output."""
    loss = LOSS if len(outputs) == 1 else dict.fromkeys(outputs, LOSS)
    assert supervised(right({"loss": loss, "class_weight": value}, outputs)).class_weight == weights


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"0": "balanced"}, "no output '0'"),
        ({"digit": "even"}, "the weight of class 'digit' must be"),
    ],
)
def test_wrong_class_weight(value: PlainData, message: str):
    """Other words are errors."""
    _, errors = decode({"loss": LOSS, "class_weight": value})
    assert [message in each.message for each in errors] == [True], errors
