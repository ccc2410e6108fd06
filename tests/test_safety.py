"""Reading a stranger's file runs nothing, reaches nothing and opens nothing outside its folder.

An audit hook (PEP 578) in a process of its own sees every file that is opened, every connection,
every process that is started and every piece of code that is compiled or run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.hostile_yaml import HOSTILE

ROOT = Path(__file__).parent.parent
CASES = Path(__file__).parent / "cases"
FOLDERS = [ROOT / "blueprints", CASES / "good", CASES / "bad", CASES / "shapes"]

WATCHED = """
import json, os, sys
from pathlib import Path
import archbuilder

warm, *folders = map(Path, sys.argv[1:])
quiet = {"builtins.id", "os.listdir"}
seen, watching = [], False

def watch(event, arguments):
    if watching and event not in quiet:
        seen.append((event, *(str(each) for each in arguments)))

def read(path):
    try:
        blueprint = archbuilder.load(path)
        blueprint.validate()
        return "good"
    except archbuilder.BlueprintError as error:
        return error.diagnostics[0].code

# What Python imports when it is first needed is imported before the watch begins.
for path in sorted(warm.glob("**/*.yaml")):
    read(path)
paths = [path for folder in folders for path in sorted(folder.glob("*.yaml"))]
sys.addaudithook(watch)
watching = True
results = [(str(path), read(path)) for path in paths]
watching = False
tensorflow = sorted({"tensorflow", "keras", "numpy"} & set(sys.modules))
print(json.dumps({"seen": seen, "results": results, "modules": tensorflow}))
"""

HEAD = "archbuilder: 1\ninput: {shape: [4], dtype: string}\n"
ATTACKS = {
    "a file of the system": "imports: {a: /etc/passwd}\nlayers: [a]",
    "a file above": "imports: {a: ../secret.yaml}\nlayers: [a]",
    "a link": "imports: {a: ./links/link.yaml}\nlayers: [a]",
    "a link to a folder": "imports: {a: ./links/up/secret.yaml}\nlayers: [a]",
    "a URL": "imports: {a: 'http://127.0.0.1:9/a.yaml'}\nlayers: [a]",
    "a vocabulary": "layers: [{StringLookup: {vocabulary: /etc/passwd}}]",
    "a bucket": "layers: [{TextVectorization: {vocabulary: 'gs://bucket/words.txt'}}]",
    "a function as a dtype": "layers: [{Dense: {units: 1, dtype: {module: os, class_name: system, "
    "config: {command: ls}}}}]",
    "a function as an activation": "layers: [{Dense: {units: 1, activation: {module: keras.utils, "
    "class_name: get_file, config: {origin: 'http://127.0.0.1:9'}}}}]",
    "a function": "layers: [{Lambda: {function: 'lambda x: x'}}]",
    "a saved model": "layers: [{TFSMLayer: {filepath: /tmp}}]",
    "a wrapped function": "layers: [{TimeDistributed: {layer: {Lambda: {function: f}}}}]",
    "an attribute": "params: {a: 1}\nlayers: [{Dense: $(a.__class__)}]",
    "an import": "layers: [{Dense: $(__import__('os').system('ls'))}]",
}


def watched(*folders: Path) -> dict[str, list[list[str]]]:
    """What a process did while it read all blueprints of some folders."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(CASES), *map(str, folders)],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    report: dict[str, list[list[str]]] = json.loads(done.stdout)
    return report


def outside(event: list[str], folders: list[Path]) -> bool:
    """Whether an event is anything but opening, for reading, a file of these folders.

    A name without a folder is opened relative to an open folder, and no link is followed.
    """
    kind, *arguments = event
    if kind != "open" or arguments[1] not in ("None", "rb", "r"):
        return True
    path = Path(arguments[0])
    if path.is_absolute():
        return not any(path.resolve().is_relative_to(folder) for folder in folders)
    return path.name != arguments[0] or arguments[0] == ".."


def test_reads_stay_in_the_directory() -> None:
    """All cases and the whole library."""
    report = watched(*FOLDERS)
    assert len(report["results"]) > 150
    assert {code for path, code in report["results"] if "/good/" in path} == {"good"}
    assert sum(event[0] == "open" for event in report["seen"]) > 150
    assert [event for event in report["seen"] if outside(event, FOLDERS)] == []
    assert report["modules"] == []


def test_attacks_are_refused(tmp_path: Path) -> None:
    """Every one is refused, and none gets as far as to open what it asks for."""
    folder = tmp_path / "strangers"
    folder.mkdir()
    secret = tmp_path / "secret.yaml"
    secret.write_text("archbuilder: 1\ninput: [4]\nlayers: [{Dense: 1}]\n")
    (folder / "links").mkdir()
    (folder / "links" / "link.yaml").symlink_to(secret)
    (folder / "links" / "up").symlink_to(tmp_path)
    texts = {name: HEAD + text for name, text in ATTACKS.items()}
    texts |= {name: text for name, (text, _) in HOSTILE.items()}
    for number, text in enumerate(texts.values()):
        content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        (folder / f"attack{number:03}.yaml").write_bytes(content)
    report = watched(folder)
    assert len(report["results"]) == len(texts)
    assert "good" not in {code for _, code in report["results"]}
    assert [event for event in report["seen"] if outside(event, [folder])] == []


@pytest.mark.parametrize(
    "code",
    ["open('/etc/hostname')", "__import__('subprocess').run(['true'])", "eval('1')"],
    ids=["open", "process", "code"],
)
def test_audit_hook_detects_access(code: str) -> None:
    """What it is there to see; else the tests above would say nothing."""
    script = WATCHED.replace("        blueprint.validate()", f"        {code}")
    done = subprocess.run(
        [sys.executable, "-c", script, str(CASES / "good"), str(CASES / "good")],
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout)["seen"]
    assert any(outside(event, [CASES / "good"]) for event in seen)
