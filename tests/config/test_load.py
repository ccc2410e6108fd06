"""What a recipe asks of the networks that it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from archbuilder.cli import main
from archbuilder.config.load import read_recipe_file
from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.limits import Limits

NETWORKS = """\
archbuilder: 1
name: gan
networks:
  generator: {inputs: {noise: [4]}, layers: [{Dense: 9}]}
  discriminator: {inputs: {image: [9]}, layers: [{Dense: 1}]}
data: digits
training: {objective: wgan_gp}
"""
SINGLE_NETWORK = """\
archbuilder: 1
name: net
inputs: {noise: [4]}
layers: [{Dense: 9}]
training:
  objective: gan
"""


def test_blueprint_in_place_of_a_recipe(tmp_path: Path):
    """One mistake says so, in place of one for each of its sections."""
    path = tmp_path / "net.yaml"
    path.write_text(
        "archbuilder: 1\nname: net\ninputs: {x: [4]}\nlayers: [Flatten]\ndata: digits\n"
    )
    with pytest.raises(BlueprintError) as caught:
        read_recipe_file(path, {}, Limits())
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message.startswith("this is a blueprint")


def test_networks_of_a_gan(tmp_path: Path):
    """Networks of these names are what it trains."""
    path = tmp_path / "gan.yaml"
    path.write_text(NETWORKS)
    assert main(["validate", str(path)]) == 0


@pytest.mark.parametrize(
    ("text", "has"),
    [
        (SINGLE_NETWORK, "'net'"),
        (NETWORKS.replace("  discriminator:", "  critic:"), "'generator', 'critic'"),
    ],
)
def test_networks_missing_for_an_objective(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, has: str
):
    """They are told before anything is trained."""
    path = tmp_path / "net.yaml"
    path.write_text(text)
    assert main(["validate", str(path)]) == 2
    errors = capsys.readouterr().err
    assert f"trains 'generator' and 'discriminator', and this blueprint has: {has}" in errors


@pytest.mark.parametrize("objective", ["", "objective: supervised, "])
def test_too_many_networks_for_an_objective(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], objective: str
):
    """One error names them and says what to do; what is written for their outputs is not read."""
    path = tmp_path / "net.yaml"
    text = NETWORKS.replace("generator:", "encoder:", 1).replace("discriminator:", "decoder:", 1)
    path.write_text(
        text[: text.index("training:")] + f"training: {{{objective}loss: MeanSquaredError}}\n"
    )
    assert main(["validate", str(path)]) == 2
    errors = capsys.readouterr().err
    assert (
        "the objective 'supervised' trains one network, and this blueprint has 2 networks:"
        " 'encoder', 'decoder'\n"
    ) in errors
    assert "write them under 'blocks'" in errors
    assert errors.count("error[") == 1
