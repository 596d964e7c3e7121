#!/usr/bin/env python3
"""Full-batch Adam on the GA-MLP that gamlp trains, grown the same greedy way: the baseline to compare with.

    adam_baseline.py cora.npz --json cora-adam.json
    adam_baseline.py graph.npz --split fraction:0.6:0.2:0 --target 0.63

Inputs X = [H, ÃH, …, Ã^(K-1)H] with Ã = (D+I)^-1/2 (A+I) (D+I)^-1/2; ReLU layers; softmax cross-entropy, mean over
the training nodes. W1 ~ 0.01·N(0, 1), every other layer a rectangular identity, b = 0. A stage inserts identity
layers before the head, which keeps its weights, and restarts Adam. Each rate of --rates is a run of its own; the one
with the best validation accuracy is reported. Accuracies are those of the epoch of best validation accuracy, once
among the epochs of the last stage (the full depth: what a trainer of that depth compares with) and once among all.

GFLOP counts the matrix products of training alone: per layer 2·m·n·V forward, 2·m·n·V for the gradient of W and,
from layer 2 on, 2·m·n·V for the gradient of its input (V training nodes). Seconds are those of training steps,
without evaluation. Needs numpy and PyTorch. Exit status: 0 done, 1 bad input, 2 usage.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

try:
    import numpy as np
    import torch
except ImportError as error:
    sys.exit(f"adam_baseline.py needs numpy and PyTorch (pip install numpy torch): {error}")

from graphs.csr import DataError
from graphs.npz import Graph, read_graph
from graphs.rules import MASKS, NO_CLASS, split_of_masks

PARTS = ("train", "validation", "test")


# ---- data --------------------------------------------------------------------------------------------
def compact_classes(graph: Graph) -> None:
    """Numbers the classes that are in use 0, 1, …, as gamlp does by default; nodes without a class stay without."""
    known = graph.labels != NO_CLASS
    if not np.any(known):
        raise DataError("no node has a class")
    graph.labels[known] = np.unique(graph.labels[known], return_inverse=True)[1]


def split_of(graph: Graph, how: str, index: int = 0) -> dict[str, np.ndarray]:
    """Node ids of the three parts: split `index` of the file's masks, or fraction:T:V:SEED, which draws T and V of each
    class and leaves the rest as the test part. A node without a class is in none."""
    if how == "file":
        masks = split_of_masks(graph.masks, index)
        if len(masks) != 3:
            raise DataError(f"the file has {', '.join(masks) or 'no masks'}, expected {', '.join(MASKS)}: give --split "
                            "fraction:TRAIN:VALIDATION:SEED")
        return {part: np.flatnonzero(masks[mask]) for part, mask in zip(PARTS, MASKS)}
    try:
        kind, train, validation, seed = how.split(":")
        fractions = float(train), float(validation)
        if kind != "fraction" or min(fractions) <= 0 or sum(fractions) >= 1:
            raise ValueError
        rng = np.random.default_rng(int(seed))
    except ValueError:
        raise DataError(f"--split {how}: expected 'file' or fraction:TRAIN:VALIDATION:SEED, "
                        "fractions above 0 with a sum below 1") from None
    ids: dict[str, list[np.ndarray]] = {part: [] for part in PARTS}
    for c in range(graph.classes):
        nodes = rng.permutation(np.flatnonzero(graph.labels == c))
        ends = [round(fractions[0] * len(nodes)), round(sum(fractions) * len(nodes))]
        for part, chunk in zip(PARTS, np.split(nodes, ends)):
            ids[part].append(chunk)
    return {part: np.sort(np.concatenate(chunks)) for part, chunks in ids.items()}


def features_of(graph: Graph, binarize: bool, row_normalize: bool) -> torch.Tensor:
    dense = graph.features if isinstance(graph.features, np.ndarray) else graph.features.to_dense()
    h = torch.from_numpy(dense)
    if binarize:
        h = (h != 0).to(torch.float32)
    if row_normalize:
        h = h / h.abs().sum(dim=1, keepdim=True).clamp(min=1e-30)
    return h


def propagation(graph: Graph) -> torch.Tensor:
    """Ã as a sparse matrix; the graph made symmetric, with one loop of weight 1 at every node."""
    edges, n = graph.undirected(), graph.nodes
    row = np.concatenate((edges.rows(), np.arange(n)))
    col = np.concatenate((edges.indices.astype(np.int64), np.arange(n)))
    scale = 1 / np.sqrt(np.bincount(row, minlength=n))
    warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
    matrix = torch.sparse_coo_tensor(np.stack((row, col)), (scale[row] * scale[col]).astype(np.float32), (n, n))
    return matrix.coalesce().to_sparse_csr()


def augment(graph: Graph, h: torch.Tensor, hops: int, rows: torch.Tensor) -> torch.Tensor:
    """The given rows of [H, ÃH, …, Ã^(hops-1)H]."""
    operator, blocks = propagation(graph), [h[rows]]
    for _ in range(hops - 1):
        h = operator @ h
        blocks.append(h[rows])
    return torch.cat(blocks, dim=1)


# ---- model -------------------------------------------------------------------------------------------
class Mlp:
    """Weights of a ReLU MLP; layer l maps its input by W_l and b_l, the last one has no activation."""

    def __init__(self, inputs: int, width: int, classes: int, layers: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.width = width
        self.weights = [.01 * torch.randn(width, inputs, generator=generator), torch.eye(classes, width)]
        self.biases = [torch.zeros(width), torch.zeros(classes)]
        self.grow(layers)

    def grow(self, layers: int) -> None:
        """Inserts identity layers before the head: the inputs of the head are not negative, so nothing changes."""
        while len(self.weights) < layers:
            self.weights.insert(-1, torch.eye(self.width))
            self.biases.insert(-1, torch.zeros(self.width))
        for parameter in self.parameters():
            parameter.requires_grad_(True)

    def parameters(self) -> list[torch.Tensor]:
        return self.weights + self.biases

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        for weight, bias in zip(self.weights[:-1], self.biases[:-1]):
            x = torch.relu(torch.nn.functional.linear(x, weight, bias))
        return torch.nn.functional.linear(x, self.weights[-1], self.biases[-1])

    def gflop_per_step(self, nodes: int) -> float:
        products = [2e-9 * w.shape[0] * w.shape[1] * nodes for w in self.weights]
        return 3 * sum(products) - products[0]


# ---- training ----------------------------------------------------------------------------------------
@dataclass
class Epoch:
    epoch: int
    stage: int
    layers: int
    loss: float
    gflop: float
    seconds: float
    train_accuracy: float | None = None
    validation_accuracy: float | None = None
    test_accuracy: float | None = None


@dataclass
class Problem:
    """Inputs and labels of each part, in rows; the rows of all parts are one tensor, cut by `parts`."""

    x: torch.Tensor
    y: torch.Tensor
    parts: dict[str, slice]
    classes: int

    def accuracies(self, model: Mlp) -> dict[str, float]:
        with torch.no_grad():
            right = (torch.cat([model(chunk).argmax(1) for chunk in self.x.split(16384)]) == self.y).double()
        return {f"{part}_accuracy": float(right[rows].mean()) for part, rows in self.parts.items()}


def train(problem: Problem, stages: list[tuple[int, int]], width: int, rate: float, seed: int, every: int,
          log: bool) -> list[Epoch]:
    model = Mlp(problem.x.shape[1], width, problem.classes, stages[0][0], seed)
    x, y = problem.x[problem.parts["train"]], problem.y[problem.parts["train"]]
    history: list[Epoch] = []
    gflop = seconds = 0.0
    for stage, (layers, epochs) in enumerate(stages, start=1):
        model.grow(layers)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        for stage_epoch in range(1, epochs + 1):
            start = time.perf_counter()
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            seconds += time.perf_counter() - start
            gflop += model.gflop_per_step(len(y))
            row = Epoch(len(history) + 1, stage, layers, float(loss.detach()), gflop, seconds)
            if not np.isfinite(row.loss):
                raise DataError(f"rate {rate:g}: the loss is {row.loss} in epoch {row.epoch}")
            if stage_epoch % every == 0 or stage_epoch == epochs:
                for name, value in problem.accuracies(model).items():
                    setattr(row, name, value)
                if log:
                    print(f"rate {rate:g}  epoch {row.epoch:3}  layers {layers:2}  loss {row.loss:8.5f}  "
                          f"train {row.train_accuracy:.4f}  validation {row.validation_accuracy:.4f}  "
                          f"test {row.test_accuracy:.4f}  {gflop:9.2f} GFLOP  {seconds:7.2f} s", flush=True)
            history.append(row)
    return history


def summarise(rate: float, history: list[Epoch], targets: list[float]) -> dict[str, Any]:
    """The first epoch of best validation accuracy in the last stage and in all, and the first that reaches each
    target on test."""
    known = [row for row in history if row.test_accuracy is not None]

    def best(rows: list[Epoch]) -> dict[str, Any]:
        row = max(rows, key=lambda row: row.validation_accuracy)
        return {"best_epoch": row.epoch, "layers": row.layers, "validation_accuracy": row.validation_accuracy,
                "test_accuracy": row.test_accuracy, "train_accuracy": row.train_accuracy}

    reached = {f"{t:g}": next(({"epoch": r.epoch, "gflop": r.gflop, "seconds": r.seconds}
                               for r in known if r.test_accuracy >= t), None) for t in targets}
    return {"rate": rate, **best([row for row in known if row.stage == known[-1].stage]), "all_stages": best(known),
            "gflop": history[-1].gflop, "seconds": history[-1].seconds, "targets": reached, "history": [asdict(row) for row in history]}


def load(args: argparse.Namespace) -> Problem:
    graph = read_graph(args.dataset)
    compact_classes(graph)
    ids = split_of(graph, args.split, args.split_index)
    for part, nodes in ids.items():
        if not len(nodes):
            raise DataError(f"{args.dataset}: the {part} part is empty")
    rows = torch.from_numpy(np.concatenate([ids[part] for part in PARTS]))
    ends = np.cumsum([0] + [len(ids[part]) for part in PARTS])
    x = augment(graph, features_of(graph, args.binarize, args.row_normalize), args.hops, rows)
    return Problem(x, torch.from_numpy(graph.labels)[rows],
                   {part: slice(int(ends[i]), int(ends[i + 1])) for i, part in enumerate(PARTS)}, graph.classes)


# ---- command -----------------------------------------------------------------------------------------
def parse_stages(text: str) -> list[tuple[int, int]]:
    try:
        stages = [tuple(map(int, item.split(":"))) for item in text.split(",")]
        if all(len(s) == 2 and s[0] >= 2 and s[1] >= 1 for s in stages) and \
                all(a[0] <= b[0] for a, b in zip(stages, stages[1:])):
            return stages
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r}: expected LAYERS:EPOCHS,… with at least 2 layers, never fewer")


def parse_numbers(text: str) -> list[float]:
    try:
        values = [float(v) for v in text.split(",")]
    except ValueError:
        values = []
    if not values or min(values) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers above 0, separated by commas")
    return values


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1")
    return int(text)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="graph as .npz")
    parser.add_argument("--stages", type=parse_stages, default="2:25,5:15,10:20", help="LAYERS:EPOCHS,… (%(default)s)")
    parser.add_argument("--width", type=positive, default=100)
    parser.add_argument("--hops", type=positive, default=4, help="K, number of blocks of X (4)")
    parser.add_argument("--rates", type=parse_numbers, default="0.003,0.01", help="learning rates (%(default)s)")
    parser.add_argument("--split", default="file", help="file, or fraction:TRAIN:VALIDATION:SEED, drawn per class")
    parser.add_argument("--split-index", type=int, default=0, metavar="I", help="which split of a file that holds several (0)")
    parser.add_argument("--binarize", action="store_true", help="features become 0 and 1")
    parser.add_argument("--row-normalize", action="store_true", help="each node's features sum to 1")
    parser.add_argument("--seed", type=int, default=0, help="of W1 (0)")
    parser.add_argument("--threads", type=positive, help="of PyTorch")
    parser.add_argument("--evaluate-every", type=positive, default=1, metavar="N")
    parser.add_argument("--target", type=parse_numbers, default=[], help="test accuracies whose GFLOP to report")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--quiet", action="store_true", help="only the final table")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    if args.threads:
        torch.set_num_threads(args.threads)
    problem = load(args)
    sizes = {part: rows.stop - rows.start for part, rows in problem.parts.items()}
    print(f"{args.dataset.name}: {problem.x.shape[1]} inputs, {problem.classes} classes, "
          + ", ".join(f"{n} {part}" for part, n in sizes.items()) + f" nodes, {torch.get_num_threads()} threads")
    runs = [summarise(rate, train(problem, args.stages, args.width, rate, args.seed, args.evaluate_every,
                                  not args.quiet), args.target) for rate in args.rates]
    chosen = max(runs, key=lambda r: r["validation_accuracy"])
    for r in runs:
        reached = "".join(f"  test {t}: " + (f"{hit['gflop']:.2f} GFLOP, epoch {hit['epoch']}" if hit else "not reached")
                          for t, hit in r["targets"].items())
        print(f"{'*' if r is chosen else ' '} rate {r['rate']:g}: {r['gflop']:.2f} GFLOP, {r['seconds']:.2f} s{reached}")
        for title, b in (("last stage", r), ("all stages", r["all_stages"])):
            print(f"    {title}: validation {b['validation_accuracy']:.4f}, test {b['test_accuracy']:.4f}, "
                  f"train {b['train_accuracy']:.4f} at epoch {b['best_epoch']} with {b['layers']} layers")
    if args.json:
        settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items() if k != "json"}
        text = json.dumps({"settings": settings, "nodes": sizes, "inputs": problem.x.shape[1],
                           "torch": torch.__version__, "chosen_rate": chosen["rate"],
                           **{k: v for k, v in chosen.items() if k not in ("rate", "history")}, "runs": runs}, indent=1)
        part = args.json.with_name(args.json.name + ".part")
        part.write_text(text + "\n")
        os.replace(part, args.json)
        print(f"wrote {args.json}")


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        run(args)
    except (DataError, OSError) as error:
        print(f"adam_baseline.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
