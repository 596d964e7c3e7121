#!/usr/bin/env python3
"""Tests of convert.py files: edge lists, Matrix Market, and the files of nodes beside them."""
from __future__ import annotations

import unittest
from pathlib import Path

from convert_testing import Base, edges_of, np

try:
    import scipy.io
    import scipy.sparse as sparse
except ImportError:
    sparse = None

HEADER = "%%MatrixMarket matrix coordinate"


class Files(Base):
    def setUp(self) -> None:
        super().setUp()
        np.savetxt(self.dir / "x.txt", np.array([[1.5, 2], [3, 4], [5, 6]]))
        self.put("y.txt", "1\nnan\n0\n")
        self.put("train.txt", "0\n")
        self.put("val.txt", "2\n")
        self.put("test.txt", "# none\n2\n")

    def put(self, name: str, text: str) -> Path:
        (self.dir / name).write_text(text)
        return self.dir / name

    def arguments(self, graph: Path, *more: object, features: str = "x.txt") -> tuple[object, ...]:
        return ("files", graph, self.out, "--node-features", self.dir / features, *more)


class EdgeLists(Files):
    def test_what_savetxt_writes_by_default(self) -> None:
        np.savetxt(self.dir / "edges.txt", np.array([[0, 1], [2, 0]]))
        self.assertIn("e+00", (self.dir / "edges.txt").read_text())
        np.savetxt(self.dir / "y.txt", np.array([1, -1, 0]))
        graph = self.convert(*self.arguments(self.dir / "edges.txt", "--labels", self.dir / "y.txt"))
        self.assertEqual(edges_of(graph), [(0, 1, 1), (2, 0, 1)])
        np.testing.assert_array_equal(graph.labels, [1, -1, 0])
        np.testing.assert_array_equal(graph.features, [[1.5, 2], [3, 4], [5, 6]])

    def test_weights_and_names(self) -> None:
        for text in ("source,target,weight\n0,1,.5\n2,0,2\n", "0 1 .5\n2 0 2\n", "# u v w\n\n0\t1\t.5\n2\t0\t2\n",
                     '"src", "dst", "w"\n0, 1, .5\n2, 0, 2\n', "\ufeffu v w\n0 1 .5 # first\n2 0 2"):
            with self.subTest(text):
                graph = self.convert(*self.arguments(self.put("e.csv", text)), note="weights .0.5 to 2., which were kept")
                self.assertEqual(edges_of(graph), [(0, 1, .5), (2, 0, 2)])
        self.assertEqual(edges_of(self.convert(*self.arguments(self.put("e.csv", "source,target\n0,1\n0,1\n")))), [(0, 1, 1)])

    def test_parts_and_no_labels(self) -> None:
        edges = self.put("e.txt", "0 1\n")
        self.assertFalse(self.convert(*self.arguments(edges)).has_labels)
        parts = [self.dir / f"{part}.txt" for part in ("train", "val", "test")]
        self.put("test.txt", "# none\n")
        labels = ("--labels", self.dir / "y.txt", "--parts")
        self.fails("test.txt: holds no numbers", *self.arguments(edges, *labels, *parts))
        np.save(self.dir / "test.npy", np.zeros(3, dtype=bool))
        graph = self.convert(*self.arguments(edges, *labels, *parts[:2], self.dir / "test.npy"))
        self.assertEqual(graph.summary()["split"], (1, 1, 0))
        np.save(self.dir / "test.npy", np.array([0, 1, 0], dtype=np.uint8))
        self.fails("as many numbers as nodes, all of them 0 or 1",
                   *self.arguments(edges, *labels, *parts[:2], self.dir / "test.npy"))
        self.put("test.txt", "1\n")
        self.fails("test_mask: node 1 is in the mask and has no class", *self.arguments(edges, *labels, *parts))

    def test_errors(self) -> None:
        for text, message in (("0 1 2 3\n", "found 4 columns, expected two node ids"), ("0\n", "found 1 columns"),
                              ("source,target,time\n0,1,5\n", "found the columns source, target, time, expected source"),
                              ("w,source,target\n5,0,1\n", "found the columns w, source"),
                              ("0 1.5\n", "node ids: element 1: found 1.5, expected an integer"),
                              ("0 3\n", "node id 3 outside 0 … 2"),
                              ("1 2\n2 3\n", "node ids from 1 to 3, expected 0 to 2: subtract 1"),
                              ("0 -1\n", "node id -1 outside 0 … 2"), ("0 1 nan\n", "weights: holds NaN or infinite"),
                              ("0 1\n2\n", "e.txt: "), ("0 1\nb c\n", "e.txt: "), ("0 b\n", "a first line of column names alone"),
                              ("a b\n", "a line of names and no numbers"), ("", "holds no numbers")):
            with self.subTest(text):
                self.fails(message, *self.arguments(self.put("e.txt", text)))
        for content, message in ((b"\x1f\x8b123", "compressed by gzip"), ("0 1".encode("utf-16"), "is UTF-16")):
            (self.dir / "e.txt").write_bytes(content)
            self.fails(message, *self.arguments(self.dir / "e.txt"))
        edges = self.put("e.txt", "0 1\n")
        self.put("id.csv", "node_id,age\n0,5\n1,6\n2,7\n")
        self.fails("a column named node_id, expected features alone", *self.arguments(edges, features="id.csv"))
        for text, message in (("1\n0\n", "2 labels for 3 nodes"), ("0 1\n1 1\n2 0\n", "several labels per node"),
                              ("1\n.5\n0\n", "node 1: found 0.5")):
            self.fails(message, *self.arguments(edges, "--labels", self.put("y.txt", text)))
        self.fails("missing: .*nothing", *self.arguments(self.dir / "nothing"))


@unittest.skipUnless(sparse, "scipy is missing (apt-get install python3-scipy)")
class MatrixMarket(Files):
    def edges(self, text: str, **options: str) -> list[tuple[int, int, float]]:
        return edges_of(self.convert(*self.arguments(self.put("a.mtx", text)), **options))

    def test_kinds(self) -> None:
        self.assertEqual(self.edges(f"{HEADER} pattern general\n3 3 2\n1 2\n3 1\n"), [(0, 1, 1), (2, 0, 1)])
        self.assertEqual(self.edges(f"{HEADER} pattern symmetric\n3 3 2\n2 1\n3 3\n"), [(0, 1, 1), (1, 0, 1), (2, 2, 1)])
        weighted = self.edges(f"{HEADER} integer symmetric\n3 3 1\n2 1 7\n", note="7 to 7")
        self.assertEqual(weighted, [(0, 1, 7), (1, 0, 7)])
        skew = self.edges(f"{HEADER} real skew-symmetric\n3 3 1\n2 1 .5\n", note="will refuse them, as edge 0 -> 1 has -0.5")
        self.assertEqual(skew, [(0, 1, -.5), (1, 0, .5)])
        self.assertEqual(self.edges(f"{HEADER} real general\n3 3 2\n1 2 0\n3 1 1\n"), [(2, 0, 1)])
        dense = "%%MatrixMarket matrix array real general\n3 3\n" + "0\n0\n1\n1\n0\n0\n0\n0\n0\n"
        self.assertEqual(self.edges(dense), [(0, 1, 1), (2, 0, 1)])

    def test_a_symmetric_file_with_both_triangles_is_refused(self) -> None:
        for kind, value in (("pattern symmetric", ""), ("real symmetric", " 1"), ("real skew-symmetric", " 1")):
            with self.subTest(kind):
                text = f"{HEADER} {kind}\n3 3 2\n2 1{value}\n1 2{value}\n"
                self.fails("holds both entries .1, 2. and .2, 1., or one twice", *self.arguments(self.put("a.mtx", text)))
        self.fails("or one twice", *self.arguments(self.put("a.mtx", f"{HEADER} pattern symmetric\n3 3 2\n3 3\n3 3\n")))

    def test_features(self) -> None:
        dense = np.array([[0, 2, 0], [1, 0, 0], [0, 0, 3]], dtype=np.float32)
        scipy.io.mmwrite(self.dir / "x.mtx", sparse.coo_matrix(dense))
        sparse.save_npz(self.dir / "x.npz", sparse.csc_matrix(dense))
        np.save(self.dir / "x.npy", dense)
        for name in ("x.mtx", "x.npz", "x.npy"):
            graph = self.convert(*self.arguments(self.put("e.txt", "0 1\n"), "--features", "sparse", features=name))
            np.testing.assert_array_equal(graph.features.to_dense(), dense)

    def test_errors(self) -> None:
        for text, message in ((f"{HEADER} pattern general\n2 2 1\n1 2\n", "found 2 x 2, expected 3 x 3, the rows of"),
                              (f"{HEADER} complex general\n3 3 1\n1 2 1 1\n", "found complex128, expected numbers"),
                              (f"{HEADER} real general\n3 3 1\n1 2 nan\n", "values: holds NaN or infinite"),
                              ("0 1\n", "not a readable Matrix Market file"),
                              (f"{HEADER} real general\n3 3 2\n1 2 1\n", "not a readable Matrix Market file")):
            with self.subTest(text):
                self.fails(message, *self.arguments(self.put("a.mtx", text)))


if __name__ == "__main__":
    unittest.main()
