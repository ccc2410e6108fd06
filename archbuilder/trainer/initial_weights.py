"""Weights of files, from which the networks of a new run start."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import keras
import numpy as np

from archbuilder.config.data_sandbox import DataSandbox
from archbuilder.config.initial_weights import InitialWeightsConfig
from archbuilder.config.layer_patterns import block_prefix, selects
from archbuilder.config.run_config import BEST_SUFFIX, MODEL_SUFFIX, RUN_JSON
from archbuilder.config.sources import DataPath
from archbuilder.data.errors import locate_data_errors
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED
from archbuilder.diagnostics.errors import BlueprintError, RunError, UsageError, quote, quote_list
from archbuilder.distribution.collectives import WorkerGroup
from archbuilder.files.json import MAX_JSON_BYTES, JsonError, JsonObject
from archbuilder.files.sandbox import read_at_most
from archbuilder.formatting import plural
from archbuilder.keras_backend.lora import variable_value
from archbuilder.trainer.log_format import LogFn
from archbuilder.weights import LayerSelection, Match, load_selected_weights
from archbuilder.weights.word_vectors import load_word_vectors


@dataclass(frozen=True, slots=True, eq=False)
class InitialWeights:
    """Loads the weight files of a recipe into the networks of a new run.

    A path of a blueprint must be in the directory of the blueprint or in one of `allow_dirs`.
    """

    configs: tuple[InitialWeightsConfig, ...]
    allow_dirs: Sequence[Path]
    sandbox: DataSandbox | None
    workers: WorkerGroup
    log: LogFn
    vocabularies: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Rows of words in embeddings, by input."""
    digests: dict[str, str] = field(default_factory=dict)
    """SHA-256 digests of the files that were loaded, by their paths."""

    def load(self, model: keras.Model, network: str, path_prefix: str) -> None:
        """Load the files into a network.

        Args:
            model: The network.
            network: Its name.
            path_prefix: What the paths of its layers begin with in the settings.

        Raises:
            BlueprintError: if the blueprint names a file that is missing or not allowed.
            RunError: if a file is damaged, does not fit, or differs between workers.
            UsageError: if a file has an unknown format.
        """
        for config in self.configs:
            layers = frozenset(
                each.name for each in model.layers if selects(config.of, path_prefix + each.name)
            )
            selection = None
            if config.of:
                prefix = block_prefix(config.of).removeprefix(path_prefix)
                selection = LayerSelection(layers, prefix)
            # The patterns select layers of another network.
            if selection is not None and not layers:
                continue
            span = config.file.span
            with (
                locate_data_errors(span if span is not None and span.source.text else None),
                self._open_file(config, network) as (content, name),
            ):
                if config.words_of is not None:
                    selected = [
                        each for each in model.layers if not config.of or each.name in layers
                    ]
                    self._load_words(selected, config.words_of, content, name)
                    continue
                match = load_selected_weights(
                    model,
                    content,
                    Path(name).name,
                    selection,
                    config.match,
                    skip_mismatch=config.skip_mismatch,
                )
            self._log_match(match, model.name, name, config)

    def _load_words(
        self, layers: Sequence[keras.layers.Layer], input_name: str, content: IO[bytes], name: str
    ) -> None:
        """Load the vectors of the words of an input into an embedding; log how many were found."""
        embeddings = [each for each in layers if isinstance(each, keras.layers.Embedding)]
        if len(embeddings) != 1:
            names = f": {quote_list([each.name for each in embeddings])}" if embeddings else ""
            raise RunError(
                f"the vectors of words are for one 'Embedding', and there are {len(embeddings)}"
                f"{names}; write its layer under 'of'"
            )
        rows = self.vocabularies.get(input_name) or self.vocabularies.get(UNNAMED)
        if not rows:
            raise RunError(
                f"the data has no vocabulary for the input {quote(input_name)}: give it a"
                " 'tokenizer' or a 'vocabulary'"
            )
        embedding = embeddings[0]
        table = np.array(variable_value(embedding.embeddings))
        if len(table) <= max(rows.values()):
            raise RunError(
                f"the vocabulary of {quote(input_name)} has indices up to {max(rows.values()):,},"
                f" and {quote(embedding.name)} only {len(table):,} rows"
            )
        count = load_word_vectors(content, Path(name).name, rows, table)
        embedding.embeddings.assign(table)
        self.log(
            f"Weights: vectors of {count:,} of {plural(len(rows), 'word')} of {quote(input_name)}"
            f" loaded from {quote(name, 200)} into {quote(embedding.name)}; the others keep their"
            " initial values"
        )

    @contextmanager
    def _open_file(
        self, config: InitialWeightsConfig, network: str
    ) -> Iterator[tuple[IO[bytes], str]]:
        """Open the weight file of a network, record it, and yield it with its path."""
        opener = DataFileOpener(config.directory, self.allow_dirs, sandbox=self.sandbox)
        # A file with another suffix is opened too, for the error that names the suffixes.
        is_run = config.is_run and not _is_file(opener, config.file)
        inner = (_select_model_file(opener, config, network),) if is_run else ()
        with (
            opener.open_file(config.file, *inner) as descriptor,
            # A duplicate, since the file object closes its descriptor and so does the context.
            os.fdopen(os.dup(descriptor), "rb") as content,
        ):
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            if len({*self.workers.all_gather(digest.encode())}) > 1:
                raise RunError("the weights differ between the workers: copy the file to all")
            content.seek(0)
            path = config.directory.joinpath(config.file.path, *inner)
            self.digests[str(path.absolute())] = digest
            yield content, "/".join((config.file.path, *inner))

    def _log_match(
        self, match: Match, model_name: str, file_name: str, config: InitialWeightsConfig
    ) -> None:
        layers = f"'{', '.join(config.of)}' in '{model_name}'" if config.of else f"'{model_name}'"
        counts = f"{len(match.pairs)} of {plural(match.size, 'weight')}"
        notes = [f"{counts} of {layers} loaded from {quote(file_name, 200)}, by {match.matched_by}"]
        if match.ignored_count:
            notes.append(f"{plural(match.ignored_count, 'other weight')} of the file not used")
        if match.rounding_note:
            notes.append(match.rounding_note)
        self.log(f"Weights: {'; '.join(notes)}")
        if not match.is_complete:
            self.log(match.problems())


def _is_file(opener: DataFileOpener, path: DataPath) -> bool:
    try:
        with opener.open_file(path):
            return True
    except (BlueprintError, RunError, UsageError):
        return False


def _select_model_file(opener: DataFileOpener, config: InitialWeightsConfig, network: str) -> str:
    """Return the name of the model file of a run that a network starts from.

    It is the file of the network of the same name, or else the only one, or else that of the result
    of the objective.
    """
    files = opener.list_dir(config.file) or ()
    names = [
        each
        for each in files
        if each.endswith(MODEL_SUFFIX) and not each.endswith(BEST_SUFFIX + MODEL_SUFFIX)
    ]
    name = f"{network}{MODEL_SUFFIX}"
    if name in names:
        return name
    if len(names) == 1:
        return names[0]
    if RUN_JSON in files and (result := _result_network(opener, config) + MODEL_SUFFIX) in names:
        return result
    run = quote(config.file.path, 200)
    if not names:
        raise RunError(
            f"{run} has no {MODEL_SUFFIX} file: it is not the directory of a run that has finished"
        )
    raise RunError(
        f"{run} has the networks {quote_list(names)}; write one of these files, as in"
        f" {quote(f'{config.file.path}/{names[0]}', 200)}"
    )


def _result_network(opener: DataFileOpener, config: InitialWeightsConfig) -> str:
    """Return the network that the objective of a run names as its result; empty if none.

    Raises:
        RunError: if the record of the run is damaged.
    """
    try:
        with opener.open_file(config.file, RUN_JSON) as descriptor:
            record = JsonObject.parse(read_at_most(descriptor, MAX_JSON_BYTES))
            objective = record.object("recipe").object("training").get("objective")
    except JsonError as error:
        path = quote(f"{config.file.path}/{RUN_JSON}", 200)
        raise RunError(f"{path} is not a valid run record: {error}") from None
    result = objective.get("result") if isinstance(objective, dict) else None
    return result.partition(".")[0] if isinstance(result, str) else ""
