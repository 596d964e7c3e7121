#!/usr/bin/env python3
"""Trains by a program for another architecture, under an emulator, and by this machine's own, and compares the epochs.

  training.py --native PROGRAM -- EMULATOR… PROGRAM

What may differ: the libraries of linear algebra add in another order on each architecture, so a sum of float32 is off by
some units of its last place (6e-8), and each epoch multiplies that by the condition of its problem. Measured over 20
epochs: 4e-6 in objective and risk and 2e-5 in the residual of the gradient update; 2e-4 and 1.4e-3 of the exact update,
which solves systems. What is allowed is five to fifteen times that, for processors whose libraries choose other kernels.
Quantised, an error that moves a value over the edge of a code becomes a whole step of the grid. The exact update with 8 bits
meets one in its third epoch: the two before it are compared.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

CONFIG = {
    "dataset": {
        "generate": {"nodes": 240, "classes": 3, "features": 12},
        "hops": 2,
        "split": {"kind": "per_class", "train_per_class": 20, "validation": 60, "test": 90},
    },
    "model": {"width": 16},
    "devices": "cpu:2",
    "stages": [{"layers": 2, "epochs": 6}, {"layers": 4, "epochs": 14}],
}
COUNTS = {"train_accuracy": 60, "validation_accuracy": 60, "test_accuracy": 90}
# update, bits, epochs compared, relative errors allowed: objective and risk, residual; nodes that may change their class.
CASES = [
    ("gradient", 32, 20, 5e-5, 3e-4, 0),
    ("gradient", 8, 20, 5e-5, 3e-4, 0),
    ("exact", 32, 20, 1e-3, 1e-2, 1),
    ("exact", 8, 2, 1e-5, 1e-5, 0),
]


def train(program, folder, update, bits):
    config = folder / "config.json"
    config.write_text(json.dumps({**CONFIG, "method": {"update": update}, "exchange": {"p": {"bits": bits}, "q": {"bits": bits}}}))
    run = folder / "run"
    command = [*program, "train", str(config), "--run", str(run), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def faults(ours, native, case):
    _, _, epochs, loss_error, residual_error, nodes = case
    if len(ours) != len(native):
        yield f"{len(ours)} epochs, natively {len(native)}"
    allowed = {"objective": loss_error, "risk": loss_error, "residual": residual_error}
    for mine, theirs in list(zip(ours, native))[:epochs]:
        for key, error in allowed.items():
            if not abs(mine[key] - theirs[key]) <= error * abs(theirs[key]):
                yield f"epoch {mine['epoch']}: {key} {mine[key]}, natively {theirs[key]}"
        for key, count in COUNTS.items():
            if not abs(mine[key] - theirs[key]) * count <= nodes + 1e-6:
                yield f"epoch {mine['epoch']}: {key} {mine[key]}, natively {theirs[key]}"
        if mine["bytes_sent"] != theirs["bytes_sent"]:
            yield f"epoch {mine['epoch']}: {mine['bytes_sent']} bytes sent, natively {theirs['bytes_sent']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--native", required=True)
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()
    if not options.native:
        print("skipped: no program of this machine to compare with (-DGAMLP_NATIVE_PROGRAM=…)")
        return 77
    failed = False
    for case in CASES:
        with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as native:
            found = list(faults(train(options.program, pathlib.Path(ours), *case[:2]),
                                train([options.native], pathlib.Path(native), *case[:2]), case))
        print(f"{case[0]}, {case[1]} bits: {'as natively' if not found else found[0]}")
        failed = failed or bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
