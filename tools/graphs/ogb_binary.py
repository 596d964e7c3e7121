"""The converter of OGB's binary node property prediction set, ogbn-papers100M: raw/data.npz and raw/node-label.npz.

Its features fill more memory than most machines have, so nothing here is held whole but some numbers per node: members
are read and written in blocks. Edges are first dealt into files by ranges of their rows, and each such file is then
sorted by itself. That needs 8 bytes of disk per edge beside the output, and 4 more per edge while it is joined.
"""
from __future__ import annotations

import contextlib
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Iterator

import numpy as np

from graphs.csr import DataError, check_ids, finite_floats
from graphs.npz import atomic_file
from graphs.ogb import Folder
from graphs.rules import MASKS, MAX_FEATURES, MAX_NODES, NO_CLASS, check_masks, labels_of

RANGES = 1 << 16  # ranges of rows whose edges are counted before they are dealt
PROGRAM_LIMIT = 64 << 30  # bytes that the program unpacks of one .npz


@dataclass(frozen=True)
class Blocks:
    """How much is held at once."""

    bytes: int = 32 << 20  # of a member
    edges: int = 16 << 20  # that are sorted together


@dataclass
class Summary:
    """What was written."""

    nodes: int
    edges: int
    features: int
    classes: int
    known: int
    split: list[int]
    unpacked: int


# ---- members of an .npz, read and written in order ---------------------------------------------------
class Reader:
    """An array of an .npz whose elements are taken in the order in which they are stored."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self.what = f"{archive.filename}: {name}"
        if f"{name}.npy" not in archive.namelist():
            raise DataError(f"{archive.filename}: missing {name} (present: {', '.join(archive.namelist())})")
        self.stream = archive.open(f"{name}.npy")
        try:
            version = np.lib.format.read_magic(self.stream)
            header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            self.shape, self.by_column, self.dtype = header(self.stream)
        except (ValueError, KeyError) as error:
            raise DataError(f"{self.what}: not a readable array ({error})") from None
        if self.dtype.kind not in "iuf":
            raise DataError(f"{self.what}: found {self.dtype}, expected numbers")

    def take(self, count: int) -> np.ndarray:
        wanted, parts, got = count * self.dtype.itemsize, [], 0
        while got < wanted:
            part = self.stream.read(wanted - got)
            if not part:
                raise DataError(f"{self.what}: ends after {got} of {wanted} bytes of a block")
            parts.append(part)
            got += len(part)
        return np.frombuffer(b"".join(parts) if len(parts) > 1 else (parts or [b""])[0], dtype=self.dtype)

    def blocks(self, total: int, width: int, limit: int) -> Iterator[tuple[int, np.ndarray]]:
        """The next `total` rows of `width` elements: the first row of each block, and its elements."""
        step = max(1, limit // (width * self.dtype.itemsize))
        for first in range(0, total, step):
            yield first, self.take(min(step, total - first) * width)


class Writer:
    """An .npz that is written member by member, uncompressed."""

    def __init__(self, stream: BinaryIO) -> None:
        self.archive = zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True)
        self.bytes = 0

    def member(self, name: str, dtype: Any, shape: tuple[int, ...], blocks: Iterator[np.ndarray]) -> None:
        dtype = np.dtype(dtype).newbyteorder("<")
        with self.archive.open(f"{name}.npy", "w", force_zip64=True) as out:
            np.lib.format.write_array_header_1_0(out, {"descr": dtype.str, "fortran_order": False, "shape": shape})
            for block in blocks:
                data = np.ascontiguousarray(block, dtype=dtype)
                out.write(data.reshape(-1).view(np.uint8).data)
                self.bytes += data.nbytes

    def array(self, name: str, array: np.ndarray) -> None:
        self.member(name, array.dtype, array.shape, iter([array]))

    def close(self) -> None:
        self.archive.close()


# ---- edges -------------------------------------------------------------------------------------------
class EdgeSource:
    """edge_index, 2 × E: the pairs in blocks, as often as asked for. The sources lie before the targets, so two
    readers go through the member at once; stored by columns, source and target lie side by side."""

    def __init__(self, archive: zipfile.ZipFile, nodes: int, blocks: Blocks) -> None:
        self.archive, self.nodes, self.limit = archive, nodes, blocks.bytes // 4
        reader = Reader(archive, "edge_index")
        if len(reader.shape) != 2 or reader.shape[0] != 2 or reader.dtype.kind not in "iu":
            raise DataError(f"{reader.what}: found {reader.dtype} of shape {reader.shape}, expected integers, 2 × edges")
        self.count, self.by_column, self.what = reader.shape[1], reader.by_column, f"{reader.what}: node id"

    def pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if self.by_column:
            for _, block in Reader(self.archive, "edge_index").blocks(self.count, 2, self.limit * 2):
                yield self.checked(block[0::2]), self.checked(block[1::2])
            return
        sources, targets = Reader(self.archive, "edge_index"), Reader(self.archive, "edge_index")
        for _ in targets.blocks(self.count, 1, self.limit):
            pass
        for (_, source), (_, target) in zip(sources.blocks(self.count, 1, self.limit), targets.blocks(self.count, 1, self.limit)):
            yield self.checked(source), self.checked(target)

    def checked(self, ids: np.ndarray) -> np.ndarray:
        check_ids(ids, self.nodes, self.what)
        return ids.astype(np.int32)


def row_bounds(source: EdgeSource, nodes: int, edges: int) -> np.ndarray:
    """First rows of parts that hold at most `edges` edges each, as far as ranges of rows can be parted; and the end."""
    width = -(-nodes // RANGES)
    counts = np.zeros(-(-nodes // width), dtype=np.int64)
    for rows, _ in source.pairs():
        counts += np.bincount(rows // width, minlength=len(counts))
    bounds, held = [0], 0
    for i, count in enumerate(counts):
        if held and held + count > edges:
            bounds.append(i * width)
            held = 0
        held += int(count)
    return np.array([*bounds, nodes], dtype=np.int64)


def deal_edges(source: EdgeSource, bounds: np.ndarray, folder: Path) -> list[Path]:
    """Writes every edge, as two int32, to the file of its part."""
    paths = [folder / str(part) for part in range(len(bounds) - 1)]
    for path in paths:
        path.touch()
    for rows, cols in source.pairs():
        part = np.searchsorted(bounds, rows, side="right") - 1
        order = np.argsort(part, kind="stable")
        pairs = np.stack((rows[order], cols[order]), axis=1)
        ends = np.cumsum(np.bincount(part, minlength=len(paths)))
        for path, begin, end in zip(paths, np.concatenate(([0], ends)), ends):
            if end > begin:
                with open(path, "ab") as stream:
                    pairs[begin:end].tofile(stream)
    return paths


def sorted_columns(paths: list[Path], bounds: np.ndarray, nodes: int, columns: Path) -> np.ndarray:
    """Writes the columns of all edges, by rows, without duplicates; returns indptr."""
    indptr = np.zeros(nodes + 1, dtype=np.int64)
    with open(columns, "wb") as out:
        for path, first, last in zip(paths, bounds, bounds[1:]):
            pairs = np.fromfile(path, dtype=np.int32).reshape(-1, 2)
            path.unlink()
            key = pairs[:, 0].astype(np.int64) * nodes + pairs[:, 1]
            del pairs
            key.sort()
            key = key[np.concatenate(([True], key[1:] != key[:-1]))] if len(key) else key
            indptr[first + 1:last + 1] = np.bincount(key // nodes - first, minlength=last - first)
            (key % nodes).astype(np.int32).tofile(out)
    np.cumsum(indptr, out=indptr)
    return indptr


def write_edges(out: Writer, source: EdgeSource, nodes: int, blocks: Blocks, folder: Path) -> int:
    bounds = row_bounds(source, nodes, blocks.edges)
    columns = folder / "columns"
    indptr = sorted_columns(deal_edges(source, bounds, folder), bounds, nodes, columns)
    edges = int(indptr[-1])
    step = max(1, blocks.bytes // 4)
    sizes = [min(step, edges - at) for at in range(0, edges, step)]
    with open(columns, "rb") as stream:
        out.member("adj_indices", np.int32, (edges,), (np.fromfile(stream, np.int32, size) for size in sizes))
    out.member("adj_data", np.uint8, (edges,), (np.ones(size, np.uint8) for size in sizes))
    out.array("adj_indptr", indptr)
    out.array("adj_shape", np.array([nodes, nodes], np.int64))
    return edges


# ---- nodes -------------------------------------------------------------------------------------------
def read_node_count(archive: zipfile.ZipFile) -> int:
    reader = Reader(archive, "num_nodes_list")
    if int(np.prod(reader.shape)) != 1:
        raise DataError(f"{reader.what}: found {int(np.prod(reader.shape))} graphs, expected 1")
    nodes = int(reader.take(1)[0])
    if not 1 <= nodes <= MAX_NODES:
        raise DataError(f"{reader.what}: found {nodes} nodes, expected 1 to {MAX_NODES}: ids are int32")
    return nodes


def read_labels(archive: zipfile.ZipFile, nodes: int, limit: int) -> np.ndarray:
    reader = Reader(archive, "node_label")
    if reader.shape not in ((nodes,), (nodes, 1)):
        raise DataError(f"{reader.what}: found shape {reader.shape}, expected one label for each of {nodes} nodes")
    labels = np.empty(nodes, dtype=np.int32)
    for first, block in reader.blocks(nodes, 1, limit):
        labels[first:first + len(block)] = labels_of(block, len(block), f"{reader.what}, counted from node {first}")
    return labels


def write_features(out: Writer, archive: zipfile.ZipFile, nodes: int, limit: int) -> int:
    """In the width in which they are stored: 16 bits stay 16 bits."""
    reader = Reader(archive, "node_feat")
    if len(reader.shape) != 2 or reader.shape[0] != nodes or not 1 <= reader.shape[1] <= MAX_FEATURES:
        raise DataError(f"{reader.what}: found shape {reader.shape}, expected {nodes} × features")
    if reader.by_column:
        raise DataError(f"{reader.what}: is stored by columns, expected rows: save numpy.ascontiguousarray of it")
    width = reader.shape[1]

    def checked() -> Iterator[np.ndarray]:
        for first, block in reader.blocks(nodes, width, limit):
            finite_floats(block, f"{reader.what}, counted from row {first}")
            yield block

    out.member("attr_matrix", np.float16 if reader.dtype.itemsize == 2 and reader.dtype.kind == "f" else np.float32,
               reader.shape, checked())
    return width


@contextlib.contextmanager
def archives(*paths: Path) -> Iterator[list[zipfile.ZipFile]]:
    with contextlib.ExitStack() as stack:
        opened = []
        for path in paths:
            try:
                opened.append(stack.enter_context(zipfile.ZipFile(path)))
            except (OSError, zipfile.BadZipFile) as error:
                raise DataError(f"{path}: not a readable .npz file ({error})") from None
        try:
            yield opened
        except (zipfile.BadZipFile, EOFError) as error:
            raise DataError(f"{', '.join(map(str, paths))}: damaged ({error})") from None


def convert_ogb_binary(folder: Path, split: str, out_path: Path, blocks: Blocks = Blocks()) -> Summary:
    """Writes the graph of raw/data.npz and raw/node-label.npz with the masks of split/SPLIT."""
    raw = folder / "raw"
    with archives(raw / "data.npz", raw / "node-label.npz") as (data, label):
        nodes = read_node_count(data)
        labels = read_labels(label, nodes, blocks.bytes)
        masks = Folder(folder).masks(split, nodes)
        check_masks(masks, labels)
        source = EdgeSource(data, nodes, blocks)
        with atomic_file(out_path) as stream, contextlib.closing(Writer(stream)) as out:
            with tempfile.TemporaryDirectory(dir=out_path.parent, prefix=f".{out_path.name}.") as parts:
                edges = write_edges(out, source, nodes, blocks, Path(parts))
            features = write_features(out, data, nodes, blocks.bytes)
            out.array("labels", labels)
            for name in MASKS:
                out.array(name, masks[name])
    return Summary(nodes, edges, features, int(labels.max()) + 1, int(np.count_nonzero(labels != NO_CLASS)),
                   [int(np.count_nonzero(masks[name])) for name in MASKS], out.bytes)
