"""The .npz layout of graphs that gamlp reads: checking, hashing, reading and writing. Needs numpy only.

Arrays: adj_data f32, adj_indices i32, adj_indptr i64, adj_shape i64[2] (CSR adjacency, the values are edge weights);
attr_data f32, attr_indices i32, attr_indptr i64, attr_shape i64[2] (CSR features) or attr_matrix f32 (dense);
labels i64, -1 for a node without a class; optionally train_mask, val_mask, test_mask u8, N or N × splits. Column indices
are sorted and unique within a row.
"""
from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from graphs.csr import Csr, DataError, checked_csr, csr_from_entries, finite_floats
from graphs.rules import (MASKS, MAX_FEATURES, MAX_NODES, NO_CLASS, check_masks, count_splits, labels_of, masks_of,
                         refuse_near_miss, split_of_masks)

CSR_PARTS = ("data", "indices", "indptr", "shape")


@dataclass
class Graph:
    """A graph for node classification. `features` is a Csr or a dense nodes × features array; the values of `adjacency`
    are edge weights; a mask is N or N × splits. `notes` are what a user should know of how it was read."""

    adjacency: Csr
    features: Csr | np.ndarray
    labels: np.ndarray
    masks: dict[str, np.ndarray] = field(default_factory=dict)
    has_labels: bool = True
    notes: list[str] = field(default_factory=list)

    @property
    def nodes(self) -> int:
        return self.adjacency.shape[0]

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1

    def undirected(self) -> Csr:
        """The adjacency with both directions of every edge, no self-loops and no weights."""
        row, col = self.adjacency.rows(), self.adjacency.indices.astype(np.int64)
        keep = row != col
        row, col = row[keep], col[keep]
        return csr_from_entries(np.concatenate((row, col)), np.concatenate((col, row)), self.adjacency.shape)

    def settle_weights(self, how: str) -> None:
        """Keeps or drops edge weights, with a note where there are any."""
        weights = self.adjacency.data
        if np.all(weights == 1):
            return
        spread = f"edges have weights ({weights.min():g} to {weights.max():g})"
        if how == "ignore":
            self.adjacency.data = np.ones_like(weights)
            self.notes.append(f"{spread}, which were dropped: every edge counts as 1 (--edge-weights keep keeps them)")
            return
        if np.any(weights == 0):
            raise DataError(f"adjacency: {self.adjacency.entry(int(np.argmax(weights == 0)))}: the weights of its "
                            "duplicates add up to 0, which would be no edge; --edge-weights ignore counts every edge as 1")
        negative = weights < 0
        self.notes.append(f"{spread}, which were kept; " + (
            f"dataset.edge_weights \"use\" will refuse them, as {self.adjacency.entry(int(np.argmax(negative)))} has "
            f"{weights[negative][0]:g}, \"ignore\" (the default) counts every edge as 1" if np.any(negative) else
            "dataset.edge_weights \"use\" takes them into account, \"ignore\" (the default) does not"))

    def choose_split(self, index: int) -> None:
        """Leaves one of several splits."""
        self.masks = split_of_masks(self.masks, index)

    def check(self) -> None:
        """Raises DataError unless all parts fit together."""
        n, features = self.nodes, int(self.features.shape[1])
        if self.adjacency.shape[1] != n:
            raise DataError(f"adjacency: {n} rows but {self.adjacency.shape[1]} columns")
        if n > MAX_NODES or not 1 <= features <= MAX_FEATURES:
            raise DataError(f"{n} nodes and {features} features, expected at most {MAX_NODES} and 1 to {MAX_FEATURES}")
        if self.features.shape[0] != n:
            raise DataError(f"features: {self.features.shape[0]} rows for {n} nodes")
        if isinstance(self.features, np.ndarray):
            finite_floats(self.features, "features")
        labels_of(self.labels, n, "labels")
        check_masks(self.masks, self.labels)

    def summary(self) -> dict[str, object]:
        """The counts by which a dataset is recognised; of several splits those of the first."""
        split = None
        if len(self.masks) == 3:
            split = tuple(int(np.count_nonzero(mask)) for mask in split_of_masks(self.masks, 0).values())
        return {"nodes": self.nodes, "edges": len(self.undirected().indices), "features": int(self.features.shape[1]),
                "classes": self.classes, "split": split}

    @property
    def splits(self) -> int:
        return count_splits(self.masks)

    def content_hashes(self) -> dict[str, str]:
        """sha256 of each part in canonical form: compression, dtypes, order within rows, the direction of stored
        edges, their weights and self-loops do not matter."""
        graph = self.undirected()
        features = self.features
        if isinstance(features, np.ndarray):
            row, col = np.nonzero(features)
            features = csr_from_entries(row, col, features.shape, features[row, col])
        features = without_zeros(features)
        parts = {
            "graph": [np.array(graph.shape, "<i8"), graph.indptr.astype("<i8"), graph.indices.astype("<i4")],
            "features": [np.array(features.shape, "<i8"), features.indptr.astype("<i8"),
                         features.indices.astype("<i4"), features.data.astype("<f4")],
            "labels": [self.labels.astype("<i8")],
        }
        if len(self.masks) == 3:
            parts["masks"] = [np.ascontiguousarray(self.masks[m], dtype=np.uint8) for m in MASKS]
        hashes = {}
        for name, arrays in parts.items():
            digest = hashlib.sha256()
            for array in arrays:
                digest.update(array.tobytes())
            hashes[name] = digest.hexdigest()
        return hashes


def without_zeros(matrix: Csr) -> Csr:
    kept = matrix.data != 0
    return matrix if np.all(kept) else csr_from_entries(matrix.rows()[kept], matrix.indices[kept], matrix.shape,
                                                        matrix.data[kept])


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


# ---- reading -----------------------------------------------------------------------------------------
class Members:
    """The arrays of an .npz by name, read when asked for. Nothing is unpickled: an array of objects is refused."""

    def __init__(self, path: Path, file: Any) -> None:
        self.path, self.file, self.names = path, file, list(file.files)

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            return self.file[name]
        except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
            objects = "holds Python objects, expected numbers" if "Object arrays" in str(error) else f"cannot be read: {error}"
            raise DataError(f"array '{name}' {objects}") from error

    def arrays(self, *names: str) -> dict[str, np.ndarray]:
        """Those of the names that there are."""
        return {name: self[name] for name in names if name in self}

    def required(self, *names: str) -> list[np.ndarray]:
        missing = [name for name in names if name not in self]
        if missing:
            raise DataError(f"missing {', '.join(missing)} (present: {', '.join(self.names) or 'nothing'})")
        return [self[name] for name in names]


@contextlib.contextmanager
def open_npz(path: Path) -> Iterator[Members]:
    """The members of an .npz; every DataError within names the file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DataError("not an .npz file")
            yield Members(path, file)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise DataError(f"{path}: not a readable .npz file ({error})") from error


def read_features(members: Members) -> Csr | np.ndarray:
    """As in the program, CSR goes first where a file has both forms."""
    if "attr_data" in members:
        return checked_csr("features", *members.required(*("attr_" + k for k in CSR_PARTS)))
    if "attr_matrix" not in members:
        raise DataError("no features: neither attr_matrix nor attr_data, attr_indices, attr_indptr, attr_shape")
    matrix = members["attr_matrix"]
    if matrix.ndim != 2:
        raise DataError(f"attr_matrix: found shape {matrix.shape}, expected nodes × features")
    return finite_floats(matrix, "attr_matrix")


def read_graph(path: Path) -> Graph:
    """Reads and checks an .npz of the layout above, or of the gnn-benchmark collection."""
    with open_npz(path) as members:
        if "labels_data" in members:
            raise DataError("labels are a sparse matrix (several per node); one class per node is needed")
        adjacency = checked_csr("adjacency", *members.required(*("adj_" + k for k in CSR_PARTS)), edges=True)
        nodes = adjacency.shape[0]
        refuse_near_miss(members.names, "labels", "one integer per node (-1: no class)")
        has_labels = "labels" in members
        labels = labels_of(members["labels"], nodes, "labels") if has_labels else np.full(nodes, NO_CLASS, np.int64)
        masks = masks_of(members.arrays(*MASKS), nodes, members.names)
        graph = Graph(adjacency, read_features(members), labels, masks, has_labels)
        graph.check()
    return graph


# ---- writing -----------------------------------------------------------------------------------------
@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Any]:
    """A stream beside `path` that is renamed over it at the end: after an error nothing half-written is left."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
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


def write_graph(path: Path, graph: Graph) -> None:
    graph.check()
    adjacency, features = graph.adjacency, graph.features
    arrays = {"adj_data": adjacency.data.astype(np.float32), "adj_indices": adjacency.indices.astype(np.int32),
              "adj_indptr": adjacency.indptr.astype(np.int64), "adj_shape": np.array(adjacency.shape, np.int64)}
    if isinstance(features, Csr):
        arrays |= {"attr_data": features.data.astype(np.float32), "attr_indices": features.indices.astype(np.int32),
                   "attr_indptr": features.indptr.astype(np.int64), "attr_shape": np.array(features.shape, np.int64)}
    else:
        arrays["attr_matrix"] = np.ascontiguousarray(features, dtype=np.float32)
    if graph.has_labels:
        arrays["labels"] = graph.labels.astype(np.int64)
    arrays |= {name: np.ascontiguousarray(mask, dtype=np.uint8) for name, mask in graph.masks.items()}
    with atomic_file(path) as stream:
        np.savez_compressed(stream, **arrays)
