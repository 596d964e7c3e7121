#!/usr/bin/env python3
"""gamlp's exact update beside full-batch Adam on one graph: accuracy, and GEMM flops to reach it.

Both train the same GA-MLP with the same growth on the same nodes (a 60/20/20 split per class that is written into a
copy of the graph). Adam's rate is the better of .003 and .01 by validation (tools/adam_baseline.py, needs PyTorch).

    build/gamlp generate graph.npz --nodes 30000 --classes 40 --features 64 --mean-degree 8 --homophily 0.57
    tools/compare_adam.py graph.npz --output tests/results/many_nodes
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from accuracy import EXCHANGES as ALL_EXCHANGES

ROOT = Path(__file__).resolve().parent.parent
# 1-bit differences are for the gradient update.
EXCHANGES = {label: codec for label, codec in ALL_EXCHANGES.items() if codec["bits"] > 1}


def write_split(source: Path, target: Path, seed: int) -> int:
    """Copies the graph with stratified 60/20/20 masks; returns the number of training nodes."""
    with np.load(source, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    labels, random = arrays["labels"], np.random.default_rng(seed)
    masks = {name: np.zeros(len(labels), np.uint8) for name in ("train_mask", "val_mask", "test_mask")}
    for label in np.unique(labels):
        nodes = random.permutation(np.flatnonzero(labels == label))
        train, validation = round(0.6 * len(nodes)), round(0.2 * len(nodes))
        masks["train_mask"][nodes[:train]] = 1
        masks["val_mask"][nodes[train : train + validation]] = 1
        masks["test_mask"][nodes[train + validation :]] = 1
    np.savez_compressed(target, **{**arrays, **masks})
    return int(masks["train_mask"].sum())


def exact_gflop(layers: int, inputs: int, width: int, classes: int, nodes: int) -> float:
    """Products and factorisations of one exact iteration (host/methods/admm/exact_steps.cpp), layer 1 with inputs <= nodes."""
    flops = 2 * 2.0 * inputs * width * nodes + 2.0 * inputs**2 * width
    for layer in range(2, layers + 1):
        n, m = width, width if layer < layers else classes
        flops += 3 * 2.0 * n * m * nodes  # T K1, TᵀP, W P
        flops += 2.0 * n * n * nodes + n * n * nodes  # (ρq − u) K2, PᵀP
        flops += 7.0 * n**3
    return flops * 1e-9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("graph", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="path without ending: .json and .md are written")
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "gamlp")
    parser.add_argument("--stages", default="2:25,5:15,10:20")
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    stages = [{"layers": int(l), "epochs": int(e)} for l, e in (s.split(":") for s in args.stages.split(","))]
    report: dict = {"graph": args.graph.name, "stages": stages, "width": args.width, "runs": {}}
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder, args.graph.name)
        nodes = write_split(args.graph, graph, args.seed)
        adam_file = Path(folder, "adam.json")
        subprocess.run([sys.executable, str(ROOT / "tools" / "adam_baseline.py"), str(graph), "--stages", args.stages,
                        "--width", str(args.width), "--seed", str(args.seed), "--threads", "1", "--quiet", "--json",
                        str(adam_file)], check=True)
        adam = json.loads(adam_file.read_text())
        best = max(adam["runs"], key=lambda run: run["validation_accuracy"])
        target_equal, target_near = best["test_accuracy"], best["test_accuracy"] - 0.03
        curve = [(epoch["gflop"], epoch["test_accuracy"]) for epoch in best["history"]]
        report["adam"] = {key: best[key] for key in ("rate", "best_epoch", "test_accuracy", "validation_accuracy", "train_accuracy", "gflop")}

        def reaches(points: list[tuple[float, float | None]], target: float) -> float | None:
            return next((gflop for gflop, accuracy in points if accuracy is not None and accuracy >= target), None)

        report["adam"]["gflop_to_minus_3"] = reaches(curve, target_near)
        lines = ["| method | test accuracy | against Adam | GFLOP to Adam − .03 | against Adam |", "|---|---|---|---|---|",
                 f"| Adam, rate {best['rate']} | {target_equal:.4f} | | {report['adam']['gflop_to_minus_3']:.1f} | |"]
        for label, codec in EXCHANGES.items():
            config = {"dataset": {"path": str(graph)}, "model": {"width": args.width}, "stages": stages,
                      "method": {"update": "exact"}, "exchange": {"p": codec, "q": codec}, "train": {"seed": args.seed}}
            config_file, run = Path(folder, "config.json"), Path(folder, "run-" + label.replace(" ", "-"))
            config_file.write_text(json.dumps(config))
            subprocess.run([str(args.program), "train", str(config_file), "--run", str(run), "--quiet"], check=True,
                           stdout=subprocess.DEVNULL)
            result = json.loads((run / "result.json").read_text())
            inputs, classes = 4 * result["dataset"]["features"], result["dataset"]["classes"]
            if inputs > nodes:
                sys.exit("compare_adam: more inputs than training nodes: exact_gflop does not describe that form")
            gflop, points = nodes * inputs**2 * 1e-9 + inputs**3 / 3e9, []  # layer 1's Gram and factor, once
            for line in (run / "metrics.jsonl").read_text().splitlines():
                epoch = json.loads(line)
                gflop += exact_gflop(epoch["layers"], inputs, args.width, classes, nodes)
                points.append((gflop, epoch["test_accuracy"]))
            entry = {"test_accuracy": result["test_accuracy"], "validation_accuracy": result["validation_accuracy"],
                     "gflop": gflop, "gflop_to_minus_3": reaches(points, target_near), "update": result["update"]}
            report["runs"][label] = entry
            reached = entry["gflop_to_minus_3"]
            lines.append(f"| exact, {label} | {entry['test_accuracy']:.4f} | {entry['test_accuracy'] - target_equal:+.4f} | "
                         + (f"{reached:.1f} | {reached / report['adam']['gflop_to_minus_3']:.2f} |" if reached else "not reached | |"))
            print(lines[-1], flush=True)
    args.output.with_name(args.output.name + ".json").write_text(json.dumps(report, indent=1) + "\n")
    args.output.with_name(args.output.name + ".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
