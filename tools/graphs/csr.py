"""Sparse matrices by rows, and how the program that reads them merges duplicates. Needs numpy only."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

import numpy as np

KNOWN_LAYOUTS = "CSR, CSC or COO: convert it with scipy's .tocsr()"


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

    def entry(self, at: int) -> str:
        """Entry `at` in words, for messages about edges."""
        return f"edge {int(np.searchsorted(self.indptr, at, side='right')) - 1} -> {int(self.indices[at])}"


def csr_from_entries(rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int],
                     values: np.ndarray | None = None) -> Csr:
    """CSR of (row, column) pairs. Without values every distinct pair becomes 1. With values, those of duplicates add up
    in float32 and in their order, as in the program; entries that are 0 or add up to 0 stay."""
    key = rows.astype(np.int64) * shape[1] + cols.astype(np.int64)
    sorted_already = len(key) < 2 or bool(np.all(key[1:] > key[:-1]))
    if values is None:
        key = key if sorted_already else np.unique(key)
        data = np.ones(len(key), dtype=np.float32)
    elif sorted_already:
        data = values.astype(np.float32)
    else:
        key, inverse = np.unique(key, return_inverse=True)
        data = np.zeros(len(key), dtype=np.float32)
        np.add.at(data, inverse.reshape(-1), values.astype(np.float32))
    row = key // shape[1]
    indptr = np.zeros(shape[0] + 1, dtype=np.int64)
    np.cumsum(np.bincount(row, minlength=shape[0]), out=indptr[1:])
    return Csr(data, (key % shape[1]).astype(np.int32), indptr, shape)


def edges_from_entries(rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int], weights: np.ndarray) -> Csr:
    """The adjacency of weighted edges by the program's rule: a weight of 0 is no edge; where all others are 1,
    duplicates are one edge; otherwise their weights add up, and a sum of 0 is an edge still."""
    kept = weights != 0
    if not np.all(kept):
        rows, cols, weights = rows[kept], cols[kept], weights[kept]
    return csr_from_entries(rows, cols, shape, None if np.all(weights == 1) else weights)


def vector(array: np.ndarray, what: str) -> np.ndarray:
    """A list of numbers; a column is one as well."""
    if array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1):
        return array.reshape(-1)
    raise DataError(f"{what}: found shape {array.shape}, expected a vector")


def whole_numbers(array: np.ndarray, what: str) -> np.ndarray:
    """Integers, also where they are stored as floats."""
    if array.dtype.kind == "f":
        array = array.astype(np.float64, copy=False)  # every integer up to 2^53 is a double
        bad = ~(np.abs(array) <= 2.0**53) | (array != np.floor(array))
        if np.any(bad):
            at = int(np.argmax(bad))
            raise DataError(f"{what}: element {at}: found {array.flat[at]}, expected an integer")
    elif array.dtype.kind not in "iub":
        raise DataError(f"{what}: found {array.dtype}, expected integers")
    elif array.dtype == np.uint64 and array.size and array.max() > 2**63 - 1:
        raise DataError(f"{what}: found {array.max()}, expected an integer in int64's range")
    return array.astype(np.int64)


def finite_floats(array: np.ndarray, what: str) -> np.ndarray:
    """Numbers as float32, refused where one has no finite value there."""
    if array.dtype.kind not in "iubf":
        raise DataError(f"{what}: found {array.dtype}, expected numbers")
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    if not np.all(np.isfinite(values)):
        at = int(np.argmax(~np.isfinite(values)))
        raise DataError(f"{what}: holds NaN or infinite values: element {at}: found {array.flat[at]}, "
                        "expected finite numbers")
    return values


def checked_shape(what: str, shape: np.ndarray) -> tuple[int, int]:
    if np.size(shape) != 2:
        raise DataError(f"{what}: the shape has {np.size(shape)} numbers, expected 2")
    rows, cols = (int(n) for n in whole_numbers(np.asarray(shape).reshape(-1), f"{what}: shape"))
    if rows < 1 or cols < 1 or rows * cols > 2**62:
        raise DataError(f"{what}: impossible shape {rows} x {cols}")
    return rows, cols


def check_ids(ids: np.ndarray, count: int, what: str) -> None:
    if ids.size and (ids.min() < 0 or ids.max() >= count):
        raise DataError(f"{what} {int(ids.min() if ids.min() < 0 else ids.max())} outside 0 … {count - 1}")


def entries_of_rows(what: str, data: np.ndarray, indices: np.ndarray, indptr: np.ndarray,
                    shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column and value of every stored entry of a CSR; DataError when its arrays do not fit together."""
    data, indices, indptr = (vector(a, f"{what}: {n}") for a, n in ((data, "data"), (indices, "indices"), (indptr, "indptr")))
    indices, indptr = whole_numbers(indices, f"{what}: indices"), whole_numbers(indptr, f"{what}: indptr")
    if len(indptr) != shape[0] + 1:
        raise DataError(f"{what}: indptr has {len(indptr)} entries, expected rows + 1 = {shape[0] + 1}")
    if len(data) != len(indices):
        raise DataError(f"{what}: {len(data)} values for {len(indices)} indices")
    if indptr[0] != 0 or indptr[-1] != len(indices) or np.any(np.diff(indptr) < 0):
        raise DataError(f"{what}: indptr must rise from 0 to {len(indices)}")
    check_ids(indices, shape[1], f"{what}: column")
    rows = np.repeat(np.arange(shape[0], dtype=np.int64), np.diff(indptr))
    return rows, indices, finite_floats(data, what)


def checked_csr(what: str, data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, shape: np.ndarray,
                edges: bool = False) -> Csr:
    """A CSR from raw arrays, in sorted form; duplicates add up, or are merged as edges."""
    size = checked_shape(what, shape)
    rows, cols, values = entries_of_rows(what, data, indices, indptr, size)
    return edges_from_entries(rows, cols, size, values) if edges else csr_from_entries(rows, cols, size, values)


def csr_of_scipy(what: str, arrays: Mapping[str, np.ndarray], edges: bool = False) -> Csr:
    """A matrix that scipy.sparse.save_npz wrote, by the layout that the file names. CSC holds columns where CSR holds
    rows, under the same names; BSR holds blocks."""
    layout = np.asarray(arrays.get("format", "csr")).item()
    layout = layout.decode("ascii", "replace") if isinstance(layout, bytes) else str(layout)
    needed = ("row", "col", "data", "shape") if layout == "coo" else ("data", "indices", "indptr", "shape")
    if layout not in ("csr", "csc", "coo"):
        raise DataError(f"{what}: found sparse format {layout!r}, expected {KNOWN_LAYOUTS}")
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise DataError(f"{what}: missing {', '.join(missing)} (present: {', '.join(arrays) or 'nothing'})")
    rows, cols = checked_shape(what, arrays["shape"])
    if layout == "coo":
        row, col = (whole_numbers(vector(arrays[n], f"{what}: {n}"), f"{what}: {n}") for n in ("row", "col"))
        values = finite_floats(vector(arrays["data"], f"{what}: data"), what)
        if not len(row) == len(col) == len(values):
            raise DataError(f"{what}: {len(row)} rows, {len(col)} columns and {len(values)} values, expected as many")
        check_ids(row, rows, f"{what}: row")
        check_ids(col, cols, f"{what}: column")
    elif layout == "csc":
        col, row, values = entries_of_rows(what, arrays["data"], arrays["indices"], arrays["indptr"], (cols, rows))
    else:
        row, col, values = entries_of_rows(what, arrays["data"], arrays["indices"], arrays["indptr"], (rows, cols))
    merge = edges_from_entries if edges else csr_from_entries
    return merge(row, col, (rows, cols), values)
