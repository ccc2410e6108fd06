"""What layers, functions and nested objects may be given."""

from __future__ import annotations

import re

import pytest

from archbuilder import registry
from archbuilder.compiler.check_arguments import check_arguments, check_call_constants, check_object
from archbuilder.diagnostics.errors import Diagnostic, Diagnostics
from archbuilder.limits import Limits
from archbuilder.registry.signatures import ObjectKind
from archbuilder.yaml.nodes import MappingNode, ScalarNode, Tree, to_plain
from archbuilder.yaml.reader import parse_yaml


def tree(text: str) -> Tree:
    """A tree of YAML."""
    return parse_yaml(text, "x.yaml", Limits())


def check(step: str, *, expressions: bool = False) -> tuple[dict[str, object], list[Diagnostic]]:
    """The good arguments of `Layer: arguments`, and the mistakes in them."""
    mapping = tree(step)
    if isinstance(mapping, ScalarNode):
        name, value, span = str(mapping.value), None, mapping.span
    else:
        assert isinstance(mapping, MappingNode)
        name, value, span = mapping.entries[0].key, mapping.entries[0].value, mapping.span
    signature = registry.load().signature(name)
    assert signature is not None
    diagnostics = Diagnostics()
    good = check_arguments(signature, value, span, diagnostics, allow_expressions=expressions)
    return {argument.name: to_plain(argument.value) for argument in good}, list(diagnostics)


@pytest.mark.parametrize(
    ("step", "arguments"),
    [
        ("Flatten", {}),
        ("Dense: 10", {"units": 10}),
        ("Reshape: [7, 7, 16]", {"target_shape": [7, 7, 16]}),
        ("Conv2D: {filters: 8, kernel_size: [3, 5]}", {"filters": 8, "kernel_size": [3, 5]}),
        ("Dense: {units: 8, activation: null}", {"units": 8, "activation": None}),
        ("Dense: {units: 8, kernel_initializer: he_normal}", None),
        ("Dense: {units: 8, kernel_initializer: HeNormal}", None),
        ("Dense: {units: 8, kernel_initializer: {HeNormal: {seed: 1}}}", None),
        ("Dense: {units: 8, kernel_regularizer: {L2: 1e-4}}", None),
        ("Dense: {units: 8, dtype: mixed_bfloat16, trainable: false}", None),
        ("Bidirectional: {layer: {LSTM: 64}}", None),
        ("TimeDistributed: {layer: {Conv2D: {filters: 4, kernel_size: 3}}}", None),
        ("RNN: {cell: {GRUCell: 32}}", None),
        ("StackedRNNCells: {cells: [{LSTMCell: 8}, {LSTMCell: {units: 4}}]}", None),
        ("ops.transpose: {axes: [0, 2, 1]}", {"axes": [0, 2, 1]}),
        ("ops.multiply: {x2: 0.5}", {"x2": 0.5}),
        ("StringLookup: {vocabulary: [a, b]}", None),
        ("LocalResponseNormalization: {depth_radius: 2}", None),
    ],
)
def test_valid_arguments(step: str, arguments: dict[str, object] | None):
    """By name or one bare value, nested as layers are."""
    good, diagnostics = check(step)
    assert diagnostics == []
    assert arguments is None or good == arguments


@pytest.mark.parametrize(
    ("step", "code", "message"),
    [
        ("Dense: true", "type-mismatch", "an integer of at least 1, not a boolean true"),
        ("Dense: 3.0", "type-mismatch", "an integer of at least 1, not a number 3.0"),
        ("Dense: ten", "type-mismatch", "not a string 'ten'"),
        ("Dense: 0", "out-of-range", "not an integer 0"),
        ("Dense: null", "type-mismatch", ""),
        ("Dropout: 1.5", "out-of-range", "at least 0 and less than 1"),
        ("Dense: {units: 3, use_bias: 1}", "type-mismatch", "true or false"),
        (
            "Conv2D: {filters: 3, kernel_size: [3, 3, 3]}",
            "out-of-range",
            "2 values, each an integer",
        ),
        ("Conv2D: {filters: 3, kernel_size: {a: 1}}", "type-mismatch", "not a mapping"),
        ("Conv2D: {filters: 3, kernel_size: 3, padding: smae}", "invalid-choice", "valid or same"),
        ("Dense: {unit: 3}", "unknown-argument", "Dense has no argument 'unit'"),
        ("Dense", "missing-argument", "Dense needs 'units'"),
        ("Normalization", "missing-argument", "Normalization needs 'mean', 'variance'"),
        ("Normalization: {mean: 1}", "missing-argument", "Normalization needs 'variance'"),
        ("Discretization: {num_bins: 4}", "missing-argument", "needs 'bin_boundaries'"),
        ("IntegerLookup", "missing-argument", "IntegerLookup needs 'vocabulary'"),
        ("StringLookup: {vocabulary: null}", "type-mismatch", "a list"),
        ("TextVectorization", "missing-argument", "TextVectorization needs 'vocabulary'"),
        ("StringLookup: {adapt: true}", "unsupported-argument", "{column: city, vocabulary: true}"),
        ("TextVectorization: {adapt: true}", "unsupported-argument", "tokenizer: words"),
        ("Conv2D: {filters: 3}", "missing-argument", "'kernel_size'"),
        ("Dense: {units: 3, activation: rleu}", "unknown-keras-object", "no activation 'rleu'"),
        ("Dense: {units: 3, activation: os.system}", "unknown-keras-object", ""),
        ("Dense: {units: 3, activation: {relu: {}}}", "unknown-argument", "no arguments"),
        ("Dense: {units: 3, kernel_initializer: {HeNorml: {}}}", "unknown-keras-object", ""),
        ("Dense: {units: 3, kernel_initializer: {HeNormal: {sed: 1}}}", "unknown-argument", ""),
        ("Dense: {units: 3, kernel_initializer: 5}", "type-mismatch", "initializer must be a name"),
        ("Dense: {units: 3, dtype: {module: os}}", "type-mismatch", "not a mapping"),
        ("Dense: {units: 3, dtype: float33}", "invalid-choice", ""),
        ("Dense: {units: 3, name: x}", "unsupported-argument", "beside the layer"),
        ("Flatten: {name: x}", "unsupported-argument", "beside the layer"),
        ("Dense: {units: 3, lora_rank: 4}", "unsupported-argument", "LoRA"),
        ("Embedding: {input_dim: 3, output_dim: 3, weights: []}", "unsupported-argument", ""),
        ("StringLookup: {vocabulary: /etc/passwd}", "type-mismatch", "a list"),
        ("TextVectorization: {standardize: os.system, vocabulary: [a]}", "invalid-choice", ""),
        ("EinsumDense: {equation: '__import__', output_shape: 3}", "out-of-range", ""),
        ("STFTSpectrogram: {frame_length: 100000}", "out-of-range", "at most 8,192"),
        ("Bidirectional: {layer: {LSTN: 3}}", "unknown-layer", "no recurrent layer 'LSTN'"),
        ("Bidirectional: {layer: {Lambda: x}}", "unsupported-layer", "Python function"),
        ("RNN: {cell: [1]}", "type-mismatch", "a recurrent cell must be a name"),
        ("StackedRNNCells: {cells: {LSTMCell: 3}}", "type-mismatch", "each item a recurrent cell"),
        ("Flatten: 3", "type-mismatch", "'data_format' of Flatten"),
        ("ReLU: {max_value: -1}", "out-of-range", "or null"),
    ],
)
def test_invalid_arguments(step: str, code: str, message: str):
    """Each is one mistake, which says what came and what is expected."""
    _, diagnostics = check(step)
    assert [each.code for each in diagnostics] == [code]
    assert message in diagnostics[0].message + "".join(diagnostics[0].notes)


@pytest.mark.parametrize(
    ("argument", "suggestion"),
    [
        ("filter: 3, kernel_size: 3", "filters"),
        ("filters: 3, kernel: 3", "kernel_size"),
        ("filters: 3, kernel_size: 3, stride: 2", "strides"),
        ("filters: 3, kernel_size: 3, dilation: 2", "dilation_rate"),
        ("out_channels: 3, kernel_size: 3", "filters"),
        ("filters: 3, kernel_size: 3, pading: same", "padding"),
    ],
)
def test_suggestions(argument: str, suggestion: str):
    """Slips of the finger, and the names that other libraries have."""
    _, diagnostics = check(f"Conv2D: {{{argument}}}")
    assert [each.suggestion for each in diagnostics] == [suggestion]


@pytest.mark.parametrize(
    "step",
    [
        "Dense: $units",
        "Dense: {units: $(2 * n), activation: $f, kernel_initializer: {HeNormal: {seed: $s}}}",
        "Conv2D: {filters: $n, kernel_size: [$k, 3], padding: $p}",
        "Bidirectional: {layer: {LSTM: $n}}",
        "Bidirectional: {layer: $cell}",
    ],
)
def test_expressions_stand_for_any_value(step: str):
    """As long as the parameters are not known; afterwards they are text like any other."""
    assert check(step, expressions=True)[1] == []
    assert check(step, expressions=False)[1] != []


def test_constants_of_the_call():
    """Constants are given by name, tensors under `from`."""
    signature = registry.load().layers["MultiHeadAttention"]
    for text, code in (
        ("use_causal_mask: true", None),
        ("use_causal_mask: 1", "type-mismatch"),
        ("query: x", "unknown-argument"),
        ("use_causal_msk: true", "unknown-argument"),
        ("[1]", "invalid-structure"),
    ):
        diagnostics = Diagnostics()
        check_call_constants(signature, tree(text), diagnostics, allow_expressions=False)
        assert [each.code for each in diagnostics] == ([code] if code else []), text


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("Adam", True),
        ("adam", True),
        ("{Adam: {learning_rate: 1e-3}}", True),
        ("{Adam: 1e-3}", True),
        (
            "{Adam: {learning_rate: {CosineDecay: {initial_learning_rate: 0.1, decay_steps: 9}}}}",
            True,
        ),
        ("{Adam: {learning_rate: fast}}", False),
        ("{Adam: {learning_rate: -1}}", False),
        ("{Adam: {lr: 1}}", False),
        ("Adm", False),
        ("MultiOptimizer", False),
        ("3", False),
    ],
)
def test_optimizers(text: str, good: bool):
    """Objects of training are checked as those of layers are; a rate may be a schedule."""
    diagnostics = Diagnostics()
    assert check_object("optimizer", tree(text), diagnostics) is good
    assert bool(list(diagnostics)) is not good


def test_learned_arguments_are_required():
    """Arguments that Keras can do without are asked for with the reason."""
    _, (diagnostic,) = check("Normalization: {variance: 2}")
    (note,) = diagnostic.notes
    assert note.startswith("mean: write it, or 'adapt: true' to learn it from the training set")


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("loss", "Loss", "base class"),
        ("metric", "Mean", "MeanSquaredError"),
        ("optimizer", "LossScaleOptimizer", "dtype_policy: mixed_float16"),
        ("initializer", "STFT", "STFTSpectrogram"),
    ],
)
def test_unsupported_objects_have_a_reason(kind: ObjectKind, name: str, reason: str):
    """The message says why a blueprint cannot name them."""
    diagnostics = Diagnostics()
    assert not check_object(kind, tree(name), diagnostics)
    (diagnostic,) = diagnostics
    assert diagnostic.code == "unknown-keras-object"
    assert diagnostic.message.startswith(f"{name} is not supported in a blueprint: ")
    assert reason in diagnostic.message


def test_ctc_loss():
    """CTC is a loss as the others are."""
    assert check_object("loss", tree("CTC"), Diagnostics())


@pytest.mark.parametrize(
    ("kind", "note"),
    [
        ("layer", "write a layer, such as {LSTM: 64}$"),
        ("recurrent layer", "write a recurrent layer, such as {LSTM: 64}$"),
        ("cell", "write a recurrent cell, such as {LSTMCell: 64}$"),
    ],
)
def test_block_in_a_layer(kind: ObjectKind, note: str):
    """A block inside a wrapper is called one, with its place and what belongs there instead."""
    arguments = {
        "layer": "SpectralNormalization",
        "recurrent layer": "Bidirectional",
        "cell": "RNN",
    }
    signature = registry.load().signature(arguments[kind])
    assert signature is not None
    mapping = tree("{cell: encoder}" if kind == "cell" else "{layer: encoder}")
    diagnostics = Diagnostics()
    check_arguments(
        signature,
        mapping,
        mapping.span,
        diagnostics,
        allow_expressions=True,
        describe_block=lambda name: "a block (net.yaml:4:3)" if name == "encoder" else None,
    )
    (mistake,) = diagnostics
    assert re.fullmatch(r"'encoder' is a block \(net.yaml:4:3\), not a .*" + kind, mistake.message)
    assert re.match(note, mistake.notes[0])
