"""Readers of public graph formats: Planetoid pickles, OGB node-property CSV, GraphSAINT. Needs numpy only."""
from __future__ import annotations

import gzip
import importlib
import io
import json
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from dataset_table import PLANETOID_PARTS
from graph_npz import MASKS, Csr, DataError, Graph, checked_csr, csr_from_entries, read_arrays

# numpy 2 renamed numpy.core; pickles written by either name the module they were written with.
NUMPY_CORE = "numpy.core" if int(np.__version__.split(".")[0]) < 2 else "numpy._core"


# ---- Planetoid ---------------------------------------------------------------------------------------
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
    if not isinstance(array, np.ndarray) or array.ndim != 2:
        raise DataError(f"{what}: expected a nodes × classes array")
    if np.any((array != 0).sum(axis=1) > 1):
        node = int(np.argmax((array != 0).sum(axis=1) > 1))
        raise DataError(f"{what}: multi-label: row {node} has several classes; one class per node is needed, so keep "
                        "one of them per row")
    return array.argmax(axis=1).astype(np.int64)


def read_planetoid(folder: Path, name: str) -> Graph:
    """Nodes 0 … len(allx)-1 are those of allx; test.index gives the ids of the rows of tx. Ids between that
    test.index skips (15 in Citeseer) have no features or label: zero rows, label 0, in no mask."""
    objects = {part: unpickle(folder / f"ind.{name}.{part}") for part in PLANETOID_PARTS[:-1]}
    csr: dict[str, Csr] = {}
    for part in ("x", "tx", "allx"):
        what = f"{folder / f'ind.{name}.{part}'}"
        if not isinstance(objects[part], PickledCsr):
            raise DataError(f"{what}: expected a sparse matrix in CSR form, found {type(objects[part]).__name__}")
        csr[part] = objects[part].to_csr(what)
    label = {part: one_hot_classes(objects[part], f"ind.{name}.{part}") for part in ("y", "ty", "ally")}
    index_path = folder / f"ind.{name}.test.index"
    try:
        test = np.array([int(line) for line in index_path.read_text().split()], dtype=np.int64)
    except FileNotFoundError:
        raise DataError(f"{index_path}: no such file") from None
    except ValueError as error:
        raise DataError(f"{index_path}: {error}") from None
    allx, tx, known = csr["allx"], csr["tx"], csr["allx"].shape[0]
    if len(test) != tx.shape[0] or len(test) != len(label["ty"]) or len(np.unique(test)) != len(test):
        raise DataError(f"{index_path}: {len(np.unique(test))} distinct ids for {tx.shape[0]} test rows")
    if len(test) == 0 or test.min() < known:
        raise DataError(f"{index_path}: test ids must start at {known}, the number of rows of allx")
    if tx.shape[1] != allx.shape[1] or len(label["ally"]) != known or len(label["y"]) > known:
        raise DataError(f"{folder}: the shapes of x, tx, allx, y, ty, ally do not fit together")
    nodes = int(test.max()) + 1
    if nodes > known + 10 * len(test) + 1000:
        raise DataError(f"{index_path}: id {nodes - 1} is far beyond the {known + len(test)} nodes with features")
    features = csr_from_entries(np.concatenate((allx.rows(), test[tx.rows()])),
                                np.concatenate((allx.indices, tx.indices)), (nodes, allx.shape[1]),
                                np.concatenate((allx.data, tx.data)).astype(np.float64))
    labels = np.zeros(nodes, dtype=np.int64)
    labels[:known], labels[test] = label["ally"], label["ty"]
    graph = objects["graph"]
    if not isinstance(graph, dict):
        raise DataError(f"ind.{name}.graph: expected a dict of neighbour lists")
    pairs = np.array([(a, b) for a, neighbours in graph.items() for b in neighbours], dtype=np.int64).reshape(-1, 2)
    if pairs.size and (pairs.min() < 0 or pairs.max() >= nodes):
        raise DataError(f"ind.{name}.graph: node id {int(pairs.max())} outside 0 … {nodes - 1}")
    adjacency = csr_from_entries(np.concatenate((pairs[:, 0], pairs[:, 1])),
                                 np.concatenate((pairs[:, 1], pairs[:, 0])), (nodes, nodes))
    train = len(label["y"])
    masks = {mask: np.zeros(nodes, dtype=np.uint8) for mask in MASKS}
    masks["train_mask"][:train] = 1
    masks["val_mask"][train:min(train + 500, known)] = 1
    masks["test_mask"][test] = 1
    return Graph(adjacency, features, labels, masks)


# ---- OGB ---------------------------------------------------------------------------------------------
class Folder:
    """Files of a folder or of a .zip of it, found by the end of their path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.zip = zipfile.ZipFile(path) if path.is_file() else None
        except zipfile.BadZipFile as error:
            raise DataError(f"{path}: neither a folder nor a .zip ({error})") from None
        if not self.zip and not path.is_dir():
            raise DataError(f"{path}: no such folder or .zip")

    def csv(self, name: str, dtype: Any, columns: int | None = None) -> np.ndarray:
        try:
            if self.zip:
                members = [m for m in self.zip.namelist() if ("/" + m).endswith("/" + name)]
                if len(members) != 1:
                    raise DataError(f"{self.path}: {len(members)} members end in {name}, expected one")
                data = self.zip.read(members[0])
            else:
                data = (self.path / name).read_bytes()
            table = np.loadtxt(io.BytesIO(gzip.decompress(data)), dtype=dtype, delimiter=",", ndmin=2)
        except FileNotFoundError:
            raise DataError(f"{self.path / name}: no such file") from None
        except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile) as error:
            raise DataError(f"{self.path}: {name}: {error}") from None
        if columns is not None and table.shape[1] != columns:
            raise DataError(f"{self.path}: {name}: {table.shape[1]} columns, expected {columns}")
        return table


def read_ogb(path: Path, split: str) -> Graph:
    """raw/{edge,node-feat,node-label}.csv.gz and split/SPLIT/{train,valid,test}.csv.gz. Edges stay directed."""
    folder = Folder(path)
    features = folder.csv("raw/node-feat.csv.gz", np.float32)
    labels = folder.csv("raw/node-label.csv.gz", np.float64, 1)[:, 0]
    nodes = len(features)
    if len(labels) != nodes:
        raise DataError(f"{path}: {len(labels)} labels for {nodes} rows of features")
    if not np.all(np.isfinite(labels)) or np.any(labels != np.floor(labels)):
        raise DataError(f"{path}: raw/node-label.csv.gz: a class that is not a whole number")
    edges = folder.csv("raw/edge.csv.gz", np.int64, 2)
    if edges.size and (edges.min() < 0 or edges.max() >= nodes):
        raise DataError(f"{path}: raw/edge.csv.gz: node id {int(edges.max())} outside 0 … {nodes - 1}")
    masks = {}
    for mask, name in zip(MASKS, ("train", "valid", "test")):
        ids = folder.csv(f"split/{split}/{name}.csv.gz", np.int64, 1)[:, 0]
        masks[mask] = id_mask(ids, nodes, f"split/{split}/{name}.csv.gz")
    return Graph(csr_from_entries(edges[:, 0], edges[:, 1], (nodes, nodes)), features, labels.astype(np.int64), masks)


def id_mask(ids: np.ndarray, nodes: int, what: str) -> np.ndarray:
    if ids.size and (ids.min() < 0 or ids.max() >= nodes):
        raise DataError(f"{what}: node id {int(ids.max())} or {int(ids.min())} outside 0 … {nodes - 1}")
    mask = np.zeros(nodes, dtype=np.uint8)
    mask[ids] = 1
    return mask


# ---- GraphSAINT --------------------------------------------------------------------------------------
def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from None


def read_graphsaint(folder: Path) -> Graph:
    adj = read_arrays(folder / "adj_full.npz", ("data", "indices", "indptr", "shape"))
    layout = adj.get("format", np.array("csr")).item()
    if layout not in ("csr", b"csr"):  # the arrays of CSC and BSR have the same names and mean something else
        raise DataError(f"{folder / 'adj_full.npz'}: found sparse format {layout!r}, expected CSR: save .tocsr()")
    adjacency = checked_csr(str(folder / "adj_full.npz"), *(adj[k] for k in ("data", "indices", "indptr", "shape")))
    adjacency.data = np.ones_like(adjacency.data)
    nodes = adjacency.shape[0]
    try:
        features = np.load(folder / "feats.npy", allow_pickle=False).astype(np.float32)
    except FileNotFoundError:
        raise DataError(f"{folder / 'feats.npy'}: no such file") from None
    except (OSError, EOFError, ValueError, AttributeError) as error:
        raise DataError(f"{folder / 'feats.npy'}: not a readable .npy file ({error})") from None
    if features.ndim != 2 or len(features) != nodes:
        raise DataError(f"{folder / 'feats.npy'}: shape {features.shape}, expected {nodes} rows")
    classes = read_json(folder / "class_map.json")
    labels = np.full(nodes, -1, dtype=np.int64)
    if not isinstance(classes, dict):
        raise DataError(f"{folder / 'class_map.json'}: expected an object of node id → class")
    for key, value in classes.items():
        if not isinstance(value, int) or isinstance(value, bool):
            raise DataError(f"{folder / 'class_map.json'}: node {key} has {value!r}; one class per node is needed")
        if not key.isdigit() or int(key) >= nodes:
            raise DataError(f"{folder / 'class_map.json'}: node id {key!r} outside 0 … {nodes - 1}")
        labels[int(key)] = value
    if np.any(labels < 0):
        raise DataError(f"{folder / 'class_map.json'}: node {int(np.argmax(labels < 0))} has no class")
    role = read_json(folder / "role.json")
    masks = {}
    for mask, name in zip(MASKS, ("tr", "va", "te")):
        ids = role.get(name) if isinstance(role, dict) else None
        if not isinstance(ids, list) or not all(type(i) is int for i in ids):
            raise DataError(f"{folder / 'role.json'}: '{name}' must be a list of node ids")
        masks[mask] = id_mask(np.array(ids, dtype=np.int64), nodes, f"{folder / 'role.json'}: {name}")
    return Graph(adjacency, features, labels, masks)
