"""Tables that name image files, compared with what Pillow and NumPy make of the same files."""

from __future__ import annotations

import csv
import io
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from archbuilder.cli import main
from archbuilder.config.sources import (
    Csv,
    DataPath,
    DataSource,
    FeatureConfig,
    ImageConfig,
    Jsonl,
    Parquet,
    TableImage,
)
from archbuilder.data.columns import fit_image_size
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.sources import example_files, load_source
from archbuilder.data.sources.example_files import ExampleFile, ExampleFiles
from archbuilder.data.sources.mask_decoding import decode_mask, make_target_decoder
from archbuilder.diagnostics.errors import RunError
from archbuilder.diagnostics.span import SourceText, Span

KINDS = ("csv", "parquet", "jsonl")
COUNT = 4
SPAN = Span(SourceText("blueprint.yaml", "data"), 1, 1, 1, 5)


def write_table(path: Path, columns: Mapping[str, list[Any]]) -> DataPath:
    """The columns in a file of the kind that its suffix says."""
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if path.suffix == ".parquet":
        pq.write_table(pa.table(dict(columns)), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, [*columns])
            writer.writeheader()
            writer.writerows(rows)
    return DataPath(str(path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of 6 by 5 pixels, masks of 0, 2 and 255, and depths of 16 bits."""
    random = np.random.default_rng(0)
    for name in ("left", "mask", "depth"):
        (tmp_path / name).mkdir()
    for number in range(COUNT):
        color = random.integers(0, 256, (6, 5, 3), np.uint8)
        Image.fromarray(color).save(tmp_path / "left" / f"{number}.png")
        Image.fromarray(color[..., 0]).save(tmp_path / f"right{number}.bmp")
        values = np.array([0, 2, 255], np.uint8)[color[..., 1] % 3]
        Image.fromarray(values).save(tmp_path / "mask" / f"{number}.png")
        Image.fromarray(color[..., 2].astype(np.uint16) * 200).save(
            tmp_path / "depth" / f"{number}.png"
        )
    return tmp_path


COLUMNS = {
    "id": [str(each) for each in range(COUNT)],
    "file": [f"./left/{each}.png" for each in range(COUNT)],
    "twin": [f"right{each}.bmp" for each in range(COUNT)],
    "y": [1, 0, 1, 0],
}


def source_of(path: DataPath, on_error: str = "stop", **columns: FeatureConfig) -> DataSource:
    """The source of a table, whose targets are those columns whose name begins so."""
    inputs = {key: each for key, each in columns.items() if not key.startswith("target")}
    targets = {key: each for key, each in columns.items() if key.startswith("target")} or {"y": "y"}
    if path.path.endswith("jsonl"):
        return Jsonl(path, inputs=inputs, targets=targets, on_error=on_error)
    kind = Csv if path.path.endswith("csv") else Parquet
    return kind(path, targets, inputs=inputs, on_error=on_error)


def image(column: str, **settings: Any) -> FeatureConfig:
    return FeatureConfig(column, image=TableImage(**settings))


def load(
    source: DataSource, fitted: SourceDataset | None = None, folder: Path = Path()
) -> SourceDataset:
    preprocessing = None if fitted is None else fitted.preprocessing
    return load_source(source, DataFileOpener(folder), preprocessing)


def pixels(folder: Path, pattern: str) -> np.ndarray:
    return np.stack([np.asarray(Image.open(folder / pattern.format(n))) for n in range(COUNT)])


def all_rows(column: Any) -> np.ndarray:
    return np.asarray(column.gather(np.arange(COUNT)))


@pytest.mark.parametrize("kind", KINDS)
class TestColumns:
    def test_several_images(self, folder: Path, kind: str):
        """Two inputs, one whose files are found by an id, and masks and depths as targets."""
        path = write_table(folder / f"table.{kind}", COLUMNS)
        dataset = load(
            source_of(
                path,
                left=image("file"),
                right=image("twin", channels=3, size=(3, 4)),
                target_mask=image(
                    "id", path="mask/{}.png", pixels="classes", class_values=(0, 255, 2)
                ),
                target_depth=image("id", path="depth/{}.png", pixels="values", divide_by=1000),
            )
        )
        left, right = dataset.inputs["left"], dataset.inputs["right"]
        np.testing.assert_array_equal(all_rows(left.column), pixels(folder, "left/{}.png"))
        assert (left.divide_by, left.image) == (255, True)
        assert (right.column.shape, right.column.dtype) == ((3, 4, 3), np.uint8)
        mask = dataset.targets["target_mask"]
        classes = np.searchsorted([0, 2, 255], pixels(folder, "mask/{}.png"))
        np.testing.assert_array_equal(all_rows(mask), np.array([0, 2, 1])[classes])
        depth = dataset.targets["target_depth"]
        expected = pixels(folder, "depth/{}.png")[..., np.newaxis] / 1000
        np.testing.assert_allclose(all_rows(depth), expected, rtol=1e-6)
        # To the size of a network's output: masks without new values, depths as images.
        resized = fit_image_size(mask, (4, 7, 3))
        nearest = Image.fromarray(all_rows(mask)[0]).resize((7, 4), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(resized.numpy(np.array([0]))[0], np.asarray(nearest))
        smooth = Image.fromarray(expected[1, ..., 0].astype(np.float32) * 1000)
        smooth = np.rint(smooth.resize((7, 4), Image.Resampling.BILINEAR)) / 1000
        actual = fit_image_size(depth, (4, 7, 1)).numpy(np.array([1]))[0, ..., 0]
        np.testing.assert_allclose(actual, smooth, atol=1e-5)

    def test_other_data_has_the_size_of_the_training_data(self, folder: Path, kind: str):
        """As if it were the validation set."""
        path = write_table(folder / f"table.{kind}", COLUMNS)
        features = {
            "left": image("file"),
            "target": image("id", path="mask/{}.png", pixels="classes"),
        }
        dataset = load(source_of(path, **features))
        for name in ("left/0.png", "mask/0.png"):
            Image.new("L", (9, 9), 2).save(folder / name)
        validation = load(source_of(path, **features), dataset)
        assert validation.inputs["left"].shape == (6, 5, 3)
        assert validation.targets["target"].shape == (6, 5)
        assert validation.preprocessing.schema == dataset.preprocessing.schema

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("left/9.png", r"cannot read '.*left/9.png': there is no such file"),
            ("../left/0.png", r"'../left/0.png' is not a path relative to the table, without '..'"),
            ("/etc/hostname", "'/etc/hostname' is not a path relative to the table"),
            ("left/../../secret.png", ".* is not a path relative to the table"),
            ("left", r"cannot read '.*left': "),
        ],
    )
    def test_names_of_no_image(self, folder: Path, kind: str, name: str, message: str):
        """The line and the column are named; or the line is skipped, if that is wanted."""
        columns = {**COLUMNS, "file": [*COLUMNS["file"][:3], name]}
        path = write_table(folder / f"table.{kind}", columns)
        location = {
            "csv": "column 'file' of line 5 of '.*table.csv'",
            "parquet": "column 'file' of row 4 of '.*table.parquet'",
            "jsonl": "the field 'file' of '.*table.jsonl':4",
        }
        with pytest.raises(RunError, match=f"^{location[kind]}: {message}"):
            load(source_of(path, left=image("file")))
        dataset = load(source_of(path, "skip", left=image("file")))
        assert dataset.count == 3
        assert any("skipped 1 of 4" in note for note in dataset.notes)

    def test_damaged_images(self, folder: Path, kind: str):
        """They are named with their line when they are read, or skipped before training."""
        path = write_table(folder / f"table.{kind}", COLUMNS)
        content = (folder / "left/2.png").read_bytes()
        (folder / "left/2.png").write_bytes(content[:60])
        column = load(source_of(path, left=image("file"))).inputs["left"].column
        with pytest.raises(RunError, match=r"'file' of .* of '.*': '.*left/2.png' is damaged"):
            column.numpy(np.arange(COUNT))
        dataset = load(source_of(path, "skip", left=image("file")))
        (labels,) = dataset.targets.values()
        assert labels.numpy(np.arange(3)).tolist() == [1, 0, 0]

    def test_missing_names(self, folder: Path, kind: str):
        """No image is not an image."""
        path = write_table(folder / f"table.{kind}", {**COLUMNS, "file": ["right0.bmp"] * 3 + [""]})
        with pytest.raises(RunError, match=r"has no value in column 'file'|there is no name of a"):
            load(source_of(path, left=image("file")))


def test_a_stranger_reads_nothing_outside(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    """A table in the directory of a blueprint cannot lead out of it, also not by links."""
    outside = tmp_path_factory.mktemp("outside")
    Image.new("L", (2, 2)).save(outside / "secret.png")
    (folder / "link.png").symlink_to(outside / "secret.png")
    (folder / "linked").symlink_to(outside)
    for name in ("link.png", "linked/secret.png", f"{outside}/secret.png", "../outside/secret.png"):
        write_table(folder / "table.csv", {"file": [name], "y": [1]})
        source = source_of(DataPath("table.csv", SPAN), left=image("file"))
        with pytest.raises(RunError, match=r"column 'file' of line 2 of 'table.csv': "):
            load(source, folder=folder)


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


VALUES = np.arange(12, dtype=np.uint8).reshape(3, 4) % 4
PALETTE = Image.fromarray(VALUES).convert("P")
PALETTE.putpalette([255, 0, 0, 0, 255, 0, 9, 9, 9, 7, 7, 7])
TURNED = Image.Exif()
TURNED[0x0112] = 6


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded(Image.fromarray(VALUES)), VALUES),
        (encoded(PALETTE), VALUES),
        (encoded(PALETTE, bits=2), VALUES),
        (encoded(PALETTE, "GIF"), VALUES),
        (encoded(Image.fromarray(VALUES), "BMP"), VALUES),
        (encoded(Image.fromarray(VALUES), "TIFF"), VALUES),
        (encoded(Image.fromarray(VALUES > 1)), VALUES > 1),
        (encoded(Image.fromarray(VALUES.astype(np.uint16) * 999)), VALUES.astype(int) * 999),
        (encoded(Image.fromarray(VALUES), exif=TURNED), np.rot90(VALUES, -1)),
        (b"P5 4 3 255\n" + VALUES.tobytes(), VALUES),
    ],
)
def test_masks_keep_their_values(content: bytes, expected: np.ndarray):
    """As they stand in the file: an index into a palette is a class, whatever its color."""
    np.testing.assert_array_equal(decode_mask(content, "it"), expected)


def test_gray_masks_of_few_bits():
    """Pillow would stretch them: 2 of 3 would become 170 of 255."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        length, check = len(data), zlib.crc32(kind + data)
        return struct.pack(">I", length) + kind + data + struct.pack(">I", check)

    # One row of four pixels of two bits: 0, 1, 2, 3.
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, 2, 0, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\0\x1b"))
    content = b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")
    assert decode_mask(content, "it").tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (encoded(Image.fromarray(VALUES), "JPEG"), "format JPEG, which does not keep the values"),
        (b"P5 4 3 20\n" + VALUES.tobytes(), "format PPM, which does not keep the values"),
        (encoded(Image.new("RGB", (2, 2))), "with the colors RGB: a mask has one value per pixel"),
        (b"GIF89a", "it is"),
    ],
)
def test_images_that_are_no_masks(content: bytes, message: str):
    """The reason is in the message."""
    with pytest.raises(RunError, match=message):
        decode_mask(content, "it")


COLORS = ((128, 0, 0), (0, 128, 64), (255, 255, 255), (0, 0, 1))
COLORED = np.array(COLORS, np.uint8)[VALUES]
COLORED_PALETTE = Image.fromarray(VALUES).convert("P")
COLORED_PALETTE.putpalette([channel for color in COLORS for channel in color])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded(Image.fromarray(COLORED)), VALUES),
        (encoded(Image.fromarray(COLORED).convert("RGBA")), VALUES),
        (encoded(COLORED_PALETTE), VALUES),
        (encoded(Image.fromarray(VALUES * 0 + 255)), VALUES * 0 + 2),
        (encoded(Image.fromarray(COLORED), exif=TURNED), np.rot90(VALUES, -1)),
    ],
)
def test_masks_of_colors(content: bytes, expected: np.ndarray):
    """A class for each color, and no new ones in another size."""
    config = ImageConfig(pixels="classes", class_colors=COLORS)
    decoder = make_target_decoder(config, content, "it", None)
    np.testing.assert_array_equal(decoder.decode(content, "it"), expected)
    half = decoder.resized(1, 2).decode(content, "it")
    height, width = expected.shape
    rows, columns = np.array([height // 2]), np.array([1, 3]) * width // 4
    np.testing.assert_array_equal(half, expected[rows[:, np.newaxis], columns])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            encoded(Image.fromarray(COLORED + 1)),
            r"has the color \[129, 1, 1\], and 'class_colors' has \[128, 0, 0\], \[0, 128, 64\],",
        ),
        (encoded(Image.fromarray(COLORED), "JPEG"), "format JPEG, which does not keep the values"),
        (encoded(Image.fromarray(VALUES.astype(np.uint16))), "the pixels I;16, which have no"),
    ],
)
def test_masks_of_other_colors(content: bytes, message: str):
    """An unknown color is an error that shows it."""
    config = ImageConfig(pixels="classes", class_colors=COLORS)
    with pytest.raises(RunError, match=message):
        make_target_decoder(config, content, "it", None).decode(content, "it")


def test_masks_of_more_bits_than_the_first(folder: Path):
    """A class above 255 does not fit."""
    Image.fromarray(np.full((6, 5), 300, np.uint16)).save(folder / "mask/2.png")
    path = write_table(folder / "table.csv", COLUMNS)
    mask = image("id", path="mask/{}.png", pixels="classes")
    dataset = load(source_of(path, left=image("file"), target=mask))
    with pytest.raises(RunError, match=r"mask/2.png' has the pixel value 300, .* 'bits: 16'"):
        dataset.targets["target"].numpy(np.arange(COUNT))


def test_limit_of_names(monkeypatch: pytest.MonkeyPatch):
    """A table may be endless, but not its names in memory."""
    files = ExampleFiles(ExampleFile(DataPath(str(n % 2)), (f"é{n}", "x.png")) for n in range(9))
    assert files[8] == files[-1] == ExampleFile(DataPath("0"), ("é8", "x.png"))
    assert [each.parts[0] for each in files[2:4]] == ["é2", "é3"]
    monkeypatch.setattr(example_files, "_MAX_BYTES", 150)
    with pytest.raises(RunError, match="the names of files take more than 150 B"):
        files.append(files[0])


NET = """
archbuilder: 1
name: net
inputs: {left: [6, 5, 3], right: [6, 5, 1]}
layers:
  - {Concatenate: , name: both, from: [left, right]}
  - {Conv2D: {filters: 3, kernel_size: 1, activation: softmax}, name: mask}
outputs: {mask: mask}
data:
  csv:
    file: table.csv
    inputs:
      left: {column: file, image: true}
      right: {column: twin, image: {size: [6, 5]}}
    target: {mask: {column: id, image: {path: "mask/{}.png", pixels: classes}}}
training:
  loss: {SparseCategoricalCrossentropy: {ignore_class: 255}}
  epochs: 2
  batch_size: 2
  validation_split: 0
  checkpoint_every_seconds: 0
  augment: [RandomFlip]
"""


def test_more_classes_than_outputs(folder: Path, capsys: pytest.CaptureFixture[str]):
    """Their number is known before the first mask is read; the ignored one does not count."""
    write_table(folder / "table.csv", COLUMNS)
    for key, classes, ignored, status in (
        ("class_values", [0, 2, 255, 7], 255, 1),
        ("class_colors", [[each] * 3 for each in (0, 2, 255, 7)], 2, 1),
        ("class_values", [0, 2, 255, 7], 3, 0),
    ):
        text = NET.replace("pixels: classes", f"pixels: classes, {key}: {classes}")
        text = text.replace("ignore_class: 255", f"ignore_class: {ignored}")
        (folder / "net.yaml").write_text(text)
        assert main(["inspect-data", str(folder / "net.yaml")]) == status
        message = f"'{key}' lists 4 classes, but the output 'mask' has 3 classes"
        assert (message in capsys.readouterr().err) == (status != 0)


def test_run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Training, resume and prediction on a table without targets; wrong labels name their file."""
    monkeypatch.chdir(folder)
    table = write_table(folder / "table.csv", COLUMNS)
    Path("net.yaml").write_text(NET)
    assert main(["train", "net.yaml", "--run-dir", "whole"]) == 0
    assert "column 'id': 4 masks, the first of 6x5" in capsys.readouterr().out
    assert main(["train", "net.yaml", "--run-dir", "part", "--epochs", "1"]) == 0
    assert main(["train", "--resume", "part", "--epochs", "2"]) == 0
    model, resumed_model = (
        keras.saving.load_model(f"{run}/net.keras") for run in ("whole", "part")
    )
    pairs = zip(resumed_model.get_weights(), model.get_weights(), strict=True)
    for resumed, expected in pairs:
        np.testing.assert_array_equal(resumed, expected)
    write_table(folder / "new.csv", {"twin": COLUMNS["twin"][1:], "file": COLUMNS["file"][1:]})
    capsys.readouterr()
    assert main(["predict", "whole", "new.csv", "--format", "jsonl"]) == 0
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    values = np.array([each["values"] for each in lines if "values" in each])
    inputs = {
        "left": pixels(folder, "left/{}.png")[1:] / 255,
        "right": pixels(folder, "right{}.bmp")[1:, ..., np.newaxis] / 255,
    }
    np.testing.assert_allclose(values, model(inputs), rtol=1e-4)
    assert main(["predict", "whole", "left/1.png"]) == 1
    assert "one array for the inputs" in capsys.readouterr().err
    Image.fromarray(np.full((6, 5), 7, np.uint8)).save("mask/3.png")
    assert main(["train", "net.yaml", "--run-dir", "wrong"]) == 1
    message = "the first invalid one is in column 'id' of line 5 of 'table.csv': 'mask/3.png'"
    assert message in capsys.readouterr().err
    assert table.path.endswith("table.csv")


MASKED_INPUT = """
archbuilder: 1
name: net
inputs: {regions: {shape: [3, 4], dtype: int32}}
layers: [{Embedding: {input_dim: 3, output_dim: 2}}, GlobalAveragePooling2D, {Dense: 1}]
data:
  csv:
    file: table.csv
    inputs: {regions: {column: id, image: {path: "mask/{}.png", SETTINGS}}}
    target: y
training: {loss: MeanSquaredError, epochs: 1}
"""


def test_masks_as_inputs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """They are indices in the size of the input, and those out of range are named."""
    monkeypatch.chdir(folder)
    write_table(folder / "table.csv", COLUMNS)
    settings = "pixels: classes, class_values: [0, 2, 255]"
    Path("net.yaml").write_text(MASKED_INPUT.replace("SETTINGS", settings))
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    Path("net.yaml").write_text(MASKED_INPUT.replace("SETTINGS", "pixels: classes"))
    assert main(["train", "net.yaml", "--run-dir", "wrong"]) == 1
    assert "has 255 in column 'id', and the input 'regions' feeds" in capsys.readouterr().err


POINTS = [[1, 2, 3, 4], [0, 0, 5, 6], [2.5, 3, 5, 6], [1, 1, 2, 2]]
BOXES = {name: [row[column] for row in POINTS] for column, name in enumerate("abcd")}
SIZES = np.array([[5, 6], [5, 6], [6, 5], [10, 3]])
"""The width and height of the images below: the third one is turned by its EXIF data."""


@pytest.fixture
def sizes(folder: Path) -> Path:
    """Pictures of several sizes."""
    Image.new("RGB", (5, 6)).save(folder / "left/2.png", exif=TURNED)
    Image.new("L", (10, 3)).save(folder / "left/3.png")
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_coordinates_are_fractions_of_the_size(sizes: Path, kind: str):
    """Keypoints and boxes of images that are resized, each by the size of its own file."""
    columns = {**COLUMNS, **BOXES}
    if kind != "csv":
        columns["points"] = POINTS
    path = write_table(sizes / f"table.{kind}", columns)
    features = {
        "left": image("file"),
        "corner": FeatureConfig(columns=("a", "b"), relative_to="left"),
        "target": FeatureConfig(columns=("a", "b", "c", "d"), relative_to="left"),
    }
    if kind != "csv":
        features["target_list"] = FeatureConfig("points", relative_to="left")
    examples = load(source_of(path, **features))
    fractions = np.array(POINTS) / np.tile(SIZES, 2)
    for column in examples.targets.values():
        np.testing.assert_allclose(all_rows(column), fractions, rtol=1e-6)
    np.testing.assert_allclose(all_rows(examples.inputs["corner"].column), fractions[:, :2], 1e-6)
    assert not examples.raw_features
    # Large columns are on the disk, and scaled when they are read.
    source = replace(source_of(path, **features), cache=False)
    np.testing.assert_allclose(all_rows(load(source).targets["target"]), fractions, rtol=1e-6)


def test_kinds_of_coordinates(sizes: Path):
    """Vertical numbers may come first, and fractions stay as they are."""
    fractions = {f"rel_{name}": [each / 8 for each in values] for name, values in BOXES.items()}
    path = write_table(sizes / "table.csv", {**COLUMNS, **BOXES, **fractions})
    kinds = {"xywh": BOXES, "yxyx": BOXES, "rel_xyxy": fractions, "points": BOXES}
    features = {
        f"target_{kind}": FeatureConfig(
            columns=tuple(columns), relative_to="left", coordinates=kind
        )
        for kind, columns in kinds.items()
    }
    targets = load(source_of(path, left=image("file"), **features)).targets
    numbers, divisors = np.array(POINTS), np.tile(SIZES, 2)
    expected = {"yxyx": numbers / divisors[:, ::-1], "rel_xyxy": numbers / 8}
    for kind in kinds:
        values = all_rows(targets[f"target_{kind}"])
        np.testing.assert_allclose(values, expected.get(kind, numbers / divisors), rtol=1e-6)
    six = FeatureConfig(columns=(*"abcdab",), relative_to="left", coordinates="xyxy")
    with pytest.raises(RunError, match="'a' and 5 more has 6 coordinates, but a box has four"):
        load(source_of(path, left=image("file"), target=six))


def test_coordinates_that_are_no_pairs(folder: Path):
    """They are horizontal and vertical by turns."""
    path = write_table(folder / "table.csv", {**COLUMNS, **BOXES})
    target = FeatureConfig(columns=("a", "b", "c"), relative_to="left")
    with pytest.raises(RunError, match=r"'a' and 2 more has 3 coordinates, but they are pairs"):
        load(source_of(path, left=image("file"), target=target))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("image: yes please", "'image' must be `true` or a mapping, not a string 'yes please'"),
        ("image: true, normalize: true", "has 'normalize' for numbers and 'image' for images"),
        ("image: true, vocabulary: true", "has both 'vocabulary' and 'image'"),
        ("image: {path: a.png}", "without '..', and have one '{}' for the name in the column"),
        ("image: {path: '../{}'}", "which must be relative to the table, without '..'"),
        ("image: {pixels: classes, channels: 3}", "has 'channels', which 'pixels: classes' do"),
        ("image: {class_values: [1]}", "has 'class_values', which needs 'pixels: classes'"),
        ("image: {pixels: classes, class_values: [1, 1]}", "has 1 twice in 'class_values'"),
        ("image: {class_colors: [[1, 2, 3]]}", "has 'class_colors', which needs 'pixels: classes'"),
        (
            "image: {pixels: classes, class_colors: [[1, 2, 3], [1, 2, 3]]}",
            "has [1, 2, 3] twice in 'class_colors'",
        ),
        (
            "image: {pixels: classes, class_values: [1], class_colors: [[1, 2, 3]]}",
            "has 'class_values', 'class_colors': write only one of them",
        ),
        (
            "image: {pixels: classes, class_colors: [[1, 2]]}",
            "'class_colors' must be a list of values, each a list of 3 values, each an integer",
        ),
        ("image: {pixels: masks}", "'pixels' must be values or classes, not a string 'masks'"),
        ("image: {sizes: 3}", "did you mean 'size'"),
        ("image: true, relative_to: right", "has 'relative_to' and 'image'"),
        ("image: true, coordinates: points", "has 'coordinates', which needs 'relative_to'"),
        ("relative_to: right, coordinates: xyxyx", "'coordinates' must be points, xyxy,"),
        ("relative_to: twin", "has coordinates relative to 'twin', which is not an input with an"),
    ],
)
def test_invalid_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: str, message: str
):
    """They are errors of the blueprint, found without the data."""
    blueprint = NET.replace("column: file, image: true", f"column: file, {settings}")
    (tmp_path / "net.yaml").write_text(blueprint)
    assert main(["validate", str(tmp_path / "net.yaml")]) == 2
    assert message in capsys.readouterr().err


def test_target_without_its_meaning(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Whether pixels are classes cannot be seen."""
    (tmp_path / "net.yaml").write_text(NET.replace(", pixels: classes", ""))
    assert main(["validate", str(tmp_path / "net.yaml")]) == 2
    assert "has an 'image' without 'pixels': write 'pixels: classes'" in capsys.readouterr().err
