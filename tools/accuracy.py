#!/usr/bin/env python3
"""Test accuracy on the small public datasets, by exchange format: the table of tests/results.

For each dataset, hops K and epochs per stage are chosen by mean validation accuracy (float32, two seeds), then every
exchange format is trained with five seeds under those settings. Reported is the test accuracy at the best validation
epoch of the last, 10-layer stage. Nothing is chosen by test accuracy.

    tools/accuracy.py --datasets FOLDER --output tests/results/small_data
    tools/accuracy.py --datasets FOLDER --output tests/results/small_data --settings tests/results/small_data.json

With --settings K and epochs are those that an earlier search chose, and only the formats are trained anew.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATASETS = ("cora", "citeseer", "amazon_photo", "coauthor_cs")
HOPS = {"coauthor_cs": (4,)}  # its inputs are wide: K = 4 has 27,220 of them
EPOCHS = (30, 60, 100)
EXCHANGES = {
    "float32": {"bits": 32},
    "8-bit values": {"bits": 8},
    "4-bit differences": {"bits": 4, "coding": "difference"},
    "2-bit differences, blocks of 64": {"bits": 2, "coding": "difference", "range": "block", "block": 64},
    "1-bit differences": {"bits": 1, "coding": "difference"},
}


def train(program: Path, datasets: Path, name: str, hops: int, epochs: int, codec: dict, seed: int) -> dict:
    """One run; returns its result.json, without the per-class part."""
    stages = [{"layers": layers, "epochs": epochs} for layers in (2, 5, 10)]
    with tempfile.TemporaryDirectory() as folder:
        command = [str(program), "train", str(ROOT / "configs" / f"{name}_100.json"), "--quiet", "--run", folder + "/run",
                   "--devices", "cpu:1"]
        for key, value in {"dataset.path": str(datasets / f"{name}.npz"), "dataset.hops": hops, "stages": stages,
                           "exchange.p": codec, "exchange.q": codec, "train.seed": seed,
                           "train.evaluate_every": 1}.items():
            command += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"accuracy: {' '.join(command)}\n{done.stderr}")
        result = json.loads(Path(folder, "run", "result.json").read_text())
    result.pop("test_per_class", None)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=Path, required=True, help="folder of cora.npz, citeseer.npz, …")
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "gamlp")
    parser.add_argument("--output", type=Path, required=True, help="path without ending: .json and .md are written")
    parser.add_argument("--only", choices=DATASETS, action="append")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--settings", type=Path, help="a .json that this tool wrote")
    args = parser.parse_args()

    # Of the working folder: build the program there before.
    commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty=+"], capture_output=True, text=True,
                            check=False).stdout.strip()
    report: dict = {"commit": commit, "version": subprocess.run([str(args.program), "--version"], capture_output=True, text=True,
                                              check=True).stdout.splitlines(), "datasets": {}}
    chosen = json.loads(args.settings.read_text())["datasets"] if args.settings else {}
    lines = ["| dataset | K | epochs per stage | exchange | test accuracy | validation |",
             "|---|---|---|---|---|---|"]
    with ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
        for name in args.only or DATASETS:
            grid = [(hops, epochs) for hops in HOPS.get(name, (4, 8, 12)) for epochs in EPOCHS]

            def score(setting: tuple[int, int], name: str = name) -> float:
                runs = [train(args.program, args.datasets, name, *setting, EXCHANGES["float32"], seed)
                        for seed in (0, 1)]
                return statistics.mean(run["validation_accuracy"] for run in runs)

            if name in chosen:
                search = chosen[name]["search"]
            else:
                search = [{"hops": h, "epochs": e, "validation_accuracy": s} for (h, e), s in zip(grid, pool.map(score, grid))]
            best = max(search, key=lambda row: row["validation_accuracy"])
            hops, epochs = best["hops"], best["epochs"]
            entry: dict = {"hops": hops, "epochs_per_stage": epochs, "search": search, "exchanges": {}}
            for label, codec in EXCHANGES.items():
                runs = list(pool.map(lambda seed, codec=codec: train(args.program, args.datasets, name, hops, epochs,
                                                                      codec, seed), range(args.seeds)))
                tests = [run["test_accuracy"] for run in runs]
                validation = statistics.mean(run["validation_accuracy"] for run in runs)
                entry["exchanges"][label] = {"test_accuracy": tests, "mean": statistics.mean(tests),
                                             "std": statistics.pstdev(tests), "validation_accuracy": validation}
                line = (f"| {name} | {hops} | {epochs} | {label} | {statistics.mean(tests):.4f} ± "
                        f"{statistics.pstdev(tests):.4f} | {validation:.4f} |")
                lines.append(line)
                print(line, flush=True)
            report["datasets"][name] = entry
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.with_name(args.output.name + ".json").write_text(json.dumps(report, indent=1) + "\n")
    args.output.with_name(args.output.name + ".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
