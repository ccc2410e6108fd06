"""Objectives that compare outputs with targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.loss_traits import is_own_loss
from archbuilder.config.metric_checks import (
    CLASSES_ARGUMENT,
    check_detection_metrics,
    check_metrics,
    detection_outputs,
    is_detection_metric,
)
from archbuilder.config.objectives.base import ObjectiveConfig, TargetSpec
from archbuilder.config.optimizers import DEFAULT_OPTIMIZER, OptimizerConfig, optimizer
from archbuilder.config.output_types import (
    ClassNumbers,
    class_sampling,
    class_weights,
    loss_weights,
    losses,
    metrics,
    names_by_name,
)
from archbuilder.config.settings import option, setting
from archbuilder.config.value_types import SectionContext, integer, number

if TYPE_CHECKING:
    from archbuilder.trainer.context import TrainableTask, TrainingContext


@dataclass(frozen=True, slots=True)
class SupervisedConfig(ObjectiveConfig):
    """Supervised learning: each output with a loss is compared with its target."""

    name = "supervised"
    augments = True

    loss: Mapping[str, KerasObject] = setting(
        losses(),
        "Loss to minimize. `value` minimizes the output itself, which then has no target.",
        example="'loss: SparseCategoricalCrossentropy' for class indices",
    )
    loss_weights: Mapping[str, float] = setting(
        loss_weights(), "Weights of the losses in their sum.", default_factory=dict
    )
    class_weight: Mapping[str, ClassNumbers] = setting(
        class_weights(),
        "Weights of examples by their class, by index or name; 1 for classes that are left out."
        " `balanced` gives each class of the training set the same weight in sum.",
        default_factory=dict,
    )
    sampling: Mapping[str, ClassNumbers] = setting(
        class_sampling(),
        "How often an epoch has the training examples of each class: `balanced`, `oversample`,"
        " `undersample`, or factors by class.",
        default_factory=dict,
    )
    optimizer: OptimizerConfig = setting(
        optimizer(),
        "Optimizer, or one for each part of the network.",
        default=DEFAULT_OPTIMIZER,
    )
    metrics: Mapping[str, tuple[KerasObject, ...]] = setting(
        metrics(), "Metrics to report after each epoch.", default_factory=dict
    )
    feed_targets_to_inputs: Mapping[str, str] = setting(
        names_by_name("input", "output"),
        "Inputs that receive the target of an output.",
        default_factory=dict,
    )
    target_from_input: Mapping[str, str] = setting(
        names_by_name("output", "input"),
        "Outputs whose target is an input, as in an autoencoder.",
        default_factory=dict,
    )

    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build the network, and return the task that trains it."""
        from archbuilder.objectives.supervised import make_supervised_task

        return make_supervised_task(context, self)

    @property
    def compared_outputs(self) -> tuple[str, ...]:
        """The outputs that are compared with a target: those with a loss or metric that has one."""
        classes = [
            name
            for _, each in self.detection_metrics
            for argument, name in detection_outputs(each).items()
            if argument == CLASSES_ARGUMENT
        ]
        outputs = dict.fromkeys((*self.loss, *self.metrics, *classes))
        return tuple(each for each in outputs if not is_own_loss(self.loss.get(each)))

    @property
    def batch_metrics(self) -> Mapping[str, tuple[KerasObject, ...]]:
        """The metrics by output that Keras updates with each batch."""
        metrics_by_output = {
            output: tuple(each for each in configs if not is_detection_metric(each))
            for output, configs in self.metrics.items()
        }
        return {output: configs for output, configs in metrics_by_output.items() if configs}

    @property
    def detection_metrics(self) -> tuple[tuple[str, KerasObject], ...]:
        """The metrics of all detections, each with the output that has the boxes."""
        return tuple(
            (output, each)
            for output, configs in self.metrics.items()
            for each in configs
            if is_detection_metric(each)
        )

    def target_spec(self) -> TargetSpec:
        """Return the losses, metrics and weights of the outputs."""
        return TargetSpec(
            self.compared_outputs,
            self.loss,
            self.metrics,
            self.feed_targets_to_inputs,
            self.target_from_input,
            self.class_weight,
            self.sampling,
        )

    def check(self, context: SectionContext) -> None:
        """Report settings that do not fit the loss of their output."""
        own_losses = {name: loss for name, loss in self.loss.items() if is_own_loss(loss)}
        others = {name: loss for name, loss in self.loss.items() if name not in own_losses}
        check_metrics(others, self.metrics, context.diagnostics)
        check_detection_metrics(self.metrics, context.outputs, context.diagnostics)
        for output, loss in own_losses.items():
            outputs_by_setting = {
                "metrics": self.metrics,
                "class_weight": self.class_weight,
                "target_from_input": self.target_from_input,
                "feed_targets_to_inputs": self.feed_targets_to_inputs.values(),
            }
            for setting_name, outputs in outputs_by_setting.items():
                if output in outputs:
                    context.diagnostics.error(
                        "invalid-choice",
                        f"the output '{output}' is its own loss and has no target, but"
                        f" '{setting_name}' needs one",
                        loss.span,
                        label=f"remove '{output}' from '{setting_name}', or choose another loss",
                    )


@dataclass(frozen=True, slots=True)
class RidgeConfig(ObjectiveConfig):
    """Ridge regression of the last layer in closed form; all other weights stay as initialized.

    It minimizes the squared error plus `alpha` times the sum of squared weights, without the bias.
    """

    name = "ridge"
    takes_steps = False

    metrics: Mapping[str, tuple[KerasObject, ...]] = setting(
        metrics(), "Metrics to report after training.", default_factory=dict
    )
    alpha: float = option(number(minimum=0), "Weight of the L2 penalty.", default=1e-6)
    washout: int = option(
        integer(0, 1_000_000), "Number of first steps of each sequence to ignore.", default=0
    )

    def make_task(self, context: TrainingContext) -> TrainableTask:
        """Build the network, and return the task that computes its last layer."""
        from archbuilder.objectives.ridge import make_ridge_task

        return make_ridge_task(context, self)

    def check(self, context: SectionContext) -> None:
        """Report metrics of class indices: they do not fit the squared error."""
        squared_error = KerasObject.from_name("loss", "MeanSquaredError")
        errors = dict.fromkeys(context.outputs, squared_error)
        check_metrics(errors, self.metrics, context.diagnostics)
        check_detection_metrics(self.metrics, context.outputs, context.diagnostics)
