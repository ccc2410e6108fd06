"""Codes of names and values that do not fit what they are given to."""

from __future__ import annotations

from typing import Final

from archbuilder.codes.explanation import HEAD, HEADS, Explanation

_LAYERS: Final = (
    Explanation(
        code="unknown-layer",
        title="Keras has no layer of this name",
        text="""\
Names in CamelCase are layers of Keras, spelled as Keras spells them; names behind 'ops.' are
functions of keras.ops. Blocks of your own are in lower case.""",
        wrong=f"""\
{HEAD}layers:
  - Convolution: {{filters: 8, kernel_size: 3}}
""",
        right=f"""\
{HEAD}layers:
  - Conv2D: {{filters: 8, kernel_size: 3}}
""",
    ),
    Explanation(
        code="refused-layer",
        title="A layer that blueprints do not use",
        text="""\
Some layers of Keras run code that is given to them, or read files (Lambda, TFSMLayer). A
blueprint is data and may come from a stranger, so they are not there. The functions of
keras.ops, as in '- ops.square', take the place of most uses of Lambda.""",
        wrong=f"""\
{HEAD}layers:
  - Lambda: "lambda x: x * x"
""",
        right=f"""\
{HEAD}layers:
  - ops.square
""",
    ),
    Explanation(
        code="unknown-block",
        title="There is no block of this name",
        text="""\
A step in lower case is a block of the same file, an import, or a block of an import
(resnet.bottleneck). Layers of Keras begin with a capital letter: it is Dense, not dense.""",
        wrong=f"""\
{HEAD}blocks:
  fire:
    layers:
      - Conv2D: {{filters: 8, kernel_size: 1}}
layers:
  - fire
  - frie
""",
        right=f"""\
{HEAD}blocks:
  fire:
    layers:
      - Conv2D: {{filters: 8, kernel_size: 1}}
layers:
  - fire
  - fire
""",
    ),
    Explanation(
        code="unknown-import",
        title="Nothing is imported under this name",
        text="""\
A name with a dot in it is a block of an import, and there is no import of that name. Imports
are declared in the file that uses them: imports: {heads: ./heads.yaml}.""",
        wrong=f"""\
{HEAD}layers:
  - Flatten
  - heads.classifier
""",
        right=f"""\
{HEAD}imports:
  heads: ./heads.yaml
layers:
  - Flatten
  - heads.classifier
""",
        beside=(HEADS,),
    ),
    Explanation(
        code="recursion",
        title="Something is defined by itself",
        text="""\
A block uses itself, directly or through others, so that writing it out would never end; or
the default of a parameter depends on itself. To use a block several times in a row, use
'repeat'.""",
        wrong=f"""\
{HEAD}blocks:
  unit:
    layers:
      - Conv2D: {{filters: 8, kernel_size: 3, padding: same}}
      - unit
layers:
  - unit
""",
        right=f"""\
{HEAD}blocks:
  unit:
    layers:
      - Conv2D: {{filters: 8, kernel_size: 3, padding: same}}
layers:
  - unit:
    repeat: 3
""",
    ),
    Explanation(
        code="import-cycle",
        title="Files import each other",
        text="""\
A file imports one that, directly or through others, imports it again. Move what both need
into a third file that imports neither.""",
        wrong=f"""\
{HEAD}imports:
  self: ./blueprint.yaml
layers:
  - Flatten
  - self
""",
        right=f"""\
{HEAD}layers:
  - Flatten
""",
    ),
)

_ARGUMENTS: Final = (
    Explanation(
        code="unknown-argument",
        title="A layer or block has no argument of this name",
        text="""\
The arguments of a layer are those of its Keras constructor, under the same names; those of a
block are its params. What is given to the call, as training or use_causal_mask, stands under
'call' beside the layer.""",
        wrong=f"""\
{HEAD}layers:
  - Conv2D: {{filter: 64, filters: 64, kernel_size: 3}}
""",
        right=f"""\
{HEAD}layers:
  - Conv2D: {{filters: 64, kernel_size: 3}}
""",
    ),
    Explanation(
        code="missing-argument",
        title="An argument without a default is not given",
        text="""\
The constructor of the layer needs this argument, or the block declares it without a default
(params: {filters: }).""",
        wrong=f"""\
{HEAD}layers:
  - Conv2D: {{filters: 64}}
""",
        right=f"""\
{HEAD}layers:
  - Conv2D: {{filters: 64, kernel_size: 3}}
""",
    ),
    Explanation(
        code="refused-argument",
        title="An argument that blueprints do not set",
        text="""\
Keras has this argument, but it reads files, runs code, names Python objects, or is set by
archbuilder itself. The name of a layer, for example, is the 'name' beside it, since it
becomes a path.""",
        wrong=f"""\
{HEAD}layers:
  - MaxPooling2D: {{pool_size: 2, name: smaller}}
""",
        right=f"""\
{HEAD}layers:
  - MaxPooling2D: 2
    name: smaller
""",
    ),
    Explanation(
        code="wrong-type",
        title="A value of the wrong type",
        text="""\
The argument or parameter takes another type: text where a number is taken, a number where a
list is, or true where an integer is. A number in quotes is text.""",
        wrong=f"""\
{HEAD}layers:
  - Flatten
  - Dense: "10"
""",
        right=f"""\
{HEAD}layers:
  - Flatten
  - Dense: 10
""",
    ),
    Explanation(
        code="out-of-range",
        title="A number beyond what is taken",
        text="""\
The value has the right type but is too small or too large: no layer has minus three units,
and a parameter may declare a minimum and a maximum of its own.""",
        wrong=f"""\
{HEAD}layers:
  - Flatten
  - Dense: -3
""",
        right=f"""\
{HEAD}layers:
  - Flatten
  - Dense: 3
""",
    ),
    Explanation(
        code="unknown-value",
        title="Not one of the words that are taken",
        text="""\
The argument takes one of a few words, which the message lists.""",
        wrong=f"""\
{HEAD}layers:
  - Conv2D: {{filters: 8, kernel_size: 3, padding: some}}
""",
        right=f"""\
{HEAD}layers:
  - Conv2D: {{filters: 8, kernel_size: 3, padding: same}}
""",
    ),
    Explanation(
        code="unknown-object",
        title="Keras has no object of this name",
        text="""\
Initializers, regularizers, constraints, activations and the like are named as Keras names
them, with their arguments behind: kernel_initializer: {HeNormal: {seed: 1}}.""",
        wrong=f"""\
{HEAD}layers:
  - Flatten
  - Dense: {{units: 10, kernel_initializer: HeNromal}}
""",
        right=f"""\
{HEAD}layers:
  - Flatten
  - Dense: {{units: 10, kernel_initializer: HeNormal}}
""",
    ),
)

_PARAMETERS: Final = (
    Explanation(
        code="unknown-parameter",
        title="There is no parameter of this name",
        text="""\
A formula ($name), a variant, an import or --set names a parameter that is not declared. A
block sees its own params and those of the file that it is written in, and the variables of
'for' and 'repeat' around the step.""",
        wrong=f"""\
{HEAD}params:
  classes: 10
layers:
  - Flatten
  - Dense: $classes
variants:
  large: {{clases: 1000}}
""",
        right=f"""\
{HEAD}params:
  classes: 10
layers:
  - Flatten
  - Dense: $classes
variants:
  large: {{classes: 1000}}
""",
    ),
    Explanation(
        code="missing-parameter",
        title="A parameter without a default is not given",
        text="""\
The blueprint declares a parameter and no default for it, so whoever uses it must give a
value: with --set name=value, by a variant, or in the import. Or give it a default.""",
        wrong=f"""\
{HEAD}params:
  classes:
layers:
  - Flatten
  - Dense: $classes
""",
        right=f"""\
{HEAD}params:
  classes: 10
layers:
  - Flatten
  - Dense: $classes
""",
    ),
    Explanation(
        code="unknown-name",
        title="No earlier step has this name",
        text="""\
'from', 'use' and 'outputs' name inputs of the block and steps with a 'name' that stand
before. Names inside a block are its own and are not seen from outside.""",
        wrong=f"""\
{HEAD}layers:
  - Conv2D: {{filters: 1, kernel_size: 3, padding: same}}
    name: features
  - Add:
    from: [feature, image]
""",
        right=f"""\
{HEAD}layers:
  - Conv2D: {{filters: 1, kernel_size: 3, padding: same}}
    name: features
  - Add:
    from: [features, image]
""",
    ),
    Explanation(
        code="unknown-output",
        title="A step has no output of this name",
        text="""\
Behind the dot stands an output: one that the block names under 'outputs', or the number of
one of a layer with several outputs, counted from 0 (lstm.1).""",
        wrong="""\
archbuilder: 1
inputs:
  words: [20, 8]
layers:
  - LSTM: {units: 4, return_state: true}
    name: lstm
  - Dense: 10
    from: lstm.hidden
""",
        right="""\
archbuilder: 1
inputs:
  words: [20, 8]
layers:
  - LSTM: {units: 4, return_state: true}
    name: lstm
  - Dense: 10
    from: lstm.1
""",
    ),
    Explanation(
        code="unknown-variant",
        title="The blueprint has no variant of this name",
        text="""\
The name behind the colon (resnet:50), behind --variant, or under 'expect' is none of those
under 'variants'. 'archbuilder list' shows the variants of the library.""",
        wrong=f"""\
{HEAD}params:
  classes: 10
layers:
  - Flatten
  - Dense: $classes
variants:
  large: {{classes: 1000}}
expect:
  larger: {{output: [null, 1000]}}
""",
        right=f"""\
{HEAD}params:
  classes: 10
layers:
  - Flatten
  - Dense: $classes
variants:
  large: {{classes: 1000}}
expect:
  large: {{output: [null, 1000]}}
""",
    ),
    Explanation(
        code="wrong-inputs",
        title="Too many or too few inputs",
        text="""\
A layer or block is given another number of inputs than it takes. A step with several outputs,
such as 'branches' without 'merge', gives all of them to the next one: join them with 'merge',
or name the inputs that are meant with 'from'.""",
        wrong=f"""\
{HEAD}layers:
  - branches:
      - - MaxPooling2D: 2
      - - AveragePooling2D: 2
  - Flatten
""",
        right=f"""\
{HEAD}layers:
  - branches:
      - - MaxPooling2D: 2
      - - AveragePooling2D: 2
    merge: Concatenate
  - Flatten
""",
    ),
    Explanation(
        code="unequal-lists",
        title="The lists of a loop have different lengths",
        text="""\
The lists of one 'for' run side by side, so all of them have the same length. For every
combination, put one loop inside the other.""",
        wrong=f"""\
{HEAD}layers:
  - for: {{filters: [8, 16, 32], size: [5, 3]}}
    layers:
      - Conv2D: {{filters: $filters, kernel_size: $size}}
""",
        right=f"""\
{HEAD}layers:
  - for: {{filters: [8, 16, 32], size: [5, 3, 3]}}
    layers:
      - Conv2D: {{filters: $filters, kernel_size: $size}}
""",
    ),
)

EXPLANATIONS: Final = (*_LAYERS, *_ARGUMENTS, *_PARAMETERS)
