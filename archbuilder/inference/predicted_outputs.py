"""How the outputs of a network become predictions: probabilities, classes, units of a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray

from archbuilder.compiler.ir import Graph
from archbuilder.config.data_schema import FittedFeature
from archbuilder.config.loss_traits import is_own_loss, traits_of
from archbuilder.config.objectives import TargetSpec
from archbuilder.config.run_config import RunConfig
from archbuilder.config.sources import FeatureConfig
from archbuilder.data.number_features import restore_numbers
from archbuilder.data.source_dataset import UNNAMED, target_key
from archbuilder.keras_ext.metrics import decode_ctc
from archbuilder.objectives.output_activation import Activation, as_float32, output_activation

Values: TypeAlias = NDArray[np.float32] | NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class OutputUnits:
    """The feature with which an output was compared, in whose units its predictions are."""

    config: FeatureConfig
    fitted: FittedFeature

    def __str__(self) -> str:
        columns = ", ".join(self.fitted.columns[:3]) + (", ..." if self.fitted.columns[3:] else "")
        steps = [self.config.transform or "", "normalize" if self.fitted.mean else ""]
        note = f"in the units of {columns} ({', '.join(filter(None, steps))} undone"
        if self.config.clip is not None:
            low, high = self.config.clip
            note += f"; the targets were clipped between {low:g} and {high:g}"
        return f"{note}); --raw writes the outputs as they are"


@dataclass(frozen=True, slots=True, eq=False)
class PredictedOutput:
    """How the values of an output become predictions."""

    activation: Activation = as_float32
    """What its loss implies: the activation of logits, or the labels that `CTC` finds in them."""
    class_names: tuple[str, ...] | None = None
    """Names of the classes, empty if they are unknown; None for an output without classes."""
    index_names: tuple[str, ...] = ()
    """Names of the classes whose numbers are the values, if the values are such numbers."""
    units: OutputUnits | None = None
    """None if the values are those of the column, or of no column."""

    def convert(self, values: Values) -> Values:
        """Return the predictions for values after the activation."""
        if self.units is None:
            return values
        restored = restore_numbers(values, self.units.config, self.units.fitted)
        # Too large numbers become infinite.
        with np.errstate(over="ignore"):
            return restored.astype(np.float32)


def raw_outputs(graph: Graph) -> dict[str, PredictedOutput]:
    """Return the outputs of a network as they are."""
    return {name: PredictedOutput() for name, _ in graph.outputs}


def find_predicted_outputs(
    config: RunConfig, graph: Graph, model: keras.Model
) -> dict[str, PredictedOutput]:
    """Return how the outputs of a trained network become predictions."""
    spec = config.training.objective.target_spec()
    # Class names of a source with a single target are stored under UNNAMED.
    classes = config.schema.classes
    outputs = {}
    for name, _ in graph.outputs:
        loss, names = spec.losses.get(name), classes.get(name, classes.get(UNNAMED, ()))
        values = model.output[name] if isinstance(model.output, dict) else model.output
        is_classified = traits_of(loss).activation == "softmax"
        # The top class of each example, or of each position if the classes have names.
        has_classes = is_classified and (bool(names) or len(values.shape) == 2)
        outputs[name] = PredictedOutput(
            decode_ctc
            if traits_of(loss).targets == "label_sequence"
            else output_activation(loss, graph, model, name),
            names if has_classes else None,
            # Such as the classes of the boxes that a detector finds. Floats may be scores.
            classes.get(name, ()) if loss is None and _holds_integers(values) else (),
            None if is_own_loss(loss) else _output_units(config, spec, name, values.shape),
        )
    return outputs


def _holds_integers(values: keras.KerasTensor) -> bool:
    return bool(keras.backend.is_int_dtype(values.dtype))


def unit_notes(outputs: Mapping[str, PredictedOutput]) -> Iterator[str]:
    """Yield a note on each output whose predictions are in the units of a column."""
    for name, output in outputs.items():
        if output.units is not None:
            yield f"Output '{name}': {output.units}"


def _output_units(
    config: RunConfig, spec: TargetSpec, output: str, shape: tuple[int | None, ...]
) -> OutputUnits | None:
    """Return the units of an output that was compared with a feature of numbers, if there are any.

    The feature is a target, or an input of which the output is a reconstruction.
    """
    source, fitted_features = config.data.train, config.schema.features
    name = spec.target_from_input.get(output)
    is_input = name is not None
    features = source.input_features if is_input else source.target_features
    key = output if name is None else name
    key = key if key in features else UNNAMED
    feature = features.get(key)
    fitted = fitted_features.get(key if is_input else target_key(key))
    if feature is None or fitted is None or feature.missing == "indicator":
        return None
    num_columns = len(fitted.mean)
    if (feature.transform is None and not fitted.mean) or num_columns not in (0, 1, shape[-1]):
        return None
    return OutputUnits(feature, fitted)
