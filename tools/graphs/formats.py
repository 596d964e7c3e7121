"""Readers of graphs that lie in .npz and .json files of their own layout: GraphSAINT, DGL's Reddit,
heterophilous-graphs. Needs numpy only."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from graphs.csr import DataError, check_ids, csr_of_scipy, edges_from_entries, finite_floats, vector, whole_numbers
from graphs.npz import Graph, open_npz
from graphs.ogb import id_mask
from graphs.rules import MASKS, NO_CLASS, SEVERAL_LABELS, labels_of, masks_of, refuse_near_miss

GRAPHSAINT_FILES = ("adj_full.npz", "feats.npy", "class_map.json", "role.json")
DGL_GRAPHS = ("reddit_graph.npz", "reddit_self_loop_graph.npz")
SCIPY_MEMBERS = ("format", "data", "indices", "indptr", "row", "col", "shape")


def read_adjacency(path: Path):
    """A matrix of scipy.sparse.save_npz whose entries are edges."""
    with open_npz(path) as members:
        return csr_of_scipy("adjacency", members.arrays(*SCIPY_MEMBERS), edges=True)


def node_matrix(array: np.ndarray, nodes: int, what: str) -> np.ndarray:
    """Dense features, one row per node."""
    if array.ndim != 2 or len(array) != nodes:
        raise DataError(f"{what}: shape {array.shape}, expected {nodes} rows")
    return finite_floats(array, what)


# ---- GraphSAINT --------------------------------------------------------------------------------------
def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def load_npy(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
        if isinstance(array, np.ndarray):
            return array
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, EOFError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not a readable .npy file ({error})") from None
    raise DataError(f"{path}: not a readable .npy file")


def classes_of_map(path: Path, nodes: int) -> np.ndarray:
    """Class of every node by its id; a node that is absent, or has null or NaN, has no class."""
    classes = read_json(path)
    if not isinstance(classes, dict):
        raise DataError(f"{path}: expected an object of node id → class")
    labels = np.full(nodes, float(NO_CLASS))
    for key, value in classes.items():
        if isinstance(value, list):
            raise DataError(f"{path}: node {key} has {value!r}: {SEVERAL_LABELS}")
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise DataError(f"{path}: node {key} has {value!r}; one class per node is needed")
        if not (key.isascii() and key.isdigit()) or int(key) >= nodes:
            raise DataError(f"{path}: node id {key!r} outside 0 … {nodes - 1}")
        labels[int(key)] = NO_CLASS if value is None else value
    return labels_of(labels, nodes, str(path))


def read_graphsaint(folder: Path) -> Graph:
    adjacency = read_adjacency(folder / "adj_full.npz")
    nodes = adjacency.shape[0]
    features = node_matrix(load_npy(folder / "feats.npy"), nodes, str(folder / "feats.npy"))
    labels = classes_of_map(folder / "class_map.json", nodes)
    role_path = folder / "role.json"
    role = read_json(role_path)
    masks = {}
    for mask, name in zip(MASKS, ("tr", "va", "te")):
        ids = role.get(name) if isinstance(role, dict) else None
        if not isinstance(ids, list) or not all(type(i) is int for i in ids):
            raise DataError(f"{role_path}: '{name}' must be a list of node ids")
        masks[mask] = id_mask(np.array(ids, dtype=np.int64), nodes, f"{role_path}: {name}")
    return Graph(adjacency, features, labels, masks)


# ---- DGL's Reddit ------------------------------------------------------------------------------------
def dgl_files(folder: Path) -> list[Path]:
    graphs = [folder / name for name in DGL_GRAPHS if (folder / name).is_file()]
    if len(graphs) != 1:
        found = "both of them" if graphs else "neither of them"
        raise DataError(f"{folder}: expected {' or '.join(DGL_GRAPHS)}, found {found}")
    return [folder / "reddit_data.npz", *graphs]


def read_dgl_reddit(folder: Path) -> Graph:
    """reddit_data.npz (feature, label, node_types 1, 2, 3 for training, validation, test) and reddit_graph.npz."""
    data_path, graph_path = dgl_files(folder)
    adjacency = read_adjacency(graph_path)
    nodes = adjacency.shape[0]
    with open_npz(data_path) as members:
        feature, label, types = members.required("feature", "label", "node_types")
        features, labels = node_matrix(feature, nodes, "feature"), labels_of(label, nodes, "label")
        types = whole_numbers(vector(types, "node_types"), "node_types")
        if len(types) != nodes:
            raise DataError(f"node_types: found {len(types)} entries, expected {nodes}")
        bad = (types < 0) | (types > 3)
        if np.any(bad):
            node = int(np.argmax(bad))
            raise DataError(f"node_types: node {node}: found {types[node]}, expected 1 (training), 2 (validation), 3 (test) "
                            "or 0 (none)")
    return Graph(adjacency, features, labels, {mask: (types == i).astype(np.uint8) for i, mask in enumerate(MASKS, start=1)})


# ---- heterophilous-graphs ----------------------------------------------------------------------------
def read_heterophilous(path: Path) -> Graph:
    """node_features, node_labels, edges (E × 2), and train_masks, val_masks, test_masks of splits × nodes. Edges stay as
    stored: most files hold one direction of an undirected graph."""
    with open_npz(path) as members:
        matrix, label, edges = members.required("node_features", "node_labels", "edges")
        nodes = len(matrix) if matrix.ndim == 2 else 0
        features = node_matrix(matrix, nodes, "node_features")
        if edges.ndim != 2 or edges.shape[1] != 2:
            raise DataError(f"edges: found shape {edges.shape}, expected edges × 2")
        edges = whole_numbers(edges, "edges")
        check_ids(edges, nodes, "edges: node id")
        names = {mask: f"{mask}s" if f"{mask}s" in members else mask for mask in MASKS}
        stored = {mask: members[name] for mask, name in names.items() if name in members}
        for mask in set(MASKS) - set(stored):
            refuse_near_miss(set(members.names) - set(names.values()), mask, "splits × nodes of 0 or 1")
        masks = masks_of(stored, nodes, MASKS)
        weights = np.ones(len(edges), dtype=np.float32)
        adjacency = edges_from_entries(edges[:, 0], edges[:, 1], (nodes, nodes), weights)
        return Graph(adjacency, features, labels_of(label, nodes, "node_labels"), masks)
