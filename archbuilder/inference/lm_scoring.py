"""Log-probabilities of the next token, from the networks of language models."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.data.sources.pairs import SOURCE, TARGET
from archbuilder.data.text.tokenizer import END_ID, PAD_ID, SPECIAL_TOKENS, TextTokenizer
from archbuilder.inference.load_run import LoadedNetwork
from archbuilder.inference.samplers import LogProbFn, TokenIds
from archbuilder.objectives.output_activation import has_final_activation


def causal_log_probs(network: LoadedNetwork, tokenizer: TextTokenizer, length: int) -> LogProbFn:
    """Return a function for the next token of a text, which sees its last `length` tokens."""
    name = network.graph.inputs[0].name
    traced_model = _TracedModel(network, tokenizer)

    def next_log_probs(sequences: TokenIds) -> NDArray[np.float64]:
        context = sequences[:, -length:]
        return traced_model({name: _pad(context, length)}, context.shape[1] - 1)

    return next_log_probs


def seq2seq_log_probs(
    network: LoadedNetwork, tokenizer: TextTokenizer, source: TokenIds, length: int
) -> LogProbFn:
    """Return a function for the next token of the targets of sources.

    `source` is `(sources, tokens)`, with at most `length` tokens. A single source may have several
    targets, as in beam search.
    """
    traced_model = _TracedModel(network, tokenizer)
    padded_source = _pad(source, length)

    def next_log_probs(targets: TokenIds) -> NDArray[np.float64]:
        sources = (
            padded_source
            if len(targets) == len(padded_source)
            else padded_source.repeat(len(targets), axis=0)
        )
        # A mask that the network does not have is dropped by `_TracedModel`.
        inputs = {
            SOURCE: sources,
            "mask": (sources != PAD_ID).astype(np.int64),
            TARGET: _pad(targets, length + 1),
        }
        return traced_model(inputs, targets.shape[1] - 1)

    return next_log_probs


class _TracedModel:
    """A network that is traced once for each number of sequences: all are padded to one length."""

    def __init__(self, network: LoadedNetwork, tokenizer: TextTokenizer) -> None:
        graph, model = network.graph, network.model
        self._dtypes = {each.name: each.dtype for each in graph.inputs}
        self._vocab_size = tokenizer.vocab_size
        self._returns_logits = not has_final_activation(
            graph, model, graph.outputs[0][0], "softmax", before_moves=True
        )
        # `model(...)` in eager mode is slow, and is called once per generated token.
        self._call = tf.function(lambda inputs: model(inputs, training=False), autograph=False)

    def __call__(self, arrays: dict[str, TokenIds], position: int) -> NDArray[np.float64]:
        """Return the log-probabilities of the token after a position: `(sequences, tokens)`."""
        inputs = {name: tf.constant(arrays[name], dtype) for name, dtype in self._dtypes.items()}
        outputs = self._call(inputs if len(inputs) > 1 else next(iter(inputs.values())))
        # The network may have more outputs than the vocabulary has tokens.
        log_probs = np.asarray(outputs, np.float64)[:, position, : self._vocab_size]
        if self._returns_logits:
            # Without its maximum, a row cannot overflow in `exp`.
            log_probs = log_probs - log_probs.max(axis=1, keepdims=True)
            log_probs = log_probs - np.log(np.exp(log_probs).sum(axis=1, keepdims=True))
        else:
            log_probs = np.log(np.maximum(log_probs, np.finfo(np.float32).tiny))
        # END_ID ends a text. The other special tokens must not be generated.
        log_probs[:, [each for each in range(len(SPECIAL_TOKENS)) if each != END_ID]] = -np.inf
        return log_probs


def _pad(sequences: TokenIds, length: int) -> TokenIds:
    # Padded at the end: causal attention ignores what follows a position, and a source has a mask.
    num_padding = length - sequences.shape[1]
    return np.pad(sequences, ((0, 0), (0, num_padding)), constant_values=PAD_ID)
