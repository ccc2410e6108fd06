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
_INTERSECTIONS: Final = ("MeanIoU", "IoU")
"""Metrics that compare two class numbers unless an argument says otherwise."""
_CATEGORICAL: Final = "Categorical"
_IGNORED: Final = "ignore_class"
_VALIDATION: Final = "val_"
"""How Keras begins the names of numbers of the validation set."""
_NUMBERED: Final = (*_INTERSECTIONS, "Mean", "Sum")
"""Others that can take classes by number."""
_ANY_ACCURACY: Final = "accuracy"
"""For this word Keras takes the accuracy that suits the loss."""
_AVERAGED: Final = ("F1Score", "FBetaScore")
"""Metrics that are one number only with an `average`."""


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
    """Reads parts of an objective for a network with these ends, and reports mistakes."""

    form: Form
    inputs: tuple[str, ...]
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
        if isinstance(tree, Mapping) and not tree.entries:
            self._names_none("loss", tree.span)
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
                self._is_one_number(item)
            metrics[output] = items
        return metrics

    def _is_one_number(self, metric: Tree) -> None:
        """Report a metric that is a number for each class."""
        name = class_name("metric", metric)
        options = _written_arguments(metric)
        average = options.get("average") if isinstance(options, dict) else options
        if name in _AVERAGED and average is None:
            self.form.diagnostics.error(
                "missing-argument",
                f"the metric '{name}' is a number for each class without an 'average'",
                metric.span,
                label=f"as in {{{name}: {{average: macro}}}}",
            )

    def agree(self, losses: dict[str, Tree], metrics: dict[str, tuple[Tree, ...]]) -> None:
        """Report metrics that take targets in another form than the loss of their output."""
        for output in losses.keys() & metrics.keys():
            loss = class_name("loss", losses[output])
            for metric in metrics[output]:
                name = class_name("metric", metric)
                if not name or plain(metric) == _ANY_ACCURACY:
                    continue
                self._ignores_as_loss(losses[output], name, metric)
                self._takes_values(loss, name, metric)
                if loss.startswith(_SPARSE):
                    self._takes_numbers(loss, name, metric.span)
                elif loss and name.startswith(_SPARSE):
                    self.form.diagnostics.error(
                        "unknown-value",
                        f"the loss '{loss}' takes one value a class, and the metric '{name}'"
                        " does not",
                        metric.span,
                        suggestion=name.removeprefix(_SPARSE),
                    )

    def _takes_numbers(self, loss: str, metric: str, place: Span) -> None:
        """Report a metric that cannot be beside a loss of classes by number."""
        if metric.startswith(_SPARSE) or metric in _NUMBERED:
            return
        near = f"{_SPARSE}{metric}" if metric in _OF_CLASSES else None
        if metric == "Accuracy":
            near = "SparseCategoricalAccuracy"
        self.form.diagnostics.error(
            "unknown-value",
            f"the loss '{loss}' takes classes by number, and the metric '{metric}' does not",
            place,
            label="" if near else f"with the loss '{loss.removeprefix(_SPARSE)}' it can be",
            suggestion=near,
        )

    def _takes_values(self, loss: str, name: str, metric: Tree) -> None:
        """Report a metric that takes one value a class for class numbers, or the reverse."""
        if name not in _INTERSECTIONS or not loss.removeprefix(_SPARSE).startswith(_CATEGORICAL):
            return
        needed = {"sparse_y_true": loss.startswith(_SPARSE), "sparse_y_pred": False}
        options = _written_arguments(metric)
        written = options if isinstance(options, dict) else {}
        wrong = {key: each for key, each in needed.items() if written.get(key, True) != each}
        if wrong:
            texts = " and ".join(f"'{key}: {str(each).lower()}'" for key, each in wrong.items())
            self.form.diagnostics.error(
                "missing-argument",
                f"the metric '{name}' takes other targets or outputs than the loss '{loss}'",
                metric.span,
                label=f"it needs {texts}",
            )

    def _ignores_as_loss(self, loss: Tree, name: str, metric: Tree) -> None:
        """Report a metric that ignores another class than the loss of its output."""
        own, other = _written_arguments(metric), _written_arguments(loss)
        ignored = other.get(_IGNORED) if isinstance(other, dict) else None
        if ignored is None or not isinstance(own, dict) or own.get(_IGNORED, ignored) == ignored:
            return
        self.form.diagnostics.error(
            "unknown-value",
            f"the metric '{name}' ignores class {own[_IGNORED]}, and the loss of its output"
            f" ignores class {ignored}",
            metric.span,
            label=f"leave '{_IGNORED}' out: metrics ignore what the loss ignores",
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

    def class_weights(self, tree: Tree | None) -> dict[str, dict[str, float]]:
        """The weights of classes by output."""
        if tree is None:
            return {}
        mapping = self.form.mapping(tree, "'class_weights'", of="a mapping of classes to weights")
        if mapping is None or not mapping.entries:
            return {}
        if any(isinstance(entry.value, Mapping) for entry in mapping):
            by_output = {each.key: each.value for each in mapping if self._known_output(each)}
        else:
            by_output = dict.fromkeys(self.outputs[:1], mapping)
            if len(self.outputs) > 1:
                self._unnamed("class_weights", tree.span)
        return {output: self._of_classes(each) for output, each in by_output.items()}

    def _of_classes(self, tree: Tree) -> dict[str, float]:
        mapping = self.form.mapping(tree, "'class_weights'", of="a mapping of classes to weights")
        weights: dict[str, float] = {}
        for entry in mapping or ():
            what = f"the weight of class {shown(entry.key)}"
            if check_value(entry.value, _WEIGHT, what, self.form.diagnostics):
                weights[entry.key] = float(cast(float, plain(entry.value)))
        return weights

    def inputs_of_targets(self, tree: Tree | None) -> dict[str, str]:
        """The outputs whose targets are given to inputs, by the names of these."""
        return self._ends("inputs", tree, ("input", self.inputs), ("output", self.outputs))

    def targets_of_inputs(self, tree: Tree | None) -> dict[str, str]:
        """The inputs that outputs are compared with, by the names of these."""
        return self._ends("targets", tree, ("output", self.outputs), ("input", self.inputs))

    def _ends(
        self,
        key: str,
        tree: Tree | None,
        ends: tuple[str, tuple[str, ...]],
        others: tuple[str, tuple[str, ...]],
    ) -> dict[str, str]:
        if tree is None:
            return {}
        of = f"a mapping of {ends[0]}s to {others[0]}s"
        mapping = self.form.mapping(tree, f"'{key}'", of=of)
        found: dict[str, str] = {}
        for entry in mapping or ():
            value = self.form.text(entry.value, f"what stands for '{entry.key}'")
            right = self._known(ends, entry.key, entry.key_span)
            if value is not None and self._known(others, value, entry.value.span) and right:
                found[entry.key] = value
        return found

    def keras_object(self, kind: ObjectKind, tree: Tree) -> None:
        """Check what names an object of Keras, such as an optimizer."""
        check_object(kind, tree, self.form.diagnostics, formulas=False)

    def _by_output(self, key: str, kind: ObjectKind, tree: Tree) -> dict[str, Tree]:
        """The values of a key by output; one that names no output belongs to the only one."""
        if isinstance(tree, Mapping) and _names_outputs(tree, kind, self.outputs):
            known = [entry for entry in tree if self._known_output(entry)]
            for entry in known:
                self._check_prefix(entry)
            return {entry.key: entry.value for entry in known}
        if len(self.outputs) > 1:
            self._unnamed(key, tree.span)
        return dict.fromkeys(self.outputs[:1], tree)

    def _check_prefix(self, entry: Entry) -> None:
        """Report an output whose losses and metrics have the names of other numbers.

        With several outputs they are called `OUTPUT_loss`, and those of the validation set
        `val_OUTPUT_loss`: Keras 3.15 takes the loss of an output `val` for that of validation.
        """
        if len(self.outputs) > 1 and f"{entry.key}_".startswith(_VALIDATION):
            self.form.diagnostics.error(
                "unknown-value",
                f"the numbers of the output '{entry.key}' would have names of the validation set,"
                f" which begin with '{_VALIDATION}'",
                entry.key_span,
                label="give the output another name",
            )

    def _unnamed(self, key: str, place: Span) -> None:
        example = ", ".join(f"{output}: ..." for output in self.outputs)
        self.form.diagnostics.error(
            "missing-argument",
            f"the network has {len(self.outputs)} outputs: '{key}' has to name them",
            place,
            notes=(f"as in '{key}: {{{example}}}'; one that is left out is not counted",),
        )

    def _names_none(self, key: str, place: Span) -> None:
        self.form.diagnostics.error(
            "missing-argument",
            f"'{key}' names no output",
            place,
            notes=(f"the network's outputs are: {', '.join(self.outputs)}",),
        )

    def _known_output(self, entry: Entry) -> bool:
        return self._known(("output", self.outputs), entry.key, entry.key_span)

    def _known(self, ends: tuple[str, tuple[str, ...]], name: str, place: Span) -> bool:
        """Whether the network has an input or an output of that name."""
        kind, names = ends
        if name in names:
            return True
        suggestion = nearest(name, names)
        self.form.diagnostics.error(
            "unknown-output" if kind == "output" else "unknown-name",
            f"the network has no {kind} {shown(name)}",
            place,
            suggestion=suggestion,
            notes=() if suggestion else (f"its {kind}s are: {', '.join(names)}",),
        )
        return False


def class_name(kind: ObjectKind, tree: Tree | None) -> str:
    """The class that a tree names, which may also go by a short name; empty where it is none."""
    written = None if tree is None else plain(tree)
    name = next(iter(written), "") if isinstance(written, dict) else written
    return (catalogue.load().alias(kind, name) or "") if isinstance(name, str) else ""


def _written_arguments(tree: Tree) -> Plain:
    """Return what is written behind the name of an object, None if nothing is."""
    written = plain(tree)
    return next(iter(written.values()), None) if isinstance(written, dict) else None


def _names_outputs(mapping: Mapping, kind: ObjectKind, outputs: Collection[str]) -> bool:
    """Whether the keys of a mapping are outputs rather than the one name of an object.

    Keras's classes begin with a capital; so may an output, but then it is a known one.
    """
    if any(entry.key in outputs for entry in mapping) or len(mapping.entries) != 1:
        return True
    return not class_name(kind, mapping) and not mapping.entries[0].key[:1].isupper()
