"""The registry is what the installed Keras has, and nothing that can run code or read files."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType

import keras
import pytest

import archbuilder.keras_ext.layers
from archbuilder import registry
from archbuilder.registry.registry import REGISTRY_FILE
from archbuilder.registry.schema_validation import find_violation
from archbuilder.registry.signatures import Signature

SCRIPTS = Path(__file__).parents[2] / "scripts"
REGISTRY = registry.load()
DANGEROUS = ("Lambda", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper", "Pipeline")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """The script that writes the registry."""
    spec = importlib.util.spec_from_file_location("generate", SCRIPTS / "generate_registry.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


newest = pytest.mark.skipif(
    keras.__version__ != REGISTRY.keras_version,
    reason=f"the registry is of Keras {REGISTRY.keras_version}",
)


@newest
def test_registry_is_up_to_date(generator: ModuleType):
    """`make registry` was run since Keras, our layers or the rules changed."""
    assert REGISTRY_FILE.read_text(encoding="utf-8") == generator.generate()


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("String. Quantity to be monitored.", "Quantity to be monitored."),
        ("Float between 0 and 1. Fraction to drop. Default: 0.", "Fraction to drop."),
        ("Boolean (default: False). If True, go backwards.", "If True, go backwards."),
        ("Int or None, defaults to None. Only used with EMA.", "Only used with EMA."),
        ("Integer.", "Integer."),
        ("Float, the scale to apply. More.", "Float, the scale to apply."),
    ],
)
def test_summary_of_an_argument(generator: ModuleType, text: str, summary: str):
    """The first sentence that says more than the type, which the registry has already."""
    assert generator.sentence(text) == summary


@newest
def test_every_layer_of_keras_is_reviewed():
    """Nothing that Keras exports is forgotten."""
    names = {name for name in dir(keras.layers) if inspect.isclass(getattr(keras.layers, name))}
    assert names <= set(REGISTRY.layers) | set(REGISTRY.unsupported)
    assert set(archbuilder.keras_ext.layers.__all__) <= set(REGISTRY.layers)


@newest
def test_every_function_and_object_of_keras_is_reviewed():
    """What is left out has a reason, which the message shows."""
    functions = [name for name in dir(keras.ops) if inspect.isfunction(getattr(keras.ops, name))]
    reviewed = {f"ops.{name}" for name in REGISTRY.operations} | set(REGISTRY.unsupported)
    assert [name for name in functions if f"ops.{name}" not in reviewed] == []
    images = {name for name in dir(keras.ops.image) if not name.startswith("_")} - set(functions)
    assert {f"ops.image.{name}" for name in images} <= reviewed
    for kind, module in (
        ("initializer", keras.initializers),
        ("regularizer", keras.regularizers),
        ("constraint", keras.constraints),
        ("loss", keras.losses),
        ("metric", keras.metrics),
        ("optimizer", keras.optimizers),
        ("schedule", keras.optimizers.schedules),
        ("callback", keras.callbacks),
    ):
        classes = {name: each for name, each in vars(module).items() if inspect.isclass(each)}
        refused = {each for name, each in classes.items() if name in REGISTRY.unsupported_objects}
        names = {name for name, each in classes.items() if each not in refused}
        assert names <= set(REGISTRY.names(kind)), kind
    assert all(len(reason) > 10 for reason in REGISTRY.unsupported_objects.values())
    assert "CTC" in REGISTRY.names("loss")


@pytest.mark.parametrize("name", DANGEROUS)
def test_layers_that_run_code_are_unsupported(name: str):
    """Such layers are no part of the registry."""
    assert name not in REGISTRY.layers
    assert len(REGISTRY.unsupported[name]) > 10


def test_functions_that_take_functions_are_unsupported():
    """As are those that make tensors from nothing."""
    for name in ("map", "scan", "while_loop", "cond", "vectorized_map", "custom_gradient", "zeros"):
        assert name not in REGISTRY.operations
        assert f"ops.{name}" in REGISTRY.unsupported


@pytest.mark.parametrize("name", sorted(REGISTRY.layers))
def test_arguments_match_the_constructor(name: str):
    """Every argument exists, in order, with the default that the registry tells."""
    signature = REGISTRY.layers[name]
    module = keras.layers if signature.origin == "keras.layers" else archbuilder.keras_ext.layers
    layer = getattr(module, name, None)
    if layer is None:
        pytest.skip(f"Keras {keras.__version__} has no {name}")
    parameters = inspect.signature(layer.__init__).parameters
    for spec in signature.arguments.values():
        # Of every layer, or added by archbuilder.
        added = ("trainable", "dtype", "adapt", "file")
        if spec.name in added and spec.name not in parameters:
            continue
        parameter = parameters[spec.name]
        without_default = parameter.default is inspect.Parameter.empty
        assert spec.required == (without_default or spec.reason != "")
        if not spec.required:
            default = parameter.default
            assert spec.default == _plain(default), spec.name


def _plain(value: object) -> object:
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def all_signatures() -> list[Signature]:
    """Layers, functions and nested objects."""
    objects = [each for kind in REGISTRY.objects.values() for each in kind.values()]
    return [*REGISTRY.layers.values(), *REGISTRY.operations.values(), *objects]


def test_every_argument_has_a_type():
    """Either a schema that says something, or a kind of object, or both."""
    for signature in all_signatures():
        for spec in [*signature.arguments.values(), *signature.call_arguments.values()]:
            assert spec.type.object is not None or spec.type.schema, f"{signature.name}.{spec.name}"


def test_defaults_match_their_types():
    """What Keras uses itself, a blueprint may write as well."""
    for signature in [*REGISTRY.layers.values(), *REGISTRY.operations.values()]:
        for spec in signature.arguments.values():
            numbers_too = (
                signature.origin == "keras.ops" and spec.name in signature.tensor_arguments
            )
            # The `file` of a `Constant`, which archbuilder adds, stands in place of its `value`.
            if spec.required or spec.type.schema is None or numbers_too or spec.name == "file":
                continue
            where = f"{signature.name}.{spec.name} = {spec.default}"
            assert find_violation(spec.default, spec.type.schema) is None, where


def test_canonical_names():
    """Objects are found by the names that people know."""
    for kind, alias, name in (
        ("initializer", "he_normal", "HeNormal"),
        ("initializer", "HeNormal", "HeNormal"),
        ("regularizer", "l2", "L2"),
        ("optimizer", "adam", "Adam"),
        ("loss", "sparse_categorical_crossentropy", "SparseCategoricalCrossentropy"),
        ("activation", "relu", "relu"),
    ):
        assert REGISTRY.canonical_name(kind, alias) == name
    assert REGISTRY.canonical_name("activation", "deserialize") is None
