"""The steps that only objectives have: random numbers, gradients, losses, rows of all replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from archbuilder import registry
from archbuilder.language.modules import Callee, LayerCallee, Program
from archbuilder.language.objective_ast import ObjectiveBlock
from archbuilder.plain_data import PlainData
from archbuilder.registry.signatures import ArgumentSpec, ArgumentType, Signature

LOSS_PREFIX: Final = "losses."
FROM_LOGITS: Final = "from_logits"
SAMPLE_WEIGHT: Final = "sample_weight"
AUTO: Final = "auto"
"""The value of `from_logits` of a loss that follows the activation of the network."""
INPUT_OF: Final = "input_of"
"""The argument of random numbers that names the input of a network with their shape."""
LENGTH: Final = "length"
"""The argument of permutations that is their shape."""
NETWORK_ORIGIN: Final = "networks"
"""The `origin` of networks in an objective."""
OBJECTIVE_ORIGIN: Final = "objectives"
"""The `origin` of the steps that only objectives have."""
_SHAPE: Final[Mapping[str, PlainData]] = {
    "type": "array",
    "items": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    "maxItems": 8,
}
_NUMBER: Final[Mapping[str, PlainData]] = {"type": "number"}
_TEXT: Final[Mapping[str, PlainData]] = {"type": "string"}
_RATE: Final[Mapping[str, PlainData]] = {"type": "number", "minimum": 0, "maximum": 1}


def _argument(
    name: str, schema: Mapping[str, PlainData], summary: str, default: PlainData = None
) -> ArgumentSpec:
    return ArgumentSpec(
        name, ArgumentType(schema), required=False, default=default, summary=summary
    )


def _required(name: str, schema: Mapping[str, PlainData], summary: str) -> ArgumentSpec:
    return ArgumentSpec(name, ArgumentType(schema), required=True, default=None, summary=summary)


def _operation(
    name: str, summary: str, *arguments: ArgumentSpec, tensors: tuple[str, ...], needed: int
) -> Signature:
    return Signature(
        name,
        summary,
        OBJECTIVE_ORIGIN,
        {each.name: each for each in arguments},
        {},
        tensors,
        needed,
        accepts_list=False,
        is_variadic=False,
        several_outputs="",
        unsupported={},
    )


def _random(name: str, summary: str, *arguments: ArgumentSpec) -> Signature:
    shape = _argument("shape", _SHAPE, "Shape for each example; by default one number.")
    network_input = _argument(
        INPUT_OF, _TEXT, "Network whose input has the shape, as `generator` or `net.noise`."
    )
    # The first argument is the one that a bare value stands for.
    required = [each for each in arguments if each.required]
    others = [each for each in arguments if not each.required]
    signature = _operation(
        name, summary, *required, shape, network_input, *others, tensors=("like",), needed=0
    )
    return replace(signature, is_source=True)


RANDOM_OPERATIONS: Final[Mapping[str, Signature]] = {
    each.name: each
    for each in (
        _random(
            "Normal",
            "Random numbers of a normal distribution.",
            _argument("mean", _NUMBER, "Mean.", 0.0),
            _argument("stddev", {"type": "number", "minimum": 0}, "Standard deviation.", 1.0),
        ),
        _random(
            "Uniform",
            "Random numbers between two bounds.",
            _argument("minval", _NUMBER, "Lower bound.", 0.0),
            _argument("maxval", _NUMBER, "Upper bound.", 1.0),
        ),
        _random(
            "Bernoulli",
            "1 with a probability, else 0.",
            _required("probability", _RATE, "Probability of 1."),
        ),
        _random(
            "Categorical",
            "Random integers from 0, each as likely as the others.",
            _required(
                "classes",
                {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
                "Number of integers.",
            ),
        ),
        replace(
            _operation(
                "Permutation",
                "The integers from 0 in a random order, another one for each example.",
                _required(
                    LENGTH,
                    {"type": "integer", "minimum": 1, "maximum": 1_000_000},
                    "Number of integers.",
                ),
                tensors=(),
                needed=0,
            ),
            is_source=True,
        ),
    )
}
"""Random numbers: functions of the seed, the step and the position in the global batch."""
AUGMENT: Final = "augment"
GRADIENT: Final = "gradient"
GRADIENT_OF: Final = "of"
"""The input of a gradient that is summed."""
GRADIENT_BY: Final = "by"
"""The input of a gradient with one or several tensors, each of which has an output."""
GATHER: Final = "gather"
ROWS: Final = "rows"
WEIGHTED: Final = "weighted"
SHUFFLE: Final = "shuffle"
UNSHUFFLE: Final = "unshuffle"
WHOLE_BATCH_OPERATIONS: Final = frozenset({GATHER, ROWS, SHUFFLE, UNSHUFFLE})
"""The operations that need the rows of all replicas, so that a batch cannot be split in time."""
SEGMENT_TEXT: Final = "segment_text"
NEXT_SENTENCE: Final = "next_sentence"
MASK_TOKENS: Final = "mask_tokens"
TOKEN_OPERATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    SEGMENT_TEXT: ("tokens", "segments", "is_other"),
    MASK_TOKENS: ("tokens", "is_selected"),
}
"""The operations on tokens, with the names of their outputs."""
PIPELINE_OPERATIONS: Final = frozenset({AUGMENT, *RANDOM_OPERATIONS, *TOKEN_OPERATIONS})
"""The operations that are computed when a batch is read, before the networks."""
_OPERATIONS: Final[Mapping[str, Signature]] = {
    **RANDOM_OPERATIONS,
    AUGMENT: _operation(
        AUGMENT,
        "Transforms images at random, differently for each step of an objective.",
        tensors=("images",),
        needed=1,
    ),
    SEGMENT_TEXT: _operation(
        SEGMENT_TEXT,
        "Pieces of a text, with the special tokens around them.",
        _argument(
            NEXT_SENTENCE,
            {"type": "boolean"},
            "Whether there are two pieces, the second from another example at random.",
            default=False,
        ),
        tensors=("text",),
        needed=1,
    ),
    MASK_TOKENS: _operation(
        MASK_TOKENS,
        "Tokens of which some, selected at random, are hidden.",
        _required(
            "rate",
            {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "Fraction of the tokens to select.",
        ),
        _argument("masked", _RATE, "Fraction of these that become `[MASK]`.", 0.8),
        _argument("random", _RATE, "Fraction of these that become random tokens.", 0.1),
        tensors=("tokens",),
        needed=1,
    ),
    GRADIENT: _operation(
        GRADIENT,
        "Gradient of a summed tensor by earlier ones that it depends on.",
        tensors=(GRADIENT_OF, GRADIENT_BY),
        needed=2,
    ),
    GATHER: _operation(
        GATHER, "The rows of all replicas, in the order of the batch.", tensors=("rows",), needed=1
    ),
    ROWS: _operation(
        ROWS, "The position of each row in the batch of all replicas.", tensors=("rows",), needed=1
    ),
    WEIGHTED: _operation(
        WEIGHTED,
        "The mean of the values of each example with weights, whose sum over the batch is 1.",
        tensors=("values", "weights"),
        needed=2,
    ),
    SHUFFLE: _operation(
        SHUFFLE,
        "The rows of all replicas in a random order, divided among the replicas.",
        tensors=("rows",),
        needed=1,
    ),
    UNSHUFFLE: _operation(
        UNSHUFFLE,
        "The rows of `shuffle`, or what was computed from them, in their own order.",
        tensors=("rows",),
        needed=1,
    ),
}


def objective_signatures() -> Mapping[str, Signature]:
    """Return the operations and losses that the steps of an objective may call, by name."""
    signatures = dict(_OPERATIONS)
    for name, signature in registry.load().signatures("loss").items():
        arguments = {
            key: each
            for key, each in signature.arguments.items()
            if key not in ("reduction", "name")
        }
        if FROM_LOGITS in arguments:
            logits = arguments[FROM_LOGITS]
            logits_type = ArgumentType({"anyOf": [{"type": "boolean"}, {"enum": [AUTO]}]})
            arguments[FROM_LOGITS] = replace(logits, type=logits_type)
        loss_name = LOSS_PREFIX + name
        signatures[loss_name] = replace(
            signature,
            name=loss_name,
            arguments=arguments,
            tensor_arguments=("y_true", "y_pred", SAMPLE_WEIGHT),
            min_inputs=2,
        )
    return signatures


def objective_callees(
    networks: Mapping[str, tuple[Sequence[str], Sequence[str]]],
) -> Mapping[str, Callee]:
    """Return what the steps of an objective may call besides layers and blocks.

    Args:
        networks: The names of the inputs and outputs of each network, and of each copy of one.
    """
    callees: dict[str, Callee] = {
        name: LayerCallee(each, outputs=TOKEN_OPERATIONS.get(name, ()))
        for name, each in objective_signatures().items()
    }
    training = _argument(
        "training", {"type": "boolean"}, "Whether it is trained; by default, as the step is."
    )
    for name, (inputs, outputs) in networks.items():
        network = _operation(name, "", tensors=tuple(inputs), needed=len(inputs))
        callees[name] = LayerCallee(
            replace(network, origin=NETWORK_ORIGIN, call_arguments={"training": training}),
            is_network=True,
            outputs=tuple(outputs) if len(outputs) > 1 else (),
        )
    return callees


def objective_program(program: Program, objective: ObjectiveBlock) -> Program:
    """Return a program whose steps may call the networks and operations of its objective."""
    names = [each.name for each in objective.networks]
    names += [each.name for each in objective.copies]
    # The inputs and outputs of networks are known in the expansion.
    interfaces = dict.fromkeys((*program.document.networks, *names), ((), ()))
    return replace(program, callees={**program.callees, **objective_callees(interfaces)})
