"""`archbuilder validate`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Run


BUT = " (shapes and 'expect' not checked; use --shapes)"


def test_valid_blueprint(run: Run, lenet: Path) -> None:
    """One line, and exit code 0."""
    result = run("validate", lenet)
    assert (result.code, result.out) == (
        0,
        f"Checked 1 blueprint: no errors{BUT}\n",
    )
    assert result.err == ""


def test_errors_go_to_stderr(run: Run, wrong: Path) -> None:
    """With its source line, and exit code 2."""
    result = run("validate", wrong)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error[unknown-argument]: ")
    assert f"--> {wrong}:5:13" in result.err
    assert result.err.endswith("\n1 error\n")


def test_json_goes_to_stdout(run: Run, wrong: Path, lenet: Path) -> None:
    """A list for programs, empty where all is well."""
    result = run("validate", "--error-format", "json", wrong)
    assert (result.code, result.err) == (2, "")
    (mistake,) = json.loads(result.out)
    assert (mistake["code"], mistake["line"], mistake["suggestion"]) == (
        "unknown-argument",
        5,
        "units",
    )
    assert run("validate", "--error-format", "json", lenet).out == "[]\n"


def test_github_annotations(run: Run, wrong: Path) -> None:
    """One workflow command for each mistake."""
    result = run("validate", "--error-format", "github", wrong)
    assert result.code == 2
    assert result.out.startswith(f"::error file={wrong},line=5,col=13,title=unknown-argument::")
    assert result.out.count("\n") == 1


def test_directories_are_searched(run: Run, tmp_path: Path, wrong: Path, lenet: Path) -> None:
    """Every .yaml and .yml below, and all mistakes in one go."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "other.yml").write_text(wrong.read_text())
    (tmp_path / "notes.txt").write_text("no blueprint")
    result = run("validate", tmp_path)
    assert result.code == 2
    assert result.err.endswith("\n2 errors\n")
    assert f"{tmp_path}/deep/er/other.yml:5:13" in result.err
    assert result.out.endswith("with errors\n")
    wrong.unlink()
    (tmp_path / "deep" / "er" / "other.yml").write_text(lenet.read_text())
    assert run("validate", tmp_path).out == f"Checked 2 blueprints: no errors{BUT}\n"


def test_error_in_an_imported_file_is_reported_once(run: Run, tmp_path: Path) -> None:
    """However many blueprints import it."""
    (tmp_path / "a.yaml").write_text("archbuilder: 1\nblocks:\n  x: {layers: [Dens: 3]}\n")
    text = "archbuilder: 1\nimports: {a: ./a.yaml}\ninputs: {x: [3]}\nlayers: [a.x]\n"
    (tmp_path / "b.yaml").write_text(text)
    (tmp_path / "c.yaml").write_text(text)
    result = run("validate", tmp_path)
    assert result.err.count("error[") == 1


def test_warnings_do_not_fail(run: Run, tmp_path: Path) -> None:
    """It is shown and counted, and the exit code is 0."""
    path = tmp_path / "net.yaml"
    path.write_text("archbuilder: 1\nparams: {a: 1}\ninputs: {x: [3]}\nlayers: [Flatten]\n")
    result = run("validate", path)
    assert (result.code, result.out) == (0, f"Checked 1 blueprint: 1 warning{BUT}\n")
    assert "warning[unused-parameter]" in result.err


def test_all_variants_are_checked_unless_one_is_chosen(run: Run, tmp_path: Path) -> None:
    """A mistake that only one of them has is found."""
    path = tmp_path / "net.yaml"
    path.write_text(
        "archbuilder: 1\nparams: {groups: 2}\ninputs: {x: [3]}\n"
        "layers: [Dense: $(8 // groups)]\nvariants: {none: {groups: 0}}\n"
    )
    assert run("validate", path).code == 2
    assert run("validate", f"{path}:none").code == 2
    assert run("validate", path, "--variant", "none").code == 2
    assert run("validate", path, "--variant", "default").code == 0
    assert run("validate", path, "--variant", "none", "--set", "groups=4").code == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("nowhere.yaml",), "nowhere.yaml"),
        (("nowhere",), "neither a file nor a blueprint in the library"),
        (("LENET:nothing",), "has no variant 'nothing'"),
        (("LENET", "--variant", "lrge"), "did you mean 'large'?"),
        (("LENET:large", "--variant", "default"), "variant"),
        (("LENET", "--set", "clases=3"), "did you mean 'classes'?"),
        (("LENET", "--set", "classes=many"), "the parameter 'classes'"),
        (("LENET", "--set", "classes"), "--set must be NAME=VALUE"),
        (("LENET", "--set", "variant=large"), "--variant"),
        (("LENET", "--set", "self=large"), "self"),
        (("LENET", "--set", "classes=[1"), "yaml-syntax"),
        (("LENET", "--limit", "expanded_steps=2"), "error[limit-exceeded]"),
        (("LENET", "--limit", "stps=2"), "stps"),
        (("LENET", "--allow-dir", "nowhere"), "nowhere"),
        (("LENET", "--error-format", "xml"), "must be text, json or github"),
        (("EMPTY",), "no .yaml file"),
        (("BINARY",), "error[invalid-encoding]"),
        (("",), "error"),
        ((), "BLUEPRINT"),
    ],
)
def test_invalid_arguments(
    run: Run, lenet: Path, tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    """Exit code 2 and one message that names what was wrong."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary.yaml").write_bytes(bytes(range(128, 256)))
    places = {
        "LENET": str(lenet),
        "EMPTY": str(tmp_path / "empty"),
        "BINARY": str(tmp_path / "binary.yaml"),
    }
    for word, column in places.items():
        arguments = tuple(argument.replace(word, column) for argument in arguments)
    result = run("validate", *arguments)
    assert result.code == 2, result.err
    assert result.out == ""
    assert text in result.err


def test_a_recipe_is_checked_without_keras(run: Run, lenet: Path) -> None:
    """What training would refuse is found before it."""
    lenet.write_text(lenet.read_text() + "data: dgits\ntraining: {epochs: 3}\n")
    result = run("validate", lenet)
    assert result.code == 2
    assert "error[unknown-source]" in result.err
    assert "error[missing-key]: 'training' has no 'loss'" in result.err


def test_shapes_option(run: Run, tmp_path: Path) -> None:
    """Without --shapes Keras is not asked; with it, every variant is."""
    path = tmp_path / "net.yaml"
    path.write_text(
        "archbuilder: 1\nparams: {size: 28}\ninputs: {x: [$size, 28, 1]}\n"
        "layers: [MaxPooling2D: 16]\nvariants: {small: {size: 8}}\n"
    )
    assert run("validate", path).code == 0
    result = run("validate", path, "--shapes")
    assert result.code == 2
    assert "error[empty-output]" in result.err
    assert run("validate", path, "--shapes", "--variant", "default").code == 0


def test_shapes_option_without_networks(run: Run, tmp_path: Path) -> None:
    """What has nothing to build has no shapes to check."""
    path = tmp_path / "blocks.yaml"
    path.write_text("archbuilder: 1\nblocks:\n  unit: {layers: [ReLU]}\n")
    assert run("validate", path, "--shapes").code == 0


def test_what_depends_on_shapes_needs_the_option(run: Run, tmp_path: Path) -> None:
    """One line says what was left out; with the option it is checked, with its recipe."""
    net = tmp_path / "net.yaml"
    text = "archbuilder: 1\ninputs: {x: [4]}\nlayers: [Dense: $(channels(x) - 4)]\n"
    net.write_text(text)
    result = run("validate", net)
    but = " (shapes, 'expect' and what depends on a shape not checked; use --shapes)"
    assert (result.code, result.out) == (0, f"Checked 1 blueprint: no errors{but}\n")
    assert "error[out-of-range]" in run("validate", "--shapes", net).err
    text = text.replace(" - 4", "") + "training: {epochs: 1}\n"
    net.write_text(text)
    assert "'training' has no 'loss'" in run("validate", net).err


def test_recipe_of_unknown_steps_needs_the_option(run: Run, tmp_path: Path) -> None:
    """Which layers and outputs a recipe can name depends on the steps."""
    net = tmp_path / "net.yaml"
    net.write_text(
        "archbuilder: 1\ninputs: {x: [4]}\nlayers: [{Dense: 3, when: $(channels(x) == 4)}]\n"
        "training: {epochs: 1}\n"
    )
    caveat = "shapes, 'expect', what depends on a shape, 'data' and 'training' not checked"
    assert run("validate", net).out == f"Checked 1 blueprint: no errors ({caveat}; use --shapes)\n"
    assert "'training' has no 'loss'" in run("validate", "--shapes", net).err


def test_no_heavy_imports(lenet: Path) -> None:
    """An editor may call it on every save: no TensorFlow, no Keras, no numpy."""
    code = (
        "import sys; from archbuilder.cli import main; code = main(['validate', sys.argv[1]]);"
        "print(code, {'tensorflow', 'keras', 'numpy'} & set(sys.modules))"
    )
    out = subprocess.check_output([sys.executable, "-c", code, str(lenet)], text=True)
    assert out.splitlines()[-1] == "0 set()"


def test_validate_does_not_import_keras(lenet: Path) -> None:
    """Validating imports neither Keras nor TensorFlow nor numpy, which is why it starts at once."""
    program = (
        "import sys; from archbuilder.cli import main; code = main(['validate', sys.argv[1]]);"
        "print(code, {'keras', 'tensorflow', 'numpy'} & {n.partition('.')[0] for n in sys.modules})"
    )
    command = [sys.executable, "-c", program, str(lenet)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "0 set()"


def test_untrusted_directory(run: Run, tmp_path: Path, lenet: Path) -> None:
    """Links in it are mistakes that show nothing of what they lead to; pipes are not waited for."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "own.yaml").write_text("secret: [1")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "lenet.yaml").write_text(lenet.read_text())
    (folder / "link.yaml").symlink_to("../secret/own.yaml")
    (folder / "zero.yml").symlink_to("/dev/zero")
    (folder / "out").symlink_to("../secret")
    os.link(tmp_path / "secret" / "own.yaml", folder / "hard.yaml")
    os.mkfifo(folder / "pipe.yaml")
    (folder / "imports.yaml").write_text(
        "archbuilder: 1\nimports: {a: out/own.yaml}\ninputs: {x: [2]}\nlayers: [{Dense: 1}]\n"
    )
    result = run("validate", folder)
    assert result.code == 2
    assert "secret" not in result.out + result.err
    for name in ("link.yaml", "zero.yml", "hard.yaml", "pipe.yaml"):
        assert f"cannot read '{folder / name}'" in result.err
    assert "cannot read 'out/own.yaml': links are not followed" in result.err
    assert result.err.count("file-error") == 5


def test_directory_depth_is_bounded(run: Run, tmp_path: Path) -> None:
    """They are searched as deep as anyone nests them."""
    folder = tmp_path
    for _ in range(70):
        folder /= "a"
        folder.mkdir()
    assert run("validate", tmp_path).code == 2


@pytest.mark.parametrize(
    ("layer", "note"),
    [
        ("Dense: {units: 4.0}", "write 4"),
        ("Dense: {units: 4, use_bias: No}", "write false"),
        ("Dense: {units: $(8 / 2)}", "'/' returns a float"),
        ("other.block: {}", "the file imports nothing"),
    ],
)
def test_notes_fit_the_error(run: Run, tmp_path: Path, layer: str, note: str) -> None:
    """A note about a division, or a list of no names, would mislead."""
    path = tmp_path / "net.yaml"
    path.write_text(f"archbuilder: 1\ninputs: {{x: [8]}}\nlayers: [{{{layer}}}]\n")
    result = run("validate", path)
    assert result.code == 2
    assert f"= {note}" in result.err


def test_notes_do_not_list_no_names(run: Run, tmp_path: Path) -> None:
    """An objective without options has no keys, and a blueprint may have no variants."""
    path = tmp_path / "net.yaml"
    objective = "training: {objective: {supervised: {a: 1}}, loss: MeanSquaredError}"
    path.write_text(f"archbuilder: 1\ninputs: {{x: [8]}}\nlayers: [Dense: 1]\n{objective}\n")
    assert "= it has none" in run("validate", path).err
    assert "= it has no variants" in run("show", f"{path}:large").err
