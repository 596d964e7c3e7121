#!/usr/bin/env python3
"""Tests of convert.py graphsaint, dgl-reddit and heterophilous on tiny files made here."""
from __future__ import annotations

import json
import unittest
from pathlib import Path

from convert_testing import Base, csr_arrays, edges_of, np

# 0 -> 1, 0 -> 2, 2 -> 1: no two of the layouts below read it alike by chance.
DIRECTED = np.array([[0, 1, 1], [0, 0, 0], [0, 1, 0]], dtype=np.float32)
DIRECTED_EDGES = [(0, 1, 1.0), (0, 2, 1.0), (2, 1, 1.0)]


def scipy_arrays(layout: str, dense: np.ndarray = DIRECTED) -> dict[str, np.ndarray]:
    """What scipy.sparse.save_npz writes of a matrix."""
    common = {"format": np.array(layout.encode()), "shape": np.array(dense.shape)}
    if layout == "coo":
        row, col = np.nonzero(dense)
        return {**common, "row": row[::-1], "col": col[::-1], "data": dense[row, col][::-1]}
    data, indices, indptr = csr_arrays(dense if layout == "csr" else np.ascontiguousarray(dense.T))
    return {**common, "data": data, "indices": indices, "indptr": indptr}


class GraphSaint(Base):
    def setUp(self) -> None:
        super().setUp()
        dense = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=bool)
        data, indices, indptr = csr_arrays(dense)
        np.savez_compressed(self.dir / "adj_full.npz", indices=indices, indptr=indptr, format=np.array(b"csr"),
                            shape=np.array([3, 3]), data=data)
        np.save(self.dir / "feats.npy", np.array([[1.5, 2], [3, 4], [5, 6]]))
        self.put("class_map.json", {"0": 1, "2": 0, "1": 2})
        self.put("role.json", {"tr": [2], "va": [0], "te": [1]})

    def put(self, name: str, value: object) -> None:
        (self.dir / name).write_text(json.dumps(value))

    def test_convert(self) -> None:
        graph = self.convert("graphsaint", self.dir, self.out)
        np.testing.assert_array_equal(graph.labels, [1, 2, 0])
        np.testing.assert_array_equal(graph.features, np.array([[1.5, 2], [3, 4], [5, 6]], dtype=np.float32))
        self.assertEqual(graph.summary(), {"nodes": 3, "edges": 4, "features": 2, "classes": 3, "split": (1, 1, 1)})

    def test_layouts(self) -> None:
        """CSC and COO hold what CSR holds; CSC under the same names."""
        for layout in ("csr", "csc", "coo"):
            with self.subTest(layout):
                np.savez(self.dir / "adj_full.npz", **scipy_arrays(layout))
                self.assertEqual(edges_of(self.convert("graphsaint", self.dir, self.out)), DIRECTED_EDGES)
        unnamed = {name: array for name, array in scipy_arrays("csr").items() if name != "format"}
        np.savez(self.dir / "adj_full.npz", **unnamed)
        self.assertEqual(edges_of(self.convert("graphsaint", self.dir, self.out)), DIRECTED_EDGES)

    def test_matrices_of_scipy(self) -> None:
        try:
            import scipy.sparse as sparse
        except ImportError:
            self.skipTest("scipy is missing")
        for matrix in (sparse.csr_matrix(DIRECTED), sparse.csc_matrix(DIRECTED), sparse.coo_matrix(DIRECTED)):
            sparse.save_npz(self.dir / "adj_full.npz", matrix)
            self.assertEqual(edges_of(self.convert("graphsaint", self.dir, self.out)), DIRECTED_EDGES)
        for matrix in (sparse.bsr_matrix(DIRECTED, blocksize=(1, 3)), sparse.dia_matrix(DIRECTED)):
            sparse.save_npz(self.dir / "adj_full.npz", matrix)
            self.fails(f"found sparse format '{matrix.format}', expected CSR, CSC or COO", "graphsaint", self.dir, self.out)

    def test_nodes_without_a_class(self) -> None:
        self.put("role.json", {"tr": [2], "va": [0], "te": []})
        for of_node_1 in ({}, {"1": None}, {"1": float("nan")}, {"1": -1}, {"1": -1.0}):
            classes = {"0": 1.0, "2": 0, **of_node_1}
            with self.subTest(classes):
                self.put("class_map.json", classes)
                np.testing.assert_array_equal(self.convert("graphsaint", self.dir, self.out).labels, [1, -1, 0])

    def test_errors(self) -> None:
        for name, good, bad, message in (
                ("class_map.json", {"0": 1, "1": 2, "2": 0}, {"0": 1, "2": 0}, "test_mask: node 1 is in the mask and has no"),
                ("class_map.json", {"0": 1, "1": 2, "2": 0}, {"0": 1, "1": .5, "2": 0}, "node 1: found 0.5, not a whole"),
                ("class_map.json", {"0": 1, "1": 2, "2": 0}, {"0": 1, "1": "a", "2": 0}, "one class per node"),
                ("class_map.json", {"0": 1, "1": 2, "2": 0}, {"0": [1, 0]}, "several labels per node"),
                ("class_map.json", {"0": 1, "1": 2, "2": 0}, {"3": 1}, "outside 0 … 2"),
                ("role.json", {"tr": [2], "va": [0], "te": [1]}, {"tr": [2], "va": [0]}, "'te' must be a list"),
                ("role.json", {"tr": [2], "va": [0], "te": [1]}, {"tr": [2], "va": [0], "te": [-1]}, "outside")):
            with self.subTest(message):
                self.put(name, bad)
                self.fails(message, "graphsaint", self.dir, self.out)
                self.put(name, good)
        adjacency = self.dir / "adj_full.npz"
        np.savez(adjacency, **{**scipy_arrays("csr"), "format": np.array(b"bsr")})
        self.fails("adj_full.npz: adjacency: found sparse format 'bsr', expected CSR", "graphsaint", self.dir, self.out)
        for changes, message in (({"row": np.array([0, 0])}, "2 rows, 3 columns and 3 values"),
                                 ({"row": np.array([0, 0, 3])}, "row 3 outside 0 … 2"),
                                 ({"col": np.array([0, -1, 2])}, "column -1 outside 0 … 2")):
            np.savez(adjacency, **{**scipy_arrays("coo"), **changes})
            self.fails(message, "graphsaint", self.dir, self.out)
        np.savez(adjacency, format=np.array(b"coo"), shape=np.array([3, 3]))
        self.fails("missing row, col, data", "graphsaint", self.dir, self.out)
        np.savez(adjacency, **scipy_arrays("csr"))
        np.save(self.dir / "feats.npy", np.zeros((2, 2)))
        self.fails("expected 3 rows", "graphsaint", self.dir, self.out)
        (self.dir / "feats.npy").write_bytes(b"no array")
        self.fails("not a readable .npy", "graphsaint", self.dir, self.out)


class DglReddit(Base):
    def setUp(self) -> None:
        super().setUp()
        self.put()
        np.savez(self.dir / "reddit_graph.npz", **scipy_arrays("coo"))

    def put(self, **changes: object) -> None:
        arrays = {"feature": np.arange(6, dtype=np.float64).reshape(3, 2), "label": np.array([4, 0, 1]),
                  "node_types": np.array([3, 1, 2]), "node_ids": np.array([7, 8, 9])}
        np.savez(self.dir / "reddit_data.npz", **{k: v for k, v in {**arrays, **changes}.items() if v is not None})

    def test_convert(self) -> None:
        for layout in ("coo", "csr"):
            np.savez(self.dir / "reddit_graph.npz", **scipy_arrays(layout))
            graph = self.convert("dgl-reddit", self.dir, self.out)
            self.assertEqual(edges_of(graph), DIRECTED_EDGES)
            np.testing.assert_array_equal(graph.features, [[0, 1], [2, 3], [4, 5]])
            np.testing.assert_array_equal(graph.labels, [4, 0, 1])
            self.assertEqual([list(mask) for mask in graph.masks.values()], [[0, 1, 0], [0, 0, 1], [1, 0, 0]])

    def test_nodes_of_no_part(self) -> None:
        self.put(node_types=np.array([3, 1, 0]), label=np.array([4, 0, np.nan]))
        graph = self.convert("dgl-reddit", self.dir, self.out)
        np.testing.assert_array_equal(graph.labels, [4, 0, -1])
        self.assertEqual(graph.masks["val_mask"].sum(), 0)

    def test_errors(self) -> None:
        for changes, message in (({"node_types": np.array([3, 1, 4])}, "node_types: node 2: found 4, expected 1"),
                                 ({"node_types": np.array([3, 1])}, "node_types: found 2 entries, expected 3"),
                                 ({"label": None}, "missing label"),
                                 ({"label": np.array([4, np.nan, 1])}, "train_mask: node 1 is in the mask and has no class"),
                                 ({"feature": np.zeros((2, 2))}, "feature: shape \\(2, 2\\), expected 3 rows")):
            with self.subTest(message):
                self.put(**changes)
                self.fails(message, "dgl-reddit", self.dir, self.out)
        (self.dir / "reddit_graph.npz").rename(self.dir / "other.npz")
        self.fails("neither of them", "dgl-reddit", self.dir, self.out)


class Heterophilous(Base):
    def write(self, **changes: object) -> Path:
        arrays = {"node_features": np.array([[1, 2], [3, 4], [5, 6], [7, 8]], dtype=np.float32),
                  "node_labels": np.array([0, 1, 1, 0]), "edges": np.array([[0, 1], [3, 2], [0, 1]]),
                  "train_masks": np.array([[1, 0, 0, 0], [0, 1, 0, 0]], dtype=bool),
                  "val_masks": np.array([[0, 1, 0, 0], [0, 0, 1, 0]], dtype=bool),
                  "test_masks": np.array([[0, 0, 1, 1], [1, 0, 0, 1]], dtype=bool)}
        np.savez(self.dir / "raw.npz", **{k: v for k, v in {**arrays, **changes}.items() if v is not None})
        return self.dir / "raw.npz"

    def test_convert(self) -> None:
        graph = self.convert("heterophilous", self.write(), self.out)
        self.assertEqual(edges_of(graph), [(0, 1, 1), (3, 2, 1)])
        np.testing.assert_array_equal(graph.labels, [0, 1, 1, 0])
        np.testing.assert_array_equal(graph.features, [[1, 2], [3, 4], [5, 6], [7, 8]])
        np.testing.assert_array_equal(graph.masks["test_mask"], [[0, 1], [0, 0], [1, 0], [1, 1]])
        one = self.convert("heterophilous", self.write(), self.out, "--split-index", 1)
        np.testing.assert_array_equal(one.masks["val_mask"], [0, 0, 1, 0])

    def test_one_split_and_none(self) -> None:
        single = {f"{m}_masks": None for m in ("train", "val", "test")}
        single.update({f"{m}_mask": np.eye(4, dtype=bool)[i] for i, m in enumerate(("train", "val", "test"))})
        self.assertEqual(self.convert("heterophilous", self.write(**single), self.out).summary()["split"], (1, 1, 1))
        none = {name: None for name in single}
        self.assertEqual(self.convert("heterophilous", self.write(**none), self.out).masks, {})

    def test_errors(self) -> None:
        for changes, message in (({"edges": np.zeros((2, 3), int)}, "edges: found shape \\(2, 3\\), expected edges × 2"),
                                 ({"edges": np.array([[0, 4]])}, "edges: node id 4 outside 0 … 3"),
                                 ({"node_labels": np.array([0, 1, np.nan, 0])}, "test_mask .split 0.: node 2 is in the"),
                                 ({"val_masks": np.zeros((3, 4))}, "val_mask: found 3 splits, expected 2 as in train_mask"),
                                 ({"val_masks": None, "valid_masks": np.zeros((2, 4))}, "member valid_masks, which is not"),
                                 ({"test_masks": np.full((2, 4), 2)}, "test_mask: node 0: found 2, expected 0 or 1"),
                                 ({"train_masks": np.eye(4)[[0, 3]] * [1, 0, 0, 0]}, "train_mask .split 1.: found no node"),
                                 ({"node_features": None}, "missing node_features")):
            with self.subTest(message):
                self.fails(message, "heterophilous", self.write(**changes), self.out)


if __name__ == "__main__":
    unittest.main()
