"""What the networks of language models say of the next token."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.training.activations import ends_in
from archbuilder.training.sources.pairs import SOURCE, TARGET
from archbuilder.training.text.vocabulary import END, PADDING, SPECIAL, Vocabulary
from archbuilder.using.decoding import Next, Sequences
from archbuilder.using.trained import Trained


def of_text(trained: Trained, vocabulary: Vocabulary, length: int) -> Next:
    """What comes next in a text, of which the network is shown the last `length` tokens."""
    name = trained.graph.inputs[0].name
    say = _Saying(trained, vocabulary)

    def following(sequences: Sequences) -> NDArray[np.float64]:
        seen = sequences[:, -length:]
        return say({name: _padded(seen, length)}, seen.shape[1] - 1)

    return following


def of_target(trained: Trained, vocabulary: Vocabulary, source: Sequences, length: int) -> Next:
    """What comes next in the targets of sources: `(sources, tokens)`, padded to `length`.

    One source may have several targets, the beams.
    """
    say = _Saying(trained, vocabulary)
    padded = _padded(source, length)

    def following(targets: Sequences) -> NDArray[np.float64]:
        sources = padded if len(targets) == len(padded) else padded.repeat(len(targets), axis=0)
        given = {
            SOURCE: sources,
            "mask": (sources != PADDING).astype(np.int64),
            TARGET: _padded(targets, length + 1),
        }
        return say(given, targets.shape[1] - 1)

    return following


class _Saying:
    """The network, traced for each number of sequences once: they all have one length."""

    def __init__(self, trained: Trained, vocabulary: Vocabulary) -> None:
        graph, model = trained.graph, trained.model
        self._dtypes = {each.name: each.dtype for each in graph.inputs}
        self._size = vocabulary.size
        self._logits = not ends_in(graph, model, graph.outputs[0][0], "softmax")
        self._call = tf.function(lambda inputs: model(inputs, training=False))

    def __call__(self, given: dict[str, Sequences], place: int) -> NDArray[np.float64]:
        """The logarithms of the probabilities of what follows a place: `(sequences, tokens)`."""
        inputs = {name: tf.constant(given[name], dtype) for name, dtype in self._dtypes.items()}
        outputs = self._call(inputs if len(inputs) > 1 else next(iter(inputs.values())))
        scores = np.asarray(outputs, np.float64)[:, place, : self._size]
        if self._logits:
            scores = scores - scores.max(axis=1, keepdims=True)
            scores = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        else:
            scores = np.log(np.maximum(scores, np.finfo(np.float32).tiny))
        # The other special tokens are no text.
        scores[:, [each for each in range(len(SPECIAL)) if each != END]] = -np.inf
        return scores


def _padded(sequences: Sequences, length: int) -> Sequences:
    # A token sees none behind it, so that it does not matter what stands there.
    more = length - sequences.shape[1]
    return np.pad(sequences, ((0, 0), (0, more)), constant_values=PADDING)
