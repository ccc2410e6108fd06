"""Every blueprint of the library, saved and opened by another program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from library.forms import SMALL

import archbuilder

WITH_OUR_LAYERS = ("googlenet", "transformer_encoder")
OPEN = """
import sys
import numpy as np
import keras

for path in sys.argv[1:]:
    data = np.load(path + ".npz")
    outputs = keras.tree.flatten(keras.saving.load_model(path)(data["given"]))
    for index, output in enumerate(outputs):
        np.testing.assert_array_equal(output, data[f"output{index}"], err_msg=path)
loaded = [name for name in sys.modules if name.partition(".")[0] == "archbuilder"]
assert bool(loaded) == bool("archbuilder" in globals()), loaded
print(len(sys.argv) - 1, "models")
"""


def save(name: str, folder: Path) -> str:
    """The file of a model, with an input and its outputs beside it."""
    model = archbuilder.load(name).compile(**SMALL[name])
    generator = np.random.default_rng(3)
    shape = [2, *(9 if size is None else size for size in model.inputs[0].shape[1:])]
    given = generator.random(shape, dtype=np.float32)
    if model.inputs[0].dtype == "int32":
        given = generator.integers(0, 11, shape, dtype=np.int32)
    outputs = keras.tree.flatten(model(given))
    path = folder / f"{name}.keras"
    model.save(path)
    named = {f"output{index}": np.asarray(output) for index, output in enumerate(outputs)}
    np.savez(f"{path}.npz", given=given, **named)
    return str(path)


@pytest.mark.parametrize("ours", [False, True], ids=["plain Keras", "import archbuilder"])
def test_saved_models_give_the_same(ours: bool, tmp_path: Path) -> None:
    """A fresh program needs Keras alone, or `import archbuilder` where a layer is ours."""
    names = [name for name in SMALL if (name in WITH_OUR_LAYERS) == ours]
    paths = [save(name, tmp_path) for name in names]
    program = "import archbuilder\n" + OPEN if ours else OPEN
    result = subprocess.run(
        [sys.executable, "-c", program, *paths],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == f"{len(names)} models\n", result.stderr[-2000:]
