"""Runs the examples: every command, blueprint and program that the help and the pages show.

- A `yaml` block whose first line is `# file: NAME` is written to that file. Any other is a part of
  a blueprint: it takes the place of the same sections of the blueprint that a comment above it
  names (`<!-- blueprint: gan -->`), or of a minimal one, and is validated.
- A `console` block has commands behind `$ ` and what they print below. `...` stands for any text,
  on a line of its own for any lines, and a decimal fraction for any other: times and losses differ
  between machines.
- A `python` block is run as a program, before the commands of its page.
- Commands that take other machines, files of others or much memory are read and not run: their
  options, blueprints, parameters and recipes are real. So are all commands in `sh` blocks.
- `train digits_cnn` is run for one epoch if its output is not shown.

The README is run in a folder of its own, from top to bottom, as a reader would do it. The help and
the other pages share one folder, which has the files that they name.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import pytest
import yaml
from data.sources.test_sources import idx
from helpers.objectives import CAUSAL, GAN, SEQUENCES, SUPERVISED, sequences
from PIL import Image

import archbuilder
from archbuilder.cli import main
from archbuilder.cli.application import COMMANDS, application
from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.key_value import parse_assignments
from archbuilder.config import read_recipe
from archbuilder.config.load import read_recipe_file
from archbuilder.limits import Limits

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
FILE = re.compile(r"# file: (\S+)\n")
BLOCK = re.compile(
    r"(?:^<!-- blueprint: (?P<base>\S+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
INLINE = re.compile(r"`archbuilder ([^`]+)`")
SOURCE_ROW = re.compile(r"^\| `([a-z_]+(?:: [^`]+)?)` \|", re.MULTILINE)
NOT_RUN = ("--workers", "--weights", "resnet:50 --set classes=10 -o")
OBJECTIVES = {
    "gpt2": "training: {objective: causal_lm}\n",
    "transformer": "training: {objective: sequence_to_sequence}\n",
}
MINIMAL = """\
archbuilder: 1
name: minimal
blocks:
  encoder: {layers: [{Dense: 4, name: stage4}]}
inputs: {x: [4]}
layers:
  - {encoder: , name: backbone}
  - Dense: 4
  - {Dense: 4, name: head}
"""


@dataclass(frozen=True)
class Example:
    """A command line, and what is printed below it."""

    text: str
    output: str = ""

    @property
    def words(self) -> list[str]:
        """The words behind `archbuilder`, without what a shell does with the output."""
        return shlex.split(self.text.partition(" | ")[0], comments=True)[1:]

    @property
    def quick(self) -> list[str]:
        """The words, with one epoch for a blueprint of the library whose output is not shown."""
        trains = self.words[:2] == ["train", "digits_cnn"] and "--epochs" not in self.words
        return [*self.words, *(("--epochs", "1") if trains and not self.output else ())]

    @property
    def runs(self) -> bool:
        """Whether a test runs it."""
        return not any(each in self.text for each in NOT_RUN)


def console_examples(block: str) -> Iterator[Example]:
    """The commands of a console block."""
    for prompt in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = prompt.partition("\n")
        yield Example(command, output)


def page_examples(page: Path) -> Iterator[Example]:
    """The commands of a page that are archbuilder's."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["language"] == "console":
            examples = list(console_examples(block["text"]))
        elif block["language"] == "sh":
            examples = [Example(line) for line in block["text"].replace("\\\n", " ").splitlines()]
        else:
            examples = []
        yield from (each for each in examples if each.text.startswith("archbuilder "))


def write_files(page: Path) -> None:
    """Write the files of a page that commands read, and run its programs."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        named = FILE.match(block["text"])
        if block["language"] == "yaml" and named:
            Path(named[1]).write_text(block["text"][named.end() :], encoding="utf-8")
        elif block["language"] == "python":
            Path("block.py").write_text(block["text"], encoding="utf-8")
            runpy.run_path("block.py")


def help_examples() -> Iterator[Example]:
    """The commands in the help of every command, in the order of the commands."""
    for name in COMMANDS:
        command = application.get_command(click.Context(application), name)
        assert isinstance(command, Command)
        yield from map(Example, command.examples)
    yield from map(Example, re.findall(r"archbuilder \S+ \S+", application.epilog or ""))


def pattern(output: str) -> re.Pattern[str]:
    """What an output has to look like; spaces at the ends of lines do not count."""
    text = "\n".join(line.rstrip() for line in output.strip().splitlines())
    parts = re.split(r"(\.\.\.|\d+\.\d+)", text)
    free = [".*?" if piece == "..." else r"\d+\.\d+" for piece in parts[1::2]]
    fixed = [re.escape(piece) for piece in parts[::2]]
    return re.compile("".join(map(str.__add__, fixed, [*free, ""])), re.DOTALL)


def shell(command: str) -> str:
    """What a command prints, in a shell that finds `archbuilder` and `python`."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    return result.stdout


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed since the last look, without spaces at the ends of lines."""
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return "\n".join(line.rstrip() for line in (out + err).strip().splitlines())


def test_readme_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Every command that the README shows prints what it shows."""
    monkeypatch.chdir(tmp_path)
    for block in BLOCK.finditer(README.read_text(encoding="utf-8")):
        language, text = block["language"], block["text"]
        named = FILE.match(text)
        if language == "yaml" and named:
            Path(named[1]).write_text(text[named.end() :], encoding="utf-8")
        elif language == "python":
            Path("block.py").write_text(text, encoding="utf-8")
            runpy.run_path("block.py")
            printed(capsys)
        elif language == "console":
            for example in console_examples(text):
                if example.text.startswith("archbuilder "):
                    main(example.words)
                    output = printed(capsys)
                else:
                    output = shell(example.text).strip()
                assert pattern(example.output).fullmatch(output), f"$ {example.text}\n{output}"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the help and the pages name, as small as they can be."""
    folder = tmp_path_factory.mktemp("workshop")
    numbers = np.random.default_rng(0)
    short = SUPERVISED.replace("[8, 8]}", "[8, 8, 1]}").replace(
        "training:", "training:\n  epochs: 1"
    )
    for name in ("lenet", "net"):
        (folder / f"{name}.yaml").write_text(
            short.replace("name: net", f"name: {name}").replace(
                "training:", "training:\n  test_split: 0.1"
            )
        )
    recipe = yaml.safe_dump({key: yaml.safe_load(short)[key] for key in ("data", "training")})
    (folder / "mnist.yaml").write_text(recipe)
    (folder / "gan.yaml").write_text(GAN)
    (folder / "blueprints").mkdir()
    shutil.copy(folder / "lenet.yaml", folder / "blueprints")
    shutil.copy(ROOT / "blueprints" / "resnet.yaml", folder)
    plays = "{text: {file: plays.txt, tokenizer: characters, sequence_length: 16}}"
    (folder / "plays.yaml").write_text(f"data: {plays}\ntraining: {{objective: causal_lm}}\n")
    (folder / "reviews.csv").write_text("text,sentiment\n" + "To be,good\nOr not,bad\n" * 10)
    (folder / "plays.txt").write_text("To be, or not to be, that is the question.\n" * 40)
    penguins = "species,bill\nAdelie,39.1\nGentoo,46.1\nAdelie,NA\n"
    (folder / "penguins.csv").write_text(penguins)
    (folder / "pairs.tsv").write_text(f"a house\tein haus\n{sequences()}")
    images = numbers.integers(0, 16, (20, 8, 8), np.uint8)
    for name in ("data", "other"):
        np.savez(folder / f"{name}.npz", x=images, y=np.arange(20) % 10)
    (folder / "more-digits").mkdir()
    for image in ("digit.png", "more-digits/1.png", "more-digits/2.png"):
        Image.fromarray(images[0]).save(folder / image)
    for name, values in (("images", 256), ("masks", 2)):
        (folder / name).mkdir()
        for number in range(5):
            pixels = numbers.integers(0, values, (64, 64), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    (folder / "mnist").mkdir()
    for subset in ("train", "t10k"):
        pictures = numbers.integers(0, 255, (20, 28, 28), np.uint8)
        labels = (np.arange(20) % 10).astype(np.uint8)
        (folder / "mnist" / f"{subset}-images-idx3-ubyte").write_bytes(idx(pictures))
        (folder / "mnist" / f"{subset}-labels-idx1-ubyte").write_bytes(idx(labels))
    runs = {
        "lenet-1": (folder / "lenet.yaml").read_text(),
        "gpt2-1": CAUSAL.replace("text.txt", "plays.txt"),
        "transformer-1": SEQUENCES.replace("sequence_length: 6", "sequence_length: 8"),
        "dcgan-1": GAN,
    }
    for name, text in runs.items():
        blueprint = folder / "run.yaml"
        blueprint.write_text(text)
        run = folder / "runs" / name
        assert main(["train", str(blueprint), "--epochs", "1", "--run-dir", str(run)]) == 0
    shutil.copy(folder / "runs" / "lenet-1" / "lenet.keras", folder)
    return folder


def check(example: Example) -> None:
    """Hold a command that is not run to what can be known of it."""
    parent = click.Context(application, obj=Console())
    name, command, rest = application.resolve_command(parent, example.words)
    assert command is not None
    context = command.make_context(name, list(rest), parent=parent)
    if context.params.get("blueprint") is None:
        return
    pairs = list(pairwise(rest))
    settings = [word for flag, word in pairs if flag == "--set"]
    recipes = [word for flag, word in pairs if flag == "--recipe"]
    directories = context.params.get("allow_dirs", ())
    loaded = archbuilder.load(context.params["blueprint"], allow_dirs=directories)
    limits = Limits()
    options = {"variant": loaded.variant, "params": parse_assignments(settings, limits)}
    graphs = loaded.graphs(variant=loaded.variant, **options["params"])
    if recipes:
        assert read_recipe_file(Path(recipes[0]), graphs, limits).training
    elif name == "train":
        assert read_recipe(loaded, **options, limits=limits).training


def carry_out(example: Example, capsys: pytest.CaptureFixture[str]) -> None:
    """Run a command of an example, or check it."""
    if not example.runs:
        check(example)
        return
    code = main(example.quick)
    output = printed(capsys)
    assert code == 0, f"$ {example.text}\n{output}"
    if example.output:
        assert pattern(example.output).fullmatch(output), f"$ {example.text}\n{output}"


@pytest.mark.thorough
def test_help_examples(
    workshop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """In the order of the commands: what one writes, others read."""
    monkeypatch.chdir(workshop)
    for example in help_examples():
        carry_out(example, capsys)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_commands(
    page: Path,
    workshop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Those of the measured results take hours and are checked."""
    measured = page.name == "results.md"
    if measured:
        # They are measured in a checkout, whose directory of runs need not exist.
        (tmp_path / "blueprints").symlink_to(ROOT / "blueprints")
        (tmp_path / "runs" / "results").mkdir(parents=True)
    monkeypatch.chdir(tmp_path if measured else workshop)
    if not measured:
        write_files(page)
    for example in page_examples(page):
        if measured:
            check(example)
        else:
            carry_out(example, capsys)


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_commands_in_prose_have_their_options(page: Path):
    """A command that is named within a sentence exists, with the options beside it."""
    for text in INLINE.findall(page.read_text(encoding="utf-8")):
        name, *words = text.split()
        command = application.get_command(click.Context(application), name)
        assert command is not None, text
        options = {flag for each in command.params for flag in each.opts}
        assert {word for word in words if word.startswith("-")} <= options, text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_blueprints(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Each part of a blueprint is right where it takes the place of the same part of another."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "blueprints" / "resnet.yaml", tmp_path)
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["language"] != "yaml":
            continue
        named = FILE.match(block["text"])
        if named and "archbuilder: 1" in block["text"]:
            # A file as a whole, which another one may name.
            Path(named[1]).write_text(block["text"], encoding="utf-8")
            assert main(["validate", named[1]]) == 0, printed(capsys)
        else:
            validate_sections(block["text"], block["base"], capsys)


def test_data_source_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The table of them in the page on data."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    rows = SOURCE_ROW.findall(text[text.index("| source |") : text.index("**Paths**")])
    assert len(rows) > 8
    for row in rows:
        base = {"text": "gpt2", "pairs": "transformer"}.get(row.partition(":")[0], "digits_cnn")
        recipe = f"data: {{{row}}}\n" if ":" in row else f"data: {row}\n"
        validate_sections(recipe + OBJECTIVES.get(base, ""), base, capsys)


def validate_sections(text: str, base: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """Validate a blueprint, some sections of which are those of `text`."""
    name, _, variant = (base or "").partition(":")
    complete = (
        (ROOT / "blueprints" / f"{name}.yaml").read_text(encoding="utf-8") if name else MINIMAL
    )
    merged = {**yaml.safe_load(complete), **yaml.safe_load(text)}
    Path("part.yaml").write_text(yaml.safe_dump(merged, sort_keys=False), encoding="utf-8")
    code = main(["validate", "part.yaml", *(["--variant", variant] if variant else [])])
    output = printed(capsys)
    assert code == 0, f"{text}\n{output}"


def test_make_targets_of_the_contributing_guide():
    """Those in the guide for contributors."""
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"make ([a-z-]+)", guide))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named - {"a"} <= targets


@pytest.mark.parametrize(
    ("shown", "printed", "right"),
    [
        ("a\n...\nd", "a\nb\nc\nd", True),
        ("took ... s", "took 1.5 s", True),
        ("took ... s", "took 1.5 m", False),
        ("a.b", "axb", False),
        ("loss 0.25, 3 steps", "loss 1.5, 3 steps", True),
        ("loss 0.25, 3 steps", "loss 0.25, 4 steps", False),
        ("a\n", "a\nb", False),
    ],
)
def test_ellipsis_matches_any_text(shown: str, printed: str, right: bool):
    """Only what is written as dots may differ."""
    assert (pattern(shown).fullmatch(printed) is not None) == right
