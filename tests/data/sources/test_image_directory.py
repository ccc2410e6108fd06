"""Pictures in folders: their classes, their sizes, and files that are none."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.graphs import SPAN
from PIL import Image

from archbuilder.cli import main
from archbuilder.compiler.ir import GraphInput
from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.sources import DataPath, Images
from archbuilder.data.columns import ArrayColumn
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.input_checks import adapt_input
from archbuilder.data.source_dataset import UNNAMED, FittedPreprocessing
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import BlueprintError, RunError, UsageError
from archbuilder.diagnostics.span import SourceText, Span

NET = """
archbuilder: 1
name: net
inputs: {image: [8, 8, 1]}
layers: [Flatten, {Dense: {units: 2, activation: softmax}}]
data: {images: {directory: pets, on_error: ERROR}}
training:
  loss: SparseCategoricalCrossentropy
  optimizer: {Adam: 0.01}
  epochs: 20
  validation_split: 0.25
  batch_size: 8
"""


def draw(path: Path, shade: int, size: tuple[int, int] = (8, 8), mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, shade if mode == "L" else (shade, 0, 0)).save(path)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Dark cats and bright dogs."""
    for number in range(20):
        draw(tmp_path / "pets" / "cat" / f"{number:02}.png", 10 + number)
        draw(tmp_path / "pets" / "dog" / f"{number:02}.bmp", 200 + number)
    return tmp_path / "pets"


def load(folder: Path, **options: object):
    return load_source(Images(DataPath(str(folder)), **options), DataFileOpener())


def taken(folder: Path, rows: list[int], **options: object) -> np.ndarray:
    (feature,) = load(folder, **options).inputs.values()
    return np.asarray(feature.column.gather(np.array(rows)))


def test_classes_from_directories(pets: Path):
    """By the alphabet, whatever is beside them."""
    (pets / "README.md").write_text("pets")
    (pets / "cat" / ".hidden.png").write_text("no image")
    dataset = load(pets)
    (labels,) = dataset.targets.values()
    assert (dataset.count, dataset.preprocessing.schema.classes) == (
        40,
        {UNNAMED: ("cat", "dog")},
    )
    np.testing.assert_array_equal(labels.gather(np.array([0, 19, 20, 39])), [0, 0, 1, 1])
    images = taken(pets, [0, 39])
    assert (images.shape, images.dtype) == ((2, 8, 8, 1), np.uint8)
    assert (images[0] == 10).all()
    assert (images[1] == 219).all()


def test_images_without_targets(tmp_path: Path):
    """They have no targets."""
    draw(tmp_path / "one.PNG", 3)
    assert load(tmp_path).targets == {}


def test_image_size_and_color_mode(tmp_path: Path):
    """All are as the first one is, or as it is said."""
    draw(tmp_path / "a.png", 255, (6, 4), "RGB")
    draw(tmp_path / "b.png", 7, (12, 12))
    images = taken(tmp_path, [0, 1])
    assert images.shape == (2, 4, 6, 3)
    np.testing.assert_array_equal(images[:, 0, 0], [[255, 0, 0], [7, 7, 7]])
    assert taken(tmp_path, [0], size=(3, 5), channels=1).shape == (1, 3, 5, 1)


@pytest.mark.parametrize("cache", [None, True])
@pytest.mark.parametrize("size", [None, (9, 9)])
def test_images_of_several_sizes(tmp_path: Path, cache: bool | None, size: tuple[int, int] | None):
    """They are resized once, to the network's input, unless the source has a size of its own."""
    files = [tmp_path / f"{number}.png" for number in range(3)]
    rng = np.random.default_rng(0)
    for file, shape in zip(files, ((20, 30, 3), (7, 5, 3), (11, 11, 3)), strict=True):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(file)
    (feature,) = load(tmp_path, cache=cache, size=size).inputs.values()
    adapted = adapt_input(feature, GraphInput("image", (6, 8, 3), "float32", SPAN))
    target = size or (6, 8)
    images = [
        keras.utils.load_img(each, target_size=target, interpolation="bilinear") for each in files
    ]
    expected = tf.image.resize(np.stack(images) / np.float32(255), (6, 8))
    np.testing.assert_allclose(adapted.gather(tf.range(3)), expected, rtol=1e-6)
    changes = "images decoded to 6x8" if size is None else "resized from 9x9 to 6x8"
    assert f"Input 'image': {changes}" in adapted.adapter.notes
    assert isinstance(adapted.column, ArrayColumn) is (cache is True)
    # A network of images of any size gets those of the first.
    open_input = GraphInput("image", (None, None, 3), "float32", SPAN)
    shape = adapt_input(feature, open_input).column.shape
    assert shape == (*(size or (20, 30)), 3)


def bomb(path: Path, width: int, height: int) -> None:
    """The head of a PNG that claims to be enormous."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b""))


@pytest.mark.parametrize("name", ["text", "cut", "bomb"])
def test_invalid_image_files(pets: Path, name: str):
    """The file is named; or it is left out, if that is wanted, and counted."""
    path = pets / "cat" / "05.png"
    if name == "text":
        path.write_text("no image")
    elif name == "cut":
        path.write_bytes(path.read_bytes()[:40])
    else:
        bomb(path, 2**20, 2**20)
    with pytest.raises(Exception, match=r"pets/cat/05\.png"):
        taken(pets, [5])
    dataset = load(pets, on_error="skip")
    assert dataset.count == 39
    assert any("skipped 1 of 40 images" in remark for remark in dataset.notes)


def test_directories_are_numbers_if_the_training_classes_have_no_names(tmp_path: Path):
    """A class that the other data lacks does not move the numbers of those after it."""
    fitted = FittedPreprocessing()
    for number in (0, 2, 10):
        draw(tmp_path / "images" / str(number) / "1.png", number)
    source = Images(DataPath(str(tmp_path / "images")))
    dataset = load_source(source, DataFileOpener(), fitted)
    (labels,) = dataset.targets.values()
    # In the order of the files: "0", "10", "2".
    np.testing.assert_array_equal(labels.gather(np.arange(3)), [0, 10, 2])
    assert dataset.preprocessing.schema.classes == {}
    assert "3 classes: '0' = 0, '2' = 2, '10' = 10" in dataset.notes
    draw(tmp_path / "images" / "three" / "1.png", 3)
    unlabeled = load_source(source, DataFileOpener(), fitted)
    with pytest.raises(RunError, match="'three', but the classes of the training data are numbers"):
        unlabeled.select_for(("image",), ("class",))
    assert unlabeled.select_for(("image",), ()).count == 4  # as for an autoencoder
    named = FittedPreprocessing(DatasetSchema(classes={"kind": ("three", "2", "10", "0")}))
    (labels,) = load_source(source, DataFileOpener(), named).targets.values()
    np.testing.assert_array_equal(labels.gather(np.arange(4)), [3, 2, 1, 0])


@pytest.mark.parametrize(
    ("folder", "error"), [("nowhere", UsageError), ("empty", RunError), ("file", UsageError)]
)
def test_invalid_image_directory(tmp_path: Path, folder: str, error: type[Exception]):
    """It is told, and which it is."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(error, match=folder):
        load(tmp_path / folder)


def test_symlinks_of_a_blueprint_are_not_followed(pets: Path):
    """Neither of files nor of folders: a stranger's blueprint reads its own folder alone."""
    (pets / "bird").symlink_to(pets / "cat")
    (pets / "cat" / "05.png").unlink()
    (pets / "cat" / "05.png").symlink_to(pets / "dog" / "05.bmp")
    span = Span(SourceText("net.yaml", ""), 1, 1, 1, 1)
    dataset = load_source(Images(DataPath("pets", span)), DataFileOpener(pets.parent))
    assert dataset.preprocessing.schema.classes == {UNNAMED: ("cat", "dog")}
    (feature,) = dataset.inputs.values()
    with pytest.raises(Exception, match=r"cat/05\.png"):
        feature.column.gather(np.array([5]))
    with pytest.raises(BlueprintError):
        load_source(Images(DataPath("../pets", span)), DataFileOpener(pets.parent))


@pytest.mark.parametrize("error", ["stop", "skip"])
def test_train_on_images(pets: Path, error: str, capsys: pytest.CaptureFixture[str]):
    """A broken one stops the run and is named, or the run tells that it is left out."""
    (pets / "dog" / "07.bmp").write_text("no image")
    net, run = pets.parent / "net.yaml", pets.parent / "run"
    net.write_text(NET.replace("ERROR", error))
    code = main(["train", str(net), "--run-dir", str(run)])
    out, err = capsys.readouterr()
    assert code == (1 if error == "stop" else 0)
    assert "dog/07.bmp" in (err if error == "stop" else out)
    if error == "skip":
        assert "cat = 0, dog = 1" in out.replace("'", "")
        assert json.loads((run / "run.json").read_text())["validation_metrics"]["loss"] < 0.5


def test_image_formats_and_nested_directories(tmp_path: Path):
    """Whatever lies below the folder of a class belongs to it."""
    for ending in ("png", "webp", "tif", "tiff", "jpeg", "ppm"):
        draw(tmp_path / "cat" / "more" / "deep" / f"1.{ending}", 5)
    draw(tmp_path / "dog" / "2.WEBP", 6)
    dataset = load(tmp_path)
    assert (dataset.count, dataset.preprocessing.schema.classes) == (7, {UNNAMED: ("cat", "dog")})
    assert not any("not read" in each for each in dataset.notes)


def test_skipped_files_are_counted(pets: Path):
    """With the first of them, in whichever folder they lie; hidden ones do not count."""
    (pets / "labels.csv").write_text("x")
    (pets / "cat" / "more").mkdir()
    for number in range(3):
        (pets / "cat" / "more" / f"{number}.heic").write_text("x")
    (pets / "cat" / ".hidden").write_text("x")
    draw(pets / "cover.png", 3)
    (pets / "link").symlink_to(pets / "nowhere")
    dataset = load(pets)
    assert dataset.count == 40
    notes = "\n".join(dataset.notes).replace("'", "")
    assert "skipped 5 files without an image suffix (.png, " in notes
    assert "cat/more/0.heic, cat/more/1.heic, cat/more/2.heic, ..." in notes
    assert "skipped 1 image outside the class directories: cover.png" in notes


@pytest.mark.parametrize("wrong", ["none", "other", "damaged"])
def test_empty_class_directory(pets: Path, wrong: str):
    """It would vanish from the classes, and is an error that names it."""
    (pets / "bird").mkdir()
    if wrong == "other":
        (pets / "bird" / "1.heic").write_text("x")
    if wrong == "damaged":
        (pets / "bird" / "1.png").write_text("x")
    with pytest.raises(RunError, match="class 'bird'"):
        load(pets, on_error="skip")


def test_train_and_validation_directories_are_not_classes(tmp_path: Path):
    """The error says how to name them."""
    for subset in ("train", "validation"):
        draw(tmp_path / subset / "cat" / "1.png", 5)
    with pytest.raises(RunError, match=r"not classes.*'data: \{train: \{images: ...\}, valid"):
        load(tmp_path)


def test_symlink_cycle(pets: Path):
    """A person's links are followed, but not for ever."""
    (pets / "cat" / "again").symlink_to(pets / "cat")
    with pytest.raises(RunError, match="more than 16 directories deep"):
        load(pets)


SINGLE_OUTPUT = "layers: [Flatten, {Dense: {units: 2, activation: softmax}}]"
TWO = "layers: [Flatten, {Dense: 2, name: a}, {Dense: 3, name: b}]\noutputs: {a: a, b: b}"
MAP = "layers: [{Conv2D: {filters: 2, kernel_size: 1, activation: softmax}}]"
PAIR = "layers: [{Concatenate: {}, from: [left, right]}, Flatten, {Dense: 2}]"
LOSS = "SparseCategoricalCrossentropy"


@pytest.mark.parametrize(
    ("folder", "network", "loss", "messages"),
    [
        (
            "pets/cat",
            SINGLE_OUTPUT,
            LOSS,
            ("'pets/cat' has no targets", "as in DIR/cat/1.png"),
        ),
        (
            "pets/cat",
            SINGLE_OUTPUT,
            LOSS,
            ("'target_from_input: {output: image}' under 'training'",),
        ),
        (
            "pets",
            TWO,
            f"{{a: {LOSS}, b: {LOSS}}}",
            (
                "'pets' has one target (the class of an image)",
                "but the network has 2 outputs with a loss or metrics: a, b",
                "sources such as 'npz' and 'csv' can name several",
                "an output without loss and metrics needs no target",
            ),
        ),
        (
            "pets",
            MAP,
            LOSS,
            ("'pets' has one target", "such as a mask", "source npz or npy"),
        ),
        (
            "pets",
            PAIR,
            LOSS,
            ("'pets' has one array for the inputs, but the network has 2",),
        ),
    ],
)
def test_networks_with_other_targets_than_a_class(
    pets: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: str,
    network: str,
    loss: str,
    messages: tuple[str, ...],
):
    """The message says what the folder has, where it is named, and what to do."""
    monkeypatch.chdir(pets.parent)
    inputs = "{left: [8, 8, 1], right: [8, 8, 1]}" if network == PAIR else "{image: [8, 8, 1]}"
    Path("net.yaml").write_text(
        f"archbuilder: 1\nname: net\ninputs: {inputs}\n"
        f"training: {{loss: {loss}, epochs: 1}}\ndata: {{images: {folder}}}\n{network}\n"
    )
    assert main(["train", "net.yaml"]) == 1
    error = capsys.readouterr().err
    for message in messages:
        assert message in error, error
    assert " --> net.yaml:5:16\n" in error
