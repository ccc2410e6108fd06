"""Write pairs of pieces of a text, and how well adjacent characters tell which pieces adjoin.

python scripts/text_pairs.py FILE DIRECTORY

The directory gets `pairs.jsonl`: two pieces of the text, and whether the second one continues the
first or is from another place. Training pairs are from the first nine tenths of the text, and those
of the validation set from the rest. `baselines.json` has the accuracy of two other methods on the
latter.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

SEED: Final = 0
LENGTH: Final = 30
"""Characters of a piece."""
SETS: Final = {"train": 4_000, "validation": 4_000}


class Pair(NamedTuple):
    """Two pieces of a text; every second pair is from two places."""

    first: str
    second: str
    adjoin: str


def text_pairs(text: str, count: int, rng: random.Random) -> list[Pair]:
    """Return pairs of pieces that begin anywhere in a text."""
    pairs = []
    for number in range(count):
        start, elsewhere = (rng.randrange(len(text) - 2 * LENGTH) for _ in range(2))
        middle = start + LENGTH
        adjoin = number % 2 == 0
        second = text[middle : middle + LENGTH] if adjoin else text[elsewhere : elsewhere + LENGTH]
        pairs.append(Pair(text[start:middle], second, "yes" if adjoin else "no"))
    return pairs


def baselines(text: str, pairs: Sequence[Pair]) -> Mapping[str, float]:
    """Return the accuracy of the most common class, and of the characters at the seam.

    Pieces adjoin if the first character of the second one is likelier after the last one of the
    first than anywhere, by their frequencies in the text, with one added to each count.
    """
    single, double = Counter(text), Counter(pairwise(text))

    def adjoin(pair: Pair) -> bool:
        last, character = pair.first[-1], pair.second[0]
        after = (double[last, character] + 1) / (single[last] + len(single))
        return after > single[character] / len(text)

    correct = sum(adjoin(pair) == (pair.adjoin == "yes") for pair in pairs)
    classes = Counter(pair.adjoin for pair in pairs)
    return {
        "most common class": max(classes.values()) / len(pairs),
        "characters at the seam": correct / len(pairs),
    }


def main() -> None:
    """Write the pairs of a text, and the baselines."""
    text, directory = Path(sys.argv[1]).read_text(encoding="utf-8"), Path(sys.argv[2])
    directory.mkdir(parents=True)
    rng = random.Random(SEED)
    bound = len(text) * 9 // 10
    texts = {"train": text[:bound], "validation": text[bound:]}
    pairs = {name: text_pairs(texts[name], count, rng) for name, count in SETS.items()}
    with (directory / "pairs.jsonl").open("w", encoding="utf-8") as file:
        for name, of_set in pairs.items():
            file.writelines(json.dumps({**pair._asdict(), "set": name}) + "\n" for pair in of_set)
    accuracies = baselines(texts["train"], pairs["validation"])
    (directory / "baselines.json").write_text(json.dumps(accuracies) + "\n")


if __name__ == "__main__":
    main()
