"""Text and pairs of texts as examples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from archbuilder.config.sources import DataPath, DataSource, Pairs, Text, TokenizerConfig
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.data.sources import load_source
from archbuilder.data.text.tokenizer import BEGIN_ID, END_ID, PAD_ID
from archbuilder.diagnostics.errors import RunError
from archbuilder.files.blueprint_files import SandboxPath

CHARACTERS = TokenizerConfig("characters")


def write_data(path: Path, content: str | bytes) -> DataPath:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return DataPath(str(path))


def load(source: DataSource, opener: DataFileOpener | None = None) -> SourceDataset:
    return load_source(source, opener or DataFileOpener())


def rows(dataset: SourceDataset, name: str, *numbers: int) -> list[list[int]]:
    return dataset.inputs[name].column.gather(tf.constant(numbers, tf.int64)).numpy().tolist()


class TestText:
    def test_text_windows_and_shifted_targets(self, tmp_path: Path):
        """Pieces lie behind each other, and targets are one token ahead."""
        dataset = load(
            Text(write_data(tmp_path / "a.txt", "abcdefgh"), CHARACTERS, sequence_length=3)
        )
        assert dataset.preprocessing.tokenizer is not None
        decode = dataset.preprocessing.tokenizer.decode
        assert [decode(row) for row in rows(dataset, UNNAMED, 0, 1)] == ["abc", "def"]
        following = dataset.targets[UNNAMED].gather(tf.constant([0, 1], tf.int64)).numpy()
        assert [decode(row) for row in following] == ["bcd", "efg"]
        assert dataset.count == 2
        assert "9 tokens, vocabulary of 13, sequences of 3" in dataset.notes[0]

    def test_documents_end_with_end_token(self, tmp_path: Path):
        """Each JSON line is a document, and ends with a token of its own."""
        lines = "".join(json.dumps({"body": text}) + "\n" for text in ("ab", "c\n"))
        file = write_data(tmp_path / "a.jsonl", lines + "\n")
        texts = load(Text(file, CHARACTERS, sequence_length=2, field="body")).token_array
        assert texts is not None
        assert np.flatnonzero(texts.tokens == END_ID).tolist() == [2, 5]
        assert texts.tokenizer.decode(texts.tokens) == "abc\n"

    def test_text_is_read_in_blocks(self, tmp_path: Path):
        """A text of many blocks, with other line ends and a line too long for one, comes whole."""
        text = "a line of text\r\n" * 5_000 + "x" * 1_200_000 + "\nend"
        texts = load(
            Text(write_data(tmp_path / "a.txt", text), CHARACTERS, sequence_length=4)
        ).token_array
        assert texts is not None
        assert len(texts.tokens) == len(text) + 1
        assert texts.tokenizer.decode(texts.tokens[:100_000]) == text[:100_000]

    def test_token_cache_of_a_run(self, tmp_path: Path):
        """A run that goes on needs the text no more, and validates with the same vocabulary."""
        source = Text(write_data(tmp_path / "a.txt", "abcabcabc"), CHARACTERS, sequence_length=2)
        second_text = Text(write_data(tmp_path / "b.txt", "cabx"), CHARACTERS, sequence_length=2)
        opener = DataFileOpener(cache_dir=SandboxPath(tmp_path, ("text",)))
        first = load(source, opener)
        held = load_source(second_text, opener, first.preprocessing)
        Path(source.file.path).unlink()
        Path(second_text.file.path).unlink()
        again = load(source, opener)
        assert rows(again, UNNAMED, 1, 3) == rows(first, UNNAMED, 1, 3)
        assert rows(load_source(second_text, opener, again.preprocessing), UNNAMED, 0) == rows(
            held, UNNAMED, 0
        )
        assert rows(held, UNNAMED, 0) == [[7, 5]]

    @pytest.mark.parametrize(
        ("content", "field", "message"),
        [
            ("", None, "has no text"),
            ("abc", None, "has 4 tokens; a sequence of 4 and its next token need 5"),
            (b"fine\nnot \xff\n", None, r"line 2 of .*a' is not valid UTF-8"),
            ('{"body": "a"}\n{"body": 3}\n', "body", r"a':2 has no text 'body'; it has 'body'"),
            ('{"body": "a"}\n[]\n', "body", r"a':2 is not a JSON object"),
            ('{"body": "a"}\n\n{"body"', "body", r"a':3 is not valid JSON"),
            ("[" * 100_000, "body", r"a':1 is not valid JSON"),
        ],
    )
    def test_invalid_text_files(
        self, tmp_path: Path, content: str | bytes, field: str, message: str
    ):
        """They are told with their line."""
        source = Text(
            write_data(tmp_path / "a", content), CHARACTERS, sequence_length=4, field=field
        )
        with pytest.raises(RunError, match=message):
            load(source)


class TestPairs:
    def test_pairs_are_padded(self, tmp_path: Path):
        """Sources and targets of one length, with the begin and the end of the target."""
        file = write_data(tmp_path / "a.tsv", "ab\tba\r\n\nc\t\n")
        dataset = load(Pairs(file, CHARACTERS, sequence_length=3))
        a, b, c = 5, 6, 7
        assert rows(dataset, "source", 0, 1) == [[a, b, PAD_ID], [c, PAD_ID, PAD_ID]]
        assert rows(dataset, "target", 0, 1) == [
            [BEGIN_ID, b, a, END_ID, PAD_ID],
            [BEGIN_ID, END_ID, PAD_ID, PAD_ID, PAD_ID],
        ]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("a\tb\na b\n", r"a':2 is not a pair of texts"),
            ("a\tb\tc\n", r"a':1 is not a pair of texts"),
            ("a\tb\nabcd\tb\n", r"a':2 has a text of 4 tokens, but 'sequence_length' is 3"),
            ("", "has no text"),
        ],
    )
    def test_invalid_pairs_files(self, tmp_path: Path, content: str, message: str):
        """They are told with their line."""
        with pytest.raises(RunError, match=message):
            load(Pairs(write_data(tmp_path / "a", content), CHARACTERS, sequence_length=3))
