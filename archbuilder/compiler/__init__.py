"""Compile a program into a graph: check it, bind parameters, inline blocks, unroll loops.

pipeline.py            every stage from text to graph, in order; begin here
semantic_check.py, check_arguments.py, value_check.py, constants.py
                       checks before the expansion: names, arguments, values
parameters.py          values of parameters
expand/                blocks and loops become the nodes of a graph
ir.py                  the graph, which the stages return
batch_axis.py          which of its tensors have a batch axis
unparse.py             a graph as the text of a blueprint
keras_object.py        losses, metrics, optimizers and layers that a recipe names
"""
