"""Jobs on one or more machines: the command, the resources, and checks of names and times."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.launch.command_line import add_options, option_arguments

# A DNS label has 63 characters. 52 leave room for the rest of the name of a Kubernetes pod,
# NAME-INDEX-RANDOM: an index of four digits and five random characters.
_LABEL: Final = re.compile(r"[a-z]([a-z0-9-]{0,50}[a-z0-9])?\Z")
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,:/@-]*\Z")
# \Z and not $, which also matches before a final newline, here and in the other patterns.
_MEMORY: Final = re.compile(r"[1-9][0-9]*[MGT]\Z")
_TIME: Final = re.compile(r"(?:(\d{1,4})-)?(\d{1,7}(?::\d{1,7}){0,2})\Z", re.ASCII)
_UNITS: Final = ("days", "hours", "minutes", "seconds")
_UNIT_SECONDS: Final = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
_MAX_AMOUNTS: Final = {"hours": 23, "minutes": 59, "seconds": 59}
"""The largest amount of a unit that follows a larger unit."""
_RESERVED_OPTIONS: Final = ("--workers", "--distribute", "--resume")
_AUTO_RESUME: Final = "--auto-resume"


@dataclass(frozen=True, slots=True)
class Job:
    """A training run on `nodes` machines. The cluster decides about resources that are None."""

    name: str
    command: tuple[str, ...]
    """The arguments of `archbuilder`."""
    nodes: int
    gpus: int = 0
    """Per machine, as are `cpus` and `memory`."""
    cpus: int | None = None
    memory: str | None = None
    """A number with the unit M, G or T, which stand for MiB, GiB and TiB."""
    time: str | None = None
    """The time limit in one of Slurm's formats; see `parse_slurm_time`."""

    def __post_init__(self) -> None:
        """Check the values that a job file contains verbatim.

        Raises:
            UsageError: if one of them has an invalid format.
        """
        check_dns_label(self.name, "--name")
        if self.memory is not None and not _MEMORY.match(self.memory):
            raise UsageError(f"--memory must be a size as in 16G, not {quote(self.memory)}")
        if self.time is not None:
            parse_slurm_time(self.time)

    def command_line(self) -> str:
        """Return the command as a shell command line, quoted where necessary."""
        return shlex.join(["archbuilder", *self.command])


def resumable_command(arguments: Sequence[str], nodes: int) -> tuple[str, ...]:
    """Return the command for every machine, which resumes its run whenever it is started again.

    Raises:
        UsageError: if the arguments are not those of `train`, name no run directory, or contain an
            option that the job decides.
    """
    if not arguments or arguments[0] != "train":
        raise UsageError(
            "pass the command 'train' after --, as in -- train net.yaml --run-dir /shared/net"
        )
    keys = [each.partition("=")[0] for each in option_arguments(arguments)]
    for option in _RESERVED_OPTIONS:
        if option in keys:
            raise UsageError(f"{option} cannot be used in a job, which sets it itself")
    if "--run-dir" not in keys:
        raise UsageError(
            "pass --run-dir DIR with a directory that all nodes share; a restarted job resumes the"
            " run in it"
        )
    # Schedulers restart a job with the same command, the first time as well as after a failure.
    added = [] if _AUTO_RESUME in keys else [_AUTO_RESUME]
    # Not `auto`, which would silently train alone on each machine if it did not find the cluster.
    if nodes > 1:
        added += ["--distribute", "multi_worker"]
    return tuple(add_options(arguments, *added))


def check_dns_label(text: str, option: str) -> str:
    """Return `text` if it is a DNS label with room for the number of a pod after it.

    Raises:
        UsageError: if it is not; the message names `option`.
    """
    if not _LABEL.match(text):
        raise UsageError(
            f"{option} must consist of at most 52 lowercase letters, digits and hyphens, begin with"
            f" a letter and not end with a hyphen, not {quote(text)}"
        )
    return text


def check_word(text: str, option: str) -> str:
    """Return `text` if it is a name without spaces and characters that are special in a shell.

    Raises:
        UsageError: if it is not; the message names `option`.
    """
    if not _WORD.match(text):
        raise UsageError(f"{option} is not a valid name: {quote(text)}")
    return text


def parse_slurm_time(text: str) -> int:
    """Return the seconds of a time in one of Slurm's formats.

    The formats are `minutes`, `minutes:seconds`, `hours:minutes:seconds`, `days-hours`,
    `days-hours:minutes` and `days-hours:minutes:seconds`.

    Raises:
        UsageError: if it has another format, a number is out of its range, or the time is zero.
    """
    match = _TIME.match(text)
    if match is None:
        raise UsageError(
            "--time must be as in 90 (minutes), 12:00:00 or 1-12:00:00 (days and hours), not"
            f" {quote(text)}"
        )
    days, rest = match[1], match[2].split(":")
    numbers = [int(each) for each in ([] if days is None else [days]) + rest]
    # Without days, one number is minutes, and two are minutes and seconds.
    units = _UNITS[0 if days else 1 if len(numbers) == len(_UNITS) - 1 else 2 :]
    amounts = dict(zip(units, numbers, strict=False))
    total = sum(_UNIT_SECONDS[unit] * amount for unit, amount in amounts.items())
    for unit in [*amounts][1:]:
        if amounts[unit] > _MAX_AMOUNTS[unit]:
            minutes, second = divmod(total, 60)
            hours, minute = divmod(minutes, 60)
            day, hour = divmod(hours, 24)
            raise UsageError(
                f"--time {quote(text)} has {amounts[unit]} {unit}, but at most"
                f" {_MAX_AMOUNTS[unit]} can follow {units[0]}; write"
                f" {day}-{hour:02}:{minute:02}:{second:02}"
            )
    # Slurm takes 0 for no limit.
    if not total:
        raise UsageError(f"--time must not be zero, as in {quote(text)}; leave it out for no limit")
    return total
