"""Networks of neighborhoods, compared with their programs on the graph as a whole, in NumPy."""

from __future__ import annotations

import keras
import numpy as np
from helpers.example_graphs import Links, citation_graph, neighborhood
from helpers.keras_io_examples import EXAMPLES, FOLDER

import archbuilder

PAPERS, WORDS, CLASSES = 24, 9, 3


def compiled(name: str, first: int) -> tuple[keras.Model, np.ndarray, Links]:
    """The network with random weights and the words of a graph, and that graph."""
    model = archbuilder.load(FOLDER / f"graph/{name}.yaml").compile(
        **EXAMPLES[f"graph/{name}"].params
    )
    random = np.random.default_rng(1)
    for weight in model.weights:
        values = random.uniform(0.2, 1, weight.shape) - (0.6 if len(weight.shape) > 1 else 0)
        weight.assign(values)
    words, _, links = citation_graph(PAPERS, WORDS, CLASSES)
    rows = np.concatenate([np.zeros((first, WORDS), np.float32), words])
    model.get_layer("words").set_weights([rows])
    return model, words, links


def outputs(model: keras.Model, links: Links, hops: int, first: int) -> np.ndarray:
    """The output of each paper, from its neighborhood."""
    neighborhoods = [neighborhood(paper, links, hops) for paper in range(PAPERS)]
    num_papers = max(len(nodes) for nodes, _ in neighborhoods) + 1
    num_links = max(len(pairs) for _, pairs in neighborhoods) + 1
    papers = np.zeros((PAPERS, num_papers), np.int32)
    ends = np.zeros((PAPERS, num_links, 2), np.int32)
    is_link = np.zeros((PAPERS, num_links), np.float32)
    for row, (nodes, pairs) in enumerate(neighborhoods):
        papers[row, : len(nodes)] = np.array(nodes) + first
        ends[row, : len(pairs)] = np.array(pairs).reshape(-1, 2)
        is_link[row, : len(pairs)] = 1
    inputs = {"papers": papers, "links": ends, "is_link": is_link}
    assert num_papers < PAPERS
    return np.asarray(model(inputs, training=False))


def dense(model: keras.Model, name: str, x: np.ndarray) -> np.ndarray:
    kernel, *bias = model.get_layer(name).get_weights()
    return x @ kernel + (bias[0] if bias else 0)


def test_graph_attention():
    """The layers of the program, on all papers at once."""
    model, words, links = compiled("gat_node_classification", 0)
    to, from_ = np.array(links).T
    x = np.maximum(dense(model, "states", words), 0)
    for layer in range(3):
        z = dense(model, f"layer{layer}.z", x).reshape(PAPERS, 2, 4)
        kernels = [model.get_layer(f"layer{layer}.score{end}.einsum_dense0") for end in (0, 1)]
        scores = [np.einsum("nhu,hu->nh", z, each.get_weights()[0]) for each in kernels]
        score = scores[0][to] + scores[1][from_]
        score = np.exp(np.clip(np.where(score > 0, score, 0.2 * score), -2, 2))
        total, sums = np.zeros((PAPERS, 2)), np.zeros((PAPERS, 2, 4))
        np.add.at(total, to, score)
        np.add.at(sums, to, (score / (total[to] + 1e-8))[..., None] * z[from_])
        x = x + np.maximum(sums.reshape(PAPERS, 8), 0)
    expected = dense(model, "dense0", x)
    np.testing.assert_allclose(outputs(model, links, 3, 0), expected, rtol=1e-4, atol=1e-5)


def ffn(model: keras.Model, path: str, x: np.ndarray) -> np.ndarray:
    for number in (0, 1):
        gamma, beta, mean, variance = model.get_layer(
            f"{path}.batch_normalization{number}"
        ).get_weights()
        x = gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta
        x = np.asarray(keras.activations.gelu(dense(model, f"{path}.dense{number}", x)))
    return x


def test_graph_convolution():
    """The layers of the program, on all papers at once."""
    model, words, links = compiled("gnn_citations", 1)
    from_, to = np.array(links).T
    x = ffn(model, "states", words)
    for layer in range(2):
        path = f"convolution{layer}"
        sums = np.zeros((PAPERS, 8))
        np.add.at(sums, from_, ffn(model, f"{path}.ffn0", x[to]) / 48)
        h = ffn(model, f"{path}.ffn1", np.concatenate([x, sums], axis=1))
        x = x + h / np.linalg.norm(h, axis=1, keepdims=True)
    expected = dense(model, "dense0", ffn(model, "processed", x))
    np.testing.assert_allclose(outputs(model, links, 2, 1), expected, rtol=1e-4, atol=1e-5)
