#!/usr/bin/env python3
"""Converts public graph datasets to the .npz layout that gamlp reads, and verifies the result.

    convert.py list                                      the paper's nine datasets and where to download them
    convert.py planetoid     FOLDER NAME OUT.npz         ind.NAME.{x,tx,allx,y,ty,ally,graph,test.index}
    convert.py gnn-benchmark FILE.npz OUT.npz            the collection of Shchur et al., and whatever gamlp reads
    convert.py ogb           FOLDER_OR_ZIP OUT.npz       OGB node property prediction (ogbn-arxiv, ogbn-papers100M)
    convert.py graphsaint    FOLDER OUT.npz              adj_full.npz, feats.npy, class_map.json, role.json
    convert.py heterophilous FILE.npz OUT.npz            node_features, node_labels, edges, train_masks, …
    convert.py dgl-reddit    FOLDER OUT.npz              reddit_data.npz, reddit_graph.npz
    convert.py files         GRAPH OUT.npz --node-features FILE [--labels FILE] [--parts TRAIN VALIDATION TEST]
                                                         GRAPH: an edge list, or Matrix Market (.mtx, needs scipy)
    convert.py verify        FILE.npz [--dataset NAME]   counts and content hashes against the built-in table

Nothing is downloaded. Nodes without a class have the label -1. Needs Python 3.9 and numpy.
Exit status: 0 done, 1 bad input or failed verification, 2 usage, 141 nobody reads the output any more.
"""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

try:
    import numpy as np
except ImportError:
    sys.exit("convert.py needs numpy: apt-get install python3-numpy, or pip install numpy")

from graphs.dataset_table import DATASETS, PLANETOID_PARTS
from graphs.csr import DataError, csr_from_entries
from graphs.files import read_files
from graphs.formats import GRAPHSAINT_FILES, dgl_files, read_dgl_reddit, read_graphsaint, read_heterophilous
from graphs.npz import Graph, read_graph, write_graph
from graphs.ogb import Folder, id_mask, read_ogb
from graphs.ogb_binary import convert_ogb_binary
from graphs.planetoid import read_planetoid
from graphs.report import check_counts, check_downloads, report, report_streamed
from graphs.rules import MASKS, NO_CLASS

BROKEN_PIPE = 141  # what a shell reports of a program that SIGPIPE ended


# ---- shared steps ------------------------------------------------------------------------------------
def add_masks(graph: Graph, per_class: int, validation: int, test: int, seed: int) -> None:
    """Random split: `per_class` training nodes of each class, then validation and test nodes from the rest. Nodes
    without a class are in no part."""
    order = np.random.default_rng(seed).permutation(graph.nodes)
    order = order[graph.labels[order] != NO_CLASS]
    parts = [order[graph.labels[order] == c][:per_class] for c in np.unique(graph.labels[order])]
    if not parts:
        raise DataError("--add-masks: no node has a class")
    train = np.concatenate(parts)
    rest = order[~np.isin(order, train)]
    if len(rest) < validation + test:
        raise DataError(f"{len(rest)} nodes are left for {validation} validation and {test} test nodes")
    for mask, ids in zip(MASKS, (train, rest[:validation], rest[validation:validation + test])):
        graph.masks[mask] = id_mask(ids, graph.nodes, mask)


def choose_storage(graph: Graph, how: str) -> None:
    """Dense or CSR features; auto takes CSR below 30 % non-zero entries."""
    dense = isinstance(graph.features, np.ndarray)
    if how == "dense" and not dense:
        graph.features = graph.features.to_dense()
    elif dense and (how == "sparse" or (how == "auto" and np.count_nonzero(graph.features) < .3 * graph.features.size)):
        row, col = np.nonzero(graph.features)
        graph.features = csr_from_entries(row, col, graph.features.shape, graph.features[row, col])


def find_name(path: Path, given: str | None) -> str | None:
    return given or (path.stem if path.stem in DATASETS else None)


def finish(graph: Graph, args: argparse.Namespace, name: str | None) -> int:
    choose_storage(graph, args.features)
    graph.settle_weights(args.edge_weights)
    if args.split_index is not None:
        graph.choose_split(args.split_index)
    graph.check()
    problems = check_counts(graph, DATASETS[name]) if name else []
    if problems:
        raise DataError(f"this is not {DATASETS[name].title} as expected, nothing written: " + "; ".join(problems))
    write_graph(args.out, graph)
    for problem in report(args.out, graph, name):
        print(f"warning: {problem}", file=sys.stderr)
    return 0


# ---- commands ----------------------------------------------------------------------------------------
def input_files(args: argparse.Namespace) -> list[Path]:
    source: Path = args.source
    if args.command == "planetoid":
        return [source / f"ind.{args.name}.{part}" for part in PLANETOID_PARTS]
    if args.command == "graphsaint":
        return [source / name for name in GRAPHSAINT_FILES]
    if args.command == "dgl-reddit":
        return dgl_files(source)
    if args.command == "files":
        return [source, args.node_features, *([args.labels] if args.labels else []), *(args.parts or [])]
    return [source] if args.command != "ogb" or source.is_file() else []


def read_source(args: argparse.Namespace) -> Graph:
    source: Path = args.source
    if args.command == "planetoid":
        return read_planetoid(source, args.name)
    if args.command == "ogb":
        return read_ogb(source, args.split)
    if args.command == "files":
        return read_files(source, args.node_features, args.labels, args.parts)
    readers = {"graphsaint": read_graphsaint, "dgl-reddit": read_dgl_reddit, "heterophilous": read_heterophilous,
               "gnn-benchmark": read_graph}
    graph = readers[args.command](source)
    if getattr(args, "add_masks", False):
        add_masks(graph, args.train_per_class, args.validation, args.test, args.seed)
    return graph


def convert(args: argparse.Namespace) -> int:
    name = find_name(args.out, args.dataset)
    if args.command == "planetoid":
        name = args.dataset or (args.name if args.name in DATASETS else None)
    files = input_files(args)
    if missing := [str(f) for f in files if not f.is_file()]:
        raise DataError("missing: " + ", ".join(missing))
    check_downloads(files, DATASETS[name] if name else None, args.ignore_checksum)
    if args.command == "ogb" and Folder(args.source).has("raw/data.npz"):
        return convert_in_blocks(args, name)
    return finish(read_source(args), args, name)


def convert_in_blocks(args: argparse.Namespace, name: str | None) -> int:
    """OGB's binary form, which is too large for what the other formats share."""
    what = f"{args.source}: raw/data.npz is read in blocks"
    if args.source.is_file():
        raise DataError(f"{what}: unpack the .zip and give its folder")
    if args.features == "sparse":
        raise DataError(f"{what} and its features are written as they are stored: leave out --features sparse")
    if args.split_index:
        raise DataError(f"{what} and has one split: leave out --split-index {args.split_index}")
    if name:
        raise DataError(f"{what}, but {DATASETS[name].title} has another form: give another --dataset, or another name than "
                        f"{args.out}")
    report_streamed(args.out, convert_ogb_binary(args.source, args.split, args.out))
    return 0


def verify(args: argparse.Namespace) -> int:
    problems = report(args.file, read_graph(args.file), find_name(args.file, args.dataset))
    for problem in problems:
        print(f"error: {args.file}: {problem}", file=sys.stderr)
    return 1 if problems else 0


def list_datasets(_: argparse.Namespace) -> int:
    for name, d in DATASETS.items():
        split = "/".join(map(str, d.split)) if d.split else "random, 20 per class / 1000 / 1000"
        print(f"{name}: {d.title}; {d.nodes} nodes, {d.edges} directed edges once symmetrised, {d.features} features, "
              f"{d.classes} classes, split {split}\n  convert.py {d.kind}")
        for url in d.urls:
            file = url.rsplit("/", 1)[1]
            print(f"  {url}\n    sha256 {d.raw_sha256.get(file, 'not published: verified by counts')}")
    return 0


# ---- command line ------------------------------------------------------------------------------------
SOURCES = {
    "planetoid": "folder of ind.NAME.* files",
    "gnn-benchmark": "an .npz of the collection, or one that gamlp reads",
    "ogb": "folder or .zip with raw/ and split/ (with raw/data.npz: a folder)",
    "graphsaint": "folder with the four files",
    "heterophilous": "an .npz of heterophilous-graphs",
    "dgl-reddit": "folder with reddit_data.npz and reddit_graph.npz or reddit_self_loop_graph.npz",
    "files": "edge list, or Matrix Market (.mtx)",
}


def add_options(kind: str, sub: argparse.ArgumentParser) -> None:
    """Those of one converter alone."""
    if kind == "planetoid":
        sub.add_argument("name", help="cora, citeseer, pubmed, …")
    sub.add_argument("out", type=Path, metavar="OUT.npz")
    if kind == "ogb":
        sub.add_argument("--split", default="time", help="folder under split/ (default: time)")
    if kind == "gnn-benchmark":
        sub.add_argument("--add-masks", action="store_true", help="draw a random split")
        for flag, value in (("train-per-class", 20), ("validation", 1000), ("test", 1000), ("seed", 0)):
            sub.add_argument(f"--{flag}", type=int, default=value, help=f"with --add-masks (default {value})")
    if kind == "files":
        sub.add_argument("--node-features", type=Path, required=True, metavar="FILE",
                         help="one row per node: text, .npy, .npz of scipy.sparse, or .mtx")
        sub.add_argument("--labels", type=Path, metavar="FILE", help="one class per node: text or .npy")
        sub.add_argument("--parts", type=Path, nargs=3, metavar=("TRAIN", "VALIDATION", "TEST"),
                         help="node ids of each part: text or .npy")


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--dataset", choices=DATASETS, help="check against this dataset (default: by the name of OUT)")
    out = argparse.ArgumentParser(add_help=False, parents=[shared])
    out.add_argument("--features", choices=("auto", "sparse", "dense"), default="auto",
                     help="how to store features (auto: CSR below 30 %% non-zeros)")
    out.add_argument("--ignore-checksum", action="store_true", help="accept a download that is not as published")
    out.add_argument("--edge-weights", choices=("keep", "ignore"), default="keep",
                     help="weights of edges where the source has any (default: keep)")
    out.add_argument("--split-index", type=int, metavar="I", help="keep split I alone of masks that hold several "
                     "(default: all of them; dataset.split.index of gamlp takes one)")
    for kind, text in SOURCES.items():
        sub = commands.add_parser(kind, help=text, parents=[out])
        sub.add_argument("source", type=Path, help=text)
        add_options(kind, sub)
        sub.set_defaults(run=convert)
    sub = commands.add_parser("verify", help="check a converted file", parents=[shared])
    sub.add_argument("file", type=Path)
    sub.set_defaults(run=verify)
    commands.add_parser("list", help="the nine datasets and their addresses").set_defaults(run=list_datasets)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        status = args.run(args)
        sys.stdout.flush()
        return status
    except DataError as error:
        print(f"convert.py: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Python flushes once more at the end: into nothing, or it would end in a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


if __name__ == "__main__":
    sys.exit(main())
