#!/usr/bin/env python3
"""Tests of convert.py on tiny files made here in each public format; nothing is downloaded."""
from __future__ import annotations

import collections
import contextlib
import gzip
import io
import json
import os
import pickle
import sys
import tempfile
import types
import unittest
import zipfile
from pathlib import Path

try:
    import numpy as np
except ImportError:
    print("test_convert.py: skipped, numpy is missing (apt-get install python3-numpy)")
    sys.exit(77)
try:
    import scipy.sparse as sparse
except ImportError:
    sparse = None

sys.dont_write_bytecode = True
import convert
import dataset_table
from graph_formats import SafeUnpickler
from graph_npz import Csr, DataError, Graph, csr_from_entries, read_graph, write_graph


def csr_arrays(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, cols = np.nonzero(dense)
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=len(dense)))))
    return dense[rows, cols], cols.astype(np.int32), indptr.astype(np.int32)


class FakeCsr:
    """Pickles as scipy's csr_matrix of old does, so that these tests do not need scipy."""

    def __init__(self, dense: np.ndarray) -> None:
        self.data, self.indices, self.indptr = csr_arrays(dense)
        self._shape = dense.shape


FakeCsr.__module__, FakeCsr.__qualname__, FakeCsr.__name__ = "scipy.sparse.csr", "csr_matrix", "csr_matrix"


@contextlib.contextmanager
def fake_scipy():
    """Lets pickle find FakeCsr under scipy's name."""
    names = ("scipy", "scipy.sparse", "scipy.sparse.csr")
    saved = {name: sys.modules.get(name) for name in names}
    modules = [types.ModuleType(name) for name in names]
    modules[0].sparse, modules[1].csr, modules[2].csr_matrix = modules[1], modules[2], FakeCsr
    sys.modules.update(zip(names, modules))
    try:
        yield
    finally:
        for name, module in saved.items():
            if module is None:
                sys.modules.pop(name)
            else:
                sys.modules[name] = module


class Base(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        self.out = self.dir / "out.npz"

    def run_convert(self, *arguments: object) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = convert.main([str(a) for a in arguments])
        return status, out.getvalue(), err.getvalue()

    def convert(self, *arguments: object) -> Graph:
        status, _, err = self.run_convert(*arguments)
        self.assertEqual((status, err), (0, ""))
        return read_graph(self.out)

    def fails(self, message: str, *arguments: object) -> None:
        status, _, err = self.run_convert(*arguments)
        self.assertEqual(status, 1)
        self.assertRegex(err, message)
        self.assertEqual([f for f in os.listdir(self.dir) if "out.npz" in f], [], "something was left half-written")


class Planetoid(Base):
    """4 nodes with features in allx, test ids 6, 4 in file order; id 5 is isolated as in Citeseer."""

    ALLX = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], dtype=np.float32)
    TX = np.array([[0, 1, 1], [1, 0, 1]], dtype=np.float32)

    def setUp(self) -> None:
        super().setUp()
        with fake_scipy():
            self.write(FakeCsr)

    def write(self, matrix: type, protocol: int = 2) -> None:
        graph = collections.defaultdict(list, {0: [1, 1, 6], 1: [0], 2: [2], 3: [4], 4: [3], 6: [0]})
        hot = np.eye(3, dtype=np.int32)
        parts = {"x": matrix(self.ALLX[:2]), "tx": matrix(self.TX), "allx": matrix(self.ALLX), "y": hot[[0, 1]],
                 "ty": hot[[2, 1]], "ally": hot[[0, 1, 2, 0]], "graph": graph}
        for part, value in parts.items():
            (self.dir / f"ind.tiny.{part}").write_bytes(pickle.dumps(value, protocol=protocol))
        (self.dir / "ind.tiny.test.index").write_text("6\n4\n")

    def check(self) -> None:
        graph = self.convert("planetoid", self.dir, "tiny", self.out)
        self.assertEqual(graph.nodes, 7)
        np.testing.assert_array_equal(graph.labels, [0, 1, 2, 0, 1, 0, 2])
        features = graph.features.to_dense()
        np.testing.assert_array_equal(features[:4], self.ALLX)
        np.testing.assert_array_equal(features[[6, 4]], self.TX)
        self.assertEqual(features[5].sum(), 0)
        self.assertEqual(sorted(zip(graph.adjacency.rows(), graph.adjacency.indices)),
                         [(0, 1), (0, 6), (1, 0), (2, 2), (3, 4), (4, 3), (6, 0)])
        self.assertEqual(graph.summary()["edges"], 6)
        np.testing.assert_array_equal(graph.masks["train_mask"], [1, 1, 0, 0, 0, 0, 0])
        np.testing.assert_array_equal(graph.masks["val_mask"], [0, 0, 1, 1, 0, 0, 0])
        np.testing.assert_array_equal(graph.masks["test_mask"], [0, 0, 0, 0, 1, 0, 1])

    def test_isolated_test_nodes(self) -> None:
        self.check()

    @unittest.skipUnless(sparse, "scipy is missing (apt-get install python3-scipy)")
    def test_real_scipy_pickles(self) -> None:
        for protocol in (0, 2, 4):
            self.write(sparse.csr_matrix, protocol)
            self.check()

    def test_python2_module_names(self) -> None:
        raw = b"c__builtin__\nlist\n(tR."
        self.assertEqual(SafeUnpickler(io.BytesIO(raw), encoding="latin1").load(), [])

    def test_refuses_code(self) -> None:
        (self.dir / "ind.tiny.graph").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
        self.fails("refuses to load (os|posix).system", "planetoid", self.dir, "tiny", self.out)

    def test_errors(self) -> None:
        def broken(part: str, content: bytes, message: str) -> None:
            path = self.dir / f"ind.tiny.{part}"
            saved = path.read_bytes()
            path.write_bytes(content)
            self.fails(message, "planetoid", self.dir, "tiny", self.out)
            path.write_bytes(saved)

        broken("allx", (self.dir / "ind.tiny.allx").read_bytes()[:40], "ind.tiny.allx: not a readable pickle")
        broken("tx", pickle.dumps([1]), "expected a sparse matrix in CSR form, found list")
        broken("test.index", b"6\n", "1 distinct ids for 2 test rows")
        broken("test.index", b"6\n3\n", "must start at 4")
        broken("test.index", b"6\nfour\n", "four")
        broken("test.index", b"4\n999999999\n", "far beyond")
        broken("graph", pickle.dumps({0: [7]}), "node id 7 outside 0 … 6")
        broken("ty", pickle.dumps(np.zeros(2)), "nodes × classes")
        broken("ty", pickle.dumps(np.ones((2, 3))), "ind.tiny.ty: multi-label: row 0")
        broken("ty", pickle.dumps(np.array([[0, 0, 1], [1, 1, 0]])), "ind.tiny.ty: multi-label: row 1")
        (self.dir / "ind.tiny.y").unlink()
        self.fails("missing: .*ind.tiny.y", "planetoid", self.dir, "tiny", self.out)

    def test_wrong_counts_and_checksums(self) -> None:
        for path in list(self.dir.glob("ind.tiny.*")):
            path.rename(path.with_name(path.name.replace("tiny", "cora")))
        self.fails("published", "planetoid", self.dir, "cora", self.out)
        self.fails("not Cora as expected.*nodes: 7 found, 2708 expected", "planetoid", self.dir, "cora", self.out,
                   "--ignore-checksum")


class GnnBenchmark(Base):
    def write(self, **changes: object) -> Path:
        rng = np.random.default_rng(1)
        data, indices, indptr = csr_arrays((rng.random((8, 5)) < .5).astype(np.float32))
        arrays = {"adj_data": np.array([2.0, 1.0, 1.0]), "adj_indices": np.array([3, 1, 0], dtype=np.int32),
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

    def test_dense_features(self) -> None:
        dense = np.arange(16, dtype=np.float64).reshape(8, 2)
        none = {f"attr_{k}": None for k in ("data", "indices", "indptr", "shape")}
        raw = self.write(attr_matrix=dense, **none)
        self.assertIsInstance(self.convert("gnn-benchmark", raw, self.out).features, np.ndarray)
        stored = self.convert("gnn-benchmark", raw, self.out, "--features", "sparse").features
        self.assertIsInstance(stored, Csr)
        np.testing.assert_array_equal(stored.to_dense(), dense)

    def test_errors(self) -> None:
        for message, changes in {
            "missing adj_data": {"adj_data": None},
            "no features": {"attr_data": None},
            "no 'labels'": {"labels": None},
            "several per node": {"labels_data": np.ones(3)},
            "column 8 or 0 outside 0 … 7": {"adj_indices": np.array([3, 8, 0])},
            "indptr has 3 entries, expected rows \\+ 1 = 9": {"adj_indptr": np.array([0, 2, 3])},
            "must rise from 0 to 3": {"adj_indptr": np.array([0, 3, 2, 3, 3, 3, 3, 3, 3])},
            "impossible shape": {"adj_shape": np.array([2**40, 2**40])},
            "NaN": {"adj_data": np.array([1, np.nan, 1])},
            "-1 found, classes count from 0": {"labels": np.array([-1] * 8)},
            "float64 of shape \\(8,\\), expected 8 integers": {"labels": np.zeros(8)},
            "only train_mask of the three": {"train_mask": np.zeros(8, bool)},
            "train_mask: found 256, expected 0 or 1": {f"{m}_mask": np.full(8, 256) for m in ("train", "val", "test")},
            "node 0 is in more than one": {f"{m}_mask": np.ones(8, bool) for m in ("train", "val", "test")},
        }.items():
            with self.subTest(message):
                self.fails(message, "gnn-benchmark", self.write(**changes), self.out)
        raw = self.write()
        raw.write_bytes(raw.read_bytes()[:300])
        self.fails("not a readable .npz", "gnn-benchmark", raw, self.out)
        self.fails("missing: ", "gnn-benchmark", self.dir / "none.npz", self.out)


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

    def test_zip(self) -> None:
        with zipfile.ZipFile(self.dir / "arxiv.zip", "w") as archive:
            for name in self.FILES:
                archive.write(self.dir / "arxiv" / name, f"arxiv/{name}")
        self.fails("sha256", "ogb", self.dir / "arxiv.zip", self.out, "--dataset", "ogbn_arxiv")
        self.check(self.dir / "arxiv.zip")

    def test_errors(self) -> None:
        for name, text, message in (("raw/edge.csv.gz", "0,4\n", "node id 4 outside 0 … 3"),
                                    ("raw/edge.csv.gz", "0,1,2\n", "3 columns, expected 2"),
                                    ("raw/node-label.csv.gz", "0\n1\n", "2 labels for 4 rows"),
                                    ("raw/node-label.csv.gz", "0\n1.5\n1\n0\n", "not a whole number"),
                                    ("raw/node-feat.csv.gz", "1,x\n", "node-feat.csv.gz"),
                                    ("raw/node-feat.csv.gz", "nan,1\n2,3\n0,1\n4,5\n", "NaN"),
                                    ("split/time/test.csv.gz", "1\n", "more than one part")):
            with self.subTest(message):
                self.put(name, text)
                self.fails(message, "ogb", self.dir / "arxiv", self.out)
                self.put(name, self.FILES[name])
        path = self.dir / "arxiv/raw/edge.csv.gz"
        path.write_bytes(path.read_bytes()[:15])
        self.fails("edge.csv.gz", "ogb", self.dir / "arxiv", self.out)
        self.fails("neither|no such", "ogb", self.dir / "nothing", self.out)


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

    def test_errors(self) -> None:
        for name, good, bad, message in (
                ("class_map.json", {"0": 1, "1": 2, "2": 0}, {"0": 1, "2": 0}, "node 1 has no class"),
                ("class_map.json", {"0": 1, "1": 2, "2": 0}, {"0": [1, 0]}, "one class per node"),
                ("class_map.json", {"0": 1, "1": 2, "2": 0}, {"3": 1}, "outside 0 … 2"),
                ("role.json", {"tr": [2], "va": [0], "te": [1]}, {"tr": [2], "va": [0]}, "'te' must be a list"),
                ("role.json", {"tr": [2], "va": [0], "te": [1]}, {"tr": [2], "va": [0], "te": [-1]}, "outside")):
            with self.subTest(message):
                self.put(name, bad)
                self.fails(message, "graphsaint", self.dir, self.out)
                self.put(name, good)
        adjacency = self.dir / "adj_full.npz"
        with np.load(adjacency) as file:
            arrays = dict(file)
        np.savez(adjacency, **{**arrays, "format": np.array(b"csc")})
        self.fails("sparse format b'csc', expected CSR", "graphsaint", self.dir, self.out)
        np.savez(adjacency, **arrays)
        np.save(self.dir / "feats.npy", np.zeros((2, 2)))
        self.fails("expected 3 rows", "graphsaint", self.dir, self.out)
        (self.dir / "feats.npy").write_bytes(b"no array")
        self.fails("not a readable .npy", "graphsaint", self.dir, self.out)


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

    def test_table(self) -> None:
        status, out, _ = self.run_convert("list")
        self.assertEqual((status, len(dataset_table.DATASETS)), (0, 9))
        for name, dataset in dataset_table.DATASETS.items():
            self.assertIn(f"{name}: {dataset.title}", out)
            files = {url.rsplit("/", 1)[1] for url in dataset.urls}
            self.assertLessEqual(set(dataset.raw_sha256), files)
            for digest in [*dataset.raw_sha256.values(), *dataset.content.values()]:
                self.assertRegex(digest, "^[0-9a-f]{64}$")


if __name__ == "__main__":
    unittest.main()
