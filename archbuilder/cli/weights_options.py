"""Options `--weights`, `--match` and `--skip-mismatch`, and the loading of weight files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from archbuilder.cli.console import Console
from archbuilder.cli.option_group import option_group
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.files.blueprint_files import check_exists
from archbuilder.formatting import plural

if TYPE_CHECKING:
    import keras

    from archbuilder.weights import MatchMode


@dataclass(frozen=True, slots=True)
class WeightsRequest:
    """Options of weight loading."""

    files: tuple[str, ...]
    """Values of --weights: `FILE` or `NETWORK=FILE`."""
    match: MatchMode | None
    """How weights are paired with variables; None takes the mode that pairs more of them."""
    skip_mismatch: bool

    def files_by_network(self, networks: Sequence[str]) -> dict[str, Path]:
        """Return the weight file of each network that has one.

        Raises:
            UsageError: if a file does not exist, or does not name one of several networks, or a
                network has two files.
        """
        files: dict[str, Path] = {}
        for option_value in self.files:
            network, equals, file_name = option_value.partition("=")
            # A '=' may also be part of the file's name.
            if not equals or network not in networks:
                if len(networks) > 1:
                    raise UsageError(
                        f"the blueprint has the networks {', '.join(networks)}: pass the network"
                        f" with the file, as in --weights {networks[0]}="
                        f"{option_value.rpartition('=')[2]}"
                    )
                network, file_name = networks[0], option_value
            file = Path(file_name)
            if network in files:
                raise UsageError(f"--weights is given twice for the network {quote(network)}")
            check_exists(file)
            files[network] = file
        if not files and (self.match or self.skip_mismatch):
            raise UsageError("--match and --skip-mismatch can only be used with --weights")
        return files


weights_options: Final = option_group(
    "weights_request",
    WeightsRequest,
    click.option(
        "--weights",
        "files",
        metavar="[NETWORK=]FILE",
        multiple=True,
        help="Load weights from a .weights.h5, .h5, .keras or .safetensors file. Can be repeated.",
    ),
    click.option(
        "--match",
        type=click.Choice(("name", "order")),
        help="Match weights by name or by order; .safetensors files have no order. [default:"
        " whichever matches more weights]",
    ),
    click.option(
        "--skip-mismatch",
        is_flag=True,
        help="Load the weights that match, and report those that do not.",
    ),
)
"""Adds --weights, --match and --skip-mismatch, as one argument `weights_request`."""


def match_weight_files(
    console: Console,
    models: Mapping[str, keras.Model],
    files: Mapping[str, Path],
    request: WeightsRequest,
    *,
    load: bool,
) -> None:
    """Print how many weights of each network match, and load them if `load` is set.

    Without `load`, models need no values, and all mismatches are listed.

    Raises:
        RunError: if the weights do not fit the network.
    """
    if not files:
        return
    # archbuilder.weights imports Keras.
    from archbuilder.weights import compare_weights, load_weights  # noqa: PLC0415

    match_weights = load_weights if load else compare_weights
    for network, file in files.items():
        result = match_weights(
            models[network], file, match=request.match, skip_mismatch=request.skip_mismatch
        )
        console.print_stderr(
            f"{network}: {'loaded' if load else 'matched'} {len(result.pairs)} of"
            f" {plural(result.size, 'weight')} from {quote(file.name)}, by {result.matched_by}"
        )
        if result.rounding_note:
            console.print_stderr(result.rounding_note)
        if not result.is_complete:
            console.print_stderr(result.problems(list_all=not load))
