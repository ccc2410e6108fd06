"""Every loss and metric of Keras in a recipe gives the numbers of `compile`, `fit` and `evaluate`.

The networks have an output for each loss, so that one training is enough for a group of them.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from trainer.test_execution import rows, trained

import archbuilder
from archbuilder import registry
from archbuilder.registry.signatures import ObjectKind

COUNT, BATCH, SIZE, STEPS, CLASSES = 24, 8, 4, 6, 3
IGNORED = 255
Numbers: TypeAlias = NDArray[Any]
Arguments: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """An output with a loss and metrics: its layer, its targets, and the arguments of both."""

    loss: str
    targets: Callable[[np.random.Generator], Numbers]
    activation: str = "linear"
    units: int = CLASSES
    arguments: Arguments = field(default_factory=dict)
    metrics: Mapping[str, Arguments] = field(default_factory=dict)
    position_axes: int = 0
    """The number of axes of a loss beside that of the examples."""
    has_classes: bool = False
    """Whether class weights are tested: class 1 has the weight 3."""

    def class_weights(self, targets: Numbers) -> Numbers:
        """Return the weight of each label."""
        classes = targets if self.units == 1 or targets.ndim == 1 else targets.argmax(axis=-1)
        return np.where(classes == 1, 3.0, 1.0)


def positive(random: np.random.Generator) -> Numbers:
    return random.uniform(0.5, 2, (COUNT, CLASSES)).astype(np.float32)


def distribution(random: np.random.Generator) -> Numbers:
    return random.dirichlet([1.0] * CLASSES, COUNT).astype(np.float32)


def signs(random: np.random.Generator) -> Numbers:
    return random.choice([-1.0, 1.0], (COUNT, CLASSES)).astype(np.float32)


def labels(random: np.random.Generator) -> Numbers:
    return random.integers(0, CLASSES, COUNT)


def pairs(_: np.random.Generator) -> Numbers:
    # Each batch has others of the same class: Keras masks examples without any.
    return np.arange(COUNT) % BATCH % CLASSES


def binary(random: np.random.Generator) -> Numbers:
    return random.integers(0, 2, COUNT).astype(np.float32)


def one_hot(random: np.random.Generator) -> Numbers:
    return np.eye(CLASSES, dtype=np.float32)[labels(random)]


def flags(random: np.random.Generator) -> Numbers:
    return random.integers(0, 2, (COUNT, CLASSES)).astype(np.float32)


def pixels(random: np.random.Generator) -> Numbers:
    return random.integers(0, CLASSES, (COUNT, SIZE, SIZE))


def pixels_with_void(random: np.random.Generator) -> Numbers:
    # As many in each batch: Keras takes the mean of the means of batches.
    classes = pixels(random)
    classes[:, :2, 1] = IGNORED
    return classes


def pixel_flags(random: np.random.Generator) -> Numbers:
    return np.eye(CLASSES, dtype=np.float32)[pixels(random)]


def sequence(random: np.random.Generator) -> Numbers:
    symbols = random.integers(1, CLASSES, (COUNT, 2))
    symbols[:, 1] *= random.integers(0, 2, COUNT)
    return symbols


NO_ARGUMENTS: Arguments = MappingProxyType({})
ERRORS: Mapping[str, Arguments] = dict.fromkeys(
    (
        "MeanSquaredError",
        "RootMeanSquaredError",
        "MeanAbsoluteError",
        "MeanAbsolutePercentageError",
        "MeanSquaredLogarithmicError",
        "LogCoshError",
        "CosineSimilarity",
        "R2Score",
        "PearsonCorrelation",
        "ConcordanceCorrelation",
    ),
    NO_ARGUMENTS,
)
COUNTS: Mapping[str, Arguments] = {
    **dict.fromkeys(
        (
            "TruePositives",
            "TrueNegatives",
            "FalsePositives",
            "FalseNegatives",
            "AUC",
            "BinaryAccuracy",
            "BinaryCrossentropy",
        ),
        NO_ARGUMENTS,
    ),
    "Precision": {"thresholds": 0.4},
    "Recall": {"thresholds": 0.4},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "BinaryIoU": {"target_class_ids": [0, 1], "threshold": 0.4},
}
SPARSE_IOU: Arguments = {"num_classes": CLASSES, "sparse_y_pred": False}
LOGITS: Arguments = {"from_logits": True}
VECTORS: Mapping[str, Case] = {
    "mse": Case("MeanSquaredError", positive, metrics=ERRORS),
    "mae": Case("MeanAbsoluteError", positive),
    "mape": Case("MeanAbsolutePercentageError", positive),
    "msle": Case("MeanSquaredLogarithmicError", positive, "softplus"),
    "cosine": Case("CosineSimilarity", positive),
    "huber": Case("Huber", positive, arguments={"delta": 0.3}),
    "log_cosh": Case("LogCosh", positive),
    "poisson": Case("Poisson", positive, "softplus", metrics={"Poisson": {}}),
    "kl": Case("KLDivergence", distribution, "softmax", metrics={"KLDivergence": {}}),
    "hinge": Case("Hinge", signs, metrics={"Hinge": {}, "SquaredHinge": {}}),
    "squared_hinge": Case("SquaredHinge", signs),
    "binary": Case("BinaryCrossentropy", binary, "sigmoid", 1, {}, COUNTS, has_classes=True),
    "logit": Case(
        "BinaryCrossentropy", binary, units=1, arguments={**LOGITS, "label_smoothing": 0.1}
    ),
    "flags": Case(
        "BinaryFocalCrossentropy",
        flags,
        "sigmoid",
        arguments={"gamma": 3.0, "apply_class_balancing": True},
        metrics={
            "F1Score": {"average": "macro", "threshold": 0.5},
            "FBetaScore": {"average": "micro", "beta": 2.0, "threshold": 0.5},
        },
    ),
    "focal_logit": Case(
        "BinaryFocalCrossentropy", binary, units=1, arguments=LOGITS, has_classes=True
    ),
    "category": Case(
        "CategoricalCrossentropy",
        one_hot,
        "softmax",
        arguments={"label_smoothing": 0.1},
        metrics={
            "CategoricalAccuracy": {},
            "CategoricalCrossentropy": {},
            "TopKCategoricalAccuracy": {"k": 2},
            "CategoricalHinge": {},
            "OneHotIoU": {"num_classes": CLASSES, "target_class_ids": [0, 2]},
            "OneHotMeanIoU": {"num_classes": CLASSES},
        },
    ),
    "focal": Case("CategoricalFocalCrossentropy", one_hot, "softmax", has_classes=True),
    "focal_logits": Case(
        "CategoricalFocalCrossentropy", one_hot, arguments={**LOGITS, "alpha": 0.5}
    ),
    "categorical_hinge": Case("CategoricalHinge", one_hot),
    "generalized": Case(
        "CategoricalGeneralizedCrossEntropy", labels, "softmax", arguments={"q": 0.7}
    ),
    "index": Case(
        "SparseCategoricalCrossentropy",
        labels,
        arguments=LOGITS,
        metrics={
            "SparseCategoricalAccuracy": {},
            "SparseTopKCategoricalAccuracy": {"k": 2},
            "SparseCategoricalCrossentropy": LOGITS,
        },
        has_classes=True,
    ),
    "smoothed": Case(
        "LabelSmoothedCrossentropy",
        labels,
        arguments={**LOGITS, "label_smoothing": 0.1},
        has_classes=True,
    ),
    "capsules": Case("CapsuleMargin", one_hot, "sigmoid"),
    "charbonnier": Case("Charbonnier", positive),
    "circle": Case("Circle", pairs, "tanh", 5, {"gamma": 2.0}),
}
IMAGES: Mapping[str, Case] = {
    "void": Case(
        "SparseCategoricalCrossentropy",
        pixels_with_void,
        "softmax",
        arguments={"ignore_class": IGNORED},
        metrics={
            "MeanIoU": {**SPARSE_IOU, "ignore_class": IGNORED},
            "IoU": {**SPARSE_IOU, "target_class_ids": [1], "ignore_class": IGNORED},
        },
        position_axes=2,
    ),
    "dice": Case("Dice", pixel_flags, "sigmoid", arguments={"axis": [1, 2, 3]}),
    "tversky": Case(
        "Tversky", pixel_flags, "sigmoid", arguments={"alpha": 0.3, "beta": 0.7, "axis": [1, 2, 3]}
    ),
    "dice_of_batch": Case("Dice", pixel_flags, "sigmoid"),
    "psnr": Case("PSNRLoss", pixel_flags),
    "ssim": Case("SSIMLoss", pixel_flags, arguments={"filter_size": 3}),
    "focal_pixels": Case(
        "CategoricalFocalCrossentropy", pixel_flags, "softmax", position_axes=2, has_classes=True
    ),
}
SEQUENCES: Mapping[str, Case] = {"ctc": Case("CTC", sequence)}
GROUPS: Mapping[str, tuple[str, str, Mapping[str, Case]]] = {
    "vectors": ("[5]", "Dense: {units: UNITS", VECTORS),
    "images": (f"[{SIZE}, {SIZE}, 2]", "Conv2D: {filters: UNITS, kernel_size: 1", IMAGES),
    "sequences": (f"[{STEPS}, 2]", "Dense: {units: UNITS", SEQUENCES),
}
OTHER_TESTS = {
    # Of losses and metrics that are tested elsewhere.
    "loss": {"CIoU", "GIoU", "Value"},
    "metric": {
        "BoxIoU",
        "EditDistance",
        "MeanAveragePrecision",
        "PSNR",
        "Perplexity",
        "SSIM",
        "WordErrorRate",
    },
}
NOT_OF_A_RECIPE = {"Accuracy": "compares values for equality"}
"""Metrics that fit no loss; the name `accuracy` picks the right one."""


def write_examples(folder: Path, group: str) -> tuple[Numbers, dict[str, Numbers], Numbers]:
    """Write inputs, targets and sample weights of a group, and return them."""
    shape, _, cases = GROUPS[group]
    random = np.random.default_rng(5)
    x = random.normal(size=(COUNT, *json.loads(shape))).astype(np.float32)
    y = {name: case.targets(random) for name, case in cases.items()}
    weights = random.uniform(0.2, 2, COUNT).astype(np.float32)
    np.savez(folder / "data.npz", x=x, w=weights, **y)
    return x, y, weights


def blueprint(group: str, *, weighted: bool) -> str:
    """Return a blueprint with an output for each case of a group."""
    shape, layer, cases = GROUPS[group]
    layers = [
        f"  - {{{layer.replace('UNITS', str(case.units))}, activation: {case.activation}}},"
        f" from: x, name: {name}}}"
        for name, case in cases.items()
    ]
    losses = {name: {case.loss: dict(case.arguments)} for name, case in cases.items()}
    metrics = {
        name: [{metric: dict(arguments)} for metric, arguments in case.metrics.items()]
        for name, case in cases.items()
        if case.metrics
    }
    source: dict[str, Any] = {"file": "data.npz", "targets": {name: name for name in cases}}
    training: dict[str, Any] = {"loss": losses, "metrics": metrics}
    if weighted:
        source["sample_weight"] = "w"
        classes = {name: {"1": 3} for name, case in cases.items() if case.has_classes}
        training |= {"class_weight": classes} if classes else {}
    training |= {"weights": "start.keras", "optimizer": {"SGD": 0.01}, "batch_size": BATCH}
    training |= {"epochs": 1, "validation_split": 0, "shuffle": False, "distribute": "none"}
    lines = [
        "archbuilder: 1",
        "name: net",
        f"inputs: {{x: {shape}}}",
        "layers:",
        *layers,
        f"outputs: {json.dumps({name: name for name in cases})}",
        f"data: {json.dumps({'npz': source})}",
        f"training: {json.dumps(training)}",
    ]
    return "\n".join(lines)


def class_of(module: Any, name: str) -> Any:
    return getattr(module, name, None) or keras.saving.get_registered_object(f"archbuilder>{name}")


def without_numbers(logs: Mapping[str, float]) -> dict[str, float]:
    """Return logs without the numbers that Keras gives the metrics of a process."""
    return {re.sub(r"_\d+$", "", name): value for name, value in logs.items()}


def sample_weights(case: Case, targets: Numbers, weights: Numbers) -> Numbers:
    """Return the weights of an output as Keras takes them, one for each loss."""
    expanded = weights.reshape(-1, *[1] * case.position_axes)
    if case.has_classes:
        expanded = expanded * case.class_weights(targets)
    return np.broadcast_to(expanded, (COUNT, *[SIZE] * case.position_axes)).astype(np.float32)


@pytest.mark.parametrize("weighted", [False, pytest.param(True, id="weighted")])
@pytest.mark.parametrize("group", ["vectors", "images", "sequences"])
@pytest.mark.thorough
def test_losses_and_metrics_agree_with_keras(tmp_path: Path, group: str, *, weighted: bool):
    """An epoch, and an evaluation after it, give Keras's losses and metrics."""
    x, y, weights = write_examples(tmp_path, group)
    text = blueprint(group, weighted=weighted)
    cases = GROUPS[group][2]
    (tmp_path / "plain.yaml").write_text(text)
    keras.utils.set_random_seed(3)
    model = archbuilder.load(tmp_path / "plain.yaml").compile()
    model.save(tmp_path / "start.keras")
    run = trained(tmp_path, text, "run")
    compiled: dict[str, Any] = {
        "loss": {
            name: class_of(keras.losses, case.loss)(**case.arguments)
            for name, case in cases.items()
        },
        "metrics": {
            name: [
                class_of(keras.metrics, metric)(**arguments)
                for metric, arguments in case.metrics.items()
            ]
            for name, case in cases.items()
        },
    }
    # As Keras wants them, one axis for a single unit; archbuilder appends it.
    targets: Any = {
        name: each[:, np.newaxis] if cases[name].units == 1 else each for name, each in y.items()
    }
    keras_weights: Any = {
        name: sample_weights(case, y[name], weights) for name, case in cases.items()
    }
    if len(cases) == 1:
        (name,) = cases
        compiled = {key: each[name] for key, each in compiled.items()}
        targets, keras_weights = targets[name], keras_weights[name]
    model.compile(keras.optimizers.SGD(0.01), **compiled, jit_compile=False)
    extra = {"sample_weight": keras_weights} if weighted else {}
    history = model.fit(x, targets, BATCH, 1, shuffle=False, verbose=0, **extra).history
    expected = without_numbers({name: values[-1] for name, values in history.items()})
    logs = {name: each for name, each in rows(run)[0].items() if name in expected}
    assert logs == pytest.approx(expected, rel=2e-4, abs=1e-5)
    if not weighted:
        metrics = archbuilder.evaluate(run, data=tmp_path / "data.npz")
        evaluated = model.evaluate(x, targets, BATCH, verbose=0, return_dict=True)
        assert metrics == pytest.approx(without_numbers(evaluated), rel=2e-4, abs=1e-5)


def keras_classes(kind: str) -> set[str]:
    """Return the public classes of losses or metrics that Keras and archbuilder have."""
    module = keras.losses if kind == "loss" else keras.metrics
    names = {name for name, each in vars(module).items() if inspect.isclass(each)}
    return names | {*registry.load().objects[kind]}  # type: ignore[index]


@pytest.mark.parametrize("kind", ["loss", "metric"])
@pytest.mark.parametrize("name", ["bce", "kld", "mae", "mape", "mse", "msle"])
def test_short_names(kind: ObjectKind, name: str):
    """Short names are those of Keras's functions."""
    class_name = registry.load().canonical_name(kind, name)
    assert class_name is not None
    function = keras.losses.get(name)
    assert registry.load().canonical_name(kind, function.__name__) == class_name


def test_every_loss_and_metric_is_tested():
    """Each is in a recipe here, is tested elsewhere, or says why it is in no recipe."""
    cases = [*VECTORS.values(), *IMAGES.values(), *SEQUENCES.values()]
    tested = {
        "loss": {case.loss for case in cases},
        "metric": {metric for case in cases for metric in case.metrics},
    }
    reasons = {*registry.load().unsupported_objects, *NOT_OF_A_RECIPE}
    for kind, names in tested.items():
        assert keras_classes(kind) - names - reasons == OTHER_TESTS[kind]
