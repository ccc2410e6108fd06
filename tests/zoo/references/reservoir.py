"""The reservoir of ReservoirPy, in double precision."""

from __future__ import annotations

import torch
from reservoirpy.nodes import Reservoir
from torch import Tensor
from torch_weights import Weights


def outputs(weights: Weights, steps: Tensor, *, leak_rate: float, every_step: bool) -> list[Tensor]:
    """All states, or the last one, and a linear readout; it may see the inputs too."""
    kernel, matrix, bias = (weights.take().double().numpy() for _ in range(3))
    readout, shift = weights.take().double(), weights.take().double()
    readouts = []
    for sequence in steps.double().numpy():
        # Its matrices stand on the left of the states.
        node = Reservoir(W=matrix.T, Win=kernel.T, bias=bias, lr=leak_rate)
        states = node.run(sequence)
        if len(readout) > states.shape[1]:
            states = torch.cat([torch.from_numpy(states), torch.from_numpy(sequence)], dim=1)
        readouts.append(torch.as_tensor(states) @ readout + shift)
    all_steps = torch.stack(readouts)
    return [all_steps if every_step else all_steps[:, -1]]
