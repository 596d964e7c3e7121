#!/usr/bin/env python3
"""Converts public graph datasets to the .npz layout that gamlp reads, and verifies the result.

    convert.py list                                      the paper's nine datasets and where to download them
    convert.py planetoid  FOLDER NAME OUT.npz            ind.NAME.{x,tx,allx,y,ty,ally,graph,test.index}
    convert.py gnn-benchmark FILE.npz OUT.npz            the collection of Shchur et al.; object arrays are dropped
    convert.py ogb        FOLDER_OR_ZIP OUT.npz          OGB node property prediction (ogbn-arxiv)
    convert.py graphsaint FOLDER OUT.npz                 adj_full.npz, feats.npy, class_map.json, role.json
    convert.py verify     FILE.npz [--dataset NAME]      counts and content hashes against the built-in table

Nothing is downloaded. Needs Python 3.9 and numpy. Exit status: 0 done, 1 bad input or failed verification, 2 usage.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

try:
    import numpy as np
except ImportError:
    sys.exit("convert.py needs numpy: apt-get install python3-numpy, or pip install numpy")

from dataset_table import DATASETS, PLANETOID_PARTS, Dataset
from graph_formats import id_mask, read_graphsaint, read_ogb, read_planetoid
from graph_npz import MASKS, DataError, Graph, csr_from_entries, file_sha256, read_graph, write_graph


# ---- shared steps ------------------------------------------------------------------------------------
def add_masks(graph: Graph, per_class: int, validation: int, test: int, seed: int) -> None:
    """Random split: `per_class` training nodes of each class, then validation and test nodes from the rest."""
    order = np.random.default_rng(seed).permutation(graph.nodes)
    train = np.concatenate([order[graph.labels[order] == c][:per_class] for c in range(graph.classes)])
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
        values = graph.features[row, col].astype(np.float64)
        graph.features = csr_from_entries(row, col, graph.features.shape, values)


def check_downloads(paths: list[Path], dataset: Dataset | None, ignore: bool) -> None:
    """Prints the sha256 of every input file; a published checksum that does not match is an error."""
    for path in paths:
        digest = file_sha256(path)
        expected = dataset.raw_sha256.get(path.name) if dataset else None
        verdict = "no published checksum known: keep this one" if expected is None else "as published"
        if expected is not None and digest != expected:
            if not ignore:
                raise DataError(f"{path}: sha256 {digest}, published {expected} (--ignore-checksum converts anyway)")
            verdict = "NOT as published, ignored"
        print(f"{digest}  {path.name}  ({verdict})")


def check_counts(graph: Graph, dataset: Dataset) -> list[str]:
    """Differences between the graph and the built-in table."""
    found = graph.summary()
    problems = []
    for key in ("nodes", "edges", "features", "classes", "split"):
        expected = getattr(dataset, key)
        if expected is not None and found[key] != expected:
            problems.append(f"{key}: {found[key]} found, {expected} expected")
    return problems


def report(path: Path, graph: Graph, name: str | None) -> list[str]:
    """Prints counts and hashes of a graph; returns what does not agree with the built-in table."""
    counts = graph.summary()
    split = counts.pop("split")
    parts = "no masks" if split is None else "train/validation/test " + "/".join(map(str, split))
    print(f"{path}: " + ", ".join(f"{value} {key}" for key, value in counts.items()) + f", {parts}")
    dataset = DATASETS.get(name) if name else None
    digest = file_sha256(path)
    same = "  the reference file, byte for byte" if dataset and digest == dataset.npz_sha256 else ""
    print(f"  sha256    {digest}{same}")
    problems = check_counts(graph, dataset) if dataset else []
    for part, digest in graph.content_hashes().items():
        expected = dataset.content.get(part) if dataset else None
        verdict = "" if expected is None else ("  as the reference" if digest == expected else "  DIFFERS")
        print(f"  {part:9} {digest}{verdict}")
        if expected not in (None, digest):
            problems.append(f"{part}: content hash {digest}, the reference has {expected}")
    if dataset is None:
        print("  not one of the nine known datasets: only its structure was checked")
    elif not dataset.content:
        print(f"  {dataset.title}: no reference content hash is known; counts were checked")
    return problems


def find_name(path: Path, given: str | None) -> str | None:
    return given or (path.stem if path.stem in DATASETS else None)


def finish(graph: Graph, args: argparse.Namespace, name: str | None) -> int:
    choose_storage(graph, args.features)
    graph.check()
    problems = check_counts(graph, DATASETS[name]) if name else []
    if problems:
        raise DataError(f"this is not {DATASETS[name].title} as expected, nothing written: " + "; ".join(problems))
    write_graph(args.out, graph)
    for problem in report(args.out, graph, name):
        print(f"warning: {problem}", file=sys.stderr)
    return 0


# ---- commands ----------------------------------------------------------------------------------------
def convert(args: argparse.Namespace) -> int:
    name = find_name(args.out, args.dataset)
    source: Path = args.source
    if args.command == "planetoid":
        name = args.dataset or (args.name if args.name in DATASETS else None)
        files = [source / f"ind.{args.name}.{part}" for part in PLANETOID_PARTS]
    elif args.command == "graphsaint":
        files = [source / f for f in ("adj_full.npz", "feats.npy", "class_map.json", "role.json")]
    else:
        files = [source] if source.is_file() else []
    if args.command != "ogb" and (missing := [str(f) for f in files or [source] if not f.is_file()]):
        raise DataError("missing: " + ", ".join(missing))
    dataset = DATASETS[name] if name else None
    check_downloads(files, dataset, args.ignore_checksum)
    if args.command == "planetoid":
        graph = read_planetoid(source, args.name)
    elif args.command == "ogb":
        graph = read_ogb(source, args.split)
    elif args.command == "graphsaint":
        graph = read_graphsaint(source)
    else:
        graph = read_graph(source)
        if args.add_masks:
            add_masks(graph, args.train_per_class, args.validation, args.test, args.seed)
    return finish(graph, args, name)


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


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--dataset", choices=DATASETS, help="check against this dataset (default: by the name of OUT)")
    out = argparse.ArgumentParser(add_help=False, parents=[shared])
    out.add_argument("--features", choices=("auto", "sparse", "dense"), default="auto",
                     help="how to store features (auto: CSR below 30 %% non-zeros)")
    out.add_argument("--ignore-checksum", action="store_true", help="accept a download that is not as published")
    for kind, text in (("planetoid", "folder of ind.NAME.* files"), ("gnn-benchmark", "an .npz of the collection"),
                       ("ogb", "folder or .zip with raw/ and split/"), ("graphsaint", "folder with the four files")):
        sub = commands.add_parser(kind, help=text, parents=[out])
        sub.add_argument("source", type=Path, help=text)
        if kind == "planetoid":
            sub.add_argument("name", help="cora, citeseer, pubmed, …")
        sub.add_argument("out", type=Path, metavar="OUT.npz")
        sub.set_defaults(run=convert)
        if kind == "ogb":
            sub.add_argument("--split", default="time", help="folder under split/ (default: time)")
        if kind == "gnn-benchmark":
            sub.add_argument("--add-masks", action="store_true", help="draw a random split")
            for flag, value in (("train-per-class", 20), ("validation", 1000), ("test", 1000), ("seed", 0)):
                sub.add_argument(f"--{flag}", type=int, default=value, help=f"with --add-masks (default {value})")
    sub = commands.add_parser("verify", help="check a converted file", parents=[shared])
    sub.add_argument("file", type=Path)
    sub.set_defaults(run=verify)
    commands.add_parser("list", help="the nine datasets and their addresses").set_defaults(run=list_datasets)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        return args.run(args)
    except DataError as error:
        print(f"convert.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
