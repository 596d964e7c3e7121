#!/usr/bin/env python3
"""Tests of convert.py planetoid on tiny pickles made here."""
from __future__ import annotations

import collections
import contextlib
import io
import pickle
import sys
import types
import unittest

from convert_testing import Base, csr_arrays, np

try:
    import scipy.sparse as sparse
except ImportError:
    sparse = None

from graphs.planetoid import SafeUnpickler


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
        np.testing.assert_array_equal(graph.labels, [0, 1, 2, 0, 1, -1, 2])
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

    def test_a_row_without_a_class_is_in_no_validation_mask(self) -> None:
        (self.dir / "ind.tiny.ally").write_bytes(pickle.dumps(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]])))
        graph = self.convert("planetoid", self.dir, "tiny", self.out, note="1 of the 500 nodes after the training nodes have")
        np.testing.assert_array_equal(graph.labels, [0, 1, -1, 0, 1, -1, 2])
        np.testing.assert_array_equal(graph.masks["val_mask"], [0, 0, 0, 1, 0, 0, 0])

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
        broken("ty", pickle.dumps(np.array([[0, 0, 1], [0, .5, 0]])), "ind.tiny.ty: row 1: found 0.5, expected one-hot")
        broken("ty", pickle.dumps(np.array([[0, 0, 1]])), "do not fit together")
        broken("ty", pickle.dumps(np.array([[0, 0, 1], [0, 0, 0]])), "test_mask: node 4 is in the mask and has no class")
        broken("ally", pickle.dumps(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])),
               "train_mask: node 0 is in the mask and has no class")
        (self.dir / "ind.tiny.y").unlink()
        self.fails("missing: .*ind.tiny.y", "planetoid", self.dir, "tiny", self.out)

    def test_wrong_counts_and_checksums(self) -> None:
        for path in list(self.dir.glob("ind.tiny.*")):
            path.rename(path.with_name(path.name.replace("tiny", "cora")))
        self.fails("published", "planetoid", self.dir, "cora", self.out)
        self.fails("not Cora as expected.*nodes: 7 found, 2708 expected", "planetoid", self.dir, "cora", self.out,
                   "--ignore-checksum")


if __name__ == "__main__":
    unittest.main()
