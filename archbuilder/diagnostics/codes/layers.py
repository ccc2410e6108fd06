"""Codes of layers, blocks and imports, and of what is given to them."""

from __future__ import annotations

from typing import Final

from archbuilder.diagnostics.codes.explanation import HEADER, HEADS_FILE, Explanation

_LAYERS: Final = (
    Explanation(
        code="unknown-layer",
        title="Keras has no layer of this name",
        text="""\
Names in CamelCase are layers of Keras, spelled as Keras spells them; names behind 'ops.' are
functions of keras.ops. Blocks of your own are in lower case.""",
        wrong=f"""\
{HEADER}layers:
  - Convolution: {{filters: 8, kernel_size: 3}}
""",
        right=f"""\
{HEADER}layers:
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
{HEADER}layers:
  - Lambda: "lambda x: x * x"
""",
        right=f"""\
{HEADER}layers:
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
{HEADER}blocks:
  fire:
    layers:
      - Conv2D: {{filters: 8, kernel_size: 1}}
layers:
  - fire
  - frie
""",
        right=f"""\
{HEADER}blocks:
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
{HEADER}layers:
  - Flatten
  - heads.classifier
""",
        right=f"""\
{HEADER}imports:
  heads: ./heads.yaml
layers:
  - Flatten
  - heads.classifier
""",
        imported_files=(HEADS_FILE,),
    ),
    Explanation(
        code="recursion",
        title="Something is defined by itself",
        text="""\
A block uses itself, directly or through others, so that writing it out would never end; or
the default of a parameter depends on itself. To use a block several times in a row, use
'repeat'.""",
        wrong=f"""\
{HEADER}blocks:
  unit:
    layers:
      - Conv2D: {{filters: 8, kernel_size: 3, padding: same}}
      - unit
layers:
  - unit
""",
        right=f"""\
{HEADER}blocks:
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
{HEADER}imports:
  self: ./blueprint.yaml
layers:
  - Flatten
  - self
""",
        right=f"""\
{HEADER}layers:
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
{HEADER}layers:
  - Conv2D: {{filter: 64, filters: 64, kernel_size: 3}}
""",
        right=f"""\
{HEADER}layers:
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
{HEADER}layers:
  - Conv2D: {{filters: 64}}
""",
        right=f"""\
{HEADER}layers:
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
{HEADER}layers:
  - MaxPooling2D: {{pool_size: 2, name: smaller}}
""",
        right=f"""\
{HEADER}layers:
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
{HEADER}layers:
  - Flatten
  - Dense: "10"
""",
        right=f"""\
{HEADER}layers:
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
{HEADER}layers:
  - Flatten
  - Dense: -3
""",
        right=f"""\
{HEADER}layers:
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
{HEADER}layers:
  - Conv2D: {{filters: 8, kernel_size: 3, padding: some}}
""",
        right=f"""\
{HEADER}layers:
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
{HEADER}layers:
  - Flatten
  - Dense: {{units: 10, kernel_initializer: HeNromal}}
""",
        right=f"""\
{HEADER}layers:
  - Flatten
  - Dense: {{units: 10, kernel_initializer: HeNormal}}
""",
    ),
)

EXPLANATIONS: Final = (*_LAYERS, *_ARGUMENTS)
