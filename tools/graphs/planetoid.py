"""The reader of Planetoid's pickles (Cora, Citeseer, PubMed, NELL). Needs numpy only."""
from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from graphs.dataset_table import PLANETOID_PARTS
from graphs.csr import Csr, DataError, check_ids, checked_csr, csr_from_entries
from graphs.npz import Graph, without_zeros
from graphs.rules import MASKS, NO_CLASS, SEVERAL_LABELS

# numpy 2 renamed numpy.core; pickles written by either name the module they were written with.
NUMPY_CORE = "numpy.core" if int(np.__version__.split(".")[0]) < 2 else "numpy._core"
VALIDATION_NODES = 500  # those after the training nodes, by the convention of the papers that use these files


class PickledCsr:
    """Stands in for scipy's csr_matrix, so that the pickles load without scipy: the state is a dict of arrays."""

    def to_csr(self, what: str) -> Csr:
        state = vars(self)
        try:
            shape = state.get("_shape", state.get("shape"))
            return checked_csr(what, state["data"], state["indices"], state["indptr"], np.asarray(shape))
        except KeyError as error:
            raise DataError(f"{what}: the pickled sparse matrix has no {error}") from None


class SafeUnpickler(pickle.Unpickler):
    """Builds numpy arrays, containers and PickledCsr, and refuses every other class: a pickle can run any code."""

    ALLOWED = {("numpy", "ndarray"), ("numpy", "dtype"), ("collections", "defaultdict"), ("builtins", "list"),
               ("builtins", "object"), ("copyreg", "_reconstructor"), ("_codecs", "encode")}
    PYTHON2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
    ARRAYS = {"_reconstruct": "multiarray", "scalar": "multiarray", "_frombuffer": "numeric"}

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("scipy.sparse") and name in ("csr_matrix", "csr_array"):
            return PickledCsr
        if module.startswith(("numpy.core.", "numpy._core.")) and name in self.ARRAYS:
            return getattr(importlib.import_module(f"{NUMPY_CORE}.{self.ARRAYS[name]}"), name)
        module = self.PYTHON2.get(module, module)
        if (module, name) in self.ALLOWED:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"refuses to load {module}.{name}")


def unpickle(path: Path) -> Any:
    try:
        with open(path, "rb") as stream:
            return SafeUnpickler(stream, encoding="latin1").load()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as error:  # a corrupt pickle raises almost anything
        raise DataError(f"{path}: not a readable pickle: {error or type(error).__name__}") from error


def one_hot_classes(array: Any, what: str) -> np.ndarray:
    """The class of every row; a row without a 1 is a node without a class."""
    if not isinstance(array, np.ndarray) or array.ndim != 2:
        raise DataError(f"{what}: expected a nodes × classes array")
    bad = (array != 0) & (array != 1)
    if np.any(bad):
        raise DataError(f"{what}: row {int(np.argmax(bad.any(axis=1)))}: found {array[bad].flat[0]}, expected one-hot rows "
                        "of 0 and 1")
    ones = (array != 0).sum(axis=1)
    if np.any(ones > 1):
        raise DataError(f"{what}: multi-label: row {int(np.argmax(ones > 1))} has several classes: {SEVERAL_LABELS}")
    return np.where(ones == 1, array.argmax(axis=1), NO_CLASS).astype(np.int64)


def read_test_ids(path: Path) -> np.ndarray:
    try:
        return np.array([int(line) for line in path.read_text().split()], dtype=np.int64)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def check_test_ids(path: Path, test: np.ndarray, rows: int, known: int) -> None:
    if len(test) != rows or len(np.unique(test)) != len(test):
        raise DataError(f"{path}: {len(np.unique(test))} distinct ids for {rows} test rows")
    if len(test) == 0 or test.min() < known:
        raise DataError(f"{path}: test ids must start at {known}, the number of rows of allx")
    if test.max() + 1 > known + 10 * len(test) + 1000:
        raise DataError(f"{path}: id {int(test.max())} is far beyond the {known + len(test)} nodes with features")


def adjacency_of(graph: Any, nodes: int, what: str) -> Csr:
    """Both directions of every edge."""
    if not isinstance(graph, dict):
        raise DataError(f"{what}: expected a dict of neighbour lists")
    pairs = np.array([(a, b) for a, neighbours in graph.items() for b in neighbours], dtype=np.int64).reshape(-1, 2)
    check_ids(pairs, nodes, f"{what}: node id")
    return csr_from_entries(np.concatenate((pairs[:, 0], pairs[:, 1])), np.concatenate((pairs[:, 1], pairs[:, 0])),
                            (nodes, nodes))


def read_planetoid(folder: Path, name: str) -> Graph:
    """Nodes 0 … len(allx)-1 are those of allx; test.index gives the ids of the rows of tx. Ids between that
    test.index skips (15 in Citeseer) have no features and no class: zero rows, label -1, in no mask."""
    objects = {part: unpickle(folder / f"ind.{name}.{part}") for part in PLANETOID_PARTS[:-1]}
    csr: dict[str, Csr] = {}
    for part in ("x", "tx", "allx"):
        what = f"{folder / f'ind.{name}.{part}'}"
        if not isinstance(objects[part], PickledCsr):
            raise DataError(f"{what}: expected a sparse matrix in CSR form, found {type(objects[part]).__name__}")
        csr[part] = objects[part].to_csr(what)
    label = {part: one_hot_classes(objects[part], f"ind.{name}.{part}") for part in ("y", "ty", "ally")}
    index_path = folder / f"ind.{name}.test.index"
    test = read_test_ids(index_path)
    allx, tx, known = csr["allx"], csr["tx"], csr["allx"].shape[0]
    check_test_ids(index_path, test, tx.shape[0], known)
    if tx.shape[1] != allx.shape[1] or len(label["ally"]) != known or len(label["y"]) > known or \
            len(label["ty"]) != len(test):
        raise DataError(f"{folder}: the shapes of x, tx, allx, y, ty, ally do not fit together")
    nodes, train = int(test.max()) + 1, len(label["y"])
    features = without_zeros(csr_from_entries(
        np.concatenate((allx.rows(), test[tx.rows()])), np.concatenate((allx.indices, tx.indices)), (nodes, allx.shape[1]),
        np.concatenate((allx.data, tx.data))))
    labels = np.full(nodes, NO_CLASS, dtype=np.int64)
    labels[:known], labels[test] = label["ally"], label["ty"]
    masks = {mask: np.zeros(nodes, dtype=np.uint8) for mask in MASKS}
    masks["train_mask"][:train] = 1
    masks["val_mask"][train:min(train + VALIDATION_NODES, known)] = 1
    masks["test_mask"][test] = 1
    graph = Graph(adjacency_of(objects["graph"], nodes, f"ind.{name}.graph"), features, labels, masks)
    # No file lists the validation nodes: among those that the convention takes, some may have no class.
    unknown = (masks["val_mask"] == 1) & (labels == NO_CLASS)
    masks["val_mask"][unknown] = 0
    if np.any(unknown):
        graph.notes.append(f"{np.count_nonzero(unknown)} of the {VALIDATION_NODES} nodes after the training nodes have no "
                           "class and were left out of val_mask")
    return graph
