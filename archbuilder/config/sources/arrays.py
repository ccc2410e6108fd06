"""Sources of arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from archbuilder.config.settings import setting
from archbuilder.config.sources.base import (
    DIVIDE_BY,
    NAMES,
    SAMPLE_WEIGHT,
    WINDOW,
    WINDOW_TEXT,
    ArrayNames,
    DataPath,
    DataPaths,
    DataSource,
    InferenceSource,
    path,
)
from archbuilder.config.sources.pixels import DIVISOR
from archbuilder.config.sources.windows import WindowConfig
from archbuilder.config.value_types import or_by_name

if TYPE_CHECKING:
    from archbuilder.data.source_dataset import SourceDataset
    from archbuilder.data.sources.load_context import LoadContext

DEFAULT_TARGET: Final = "y"
"""The array of targets in an archive that does not name one."""
_PATHS: Final = or_by_name(path())


@dataclass(frozen=True, slots=True)
class Digits(DataSource):
    """1,797 handwritten digits of 8 by 8 pixels, which ship with archbuilder."""

    key = "digits"

    def load(self, context: LoadContext) -> SourceDataset:  # noqa: ARG002 - nothing is opened
        """Load the digits."""
        from archbuilder.data.sources.digits import load_digits

        return load_digits()


@dataclass(frozen=True, slots=True)
class Npz(InferenceSource):
    """Arrays of a NumPy archive."""

    key = "npz"
    suffixes = (".npz",)
    inference_suffixes = suffixes
    may_hold_images = True

    file: DataPath = setting(path(), "The archive.")
    inputs: ArrayNames = setting(NAMES, "Array of the input, or arrays by input.", default="x")
    targets: ArrayNames = setting(
        NAMES,
        "Array of the target, or arrays by output; `{}` without targets.",
        default=DEFAULT_TARGET,
    )
    divide_by: float | None = setting(DIVISOR, DIVIDE_BY, default=None)
    sample_weight: ArrayNames | None = setting(NAMES, SAMPLE_WEIGHT, default=None)
    window: WindowConfig | None = setting(WINDOW, WINDOW_TEXT, default=None)

    def load(self, context: LoadContext) -> SourceDataset:
        """Load the arrays."""
        from archbuilder.data.sources.npz import load_npz

        return load_npz(self, context)

    @classmethod
    def for_inference(cls, file: DataPath, template: DataSource) -> Npz:
        """Return the archive without targets and weights."""
        archive = template if isinstance(template, Npz) else cls(file)
        return replace(archive, file=file, targets={}, sample_weight=None)


@dataclass(frozen=True, slots=True)
class Npy(InferenceSource):
    """Arrays in `.npy` files, which are read on demand."""

    key = "npy"
    inference_suffixes = (".npy",)
    may_hold_images = True

    inputs: DataPaths = setting(_PATHS, "File of the input, or files by input.")
    targets: DataPaths = setting(
        _PATHS, "File of the target, or files by output; by default none.", default_factory=dict
    )
    divide_by: float | None = setting(DIVISOR, DIVIDE_BY, default=None)
    sample_weight: DataPaths | None = setting(_PATHS, SAMPLE_WEIGHT, default=None)
    window: WindowConfig | None = setting(WINDOW, WINDOW_TEXT, default=None)

    def find_conflict(self) -> str:
        """Return which settings contradict each other, as a sentence; empty if none do."""
        has_column = self.window is not None and self.window.by is not None
        return "'window' has 'by', but the files have no columns" if has_column else ""

    def load(self, context: LoadContext) -> SourceDataset:
        """Open the files."""
        from archbuilder.data.sources.npy import load_npy

        return load_npy(self, context)

    @classmethod
    def for_inference(cls, file: DataPath, template: DataSource) -> Npy:
        """Return the file as the only input."""
        window = template.window if isinstance(template, Npy) else None
        return cls(file, {}, template.image_divisor, window=window)


@dataclass(frozen=True, slots=True)
class Idx(InferenceSource):
    """Images and labels in the IDX format of MNIST, optionally compressed (.gz)."""

    key = "idx"
    # As in `train-images-idx3-ubyte` of MNIST.
    inference_names = ("idx",)
    may_hold_images = True

    images: DataPath = setting(path(), "File of the images.")
    labels: DataPath | None = setting(path(), "File of the labels.")
    """None for inference."""
    divide_by: float | None = setting(DIVISOR, DIVIDE_BY, default=None)

    def load(self, context: LoadContext) -> SourceDataset:
        """Load the images and labels."""
        from archbuilder.data.sources.idx import load_idx

        return load_idx(self, context)

    @classmethod
    def for_inference(cls, file: DataPath, template: DataSource) -> Idx:
        """Return the images without labels."""
        return cls(file, None, template.image_divisor)


ARRAY_SOURCES: Final = (Digits, Npz, Npy, Idx)
