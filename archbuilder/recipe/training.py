"""Reads `training:`: the objective with what belongs to it, and the numbers around it.

Objects are written as layers are, and checked against the catalogue. Where a network has several
outputs, losses and metrics stand under the names of the outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from archbuilder.arguments import check_object, check_value
from archbuilder.decode.form import Form
from archbuilder.errors import Diagnostics, nearest
from archbuilder.limits import Limits
from archbuilder.recipe.numerics import read_average, read_clip
from archbuilder.recipe.objectives import (
    FORMS,
    STEPWISE,
    ObjectiveReader,
    Written,
    class_name,
)
from archbuilder.recipe.spec import Auto, Distribution, Precision, TrainingSpec
from archbuilder.tree import Entry, Mapping, Plain, Scalar, Tree, plain
from archbuilder.tree import Sequence as SequenceTree

_PLAIN: Final[dict[str, dict[str, Plain]]] = {
    "epochs": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    "batch_size": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    "validation": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    "distribute": {"enum": ["auto", "none", "mirrored", "multi_worker", "tpu"]},
    "checkpoint_seconds": {"type": "number", "minimum": 0, "maximum": 86_400},
    "xla": {"enum": ["auto", True, False]},
    "steps_per_execution": {
        "anyOf": [{"type": "integer", "minimum": 1, "maximum": 10_000}, {"enum": ["auto"]}]
    },
    "precision": {"enum": ["auto", "float32", "mixed_bfloat16", "mixed_float16"]},
    "shuffle": {"type": "boolean"},
    "accumulate": {"type": "integer", "minimum": 1, "maximum": 1024},
}
_CHANGING: Final = (
    *(
        "GaussianNoise",
        "RandAugment",
        "RandomBrightness",
        "RandomColorDegeneration",
        "RandomColorJitter",
        "RandomContrast",
    ),
    *("RandomCrop", "RandomElasticTransform", "RandomErasing", "RandomFlip", "RandomGaussianBlur"),
    *("RandomGrayscale", "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization"),
    *("RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation"),
    *("RandomZoom", "Solarization"),
)
"""Keras's layers that change images and leave their labels as they are."""
_MIXING: Final = (
    "it mixes the images of a batch, whose labels would have to be mixed with them; leave it out"
)
_ALWAYS_ALIKE: Final = (
    "it changes every image in the same way, and validation would see other images than training;"
    " write it as a layer of the network"
)
_UNSUITED: Final = {
    "CutMix": _MIXING,
    "MixUp": _MIXING,
    "AutoContrast": _ALWAYS_ALIKE,
    "Equalization": _ALWAYS_ALIKE,
    # Keras 3.15.1 draws them with Python's `random` while TensorFlow traces the layer.
    "AugMix": "it draws its operations once for a whole run, and others when the run is resumed;"
    " RandAugment draws them anew for every batch",
}
"""Layers that one would expect among them, and why they are not."""
_AUGMENTED: Final = "as in 'augment: [{RandomFlip: horizontal}, {RandomRotation: 0.1}]'"
ALWAYS: Final = ("objective", *(key for key in _PLAIN if key not in STEPWISE))
"""What stands in `training` with every objective."""


def decode_training(
    tree: Tree,
    inputs: Sequence[str],
    outputs: Sequence[str],
    limits: Limits,
    diagnostics: Diagnostics,
) -> TrainingSpec | None:
    """The training of a recipe for a network with these ends; None after mistakes."""
    before = diagnostics.error_count
    form = Form(limits, diagnostics)
    mapping = form.mapping(tree, "'training'")
    if mapping is None:
        return None
    spec = _training(ObjectiveReader(form, tuple(inputs), tuple(outputs)), mapping)
    return spec if diagnostics.error_count == before else None


def _training(reader: ObjectiveReader, mapping: Mapping) -> TrainingSpec:
    """What the entries say; where they are wrong, it is reported and left out."""
    written = next((entry for entry in mapping if entry.key == "objective"), None)
    name, options = _objective(reader.form, written)
    keys = (*ALWAYS, *FORMS[name].keys)
    where = "'training'" if written is None else f"'training' with the objective '{name}'"
    trees = {entry.key: entry.value for entry in reader.form.known(mapping, keys, where)}
    numbers = {key: reader.value(_PLAIN, key, trees[key]) for key in _PLAIN if key in trees}
    objective = FORMS[name].read(reader, Written(mapping.span, trees, options))
    defaults = TrainingSpec(objective)
    return TrainingSpec(
        objective=objective,
        epochs=cast(int, numbers.get("epochs", defaults.epochs)),
        batch_size=cast(int, numbers.get("batch_size", defaults.batch_size)),
        validation=cast(float, numbers.get("validation", defaults.validation)),
        seed=cast(int, numbers.get("seed", defaults.seed)),
        augment=_augment(reader, trees.get("augment")),
        distribute=cast(Distribution, numbers.get("distribute", defaults.distribute)),
        checkpoint_seconds=cast(
            float, numbers.get("checkpoint_seconds", defaults.checkpoint_seconds)
        ),
        xla=cast(bool | Auto, numbers.get("xla", defaults.xla)),
        steps_per_execution=cast(
            int | Auto, numbers.get("steps_per_execution", defaults.steps_per_execution)
        ),
        precision=cast(Precision, numbers.get("precision", defaults.precision)),
        shuffle=cast(bool, numbers.get("shuffle", defaults.shuffle)),
        accumulate=cast(int, numbers.get("accumulate", defaults.accumulate)),
        clip=read_clip(reader, trees.get("clip")),
        ema=read_average(reader, trees.get("ema")),
    )


def _augment(reader: ObjectiveReader, tree: Tree | None) -> tuple[Tree, ...]:
    """The layers of `augment`, each of them one that Keras has for it."""
    if tree is None:
        return ()
    if not isinstance(tree, SequenceTree):
        reader.form.wrong(tree, "'augment'", "a list of layers", note=_AUGMENTED)
        return ()
    for item in tree.items:
        if check_object("layer", item, reader.form.diagnostics, formulas=False):
            _check_changing(reader.form.diagnostics, item)
    return tree.items


def _check_changing(diagnostics: Diagnostics, item: Tree) -> None:
    name = class_name("layer", item)
    if name not in _CHANGING:
        diagnostics.error(
            "unknown-value",
            f"the layer '{name}' cannot stand under 'augment'"
            + (f": {_UNSUITED[name]}" if name in _UNSUITED else ""),
            item.span,
            suggestion=None if name in _UNSUITED else nearest(name, _CHANGING),
            notes=(f"the layers for it are: {', '.join(_CHANGING)}",),
        )
        return
    arguments = item.entries[0].value if isinstance(item, Mapping) else None
    written = arguments.get("data_format") if isinstance(arguments, Mapping) else None
    if written is not None and plain(written.value) == "channels_first":
        diagnostics.error(
            "unknown-value",
            f"{name} is given images with channels last, whatever the network computes with",
            written.value.span,
            notes=("leave 'data_format' out",),
        )


def _objective(form: Form, written: Entry | None) -> tuple[str, Mapping | None]:
    """The name of the objective, and what is written behind it."""
    default = next(iter(FORMS))
    if written is None:
        return default, None
    value = written.value
    options: Tree | None = None
    if isinstance(value, Mapping) and len(value.entries) == 1:
        name, options = value.entries[0].key, value.entries[0].value
        place = Scalar(name, value.entries[0].key_span)
    elif isinstance(value, Scalar):
        name, place = value.value if isinstance(value.value, str) else "", value
    else:
        name, place = "", Scalar(None, value.span)
    if not check_value(place, {"enum": list(FORMS)}, "'objective'", form.diagnostics):
        return default, None
    if options is None or (isinstance(options, Scalar) and options.value is None):
        return name, None
    return name, form.mapping(options, f"'{name}'", of="a mapping of options")
