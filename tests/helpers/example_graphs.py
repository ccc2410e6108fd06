"""Small graphs of the same form as those of the examples, and easy to learn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from helpers.example_data import labels
from safetensors.numpy import save_file

Links = Sequence[tuple[int, int]]
"""Pairs of the node that receives a message, and the one that sends it."""


def write_lines(file: Path, lines: Iterable[Mapping[str, object]]) -> None:
    """Write objects as JSON lines."""
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def molecules(folder: Path) -> None:
    """Write rings and chains of atoms."""
    random = np.random.default_rng(0)
    lines = []
    for is_ring in labels(40, 2).tolist():
        size = int(random.integers(3, 7))
        ends = [(a, (a + 1) % size) for a in range(size if is_ring else size - 1)]
        ends += [(b, a) for a, b in ends] + [(a, a) for a in range(size)]
        atoms = np.eye(5)[random.integers(2, size=size) + 2 * is_ring]
        bonds = np.eye(3)[[2 if a == b else a % 2 for a, b in ends]]
        lines.append(
            {"atoms": atoms.tolist(), "bonds": bonds.tolist(), "pairs": ends, "permeable": is_ring}
        )
    write_lines(folder / "bbbp.jsonl", lines)


def small_molecules(folder: Path, *, name: str = "qm9.npz") -> None:
    """Write rings of up to 9 atoms, one-hot, with the last kind of atoms and bonds for none."""
    random = np.random.default_rng(0)
    adjacency = np.zeros((32, 5, 9, 9), np.float32)
    features = np.zeros((32, 9, 5), np.float32)
    sizes = random.integers(3, 10, size=32)
    for matrices, atoms, size in zip(adjacency, features, sizes, strict=True):
        for a in range(size):
            b, kind = (a + 1) % size, random.integers(2)
            matrices[kind, [a, b], [b, a]] = 1
        matrices[-1, matrices.sum(axis=0) == 0] = 1
        atoms[np.arange(9), [*random.integers(4, size=size), *[4] * (9 - size)]] = 1
    np.savez(folder / name, adjacency=adjacency, features=features, qed=sizes / 10)


def neighborhood(node: int, links: Links, hops: int) -> tuple[list[int], Links]:
    """Return the nodes at most some links away, and the links by their positions in that list."""
    nodes, found_links, begin = [node], [], 0
    for _ in range(hops):
        begin, reached = len(nodes), nodes[begin:]
        for receiver, sender in ((a, b) for a in reached for to, b in links if to == a):
            if sender not in nodes:
                nodes.append(sender)
            found_links.append((nodes.index(receiver), nodes.index(sender)))
    return nodes, found_links


def citation_graph(papers: int, words: int, classes: int) -> tuple[np.ndarray, np.ndarray, Links]:
    """Return the words and the class of each paper, and links, most of them within a class."""
    random = np.random.default_rng(0)
    subjects = labels(papers, classes)
    matrix = np.zeros((papers, words), np.float32)
    for paper, subject in enumerate(subjects):
        matrix[paper, (random.integers(words // classes, size=2) * classes + subject) % words] = 1
    links = {
        (int(a), int(b))
        for a, b in random.integers(papers, size=(8 * papers, 2))
        if subjects[a] == subjects[b] or (a + b) % 9 == 0
    }
    return matrix, subjects, sorted(links)[: 2 * papers]


def citations(folder: Path, *, hops: int = 2, first: int = 0) -> None:
    """Write papers with their neighborhoods, whose numbers begin at `first`, and their words."""
    matrix, subjects, links = citation_graph(24, 9, 3)
    lines = []
    for paper, subject in enumerate(subjects.tolist()):
        nodes, pairs = neighborhood(paper, links, hops)
        numbers = [node + first for node in nodes]
        lines.append({"papers": numbers, "links": pairs, "subject": subject})
    write_lines(folder / "cora_train.jsonl", lines[:16])
    write_lines(folder / "cora_test.jsonl", lines[16:])
    rows = np.concatenate([np.zeros((first, 9), np.float32), matrix])
    save_file({"words/embeddings": rows}, folder / "cora_words.safetensors")
