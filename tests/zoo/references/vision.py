"""`torchvision.models` without the compiled part of torchvision.

Whatever imports torchvision by itself, as timm and transformers do, is imported behind this one.
"""

from __future__ import annotations

from typing import Final

import torch

_OPERATIONS: Final = torch.library.Library("torchvision", "DEF")
_OPERATIONS.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_OPERATIONS.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision import models  # noqa: E402 - it asks for the operations

__all__ = ["models"]
