"""No file, however damaged, gets anything out of archbuilder but an error that names the reason.

Small files of real libraries are damaged and read in the ways in which commands read them. Every
case follows from its format and its number, so that one that fails can be tried again:

    pytest tests/files/test_damaged_files.py -m thorough -k "a.npz and 3000"

Where a library crashes, pytest ends with a traceback; where it hangs, the traceback lies in the
folder of the test. The file that was read last is there, too.
"""

from __future__ import annotations

import faulthandler
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from helpers.damage import damaged
from helpers.file_formats import FORMATS, Format
from helpers.run_formats import RUN

from archbuilder.diagnostics.errors import ArchbuilderError
from archbuilder.diagnostics.escape import escape_terminal

MANY = 10_000
BLOCK = 1000
HANG = 1800
"""Seconds after which a case has hung, however busy the machine is."""

# numpy reads headers of Python 2, which damage can make, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")

parametrize_formats = pytest.mark.parametrize("kind", [*FORMATS, *RUN], ids=lambda kind: kind.name)


@pytest.fixture
def watchdog(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """What ends the process, with a traceback in the folder of the test, if a case hangs.

    No exception interrupts a library.
    """
    with (tmp_path / "traceback.txt").open("w") as file:
        yield lambda: faulthandler.dump_traceback_later(HANG, exit=True, file=file)
        faulthandler.cancel_dump_traceback_later()


def memory() -> int:
    """The most memory that the process has had so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def case(kind: Format, number: int) -> bytes:
    """A damaged file; of those with checksums, most have right ones."""
    random = Random(f"{kind.name} {number}")  # noqa: S311 - not a secret
    content = damaged(kind.seeds(), random)
    if kind.repair is bytes:
        return content
    return (
        kind.repair(content) if random.random() < 0.7 else damaged([kind.repair(content)], random)
    )


def is_plain(line: str) -> bool:
    """Whether a terminal shows a line as it is."""
    return escape_terminal(line) == line != ""


def check(kind: Format, number: int, path: Path) -> bool:
    """Read one case, and tell whether it was still right."""
    path.write_bytes(case(kind, number))
    began, memory_at_start = time.process_time(), memory()
    message = None
    try:
        kind.read(path)
    except ArchbuilderError as error:
        message = str(error)
    except Exception as error:
        error.add_note(f"case {number} of {kind.name}: {path}")
        raise
    where = f"case {number} of {kind.name}"
    assert message is None or all(map(is_plain, message.split("\n"))), f"{where}: {message!r}"
    assert time.process_time() - began < kind.seconds, f"{where} takes too long"
    assert memory() - memory_at_start < kind.mebibytes, f"{where} takes too much memory"
    return message is None


@parametrize_formats
def test_undamaged_files_are_read(kind: Format, tmp_path: Path) -> None:
    """What is not damaged is read: the cases below fail for their damage."""
    path = tmp_path / kind.name
    for content in kind.seeds():
        path.write_bytes(kind.repair(content))
        kind.read(path)


@parametrize_formats
def test_damaged_files(kind: Format, tmp_path: Path, watchdog: Callable[[], None]) -> None:
    """An error, or what the file still holds."""
    right = 0
    for number in range(kind.cases):
        watchdog()
        right += check(kind, number, tmp_path / kind.name)
    assert right < kind.cases


@pytest.mark.thorough
@pytest.mark.parametrize("start", range(0, MANY, BLOCK))
@parametrize_formats
def test_many_damaged_files(
    kind: Format, start: int, tmp_path: Path, watchdog: Callable[[], None]
) -> None:
    """Ten thousand cases of each format."""
    for number in range(start, start + BLOCK):
        watchdog()
        check(kind, number, tmp_path / kind.name)
