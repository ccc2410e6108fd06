"""Reads `--weights [NETWORK=]FILE`, and loads what it names."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import click

from archbuilder.cli.console import Console
from archbuilder.errors import UsageError, shown

if TYPE_CHECKING:
    import keras

    from archbuilder.weights import Way

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class WantedWeights:
    """What the command line asks of the weights; `way` None is the one that fits more."""

    files: tuple[str, ...]
    way: Way | None
    partial: bool

    def by_network(self, networks: Sequence[str]) -> dict[str, Path]:
        """The file of each network that has one.

        Raises:
            UsageError: when a file is for no network, or a network has two, or there is none.
        """
        files: dict[str, Path] = {}
        for given in self.files:
            network, file = _network_and_file(given, networks)
            if network in files:
                raise UsageError(f"--weights gives the network {shown(network)} two files")
            if not file.is_file():
                raise UsageError(f"there is no file {shown(str(file))}")
            files[network] = file
        if not files and (self.way or self.partial):
            raise UsageError("--match and --partial say how the file of --weights is taken")
        return files


def takes_weights(function: Callable[..., _Result]) -> Callable[..., _Result]:
    """Give a command `wanted_weights`: --weights, --match and --partial."""

    @functools.wraps(function)
    def command(
        *args: object,
        weights: tuple[str, ...],
        match: Way | None,
        partial: bool,
        **kwargs: object,
    ) -> _Result:
        return function(*args, wanted_weights=WantedWeights(weights, match, partial), **kwargs)

    options = command
    for option in reversed(_OPTIONS):
        options = option(options)
    return options


_OPTIONS = (
    click.option(
        "--weights",
        metavar="[NETWORK=]FILE",
        multiple=True,
        help="Give the model the weights of a .weights.h5, .h5, .keras or .safetensors file.",
    ),
    click.option(
        "--match",
        type=click.Choice(("path", "order")),
        help="Pair weights that have the same name, or that stand at the same place. "
        "Without it, the way that fits more of them. A .safetensors file has no order.",
    ),
    click.option(
        "--partial", is_flag=True, help="Take the weights that fit, and tell which do not."
    ),
)


def _network_and_file(given: str, networks: Sequence[str]) -> tuple[str, Path]:
    network, equals, file = given.partition("=")
    if equals and network in networks:
        return network, Path(file)
    if len(networks) == 1:
        return networks[0], Path(given)
    raise UsageError(
        f"--weights of a blueprint with several networks names one of them, as in"
        f" --weights {networks[0]}={given.rpartition('=')[2]}; they are {', '.join(networks)}"
    )


def load_wanted_weights(
    console: Console,
    models: Mapping[str, keras.Model],
    files: Mapping[str, Path],
    wanted: WantedWeights,
) -> None:
    """Load the weights of each network, and say how they fit.

    Raises:
        RunError: when they do not.
    """
    _each(console, "load_weights", models, files, wanted)


def compare_wanted_weights(
    console: Console,
    models: Mapping[str, keras.Model],
    files: Mapping[str, Path],
    wanted: WantedWeights,
) -> None:
    """Say how the weights would fit networks that have no values yet.

    Raises:
        RunError: when they would not.
    """
    _each(console, "compare_weights", models, files, wanted)


def _each(
    console: Console,
    action: Literal["load_weights", "compare_weights"],
    models: Mapping[str, keras.Model],
    files: Mapping[str, Path],
    wanted: WantedWeights,
) -> None:
    if not files:
        return
    act = getattr(importlib.import_module("archbuilder.weights"), action)
    for network, file in files.items():
        found = act(models[network], file, way=wanted.way, partial=wanted.partial)
        console.remark(
            f"{len(found.pairs)} of {found.size} weights of {network} are from"
            f" {shown(file.name)}, by {found.way}"
        )
        if found.rounded:
            console.remark(found.rounded)
        if not found.complete:
            console.remark(found.problems(every=action == "compare_weights"))
