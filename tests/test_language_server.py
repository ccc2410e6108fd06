"""The schema in a real editor's language server: what it completes, documents and marks."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
SCHEMA = ROOT / "schemas" / "blueprint-v1.schema.json"
SERVER = ROOT / ".venv/editor/node_modules/yaml-language-server/bin/yaml-language-server"
HEAD = "archbuilder: 1\ninputs: {x: [8]}\nlayers:\n"

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(
        not SERVER.exists(), reason="yaml-language-server is not installed; run 'make check'"
    ),
]


class Editor:
    """Speaks the Language Server Protocol with a server, as an editor does."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._number = 0
        self._files = 0

    def request(self, method: str, **params: Any) -> Any:
        """The answer to a request; what the server asks meanwhile is answered."""
        self._number += 1
        number = self._number
        self._send(id=number, method=method, params=params)
        while True:
            message = self._receive()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def notify(self, method: str, **params: Any) -> None:
        """Tell the server something."""
        self._send(method=method, params=params)

    def open(self, text: str, path: Path | None = None) -> str:
        """Open a blueprint; gives its address."""
        self._files += 1
        uri = f"file:///net{self._files}.blueprint.yaml" if path is None else path.as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.notify("textDocument/didOpen", textDocument=document)
        return uri

    def marks(self, text: str, path: Path | None = None) -> list[tuple[int, str]]:
        """The lines, from 1, that are marked in a blueprint, with the messages."""
        uri = self.open(text, path)
        while True:
            message = self._receive()
            if message.get("method") == "textDocument/publishDiagnostics":
                params = message["params"]
                if params["uri"] == uri:
                    return [
                        (each["range"]["start"]["line"] + 1, each["message"])
                        for each in params["diagnostics"]
                    ]

    def completions(self, text: str) -> set[str]:
        """What the server offers at the end of a text."""
        result = self.request("textDocument/completion", **self._end(text))
        items = result["items"] if isinstance(result, dict) else result
        return {item["label"] for item in items}

    def hover(self, text: str, word: str) -> str:
        """What the server shows for the first place of a word."""
        uri = self.open(text)
        prefix = text[: text.index(word)]
        position = {"line": prefix.count("\n"), "character": len(prefix.rpartition("\n")[2]) + 1}
        result = self.request("textDocument/hover", textDocument={"uri": uri}, position=position)
        return json.dumps(result)

    def _end(self, text: str) -> dict[str, Any]:
        uri = self.open(text)
        lines = text.split("\n")
        position = {"line": len(lines) - 1, "character": len(lines[-1])}
        return {"textDocument": {"uri": uri}, "position": position}

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        stdin.flush()

    def _receive(self) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        length = 0
        while (line := stdout.readline().strip()) or not length:
            assert line or self._process.poll() is None, "the server ended"
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        message: dict[str, Any] = json.loads(stdout.read(length))
        if "id" in message and "method" in message:
            self._send(id=message["id"], result=self._answer(message))
        return message

    def _answer(self, message: dict[str, Any]) -> Any:
        if message["method"] == "workspace/configuration":
            settings = {
                "yaml": {
                    "schemas": {SCHEMA.as_uri(): "*.blueprint.yaml"},
                    "validate": True,
                    "completion": True,
                    "hover": True,
                    "schemaStore": {"enable": False},
                }
            }
            return [settings.get(item.get("section")) for item in message["params"]["items"]]
        return None


@pytest.fixture(scope="module")
def editor() -> Iterator[Editor]:
    """An editor with a running server that knows the schema."""
    process = subprocess.Popen(
        ["node", str(SERVER), "--stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        editor = Editor(process)
        capabilities = {
            "workspace": {"configuration": True, "didChangeConfiguration": {}},
            "textDocument": {"completion": {}, "hover": {}, "publishDiagnostics": {}},
        }
        editor.request("initialize", processId=None, rootUri=None, capabilities=capabilities)
        editor.notify("initialized")
        editor.notify("workspace/didChangeConfiguration", settings={})
        yield editor
        process.kill()


def test_editor_marks_no_valid_blueprint(editor: Editor):
    """Nothing is underlined in the library, whose files name the schema themselves."""
    for path in sorted(ROOT.glob("blueprints/*.yaml")):
        assert editor.marks(path.read_text(encoding="utf-8"), path) == [], path.name


def test_editor_finds_the_schema_by_comment(editor: Editor):
    """A mistake in a file of the library is marked by the schema that its first line names."""
    path = ROOT / "blueprints" / "vgg.yaml"
    text = path.read_text(encoding="utf-8").replace("Flatten", "Flaten")
    assert editor.marks(text, path.with_name("changed.yaml"))


@pytest.mark.parametrize(
    "step",
    [
        "- Dnse: 3",
        "- Dense: {unit: 3}",
        "- Conv2D: {filters: 3, kernel_size: 3, padding: smae}",
        "- Dense: {units: 3, activation: rleu}",
        "- Lambda: x",
    ],
)
def test_editor_marks_errors_in_their_line(editor: Editor, step: str):
    """What is wrong is underlined where it stands."""
    marks = editor.marks(f"{HEAD}  - Flatten\n  {step}\n")
    assert marks
    assert {line for line, _ in marks} <= {4, 5}


def test_editor_completes_layers(editor: Editor):
    """A step is completed with layers, functions and the keys of steps."""
    offered = editor.completions(f"{HEAD}  - ")
    assert {
        "Dense",
        "Conv2D",
        "MultiHeadAttention",
        "ops.transpose",
        "branches",
        "repeat",
    } <= offered
    assert "Lambda" not in offered


def test_editor_completes_arguments(editor: Editor):
    """Within a layer its arguments are offered."""
    offered = editor.completions(f"{HEAD}  - Conv2D:\n      filters: 3\n      ")
    assert {"kernel_size", "padding", "use_bias"} <= offered
    assert "units" not in offered


def test_editor_completes_choices(editor: Editor):
    """Words that an argument takes are offered."""
    text = f"{HEAD}  - Conv2D:\n      filters: 3\n      padding: "
    assert {"same", "valid"} <= editor.completions(text)


def test_editor_documents_layers_and_arguments(editor: Editor):
    """Pointing at a name shows what it is."""
    text = f"{HEAD}  - Conv2D: {{filters: 3, kernel_size: 3}}\n"
    assert "convolution" in editor.hover(text, "Conv2D")
    assert "output" in editor.hover(text, "filters") or "filters" in editor.hover(text, "filters")


TRAINING = f"{HEAD}  - Dense: 3\ntraining:\n  loss: MeanSquaredError\n"


@pytest.mark.parametrize(
    "line",
    [
        "epoch: 3",
        "epochs: 0",
        "batch_size: many",
        "distribute: mirored",
        "optimizer: Adamm",
        "optimizer: {Adam: {learning_rat: 0.1}}",
        "metrics: [Acuracy]",
        "augment: [{RandomFlipp: horizontal}]",
        "objective: {ridge: {alpha: -1}}",
        "objective: {ridge: {apha: 1}}",
    ],
)
def test_editor_marks_errors_in_training(editor: Editor, line: str):
    """Settings are checked as layers are, in the line that has the error."""
    marks = editor.marks(f"{TRAINING}  {line}\n")
    assert marks
    assert {number for number, _ in marks} <= {7, 8}


def test_editor_marks_no_valid_recipe(editor: Editor):
    """Recipes that ship with the library are valid, and settings may be expressions."""
    for path in sorted(ROOT.glob("blueprints/recipes/*.yaml")):
        assert editor.marks(path.read_text(encoding="utf-8")) == [], path.name
    expressions = "  epochs: $n\n  optimizer: {Adam: {learning_rate: $2 * rate}}\n"
    assert editor.marks(f"{TRAINING}{expressions}") == []


def test_editor_completes_training(editor: Editor):
    """Keys, objectives, optimizers and their arguments are offered."""
    keys = editor.completions(f"{TRAINING}  ")
    assert {"epochs", "optimizer", "validation_split", "class_weight", "dtype_policy"} <= keys
    assert {"simclr", "ridge"} <= editor.completions(f"{TRAINING}  objective: ")
    assert "alpha" in editor.completions(f"{TRAINING}  objective:\n    ridge:\n      ")
    assert {"Adam", "SGD"} <= editor.completions(f"{TRAINING}  optimizer: ")
    assert "ema_momentum" in editor.completions(f"{TRAINING}  optimizer:\n    Adam:\n      ")


def test_editor_documents_training(editor: Editor):
    """Pointing at a setting shows its description and its default."""
    hover = editor.hover(f"{TRAINING}  batch_size: 32\n", "batch_size")
    assert "examples per step" in hover


@pytest.mark.parametrize(
    "data",
    [
        "data: digit",
        "data: {npzz: a.npz}",
        "data: {csv: {fil: a.csv}}",
        "data: {csv: {file: a.csv, header: maybe}}",
        "data: {images: {directory: a, size: [8]}}",
        "data: {text: {file: a.txt, tokenizer: chars}}",
        "data: {train: {npz: {file: a.npz, divide_by: 0}}}",
    ],
)
def test_editor_marks_errors_in_data(editor: Editor, data: str):
    """Sources are checked as layers are."""
    marks = editor.marks(f"{HEAD}  - Dense: 3\n{data}\n")
    assert marks
    assert {number for number, _ in marks} <= {5}


def test_editor_completes_data(editor: Editor):
    """Sources and their settings are offered."""
    head = f"{HEAD}  - Dense: 3\n"
    assert {"digits", "npz", "tfrecord", "train"} <= editor.completions(f"{head}data:\n  ")
    offered = editor.completions(f"{head}data:\n  text:\n    file: a.txt\n    ")
    assert {"tokenizer", "vocabulary_size", "sequence_length", "on_error"} <= offered
    choices = editor.completions(f"{head}data:\n  text:\n    file: a.txt\n    tokenizer: ")
    assert {"bpe", "wordpiece"} <= choices
