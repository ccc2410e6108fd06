"""Makes tokens of text and text of tokens, with a vocabulary that is learned from the data.

The tokens are those of the library `tokenizers`, whose file format (`tokenizer.json`) others read
as well. Training is repeatable: the same text gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from archbuilder.errors import RunError, shown
from archbuilder.parser_errors import parser_errors
from archbuilder.places import Place, reason
from archbuilder.recipe.sources import Tokenising

PADDING, UNKNOWN, BEGIN, END, MASK = range(5)
"""The numbers of the special tokens, with any vocabulary."""
SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""What they are called, in the order of their numbers."""
_BYTES: Final = 256
_FILE: Final = 2**27
"""The bytes of the largest file of a vocabulary that is read."""
_INSIDE: Final = "##"
"""What a piece of a word begins with that is not its first."""

Blocks = Callable[[], Iterator[str]]
"""Begins to read a text, block by block."""


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The tokens of a text and their numbers."""

    tokenizer: Tokenizer

    @classmethod
    def learned(cls, spec: Tokenising, blocks: Blocks, origin: str) -> Vocabulary:
        """The vocabulary of a text.

        Raises:
            RunError: if there is no text, or the vocabulary is too small for it.
        """
        tokenizer = _LEARNERS[spec.tokens](spec, blocks)
        if tokenizer.get_vocab_size() <= len(SPECIAL):
            raise RunError(f"{origin} has no text")
        return cls(_literal(tokenizer))

    @classmethod
    def load(cls, place: Place) -> Vocabulary:
        """The vocabulary that `write` wrote.

        Raises:
            RunError: if the file cannot be read or is damaged.
        """
        name = str(place.path)
        try:
            text = place.read(_FILE).decode("utf-8")
        except OSError as error:
            raise RunError(f"cannot read {shown(name, 200)}: {reason(error)}") from error
        except UnicodeDecodeError as error:
            raise RunError(f"{shown(name, 200)} is no vocabulary: {error}") from error
        return cls.read(text, name)

    @classmethod
    def read(cls, text: str, name: str) -> Vocabulary:
        """The vocabulary that `json` gave.

        Raises:
            RunError: if it is none, or lacks the special tokens.
        """
        # The library raises this class itself.
        with parser_errors((Exception,), f"{shown(name, 200)} is no vocabulary"):
            tokenizer = Tokenizer.from_str(text)
        if any(tokenizer.token_to_id(token) != id_ for id_, token in enumerate(SPECIAL)):
            raise RunError(f"{shown(name, 200)} has not the tokens {', '.join(SPECIAL)} first")
        return cls(_literal(tokenizer))

    @property
    def size(self) -> int:
        """How many tokens there are, with the special ones."""
        return self.tokenizer.get_vocab_size()

    def json(self) -> str:
        """The vocabulary as text."""
        return self.tokenizer.to_str(pretty=True) + "\n"

    def write(self, place: Place) -> None:
        """Write the vocabulary to a file.

        Raises:
            RunError: if it cannot be written.
        """
        try:
            place.write(self.json().encode("utf-8"))
        except OSError as error:
            name = shown(str(place.path), 200)
            raise RunError(f"cannot write {name}: {reason(error)}") from error

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """The tokens of some texts; special tokens are written as any other text is."""
        encodings = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, np.int64) for encoding in encodings]

    def decode(self, tokens: Sequence[int] | NDArray[np.integer]) -> str:
        """The text of some tokens, without the special ones."""
        plain = [int(token) for token in tokens if token >= len(SPECIAL)]
        return self.tokenizer.decode(plain, skip_special_tokens=False)


def _literal(tokenizer: Tokenizer) -> Tokenizer:
    # A text that has "[MASK]" in it must not smuggle in the special token.
    tokenizer.encode_special_tokens = True
    return tokenizer


def _characters(spec: Tokenising, blocks: Blocks) -> Tokenizer:
    found = _letters(normalizers.Lowercase() if spec.lowercase else None, blocks)
    tokens = (*SPECIAL, *found)
    _check_size(spec, len(tokens), "characters")
    tokenizer = _of_whole_tokens({token: id_ for id_, token in enumerate(tokens)}, spec)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def _words(spec: Tokenising, blocks: Blocks) -> Tokenizer:
    tokenizer = _of_whole_tokens({}, spec)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(
        blocks(),
        trainers.WordLevelTrainer(
            vocab_size=spec.vocabulary, special_tokens=list(SPECIAL), show_progress=False
        ),
    )
    return tokenizer


def _of_whole_tokens(tokens: dict[str, int], spec: Tokenising) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(tokens, unk_token=SPECIAL[UNKNOWN]))
    if spec.lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    return tokenizer


def _byte_pairs(spec: Tokenising, blocks: Blocks) -> Tokenizer:
    """Sennrich et al. 2016, arXiv:1508.07909, on bytes as in GPT-2."""
    _check_size(spec, len(SPECIAL) + _BYTES, "bytes")
    tokenizer = Tokenizer(models.BPE())
    if spec.lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=spec.vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(blocks(), trainer)
    return tokenizer


def _word_pieces(spec: Tokenising, blocks: Blocks) -> Tokenizer:
    """Schuster and Nakajima 2012, as BERT uses it: the longest piece that fits, from the left."""
    normalizer = normalizers.BertNormalizer(lowercase=spec.lowercase)
    letters = [letter for letter in _letters(normalizer, blocks) if not letter.isspace()]
    # The library's own trainer numbers the letters in another order each time.
    alphabet = [*letters, *(f"{_INSIDE}{letter}" for letter in letters)]
    _check_size(spec, len(SPECIAL) + len(alphabet), "letters, at the beginning of words and inside")
    learner = Tokenizer(models.BPE(continuing_subword_prefix=_INSIDE))
    learner.normalizer = normalizer
    learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=spec.vocabulary,
        special_tokens=[*SPECIAL, *alphabet],
        continuing_subword_prefix=_INSIDE,
        show_progress=False,
    )
    learner.train_from_iterator(blocks(), trainer)
    tokens = learner.get_vocab(with_added_tokens=True)
    tokenizer = Tokenizer(models.WordPiece(tokens, unk_token=SPECIAL[UNKNOWN]))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=_INSIDE)
    return tokenizer


def _letters(normalizer: normalizers.Normalizer | None, blocks: Blocks) -> list[str]:
    found: set[str] = set()
    for block in blocks():
        found.update(normalizer.normalize_str(block) if normalizer else block)
    return sorted(found)


def _check_size(spec: Tokenising, needed: int, what: str) -> None:
    if spec.vocabulary < needed:
        raise RunError(
            f"a vocabulary of {spec.vocabulary:,} is too small: the text has {needed:,} different"
            f" {what} with the {len(SPECIAL)} special tokens"
        )


_LEARNERS: Final[Mapping[str, Callable[[Tokenising, Blocks], Tokenizer]]] = {
    "characters": _characters,
    "words": _words,
    "bpe": _byte_pairs,
    "wordpiece": _word_pieces,
}
