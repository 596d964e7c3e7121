"""The .npz layout of graphs that gamlp reads: checking, hashing, reading and writing. Needs numpy only.

Arrays: adj_data f32, adj_indices i32, adj_indptr i64, adj_shape i64[2] (CSR adjacency, all values 1);
attr_data f32, attr_indices i32, attr_indptr i64, attr_shape i64[2] (CSR features) or attr_matrix f32 (dense);
labels i64; optionally train_mask, val_mask, test_mask u8. Column indices are sorted and unique within a row.
"""
from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MASKS = ("train_mask", "val_mask", "test_mask")


class DataError(Exception):
    """Bad input; the message names the file or array, what was found and what was expected."""


@dataclass
class Csr:
    """A sparse matrix by rows; columns sorted and unique within each row."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    shape: tuple[int, int]

    def rows(self) -> np.ndarray:
        """Row of every entry."""
        return np.repeat(np.arange(self.shape[0], dtype=np.int64), np.diff(self.indptr))

    def to_dense(self) -> np.ndarray:
        dense = np.zeros(self.shape, dtype=np.float32)
        dense[self.rows(), self.indices] = self.data
        return dense


def csr_from_entries(rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int],
                     values: np.ndarray | None = None) -> Csr:
    """CSR of (row, column) pairs. Without values every distinct pair becomes 1; with values duplicates add up
    and explicit zeros are dropped."""
    key = rows.astype(np.int64) * shape[1] + cols.astype(np.int64)
    if values is None:
        key = np.unique(key)
        data = np.ones(len(key), dtype=np.float32)
    else:
        key, inverse = np.unique(key, return_inverse=True)
        data = np.bincount(inverse, weights=values, minlength=len(key)).astype(np.float32)
        key, data = key[data != 0], data[data != 0]
    row = key // shape[1]
    indptr = np.zeros(shape[0] + 1, dtype=np.int64)
    np.cumsum(np.bincount(row, minlength=shape[0]), out=indptr[1:])
    return Csr(data, (key % shape[1]).astype(np.int32), indptr, shape)


def checked_csr(what: str, data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: np.ndarray) -> Csr:
    """A CSR from raw arrays, in sorted form without duplicates; raises DataError when they do not fit together."""
    if np.shape(shape) != (2,):
        raise DataError(f"{what}: the shape has {np.size(shape)} numbers, expected 2")
    rows, cols = int(shape[0]), int(shape[1])
    if rows < 1 or cols < 1 or rows * cols > 2**62:
        raise DataError(f"{what}: impossible shape {rows} x {cols}")
    for name, array in (("indices", indices), ("indptr", indptr)):
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise DataError(f"{what}: {name} is {array.dtype} with {array.ndim} dimensions, expected a list of integers")
    if len(indptr) != rows + 1:
        raise DataError(f"{what}: indptr has {len(indptr)} entries, expected rows + 1 = {rows + 1}")
    if data.shape != indices.shape:
        raise DataError(f"{what}: {data.size} values for {indices.size} indices")
    indptr = indptr.astype(np.int64)
    if indptr[0] != 0 or indptr[-1] != len(indices) or np.any(np.diff(indptr) < 0):
        raise DataError(f"{what}: indptr must rise from 0 to {len(indices)}")
    if len(indices) and (indices.min() < 0 or indices.max() >= cols):
        raise DataError(f"{what}: column {int(indices.max())} or {int(indices.min())} outside 0 … {cols - 1}")
    if not np.all(np.isfinite(data)):
        raise DataError(f"{what}: holds NaN or infinite values")
    row = np.repeat(np.arange(rows, dtype=np.int64), np.diff(indptr))
    return csr_from_entries(row, indices, (rows, cols), data.astype(np.float64))


@dataclass
class Graph:
    """A graph for node classification. `features` is a Csr or a dense nodes × features array."""

    adjacency: Csr
    features: Csr | np.ndarray
    labels: np.ndarray
    masks: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def nodes(self) -> int:
        return self.adjacency.shape[0]

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1

    def undirected(self) -> Csr:
        """The adjacency with both directions of every edge and no self-loops."""
        row, col = self.adjacency.rows(), self.adjacency.indices.astype(np.int64)
        keep = row != col
        row, col = row[keep], col[keep]
        return csr_from_entries(np.concatenate((row, col)), np.concatenate((col, row)), self.adjacency.shape)

    def check(self) -> None:
        """Raises DataError unless all parts fit together."""
        n = self.nodes
        if self.adjacency.shape[1] != n:
            raise DataError(f"adjacency: {n} rows but {self.adjacency.shape[1]} columns")
        if self.features.shape[0] != n:
            raise DataError(f"features: {self.features.shape[0]} rows for {n} nodes")
        if isinstance(self.features, np.ndarray) and not np.all(np.isfinite(self.features)):
            raise DataError("features: hold NaN or infinite values")
        if self.labels.shape != (n,) or self.labels.dtype.kind not in "iu":
            raise DataError(f"labels: {self.labels.dtype} of shape {self.labels.shape}, expected {n} integers")
        if self.labels.min() < 0:
            raise DataError(f"labels: {int(self.labels.min())} found, classes count from 0")
        total = np.zeros(n, dtype=np.int64)
        for name, mask in self.masks.items():
            if mask.shape != (n,):
                raise DataError(f"{name}: shape {mask.shape}, expected ({n},)")
            total += mask != 0
        if np.any(total > 1):
            raise DataError(f"masks: node {int(np.argmax(total > 1))} is in more than one part")

    def summary(self) -> dict[str, object]:
        """The counts by which a dataset is recognised."""
        split = tuple(int(np.count_nonzero(self.masks[m])) for m in MASKS) if len(self.masks) == 3 else None
        return {"nodes": self.nodes, "edges": len(self.undirected().indices), "features": int(self.features.shape[1]),
                "classes": self.classes, "split": split}

    def content_hashes(self) -> dict[str, str]:
        """sha256 of each part in canonical form: compression, dtypes, order within rows, the direction of stored
        edges and self-loops do not matter."""
        graph = self.undirected()
        features = self.features
        if isinstance(features, np.ndarray):
            row, col = np.nonzero(features)
            features = csr_from_entries(row, col, features.shape, features[row, col].astype(np.float64))
        parts = {
            "graph": [np.array(graph.shape, "<i8"), graph.indptr.astype("<i8"), graph.indices.astype("<i4")],
            "features": [np.array(features.shape, "<i8"), features.indptr.astype("<i8"),
                         features.indices.astype("<i4"), features.data.astype("<f4")],
            "labels": [self.labels.astype("<i8")],
        }
        if len(self.masks) == 3:
            parts["masks"] = [(self.masks[m] != 0).astype(np.uint8) for m in MASKS]
        hashes = {}
        for name, arrays in parts.items():
            digest = hashlib.sha256()
            for array in arrays:
                digest.update(array.tobytes())
            hashes[name] = digest.hexdigest()
        return hashes


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def read_arrays(path: Path, required: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Arrays of an .npz without unpickling anything: object arrays (names, metadata) are left out."""
    arrays: dict[str, np.ndarray] = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: not an .npz file")
            for name in file.files:
                try:
                    arrays[name] = file[name]
                except ValueError as error:
                    if "Object arrays" not in str(error):
                        raise DataError(f"{path}: array '{name}' cannot be read: {error}") from error
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, AttributeError) as error:
        raise DataError(f"{path}: not a readable .npz file ({error})") from error
    missing = [name for name in required if name not in arrays]
    if missing:
        raise DataError(f"{path}: missing {', '.join(missing)} (present: {', '.join(arrays) or 'nothing'})")
    return arrays


def read_graph(path: Path) -> Graph:
    """Reads and checks an .npz of the layout above, or of the gnn-benchmark collection. Weights become 1."""
    arrays = read_arrays(path, ("adj_data", "adj_indices", "adj_indptr", "adj_shape"))
    if "labels_data" in arrays:
        raise DataError(f"{path}: labels are a sparse matrix (several per node); one class per node is needed")
    if "labels" not in arrays:
        raise DataError(f"{path}: no 'labels'")
    try:
        adjacency = checked_csr("adjacency", *(arrays["adj_" + k] for k in ("data", "indices", "indptr", "shape")))
        adjacency.data = np.ones_like(adjacency.data)
        features: Csr | np.ndarray
        if "attr_matrix" in arrays and "attr_data" not in arrays:  # as in the program: CSR goes first
            features = arrays["attr_matrix"].astype(np.float32)
            if features.ndim != 2:
                raise DataError(f"attr_matrix: {features.ndim} dimensions, expected 2")
        elif all("attr_" + k in arrays for k in ("data", "indices", "indptr", "shape")):
            features = checked_csr("features", *(arrays["attr_" + k] for k in ("data", "indices", "indptr", "shape")))
        else:
            raise DataError("no features: neither attr_matrix nor attr_data, attr_indices, attr_indptr, attr_shape")
        masks = {m: arrays[m] for m in MASKS if m in arrays}
        for name, mask in masks.items():
            bad = (mask != 0) & (mask != 1)
            if np.any(bad):
                raise DataError(f"{name}: found {mask[bad].flat[0]}, expected 0 or 1")
        masks = {name: mask.astype(np.uint8) for name, mask in masks.items()}
        if masks and len(masks) != 3:
            raise DataError(f"only {', '.join(masks)} of the three masks {', '.join(MASKS)}")
        graph = Graph(adjacency, features, arrays["labels"], masks)
        graph.check()
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    graph.labels = graph.labels.astype(np.int64)
    return graph


def write_graph(path: Path, graph: Graph) -> None:
    """Writes beside `path`, then renames over it: after an error nothing half-written is left."""
    graph.check()
    adjacency, features = graph.adjacency, graph.features
    arrays = {"adj_data": adjacency.data.astype(np.float32), "adj_indices": adjacency.indices.astype(np.int32),
              "adj_indptr": adjacency.indptr.astype(np.int64), "adj_shape": np.array(adjacency.shape, np.int64)}
    if isinstance(features, Csr):
        arrays |= {"attr_data": features.data.astype(np.float32), "attr_indices": features.indices.astype(np.int32),
                   "attr_indptr": features.indptr.astype(np.int64), "attr_shape": np.array(features.shape, np.int64)}
    else:
        arrays["attr_matrix"] = np.ascontiguousarray(features, dtype=np.float32)
    arrays["labels"] = graph.labels.astype(np.int64)
    arrays |= {name: (mask != 0).astype(np.uint8) for name, mask in graph.masks.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez_compressed(stream, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise DataError(f"{path}: cannot be written: {error}") from error
        raise
