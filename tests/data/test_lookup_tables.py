"""Inputs that are indices into tables, as a graph tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.blueprints import expand
from trainer.test_execution import trained, weights

from archbuilder.cli import main
from archbuilder.config.sources import DataPath, FeatureConfig, Jsonl
from archbuilder.data.lookup_tables import lookup_tables_by_input
from archbuilder.data.position_inputs import unchecked_positions


def sizes(folder: Path, text: str) -> dict[str, int]:
    tables = lookup_tables_by_input(expand(folder, text))
    return {name: each.size for name, (each,) in tables.items()}


@pytest.mark.parametrize(
    ("step", "size"),
    [
        ("Embedding: {input_dim: 10, output_dim: 2}", 10),
        ("ReversibleEmbedding: {input_dim: 10, output_dim: 2}", 10),
        ("CategoryEncoding: {num_tokens: 7}", 7),
        ("ops.one_hot: {num_classes: 5}", 5),
        ("TimeDistributed: {layer: {Embedding: {input_dim: 8, output_dim: 2}}}", 8),
        ("TimeDistributed: {layer: Flatten}", None),
        ("Dense: 3", None),
    ],
)
def test_index_operations(tmp_path: Path, step: str, size: int | None):
    """Each has another name for the size of its table."""
    text = f"inputs: {{ids: {{shape: [4, 1], dtype: int32}}}}\nlayers: [{{{step}}}]"
    assert sizes(tmp_path, text) == ({} if size is None else {"ids": size})


def test_smallest_lookup_table_of_an_input(tmp_path: Path):
    """An input is followed, and forgotten where its values are computed with."""
    text = """
inputs: {a: {shape: [4], dtype: int32}, b: {shape: [4], dtype: int32}, c: [4]}
layers:
  - {Concatenate: , from: [a, b], name: both}
  - Reshape: [2, 4]
  - {Embedding: {input_dim: 9, output_dim: 2}, name: wide}
  - {Embedding: {input_dim: 5, output_dim: 2}, from: b, name: narrow}
  - {ops.mod: {x2: 3}, from: a, name: small}
  - {Embedding: {input_dim: 3, output_dim: 2}, from: small, name: last}
  - {Dense: 1, from: c, name: dense}
outputs: {wide: wide, narrow: narrow, last: last, dense: dense}
"""
    assert sizes(tmp_path, text) == {"a": 9, "b": 5}


PARTS = """
inputs: {x: {shape: [4], dtype: float32}}
layers:
  - {ops.split: {indices_or_sections: [1, 2], axis: 1}, name: cut}
  - {Embedding: {input_dim: 9, output_dim: 2}, from: cut.0, name: split}
  - {Dense: 1, from: cut.1, name: dense}
  - {ops.slice: {start_indices: [0, 1], shape: [null, 1]}, from: cut.2, name: sliced}
  - {ops.cast: int32, name: integers}
  - {Embedding: {input_dim: 7, output_dim: 2}, name: slice}
  - {ops.unstack: {axis: 1}, from: x, name: single}
  - {Embedding: {input_dim: 5, output_dim: 2}, from: single.3, name: unstack}
  - {ops.take: {indices: 2, axis: -1}, from: x, name: taken}
  - {ops.cast: bool, from: x, name: signs}
  - {Embedding: {input_dim: 2, output_dim: 2}, from: signs, name: cast}
  - {Embedding: {input_dim: 3, output_dim: 2}, from: taken, name: take}
outputs: {a: split, b: dense, c: slice, d: unstack, e: take, f: cast}
"""


def test_lookup_tables_of_input_slices(tmp_path: Path):
    """Each has its own table, or none; a cast to integers may drop fractions."""
    (tables,) = lookup_tables_by_input(expand(tmp_path, PARTS)).values()
    sizes = {(each.positions, each.truncated): each.size for each in tables}
    assert sizes == {((0,), False): 9, ((3,), True): 7, ((3,), False): 5, ((2,), False): 3}


GRAPH = """
inputs:
  nodes: [null, 3]
  edges: {shape: [null, 2], dtype: int32}
  ends: {shape: [6], dtype: int32}
layers:
  - {ops.split: {indices_or_sections: 2, axis: 2}, from: edges, name: cut}
  - {ops.take_along_axis: {axis: 1}, from: {x: nodes, indices: cut.1}, name: sent}
  - {Reshape: [-1], from: ends, name: segments}
  - {SegmentSum: , from: [sent, segments, nodes], name: sums}
"""


def test_positions_without_lists(tmp_path: Path):
    """Inputs that reach the positions of an operation, unless their feature says of what."""
    graph = expand(tmp_path, GRAPH)
    columns = {"nodes": "nodes", "edges": "edges", "ends": "ends"}
    source = Jsonl(DataPath("t.jsonl"), inputs=columns)
    assert [*unchecked_positions(graph, source)] == [
        f"the input '{name}' has positions for '{node}, of which wrong ones take other values:"
        " 'positions_of' in its feature checks them"
        for name, node in (("edges", "sent' (ops.take_along_axis)"), ("ends", "sums' (SegmentSum)"))
    ]
    features = {name: FeatureConfig(name, positions_of=9) for name in ("edges", "ends")}
    checked = Jsonl(DataPath("t.jsonl"), inputs={**columns, **features})
    assert not [*unchecked_positions(graph, checked)]


def test_negative_index_in_a_slice(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """It is an error with its column, and a negative quantity beside it is not."""
    layers = """
layers:
  - {ops.split: {indices_or_sections: 2, axis: 1}, name: cut}
  - {Embedding: {input_dim: 10, output_dim: 4}, from: cut.0}
  - {Flatten: , name: vectors}
  - {Concatenate: , from: [vectors, cut.1]}
  - {Dense: 1}
"""
    old = "layers: [{Embedding: {input_dim: 10, output_dim: 4}}, Flatten, {Dense: 1}]"
    text = NET.replace("int32", "float32").replace(old, layers)
    (tmp_path / "good.csv").write_text("user,age,y\n1,-0.5,0\n9,-2,1\n3,100,1\n")
    trained(tmp_path, text, "good")
    capsys.readouterr()
    (tmp_path / "good.csv").write_text("user,age,y\n0.5,-0.5,0\n9.9,-2,1\n")
    cast = text.replace(", from: cut.0}", "}").replace(
        "name: cut}\n", "name: cut}\n  - {ops.cast: int32, from: cut.0}\n"
    )
    trained(tmp_path, cast, "cast")
    for index in (-1, 10, 0.5):
        (tmp_path / "good.csv").write_text(f"user,age,y\n1,-0.5,0\n{index},-2,1\n")
        assert main(["train", str(tmp_path / "good.yaml"), "--run-dir", str(tmp_path / "bad")]) == 1
        assert f"good.csv' has {index} in column 'user'" in capsys.readouterr().err


NET = """
archbuilder: 1
name: net
inputs: {ids: {shape: [2], dtype: int32}}
layers: [{Embedding: {input_dim: 10, output_dim: 4}}, Flatten, {Dense: 1}]
data: {csv: {file: good.csv}}
training: {loss: MeanSquaredError, epochs: 1}
"""


def test_out_of_range_index_names_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Before the first step, in validation data too, and of a trained network."""
    (tmp_path / "net.yaml").write_text(NET)
    (tmp_path / "good.csv").write_text("user,item,y\n1,2,0\n3,4,1\n5,9,1\n")
    (tmp_path / "bad.csv").write_text("user,item,y\n1,2,0\n3,10,1\n")
    both = "{train: {csv: {file: good.csv}}, validation: {csv: {file: bad.csv}}}"
    (tmp_path / "both.yaml").write_text(NET.replace("{csv: {file: good.csv}}", both))
    net, bad, run = (str(tmp_path / name) for name in ("net.yaml", "bad.csv", "run"))
    assert main(["train", net, "--run-dir", run]) == 0
    for command in (
        ["train", net, "--data", bad, "--run-dir", str(tmp_path / "none")],
        ["train", str(tmp_path / "both.yaml"), "--run-dir", str(tmp_path / "none")],
        ["inspect-data", net, "--data", bad],
        ["predict", run, bad],
        ["evaluate", run, "--data", bad],
    ):
        capsys.readouterr()
        assert main(command) == 1, command
        assert "bad.csv' has 10 in column 'item'" in (errors := capsys.readouterr().err), command
        named = "--data" in command or command[0] == "predict"
        assert f"{'error' if named else 'error[invalid-data]'}: line 3 of" in errors
    assert not (tmp_path / "none").exists()


IDS = """
archbuilder: 1
name: net
inputs: {ids: {shape: [1], dtype: DTYPE}}
layers: [LAYERS, Flatten, {Dense: {units: 1, kernel_initializer: ones}}]
data: {csv: ids.csv}
training:
  loss: MeanSquaredError
  optimizer: {SGD: 0.1}
  epochs: 1
  validation_split: 0
  dtype_policy: mixed_bfloat16
"""
ONES = "{input_dim: 1024, output_dim: 2, embeddings_initializer: ones}"


@pytest.mark.parametrize(
    ("dtype", "layers"),
    [
        ("float32", f"{{Reshape: [1]}}, {{Embedding: {ONES}}}"),
        ("float32", f"Flatten, {{ops.abs: }}, Identity, {{ReversibleEmbedding: {ONES}}}"),
        ("float32", f"{{Reshape: [1, 1]}}, {{TimeDistributed: {{layer: {{Embedding: {ONES}}}}}}}"),
        ("float32", "{CategoryEncoding: {num_tokens: 1024}}"),
        ("int32", "{CategoryEncoding: {num_tokens: 1024}}"),
        ("int32", "{CategoryEncoding: {num_tokens: 1024, output_mode: one_hot}}"),
    ],
)
def test_indices_keep_precision(tmp_path: Path, dtype: str, layers: str):
    """A table of 1024 rows learns those of its indices, where layers compute in bfloat16."""
    ids = [1000, 1001, 1002, 1003]
    lines = "".join(f"{each},{index + 5}\n" for index, each in enumerate(ids))
    (tmp_path / "ids.csv").write_text(f"id,y\n{lines}")
    text = IDS.replace("DTYPE", dtype).replace("LAYERS", layers)
    arrays = weights(trained(tmp_path, text, "run")).values()
    (table,) = (array for array in arrays if array.ndim == 2 and len(array) == 1024)
    assert np.flatnonzero((table != 1).any(axis=-1)).tolist() == ids
