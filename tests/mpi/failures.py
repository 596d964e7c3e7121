#!/usr/bin/env python3
"""Kills, stops and cuts off processes of runs under mpirun at random moments, and looks at what becomes of the rest.

Each trial starts `mpirun gamlp train` with 2 to 4 ranks, harms one of them, and checks what follows. In every second
trial the ranks are layers, in the others a grid of layers and shards of the training nodes.
  - the launcher ends in time with a status that is not 0, and no gamlp process or zombie is left;
  - the surviving ranks name the one that was harmed;
  - what was saved is valid: `gamlp resume`, on another grid of ranks or in one process, reaches the bits of a run that
    nothing happened to (or says that nothing was saved yet).
Two things are Open MPI's. Each is counted apart, and may be one of 50 trials:
  - a launcher that tells of the death itself, of a process that was still within MPI_Init, outlives all processes and does
    not end;
  - a launcher that learns of a death on another host, names the rank, and kills the others before their timeout is over.
Kinds: kill (SIGKILL), crash (SIGSEGV), stop (SIGSTOP), cut (the rank's network interface goes down; each rank in a
network namespace of its own, where the machine lets this user make them), away (SIGKILL of a rank in such a namespace:
nobody sees it die but its launcher), memory (no more memory can be allocated).
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TIMEOUT = 1  # distributed.timeout of the runs, seconds
START_LIMIT = 5  # GAMLP_START_TIMEOUT
END_LIMIT = 20  # seconds from the harm to the end: a timeout, the launcher's two signals, machines that are slow or busy
CONFIG = {
    "dataset": {
        "generate": {"nodes": 300, "classes": 3, "features": 12},
        "hops": 2,
        "split": {"kind": "per_class", "train_per_class": 30, "validation": 60, "test": 90},
    },
    "model": {"width": 32},
    "method": {"update": "gradient"},
    "exchange": {side: {"bits": 4, "coding": "difference"} for side in "pq"},
    "stages": [{"layers": 3, "epochs": 60}, {"layers": 5, "epochs": 700}],
    "train": {"checkpoint_every": 20, "evaluate_every": 5},
    "distributed": {"timeout": TIMEOUT},
}
# With enough training nodes for two shards.
GRID_CONFIG = {
    **CONFIG,
    "dataset": {
        "generate": {"nodes": 4800, "classes": 3, "features": 12},
        "hops": 2,
        "split": {"kind": "per_class", "train_per_class": 1400, "validation": 60, "test": 90},
    },
    "model": {"width": 16},
    "stages": [{"layers": 3, "epochs": 40}, {"layers": 4, "epochs": 260}],
}
# Ranks and shards, to begin and to go on with.
GRIDS = {"layers": [(2, 1), (3, 1), (4, 1)], "grid": [(2, 2), (4, 2)]}
RESUMED = {"layers": [(1, 1), (2, 1), (3, 1)], "grid": [(1, 1), (2, 1), (2, 2), (3, 1), (4, 2)]}
ENVIRONMENT = {
    **os.environ,
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "GAMLP_START_TIMEOUT": str(START_LIMIT),
}


def log_of(run):
    """metrics.jsonl without times, and without bytes, which depend on the number of ranks."""
    lines = []
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        lines.append({k: v for k, v in record.items() if k not in ("seconds", "bytes_sent")})
    return lines


def weights_of(run):
    content = (run / "best.safetensors").read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


def processes_of(run):
    """gamlp processes that work in this run folder, zombies too: {pid: state}."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            command = pathlib.Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
            state = pathlib.Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if os.fsencode(str(run)) in command and os.path.basename(command[0]) == b"gamlp":
            found[int(entry)] = state
    return found


def rank_of(pid):
    try:
        for variable in pathlib.Path("/proc", str(pid), "environ").read_bytes().split(b"\0"):
            if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                return int(variable.split(b"=")[1])
    except OSError:
        pass
    return None


class Hosts:
    """Network namespaces behind a bridge, one for each rank: hosts of their own as far as MPI can see."""

    lock = threading.Lock()
    used = 0

    def __init__(self, count, folder, shape=()):
        with Hosts.lock:
            Hosts.used += 1
            self.number = (os.getpid() * 37 + Hosts.used) % 200 + 20
            self.tag = f"gl{os.getpid() % 10000}x{Hosts.used}"
        self.names = [f"{self.tag}n{i}" for i in range(count)]
        self.addresses = [f"10.{self.number}.77.{i + 1}" for i in range(count)]
        self.links = [f"{self.tag}v{i}" for i in range(count)]
        self.switch = f"{self.tag}s"
        self.ip("netns", "add", self.switch)
        self.ip("-n", self.switch, "link", "add", "bridge", "type", "bridge")
        self.ip("-n", self.switch, "link", "set", "bridge", "up")
        for name, address, link in zip(self.names, self.addresses, self.links):
            self.ip("netns", "add", name)
            self.ip("-n", self.switch, "link", "add", link, "type", "veth", "peer", "name", "eth", "netns", name)
            self.ip("-n", self.switch, "link", "set", link, "master", "bridge", "up")
            self.ip("-n", name, "addr", "add", address + "/24", "dev", "eth")
            for device in ("lo", "eth"):
                self.ip("-n", name, "link", "set", device, "up")
            if shape:
                subprocess.run(["ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "eth", "root", *shape], check=True)
                subprocess.run(
                    ["ip", "netns", "exec", self.switch, "tc", "qdisc", "add", "dev", link, "root", *shape], check=True
                )
        self.agent = folder / f"{self.tag}-agent"
        cases = "\n".join(f"  {a}) space={n} ;;" for a, n in zip(self.addresses, self.names))
        self.agent.write_text(
            f'#!/bin/sh\nhost=$1\nshift\ncase $host in\n{cases}\nesac\n'
            'exec ip netns exec "$space" unshare --uts --pid --fork --mount-proc sh -c "hostname $space; $*"\n'
        )
        self.agent.chmod(0o755)

    @staticmethod
    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)

    @staticmethod
    def possible():
        if shutil.which("ip") is None:
            return "no ip (iproute2)"
        tried = subprocess.run(["ip", "netns", "add", "gamlp-probe"], capture_output=True, text=True)
        if tried.returncode != 0:
            return "ip netns add: " + tried.stderr.strip()
        try:
            probe = ["ip", "netns", "exec", "gamlp-probe", "unshare", "--uts", "--pid", "--fork", "--mount-proc", "true"]
            tried = subprocess.run(probe, capture_output=True, text=True)
            veth = ["ip", "-n", "gamlp-probe", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1"]
            made = subprocess.run(veth, capture_output=True, text=True)
            bridge = ["ip", "-n", "gamlp-probe", "link", "add", "bridge", "type", "bridge"]
            bridged = subprocess.run(bridge, capture_output=True, text=True)
            return (tried.stderr + made.stderr + bridged.stderr).strip()
        finally:
            subprocess.run(["ip", "netns", "del", "gamlp-probe"], capture_output=True)

    def launcher(self, each=1):
        """The command that starts processes on the hosts, `each` of them per host."""
        network = f"10.{self.number}.77.0/24"
        options = {
            "plm_rsh_agent": str(self.agent),
            "btl": "tcp,self",
            "btl_tcp_if_include": network,
            "oob_tcp_if_include": network,
        }
        command = ["ip", "netns", "exec", self.names[0], "mpirun", "--host", ",".join(f"{host}:{each}" for host in ["localhost"] + self.addresses[1:])]
        for key, value in options.items():
            command += ["--mca", key, value]
        return command

    def counters(self, i):
        folder = f"/sys/class/net/{self.links[i]}/statistics/"
        read = ["ip", "netns", "exec", self.switch, "cat", folder + "rx_bytes", folder + "tx_bytes"]
        received, sent = subprocess.run(read, check=True, capture_output=True, text=True).stdout.split()
        return {"sent": int(received), "received": int(sent)}  # of the rank: the switch's other way round

    def cut(self, i):
        self.ip("-n", self.switch, "link", "set", self.links[i], "down")

    def close(self):
        for name in self.names + [self.switch]:
            pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split()
            for pid in pids:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except OSError:
                    pass
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def launch(command, output):
    return subprocess.Popen(
        [str(c) for c in command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=ENVIRONMENT,
        start_new_session=True,
    )


def end(child):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        pass
    child.wait()


def mpirun(ranks):
    return ["mpirun", "--oversubscribe", "--bind-to", "none", "-np", ranks]


def placed(shards, order):
    return ["--set", f"partition.shards={shards}", "--set", f"partition.order={order}"]


class Reference:
    """A config, and what comes of a run that nothing happens to."""

    def __init__(self, program, folder, grids, config):
        self.grids = grids
        self.config = folder / f"{grids}.json"
        self.config.write_text(json.dumps(config))
        whole = folder / f"whole-{grids}"
        subprocess.run([program, "train", self.config, "--devices", "cpu:1", "--run", whole, "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
        ranks, shards = GRIDS[grids][-1]
        begin = time.monotonic()
        train = [program, "train", self.config, "--devices", "cpu", "--run", folder / f"timed-{grids}", "--quiet"]
        subprocess.run([str(c) for c in mpirun(ranks) + train + placed(shards, "shards")], check=True,
                       stdout=subprocess.DEVNULL, env=ENVIRONMENT)
        self.seconds = time.monotonic() - begin
        self.log, self.weights = log_of(whole), weights_of(whole)
        print(f"{grids}: a run of {ranks} ranks that nothing happens to takes {self.seconds:.1f} s", flush=True)


class Trial:
    def __init__(self, arguments, reference, folder, number, kind):
        self.random = random.Random(arguments.seed * 100003 + number)
        self.program, self.reference = arguments.program, reference
        self.folder = folder / f"trial{number}"
        self.folder.mkdir()
        self.run = self.folder / "run"
        self.kind = kind
        self.ranks, self.shards = self.random.choice(GRIDS[reference.grids])
        self.order = self.random.choice(["shards", "layers"])
        self.victim = self.random.randrange(self.ranks)
        self.apart = kind in ("cut", "away")
        if self.apart and self.victim == 0:
            self.victim = 1  # the launcher's own host: cutting it off is cutting off all others
        self.moment = self.random.random()
        self.problems = []
        self.launcher_hung = self.launcher_first = False

    def problem(self, text):
        self.problems.append(text)

    def harm(self, hosts, pids):
        pid = pids[self.victim]
        if self.kind == "cut":
            return hosts.cut(self.victim)
        if self.kind == "memory":
            # Half of what it has: the next buffer of some size fails, or std::bad_alloc.
            resource.prlimit(pid, resource.RLIMIT_AS, (1 << 20, resource.RLIM_INFINITY))
            return None
        os.kill(pid, {"kill": signal.SIGKILL, "away": signal.SIGKILL, "crash": signal.SIGSEGV, "stop": signal.SIGSTOP}[self.kind])

    def wait_for_ranks(self, child):
        until = time.monotonic() + 20
        while time.monotonic() < until and child.poll() is None:
            ranks = {rank_of(pid): pid for pid in processes_of(self.run)}
            if all(rank in ranks for rank in range(self.ranks)):
                return ranks
            time.sleep(0.005)
        return None

    def go(self):
        """A dictionary of what was seen, or None when the run was over before it could be harmed."""
        hosts = Hosts(self.ranks, self.folder) if self.apart else None
        output = self.folder / "output"
        train = [self.program, "train", self.reference.config, "--devices", "cpu", "--run", self.run, "--quiet"]
        train += placed(self.shards, self.order)
        child = None
        try:
            with output.open("wb") as sink:
                child = launch((hosts.launcher() + ["-np", self.ranks] if hosts else mpirun(self.ranks)) + train, sink)
                pids = self.wait_for_ranks(child)
                if pids is None:
                    self.problem("the ranks did not start")
                    return self.seen(0, output)
                time.sleep(self.moment * self.reference.seconds)
                if child.poll() is not None or (self.run / "result.json").exists():
                    return None
                begin = time.monotonic()
                try:
                    self.harm(hosts, pids)
                except ProcessLookupError:
                    return None
                # Where the launcher hangs on a host that it cannot reach, the ranks count.
                while time.monotonic() - begin < END_LIMIT and child.poll() is None:
                    if self.kind == "cut" and not processes_of(self.run):
                        break
                    time.sleep(0.02)
                seconds = time.monotonic() - begin
                time.sleep(0.05)
            left = processes_of(self.run)
            if left:
                self.problem(f"processes are left after {seconds:.1f} s: {left}")
            status = child.poll()
            if status is None and self.kind != "cut":
                self.launcher_hung = not left and self.starting_when_harmed(output)
                if not self.launcher_hung:
                    self.problem(f"the launcher did not end in {seconds:.1f} s")
            if status == 0:
                if (self.run / "result.json").exists():
                    return None  # was over when it was harmed
                self.problem("the launcher says that all is well")
            self.check_output(output)
        finally:
            if child is not None:
                end(child)
            if hosts:
                hosts.close()
            for pid in processes_of(self.run):
                os.kill(pid, signal.SIGKILL)
        self.check_resume()
        return self.seen(seconds, output)

    def starting_when_harmed(self, output):
        """MPI was starting, and the launcher has told of the death: nothing of gamlp's is left to do."""
        text = output.read_text(errors="replace")
        told = "the job has been aborted" in text or "mpirun noticed that process rank" in text
        return told and not (self.run / "config.json").exists()

    def seen(self, seconds, output):
        text = output.read_text(errors="replace")
        return {"seconds": seconds, "problems": self.problems, "output": text, "trial": self}

    def check_output(self, output):
        text = output.read_text(errors="replace")
        if "GAMLP_START_TIMEOUT" in text:
            return
        if (self.run / "result.json").exists():
            return  # it had all but ended
        # Within MPI_Init nobody knows of the others but the launcher.
        starting = set(map(int, re.findall(r"gamlp: rank (\d+): asked to end while MPI was starting", text)))
        lines = [line for line in text.splitlines() if line.startswith("gamlp: rank ")]
        # What one of them meets while they set up is every rank's error, and told once, by rank 0.
        said = [line for line in text.splitlines() if line.startswith("gamlp: ")]
        victim = rf"gamlp: rank {self.victim} \(" if self.victim else r"gamlp: (?!rank )"
        if self.kind == "memory" and len(said) == 1 and re.match(victim, said[0]):
            if not list((self.run / "checkpoints").glob("*")):
                return
        named = {}
        for line in lines:
            who = int(re.match(r"gamlp: rank (\d+)", line).group(1))
            named[who] = line
        # A rank that had not come to main() by then says nothing at all.
        if not set(named) - {self.victim} - starting and not (self.run / "config.json").exists():
            if not starting and not re.search(rf"process rank {self.victim} |,{self.victim}\]", text):
                self.problem(f"nobody names rank {self.victim}")
            return
        for rank in range(self.ranks):
            if rank == self.victim or rank in starting:
                continue
            if rank not in named and self.kind == "away" and f"mpirun noticed that process rank {self.victim} " in text:
                self.launcher_first = True
            elif rank not in named:
                self.problem(f"rank {rank} says nothing")
            elif not re.search(rf"\brank {self.victim} \(", named[rank].split(": ", 2)[-1]):
                # Cut off, the victim's side blames rank 0.
                self.problem(f"rank {rank} does not name rank {self.victim}: {named[rank]}")

    def check_resume(self):
        if (self.run / "result.json").exists():
            return
        if not (self.run / "config.json").exists():
            if (self.run / "checkpoints").exists() and list((self.run / "checkpoints").iterdir()):
                self.problem("checkpoints without a config")
            return
        ranks, shards = self.random.choice(RESUMED[self.reference.grids])
        command = [self.program, "resume", self.run, "--quiet"] + placed(shards, self.random.choice(["shards", "layers"]))
        saved = list((self.run / "checkpoints").glob("epoch-*.safetensors"))
        done = subprocess.run(
            [str(c) for c in (mpirun(ranks) if ranks > 1 else []) + command],
            env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False,
        )
        if not saved:
            if done.returncode != 4 or "holds no usable checkpoint" not in done.stderr:
                self.problem(f"resume without a checkpoint: status {done.returncode}: {done.stderr}")
            return
        if done.returncode != 0:
            self.problem(f"resume on {ranks}: status {done.returncode}: {done.stderr}")
            return
        if log_of(self.run) != self.reference.log:
            self.problem(f"resume on {ranks}: other metrics")
        if weights_of(self.run) != self.reference.weights:
            self.problem(f"resume on {ranks}: other weights")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=100, help="trials")
    parser.add_argument("--kinds", default="kill,crash,stop,cut,away,memory")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the folders of trials")
    arguments = parser.parse_args()
    arguments.program = arguments.program.resolve()
    kinds = arguments.kinds.split(",")
    if {"cut", "away"} & set(kinds) and (why := Hosts.possible()):
        print(f"no network namespaces here, so no links are cut and nobody is killed away: {why}", flush=True)
        kinds = [kind for kind in kinds if kind not in ("cut", "away")]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gamlp-failures-"))
    references = [Reference(arguments.program, folder, "layers", CONFIG),
                  Reference(arguments.program, folder, "grid", GRID_CONFIG)]

    done = collections.Counter()
    failed = 0
    slowest = 0.0
    tried = hung = first = 0
    pending = [kinds[i % len(kinds)] for i in range(arguments.count)]

    def attempt(number, kind):
        for again in range(20):
            # Every kind meets both.
            reference = references[(number // len(kinds) + number % len(kinds)) % 2]
            trial = Trial(arguments, reference, folder, number * 100 + again, kind)
            seen = trial.go()
            if seen is not None:
                return seen
            shutil.rmtree(trial.folder)
        raise RuntimeError("every run was over before it could be harmed")

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        futures = [pool.submit(attempt, number, kind) for number, kind in enumerate(pending)]
        for future in concurrent.futures.as_completed(futures):
            seen = future.result()
            trial = seen["trial"]
            tried += 1
            hung += trial.launcher_hung
            first += trial.launcher_first
            if not trial.launcher_hung:
                slowest = max(slowest, seen["seconds"])
            done[trial.kind] += 1
            if seen["problems"]:
                failed += 1
                print(f"{trial.folder.name}: {trial.kind} of rank {trial.victim} of {trial.ranks} ({trial.shards} shards, by "
                      f"{trial.order}) at {trial.moment:.2f}:")
                for problem in seen["problems"]:
                    print(f"  {problem}")
                print("  output:\n    " + "\n    ".join(seen["output"].splitlines()[-25:]), flush=True)
            elif not arguments.keep:
                shutil.rmtree(trial.folder)
    summary = ", ".join(f"{count} {kind}" for kind, count in sorted(done.items()))
    print(f"{tried - failed} of {tried} failures survived ({summary}); the slowest ended after {slowest:.1f} s")
    if hung:
        print(f"the launcher itself hung in {hung} of them, after a death within MPI_Init")
    if first:
        print(f"the launcher killed the others in {first} of them before these could tell who is silent")
    if max(hung, first) > max(1, tried // 50):
        print("that is too often to be chance")
        failed += 1
    if not arguments.keep and failed == 0:
        shutil.rmtree(folder)
    return 1 if failed or tried == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
