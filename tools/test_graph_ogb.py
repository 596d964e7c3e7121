#!/usr/bin/env python3
"""Tests of convert.py ogb on tiny files made here: CSV, and the binary form that is read in blocks."""
from __future__ import annotations

import gzip
import tracemalloc
import unittest
import zipfile
from pathlib import Path

from convert_testing import Base, edges_of, np

from graphs.npz import read_graph
from graphs.ogb_binary import Blocks, Summary, convert_ogb_binary

NAN = float("nan")


class Ogb(Base):
    FILES = {"raw/edge.csv.gz": "0,1\n2,0\n2,0\n3,3\n", "raw/node-feat.csv.gz": "0.5,-1\n2,3\n0,1\n4,5\n",
             "raw/node-label.csv.gz": "0\n2\n1\n0\n", "split/time/train.csv.gz": "0\n3\n",
             "split/time/valid.csv.gz": "1\n", "split/time/test.csv.gz": "2\n"}

    def setUp(self) -> None:
        super().setUp()
        for name, text in self.FILES.items():
            self.put(name, text)

    def put(self, name: str, text: str) -> None:
        path = self.dir / "arxiv" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()))

    def check(self, source: Path) -> None:
        graph = self.convert("ogb", source, self.out)
        self.assertEqual(list(zip(graph.adjacency.rows(), graph.adjacency.indices)), [(0, 1), (2, 0), (3, 3)])
        np.testing.assert_array_equal(graph.features, [[.5, -1], [2, 3], [0, 1], [4, 5]])
        np.testing.assert_array_equal(graph.labels, [0, 2, 1, 0])
        self.assertEqual(graph.summary(), {"nodes": 4, "edges": 4, "features": 2, "classes": 3, "split": (2, 1, 1)})

    def test_folder(self) -> None:
        self.check(self.dir / "arxiv")

    def test_labels_that_are_missing(self) -> None:
        self.put("split/time/test.csv.gz", "")
        for missing in ("nan", '""', "-1"):
            with self.subTest(missing):
                self.put("raw/node-label.csv.gz", f"0\n2\n{missing}\n0.0\n\n")
                graph = self.convert("ogb", self.dir / "arxiv", self.out)
                np.testing.assert_array_equal(graph.labels, [0, 2, -1, 0])

    def test_zip(self) -> None:
        with zipfile.ZipFile(self.dir / "arxiv.zip", "w") as archive:
            for name in self.FILES:
                archive.write(self.dir / "arxiv" / name, f"arxiv/{name}")
        self.fails("sha256", "ogb", self.dir / "arxiv.zip", self.out, "--dataset", "ogbn_arxiv")
        self.check(self.dir / "arxiv.zip")

    def test_errors(self) -> None:
        for name, text, message in (("raw/edge.csv.gz", "0,4\n", "node id 4 outside 0 … 3"),
                                    ("raw/edge.csv.gz", "0,1,2\n", "3 columns, expected 2"),
                                    ("raw/node-label.csv.gz", "0\n1\n", "2 labels for 4 nodes"),
                                    ("raw/node-label.csv.gz", "0\n2\n\n1\n0\n", "line 3 of 5 is blank"),
                                    ("raw/node-label.csv.gz", "\n2\n1\n0\n", "line 1 of 4 is blank"),
                                    ("raw/node-feat.csv.gz", "0,1\n \n1,2\n1,2\n1,2\n", "node-feat.csv.gz: line 2 of 5 is"),
                                    ("raw/node-label.csv.gz", "0,1\n2,1\n1,1\n0,1\n", "several labels per node"),
                                    ("raw/node-label.csv.gz", "nan\n2\n1\n0\n", "train_mask: node 0 is in the mask and"),
                                    ("raw/node-label.csv.gz", "0\n1.5\n1\n0\n", "not a whole number"),
                                    ("raw/node-feat.csv.gz", "1,x\n", "node-feat.csv.gz"),
                                    ("raw/node-feat.csv.gz", "nan,1\n2,3\n0,1\n4,5\n", "NaN"),
                                    ("split/time/test.csv.gz", "1\n", "val_mask and test_mask overlap: node 1")):
            with self.subTest(message):
                self.put(name, text)
                self.fails(message, "ogb", self.dir / "arxiv", self.out)
                self.put(name, self.FILES[name])
        path = self.dir / "arxiv/raw/edge.csv.gz"
        path.write_bytes(path.read_bytes()[:15])
        self.fails("edge.csv.gz", "ogb", self.dir / "arxiv", self.out)
        self.fails("neither|no such", "ogb", self.dir / "nothing", self.out)


class Binary(Base):
    """raw/data.npz and raw/node-label.npz, as ogbn-papers100M has them."""

    def setUp(self) -> None:
        super().setUp()
        self.raw = self.dir / "papers" / "raw"
        self.raw.mkdir(parents=True)
        for part, text in (("train", "0\n"), ("valid", "3\n"), ("test", "1\n")):
            path = self.dir / "papers" / "split" / "time" / f"{part}.csv.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(text.encode()))
        self.put()

    def put(self, label: object = ((5,), (2,), (NAN,), (0,)), **changes: object) -> None:
        arrays = {"edge_index": np.array([[2, 0, 2, 1, 3, 2], [0, 1, 0, 3, 3, 1]]), "num_nodes_list": np.array([4]),
                  "node_feat": np.array([[.5, 1], [2, 3], [4, 5], [6, 7]], dtype=np.float32), "num_edges_list": np.array([6]),
                  "node_year": np.array([[2000]] * 4)}
        np.savez(self.raw / "data.npz", **{k: v for k, v in {**arrays, **changes}.items() if v is not None})
        np.savez(self.raw / "node-label.npz", node_label=np.array(label, dtype=np.float32))

    def check(self, blocks: Blocks = Blocks()) -> Summary:
        self.out.unlink(missing_ok=True)
        summary = convert_ogb_binary(self.dir / "papers", "time", self.out, blocks)
        graph = read_graph(self.out)
        self.assertEqual(edges_of(graph), [(0, 1, 1), (1, 3, 1), (2, 0, 1), (2, 1, 1), (3, 3, 1)])
        np.testing.assert_array_equal(graph.features, [[.5, 1], [2, 3], [4, 5], [6, 7]])
        np.testing.assert_array_equal(graph.labels, [5, 2, -1, 0])
        self.assertEqual([list(mask) for mask in graph.masks.values()], [[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]])
        return summary

    def test_convert(self) -> None:
        status, out, err = self.run_convert("ogb", self.dir / "papers", self.out)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("4 nodes, 5 stored edges, 2 features, 6 classes, train/validation/test 1/1/1", out)
        self.assertIn("1 of 4 nodes without a class", out)
        self.check()

    def test_blocks_of_any_size_make_the_same_file(self) -> None:
        self.check()
        whole = self.out.read_bytes()
        for size, edges in ((1, 1), (8, 2), (64, 3), (1 << 20, 1)):
            self.check(Blocks(size, edges))
            self.assertEqual(self.out.read_bytes(), whole)

    def test_storage(self) -> None:
        """Edges stored by columns, deflated members, features of 16 bits (which stay so), 32-bit ids."""
        self.put(edge_index=np.asfortranarray(np.array([[2, 0, 2, 1, 3, 2], [0, 1, 0, 3, 3, 1]], dtype=np.int32)),
                 node_feat=np.array([[.5, 1], [2, 3], [4, 5], [6, 7]], dtype=np.float16))
        with np.load(self.raw / "data.npz") as file:
            arrays = dict(file)
        np.savez_compressed(self.raw / "data.npz", **{**arrays, "edge_index": np.asfortranarray(arrays["edge_index"])})
        for size in (1, 1 << 20):
            self.check(Blocks(size, 2))
        with np.load(self.out) as file:
            types = [str(file[name].dtype) for name in ("attr_matrix", "adj_indices", "adj_indptr", "adj_data", "labels")]
        self.assertEqual(types, ["float16", "int32", "int64", "uint8", "int32"])

    def test_more_rows_than_ranges_are_counted(self) -> None:
        nodes = 150_001
        edges = np.random.default_rng(4).integers(0, nodes, (2, 20_000))
        self.put(edge_index=edges, num_nodes_list=np.array([nodes]), node_feat=np.ones((nodes, 1)), label=np.zeros(nodes))
        convert_ogb_binary(self.dir / "papers", "time", self.out, Blocks(bytes=1 << 16, edges=3000))
        with np.load(self.out) as file:
            rows = np.repeat(np.arange(nodes), np.diff(file["adj_indptr"]))
            found = rows * nodes + file["adj_indices"]
        np.testing.assert_array_equal(found, np.unique(edges[0] * nodes + edges[1]))

    def test_memory(self) -> None:
        """The peak stays far below the features, and below the edges."""
        nodes, width, edges = 60_000, 640, 2_000_000
        rng = np.random.default_rng(3)
        features = np.zeros((nodes, width), np.float32)
        self.put(edge_index=rng.integers(0, nodes, (2, edges)), num_nodes_list=np.array([nodes]), node_feat=features,
                 label=np.zeros(nodes))
        total = features.nbytes + 16 * edges
        del features
        tracemalloc.start()
        convert_ogb_binary(self.dir / "papers", "time", self.out, Blocks(2 << 20, 1 << 17))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        self.assertGreater(total, 180_000_000)
        self.assertLess(peak, 12_000_000)

    def test_errors(self) -> None:
        nan, wide = np.array([[0, 1], [NAN, 1], [0, 0], [0, 0]]), np.full((4, 2), 1e39)
        for changes, message in (({"edge_index": np.array([[0], [4]])}, "edge_index: node id 4 outside 0 … 3"),
                                 ({"edge_index": np.array([[0], [2**32]])}, "edge_index: node id 4294967296 outside"),
                                 ({"edge_index": np.zeros((3, 2), int)}, "edge_index: found int64 of shape .3, 2., expected"),
                                 ({"edge_index": None}, "data.npz: missing edge_index"),
                                 ({"num_nodes_list": np.array([2, 2])}, "num_nodes_list: found 2 graphs, expected 1"),
                                 ({"num_nodes_list": np.array([2**31])}, "2147483648 nodes, expected 1 to 2000000000"),
                                 ({"num_nodes_list": np.array([5])}, "node_label: found shape .4, 1., expected one label for"),
                                 ({"node_feat": np.zeros((3, 2))}, "node_feat: found shape .3, 2., expected 4 × features"),
                                 ({"node_feat": np.asfortranarray(np.eye(4))}, "node_feat: is stored by columns"),
                                 ({"node_feat": nan}, "node_feat.*element 2: found nan"),
                                 ({"node_feat": wide}, "node_feat.*found 1e\\+39"),
                                 ({"label": ((5,), (2,), (.5,), (0,))}, "node_label.*node 2: found 0.5"),
                                 ({"label": ((NAN,), (2,), (1,), (0,))}, "train_mask: node 0 is in the mask and has")):
            with self.subTest(message):
                self.put(**changes)
                self.fails(message, "ogb", self.dir / "papers", self.out)
        self.put()
        self.fails("leave out --features sparse", "ogb", self.dir / "papers", self.out, "--features", "sparse")
        self.fails("leave out --split-index 1", "ogb", self.dir / "papers", self.out, "--split-index", 1)
        self.fails("but Ogbn-Arxiv has another form", "ogb", self.dir / "papers", self.out, "--dataset", "ogbn_arxiv")
        raw = (self.raw / "data.npz").read_bytes()
        broken = bytearray(raw)
        place = raw.index(np.array([4, 5], np.float32).tobytes())
        broken[place] ^= 1
        (self.raw / "data.npz").write_bytes(broken)
        self.fails("damaged .*CRC", "ogb", self.dir / "papers", self.out)
        (self.raw / "data.npz").write_bytes(raw[:200])
        self.fails("data.npz: not a readable .npz", "ogb", self.dir / "papers", self.out)
        with zipfile.ZipFile(self.dir / "papers.zip", "w") as archive:
            archive.writestr("papers/raw/data.npz", raw)
        self.fails("unpack the .zip and give its folder", "ogb", self.dir / "papers.zip", self.out)


if __name__ == "__main__":
    unittest.main()
