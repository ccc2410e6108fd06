"""Expands whole networks: their inputs with shapes, their steps, and what is left of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from archbuilder import catalogue
from archbuilder.decode.form import describe
from archbuilder.document import Block, Input
from archbuilder.errors import Diagnostics, Frame, nearest
from archbuilder.expand.blocks import block_outputs, kept_inputs
from archbuilder.expand.counting import check_size
from archbuilder.expand.expander import Expander
from archbuilder.expand.flow import Flow
from archbuilder.expand.scope import FileScope, Named, Scope
from archbuilder.graph import Graph, GraphInput, Node, Ref, Shape
from archbuilder.params import resolve
from archbuilder.program import Program
from archbuilder.tree import Scalar, Tree, plain
from archbuilder.tree import Sequence as SequenceTree
from archbuilder.values import Evaluator, Variables

DEFAULT_DTYPE: Final = "float32"
OUTPUT: Final = "output"
"""The name of the one output of a network that does not name its outputs."""


def expand(
    program: Program,
    given: Mapping[str, Tree],
    evaluator: Evaluator,
    frame: Frame | None = None,
) -> dict[str, Graph]:
    """The graph of every network of a program, by name.

    `given` are the values of the file's parameters, judged already; defaults fill the rest.
    `frame` is what led here, the variant.
    Mistakes are added to `diagnostics`; a network with mistakes is left out.
    """
    document = program.document
    values = resolve(document.params, given, {}, evaluator)
    if values is None:
        return {}
    file = FileScope(program, values)
    graphs: dict[str, Graph] = {}
    for name, block in document.networks.items():
        variables: Variables = values
        if not document.single:
            own = resolve(block.params, {}, values, evaluator)
            if own is None:
                continue
            variables = {**values, **own}
        graph = _expand_network(block, file, variables, evaluator, frame)
        if graph is not None:
            graphs[name] = graph
    return graphs


def _expand_network(
    block: Block,
    file: FileScope,
    variables: Variables,
    evaluator: Evaluator,
    frame: Frame | None,
) -> Graph | None:
    errors = evaluator.diagnostics.error_count
    scope = Scope(file=file, path="", shares=None, frame=frame, depth=0)
    kept = kept_inputs(block, scope, variables, evaluator)
    if not kept:
        return None
    inputs = [_input(each, variables, evaluator) for each in kept]
    for each in kept:
        scope.named[each.name] = Named(Flow((Ref(each.name),)), each.span)
    check_size(block, file, variables, evaluator)
    expander = Expander(evaluator)
    first = Flow((Ref(kept[0].name),))
    last = expander.steps(block.steps, scope, first, variables)
    flow = block_outputs(block, scope, last, variables, evaluator)
    whole = [each for each in inputs if each is not None]
    if flow.broken or len(whole) < len(inputs) or evaluator.diagnostics.error_count > errors:
        return None
    names = flow.names or _output_names(flow)
    graph = Graph(
        block.name,
        tuple(whole),
        tuple(expander.nodes.values()),
        tuple(zip(names, flow.refs, strict=True)),
        block.span,
    )
    pruned = _without_unused(graph, evaluator.diagnostics)
    pruned.check()
    return pruned


def _output_names(flow: Flow) -> list[str]:
    if len(flow.refs) == 1:
        return [OUTPUT]
    return [f"{OUTPUT}{number}" for number in range(len(flow.refs))]


def _input(
    declared: Input,
    variables: Variables,
    evaluator: Evaluator,
) -> GraphInput | None:
    if declared.shape is None:
        return None
    tree = evaluator.evaluate(declared.shape, variables)
    shape = None if tree is None else _shape(tree, declared.name, evaluator.diagnostics)
    dtype: str | None = DEFAULT_DTYPE
    if declared.dtype is not None:
        dtype_tree = evaluator.evaluate(declared.dtype, variables)
        found = (
            None if dtype_tree is None else _dtype(dtype_tree, declared.name, evaluator.diagnostics)
        )
        if found is None:
            return None
        dtype = found
    if shape is None or dtype is None:
        return None
    return GraphInput(declared.name, shape, dtype, declared.span)


def _shape(tree: Tree, name: str, diagnostics: Diagnostics) -> Shape | None:
    if not isinstance(tree, SequenceTree):
        diagnostics.error(
            "wrong-type",
            f"the shape of '{name}' is a list of sizes such as [224, 224, 3], not {describe(tree)}",
            tree.span,
        )
        return None
    sizes: list[int | None] = []
    for item in tree.items:
        size = plain(item)
        if size is not None and type(size) is not int:
            diagnostics.error(
                "wrong-type",
                f"a size of '{name}' is an integer, or null where it is open, not {describe(item)}",
                item.span,
            )
        elif size is not None and not 0 < size < 2**31:
            diagnostics.error("out-of-range", f"a size of '{name}' cannot be {size}", item.span)
        else:
            sizes.append(size)
    return tuple(sizes) if len(sizes) == len(tree.items) else None


def _dtype(tree: Tree, name: str, diagnostics: Diagnostics) -> str | None:
    known = catalogue.load().dtypes
    dtype = tree.value if isinstance(tree, Scalar) else None
    if isinstance(dtype, str) and dtype in known:
        return dtype
    diagnostics.error(
        "unknown-value",
        f"the dtype of '{name}' cannot be {describe(tree)}",
        tree.span,
        suggestion=nearest(dtype, known) if isinstance(dtype, str) else None,
        notes=(f"a dtype is one of {', '.join(known)}",),
    )
    return None


def _without_unused(graph: Graph, diagnostics: Diagnostics) -> Graph:
    """The graph without the nodes that no output depends on.

    The last of those gets a warning, which counts the steps that lead to it and nowhere else.
    """
    used = {ref.node for _, ref in graph.outputs}
    kept: list[Node] = []
    left_out: list[Node] = []
    for node in reversed(graph.nodes):
        if node.name in used:
            kept.append(node)
            used.update(ref.node for ref in node.reads())
        else:
            left_out.append(node)
    for last, before in reversed(_ends(left_out)):
        steps = f", and the {before} before it" if before > 1 else ", and the one before it"
        message = f"no output depends on this step{steps if before else ''}; left out of the model"
        with diagnostics.inside(last.frame):
            diagnostics.warning("unused-step", message, last.span)
    for each in graph.inputs:
        if each.name not in used:
            diagnostics.warning(
                "unused-step", f"no output depends on the input '{each.name}'", each.span
            )
    if not left_out:
        return graph
    return replace(graph, nodes=_with_owners(kept[::-1]))


def _ends(left_out: Sequence[Node]) -> list[tuple[Node, int]]:
    """The nodes that no node reads, of some in reverse order, each with how many lead to it.

    A node that leads to several ends counts for the last one.
    """
    ends: dict[str, Node] = {}
    counts: Counter[str] = Counter()
    end_of: dict[str, str] = {}
    for node in left_out:
        end = end_of.get(node.name)
        if end is None:
            ends[node.name] = node
        else:
            counts[end] += 1
        for ref in node.reads():
            end_of.setdefault(ref.node, end or node.name)
    return [(node, counts[name]) for name, node in ends.items()]


def _with_owners(nodes: list[Node]) -> tuple[Node, ...]:
    """The nodes with the first use of shared weights as their owner, should it have changed."""
    owners: dict[str, str] = {}
    result = []
    for node in nodes:
        wanted = node.shares or node.name
        owner = owners.setdefault(wanted, node.name)
        result.append(replace(node, shares=None if owner == node.name else owner))
    return tuple(result)
