"""Write the list of keras.io's examples to docs/examples.md: `make examples`.

scripts/keras_io_examples.tsv has all examples and what the blueprints of some of them need that
archbuilder lacks.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import archbuilder
from archbuilder import zoo

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "examples.md"
TABLE: Final = ROOT / "scripts" / "keras_io_examples.tsv"

ALL: Final = 193
"""Number of examples on keras.io, most of which are listed."""

HEAD: Final = """\
# Examples

The examples of [keras.io](https://keras.io/examples/) as blueprints: the network, the data and how
it is trained, each in one file. `archbuilder show vision/convmixer` shows one of them, and
`archbuilder new mine.yaml --from vision/convmixer` copies it. A comment above `data` says what the
files contain, if it is not what keras.io's program downloads. `archbuilder inspect-data mine.yaml`
checks them.

Parameters of each blueprint set its sizes. Where the page of an example prints the number of
weights, `expect` has it. What a file does in another way than the program is said where it does.

## Data

Paths of files are relative to the blueprint. These files are the same for several examples:

- `mnist.npz` and `boston_housing.npz` are those that `keras.datasets` downloads.
- `fashion_mnist.npz`, `cifar10.npz` and `cifar100.npz` have the arrays that `load_data` of
  `keras.datasets` returns, named `x_train`, `y_train`, `x_test` and `y_test`. The labels of CIFAR
  are `y_train[:, 0]` and `y_test[:, 0]`.
- `imdb_train.jsonl` and `imdb_test.jsonl` have the reviews of `keras.datasets.imdb`, with
  `num_words=20000`, on each line the list `words` and the `label`.

Examples that begin with trained weights name the file in a comment. `keras.applications` downloads
its files to `~/.keras/models`; copy the file next to the blueprint, or name it with `--weights`.

## All examples

{num_files} of {total} examples are written. {left_out} more are not listed: they need reinforcement
learning, or networks or decision trees of other libraries, or they interpret, serve or package
networks.

| example | blueprint, or what is missing |
|---|---|
"""


def page_text() -> str:
    """Return the page."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = {row["example"]: row["missing"] for row in csv.DictReader(file, delimiter="\t")}
    names = [each for each in zoo.example_names() if not each.startswith("real_data/")]
    lines = []
    for name, missing in rows.items():
        if name in names:
            title = archbuilder.load(zoo.path(name)).title
            cell = f"[{title}](../blueprints/examples/{name}.yaml)"
        else:
            cell = missing or "not written yet"
        lines.append(f"| [{name}](https://keras.io/examples/{name}/) | {cell} |\n")
    head = HEAD.format(num_files=len(names), total=len(rows), left_out=ALL - len(rows))
    return head + "".join(lines) + "\nThis page is written by `make examples`.\n"


if __name__ == "__main__":
    PAGE.write_text(page_text(), encoding="utf-8")
