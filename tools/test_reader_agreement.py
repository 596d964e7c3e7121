#!/usr/bin/env python3
"""Holds that convert.py and the program read an .npz by the same rules: what one refuses the other refuses, what both take
means the same, and means the same once converted. Needs a built program: GAMLP_PROGRAM, or one in build*/ here."""
from __future__ import annotations

import contextlib
import gzip
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

from convert_testing import Base, csr_arrays, np

from graphs.csr import DataError
from graphs.npz import read_graph

ROOT = Path(__file__).resolve().parent.parent


def program() -> str | None:
    """The one that the environment names, or that was built here for this machine."""
    built = [str(path) for path in (ROOT / "build" / "gamlp", ROOT / "build-cpu" / "gamlp") if path.exists()]
    return os.environ.get("GAMLP_PROGRAM") or next(iter(built), None)


N = 6
MASK = np.eye(N, dtype=bool)
SPLITS = np.stack((MASK[0], MASK[1], MASK[2]), axis=1)
THREE = {"train_mask": MASK[0], "val_mask": MASK[1], "test_mask": MASK[2]}
NO_CSR = {f"attr_{part}": None for part in ("data", "indices", "indptr", "shape")}

TAKEN = {
    "as it is": {},
    "labels of one row": {"labels": np.array([[0, 1, 2] * 2])},
    "a shape of one row": {"adj_shape": np.array([[N, N]])},
    "three masks": THREE,
    "training nodes alone": {"train_mask": MASK[0]},
    "masks as floats": {**THREE, "val_mask": MASK[1].astype(np.float32)},
    "masks as columns": {name: mask[:, None] for name, mask in THREE.items()},
    "nodes × splits": {"train_mask": SPLITS, "val_mask": np.roll(SPLITS, 3, axis=0), "test_mask": MASK[0] & False},
    "splits × nodes": {"train_mask": SPLITS.T, "val_mask": np.roll(SPLITS, 3, axis=0).T},
    "labels as floats": {"labels": np.array([0., 1, 2, 0, 1, 2])},
    "labels as a column": {"labels": np.arange(N)[:, None]},
    "labels of -1": {"labels": np.array([0, -1, 1, -1, 0, 0])},
    "labels of NaN": {"labels": np.array([0, np.nan, 1, 0, 1, np.nan])},
    "labels of booleans": {"labels": np.array([True, False] * 3)},
    "gaps in labels": {"labels": np.array([2, 7, 2, 7, 2, 7])},
    "weights": {"adj_data": np.array([.5, 2, 1, 1])},
    "a weight of 0": {"adj_data": np.array([1, 0, 1, 1])},
    "negative weights": {"adj_data": np.array([-1., 1, 1, 1])},
    "duplicates": {"adj_indices": np.array([1, 1, 0, 4])},
    "weighted duplicates": {"adj_indices": np.array([1, 1, 0, 4]), "adj_data": np.array([.1, .2, 1, 1])},
    "rows out of order": {"adj_indices": np.array([2, 1, 0, 4])},
    "columns of an adjacency": {"adj_data": np.ones((4, 1))},
    "indices as floats": {"adj_indices": np.array([1., 2, 0, 4])},
    "weights of 16 bits": {"adj_data": np.array([1, 1, 1, 1], np.float16)},
    "dense features": {**NO_CSR, "attr_matrix": np.ones((N, 2))},
    "both forms of features": {"attr_matrix": np.full((N, 2), np.nan)},
    "other members": {"class_names": np.array(["a", None], dtype=object), "node_mask": np.ones(3)},
}
REFUSED = {
    "a label of one half": {"labels": np.array([0, .5, 1, 0, 1, 0])},
    "a label of -2": {"labels": np.array([0, -2, 1, 0, 1, 0])},
    "a label too large": {"labels": np.array([0, 65536, 1, 0, 1, 0])},
    "one-hot labels": {"labels": np.eye(N)},
    "too few labels": {"labels": np.zeros(N - 1)},
    "a label of 2^64 - 1": {"labels": np.array([0, 1, 0, 1, 0, 2**64 - 1], np.uint64)},
    "labels under another name": {"labels": None, "y": np.zeros(N)},
    "a mask of 2": {**THREE, "val_mask": np.full(N, 2)},
    "a mask of 256": {**THREE, "val_mask": np.full(N, 256)},
    "a mask of -1": {**THREE, "val_mask": -MASK[1].astype(int)},
    "a mask of one half": {**THREE, "val_mask": MASK[1] * .5},
    "a mask of NaN": {**THREE, "val_mask": np.full(N, np.nan)},
    "a mask too short": {**THREE, "val_mask": MASK[1][:-1]},
    "masks of 2 and 3 splits": {"train_mask": SPLITS, "val_mask": np.roll(SPLITS, 3, axis=0)[:, :2]},
    "masks of no split": {**THREE, "val_mask": np.zeros((N, 0))},
    "masks that overlap": {**THREE, "val_mask": MASK[0]},
    "no training node": {**THREE, "train_mask": np.zeros(N)},
    "no training mask": {"val_mask": MASK[1]},
    "valid_mask": {"train_mask": MASK[0], "valid_mask": MASK[1]},
    "train_masks": {"train_masks": SPLITS},
    "is_test": {"train_mask": MASK[0], "is_test": MASK[1]},
    "a NaN weight": {"adj_data": np.array([np.nan, 1, 1, 1])},
    "a weight beyond float32": {"adj_data": np.array([1e39, 1, 1, 1])},
    "an index of one half": {"adj_indices": np.array([.5, 2, 0, 4])},
    "an index beyond the nodes": {"adj_indices": np.array([1, 6, 0, 4])},
    "indptr that falls": {"adj_indptr": np.array([0, 3, 2, 3, 3, 4, 4])},
    "indptr too short": {"adj_indptr": np.array([0, 4])},
    "not square": {"adj_shape": np.array([6, 7])},
    "no features": NO_CSR,
    "a feature of NaN": {**NO_CSR, "attr_matrix": np.full((N, 2), np.nan)},
    "features as a list": {**NO_CSR, "attr_matrix": np.ones(N)},
    "features of fewer nodes": {**NO_CSR, "attr_matrix": np.ones((N - 1, 2))},
    "labels of objects": {"labels": np.array([0, None] * 3, dtype=object)},
}


class Agreement(Base):
    def write(self, changes: dict[str, np.ndarray | None]) -> Path:
        data, indices, indptr = csr_arrays(np.eye(N, dtype=np.float32))
        arrays = {"adj_data": np.ones(4), "adj_indices": np.array([1, 2, 0, 4]), "adj_indptr": np.array([0, 2, 3, 3, 4, 4, 4]),
                  "adj_shape": np.array([N, N]), "attr_data": data, "attr_indices": indices, "attr_indptr": indptr,
                  "attr_shape": np.array([N, N]), "labels": np.array([0, 1, 2] * 2)}
        np.savez(self.dir / "raw.npz", **{k: v for k, v in {**arrays, **changes}.items() if v is not None})
        return self.dir / "raw.npz"

    def info(self, path: Path) -> dict[str, object] | None:
        """What the program says of a file; nothing where it refuses it as bad data."""
        run = subprocess.run([PROGRAM, "info", path, "--json"], capture_output=True, text=True, check=False)
        self.assertIn(run.returncode, (0, 4), run.stderr)
        return json.loads(run.stdout) if run.returncode == 0 else None

    def test_taken_by_both(self) -> None:
        for name, changes in TAKEN.items():
            with self.subTest(name):
                raw = self.write(changes)
                said = self.info(raw)
                self.assertIsNotNone(said, "the program refuses it")
                graph = read_graph(raw)
                self.assertEqual((said["nodes"], said["adjacency_entries"], said["features"], said["splits"]),
                                 (graph.nodes, len(graph.adjacency.indices), graph.features.shape[1], graph.splits))
                self.assertEqual(said["nodes_without_class"], np.count_nonzero(graph.labels == -1))
                self.out.unlink(missing_ok=True)
                self.assertEqual(self.run_convert("gnn-benchmark", raw, self.out)[0], 0)
                again = self.info(self.out)
                for described in (said, again):
                    for key in ("path", "features_stored"):
                        described.pop(key)
                self.assertEqual(said, again, "what was converted means something else")

    def test_what_is_written_in_blocks(self) -> None:
        """Stored members, weights of 8 bits, features of 16 bits and labels of 32 bits, as for ogbn-papers100M."""
        for folder in ("raw", "split/time"):
            (self.dir / folder).mkdir(parents=True)
        np.savez(self.dir / "raw/data.npz", edge_index=np.array([[0, 5, 0], [1, 2, 1]]), num_nodes_list=np.array([N]),
                 node_feat=np.array([[1.5, -2]] * N, np.float16))
        np.savez(self.dir / "raw/node-label.npz", node_label=np.array([[1], [0], [1], [np.nan], [np.nan], [2]]))
        for node, part in enumerate(("train", "valid", "test")):
            (self.dir / f"split/time/{part}.csv.gz").write_bytes(gzip.compress(f"{node}\n".encode()))
        self.assertEqual(self.run_convert("ogb", self.dir, self.out)[0], 0)
        said = self.info(self.out)
        self.assertEqual([said[key] for key in ("nodes", "adjacency_entries", "features", "classes", "nodes_without_class")],
                         [N, 2, 2, 3, 2])
        self.assertEqual(said["masks"], {"train": 1, "validation": 1, "test": 1})
        self.assertEqual((said["feature_scales"]["smallest"], said["feature_scales"]["largest"]), (1.5, 2))

    def test_refused_by_both(self) -> None:
        for name, changes in REFUSED.items():
            with self.subTest(name):
                raw = self.write(changes)
                self.assertIsNone(self.info(raw), "the program takes it")
                with contextlib.redirect_stderr(None), self.assertRaises(DataError):
                    read_graph(raw)


PROGRAM = program()
if __name__ == "__main__":
    if PROGRAM is None:
        print("test_reader_agreement.py: skipped, no built gamlp (set GAMLP_PROGRAM, or build one in build/)")
        sys.exit(77)
    unittest.main()
