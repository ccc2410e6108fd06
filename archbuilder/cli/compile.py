"""The command `archbuilder compile`."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeAlias

import click

from archbuilder.blueprint import Blueprint, BlueprintRequest
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import (
    blueprint_argument_and_options,
    check_not_overwriting_source,
    format_option,
    output_option,
)
from archbuilder.cli.console import Console
from archbuilder.cli.summary import format_totals
from archbuilder.cli.weights_options import WeightsRequest, match_weight_files, weights_options
from archbuilder.compiler.pipeline import DEFAULT_VARIANT
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.files import path_status
from archbuilder.files.atomic_write import check_writable
from archbuilder.formatting import format_bytes
from archbuilder.silence_tensorflow import import_tensorflow

ModelFormat: TypeAlias = Literal["keras", "json"]
MODEL_FORMATS: Final[tuple[ModelFormat, ...]] = ("keras", "json")


@click.command(
    "compile",
    cls=Command,
    examples=(
        "archbuilder compile net.yaml",
        "archbuilder compile resnet:50 --set classes=10 -o resnet.keras",
        "archbuilder compile lenet5 -o lenet5.json",
        "archbuilder compile gan -o models/",
        "archbuilder compile resnet:50 --set use_bias=true --weights resnet50.h5",
        "archbuilder compile net.yaml --dry-run",
    ),
)
@output_option(
    "File to write, or directory for a blueprint of several networks. [default: the name of the"
    " blueprint]"
)
@format_option(
    MODEL_FORMATS,
    "File format: 'keras' has the architecture and the initial weights, 'json' the architecture"
    " only. [default: by the suffix of FILE, or keras]",
    default=None,
)
@weights_options
@click.option("--dry-run", is_flag=True, help="Check everything, but write no file.")
@blueprint_argument_and_options
@click.pass_obj
def compile_command(
    console: Console,
    *,
    request: BlueprintRequest,
    blueprint: str,
    output: Path | None,
    output_format: ModelFormat | None,
    weights_request: WeightsRequest,
    dry_run: bool,
) -> None:
    """Compile a blueprint into a Keras model file.

    Load the file with keras.saving.load_model("FILE"). The section 'expect' of the blueprint is
    checked first. A blueprint of several networks is compiled into one file per network.
    """
    loaded = request.load(blueprint)
    variant = request.select_variant(loaded)
    console.report_diagnostics(loaded.validate_with_shapes(variant=variant, **request.params))
    networks = tuple(loaded.graphs(variant=variant, **request.params))
    weight_files = weights_request.files_by_network(networks)
    output_paths = {}
    # Check the output before TensorFlow is imported, which takes seconds.
    if output is not None or not dry_run:
        output_paths = _output_paths(loaded, variant, networks, output, output_format)
    if weight_files and any(target.suffix == ".json" for target in output_paths.values()):
        raise UsageError("--weights cannot be used with the format json, which stores no weights")
    import_tensorflow()
    drafts = loaded.build_symbolic(variant=variant, **request.params)
    report = "\n\n".join(format_totals(draft.analysis) for draft in drafts.values())
    if not weight_files:
        console.print(report)
    if dry_run:
        models = {name: draft.model for name, draft in drafts.items()}
        match_weight_files(console, models, weight_files, weights_request, load=False)
    else:
        # All networks must fit in memory before weights are allocated for the first.
        for draft in drafts.values():
            draft.check(loaded.limits)
        models = {name: draft.initialize() for name, draft in drafts.items()}
        match_weight_files(console, models, weight_files, weights_request, load=True)
    if weight_files:
        # Printed last: if the weights do not fit, the error is not preceded by a long report.
        console.print(report)
    if dry_run:
        console.print("Dry run: no file written")
        return
    from archbuilder.keras_backend import saving  # noqa: PLC0415

    for name, model in models.items():
        path = output_paths[name]
        path.parent.mkdir(exist_ok=True)
        save = saving.save_model if path.suffix == ".keras" else saving.save_architecture
        save(model, path)
        console.print(f"Saved {escape_terminal(str(path))} ({format_bytes(path.stat().st_size)})")


def _output_paths(
    blueprint: Blueprint,
    variant: str | None,
    networks: tuple[str, ...],
    output: Path | None,
    model_format: ModelFormat | None,
) -> dict[str, Path]:
    """Return the output file of each network, after checking that it can be written.

    Without `output`, the file or the directory has the name of the blueprint.

    Raises:
        UsageError: if the output has the wrong suffix, is the blueprint itself, or is not a
            directory although there are several networks.
    """
    # A blueprint without 'networks' has one network, which has the blueprint's name.
    single = networks == (blueprint.name,)
    if output is None:
        variant = variant or blueprint.variant
        name = blueprint.name if variant == DEFAULT_VARIANT else f"{blueprint.name}-{variant}"
        output = Path(f"{name}.{model_format or 'keras'}" if single else name)
    check_not_overwriting_source(blueprint, output)
    if single:
        check_writable(output)
        suffix = output.suffix.removeprefix(".")
        if model_format is None and suffix not in MODEL_FORMATS:
            raise UsageError(
                f"{quote(output.name)} must end in .keras, for a model, or .json, for its"
                " architecture only; otherwise pass --format"
            )
        # Keras recognizes a model file by the suffix .keras. An architecture may have any other.
        if model_format is not None and (model_format == "keras") != (suffix == "keras"):
            raise UsageError(
                f"--format {model_format} does not match the suffix of {quote(output.name)}"
            )
        return {networks[0]: output}
    if not path_status.is_dir(output) and (path_status.exists(output) or output.suffix):
        raise UsageError(
            f"the blueprint has {len(networks)} networks ({', '.join(networks)}): the output must"
            f" be a directory, as in -o models/, not {quote(str(output))}"
        )
    paths = {name: output / f"{name}.{model_format or 'keras'}" for name in networks}
    # A directory that does not exist yet is made when the models are written.
    for path in paths.values() if path_status.is_dir(output) else [output]:
        check_writable(path)
    for path in paths.values():
        check_not_overwriting_source(blueprint, path)
    return paths
