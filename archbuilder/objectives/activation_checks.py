"""Warnings about outputs of networks whose activation does not match what is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import tensorflow as tf

from archbuilder.compiler.ir import Node, TensorRef
from archbuilder.compiler.objective_ir import has_automatic_logits, needed_names, predictions_of
from archbuilder.data.pipeline import AdaptedDataset
from archbuilder.language.objective_operations import LOSS_PREFIX
from archbuilder.objectives.losses import build_loss
from archbuilder.objectives.output_activation import activation_warnings, has_final_activation
from archbuilder.objectives.step_context import Network, select
from archbuilder.objectives.trial_run import TrialRun
from archbuilder.trainer.log_format import LogFn

_APPLIED_TWICE: Final = {
    "ops.log_softmax": "softmax",
    "ops.softmax": "softmax",
    "ops.sigmoid": "sigmoid",
    "ops.log_sigmoid": "sigmoid",
}
"""Functions of logits, and the activation of a network that returns none."""
_LOWEST: Final = {"tanh": -1, "sigmoid": 0}


def warn_of_activations(trial: TrialRun, dataset: AdaptedDataset, log: LogFn) -> None:
    """Warn about losses and functions that expect another activation, and of other pixels."""
    checks = _ActivationChecks(trial, dataset)
    for node in trial.interpreter.graph.nodes:
        for warning in dict.fromkeys(checks.warnings(node)):
            log(f"warning: {warning} ({node.span})")


class _ActivationChecks:
    def __init__(self, trial: TrialRun, dataset: AdaptedDataset) -> None:
        self._trial = trial
        self._dataset = dataset
        self._graph = trial.interpreter.graph
        self._nodes = {each.name: each for each in self._graph.nodes}

    def warnings(self, node: Node) -> Iterator[str]:
        """Yield the warnings about a step."""
        if node.operation.startswith(LOSS_PREFIX) and not has_automatic_logits(node):
            yield from self._loss_warnings(node)
        elif node.operation in _APPLIED_TWICE:
            ref, activation = node.input_refs()[0], _APPLIED_TWICE[node.operation]
            if self._ends_in(ref, activation):
                yield f"'{node.name}' ({node.operation}) is of '{ref}', which is a {activation}"
        elif node.operation in self._trial.interpreter.networks:
            yield from self._range_warnings(node)

    def _loss_warnings(self, node: Node) -> Iterator[str]:
        ref = predictions_of(node)
        source = self._output(ref)
        if source is not None:
            (network, output), loss = source, build_loss(node, is_activated=False)
            title = f"the output '{output}' of '{ref.node}'"
            yield from activation_warnings(title, loss, network.graph, network.model, output)

    def _range_warnings(self, node: Node) -> Iterator[str]:
        """Yield warnings about a network that sees pixels of two ranges, as a discriminator."""
        for call in self._graph.nodes:
            if call.operation != node.operation:
                continue
            for generated, real in zip(node.input_refs(), call.input_refs(), strict=False):
                lowest = self._lowest_pixel(real)
                for activation, bound in _LOWEST.items():
                    if lowest in {*_LOWEST.values()} - {bound} and self._ends_in(
                        generated, activation
                    ):
                        yield (
                            f"'{node.operation}' gets images from {bound} on in '{generated}'"
                            f" ({activation}), and from {lowest:g} on in '{real}'; scale them, as"
                            f" with 'lowest: {bound}' of an objective of the library"
                        )

    def _lowest_pixel(self, ref: TensorRef) -> float | None:
        """Return the lowest pixel of images that depend on a single column; None for others."""
        needed = needed_names(self._graph.nodes, [ref.node])
        operations = {self._nodes[name].operation for name in needed if name in self._nodes}
        columns = [self._dataset.inputs[name] for name in needed if name in self._dataset.inputs]
        if len(columns) != 1 or not all(each.startswith("ops.") for each in operations):
            return None
        # The columns of a trial are 0.
        is_black = columns[0].value_range is not None and columns[0].value_range[0] == 0
        values = select(ref, self._trial.values)[0]
        return float(tf.reduce_min(tf.cast(values, tf.float32))) if is_black else None

    def _ends_in(self, ref: TensorRef, activation: str) -> bool:
        source = self._output(ref)
        return source is not None and has_final_activation(
            source[0].graph, source[0].model, source[1], activation, before_moves=True
        )

    def _output(self, ref: TensorRef) -> tuple[Network, str] | None:
        """Return the network, and the name of its output, that a tensor is."""
        node = self._nodes.get(ref.node)
        network = None if node is None else self._trial.interpreter.networks.get(node.operation)
        return None if network is None else (network, network.outputs[ref.output or 0])
