"""`archbuilder compile`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Run

GAN = """\
archbuilder: 1
networks:
  generator:
    inputs: {noise: [8]}
    layers: [{Dense: 16}]
  discriminator:
    inputs: {image: [16]}
    layers: [{Dense: 1}]
"""


def test_compiled_file_opens_in_plain_keras(run: Run, lenet: Path, tmp_path: Path) -> None:
    """No code of archbuilder is needed to load it."""
    import keras

    output = tmp_path / "lenet.keras"
    result = run("compile", lenet, "-o", output, "--set", "classes=3")
    assert (result.code, result.err) == (0, "")
    assert "parameters" in result.out
    assert f"Saved {output}" in result.out
    model = keras.saving.load_model(output)
    assert model.output_shape == (None, 3)


def test_json_architecture(run: Run, lenet: Path, tmp_path: Path) -> None:
    """As JSON that Keras reads."""
    import keras

    output = tmp_path / "lenet.json"
    assert run("compile", lenet, "-o", output).code == 0
    model = keras.models.model_from_json(output.read_text())
    assert model.count_params() == 2346
    text = tmp_path / "lenet.txt"
    assert run("compile", lenet, "-o", text, "--format", "json").code == 0
    assert json.loads(text.read_text()) == json.loads(output.read_text())


def test_a_dry_run_writes_nothing(run: Run, lenet: Path, tmp_path: Path) -> None:
    """Everything is checked and summed up all the same."""
    paths = sorted(tmp_path.iterdir())
    result = run("compile", lenet, "--dry-run")
    assert (result.code, result.err) == (0, "")
    assert "2,346" in result.out
    assert sorted(tmp_path.iterdir()) == paths


def test_several_networks_are_saved_to_a_directory(run: Run, tmp_path: Path) -> None:
    """One file each, under the name of the network."""
    path = tmp_path / "gan.yaml"
    path.write_text(GAN)
    assert "directory" in run("compile", path, "-o", tmp_path / "gan.keras").err
    output = tmp_path / "models"
    assert run("compile", path, "-o", output).code == 0
    assert sorted(each.name for each in output.iterdir()) == [
        "discriminator.keras",
        "generator.keras",
    ]
    assert run("compile", path, "-o", output, "--format", "json").code == 0
    assert len(list(output.iterdir())) == 4


def test_failed_expectation_writes_nothing(run: Run, lenet: Path, tmp_path: Path) -> None:
    """Nothing is written."""
    lenet.write_text(lenet.read_text().replace("2346", "2345"))
    result = run("compile", lenet, "-o", tmp_path / "x.keras")
    assert result.code == 2
    assert "error[expectation-failed]" in result.err
    assert not (tmp_path / "x.keras").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("-o", "FOLDER/x.h5"), "must end in .keras"),
        (("-o", "FOLDER/x"), "must end in .keras"),
        (("-o", "FOLDER/x.json", "--format", "keras"), "does not match"),
        (("-o", "FOLDER/x.keras", "--format", "json"), "does not match"),
        (("-o", "FOLDER/missing/x.keras"), "there is no directory"),
        (("-o", "FOLDER/taken.keras"), "is a directory"),
        (("-o", "FOLDER/x.keras", "--format", "h5"), "must be keras or json"),
    ],
)
def test_invalid_output_path_fails_early(
    run: Run, lenet: Path, tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    """Exit code 2, and the message says what would do."""
    (tmp_path / "taken.keras").mkdir()
    arguments = tuple(argument.replace("FOLDER", str(tmp_path)) for argument in arguments)
    result = run("compile", lenet, *arguments)
    assert (result.code, result.out) == (2, "")
    assert text in result.err


def test_default_output_name(
    run: Run, lenet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in the folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    result = run("compile", lenet)
    assert result.code == 0
    assert (tmp_path / "lenet.keras").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_output_directory(run: Run, lenet: Path, tmp_path: Path) -> None:
    """It is told before the work."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    result = run("compile", lenet, "-o", folder / "x.keras")
    assert result.code == 2
    assert "Permission denied" in result.err


def test_a_network_does_not_replace_its_blueprint(run: Run, tmp_path: Path) -> None:
    """One of several networks has the name of the file, in the folder where it goes."""
    blueprint = tmp_path / "generator.json"
    blueprint.write_text(
        json.dumps(
            {
                "archbuilder": 1,
                "networks": {
                    name: {"inputs": {"x": [8]}, "layers": [{"Dense": 16}]}
                    for name in ("generator", "discriminator")
                },
            }
        )
    )
    text = blueprint.read_text()
    result = run("compile", blueprint, "-o", tmp_path, "--format", "json")
    assert (result.code, blueprint.read_text()) == (2, text)
    assert "is the blueprint itself; choose another output" in result.err
    assert not (tmp_path / "discriminator.json").exists()
