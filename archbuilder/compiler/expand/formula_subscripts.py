"""Brackets in formulas: a part of a tensor, `x[:, 0]`, or an output, `split(x, 2)[0]`."""

from __future__ import annotations

from archbuilder.compiler.expand.formula_nodes import FormulaNodes
from archbuilder.compiler.expand.tensors import ERROR_REFS, TensorRefs
from archbuilder.expressions import nodes, reads_tensor
from archbuilder.expressions.nodes import Brackets, Expression
from archbuilder.plain_data import UNKNOWN
from archbuilder.yaml.nodes import ScalarNode, SequenceNode, is_unknown


def select_output(
    node: nodes.Index, operand: TensorRefs, formula_nodes: FormulaNodes
) -> TensorRefs:
    """Return one of several outputs by its number; report an error and return `ERROR_REFS`."""
    index = _evaluate_index(node.index, formula_nodes)
    if index is None or is_unknown(index):
        return ERROR_REFS
    output = operand.output(str(index.value))
    if output is not None:
        return output
    count = len(operand.refs)
    outputs = f"0 to {count - 1}" if count > 1 else "numbered from 0"
    message = f"there is no output {index.value}; the outputs are {outputs}"
    return formula_nodes.error(node.index, message, code="unknown-output")


def evaluate_key(
    node: Brackets, operand: TensorRefs, formula_nodes: FormulaNodes
) -> SequenceNode | None:
    """Return the argument of `ops.get_item` for an item of each axis: `1:3`, `...`, an index.

    Report an error and return None, also if the first item does not keep the batch axis.
    """
    items: tuple[nodes.SubscriptItem, ...]
    if isinstance(node, nodes.Subscript):
        items = node.items
    elif isinstance(node, nodes.Index):
        items = (node.index,)
    else:
        items = (nodes.SliceRange(node.first, node.last, None),)
    keeps_first_axis = items[0] in (nodes.EllipsisItem(), nodes.SliceRange(None, None, None))
    if not keeps_first_axis and formula_nodes.has_batch_axis(operand):
        note = "begin with ':' for the batch axis, as in x[:, 0]"
        if formula_nodes.has_several_outputs(operand):
            note = "select one output first, as in split(x, 2)[0]"
        message = "the first axis is that of the batch, which has no fixed size"
        formula_nodes.error(node, message, notes=(note,))
        return None
    if items.count(nodes.EllipsisItem()) > 1:
        formula_nodes.error(node, "'...' can stand only once between brackets")
        return None
    span = formula_nodes.formula.span_of(node)
    key = []
    for item in items:
        if isinstance(item, nodes.EllipsisItem):
            value: ScalarNode | None = ScalarNode("...", span, quoted=True)
        elif isinstance(item, nodes.SliceRange):
            value = _evaluate_range(item, node, formula_nodes)
        else:
            value = _evaluate_index(item, formula_nodes)
        key.append(value)
    valid_items = tuple(item for item in key if item is not None)
    return SequenceNode(valid_items, span) if len(valid_items) == len(key) else None


def _evaluate_range(
    item: nodes.SliceRange, node: Brackets, formula_nodes: FormulaNodes
) -> ScalarNode | None:
    """Return a range as `ops.get_item` takes it, `1:3` or `::2`; report an error, return None."""
    bounds = (item.first, item.last, item.step)
    indices = [None if each is None else _evaluate_index(each, formula_nodes) for each in bounds]
    if any(
        index is None and bound is not None for index, bound in zip(indices, bounds, strict=True)
    ):
        return None
    values = [None if index is None else index.value for index in indices]
    span = formula_nodes.formula.span_of(node)
    if UNKNOWN in values:
        return ScalarNode(UNKNOWN, span)
    if values[2] == 0 and item.step is not None:
        formula_nodes.error(item.step, "the step of a range cannot be 0", code="out-of-range")
        return None
    texts = ["" if value is None else str(value) for value in values]
    return ScalarNode(":".join(texts if texts[2] else texts[:2]), span, quoted=True)


def _evaluate_index(expression: Expression, formula_nodes: FormulaNodes) -> ScalarNode | None:
    """Return an integer or null; report any other value and return None."""
    if reads_tensor(expression):
        note = "for the indices in a tensor, write take(x, indices, axis=1)"
        formula_nodes.error(expression, "an index must be a number, not a tensor", notes=(note,))
        return None
    tree = formula_nodes.evaluate(expression)
    if tree is None:
        return None
    if isinstance(tree, ScalarNode) and (
        tree.value is None or tree.value is UNKNOWN or type(tree.value) is int
    ):
        return tree
    formula_nodes.error(expression, "an index must be an integer", code="type-mismatch")
    return None
