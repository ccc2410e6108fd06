"""Common parts of the objective parsers: Keras objects, options, and values by output."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, cast

from archbuilder import registry
from archbuilder.compiler.check_arguments import check_object, check_value
from archbuilder.diagnostics.errors import closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.language.parser.fields import FieldReader
from archbuilder.plain_data import PlainData
from archbuilder.registry.signatures import ObjectKind
from archbuilder.yaml.nodes import (
    MappingEntry,
    MappingNode,
    ScalarNode,
    SequenceNode,
    Tree,
    to_plain,
)

DEFAULT_OPTIMIZER: Final = "Adam"
_CLIP_ARGUMENTS: Final = ("clipnorm", "global_clipnorm", "clipvalue")
_EMA_ARGUMENTS: Final = ("ema_momentum", "ema_overwrite_frequency")
_WEIGHT: Final[dict[str, PlainData]] = {"type": "number", "minimum": 0}
_SPARSE_PREFIX: Final = "Sparse"
_CATEGORICAL_METRICS: Final = (
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "TopKCategoricalAccuracy",
)
"""Metrics of one-hot targets. With the prefix `Sparse` they take class indices."""
_IOU_METRICS: Final = ("MeanIoU", "IoU")
"""Metrics that compare class indices unless `sparse_y_true` or `sparse_y_pred` is false."""
_CATEGORICAL_PREFIX: Final = "Categorical"
_IGNORE_CLASS: Final = "ignore_class"
_VALIDATION: Final = "val_"
"""Prefix that Keras gives to the names of validation metrics."""
_INTEGER_LABEL_METRICS: Final = (*_IOU_METRICS, "Mean", "Sum")
"""Metrics without the prefix `Sparse` that also take class indices."""
# Unlike the class `Accuracy`, which compares values for equality. Keras (compile_utils.py) picks
# the class from the shapes and dtypes of targets and outputs.
_ACCURACY_ALIAS: Final = "accuracy"
"""Name for which Keras picks binary, categorical or sparse categorical accuracy."""
# In Keras 3.15 `average` is None by default (f_score_metrics.py).
_METRICS_WITH_AVERAGE: Final = ("F1Score", "FBetaScore")
"""Metrics that return a vector of one value per class unless `average` is set."""


@dataclass(frozen=True, slots=True)
class TrainingSection:
    """The `training` section as an objective parser receives it."""

    span: Span
    """Span of the section."""
    trees: dict[str, Tree]
    """Values by key."""
    options: MappingNode | None
    """Options under the objective's name; None if there are none."""

    def optimizer(self) -> Tree:
        """Return the optimizer, or the default one."""
        return self.trees.get("optimizer", ScalarNode(DEFAULT_OPTIMIZER, self.span))


@dataclass(frozen=True, slots=True)
class ObjectiveReader:
    """Parser of the parts of an objective; errors go to `fields.diagnostics`.

    A method returns a value also after an error, so that one run reports all errors.
    """

    fields: FieldReader
    inputs: tuple[str, ...]
    """Input names of the network."""
    outputs: tuple[str, ...]
    """Output names of the network."""

    def options(
        self, name: str, schemas: dict[str, dict[str, PlainData]], options: MappingNode | None
    ) -> dict[str, PlainData]:
        """Parse the options of `name` against one JSON schema per option."""
        entries = (
            ()
            if options is None
            else self.fields.known_entries(options, tuple(schemas), f"'{name}'")
        )
        return {entry.key: self.value(schemas, entry.key, entry.value) for entry in entries}

    def value(self, schemas: dict[str, dict[str, PlainData]], key: str, tree: Tree) -> PlainData:
        """Check the value of a key against its schema, and return it as plain data."""
        check_value(tree, schemas[key], f"'{key}'", self.fields.diagnostics)
        return to_plain(tree)

    def optimizer(self, section: TrainingSection) -> Tree:
        """Check and return the optimizer."""
        optimizer = section.optimizer()
        self.check_optimizer(optimizer)
        return optimizer

    def check_optimizer(self, tree: Tree) -> None:
        """Check the class and the arguments of an optimizer, also those that exclude each other."""
        self.keras_object("optimizer", tree)
        value = tree.entries[0].value if isinstance(tree, MappingNode) and tree.entries else None
        arguments = [
            entry
            for entry in (value if isinstance(value, MappingNode) else ())
            if to_plain(entry.value) is not None
        ]
        names = [entry.key for entry in arguments]
        clipping = [entry for entry in arguments if entry.key in _CLIP_ARGUMENTS]
        for entry in clipping[1:]:
            self.fields.diagnostics.error(
                "invalid-structure",
                f"an optimizer clips gradients in one way: '{clipping[0].key}' or '{entry.key}'",
                entry.key_span,
                label="remove one of them",
            )
        for entry in arguments:
            # Keras ignores them in this case.
            if entry.key in _EMA_ARGUMENTS and "use_ema" not in names:
                self.fields.diagnostics.error(
                    "missing-argument",
                    f"'{entry.key}' has no effect without 'use_ema'",
                    entry.key_span,
                    label="add 'use_ema: true'",
                )

    def losses(self, tree: Tree | None) -> dict[str, Tree]:
        """Parse `loss`; return the losses by output."""
        if tree is None:
            return {}
        if isinstance(tree, MappingNode) and not tree.entries:
            self.fields.diagnostics.error(
                "missing-argument",
                "'loss' does not name an output",
                tree.span,
                notes=(f"the network's outputs are: {', '.join(self.outputs)}",),
            )
            return {}
        losses = self._values_by_output("loss", "loss", tree)
        for loss in losses.values():
            self.keras_object("loss", loss)
        return losses

    def metrics(self, tree: Tree | None) -> dict[str, tuple[Tree, ...]]:
        """Parse `metrics`; return the metrics by output."""
        if tree is None:
            return {}
        metrics: dict[str, tuple[Tree, ...]] = {}
        for output, value in self._values_by_output("metrics", "metric", tree).items():
            items = value.items if isinstance(value, SequenceNode) else (value,)
            for item in items:
                self.keras_object("metric", item)
                self._check_scalar_metric(item)
            metrics[output] = items
        return metrics

    def _check_scalar_metric(self, metric: Tree) -> None:
        """Report a metric that returns one value per class instead of a scalar."""
        name = keras_class_name("metric", metric)
        options = _object_arguments(metric)
        # A bare value is the first argument, which is `average`: {F1Score: macro}.
        average = options.get("average") if isinstance(options, dict) else options
        if name in _METRICS_WITH_AVERAGE and average is None:
            self.fields.diagnostics.error(
                "missing-argument",
                f"the metric '{name}' has one value for each class without an 'average'",
                metric.span,
                label=f"write {{{name}: {{average: macro}}}}",
            )

    def check_metrics_match_loss(
        self, losses: dict[str, Tree], metrics: dict[str, tuple[Tree, ...]]
    ) -> None:
        """Report metrics whose targets have another format than those of the output's loss.

        The two formats are class indices and one value per class (one-hot). Keras does not check
        this: `CategoricalAccuracy`, for example, would take the argmax of class indices.
        """
        for output in losses.keys() & metrics.keys():
            loss = keras_class_name("loss", losses[output])
            for metric in metrics[output]:
                name = keras_class_name("metric", metric)
                if not name or to_plain(metric) == _ACCURACY_ALIAS:
                    continue
                self._check_ignore_class(losses[output], name, metric)
                self._check_iou_arguments(loss, name, metric)
                if loss.startswith(_SPARSE_PREFIX):
                    self._check_sparse_metric(loss, name, metric.span)
                elif loss and name.startswith(_SPARSE_PREFIX):
                    self.fields.diagnostics.error(
                        "invalid-choice",
                        f"the loss '{loss}' needs one value per class, and the metric '{name}'"
                        " class indices",
                        metric.span,
                        suggestion=name.removeprefix(_SPARSE_PREFIX),
                    )

    def _check_sparse_metric(self, loss: str, metric: str, span: Span) -> None:
        """Report a metric that does not take the class indices of a sparse loss."""
        if metric.startswith(_SPARSE_PREFIX) or metric in _INTEGER_LABEL_METRICS:
            return
        suggestion = f"{_SPARSE_PREFIX}{metric}" if metric in _CATEGORICAL_METRICS else None
        # `Accuracy` would compare an index with each probability, and nearly always be 0.
        if metric == "Accuracy":
            suggestion = "SparseCategoricalAccuracy"
        self.fields.diagnostics.error(
            "invalid-choice",
            f"the loss '{loss}' needs class indices, and the metric '{metric}' does not take them",
            span,
            label=""
            if suggestion
            else f"use the loss '{loss.removeprefix(_SPARSE_PREFIX)}' with it",
            suggestion=suggestion,
        )

    def _check_iou_arguments(self, loss: str, name: str, metric: Tree) -> None:
        """Report an IoU metric whose arguments do not match the formats of targets and outputs."""
        if name not in _IOU_METRICS or not loss.removeprefix(_SPARSE_PREFIX).startswith(
            _CATEGORICAL_PREFIX
        ):
            return
        # The output is one value per class with both losses. Keras would otherwise cast these
        # probabilities to class indices.
        required = {"sparse_y_true": loss.startswith(_SPARSE_PREFIX), "sparse_y_pred": False}
        options = _object_arguments(metric)
        arguments = options if isinstance(options, dict) else {}
        # Both arguments are True by default (Keras 3.15, iou_metrics.py).
        mismatched = {
            key: each for key, each in required.items() if arguments.get(key, True) != each
        }
        if mismatched:
            texts = " and ".join(
                f"'{key}: {str(each).lower()}'" for key, each in mismatched.items()
            )
            self.fields.diagnostics.error(
                "missing-argument",
                f"the metric '{name}' does not match the targets and outputs of the loss '{loss}'",
                metric.span,
                label=f"set {texts}",
            )

    def _check_ignore_class(self, loss: Tree, name: str, metric: Tree) -> None:
        """Report a metric whose `ignore_class` differs from that of the output's loss."""
        metric_arguments, loss_arguments = _object_arguments(metric), _object_arguments(loss)
        ignored_class = (
            loss_arguments.get(_IGNORE_CLASS) if isinstance(loss_arguments, dict) else None
        )
        if (
            ignored_class is None
            or not isinstance(metric_arguments, dict)
            # Without the argument the metric gets that of the loss when training starts.
            or metric_arguments.get(_IGNORE_CLASS, ignored_class) == ignored_class
        ):
            return
        self.fields.diagnostics.error(
            "invalid-choice",
            f"the metric '{name}' ignores class {metric_arguments[_IGNORE_CLASS]}, and the loss"
            f" of its output ignores class {ignored_class}",
            metric.span,
            label=f"remove '{_IGNORE_CLASS}': metrics ignore the class that the loss ignores",
        )

    def loss_weights(self, tree: Tree | None) -> dict[str, float]:
        """Parse `loss_weights`; return the weights by output."""
        if tree is None:
            return {}
        mapping = self.fields.expect_mapping(
            tree, "'loss_weights'", expected="a mapping of outputs to weights"
        )
        weights: dict[str, float] = {}
        for entry in mapping or ():
            what = f"the weight of '{entry.key}'"
            # Both checks always run, so that an entry with two errors reports both.
            is_known = self._check_output_name(entry)
            if check_value(entry.value, _WEIGHT, what, self.fields.diagnostics) and is_known:
                weights[entry.key] = float(cast(float, to_plain(entry.value)))
        return weights

    def class_weight(self, tree: Tree | None) -> dict[str, dict[str, float]]:
        """Parse `class_weight`; return the weights by output and class.

        A mapping of numbers is for the only output, a mapping of mappings is by output.
        """
        if tree is None:
            return {}
        mapping = self.fields.expect_mapping(
            tree, "'class_weight'", expected="a mapping of classes to weights"
        )
        if mapping is None or not mapping.entries:
            return {}
        if any(isinstance(entry.value, MappingNode) for entry in mapping):
            by_output = {each.key: each.value for each in mapping if self._check_output_name(each)}
        else:
            by_output = dict.fromkeys(self.outputs[:1], mapping)
            if len(self.outputs) > 1:
                self._report_missing_output_name("class_weight", tree.span)
        return {output: self._parse_class_weights(each) for output, each in by_output.items()}

    def _parse_class_weights(self, tree: Tree) -> dict[str, float]:
        mapping = self.fields.expect_mapping(
            tree, "'class_weight'", expected="a mapping of classes to weights"
        )
        weights: dict[str, float] = {}
        for entry in mapping or ():
            what = f"the weight of class {quote(entry.key)}"
            if check_value(entry.value, _WEIGHT, what, self.fields.diagnostics):
                weights[entry.key] = float(cast(float, to_plain(entry.value)))
        return weights

    def feed_targets_to_inputs(self, tree: Tree | None) -> dict[str, str]:
        """Parse `feed_targets_to_inputs`: outputs whose targets are fed to inputs, by input."""
        return self._parse_io_map(
            "feed_targets_to_inputs", tree, ("input", self.inputs), ("output", self.outputs)
        )

    def target_from_input(self, tree: Tree | None) -> dict[str, str]:
        """Parse `target_from_input`: inputs that are the targets of outputs, by output."""
        return self._parse_io_map(
            "target_from_input", tree, ("output", self.outputs), ("input", self.inputs)
        )

    def _parse_io_map(
        self,
        key: str,
        tree: Tree | None,
        key_group: tuple[str, tuple[str, ...]],
        value_group: tuple[str, tuple[str, ...]],
    ) -> dict[str, str]:
        if tree is None:
            return {}
        expected = f"a mapping of {key_group[0]}s to {value_group[0]}s"
        mapping = self.fields.expect_mapping(tree, f"'{key}'", expected=expected)
        io_map: dict[str, str] = {}
        for entry in mapping or ():
            value = self.fields.expect_text(entry.value, f"the value of '{entry.key}'")
            is_known = self._check_name(key_group, entry.key, entry.key_span)
            if (
                value is not None
                and self._check_name(value_group, value, entry.value.span)
                and is_known
            ):
                io_map[entry.key] = value
        return io_map

    def keras_object(self, kind: ObjectKind, tree: Tree) -> None:
        """Check the class name and the arguments of a Keras object, such as an optimizer."""
        check_object(kind, tree, self.fields.diagnostics, allow_expressions=False)

    def _values_by_output(self, key: str, kind: ObjectKind, tree: Tree) -> dict[str, Tree]:
        """Return the values of a key by output.

        A value that does not name outputs is for the only output of the network.
        """
        if isinstance(tree, MappingNode) and _is_by_output(tree, kind, self.outputs):
            entries = [entry for entry in tree if self._check_output_name(entry)]
            for entry in entries:
                self._check_validation_prefix(entry)
            return {entry.key: entry.value for entry in entries}
        if len(self.outputs) > 1:
            self._report_missing_output_name(key, tree.span)
        return dict.fromkeys(self.outputs[:1], tree)

    def _check_validation_prefix(self, entry: MappingEntry) -> None:
        """Report an output whose metrics would have the names of validation metrics.

        With several outputs Keras names losses `OUTPUT_loss`, and those of the validation set
        `val_OUTPUT_loss`. The training loss of an output `val` would be `val_loss`, which is also
        the name of the total validation loss.
        """
        if len(self.outputs) > 1 and f"{entry.key}_".startswith(_VALIDATION):
            self.fields.diagnostics.error(
                "invalid-choice",
                f"the metrics of the output '{entry.key}' would have the prefix '{_VALIDATION}' of"
                " the validation set",
                entry.key_span,
                label="rename the output",
            )

    def _report_missing_output_name(self, key: str, span: Span) -> None:
        example = ", ".join(f"{output}: ..." for output in self.outputs)
        self.fields.diagnostics.error(
            "missing-argument",
            f"the network has {len(self.outputs)} outputs: '{key}' must name them",
            span,
            notes=(f"write '{key}: {{{example}}}'; outputs that are missing do not count",),
        )

    def _check_output_name(self, entry: MappingEntry) -> bool:
        return self._check_name(("output", self.outputs), entry.key, entry.key_span)

    def _check_name(self, group: tuple[str, tuple[str, ...]], name: str, span: Span) -> bool:
        """Return whether the network has an input or output of that name; report it if not."""
        kind, names = group
        if name in names:
            return True
        suggestion = closest_match(name, names)
        self.fields.diagnostics.error(
            "unknown-output" if kind == "output" else "unknown-name",
            f"the network has no {kind} {quote(name)}",
            span,
            suggestion=suggestion,
            notes=() if suggestion else (f"its {kind}s are: {', '.join(names)}",),
        )
        return False


def keras_class_name(kind: ObjectKind, tree: Tree | None) -> str:
    """Return the class that a tree names, by its class name or an alias such as `mse`.

    Return an empty string if it does not name a class of this kind.
    """
    config = None if tree is None else to_plain(tree)
    name = next(iter(config), "") if isinstance(config, dict) else config
    return (registry.load().canonical_name(kind, name) or "") if isinstance(name, str) else ""


def _object_arguments(tree: Tree) -> PlainData:
    """Return the arguments of a Keras object as plain data; None if it has none."""
    config = to_plain(tree)
    return next(iter(config.values()), None) if isinstance(config, dict) else None


def _is_by_output(mapping: MappingNode, kind: ObjectKind, outputs: Collection[str]) -> bool:
    """Return whether the keys of a mapping are outputs rather than the name of an object.

    `{Huber: {delta: 2}}` and `{logits: Huber}` have the same form. Classes of Keras begin with a
    capital letter; an output may too, but it is then one of `outputs`.
    """
    if any(entry.key in outputs for entry in mapping) or len(mapping.entries) != 1:
        return True
    return not keras_class_name(kind, mapping) and not mapping.entries[0].key[:1].isupper()
