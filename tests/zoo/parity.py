"""What a family of the library is compared with, and how a comparison is made.

A family is a module of `zoo.reference_specs`, which ends in `FAMILY = Family(...)`. Comparisons are
of three kinds: with a function of numpy (`Equations`), with a model of `keras.applications`
(`Application`), and with a program of `zoo.references` (`Reference`), which runs in an
environment of its own with PyTorch. What a reference gives for small forms is recorded, so that
`make test` needs no PyTorch; `make parity` asks the references themselves.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Final, TypeAlias

import keras
import numpy as np
from zoo.weights import fill, in_order, relative_error, without_softmax

import archbuilder

Array: TypeAlias = np.ndarray
Params: TypeAlias = Mapping[str, object]

HERE: Final = Path(__file__).parent
RECORDED: Final = HERE / "goldens"
PYTHON: Final = Path(sys.prefix) / "parity" / "bin" / "python"
"""The environment with PyTorch, which `make parity` puts beside ours."""


@dataclass(frozen=True)
class Ours:
    """A compiled blueprint with random weights, inputs for it, and what it makes of them."""

    weights: list[Array]
    inputs: dict[str, Array]
    outputs: list[Array]


@dataclass(frozen=True)
class Comparison:
    """A blueprint with parameters. `network` names one where the blueprint has several.

    Lengths left open become `length`; whole numbers are below `tokens`. `dtype` is that of
    the weights and of the computation: `float64` where the rounding of float32 alone exceeds what
    is allowed.
    """

    blueprint: str
    params: Params = field(default_factory=dict)
    network: str | None = None
    length: int = 6
    tokens: int = 11
    dtype: str = "float32"

    def run(self) -> Ours:
        """The outputs of the blueprint, before its softmax."""
        blueprint = archbuilder.load(self.blueprint)
        with dtype_policy(self.dtype):
            compiled = blueprint.compile(**self.params)
        graphs = blueprint.graphs(**self.params)
        model = compiled[self.network] if self.network else compiled
        graph = graphs[self.network or blueprint.name]
        weights = in_order(model, graph)
        fill(weights)
        inputs = random_inputs(model, length=self.length, tokens=self.tokens)
        result = without_softmax(model)(alone(inputs))
        outputs = (
            [result[name] for name, _ in graph.outputs] if isinstance(result, dict) else [result]
        )
        arrays = [np.asarray(each) for each in weights]
        return Ours(arrays, inputs, [np.asarray(each) for each in outputs])

    def errors(self) -> list[float]:
        """How far each output is from the reference, as a part of the largest number in it."""
        ours = self.run()
        pairs = zip(ours.outputs, self.expected(ours), strict=True)
        return [relative_error(mine, expected) for mine, expected in pairs]

    def expected(self, ours: Ours) -> Sequence[Array]:
        """What the reference gives, with the same weights and inputs."""
        raise NotImplementedError

    @property
    def reference(self) -> str:
        """What the reference is, for a table."""
        raise NotImplementedError


@dataclass(frozen=True)
class Equations(Comparison):
    """A comparison with the paper's equations, written out in numpy, in double precision."""

    equations: Callable[..., Array | Sequence[Array]] = field(kw_only=True)

    @property
    def reference(self) -> str:
        """The function."""
        return f"equations in numpy, `{self.equations.__name__}`"

    def expected(self, ours: Ours) -> Sequence[Array]:
        """What the function gives for the inputs and an iterator over the weights."""
        weights = iter([each.astype("float64") for each in ours.weights])
        inputs = [each.astype("float64") for each in ours.inputs.values()]
        result = self.equations(*inputs, weights)
        assert next(weights, None) is None, "the blueprint has more weights than the equations"
        return [result] if isinstance(result, np.ndarray) else result


@dataclass(frozen=True)
class Application(Comparison):
    """A comparison with a model of `keras.applications`, whose weights stand in the same order."""

    model: str = field(kw_only=True)
    module: ModuleType = keras.applications
    options: Params = field(default_factory=dict)
    scaling_layer: str = ""
    """The class of the last layer that only scales pixels, and is not part of the comparison."""

    @property
    def reference(self) -> str:
        """The model of Keras."""
        return f"`keras.applications.{self.model}`"

    def theirs(self, ours: keras.Model) -> keras.Model:
        """The network of Keras for inputs and classes as ours has them, with random weights."""
        make = getattr(self.module, self.model)
        theirs = make(
            weights=None,
            input_shape=ours.input_shape[1:],
            classes=ours.output_shape[-1],
            classifier_activation=None,
            **self.options,
        )
        if self.scaling_layer:
            (scaled,) = (
                each for each in theirs.layers if type(each).__name__ == self.scaling_layer
            )
            theirs = keras.Model(scaled.output, theirs.output)
        fill(theirs.weights)
        return theirs

    def errors(self) -> list[float]:
        """How far the logits are from those of Keras, as a part of the largest."""
        ours = archbuilder.load(self.blueprint).compile(**self.params)
        theirs = self.theirs(ours)
        assert ours.count_params() == theirs.count_params()
        pairs = zip(ours.get_weights(), theirs.get_weights(), strict=True)
        ours.set_weights([fitted(theirs_weight, mine.shape) for mine, theirs_weight in pairs])
        images = alone(random_inputs(ours, length=self.length, tokens=self.tokens))
        outputs = np.asarray(without_softmax(ours)(images)), np.asarray(theirs(images))
        return [relative_error(*outputs)]


@dataclass(frozen=True)
class Reference(Comparison):
    """A comparison with the function `outputs` of a module of `zoo.references`."""

    module: str = field(kw_only=True)
    options: Params = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """The program with PyTorch."""
        return f"[{self.module}.py](../tests/zoo/references/{self.module}.py)"

    def expected(self, ours: Ours) -> Sequence[Array]:
        """What the reference gives, asked in its environment."""
        assert PYTHON.exists(), "'make parity' makes the environment with PyTorch"
        arrays = {
            **{f"weight:{index}": weight for index, weight in enumerate(ours.weights)},
            **{f"input:{name}": self._as_weights(value) for name, value in ours.inputs.items()},
        }
        with tempfile.TemporaryDirectory() as folder:
            asked, answered = Path(folder, "asked.npz"), Path(folder, "answered.npz")
            np.savez(asked, **arrays)
            options = json.dumps(self.options)
            command = [PYTHON, HERE / "references", self.module, options, asked, answered]
            subprocess.run(command, check=True)
            with np.load(answered) as loaded:
                return [loaded[name] for name in loaded.files]

    def _as_weights(self, value: Array) -> Array:
        """An input in the precision of the weights, if it is no whole number."""
        return value.astype(self.dtype) if value.dtype.kind == "f" else value

    def errors_from(self, recorded: Sequence[Array]) -> list[float]:
        """How far each output is from what the reference gave when it was recorded."""
        pairs = zip(self.run().outputs, recorded, strict=True)
        return [relative_error(mine, expected) for mine, expected in pairs]


@contextmanager
def dtype_policy(policy: str) -> Iterator[None]:
    """Lets Keras make layers of a policy."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


@dataclass(frozen=True)
class Family:
    """A file of the library.

    `form` are parameters with which every part of the network is there, with few channels or
    pixels, so that a test can run it in a moment. `reference` says what it is compared with.
    `small` comparisons belong to `make test`, `full` ones (all published sizes) to `make parity`.
    """

    form: Params
    reference: str
    small: Mapping[str, Comparison]
    full: Mapping[str, Comparison] = field(default_factory=dict)
    follows: str = ""
    """What the file follows where papers and their code differ."""


def fitted(value: Array, shape: tuple[int, ...]) -> Array:
    """A weight whose sizes are the same but for sizes of one: `(C,)` as `(1, 1, C, 1)`.

    So is the kernel of a convolution in as many groups as channels that of one by depth.
    """
    assert [size for size in value.shape if size > 1] == [size for size in shape if size > 1]
    return value.reshape(shape)


def random_inputs(
    model: keras.Model, *, length: int, tokens: int, examples: int = 1
) -> dict[str, Array]:
    """Inputs for a model, by name.

    Whole numbers are below `tokens` and the rows of the table that they look up; those that look
    up nothing are 0 or 1, as masks are.
    """
    generator = np.random.default_rng(11)
    sizes = examples, length
    return {
        tensor.name: _values(tensor, generator, sizes, min(tokens, _rows(model, tensor)))
        for tensor in model.inputs
    }


def alone(inputs: Mapping[str, Array]) -> Array | Mapping[str, Array]:
    """A single input as Keras wants it, which is without its name."""
    return next(iter(inputs.values())) if len(inputs) == 1 else inputs


def _rows(model: keras.Model, tensor: keras.KerasTensor) -> int:
    """The rows of the table that an input looks up; 2 where it looks up none."""
    for operation in model.operations:
        rows = getattr(operation, "input_dim", None) or getattr(operation, "num_classes", None)
        # Of a shared layer, as a tied embedding is, the first call is the one that looks up.
        if rows and operation._inbound_nodes[0].input_tensors[0] is tensor:
            return rows
    return 2


def _values(
    tensor: keras.KerasTensor,
    generator: np.random.Generator,
    open_sizes: tuple[int, int],
    tokens: int,
) -> Array:
    """Values for an input, with sizes for its batch axis and for lengths left open."""
    examples, length = open_sizes
    shape = [examples, *(length if size is None else size for size in tensor.shape[1:])]
    if tensor.dtype == "int32":
        return generator.integers(0, tokens, shape, dtype=np.int32)
    return generator.standard_normal(shape, dtype=np.float32)


def recorded(family: str) -> dict[str, list[Array]]:
    """What the references gave for the small forms of a family."""
    text = (RECORDED / f"{family}.json").read_text(encoding="utf-8")
    return {
        name: [np.asarray(each, "float32") for each in outputs]
        for name, outputs in json.loads(text).items()
    }


def referred(comparisons: Mapping[str, Comparison]) -> Iterator[tuple[str, Reference]]:
    """Those comparisons that ask a program with PyTorch."""
    for name, comparison in comparisons.items():
        if isinstance(comparison, Reference):
            yield name, comparison
