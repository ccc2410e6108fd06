"""Text to tokens and back, with vocabularies that are learned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archbuilder.config.sources import TokenizerConfig
from archbuilder.data.text.tokenizer import (
    BEGIN_ID,
    END_ID,
    MASK_ID,
    PAD_ID,
    SPECIAL_TOKENS,
    UNK_ID,
    TextTokenizer,
)
from archbuilder.diagnostics.errors import RunError

TEXT = ["First Citizen:\nBefore we proceed, hear me speak.\n", "\nAll:\nSpeak, speak.\n"]
KINDS = ["characters", "words", "bpe", "wordpiece"]


def learned(tokens: str, *, text: list[str] | None = None, **options) -> TextTokenizer:
    blocks = TEXT if text is None else text
    spec = TokenizerConfig(tokens, **{"vocabulary_size": 400, **options})
    return TextTokenizer.train(spec, lambda: iter(blocks), "the text")


@pytest.mark.parametrize(
    ("tokens", "back"),
    [
        ("characters", TEXT[0]),
        ("words", "First Citizen: Before we proceed, hear me speak."),
        ("bpe", TEXT[0]),
        ("wordpiece", "First Citizen : Before we proceed, hear me speak."),
    ],
)
def test_tokenizer_roundtrip(tokens: str, back: str):
    """What is known comes back, in as much of its form as the kind of tokens keeps."""
    vocabulary = learned(tokens)
    (ids,) = vocabulary.encode([TEXT[0]])
    assert ids.min() >= len(SPECIAL_TOKENS)
    assert ids.max() < vocabulary.vocab_size
    assert vocabulary.decode(ids) == back


@pytest.mark.parametrize("tokens", KINDS)
def test_tokenizer_training_is_deterministic(tokens: str):
    """The same text gives the same numbers, which a file keeps."""
    first = learned(tokens)
    assert first.to_json() == learned(tokens).to_json()
    again = TextTokenizer.from_json(first.to_json(), "tokenizer.json")
    assert np.array_equal(again.encode(TEXT)[1], first.encode(TEXT)[1])


@pytest.mark.parametrize("tokens", KINDS)
def test_special_tokens_in_text(tokens: str):
    """A text with the name of a special token in it has no special token."""
    vocabulary = learned(tokens, text=[*TEXT, "a [MASK] [SEP]\n"])
    (ids,) = vocabulary.encode(["[MASK] [SEP]"])
    assert not {PAD_ID, BEGIN_ID, END_ID, MASK_ID} & set(ids.tolist())


def test_special_tokens_in_text_of_words():
    """However often the name of a special token occurs, it keeps its id, and is an unknown word."""
    vocabulary = learned("words", text=["a [UNK] [UNK] [PAD] b\n"])
    (ids,) = vocabulary.encode(["[UNK] [PAD] c a b"])
    assert ids.tolist() == [UNK_ID, UNK_ID, UNK_ID, 5, 6]
    assert vocabulary.vocab_size == 7
    assert TextTokenizer.from_json(vocabulary.to_json(), "tokenizer.json").vocab_size == 7


@pytest.mark.parametrize("tokens", ["characters", "words", "wordpiece"])
def test_unknown_tokens(tokens: str):
    """A character or word that was not in the text is one special token."""
    assert UNK_ID in learned(tokens).encode(["\N{SNOWMAN}"])[0]


@given(text=st.text(st.characters(codec="utf-8"), max_size=40))
def test_byte_pairs_have_no_unknown_tokens(text: str):
    """Pairs of bytes begin with all bytes: nothing is unknown to them."""
    (ids,) = _BYTES.encode([text])
    assert UNK_ID not in ids
    assert _BYTES.decode(ids) == text


def test_lowercase():
    """With `lowercase`, a word is the same at the beginning of a sentence."""
    first, second = learned("words", lowercase=True).encode(["Speak", "speak"])
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("tokens", KINDS)
def test_strip_punctuation(tokens: str):
    """ASCII punctuation has no tokens, as in Keras's `TextVectorization`."""
    marks = "".join(chr(code) for code in range(33, 127) if not chr(code).isalnum())
    vocabulary = learned(tokens, strip_punctuation=True)
    first, second = vocabulary.encode([f"{marks}Speak{marks}", "Speak"])
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize(
    ("tokens", "size", "message"),
    [
        (
            "characters",
            10,
            r"'vocabulary_size' of 10 is too small: the text has \d+ different characters",
        ),
        ("bpe", 100, "different bytes"),
        ("wordpiece", 20, "different letters"),
    ],
)
def test_vocabulary_too_small(tokens: str, size: int, message: str):
    """The error says how many there would have to be."""
    with pytest.raises(RunError, match=message):
        learned(tokens, vocabulary_size=size)


def test_empty_text():
    """An empty file has no tokens."""
    with pytest.raises(RunError, match="the text has no text"):
        learned("characters", text=[])


@pytest.mark.parametrize("text", ["", "{}", learned("words").to_json().replace("[MASK]", "[NONE]")])
def test_invalid_tokenizer_files(text: str):
    """They are refused with their name."""
    with pytest.raises(RunError, match=r"tokenizer\.json"):
        TextTokenizer.from_json(text, "tokenizer.json")


_BYTES = learned("bpe")
