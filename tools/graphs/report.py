"""What convert.py prints of its input and output, and what does not agree with the table of known datasets."""
from __future__ import annotations

from pathlib import Path

from graphs.dataset_table import DATASETS, Dataset
from graphs.csr import DataError
from graphs.npz import Graph, file_sha256
from graphs.ogb_binary import PROGRAM_LIMIT, Summary
from graphs.rules import NO_CLASS


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
    parts = ("no masks" if not graph.masks else " and ".join(graph.masks)) if split is None else \
        "train/validation/test " + "/".join(map(str, split)) + (f" (split 0 of {graph.splits})" if graph.splits > 1 else "")
    print(f"{path}: " + ", ".join(f"{value} {key}" for key, value in counts.items()) + f", {parts}")
    unknown = int((graph.labels == NO_CLASS).sum())
    if unknown:
        print(f"  {unknown} of {graph.nodes} nodes without a class" if graph.has_labels else "  no labels: only predictions "
              "can be made")
    for note in graph.notes:
        print(f"  note: {note}")
    dataset = DATASETS.get(name) if name else None
    digest = file_sha256(path)
    same = "  the reference file, byte for byte" if dataset and digest == dataset.npz_sha256 else ""
    print(f"  sha256    {digest}{same}")
    problems = check_counts(graph, dataset) if dataset else []
    for part, digest in graph.content_hashes().items():
        expected, older = (table.get(part) for table in (dataset.content, dataset.older)) if dataset else (None, None)
        same = digest in (expected, older)
        verdict = "" if expected is None else ("  as the reference" if same else "  DIFFERS")
        print(f"  {part:9} {digest}{verdict}" + (f", {dataset.older_means}" if same and digest == older else ""))
        if expected is not None and not same:
            problems.append(f"{part}: content hash {digest}, the reference has {expected}")
    if dataset is None:
        print("  not one of the nine known datasets: only its structure was checked")
    elif not dataset.content:
        print(f"  {dataset.title}: no reference content hash is known; counts were checked")
    return problems


def report_streamed(path: Path, summary: Summary) -> None:
    """The counts of a graph that is too large to be read again, and the sha256 of its file."""
    gib = summary.unpacked / 2**30
    print(f"{path}: {summary.nodes} nodes, {summary.edges} stored edges, {summary.features} features, {summary.classes} "
          f"classes, train/validation/test {'/'.join(map(str, summary.split))}")
    print(f"  {summary.nodes - summary.known} of {summary.nodes} nodes without a class")
    print(f"  {gib:.1f} GiB of arrays")
    if summary.unpacked > PROGRAM_LIMIT:
        print(f"  note: gamlp unpacks {PROGRAM_LIMIT >> 30} GiB of one file at most, and will refuse this one")
    print(f"  sha256    {file_sha256(path)}")
