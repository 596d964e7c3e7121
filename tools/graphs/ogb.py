"""The reader of OGB's node property prediction sets in their CSV form (ogbn-arxiv, ogbn-products). Needs numpy only."""
from __future__ import annotations

import gzip
import io
import re
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from graphs.csr import DataError, check_ids, csr_from_entries
from graphs.npz import Graph
from graphs.rules import MASKS, labels_of

SPLIT_FILES = ("train", "valid", "test")


def refuse_blank_lines(text: bytes, what: str) -> None:
    """Readers of CSV skip a blank line without a word, and every row behind it then belongs to another node."""
    blank = re.search(rb"(?:\A|\n)[ \t\r]*\n", text.rstrip())
    if blank:
        line, lines = text.count(b"\n", 0, blank.end()), len(text.splitlines())
        raise DataError(f"{what}: line {line} of {lines} is blank: every line is a row, so the rows behind it would belong to "
                        "other nodes; write nan for a value that is missing")


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

    def names(self, name: str) -> list[str]:
        """Members of the .zip that end in this path."""
        return [m for m in self.zip.namelist() if ("/" + m).endswith("/" + name)] if self.zip else []

    def has(self, name: str) -> bool:
        return bool(self.names(name)) if self.zip else (self.path / name).is_file()

    def read(self, name: str) -> bytes:
        if not self.zip:
            return (self.path / name).read_bytes()
        members = self.names(name)
        if len(members) != 1:
            raise DataError(f"{self.path}: {len(members)} members end in {name}, expected one")
        return self.zip.read(members[0])

    def csv(self, name: str, dtype: Any, columns: int | None = None) -> np.ndarray:
        what = f"{self.path}: {name}"
        try:
            text = gzip.decompress(self.read(name))
            refuse_blank_lines(text, what)
            # pandas writes a missing value of a single column as "".
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # an empty file: the caller counts rows
                table = np.loadtxt(io.BytesIO(text.replace(b'""', b"nan")), dtype=dtype, delimiter=",", ndmin=2)
        except FileNotFoundError:
            raise DataError(f"{self.path / name}: no such file") from None
        except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile) as error:
            raise DataError(f"{what}: {error}") from None
        if columns is not None and table.shape[1] != columns:
            raise DataError(f"{what}: {table.shape[1]} columns, expected {columns}")
        return table

    def masks(self, split: str, nodes: int) -> dict[str, np.ndarray]:
        """split/SPLIT/{train,valid,test}.csv.gz: the ids of the nodes of each part."""
        masks = {}
        for mask, part in zip(MASKS, SPLIT_FILES):
            name = f"split/{split}/{part}.csv.gz"
            masks[mask] = id_mask(self.csv(name, np.int64, 1)[:, 0], nodes, name)
        return masks


def read_ogb(path: Path, split: str) -> Graph:
    """raw/{edge,node-feat,node-label}.csv.gz and split/SPLIT/{train,valid,test}.csv.gz. Edges stay directed; a label of
    nan is a node without a class."""
    folder = Folder(path)
    features = folder.csv("raw/node-feat.csv.gz", np.float32)
    nodes = len(features)
    table = folder.csv("raw/node-label.csv.gz", np.float64)
    labels = labels_of(table, nodes, f"{path}: raw/node-label.csv.gz")
    edges = folder.csv("raw/edge.csv.gz", np.int64, 2)
    check_ids(edges, nodes, f"{path}: raw/edge.csv.gz: node id")
    return Graph(csr_from_entries(edges[:, 0], edges[:, 1], (nodes, nodes)), features, labels, folder.masks(split, nodes))


def id_mask(ids: np.ndarray, nodes: int, what: str) -> np.ndarray:
    check_ids(ids, nodes, f"{what}: node id")
    mask = np.zeros(nodes, dtype=np.uint8)
    mask[ids] = 1
    return mask
