"""Vocabularies that the inputs of a dataset are indices of."""

from __future__ import annotations

from collections.abc import Mapping

from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.data.text.tokenizer import SPECIAL_TOKENS


def input_vocabularies(dataset: SourceDataset) -> Mapping[str, Mapping[str, int]]:
    """Return the index of each word or category by input, without special tokens.

    The name `UNNAMED` stands for any input.
    """
    preprocessing = dataset.preprocessing
    if preprocessing.tokenizer is not None:
        tokens = preprocessing.tokenizer.backend_tokenizer.get_vocab()
        return {
            UNNAMED: {token: id_ for token, id_ in tokens.items() if id_ >= len(SPECIAL_TOKENS)}
        }
    vocabularies = {}
    for name, fitted in preprocessing.schema.features.items():
        feature = dataset.inputs.get(name)
        # The values of other features are no indices.
        if feature is not None and feature.num_categories is not None and fitted.vocabulary:
            first = feature.num_categories - len(fitted.vocabulary)
            vocabularies[name] = {
                word: index for index, word in enumerate(fitted.vocabulary, first)
            }
    return vocabularies
