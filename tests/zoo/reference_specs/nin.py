"""Network in network against PyTorch."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference


def _against(variant: str, classes: int, **params: int) -> Reference:
    """A comparison of a variant; `params` are beside its classes."""
    options = {"imagenet": variant == "imagenet", "classes": classes}
    params = {"classes": classes, **params}
    return Reference(f"nin:{variant}", params, module="nin", options=options)


FAMILY: Final = Family(
    form={"image_size": 8, "classes": 5},
    reference="pytorchcv; for ImageNet PyTorch, written by hand",
    small={
        "cifar": _against("cifar10", 10, image_size=16),
        "imagenet": _against("imagenet", 7, image_size=79),
    },
    full={
        "cifar10": _against("cifar10", 10),
        "cifar100": _against("cifar100", 100),
        "imagenet": _against("imagenet", 1000),
    },
    follows="Its pools round up, as cuda-convnet's and Caffe's do; pytorchcv pads on every side.",
)
