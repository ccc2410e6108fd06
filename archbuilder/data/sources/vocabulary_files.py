"""Vocabularies that tokenizers take from a run or a file instead of learning them."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from typing import Final

from archbuilder.config.sources import TokenizerConfig
from archbuilder.config.sources.tokenizers import TokenizerType, VocabularyPath
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import SourceDataset
from archbuilder.data.text.tokenizer import (
    MAX_FILE_BYTES,
    TOKENIZER_DIR,
    TOKENIZER_FILE,
    TextTokenizer,
    Vocabulary,
)
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.files.sandbox import cannot_read

_TYPES: Final[tuple[TokenizerType, ...]] = ("characters", "words", "bpe", "wordpiece")


def with_vocabularies(dataset: SourceDataset, opener: DataFileOpener) -> SourceDataset:
    """Return a dataset whose features have the vocabularies that their settings name.

    Raises:
        BlueprintError: if a blueprint names a file that is missing or not allowed.
        RunError: if a file is not that of a tokenizer with the settings of the feature.
    """
    features = {
        name: replace(each, vocabulary=read_vocabulary(each.config.tokenizer_config, opener))
        for name, each in dataset.raw_features.items()
        if each.config.vocabulary_from is not None and each.config.tokens_of is None
    }
    return replace(dataset, raw_features={**dataset.raw_features, **features})


def read_vocabulary(config: TokenizerConfig, opener: DataFileOpener) -> Vocabulary | None:
    """Return the vocabulary that a tokenizer takes from a run or a file; None if it learns one.

    Raises:
        BlueprintError: if a blueprint names a file that is missing or not allowed.
        RunError: if the file is not that of a tokenizer with these settings.
    """
    path = config.vocabulary_from
    if path is None:
        return None
    tokenizer, name = _load(path, opener)
    if tokenizer.vocab_size > config.vocabulary_size:
        raise RunError(
            f"the vocabulary of {name} has {tokenizer.vocab_size:,} tokens, more than"
            f" 'vocabulary_size: {config.vocabulary_size}'"
        )
    vocabulary = tokenizer.vocabulary()
    if not tokenizer.is_equal_to(config, vocabulary):
        raise _mismatch_error(tokenizer, config, vocabulary, name)
    return vocabulary


def _load(path: VocabularyPath, opener: DataFileOpener) -> tuple[TextTokenizer, str]:
    """Return the tokenizer in a file or a run, and the name of the file."""
    inner = (TOKENIZER_DIR, TOKENIZER_FILE) if path.is_run else ()
    name = "/".join((path.path, *inner))
    with (
        replace(opener, directory=path.directory).open_file(path, *inner) as descriptor,
        # A duplicate, since the file object closes its descriptor and the opener closes its own.
        os.fdopen(os.dup(descriptor), "rb") as stream,
    ):
        try:
            content = stream.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise RunError(cannot_read(name, error)) from error
    return TextTokenizer.from_bytes(content, name), quote(name, 200)


def _mismatch_error(
    tokenizer: TextTokenizer, config: TokenizerConfig, vocabulary: Vocabulary, name: str
) -> RunError:
    """Return the error for a tokenizer with other settings, which names them if it can."""
    for kind, lowercase, strip in itertools.product(_TYPES, (False, True), (False, True)):
        candidate = replace(config, tokenizer=kind, lowercase=lowercase, strip_punctuation=strip)
        if tokenizer.is_equal_to(candidate, vocabulary):
            return RunError(
                f"the tokenizer of {name} has other settings: 'tokenizer: {kind}', 'lowercase:"
                f" {str(lowercase).lower()}', 'strip_punctuation: {str(strip).lower()}'"
            )
    return RunError(f"{name} is not a tokenizer that archbuilder has trained")
