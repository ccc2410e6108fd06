"""Recurrent networks of the layers that come with PyTorch: `RNN`, `LSTM` and `GRU`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_weights import Weights

GATES = {"RNN": [0], "LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2]}
"""Where Keras has the gates that PyTorch wants, in PyTorch's order."""


def outputs(
    weights: Weights,
    steps: Tensor,
    *,
    cell: str,
    depth: int = 1,
    bidirectional: bool = False,
    every_step: bool = False,
) -> list[Tensor]:
    """A stack of layers over vectors or tokens, and a dense layer; one unit has a sigmoid."""
    x = steps if steps.is_floating_point() else weights.take()[steps.long()]
    layers, units = _layers(weights, cell, depth, bidirectional)
    model = getattr(nn, cell)(
        x.shape[-1], units, depth, batch_first=True, bidirectional=bidirectional
    )
    model.load_state_dict(layers)
    sequence, state = model(x)
    state = state[0] if cell == "LSTM" else state
    last = torch.cat([*state[-2:]], dim=-1) if bidirectional else state[-1]
    result = nn.functional.linear(sequence if every_step else last, *weights.dense())
    return [torch.sigmoid(result) if result.shape[-1] == 1 else result]


def _layers(
    weights: Weights, cell: str, depth: int, bidirectional: bool
) -> tuple[dict[str, Tensor], int]:
    """All layers under the names that PyTorch gives their weights, and the number of units."""
    parameters: dict[str, Tensor] = {}
    units = 0
    for layer in range(depth):
        for ending in ("", "_reverse") if bidirectional else ("",):
            kernel, recurrent, bias = weights.take(), weights.take(), weights.take()
            units = recurrent.shape[0]
            # Keras has one bias, or one for the inputs and one for the state.
            inner, outer = bias if bias.ndim == 2 else (bias, torch.zeros_like(bias))
            values = {
                "weight_ih": kernel.T,
                "weight_hh": recurrent.T,
                "bias_ih": inner,
                "bias_hh": outer,
            }
            parameters |= {
                f"{name}_l{layer}{ending}": _reordered(value, GATES[cell])
                for name, value in values.items()
            }
    return parameters, units


def _reordered(value: Tensor, gates: list[int]) -> Tensor:
    parts = value.chunk(len(gates))
    return torch.cat([parts[gate] for gate in gates])
