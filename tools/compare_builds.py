#!/usr/bin/env python3
"""Trains a matrix of settings with two builds of gamlp and compares what they leave, bit by bit.

  tools/compare_builds.py BEFORE/gamlp AFTER/gamlp               all settings, some minutes
  tools/compare_builds.py --only exact BEFORE/gamlp AFTER/gamlp  those whose name holds the word

For a change that must change no result. Settings: both updates with every kind of exchange, every optimiser, each on 1, 2 and 3
workers; forms of layer 1's input, activations, starts, growth and stop rules; a run that goes on from a checkpoint, also one that
the other build wrote; processes under MPI. Compared: the tensors of every weights file and checkpoint, every line of metrics.jsonl
but its time, and the accuracies of result.json. Prints a line per setting. Exit status 1 when one differs.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

BASE = {
    "dataset": {
        "generate": {"nodes": 400, "classes": 4, "features": 20},
        "hops": 2,
        "split": {"kind": "per_class", "train_per_class": 30, "validation": 80, "test": 120},
    },
    "model": {"width": 24},
    "stages": [{"layers": 2, "epochs": 6}, {"layers": 5, "epochs": 12}],
    "train": {"checkpoint_every": 7},
}
FEW_NODES = {"dataset": {"generate": {"nodes": 400, "classes": 4, "features": 100}, "split": {"train_per_class": 10}}}  # 40 < 200
MANY_EPOCHS = {"stages": [{"layers": 2, "epochs": 100}, {"layers": 3, "epochs": 100}]}  # QR pays

CODECS = {
    "float32": {"bits": 32},
    "8-bit values": {"bits": 8},
    "16-bit values, stochastic": {"bits": 16, "rounding": "stochastic"},
    "8 bits on a fixed grid": {"bits": 8, "range": "fixed"},
    "8-bit values, blocks, error feedback": {"bits": 8, "range": "block", "error_feedback": True},
    "4-bit differences": {"bits": 4, "coding": "difference"},
    "2-bit differences, blocks": {"bits": 2, "coding": "difference", "range": "block"},
    "1-bit differences, stochastic": {"bits": 1, "coding": "difference", "rounding": "stochastic"},
}
RATES = {"gd": 0.1, "adadelta": 1.0, "adagrad": 0.01, "adam": 0.01}


def merged(base, change):
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    return {**base, **{key: merged(base.get(key), value) for key, value in change.items()}}


def admm(update, codec, **more):
    return {"method": {"update": update, **more}, "exchange": {"p": codec, "q": codec}}


def descent(name, **more):
    return {"method": {"name": name, "optimizer": {"learning_rate": RATES[name]}, **more}}


def matrix():
    """(name, changes to BASE, workers, processes)."""
    out = []

    def add(name, *changes, workers=(1, 2, 3), processes=()):
        config = BASE
        for change in changes:
            config = merged(config, change)
        out.extend((f"{name}, {n} worker{'s' if n > 1 else ''}", config, n, 1) for n in workers)
        out.extend((f"{name}, {n} processes", config, 0, n) for n in processes)

    for update in ("gradient", "exact"):
        for name, codec in CODECS.items():
            processes = (2, 3) if name in ("float32", "8-bit values", "2-bit differences, blocks") else ()
            add(f"{update}, {name}", admm(update, codec), processes=processes)
        schedule = {"exchange": {"schedule": [{"epoch": 0, "bits": 16}, {"epoch": 5, "bits": 4}]}}
        add(f"{update}, bit schedule", admm(update, {"bits": 8, "coding": "difference"}), schedule, workers=(1, 3))
        add(f"{update}, fewer nodes than inputs", admm(update, {"bits": 8}), FEW_NODES, MANY_EPOCHS, workers=(1, 2), processes=(2,))
        add(f"{update}, stop rules", admm(update, {"bits": 8}),
            {"train": {"stop": {"residual": 1e-3, "objective": 1e-3}}, "stages": [{"layers": 3, "epochs": 60}]}, workers=(1, 2))
        for activation in ("leaky_relu", "tanh"):
            add(f"{update}, {activation}", admm(update, {"bits": 8}), {"model": {"activation": activation}}, workers=(2,))
        for init in ("normal", "pytorch"):
            add(f"{update}, init {init}", admm(update, {"bits": 8}, init=init, growth_head="restart"), workers=(2,))
        add(f"{update}, weight decay of each layer",
            admm(update, {"bits": 8}, weight_decay_layers=[0.1, 0.01, 0.01, 0.0, 0.001]), workers=(1, 2))
        add(f"{update}, partition", admm(update, {"bits": 8}), {"partition": [1, 3, 1]}, workers=(3,))
    add("update auto", workers=(2,))
    add("gradient, rho apart from nu", admm("gradient", {"bits": 8}, nu=0.02, rho=0.01), workers=(2,))
    add("exact, other constants", admm("exact", {"bits": 8}, exact={"beta": 0.8, "nu2": 2.0, "kappa": 0.01, "lambda": 1.0}), workers=(2,))
    for name in RATES:
        add(name, descent(name), processes=(2, 3) if name in ("gd", "adam") else ())
        add(f"{name}, weight decay, micro-batches", descent(name, microbatches=3, optimizer={
            "learning_rate": RATES[name], "weight_decay": 0.01}), workers=(1, 2))
        add(f"{name}, fewer nodes than inputs", descent(name), FEW_NODES, MANY_EPOCHS, workers=(1, 2))
    return out


def tensors(file):
    """name → (type, shape, bytes) of a .safetensors file."""
    content = file.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    header.pop("__metadata__", None)
    body = content[8 + size:]
    return {name: (entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])]) for name, entry in header.items()}


def lines(run):
    out = []
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        out.append({key: value for key, value in record.items() if key not in ("seconds", "bits")})
    return out


def differences(before, after):
    """What two run folders hold differently, and how many tensors they share."""
    found, compared = [], 0
    names = {file.relative_to(run) for run in (before, after) for file in run.glob("**/*.safetensors")}
    for name in sorted(names):
        if not (before / name).exists() or not (after / name).exists():
            found.append(f"{name} is in one run only")
            continue
        old, new = tensors(before / name), tensors(after / name)
        # Scalars are recomputed before they are read, but for ADMM's step sizes: a method need not save them.
        for tensor in old.keys() | new.keys():
            if tensor not in old or tensor not in new:
                if not tensor.startswith("scalars"):
                    found.append(f"{name}: {tensor} is in one file only")
            elif old[tensor] != new[tensor]:
                found.append(f"{name}: {tensor}")
            else:
                compared += 1
    if lines(before) != lines(after):
        found.append("metrics.jsonl")
    results = [json.loads((run / "result.json").read_text()) for run in (before, after)]
    for key in ("test_accuracy", "validation_accuracy", "best_epoch", "bytes_sent", "stages", "layers_per_device", "input"):
        old, new = (result.get(key) for result in results)
        if key == "stages" and old and new:  # the keys that both builds know
            old = [{k: v for k, v in stage.items() if k in new[0]} for stage in old]
            new = [{k: v for k, v in stage.items() if k in old[0]} for stage in new]
        if old != new:
            found.append(f"result.json: {key}")
    return found, compared


def run(program, arguments, processes=1):
    command = [str(program), *(str(word) for word in arguments)]
    if processes > 1:
        command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", str(processes), *command]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")


# Overrides for the second build alone, --after-set.
AFTER = []


def compare(programs, setting, scratch):
    name, config, workers, processes = setting
    file = scratch / "config.json"
    file.write_text(json.dumps({**config, "devices": f"cpu:{workers}" if workers else "cpu"}))
    runs = [scratch / "before", scratch / "after"]
    for program, folder, overrides in zip(programs, runs, ([], AFTER)):
        run(program, ["train", file, "--run", folder, "--quiet", *overrides], processes)
    return differences(*runs)


def compare_continuations(programs, setting, scratch):
    """Both builds go on from the run that the first one left."""
    name, config, workers, processes = setting
    file = scratch / "config.json"
    file.write_text(json.dumps({**config, "devices": f"cpu:{workers}"}))
    run(programs[0], ["train", file, "--run", scratch / "start", "--quiet"])
    runs = [scratch / "before", scratch / "after"]
    more = f"stages.{len(config['stages']) - 1}.epochs={config['stages'][-1]['epochs'] + 9}"
    for program, folder in zip(programs, runs):
        shutil.copytree(scratch / "start", folder)
        run(program, ["resume", folder, "--set", more, "--quiet"], processes)
    return differences(*runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=pathlib.Path)
    parser.add_argument("after", type=pathlib.Path)
    parser.add_argument("--only", default="", help="settings whose name holds this text")
    parser.add_argument("--after-set", action="append", default=[], metavar="KEY=VALUE",
                        help="override for the second build, where its default is another: stages.1.start=last")
    arguments = parser.parse_args()
    for override in arguments.after_set:
        AFTER.extend(["--set", override])
    programs = [arguments.before.resolve(), arguments.after.resolve()]
    mpi = shutil.which("mpirun") is not None
    settings = matrix()
    jobs = [(compare, setting) for setting in settings if setting[3] == 1 or mpi]
    continued = ("8-bit values, ", "2-bit differences, blocks, ", "adam, ", "adadelta, ")
    jobs += [(compare_continuations, (f"goes on: {name}", config, workers, processes)) for name, config, workers, processes in settings
             if workers == 2 and any(f"{start}2 workers" in name for start in continued)]
    jobs = [job for job in jobs if arguments.only in job[1][0]]
    if not mpi:
        print("no mpirun here: without processes")
    with tempfile.TemporaryDirectory() as scratch:
        def one(numbered):
            number, (how, setting) = numbered
            folder = pathlib.Path(scratch) / str(number)
            folder.mkdir()
            try:
                return setting[0], *how(programs, setting, folder)
            except (RuntimeError, OSError) as error:
                return setting[0], [str(error)], 0
            finally:
                shutil.rmtree(folder)

        different = 0
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for name, found, compared in pool.map(one, enumerate(jobs)):
                different += bool(found)
                print(f"{name:62} {'equal, ' + str(compared) + ' tensors' if not found else 'DIFFERENT: ' + '; '.join(found[:4])}", flush=True)
    print(f"{len(jobs)} settings: " + ("all equal" if not different else f"{different} DIFFERENT"))
    return 1 if different or not jobs else 0


if __name__ == "__main__":
    sys.exit(main())
