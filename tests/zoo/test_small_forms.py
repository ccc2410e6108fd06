"""Every blueprint of the library in a small form: it trains, and another program opens it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from zoo.files import SIMILAR
from zoo.parity import alone, dtype_policy, random_inputs
from zoo.reference_specs import FAMILIES
from zoo.test_training_steps import assert_the_loss_moves

import archbuilder
from archbuilder.compiler.ir import Node
from archbuilder.keras_backend.saving import save_model
from archbuilder.keras_ext import layers
from archbuilder.yaml.nodes import to_plain

POLICIES = ("float32", pytest.param("mixed_bfloat16", marks=pytest.mark.thorough))
TRAINED = ("capsnet", "esn", "mobilenet_v3", "swin", "t5", "wavenet")
"""The families that `make test` trains: they have most of the kinds of layers of the others."""
OPEN = """
import json
import sys
import numpy as np
import keras

for path in json.loads(sys.argv[1]):
    data = np.load(path + ".npz")
    model = keras.saving.load_model(path)
    inputs = {tensor.name: data["input:" + tensor.name] for tensor in model.inputs}
    outputs = model(inputs if len(inputs) > 1 else inputs.popitem()[1])
    for index, output in enumerate(keras.tree.flatten(outputs)):
        output = keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
        np.testing.assert_array_equal(output, data[f"output:{index}"], err_msg=path)
loaded = [name for name in sys.modules if name.partition(".")[0] == "archbuilder"]
assert bool(loaded) == bool("archbuilder" in globals()), loaded
print(len(json.loads(sys.argv[1])), "models")
"""


def models(family: str) -> dict[str, keras.Model]:
    """The small form of a blueprint, one model or several."""
    compiled = archbuilder.load(family).compile(**FAMILIES[family].form)
    return compiled if isinstance(compiled, dict) else {family: compiled}


def has_a_layer_of_ours(family: str) -> bool:
    """Whether a saved model of it needs `import archbuilder`."""
    graphs = archbuilder.load(family).graphs(**FAMILIES[family].form).values()
    named = {name for graph in graphs for node in graph.nodes for name in names(node)}
    return bool(named & set(layers.__all__))


def names(node: Node) -> Iterator[str]:
    """The layer of a node, and what is named in its arguments: the cell of an RNN."""
    yield node.operation
    waiting = [to_plain(each.value) for each in node.arguments]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            yield value


def save(family: str, networks: dict[str, keras.Model], folder: Path) -> list[str]:
    """Return the files of its models, each with an input and its outputs beside it."""
    paths = []
    for name, model in networks.items():
        inputs = random_inputs(model, length=9, tokens=11)
        outputs = keras.tree.flatten(model(alone(inputs)))
        path = folder / f"{family}-{name}.keras"
        save_model(model, path)
        np.savez(
            f"{path}.npz",
            **{f"input:{each}": value for each, value in inputs.items()},
            **{
                f"output:{index}": keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
                for index, output in enumerate(outputs)
            },
        )
        paths.append(str(path))
    return paths


class Shelf:
    """The files of saved models, which are built when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: dict[tuple[str, str], list[str]] = {}

    def put(self, family: str, networks: dict[str, keras.Model]) -> list[str]:
        """Save the models of a family, which keep to the current policy."""
        policy = keras.config.dtype_policy().name
        folder = self._folder / policy
        folder.mkdir(exist_ok=True)
        return self._paths.setdefault((family, policy), save(family, networks, folder))

    def paths(self, family: str, policy: str) -> list[str]:
        """Return the files of a family, of models that keep to a policy."""
        if (family, policy) not in self._paths:
            with dtype_policy(policy):
                self.put(family, models(family))
        return self._paths[family, policy]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """The files of this module."""
    return Shelf(tmp_path_factory.mktemp("shelf"))


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(each, marks=() if each in TRAINED else pytest.mark.thorough)
        for each in FAMILIES
    ],
)
def test_small_forms_train(family: str, shelf: Shelf) -> None:
    """Every blueprint takes steps of training."""
    keras.utils.set_random_seed(3)
    networks = models(family)
    shelf.put(family, networks)
    for model in networks.values():
        assert_the_loss_moves(model)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("ours", [False, True], ids=["plain Keras", "import archbuilder"])
def test_saved_small_forms_load(ours: bool, policy: str, shelf: Shelf, tmp_path: Path) -> None:
    """A fresh program needs Keras alone, or `import archbuilder` where a layer is ours."""
    similar = SIMILAR if policy == "float32" else set()
    families = [
        name for name in FAMILIES if name not in similar and has_a_layer_of_ours(name) == ours
    ]
    paths = [path for family in families for path in shelf.paths(family, policy)]
    program = "import archbuilder\n" + OPEN if ours else OPEN
    result = subprocess.run(
        [sys.executable, "-c", program, json.dumps(paths)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == f"{len(paths)} models\n", result.stderr[-2000:]
