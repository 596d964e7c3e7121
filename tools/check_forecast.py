#!/usr/bin/env python3
"""Compares gamlp plan with gamlp bench on this machine: step time and memory of CPU workers, over several configs.

    build/gamlp bench --machine machine.json
    check_forecast.py --machine machine.json
    check_forecast.py --memory --datasets FOLDER
    check_forecast.py --grids

For every config and number of workers: the iteration as measured (the median of rounds over all configs, and their
range), the forecast, and by how much that is off; the same for the largest device memory of a worker; and for the whole
process of a short training its peak resident memory beside the forecast's. With --memory that alone, of many small
configs of every kind, in minutes and without a calibrated machine. With --grids the step and a worker's memory on grids
of layers × shards and with nodes in the host's memory, by costs that plan measures on the way (--machine here).
Exit status: 0 all within the limits, 1 some are not, or a command failed.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# name, layers, width, training nodes, features (× 4 hops), update, bits, blocks of differences
CONFIGS = (
    ("10x100, 140 nodes, gradient, 8 bits", 10, 100, 140, 50, "gradient", 8, False),
    ("5x150, 3,000 nodes, exact, 8 bits", 5, 150, 3000, 50, "exact", 8, False),
    ("8x250, 2,000 nodes, gradient, 2 bits", 8, 250, 2000, 125, "gradient", 2, True),
    ("16x120, 4,000 nodes, exact, 2 bits", 16, 120, 4000, 50, "exact", 2, True),
    ("10x400, 1,000 nodes, gradient, 8 bits", 10, 400, 1000, 250, "gradient", 8, False),
    ("12x600, 800 nodes, exact, 8 bits", 12, 600, 800, 100, "exact", 8, False),
    ("6x800, 3,000 nodes, exact, 2 bits", 6, 800, 3000, 100, "exact", 2, True),
    ("10x1000, 2,500 nodes, gradient, 8 bits", 10, 1000, 2500, 50, "gradient", 8, False),
)
STEP_LIMIT, MEMORY_LIMIT = .15, .10

# name, workers, overrides of SMALL: what decides a process's memory, one at a time and together
SMALL = {"dataset": {"generate": {"nodes": 1000, "classes": 7, "features": 50},
                     "split": {"kind": "fraction", "train_fraction": .5, "validation_fraction": .25}},
         "stages": [{"layers": 10, "epochs": 3}], "train": {"evaluate_every": 3}}
MANY_NODES = {"dataset.generate.nodes": 40000}
MANY_FEATURES = {"dataset.generate.features": 3000}
FEW_TRAIN = {"dataset.split.train_fraction": .1}
MEMORY_CONFIGS: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("10x100, 500 nodes, gradient", 1, {"method.update": "gradient"}),
    ("the same, exact", 1, {"method.update": "exact"}),
    ("the same, adam", 1, {"method.name": "adam"}),
    ("the same, gradient, 2 workers", 2, {"method.update": "gradient"}),
    ("the same, exact, 4 workers", 4, {"method.update": "exact"}),
    ("the same, gradient, 10 workers", 10, {"method.update": "gradient"}),
    ("2x10, 20 nodes", 1, {"dataset.generate.nodes": 40, "model.width": 10, "stages.0.layers": 2}),
    ("2x1000, 500 nodes, gradient", 1, {"model.width": 1000, "stages.0.layers": 2, "method.update": "gradient"}),
    ("40x100, 500 nodes, exact", 2, {"stages.0.layers": 40, "method.update": "exact"}),
    ("grown 2, 5, 10, gradient", 1, {"stages": [{"layers": n, "epochs": 3} for n in (2, 5, 10)], "method.update": "gradient"}),
    ("3,000 features, QR inputs", 1, MANY_FEATURES | FEW_TRAIN | {"method.update": "gradient"}),
    ("3,000 features, V × V inputs", 1, MANY_FEATURES | FEW_TRAIN | {"method.update": "exact"}),
    ("3,000 features, adam", 2, MANY_FEATURES | FEW_TRAIN | {"method.name": "adam"}),
    ("3,000 features, 12 hops", 1, MANY_FEATURES | FEW_TRAIN | {"dataset.hops": 12, "method.update": "gradient"}),
    ("40,000 nodes, gradient", 1, MANY_NODES | {"method.update": "gradient"}),
    ("40,000 nodes, exact, 2 workers", 2, MANY_NODES | {"method.update": "exact"}),
    ("40,000 nodes, adam, 2 workers", 2, MANY_NODES | {"method.name": "adam"}),
    ("40,000 nodes, 4,000 train, degree 50", 1, MANY_NODES | FEW_TRAIN | {"dataset.generate.mean_degree": 50}),
    ("40,000 nodes, 4,000 train, 1 hop, width 20", 1, MANY_NODES | FEW_TRAIN | {"dataset.hops": 1, "model.width": 20}),
    ("500 wide, 4,000 nodes, float32", 2, {"model.width": 500, "dataset.generate.nodes": 8000, "stages.0.layers": 5,
                                          "exchange.p.bits": 32, "exchange.q.bits": 32, "method.update": "gradient"}),
    ("500 wide, 4,000 nodes, 4-bit differences", 2, {"model.width": 500, "dataset.generate.nodes": 8000, "stages.0.layers": 5,
                                                    "exchange.p": {"bits": 4, "coding": "difference"},
                                                    "exchange.q": {"bits": 4, "coding": "difference"}, "method.update": "exact"}),
    ("error feedback, stochastic", 1, {"dataset.generate.nodes": 8000, "exchange.p": {"error_feedback": True},
                                       "exchange.q": {"rounding": "stochastic"}, "method.update": "gradient"}),
    ("gd, 8 micro-batches, 3 workers", 3, {"dataset.generate.nodes": 8000, "method.name": "gd", "method.microbatches": 8}),
    ("40,000 nodes, 4,000 train, 400 features", 1, MANY_NODES | FEW_TRAIN | {"dataset.generate.features": 400, "model.width": 20}),
    ("40,000 nodes, degree 50, 2 hops", 1, MANY_NODES | FEW_TRAIN | {"dataset.generate.mean_degree": 50, "dataset.hops": 2}),
    ("checkpoints, 2 threads a worker", 1, {"dataset.generate.nodes": 8000, "model.width": 400, "train.checkpoint_every": 1,
                                            "threads_per_device": 2, "method.update": "gradient"}),
)

# name, placements as gamlp bench names them (N workers, /S shards, @MB node_memory), overrides of GRID
GRID = {"dataset": {"generate": {"nodes": 24000, "classes": 10, "features": 128}, "hops": 2,
                    "split": {"kind": "fraction", "train_fraction": .8, "validation_fraction": .1}},
        "model": {"width": 300}, "stages": [{"layers": 4, "epochs": 10}], "threads_per_device": 1}
GRIDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("4x300, 19,200 nodes, gradient", "cpu:1,cpu:2,cpu:2/2,cpu:1@0,cpu:2/2@0", {"method.update": "gradient"}),
    ("the same, exact", "cpu:1,cpu:2,cpu:2/2,cpu:1@0,cpu:2/2@0", {"method.update": "exact"}),
    ("the same, adam", "cpu:1,cpu:2,cpu:2/2,cpu:1@0", {"method.name": "adam"}),
    ("2x500, exact", "cpu:2,cpu:2/2,cpu:1@50", {"method.update": "exact", "stages.0.layers": 2, "model.width": 500}),
)

# The same of public datasets, which --datasets names.
PUBLIC_CONFIGS: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("cora, gradient", 1, {"method.update": "gradient"}),
    ("citeseer, exact, 12 hops", 2, {"dataset.hops": 12, "method.update": "exact"}),
    ("coauthor_cs, 2 hops, gradient", 1, {"dataset.hops": 2, "method.update": "gradient", "stages.0.layers": 2}),
    ("amazon_photo, 8 hops, gradient", 1, {"dataset.hops": 8, "method.update": "gradient", "stages.0.layers": 2}),
)


def config_of(layers: int, width: int, nodes: int, features: int, update: str, bits: int, blocks: bool) -> dict[str, Any]:
    codec: dict[str, Any] = {"bits": bits}
    if blocks:
        codec |= {"coding": "difference", "range": "block", "block": 64}
    return {"dataset": {"generate": {"nodes": 2 * nodes, "classes": 7, "features": features},
                        "split": {"kind": "fraction", "train_fraction": .5, "validation_fraction": .25}},
            "model": {"width": width}, "stages": [{"layers": layers, "epochs": 3}],
            "method": {"update": update}, "exchange": {"p": codec, "q": codec},
            "train": {"evaluate_every": 3}}


def output_of(command: list[str]) -> Any:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"check_forecast.py: {' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def peak_of_training(gamlp: str, config: Path, workers: int, options: list[str] | None = None) -> int:
    """Peak resident bytes of a training's process."""
    with tempfile.TemporaryDirectory() as folder:
        command = [gamlp, "train", str(config), "--devices", f"cpu:{workers}", "--run", f"{folder}/run", "--quiet"]
        process = subprocess.Popen(command + (options or []), stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"check_forecast.py: training {config} failed")
    return usage.ru_maxrss * 1024


def measure(args: argparse.Namespace, config: Path, workers: int, row: dict[str, Any]) -> None:
    # Twice: the first tells how many iterations take a second.
    command = [args.gamlp, "bench", str(config), "--devices", f"cpu:{workers}", "--json", "--iterations"]
    seconds = output_of(command + ["3", "--rounds", "1"])["devices"][0]["iteration_seconds"]
    bench = output_of(command + [str(max(5, round(1 / seconds)))])["devices"][0]
    row["steps"].append(bench["iteration_seconds"])
    if "memory" in row:
        return
    plan = output_of([args.gamlp, "plan", str(config), "--machine", args.machine, "--devices", str(workers),
                      "--json"])["plans"][0]
    row |= {"step_forecast": plan["step_seconds"], "memory": bench["peak_device_memory"],
            "memory_forecast": max(d["memory"]["total"] for d in plan["per_device"]),
            "process": peak_of_training(args.gamlp, config, workers), "process_forecast": plan["memory_needed"]}


def memory_table(args: argparse.Namespace) -> int:
    """Process memory of MEMORY_CONFIGS beside its forecast, as a table."""
    print("| config | workers | process MB | forecast | off |\n|---|---|---|---|---|")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(SMALL))
        public = [(name, workers, {"dataset": {"path": str(args.datasets.resolve() / f"{name.split(',')[0]}.npz")}} | overrides)
                  for name, workers, overrides in PUBLIC_CONFIGS] if args.datasets else []
        for n, (name, workers, overrides) in enumerate([*MEMORY_CONFIGS, *public], start=1):
            if args.only not in (None, n):
                continue
            options = [word for key, value in overrides.items() for word in ("--set", f"{key}={json.dumps(value)}")]
            # Any machine: what the process needs does not depend on its rates, but on its kind and threads.
            machine = Path(folder) / "machine.json"
            machine.write_text(json.dumps(machine_with(overrides.get("threads_per_device", 1))))
            plan = output_of([args.gamlp, "plan", str(config), "--machine", str(machine), "--as-if", "--devices", str(workers),
                              "--json", *options])["plans"][0]
            measured = statistics.median(peak_of_training(args.gamlp, config, workers, options) for _ in range(args.rounds))
            off = plan["memory_needed"] / measured - 1
            worst = max(worst, abs(off))
            print(f"| {name} | {workers} | {measured / 1e6:.4g} | {plan['memory_needed'] / 1e6:.4g} | {100 * off:+.1f} % |", flush=True)
    print(f"\nworst: {100 * worst:.1f} % (limit {100 * MEMORY_LIMIT:.0f})")
    return 0 if worst <= MEMORY_LIMIT else 1


def grids_table(args: argparse.Namespace) -> int:
    """Steps and workers' memory of GRIDS beside their forecasts, as a table."""
    print("| config | placement | measured ms | forecast ms | off | worker MB | forecast | off |\n|---|---|---|---|---|---|---|---|")
    worst = {"step": 0.0, "memory": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(GRID))
        for n, (name, placements, overrides) in enumerate(GRIDS, start=1):
            if args.only not in (None, n):
                continue
            options = [word for key, value in overrides.items() for word in ("--set", f"{key}={json.dumps(value)}")]
            bench = output_of([args.gamlp, "bench", str(config), "--devices", placements, "--iterations", "4",
                               "--rounds", str(args.rounds), "--json", *options])["devices"]
            for measured in bench:
                workers, shards, room = re.fullmatch(r"cpu:(\d+)(?:/(\d+))?(?:@(\d+))?", measured["named"]).groups()
                placed = ["--set", f"partition.shards={shards or 1}"] + (["--set", f"node_memory={room}"] if room else [])
                plan = output_of([args.gamlp, "plan", str(config), "--machine", "here", "--devices", workers, "--json",
                                  *options, *placed])["plans"][0]
                memory = max(device["memory"]["total"] for device in plan["per_device"])
                off = plan["step_seconds"] / measured["iteration_seconds"] - 1
                memory_off = memory / measured["peak_device_memory"] - 1
                worst = {"step": max(worst["step"], abs(off)), "memory": max(worst["memory"], abs(memory_off))}
                placement = f"{int(workers) // int(shards or 1)} × {shards or 1}" + (f", {room} MB of nodes" if room else "")
                print(f"| {name} | {placement} | {1e3 * measured['iteration_seconds']:.4g} | {1e3 * plan['step_seconds']:.4g} "
                      f"| {100 * off:+.1f} % | {measured['peak_device_memory'] / 1e6:.4g} | {memory / 1e6:.4g} "
                      f"| {100 * memory_off:+.1f} % |", flush=True)
    print(f"\nworst: step {100 * worst['step']:.1f} % (limit {100 * STEP_LIMIT:.0f}), worker memory {100 * worst['memory']:.1f} %")
    return 0 if worst["step"] <= STEP_LIMIT and worst["memory"] <= MEMORY_LIMIT else 1


def machine_with(threads: int) -> dict[str, Any]:
    """The project's measured machine, as if its workers had these threads."""
    machine = json.loads((Path(__file__).resolve().parent.parent / "configs/machines/cpu.json").read_text())
    return dict(machine | {"threads_per_device": threads})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--machine", help="file of gamlp bench --machine")
    source.add_argument("--memory", action="store_true", help="process memory alone, of many small configs")
    source.add_argument("--grids", action="store_true", help="grids of layers × shards, and nodes in the host's memory")
    parser.add_argument("--datasets", type=Path, help="with --memory: folder of cora.npz, …, for configs of public datasets too")
    parser.add_argument("--gamlp", default="build/gamlp")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=int, help="one config, by its number from 1")
    args = parser.parse_args()
    if args.memory:
        return memory_table(args)
    if args.grids:
        return grids_table(args)
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(args.rounds):  # minutes apart: a shared machine is faster and slower by turns
            for n, (_, *numbers) in enumerate(CONFIGS, start=1):
                if args.only not in (None, n):
                    continue
                config = Path(folder) / f"config{n}.json"
                config.write_text(json.dumps(config_of(*numbers)))
                for workers in (int(w) for w in args.workers.split(",")):
                    print(f"round {round_ + 1}, config {n}, {workers} workers", file=sys.stderr)
                    measure(args, config, workers, rows.setdefault((n, workers), {"steps": []}))
    print("| config | workers | measured ms (range) | forecast ms | off | worker MB | forecast | off "
          "| process MB | forecast | off |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    worst = {"step": 0.0, "worker": 0.0, "process": 0.0}
    for (n, workers), row in rows.items():
        step = statistics.median(row["steps"])
        pairs = {"step": (1e3 * row["step_forecast"], 1e3 * step),
                 "worker": (row["memory_forecast"] / 1e6, row["memory"] / 1e6),
                 "process": (row["process_forecast"] / 1e6, row["process"] / 1e6)}
        cells = []
        for key, (forecast, measured) in pairs.items():
            off = forecast / measured - 1
            worst[key] = max(worst[key], abs(off))
            spread = f" ({1e3 * min(row['steps']):.4g}–{1e3 * max(row['steps']):.4g})" if key == "step" else ""
            cells.append(f"{measured:.4g}{spread} | {forecast:.4g} | {100 * off:+.1f} %")
        print(f"| {CONFIGS[n - 1][0]} | {workers} | " + " | ".join(cells) + " |")
    print(f"\nworst: step {100 * worst['step']:.1f} % (limit {100 * STEP_LIMIT:.0f}), worker memory "
          f"{100 * worst['worker']:.1f} %, process {100 * worst['process']:.1f} % (limit {100 * MEMORY_LIMIT:.0f})")
    return 0 if worst["step"] <= STEP_LIMIT and max(worst["worker"], worst["process"]) <= MEMORY_LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
