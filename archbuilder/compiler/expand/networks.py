"""Expansion of whole networks: inputs with shapes, steps, and removal of dead nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from archbuilder import registry
from archbuilder.compiler.batch_axis import find_batch_axes
from archbuilder.compiler.expand.block_values import bind_default, resolve_file_parameters
from archbuilder.compiler.expand.blocks import active_inputs, resolve_block_outputs
from archbuilder.compiler.expand.dead_nodes import remove_dead_nodes
from archbuilder.compiler.expand.environment import Environment
from archbuilder.compiler.expand.lowering import Expander
from archbuilder.compiler.expand.scope import FileScope, Scope, Symbol
from archbuilder.compiler.expand.shapes import OracleFactory, UnreadableShapes
from archbuilder.compiler.expand.single_inputs import warn_single_inputs
from archbuilder.compiler.expand.size_limit import check_step_count
from archbuilder.compiler.expand.tensors import TensorRefs
from archbuilder.compiler.ir import Graph, GraphInput, Shape, TensorRef
from archbuilder.compiler.parameters import ExplicitValues, resolve_parameters
from archbuilder.diagnostics.errors import Diagnostics, ExpansionFrame, closest_match
from archbuilder.language.ast import Block, InputDeclaration
from archbuilder.language.deferred_values import ValueEvaluator, Variables
from archbuilder.language.modules import Program
from archbuilder.language.parser.fields import describe_value
from archbuilder.yaml.nodes import ScalarNode, SequenceNode, Tree, is_unknown, to_plain

DEFAULT_DTYPE: Final = "float32"
DEFAULT_OUTPUT: Final = "output"
"""The name of the only output of a network that declares no `outputs`."""


def expand(
    program: Program,
    params: Mapping[str, Tree],
    evaluator: ValueEvaluator,
    frame: ExpansionFrame | None = None,
    make_oracle: OracleFactory | None = None,
) -> dict[str, Graph]:
    """Expand all networks of a program into graphs, by name.

    Errors are added to the diagnostics of `evaluator`; a network with errors is left out. Without
    `make_oracle`, so is one whose steps depend on shapes, and arguments that do are unknown.

    Args:
        program: The program.
        params: The values of the file's parameters, already checked; defaults fill the rest.
        evaluator: Evaluates the expressions.
        frame: The variant, as the origin of errors.
        make_oracle: Makes what computes shapes, for networks whose expressions read them.

    Raises:
        BlueprintError: if the networks have more steps than the limits allow, or too many errors.
    """
    document = program.document
    evaluator = replace(evaluator, shapes=UnreadableShapes(evaluator.diagnostics))
    file = resolve_file_parameters(program, ExplicitValues(params), evaluator)
    if file is None:
        return {}
    values = file.variables
    graphs: dict[str, Graph] = {}
    for name, block in document.networks.items():
        # The parameters of a single network are those of its file.
        variables: Variables = values
        if not document.is_single_network:
            bind = partial(
                bind_default,
                environment=Environment(file, values, None, frozenset({block})),
                diagnostics=evaluator.diagnostics,
            )
            network_values = resolve_parameters(
                block.params, ExplicitValues({}), values, evaluator, bind
            )
            if network_values is None:
                continue
            variables = {**values, **network_values}
        graph = _expand_network(block, file, variables, evaluator, frame, make_oracle)
        if graph is not None:
            graphs[name] = graph
    return graphs


def _expand_network(
    block: Block,
    file: FileScope,
    variables: Variables,
    evaluator: ValueEvaluator,
    frame: ExpansionFrame | None,
    make_oracle: OracleFactory | None,
) -> Graph | None:
    """Expand one network; return None after an error, or if its steps depend on unknown shapes."""
    tracker = evaluator.diagnostics.track_errors()
    scope = Scope(
        file=file,
        path="",
        weight_owner_prefix=None,
        frame=frame,
        depth=0,
        enclosing=frozenset({block}),
    )
    declared_inputs = active_inputs(block, scope, variables, evaluator)
    if not declared_inputs:
        return None
    inputs = [_expand_input(each, variables, evaluator) for each in declared_inputs]
    # Also the inputs with errors: steps can be expanded without their shapes.
    for block_input in declared_inputs:
        scope.symbols[block_input.name] = Symbol(
            TensorRefs((TensorRef(block_input.name),)), block_input.span
        )
    # Before anything is built: a few lines can stand for billions of steps.
    check_step_count(block, file, variables, evaluator)
    graph_inputs = [each for each in inputs if each is not None]
    expander = Expander(evaluator, graph_inputs, make_oracle)
    first_input = TensorRefs((TensorRef(declared_inputs[0].name),))
    last_outputs = expander.expand_steps(block.steps, scope, first_input, variables)
    outputs = resolve_block_outputs(
        block, scope, last_outputs, variables, expander.evaluator_at(scope, last_outputs)
    )
    if outputs.has_error or len(graph_inputs) < len(inputs) or tracker.has_errors():
        return None
    names: Sequence[str] = outputs.names
    if not names:
        count = len(outputs.refs)
        names = [DEFAULT_OUTPUT + (str(index) if count > 1 else "") for index in range(count)]
    graph = Graph(
        block.name,
        tuple(graph_inputs),
        expander.nodes,
        tuple(zip(names, outputs.refs, strict=True)),
        block.span,
    )
    _check_batch_axes(graph, block, evaluator.diagnostics)
    # The inputs that such an output should depend on may have no other use.
    if tracker.has_errors():
        return None
    pruned = remove_dead_nodes(graph, evaluator.diagnostics)
    # After the elimination: a dead node has its own warning.
    warn_single_inputs(pruned, evaluator.diagnostics)
    pruned.check()
    return pruned


def _check_batch_axes(graph: Graph, block: Block, diagnostics: Diagnostics) -> None:
    """Report the outputs of a network that depend on none of its inputs."""
    unbatched = find_batch_axes(graph).unbatched
    nodes = {node.name: node for node in graph.nodes}
    spans = {output.name: output.ref.span for output in block.outputs or ()}
    for name, ref in graph.outputs:
        if ref.node in unbatched:
            node = nodes[ref.node]
            example = f"{{BroadcastToBatch: , from: [{ref}, {graph.inputs[0].name}]}}"
            diagnostics.error(
                "missing-batch-axis",
                f"the output '{name}' has no batch axis: '{node.name}' ({node.operation}) depends"
                f" on no input of the network",
                spans.get(name, node.span),
                notes=(f"to repeat it for each example: {example}",),
            )


def _expand_input(
    declared: InputDeclaration,
    variables: Variables,
    evaluator: ValueEvaluator,
) -> GraphInput | None:
    """Evaluate the shape and dtype of an input; return None after an error."""
    # A missing shape is an error of the parser.
    if declared.shape is None:
        return None
    tree = evaluator.evaluate(declared.shape, variables)
    # The semantic check reports a shape or dtype that is unknown because it reads the shape of a
    # tensor.
    shape = (
        None
        if tree is None or is_unknown(tree)
        else _validate_shape(tree, declared.name, evaluator.diagnostics)
    )
    dtype: object = DEFAULT_DTYPE
    if declared.dtype is not None:
        dtype_tree = evaluator.evaluate(declared.dtype, variables)
        if dtype_tree is None or is_unknown(dtype_tree):
            return None
        dtype = dtype_tree.value if isinstance(dtype_tree, ScalarNode) else None
        dtypes = registry.load().dtypes
        if dtype not in dtypes:
            evaluator.diagnostics.error(
                "invalid-choice",
                f"the dtype of '{declared.name}' cannot be {describe_value(dtype_tree)}",
                dtype_tree.span,
                suggestion=closest_match(dtype, dtypes) if isinstance(dtype, str) else None,
                notes=(f"the dtypes are: {', '.join(dtypes)}",),
            )
            return None
    if shape is None or not isinstance(dtype, str):
        return None
    return GraphInput(declared.name, shape, dtype, declared.span)


def _validate_shape(tree: Tree, name: str, diagnostics: Diagnostics) -> Shape | None:
    if not isinstance(tree, SequenceNode):
        diagnostics.error(
            "type-mismatch",
            f"the shape of '{name}' must be a list of sizes such as [224, 224, 3], not"
            f" {describe_value(tree)}",
            tree.span,
        )
        return None
    sizes: list[int | None] = []
    for item in tree.items:
        size = to_plain(item)
        if size is not None and type(size) is not int:
            diagnostics.error(
                "type-mismatch",
                f"a size of '{name}' must be an integer, or null if unknown, not"
                f" {describe_value(item)}",
                item.span,
            )
        elif size is not None and not 0 < size < 2**31:
            diagnostics.error("out-of-range", f"a size of '{name}' cannot be {size}", item.span)
        else:
            sizes.append(size)
    return tuple(sizes) if len(sizes) == len(tree.items) else None
