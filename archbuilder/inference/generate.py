"""Generate text with a language model, or translate a text with a sequence model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from archbuilder.compiler.ir import Graph
from archbuilder.config.run_config import RunConfig
from archbuilder.config.save_best import WeightsChoice
from archbuilder.data.text.tokenizer import BEGIN_ID, END_ID, UNK_ID
from archbuilder.diagnostics.errors import RunError, UsageError, quote
from archbuilder.inference.lm_scoring import causal_log_probs, seq2seq_log_probs
from archbuilder.inference.load_run import load_run_network, load_run_tokenizer
from archbuilder.inference.samplers import SamplingConfig, beam_search, sample_tokens
from archbuilder.limits import Limits
from archbuilder.trainer.step_errors import translate_tf_errors


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    """How text is generated: by sampling, or by beam search if `sampling` is None."""

    max_new_tokens: int
    """Largest number of generated tokens."""
    sampling: SamplingConfig | None
    num_beams: int = 1

    @classmethod
    def from_arguments(
        cls, arguments: Mapping[str, Any], default_num_beams: int | None
    ) -> GenerationConfig:
        """Return the configuration of the arguments of `generate` that are given.

        Beam search is deterministic; with one beam it is greedy decoding. It is the default of
        models that have a `default_num_beams`, unless an argument of sampling is given.
        """
        num_beams = arguments.get("num_beams")
        if "temperature" not in arguments and "top_k" not in arguments:
            num_beams = num_beams or default_num_beams
        sampling = None
        if num_beams is None:
            sampling = SamplingConfig(
                arguments.get("temperature", 1.0), arguments.get("top_k"), arguments["seed"]
            )
        return cls(arguments["max_new_tokens"], sampling, num_beams or 1)


def generate(
    run_dir: Path,
    graphs: Mapping[str, Graph],
    config: RunConfig,
    limits: Limits,
    prompt: str,
    generation: GenerationConfig,
    weights: WeightsChoice = "last",
) -> str:
    """Return the continuation of a prompt, or the target sequence for it as a source.

    Raises:
        UsageError: if the run trained no such model, or the prompt does not fit it.
        RunError: if the files of the run are damaged.
        BlueprintError: if the network does not fit the machine.
    """
    objective, data = config.training.objective, config.data.train
    objective.require_command("generate")
    length = data.sequence_length
    if length is None:
        raise RunError("the run does not say which text it was trained on")
    network = load_run_network(run_dir, graphs, limits, weights)
    tokenizer = load_run_tokenizer(run_dir)
    (tokens,) = tokenizer.encode([prompt])
    if UNK_ID in tokens:
        words = (each for each in prompt.split() if UNK_ID in tokenizer.encode([each])[0])
        unknown = quote(next(words, prompt))
        raise UsageError(f"the vocabulary of the run does not cover {unknown} of the text")
    if not data.is_paired:
        # In training, texts are concatenated with END_ID between them: it comes before a new text.
        initial_tokens = np.concatenate([[END_ID], tokens])[np.newaxis]
        log_prob_fn = causal_log_probs(network, tokenizer, length)
    else:
        if tokens.size > length:
            raise UsageError(
                f"the text has {tokens.size:,} tokens, and those that the run was trained on have"
                f" at most {length:,}"
            )
        # Targets begin with BEGIN_ID in training, too.
        initial_tokens = np.array([[BEGIN_ID]])
        log_prob_fn = seq2seq_log_probs(network, tokenizer, tokens[np.newaxis], length)
        # Targets of the run have at most `length` tokens, and then END_ID.
        max_new_tokens = min(generation.max_new_tokens, length + 1)
        generation = replace(generation, max_new_tokens=max_new_tokens)
    with translate_tf_errors("the generation of text", graphs.values()):
        if generation.sampling is None:
            output_tokens = beam_search(
                log_prob_fn, initial_tokens, generation.max_new_tokens, generation.num_beams
            )
        else:
            (output_tokens,) = sample_tokens(
                log_prob_fn, initial_tokens, generation.max_new_tokens, generation.sampling
            )
    return tokenizer.decode(output_tokens)
