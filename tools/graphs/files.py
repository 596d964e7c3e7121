"""Graphs as people write them down: an edge list or a Matrix Market file, with files of features, labels and node ids
beside it. Needs numpy; Matrix Market files need scipy as well."""
from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np

from graphs.csr import Csr, DataError, check_ids, csr_from_entries, csr_of_scipy, edges_from_entries, finite_floats, \
    whole_numbers
from graphs.formats import SCIPY_MEMBERS, load_npy, node_matrix
from graphs.npz import Graph, open_npz, without_zeros
from graphs.ogb import id_mask
from graphs.rules import MASKS, NO_CLASS, labels_of

WEIGHT_NAMES = {"weight", "weights", "w", "value", "edge_weight", "edgeweight"}
ID_NAMES = {"id", "node", "node_id", "nodeid", "index"}
MAGIC = ((b"\x1f\x8b", "is compressed by gzip: unpack it first (gunzip)"),
         (b"PK\x03\x04", "is a zip archive"),
         (b"\xff\xfe", "is UTF-16: save it as UTF-8 or ASCII (iconv -f UTF-16 -t UTF-8)"),
         (b"\xfe\xff", "is UTF-16: save it as UTF-8 or ASCII (iconv -f UTF-16 -t UTF-8)"))


# ---- tables of numbers -------------------------------------------------------------------------------
def is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def read_table(path: Path) -> tuple[np.ndarray, list[str]]:
    """Numbers separated by commas, or by blanks; '#' starts a comment. The names of the columns where the first line has
    some, in lower case."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    for magic, what in MAGIC:
        if content.startswith(magic):
            raise DataError(f"{path}: expected plain text, but the file {what}")
    text = content.decode("utf-8-sig", "replace")
    lines = [line for line in (raw.split("#", 1)[0].strip() for raw in text.splitlines()) if line]
    if not lines:
        raise DataError(f"{path}: holds no numbers")
    delimiter = "," if "," in lines[0] else None
    first = [field.strip().strip('"').lower() for field in (lines[0].split(",") if delimiter else lines[0].split())]
    names = [] if all(is_number(field) for field in first) else first
    if names and any(is_number(field) for field in names if field):
        raise DataError(f"{path}: found {lines[0][:60]!r}, expected numbers, or a first line of column names alone")
    if names and len(lines) == 1:
        raise DataError(f"{path}: holds a line of names and no numbers")
    try:
        table = np.loadtxt(io.StringIO("\n".join(lines[len(names) > 0:])), delimiter=delimiter, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: {error} (blank lines, comments and names not counted)") from None
    if names and len(names) != table.shape[1]:
        raise DataError(f"{path}: {len(names)} names for {table.shape[1]} columns")
    return table, names


# ---- edges -------------------------------------------------------------------------------------------
def read_edge_list(path: Path, nodes: int) -> Csr:
    """Two ids per line, or two ids and a weight."""
    table, names = read_table(path)
    columns = table.shape[1]
    if columns not in (2, 3):
        raise DataError(f"{path}: found {columns} columns, expected two node ids, or two ids and a weight")
    if names and (WEIGHT_NAMES & set(names[:2]) or (columns == 3 and names[2] not in WEIGHT_NAMES)):
        raise DataError(f"{path}: found the columns {', '.join(names)}, expected source and target, then the weight alone "
                        f"(named {' or '.join(sorted(WEIGHT_NAMES))}): leave the others out")
    ids = whole_numbers(table[:, :2], f"{path}: node ids")
    if len(ids) and ids.max() == nodes and ids.min() == 1:
        raise DataError(f"{path}: node ids from 1 to {nodes}, expected 0 to {nodes - 1}: subtract 1")
    check_ids(ids, nodes, f"{path}: node id")
    weights = finite_floats(table[:, 2], f"{path}: weights") if columns == 3 else np.ones(len(ids), np.float32)
    return edges_from_entries(ids[:, 0], ids[:, 1], (nodes, nodes), weights)


def mirrors_entries(path: Path) -> bool:
    """Whether the header of a Matrix Market file says that one triangle stands for both."""
    import scipy.io
    return scipy.io.mminfo(path)[5] in ("symmetric", "skew-symmetric", "hermitian")


def read_matrix_market(path: Path, edges: bool) -> Csr:
    """A .mtx file, of which scipy has added the other triangle where only one is stored."""
    try:
        import scipy.io
    except ImportError:
        raise DataError(f"{path}: Matrix Market files need scipy: apt-get install python3-scipy, or pip install scipy") from None
    try:
        matrix, mirrored = scipy.io.mmread(path), mirrors_entries(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, OverflowError, TypeError, IndexError, EOFError) as error:
        raise DataError(f"{path}: not a readable Matrix Market file ({error})") from None
    if isinstance(matrix, np.ndarray):
        row, col = np.nonzero(matrix)
        shape, values = matrix.shape, matrix[row, col]
    else:
        row, col, shape, values = matrix.row.astype(np.int64), matrix.col.astype(np.int64), matrix.shape, matrix.data
    if mirrored:
        key, count = np.unique(row * shape[1] + col, return_counts=True)
        if np.any(count > 1):
            twice = key[int(np.argmax(count > 1))]
            i, j = int(twice // shape[1]) + 1, int(twice % shape[1]) + 1
            raise DataError(f"{path}: the header says symmetric, so one triangle stands for both, but the file holds both "
                            f"entries ({i}, {j}) and ({j}, {i}), or one twice: every such entry would count double; write "
                            "\"general\" in the header, or leave one triangle out")
    values = finite_floats(values, f"{path}: values")
    if edges:
        return edges_from_entries(row, col, shape, values)
    return without_zeros(csr_from_entries(row, col, shape, values))


# ---- nodes -------------------------------------------------------------------------------------------
def is_matrix_market(path: Path) -> bool:
    return re.search(r"\.mtx(\.gz|\.bz2)?$", path.name) is not None


def read_features(path: Path) -> Csr | np.ndarray:
    if is_matrix_market(path):
        return read_matrix_market(path, edges=False)
    if path.suffix == ".npz":
        with open_npz(path) as members:
            return csr_of_scipy("features", members.arrays(*SCIPY_MEMBERS))
    if path.suffix == ".npy":
        array = load_npy(path)
        return node_matrix(array, len(array) if array.ndim else 0, str(path))
    table, names = read_table(path)
    if ID_NAMES & set(names):
        raise DataError(f"{path}: found a column named {next(n for n in names if n in ID_NAMES)}, expected features alone, "
                        "row i for node i: sort the rows by it and leave it out")
    return finite_floats(table, str(path))


def read_labels(path: Path, nodes: int) -> np.ndarray:
    return labels_of(load_npy(path) if path.suffix == ".npy" else read_table(path)[0], nodes, str(path))


def read_part(path: Path, nodes: int) -> np.ndarray:
    """The nodes of one part as a mask, from their ids or from one boolean per node."""
    array = load_npy(path) if path.suffix == ".npy" else read_table(path)[0]
    if array.dtype.kind == "b":
        if array.shape != (nodes,):
            raise DataError(f"{path}: {array.size} booleans for {nodes} nodes")
        return array.astype(np.uint8)
    if array.ndim == 2 and array.shape[1] != 1:
        raise DataError(f"{path}: found {array.shape[1]} columns, expected one node id per line")
    ids = whole_numbers(array.reshape(-1), str(path))
    if len(ids) == nodes and nodes > 2 and ids.max() <= 1:
        raise DataError(f"{path}: as many numbers as nodes, all of them 0 or 1: expected node ids (numpy.flatnonzero gives "
                        "them), or booleans in a .npy")
    return id_mask(ids, nodes, str(path))


def read_files(graph: Path, features: Path, labels: Path | None, parts: list[Path] | None) -> Graph:
    """A graph of separate files. Row i of the features, line i of the labels are node i."""
    matrix = read_features(features)
    nodes = matrix.shape[0]
    adjacency = read_matrix_market(graph, edges=True) if is_matrix_market(graph) else read_edge_list(graph, nodes)
    if adjacency.shape != (nodes, nodes):
        raise DataError(f"{graph}: found {adjacency.shape[0]} x {adjacency.shape[1]}, expected {nodes} x {nodes}, the rows of "
                        f"{features}")
    classes = np.full(nodes, NO_CLASS, np.int64) if labels is None else read_labels(labels, nodes)
    masks = {mask: read_part(path, nodes) for mask, path in zip(MASKS, parts or [])}
    return Graph(adjacency, matrix, classes, masks, has_labels=labels is not None)
