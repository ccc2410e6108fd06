"""Features of text: token ids of one length, counts of tokens, and labels of words.

Several texts of an example are joined as in BERT (Devlin et al. 2018, arXiv:1810.04805): `[CLS]`,
and `[SEP]` after each text. The ids of `words` are those of Keras's `TextVectorization`, apart from
the additional special tokens; counts are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.config.data_schema import FittedFeature
from archbuilder.config.sources.features import MAX_CATEGORIES, FeatureConfig
from archbuilder.data.columns import Array, Column, LazyColumn, RowIndices, load_into_memory
from archbuilder.data.raw_feature import RawFeature
from archbuilder.data.source_dataset import Feature
from archbuilder.data.text.ngrams import PhraseTokenizer
from archbuilder.data.text.tokenizer import (
    BEGIN_ID,
    END_ID,
    SPECIAL_TOKENS,
    UNK_ID,
    TextTokenizer,
    Vocabulary,
    learn_vocabulary,
    split_words,
)
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.formatting import plural

_MAX_ENCODED_BYTES: Final = 2**27
"""Size up to which ids are computed once: 128 MiB. Others are computed when they are read."""
IGNORED_LABEL: Final = -1
"""The label of padding, which a loss with `ignore_class: -1` leaves out."""
_MAX_NOTED: Final = 10
_NUM_UNCOUNTED: Final = len(SPECIAL_TOKENS) - 1
"""Special tokens without a column of counts: all but the one for other tokens."""


def fit_text(raw: RawFeature, rows: RowIndices) -> tuple[FittedFeature, str]:
    """Learn the vocabulary of some texts; return it with a note for the user.

    Raises:
        RunError: if the texts are empty, or have too many letters for the size of the vocabulary.
    """
    if raw.config.tokens_of is not None:
        return FittedFeature(raw.names), ""
    num_special = _num_special(raw.config)
    config = raw.config.tokenizer_config
    size = config.vocabulary_size - num_special + len(SPECIAL_TOKENS)
    config = replace(config, vocabulary_size=size)
    texts = partial(_texts, raw, rows)
    if raw.config.ngrams is not None:
        vocabulary = PhraseTokenizer.learn(config, raw.config.ngrams, texts, raw.title)
    else:
        vocabulary = raw.vocabulary or learn_vocabulary(config, texts, raw.title)
    fitted = FittedFeature(raw.names, vocabulary=vocabulary.tokens, merges=vocabulary.merges)
    if raw.config.output == "tf_idf":
        fitted = replace(fitted, idf=tuple(_inverse_frequencies(raw, fitted, rows).tolist()))
    empty = sum(int(np.count_nonzero(each.lengths(rows) == 0)) for each in raw.texts)
    note = (
        f"{raw.title}: vocabulary of {len(vocabulary.tokens) + num_special:,} tokens"
        f" ({num_special} special)" + (f", {plural(empty, 'text')} empty" if empty else "")
    )
    return fitted, note


def is_fitted_text(config: FeatureConfig, fitted: FittedFeature) -> bool:
    """Return whether a vocabulary suits a feature of text; a record may have any."""
    size = config.tokenizer_config.vocabulary_size - _num_special(config)
    num_frequencies = len(fitted.vocabulary) + 1 if config.output == "tf_idf" else 0
    return (
        len(fitted.vocabulary) <= (size if config.tokens_of is None else 0)
        and (config.tokenizer == "bpe" or not fitted.merges)
        and len(fitted.idf) == num_frequencies
    )


def encode_text(raw: RawFeature, fitted: FittedFeature) -> Feature:
    """Return the input that a feature of text becomes."""
    config = raw.config
    tokenizer = _make_tokenizer(config, fitted)
    num_values = config.sequence_length or config.tokenizer_config.vocabulary_size
    dtype: type[np.generic] = np.int32 if config.output is None else np.float32

    def arrange(tokens: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        if config.columns is not None:
            return (_join if config.segments_of is None else _segments)(tokens, num_values)
        # Of a sequence of padding alone, an average has no value, and cuDNN takes none.
        return tokens[0] if len(tokens[0]) else np.array([UNK_ID])

    def encode(rows: RowIndices) -> Array:
        token_lists = [tokenizer.encode(each.read(rows)) for each in raw.texts]
        values = np.zeros((len(rows), num_values), dtype)
        if config.next_tokens_of is not None:
            values -= 1
        if config.output is not None:
            _count_tokens(token_lists[0], values)
            if config.output == "multi_hot":
                values = np.minimum(values, 1)
            # The columns of a vocabulary that is smaller than its largest size stay 0.
            if fitted.idf:
                idf = np.array(fitted.idf, np.float32)
                values *= np.pad(idf, (0, num_values - len(idf)))
            return values
        for row, tokens in enumerate(zip(*token_lists, strict=True)):
            ids = arrange(tokens)[:num_values]
            if config.next_tokens_of is not None:
                ids = ids[1:]
            values[row, : len(ids)] = ids
        return values

    num_categories = None if config.output is not None else tokenizer.vocab_size
    return Feature(
        _encoded_column(raw, encode, num_values, np.dtype(dtype)),
        origin=raw.origin,
        num_categories=num_categories if config.segments_of is None else len(raw.texts),
        vocabulary_limit="'vocabulary_size'",
    )


def _make_tokenizer(
    config: FeatureConfig, fitted: FittedFeature
) -> TextTokenizer | PhraseTokenizer:
    vocabulary = Vocabulary(fitted.vocabulary, fitted.merges)
    settings = config.tokenizer_config
    if config.ngrams is not None:
        return PhraseTokenizer.from_vocabulary(settings, config.ngrams, vocabulary)
    return TextTokenizer.from_vocabulary(settings, vocabulary)


def collect_labels(raw: RawFeature) -> tuple[FittedFeature, str]:
    """Return the classes of the labels of words, with a note for the user.

    As the classes of other targets, they are those of all examples.

    Raises:
        RunError: if there are none, or too many for classes.
    """
    if isinstance(raw.config.vocabulary, tuple):
        return FittedFeature(raw.names, vocabulary=tuple(map(str, raw.config.vocabulary))), ""
    labels: set[str] = set()
    for text in _texts(raw, np.arange(raw.column.count)):
        labels.update(split_words(text))
        if len(labels) > MAX_CATEGORIES:
            raise RunError(f"{raw.title} has more than {MAX_CATEGORIES:,} different labels")
    if not labels:
        raise RunError(f"{raw.title} has no labels")
    classes = tuple(sorted(labels))
    pairs = (f"{quote(label)} = {number}" for number, label in enumerate(classes[:_MAX_NOTED]))
    note = f"{raw.title}: {plural(len(classes), 'class', 'classes')} of words: {', '.join(pairs)}"
    return FittedFeature(raw.names, vocabulary=classes), note


def encode_labels(
    raw: RawFeature, fitted: FittedFeature, words: RawFeature, fitted_words: FittedFeature
) -> Feature:
    """Return the target that labels of words become: class indices by token.

    The first token of a word has its label. All others, as those of padding, have `IGNORED_LABEL`.

    Args:
        raw: The labels.
        fitted: Their classes.
        words: The text that they label.
        fitted_words: The vocabulary of the text.

    Raises:
        RunError: if a label is not a class of the training data.
    """
    numbers = {label: number for number, label in enumerate(fitted.vocabulary)}
    length = raw.config.sequence_length or 0
    vocabulary = Vocabulary(fitted_words.vocabulary, fitted_words.merges)
    tokenizer = TextTokenizer.from_vocabulary(words.config.tokenizer_config, vocabulary)
    # A text in a list of columns stands between two special tokens.
    margin = 0 if words.config.columns is None else 1

    def encode(rows: RowIndices) -> Array:
        values = np.full((len(rows), length), IGNORED_LABEL, np.int32)
        starts = tokenizer.word_starts(words.texts[0].read(rows))
        for position, text in enumerate(raw.texts[0].read(rows)):
            for label, start in zip(split_words(text), starts[position], strict=True):
                number = numbers.get(label)
                if number is None:
                    origin = raw.origin.describe_value(int(rows[position]), 0, quote(label))
                    raise RunError(f"{origin}, which is not a class of the training data")
                if 0 <= start < length - 2 * margin:
                    values[position, start + margin] = number
        return values

    return Feature(_encoded_column(raw, encode, length, np.dtype(np.int32)), origin=raw.origin)


def _encoded_column(
    raw: RawFeature,
    encode: Callable[[RowIndices], Array],
    num_values: int,
    dtype: np.dtype[np.generic],
) -> Column:
    """Return the column of what `encode` returns, in memory if it is small."""
    lazy = LazyColumn("", raw.column.count, (num_values,), dtype, encode)
    num_bytes = lazy.count * num_values * dtype.itemsize
    return load_into_memory(lazy) if num_bytes <= _MAX_ENCODED_BYTES else lazy


def _num_special(config: FeatureConfig) -> int:
    """Return how many special tokens a vocabulary has: counts only have one for other tokens."""
    return len(SPECIAL_TOKENS) if config.output is None else 1


def _texts(raw: RawFeature, rows: RowIndices) -> Iterator[str]:
    for column in raw.texts:
        yield from chain.from_iterable(column.batches(rows))


def _inverse_frequencies(
    raw: RawFeature, fitted: FittedFeature, rows: RowIndices
) -> NDArray[np.float64]:
    """Return the inverse document frequency of other tokens and of those of the vocabulary.

    As in Keras's `TextVectorization`, it is `log(1 + texts / (1 + texts with the token))`, and that
    of other tokens the mean of those of the vocabulary.
    """
    tokenizer = _make_tokenizer(raw.config, fitted)
    counts = np.zeros(len(fitted.vocabulary), np.int64)
    for texts in raw.texts[0].batches(rows):
        for tokens in tokenizer.encode(texts):
            occurring = np.unique(tokens)
            counts[occurring[occurring != UNK_ID] - len(SPECIAL_TOKENS)] += 1
    frequencies = np.log(1 + len(rows) / (1 + counts))
    return np.concatenate([[frequencies.mean()], frequencies])


def _count_tokens(token_lists: Sequence[NDArray[np.int64]], counts: Array) -> None:
    """Add the tokens of texts to `counts`, whose first column is that of other tokens."""
    rows = np.repeat(np.arange(len(token_lists)), [len(each) for each in token_lists])
    tokens = np.concatenate([*token_lists, np.zeros(0, np.int64)])
    np.add.at(counts, (rows, np.maximum(tokens - _NUM_UNCOUNTED, 0)), 1)


def _join(texts: Sequence[NDArray[np.int64]], length: int) -> NDArray[np.int64]:
    parts = [np.array([BEGIN_ID])]
    for tokens in _truncate(texts, length):
        parts += [tokens, np.array([END_ID])]
    return np.concatenate(parts)


def _segments(texts: Sequence[NDArray[np.int64]], length: int) -> NDArray[np.int64]:
    """Return the number of the text that each token of `_join` belongs to."""
    sizes = [len(each) + 1 for each in _truncate(texts, length)]
    # The token at the beginning belongs to the first text.
    return np.repeat(np.arange(len(texts)), [sizes[0] + 1, *sizes[1:]])


def _truncate(texts: Sequence[NDArray[np.int64]], length: int) -> Sequence[NDArray[np.int64]]:
    """Shorten the longest texts until all fit, with their special tokens, into a sequence."""
    rest = length - 1 - len(texts)
    if sum(map(len, texts)) <= rest:
        return texts
    shortest_first = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    for position, number in enumerate(shortest_first):
        share, extra = divmod(rest, len(texts) - position)
        if len(texts[number]) > share:
            break
        rest -= len(texts[number])
    longest = sorted(shortest_first[position:])
    sizes = {number: share + (rank < extra) for rank, number in enumerate(longest)}
    return [each[: sizes.get(number)] for number, each in enumerate(texts)]
