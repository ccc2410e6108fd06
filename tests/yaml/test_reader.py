"""Text into positioned trees: where everything stands, and what a stranger's file may not hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.hostile_yaml import HOSTILE
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archbuilder.diagnostics.errors import BlueprintError, Diagnostic
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import MappingNode, ScalarNode, SequenceNode, Tree, to_plain
from archbuilder.yaml.reader import parse_yaml

CASES = Path(__file__).parents[1] / "cases"
LIMITS = Limits()
MEGABYTE = 2**20


def read(text: str | bytes) -> Tree:
    return parse_yaml(text, "net.yaml", LIMITS)


def mistakes(text: str | bytes) -> tuple[Diagnostic, ...]:
    """What is wrong with a text that is refused."""
    with pytest.raises(BlueprintError) as caught:
        read(text)
    return caught.value.diagnostics


def places(text: str | bytes) -> list[str]:
    """The mistakes of a text as 'code line:column'."""
    return [f"{each.code} {each.span.line}:{each.span.column}" for each in mistakes(text)]


def value_of(tree: Tree, *path: str | int) -> Tree:
    """The tree at the end of a path of keys and places."""
    for step in path:
        if isinstance(step, str):
            assert isinstance(tree, MappingNode)
            entry = tree.get(step)
            assert entry is not None
            tree = entry.value
        else:
            assert isinstance(tree, SequenceNode)
            tree = tree.items[step]
    return tree


def span_of(tree: Tree) -> tuple[int, int, int, int]:
    span = tree.span
    return span.line, span.column, span.end_line, span.end_column


# Good files


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, {c: d}]\n", {"a": 1, "b": ["x", {"c": "d"}]}),
        ("- 1\n- - 2\n  - 3\n", [1, [2, 3]]),
        ("---\na: 1\n", {"a": 1}),
        ("a: 1\n...\n", {"a": 1}),
        ("# a comment\na: 1 # another\n", {"a": 1}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("{a, b: }", {"a": None, "b": None}),
        ("a: >-\n  one\n  two\nb: |\n  one\n  two\n", {"a": "one two", "b": "one\ntwo\n"}),
        ("1: a\ntrue: b\n'<<': c", {"1": "a", "true": "b", "<<": "c"}),
        ('a: "\\u00e9\\n"', {"a": "\u00e9\n"}),
        ("größe: 層", {"größe": "層"}),
    ],
)
def test_read_values(text: str, value: PlainData) -> None:
    """Ordinary YAML is read as everybody expects."""
    assert to_plain(read(text)) == value


def test_bytes_are_read_as_text() -> None:
    """UTF-8, with and without a mark of its byte order."""
    assert to_plain(read("a: é".encode())) == {"a": "é"}
    assert to_plain(read("a: é".encode("utf-8-sig"))) == {"a": "é"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs"))),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcdef_", min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_json_is_yaml(value: PlainData) -> None:
    """What `json` writes is read as the same value."""
    tree = read(json.dumps(value))
    assert to_plain(tree) == value
    assert json.dumps(to_plain(tree)) == json.dumps(value), "types are kept too"


# Places

PLACED = """\
a: 1
'key': "quoted"
größe: [é, {x: 2}]
block:
  - one
  - k: v
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("a",), (1, 4, 1, 5)),
        (("key",), (2, 8, 2, 16)),
        (("größe",), (3, 8, 3, 19)),
        (("größe", 0), (3, 9, 3, 10)),
        (("größe", 1), (3, 12, 3, 18)),
        (("größe", 1, "x"), (3, 16, 3, 17)),
        (("block", 0), (5, 5, 5, 8)),
        (("block", 1, "k"), (6, 8, 6, 9)),
    ],
)
def test_value_locations(path: tuple[str | int, ...], expected: tuple[int, ...]) -> None:
    """Lines and columns count characters from 1, quotes included, and end behind the value."""
    assert span_of(value_of(read(PLACED), *path)) == expected


def test_key_locations() -> None:
    """A key has its own place."""
    tree = read(PLACED)
    assert isinstance(tree, MappingNode)
    assert [(each.key, each.key_span.line, each.key_span.column) for each in tree] == [
        ("a", 1, 1), ("key", 2, 1), ("größe", 3, 1), ("block", 4, 1),
    ]  # fmt: skip


def test_quoted_numbers_are_text() -> None:
    """A number in quotes is text, and the tree tells it from a word."""
    tree = read("[1, '1', \"1\", word]")
    assert isinstance(tree, SequenceNode)
    scalars = [each for each in tree.items if isinstance(each, ScalarNode)]
    assert [each.value for each in scalars] == [1, "1", "1", "word"]
    assert [each.quoted for each in scalars] == [False, True, True, False]


# Aliases


def test_aliases_share_their_tree() -> None:
    """An alias is the very tree that its anchor marks, the latest of that name."""
    tree = read("a: &x [1, 2]\nb: *x\nc: &x 3\nd: *x\n")
    assert to_plain(tree) == {"a": [1, 2], "b": [1, 2], "c": 3, "d": 3}
    assert value_of(tree, "a") is value_of(tree, "b")


def test_alias_size_limit() -> None:
    """Aliases are bounded by what they stand for, before it is made."""
    items = ", ".join("x" * 999)
    text = f"a: &a [{items}]\nb: [{', '.join(['*a'] * 97)}]\n"
    assert len(to_plain(read(text))["b"]) == 97
    assert places(text + "c: *a\nd: *a\n") == ["limit-exceeded 4:4"]


def test_alias_depth_limit() -> None:
    """Nesting through aliases is nesting."""
    nest = "a: &a " + "[" * 40 + "]" * 40 + "\nb: {}[*a]{}\n"
    assert read(nest.format("[" * 22, "]" * 22)) is not None
    assert places(nest.format("[" * 23, "]" * 23)) == ["limit-exceeded 2:28"]


# What is refused


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(name: str) -> None:
    """Each for its own reason, at its place, with nothing else reported before it."""
    text, expected = HOSTILE[name]
    assert places(text)[0] == expected


def test_limit_errors_name_the_option() -> None:
    """The message names the option."""
    assert mistakes("[" * 65)[0].notes == ("raise it with --limit depth=N",)
    assert parse_yaml("[" * 65 + "]" * 65, "net.yaml", Limits().replace(depth=65)) is not None


CHILD = """
import resource, sys, time
from pathlib import Path
import archbuilder
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
start = time.process_time()
try:
    archbuilder.load(sys.argv[1])
except archbuilder.BlueprintError as error:
    print(error.diagnostics[0].code)
print(time.process_time() - start)
# What getrusage says holds the peak of the process that started this one, too.
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
WORST = [
    "100,000 brackets", "100,000 braces", "100,000 dashes", "a hundred thousand values",
    "billion laughs", "merge bomb", "10,000 documents", "60,000 hexadecimal digits",
]  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("name", WORST)
def test_hostile_files_are_cheap(name: str, tmp_path: Path) -> None:
    """A process of its own refuses the worst of them within 2 seconds and 300 MB."""
    text, expected = HOSTILE[name]
    path = tmp_path / "net.yaml"
    path.write_text(str(text))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True
    )
    code, seconds, kilobytes = done.stdout.split()
    assert code == expected.split()[0]
    assert float(seconds) < 2
    assert int(kilobytes) * 1024 < 300 * MEGABYTE


# Duplicate keys


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_locations_do_not_depend_on_the_kind_of_line_break(line_break: str) -> None:
    """Of a character that is not allowed, and of a byte that is not UTF-8."""
    text = f"a: 1{line_break}b: \u202ex{line_break}"
    assert places(text) == places(text.encode()) == ["invalid-character 2:4"]
    content = f"a: 1{line_break}{line_break}b: ".encode() + b"\xff"
    assert places(content) == ["invalid-encoding 3:1"]


def test_size_limit_counts_bytes() -> None:
    """A Chinese character takes three bytes of UTF-8, whether text or bytes are read."""
    text = "a: \u4e2d\u6587\n"
    for content in (text, text.encode()):
        assert read(content)
        parse_yaml(content, "x.yaml", Limits(file_bytes=10))
        with pytest.raises(BlueprintError, match="more than 9 bytes"):
            parse_yaml(content, "x.yaml", Limits(file_bytes=9))


def test_duplicate_keys() -> None:
    """Both places are told, and the mistakes behind them are found too."""
    (first, second) = mistakes("a: 1\nb:\n  c: 1\n  c: 2\na: {d: 3}\n")
    assert (first.code, first.span.line, first.span.column) == ("duplicate-key", 4, 3)
    assert first.notes == ("it is first defined at net.yaml:3:3",)
    assert second.message == "duplicate key 'a'"
    assert second.notes == ("it is first defined at net.yaml:1:1",)


def test_quoted_duplicate_keys() -> None:
    """Keys are texts: `1` and `"1"` are the same."""
    assert places("1: a\n'1': b") == ["duplicate-key 2:1"]


def test_several_errors_at_once() -> None:
    """What can be read is read to the end."""
    text = "a: 010\nb: .inf\nc: !x 1\na: 2\nd: {<<: 1}\n"
    assert [each.split()[0] for each in places(text)] == [
        "ambiguous-value",
        "invalid-number",
        "unsupported-yaml",
        "duplicate-key",
        "unsupported-yaml",
    ]


# What newcomers get wrong


@pytest.mark.parametrize(
    ("text", "expected", "words"),
    [
        ("a:\n\tb: 1", "yaml-syntax 2:1", "with spaces, not tabs"),
        ("a:\n  b: 1\n\tc: 1", "yaml-syntax 3:1", "with spaces, not tabs"),
        ("a: 'x", "yaml-syntax 1:4", "quote opened here is not closed"),
        ('a: 1\nb: "x\n\nc: 2\n', "yaml-syntax 2:4", "quote opened here is not closed"),
        ("a: [1, 2", "yaml-syntax 1:4", "bracket opened here is not closed"),
        ("a: {b: 1\n\n", "yaml-syntax 1:4", "bracket opened here is not closed"),
        ("a: [1, 2\nb: 3\n", "yaml-syntax 2:2", "missing ',' or ']'"),
        ("a: [1}", "yaml-syntax 1:6", "missing ',' or ']'"),
        ("a: ]", "yaml-syntax 1:4", "missing value or closing bracket"),
        ("a: {f: ${x}}", "expression-syntax 1:8", "write $name or $(expression)"),
        ("a: [${x}]", "expression-syntax 1:5", "write $name or $(expression)"),
        ("a: {f: $(max(a, b))}", "expression-syntax 1:8", "this expression is incomplete"),
        ("a: [$(max(a, b))]", "expression-syntax 1:5", "this expression is incomplete"),
        ("a: {f: $(a[0])}", "expression-syntax 1:8", "this expression is incomplete"),
        ("a: b: c", "yaml-syntax 1:5", "unexpected ':'"),
        ("a: 1\n b: 2", "yaml-syntax 2:3", "unexpected ':', or wrong indentation"),
        ("- a\nb: 1", "yaml-syntax 2:1", "missing '-'"),
        ("a: - b", "yaml-syntax 1:4", "a list must start on a new line"),
        ("a: @x", "yaml-syntax 1:4", "put the value in quotes"),
        ("a: %x", "yaml-syntax 1:4", "put the value in quotes"),
        ("a: *", "yaml-syntax 1:5", "put the value in quotes"),
    ],
)
def test_messages_for_newcomers(text: str, expected: str, words: str) -> None:
    """Slips of people who do not know YAML are told in words that they know."""
    mistake = mistakes(text)[0]
    assert places(text)[0] == expected
    assert words in mistake.message


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (
            "- Softmax\n  from: a",
            "end a step that has keys below it with ':', as in '- Softmax:'",
        ),
        ("- Softmax  # so\n\n  from: a", "with ':', as in '- Softmax:'"),
        ("- fire {squeeze: 3, expand: 4}", "write ':' after the name: '- fire: {...}'"),
        ("- a: $(b: c)", "put an expression that contains ': ' in quotes"),
    ],
)
def test_missing_colon(text: str, note: str) -> None:
    """The commonest slip in a list of steps is told with what to write."""
    (mistake, *_) = mistakes(text)
    assert mistake.code == "yaml-syntax"
    assert note in " ".join(mistake.notes)


def test_split_expression() -> None:
    """The label says what to do."""
    assert mistakes("a: [$(max(1, 2))]")[0].label == "put the whole value in quotes"


# Anything at all

YAML_FRAGMENTS = st.lists(
    st.sampled_from(
        [
            *"[]{}:,-?&*!|>'\"%@`#=~<.\n\t ", "a", "b", ": ", "- ", "\n  ", "&a ", "*a ", "<<: ",
            "!!int ", "---\n", "...\n", "%YAML 1.2\n", "$(", ")", "1", "0x", "1e9", "é", "\u202e",
        ]
    ),
    max_size=60,
).map("".join)  # fmt: skip


def check_reading(text: str | bytes) -> None:
    """Reading gives a tree of good places, or mistakes with a code and a place."""
    try:
        tree = read(text)
    except BlueprintError as error:
        diagnostics = error.diagnostics
    else:
        json.dumps(to_plain(tree), allow_nan=False)
        return
    assert diagnostics
    assert all(each.code and each.span and each.span.line >= 1 for each in diagnostics)


@settings(max_examples=2 * settings().max_examples)
@given(st.text(max_size=300))
def test_fuzz_text(text: str) -> None:
    """Whatever somebody types."""
    check_reading(text)


@settings(max_examples=2 * settings().max_examples)
@given(st.binary(max_size=300))
def test_fuzz_bytes(content: bytes) -> None:
    """Whatever somebody downloads."""
    check_reading(content)


@settings(max_examples=10 * settings().max_examples)
@given(YAML_FRAGMENTS)
@example("a: &a\n  - *a")
def test_fuzz_yaml(text: str) -> None:
    """Signs of YAML in any order."""
    check_reading(text)


@pytest.mark.parametrize(
    "path", sorted(CASES.glob("bad/yaml_*.yaml")), ids=lambda path: str(path.stem)
)
def test_truncated_files(path: Path) -> None:
    """A file that somebody is still typing is read or refused at each character."""
    text = path.read_text()
    for end in range(0, len(text), 3):
        check_reading(text[:end])
