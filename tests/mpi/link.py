#!/usr/bin/env python3
"""Two ranks in network namespaces of their own: what really crosses the link, and what a slow link costs.

  bytes   the bytes that the kernel counts on the interface are those that the transport counts, and TCP's headers;
          on a link that drops packets too, where the bits of the run stay those of one process
  speed   gamlp bench over a link of --rate, beside the same workers in one process, for several exchange formats
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


def bench(program, hosts, folder, args, codec, rates):
    shape(hosts, rates)
    path = folder / "speed.json"
    path.write_text(json.dumps(config(args.nodes, args.width, args.layers, 10, codec)))
    command = hosts.launcher() + ["--bind-to", "none", "-np", "2", program, "bench", path, "--devices", "cpu", "--json"]
    report = json.loads(run(command + ["--iterations", str(args.iterations), "--rounds", str(args.rounds)], 900))
    return report["devices"][0], report["devices"][1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["bytes", "speed"])
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
        else:
            rate = lambda mbit: f"tbf rate {mbit}mbit burst 64kb latency 100ms"
            print(f"{args.layers} layers x {args.width}, {args.nodes} training nodes, 2 ranks; in one process = 1")
            for codec_name, codec in FORMATS.items():
                cases = {"no limit": [None, None], f"{args.rate} Mbit/s": [rate(args.rate)] * 2}
                if codec_name == "float32":
                    # u would go the way of q: that is q over half of the link.
                    cases[f"{args.rate} Mbit/s, as if u were sent too"] = [rate(args.rate / 2), rate(args.rate)]
                for case, rates in cases.items():
                    start = time.monotonic()
                    two, one = bench(program, hosts, folder, args, codec, rates)
                    kept = one["iteration_seconds"] / two["iteration_seconds"]
                    print(f"  {codec_name:32} {case:36} {1e3 * two['iteration_seconds']:9.1f} ms  {kept:6.1%} of "
                          f"{1e3 * one['iteration_seconds']:.1f} ms in one process "
                          f"({two['bytes_per_iteration'] / 1e6:.2f} MB, {time.monotonic() - start:.0f} s)", flush=True)
    finally:
        hosts.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
