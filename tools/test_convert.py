#!/usr/bin/env python3
"""Tests of convert.py: the collection of Shchur et al., the layout that is written, checks of the result. The other formats
have tests of their own. Nothing is downloaded."""
from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import unittest
import unittest.mock
from pathlib import Path

from convert_testing import Base, csr_arrays, edges_of, np

import convert
from graphs import dataset_table, report
from graphs.csr import Csr, DataError, csr_from_entries
from graphs.npz import Graph, read_graph, write_graph


class GnnBenchmark(Base):
    def write(self, **changes: object) -> Path:
        rng = np.random.default_rng(1)
        data, indices, indptr = csr_arrays((rng.random((8, 5)) < .5).astype(np.float32))
        arrays = {"adj_data": np.array([1.0, 1.0, 1.0]), "adj_indices": np.array([3, 1, 0], dtype=np.int32),
                  "adj_indptr": np.array([0, 2, 3, 3, 3, 3, 3, 3, 3], dtype=np.int32), "adj_shape": np.array([8, 8]),
                  "attr_data": data, "attr_indices": indices, "attr_indptr": indptr, "attr_shape": np.array([8, 5]),
                  "labels": np.array([0, 1] * 4, dtype=np.int16), "class_names": np.array(["a", None], dtype=object)}
        arrays = {k: v for k, v in {**arrays, **changes}.items() if v is not None}
        np.savez(self.dir / "raw.npz", **arrays)
        return self.dir / "raw.npz"

    def test_object_arrays_dropped_and_rows_sorted(self) -> None:
        graph = self.convert("gnn-benchmark", self.write(), self.out)
        np.testing.assert_array_equal(graph.adjacency.indices, [1, 3, 0])
        np.testing.assert_array_equal(graph.adjacency.data, [1, 1, 1])
        self.assertEqual((graph.classes, graph.masks), (2, {}))
        with np.load(self.out, allow_pickle=False) as file:
            self.assertEqual(sorted(file.files), sorted([f"adj_{k}" for k in ("data", "indices", "indptr", "shape")] + [
                f"attr_{k}" for k in ("data", "indices", "indptr", "shape")] + ["labels"]))
            self.assertEqual([str(file[k].dtype) for k in ("adj_data", "adj_indices", "adj_indptr", "labels")],
                             ["float32", "int32", "int64", "int64"])

    def test_masks(self) -> None:
        options = ("--add-masks", "--train-per-class", 1, "--validation", 2, "--test", 3)
        graph = self.convert("gnn-benchmark", self.write(), self.out, *options, "--seed", 5)
        self.assertEqual(graph.summary()["split"], (2, 2, 3))
        self.assertEqual(sorted(graph.labels[graph.masks["train_mask"] == 1]), [0, 1])
        again = self.convert("gnn-benchmark", self.write(), self.out, *options, "--seed", 5)
        self.assertEqual(graph.content_hashes(), again.content_hashes())
        self.out.unlink()
        self.fails("6 nodes are left for 1000", "gnn-benchmark", self.write(), self.out, "--add-masks",
                   "--train-per-class", 1)

    def test_nodes_without_a_class_are_drawn_into_no_mask(self) -> None:
        raw = self.write(labels=np.array([0, 1, 0, 1, 0, 1, -1, np.nan]))
        options = ("--add-masks", "--train-per-class", 1, "--validation", 2, "--test", 2)
        graph = self.convert("gnn-benchmark", raw, self.out, *options)
        np.testing.assert_array_equal(graph.labels, [0, 1, 0, 1, 0, 1, -1, -1])
        self.assertEqual(graph.summary()["split"], (2, 2, 2))
        self.fails("4 nodes are left for 3 validation and 2 test", "gnn-benchmark", raw, self.out, *options[:3],
                   "--validation", 3, "--test", 2)

    def test_no_labels(self) -> None:
        graph = self.convert("gnn-benchmark", self.write(labels=None), self.out)
        self.assertFalse(graph.has_labels)
        with np.load(self.out) as file:
            self.assertNotIn("labels", file.files)

    def test_weights(self) -> None:
        """Both directions of the rule: weights are kept by default, dropped on request, with a note either way."""
        raw = self.write(adj_data=np.array([.5, 0, 2], dtype=np.float64), adj_indices=np.array([3, 1, 0]))
        kept = self.convert("gnn-benchmark", raw, self.out, note="weights .0.5 to 2., which were kept; .* \"use\" takes")
        self.assertEqual(edges_of(kept), [(0, 3, .5), (1, 0, 2)])
        dropped = self.convert("gnn-benchmark", raw, self.out, "--edge-weights", "ignore", note="which were dropped")
        self.assertEqual(edges_of(dropped), [(0, 3, 1), (1, 0, 1)])
        raw = self.write(adj_data=np.array([-1., 1, 1]))
        kept = self.convert("gnn-benchmark", raw, self.out, note="will refuse them, as edge 0 -> 3 has -1")
        self.assertEqual(edges_of(kept), [(0, 1, 1), (0, 3, -1), (1, 0, 1)])

    def test_duplicates_are_one_edge_or_add_up_and_never_cancel(self) -> None:
        twice = {"adj_indices": np.array([3, 3, 0])}
        self.assertEqual(edges_of(self.convert("gnn-benchmark", self.write(**twice), self.out)), [(0, 3, 1), (1, 0, 1)])
        raw = self.write(adj_data=np.array([1, .5, 1]), **twice)
        self.assertEqual(edges_of(self.convert("gnn-benchmark", raw, self.out, note="1 to 1.5")), [(0, 3, 1.5), (1, 0, 1)])
        raw = self.write(adj_data=np.array([1., -1, 1]), **twice)
        ignored = self.convert("gnn-benchmark", raw, self.out, "--edge-weights", "ignore", note="dropped")
        self.assertEqual(edges_of(ignored), [(0, 3, 1), (1, 0, 1)])

    def test_several_splits(self) -> None:
        masks = {f"{m}_mask": np.array([np.roll(np.eye(8, dtype=bool)[i], s) for s in range(3)]).T
                 for i, m in enumerate(("train", "val", "test"))}
        for stored in (masks, {name: mask.T for name, mask in masks.items()}):
            raw = self.write(**stored)
            graph = self.convert("gnn-benchmark", raw, self.out)
            np.testing.assert_array_equal(graph.masks["val_mask"], masks["val_mask"])
            self.assertEqual((graph.splits, graph.summary()["split"]), (3, (1, 1, 1)))
            one = self.convert("gnn-benchmark", raw, self.out, "--split-index", 2)
            np.testing.assert_array_equal(one.masks["test_mask"], masks["test_mask"][:, 2])
        self.fails("split 3: the masks hold 3 splits, expected 0 to 2", "gnn-benchmark", raw, self.out, "--split-index", 3)

    def test_dense_features(self) -> None:
        dense = np.arange(16, dtype=np.float64).reshape(8, 2)
        none = {f"attr_{k}": None for k in ("data", "indices", "indptr", "shape")}
        raw = self.write(attr_matrix=dense, **none)
        self.assertIsInstance(self.convert("gnn-benchmark", raw, self.out).features, np.ndarray)
        stored = self.convert("gnn-benchmark", raw, self.out, "--features", "sparse").features
        self.assertIsInstance(stored, Csr)
        both = self.write(attr_matrix=np.ones((8, 2)))
        self.assertEqual(self.convert("gnn-benchmark", both, self.out).features.shape, (8, 5), "CSR goes first")
        np.testing.assert_array_equal(stored.to_dense(), dense)

    def test_errors(self) -> None:
        for message, changes in {
            "missing adj_data": {"adj_data": None},
            "no features": {"attr_data": None},
            "several per node": {"labels_data": np.ones(3)},
            "array 'labels' holds Python objects": {"labels": np.array([0, None] * 4, dtype=object)},
            "member y, which is not read, and no labels": {"labels": None, "y": np.zeros(8)},
            "column 8 outside 0 … 7": {"adj_indices": np.array([3, 8, 0])},
            "indptr has 3 entries, expected rows \\+ 1 = 9": {"adj_indptr": np.array([0, 2, 3])},
            "must rise from 0 to 3": {"adj_indptr": np.array([0, 3, 2, 3, 3, 3, 3, 3, 3])},
            "impossible shape": {"adj_shape": np.array([2**40, 2**40])},
            "NaN": {"adj_data": np.array([1, np.nan, 1])},
            "attr_matrix: holds NaN or infinite values: element 3: found 1e\\+39":
                {"attr_data": None, "attr_matrix": np.array([[0, 0, 0, 1e39, 0]] * 8)},
            "edge 0 -> 1: the weights of its duplicates add up to 0":
                {"adj_data": np.array([1., -1, 1]), "adj_indices": np.array([1, 1, 0])},
        }.items():
            with self.subTest(message):
                self.fails(message, "gnn-benchmark", self.write(**changes), self.out)
        unknown = self.write(labels=np.full(8, -1))
        self.fails("--add-masks: no node has a class", "gnn-benchmark", unknown, self.out, "--add-masks")
        raw = self.write()
        raw.write_bytes(raw.read_bytes()[:300])
        self.fails("not a readable .npz", "gnn-benchmark", raw, self.out)
        self.fails("missing: ", "gnn-benchmark", self.dir / "none.npz", self.out)


class Layout(Base):
    def graph(self) -> Graph:
        row, col = np.array([0, 1, 1]), np.array([1, 1, 2])
        return Graph(csr_from_entries(row, col, (3, 3)), np.array([[0, 1], [2, 0], [0, 3]], dtype=np.float32),
                     np.array([0, 1, 0]), {m: np.eye(3, dtype=np.uint8)[i] for i, m in enumerate(convert.MASKS)})

    def test_content_hash_ignores_storage(self) -> None:
        first, second = self.graph(), self.graph()
        second.adjacency = second.undirected()
        convert.choose_storage(second, "sparse")
        self.assertEqual(first.content_hashes(), second.content_hashes())
        second.labels = np.array([0, 1, 1])
        self.assertNotEqual(first.content_hashes()["labels"], second.content_hashes()["labels"])

    def test_content_hash_of_labels_where_older_copies_say_class_0(self) -> None:
        graph = self.graph()
        graph.masks = {}
        old = graph.content_hashes()["labels"]
        graph.labels = np.array([0, 1, -1])
        new = graph.content_hashes()["labels"]
        counts = {key: graph.summary()[key] for key in ("nodes", "edges", "features", "classes")}
        table = {"tiny": dataset_table.Dataset("Tiny", "planetoid", (), **counts, content={"labels": new},
                                               older={"labels": old}, older_means="with class 0")}
        with unittest.mock.patch.dict("graphs.report.DATASETS", table):
            for labels, problems in (([0, 1, -1], 0), ([0, 1, 0], 0), ([0, 1, 1], 1)):
                graph.labels = np.array(labels)
                write_graph(self.out, graph)
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    self.assertEqual(len(report.report(self.out, graph, "tiny")), problems)
                self.assertEqual("with class 0" in out.getvalue(), labels == [0, 1, 0])

    def test_verify(self) -> None:
        write_graph(self.out, self.graph())
        status, out, _ = self.run_convert("verify", self.out)
        self.assertEqual(status, 0)
        self.assertIn("3 nodes, 4 edges, 2 features, 2 classes, train/validation/test 1/1/1", out)
        status, out, err = self.run_convert("verify", self.out, "--dataset", "cora")
        self.assertEqual(status, 1)
        self.assertIn("nodes: 3 found, 2708 expected", err)
        self.assertIn("DIFFERS", out)

    def test_failed_write_leaves_the_old_file(self) -> None:
        self.out.write_bytes(b"old")
        bad = self.graph()
        bad.labels = np.array([0, 1])
        with self.assertRaises(DataError):
            write_graph(self.out, bad)
        self.assertEqual(self.out.read_bytes(), b"old")
        self.assertEqual(os.listdir(self.dir), ["out.npz"])
        with self.assertRaisesRegex(DataError, "cannot be written"):
            write_graph(self.out / "below.npz", self.graph())

    def test_nobody_reads_the_output(self) -> None:
        """`convert.py … | head -1`: the file is whole or absent, the status that of SIGPIPE, and no traceback follows."""
        write_graph(self.dir / "in.npz", self.graph())
        # Buffered, the output breaks at the end; unbuffered, at its first line, before anything is written.
        for unbuffered, written in (("", True), ("1", False)):
            self.out.unlink(missing_ok=True)
            read, write = os.pipe()
            os.close(read)
            command = [sys.executable, "-B", convert.__file__, "gnn-benchmark", self.dir / "in.npz", self.out]
            run = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False,
                                 env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
            os.close(write)
            self.assertEqual((run.returncode, run.stderr), (141, b""))
            self.assertEqual([f for f in os.listdir(self.dir) if "out.npz" in f], ["out.npz"] * written)
            if written:
                self.assertEqual(read_graph(self.out).content_hashes(), self.graph().content_hashes())

    def test_table(self) -> None:
        status, out, _ = self.run_convert("list")
        self.assertEqual((status, len(dataset_table.DATASETS)), (0, 9))
        for name, dataset in dataset_table.DATASETS.items():
            self.assertIn(f"{name}: {dataset.title}", out)
            files = {url.rsplit("/", 1)[1] for url in dataset.urls}
            self.assertLessEqual(set(dataset.raw_sha256), files)
            for digest in [*dataset.raw_sha256.values(), *dataset.content.values(), *dataset.older.values()]:
                self.assertRegex(digest, "^[0-9a-f]{64}$")


if __name__ == "__main__":
    unittest.main()
