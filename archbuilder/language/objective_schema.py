"""The JSON Schema of objectives."""

from __future__ import annotations

from typing import Final

from archbuilder.language.keyword_schemas import (
    EXPRESSION,
    NULL,
    NUMBER,
    TEXT,
    Schema,
    any_of,
    list_schema,
    mapping_schema,
    record_schema,
    with_description,
)
from archbuilder.language.objective_terms import GENERATED_TEXTS, METRIC_FUNCTIONS

_TEXTS: Final[Schema] = list_schema(TEXT, 1)
_NAMES: Final = any_of(TEXT, _TEXTS)
_SCHEDULE: Final[Schema] = {"$ref": "#/definitions/schedule_object"}
"""A schedule of Keras, or an expression."""
_LOSSES: Final = with_description(
    "The losses, or a mapping from losses to their weights in the sum.",
    any_of(
        TEXT,
        _TEXTS,
        {
            "type": "object",
            "additionalProperties": any_of(
                NUMBER,
                _SCHEDULE,
                record_schema({"of": TEXT, "weight": any_of(NUMBER, _SCHEDULE)}, "of", "weight"),
            ),
        },
    ),
)
_COUNT: Final = any_of({"type": "integer", "minimum": 1}, EXPRESSION)
_UPDATE: Final[Schema] = record_schema(
    {
        "minimize": _LOSSES,
        "networks": with_description("The networks that it trains.", _NAMES),
        "steps": with_description("The number of steps, each on other examples.", _COUNT),
        "optimizer": with_description(
            "Its optimizer, unless the recipe has another.",
            {"$ref": "#/definitions/optimizer_object"},
        ),
    },
    "minimize",
)
_METRIC: Final = any_of(
    TEXT,
    record_schema(
        {
            "of": with_description("The step.", TEXT),
            "function": with_description(
                "The function of its mean.", {"enum": [*METRIC_FUNCTIONS]}
            ),
        },
        "of",
        "function",
    ),
)
_COPY: Final[Schema] = record_schema(
    {
        "of": with_description("The network that it follows.", TEXT),
        "momentum": with_description(
            "The part of its weights that it keeps in each step.",
            any_of({"type": "number", "minimum": 0, "maximum": 1}, _SCHEDULE),
        ),
    },
    "of",
    "momentum",
)
_MEMORY: Final[Schema] = record_schema(
    {
        "of": with_description("The step whose rows it keeps.", TEXT),
        "length": with_description("The number of rows.", _COUNT),
    },
    "of",
    "length",
)
_SAMPLE: Final[Schema] = record_schema(
    {
        "inputs": with_description("The columns that the samples depend on.", _NAMES),
        "layers": with_description("The steps.", {"$ref": "#/definitions/steps"}),
        "output": with_description("The step that returns the samples, if not the last.", TEXT),
        "count": with_description("The number of samples in the image of each epoch.", _COUNT),
    },
    "layers",
)
_FEATURES: Final = with_description("The step whose values are the features.", TEXT)
_LABEL: Final = with_description("The column of the labels; by default `label`.", TEXT)
_PROBE_WHEN: Final = with_description(
    "Whether the objective has the probe.", any_of({"type": "boolean"}, EXPRESSION)
)
_LINEAR: Final[Schema] = record_schema(
    {"of": _FEATURES, "label": _LABEL, "when": _PROBE_WHEN}, "of"
)
_KNN: Final[Schema] = record_schema(
    {
        "of": _FEATURES,
        "label": _LABEL,
        "when": _PROBE_WHEN,
        "neighbors": with_description("The number of neighbors; by default 200.", _COUNT),
        "temperature": with_description(
            "The temperature of their weights; by default 0.07.",
            any_of({"type": "number", "exclusiveMinimum": 0}, EXPRESSION),
        ),
    },
    "of",
)
_PROBE: Final[Schema] = {
    "type": "object",
    "properties": {
        "linear": with_description("A linear classifier.", any_of(TEXT, _LINEAR)),
        "knn": with_description(
            "A vote of the nearest training examples, weighted by similarity.", any_of(TEXT, _KNN)
        ),
    },
    "minProperties": 1,
    "additionalProperties": False,
}
OBJECTIVE: Final = with_description(
    "Steps over the columns of a batch and the networks, and what they minimize.",
    record_schema(
        {
            "description": TEXT,
            "networks": with_description("The networks that it needs.", _NAMES),
            "inputs": with_description(
                "The columns, each with the input of a network that it is adapted to.",
                any_of(_NAMES, mapping_schema(any_of(TEXT, NULL))),
            ),
            "layers": with_description("The steps.", {"$ref": "#/definitions/steps"}),
            "minimize": _LOSSES,
            "updates": with_description(
                "The steps of optimizers, in order.", mapping_schema(_UPDATE)
            ),
            "metrics": with_description("Steps whose means are logged.", mapping_schema(_METRIC)),
            "copies": with_description("Averages of networks.", mapping_schema(_COPY)),
            "frozen": with_description(
                "The networks that keep their weights, and are in evaluation mode.", _NAMES
            ),
            "memories": with_description("Rows of earlier batches.", mapping_schema(_MEMORY)),
            "sample": with_description("Steps that draw samples after training.", _SAMPLE),
            "probe": with_description(
                "Classifiers of features, whose accuracy every epoch reports.", _PROBE
            ),
            "result": with_description(
                "The network that `predict` uses after training, or an output of it.", TEXT
            ),
            "generate": with_description(
                "The text that `archbuilder generate` gets from the network.",
                {"enum": [*GENERATED_TEXTS]},
            ),
        },
        "layers",
    ),
)
