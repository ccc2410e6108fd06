"""Parser of the `training` section: the objective, its options, and the training settings.

Keras objects have the syntax of layers and are checked against the registry. For a network with
several outputs, losses and metrics are mappings by output.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from archbuilder.compiler.check_arguments import check_object, check_value
from archbuilder.config.objectives import (
    GRADIENT_KEYS,
    OBJECTIVE_SYNTAX,
    ObjectiveReader,
    TrainingSection,
    keras_class_name,
)
from archbuilder.config.training import Auto, DtypePolicy, StrategyName, TrainingConfig
from archbuilder.diagnostics.errors import Diagnostics, closest_match
from archbuilder.language.parser.fields import FieldReader
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import (
    MappingEntry,
    MappingNode,
    ScalarNode,
    SequenceNode,
    Tree,
    to_plain,
)

_SCALAR_SCHEMAS: Final[dict[str, dict[str, PlainData]]] = {
    "epochs": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    "batch_size": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    "validation_split": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    # keras.utils.set_random_seed passes it to numpy.random.seed, which takes 32 bits.
    "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    "distribute": {"enum": ["auto", "none", "mirrored", "multi_worker", "tpu"]},
    "checkpoint_every_seconds": {"type": "number", "minimum": 0, "maximum": 86_400},
    "jit_compile": {"enum": ["auto", True, False]},
    "steps_per_execution": {
        "anyOf": [{"type": "integer", "minimum": 1, "maximum": 10_000}, {"enum": ["auto"]}]
    },
    "dtype_policy": {"enum": ["auto", "float32", "mixed_bfloat16", "mixed_float16"]},
    "shuffle": {"type": "boolean"},
    "gradient_accumulation_steps": {"type": "integer", "minimum": 1, "maximum": 1024},
}
_AUGMENTATION_LAYERS: Final = (
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
"""Layers of Keras that transform images at random and leave their labels unchanged."""
_MIXES_LABELS: Final = "it mixes the images of a batch, and labels are not mixed with them"
_IS_DETERMINISTIC: Final = (
    "it is deterministic, and the validation set is not augmented; use it as a layer of the network"
)
_UNSUPPORTED_LAYERS: Final = {
    "CutMix": _MIXES_LABELS,
    "MixUp": _MIXES_LABELS,
    "AutoContrast": _IS_DETERMINISTIC,
    "Equalization": _IS_DETERMINISTIC,
    # Keras 3.15.1 chooses its operations with Python's `random` while TensorFlow traces the layer
    # (aug_mix.py, `py_random.choice`), so the compiled graph always applies the same ones.
    "AugMix": "it draws its operations once per run, and others when the run is resumed; use"
    " RandAugment, which draws them for each batch",
}
"""Augmentation layers of Keras that are not supported, with the reason."""
_AUGMENT_EXAMPLE: Final = "for example 'augment: [{RandomFlip: horizontal}, {RandomRotation: 0.1}]'"
COMMON_KEYS: Final = ("objective", *(key for key in _SCALAR_SCHEMAS if key not in GRADIENT_KEYS))
"""Keys of `training` that all objectives share."""


def parse_training(
    tree: Tree,
    inputs: Sequence[str],
    outputs: Sequence[str],
    limits: Limits,
    diagnostics: Diagnostics,
) -> TrainingConfig | None:
    """Parse and check the `training` section; report errors and return None if there are any.

    Args:
        tree: the section, with expressions evaluated.
        inputs: the input names of the network.
        outputs: the output names of the network.
        limits: bounds on what is read.
        diagnostics: receives the errors.
    """
    reports = diagnostics.report_count
    reader = FieldReader(limits, diagnostics)
    mapping = reader.expect_mapping(tree, "'training'")
    if mapping is None:
        return None
    config = _parse_training(ObjectiveReader(reader, tuple(inputs), tuple(outputs)), mapping)
    return config if diagnostics.report_count == reports else None


def _parse_training(reader: ObjectiveReader, mapping: MappingNode) -> TrainingConfig:
    """Parse the entries of `training`; report errors, after which the result is not usable."""
    # The objective comes first, since it decides which other keys are known.
    objective_entry = next((entry for entry in mapping if entry.key == "objective"), None)
    name, options = _parse_objective(reader.fields, objective_entry)
    keys = (*COMMON_KEYS, *OBJECTIVE_SYNTAX[name].keys)
    where = "'training'" if objective_entry is None else f"'training' with the objective '{name}'"
    trees = {entry.key: entry.value for entry in reader.fields.known_entries(mapping, keys, where)}
    scalars = {
        key: reader.value(_SCALAR_SCHEMAS, key, trees[key])
        for key in _SCALAR_SCHEMAS
        if key in trees
    }
    objective = OBJECTIVE_SYNTAX[name].parse(reader, TrainingSection(mapping.span, trees, options))
    defaults = TrainingConfig(objective)
    return TrainingConfig(
        objective=objective,
        epochs=cast(int, scalars.get("epochs", defaults.epochs)),
        batch_size=cast(int, scalars.get("batch_size", defaults.batch_size)),
        validation_split=cast(float, scalars.get("validation_split", defaults.validation_split)),
        seed=cast(int, scalars.get("seed", defaults.seed)),
        augment=_parse_augment(reader, trees.get("augment")),
        distribute=cast(StrategyName, scalars.get("distribute", defaults.distribute)),
        checkpoint_every_seconds=cast(
            float, scalars.get("checkpoint_every_seconds", defaults.checkpoint_every_seconds)
        ),
        jit_compile=cast(bool | Auto, scalars.get("jit_compile", defaults.jit_compile)),
        steps_per_execution=cast(
            int | Auto, scalars.get("steps_per_execution", defaults.steps_per_execution)
        ),
        dtype_policy=cast(DtypePolicy, scalars.get("dtype_policy", defaults.dtype_policy)),
        shuffle=cast(bool, scalars.get("shuffle", defaults.shuffle)),
        gradient_accumulation_steps=cast(
            int, scalars.get("gradient_accumulation_steps", defaults.gradient_accumulation_steps)
        ),
    )


def _parse_augment(reader: ObjectiveReader, tree: Tree | None) -> tuple[Tree, ...]:
    """Parse `augment`, a list of augmentation layers."""
    if tree is None:
        return ()
    if not isinstance(tree, SequenceNode):
        reader.fields.report_unexpected(
            tree, "'augment'", "a list of layers", note=_AUGMENT_EXAMPLE
        )
        return ()
    for item in tree.items:
        if check_object("layer", item, reader.fields.diagnostics, allow_expressions=False):
            _check_augmentation_layer(reader.fields.diagnostics, item)
    return tree.items


def _check_augmentation_layer(diagnostics: Diagnostics, item: Tree) -> None:
    name = keras_class_name("layer", item)
    if name not in _AUGMENTATION_LAYERS:
        diagnostics.error(
            "invalid-choice",
            f"'augment' does not support the layer '{name}'"
            + (f": {_UNSUPPORTED_LAYERS[name]}" if name in _UNSUPPORTED_LAYERS else ""),
            item.span,
            suggestion=None
            if name in _UNSUPPORTED_LAYERS
            else closest_match(name, _AUGMENTATION_LAYERS),
            notes=(f"the supported layers are: {', '.join(_AUGMENTATION_LAYERS)}",),
        )
        return
    # Data sources always give channels last: with channels_first the layer would take the height of
    # an image for its channels.
    arguments = item.entries[0].value if isinstance(item, MappingNode) else None
    data_format = arguments.get("data_format") if isinstance(arguments, MappingNode) else None
    if data_format is not None and to_plain(data_format.value) == "channels_first":
        diagnostics.error(
            "invalid-choice",
            f"'augment' always passes images with channels last to {name}",
            data_format.value.span,
            notes=("remove 'data_format'",),
        )


def _parse_objective(
    reader: FieldReader, entry: MappingEntry | None
) -> tuple[str, MappingNode | None]:
    """Parse `objective`: return the name of the objective, and its options if there are any.

    Both `objective: simclr` and `objective: {simclr: {temperature: 0.1}}` are valid.
    """
    default = next(iter(OBJECTIVE_SYNTAX))
    if entry is None:
        return default, None
    value = entry.value
    options: Tree | None = None
    if isinstance(value, MappingNode) and len(value.entries) == 1:
        name, options = value.entries[0].key, value.entries[0].value
        name_node = ScalarNode(name, value.entries[0].key_span)
    elif isinstance(value, ScalarNode):
        name, name_node = value.value if isinstance(value.value, str) else "", value
    else:
        # A null is not in the enum either, so that check_value below reports it.
        name, name_node = "", ScalarNode(None, value.span)
    if not check_value(
        name_node, {"enum": list(OBJECTIVE_SYNTAX)}, "'objective'", reader.diagnostics
    ):
        return default, None
    # `{simclr: }` has a null value and means the same as `simclr`.
    if options is None or (isinstance(options, ScalarNode) and options.value is None):
        return name, None
    return name, reader.expect_mapping(options, f"'{name}'", expected="a mapping of options")
