#!/usr/bin/env python3
"""Builds gamlp's CPU program by several compilers, trains the same configs by each, and compares them bit by bit.

  tools/check_compilers.py                          g++ and clang++
  tools/check_compilers.py g++ clang++-16 clang++-19
  tools/check_compilers.py --work FOLDER …          builds in this folder, which keeps them for the next time

Prints a table: the weights and every number of metrics.jsonl but the time, against the first compiler's. Exit status 1 when
one holds less than docs/building.md says. Not part of CI: each compiler takes minutes to build.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parent.parent
CONFIG = {
    "dataset": {
        "generate": {"nodes": 600, "classes": 4, "features": 40},
        "hops": 2,
        "split": {"kind": "per_class", "train_per_class": 30, "validation": 100, "test": 200},
    },
    "model": {"width": 48},
    "devices": "cpu:2",
    "stages": [{"layers": 2, "epochs": 10}, {"layers": 5, "epochs": 20}],
}
SAME = 0.0
ROUNDING = 1e-6  # one sum of float32 in another order


def admm(update, bits, **codec):
    return {"method": {"update": update}, "exchange": {name: {"bits": bits, **codec} for name in ("p", "q")}}


def descent(name, rate):
    return {"method": {"name": name, "optimizer": {"learning_rate": rate}}}


# name, what it changes, whether the weights have the same bits, the largest relative error of a number in metrics.jsonl.
# The gradient update takes its step sizes from sums, the exact update and backpropagation only report some.
CASES = [
    ("exact, float32", admm("exact", 32), True, ROUNDING),
    ("exact, 8 bits", admm("exact", 8), True, ROUNDING),
    ("exact, 2-bit differences", admm("exact", 2, coding="difference", range="block"), True, ROUNDING),
    ("gradient, float32", admm("gradient", 32), False, 1e-4),
    ("gradient, 8 bits", admm("gradient", 8), False, 1e-2),
    ("gd", descent("gd", 0.1), True, SAME),
    ("adadelta", descent("adadelta", 1.0), True, SAME),
    ("adagrad", descent("adagrad", 0.01), True, SAME),
    ("adam", descent("adam", 0.01), True, SAME),
]


def build(compiler, work):
    tree = work / compiler.replace("/", "_")
    c_compiler = compiler.replace("clang++", "clang").replace("g++", "gcc")
    launcher = [f"-DCMAKE_{language}_COMPILER_LAUNCHER=ccache" for language in ("C", "CXX")] if shutil.which("ccache") else []
    configure = ["cmake", "-S", SOURCE, "-B", tree, *([] if tree.exists() else ["-G", "Ninja"]), f"-DCMAKE_C_COMPILER={c_compiler}",
                 f"-DCMAKE_CXX_COMPILER={compiler}", "-DCMAKE_BUILD_TYPE=Release", "-DGAMLP_CUDA=off", "-DGAMLP_MPI=off",
                 "-DGAMLP_TESTS=OFF", *launcher]
    jobs = os.environ.get("JOBS", str(os.cpu_count()))
    for command in (configure, ["nice", "cmake", "--build", tree, "--parallel", jobs, "--target", "gamlp"]):
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(f"{compiler}: does not build gamlp:\n{done.stdout[-3000:]}")
    return tree / "gamlp"


def train(program, config, scratch):
    run = scratch / "run"
    shutil.rmtree(run, ignore_errors=True)
    (scratch / "config.json").write_text(json.dumps(config))
    done = subprocess.run([program, "train", scratch / "config.json", "--run", run, "--quiet"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program} train ended with status {done.returncode}:\n{done.stderr}")
    content = (run / "best.safetensors").read_bytes()
    weights = content[8 + int.from_bytes(content[:8], "little"):]  # its header holds the config
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return weights, lines


def largest_error(lines, expected):
    """Of any number but the time, relative; and the name of that number."""
    if len(lines) != len(expected):
        return float("inf"), "epochs"
    worst = (0.0, "")
    for line, reference in zip(lines, expected):
        for key, value in reference.items():
            if key == "seconds" or line[key] == value:
                continue
            if not isinstance(value, float):
                return float("inf"), key
            worst = max(worst, (abs(line[key] - value) / max(abs(value), 1e-30), key))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("compilers", nargs="*", default=["g++", "clang++"])
    parser.add_argument("--work", type=pathlib.Path)
    options = parser.parse_args()
    missing = [compiler for compiler in options.compilers if not shutil.which(compiler)]
    if missing or len(options.compilers) < 2:
        parser.error(f"not here: {' '.join(missing)}" if missing else "needs two compilers or more")
    broken = False
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        work = (options.work or scratch).resolve()
        programs = {compiler: build(compiler, work) for compiler in options.compilers}
        first, *others = options.compilers
        print(f"{'against ' + first:<26}{'compiler':<14}{'weights':<10}{'metrics'}")
        for name, changes, same_weights, allowed in CASES:
            weights, lines = train(programs[first], {**CONFIG, **changes}, scratch)
            for other in others:
                its_weights, its_lines = train(programs[other], {**CONFIG, **changes}, scratch)
                error, key = largest_error(its_lines, lines)
                holds = error <= allowed and (its_weights == weights or not same_weights)
                broken = broken or not holds
                print(f"{name:<26}{other:<14}{'same' if its_weights == weights else 'differ':<10}"
                      f"{f'within {error:.1e} ({key})' if error > 0 else 'same'}{'' if holds else '   MORE THAN THE DOCS SAY'}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
