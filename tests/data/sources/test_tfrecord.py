"""TFRecord files, and the datasets that `tensorflow-datasets` makes of them."""

from __future__ import annotations

import dataclasses
import gzip
import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import archbuilder
from archbuilder.cli import main
from archbuilder.config import data_from_argument
from archbuilder.config.sources import DataPath, RecordImage, Tfds, Tfrecord
from archbuilder.data.columns import ArrayColumn, fit_image_size, translate_read_errors
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import BlueprintError, RunError, UsageError
from archbuilder.diagnostics.span import SourceText, Span

Value = bytes | int | Sequence[float] | Sequence[int]


def example(**features: Value) -> bytes:
    def feature(value: Value) -> tf.train.Feature:
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, int):
            value = [value]
        if all(isinstance(each, int) for each in value):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=value))
        return tf.train.Feature(float_list=tf.train.FloatList(value=value))

    features_by_name: Mapping[str, tf.train.Feature] = {
        key: feature(each) for key, each in features.items()
    }
    built = tf.train.Example(features=tf.train.Features(feature=features_by_name))
    return built.SerializeToString(deterministic=True)


def png(level: int, side: int = 6) -> bytes:
    content = io.BytesIO()
    Image.new("L", (side, side), level).save(content, "PNG")
    return content.getvalue()


def write(path: Path, *records: bytes, packed: bool = False) -> DataPath:
    options = tf.io.TFRecordOptions(compression_type="GZIP" if packed else "")
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for record in records:
            writer.write(record)
    return DataPath(str(path))


def load(source: Tfrecord | Tfds, fitted: SourceDataset | None = None) -> SourceDataset:
    return load_source(source, DataFileOpener(), None if fitted is None else fitted.preprocessing)


def values(column) -> list:
    return np.asarray(column.gather(np.arange(column.count))).tolist()


@pytest.mark.parametrize("packed", [False, True])
class TestRecords:
    def test_numeric_and_bytes_features(self, tmp_path: Path, packed: bool):
        """Lists get the shape that is given; bytes are numbers as inputs, and words as targets."""
        rows = [
            example(x=[0.5, 1.5, 2.5, 3.5], b=bytes([1, 2, 255, 4]), y=b"dog", w=[2.0]),
            example(x=[4.0, 3.0, 2.0, 1.0], b=bytes([0, 0, 0, 9]), y=b"cat", w=[0.5]),
        ]
        file = write(tmp_path / "d.tfrecord", *rows, packed=packed)
        inputs, shape = {"x": "x", "b": "b"}, {"b": (2, 2)}
        dataset = load(Tfrecord(file, inputs, shape=shape, sample_weight="w"))
        assert values(dataset.inputs["x"].column) == [[0.5, 1.5, 2.5, 3.5], [4, 3, 2, 1]]
        assert values(dataset.inputs["b"].column)[0] == [[1, 2], [255, 4]]
        assert dataset.inputs["b"].divide_by == 255
        assert (values(dataset.targets[UNNAMED]), dataset.preprocessing.schema.classes) == (
            [1, 0],
            {UNNAMED: ("cat", "dog")},
        )
        assert values(dataset.sample_weights[UNNAMED]) == [2, 0.5]

    def test_feature_used_several_times(self, tmp_path: Path, packed: bool):
        """Each input has its own shape, and a target has that of the file."""
        rows = [example(f=[1.0, 2.0, 3.0, 4.0], b=b"ab"), example(f=[5.0, 6.0, 7.0, 8.0], b=b"cd")]
        file = write(tmp_path / "d.tfrecord", *rows, packed=packed)
        inputs, shape = {"flat": "f", "square": "f", "bytes": "b"}, {"square": (2, 2)}
        dataset = load(Tfrecord(file, inputs, {"same": "f", "word": "b"}, shape=shape))
        assert values(dataset.inputs["flat"].column) == [[1, 2, 3, 4], [5, 6, 7, 8]]
        assert values(dataset.inputs["square"].column) == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
        assert values(dataset.inputs["bytes"].column) == [[97, 98], [99, 100]]
        assert values(dataset.targets["same"]) == [[1, 2, 3, 4], [5, 6, 7, 8]]
        assert values(dataset.targets["word"]) == [0, 1]

    @pytest.mark.parametrize("cache", [None, True, False])
    def test_encoded_images(self, tmp_path: Path, packed: bool, cache: bool | None):
        """They are decoded as they are needed, to the size of the first if none is asked for."""
        rows = [example(x=png(level, 6 + level), y=level) for level in range(5)]
        for file_number, file_rows in enumerate((rows[:2], rows[2:])):
            write(tmp_path / f"d-{file_number}.tfrecord", *file_rows, packed=packed)
        dataset = load(Tfrecord(DataPath(str(tmp_path / "d-*.tfrecord")), cache=cache))
        column = fit_image_size(dataset.inputs[UNNAMED].column, (None, None, 1))
        assert isinstance(column, ArrayColumn) is (cache is True)
        smaller = fit_image_size(dataset.inputs[UNNAMED].column, (4, 5, 1))
        assert (smaller.shape, isinstance(smaller, ArrayColumn)) == ((4, 5, 1), cache is True)
        assert np.asarray(smaller.numpy(np.array([2])))[0, :, :, 0].tolist() == [[2] * 5] * 4
        assert (column.shape, dataset.inputs[UNNAMED].divide_by) == ((6, 6, 1), 255)
        images = np.asarray(column.gather(np.array([4, 0, 3])))
        assert images[:, 0, 0, 0].tolist() == [4, 0, 3]
        assert values(dataset.targets[UNNAMED]) == [0, 1, 2, 3, 4]

    def test_corrupt_record(self, tmp_path: Path, packed: bool):
        """A record whose checksum is wrong is told, and what follows it cannot be found."""
        path = tmp_path / "d.tfrecord"
        write(path, *(example(x=[1.0, float(each)], y=each) for each in range(4)))
        content = bytearray(path.read_bytes())
        content[len(content) // 4 + 20] ^= 1
        path.write_bytes(gzip.compress(content) if packed else content)
        with pytest.raises(RunError, match=r"record 2 of .*d\.tfrecord' is damaged"):
            load(Tfrecord(DataPath(str(path))))
        dataset = load(Tfrecord(DataPath(str(path)), on_error="skip"))
        assert dataset.count == 1
        assert "skipped 1 of 2 records: record 2 of" in dataset.notes[-1]

    def test_declared_length_is_not_trusted(self, tmp_path: Path, packed: bool):
        """It takes no memory, even where its checksum is right."""
        path = tmp_path / "d.tfrecord"
        content = struct.pack("<Q", 2**60) + bytes(4)
        path.write_bytes(gzip.compress(content) if packed else content)
        with pytest.raises(RunError, match=r"record 1 of .* is truncated or damaged"):
            load(Tfrecord(DataPath(str(path))))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (example(x=[1.0, 2.0]), "record 2 of .* has no feature 'y'; it has 'x'"),
        (example(y=1), "record 2 of .* has no feature 'x'"),
        (example(x=[1.0], y=1), r"the feature 'x' of record 2 .* shape \[\], but the first one"),
        (example(x=[1.0, float("nan")], y=1), "the feature 'x' of record 2 .* is not finite"),
        (example(x=[1.0, 2.0], y=b"cat"), "has strings, but the first one has shape"),
        (b"\xff\xff", "record 2 of .* is not a tf.train.Example"),
    ],
    ids=range(6),
)
def test_invalid_records(tmp_path: Path, second: bytes, message: str):
    """The record is named, or left out."""
    file = write(tmp_path / "d.tfrecord", example(x=[1.0, 2.0], y=0), second)
    with pytest.raises(RunError, match=message):
        load(Tfrecord(file))
    assert load(Tfrecord(file, on_error="skip")).count == 1


def test_blocks_with_invalid_records(tmp_path: Path):
    """Whole blocks are stacked at once, but one bad record is found and named all the same."""
    rng = np.random.default_rng(0)
    x, wide = rng.random((3500, 3), np.float32), rng.random((3500, 80), np.float32)
    rows = [
        example(x=each.tolist(), wide=line.tolist(), y=number)
        for number, (each, line) in enumerate(zip(x, wide, strict=True))
    ]
    rows[1500] = example(x=[1.0, float("inf"), 2.0], wide=wide[0].tolist(), y=1500)
    rows[2600] = example(x=[1.0, 2.0], wide=wide[0].tolist(), y=2600)
    rows[2700] = example(x=[1.0, 2.0, 3.0], y=3700)
    # Integers among floats are valid.
    rows[3200] = example(x=[7, 8, 9], wide=wide[3200].tolist(), y=3200)
    x[3200] = [7, 8, 9]
    file = write(tmp_path / "d.tfrecord", *rows)
    with pytest.raises(RunError, match=r"'x' of record 1501 of .* is not finite"):
        load(Tfrecord(file))
    inputs = {"x": "x", "wide": "wide"}
    dataset = load(Tfrecord(file, inputs, shape={"wide": (4, 20)}, on_error="skip"))
    valid = np.delete(np.arange(3500), [1500, 2600, 2700])
    assert values(dataset.targets[UNNAMED]) == valid.tolist()
    assert values(dataset.inputs["x"].column) == x[valid].tolist()
    expected = wide[valid].reshape(-1, 4, 20)
    assert values(dataset.inputs["wide"].column) == expected.tolist()
    assert "skipped 3 of 3,500 records: the feature 'x' of record 1501" in dataset.notes[-1]
    assert "record 2601 of" in dataset.notes[-1]
    assert "record 2701 of" in dataset.notes[-1]


def test_undecodable_images(tmp_path: Path):
    """One that cannot be decoded is known before the training begins."""
    file = write(
        tmp_path / "d.tfrecord", *(example(x=each, y=0) for each in (png(3), b"no", png(4)))
    )
    with pytest.raises(RunError, match=r"record 2 of .* is not an image"):
        load(Tfrecord(file))
    dataset = load(Tfrecord(file, on_error="skip"))
    assert values(dataset.inputs[UNNAMED].column)[1][0][0] == [4]


SIDES = [(7, 9), (9, 7), (13, 11), (7, 9), (5, 5), (7, 9)]
"""Heights and widths of photos and masks; all odd, so that no new pixel is between two others."""


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """Return an image file."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def rooms(folder: Path, name: str = "rooms.tfrecord") -> list[tuple[np.ndarray, ...]]:
    """Write records with a photo, a mask of 1 to 3, a depth of 16 bits and a grid of numbers."""
    random = np.random.default_rng(2)
    examples = [
        (
            random.integers(0, 256, (*side, 3), np.uint8),
            random.integers(1, 4, side).astype(np.uint8),
            random.integers(0, 2**16, side).astype(np.uint16),
            random.normal(size=(2, 3)).astype(np.float32),
        )
        for side in SIDES
    ]
    rows = [
        example(photo=encoded(photo), mask=encoded(mask), depth=encoded(depth), grid=grid.ravel())
        for photo, mask, depth, grid in examples
    ]
    write(folder / name, *rows)
    return examples


def mask_image(**settings: Any) -> RecordImage:
    """Return the target of masks whose classes are the values 1 to 3."""
    return RecordImage(feature="mask", pixels="classes", class_values=(1, 2, 3), **settings)


def test_encoded_images_as_targets(tmp_path: Path):
    """Masks and values are those of Pillow, in the size of the output; numbers have a shape."""
    examples = rooms(tmp_path)
    source = Tfrecord(
        DataPath(str(tmp_path / "rooms.tfrecord")),
        "photo",
        {
            "mask": mask_image(),
            "depth": RecordImage(feature="depth", pixels="values", divide_by=1000),
            "grid": "grid",
        },
        shape={"grid": (2, 3)},
    )
    dataset = load(source)
    masks = fit_image_size(dataset.targets["mask"], (5, 7, 3))
    depths = fit_image_size(dataset.targets["depth"], (None, None, 1))
    for row, (_, mask, depth, grid) in enumerate(examples):
        nearest = Image.fromarray(mask).resize((7, 5), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(masks.numpy(np.array([row]))[0], np.asarray(nearest) - 1)
        if depth.shape == SIDES[0]:
            expected = depth[..., None].astype(np.float32) / 1000
            np.testing.assert_allclose(depths.numpy(np.array([row]))[0], expected, rtol=1e-6)
        np.testing.assert_array_equal(dataset.targets["grid"].numpy(np.array([row]))[0], grid)
    assert any("target 'mask': 6 images of 7x9" in each for each in dataset.notes)
    # Other records have the sizes of the training data.
    write(
        tmp_path / "other.tfrecord",
        example(photo=png(3), mask=png(2), depth=png(9), grid=[0.0] * 6),
    )
    later = load(
        dataclasses.replace(source, file=DataPath(str(tmp_path / "other.tfrecord"))), dataset
    )
    assert later.targets["mask"].numpy(np.array([0])).tolist() == [[[1] * 9] * 7]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (png(4), r"'mask' of record 2 of .* has the pixel value 4, and 'class_values' has 1, 2, 3"),
        (png(2)[:-30], r"'mask' of record 2 of .* is damaged"),
        (b"no", r"'mask' of record 2 of .* is not an image"),
        (encoded(np.zeros((4, 4, 3), np.uint8)), r"'mask' of record 2 .* mask with the colors RGB"),
        ([1.0], r"record 2 of .* has no encoded image in the feature 'mask'; it has 'mask', 'x'"),
    ],
)
def test_invalid_target_images(tmp_path: Path, mask: Value, message: str):
    """They are named with their record before training, or left out."""
    records = [example(x=png(1), mask=each) for each in (png(2), mask, png(3))]
    source = Tfrecord(write(tmp_path / "d.tfrecord", *records), "x", {"mask": mask_image()})
    with pytest.raises(RunError, match=message):
        load(source)
    dataset = load(dataclasses.replace(source, on_error="skip"))
    assert dataset.targets["mask"].numpy(np.arange(2))[:, 0, 0].tolist() == [1, 2]


SEGMENTATION = """
archbuilder: 1
name: net
inputs: {photo: [7, 9, 3]}
layers:
  - {Conv2D: {filters: 3, kernel_size: 1, activation: softmax}, name: mask}
outputs: {mask: mask}
data:
  tfrecord:
    file: rooms.tfrecord
    inputs: photo
    targets: {mask: {feature: mask, pixels: classes, class_values: [1, 2, 3]}}
training:
  loss: SparseCategoricalCrossentropy
  augment: [{RandomFlip: horizontal}]
  epochs: 1
  batch_size: 2
  validation_split: {last: 0.5}
"""


def test_training_on_target_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The loss is that of Keras on what Pillow decodes; photos and masks are moved together."""
    rooms(tmp_path)
    (tmp_path / "net.yaml").write_text(SEGMENTATION)
    history = archbuilder.train(tmp_path / "net.yaml", run_dir=tmp_path / "run").history
    examples = rooms(tmp_path)[3:]
    photos, masks = (
        np.stack(
            [
                np.asarray(Image.fromarray(each[column]).resize((9, 7), resampling))
                for each in examples
            ]
        )
        for column, resampling in ((0, Image.Resampling.BILINEAR), (1, Image.Resampling.NEAREST))
    )
    network = keras.saving.load_model(tmp_path / "run/net.keras")
    outputs = network(photos.astype(np.float32) / 255)
    expected = keras.losses.SparseCategoricalCrossentropy()(masks - 1, outputs)
    assert history[0]["val_loss"] == pytest.approx(float(expected), rel=1e-3)
    assert archbuilder.evaluate(tmp_path / "run")["loss"] == pytest.approx(
        history[0]["val_loss"], rel=1e-6
    )
    predicted = [each.outputs["mask"] for each in archbuilder.predict(tmp_path / "run")]
    np.testing.assert_allclose(predicted, outputs, rtol=1e-3, atol=1e-5)
    (tmp_path / "net.yaml").write_text(SEGMENTATION.replace("pixels: classes, ", ""))
    assert main(["validate", str(tmp_path / "net.yaml")]) == 2
    assert "needs 'pixels': write 'pixels: classes'" in capsys.readouterr().err
    plain = SEGMENTATION.replace(
        "{feature: mask, pixels: classes, class_values: [1, 2, 3]}", "mask"
    )
    (tmp_path / "net.yaml").write_text(plain)
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "no")]) == 1
    assert "as in 'targets: {mask: {feature: mask, pixels: classes}}'" in capsys.readouterr().err


def test_tfrecord_file_shrinks(tmp_path: Path):
    """A picture that is not there any more is told by its file."""
    file = write(tmp_path / "d.tfrecord", example(x=png(3), y=0))
    column = load(data_from_argument(file.path).train).inputs[UNNAMED].column
    Path(file.path).write_bytes(b"")
    with (
        pytest.raises(RunError, match=r"d\.tfrecord' was truncated while it was in use"),
        translate_read_errors(),
    ):
        column.gather(tf.constant([0]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset as the library itself writes it."""
    tfds = pytest.importorskip("tensorflow_datasets")
    folder = tmp_path_factory.mktemp("tfds")
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(4, 4, 1)),
            "kind": tfds.features.ClassLabel(names=["owl", "emu"]),
            "grid": tfds.features.Tensor(shape=(2, 3), dtype=np.float32),
            "mask": tfds.features.Image(shape=(None, None, 1)),
        }
    )

    def split(count: int) -> tf.data.Dataset:
        levels = np.arange(count, dtype=np.uint8)
        return tf.data.Dataset.from_tensor_slices(
            {
                "image": np.tile(levels[:, None, None, None], (1, 4, 4, 1)),
                "kind": levels.astype(np.int64) % 2,
                "grid": np.tile(levels[:, None, None], (1, 2, 3)).astype(np.float32),
                "mask": np.tile(levels[:, None, None, None] % 3, (1, 4, 4, 1)),
            }
        )

    tfds.dataset_builders.store_as_tfds_dataset(
        name="birds",
        version="1.0.0",
        features=features,
        split_datasets={"train": split(20), "test": split(5)},
        data_dir=folder,
        disable_shuffling=True,
    )
    return folder


def birds(*args, **options) -> Tfds:
    return Tfds(DataPath("birds"), *args, **options)


class TestPrepared:
    @pytest.fixture(autouse=True)
    def there(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("TFDS_DATA_DIR", str(folder))

    def test_tfds_features_by_name(self):
        """With the shapes and the names of classes that the dataset has."""
        source = birds(inputs={"a": "image", "b": "grid"}, targets="kind")
        dataset = load(source)
        assert (dataset.count, dataset.preprocessing.schema.classes) == (
            20,
            {UNNAMED: ("owl", "emu")},
        )
        assert dataset.inputs["a"].column.shape == (4, 4, 1)
        images = np.asarray(dataset.inputs["a"].column.gather(np.arange(20)))[:, 0, 0, 0]
        grids = np.asarray(dataset.inputs["b"].column.gather(np.arange(20)))
        assert sorted(images.tolist()) == list(range(20))
        assert np.array_equal(grids, np.tile(images[:, None, None], (1, 2, 3)))
        assert values(dataset.targets[UNNAMED]) == (images % 2).tolist()

    def test_tfds_targets_with_axes(self):
        """Masks are encoded images of the dataset, and numbers have its shape."""
        mask = RecordImage(feature="mask", pixels="classes")
        dataset = load(birds(inputs="image", targets={"mask": mask, "grid": "grid"}))
        masks = dataset.targets["mask"].numpy(np.arange(20))
        images = dataset.inputs[UNNAMED].column.numpy(np.arange(20))[..., 0]
        np.testing.assert_array_equal(masks, images % 3)
        grids = dataset.targets["grid"].numpy(np.arange(20))
        assert np.array_equal(grids, np.tile(images[:, :1, :1], (1, 2, 3)))

    def test_tfds_split_slices(self):
        """As the library writes them."""
        names = {"inputs": "image", "targets": "kind"}
        assert load(birds("train[5:12]", **names)).count == 7
        assert load(birds("train[:50%]+test", **names)).count == 15

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (Tfds(DataPath("bats")), "there is no dataset 'bats' in"),
            (Tfds(DataPath("mnist")), "'mnist' is not prepared in .*: tfds build mnist"),
            (birds(), "does not declare inputs and targets; it has"),
            (birds("valid", "image", "kind"), "no split 'valid'; it has 'test', 'train'"),
            (birds("train", "picture", "kind"), "no feature 'picture'; it has"),
        ],
    )
    def test_invalid_tfds_options(self, source: Tfds, message: str):
        """They are told with what there is."""
        with pytest.raises(RunError, match=message):
            load(source)

    def test_tfds_from_the_command_line(self):
        """By its name; no others than names are taken."""
        assert data_from_argument("tfds:mnist").train == Tfds(DataPath("mnist"))
        recipe = data_from_argument("tfds:birds")
        with pytest.raises(UsageError, match="is not the name of a dataset"):
            data_from_argument("tfds:../birds")
        assert data_from_argument("tfds:mnist:3.0.1", recipe).train == Tfds(DataPath("mnist:3.0.1"))

    def test_tfds_from_a_blueprint(self, folder: Path, tmp_path: Path):
        """A stranger's file reads them where a person allows it."""
        span = Span(SourceText("net.yaml", ""), 1, 1, 1, 1)
        source = Tfds(DataPath("birds", span), inputs="image", targets="kind")
        with pytest.raises(BlueprintError, match="path-outside-directory"):
            load_source(source, DataFileOpener(tmp_path))
        assert load_source(source, DataFileOpener(tmp_path, [folder])).count == 20


def test_an_encoded_image_as_a_target(tmp_path: Path):
    """The message says how a mask is named, where the bytes are no text."""
    file = write(tmp_path / "a.tfrecord", example(x=png(3), y=png(1)))
    with pytest.raises(
        RunError, match=r"'y' of record 1 .* is an encoded image: .* pixels: classes"
    ):
        load(Tfrecord(file))
