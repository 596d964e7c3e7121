#!/usr/bin/env python3
"""Ranks in two network namespaces: what really crosses the link between them, and what a slow link costs.

  bytes   the bytes that the kernel counts on the interface are those that the transport counts, and TCP's headers;
          on a link that drops packets too, where the bits of the run stay those of one process; and the bits of grids
          of four ranks, two on each host, which add up within each host first; what workers save who compress momentum
  speed   gamlp bench over a link of --rate, beside the same workers in one process, for several exchange formats
  collectives   gamlp's collectives beside MPI's own, 2 and 4 ranks on one host and on two
  workers   Adam and APMSqueeze with two data-parallel workers over links of several rates: what gamlp plan forecasts of
          them, and what they take
  grids   every placement of some problems over a link of --rate, beside no limit: what gamlp plan forecasts of them, and
          what they take
Needs a user who may make network namespaces (else: skipped, and said).
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import failures

FORMATS = {
    "2-bit differences, blocks of 64": {"bits": 2, "coding": "difference", "range": "block", "block": 64},
    "8-bit values": {"bits": 8},
    "float32": {"bits": 32},
}


# Layers, width, training nodes, codec, ranks. Four ranks share the two cores: their forecast is of four.
PROBLEMS = [
    (10, 250, 5000, "2-bit differences, blocks of 64", 2),
    (10, 250, 5000, "8-bit values", 2),
    (10, 128, 40000, "8-bit values", 2),
    (4, 250, 40000, "float32", 2),
    (8, 128, 40000, "8-bit values", 4),
]


def config(nodes, width, layers, epochs, codec):
    return {
        "dataset": {
            "generate": {"nodes": 2 * nodes, "classes": 5, "features": 40, "mean_degree": 6},
            "hops": 2,
            "split": {"kind": "per_class", "train_per_class": nodes // 5, "validation": 50, "test": 50},
        },
        "model": {"width": width},
        "method": {"update": "gradient"},
        "exchange": {"p": codec, "q": codec},
        "stages": [{"layers": layers, "epochs": epochs}],
        "train": {"evaluate_every": 1000000},
        "distributed": {"timeout": 20},
    }


def shape(hosts, rates):
    """The rate at which each host sends; None: as fast as it can."""
    for name, rate in zip(hosts.names, rates):
        subprocess.run(["ip", "netns", "exec", name, "tc", "qdisc", "del", "dev", "eth", "root"], capture_output=True)
        if rate:
            subprocess.run(["ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "eth", "root", *rate.split()], check=True)


def run(command, limit):
    child = failures.launch(command, subprocess.PIPE)
    try:
        output = child.communicate(timeout=limit)[0].decode()
    except subprocess.TimeoutExpired:
        failures.end(child)
        raise
    if child.returncode != 0:
        raise RuntimeError(f"status {child.returncode}:\n{output}")
    return output


def check_bytes(program, hosts, folder, codec_name, rate):
    """Trains for few and for many epochs: what the epochs between them add."""
    shape(hosts, [rate, rate])
    counted = []
    for epochs in (20, 220):
        path = folder / "bytes.json"
        path.write_text(json.dumps(config(1000, 64, 4, epochs, FORMATS[codec_name])))
        folders = {}
        for name, launcher in (("two", hosts.launcher() + ["-np", "2"]), ("one", [])):
            folders[name] = folder / name
            shutil.rmtree(folders[name], ignore_errors=True)
            before = hosts.counters(0)
            devices = "cpu" if launcher else "cpu:1"
            run(launcher + [program, "train", path, "--devices", devices, "--run", folders[name], "--quiet"], 200)
            after = hosts.counters(0)
            if launcher:
                wire = sum(after[k] - before[k] for k in before)
        if failures.log_of(folders["one"]) != failures.log_of(folders["two"]):
            raise RuntimeError(f"{codec_name}, {rate}: other metrics than in one process")
        if failures.weights_of(folders["one"]) != failures.weights_of(folders["two"]):
            raise RuntimeError(f"{codec_name}, {rate}: other weights than in one process")
        counted.append((json.loads((folders["two"] / "result.json").read_text())["bytes_sent"], wire))
    transport = counted[1][0] - counted[0][0]
    wire = counted[1][1] - counted[0][1]
    return transport, wire


def check_grids(program, hosts, folder):
    """Whether every grid of four ranks on two hosts, and the one that the program chooses, has the bits of one process."""
    shape(hosts, [None, None])
    same = True
    for update in ("gradient", "exact"):
        path, one = folder / "grid.json", folder / f"one-{update}"
        path.write_text(json.dumps({**config(8500, 48, 5, 20, FORMATS["8-bit values"]), "method": {"update": update}}))
        run([program, "train", path, "--devices", "cpu:1", "--run", one, "--quiet"], 200)
        placed = [failures.placed(shards, order) for shards in (2, 4) for order in ("shards", "layers")]
        for sets in placed + [["--set", "distributed.network=100"]]:
            grid = folder / "grid"
            shutil.rmtree(grid, ignore_errors=True)
            run(hosts.launcher(2) + ["-np", 4, program, "train", path, "--devices", "cpu", "--run", grid, "--quiet", *sets], 200)
            if failures.weights_of(grid) != failures.weights_of(one) or failures.log_of(grid) != failures.log_of(one):
                print(f"{update}, {' '.join(sets)}: other bits than in one process")
                same = False
    print("grids of four ranks on two hosts: " + ("the bits of one process" if same else "failed"), flush=True)
    return same


def check_workers(program, hosts, folder):
    """Whether a run with 1 bit sends a fifth of the bytes of float32, as the transport and as the kernel count them."""
    shape(hosts, [None, None])
    counted = {}
    for name, method in (("float32", "adam"), ("1 bit", "apmsqueeze")):
        path, whole = folder / "workers.json", folder / "run"
        shutil.rmtree(whole, ignore_errors=True)
        path.write_text(json.dumps({**config(1000, 200, 4, 300, FORMATS["float32"]), "method": {}}))
        before = hosts.counters(0)
        run(hosts.launcher() + ["-np", "2", program, "train", path, "--devices", "cpu", "--run", whole, "--quiet", "--set",
                                "partition.shards=2", "--set", f"method.name={method}"], 200)
        after = hosts.counters(0)
        counted[name] = (json.loads((whole / "result.json").read_text())["bytes_sent"], sum(after[k] - before[k] for k in before))
    ratios = [a / b for a, b in zip(counted["float32"], counted["1 bit"])]
    fits = min(ratios) >= 5
    print(f"a run of two workers, 1 bit after a warm-up of 15 %: transport {counted['1 bit'][0]} bytes, {ratios[0]:.2f} times fewer "
          f"than float32; interface {counted['1 bit'][1]}, {ratios[1]:.2f} times" + ("" if fits else ": expected 5"), flush=True)
    return fits


def bench(program, hosts, path, args, rates, ranks=2, placed=()):
    shape(hosts, rates)
    command = hosts.launcher(ranks // 2) + ["--bind-to", "none", "-np", ranks, program, "bench", path]
    command += ["--devices", "cpu", "--json", "--iterations", args.iterations, "--rounds", args.rounds, *placed]
    report = json.loads(run(command, 900))
    return report["devices"][0], report["devices"][1]


def mbit(rate, burst=64):
    return f"tbf rate {rate}mbit burst {burst}kb latency 100ms"


def measure_formats(program, hosts, folder, args):
    print(f"{args.layers} layers x {args.width}, {args.nodes} training nodes, 2 ranks; in one process = 1")
    for codec_name, codec in FORMATS.items():
        path = folder / "speed.json"
        path.write_text(json.dumps(config(args.nodes, args.width, args.layers, 10, codec)))
        cases = {"no limit": [None, None], f"{args.rate} Mbit/s": [mbit(args.rate)] * 2}
        if codec_name == "float32":
            # u would go the way of q: that is q over half of the link.
            cases[f"{args.rate} Mbit/s, as if u were sent too"] = [mbit(args.rate / 2), mbit(args.rate)]
        for case, rates in cases.items():
            start = time.monotonic()
            two, one = bench(program, hosts, path, args, rates)
            kept = one["iteration_seconds"] / two["iteration_seconds"]
            print(f"  {codec_name:32} {case:36} {1e3 * two['iteration_seconds']:9.1f} ms  {kept:6.1%} of "
                  f"{1e3 * one['iteration_seconds']:.1f} ms in one process "
                  f"({two['bytes_per_iteration'] / 1e6:.2f} MB, {time.monotonic() - start:.0f} s)", flush=True)


def forecast(program, path, rate, ranks):
    """Seconds of a step by layer runs, shards and order, and the placement that plan chooses."""
    command = [program, "plan", path, "--machine", "here", "--devices", ranks, "--hosts", 2, "--json"]
    plan = json.loads(run(command + ["--set", f"distributed.network={rate}"], 900))
    steps = {(g["shards"], g["order"]): g["step_seconds"] for g in plan["grids"]}
    chosen = plan["plans"][0]
    return steps, (chosen["shards"], chosen["order"] if (chosen["shards"], chosen["order"]) in steps else None)


def measure_grids(program, hosts, folder, args):
    unlimited = 1000000
    for layers, width, nodes, codec_name, ranks in PROBLEMS:
        path = folder / "grids.json"
        path.write_text(json.dumps(config(nodes, width, layers, 10, FORMATS[codec_name])))
        free, _ = forecast(program, path, unlimited, ranks)
        slow, chosen = forecast(program, path, args.rate, ranks)
        print(f"{layers} layers x {width}, {nodes} training nodes, {codec_name}, {ranks} ranks on 2 hosts")
        for shards, order in slow:
            placed = ["--set", f"partition.shards={shards}"] + (["--set", f"partition.order={order}"] if order else [])
            times = []
            for rates in ([None, None], [mbit(args.rate)] * 2):
                times.append(bench(program, hosts, path, args, rates, ranks, placed)[0]["iteration_seconds"])
            key = (shards, order)
            print(f"  {ranks // shards} x {shards}{' by ' + order if order else '':10} {1e3 * times[0]:8.1f} ms, at "
                  f"{args.rate} Mbit/s {1e3 * times[1]:8.1f}, {times[0] / times[1]:6.1%}; forecast {1e3 * free[key]:8.1f}, "
                  f"{1e3 * slow[key]:8.1f}, {free[key] / slow[key]:6.1%}{'  <- plan' if key == chosen else ''}", flush=True)


# Training nodes, layers, width, features and hops of what data-parallel workers train: Cora's sizes and more nodes, from
# little to compute for its weights to much.
WORKERS = [(140, 10, 100, 1433, 4), (1000, 10, 250, 40, 2), (18000, 10, 100, 100, 4)]
# Of each method: what is set, and the share of its epochs in float32, of which a measured one has none.
METHODS = {
    "adam": (["method.name=adam"], 0.0),
    "bf16": (["method.name=adam", "method.gradients=bf16"], 0.0),
    "8 bits": (["method.name=apmsqueeze", "method.squeeze.bits=8", "method.squeeze.warmup=1"], 0.15),
    "1 bit": (["method.name=apmsqueeze", "method.squeeze.bits=1", "method.squeeze.warmup=1"], 0.15),
    "PowerSGD": (["method.name=adam", "method.gradients=powersgd", "method.powersgd.warmup=1"], 0.05),
    "top 1 %": (["method.name=adam", "method.gradients=top_k", "method.top_k.warmup=1"], 0.05),
}


def measure_workers(program, hosts, folder, args):
    for nodes, layers, width, features, hops in WORKERS:
        path = folder / "workers.json"
        text = config(nodes, width, layers, 1000, FORMATS["float32"])
        text["method"] = {"optimizer": {"learning_rate": 0.001}}
        text["dataset"]["generate"]["features"] = features
        text["dataset"]["hops"] = hops
        path.write_text(json.dumps(text))
        print(f"{layers} layers x {width}, {nodes} training nodes, {features * hops} inputs, 2 workers; a run's speed-up "
              f"over Adam's counts the warm-up")
        for rate in (None, 1000, 100):
            found = {}
            for name, (settings, warm) in METHODS.items():
                sets = [part for setting in ["partition.shards=2"] + settings for part in ("--set", setting)]
                two = bench(program, hosts, path, args, [mbit(rate, 16) if rate else None] * 2, 2, sets)[0]
                command = [program, "plan", path, "--machine", "here", "--devices", 2, "--hosts", 2, "--json"]
                plan = json.loads(run(command + sets + ["--set", f"distributed.network={rate or 1000000}"], 900))
                found[name] = (two["iteration_seconds"], plan["plans"][0]["step_seconds"])
                line = f"  {f'{rate} Mbit/s' if rate else 'no limit':12} {name:10}"
                line += f" {1e3 * found[name][0]:8.1f} ms, forecast {1e3 * found[name][1]:8.1f}"
                line += f", {two['bytes_per_iteration'] / 1e6:.3f} MB"
                if name != "adam":
                    gains = [adam / (warm * adam + (1 - warm) * own) for adam, own in zip(found["adam"], found[name])]
                    line += f"; run {gains[0]:.2f} x, forecast {gains[1]:.2f} x"
                print(line, flush=True)


def measure_collectives(ranks, hosts, args):
    for count in (2, 4):
        apart = hosts.launcher(count // 2) + ["--bind-to", "none", "-np", count]
        for where, rates, launcher in (("one host", None, failures.mpirun(count)), ("two hosts", [None, None], apart),
                                       (f"two hosts, {args.rate} Mbit/s", [mbit(args.rate)] * 2, apart)):
            if rates:
                shape(hosts, rates)
            print(f"{count} ranks on {where}")
            for whose in ("time", "time_mpi"):
                print(run(launcher + [ranks, whose], 300), end="", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["bytes", "speed", "grids", "collectives", "workers"])
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--rate", type=int, default=100, help="Mbit/s")
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--width", type=int, default=250)
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    why = failures.Hosts.possible()
    if why:
        print(f"skipped: no network namespaces here: {why}")
        return 0
    program = args.program.resolve()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gamlp-link-"))
    hosts = failures.Hosts(2, folder)
    failed = False
    try:
        if args.what == "bytes":
            failed = not check_grids(program, hosts, folder)
            failed = not check_workers(program, hosts, folder) or failed
            for codec_name in FORMATS:
                # The last one drops what does not fit its short queue.
                for rate in (None, "tbf rate 200mbit burst 64kb limit 96kb"):
                    transport, wire = check_bytes(program, hosts, folder, codec_name, rate)
                    # Headers of TCP, IP and Ethernet: 66 bytes for up to 1448, as many for acknowledgements; a few
                    # hundred bytes of metrics and signs of life an epoch; packets that were sent again.
                    share = wire / transport
                    most = 1.15 + 200 * 3000 / transport + (0.1 if rate else 0)
                    fits = 1.0 <= share <= most
                    failed = failed or not fits
                    print(f"{codec_name}, {rate or 'no limit'}: transport {transport} bytes, interface {wire}, "
                          f"{share:.3f} times as many" + ("" if fits else f": expected 1.0 to {most:.2f}"), flush=True)
        elif args.what == "speed":
            measure_formats(program, hosts, folder, args)
        elif args.what == "workers":
            measure_workers(program, hosts, folder, args)
        elif args.what == "collectives":
            measure_collectives(program.parent / "tests/mpi/mpi_ranks", hosts, args)
        else:
            measure_grids(program, hosts, folder, args)
    finally:
        hosts.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
