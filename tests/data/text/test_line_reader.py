"""Lines of text files, and their numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from archbuilder.config.sources import DataPath
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.text.line_reader import iter_lines


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("a\nb\n", [(1, "a\n"), (2, "b\n")]),
        ("a\r\nb", [(1, "a\r\n"), (2, "b")]),
        ("a\rb\r", [(1, "a\r"), (2, "b\r")]),
        ("a\r\rb\n\nc", [(1, "a\r"), (2, "\r"), (3, "b\n"), (4, "\n"), (5, "c")]),
    ],
)
def test_line_ends(tmp_path: Path, content: str, lines: list[tuple[int, str]]):
    """Each of the three line ends begins a new line, as in an editor."""
    path = tmp_path / "a.txt"
    path.write_bytes(content.encode())
    assert [*iter_lines(DataPath(str(path)), DataFileOpener())] == lines


@pytest.mark.parametrize("limit", range(1, 8))
def test_pieces_of_a_line(tmp_path: Path, limit: int):
    """The limit may cut anywhere, also within a line end."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"abc\r\nde\r\r\n\nf")
    numbers: dict[int, str] = {}
    for number, piece in iter_lines(DataPath(str(path)), DataFileOpener(), limit=limit):
        numbers[number] = numbers.get(number, "") + piece
    assert numbers == {1: "abc\r\n", 2: "de\r", 3: "\r\n", 4: "\n", 5: "f"}
