"""Match the weights of a model with those of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from archbuilder.diagnostics.errors import quote
from archbuilder.formatting import plural
from archbuilder.weights.dtypes import is_convertible, is_rounded
from archbuilder.weights.entries import FileWeight, ModelWeight, Sizes, WeightPosition

MatchMode: TypeAlias = Literal["name", "order"]
MATCH_MODES: Final[tuple[MatchMode, ...]] = ("name", "order")
_MAX_LINES: Final = 20
LIST_ALL_HINT: Final = "'archbuilder compile BLUEPRINT --weights FILE --dry-run' lists all of them"


@dataclass(frozen=True, slots=True)
class Match:
    """The result of matching the weights of a model with those of a file.

    Attributes:
        matched_by: Whether weights were matched by name or by order.
        pairs: Weights with equal shapes and convertible dtypes.
        mismatched: Weights whose shapes differ or whose dtypes cannot be converted.
        missing: Weights of the model that are not in the file.
        unused: Weights of the file that are not in the model.
        ignored_count: Number of weights of the file that the selected layers have no use for.
    """

    matched_by: MatchMode
    pairs: tuple[tuple[ModelWeight, FileWeight], ...]
    mismatched: tuple[tuple[ModelWeight, FileWeight], ...]
    missing: tuple[ModelWeight, ...]
    unused: tuple[FileWeight, ...]
    ignored_count: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every weight of the model and of the file is in `pairs`."""
        return not (self.mismatched or self.missing or self.unused)

    @property
    def size(self) -> int:
        """Number of weights of the model."""
        return len(self.pairs) + len(self.mismatched) + len(self.missing)

    @property
    def rounding_note(self) -> str:
        """A sentence about weights that are rounded to fewer digits; empty if none are."""
        pairs = [
            (file_weight.dtype, model_weight.dtype)
            for model_weight, file_weight in self.pairs
            if is_rounded(file_weight.dtype, model_weight.dtype)
        ]
        if not pairs:
            return ""
        file_dtype, model_dtype = pairs[0]
        return f"{plural(len(pairs), 'weight')} rounded, such as from {file_dtype} to {model_dtype}"

    def problems(self, *, list_all: bool = False) -> str:
        """Return one line for each weight without a match: the first lines, or `list_all`."""
        lines = []
        for model_weight, file_weight in self.mismatched:
            model_text = _format_shape(model_weight.shape)
            file_text = _format_shape(file_weight.shape)
            # With equal shapes, the dtypes are what does not match. The file may have any text.
            if model_weight.shape == file_weight.shape:
                model_text, file_text = model_weight.dtype, file_weight.dtype
                if not file_text.replace("_", "").replace(" ", "").isalnum():
                    file_text = quote(file_text)
            lines.append(
                f"{model_weight.name} is {model_text} in the model and {file_text} in the file, as"
                f" {quote(file_weight.path)}"
            )
        lines += [
            f"{each.name} ({_format_shape(each.shape)}) is not in the file" for each in self.missing
        ]
        lines += [
            f"{quote(each.path)} ({_format_shape(each.shape)}) is not in the model"
            for each in self.unused
        ]
        hidden_count = 0 if list_all else len(lines) - _MAX_LINES
        if hidden_count > 0:
            lines = [*lines[:_MAX_LINES], f"and {hidden_count:,} more; {LIST_ALL_HINT}"]
        return "\n".join(f"  {line}" for line in lines)


def match_weights(
    model_weights: Sequence[ModelWeight], file_weights: Sequence[FileWeight], mode: MatchMode | None
) -> Match:
    """Match weights by name or by order; if `mode` is None, by the one that gives more pairs."""
    if mode is not None:
        return _pair(model_weights, file_weights, mode)
    # `max` returns the first of equal results, so that ties are matched by name. In a file without
    # an order, `unordered_position` makes the two modes equal.
    return max(
        (_pair(model_weights, file_weights, each) for each in MATCH_MODES),
        key=lambda candidate: len(candidate.pairs),
    )


@dataclass(frozen=True, slots=True)
class LayerSelection:
    """The layers of a model that are loaded, while the others are left alone.

    Attributes:
        layers: Names of the layers.
        prefix: What the names of the layers begin with, such as `backbone.`, if they are a block
            that may be a network of its own in the file; or empty.
    """

    layers: frozenset[str]
    prefix: str = ""


def match_selected(
    model_weights: Sequence[ModelWeight],
    file_weights: Sequence[FileWeight],
    mode: MatchMode | None,
    selection: LayerSelection,
) -> Match:
    """Match the weights of selected layers; weights that only the file has are ignored."""
    selected = [each for each in model_weights if each.layer in selection.layers]
    # By order, the first selected layer is the first of the file.
    numbers: dict[str, list[int]] = {}
    for weight in selected:
        numbers.setdefault(weight.position.sequence, []).append(weight.position.number)
    ranks = {
        sequence: {number: rank for rank, number in enumerate(sorted({*values}))}
        for sequence, values in numbers.items()
    }
    selected = [
        replace(
            each,
            position=replace(
                each.position, number=ranks[each.position.sequence][each.position.number]
            ),
        )
        for each in selected
    ]
    # Tensors of other libraries have slashes in place of dots.
    prefixes = dict.fromkeys(("", selection.prefix, selection.prefix.replace(".", "/")))
    candidates = [
        [replace(each, path=each.path.removeprefix(prefix)) for each in selected]
        for prefix in prefixes
    ]
    # Names without the prefix come before the order: a head that the model lacks may stand between
    # layers, and the layers after it have equal shapes.
    result = max(
        (
            match_weights(each, file_weights, each_mode)
            for each_mode in (MATCH_MODES if mode is None else (mode,))
            for each in candidates
        ),
        key=lambda candidate: len(candidate.pairs),
    )
    return replace(result, unused=(), ignored_count=len(result.unused))


def _pair(
    model_weights: Sequence[ModelWeight], file_weights: Sequence[FileWeight], mode: MatchMode
) -> Match:
    """Match weights whose keys for this mode are equal."""
    key = _KEY_FUNCTIONS[mode]
    unpaired = {key(each): each for each in file_weights}
    misaligned = _misaligned(model_weights, file_weights) if mode == "order" else {}
    pairs, mismatched, missing = [], [], []
    for model_weight in model_weights:
        if (
            model_weight.position.sequence in misaligned
            and model_weight.position > misaligned[model_weight.position.sequence]
        ):
            missing.append(model_weight)
            continue
        file_weight = unpaired.pop(key(model_weight), None)
        if file_weight is None:
            missing.append(model_weight)
        elif file_weight.shape != model_weight.shape or not is_convertible(
            file_weight.dtype, model_weight.dtype
        ):
            mismatched.append((model_weight, file_weight))
        else:
            pairs.append((model_weight, file_weight))
    return Match(mode, tuple(pairs), tuple(mismatched), tuple(missing), tuple(unpaired.values()))


def _misaligned(
    model_weights: Sequence[ModelWeight], file_weights: Sequence[FileWeight]
) -> dict[str, WeightPosition]:
    """Return the position in each sequence after which the order is not meaningful.

    If a sequence has the same length in both, a different shape is a changed layer, such as a new
    classification head. If the lengths differ, a layer is missing on one side: after the first
    difference in shape, weights at the same position no longer correspond, and those with equal
    shapes have them by chance.
    """
    lengths = Counter(each.position.sequence for each in model_weights)
    lengths.subtract(Counter(each.position.sequence for each in file_weights))
    shapes = {each.position: each.shape for each in file_weights}
    ends: dict[str, WeightPosition] = {}
    for model_weight in model_weights:
        sequence = model_weight.position.sequence
        if (
            lengths[sequence]
            and sequence not in ends
            and shapes.get(model_weight.position) != model_weight.shape
        ):
            ends[sequence] = model_weight.position
    return ends


_KEY_FUNCTIONS: Final[Mapping[MatchMode, Callable[[ModelWeight | FileWeight], Hashable]]] = {
    "name": lambda weight: weight.path,
    "order": lambda weight: weight.position,
}


def _format_shape(shape: Sizes) -> str:
    return "x".join(map(str, shape)) or "a number"
