"""Write docs/settings.md, the reference of recipes, from the declarations: `make settings`."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from archbuilder.config.initial_weights import InitialWeightsConfig
from archbuilder.config.lora import LoraConfig
from archbuilder.config.objectives import OBJECTIVES, ObjectiveConfig
from archbuilder.config.settings import Setting, settings_of
from archbuilder.config.sources import (
    SOURCES,
    FeatureConfig,
    RecordImage,
    TableAudio,
    TableImage,
    TableVideo,
    TargetImages,
    WindowConfig,
)
from archbuilder.config.split import SplitConfig
from archbuilder.config.training import TrainingConfig, training_keys

PAGE: Final = Path(__file__).parent.parent / "docs" / "settings.md"
HEAD: Final = """\
# Settings

All settings of a recipe, from the declarations that the parser reads. [Training](training.md) and
[data](data.md) explain them with examples. A value may also be an expression: `epochs: $n`.

This page is written by `make settings`.
"""


def page() -> str:
    """Return the text of the page."""
    return "\n".join([HEAD, *training(), *data()])


def training() -> Iterator[str]:
    """Yield the lines about `training`: the training loop, then each objective."""
    yield "## `training`\n"
    yield from paragraph(
        "Settings of the training loop. Some objectives do not take all of them, such as `ridge`,"
        " which does not train in steps."
    )
    yield from table(settings_of(TrainingConfig))
    yield "### Splits\n"
    yield f"{inspect.cleandoc(SplitConfig.__doc__ or '')}\n"
    yield from table(settings_of(SplitConfig))
    yield "### `training: weights`\n"
    yield from paragraph(
        "A mapping, or a list of them. A path alone is `file`: `weights: runs/encoder-1`."
    )
    yield from table(settings_of(InitialWeightsConfig))
    yield "### `training: lora`\n"
    yield f"{inspect.cleandoc(LoraConfig.__doc__ or '')}\n"
    yield from table(settings_of(LoraConfig))
    for name, objective in OBJECTIVES.items():
        yield f"## `objective: {name}`\n"
        yield inspect.cleandoc(objective.__doc__ or "") + "\n"
        yield from requirements(objective)
        settings = settings_of(objective)
        yield from table([each for each in settings if not each.is_option])
        options = [each for each in settings if each.is_option]
        if options:
            example = f"{options[0].name}: {plain(options[0].default)}"
            yield from paragraph(
                f"Options under its name, as in `objective: {{{name}: {{{example}}}}}`:"
            )
            yield from table(options)


def data() -> Iterator[str]:
    """Yield the lines about `data`: each source."""
    yield "## `data`\n"
    yield from paragraph(
        "A source, or the sources `train`, `validation` and `test`. A value that is not a mapping"
        " is the first setting: `npz: data.npz`."
    )
    for name, source in SOURCES.items():
        yield f"## `data: {name}`\n"
        yield inspect.cleandoc(source.__doc__ or "") + "\n"
        if source.suffixes:
            suffixes = ", ".join(f"`{each}`" for each in source.suffixes)
            yield from paragraph(f"`--data` reads files with the suffix {suffixes} with it.")
        yield from table(settings_of(source))
    yield "## Windows\n"
    yield f"{inspect.cleandoc(WindowConfig.__doc__ or '')}\n"
    yield from table(settings_of(WindowConfig))
    yield "## Features\n"
    yield f"{inspect.cleandoc(FeatureConfig.__doc__ or '')}\n"
    yield from table(settings_of(FeatureConfig))
    yield "## Target images\n"
    yield f"{inspect.cleandoc(TargetImages.__doc__ or '')}\n"
    yield from table(settings_of(TargetImages))
    yield "## Image in records\n"
    yield f"{inspect.cleandoc(RecordImage.__doc__ or '')}\n"
    yield from table(settings_of(RecordImage))
    yield "## Images in tables\n"
    yield f"{inspect.cleandoc(TableImage.__doc__ or '')}\n"
    yield from table(settings_of(TableImage))
    yield "## Audio in tables\n"
    yield f"{inspect.cleandoc(TableAudio.__doc__ or '')}\n"
    yield from table(settings_of(TableAudio))
    yield "## Video in tables\n"
    yield f"{inspect.cleandoc(TableVideo.__doc__ or '')}\n"
    yield from table(settings_of(TableVideo))


def requirements(objective: type[ObjectiveConfig]) -> Iterator[str]:
    """Yield a paragraph on what an objective needs, and what uses the trained networks."""
    sentences = []
    missing = {each.name for each in settings_of(TrainingConfig)} - {*training_keys(objective)}
    if missing:
        sentences.append(f"It does not take {', '.join(f'`{each}`' for each in sorted(missing))}.")
    sentences.append("`archbuilder predict` uses the trained networks.")
    yield from paragraph(" ".join(sentences))


def table(settings: Iterable[Setting]) -> Iterator[str]:
    """Yield a table of settings."""
    yield "| key | values | default | |"
    yield "|---|---|---|---|"
    for declared in settings:
        name, values = declared.name, declared.value_type.text
        default = "required" if declared.is_required else plain(declared.default)
        yield f"| `{name}` | {values} | {default} | {declared.description} |"
    yield ""


def plain(value: object) -> str:
    """Return a default as it stands in a recipe; empty if it stands for a missing key."""
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | str):
        return f"{value:,}" if isinstance(value, int) else str(value)
    class_name = getattr(value, "class_name", None)
    if class_name is None and isinstance(value, dict):
        class_name = next(iter(value.values())).class_name
    return str(class_name)


def paragraph(text: str) -> Iterator[str]:
    """Yield a paragraph, wrapped at 100 columns."""
    yield textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
