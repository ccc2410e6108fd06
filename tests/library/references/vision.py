"""`torchvision.models` without the compiled part of torchvision."""

from __future__ import annotations

import types

import torch


def models() -> types.ModuleType:
    """`torchvision.models`; declares two operations that its compiled part would have brought."""
    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision import models

    return models
