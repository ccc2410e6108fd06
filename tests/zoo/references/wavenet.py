"""WaveNet, written by hand."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch_weights import Weights


def outputs(
    weights: Weights, waveform: Tensor, *, stacks: int, dilations: int, levels: int
) -> list[Tensor]:
    """Figure 4 of the paper, up to the softmax; every layer has a term in the sum of the skips."""
    first = _kernel(weights)
    x = functional.one_hot(waveform.long(), levels).to(first.dtype).transpose(1, 2)
    x = _causal(x, first, None, 1)
    total = torch.zeros(())
    depth = stacks * dilations
    for index in range(depth):
        dilation = 2 ** (index % dilations)
        signal = _causal(x, _kernel(weights), weights.take(), dilation)
        gate = _causal(x, _kernel(weights), weights.take(), dilation)
        unit = torch.tanh(signal) * torch.sigmoid(gate)
        total = total + functional.conv1d(unit, _kernel(weights), weights.take())
        if index < depth - 1:
            x = x + functional.conv1d(unit, _kernel(weights), weights.take())
    for _ in range(2):
        total = functional.conv1d(functional.relu(total), _kernel(weights), weights.take())
    return [total.transpose(1, 2)]


def _kernel(weights: Weights) -> Tensor:
    """A kernel (taps, in, out) as (out, in, taps)."""
    return weights.take().permute(2, 1, 0)


def _causal(x: Tensor, kernel: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
    """A convolution whose last tap is on the sample itself."""
    padded = functional.pad(x, ((kernel.shape[-1] - 1) * dilation, 0))
    return functional.conv1d(padded, kernel, bias, dilation=dilation)
