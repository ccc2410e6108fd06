"""Runs the README: every command in it, with the output that it shows.

- A `yaml` block whose first line is `# file: NAME` is written to that file.
- A `console` block has commands behind `$ ` and what they print below. `...` stands for any text,
  on a line of its own for any lines, and a decimal fraction for any other: times and losses differ
  between machines.
- A `python` block is run as a program.

All of it happens in one folder, from top to bottom, as a reader would do it. What TensorFlow tells
of the processor while it is imported differs between machines and is left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
FILE = re.compile(r"# file: (\S+)\n")
LOG = re.compile(r"^([IWE]0000 |WARNING: All log messages before absl)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A command of the README, and what is printed below it."""

    text: str
    output: str


def commands(block: str) -> Iterator[Command]:
    """The commands of a console block."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield Command(command, output)


def pattern(output: str) -> re.Pattern[str]:
    """What an output has to look like; spaces at the ends of lines do not count."""
    text = "\n".join(line.rstrip() for line in output.strip().splitlines())
    parts = re.split(r"(\.\.\.|\d+\.\d+)", text)
    free = [".*?" if part == "..." else r"\d+\.\d+" for part in parts[1::2]]
    fixed = [re.escape(part) for part in parts[::2]]
    return re.compile("".join(map(str.__add__, fixed, [*free, ""])), re.DOTALL)


def shell(command: str, folder: Path) -> str:
    """What a command prints, in a shell that finds `archbuilder` and `python`."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(README.parent)}
    result = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**environment, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = (line.rstrip() for line in result.stdout.strip().splitlines())
    return "\n".join(line for line in lines if not LOG.match(line))


def test_the_readme_is_true(tmp_path: Path):
    """Every command that the README shows prints what it shows."""
    for language, block in BLOCK.findall(README.read_text(encoding="utf-8")):
        named = FILE.match(block)
        if language == "yaml" and named:
            (tmp_path / named[1]).write_text(block[named.end() :], encoding="utf-8")
        elif language == "python":
            (tmp_path / "block.py").write_text(block, encoding="utf-8")
            assert "Traceback" not in (printed := shell("python block.py", tmp_path)), printed
        elif language == "console":
            for command in commands(block):
                printed = shell(command.text, tmp_path)
                assert pattern(command.output).fullmatch(printed), f"$ {command.text}\n{printed}"


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
def test_dots_stand_for_any_text(shown: str, printed: str, right: bool):
    """Only what is written as dots may differ."""
    assert (pattern(shown).fullmatch(printed) is not None) == right
