"""Directories of images whose targets are other images, or labels in their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from archbuilder.cli import main
from archbuilder.config.data_cli import data_from_argument
from archbuilder.config.sources import DataConfig, DataPath, Images, TargetImages
from archbuilder.config.sources.name_patterns import find_label
from archbuilder.data.columns import fit_image_size
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import RunError, UsageError
from tests.helpers.processor_time import at_most

COUNT = 6
NAMES = [f"{('great_dane', 'pug')[number % 2]}_{number}" for number in range(COUNT)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos of dogs, and masks of 1 to 3 with the same names and another suffix."""
    random = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        # Some in a directory of their own, on both sides.
        parent = "more" if number > 3 else "."
        for directory in ("photos", "masks"):
            (tmp_path / directory / parent).mkdir(parents=True, exist_ok=True)
        color = random.integers(0, 256, (4, 5, 3), np.uint8)
        Image.fromarray(color).save(tmp_path / "photos" / parent / f"{name}.bmp")
        Image.fromarray(color[..., 0] % 3 + np.uint8(1)).save(
            tmp_path / "masks" / parent / f"{name}.PNG"
        )
    (tmp_path / "masks" / "._pug_1.png").write_text("hidden")
    (tmp_path / "photos" / "notes.mat").write_text("no image")
    return tmp_path


def paths(folder: Path, directory: str, suffix: str) -> list[Path]:
    """The images of a directory, in the order of the data: directories come in between."""
    parts = [("more", name) if name[-1] in "45" else (name,) for name in NAMES]
    return [folder.joinpath(directory, *each).with_suffix(suffix) for each in sorted(parts)]


def masks(directory: Path, **settings: Any) -> TargetImages:
    return TargetImages(directory=DataPath(str(directory)), pixels="classes", **settings)


def load(folder: Path, fitted: SourceDataset | None = None, **settings: Any) -> SourceDataset:
    source = Images(DataPath(str(folder / "photos")), **settings)
    preprocessing = None if fitted is None else fitted.preprocessing
    return load_source(source, DataFileOpener(), preprocessing)


def test_images_with_the_same_names(folder: Path):
    """Each has its mask, whatever the suffix, and a label from its name."""
    dataset = load(
        folder,
        targets={"mask": masks(folder / "masks", class_values=(1, 2, 3))},
        label={"breed": "{label}_*"},
    )
    rows = np.arange(COUNT)
    expected = np.stack([np.asarray(Image.open(each)) for each in paths(folder, "photos", ".bmp")])
    np.testing.assert_array_equal(dataset.inputs[UNNAMED].column.numpy(rows), expected)
    np.testing.assert_array_equal(dataset.targets["mask"].numpy(rows), expected[..., 0] % 3)
    names = [each.stem for each in paths(folder, "photos", ".bmp")]
    breeds = [int(each.startswith("pug")) for each in names]
    assert dataset.targets["breed"].numpy(rows).tolist() == breeds
    assert dataset.preprocessing.schema.classes == {"breed": ("great_dane", "pug")}
    assert any("skipped 1 file without an image suffix" in each for each in dataset.notes)
    # Other data has its own images, but the classes and sizes of the training data.
    for name in NAMES[::2]:
        next(folder.glob(f"photos/**/{name}.bmp")).unlink()
    validation = load(folder, dataset, label={"breed": "{label}_*"})
    assert validation.targets["breed"].numpy(np.arange(3)).tolist() == [1, 1, 1]
    Image.new("RGB", (5, 4)).save(folder / "photos/cat_7.bmp")
    with pytest.raises(RunError, match=r"has 'cat', which is not a class of the training data"):
        load(folder, dataset, label={"breed": "{label}_*"})


def test_numbers_in_names(tmp_path: Path):
    """If all labels are numbers, they are quantities, as in a table."""
    for age in (26, 3, 100):
        Image.new("L", (2, 2)).save(tmp_path / f"{age}_x.png")
    (labels,) = load_source(
        Images(DataPath(str(tmp_path)), label="{label}_*"), DataFileOpener()
    ).targets.values()
    assert labels.numpy(np.arange(3)).tolist() == [100, 26, 3]


def test_targets_with_another_name(folder: Path):
    """As in `1_mask.gif` of `1.jpg`; and images of values, such as brighter ones."""
    for path in paths(folder, "masks", ".PNG"):
        path.rename(path.with_stem(f"{path.stem}_mask"))
    settings = {"name": "{}_mask", "directory": DataPath(str(folder / "masks"))}
    dataset = load(folder, targets=TargetImages(pixels="values", divide_by=2, **settings))
    (target,) = dataset.targets.values()
    expected = np.asarray(Image.open(paths(folder, "photos", ".bmp")[2]))[..., :1] % 3 + 1
    np.testing.assert_array_equal(target.numpy(np.array([2]))[0], expected / 2)


def read_all(dataset: SourceDataset) -> None:
    (image_input,) = dataset.inputs.values()
    for column in (image_input.column, *dataset.targets.values()):
        fit_image_size(column, ())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("mask missing", r"photos/pug_1.bmp' has no target: there is no image '.*masks/pug_1\.\*'"),
        ("image missing", r"masks/pug_1.PNG' is the target of no image in '.*photos'"),
        ("no label", r"photos/cat.bmp' without its suffix does not match the pattern '{label}_\*'"),
        ("damaged mask", "masks/pug_1.PNG' is damaged"),
        ("damaged image", "photos/pug_1.bmp' is not an image in the format"),
    ],
)
def test_images_without_a_target(folder: Path, change: str, message: str):
    """They are named, or skipped and counted."""
    mask, image = folder / "masks/pug_1.PNG", folder / "photos/pug_1.bmp"
    settings: dict[str, Any] = {"targets": {"mask": masks(folder / "masks")}}
    if change.endswith("missing"):
        (mask if change == "mask missing" else image).unlink()
    elif change == "no label":
        settings = {"label": "{label}_*"}
        image.rename(folder / "photos/cat.bmp")
    else:
        path = mask if change == "damaged mask" else image
        path.write_bytes(path.read_bytes()[:50] if path == mask else b"text")
    with pytest.raises(RunError, match=message):
        read_all(load(folder, **settings).in_memory())
    dataset = load(folder, on_error="skip", **settings)
    assert dataset.count == COUNT - 1
    assert any("skipped 1 of 6 images" in each for each in dataset.notes)
    assert {each.count for each in dataset.targets.values()} == {COUNT - 1}


def test_pairs_that_are_not_clear(folder: Path, tmp_path: Path):
    """The same name twice, or other numbers of directories."""
    Image.new("L", (5, 4)).save(folder / "masks/pug_1.tif")
    with pytest.raises(RunError, match=r"pug_1.PNG' and '.*pug_1.tif' have the same name without"):
        load(folder, targets=masks(folder / "masks"))
    (folder / "masks/pug_1.tif").rename(folder / "photos/pug_1.tif")
    with pytest.raises(RunError, match=r"pug_1.bmp' and '.*pug_1.tif' have the same name without"):
        load(folder, targets=masks(folder / "masks"))
    with pytest.raises(RunError, match=r"'.*/photos' matches 1 directories, and '.*' matches 2"):
        load(folder, targets=masks(folder / "[mp]*"))


def test_patterns_of_directories(folder: Path):
    """The directories of both patterns belong together in alphabetical order."""
    for kind in ("photos", "masks"):
        (folder / kind / "more").rename(folder / kind / "b")
        (folder / kind / "a").mkdir()
        for path in (folder / kind).glob("*_[01].*"):
            path.rename(folder / kind / "a" / path.name)
    source = Images(
        DataPath(str(folder / "photos" / "[ab]")), targets=masks(folder / "masks" / "[ab]")
    )
    dataset = load_source(source, DataFileOpener())
    photos = dataset.inputs[UNNAMED].column.numpy(np.arange(4))
    (target,) = dataset.targets.values()
    np.testing.assert_array_equal(target.numpy(np.arange(4)), photos[..., 0] % 3 + 1)


@pytest.mark.parametrize(
    ("pattern", "name", "label"),
    [
        ("{label}_*", "great_dane_7", "great_dane"),
        ("{label}", "cat", "cat"),
        ("*_{label}", "img_3_cat", "3_cat"),
        ("*_*_{label}", "img_3_cat", "cat"),
        ("*_{label}_*_*", "26_0_3_2017", "0"),
        ("x{label}y", "xy", None),
        ("{label}_*", "cat", None),
        ("a*b{label}", "acb1b2", "1b2"),
        ("{label}.v*", "cat.v.v2", "cat.v"),
    ],
)
def test_labels_in_names(pattern: str, name: str, label: str | None):
    """The label begins as early and ends as late as it can."""
    assert find_label(pattern, name) == label


def test_time_of_hostile_patterns():
    """A regular expression would take longer than the universe is old."""
    with at_most(seconds=1):
        assert find_label("*a" * 90 + "{label}" + "*b", "a" * 89 + "c" * 150) is None


NET = """
archbuilder: 1
name: net
inputs: {photo: [2, 3, 3]}
layers: [{Conv2D: {filters: 3, kernel_size: 1, activation: softmax}}]
data:
  images:
    directory: photos
    targets: {directory: masks, pixels: classes, class_values: [1, 2, 3]}
training:
  loss: SparseCategoricalCrossentropy
  epochs: 1
  validation_split: 0
"""


def test_run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Masks have the size of the output, also those of other data with `--data`."""
    monkeypatch.chdir(folder)
    Path("net.yaml").write_text(NET)
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    assert "Output 'output': images decoded to 2x3" in capsys.readouterr().out
    assert main(["evaluate", "run", "--data", str(folder), "--format", "json"]) == 0
    loss = json.loads(capsys.readouterr().out)["loss"]
    model = keras.saving.load_model("run/net.keras")
    photos = [np.asarray(Image.open(each)) for each in paths(folder, "photos", ".bmp")]
    smaller = [
        keras.utils.load_img(each, target_size=(2, 3), interpolation="bilinear")
        for each in paths(folder, "photos", ".bmp")
    ]
    classes = np.stack([each[..., 0] % 3 for each in photos])[:, [1, 3]][..., [0, 2, 4]]
    expected = keras.losses.SparseCategoricalCrossentropy()(classes, model(np.stack(smaller) / 255))
    assert loss == pytest.approx(float(expected), rel=1e-4)
    assert main(["predict", "run", "photos/pug_1.bmp"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "run", "--data", "photos"]) == 2
    assert "the directory 'photos' has no directory 'masks'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("targets: {directory: masks}", "'targets' needs 'pixels': write 'pixels: classes'"),
        ("targets: {pixels: classes}", "'targets' has no 'directory'"),
        ("targets: {directory: masks, pixels: classes, name: mask}", "must have one '{}' and no"),
        ("targets: masks", "'targets' must be a mapping, not a string 'masks'"),
        ("targets: {directory: masks, pixel: classes}", "did you mean 'pixels'"),
        ("label: name", "'label' must have one '{label}', as in '{label}_*', not 'name'"),
        (
            "label: '{label}_*', targets: {directory: masks, pixels: classes}",
            "'targets' and 'label' need the names of their outputs",
        ),
        (
            "label: {a: '{label}_*'}, targets: {a: {directory: masks, pixels: classes}}",
            "'a' is in 'targets' and in 'label'",
        ),
    ],
)
def test_invalid_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: str, message: str
):
    """They are errors of the blueprint, found without the data."""
    blueprint = (
        NET.split("data:", maxsplit=1)[0] + f"data: {{images: {{directory: photos, {settings}}}}}\n"
    )
    (tmp_path / "net.yaml").write_text(blueprint)
    assert main(["validate", str(tmp_path / "net.yaml")]) == 2
    assert message in capsys.readouterr().err


def test_masks_outside_of_the_directory(folder: Path):
    """A blueprint may name only what is below its directory, also for targets."""
    (folder / "blueprints").mkdir()
    path = folder / "blueprints" / "net.yaml"
    path.write_text(NET.replace("directory: photos", "directory: ../photos"))
    assert main(["train", str(path)]) == 2


def test_directories_of_data(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The directory of masks is that of the recipe, below the one of `--data`, from anywhere."""
    template = DataConfig(
        Images(DataPath("photos"), targets={"mask": masks(Path("somewhere/masks"))})
    )
    monkeypatch.chdir(folder.parent)
    data = data_from_argument(folder.name, template)
    assert isinstance(data.train, Images)
    assert isinstance(data.train.targets, dict)
    assert data.train.targets["mask"].directory == DataPath(str(folder / "masks"))
    (folder / "masks").rename(folder / "labels")
    with pytest.raises(UsageError, match="has no directory 'masks'"):
        data_from_argument(str(folder), template)
