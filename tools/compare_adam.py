#!/usr/bin/env python3
"""gamlp's ADMM, and what a finish by Adam adds, beside full-batch Adam of PyTorch on one graph.

All train the same GA-MLP on the same nodes, on one thread each: a 60/20/20 split per class that is written into a copy of the
graph, or with --split file the file's own. Adam's rate is the best of --rates by validation (tools/adam_baseline.py, needs
PyTorch). "To Adam's accuracy" is the first epoch whose validation accuracy is at least Adam's best, and by test accuracy the
first one with at least Adam's at that epoch: its training seconds,
without evaluation, GFLOP of products and factorisations (where the update is exact and inputs do not outnumber training nodes),
and bytes that cross the boundaries with one device per layer. Adam's are those of float32 activations and gradients. ADMM's
seconds include reducing the inputs to the coordinates of layer 1.

    build/gamlp generate graph.npz --nodes 50000 --classes 40 --features 64 --mean-degree 8 --homophily 0.57 \\
        --feature-signal 1.1
    tools/compare_adam.py graph.npz --output tests/results/many_nodes
    tools/compare_adam.py cora.npz --split file --settings '{"method": {"nu": 1, "rho": 1}}' --output cora

--settings is a config of gamlp's, as a file or as text. Of its `dataset` PyTorch has hops, binarize_features and row_normalize.
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
    for label in np.unique(labels[labels >= 0]):  # below 0: no class
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


def adam_gflop(layers: int, inputs: int, width: int, classes: int, nodes: int) -> float:
    """Products of one epoch of backpropagation: forward, gradients of W, and of the inputs from layer 2 on."""
    widths = [inputs] + [width] * (layers - 1) + [classes]
    return 1e-9 * sum(2.0 * n * m * nodes * (2 if l == 0 else 3) for l, (n, m) in enumerate(zip(widths, widths[1:])))


def parse_stages(text: str) -> list[dict]:
    return [{"layers": int(layers), "epochs": int(epochs)} for layers, epochs in (s.split(":") for s in text.split(","))]


def train(program: Path, folder: Path, name: str, config: dict, devices: str) -> tuple[dict, list[dict]]:
    """Runs gamlp; returns result.json and the lines of metrics.jsonl."""
    file, run = folder / f"{name}.json", folder / name
    file.write_text(json.dumps(config))
    subprocess.run([str(program), "train", str(file), "--run", str(run), "--quiet", "--devices", devices], check=True,
                   stdout=subprocess.DEVNULL)
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return json.loads((run / "result.json").read_text()), [json.loads(line) for line in lines]


def reaches(epochs: list[dict], part: str, target: float) -> dict | None:
    return next((epoch for epoch in epochs if (epoch[f"{part}_accuracy"] or 0) >= target), None)


def text_of(entry: dict | None, adam: dict) -> str:
    if entry is None:
        return "not reached | | |"
    return " | ".join("" if entry[key] is None else f"{entry[key]:.3g} ({entry[key] / adam[key]:.3f})"
                      for key in ("seconds", "gflop", "megabytes")) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("graph", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="path without ending: .json and .md are written")
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "gamlp")
    parser.add_argument("--split", choices=("draw", "file"), default="draw")
    parser.add_argument("--settings", default='{"method": {"update": "exact"}}',
                        help="config whose dataset, method and train apply (%(default)s)")
    parser.add_argument("--stages", default="2:25,5:15,10:20", help="of ADMM (%(default)s)")
    parser.add_argument("--finish", default="10:60", help="of Adam after it (%(default)s)")
    parser.add_argument("--finish-rate", type=float, default=0.001)
    parser.add_argument("--finish-dropout", type=float, default=0.0, help="of its inputs")
    parser.add_argument("--adam-stages", default="2:100,5:100,10:100", help="of Adam alone (%(default)s)")
    parser.add_argument("--rates", default="0.003,0.01", help="of Adam alone (%(default)s)")
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    finish = [{**stage, "method": {"name": "adam", "input_dropout": args.finish_dropout,
                                   "optimizer": {"learning_rate": args.finish_rate}}}
              for stage in parse_stages(args.finish)]
    settings = json.loads(args.settings if args.settings.startswith("{") else Path(args.settings).read_text())
    dataset, method = settings.get("dataset", {}), settings.get("method", {})
    exact = method.get("update") == "exact"
    report: dict = {"graph": args.graph.name, "stages": args.stages, "finish": finish, "adam_stages": args.adam_stages,
                    "width": args.width, "runs": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        graph = folder / args.graph.name
        if args.split == "draw":
            write_split(args.graph, graph, args.seed)
        else:
            graph.symlink_to(args.graph.resolve())
        adam_file = folder / "adam.json"
        subprocess.run([sys.executable, str(ROOT / "tools" / "adam_baseline.py"), str(graph), "--stages", args.adam_stages,
                        "--width", str(args.width), "--seed", str(args.seed), "--threads", "1", "--rates", args.rates,
                        *(["--binarize"] if dataset.get("binarize_features") else []),
                        *(["--row-normalize"] if dataset.get("row_normalize") else []),
                        "--hops", str(dataset.get("hops", 4)), "--quiet", "--json", str(adam_file)], check=True)
        baseline = json.loads(adam_file.read_text())
        best = max(baseline["runs"], key=lambda run: run["all_stages"]["validation_accuracy"])
        nodes, inputs = baseline["nodes"]["train"], baseline["inputs"]
        megabytes, history = 0.0, []
        for epoch in best["history"]:
            megabytes += 2 * 4e-6 * nodes * args.width * (epoch["layers"] - 1)
            history.append({**epoch, "megabytes": megabytes})
        target = best["all_stages"]["validation_accuracy"]
        adam = reaches(history, "validation", target)
        adam_by_test = reaches(history, "test", adam["test_accuracy"])
        report["adam"] = {"rate": best["rate"], **adam}
        lines = ["| method | test accuracy | against Adam | seconds to Adam's accuracy | GFLOP | MB | by test: seconds | GFLOP | MB |",
                 "|---|---|---|---|---|---|---|---|---|",
                 f"| Adam, rate {best['rate']} | {adam['test_accuracy']:.4f} | | {text_of(adam, adam)} {text_of(adam_by_test, adam_by_test)}"]
        print(lines[-1], flush=True)
        name = "exact" if exact else "ADMM"
        runs = [(f"{name}, {label}", codec, []) for label, codec in EXCHANGES.items()]
        runs.append((f"{name}, 8-bit values, then Adam", EXCHANGES["8-bit values"], finish))
        for number, (label, codec, more) in enumerate(runs):
            config = {"dataset": {**dataset, "path": str(graph)}, "model": {"width": args.width},
                      "stages": parse_stages(args.stages) + more, "method": method,
                      "exchange": {"p": codec, "q": codec}, "train": {**settings.get("train", {}), "seed": args.seed}}
            result, epochs = train(args.program, folder, f"run{number}", config, "cpu:1")
            deepest = max(stage["layers"] for stage in config["stages"])
            spread = train(args.program, folder, f"spread{number}", config, f"cpu:{deepest}")[1]
            classes = result["dataset"]["classes"]
            if exact and inputs > nodes:
                sys.exit("compare_adam: more inputs than training nodes: exact_gflop does not describe that form")
            reduced = result["timing"]["reduce_input"]
            gflop = nodes * inputs**2 * 1e-9 + inputs**3 / 3e9  # layer 1's Gram and factor, once
            admm_epochs = sum(stage["epochs"] for stage in parse_stages(args.stages))
            for i, (epoch, wire) in enumerate(zip(epochs, spread)):
                sizes = (epoch["layers"], inputs, args.width, classes, nodes)
                gflop += exact_gflop(*sizes) if i < admm_epochs else adam_gflop(*sizes)
                epoch.update(gflop=gflop if exact else None, megabytes=1e-6 * wire["bytes_sent"],
                             seconds=epoch["seconds"] + reduced)
            entry = {"test_accuracy": result["test_accuracy"], "validation_accuracy": result["validation_accuracy"],
                     "seconds": result["seconds"], "reached": reaches(epochs, "validation", target),
                     "reached_by_test": reaches(epochs, "test", adam["test_accuracy"]), "best_epoch": result["best_epoch"]}
            report["runs"][label] = entry
            lines.append(f"| {label} | {entry['test_accuracy']:.4f} | {entry['test_accuracy'] - adam['test_accuracy']:+.4f} | "
                         + text_of(entry["reached"], adam) + " " + text_of(entry["reached_by_test"], adam_by_test))
            print(lines[-1], flush=True)
    args.output.with_name(args.output.name + ".json").write_text(json.dumps(report, indent=1) + "\n")
    args.output.with_name(args.output.name + ".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
