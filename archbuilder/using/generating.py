"""Text of a language model: what follows a text, or what a text becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archbuilder.errors import RunError, UsageError
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.recipe.record import Recorded
from archbuilder.recipe.sources import Pairs, Text
from archbuilder.recipe.spec import CausalLanguageModel, SequenceToSequence
from archbuilder.training.step_errors import explained_failures
from archbuilder.training.text.vocabulary import BEGIN, END, UNKNOWN, Vocabulary
from archbuilder.using.decoding import Chance, Sequences, beam, drawn
from archbuilder.using.speaking import of_target, of_text
from archbuilder.using.trained import open_network, open_vocabulary


@dataclass(frozen=True, slots=True)
class Wish:
    """How text is made. Without `chance`, it is the best of so many `beams`."""

    tokens: int
    """The longest text that follows."""
    chance: Chance | None
    beams: int = 1


def generate(
    run: Path,
    graphs: Mapping[str, Graph],
    recorded: Recorded,
    limits: Limits,
    prompt: str,
    wish: Wish,
) -> str:
    """What follows a prompt by the network of a run or, for sequences, what it becomes.

    Raises:
        UsageError: if the run trained no such model, or the prompt does not suit it.
        RunError: if the files of the run are damaged.
        BlueprintError: if the network does not fit the machine.
    """
    objective, data = recorded.training.objective, recorded.data.train
    if not isinstance(objective, CausalLanguageModel | SequenceToSequence):
        raise UsageError(
            "the run trained no model that makes text: that takes the objective 'causal_lm' or"
            " 'sequence_to_sequence'"
        )
    if not isinstance(data, Text | Pairs):
        raise RunError("the run does not say which text it was trained on")
    trained = open_network(run, graphs, limits)
    vocabulary = open_vocabulary(run)
    tokens = _encoded(prompt, vocabulary)
    if isinstance(data, Text):
        # Where a text begins, another one has ended.
        begun = np.concatenate([[END], tokens])[np.newaxis]
        following = of_text(trained, vocabulary, data.length)
    else:
        if tokens.size > data.length:
            raise UsageError(
                f"the text has {tokens.size:,} tokens, and those that the run was trained on have"
                f" at most {data.length:,}"
            )
        begun = np.array([[BEGIN]])
        following = of_target(trained, vocabulary, tokens[np.newaxis], data.length)
        wish = Wish(min(wish.tokens, data.length + 1), wish.chance, wish.beams)
    with explained_failures("the generation of text", graphs.values()):
        if wish.chance is None:
            return vocabulary.decode(beam(following, begun, wish.tokens, wish.beams))
        return vocabulary.decode(drawn(following, begun, wish.tokens, wish.chance)[0])


def _encoded(prompt: str, vocabulary: Vocabulary) -> Sequences:
    (tokens,) = vocabulary.encode([prompt])
    if UNKNOWN in tokens:
        raise UsageError("the text has something in it that the run's vocabulary does not know")
    return tokens
