"""What Python users call: load a blueprint, validate it, compile it.

Whatever needs Keras is imported inside the methods that need it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from archbuilder import zoo
from archbuilder.compiler.ir import Graph
from archbuilder.compiler.parameters import ParameterValue
from archbuilder.compiler.pipeline import (
    DEFAULT_VARIANT,
    BuildOptions,
    CheckedProgram,
    evaluate_section,
    expand_every_variant,
    expand_program,
    read_program,
)
from archbuilder.compiler.unparse import unparse
from archbuilder.diagnostics.errors import Diagnostic, UsageError, closest_match, quote
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.expectations import check_expectations
from archbuilder.files.sandbox import SandboxPath
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import Tree, from_plain

if TYPE_CHECKING:
    import keras

    from archbuilder.keras_backend import Analysis, UninitializedModel
    from archbuilder.weights import Match, MatchMode


class Blueprint:
    """A blueprint that was read and whose names are right.

    Every method takes the parameters of the blueprint by name, and `variant`, a named set of them;
    parameters go before the variant, and the variant before defaults.
    """

    def __init__(
        self, checked: CheckedProgram, limits: Limits, variant: str = DEFAULT_VARIANT
    ) -> None:
        self._program = checked.program
        self._warnings = checked.warnings
        self._limits = limits
        self._variant = variant

    def __repr__(self) -> str:
        return f"<Blueprint {self.name!r} from {self._program.document.span.source.name!r}>"

    @property
    def name(self) -> str:
        """The name of the blueprint."""
        return self._program.document.name

    @property
    def title(self) -> str:
        """Its title, empty where it has none."""
        return self._program.document.title

    @property
    def references(self) -> tuple[str, ...]:
        """The papers and tables that it follows."""
        return self._program.document.references

    @property
    def files(self) -> tuple[Path, ...]:
        """The file that it was read from, and those that it imports."""
        return tuple(Path(each.document.span.source.name) for each in self._program.iter_programs())

    @property
    def variants(self) -> tuple[str, ...]:
        """The named sets of parameters."""
        return tuple(self._program.document.variants)

    @property
    def limits(self) -> Limits:
        """What it may take, as it was loaded with."""
        return self._limits

    @property
    def variant(self) -> str:
        """The variant that it was loaded with (`resnet:50`)."""
        return self._variant

    def validate(
        self, /, *, variant: str | None = None, **params: PlainData
    ) -> tuple[Diagnostic, ...]:
        """Expand the blueprint, and give what is worth a warning. Needs no Keras.

        Without a variant and parameters, it is expanded with its defaults and every variant.

        Raises:
            BlueprintError: with every mistake.
        """
        if variant is None and not params and self._variant == DEFAULT_VARIANT:
            return self._warnings + expand_every_variant(self._program, self._limits)
        options = self._build_options(variant, params)
        return self._warnings + expand_program(self._program, options, self._limits).warnings

    def graphs(self, /, *, variant: str | None = None, **params: PlainData) -> Mapping[str, Graph]:
        """The expanded graph of each network, by its name.

        Raises:
            BlueprintError: with every mistake.
        """
        options = self._build_options(variant, params)
        return expand_program(self._program, options, self._limits).graphs

    def expand(self, /, *, variant: str | None = None, **params: PlainData) -> str:
        """The blueprint with everything resolved, as a blueprint again.

        Raises:
            BlueprintError: with every mistake.
        """
        return unparse(self.graphs(variant=variant, **params), name=self.name, title=self.title)

    def build_symbolic(
        self, /, *, variant: str | None = None, **params: PlainData
    ) -> Mapping[str, UninitializedModel]:
        """The model of each network without values for its weights, by the network's name.

        A draft tells what the model is like, and becomes the model with `finish()`.

        Raises:
            BlueprintError: with every mistake, those in shapes as well, or if the blueprint is
                not what it promises under `expect`.
        """
        backend = importlib.import_module("archbuilder.keras_backend")
        options = self._build_options(variant, params)
        graphs = expand_program(self._program, options, self._limits).graphs
        models: dict[str, UninitializedModel] = {
            name: backend.build_symbolic(graph) for name, graph in graphs.items()
        }
        analyses = {name: model.analysis for name, model in models.items()}
        check_expectations(self._program, options, analyses)
        return models

    def analyze(
        self, /, *, variant: str | None = None, **params: PlainData
    ) -> Mapping[str, Analysis]:
        """Shapes, parameters, multiply-adds and memory of each network, by its name.

        Takes no memory for weights, so that it tells of models that would not fit as well.

        Raises:
            BlueprintError: with every mistake, those in shapes as well, or if the blueprint is
                not what it promises under `expect`.
        """
        models = self.build_symbolic(variant=variant, **params)
        return {name: model.analysis for name, model in models.items()}

    def compile(
        self, /, *, variant: str | None = None, **params: PlainData
    ) -> keras.Model | dict[str, keras.Model]:
        """The Keras model, or several by name where the blueprint has `networks`.

        Several outputs of a model are a dictionary by name.

        Raises:
            BlueprintError: with every mistake, if the model does not fit the machine's memory,
                or if it is not what the blueprint promises under `expect`.
        """
        uninitialized = self.build_symbolic(variant=variant, **params)
        for uninitialized_model in uninitialized.values():
            uninitialized_model.check(self._limits)
        models = {name: model.initialize() for name, model in uninitialized.items()}
        return models[self.name] if self._program.document.is_single_network else models

    def evaluate_section(
        self,
        name: Literal["data", "training"],
        /,
        *,
        variant: str | None = None,
        **params: PlainData,
    ) -> Tree | None:
        """The `data` or the `training` of the file with its formulas evaluated, if it has any.

        Raises:
            BlueprintError: with every mistake in the parameters or the formulas.
        """
        document = self._program.document
        value = document.data if name == "data" else document.training
        if value is None:
            return None
        return evaluate_section(
            self._program, value, self._build_options(variant, params), self._limits
        )

    def _build_options(self, variant: str | None, params: Mapping[str, PlainData]) -> BuildOptions:
        values = tuple(_parameter_value(name, value) for name, value in params.items())
        return BuildOptions(variant or self._variant, values)


def load(
    blueprint: str | PathLike[str],
    *,
    limits: Limits | None = None,
    allow: Sequence[str | PathLike[str]] = (),
) -> Blueprint:
    """The blueprint of a file (`squeezenet.yaml`) or of the library (`squeezenet`).

    A variant may stand behind a colon: `squeezenet.yaml:tiny`, `resnet:50`. Files that the
    blueprint imports lie in its own folder, or in one of the folders that `allow` names.

    Raises:
        BlueprintError: with every mistake of the file and of what it imports.
        UsageError: when there is no such file or blueprint.
    """
    path, variant = resolve_blueprint(fspath(blueprint))
    limits = limits or Limits()
    checked = read_program(path, limits, allow=[Path(folder) for folder in allow])
    return Blueprint(checked, limits, variant or DEFAULT_VARIANT)


def load_sandboxed_file(file: SandboxPath, *, limits: Limits, allow: Sequence[Path]) -> Blueprint:
    """The blueprint of a file in a folder that another person may have made; see `load`.

    Raises:
        BlueprintError: with every mistake of the file and of what it imports.
    """
    return Blueprint(read_program(file, limits, allow=allow), limits)


def load_weights(
    model: keras.Model,
    path: str | PathLike[str],
    *,
    match: MatchMode | None = None,
    skip_mismatch: bool = False,
) -> Match:
    """Give a compiled model the weights of a file, and tell how they fit.

    Takes `.weights.h5` and `.keras` files of Keras 3, `.h5` files of Keras 2 (those that
    `keras.applications` downloads are such files) and `.safetensors`. Nothing but numbers is read
    from them. `match` pairs weights by `"path"`, those of the same name, or by `"order"`, those at
    the same place (in files of Keras 3: within each class of layer; in `.safetensors` files there
    is no order); without it, the way that fits more weights is taken. With `skip_mismatch`, weights
    without a partner stay as they are.

    Raises:
        RunError: when a weight does not fit, with a list of all that do not; or when the file is
            damaged.
        UsageError: when there is no such file, it is of another kind, or it has no order and
            `match` is `"order"`.
    """
    weights = importlib.import_module("archbuilder.weights")
    result: Match = weights.load_weights(model, path, match=match, skip_mismatch=skip_mismatch)
    return result


def resolve_blueprint(blueprint: str) -> tuple[Path, str | None]:
    """The file that a person means by `squeezenet`, `resnet:50` or `nets/my.yaml:tiny`.

    Gives the file and the variant, None where no variant is named.

    Raises:
        UsageError: when it is no file and the library has none of that name.
    """
    if not blueprint:
        raise UsageError("a blueprint is a file or a name of the library, not an empty text")
    head, colon, tail = blueprint.rpartition(":")
    if _looks_like_path(blueprint) or not colon:
        head, variant = blueprint, None
    else:
        variant = tail
    if _looks_like_path(head):
        return Path(head), variant
    if head in zoo.names():
        return zoo.path(head), variant
    if os.sep in head:
        raise UsageError(f"there is no file {quote(head)}")
    near = closest_match(head, zoo.names())
    hint = f"did you mean '{near}'?" if near else "'archbuilder list' shows the library"
    raise UsageError(
        f"there is no file {quote(head)} here, and no blueprint of that name in the library; {hint}"
    )


def _looks_like_path(text: str) -> bool:
    """Whether a text is meant as a file; one that is missing or unreadable is reported later."""
    return text.endswith((".yaml", ".yml")) or Path(text).exists()


def _parameter_value(name: str, value: PlainData) -> ParameterValue:
    """A parameter from Python, with a place that shows its value."""
    text = quote(value)
    source = SourceText(f"the parameter '{name}'", text)
    span = Span(source, 1, 1, 1, len(text) + 1)
    if not _is_plain(value):
        raise UsageError(
            f"the parameter '{name}' is a number, a text, a boolean, None or a list of them,"
            f" not {text}"
        )
    return ParameterValue(name, from_plain(value, span), span)


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or type(value) in (bool, int, float, str)
