"""Objectives in recipes: their errors, their files, and what a run records of them."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from archbuilder.cli import main

BLUEPRINT = """archbuilder: 1
name: net
params: {weight: 2}
networks:
  net: {inputs: {x: [3]}, layers: [{Dense: 2}]}
  second: {inputs: {z: [2]}, layers: [{Dense: 2}]}
data: {npz: {file: data.npz, inputs: {x: x}, targets: {y: y}}}
training:
  objective:
    inputs: [x, y]
    layers:
      - {net: , from: x, name: prediction}
      - {losses.MeanSquaredError: , from: [y, prediction], name: error}
      - {second: , from: prediction, name: other}
    metrics: {other: other}
    minimize: {error: $weight}
"""
MINIMIZE = "minimize: {error: $weight}"
UPDATE = "updates: {a: {minimize: error, "


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("shift.npy", np.float32([0, -0.5, -1]))
    np.savez("data.npz", x=np.ones((10, 3), np.float32), y=np.ones((10, 2), np.float32))
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (MINIMIZE, "minimize: eror", "net.yaml:16:15: there is no earlier step 'eror'"),
        (MINIMIZE, "minimize: {error: big}", "net.yaml:16:23: the weight of 'error' must be a"),
        (MINIMIZE, "minimize: {error: $wait}", "net.yaml:16:23: there is no parameter 'wait'"),
        (MINIMIZE, "minimise: error", "net.yaml:16:5: the objective has no key 'minimise'"),
        (MINIMIZE, "minimize: {}", "net.yaml:16:15: 'minimize' must be at least one loss"),
        (
            MINIMIZE,
            "minimize: error\n    copy: {}",
            "net.yaml:17:5: the objective has no key 'copy'",
        ),
        (MINIMIZE, "copies: {}", "net.yaml:9:3: the objective has nothing to minimize"),
        (
            MINIMIZE,
            "minimize: error\n    updates: {a: {minimize: error}}",
            "net.yaml:16:5: 'minimize' stands beside",
        ),
        (MINIMIZE, "updates: {}", "net.yaml:16:14: 'updates' must be at least one update"),
        (
            MINIMIZE,
            "minimize: {error: 1, loss: {of: other, weight: 2}}",
            "net.yaml:16:37: the logs would have 'loss' twice",
        ),
        ("{other: other}", "{loss: other}", "net.yaml:15:21: the logs would have 'loss' twice"),
        ("{other: other}", "{val_a: other}", "net.yaml:15:22: the logs have 'val_a' for something"),
        (
            MINIMIZE,
            MINIMIZE + "\n    copies: {second: {of: net, momentum: 1}}",
            "net.yaml:17:14: 'second' is also a network, a column, a copy or a memory",
        ),
        (MINIMIZE, UPDATE + "networks: nets}}", "net.yaml:16:46: there is no network 'nets'"),
        (
            MINIMIZE,
            UPDATE + "networks: second}}",
            "net.yaml:16:46: the losses of this update do not depend on 'second'",
        ),
        (MINIMIZE, MINIMIZE + "\n    frozen: nett", "net.yaml:17:13: there is no network 'nett'"),
        (
            MINIMIZE,
            UPDATE + "networks: net}}\n    frozen: net",
            "net.yaml:16:46: 'net' is frozen",
        ),
        (MINIMIZE, UPDATE + "steps: 0}}", "net.yaml:16:43: 'steps' must be an integer"),
        (MINIMIZE, "updates: {a: {steps: 2}}", "net.yaml:16:15: the update 'a' has no 'minimize'"),
        ("{net: ,", "{nets: ,", "net.yaml:12:10: there is no block 'nets'"),
        ("MeanSquaredError", "MeanSquareError", "net.yaml:13:10: there is no layer"),
        ("from: prediction,", "from: predictions,", "net.yaml:14:26: there is no earlier step"),
        ("{other: other}", "{other: others}", "net.yaml:15:22: there is no earlier step 'others'"),
        ("    inputs: [x, y]", "    inputs: []", "net.yaml:10:13: 'inputs' must be at least one"),
        (
            "{second: , from",
            "{TimeDistributed: [ReLU], from",
            "net.yaml:14:10: the TimeDistributed of an objective cannot wrap a block",
        ),
        ("[x, y]", "{x: net.z, y: }", "net.yaml:10:17: the network 'net' has no input 'z'"),
        ("[x, y]", "{x: nett, y: }", "net.yaml:10:17: there is no network 'nett'"),
        (
            MINIMIZE,
            MINIMIZE + "\n    copies: {slow: {of: nett, momentum: 0.5}}",
            "net.yaml:17:25: there is no network 'nett'",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    copies: {slow: {of: net, momentum: 2}}",
            "net.yaml:17:40: the momentum of a copy must be from 0 to 1",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    copies: {slow: {of: net, momentum: {Cosine: 1}}}",
            "net.yaml:17:41: there is no learning rate schedule 'Cosine'",
        ),
        (
            MINIMIZE,
            "minimize: {error: {CosineDecay: {decay_steps: 9%}}}",
            "net.yaml:16:24: CosineDecay needs 'initial_learning_rate'",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    memories: {rows: {of: nothing, length: 3}}",
            "net.yaml:17:27: there is no earlier step 'nothing'",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    memories: {rows: {of: other}}",
            "net.yaml:17:16: the memory 'rows' has no 'length'",
        ),
        (
            "{other: other}",
            "{other: {of: other, function: sin}}",
            "net.yaml:15:44: 'function' is exp or log or sqrt",
        ),
        (
            "{second: , from: prediction",
            "{ReLU: , from: {inputs?: prediction}",
            "net.yaml:14:10: ReLU has no input 'inputs?'",
        ),
        (
            "{second: , from: prediction",
            "{second: , from: {inputs?: prediction}",
            "net.yaml:14:10: second needs the inputs",
        ),
        (
            "{second: , from: prediction",
            "{mask_tokens: 0.1, from: prediction}\n      - {second: , from: prediction",
            "net.yaml:14:10: 'mask_tokens' takes a column of the batch, not 'prediction'",
        ),
        ("{second: ,", "{mask_tokens: {rate: 0}, ", "net.yaml:14:30: 'rate' of mask_tokens must"),
        ("{other: other}", "{other: {of: other}}", "net.yaml:15:15: the metric 'other' has no"),
        (
            MINIMIZE,
            MINIMIZE + "\n    generate: continuations",
            "net.yaml:17:15: 'generate' is continuation or translation",
        ),
        (
            "{second: , from: prediction",
            "{losses.BinaryCrossentropy: {from_logits: auto}, from: [y, x]",
            "net.yaml:14:51: 'from_logits: auto' follows the activation of a network",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    sample: {}",
            "net.yaml:17:5: 'sample' has no 'layers'",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    sample: {inputs: [x, z], layers: [{net: , from: x}]}",
            "net.yaml:17:26: there is no column 'z'",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    sample: {layers: []}",
            "net.yaml:17:22: 'layers' must be at least one step",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    sample: {layers: [{Normal: [2]}, {ops.split: 2}], output: pre}",
            "net.yaml:17:63: there is no earlier step 'pre'",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    sample: {layers: [{Normal: [2]}, second], count: 0}",
            "net.yaml:17:54: 'count' must be an integer of at least 1",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    sample: {layers: [{Normal: {input_of: first}}, second]}",
            "net.yaml:17:43: there is no network 'first'",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    sample: {layers: [{Normal: [2]}, gather]}",
            "net.yaml:17:38: 'gather' is for training, not for samples",
        ),
        (
            MINIMIZE,
            MINIMIZE
            + "\n    copies: {slow: {of: second, momentum: 0.5}}"
            + "\n    sample: {layers: [{Normal: [2]}, slow]}",
            "net.yaml:18:38: samples are of the networks that a run saves, not of the copy 'slow'",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    sample: {layers: [{Normal: [2], repeat: 1000000}]}",
            "net.yaml:17:45: 'repeat' expands one step to 1,000,000",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    probe: {linear: {of: nothing, label: y}}",
            "net.yaml:17:26: there is no earlier step 'nothing'",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    probe: {linear: other}",
            "net.yaml:17:13: the probe needs a column of labels, and there is no column 'label'",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    probe: {knn: {of: other, label: z}}",
            "net.yaml:17:37: the probe needs a column of labels, and there is no column 'z'",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    probe: {knn: {of: other, label: y, neighbors: 0}}",
            "net.yaml:17:51: 'neighbors' must be an integer",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    probe: {knn: {of: other, label: y, temperature: 0}}",
            "net.yaml:17:53: 'temperature' must be",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    probe: {linear: {of: other, label: y, neighbors: 3}}",
            "net.yaml:17:43: the probe 'linear' has no key 'neighbors'",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    probe: {knn: {label: y}}",
            "net.yaml:17:13: the probe 'knn' has no 'of'",
        ),
        (MINIMIZE, MINIMIZE + "\n    probe: {}", "net.yaml:17:12: 'probe' must be one of"),
        (
            "name: other}",
            """name: other}
      - {gather: , from: other, name: all}
    probe: {linear: {of: all, label: y}}""",
            "net.yaml:16:26: the features of a probe depend on the columns of an example, and",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    result: nett",
            "net.yaml:17:13: there is no network 'nett'",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    result: [net]",
            "net.yaml:17:13: 'result' must be the name of a network",
        ),
        (
            MINIMIZE,
            MINIMIZE + "\n    result: net.features",
            "net.yaml:17:13: the network 'net' has no output 'features'",
        ),
        (
            "training:\n",
            "objective: {layers: [], minimize: x}\ntraining:\n",
            "net.yaml:8:1: the objective of a blueprint stands under 'training'",
        ),
        ("{second: ,", "{gradient: ,", "net.yaml:14:10: gradient needs the inputs of, by"),
        (
            "{second: , from: prediction",
            "{gradient: , from: [x, y]",
            "net.yaml:14:10: 'x' does not depend on",
        ),
        ("{second: ,", "{Permutation: 0,", "net.yaml:14:23: 'length' of Permutation must be"),
        ("{second: ,", "{Bernoulli: 2,", "net.yaml:14:21: 'probability' of Bernoulli"),
        (
            "{second: , from: prediction,",
            "{Normal: {input_of: third},",
            "net.yaml:14:29: there is no network",
        ),
        ("{second: ,", "{Normal: {shapes: [2]},", "net.yaml:14:19: Normal has no argument"),
        (
            "{second: , from: prediction,",
            "{Normal: {shape: [2], input_of: second},",
            "net.yaml:14:31: Normal has its shape from 'shape' and 'input_of'; remove one",
        ),
        (
            "{second: ,",
            "{Normal: [2],",
            "net.yaml:14:18: Normal has its shape from 'shape' and 'from'; remove one",
        ),
        (
            "{second: ,",
            "{Uniform: {minval: 2},",
            "net.yaml:14:28: 'minval' of Uniform is 2, above 'maxval', which is 1",
        ),
        (
            "{second: ,",
            "{unshuffle: ,",
            "net.yaml:14:10: the input of 'unshuffle' does not depend on a 'shuffle'",
        ),
        (
            "{second: , from: prediction,",
            '{formula: "prediction * $(channels(prediction))",',
            "net.yaml:14:44: the steps of an objective cannot read shapes",
        ),
    ],
)
def test_wrong_objectives_are_located(
    folder: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
):
    """Each mistake is one error, at its place in the file, before data is read."""
    assert old in BLUEPRINT
    (folder / "net.yaml").write_text(BLUEPRINT.replace(old, new))
    assert main(["validate", "net.yaml", "--error-format", "json"]) == 2
    lines = json.loads(capsys.readouterr().out)
    errors = [line for line in lines if line["severity"] == "error"]
    texts = [f"{e['file']}:{e['line']}:{e['column']}: {e['message']}" for e in errors]
    assert [text[: len(message)] for text in texts] == [message]


UNUSED = [
    (
        "name: other}",
        "name: other}\n      - {losses.MeanSquaredError: , from: [y, other], name: unused}",
        "net.yaml:15:10: no loss, metric or memory depends on this step; it is not part of",
    ),
    ("{other: other}", "{other: error}", "net.yaml:14:10: no loss, metric or memory depends on"),
    ("{other: other}", "{other: other}", "net.yaml:6:3: no loss depends on the network 'second'"),
    (
        MINIMIZE,
        MINIMIZE + "\n    memories: {rows: {of: prediction, length: 3}}",
        "net.yaml:17:16: no loss or metric depends on the memory 'rows'; it is not part of the",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), UNUSED)
def test_unused_parts_are_located(
    folder: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
):
    """Losses, steps, networks and memories without effect on what is minimized are warnings."""
    assert old in BLUEPRINT
    (folder / "net.yaml").write_text(BLUEPRINT.replace(old, new))
    assert main(["validate", "net.yaml", "--error-format", "json"]) == 0
    warnings = json.loads(capsys.readouterr().out)
    assert {each["code"] for each in warnings} == {"unused-step"}
    texts = [f"{w['file']}:{w['line']}:{w['column']}: {w['message']}" for w in warnings]
    assert any(text.startswith(message) for text in texts), texts


def test_frozen_networks_without_weights(folder: Path, capsys: pytest.CaptureFixture[str]):
    """Random weights that nothing trains are a warning, unless a file replaces some of them."""
    frozen = BLUEPRINT.replace("{other: other}", "{size: other}")
    frozen = frozen.replace(MINIMIZE, "minimize: {error: $weight, other: 1}\n    frozen: second")
    for weights, count in (("", 1), ("  weights: {file: a.keras, of: second}\n", 0)):
        (folder / "net.yaml").write_text(frozen + weights)
        assert main(["validate", "net.yaml", "--error-format", "json"]) == 0
        warnings = [f"{e['line']}: {e['message']}" for e in json.loads(capsys.readouterr().out)]
        assert warnings == ["9: the frozen network 'second' keeps its random weights"] * count
        main(["train", "net.yaml"])  # it has no data
        printed = capsys.readouterr().out.count("warning: the frozen network 'second' keeps")
        assert printed == count


FILE = """archbuilder: 1
title: Regression with noise
params: {scale: {type: number, default: 1, minimum: 0}, blocks: 1}
blocks:
  squared:
    inputs: [y, prediction]
    layers: [{losses.MeanSquaredError: , from: [y, prediction]}]
objective:
  networks: net
  inputs: {x: net, y: }
  layers:
    - {Normal: {stddev: $scale}, from: x, name: noise}
    - {Constant: {file: shift.npy}, name: shift}
    - {Add: , from: [x, noise], name: noisy, repeat: $blocks}
    - {formula: noisy + shift, name: input}
    - {slow: , from: input, name: slow_prediction}
    - {net: , from: input, name: prediction}
    - {Dense: 2, name: head}
    - {squared: , from: [y, head], name: error}
    - {formula: (head @ transpose(rows)) ** 2, name: similarity}
  updates:
    first: {minimize: {error: 2, similarity: 1e-3}, steps: 2}
    second: {minimize: error, networks: objective}
  metrics: {noise: {of: noise, function: exp}}
  copies:
    slow:
      of: net
      momentum: {PolynomialDecay: {initial_learning_rate: $scale, decay_steps: 8}}
  memories: {rows: {of: slow_prediction, length: 6}}
  sample:
    layers:
      - {Normal: {stddev: $scale, input_of: net}, name: z}
      - Constant: {file: shift.npy}
      - {formula: z + previous}
      - net
    count: $(2 * blocks)
  result: slow
"""
USER = """archbuilder: 1
name: net
inputs: {x: [3]}
layers: [{Dense: 2}]
data: {npz: {file: data.npz, inputs: {x: x}, targets: {y: y}}}
training:
  objective: OBJECTIVE
  optimizer: {first: {SGD: 0.1}, second: {Adam: 0.01}}
  epochs: 2
  batch_size: 2
"""


def test_objective_of_a_file(folder: Path):
    """It has parameters, blocks and arrays; a resumed run does not need its files."""
    (folder / "noisy.yaml").write_text(FILE)
    (folder / "net.yaml").write_text(USER.replace("OBJECTIVE", "{./noisy.yaml: {scale: 0.5}}"))
    assert main(["validate", "net.yaml", "noisy.yaml"]) == 0
    assert main(["train", "net.yaml", "--run-dir", "whole"]) == 0
    assert main(["train", "net.yaml", "--run-dir", "broken", "--epochs", "1"]) == 0
    (folder / "noisy.yaml").unlink()
    (folder / "shift.npy").unlink()
    assert main(["train", "--resume", "broken", "--epochs", "2"]) == 0
    rows, others = (
        [json.loads(line) for line in (folder / run / "history.jsonl").read_text().splitlines()]
        for run in ("whole", "broken")
    )
    for row in (*rows, *others):
        del row["seconds"]
    assert rows == others
    assert {"first_loss", "first_error", "first_similarity", "second_loss", "noise"} <= {*rows[0]}
    assert main(["evaluate", "whole"]) == 0
    assert main(["sample", "broken", "--output", "samples.npz"]) == 0
    assert main(["predict", "broken", "--output", "predictions.jsonl"]) == 0
    prediction = json.loads(Path("predictions.jsonl").read_text().splitlines()[0])
    slow = keras.saving.load_model("broken/slow.keras")
    # All examples are the same.
    np.testing.assert_allclose([prediction["values"]], slow(np.ones((1, 3))), rtol=1e-4)


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ("./missing.yaml", "net.yaml:7:14: cannot read './missing.yaml'"),
        ("../noisy.yaml", "net.yaml:7:14: '../noisy.yaml' leads out of the directory"),
        ("/etc/noisy.yaml", "net.yaml:7:14: '/etc/noisy.yaml' must be a relative path"),
        ("nosy", "net.yaml:7:14: there is no objective 'nosy'"),
        ("[a]", "net.yaml:7:14: 'objective' must be a name or a mapping, not a list"),
        ("./data.yaml", "net.yaml:7:14: the file './data.yaml' has no 'objective'"),
        (
            "{vae: {}, gan: {}}",
            "net.yaml:7:14: 'objective' names one objective, not 'vae' and 'gan'",
        ),
        ("{}", "net.yaml:7:14: 'objective' names one objective, not none"),
        ("{layer: [], minimize: y}", "net.yaml:7:15: the objective has no 'layers'"),
        ("{minimize: y}", "net.yaml:7:14: the objective has no 'layers'"),
        ("vae", "net.yaml:7:14: the objective 'vae' trains 'encoder' and 'decoder', and this"),
        ("{simclr: {projection: [heads]}}", "net.yaml:7:37: there is no block 'heads'"),
        ("{./noisy.yaml: {scales: 1}}", "net.yaml:7:30: the objective './noisy.yaml' has no"),
        ("{./noisy.yaml: {scale: -1}}", "net.yaml:7:37: the parameter 'scale' must be"),
    ],
)
def test_wrong_files_of_objectives(
    folder: Path, capsys: pytest.CaptureFixture[str], objective: str, message: str
):
    """Errors about a file, or about the arguments for it, are at the place that names it."""
    (folder / "noisy.yaml").write_text(FILE)
    (folder / "data.yaml").write_text("archbuilder: 1\nblocks: {}\n")
    (folder / "net.yaml").write_text(USER.replace("OBJECTIVE", objective))
    assert main(["validate", "net.yaml", "--error-format", "json"]) == 2
    errors = json.loads(capsys.readouterr().out)
    texts = [f"{e['file']}:{e['line']}:{e['column']}: {e['message']}" for e in errors]
    assert [text[: len(message)] for text in texts] == [message]


VAE = """archbuilder: 1
name: vae
networks:
  encoder:
    inputs: {image: [64]}
    layers: [{Dense: 4, name: mean}, {Dense: 4, from: image, name: log_variance}]
    outputs: [mean, log_variance]
  decoder: {inputs: {code: [4]}, layers: [{Dense: {units: 64, activation: sigmoid}}]}
data: digits
training: {objective: vae}
"""


@pytest.mark.parametrize(
    ("old", "new", "message", "step"),
    [
        ("decoder:", "decodr:", "the objective 'vae' trains 'encoder' and 'decoder', and this", ""),
        (
            "log_variance",
            "deviation",
            "'encoder' has no output 'log_variance'",
            "- {formula: encoder.mean + exp(encoder.log_variance / 2) * noise, name: code}",
        ),
        (
            "code: [4]",
            "code: [4], label: [1]",
            "decoder needs the inputs code, label; nothing is given for label",
            "- {decoder: , name: reconstruction}",
        ),
    ],
)
def test_errors_of_the_library_are_at_its_use(
    folder: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str, step: str
):
    """A network that the library cannot use is one error where the library is named."""
    assert old in VAE
    (folder / "net.yaml").write_text(VAE.replace(old, new))
    assert main(["validate", "net.yaml", "--error-format", "json"]) == 2
    lines = json.loads(capsys.readouterr().out)
    (error,) = (line for line in lines if line["severity"] == "error")
    assert (error["file"], error["line"], error["column"]) == ("net.yaml", 10, 23)
    assert error["message"].startswith(message)
    assert step in error["notes"][-1]
    assert not step or "objectives/vae.yaml:" in error["notes"][-1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from: [y, head]", "from: [y, heads]"),
        ("networks: net", "description: net"),
        ("{losses.MeanSquaredError: ,", "{losses.MeanSquareError: ,"),
    ],
)
def test_errors_in_a_file_name_its_use(
    folder: Path, capsys: pytest.CaptureFixture[str], old: str, new: str
):
    """They stay in the file, and say which blueprint uses it."""
    assert old in FILE
    (folder / "noisy.yaml").write_text(FILE.replace(old, new))
    (folder / "net.yaml").write_text(USER.replace("OBJECTIVE", "./noisy.yaml"))
    assert main(["validate", "net.yaml"]) == 2
    errors = capsys.readouterr().err
    assert f"--> {folder}/noisy.yaml:" in errors
    assert "= in objective './noisy.yaml', used at net.yaml:7:14" in errors


def test_blocks_of_a_blueprint_in_arguments(folder: Path, capsys: pytest.CaptureFixture[str]):
    """The blocks and parameters of a blueprint may be arguments of an objective in a file."""
    text = """archbuilder: 1
name: net
params: {width: 4}
inputs: {image: [8, 8]}
layers: [Flatten, {Dense: 3}]
blocks: {head: {params: {units: 8}, layers: [{Dense: $units}, ReLU]}}
data: digits
training:
  objective: {simclr: {projection: [head, {head: $width}]}}
  augment: [{RandomZoom: 0.1}]
"""
    (folder / "net.yaml").write_text(text)
    assert main(["validate", "net.yaml"]) == 0
    assert "no errors" in capsys.readouterr().out


def test_results_without_columns(folder: Path, capsys: pytest.CaptureFixture[str]):
    """A network that predicts needs a column for each input, which only new data may have."""
    (folder / "net.yaml").write_text(BLUEPRINT.replace(MINIMIZE, MINIMIZE + "\n    result: second"))
    assert main(["validate", "net.yaml", "--error-format", "json"]) == 0
    messages = {(e["line"], e["column"]): e["message"] for e in json.loads(capsys.readouterr().out)}
    assert "no column of the objective is for its input 'z'" in messages[17, 13]


def test_networks_of_another_name(folder: Path, capsys: pytest.CaptureFixture[str]):
    """An objective of one network takes any; one of several needs their names."""
    text = FILE.replace("networks: net", "networks: [net, teacher]")
    (folder / "noisy.yaml").write_text(text)
    (folder / "net.yaml").write_text(USER.replace("OBJECTIVE", "./noisy.yaml"))
    assert main(["validate", "net.yaml"]) == 2
    assert "trains 'net' and 'teacher', and this blueprint has: 'net'" in capsys.readouterr().err
    (folder / "noisy.yaml").write_text(FILE)
    (folder / "student.yaml").write_text(
        USER.replace("name: net", "name: student").replace("OBJECTIVE", "./noisy.yaml")
    )
    assert main(["train", "student.yaml", "--run-dir", "run", "--epochs", "1"]) == 0
    assert (folder / "run" / "student.keras").is_file()
