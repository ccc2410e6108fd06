"""What `$name` and `$(expression)` give, and what they are refused for."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.expressions import EVALUATION_FAILED, count_items, evaluate, parse
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import ScalarNode
from tests.helpers.processor_time import at_most

VARIABLES: dict[str, PlainData] = {
    "a": 3,
    "half": 0.5,
    "yes": True,
    "word": "relu",
    "sizes": [8, 16, 32],
    "nothing": None,
    "row": {"units": 4, "deep": {"rate": 0.5, "for": [1]}},
}


class Shapes:
    """The shapes of the inputs that the documentation names."""

    def find_shape(self, name: str, span: Span) -> list[int | None]:  # noqa: ARG002
        """Return the shape of an input."""
        return {"image": [224, 224, 3], "tokens": [None, 64]}.get(name, [])


DOCUMENTATION = Path(__file__).parents[2] / "docs" / "expressions.md"


DEFAULTS = Limits()


def run(
    text: str, *, quoted: bool = False, limits: Limits = DEFAULTS
) -> tuple[PlainData | object, list[str]]:
    """The value of a text, and the codes of its mistakes with their columns."""
    quotes = 2 if quoted else 0
    source = SourceText("x.yaml", text)
    scalar = ScalarNode(text, Span(source, 1, 1, 1, len(text) + 1 + quotes), quoted=quoted)
    diagnostics = Diagnostics()
    template = parse(scalar, limits, diagnostics)
    value = EVALUATION_FAILED
    if template is not None:
        value = evaluate(template, VARIABLES, limits, diagnostics, Shapes())
    codes = [f"{each.code} {each.span.column}" for each in diagnostics]
    return value, codes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$a", 3),
        ("$(4 * a)", 12),
        ("$(7 / 2)", 3.5),
        ("$(7 // 2)", 3),
        ("$(-7 // 2)", -4),
        ("$(7 % 4)", 3),
        ("$(2 ** 10)", 1024),
        ("$(2 ** 3 ** 2)", 512),
        ("$(-2 ** 2)", -4),
        ("$(2 ** -1)", 0.5),
        ("$(1 + 2 * 3)", 7),
        ("$((1 + 2) * 3)", 9),
        ("$(1e-4)", 1e-4),
        ("$(a > 2 and not yes == false)", True),
        ("$(0 < a <= 3)", True),
        ("$(a if yes else 0)", 3),
        ("$(1 if false else 2 if true else 3)", 2),
        ("$(sizes[0] + sizes[-1])", 40),
        ("$(sizes[1:])", [16, 32]),
        ("$(sizes[:-1])", [8, 16]),
        ("$(sizes[:])", [8, 16, 32]),
        ("$(sizes[1:2][0])", 16),
        ("$(sizes[5:])", []),
        ("$(sum(sizes[:2]))", 24),
        ("$([1, a, 2.5])", [1, 3, 2.5]),
        ("$(sizes + [64])", [8, 16, 32, 64]),
        ("$(16 in sizes)", True),
        ("$(5 not in sizes)", True),
        ("$(1 in [true])", False),
        ("$(word == 'relu')", True),
        ("$('a' + \"b\")", "ab"),
        ("$(nothing == null)", True),
        ("$(max(a, 5))", 5),
        ("$(min(sizes))", 8),
        ("$(sum(sizes))", 56),
        ("$(len(sizes))", 3),
        ("$(abs(-3))", 3),
        ("$(round(2.5))", 2),
        ("$(round(2.567, 1))", 2.6),
        ("$(floor(2.7))", 2),
        ("$(ceil(2.1))", 3),
        ("$(range(3))", [0, 1, 2]),
        ("$(range(3, -1, -1))", [3, 2, 1, 0]),
        ("$(int('12') + int(3.9))", 15),
        ("$(float(2))", 2.0),
        ("$(str(a) + 'x')", "3x"),
        ("$row.units", 4),
        ("$row.deep.rate", 0.5),
        ("$row.deep", {"rate": 0.5, "for": [1]}),
        ("x$row.units.y", "x4.y"),
        ("$word.0", "relu.0"),
        ("$word.out", "relu.out"),
        ("$a.b.c", "3.b.c"),
        ("$(row.units * 2)", 8),
        ("$(row.deep.for[0])", 1),
        ("$(row['un' + 'its'])", 4),
        ("$(2.5 if row.units == 4. else 1)", 2.5),
        ("$('units' in row and 4 not in row)", True),
        ("$(row == row and row != row.deep)", True),
        ("$(len(row))", 2),
        ("$(keys(row))", ["units", "deep"]),
        ("$([r.units for r in [row, row]])", [4, 4]),
        ("$(count(unique([row, row]), row))", 1),
        ("$([x for x in sizes])", [8, 16, 32]),
        ("$([a * x for x in sizes if x > 8])", [48, 96]),
        ("$([x if yes else 0 for x in sizes])", [8, 16, 32]),
        ("$([x + 10 * y for x, y in [[1, 2], [3, 4]]])", [21, 43]),
        ("$([[x * y for y in [1, x]] for x in sizes[:2]])", [[8, 64], [16, 256]]),
        ("$([a for a in range(2)] + [a])", [0, 1, 3]),
        ("$([x for x in [x for x in sizes if x > 8] if x > 16])", [32]),
        ("$([1 for x in []])", []),
        ("$(len([0 for x in range(200)]))", 200),
        ("$(log(1))", 0.0),
        ("$(log(8, 2))", 3.0),
        ("$(exp(0))", 1.0),
        ("$(cos(0))", 1.0),
        ("$(sqrt(9))", 3.0),
        ("$(sorted([3, 1.5, 2]))", [1.5, 2, 3]),
        ("$(sorted(['b', 'a']))", ["a", "b"]),
        ("$(sorted([]))", []),
        ("$(reversed(sizes))", [32, 16, 8]),
        ("$(unique([2, 1, 2, 1.0, true, [1], [1]]))", [2, 1, True, [1]]),
        ("$(count([1, true, 1.0, 2], 1))", 2),
        ("$(count([[8], [8, 8]], [8]))", 1),
        ("$(index(sizes, 32))", 2),
        ("$(zip(sizes, ['a', 'b', 'c']))", [[8, "a"], [16, "b"], [32, "c"]]),
        ("$(enumerate(sizes[1:]))", [[0, 16], [1, 32]]),
        ("$(any([x > 16 for x in sizes]))", True),
        ("$(all([x > 16 for x in sizes]))", False),
        ("$(all([]))", True),
        ("$(divisible(33, 8))", 32),
        ("$(divisible(3, 8))", 8),
        ("$(divisible(36 * 0.75, 8))", 32),
        ("skip$a", "skip3"),
        ("x$(a + 1)y$half", "x4y0.5"),
        ("$$5 and $yes", "$5 and true"),
        ("$sizes", [8, 16, 32]),
    ],
)
def test_expression_values(text: str, value: PlainData):
    """A value that is one name or one expression keeps its type; others are text."""
    result, codes = run(text)
    assert (result, codes) == (value, [])
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$", "expression-syntax 1"),
        ("${a}", "expression-syntax 1"),
        ("a$ b", "expression-syntax 2"),
        ("$()", "expression-syntax 3"),
        ("$(a", "expression-syntax 1"),
        ("$(a b)", "expression-syntax 5"),
        ("$(1 +)", "expression-syntax 6"),
        ("$(a = 3)", "expression-syntax 5"),
        ("$(a.real)", "expression-error 4"),
        ("$(a.__class__)", "expression-error 4"),
        ("$(lambda: 1)", "expression-syntax 3"),
        ("$(row.)", "expression-syntax 7"),
        ("$(row.5)", "expression-syntax 6"),
        ("$(row.unit)", "unknown-key 7"),
        ("$row.deep.rat", "unknown-key 11"),
        ("$rows.unit", "unknown-parameter 1"),
        ("$(row.units.x)", "expression-error 12"),
        ("$(row[0])", "expression-error 7"),
        ("$(row.units())", "expression-syntax 12"),
        ("$(row < row)", "expression-error 7"),
        ("$(sizes['units'])", "expression-error 8"),
        ("$(keys(sizes))", "expression-error 3"),
        ("x$row", "expression-error 2"),
        ("$sizes.x", "expression-error 1"),
        ("$([x for x in sizes for y in sizes])", "expression-syntax 21"),
        ("$([x for 3 in sizes])", "expression-syntax 10"),
        ("$([x for if in sizes])", "expression-syntax 10"),
        ("$([x for true in sizes])", "expression-syntax 10"),
        ("$([x for x of sizes])", "expression-syntax 12"),
        ("$([x, a for x in sizes])", "expression-syntax 9"),
        ("$([x for x in a])", "expression-error 6"),
        ("$([x for x in sizes if x])", "expression-error 6"),
        ("$([x for x, y in sizes])", "expression-error 6"),
        ("$([x for x, y in [[1, 2], [1]]])", "expression-error 6"),
        ("$([x for x in x])", "unknown-parameter 15"),
        ("$([y for x in sizes])", "unknown-parameter 4"),
        ("$([x for x in sizes] + [x])", "unknown-parameter 25"),
        ("$(x for x in sizes)", "expression-syntax 5"),
        ("$(round())", "expression-error 3"),
        ("$(round(1, 2, 3) if no else 1)", "expression-error 3"),
        ("$(log(0))", "expression-error 3"),
        ("$(log(2, 1))", "expression-error 3"),
        ("$(sqrt(-1))", "expression-error 3"),
        ("$(exp(1000))", "expression-error 3"),
        ("$(sorted([1, 'a']))", "expression-error 3"),
        ("$(sorted([true]))", "expression-error 3"),
        ("$(index(sizes, 5))", "expression-error 3"),
        ("$(zip(sizes, [1]))", "expression-error 3"),
        ("$(all([1]))", "expression-error 3"),
        ("$([[range(99) for x in range(99)] for y in range(99)])", "limit-exceeded 15"),
        ("$([range(999) for x in range(99)])", "limit-exceeded 4"),
        ("$(sizes[0:1:2])", "expression-syntax 12"),
        ("$(sizes[])", "expression-syntax 9"),
        ("$(a:b)", "expression-syntax 4"),
        ("$(3[1:])", "expression-error 4"),
        ("$(sizes['a':])", "expression-error 8"),
        ("$(\uff11)", "expression-syntax 3"),
        ("$(\uff41)", "expression-syntax 3"),
        ("$(open('x'))", "expression-error 3"),
        ("$(maxi(1, 2))", "expression-error 3"),
        ("$(b + 1)", "unknown-parameter 3"),
        ("$missing", "unknown-parameter 1"),
        ("$(1 / 0)", "expression-error 5"),
        ("$(1 % 0)", "expression-error 5"),
        ("$(0 ** -1)", "expression-error 5"),
        ("$(sizes[3])", "expression-error 9"),
        ("$(word[0])", "expression-error 7"),
        ("$(yes + 1)", "expression-error 7"),
        ("$(word * 3)", "expression-error 8"),
        ("$(word < 3)", "expression-error 8"),
        ("$(not a)", "expression-error 3"),
        ("$(a if a else 1)", "expression-error 5"),
        ("$(max())", "expression-error 3"),
        ("$(divisible(1, 0))", "expression-error 3"),
        ("$(9 ** 9 ** 9)", "expression-error 5"),
        ("$(2 ** 63)", "expression-error 5"),
        ("$(9000000000000000000 * 9)", "expression-error 23"),
        ("$(99999999999999999999)", "expression-syntax 3"),
        ("$(1e308 * 10)", "expression-error 9"),
        ("$(range(10 ** 9))", "limit-exceeded 3"),
        ("$(int('1' + '0'))x$sizes", "expression-error 19"),
        ("$(" + "(" * 40 + "1" + ")" * 40 + ")", "limit-exceeded 35"),
        ("$(" + "1 + " * 200 + "1)", "limit-exceeded 403"),
        ("$(" + "1 ** " * 40 + "1)", "limit-exceeded 160"),
    ],
)
def test_expression_errors(text: str, expected: str):
    """Each with its code, at the very character."""
    assert run(text) == (EVALUATION_FAILED, [expected])


@pytest.mark.parametrize(
    ("text", "value", "codes"),
    [
        ("$(" + "1 + " * 5000 + "a)", 5003, []),
        ("$(" + "1 + " * 5000 + "b)", EVALUATION_FAILED, ["unknown-parameter 20003"]),
        ("$(" + "1 * " * 5000 + "a)", 3, []),
        ("$(" + "yes and " * 5000 + "yes)", True, []),
        ("$(" + "1 < " * 5000 + "a)", False, []),
        ("$(len(sizes" + "[:]" * 5000 + "))", 3, []),
        ("$(sizes[0]" + "[0]" * 5000 + ")", EVALUATION_FAILED, ["expression-error 11"]),
        ("$(" + "1 ** " * 5000 + "1)", EVALUATION_FAILED, ["limit-exceeded 160"]),
        ("$(" + "(" * 5000 + "1" + ")" * 5000 + ")", EVALUATION_FAILED, ["limit-exceeded 35"]),
        ("$(" + "-" * 5000 + "1)", EVALUATION_FAILED, ["limit-exceeded 34"]),
    ],
)
def test_long_chains_with_higher_limits(text: str, value: PlainData, codes: list[str]):
    """A chain of any length is evaluated; nesting has a limit of its own."""
    limits = Limits(expression_tokens=100_000, expression_operations=100_000)
    assert run(text, limits=limits) == (value, codes)


def test_operations_of_a_chain_are_counted():
    """The error is at the first operation beyond the limit, and the rest is not evaluated."""
    limits = Limits(expression_operations=5)
    assert run("$(1 + 1 + 1)", limits=limits) == (3, [])
    assert run("$(1 + 1 + 1 + 1)", limits=limits) == (EVALUATION_FAILED, ["limit-exceeded 11"])
    assert run("$(yes or a + b + 1)", limits=limits) == (True, [])


def test_locations_in_quoted_text():
    """A quoted text starts one column later, and one with escapes is marked as a whole."""
    assert run("$(b)", quoted=True)[1] == ["unknown-parameter 4"]
    text, source = "$(b)", SourceText("x", '"\\x24(b)"')
    diagnostics = Diagnostics()
    template = parse(
        ScalarNode(text, Span(source, 1, 1, 1, 10), quoted=True), Limits(), diagnostics
    )
    assert template is not None
    evaluate(template, {}, Limits(), diagnostics)
    assert next(iter(diagnostics)).span == Span(source, 1, 1, 1, 10)


def test_powers_of_floats_are_bounded_by_their_type():
    """Up to the largest float; 2**63 is the bound of integers alone."""
    assert run("$(2.0 ** 1023.9)") == (2.0**1023.9, [])
    assert run("$(2 ** 1023.5)") == (2**1023.5, [])
    for text, words in (
        ("$(2.0 ** 1024)", "not a finite number"),
        ("$(0.5 ** -2000)", "not a finite number"),
        ("$(2 ** 64)", "larger than 2**63"),
    ):
        diagnostics = Diagnostics()
        span = Span(SourceText("x.yaml", text), 1, 1, 1, len(text) + 1)
        template = parse(ScalarNode(text, span), Limits(), diagnostics)
        assert template is not None
        evaluate(template, {}, Limits(), diagnostics)
        assert [words in each.message for each in diagnostics] == [True]


@pytest.mark.parametrize("text", ["$(m + 1)", "$(m[0])", "x$m", "$(not m)", "$(int(m))"])
def test_messages_do_not_print_mappings(text: str):
    """They name the type, as with lists."""
    span = Span(SourceText("x.yaml", text), 1, 1, 1, len(text) + 1)
    diagnostics = Diagnostics()
    template = parse(ScalarNode(text, span), Limits(), diagnostics)
    assert template is not None
    evaluate(template, {"m": {"key": "value" * 100}}, Limits(), diagnostics)
    (diagnostic,) = diagnostics
    assert "a mapping" in diagnostic.message
    assert "key" not in diagnostic.message


@pytest.mark.parametrize(
    "text",
    [
        "$(range(10 ** 9))",
        "$(9 ** 9 ** 9 ** 9)",
        "$(" + "sizes + " * 90 + "sizes)",
        "$(sum(range(9999)) + " * 10 + "0" + ")" * 10,
        "$(" + "range(9999) + " * 60 + "[])",
        "$(" + "9 ** 9 * " * 60 + "9)",
        "$(" + "[" * 16 + "x" + " for x in range(9999)]" * 16 + ")",
        "$([[[y for y in range(9999)] for x in range(9999)] for z in range(9999)])",
        "$([0 if sorted(range(9999)) == range(9999) else 1 for x in range(9999)])",
        "$([len(unique([[x], range(9998)])) for x in range(9999)])",
        "$([len(zip(sizes, sizes, sizes)) for x in range(9999)])",
        "$([" + "'abcdefghi' + " * 60 + "str(x) for x in range(9999)])",
    ],
)
def test_evaluation_cost_is_bounded(text: str):
    """The most expensive expressions are refused, or done, at once."""
    with at_most(seconds=0.5):
        run(text)


@settings(max_examples=5 * settings().max_examples)
@given(st.text(alphabet="$()[],.row+-*/%<>=! aitz019'\"_ef", max_size=40))
def test_fuzz_text(text: str):
    """Nothing else comes out, and a mistake is reported just when there is no value."""
    value, codes = run(text)
    assert (value is EVALUATION_FAILED) == bool(codes)


OPERANDS = "a half yes word sizes nothing 0 1 2.5 1e3 'x' [ ] ( ) , if else in not and or for"
OPERANDS += " row . units deep"
OPERATORS = "+ - * / // % ** < <= == != > min max len sum range int str divisible round"
OPERATORS += " sorted unique count index zip enumerate log keys"
TOKENS = st.sampled_from(f"{OPERANDS} {OPERATORS}".split())


@settings(max_examples=5 * settings().max_examples)
@given(st.lists(TOKENS, max_size=15))
def test_fuzz_words(words: list[str]):
    """Words of the language in any order."""
    value, codes = run(f"$({' '.join(words)})")
    assert (value is EVALUATION_FAILED) == bool(codes)


LISTS = st.recursive(
    st.sampled_from(["sizes", "range(9999)", "range(n)", "[n, n]"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: f"[{two[0]} for n in {two[1]}]"),
        st.tuples(inner, inner).map(lambda two: f"zip({two[0]}, {two[1]})"),
        inner.map(lambda text: f"[len([n for m in {text}]) for n in {text}]"),
        inner.map(lambda text: f"{text} + {text}"),
        inner.map(lambda text: f"unique({text})"),
        inner.map(lambda text: f"sorted([len(enumerate({text})) for x in {text}])"),
    ),
    max_leaves=8,
)


@given(LISTS)
def test_lists_of_lists_are_bounded(text: str):
    """However lists nest: in time, and in the items of the result."""
    with at_most(seconds=0.5):
        value, codes = run(f"$([{text} for n in range(9999)])")
    assert (value is EVALUATION_FAILED) == bool(codes)
    if isinstance(value, list):
        assert count_items(value, 10**6) <= DEFAULTS.list_items


def _combined(
    parts: tuple[tuple[str, Fraction], str, tuple[str, Fraction]],
) -> tuple[str, Fraction]:
    (left, x), sign, (right, y) = parts
    values = {"+": x + y, "-": x - y, "*": x * y, "/": x / y if y else Fraction(0)}
    return (f"({left} {sign} {right})" if sign != "/" or y else "0", values[sign])


numbers = st.integers(0, 1000).map(lambda number: (str(number), Fraction(number)))
arithmetic = st.recursive(
    numbers,
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(_combined),
    max_leaves=12,
)


@given(arithmetic)
def test_fuzz_arithmetic(case: tuple[str, Fraction]):
    """Values of any arithmetic are right, as far as floats go."""
    text, exact = case
    value, codes = run(f"$({text})")
    if codes:
        assert abs(exact) > 10**15
    else:
        assert isinstance(value, int | float)
        assert math.isclose(value, exact, rel_tol=1e-9, abs_tol=1e-6)


def test_examples_of_the_documentation():
    """Every row of the tables with an example and its value."""
    rows = re.findall(r"^\| `(\$[^`]+)` \| `([^`]+)` \|", DOCUMENTATION.read_text(), re.MULTILINE)
    assert len(rows) > 20
    for text, shown in rows:
        value, codes = run(text)
        assert codes == [], text
        assert repr(value) == shown, text


@given(st.text("ab.$()[]'\" 01_iµ,+", max_size=30))
def test_names_of_tensors_are_read_or_refused(name: str):
    """What stands in the brackets of `shape` is a name, or an error within the text."""
    value, codes = run(f"$(shape({name}))")
    if value is EVALUATION_FAILED:
        (code,) = codes
        assert 1 <= int(code.partition(" ")[2]) <= len(name) + 11
    else:
        assert re.fullmatch(r"\$\(shape\( *[a-z_$][a-z0-9_.$]* *\)\).*", f"$(shape({name}))")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$(shape( image ))", [224, 224, 3]),
        ("$(shape(image)[:2] + [channels(image)])", [224, 224, 3]),
        ("$([2 * size for size in shape(image)])", [448, 448, 6]),
        ("size$(channels(tokens))", "size64"),
        ("$(channels(image$(a)))", None),
        ("$(channels(im$word))", None),
        ("$(channels(nothing))", None),
    ],
)
def test_shapes(text: str, value: PlainData):
    """Shapes are lists, and the name of a tensor may contain the value of a parameter."""
    assert run(text)[0] == (EVALUATION_FAILED if value is None else value)
