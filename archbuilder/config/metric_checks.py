"""Checks that metrics fit the loss of their output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.loss_traits import traits_of
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.yaml.nodes import to_plain

_SPARSE_PREFIX: Final = "Sparse"
_CATEGORICAL_METRICS: Final = (
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "TopKCategoricalAccuracy",
)
"""Metrics of one-hot targets. With the prefix `Sparse` they take class indices."""
_IOU_METRICS: Final = ("MeanIoU", "IoU")
"""Metrics that compare class indices unless `sparse_y_true` or `sparse_y_pred` is false."""
_INTEGER_LABEL_METRICS: Final = (*_IOU_METRICS, "Mean", "Sum")
"""Metrics without the prefix `Sparse` that also take class indices."""
_PERPLEXITY: Final = "Perplexity"
_LABEL_METRICS: Final = ("EditDistance", "WordErrorRate")
_FROM_LOGITS: Final = "from_logits"
_IGNORE_CLASS: Final = "ignore_class"
# Unlike the class `Accuracy`, which compares values for equality. Keras (compile_utils.py) picks
# the class from the shapes and dtypes of targets and outputs.
_ACCURACY_ALIAS: Final = "accuracy"
"""Name for which Keras picks binary, categorical or sparse categorical accuracy."""
# In Keras 3.15 `average` is None by default (f_score_metrics.py).
CLASSES_ARGUMENT: Final = "classes"
SCORES_ARGUMENT: Final = "scores"
_METRICS_WITH_AVERAGE: Final = ("F1Score", "FBetaScore")
"""Metrics that return a vector of one value per class unless `average` is set."""


def check_metrics(
    losses: Mapping[str, KerasObject],
    metrics: Mapping[str, Sequence[KerasObject]],
    diagnostics: Diagnostics,
) -> None:
    """Report metrics that are not scalars, or that take other targets than the output's loss.

    Targets are class indices, or one value per class (one-hot). Keras does not check this:
    `CategoricalAccuracy`, for example, would take the argmax of class indices.
    """
    for output, output_metrics in metrics.items():
        for metric in output_metrics:
            # A bare value is the first argument, which is `average`: {F1Score: macro}.
            average = (
                metric.argument("average")
                if isinstance(metric.arguments, dict)
                else metric.arguments
            )
            if metric.class_name in _METRICS_WITH_AVERAGE and average is None:
                diagnostics.error(
                    "missing-argument",
                    f"the metric '{metric.class_name}' has one value for each class without an"
                    " 'average'",
                    metric.span,
                    label=f"write {{{metric.class_name}: {{average: macro}}}}",
                )
            is_alias = to_plain(metric.tree) == _ACCURACY_ALIAS
            if output in losses and metric.class_name and not is_alias:
                _check_metric(losses[output], metric, diagnostics)


def is_detection_metric(metric: KerasObject) -> bool:
    """Return whether a metric compares the detections of all examples, in several outputs."""
    return metric.class_name == "MeanAveragePrecision"


def detection_outputs(metric: KerasObject) -> Mapping[str, str]:
    """Return the outputs that a metric of detections names, by its arguments."""
    arguments = metric.arguments
    named = arguments if isinstance(arguments, dict) else {CLASSES_ARGUMENT: arguments}
    names = {each: named.get(each) for each in (CLASSES_ARGUMENT, SCORES_ARGUMENT)}
    return {argument: name for argument, name in names.items() if isinstance(name, str)}


def check_detection_metrics(
    metrics: Mapping[str, Sequence[KerasObject]],
    outputs: Sequence[str],
    diagnostics: Diagnostics,
) -> None:
    """Report metrics of detections that do not name other outputs with classes and scores."""
    for output, output_metrics in metrics.items():
        for metric in filter(is_detection_metric, output_metrics):
            others = [each for each in outputs if each != output]
            for argument, name in detection_outputs(metric).items():
                if name not in others:
                    diagnostics.error(
                        "unknown-output",
                        f"the network has no other output {quote(name)} with the {argument} of the"
                        f" boxes in '{output}'",
                        metric.argument_span(argument),
                        suggestion=closest_match(name, others),
                        notes=(f"its outputs are: {', '.join(outputs)}",),
                    )


def takes_class_indices(metric: KerasObject) -> bool:
    """Return whether the targets of a metric are class indices."""
    return metric.class_name.startswith(_SPARSE_PREFIX) or metric.class_name == _PERPLEXITY


def _check_metric(loss: KerasObject, metric: KerasObject, diagnostics: Diagnostics) -> None:
    ignored_by_loss = loss.argument(_IGNORE_CLASS)
    # Without the argument the metric gets that of the loss when training starts.
    ignored_by_metric = (
        metric.argument(_IGNORE_CLASS, default=ignored_by_loss)
        if isinstance(metric.arguments, dict)
        else ignored_by_loss
    )
    if ignored_by_loss is not None and ignored_by_metric != ignored_by_loss:
        diagnostics.error(
            "invalid-choice",
            f"the metric '{metric.class_name}' ignores class {ignored_by_metric}, and the loss of"
            f" its output ignores class {ignored_by_loss}",
            metric.span,
            label=f"remove '{_IGNORE_CLASS}': metrics ignore the class that the loss ignores",
        )
    _check_iou_arguments(loss, metric, diagnostics)
    _check_sequence_metric(loss, metric, diagnostics)
    name, is_sparse = metric.class_name, takes_class_indices(metric)
    if traits_of(loss).targets != "class_indices":
        if loss.class_name and is_sparse:
            diagnostics.error(
                "invalid-choice",
                f"the loss '{loss.class_name}' needs one value per class, and the metric '{name}'"
                " class indices",
                metric.span,
                suggestion=name.removeprefix(_SPARSE_PREFIX) if name != _PERPLEXITY else None,
            )
    elif not is_sparse and name not in _INTEGER_LABEL_METRICS:
        suggestion = f"{_SPARSE_PREFIX}{name}" if name in _CATEGORICAL_METRICS else None
        # `Accuracy` would compare an index with each probability, and nearly always be 0.
        if name == "Accuracy":
            suggestion = "SparseCategoricalAccuracy"
        diagnostics.error(
            "invalid-choice",
            f"the loss '{loss.class_name}' needs class indices, and the metric '{name}' does not"
            " take them",
            metric.span,
            label="" if suggestion else "use the loss 'CategoricalCrossentropy' with it",
            suggestion=suggestion,
        )


def _check_sequence_metric(
    loss: KerasObject, metric: KerasObject, diagnostics: Diagnostics
) -> None:
    """Report metrics of tokens and labels that read the outputs in another way than the loss."""
    # `_check_metric` reports those of class indices.
    is_other = traits_of(loss).targets not in {"label_sequence", "class_indices"}
    if metric.class_name in _LABEL_METRICS and is_other:
        diagnostics.error(
            "invalid-choice",
            f"the metric '{metric.class_name}' decodes outputs that the loss 'CTC' trains, and the"
            f" loss of its output is '{loss.class_name}'",
            metric.span,
        )
    has_logits = bool(loss.argument(_FROM_LOGITS))
    is_mismatched = bool(metric.argument(_FROM_LOGITS)) != has_logits
    if metric.class_name == _PERPLEXITY and is_mismatched:
        value = str(has_logits).lower()
        diagnostics.error(
            "missing-argument",
            f"the metric '{_PERPLEXITY}' does not match the outputs of the loss"
            f" '{loss.class_name}'",
            metric.span,
            label=f"write {{{_PERPLEXITY}: {{{_FROM_LOGITS}: {value}}}}}",
        )


def _check_iou_arguments(loss: KerasObject, metric: KerasObject, diagnostics: Diagnostics) -> None:
    """Report an IoU metric whose arguments do not match the formats of targets and outputs."""
    target_format = traits_of(loss).targets
    is_categorical = target_format in {"one_hot", "class_indices"}
    if metric.class_name not in _IOU_METRICS or not is_categorical:
        return
    # The output is one value per class with both losses. Keras would otherwise cast these
    # probabilities to class indices.
    required = {
        "sparse_y_true": target_format == "class_indices",
        "sparse_y_pred": False,
    }
    # Both arguments are True by default (Keras 3.15, iou_metrics.py).
    mismatched = {
        name: value
        for name, value in required.items()
        if metric.argument(name, default=True) != value
    }
    if mismatched:
        texts = " and ".join(f"'{name}: {str(each).lower()}'" for name, each in mismatched.items())
        diagnostics.error(
            "missing-argument",
            f"the metric '{metric.class_name}' does not match the targets and outputs of the loss"
            f" '{loss.class_name}'",
            metric.span,
            label=f"set {texts}",
        )
