"""What the readers of objectives have in common: objects, options, and values by output."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, cast

from archbuilder import catalogue
from archbuilder.arguments import check_object, check_value
from archbuilder.catalogue.signatures import ObjectKind
from archbuilder.decode.form import Form
from archbuilder.errors import nearest, shown
from archbuilder.tree import Entry, Mapping, Plain, Scalar, Span, Tree, plain
from archbuilder.tree import Sequence as SequenceTree

DEFAULT_OPTIMIZER: Final = "Adam"
_WEIGHT: Final[dict[str, Plain]] = {"type": "number", "minimum": 0}
_SPARSE: Final = "Sparse"
_OF_CLASSES: Final = ("CategoricalAccuracy", "CategoricalCrossentropy", "TopKCategoricalAccuracy")
"""Metrics of one value a class; with `Sparse` before the name, of classes by number."""


@dataclass(frozen=True, slots=True)
class Written:
    """What is written of an objective: `training` by key, and the `options` behind its name."""

    place: Span
    """Where `training` stands."""
    trees: dict[str, Tree]
    options: Mapping | None

    def optimizer(self) -> Tree:
        """The optimizer, or the default one."""
        return self.trees.get("optimizer", Scalar(DEFAULT_OPTIMIZER, self.place))


@dataclass(frozen=True, slots=True)
class ObjectiveReader:
    """Reads parts of an objective for a network with these outputs, and reports mistakes."""

    form: Form
    outputs: tuple[str, ...]

    def options(
        self, name: str, schemas: dict[str, dict[str, Plain]], options: Mapping | None
    ) -> dict[str, Plain]:
        """What is written behind the name of an objective."""
        entries = () if options is None else self.form.known(options, tuple(schemas), f"'{name}'")
        return {entry.key: self.value(schemas, entry.key, entry.value) for entry in entries}

    def value(self, schemas: dict[str, dict[str, Plain]], key: str, tree: Tree) -> Plain:
        """The value of a key, checked."""
        check_value(tree, schemas[key], f"'{key}'", self.form.diagnostics)
        return plain(tree)

    def optimizer(self, written: Written) -> Tree:
        """The optimizer."""
        optimizer = written.optimizer()
        self.keras_object("optimizer", optimizer)
        return optimizer

    def losses(self, tree: Tree | None) -> dict[str, Tree]:
        """The losses by output."""
        if tree is None:
            return {}
        losses = self._by_output("loss", "loss", tree)
        for loss in losses.values():
            self.keras_object("loss", loss)
        return losses

    def metrics(self, tree: Tree | None) -> dict[str, tuple[Tree, ...]]:
        """The metrics by output."""
        if tree is None:
            return {}
        metrics: dict[str, tuple[Tree, ...]] = {}
        for output, value in self._by_output("metrics", "metric", tree).items():
            items = value.items if isinstance(value, SequenceTree) else (value,)
            for item in items:
                self.keras_object("metric", item)
            metrics[output] = items
        return metrics

    def agree(self, losses: dict[str, Tree], metrics: dict[str, tuple[Tree, ...]]) -> None:
        """Report metrics that take targets in another form than the loss of their output."""
        for output in losses.keys() & metrics.keys():
            loss = class_name("loss", losses[output])
            by_number = loss.startswith(_SPARSE)
            for metric in metrics[output]:
                name = class_name("metric", metric)
                if not loss or name.removeprefix(_SPARSE) not in _OF_CLASSES:
                    continue
                if by_number == name.startswith(_SPARSE):
                    continue
                takes = "classes by number" if by_number else "one value a class"
                self.form.diagnostics.error(
                    "unknown-value",
                    f"the loss '{loss}' takes {takes}, and the metric '{name}' does not",
                    metric.span,
                    suggestion=_SPARSE + name if by_number else name.removeprefix(_SPARSE),
                )

    def weights(self, tree: Tree | None) -> dict[str, float]:
        """The weights of losses by output."""
        if tree is None:
            return {}
        mapping = self.form.mapping(tree, "'loss_weights'", of="a mapping of outputs to weights")
        weights: dict[str, float] = {}
        for entry in mapping or ():
            what = f"the weight of '{entry.key}'"
            known = self._known_output(entry)
            if check_value(entry.value, _WEIGHT, what, self.form.diagnostics) and known:
                weights[entry.key] = float(cast(float, plain(entry.value)))
        return weights

    def keras_object(self, kind: ObjectKind, tree: Tree) -> None:
        """Check what names an object of Keras, such as an optimizer."""
        check_object(kind, tree, self.form.diagnostics, formulas=False)

    def _by_output(self, key: str, kind: ObjectKind, tree: Tree) -> dict[str, Tree]:
        """The values of a key by output; one that names no output belongs to the only one."""
        if isinstance(tree, Mapping) and _names_outputs(tree, kind, self.outputs):
            return {entry.key: entry.value for entry in tree if self._known_output(entry)}
        if len(self.outputs) > 1:
            example = ", ".join(f"{output}: ..." for output in self.outputs)
            self.form.diagnostics.error(
                "missing-argument",
                f"the network has {len(self.outputs)} outputs: '{key}' has to name them",
                tree.span,
                notes=(f"as in '{key}: {{{example}}}'; one that is left out is not counted",),
            )
        return dict.fromkeys(self.outputs[:1], tree)

    def _known_output(self, entry: Entry) -> bool:
        if entry.key in self.outputs:
            return True
        suggestion = nearest(entry.key, self.outputs)
        self.form.diagnostics.error(
            "unknown-output",
            f"the network has no output {shown(entry.key)}",
            entry.key_span,
            suggestion=suggestion,
            notes=() if suggestion else (f"its outputs are: {', '.join(self.outputs)}",),
        )
        return False


def class_name(kind: ObjectKind, tree: Tree) -> str:
    """The class that a tree names, which may also go by a short name; empty where it is none."""
    written = plain(tree)
    name = next(iter(written), "") if isinstance(written, dict) else written
    return (catalogue.load().alias(kind, name) or "") if isinstance(name, str) else ""


def _names_outputs(mapping: Mapping, kind: ObjectKind, outputs: Collection[str]) -> bool:
    """Whether the keys of a mapping are outputs rather than the one name of an object.

    Keras's classes begin with a capital; so may an output, but then it is a known one.
    """
    if any(entry.key in outputs for entry in mapping) or len(mapping.entries) != 1:
        return True
    return not class_name(kind, mapping) and not mapping.entries[0].key[:1].isupper()
