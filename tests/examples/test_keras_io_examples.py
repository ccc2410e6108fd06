"""The examples of keras.io as blueprints: their files, their sizes and their training."""

from __future__ import annotations

import math
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.keras_io_examples import EXAMPLES, FOLDER, Example
from helpers.plain_yaml import load_plain
from safetensors.numpy import save_file

import archbuilder
from archbuilder import zoo
from archbuilder.diagnostics.errors import UsageError

ROOT = Path(__file__).parent.parent.parent
ALL_FILES = {str(file.relative_to(FOLDER).with_suffix("")): file for file in FOLDER.rglob("*.yaml")}
FILES = {name: file for name, file in ALL_FILES.items() if not name.startswith("real_data/")}
SCHEMA = "# yaml-language-server: $schema=../../../schemas/blueprint-v1.schema.json"
NAMES = sorted(FILES)
RENAMED = {"3D_image_classification": "image_classification_3d"}
"""Names of blueprints do not begin with a digit."""


def test_every_example_is_trained():
    """Each file has its data in tests, and the zoo finds it."""
    assert sorted(EXAMPLES) == NAMES
    assert list(zoo.example_names()) == sorted(ALL_FILES)
    assert {zoo.path(name) for name in ALL_FILES} == set(ALL_FILES.values())


def test_page_is_up_to_date():
    """'make examples' was run after the last change of an example."""
    script = runpy.run_path(str(ROOT / "scripts" / "generate_examples_page.py"))
    assert (ROOT / "docs" / "examples.md").read_text(encoding="utf-8") == script["page_text"]()


def test_page_lists_every_example():
    """No example is written that the table of all examples does not have."""
    with (ROOT / "scripts" / "keras_io_examples.tsv").open(encoding="utf-8") as table:
        listed = {line.partition("\t")[0] for line in table}
    assert set(NAMES) <= listed


def test_example_by_name():
    """Commands and functions accept the name of an example."""
    blueprint = archbuilder.load("vision/mnist_convnet")
    assert blueprint.name == "mnist_convnet"
    with pytest.raises(UsageError, match="did you mean 'vision/mnist_convnet'"):
        archbuilder.load("vision/convnet_mnist")


@pytest.mark.parametrize("name", NAMES)
def test_example_file(name: str):
    """It helps editors, fits into 120 columns, names its page and has no warnings."""
    lines = FILES[name].read_text(encoding="utf-8").splitlines()
    document = load_plain("\n".join(lines))
    assert lines[0] == SCHEMA
    assert [line for line in lines if len(line) > 120 or line != line.rstrip()] == []
    assert document["name"] == RENAMED.get(Path(name).name, Path(name).name.replace("-", "_"))
    assert document["references"][0] == f"https://keras.io/examples/{name}/"
    assert {"title", "data", "training"} <= set(document)
    assert archbuilder.load(FILES[name]).validate() == ()


@pytest.mark.parametrize("name", NAMES)
def test_published_size(name: str):
    """It has as many parameters as its page prints, where it prints them."""
    archbuilder.load(FILES[name]).analyze()


def copy_with_imports(file: Path, folder: Path) -> None:
    """Copy a blueprint, and the files beside it that it imports."""
    shutil.copy(file, folder)
    document = load_plain(file.read_text(encoding="utf-8"))
    for imported in document.get("imports", {}).values():
        shutil.copy(file.parent / imported["file"], folder)


def write_random_weights(blueprint: Path, case: Example) -> None:
    """Write the files of weights that an example begins with, for small sizes."""
    model = archbuilder.load(blueprint).compile(**case.params)
    if isinstance(model, dict):
        document = load_plain(blueprint.read_text(encoding="utf-8"))
        model = model[document["training"]["weights"]["of"]]
    hdf5 = blueprint.parent / "random.weights.h5"
    model.save_weights(hdf5)
    arrays = {each.path: np.array(each) for each in model.weights}
    for file in (blueprint.parent / name for name in case.weights):
        if file.suffix == ".safetensors":
            save_file(arrays, file)
        else:
            shutil.copy(hdf5, file)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if example.is_quick else pytest.mark.thorough)
        for name, example in EXAMPLES.items()
    ],
)
def test_training(name: str, tmp_path: Path):
    """With small sizes and little data, its loss falls."""
    case = EXAMPLES[name]
    copy_with_imports(FILES[name], tmp_path)
    case.write_data(tmp_path)
    if case.weights:
        write_random_weights(tmp_path / FILES[name].name, case)
    result = archbuilder.train(
        tmp_path / FILES[name].name,
        run_dir=tmp_path / "run",
        params=case.params,
        epochs=case.epochs,
        batch_size=case.batch_size,
        seed=1,
    )
    history = [epoch for epoch in result.history if case.stage in (0, epoch.get("stage"))]
    losses = [epoch[case.loss] for epoch in history]
    assert all(math.isfinite(each) for each in losses)
    assert losses[-1] < losses[0], losses
