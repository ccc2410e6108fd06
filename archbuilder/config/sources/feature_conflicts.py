"""What contradicts itself in the settings of a feature."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Final

from archbuilder.config.sources.features import FeatureConfig
from archbuilder.diagnostics.errors import quote, quote_list

_NUMBER_KEYS: Final = ("normalize", "missing", "transform", "clip")
_VOCABULARY_KEYS: Final = ("min_count", "max_size")
_LIST_KEYS: Final = ("padding", "truncating")
_LIST_PARTS: Final = (
    "column", "length", "separator", "vocabulary", "transform", "clip", "normalize",
    "relative_to", "coordinates", "same_length_as", "positions_of", *_VOCABULARY_KEYS, *_LIST_KEYS,
)  # fmt: skip
"""The settings of a list."""
_KIND_KEYS: Final = ("vocabulary", "date", "tokenizer", "image", "audio", "video")
_TARGET_KEYS: Final = ("labels_of", "next_tokens_of")
_TOKENIZER_KEYS: Final = (
    "vocabulary_size",
    "lowercase",
    "strip_punctuation",
    "vocabulary_from",
    "sequence_length",
    "output",
    "ngrams",
)


def find_conflict(config: FeatureConfig) -> str:
    """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
    conflicts = {
        **_key_conflicts(config),
        **_list_conflicts(config),
        **_text_conflicts(config),
        **_value_conflicts(config),
    }
    return next((message for message, applies in conflicts.items() if applies), "")


def _keys(config: FeatureConfig) -> list[str]:
    return [each.name for each in fields(config) if getattr(config, each.name) is not None]


def _key_conflicts(config: FeatureConfig) -> Mapping[str, object]:
    """Return sentences about keys that exclude or need each other, and whether each applies."""
    kinds, numbers, learned, of_tokenizer = (
        [each for each in _keys(config) if each in group]
        for group in (_KIND_KEYS, _NUMBER_KEYS, _VOCABULARY_KEYS, _TOKENIZER_KEYS)
    )
    kind_list = " and ".join(map(quote, kinds))
    beside_labels = [
        each for each in _keys(config) if each not in ("column", "vocabulary", "labels_of")
    ]
    value_name = "categories" if config.is_category else "text"
    if not config.is_category and config.file is not None:
        value_name = f"{config.file.noun}s"
    return {
        **{
            f"has {quote_list(_keys(config))}, but {quote(key)} stands alone": (
                key in _keys(config) and len(_keys(config)) > 1
            )
            for key in ("segments_of", "mask_of", "next_tokens_of")
        },
        f"has {quote_list(beside_labels)}, but labels only take a 'vocabulary'": (
            config.is_labels and beside_labels
        ),
        "has 'vocabulary: true', but labels have a list, or all in alphabetical order": (
            config.is_labels and config.vocabulary is True
        ),
        f"has 'relative_to' and {quote_list([*kinds, *numbers])}": (
            config.relative_to is not None and (kinds or numbers)
        ),
        **_position_conflicts(config, [*kinds, *numbers]),
        "has 'relative_to', which needs a 'column' or 'columns'": (
            config.relative_to is not None and config.column is None and config.columns is None
        ),
        "has 'coordinates', which needs 'relative_to', an image": (
            config.coordinates is not None and config.relative_to is None
        ),
        "has both 'column' and 'columns'": config.column is not None and config.columns is not None,
        f"has both {kind_list}": len(kinds) > 1,
        f"has {quote_list(numbers)} for numbers and {kind_list} for {value_name}": (
            (config.has_words or config.is_text) and numbers
        ),
        f"has {quote_list(kinds)}, which needs one 'column'": (
            kinds and not config.is_text and config.column is None
        ),
        "has a 'separator', which needs a 'vocabulary' or a 'length'": (
            config.separator is not None and not config.is_category and not config.is_ragged
        ),
        f"has {quote_list(learned)}, which needs 'vocabulary: true'": (
            learned and config.vocabulary is not True
        ),
        f"has {quote_list(of_tokenizer)}, which needs a 'tokenizer'": (
            of_tokenizer and not config.is_text
        ),
    }


def _position_conflicts(config: FeatureConfig, others: Sequence[str]) -> Mapping[str, object]:
    """Return sentences about positions, which stay as they are, and whether each applies."""
    others = [*others, *(["relative_to"] if config.relative_to is not None else [])]
    return {
        f"has 'positions_of' and {quote_list(others)}, but positions stay as they are": (
            config.positions_of is not None and others
        ),
        "has 'positions_of', which needs a 'column' or 'columns'": (
            config.positions_of is not None and config.column is None and config.columns is None
        ),
    }


def _list_conflicts(config: FeatureConfig) -> Mapping[str, object]:
    of_list = [each for each in _keys(config) if each in _LIST_KEYS]
    shared = [each for each in _keys(config) if each in ("length", *_LIST_KEYS)]
    others = [each for each in _keys(config) if each not in _LIST_PARTS]
    return {
        f"has {quote_list(of_list)}, which needs the 'length' of lists": (
            of_list and not config.is_ragged
        ),
        f"has {quote_list(others)}, which lists cannot have": config.is_ragged and others,
        f"has {quote_list(shared)}, but 'same_length_as' takes those of the other list": (
            config.same_length_as is not None and shared
        ),
        "has a 'length', which needs a 'column'": config.is_ragged and config.column is None,
        "has a 'length' and 'relative_to', which needs 'coordinates'": (
            config.is_ragged and config.relative_to is not None and config.coordinates is None
        ),
        f"has {quote_list(of_list)} for lists of coordinates, which have padding at their end": (
            of_list and config.coordinates is not None
        ),
        "has several lengths for coordinates, which have one": (
            len(config.lengths) > 1 and config.coordinates is not None
        ),
        "has a 'length' whose numbers do not ascend": (
            sorted({*config.lengths}) != [*config.lengths]
        ),
    }


def _text_conflicts(config: FeatureConfig) -> Mapping[str, object]:
    num_special = 0 if config.columns is None else 1 + len(config.columns)
    shortest = num_special + len(config.columns or ())
    if not config.is_text:
        return {}
    return {
        "has a 'tokenizer', which needs a 'column' or 'columns'": (
            config.column is None and config.columns is None
        ),
        "has a 'tokenizer', which needs a 'sequence_length' for ids, or an 'output'": (
            config.sequence_length is None and config.output is None
        ),
        "has a 'sequence_length' for ids, and an 'output' without an order of tokens": (
            config.sequence_length is not None and config.output is not None
        ),
        "has an 'output', which needs one 'column'": (
            config.output is not None and config.column is None
        ),
        find_ngram_conflict(config): find_ngram_conflict(config),
        f"has a 'sequence_length' of {config.sequence_length}, but {num_special} special tokens"
        f" and a token of each column are {shortest}": (
            config.sequence_length is not None and config.sequence_length < shortest
        ),
    }


def find_ngram_conflict(config: FeatureConfig) -> str:
    """Return what 'ngrams' need, as a sentence; empty if they have it."""
    if config.ngrams is None:
        return ""
    if config.vocabulary_from is not None:
        return "has 'ngrams', whose vocabulary no tokenizer has: remove 'vocabulary_from'"
    if config.tokenizer != "words" or config.output is None:
        return "has 'ngrams', which need 'tokenizer: words' and an 'output'"
    return ""


def _value_conflicts(config: FeatureConfig) -> Mapping[str, object]:
    words = [*map(str, config.vocabulary)] if isinstance(config.vocabulary, tuple) else []
    repeated = [word for word, count in Counter(words).items() if count > 1]
    fill = config.missing if isinstance(config.missing, int | float) else None
    return {
        f"has {quote_list(repeated)} twice in 'vocabulary'": repeated,
        "has a part of 'date' twice": len({*(config.date or ())}) < len(config.date or ()),
        f"replaces missing values by {fill}, and {config.domain}": (
            config.domain and fill is not None and not config.domain.contains(fill)
        ),
        "has a 'clip' whose first bound is not below the second": (
            config.clip is not None and config.clip[0] >= config.clip[1]
        ),
    }


def find_input_conflict(config: FeatureConfig) -> str:
    """Return what is not possible for an input, as a sentence; empty if nothing."""
    keys = [each for each in _keys(config) if each in _TARGET_KEYS]
    return f"has {quote_list(keys)}, which only a target can have" if keys else ""


def find_target_conflict(config: FeatureConfig) -> str:
    """Return what is not possible for a target, as a sentence; empty if nothing."""
    learned = [each for each in _keys(config) if each in _VOCABULARY_KEYS and config.is_ragged]
    conflicts = {
        "has 'segments_of', which a target cannot be": config.segments_of is not None,
        "has 'mask_of', which a target cannot be": config.mask_of is not None,
        "has 'same_length_as', which a target cannot have": config.same_length_as is not None,
        "has several lengths, but the lists of a target have one": len(config.lengths) > 1,
        "has 'positions_of', but lists of positions cannot be targets": (
            config.is_ragged and config.positions_of is not None
        ),
        f"has {quote_list(learned)}, but the classes of a target are those of all examples": (
            learned
        ),
        "has no 'column'": (
            config.column is None and config.relative_to is None and config.next_tokens_of is None
        ),
        "has an 'image' without 'pixels': write 'pixels: classes' for masks of class indices,"
        " or 'pixels: values' for images of brightness or depth": (
            config.image is not None and config.image.pixels is None
        ),
        "has a 'date', which a target cannot be": config.date is not None,
        "has a 'tokenizer', which a target cannot have": config.is_text,
        "has 'missing', but a target cannot be missing": config.missing is not None,
        "has a 'vocabulary' but no 'separator'; the strings of a plain column are classes": (
            config.is_category and config.separator is None and not config.is_ragged
        ),
    }
    return next((message for message, applies in conflicts.items() if applies), "")
