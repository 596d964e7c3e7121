"""What the tests of convert.py share: a folder of their own, a run of the program, arrays of CSR matrices."""
from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
try:
    import numpy as np
except ImportError:
    print(f"{Path(sys.argv[0]).name}: skipped, numpy is missing (apt-get install python3-numpy)")
    sys.exit(77)

import convert
from graphs.npz import Graph, read_graph


def csr_arrays(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, cols = np.nonzero(dense)
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=len(dense)))))
    return dense[rows, cols], cols.astype(np.int32), indptr.astype(np.int32)


def edges_of(graph: Graph) -> list[tuple[int, int, float]]:
    a = graph.adjacency
    return [(int(u), int(v), float(w)) for u, v, w in zip(a.rows(), a.indices, a.data)]


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

    def convert(self, *arguments: object, note: str = "") -> Graph:
        """The graph that was written, after a run without complaints that prints `note`."""
        self.out.unlink(missing_ok=True)
        status, out, err = self.run_convert(*arguments)
        self.assertEqual((status, err), (0, ""))
        if note:
            self.assertRegex(out, note)
        else:
            self.assertNotIn("note:", out)
        return read_graph(self.out)

    def fails(self, message: str, *arguments: object) -> None:
        self.out.unlink(missing_ok=True)
        status, _, err = self.run_convert(*arguments)
        self.assertEqual(status, 1)
        self.assertRegex(err, message)
        self.assertEqual([f for f in os.listdir(self.dir) if "out.npz" in f], [], "something was left half-written")
