"""`archbuilder compile`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import click

from archbuilder.api import Blueprint
from archbuilder.cli.command import Command
from archbuilder.cli.console import Console
from archbuilder.cli.options import Wanted, check_not_read, takes_blueprint
from archbuilder.cli.quiet import import_tensorflow
from archbuilder.cli.weighing import (
    WantedWeights,
    compare_wanted_weights,
    load_wanted_weights,
    takes_weights,
)
from archbuilder.errors import UsageError, shown
from archbuilder.escaping import for_terminal
from archbuilder.pipeline import DEFAULT_VARIANT
from archbuilder.report import overview
from archbuilder.tables import size
from archbuilder.writing import check_target

if TYPE_CHECKING:
    import keras

ModelFormat: TypeAlias = Literal["keras", "json"]
FORMATS: Final[tuple[ModelFormat, ...]] = ("keras", "json")


@click.command(
    "compile",
    cls=Command,
    examples=(
        "archbuilder compile lenet.yaml",
        "archbuilder compile resnet:50 --set classes=10 -o resnet.keras",
        "archbuilder compile lenet.yaml -o lenet.json",
        "archbuilder compile gan.yaml -o models/ --format keras",
        "archbuilder compile resnet:50 --set use_bias=true --weights resnet50.h5",
        "archbuilder compile lenet.yaml --dry-run",
    ),
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the model goes: a file, or a folder for a blueprint of several networks. "
    "Without it, a file in this folder with the name of the blueprint.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="'keras' is the model with its (untrained) weights, 'json' its architecture alone. "
    "Without it, the ending of FILE decides.",
)
@takes_weights
@click.option("--dry-run", is_flag=True, help="Check everything and write nothing.")
@takes_blueprint
@click.pass_obj
def compile_command(
    console: Console,
    *,
    wanted: Wanted,
    blueprint: str,
    output: Path | None,
    form: ModelFormat | None,
    wanted_weights: WantedWeights,
    dry_run: bool,
) -> None:
    """Compile a blueprint into a Keras model.

    The file opens in any program with keras.saving.load_model("FILE"). What the blueprint promises
    under 'expect' is checked first. A blueprint of several networks becomes several files.
    """
    loaded = wanted.load(blueprint)
    variant = wanted.variant_of(loaded)
    console.show(loaded.validate(variant=variant, **wanted.params))
    networks = tuple(loaded.graphs(variant=variant, **wanted.params))
    single = networks == (loaded.name,)
    files = wanted_weights.by_network(networks)
    targets = {}
    if output is not None or not dry_run:
        output = output or _default_output(loaded, variant, form, single=single)
        check_not_read(loaded, output)
        targets = _targets(networks, output, form, single=single)
    if files and any(target.suffix == ".json" for target in targets.values()):
        raise UsageError("--weights has no meaning for a model's architecture alone")
    import_tensorflow()
    drafts = loaded.draft(variant=variant, **wanted.params)
    report = "\n\n".join(overview(draft.analysis) for draft in drafts.values())
    if not files:
        console.say(report)
    if dry_run:
        models = {name: draft.model for name, draft in drafts.items()}
        compare_wanted_weights(console, models, files, wanted_weights)
    else:
        for draft in drafts.values():
            draft.check(loaded.limits)
        models = {name: draft.finish() for name, draft in drafts.items()}
        load_wanted_weights(console, models, files, wanted_weights)
    if files:
        # Weights that do not fit are an error, which a long report would hide.
        console.say(report)
    if dry_run:
        console.say("nothing is written: --dry-run")
    else:
        _write(console, models, targets)


def _default_output(
    loaded: Blueprint, variant: str | None, form: ModelFormat | None, *, single: bool
) -> Path:
    """Where a model goes without -o: a file, or a folder, of the blueprint's name."""
    chosen = variant or loaded.variant
    name = loaded.name if chosen == DEFAULT_VARIANT else f"{loaded.name}-{chosen}"
    return Path(f"{name}.{form or 'keras'}" if single else name)


def _targets(
    networks: tuple[str, ...], output: Path, form: ModelFormat | None, *, single: bool
) -> dict[str, Path]:
    """The file of each network, all of them found writable."""
    if single:
        check_target(output)
        _check_suffix(output, form)
        return {networks[0]: output}
    if not output.is_dir() and (output.exists() or output.suffix):
        raise UsageError(
            f"the blueprint has {len(networks)} networks ({', '.join(networks)}), so that the "
            f"output is a folder, as in -o models/, not {shown(str(output))}"
        )
    targets = {name: output / f"{name}.{form or 'keras'}" for name in networks}
    for target in targets.values() if output.is_dir() else [output]:
        check_target(target)
    return targets


def _check_suffix(output: Path, form: ModelFormat | None) -> None:
    """Keras goes by the ending .keras; an architecture may stand in any other file."""
    suffix = output.suffix.removeprefix(".")
    if form is None and suffix not in FORMATS:
        raise UsageError(
            f"{shown(output.name)} ends neither in .keras, for a model, nor in .json, for its "
            "architecture alone"
        )
    if form is not None and (form == "keras") != (suffix == "keras"):
        raise UsageError(f"--format {form} does not fit the ending of {shown(output.name)}")


def _write(
    console: Console, models: Mapping[str, keras.Model], targets: Mapping[str, Path]
) -> None:
    saving = importlib.import_module("archbuilder.backend.saving")
    for name, model in models.items():
        path = targets[name]
        path.parent.mkdir(exist_ok=True)
        save = saving.save_model if path.suffix == ".keras" else saving.save_architecture
        save(model, path)
        console.say(f"wrote {for_terminal(str(path))} ({size(path.stat().st_size)})")
