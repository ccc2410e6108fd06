"""Tokenizers that are trained on the data: characters, words, BPE and WordPiece.

They are those of the library `tokenizers`, whose file format (`tokenizer.json`) other programs read
as well. Training is deterministic: the same text gives the same token ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from archbuilder.config.sources import TokenizerConfig
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.files.parser_errors import parser_errors
from archbuilder.files.sandbox import SandboxPath, cannot_read, os_error_reason

PAD_ID, UNK_ID, BEGIN_ID, END_ID, MASK_ID = range(5)
"""Ids of the special tokens, which are the same in every vocabulary."""
SPECIAL_TOKENS: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""Names of the special tokens, in the order of their ids. They are those of BERT."""
_NUM_BYTE_TOKENS: Final = 256
TOKENIZER_DIR: Final = "text"
"""Directory of a run in which the files of its text are."""
TOKENIZER_FILE: Final = "tokenizer.json"
MAX_FILE_BYTES: Final = 2**27
"""Size of the largest tokenizer file that is read."""
_CONTINUATION_PREFIX: Final = "##"
"""Prefix of WordPiece tokens that continue a word."""
_PUNCTUATION: Final = r"""[!-/:-@\[-`{-~]"""
"""ASCII punctuation, as Keras's `TextVectorization` strips it."""

_WHITE_SPACE: Final = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What Unicode calls white space. Python's `split` also splits at the separators of ASCII."""
_WORD: Final = re.compile(f"[^{_WHITE_SPACE}]+")

TextBlocks = Callable[[], Iterator[str]]
"""Starts reading a text, and returns its blocks. Training may read it twice."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a tokenizer learns from a text."""

    tokens: tuple[str, ...]
    """Tokens in the order of their ids, after the special tokens."""
    merges: tuple[tuple[str, str], ...] = ()
    """The pairs of tokens that byte pair encoding joins, in this order."""


@dataclass(frozen=True, slots=True, eq=False)
class TextTokenizer:
    """A tokenizer with special tokens at fixed ids, which text cannot produce."""

    backend_tokenizer: Tokenizer

    @classmethod
    def train(cls, config: TokenizerConfig, blocks: TextBlocks, source_name: str) -> TextTokenizer:
        """Train a tokenizer on a text.

        Raises:
            RunError: if the text is empty, or the vocabulary size is too small for its alphabet.
        """
        return cls.from_vocabulary(config, learn_vocabulary(config, blocks, source_name))

    @classmethod
    def from_vocabulary(cls, config: TokenizerConfig, vocabulary: Vocabulary) -> TextTokenizer:
        """Create the tokenizer that learned a vocabulary.

        Raises:
            RunError: if merges have tokens that the vocabulary lacks.
        """
        tokens = (*SPECIAL_TOKENS, *vocabulary.tokens)
        ids = {token: id_ for id_, token in enumerate(tokens)}
        with parser_errors((Exception,), "the vocabulary of a tokenizer is damaged"):
            tokenizer = _BUILDERS[config.tokenizer](ids, vocabulary, config)
        return cls(_without_special_token_parsing(tokenizer))

    @classmethod
    def load(cls, path: SandboxPath) -> TextTokenizer:
        """Load a tokenizer that `write` wrote.

        Raises:
            RunError: if the file cannot be read or is damaged.
        """
        name = str(path.path)
        try:
            content = path.read(MAX_FILE_BYTES)
        except OSError as error:
            raise RunError(cannot_read(name, error)) from error
        return cls.from_bytes(content, name)

    @classmethod
    def from_bytes(cls, content: bytes, name: str) -> TextTokenizer:
        """Create a tokenizer from the content of a `tokenizer.json`; `name` is for messages.

        Raises:
            RunError: if it is too large, is not valid, or lacks the special tokens.
        """
        if len(content) > MAX_FILE_BYTES:
            raise RunError(f"{quote(name, 200)} is larger than {MAX_FILE_BYTES // 2**20} MiB")
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RunError(f"{quote(name, 200)} is not a tokenizer file: {error}") from error
        return cls.from_json(text, name)

    @classmethod
    def from_json(cls, text: str, name: str) -> TextTokenizer:
        """Create a tokenizer from the text that `to_json` returned.

        Raises:
            RunError: if the text is invalid, or lacks the special tokens.
        """
        # The library's Rust code raises a plain `Exception` for whatever it cannot parse.
        with parser_errors((Exception,), f"{quote(name, 200)} is not a tokenizer file"):
            tokenizer = Tokenizer.from_str(text)
        if any(tokenizer.token_to_id(token) != id_ for id_, token in enumerate(SPECIAL_TOKENS)):
            raise RunError(
                f"{quote(name, 200)} does not start with the tokens {', '.join(SPECIAL_TOKENS)}"
            )
        return cls(_without_special_token_parsing(tokenizer))

    @property
    def vocab_size(self) -> int:
        """Number of tokens, including the special ones."""
        return self.backend_tokenizer.get_vocab_size()

    def vocabulary(self) -> Vocabulary:
        """Return what the tokenizer has learned."""
        tokens = _tokens_by_id(self.backend_tokenizer)[len(SPECIAL_TOKENS) :]
        model = json.loads(self.backend_tokenizer.to_str())["model"]
        return Vocabulary(tuple(tokens), tuple(map(tuple, model.get("merges", ()))))

    def is_equal_to(self, config: TokenizerConfig, vocabulary: Vocabulary) -> bool:
        """Return whether this is the tokenizer with some settings and a vocabulary."""
        try:
            rebuilt = TextTokenizer.from_vocabulary(config, vocabulary)
        except RunError:
            return False
        return rebuilt.to_json() == self.to_json()

    def to_json(self) -> str:
        """Return the content of `tokenizer.json`."""
        return self.backend_tokenizer.to_str(pretty=True) + "\n"

    def write(self, path: SandboxPath) -> None:
        """Write `tokenizer.json`.

        Raises:
            RunError: if the file cannot be written.
        """
        try:
            path.write(self.to_json().encode("utf-8"))
        except OSError as error:
            name = quote(str(path.path), 200)
            raise RunError(f"cannot write {name}: {os_error_reason(error)}") from error

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return the token ids of each text. The names of special tokens are ordinary text."""
        # encode_batch_fast does not compute the offsets of tokens, which nothing here needs.
        encodings = self.backend_tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        arrays = [np.array(encoding.ids, np.int64) for encoding in encodings]
        # The names of special tokens are in the vocabulary, where the model of words finds them.
        return [np.where(each < len(SPECIAL_TOKENS), UNK_ID, each) for each in arrays]

    def word_starts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the first token of each word of each text, as its index; -1 if it has none."""
        encodings = self.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [
            _first_tokens(text, encoding.offsets)
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def decode(self, tokens: Sequence[int] | NDArray[np.integer]) -> str:
        """Return the text of tokens, without the special ones."""
        # `skip_special_tokens=True` skips only tokens that a trainer registered as special, and the
        # tokenizer of characters has no trainer.
        text_tokens = [int(token) for token in tokens if token >= len(SPECIAL_TOKENS)]
        return self.backend_tokenizer.decode(text_tokens, skip_special_tokens=False)


def split_words(text: str) -> list[str]:
    """Return the words of a text, as the tokenizer `words` splits it."""
    return _WORD.findall(text)


def _first_tokens(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """Return the first token of each word; `offsets` are those of the tokens in the text."""
    words = [match.span() for match in _WORD.finditer(text)]
    starts, number = [-1] * len(words), 0
    for index, (begin, end) in enumerate(offsets):
        while number < len(words) and words[number][1] <= begin:
            number += 1
        # A token of bytes may begin with the space before its word.
        if number < len(words) and starts[number] < 0 and words[number][0] < end:
            starts[number] = index
    return starts


def _without_special_token_parsing(tokenizer: Tokenizer) -> Tokenizer:
    # A text that contains "[MASK]" must not produce the special token. The flag is not part of
    # tokenizer.json, so that it has to be set after loading, too.
    tokenizer.encode_special_tokens = True
    return tokenizer


def learn_vocabulary(config: TokenizerConfig, blocks: TextBlocks, source_name: str) -> Vocabulary:
    """Learn the vocabulary of a tokenizer from a text.

    Raises:
        RunError: if the text is empty, or the vocabulary size is too small for its alphabet.
    """
    vocabulary = _LEARNERS[config.tokenizer](config, blocks)
    if not vocabulary.tokens:
        raise RunError(f"{source_name} has no text")
    return vocabulary


def _learn_characters(config: TokenizerConfig, blocks: TextBlocks) -> Vocabulary:
    # Not a trainer: its limit would drop rare characters silently, and each is an error here.
    characters = _alphabet(text_normalizer(config), blocks)
    _check_vocab_size(config, len(characters), "characters")
    return Vocabulary(tuple(characters))


def _learn_words(config: TokenizerConfig, blocks: TextBlocks) -> Vocabulary:
    # The names of special tokens are words to this trainer, and have to be removed.
    trainer = trainers.WordLevelTrainer(
        vocab_size=config.vocabulary_size, special_tokens=[], show_progress=False
    )
    tokenizer = _word_level_tokenizer({}, config)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(blocks(), trainer)
    words = [each for each in _tokens_by_id(tokenizer) if each not in SPECIAL_TOKENS]
    return Vocabulary(tuple(words[: config.vocabulary_size - len(SPECIAL_TOKENS)]))


def _learn_bpe(config: TokenizerConfig, blocks: TextBlocks) -> Vocabulary:
    """Learn byte pair encoding (Sennrich et al. 2016, arXiv:1508.07909), on bytes as in GPT-2."""
    # All 256 bytes are in the alphabet, so that every text has tokens and none is unknown.
    _check_vocab_size(config, _NUM_BYTE_TOKENS, "bytes")
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer = _byte_level_tokenizer(models.BPE(), config)
    tokenizer.train_from_iterator(blocks(), trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    tokens = _tokens_by_id(tokenizer)[len(SPECIAL_TOKENS) :]
    return Vocabulary(tuple(tokens), tuple((first, second) for first, second in merges))


def _learn_wordpiece(config: TokenizerConfig, blocks: TextBlocks) -> Vocabulary:
    """Learn WordPiece (Schuster and Nakajima 2012) as in BERT: longest match first, from the left.

    The vocabulary is that of BPE on letters; the model that applies it is WordPiece.
    """
    normalizer = _bert_normalizer(config)
    characters = [
        character for character in _alphabet(normalizer, blocks) if not character.isspace()
    ]
    # WordPieceTrainer of `tokenizers` numbers the letters in a different order each time. As
    # special tokens of a BPE trainer they have the order of this list.
    alphabet = [*characters, *(f"{_CONTINUATION_PREFIX}{char}" for char in characters)]
    _check_vocab_size(config, len(alphabet), "letters, at the beginning of words and inside")
    bpe_tokenizer = Tokenizer(models.BPE(continuing_subword_prefix=_CONTINUATION_PREFIX))
    bpe_tokenizer.normalizer = normalizer
    bpe_tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary_size,
        special_tokens=[*SPECIAL_TOKENS, *alphabet],
        continuing_subword_prefix=_CONTINUATION_PREFIX,
        show_progress=False,
    )
    bpe_tokenizer.train_from_iterator(blocks(), trainer)
    return Vocabulary(tuple(_tokens_by_id(bpe_tokenizer)[len(SPECIAL_TOKENS) :]))


def _build_characters(
    ids: dict[str, int], _vocabulary: Vocabulary, config: TokenizerConfig
) -> Tokenizer:
    tokenizer = _word_level_tokenizer(ids, config)
    # [\s\S] and not `.`, which does not match a line end.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    # Without a decoder, the library joins tokens with spaces.
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def _build_words(
    ids: dict[str, int], _vocabulary: Vocabulary, config: TokenizerConfig
) -> Tokenizer:
    tokenizer = _word_level_tokenizer(ids, config)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def _build_bpe(ids: dict[str, int], vocabulary: Vocabulary, config: TokenizerConfig) -> Tokenizer:
    return _byte_level_tokenizer(models.BPE(ids, [*vocabulary.merges]), config)


def _build_wordpiece(
    ids: dict[str, int], _vocabulary: Vocabulary, config: TokenizerConfig
) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=SPECIAL_TOKENS[UNK_ID]))
    tokenizer.normalizer = _bert_normalizer(config)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=_CONTINUATION_PREFIX)
    return tokenizer


def _word_level_tokenizer(ids: dict[str, int], config: TokenizerConfig) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=SPECIAL_TOKENS[UNK_ID]))
    normalizer = text_normalizer(config)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    return tokenizer


def _byte_level_tokenizer(model: models.BPE, config: TokenizerConfig) -> Tokenizer:
    tokenizer = Tokenizer(model)
    normalizer = text_normalizer(config)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def text_normalizer(config: TokenizerConfig) -> normalizers.Normalizer | None:
    """Return the changes to text before it is split; None if there are none."""
    steps: list[normalizers.Normalizer] = [normalizers.Lowercase()] if config.lowercase else []
    if config.strip_punctuation:
        steps.append(normalizers.Replace(Regex(_PUNCTUATION), ""))
    return normalizers.Sequence(steps) if steps else None


def _bert_normalizer(config: TokenizerConfig) -> normalizers.Normalizer:
    steps: list[normalizers.Normalizer] = [normalizers.BertNormalizer(lowercase=config.lowercase)]
    if config.strip_punctuation:
        steps.append(normalizers.Replace(Regex(_PUNCTUATION), ""))
    return normalizers.Sequence(steps)


def _tokens_by_id(tokenizer: Tokenizer) -> list[str]:
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _alphabet(normalizer: normalizers.Normalizer | None, blocks: TextBlocks) -> list[str]:
    """Return the characters of a text after normalization, sorted for deterministic ids."""
    characters: set[str] = set()
    for block in blocks():
        characters.update(normalizer.normalize_str(block) if normalizer else block)
    return sorted(characters)


def _check_vocab_size(config: TokenizerConfig, num_units: int, unit: str) -> None:
    needed = len(SPECIAL_TOKENS) + num_units
    if config.vocabulary_size < needed:
        raise RunError(
            f"a 'vocabulary_size' of {config.vocabulary_size:,} is too small: the text has"
            f" {needed:,} different {unit}, including {len(SPECIAL_TOKENS)} special tokens"
        )


_LEARNERS: Final[Mapping[str, Callable[[TokenizerConfig, TextBlocks], Vocabulary]]] = {
    "characters": _learn_characters,
    "words": _learn_words,
    "bpe": _learn_bpe,
    "wordpiece": _learn_wordpiece,
}
_BUILDERS: Final[
    Mapping[str, Callable[[dict[str, int], Vocabulary, TokenizerConfig], Tokenizer]]
] = {
    "characters": _build_characters,
    "words": _build_words,
    "bpe": _build_bpe,
    "wordpiece": _build_wordpiece,
}
