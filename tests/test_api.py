"""The Python interface: blueprints, and the functions that train networks and use them."""

from __future__ import annotations

import json
import random
import shutil
import signal
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.blueprints import write
from helpers.objectives import CAUSAL, GAN

import archbuilder
from archbuilder import BlueprintError, Limits, UsageError, zoo
from archbuilder.cli import main
from archbuilder.training import RunResult

TEXT = """
params:
  classes: 10
  widths: {type: array, items: {type: integer, minimum: 1}, default: [8, 4]}
  bias: true
  rate: {type: number, minimum: 0, default: 0.0}
variants:
  small: {widths: [2]}
  smaller: {widths: [1], classes: 2}
inputs: {x: [6]}
layers:
  - for: {width: $widths}
    layers: [{Dense: {units: $width, use_bias: $bias, activation: relu}}, {Dropout: $rate}]
  - Dense: $classes
"""
NETWORKS = """
networks:
  writer: {inputs: {noise: [3]}, layers: [{Dense: 4}]}
  reader: {inputs: {text: [4]}, layers: [{Dense: 1}]}
"""


def parameters(blueprint: archbuilder.Blueprint, **params: object) -> int:
    """The number of parameters with these values."""
    (analysis,) = blueprint.analyze(**params).values()
    return analysis.parameters


def test_parameter_precedence(tmp_path: Path) -> None:
    """Each takes the place of the one behind it, parameter by parameter."""
    blueprint = archbuilder.load(write(tmp_path, TEXT))
    assert parameters(blueprint) == 6 * 8 + 8 + 8 * 4 + 4 + 4 * 10 + 10
    assert parameters(blueprint, variant="smaller") == 6 + 1 + 2 + 2
    assert parameters(blueprint, variant="smaller", classes=3) == 6 + 1 + 3 + 3
    assert parameters(blueprint, variant="small", bias=False) == 6 * 2 + 2 * 10 + 10
    assert parameters(blueprint, widths=(5,)) == 6 * 5 + 5 + 5 * 10 + 10


def test_variant_after_a_colon(tmp_path: Path) -> None:
    """`net.yaml:small` is `small` wherever no other variant is named."""
    path = write(tmp_path, TEXT)
    blueprint = archbuilder.load(f"{path}:smaller")
    assert blueprint.variant == "smaller"
    assert parameters(blueprint) == 11
    assert parameters(blueprint, variant="small") == 6 * 2 + 2 + 2 * 10 + 10


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"clases": 3}, "unknown-parameter"),
        ({"variant": "huge"}, "unknown-variant"),
        ({"widths": [0]}, "out-of-range"),
        ({"widths": [True]}, "type-mismatch"),
        ({"widths": 8}, "type-mismatch"),
        ({"classes": 2.5}, "type-mismatch"),
        ({"classes": "ten"}, "type-mismatch"),
        ({"rate": 2}, "out-of-range"),
    ],
    ids=str,
)
def test_invalid_parameters(tmp_path: Path, params: dict[str, object], code: str) -> None:
    """What is given from Python is judged as what stands in a file."""
    blueprint = archbuilder.load(write(tmp_path, TEXT))
    with pytest.raises(BlueprintError) as caught:
        blueprint.validate(**params)
    assert [each.code for each in caught.value.diagnostics] == [code]


@pytest.mark.parametrize("value", [{1}, {"a": {1}}, b"x", np.float32(1), [{1}]], ids=repr)
def test_parameters_must_be_plain_values(tmp_path: Path, value: object) -> None:
    """Anything else is the mistake of a program, not of a blueprint."""
    blueprint = archbuilder.load(write(tmp_path, TEXT))
    with pytest.raises(UsageError, match="a number, a string"):
        blueprint.compile(rate=value)


def test_strings_from_python_are_not_expressions(tmp_path: Path) -> None:
    """Neither is what a program passes on from its own users."""
    text = "params: {word: relu}\ninputs: {x: [4]}\nlayers: [{Activation: $word}]"
    blueprint = archbuilder.load(write(tmp_path, text))
    assert parameters(blueprint, word="tanh") == 0
    with pytest.raises(BlueprintError) as caught:
        blueprint.compile(word="$('ta' + 'nh')")
    assert "tanh" not in str(caught.value.diagnostics[0].message)


def test_compile_returns_a_model_or_a_dictionary(tmp_path: Path) -> None:
    """By the names of the networks."""
    single = archbuilder.load(write(tmp_path, TEXT)).compile()
    assert isinstance(single, keras.Model)
    models = archbuilder.load(write(tmp_path, NETWORKS, "pair.yaml")).compile()
    assert isinstance(models, dict)
    assert {name: model.output_shape for name, model in models.items()} == {
        "writer": (None, 4),
        "reader": (None, 1),
    }


def test_compiling_twice_gives_two_models(tmp_path: Path) -> None:
    """They share no weights, and with the same seed they are equal."""
    blueprint = archbuilder.load(write(tmp_path, TEXT))
    models = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        model = blueprint.compile()
        assert isinstance(model, keras.Model)
        models.append(model)
    first, second = models
    x = np.ones((2, 6), "float32")
    np.testing.assert_array_equal(first(x), second(x))
    first.layers[1].kernel.assign(first.layers[1].kernel * 2)
    assert not np.array_equal(first(x), second(x))


def test_the_expanded_blueprint_is_the_same_model(tmp_path: Path) -> None:
    """With the same seed also the same weights."""
    blueprint = archbuilder.load(write(tmp_path, TEXT))
    expanded = archbuilder.load(write(tmp_path, blueprint.expand(classes=7), "expanded.yaml"))
    outputs = []
    for model in (lambda: blueprint.compile(classes=7), expanded.compile):
        keras.utils.set_random_seed(3)
        outputs.append(np.asarray(model()(np.ones((2, 6), "float32"))))  # type: ignore[operator]
    np.testing.assert_array_equal(*outputs)


def test_limits_hold_for_later_calls(tmp_path: Path) -> None:
    """Also for what is done later."""
    path = write(tmp_path, TEXT)
    blueprint = archbuilder.load(path, limits=Limits(expanded_steps=4))
    with pytest.raises(BlueprintError, match="steps"):
        blueprint.validate()
    blueprint = archbuilder.load(path, limits=Limits(memory_bytes=100))
    assert blueprint.validate() == ()
    with pytest.raises(BlueprintError, match="memory"):
        blueprint.compile()


def test_load_from_the_library() -> None:
    """With a variant behind a colon."""
    assert archbuilder.load("vgg:11").variant == "11"


@pytest.mark.parametrize("ending", ["", ".yaml"])
def test_a_colon_without_a_variant(tmp_path: Path, ending: str) -> None:
    """It does not stand for the default, unless it belongs to the name of a file."""
    with pytest.raises(UsageError, match="variant is missing after the colon"):
        archbuilder.load(f"vgg{ending}:")
    path = tmp_path / "net.yaml"
    path.write_text(zoo.path("vgg").read_text())
    with pytest.raises(UsageError, match="variant is missing after the colon"):
        archbuilder.load(f"{path}:")
    path.rename(f"{path}:")
    assert archbuilder.load(f"{path}:").name == "vgg"
    with pytest.raises(UsageError, match="did you mean 'resnet'"):
        archbuilder.load("resnett")
    with pytest.raises(UsageError, match="not an empty string"):
        archbuilder.load("")
    with pytest.raises(UsageError, match="there is no such file"):
        archbuilder.load("nets/mine")


NET = """
inputs: {image: [8, 8]}
layers: [Flatten, Dense: {units: 10, activation: softmax}]
data: digits
training:
  loss: SparseCategoricalCrossentropy
  metrics: [accuracy]
  optimizer: {Adam: 0.01}
  epochs: 2
  batch_size: 64
  steps_per_execution: 1
"""


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs on the digits, by one call."""
    folder = tmp_path_factory.mktemp("digits")
    archbuilder.train(write(folder, NET, "net.yaml"), run_dir=folder / "run", command=["a", "b"])
    return folder / "run"


def weights_of(result: RunResult) -> list[np.ndarray]:
    """The weights of the only network."""
    (model,) = result.models.values()
    return [np.asarray(each) for each in model.weights]


def test_train_returns_models_history_and_metrics(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Arguments override the recipe, nothing is printed, and all lines go to `log`."""
    blueprint = archbuilder.load(write(tmp_path, NET))
    lines: list[str] = []
    result = archbuilder.train(
        blueprint, run_dir=tmp_path / "run", epochs=1, batch_size=128, seed=0, log=lines.append
    )
    assert capfd.readouterr() == ("", "")
    assert lines[-1] == f"Saved {tmp_path / 'run' / 'net.keras'}"
    assert isinstance(result.models["net"], keras.Model)
    assert len(result.history) == 1
    assert result.val_metrics["accuracy"] == result.history[0]["val_accuracy"]
    recipe = json.loads((tmp_path / "run" / "run.json").read_text())["recipe"]["training"]
    assert (recipe["epochs"], recipe["batch_size"], recipe["seed"]) == (1, 128, 0)
    for loaded, trained in zip(
        keras.saving.load_model(result.files["net"]).weights, weights_of(result), strict=True
    ):
        np.testing.assert_array_equal(loaded, trained)


def test_train_equals_the_command(digits_run: Path, tmp_path: Path) -> None:
    """With the same seed the weights are the same, and the run records its command line."""
    blueprint = write(tmp_path, NET)
    assert main(["train", str(blueprint), "--run-dir", str(tmp_path / "run")]) == 0
    models = [
        keras.saving.load_model(each / "net.keras") for each in (digits_run, tmp_path / "run")
    ]
    for first, second in zip(*(each.weights for each in models), strict=True):
        np.testing.assert_array_equal(first, second)
    manifest = json.loads((digits_run / "run.json").read_text())
    assert manifest["command"] == ["a", "b"]


def test_train_with_parameters_and_other_data(tmp_path: Path) -> None:
    """A path of any kind names the data, and a variant may follow after a colon."""
    head = "params: {classes: 3}\nvariants: {two: {classes: 2}}\n"
    blueprint = write(tmp_path, head + NET.replace("units: 10", "units: $classes"))
    images = np.random.default_rng(0).random((40, 8, 8), np.float32)
    np.savez(tmp_path / "data.npz", x=images, y=np.arange(40) % 2)
    options = {"data": tmp_path / "data.npz", "epochs": 1}
    result = archbuilder.train(f"{blueprint}:two", run_dir=tmp_path / "a", **options)
    assert result.models["net"].output_shape == (None, 2)
    result = archbuilder.train(
        blueprint, run_dir=tmp_path / "b", params={"classes": 5}, distribute="none", **options
    )
    assert result.models["net"].output_shape == (None, 5)


def test_resume_continues_a_run(digits_run: Path, tmp_path: Path) -> None:
    """One epoch and then another are the same as two."""
    archbuilder.train(write(tmp_path, NET), run_dir=tmp_path / "run", epochs=1)
    resumed = archbuilder.resume(tmp_path / "run", epochs=2)
    assert len(resumed.history) == 2
    expected = keras.saving.load_model(digits_run / "net.keras").weights
    for first, second in zip(weights_of(resumed), expected, strict=True):
        np.testing.assert_array_equal(first, second)


def test_evaluate_equals_the_command(
    digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the validation set, on other data, and for a model file with its blueprint."""
    metrics = archbuilder.evaluate(digits_run)
    assert type(metrics) is dict
    assert set(metrics) == {"loss", "accuracy"}
    capsys.readouterr()
    assert main(["evaluate", str(digits_run), "--format", "json"]) == 0
    assert metrics == json.loads(capsys.readouterr().out)

    images = np.random.default_rng(0).integers(0, 16, (20, 8, 8), np.uint8)
    np.savez(tmp_path / "data.npz", x=images, y=np.arange(20) % 10)
    metrics = archbuilder.evaluate(digits_run, data=tmp_path / "data.npz", batch_size=7)
    data = ["--data", str(tmp_path / "data.npz"), "--batch-size", "7"]
    assert main(["evaluate", str(digits_run), *data, "--format", "json"]) == 0
    assert metrics == json.loads(capsys.readouterr().out)

    model = shutil.copy(digits_run / "net.keras", tmp_path)
    metrics = archbuilder.evaluate(model, blueprint=archbuilder.load(write(tmp_path, NET)))
    assert metrics == archbuilder.evaluate(digits_run)


def test_predict_equals_the_command(
    digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a file, for several, and for the validation set."""
    images = np.random.default_rng(0).integers(0, 16, (3, 8, 8), np.uint8)
    np.save(tmp_path / "images.npy", images)
    files = [tmp_path / "images.npy"]
    for inputs, count in ((files, 3), ((), 359)):
        predictions = list(archbuilder.predict(digits_run, inputs))
        assert len(predictions) == count
        capsys.readouterr()
        command = ["predict", str(digits_run), *map(str, inputs), "--format", "jsonl"]
        assert main(command) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [each.key for each in predictions] == [row["key"] for row in rows]
        values = np.array([each.outputs["output"] for each in predictions])
        # The command writes the digits of float32, which read back as the same numbers.
        np.testing.assert_array_equal(values, np.float32([row["values"] for row in rows]))
    (first, *_) = archbuilder.predict(digits_run, str(files[0]))
    assert first.outputs["output"].shape == (10,)
    assert first.outputs["output"].sum() == pytest.approx(1, abs=1e-5)


def test_generate_equals_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By sampling and by beam search."""
    (tmp_path / "text.txt").write_text("the cat sees the dog. " * 40)
    run = tmp_path / "run"
    archbuilder.train(write(tmp_path, CAUSAL.lstrip()), run_dir=run, epochs=1)
    sampled = archbuilder.generate(run, "the", max_new_tokens=9, temperature=0.5, top_k=5, seed=3)
    searched = archbuilder.generate(run, "the", max_new_tokens=9, num_beams=2)
    common = ["generate", str(run), "the", "--max-new-tokens", "9"]
    for text, options in (
        (sampled, ["--temperature", "0.5", "--top-k", "5", "--seed", "3"]),
        (searched, ["--num-beams", "2"]),
    ):
        capsys.readouterr()
        assert main([*common, *options]) == 0
        assert capsys.readouterr().out == f"{text}\n"
    with pytest.raises(UsageError, match="'num_beams' cannot be used with 'temperature'"):
        archbuilder.generate(run, "the", num_beams=2, temperature=1.0)


def test_sample_equals_the_command(tmp_path: Path) -> None:
    """The samples are an array, which follows from the seed."""
    run = tmp_path / "run"
    archbuilder.train(write(tmp_path, GAN.lstrip()), run_dir=run, epochs=1)
    samples = archbuilder.sample(run, num_samples=5, seed=3)
    assert samples.shape == (5, 64)
    output = tmp_path / "samples.npz"
    options = ["--num-samples", "5", "--seed", "3", "-o", str(output)]
    assert main(["sample", str(run), *options]) == 0
    np.testing.assert_array_equal(samples, np.load(output)["samples"])
    assert np.abs(samples - archbuilder.sample(run, num_samples=5)).max() > 0


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("train", {"epochs": 0}, "'epochs' must be an integer of at least 1"),
        ("train", {"epochs": True}, "'epochs' must be an integer"),
        ("train", {"epochs": np.float32(1)}, "'epochs' must be a number, a string"),
        ("train", {"batch_size": "64"}, "'batch_size' must be an integer"),
        ("train", {"seed": -1}, "'seed' must be an integer"),
        ("train", {"distribute": "horovod"}, "'distribute' must be auto, none"),
        ("train", {"data": "nothing.npy"}, "file, not 'nothing.npy'"),
        ("resume", {"epochs": 0}, "'epochs' must be an integer"),
        ("evaluate", {"batch_size": 0}, "'batch_size' must be an integer"),
        ("predict", {"batch_size": 0}, "'batch_size' must be an integer"),
        ("generate", {"max_new_tokens": 0}, "'max_new_tokens' must be an integer"),
        ("generate", {"temperature": float("nan")}, "'temperature' must be a number"),
        ("sample", {"num_samples": 0}, "'num_samples' must be an integer"),
        ("sample", {"seed": 2**31}, "'seed' must be an integer"),
    ],
)
def test_invalid_arguments(
    digits_run: Path, tmp_path: Path, name: str, arguments: dict[str, object], message: str
) -> None:
    """They are errors of usage, and leave no run directory behind."""
    target = write(tmp_path, NET) if name == "train" else digits_run
    options = {"run_dir": tmp_path / "run"} if name == "train" else {}
    with pytest.raises(UsageError, match=message):
        getattr(archbuilder, name)(target, **options, **arguments)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["resume", "evaluate", "predict", "generate", "sample"])
def test_a_directory_without_a_run(tmp_path: Path, name: str) -> None:
    """It is named in the error, when the function is called."""
    with pytest.raises(UsageError, match=r"cannot read .*nothing"):
        getattr(archbuilder, name)(tmp_path / "nothing")


def test_interrupted_training_says_how_to_resume(tmp_path: Path) -> None:
    """Ctrl-C reaches the caller after the step, and a second one at once."""
    messages = []

    def interrupt(line: str, times: int) -> None:
        messages.append(line)
        if line.startswith("Epoch"):
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt) as caught:
        archbuilder.train(write(tmp_path, NET), run_dir=run, log=partial(interrupt, times=2))
    command = f"archbuilder train --resume {run}"
    expected = f"interrupted; there is no checkpoint yet; start again with: {command}"
    assert caught.value.__notes__ == [expected]
    assert "Stopping after this step; press Ctrl-C again to stop at once" in messages
    with pytest.raises(KeyboardInterrupt) as caught:
        archbuilder.resume(run, log=partial(interrupt, times=1))
    assert caught.value.__notes__ == [f"interrupted; resume with: {command}"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(archbuilder.resume(run, log=messages.append).history) == 2
    assert "Resuming after epoch 1" in messages


ARGUMENTS_OF_OTHER_TYPES = [
    ("load", (3,), {}, "'blueprint' must be a path, not 3"),
    ("train", ("lenet5",), {"run_dir": "a\0b"}, r"'run_dir' must be a path, not 'a\\x00b'"),
    ("load", ("lenet5",), {"limits": {"files": 3}}, "'limits' must be an archbuilder.Limits"),
    (
        "load",
        ("lenet5",),
        {"allow_dirs": "ab"},
        "'allow_dirs' must be a list of directories, not a",
    ),
    ("load", ("lenet5",), {"allow_dirs": 3}, "'allow_dirs' must be a list of directories, not 3"),
    ("load", ("lenet5",), {"allow_dirs": [3]}, "must be a list of directories, not of 3"),
    ("train", (None,), {}, "'blueprint' must be a file, the name"),
    ("train", ("lenet5",), {"recipe": {}}, "'recipe' must be a path"),
    ("train", ("lenet5",), {"params": ["a"]}, "'params' must be a dictionary of parameters"),
    ("train", ("lenet5",), {"params": {3: 1}}, "'params' must be a string, not 3"),
    ("train", ("lenet5",), {"variant": 3}, "'variant' must be a string, not 3"),
    (
        "train",
        ("lenet5",),
        {"allow_dirs": Path()},
        "'allow_dirs' must be a list of dir.* not a path",
    ),
    ("train", ("lenet5",), {"data": 3}, "'data' must be a path"),
    ("train", ("lenet5",), {"data": {"x": 1}}, "not a dictionary: write the settings of a source"),
    ("train", ("lenet5",), {"run_dir": 3}, "'run_dir' must be a path"),
    ("resume", (3,), {}, "'run_dir' must be a path"),
    ("evaluate", (None,), {}, "'run' must be a path, not None"),
    ("predict", ("RUN", np.zeros((2, 8))), {}, "'files' must be a list of files, not of array"),
    ("predict", ("RUN", 3), {}, "'files' must be a list of files, not 3"),
    ("generate", ("RUN", None), {}, "'prompt' must be a string, not None"),
    ("sample", (3,), {}, "'run' must be a path"),
    ("load_weights", ("x.yaml", "a.keras"), {}, "'model' must be a Keras model, not 'x.yaml'"),
    ("load_weights", (None, 3), {}, "'path' must be a path, not 3"),
    ("load_weights", (None, "a"), {"match": "foo"}, "'match' must be 'name' or 'order', not 'foo'"),
    ("Limits", (), {"files": "3"}, "the limit 'files' must be an integer, not '3'"),
    ("Limits", (), {"files": -1}, "the limit 'files' cannot be -1"),
]


@pytest.mark.parametrize(("name", "arguments", "options", "message"), ARGUMENTS_OF_OTHER_TYPES)
def test_arguments_of_other_types(
    digits_run: Path,
    name: str,
    arguments: tuple[object, ...],
    options: dict[str, object],
    message: str,
) -> None:
    """They are errors of usage that name the argument, not of Python."""
    values = [digits_run if isinstance(each, str) and each == "RUN" else each for each in arguments]
    with pytest.raises(UsageError, match=message):
        getattr(archbuilder, name)(*values, **options)


def test_a_variant_of_another_type() -> None:
    """Methods of a blueprint check it too."""
    with pytest.raises(UsageError, match="'variant' must be a string, not 3"):
        archbuilder.load("lenet5").compile(variant=3)


def test_integers_of_numpy_are_integers(tmp_path: Path) -> None:
    """In parameters and in arguments; `run.json` has those of Python."""
    blueprint = archbuilder.load(write(tmp_path, TEXT))
    assert parameters(blueprint, widths=[np.int32(5)]) == parameters(blueprint, widths=[5])
    run = tmp_path / "run"
    net = write(tmp_path, NET, "digits.yaml")
    result = archbuilder.train(net, run_dir=run, epochs=np.int64(1), batch_size=np.uint8(128))
    assert len(result.history) == 1
    metrics = archbuilder.evaluate(run)
    assert archbuilder.evaluate(run, batch_size=np.int64(128)) == pytest.approx(metrics)


def test_random_states_of_the_program_are_kept(digits_run: Path, tmp_path: Path) -> None:
    """Training, evaluation and prediction draw nothing from them, and do not seed them."""
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    archbuilder.train(write(tmp_path, NET), run_dir=tmp_path / "run", epochs=1)
    archbuilder.evaluate(digits_run)
    next(archbuilder.predict(digits_run))
    assert random.getstate() == python_state
    np.testing.assert_equal(np.random.get_state(), numpy_state)  # noqa: NPY002


def test_validate_checks_training(tmp_path: Path) -> None:
    """Errors of data and training are found, as by the command; warnings are returned."""
    text = "inputs: {x: [64]}\nlayers: [{Dense: 10}]\ndata: digits\ntraining: {loss: LOSS}\n"
    path = write(tmp_path, text.replace("LOSS", "{SparseCategoricalCrossentropy: {from_logit: 1}}"))
    assert archbuilder.load(path).validate() == ()
    with pytest.raises(BlueprintError, match="no argument 'from_logit'"):
        archbuilder.validate(path)
    path = write(tmp_path, text.replace("LOSS", "MeanSquaredError") + "params: {unused: 1}\n")
    (warning,) = archbuilder.validate(path)
    assert "unused" in warning.message
