"""Malformed data and settings, each with all that a user reads about it.

A case has the files, the blueprint's sections that are not as below, and the message: its first
line, the text of the blueprint that it points at, and the advice beside or below that text. A case
without such a text is about the command line or the network as a whole. A new message is a new row.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archbuilder.cli import main

TWO_NUMBERS = """\
inputs: {x: [2]}
layers: [{Dense: {units: 2, activation: softmax}}]"""
ONE_NUMBER = TWO_NUMBERS.replace("[2]", "[1]")
CATEGORY = """\
inputs: {x: {shape: [], dtype: int32}}
layers: [{Embedding: {input_dim: 3, output_dim: 4}}, {Dense: {units: 2, activation: softmax}}]"""
TOKENS = """\
inputs: {x: {shape: [4], dtype: int32}}
layers:
  - Embedding: {input_dim: 9, output_dim: 4}
  - GlobalAveragePooling1D
  - Dense: {units: 2, activation: softmax}"""
SOURCE_AND_TARGET = """\
inputs: {source: {shape: [4], dtype: int32}, target: {shape: [4], dtype: int32}}
layers:
  - {Embedding: {input_dim: 9, output_dim: 4}, from: target}
  - Dense: {units: 9, activation: softmax}"""
WORDS = """\
inputs: {x: {shape: [4], dtype: int32}}
layers:
  - Embedding: {input_dim: 9, output_dim: 4}
  - {Dense: {units: 2, activation: softmax}, name: y}
outputs: {y: y}"""
IMAGE = """\
inputs: {x: [2, 2, 1]}
layers: [Flatten, {Dense: {units: 2, activation: softmax}}]"""
PIXELS = IMAGE.replace("Flatten, ", "")
MASKS = """\
inputs: {x: [2, 2, 1]}
layers: [{Dense: {units: 2, activation: softmax}, name: y}]
outputs: {y: y}"""
DIGITS = """\
inputs: {image: [8, 8, 1]}
layers:
  - {Conv2D: {filters: 2, kernel_size: 3}, name: body}
  - Flatten
  - {Dense: {units: 10, activation: softmax}, name: head}"""

LIST = "{column: w, length: 4}"
CSV_OF_LISTS = (
    "csv: {file: t.csv, target: kind, inputs: {x: {column: w, length: 4, separator: ';'}}}"
)
PIXELS_OF_4 = [[0, 1], [2, 3]]
RIGHT = {"t.csv": "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n"}

FileContent = str | bytes | list[list[int]] | dict[str, list]
"""A text, bytes, the pixels of an image, or the arrays of an archive."""


@dataclass(frozen=True)
class Case:
    """What is wrong, and what is said about it."""

    title: str
    message: str
    at: str = ""
    advice: tuple[str, ...] = ()
    files: Mapping[str, FileContent] = field(default_factory=lambda: RIGHT)
    data: str = "csv: {file: t.csv, target: kind}"
    training: str = "loss: SparseCategoricalCrossentropy"
    network: str = TWO_NUMBERS
    options: tuple[str, ...] = ()

    @property
    def blueprint(self) -> str:
        """The blueprint in full."""
        sections = f"data:\n  {self.data}\ntraining: {{{self.training}}}\n"
        return f"archbuilder: 1\nname: net\n{self.network}\n{sections}"


TABLES = (
    Case(
        "a word among numbers",
        files={"t.csv": "a,b,kind\n1,2,x\n3,oops,y\n5,6,x\n7,8,y\n"},
        message="error[invalid-data]: line 3 of 't.csv' has 'oops' in column 'b', not a number",
        at="t.csv",
    ),
    Case(
        "a line with too few values",
        files={"t.csv": "a,b,kind\n1,2,x\n3,4\n5,6,x\n7,8,y\n"},
        message="error[invalid-data]: line 3 of 't.csv' has 2 values, not 3",
        at="t.csv",
    ),
    Case(
        "a line with too many values",
        files={"t.csv": "a,b,kind\n1,2,x\n3,4,y,5\n5,6,x\n7,8,y\n"},
        message="error[invalid-data]: line 3 of 't.csv' has 4 values, not 3",
        at="t.csv",
    ),
    Case(
        "an empty cell",
        files={"t.csv": "a,b,kind\n1,2,x\n3,,y\n5,6,x\n7,8,y\n"},
        message=(
            "error[invalid-data]: line 3 of 't.csv' has no value in column 'b';"
            " 'on_error: skip' skips such lines"
        ),
        at="t.csv",
    ),
    Case(
        "an empty file",
        files={"t.csv": ""},
        message="error[invalid-data]: 't.csv' is empty",
        at="t.csv",
    ),
    Case(
        "no rows",
        files={"t.csv": "a,b,kind\n"},
        message="error[invalid-data]: 't.csv' has no examples",
        at="t.csv",
    ),
    Case(
        "a column name twice",
        files={"t.csv": "a,a,kind\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n"},
        message="error[invalid-data]: 't.csv' has two columns 'a'",
        at="t.csv",
    ),
    Case(
        "no file",
        files={},
        message="error[file-error]: cannot read 't.csv': there is no such file or directory",
        at="t.csv",
    ),
    Case(
        "text in the place of an archive",
        files={"d.npz": RIGHT["t.csv"]},
        data="npz: d.npz",
        message=("error[invalid-data]: 'd.npz' is not a NumPy archive, as numpy.savez writes it"),
        at="d.npz",
    ),
    Case(
        "an array in the place of an archive",
        files={"d.npz": b"\x93NUMPY\x01\x00"},
        data="npz: d.npz",
        message=(
            "error[invalid-data]: 'd.npz' is not a NumPy archive but a single array, as numpy.save"
            " writes it: name it under the source 'npy', or write an archive with numpy.savez"
        ),
        at="d.npz",
    ),
    Case(
        "a misspelled column",
        data="csv: {file: t.csv, target: knd}",
        message="error[invalid-data]: 't.csv' has no column 'knd'; did you mean 'kind'?",
        at="t.csv",
    ),
    Case(
        "another separator",
        files={"t.csv": "a;b;kind\n1;2;x\n3;4;y\n5;6;x\n7;8;y\n"},
        message=(
            "error[invalid-data]: the separator is a comma, but the first line of 't.csv'"
            " has a ';' and not a comma; write 'separator: \";\"'"
        ),
        at="t.csv",
    ),
    Case(
        "a separator of two characters",
        data='csv: {file: t.csv, target: kind, separator: ";;"}',
        message=(
            "error[invalid-choice]: 'separator' must be one character other than a quote"
            " or a line end, not ';;'"
        ),
        at='";;"',
    ),
    Case(
        "an unknown decimal mark",
        data="csv: {file: t.csv, target: kind, decimal: x}",
        message="error[invalid-choice]: 'decimal' must be '.' or ',', not a string 'x'",
        at="x",
    ),
    Case(
        "a decimal mark that separates",
        data='csv: {file: t.csv, target: kind, decimal: ","}',
        message=(
            "error[invalid-structure]: the source 'csv': 'separator' and 'decimal' are the same"
        ),
        at="csv",
    ),
    Case(
        "a mark of thousands",
        files={"t.csv": "a;b;kind\n1,5;1.500,5;x\n2;3;y\n"},
        data='csv: {file: t.csv, target: kind, separator: ";", decimal: ","}',
        message=(
            "error[invalid-data]: line 2 of 't.csv' has '1.500,5' in column 'b', not a number"
        ),
        at="t.csv",
    ),
    Case(
        "a missing value that is no list",
        data="csv: {file: t.csv, target: kind, missing: 7}",
        message=(
            "error[type-mismatch]: 'missing' must be a list of values, each a string, not"
            " an integer 7"
        ),
        at="7",
    ),
    Case(
        "another encoding",
        files={"t.csv": b"a,b,kind\n1,2,\xe9\n3,4,y\n"},
        message=(
            "error[invalid-data]: line 2 of 't.csv' is not valid UTF-8; save the file as UTF-8"
        ),
        at="t.csv",
    ),
    Case(
        "no line of names",
        files={"t.csv": "1,2,0\n3,4,1\n"},
        data="csv: t.csv",
        message=(
            "error[invalid-data]: the first line of 't.csv' has numbers, not column"
            " names; write 'header: false', or add a line of column names"
        ),
        at="t.csv",
    ),
    Case(
        "a quote that is not closed",
        files={"t.csv": 'a,b,kind\n1,2,"x\n3,4,y\n'},
        message="error[invalid-data]: line 2 of 't.csv' has a quote that is never closed",
        at="t.csv",
    ),
    Case(
        "an unknown key",
        data="csv: {file: t.csv, target: kind, sep: ';'}",
        message="error[unknown-key]: the source 'csv' has no key 'sep'",
        at="sep",
        advice=(
            (
                "the keys are: file, target, header, inputs, sample_weight, separator,"
                " decimal, missing, window, cache, on_error"
            ),
        ),
    ),
    Case(
        "too few columns",
        network="inputs: {x: [3]}\nlayers: [{Dense: {units: 2, activation: softmax}}]",
        message=(
            "error[invalid-data]: an example of the input 'x' has the shape [2], but the"
            " network takes [3]"
        ),
        at="t.csv",
    ),
    Case(
        "too many classes",
        files={"t.csv": "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n1,2,z\n"},
        message=(
            "error[invalid-data]: the labels of the output 'output' range from 0 to 2,"
            " but the network has 2 classes (0 to 1); the first invalid one is in example"
            " 5"
        ),
        at="t.csv",
    ),
    Case(
        "damaged JSON",
        files={"t.jsonl": '{"x": [1, 2], "y": 0}\n{"x": [1, 2], "y": }\n'},
        data="jsonl: t.jsonl",
        message=(
            "error[invalid-data]: 't.jsonl':2 is not valid JSON at character 20: Expecting value"
        ),
        at="t.jsonl",
    ),
    Case(
        "lists of several lengths",
        files={"t.jsonl": '{"x": [1, 2], "y": 0}\n{"x": [1], "y": 1}\n'},
        data="jsonl: t.jsonl",
        message=(
            "error[invalid-data]: the field 'x' of 't.jsonl':2 has the shape [1], but the"
            " first one has [2]"
        ),
        at="t.jsonl",
    ),
    Case(
        "no such field",
        files={"t.jsonl": '{"x": [1, 2], "z": 0}\n'},
        data="jsonl: t.jsonl",
        message="error[invalid-data]: 't.jsonl':1 has no field 'y'; it has 'x', 'z'",
        at="t.jsonl",
    ),
    Case(
        "a list instead of an object",
        files={"t.jsonl": "[1, 2]\n"},
        data="jsonl: t.jsonl",
        message="error[invalid-data]: 't.jsonl':1 is not a JSON object",
        at="t.jsonl",
    ),
    Case(
        "no such array",
        files={"d.npz": {"a": [[1.0, 2]], "y": [0]}},
        data="npz: d.npz",
        message="error[invalid-data]: 'd.npz' has no array 'x'; it has 'a', 'y'",
        at="d.npz",
    ),
    Case(
        "arrays of several lengths",
        files={"d.npz": {"x": [[1.0, 2]], "y": [0, 1]}},
        data="npz: d.npz",
        message=(
            "error[invalid-data]: 'd.npz' has arrays of different lengths: 'x' has 1"
            " example, 'y' has 2 examples"
        ),
        at="d.npz",
    ),
    Case(
        "not a number",
        files={"d.npz": {"x": [[1.0, math.nan], [1, 2]], "y": [0, 1]}},
        data="npz: d.npz",
        message=(
            "error[invalid-data]: the input of 'd.npz' is not finite in 1 of 2 examples;"
            " the first is example 1"
        ),
        at="d.npz",
    ),
)
"""Files of tables, and how they are read."""

FEATURES = (
    Case(
        "a category that only the validation set has",
        files={"t.csv": "a,kind\nu;v,x\nu,y\nv,x\nw,y\n"},
        data=(
            'csv: {file: t.csv, inputs: {x: {column: a, separator: ";", vocabulary: true}},'
            " target: kind}"
        ),
        training="loss: SparseCategoricalCrossentropy, validation_split: {last: 0.25}",
        network=ONE_NUMBER.replace("[1]", "[3]"),
        message=(
            "error[invalid-data]: an example of the input 'x' has the shape [2], but the network"
            " takes [3]; it has a value for each category of the training set; list all categories"
            " in 'vocabulary'"
        ),
        at="t.csv",
    ),
    Case(
        "categories that are missing in the training set",
        files={"t.csv": "a,kind\n,x\n,y\n,x\nw,y\n"},
        data="csv: {file: t.csv, inputs: {x: {column: a, vocabulary: true}}, target: kind}",
        training="loss: SparseCategoricalCrossentropy, validation_split: {last: 0.25}",
        network=CATEGORY,
        message="error[invalid-data]: column 'a' has no category in the training set",
        at="t.csv",
    ),
    Case(
        "dates that are missing in the training set",
        files={"t.csv": "a,kind\n,x\n,y\n,x\n2024-01-31,y\n"},
        data=(
            "csv: {file: t.csv, inputs: {x: {column: a, date: [day], missing: mean}}, target: kind}"
        ),
        training="loss: SparseCategoricalCrossentropy, validation_split: {last: 0.25}",
        network=ONE_NUMBER,
        message=(
            "error[invalid-data]: column 'a' has no value in the training set, and 'missing: mean'"
            " needs one; write a number"
        ),
        at="t.csv",
    ),
    Case(
        "phrases without counts",
        data=(
            "csv: {file: t.csv, target: kind, inputs: {x: {column: a, tokenizer: words,"
            " sequence_length: 4, ngrams: 2}}}"
        ),
        network=TOKENS,
        message=(
            "error[invalid-structure]: 'inputs' of 'x' has 'ngrams', which need 'tokenizer: words'"
            " and an 'output'"
        ),
        at="{column: a, tokenizer: words, sequence_length: 4, ngrams: 2}",
    ),
    Case(
        "an unknown replacement",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, missing: avg}}}",
        network=ONE_NUMBER,
        message=(
            "error[type-mismatch]: 'missing' must be mean, median or indicator or a"
            " number, not a string 'avg'"
        ),
        at="avg",
    ),
    Case(
        "the logarithm of a negative number",
        files={"t.csv": "a,b,kind\n1,2,x\n-3,4,y\n5,6,x\n7,8,y\n"},
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, transform: log}}}",
        network=ONE_NUMBER,
        message=(
            "error[invalid-data]: line 3 of 't.csv' has -3 in column 'a', and 'log' takes"
            " numbers above 0"
        ),
        at="t.csv",
    ),
    Case(
        "bounds in the wrong order",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, clip: [3, 1]}}}",
        network=ONE_NUMBER,
        message=(
            "error[invalid-structure]: 'inputs' of 'x' has a 'clip' whose first bound is"
            " not below the second"
        ),
        at="{column: a, clip: [3, 1]}",
    ),
    Case(
        "words as numbers",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: kind, normalize: true}}}",
        network=ONE_NUMBER,
        message="error[invalid-data]: line 2 of 't.csv' has 'x' in column 'kind', not a number",
        at="t.csv",
    ),
    Case(
        "a feature of no column",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: c, normalize: true}}}",
        network=ONE_NUMBER,
        message="error[invalid-data]: 't.csv' has no column 'c'; it has 'a', 'b', 'kind'",
        at="t.csv",
    ),
    Case(
        "numbers and categories at once",
        data=(
            "csv: {file: t.csv, target: kind, inputs: {x: {column: a, vocabulary: true,"
            " normalize: true}}}"
        ),
        network=ONE_NUMBER,
        message=(
            "error[invalid-structure]: 'inputs' of 'x' has 'normalize' for numbers and"
            " 'vocabulary' for categories"
        ),
        at="{column: a, vocabulary: true, normalize: true}",
    ),
    Case(
        "a count without a vocabulary",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, min_count: 2}}}",
        network=ONE_NUMBER,
        message=(
            "error[invalid-structure]: 'inputs' of 'x' has 'min_count', which needs"
            " 'vocabulary: true'"
        ),
        at="{column: a, min_count: 2}",
    ),
    Case(
        "an embedding that is too small",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, vocabulary: true}}}",
        network=CATEGORY,
        message=(
            "error[invalid-data]: the vocabulary of the input 'x' has 4 entries, one of"
            " them for other values, but 'embedding0' (input_dim: 3) takes integers from"
            " 0 to 2: write 4, or limit the vocabulary with 'max_size' or 'min_count'"
        ),
        at="t.csv",
    ),
    Case(
        "a category twice",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, vocabulary: [u, u]}}}",
        network=CATEGORY,
        message="error[invalid-structure]: 'inputs' of 'x' has 'u' twice in 'vocabulary'",
        at="{column: a, vocabulary: [u, u]}",
    ),
    Case(
        "a date in another notation",
        files={"t.csv": "a,b,kind\n2024-01-01,2,x\n31.1.2024,4,y\n5,6,x\n7,8,y\n"},
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, date: [day]}}}",
        network=ONE_NUMBER,
        message=(
            "error[invalid-data]: line 3 of 't.csv' has '31.1.2024' in column 'a', not a"
            " date as '2024-01-31' or '2024-01-31T23:59'"
        ),
        at="t.csv",
    ),
    Case(
        "an unknown part of a date",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, date: [week]}}}",
        network=ONE_NUMBER,
        message=(
            "error[type-mismatch]: 'date' must be a list of values, each year, month,"
            " day, weekday, hour, minute, second, day_of_year or timestamp, not ['week']"
        ),
        at="[week]",
    ),
    Case(
        "more parts than the network takes",
        files={"t.csv": "a,kind\n2024-01-01,x\n2024-01-02,y\n"},
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, date: [day, hour]}}}",
        network=ONE_NUMBER,
        message=(
            "error[invalid-data]: an example of the input 'x' has the shape [2], but the"
            " network takes [1]"
        ),
        at="t.csv",
    ),
    Case(
        "categories of two columns",
        data=("csv: {file: t.csv, target: kind, inputs: {x: {columns: [a, b], vocabulary: true}}}"),
        network=CATEGORY,
        message=(
            "error[invalid-structure]: 'inputs' of 'x' has 'vocabulary', which needs one 'column'"
        ),
        at="{columns: [a, b], vocabulary: true}",
    ),
    Case(
        "an input of another name",
        data="csv: {file: t.csv, target: kind, inputs: {y: a}}",
        network=ONE_NUMBER,
        message=(
            "error[invalid-data]: 'inputs' of 't.csv' has no entry for the input 'x' of"
            " the network, but for 'y'; write 'inputs: {x: ...}'; unused: 'b'"
        ),
        at="t.csv",
    ),
    Case(
        "a text without a length",
        data=("csv: {file: t.csv, target: kind, inputs: {x: {column: kind, tokenizer: words}}}"),
        network=TOKENS,
        message=(
            "error[invalid-structure]: 'inputs' of 'x' has a 'tokenizer', which needs a"
            " 'sequence_length' for ids, or an 'output'"
        ),
        at="{column: kind, tokenizer: words}",
    ),
    Case(
        "a misspelled tokenizer",
        data=(
            "csv: {file: t.csv, target: kind, inputs: {x: {column: kind, tokenizer: word,"
            " sequence_length: 4}}}"
        ),
        network=TOKENS,
        message=(
            "error[invalid-choice]: 'tokenizer' must be characters, words, bpe or"
            " wordpiece, not a string 'word'"
        ),
        at="word",
        advice=("did you mean 'words'?",),
    ),
    Case(
        "a text of another length",
        data=(
            "csv: {file: t.csv, target: kind, inputs: {x: {column: kind, tokenizer:"
            " words, sequence_length: 5}}}"
        ),
        network=TOKENS,
        message=(
            "error[invalid-data]: an example of the input 'x' has the shape [5], but the"
            " network takes [4]"
        ),
        at="t.csv",
    ),
    Case(
        "a length of counts",
        data=(
            "csv: {file: t.csv, target: kind, inputs: {x: {column: a, tokenizer: words,"
            " output: count, sequence_length: 4}}}"
        ),
        network=TOKENS,
        message=(
            "error[invalid-structure]: 'inputs' of 'x' has a 'sequence_length' for ids,"
            " and an 'output' without an order of tokens"
        ),
        at="{column: a, tokenizer: words, output: count, sequence_length:",
    ),
    Case(
        "segments of no text",
        data="csv: {file: t.csv, target: kind, inputs: {x: {segments_of: y}}}",
        network=TOKENS,
        message=(
            "error[invalid-structure]: the input 'x' has the segments of 'y', which is"
            " not an input with a 'tokenizer' and several 'columns'"
        ),
        at="{x: {segments_of: y}}",
    ),
    Case(
        "fewer labels than words",
        files={"t.jsonl": '{"w": "a b c", "l": "X X"}\n{"w": "a", "l": "Y"}\n'},
        data=(
            "jsonl: {file: t.jsonl, inputs: {x: {column: w, tokenizer: words,"
            " sequence_length: 4}}, targets: {y: {column: l, labels_of: x}}}"
        ),
        training="loss: {SparseCategoricalCrossentropy: {ignore_class: -1}}",
        network=WORDS,
        message=(
            "error[invalid-data]: 't.jsonl':1 has 3 words in the field 'w', and 2 labels"
            " in the field 'l'"
        ),
        at="t.jsonl",
    ),
    Case(
        "labels of no input",
        files={"t.jsonl": '{"w": "a b c", "l": "X X"}\n'},
        data=(
            "jsonl: {file: t.jsonl, inputs: {x: {column: w, tokenizer: words,"
            " sequence_length: 4}}, targets: {y: {column: l, labels_of: words}}}"
        ),
        network=TOKENS,
        message=(
            "error[invalid-structure]: the source 'jsonl': the target 'y' has the labels"
            " of 'words', which is not an input with one 'column', a 'tokenizer' and"
            " a 'sequence_length', and without 'strip_punctuation', nor 'coordinates' with a"
            " 'length'"
        ),
        at="jsonl",
    ),
    Case(
        "no directory of texts",
        files={},
        data="text_files: {directory: p, sequence_length: 4}",
        network=TOKENS,
        message="error[file-error]: cannot read 'p': there is no such file or directory",
        at="p",
    ),
    Case(
        "texts without classes",
        files={"p/1.txt": "u v"},
        data="text_files: {directory: p, sequence_length: 4}",
        network=TOKENS,
        message=(
            "error[invalid-data]: 'p' has no targets, but the output 'output' has a loss"
            " or metrics; put the texts of each class into a subdirectory, as in"
            " DIR/cat/1.txt; 'target_from_input: {output: x}' under 'training'"
            " compares the output with its input"
        ),
        at="p",
    ),
    Case(
        "no directory of a class",
        files={"p/a/1.txt": "u v", "p/b/1.txt": "u"},
        data="text_files: {directory: p, sequence_length: 4, classes: [a, c]}",
        network=TOKENS,
        message="error[invalid-data]: 'p' has no directory of the class 'c'",
        at="p",
    ),
    Case(
        "a text in another encoding",
        files={"p/a/1.txt": "u v", "p/b/1.txt": b"\xff\xfe"},
        data="text_files: {directory: p, sequence_length: 4}",
        training="loss: SparseCategoricalCrossentropy, validation_split: 0",
        network=TOKENS,
        message="error[invalid-data]: 'p/b/1.txt' is not valid UTF-8; save the file as UTF-8",
        at="p",
    ),
    Case(
        "a line that is no pair",
        files={"t.tsv": "u\tv\nw\n"},
        data="pairs: {file: t.tsv}",
        training="objective: sequence_to_sequence",
        network=SOURCE_AND_TARGET,
        message="error[invalid-data]: 't.tsv':2 is not a pair of texts separated by one tab",
        at="t.tsv",
    ),
    Case(
        "an unknown number from the data",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, vocabulary: true}}}",
        network=(
            "params: {n: {type: int, from_data: x.vocab}}\ninputs: {x: {shape: [], dtype:"
            " int32}}\nlayers: [{Embedding: {input_dim: $n, output_dim: 4}}, {Dense:"
            " {units: 2, activation: softmax}}]"
        ),
        message=(
            "error[invalid-structure]: 'type' must be one of integer, number, boolean,"
            " string, array, object, null, or for a parameter block, not a string 'int'"
        ),
        at="int",
    ),
)
"""Features, dates, categories and texts in tables."""

LISTS = (
    Case(
        "a list that is too long",
        files={"t.jsonl": '{"w": [1, 2], "y": 0}\n{"w": [1, 2, 3, 4, 5], "y": 1}\n'},
        data=f"jsonl: {{file: t.jsonl, inputs: {{x: {LIST}}}}}",
        network=TOKENS,
        message=(
            "error[invalid-data]: the field 'w' of 't.jsonl':2 has 5 values, more than its 'length'"
            " of 4; 'truncating: post' or 'pre' shortens such lists"
        ),
        at="t.jsonl",
    ),
    Case(
        "a word in a list of numbers",
        files={"t.csv": "w,kind\n1;2,x\n3;oops,y\n"},
        data=CSV_OF_LISTS,
        network=TOKENS,
        message=("error[invalid-data]: column 'w' of line 3 of 't.csv' has 'oops', not a number"),
        at="t.csv",
    ),
    Case(
        "nothing between two separators",
        files={"t.csv": "w,kind\n1;2,x\n3;;4,y\n"},
        data=CSV_OF_LISTS,
        network=TOKENS,
        message="error[invalid-data]: column 'w' of line 3 of 't.csv' has '', not a number",
        at="t.csv",
    ),
    Case(
        "cells of lists without a separator",
        files={"t.csv": "w,kind\n1;2,x\n3;4,y\n"},
        data=f"csv: {{file: t.csv, target: kind, inputs: {{x: {LIST}}}}}",
        network=TOKENS,
        message=(
            "error[invalid-data]: the input 'x' has lists, which need a 'separator' here, for"
            " example 'separator: \";\"'"
        ),
        at="t.csv",
    ),
    Case(
        "a number in place of a list",
        files={"t.jsonl": '{"w": [1, 2], "y": 0}\n{"w": 5, "y": 1}\n'},
        data=f"jsonl: {{file: t.jsonl, inputs: {{x: {LIST}}}}}",
        network=TOKENS,
        message="error[invalid-data]: the field 'w' of 't.jsonl':2 is 5, not a list",
        at="t.jsonl",
    ),
    Case(
        "a text in place of a list",
        files={"t.jsonl": '{"w": [1, 2], "y": 0}\n{"w": "5 6", "y": 1}\n'},
        data=f"jsonl: {{file: t.jsonl, inputs: {{x: {LIST}}}}}",
        network=TOKENS,
        message=(
            "error[invalid-data]: the field 'w' of 't.jsonl':2 is '5 6', not a list; a 'separator'"
            " splits texts"
        ),
        at="t.jsonl",
    ),
    Case(
        "a missing number in a list",
        files={"t.jsonl": '{"w": [1, null], "y": 0}\n'},
        data=f"jsonl: {{file: t.jsonl, inputs: {{x: {LIST}}}}}",
        network=TOKENS,
        message=(
            "error[invalid-data]: the field 'w' of 't.jsonl':1 has values of a type other than"
            " numbers"
        ),
        at="t.jsonl",
    ),
    Case(
        "a fraction in a list of categories",
        files={"t.jsonl": '{"w": ["a", 0.5], "y": 0}\n'},
        data=("jsonl: {file: t.jsonl, inputs: {x: {column: w, vocabulary: true, length: 4}}}"),
        network=TOKENS,
        message=(
            "error[invalid-data]: the field 'w' of 't.jsonl':1 has 0.5 in a list of strings or"
            " integers"
        ),
        at="t.jsonl",
    ),
    Case(
        "lists of lists of two lengths",
        files={"t.jsonl": '{"w": [[1, 2]], "y": 0}\n{"w": [[1, 2], [3]], "y": 1}\n'},
        data=f"jsonl: {{file: t.jsonl, inputs: {{x: {LIST}}}}}",
        network=TOKENS,
        message=(
            "error[invalid-data]: the field 'w' of 't.jsonl':2 is a list of lists of different"
            " lengths"
        ),
        at="t.jsonl",
    ),
    Case(
        "numbers, then lists of lists",
        files={"t.jsonl": '{"w": [1, 2], "y": 0}\n{"w": [[1, 2]], "y": 1}\n'},
        data=f"jsonl: {{file: t.jsonl, inputs: {{x: {LIST}}}}}",
        network=TOKENS,
        message=(
            "error[invalid-data]: the field 'w' of 't.jsonl':2 has values of the shape [2], but the"
            " first ones have []"
        ),
        at="t.jsonl",
    ),
    Case(
        "an index in a list that is too large",
        files={"t.jsonl": '{"w": [1, 2], "y": 0}\n{"w": [3, 9], "y": 1}\n'},
        data=f"jsonl: {{file: t.jsonl, inputs: {{x: {LIST}}}}}",
        network=TOKENS,
        message=(
            "error[invalid-data]: line 2 of 't.jsonl' has 9 in the field 'w', and the input 'x'"
            " feeds 'embedding0' (input_dim: 9), which takes integers from 0 to 8"
        ),
        at="t.jsonl",
    ),
    Case(
        "several lengths for an input of one",
        files={"t.jsonl": '{"w": [1, 2], "y": 0}\n{"w": [3], "y": 1}\n'},
        data="jsonl: {file: t.jsonl, inputs: {x: {column: w, length: [2, 4]}}}",
        network=TOKENS,
        message=(
            "error[invalid-data]: the lists of the input 'x' are padded to 2 or 4, which needs the"
            " shape [null], but the network takes [4]"
        ),
        at="t.jsonl",
    ),
    Case(
        "lengths that do not ascend",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, length: [4, 2]}}}",
        message=(
            "error[invalid-structure]: 'inputs' of 'x' has a 'length' whose numbers do not ascend"
        ),
        at="{column: a, length: [4, 2]}",
    ),
    Case(
        "padding without a length",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, padding: pre}}}",
        message=(
            "error[invalid-structure]: 'inputs' of 'x' has 'padding', which needs the 'length' of"
            " lists"
        ),
        at="{column: a, padding: pre}",
    ),
    Case(
        "missing numbers of lists",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, length: 4, missing: 0}}}",
        message=(
            "error[invalid-structure]: 'inputs' of 'x' has 'missing', which lists cannot have"
        ),
        at="{column: a, length: 4, missing: 0}",
    ),
    Case(
        "a mask of no lists",
        data="csv: {file: t.csv, target: kind, inputs: {x: a, m: {mask_of: x}}}",
        message=(
            "error[invalid-structure]: the input 'm' is the mask of 'x', which is not an input with"
            " lists and their 'length'"
        ),
        at="{x: a, m: {mask_of: x}}",
    ),
    Case(
        "positions in no lists",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, positions_of: b}}}",
        message=(
            "error[invalid-structure]: the source 'csv': 'x' has positions of 'b', which is not an"
            " input with lists and their 'length'; of a fixed number of values, write how many"
            " there are"
        ),
        at="csv",
    ),
    Case(
        "positions in lists that are shifted",
        data=(
            "csv: {file: t.csv, target: kind, inputs: {l: {column: b, length: 4, padding: pre}, x:"
            " {column: a, positions_of: l}}}"
        ),
        message=(
            "error[invalid-structure]: the source 'csv': 'x' has positions of 'l', whose 'padding:"
            " pre' or 'truncating: pre' shifts its values: pad and truncate it at its end"
        ),
        at="csv",
    ),
    Case(
        "positions that are normalized",
        data=(
            "csv: {file: t.csv, target: kind, inputs: {x: {column: a, positions_of: 4, normalize:"
            " true}}}"
        ),
        message=(
            "error[invalid-structure]: 'inputs' of 'x' has 'positions_of' and 'normalize', but"
            " positions stay as they are"
        ),
        at="{column: a, positions_of: 4, normalize: true}",
    ),
    Case(
        "positions without a column",
        data="csv: {file: t.csv, target: kind, inputs: {x: {positions_of: 4}}}",
        message=(
            "error[invalid-structure]: 'inputs' of 'x' has 'positions_of', which needs a 'column'"
            " or 'columns'"
        ),
        at="{positions_of: 4}",
    ),
    Case(
        "the length of no lists",
        data="csv: {file: t.csv, target: kind, inputs: {x: {column: a, same_length_as: b}, b: b}}",
        message=(
            "error[invalid-structure]: the input 'x' has the length of 'b', which is not an input"
            " with lists and their 'length'"
        ),
        at="{x: {column: a, same_length_as: b}, b: b}",
    ),
    Case(
        "two lengths",
        data=(
            "csv: {file: t.csv, target: kind, inputs: {x: {column: a, same_length_as: b, length: 2,"
            " padding: pre}, b: b}}"
        ),
        message=(
            "error[invalid-structure]: 'inputs' of 'x' has 'length', 'padding', but"
            " 'same_length_as' takes those of the other list"
        ),
        at="{column: a, same_length_as: b, length: 2, padding: pre}",
    ),
    Case(
        "lists of several lengths as targets",
        data="csv: {file: t.csv, inputs: {x: a}, target: {y: {column: b, length: [2, 4]}}}",
        message=(
            "error[invalid-structure]: 'target' of 'y' has several lengths, but the lists of a"
            " target have one"
        ),
        at="{column: b, length: [2, 4]}",
    ),
    Case(
        "lists as targets without a separator",
        data="csv: {file: t.csv, inputs: {x: a}, target: {output: {column: b, length: 4}}}",
        training="loss: MeanSquaredError",
        network="inputs: {x: [1]}\nlayers: [{Dense: 4}]",
        message=(
            "error[invalid-data]: the target 'output' has lists, which need a 'separator' here, for"
            " example 'separator: \";\"'"
        ),
        at="t.csv",
    ),
)

WINDOWS_AND_SPLITS = (
    Case(
        "a window longer than the data",
        files={"t.csv": ("a,b,kind\n0,0,0\n1,1,1\n2,2,2\n3,3,3\n4,4,4\n5,5,5\n6,6,6\n7,7,7\n")},
        data="csv: {file: t.csv, target: kind, window: {length: 20}}",
        training="loss: SparseCategoricalCrossentropy, validation_split: 0",
        network="inputs: {x: [20, 2]}\nlayers: [Flatten, Dense: 1]",
        message=(
            "error[invalid-data]: 't.csv' has 8 training rows, but nowhere 21 consecutive"
            " ones, which a window and its target need"
        ),
        at="t.csv",
    ),
    Case(
        "a window of another shape",
        files={"t.csv": ("a,b,kind\n0,0,0\n1,1,1\n2,2,2\n3,3,3\n4,4,4\n5,5,5\n6,6,6\n7,7,7\n")},
        data="csv: {file: t.csv, target: kind, window: {length: 2}}",
        training="loss: SparseCategoricalCrossentropy, validation_split: 0",
        network="inputs: {x: [3, 2]}\nlayers: [Flatten, {Dense: 8}]",
        message=(
            "error[invalid-data]: an example of the input 'x' has the shape [2, 2], but"
            " the network takes [3, 2]"
        ),
        at="t.csv",
    ),
    Case(
        "a window without a length",
        data="csv: {file: t.csv, target: kind, window: {stride: 2}}",
        message="error[missing-key]: 'window' has no 'length'",
        at="{stride: 2}",
        advice=("for example 'window: {length: 24}'",),
    ),
    Case(
        "series of no column",
        data="csv: {file: t.csv, target: kind, window: {length: 2, by: c}}",
        message="error[invalid-data]: 't.csv' has no column 'c'; it has 'a', 'b', 'kind'",
        at="t.csv",
    ),
    Case(
        "gaps in windows",
        data="csv: {file: t.csv, target: kind, window: {length: 2}, on_error: skip}",
        message=(
            "error[invalid-structure]: the source 'csv': 'on_error: skip' would leave"
            " gaps in the rows of a 'window'"
        ),
        at="csv",
    ),
    Case(
        "a short validation set",
        files={"t.csv": ("a,b,kind\n0,0,0\n1,1,1\n2,2,2\n3,3,3\n4,4,4\n5,5,5\n6,6,6\n7,7,7\n")},
        data="csv: {file: t.csv, target: kind, window: {length: 2, horizon: 3}}",
        training="loss: MeanSquaredError",
        network="inputs: {x: [2, 2]}\nlayers: [Flatten, {Dense: 2}]",
        message=(
            "error[invalid-data]: 't.csv' has 2 validation rows, but nowhere 5"
            " consecutive ones, which a window and its target need"
        ),
        at="t.csv",
    ),
    Case(
        "a fraction above 1",
        training="loss: SparseCategoricalCrossentropy, validation_split: 1.5",
        message=(
            "error[out-of-range]: 'validation_split' must be a number of at least 0 and"
            " less than 1, not a number 1.5"
        ),
        at="1.5",
    ),
    Case(
        "fractions of more than all",
        training="loss: SparseCategoricalCrossentropy, validation_split: 0.5, test_split: 0.6",
        message=(
            "error[invalid-data]: 'validation_split' and 'test_split' hold out 1.1 of the"
            " examples: write fractions whose sum is less than 1"
        ),
        at="t.csv",
    ),
    Case(
        "groups of no column",
        training=(
            "loss: SparseCategoricalCrossentropy, validation_split: {fraction: 0.5, by: patient}"
        ),
        message="error[invalid-data]: 't.csv' has no column 'patient'; it has 'a', 'b', 'kind'",
        at="t.csv",
    ),
    Case(
        "a value that no row has",
        training="loss: SparseCategoricalCrossentropy, validation_split: {column: a, value: 9}",
        message=(
            "error[invalid-data]: column 'a' of 't.csv' has no value '9'; it has '1', '3', '5', '7'"
        ),
        at="t.csv",
    ),
    Case(
        "a column without a value",
        training="loss: SparseCategoricalCrossentropy, validation_split: {column: a}",
        message="error[invalid-structure]: 'validation_split' has a 'column' and no 'value'",
        at="{column: a}",
    ),
    Case(
        "a fold too many",
        training="loss: SparseCategoricalCrossentropy, validation_split: {fold: 6, folds: 5}",
        message="error[invalid-structure]: 'validation_split' has 'fold: 6', but only 5 folds",
        at="{fold: 6, folds: 5}",
    ),
    Case(
        "two ways to split",
        training=(
            "loss: SparseCategoricalCrossentropy, validation_split: {fraction: 0.2, last: 0.2}"
        ),
        message=(
            "error[invalid-structure]: 'validation_split' has 'fraction', 'last': write"
            " only one of them"
        ),
        at="{fraction: 0.2, last: 0.2}",
    ),
    Case(
        "classes of quantities",
        files={"t.csv": "a,b,kind\n1,2,0.5\n1,2,1.5\n1,2,2.5\n"},
        training="loss: MeanSquaredError, validation_split: {fraction: 0.4, stratify: true}",
        network="inputs: {x: [2]}\nlayers: [{Dense: 1}]",
        message=(
            "error[invalid-data]: 't.csv' has no target with one class per example to stratify by"
        ),
        at="t.csv",
    ),
    Case(
        "a single group",
        files={"t.csv": "a,b,kind\n1,2,x\n1,4,y\n1,6,x\n1,8,y\n"},
        training="loss: SparseCategoricalCrossentropy, validation_split: {fraction: 0.5, by: a}",
        network=ONE_NUMBER,
        message=("error[invalid-data]: column 'a' of 't.csv' has one group, which cannot be split"),
        at="t.csv",
    ),
    Case(
        "a test set with other columns",
        files={
            "t.csv": "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n",
            "u.csv": "a,c,kind\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n",
        },
        data="train: {csv: {file: t.csv, target: kind}}, test: {csv: u.csv}",
        message=(
            "error[yaml-syntax]: the indentation of this line does not match the lines before it"
        ),
        at=",",
    ),
    Case(
        "a test set with other classes",
        files={
            "t.csv": "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n",
            "u.csv": "a,b,kind\n1,2,x\n3,4,z\n5,6,x\n7,8,z\n",
        },
        data="train: {csv: {file: t.csv, target: kind}}, test: {csv: u.csv}",
        message=(
            "error[yaml-syntax]: the indentation of this line does not match the lines before it"
        ),
        at=",",
    ),
    Case(
        "more folds than rows",
        options=(
            "--folds",
            "9",
        ),
        message="error[invalid-data]: 't.csv' has 4 examples, fewer than the 9 folds",
        at="t.csv",
    ),
    Case(
        "folds and a validation set",
        data="train: {csv: {file: t.csv, target: kind}}, validation: {csv: t.csv}",
        options=(
            "--folds",
            "2",
        ),
        message=(
            "error[yaml-syntax]: the indentation of this line does not match the lines before it"
        ),
        at=",",
    ),
    Case(
        "a misspelled class weight",
        training="loss: SparseCategoricalCrossentropy, class_weight: balance",
        message=(
            "error[invalid-structure]: 'class_weight' must be 'balanced' or a mapping of"
            " classes to weights, not a string 'balance'"
        ),
        at="balance",
    ),
    Case(
        "a weight of no class",
        training="loss: SparseCategoricalCrossentropy, class_weight: {z: 2}",
        message=(
            "error[invalid-data]: there is a weight for class 'z' of the output 'output',"
            " which has the classes 'x', 'y'"
        ),
        at="z",
    ),
    Case(
        "class weights of quantities",
        files={"t.csv": "a,b,kind\n1,2,0.5\n1,2,1.5\n"},
        training="loss: MeanSquaredError, class_weight: balanced",
        network="inputs: {x: [2]}\nlayers: [{Dense: 1}]",
        message=(
            "error[invalid-data]: the output 'output' has no class labels for"
            " 'class_weight': use 'sample_weight' in the data source"
        ),
        at="t.csv",
    ),
)
"""Windows, validation and test sets, folds and class weights."""

IMAGES = (
    Case(
        "no images",
        files={"p/a/x.txt": "h", "p/b/x.txt": "h"},
        data="images: {directory: p}",
        network=IMAGE,
        message=(
            "error[invalid-data]: 'p' has no images (.png, .jpg, .jpeg, .bmp, .gif,"
            " .webp, .tif, .tiff, .ppm, .pgm), and no subdirectories with images; skipped"
            " 2 files without an image suffix (.png, .jpg, .jpeg, .bmp, .gif, .webp,"
            " .tif, .tiff, .ppm, .pgm): 'a/x.txt', 'b/x.txt'"
        ),
        at="p",
    ),
    Case(
        "a class without images",
        files={"p/a/1.png": PIXELS_OF_4, "p/b/1.png": PIXELS_OF_4, "p/c/x.txt": "h"},
        data="images: {directory: p}",
        network=IMAGE,
        message=(
            "error[invalid-data]: the class 'c' of 'p' has no images (.png, .jpg, .jpeg,"
            " .bmp, .gif, .webp, .tif, .tiff, .ppm, .pgm): add some, or remove its"
            " directory; skipped 1 file without an image suffix (.png, .jpg, .jpeg, .bmp,"
            " .gif, .webp, .tif, .tiff, .ppm, .pgm): 'c/x.txt'"
        ),
        at="p",
    ),
    Case(
        "images without classes",
        files={"p/1.png": PIXELS_OF_4},
        data="images: {directory: p}",
        network=IMAGE,
        message=(
            "error[invalid-data]: 'p' has no targets, but the output 'output' has a loss"
            " or metrics; put the images of each class into a subdirectory, as in"
            " DIR/cat/1.png; 'target_from_input: {output: x}' under 'training' compares"
            " the output with its input"
        ),
        at="p",
    ),
    Case(
        "a size that is one number",
        files={"p/a/1.png": PIXELS_OF_4, "p/b/1.png": PIXELS_OF_4},
        data="images: {directory: p, size: 32}",
        network=IMAGE,
        message=(
            "error[type-mismatch]: 'size' must be a list of 2 values, each an integer of"
            " at least 1 and at most 16,384, not an integer 32"
        ),
        at="32",
    ),
    Case(
        "an image without a mask",
        files={"p/1.png": PIXELS_OF_4, "p/2.png": PIXELS_OF_4, "m/1.png": PIXELS_OF_4},
        data="images: {directory: p, targets: {directory: m, pixels: classes}}",
        network=PIXELS,
        message="error[invalid-data]: 'p/2.png' has no target: there is no image 'm/2.*'",
        at="p",
    ),
    Case(
        "a mask without an image",
        files={"p/1.png": PIXELS_OF_4, "m/2.png": PIXELS_OF_4, "m/1.png": PIXELS_OF_4},
        data="images: {directory: p, targets: {directory: m, pixels: classes}}",
        network=PIXELS,
        message="error[invalid-data]: 'm/2.png' is the target of no image in 'p'",
        at="p",
    ),
    Case(
        "names of masks without a place",
        files={"p/1.png": PIXELS_OF_4, "m/1.png": PIXELS_OF_4},
        data="images: {directory: p, targets: {directory: m, pixels: classes, name: mask}}",
        network=PIXELS,
        message=(
            "error[invalid-structure]: 'targets' has the 'name' 'mask', which must have"
            " one '{}' and no '/'"
        ),
        at="{directory: m, pixels: classes, name: mask}",
    ),
    Case(
        "an encoded image of records without what its pixels are",
        data="tfrecord: {file: t.tfrecord, inputs: x, targets: {y: {feature: mask}}}",
        network=MASKS,
        message=(
            "error[invalid-structure]: 'targets' of 'y' needs 'pixels': write 'pixels: classes'"
            " for masks of class indices, or 'pixels: values' for images of brightness or"
            " depth"
        ),
        at="{feature: mask}",
    ),
    Case(
        "masks of an unknown kind",
        files={"p/1.png": PIXELS_OF_4, "m/1.png": PIXELS_OF_4},
        data="images: {directory: p, targets: {directory: m}}",
        network=PIXELS,
        message=(
            "error[invalid-structure]: 'targets' needs 'pixels': write 'pixels: classes'"
            " for masks of class indices, or 'pixels: values' for images of brightness or"
            " depth"
        ),
        at="{directory: m}",
    ),
    Case(
        "a name without a label",
        files={"p/cat.png": PIXELS_OF_4},
        data="images: {directory: p, label: '{label}_*'}",
        network=IMAGE,
        message=(
            "error[invalid-data]: the name of 'p/cat.png' without its suffix does not"
            " match the pattern '{label}_*'"
        ),
        at="p",
    ),
    Case(
        "a missing image",
        files={"t.csv": "id,photo,kind\n1,1.png,x\n2,2.png,y\n", "1.png": PIXELS_OF_4},
        data="csv: {file: t.csv, inputs: {x: {column: photo, image: true}}, target: kind}",
        network=IMAGE,
        message=(
            "error[invalid-data]: column 'photo' of line 3 of 't.csv': cannot read"
            " '2.png': there is no such file or directory"
        ),
        at="t.csv",
    ),
    Case(
        "an image outside of the directory",
        files={"t.csv": "id,photo,kind\n1,1.png,x\n2,../2.png,y\n", "1.png": PIXELS_OF_4},
        data="csv: {file: t.csv, inputs: {x: {column: photo, image: true}}, target: kind}",
        network=IMAGE,
        message=(
            "error[invalid-data]: column 'photo' of line 3 of 't.csv': '../2.png' is not"
            " a path relative to the table, without '..'; put the images beside the table"
            " or below it"
        ),
        at="t.csv",
    ),
    Case(
        "a path without a place",
        files={"t.csv": "id,photo,kind\n1,1.png,x\n2,2.png,y\n", "1.png": PIXELS_OF_4},
        data=(
            "csv: {file: t.csv, inputs: {x: {column: photo, image: {path: 'p/.png'}}},"
            " target: kind}"
        ),
        network=IMAGE,
        message=(
            "error[invalid-structure]: 'image' has the path 'p/.png', which must be"
            " relative to the table, without '..', and have one '{}' for the name in the"
            " column"
        ),
        at="{path: 'p/.png'}",
    ),
    Case(
        "a target of an unknown kind",
        files={"t.csv": "id,photo,kind\n1,1.png,x\n2,2.png,y\n"},
        data=(
            "csv: {file: t.csv, inputs: {x: {column: photo, image: true}}, target: {y:"
            " {column: id, image: true}}}"
        ),
        network=MASKS,
        message=(
            "error[invalid-structure]: 'target' of 'y' has an 'image' without 'pixels':"
            " write 'pixels: classes' for masks of class indices, or 'pixels: values' for"
            " images of brightness or depth"
        ),
        at="{column: id, image: true}",
    ),
    Case(
        "coordinates in no image",
        files={"t.csv": "photo,u,v\n1.png,1,2\n", "1.png": PIXELS_OF_4},
        data=(
            "csv: {file: t.csv, inputs: {x: {column: photo, image: true}}, target: {y:"
            " {columns: [u, v], relative_to: z}}}"
        ),
        training="loss: {y: MeanSquaredError}",
        network=("inputs: {x: [2, 2, 1]}\nlayers: [Flatten, {Dense: 2, name: y}]\noutputs: {y: y}"),
        message=(
            "error[invalid-structure]: the source 'csv': 'y' has coordinates relative to"
            " 'z', which is not an input with an 'image'"
        ),
        at="csv",
    ),
    Case(
        "mixed class indices",
        files={},
        data="digits",
        training="loss: SparseCategoricalCrossentropy, augment: [{MixUp: {alpha: 0.2}}]",
        network=DIGITS,
        message=(
            "error[augmentation-mismatch]: MixUp mixes the examples of a batch, and the"
            " targets of the output 'output' cannot be mixed"
        ),
        at="{MixUp: {alpha: 0.2}}",
        advice=(
            (
                "labels are mixed as one value per class: use CategoricalCrossentropy,"
                " which encodes class indices, or BinaryCrossentropy"
            ),
        ),
    ),
    Case(
        "a mixed table",
        training="loss: CategoricalCrossentropy, augment: [MixUp]",
        message=(
            "error[augmentation-mismatch]: MixUp under 'augment' changes images (height,"
            " width, channels), but no input of the network is an image: x [2]"
        ),
        at="MixUp",
        advice=(
            (
                "the layers for series are: GaussianNoise, RandomGain, RandomMasking,"
                " RandomNoise, RandomPermutation, RandomPointRotation, RandomTimeShift"
            ),
        ),
    ),
    Case(
        "an argument of another layer",
        files={},
        data="digits",
        training="loss: CategoricalCrossentropy, augment: [{CutMix: {alpha: 0.2}}]",
        network=DIGITS,
        message="error[unknown-argument]: CutMix has no argument 'alpha'",
        at="alpha",
        advice=("its arguments are: factor, seed, data_format, trainable, dtype",),
    ),
)
"""Images in directories and tables, their masks, and how they are mixed."""

TRAINING = (
    Case(
        "a misspelled optimizer",
        training="loss: SparseCategoricalCrossentropy, optimizer: Adamm",
        message="error[unknown-keras-object]: there is no optimizer 'Adamm'",
        at="Adamm",
        advice=("did you mean 'adam'?",),
    ),
    Case(
        "an optimizer of no layer",
        files={},
        data="digits",
        training=(
            "loss: SparseCategoricalCrossentropy, optimizer: {nose: {Adam: 1e-3}, '*':"
            " {Adam: 1e-4}}"
        ),
        network=DIGITS,
        message="error[unknown-name]: no layer of the network matches 'nose'",
        at="nose",
        advice=("blocks and layers are: 'body', 'flatten0', 'head'",),
    ),
    Case(
        "a layer without an optimizer",
        files={},
        data="digits",
        training="loss: SparseCategoricalCrossentropy, optimizer: {head: {Adam: 1e-3}}",
        network=DIGITS,
        message="error[missing-key]: no optimizer trains 1 layer: 'body'",
        at="{Adam: 1e-3}",
        advice=(("add an optimizer for all others, as in '\"*\": {Adam: 1e-3}', or freeze them"),),
    ),
    Case(
        "a layer without an optimizer in a later stage",
        files={},
        data="digits",
        training=(
            "loss: SparseCategoricalCrossentropy, stages: [{epochs: 1, frozen: body, optimizer:"
            " {head: adam}}, {epochs: 1, optimizer: {head: sgd}}]"
        ),
        network=DIGITS,
        message="error[missing-key]: no optimizer trains 1 layer: 'body'",
        at="sgd",
        advice=(("add an optimizer for all others, as in '\"*\": {Adam: 1e-3}', or freeze them"),),
    ),
    Case(
        "an optimizer that is never used",
        files={},
        data="digits",
        training=(
            "loss: SparseCategoricalCrossentropy, optimizer: {'*': {Adam: 1e-3}, head:"
            " {Adam: 1e-4}}"
        ),
        network=DIGITS,
        message=("error[invalid-structure]: earlier patterns match all layers that 'head' matches"),
        at="head",
        advice=("the first match decides; move this pattern up, or remove it",),
    ),
    Case(
        "an argument of older versions",
        training="loss: SparseCategoricalCrossentropy, optimizer: {Adam: {lr: 0.1}}",
        message="error[unknown-argument]: Adam has no argument 'lr'",
        at="lr",
        advice=("did you mean 'learning_rate'?",),
    ),
    Case(
        "two ways to clip",
        training=(
            "loss: SparseCategoricalCrossentropy, optimizer: {Adam: {clipnorm: 1.0,"
            " clipvalue: 1.0}}"
        ),
        message=(
            "error[invalid-structure]: an optimizer clips gradients in one way:"
            " 'clipnorm' or 'clipvalue'"
        ),
        at="clipvalue",
        advice=("remove one of them",),
    ),
    Case(
        "weights without decay that do not exist",
        files={},
        data="digits",
        training=(
            "loss: SparseCategoricalCrossentropy, optimizer: {AdamW:"
            " {exclude_from_weight_decay: [biass]}}"
        ),
        network=DIGITS,
        message="error[unknown-name]: no weight and no layer of the network matches 'biass'",
        at="[biass]",
        advice=("names of weights are: 'bias', 'kernel'",),
    ),
    Case(
        "a fraction of steps",
        training=(
            "loss: SparseCategoricalCrossentropy, optimizer: {Adam: {learning_rate:"
            " {CosineDecay: {initial_learning_rate: 0.1, decay_steps: 0.9}}}}"
        ),
        message=(
            "error[out-of-range]: 'decay_steps' of CosineDecay must be an integer of at"
            " least 1 or a percentage of the steps of the run such as 10%, not a number"
            " 0.9"
        ),
        at="0.9",
    ),
    Case(
        "too few values of a schedule",
        training=(
            "loss: SparseCategoricalCrossentropy, optimizer: {Adam: {learning_rate:"
            " {PiecewiseConstantDecay: {boundaries: [50%], values: [1]}}}}"
        ),
        message=(
            "error[out-of-range]: 'values' of PiecewiseConstantDecay must be a list of at"
            " least 2 values, each a number of at least 0, not [1]"
        ),
        at="[1]",
    ),
    Case(
        "boundaries that do not increase",
        training=(
            "loss: SparseCategoricalCrossentropy, optimizer: {Adam: {learning_rate:"
            " {PiecewiseConstantDecay: {boundaries: [50%, 20%], values: [3, 2, 1]}}}}"
        ),
        message=(
            "error[out-of-range]: 'boundaries' of PiecewiseConstantDecay must increase, but"
            " 20% follows 50%"
        ),
        at="20%",
    ),
    Case(
        "a percentage and a number of steps in the wrong order",
        # Three training examples, and as many steps as epochs.
        training=(
            "loss: SparseCategoricalCrossentropy, epochs: 10, optimizer: {Adam: {learning_rate:"
            " {PiecewiseConstantDecay: {boundaries: [50%, 4], values: [3, 2, 1]}}}}"
        ),
        message=(
            "error[out-of-range]: 'boundaries' of PiecewiseConstantDecay must increase, but"
            " 4 follows 5"
        ),
        at="4",
    ),
    Case(
        "a schedule that is longer than its run",
        training=(
            "loss: SparseCategoricalCrossentropy, optimizer: {Adam: {learning_rate:"
            " {CosineDecay: {initial_learning_rate: 0.1, decay_steps: 150%}}}}"
        ),
        message=(
            "error[out-of-range]: 'decay_steps' of CosineDecay must be an integer of at"
            " least 1 or a percentage of the steps of the run such as 10%, not a string '150%'"
        ),
        at="150%",
    ),
    Case(
        "sampling by a class that is not there",
        training="loss: SparseCategoricalCrossentropy, sampling: {z: 2}",
        message=(
            "error[invalid-data]: there is a weight for class 'z' of the output 'output', which"
            " has the classes 'x', 'y'"
        ),
        at="z",
    ),
    Case(
        "sampling by quantities",
        network=TWO_NUMBERS.replace("units: 2, activation: softmax", "units: 1"),
        data="csv: {file: t.csv, inputs: [a, a], target: b}",
        training="loss: MeanSquaredError, sampling: oversample",
        message=(
            "error[invalid-data]: the examples have no class each for the output 'output', by"
            " which 'sampling' could draw them"
        ),
        at="oversample",
    ),
    Case(
        "sampling without examples",
        training="loss: SparseCategoricalCrossentropy, sampling: {x: 0, y: 0}",
        message=(
            "error[invalid-data]: 'sampling' by the classes of the output 'output' makes epochs of"
            " 0 examples; write weights that sum up to other numbers, or 'undersample'"
        ),
        at="x",
    ),
    Case(
        "no layer to train",
        training="loss: SparseCategoricalCrossentropy, trainable: []",
        message="error[out-of-range]: 'trainable' names no layer",
        at="[]",
    ),
    Case(
        "a misspelled way of sampling",
        training="loss: SparseCategoricalCrossentropy, sampling: oversampling",
        message=(
            "error[invalid-structure]: 'sampling' must be 'balanced', 'oversample' or"
            " 'undersample' or a mapping of classes to weights, not a string 'oversampling'"
        ),
        at="oversampling",
    ),
    Case(
        "a validation set twice",
        data="{train: {csv: t.csv}, validation: {csv: t.csv}}",
        training="loss: SparseCategoricalCrossentropy, validation_split: 0.5",
        message=(
            "error[invalid-structure]: 'data' has a 'validation', and 'validation_split' would"
            " hold out examples for it too"
        ),
        at="validation_split",
        advice=("remove it, or the 'validation' under 'data'",),
    ),
    Case(
        "a schedule without its length",
        training=(
            "loss: SparseCategoricalCrossentropy, optimizer: {Adam: {learning_rate:"
            " {CosineDecay: {initial_learning_rate: 0.1}}}}"
        ),
        message="error[missing-argument]: CosineDecay needs 'decay_steps'",
        at="CosineDecay",
    ),
    Case(
        "a layer that cannot learn from data",
        network="inputs: {x: [2]}\nlayers: [{Dense: {units: 2, adapt: true}}]",
        message="error[unknown-argument]: Dense has no argument 'adapt'",
        at="adapt",
        advice=(
            (
                "its arguments are: units, activation, use_bias, kernel_initializer,"
                " bias_initializer, kernel_regularizer, bias_regularizer,"
                " activity_regularizer, kernel_constraint, bias_constraint, trainable,"
                " dtype"
            ),
        ),
    ),
    Case(
        "learned and given statistics",
        network=(
            "inputs: {x: [2]}\nlayers: [{Normalization: {adapt: true, mean: 0, variance:"
            " 1}}, {Dense: {units: 2, activation: softmax}}]"
        ),
        message="error[invalid-structure]: Normalization has both 'mean' and 'adapt'",
        at="mean",
        advice=("remove one of them",),
    ),
    Case(
        "statistics of random weights",
        network=(
            "inputs: {x: [2]}\nlayers: [{Dense: 2}, {Normalization: {adapt: true}},"
            " {Dense: {units: 2, activation: softmax}}]"
        ),
        message=(
            "error[invalid-choice]: 'normalization0' (Normalization) would learn from the"
            " random weights of 'dense0'"
        ),
        at="Normalization",
        advice=("'adapt: true' is for layers before those that are trained",),
    ),
    Case(
        "no stages",
        training="loss: SparseCategoricalCrossentropy, stages: []",
        message=(
            "error[invalid-structure]: 'stages' must be a list of 1 to 64 mappings, not"
            " an empty list"
        ),
        at="[]",
        advice=("for example 'stages: [{epochs: 5, frozen: backbone}, {epochs: 10}]'",),
    ),
    Case(
        "a stage without epochs",
        training="loss: SparseCategoricalCrossentropy, stages: [{optimizer: Adam}]",
        message="error[missing-key]: a stage has no 'epochs'",
        at="{optimizer: Adam}",
    ),
    Case(
        "a setting that stages share",
        training="loss: SparseCategoricalCrossentropy, stages: [{seed: 2}]",
        message="error[missing-key]: a stage has no 'epochs'",
        at="{seed: 2}",
        advice=("'seed' belongs under 'training'",),
    ),
    Case(
        "no file of weights",
        training="loss: SparseCategoricalCrossentropy, weights: w.keras",
        message="error[file-error]: cannot read 'w.keras': there is no such file or directory",
        at="w.keras",
    ),
    Case(
        "a directory without weights",
        files={"t.csv": "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n", "q/x.txt": "hello"},
        training="loss: SparseCategoricalCrossentropy, weights: q",
        message=(
            "error[invalid-data]: 'q' has no .keras file: it is not the directory of a"
            " run that has finished"
        ),
        at="q",
    ),
    Case(
        "weights of no layer",
        files={"t.csv": "a,b,kind\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n", "w.keras": "hello"},
        training="loss: SparseCategoricalCrossentropy, weights: {file: w.keras, of: back}",
        message="error[unknown-name]: no layer of the network matches 'back'",
        at="back",
        advice=("blocks and layers are: 'dense0'",),
    ),
    Case(
        "frozen layers that do not exist",
        training="loss: SparseCategoricalCrossentropy, frozen: [back]",
        message="error[unknown-name]: no layer of the network matches 'back'",
        at="back",
        advice=("blocks and layers are: 'dense0'",),
    ),
    Case(
        "nothing to train",
        training="loss: SparseCategoricalCrossentropy, frozen: ['*']",
        message=(
            "error[invalid-choice]: 'trainable' and 'frozen' leave no weight of the network 'net'"
            " to train"
        ),
        at="'*'",
    ),
    Case(
        "the best of an unknown metric",
        training="loss: SparseCategoricalCrossentropy, save_best: val_acc",
        message=("error[invalid-choice]: save_best monitors 'val_acc', which the run does not log"),
        at="val_acc",
        advice=("the run logs: loss, val_loss",),
    ),
    Case(
        "the best without a validation set",
        training="loss: SparseCategoricalCrossentropy, save_best: val_loss, validation_split: 0",
        message=(
            "error[invalid-choice]: save_best monitors 'val_loss', which the run does not log"
        ),
        at="val_loss",
        advice=(
            "did you mean 'loss'?",
            "the run logs: loss",
            "it has no validation set; add one with 'validation_split'",
        ),
    ),
    Case(
        "an unknown mode",
        training="loss: SparseCategoricalCrossentropy, save_best: {monitor: val_loss, mode: low}",
        message="error[invalid-choice]: 'mode' must be auto, min or max, not a string 'low'",
        at="low",
    ),
    Case(
        "an unknown callback",
        training="loss: SparseCategoricalCrossentropy, callbacks: [EarlyStop]",
        message="error[unknown-keras-object]: there is no callback 'EarlyStop'",
        at="EarlyStop",
        advice=(
            (
                "write 'callbacks' under 'training': callbacks: [{EarlyStopping:"
                " {monitor: val_loss, patience: 3}}]"
            ),
        ),
    ),
    Case(
        "what a run does by itself",
        training="loss: SparseCategoricalCrossentropy, callbacks: [ModelCheckpoint]",
        message=(
            "error[unknown-keras-object]: ModelCheckpoint is not supported in a"
            " blueprint: a run saves checkpoints; set 'checkpoint_every_seconds' under"
            " 'training'. For the weights of the best epoch, write 'save_best: val_loss'"
            " under 'training'"
        ),
        at="ModelCheckpoint",
    ),
    Case(
        "negative patience",
        training=(
            "loss: SparseCategoricalCrossentropy, callbacks: [{EarlyStopping: {patience: -1}}]"
        ),
        message=(
            "error[out-of-range]: 'patience' of EarlyStopping must be an integer of at"
            " least 0, not an integer -1"
        ),
        at="-1",
    ),
    Case(
        "two schedules",
        training=(
            "loss: SparseCategoricalCrossentropy, callbacks: [ReduceLROnPlateau],"
            " optimizer: {Adam: {learning_rate: {CosineDecay: {initial_learning_rate:"
            " 0.1, decay_steps: 90%}}}}"
        ),
        message=(
            "error[invalid-choice]: 'ReduceLROnPlateau' cannot change the learning rate:"
            " it follows a schedule"
        ),
        at="ReduceLROnPlateau",
        advice=("use a number as 'learning_rate', or remove the callback",),
    ),
    Case(
        "callbacks that are no list",
        training="loss: SparseCategoricalCrossentropy, callbacks: {EarlyStopping: {patience: 2}}",
        message=(
            "error[invalid-structure]: 'callbacks' must be a list of callbacks, not a mapping"
        ),
        at="{EarlyStopping: {patience: 2}}",
        advice=("for example 'callbacks: [{EarlyStopping: {patience: 3}}]'",),
    ),
)
"""Settings of `training`."""


def write(name: str, content: FileContent) -> None:
    """Write one file of a case."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **{key: np.array(each) for key, each in content.items()})
    else:
        Image.fromarray(np.array(content, np.uint8)).save(path)


def pointed_text_and_advice(error: str, blueprint: str) -> tuple[str, tuple[str, ...]]:
    """The text that an error points at, and the advice beside and below it."""
    location = re.search(r"--> net\.yaml:(\d+):(\d+)", error)
    carets = re.search(r"\| +(\^+) ?(.*)", error)
    if location is None or carets is None:
        return "", ()
    text = blueprint.splitlines()[int(location[1]) - 1][int(location[2]) - 1 :]
    label = [carets[2]] if carets[2] else []
    return text[: len(carets[1])], (*label, *re.findall(r"^ += (.*)$", error, re.MULTILINE))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.title)
        for case in (*TABLES, *FEATURES, *LISTS, *WINDOWS_AND_SPLITS, *IMAGES, *TRAINING)
    ],
)
def test_malformed_data(
    case: Case,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """It ends the command with this message, before the first step."""
    monkeypatch.chdir(tmp_path)
    for name, content in case.files.items():
        write(name, content)
    Path("net.yaml").write_text(case.blueprint)
    status = main(["train", "net.yaml", "--run-dir", "run", *case.options])
    error = capsys.readouterr().err
    assert error.splitlines()[0] == case.message
    assert pointed_text_and_advice(error, case.blueprint) == (case.at, case.advice)
    assert status in (1, 2)
