"""Blueprints from files and from the library: load, validate, expand and compile them.

Modules that need Keras are imported inside the functions that need them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from archbuilder.argument_trees import argument_tree
from archbuilder.argument_types import LIMITS, PATH, STRING, path_list
from archbuilder.blueprint_names import resolve_blueprint
from archbuilder.compiler.expand.scope import FileScope
from archbuilder.compiler.ir import Graph
from archbuilder.compiler.parameters import ParameterValue
from archbuilder.compiler.pipeline import (
    DEFAULT_VARIANT,
    BuildOptions,
    CheckedProgram,
    ExpansionResult,
    evaluate_section,
    expand_every_variant,
    expand_program,
    read_program,
    recipe_scope,
    sizes_from_data,
    variant_frame,
)
from archbuilder.compiler.unparse import unparse
from archbuilder.diagnostics.errors import Diagnostic, ExpansionFrame, UsageError, quote
from archbuilder.expectations import check_expectations
from archbuilder.files.array_files import ArrayFile
from archbuilder.files.sandbox import SandboxPath
from archbuilder.language.ast import DataSize
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.shape_oracle import make_shape_oracle
from archbuilder.silence_tensorflow import import_tensorflow
from archbuilder.yaml.nodes import Tree

if TYPE_CHECKING:
    import keras

    from archbuilder.keras_backend import Analysis, UninitializedModel


class Blueprint:
    """A blueprint that was read, with all names resolved.

    Methods take the parameters of the blueprint as keyword arguments, and `variant`, the name of a
    set of parameters. Parameters take precedence over the variant, and the variant over defaults.
    """

    def __init__(
        self, checked: CheckedProgram, limits: Limits, variant: str = DEFAULT_VARIANT
    ) -> None:
        self._program, self._warnings = checked.program, checked.warnings
        self._reads_shapes = checked.reads_shapes
        self._last_expansion: tuple[str, ExpansionResult] | None = None
        self._limits, self._variant = limits, variant

    def __repr__(self) -> str:
        return f"<Blueprint {self.name!r} from {self._program.document.span.source.name!r}>"

    @property
    def name(self) -> str:
        """Name of the blueprint."""
        return self._program.document.name

    @property
    def title(self) -> str:
        """Title of the blueprint; empty if it has none."""
        return self._program.document.title

    @property
    def references(self) -> tuple[str, ...]:
        """Papers and tables that the blueprint follows."""
        return self._program.document.references

    @property
    def files(self) -> tuple[Path, ...]:
        """The file that it was read from, and the files that it imports."""
        return tuple(Path(each.document.span.source.name) for each in self._program.iter_programs())

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants."""
        return tuple(self._program.document.variants)

    @property
    def limits(self) -> Limits:
        """The limits that it was loaded with."""
        return self._limits

    @property
    def variant(self) -> str:
        """The variant that it was loaded with (`resnet:50`)."""
        return self._variant

    @property
    def allow_dirs(self) -> tuple[Path, ...]:
        """Directories besides its own that it may read from."""
        return self._program.allow_dirs

    @property
    def reads_shapes(self) -> bool:
        """Whether its expressions read shapes of tensors, so that expanding it needs Keras."""
        return self._reads_shapes

    def validate(
        self, /, *, variant: str | None = None, **params: PlainData
    ) -> tuple[Diagnostic, ...]:
        """Check the blueprint by expanding it, and return the warnings. Does not need Keras.

        Without a variant and parameters, it is expanded with its defaults and with every variant.
        What depends on shapes (`reads_shapes`) is not checked.

        Raises:
            BlueprintError: with all errors.
        """
        if variant is None and not params and self._variant == DEFAULT_VARIANT:
            return self._warnings + expand_every_variant(self._program, self._limits)
        options = self._build_options(variant, params)
        return self._warnings + expand_program(self._program, options, self._limits).warnings

    def validate_with_shapes(
        self, /, *, variant: str | None = None, **params: PlainData
    ) -> tuple[Diagnostic, ...]:
        """Check as `validate` does, and with Keras what depends on shapes of tensors as well.

        Raises:
            BlueprintError: with all errors.
        """
        if variant is None and not params and self._variant == DEFAULT_VARIANT:
            warnings = expand_every_variant(self._program, self._limits, make_shape_oracle)
            return self._warnings + warnings
        return self._warnings + self._expand(self._build_options(variant, params)).warnings

    def graphs(self, /, *, variant: str | None = None, **params: PlainData) -> Mapping[str, Graph]:
        """Return the expanded graph of each network, by the name of the network.

        Raises:
            BlueprintError: with all errors.
        """
        return self._expand(self._build_options(variant, params)).graphs

    def outline(
        self, /, *, variant: str | None = None, **params: PlainData
    ) -> Mapping[str, Graph] | None:
        """Return the graphs for checks without Keras, in which some arguments may be unknown.

        The result is None if the steps of a network depend on shapes.

        Raises:
            BlueprintError: with all errors.
        """
        options = self._build_options(variant, params)
        graphs = expand_program(self._program, options, self._limits).graphs
        return graphs if len(graphs) == len(self._program.document.networks) else None

    def expand(self, /, *, variant: str | None = None, **params: PlainData) -> str:
        """Return the text of an equivalent blueprint without parameters, blocks and loops.

        It names files of constants as a blueprint in the same directory.

        Raises:
            BlueprintError: with all errors.
        """

        def array_path(array: ArrayFile) -> str:
            return Path(os.path.relpath(array.file.path, self._program.directory.path)).as_posix()

        return unparse(
            self.graphs(variant=variant, **params),
            name=self.name,
            title=self.title,
            array_path=array_path,
        )

    def build_symbolic(
        self, /, *, variant: str | None = None, **params: PlainData
    ) -> Mapping[str, UninitializedModel]:
        """Return the model of each network, by name, without values for its weights.

        An `UninitializedModel` has an `analysis`; its `initialize()` returns the Keras model.

        Raises:
            BlueprintError: with all errors, including those in shapes, or if the analysis differs
                from what the blueprint states under `expect`.
            UsageError: if Keras is configured with another backend, `floatx` or
                `image_data_format`.
        """
        import_tensorflow()
        from archbuilder.keras_backend import build_symbolic

        options = self._build_options(variant, params)
        graphs = self._expand(options).graphs
        models = {name: build_symbolic(graph) for name, graph in graphs.items()}
        analyses = {name: model.analysis for name, model in models.items()}
        check_expectations(self._program, options, analyses)
        return models

    def analyze(
        self, /, *, variant: str | None = None, **params: PlainData
    ) -> Mapping[str, Analysis]:
        """Return shapes, parameters, multiply-adds and memory of each network, by name.

        Allocates no weights, and so works for models that do not fit into memory.

        Raises:
            BlueprintError: with all errors, including those in shapes, or if the analysis differs
                from what the blueprint states under `expect`.
        """
        models = self.build_symbolic(variant=variant, **params)
        return {name: model.analysis for name, model in models.items()}

    def compile(
        self, /, *, variant: str | None = None, **params: PlainData
    ) -> keras.Model | dict[str, keras.Model]:
        """Build the Keras model, or a dictionary of models if the blueprint has `networks`.

        A model with several outputs returns them as a dictionary by name.

        Raises:
            BlueprintError: with all errors, or if a model does not fit into memory or differs from
                what the blueprint states under `expect`.
        """
        uninitialized = self.build_symbolic(variant=variant, **params)
        # Check all of them first: no memory is allocated if one is too large.
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
        """Return the `data` or `training` section with its expressions evaluated, or None.

        Raises:
            BlueprintError: with all errors in the parameters and expressions.
        """
        document = self._program.document
        value = document.data if name == "data" else document.training
        if value is None:
            return None
        return evaluate_section(
            self._program, value, self._build_options(variant, params), self._limits
        )

    def variant_frame(self, variant: str | None = None) -> ExpansionFrame | None:
        """Return the frame that names a variant in messages about values that depend on it."""
        return variant_frame(self._program.document, variant or self._variant)

    def recipe_scope(
        self, /, *, variant: str | None = None, **params: PlainData
    ) -> FileScope | None:
        """Return the file with the values of its parameters; None without a section `training`.

        Raises:
            BlueprintError: with all errors in the parameters.
        """
        return recipe_scope(self._program, self._build_options(variant, params), self._limits)

    def sizes_from_data(
        self, /, *, variant: str | None = None, **params: PlainData
    ) -> Mapping[str, DataSize]:
        """Return the numbers in the data that parameters without a value stand for, by parameter.

        Training sets the parameters to them; without data, they have their defaults.
        """
        return sizes_from_data(self._program, self._build_options(variant, params))

    def _expand(self, options: BuildOptions) -> ExpansionResult:
        # The last result is kept, because the expansion of a network that reads shapes takes as
        # long as its build. Its options are compared as text, in which 1 and true differ.
        key = repr(options)
        if self._last_expansion is None or self._last_expansion[0] != key:
            result = expand_program(self._program, options, self._limits, make_shape_oracle)
            self._last_expansion = key, result
        return self._last_expansion[1]

    def _build_options(self, variant: str | None, params: Mapping[str, PlainData]) -> BuildOptions:
        STRING.check("variant", variant, optional=True)
        trees = {
            name: argument_tree(f"the parameter '{name}'", each) for name, each in params.items()
        }
        values = tuple(ParameterValue(name, tree, tree.span) for name, tree in trees.items())
        return BuildOptions(variant or self._variant, values)


def load(
    blueprint: str | PathLike[str],
    *,
    limits: Limits | None = None,
    allow_dirs: Sequence[str | PathLike[str]] = (),
) -> Blueprint:
    """Load a blueprint from a file (`squeezenet.yaml`) or the library (`squeezenet`).

    A variant may follow after a colon: `squeezenet.yaml:tiny`, `resnet:50`.

    Args:
        blueprint: The path of a file or the name of a blueprint in the library: `resnet`, or
            `vision/convmixer` of the examples.
        limits: Bounds for the size of the blueprint and its model.
        allow_dirs: Directories from which the blueprint may import files, besides its own.

    Raises:
        BlueprintError: with all errors in the file and the files that it imports.
        UsageError: if there is no such file or blueprint, or an argument has another type.
    """
    PATH.check("blueprint", blueprint)
    LIMITS.check("limits", limits, optional=True)
    directories = path_list("allow_dirs", allow_dirs, "directories")
    path, variant = resolve_blueprint(fspath(blueprint))
    limits = limits or Limits()
    checked = read_program(path, limits, allow_dirs=directories)
    return Blueprint(checked, limits, variant or DEFAULT_VARIANT)


@dataclass(frozen=True, slots=True)
class BlueprintRequest:
    """Options that select and bound a blueprint."""

    variant: str | None
    """The variant; None for the one after the colon, or the default."""
    params: Mapping[str, PlainData]
    """Parameters by name."""
    limits: Limits
    allow_dirs: tuple[Path, ...]
    """Directories besides the blueprint's own that it may read from."""

    def load(self, blueprint: str | PathLike[str] | SandboxPath | Blueprint) -> Blueprint:
        """Load a blueprint from a path, or by its name in the library.

        A `SandboxPath` is a file in a directory that another person may have written, and is
        opened without following links. A blueprint that is loaded already is returned.

        Raises:
            BlueprintError: with all errors in the blueprint.
            UsageError: if there is no such file or blueprint.
        """
        if isinstance(blueprint, Blueprint):
            return blueprint
        if isinstance(blueprint, SandboxPath):
            checked = read_program(blueprint, self.limits, allow_dirs=self.allow_dirs)
            return Blueprint(checked, self.limits)
        return load(blueprint, limits=self.limits, allow_dirs=self.allow_dirs)

    def select_variant(self, blueprint: Blueprint) -> str:
        """Return the requested variant, or the one after the colon; `default` if neither.

        Raises:
            UsageError: if there are both and they differ.
        """
        variant_suffix = blueprint.variant
        if self.variant is None:
            return variant_suffix
        if variant_suffix not in (DEFAULT_VARIANT, self.variant):
            raise UsageError(
                f"the blueprint is given with the variant {quote(variant_suffix)}, but --variant is"
                f" {quote(self.variant)}"
            )
        return self.variant
