"""Reads `training:`: the objective with what belongs to it, and the numbers around it.

Objects are written as layers are, and checked against the catalogue. Where a network has several
outputs, losses and metrics stand under the names of the outputs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, cast

from archbuilder import catalogue
from archbuilder.arguments import check_object, check_value
from archbuilder.catalogue.signatures import ObjectKind
from archbuilder.decode.form import Form
from archbuilder.errors import Diagnostics, nearest, shown
from archbuilder.limits import Limits
from archbuilder.recipe.spec import (
    Adversarial,
    AdversarialLoss,
    Distribution,
    Noise,
    Objective,
    Ridge,
    Supervised,
    TrainingSpec,
)
from archbuilder.tree import Entry, Mapping, Plain, Scalar, Tree, plain
from archbuilder.tree import Sequence as SequenceTree

_STEPWISE: Final = ("epochs", "checkpoint_seconds")
"""What an objective that is trained step by step has."""
_OBJECTIVES: Final[dict[str, tuple[str, ...]]] = {
    "supervised": ("loss", "loss_weights", "optimizer", "metrics", *_STEPWISE),
    "ridge": ("metrics",),
    "adversarial": ("optimizer", *_STEPWISE),
}
"""What stands in `training` with each objective, beside what stands there with all of them."""
_RIDGE: Final[dict[str, dict[str, Plain]]] = {
    "penalty": {"type": "number", "minimum": 0},
    "washout": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
}
_ADVERSARIAL: Final[dict[str, dict[str, Plain]]] = {
    "loss": {"enum": ["non_saturating", "least_squares", "wasserstein"]},
    "discriminator_steps": {"type": "integer", "minimum": 1, "maximum": 100},
    "gradient_penalty": {"type": "number", "minimum": 0},
    "noise": {"enum": ["normal", "uniform"]},
    "samples": {"type": "integer", "minimum": 1, "maximum": 1024},
}
_OPPONENTS: Final = ("generator", "discriminator")
_PLAIN: Final[dict[str, dict[str, Plain]]] = {
    "epochs": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    "batch_size": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    "validation": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    "distribute": {"enum": ["auto", "none", "mirrored"]},
    "checkpoint_seconds": {"type": "number", "minimum": 0, "maximum": 86_400},
}
_ALWAYS: Final = ("objective", *(key for key in _PLAIN if key not in _STEPWISE))
_WEIGHT: Final[dict[str, Plain]] = {"type": "number", "minimum": 0}
_OPTIMIZER: Final = "Adam"
_SQUARED_ERROR: Final = "MeanSquaredError"
_SPARSE: Final = "Sparse"
_OF_CLASSES: Final = ("CategoricalAccuracy", "CategoricalCrossentropy", "TopKCategoricalAccuracy")
"""Metrics of one value a class; with `Sparse` before the name, of classes by number."""


def decode_training(
    tree: Tree, outputs: Sequence[str], limits: Limits, diagnostics: Diagnostics
) -> TrainingSpec | None:
    """The training of a recipe for a network with these outputs; None after mistakes."""
    before = diagnostics.error_count
    form = Form(limits, diagnostics)
    mapping = form.mapping(tree, "'training'")
    if mapping is None:
        return None
    decoder = _Decoder(form, tuple(outputs))
    spec = decoder.training(mapping)
    return spec if diagnostics.error_count == before else None


@dataclass(frozen=True, slots=True)
class _Decoder:
    form: Form
    outputs: tuple[str, ...]

    def training(self, mapping: Mapping) -> TrainingSpec:
        """What the entries say; where they are wrong, it is reported and left out."""
        written = next((entry for entry in mapping if entry.key == "objective"), None)
        name, options = self._objective(written)
        keys = (*_ALWAYS, *_OBJECTIVES[name])
        where = "'training'" if written is None else f"'training' with the objective '{name}'"
        trees = {entry.key: entry.value for entry in self.form.known(mapping, keys, where)}
        numbers = {key: self._plain(_PLAIN, key, trees[key]) for key in _PLAIN if key in trees}
        if name == "ridge":
            objective: Objective = self._ridge(trees, options)
        elif name == "adversarial":
            objective = self._adversarial(mapping, trees, options)
        else:
            objective = self._supervised(mapping, trees)
        defaults = TrainingSpec(objective)
        return TrainingSpec(
            objective=objective,
            epochs=cast(int, numbers.get("epochs", defaults.epochs)),
            batch_size=cast(int, numbers.get("batch_size", defaults.batch_size)),
            validation=cast(float, numbers.get("validation", defaults.validation)),
            seed=cast(int, numbers.get("seed", defaults.seed)),
            distribute=cast(Distribution, numbers.get("distribute", defaults.distribute)),
            checkpoint_seconds=cast(
                float, numbers.get("checkpoint_seconds", defaults.checkpoint_seconds)
            ),
        )

    def _objective(self, written: Entry | None) -> tuple[str, Mapping | None]:
        """The name of the objective, and what is written behind it."""
        default = next(iter(_OBJECTIVES))
        if written is None:
            return default, None
        value = written.value
        options: Tree | None = None
        if isinstance(value, Mapping) and len(value.entries) == 1:
            name, options = value.entries[0].key, value.entries[0].value
            place = Scalar(name, value.entries[0].key_span)
        elif isinstance(value, Scalar):
            name, place = value.value if isinstance(value.value, str) else "", value
        else:
            name, place = "", Scalar(None, value.span)
        if not check_value(
            place, {"enum": list(_OBJECTIVES)}, "'objective'", self.form.diagnostics
        ):
            return default, None
        if options is None or (isinstance(options, Scalar) and options.value is None):
            return name, None
        return name, self.form.mapping(options, f"'{name}'", of="a mapping of options")

    def _supervised(self, mapping: Mapping, trees: dict[str, Tree]) -> Supervised:
        if "loss" not in trees:
            self.form.diagnostics.error(
                "missing-key",
                "'training' does not say which 'loss' to minimise",
                mapping.span,
                notes=("as in 'loss: SparseCategoricalCrossentropy' for classes by number",),
            )
        optimizer = trees.get("optimizer", Scalar(_OPTIMIZER, mapping.span))
        self._object("optimizer", optimizer)
        losses = self._losses(trees.get("loss"))
        metrics = self._metrics(trees.get("metrics"))
        self._agree(losses, metrics)
        return Supervised(losses, optimizer, self._weights(trees.get("loss_weights")), metrics)

    def _ridge(self, trees: dict[str, Tree], options: Mapping | None) -> Ridge:
        given = self._options("ridge", _RIDGE, options)
        metrics = self._metrics(trees.get("metrics"))
        squared = Scalar(_SQUARED_ERROR, trees["objective"].span)
        self._agree(dict.fromkeys(self.outputs, squared), metrics)
        defaults = Ridge(metrics)
        return Ridge(
            metrics,
            penalty=float(cast(float, given.get("penalty", defaults.penalty))),
            washout=cast(int, given.get("washout", defaults.washout)),
        )

    def _adversarial(
        self, mapping: Mapping, trees: dict[str, Tree], options: Mapping | None
    ) -> Adversarial:
        given = self._options("adversarial", _ADVERSARIAL, options)
        optimizer = trees.get("optimizer", Scalar(_OPTIMIZER, mapping.span))
        optimizers: dict[str, Tree] = dict.fromkeys(_OPPONENTS, optimizer)
        if isinstance(optimizer, Mapping) and any(optimizer.get(each) for each in _OPPONENTS):
            entries = self.form.known(optimizer, _OPPONENTS, "'optimizer'")
            optimizers = dict.fromkeys(_OPPONENTS, Scalar(_OPTIMIZER, mapping.span))
            optimizers |= {entry.key: entry.value for entry in entries}
        for tree in optimizers.values():
            self._object("optimizer", tree)
        defaults = Adversarial(optimizers)
        return Adversarial(
            optimizers,
            loss=cast(AdversarialLoss, given.get("loss", defaults.loss)),
            discriminator_steps=cast(
                int, given.get("discriminator_steps", defaults.discriminator_steps)
            ),
            gradient_penalty=float(
                cast(float, given.get("gradient_penalty", defaults.gradient_penalty))
            ),
            noise=cast(Noise, given.get("noise", defaults.noise)),
            samples=cast(int, given.get("samples", defaults.samples)),
        )

    def _options(
        self, name: str, schemas: dict[str, dict[str, Plain]], options: Mapping | None
    ) -> dict[str, Plain]:
        """What is written behind the name of an objective."""
        entries = () if options is None else self.form.known(options, tuple(schemas), f"'{name}'")
        return {entry.key: self._plain(schemas, entry.key, entry.value) for entry in entries}

    def _plain(self, schemas: dict[str, dict[str, Plain]], key: str, tree: Tree) -> Plain:
        check_value(tree, schemas[key], f"'{key}'", self.form.diagnostics)
        return plain(tree)

    def _losses(self, tree: Tree | None) -> dict[str, Tree]:
        if tree is None:
            return {}
        losses = self._by_output("loss", "loss", tree)
        for loss in losses.values():
            self._object("loss", loss)
        return losses

    def _metrics(self, tree: Tree | None) -> dict[str, tuple[Tree, ...]]:
        if tree is None:
            return {}
        metrics: dict[str, tuple[Tree, ...]] = {}
        for output, value in self._by_output("metrics", "metric", tree).items():
            items = value.items if isinstance(value, SequenceTree) else (value,)
            for item in items:
                self._object("metric", item)
            metrics[output] = items
        return metrics

    def _agree(self, losses: dict[str, Tree], metrics: dict[str, tuple[Tree, ...]]) -> None:
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

    def _weights(self, tree: Tree | None) -> dict[str, float]:
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

    def _object(self, kind: ObjectKind, tree: Tree) -> None:
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
