#!/usr/bin/env python3
"""Tests of adam_baseline.py on a small graph made here."""
from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
if any(importlib.util.find_spec(module) is None for module in ("numpy", "torch")):
    print("test_adam_baseline.py: skipped, numpy or PyTorch is missing (pip install numpy torch)")
    sys.exit(77)

import numpy as np
import torch

import adam_baseline as adam
from graphs.csr import csr_from_entries
from graphs.npz import Graph, write_graph
from graphs.rules import MASKS


def block_graph(nodes: int = 90, classes: int = 3) -> Graph:
    """Edges and features that mostly follow the class."""
    rng = np.random.default_rng(3)
    labels = np.arange(nodes) % classes
    row, col = rng.integers(0, nodes, (2, 12 * nodes))
    keep = (labels[row] == labels[col]) | (rng.random(len(row)) < .1)
    features = (rng.random((nodes, 12)) < .1 + .5 * (np.arange(12) % classes == labels[:, None])).astype(np.float32)
    masks = {m: (np.arange(nodes) // 30 == i).astype(np.uint8) for i, m in enumerate(MASKS)}
    return Graph(csr_from_entries(row[keep], col[keep], (nodes, nodes)), features, labels, masks)


class AdamBaseline(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "graph.npz"
        write_graph(self.path, block_graph())

    def run_main(self, *arguments: object) -> tuple[int, str]:
        err = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            status = adam.main([str(a) for a in (self.path, "--threads", 1, *arguments)])
        return status, err.getvalue()

    def test_augmentation(self) -> None:
        graph = block_graph()
        a = np.zeros((90, 90))
        a[graph.adjacency.rows(), graph.adjacency.indices] = 1
        a = np.maximum(a, a.T)
        np.fill_diagonal(a, 1)
        scale = 1 / np.sqrt(a.sum(1))
        a = scale[:, None] * a * scale
        rows = torch.tensor([5, 80, 0])
        x = adam.augment(graph, torch.from_numpy(graph.features), 3, rows)
        expected = np.hstack((graph.features, a @ graph.features, a @ a @ graph.features))[[5, 80, 0]]
        np.testing.assert_allclose(x.numpy(), expected, atol=1e-6)

    def test_growth_keeps_the_function_and_the_head(self) -> None:
        x = torch.randn(20, 9, generator=torch.Generator().manual_seed(1))
        model = adam.Mlp(9, 6, 4, 2, seed=0)
        before, head = model(x).detach(), model.weights[-1]
        model.grow(7)
        self.assertEqual(len(model.weights), 7)
        self.assertIs(model.weights[-1], head)
        torch.testing.assert_close(model(x).detach(), before, rtol=0, atol=0)

    def test_gflop(self) -> None:
        model = adam.Mlp(9, 6, 4, 3, seed=0)
        forward = [2 * 9 * 6, 2 * 6 * 6, 2 * 6 * 4]
        self.assertAlmostEqual(model.gflop_per_step(50) * 1e9 / 50, 3 * sum(forward) - forward[0])

    def test_fraction_split_is_stratified(self) -> None:
        split = adam.split_of(block_graph(), "fraction:0.6:0.2:7")
        self.assertEqual(sorted(np.concatenate(list(split.values()))), list(range(90)))
        for part, count in (("train", 18), ("validation", 6), ("test", 6)):
            self.assertEqual(list(np.bincount(split[part] % 3)), [count] * 3)

    def test_nodes_without_a_class_and_gaps_between_classes(self) -> None:
        graph = block_graph()
        graph.labels = np.array([-1, 5, 1990])[np.arange(90) % 3]
        adam.compact_classes(graph)
        self.assertEqual((list(graph.labels[:6]), graph.classes), ([-1, 0, 1] * 2, 2))
        split = adam.split_of(graph, "fraction:0.6:0.2:7")
        self.assertEqual({part: len(nodes) for part, nodes in split.items()}, {"train": 36, "validation": 12, "test": 12})
        self.assertEqual(min(graph.labels[nodes].min() for nodes in split.values()), 0)

    def test_masks_of_several_splits(self) -> None:
        graph = block_graph()
        graph.masks = {name: np.stack((mask, np.roll(mask, 30)), axis=1) for name, mask in graph.masks.items()}
        for index, first in ((0, 0), (1, 30)):
            split = adam.split_of(graph, "file", index)
            self.assertEqual([int(nodes[0]) for nodes in split.values()], [first, first + 30, (first + 60) % 90])
        write_graph(self.path, graph)
        self.assertIn("split 2: the masks hold 2 splits, expected 0 to 1", self.run_main("--split-index", 2)[1])
        graph.masks.pop("val_mask")
        write_graph(self.path, graph)
        self.assertIn("the file has train_mask, test_mask, expected train_mask, val_mask, test_mask", self.run_main()[1])
        graph.masks, graph.labels = {}, np.full(90, -1)
        write_graph(self.path, graph)
        self.assertIn("no node has a class", self.run_main()[1])

    def test_learns_and_reports(self) -> None:
        out = self.path.with_suffix(".json")
        status, err = self.run_main("--stages", "2:20,4:10", "--width", 16, "--hops", 2, "--target", ".5,1.5", "--json",
                                    out, "--row-normalize", "--binarize")
        self.assertEqual((status, err), (0, ""))
        report = json.loads(out.read_text())
        self.assertGreater(report["test_accuracy"], .8)
        self.assertEqual([len(r["history"]) for r in report["runs"]], [30, 30])
        self.assertEqual((report["layers"], report["targets"]["1.5"]), (4, None))
        self.assertGreater(report["targets"]["0.5"]["gflop"], 0)
        self.assertGreaterEqual(report["all_stages"]["validation_accuracy"], report["validation_accuracy"])

    def test_errors(self) -> None:
        for option in ("fraction:0.9:0.2:1", "fraction:a:b:c", "half"):
            status, err = self.run_main("--split", option)
            self.assertEqual(status, 1)
            self.assertIn("expected 'file' or fraction", err)
        self.path.write_bytes(b"PK")
        self.assertEqual(self.run_main()[0], 1)
        for options in (("--stages", "5:2,2:2"), ("--rates", "0"), ("--hops", "0")):
            with self.assertRaises(SystemExit):
                self.run_main(*options)


if __name__ == "__main__":
    unittest.main()
