#!/usr/bin/env python3
"""Plants faults in the program, one at a time, and reports those that no test notices.

    tools/mutants.py --build build                every fault of tests/mutants/*.toml (the same as --all)
    tools/mutants.py --build build --minutes 5    as many as fit, from a place on that moves with every commit
    tools/mutants.py --build build --only objective

A fault replaces a text of one source file. Neither the sources nor the build change: the mutated file lies in a folder
of its own, the objects that depend on it are compiled again by the build's own commands, and linked before the libraries
that hold the others. Then the tests run that the fault names. Public datasets are hidden from them.

Exit status: 0 every fault is caught, 1 some survive, 2 the list or the build cannot be used.
"""
import argparse
import concurrent.futures
import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Unusable(Exception):
    """The list of faults or the build is not what it should be."""


@dataclass
class Mutant:
    name: str
    file: str
    find: str
    replace: str
    tests: list
    equivalent: str = ""
    origin: str = ""

    def mutated(self):
        text = (ROOT / self.file).read_text()
        if text.count(self.find) != 1:
            raise Unusable(f"{self.origin}: \"{self.name}\": {self.file} holds {text.count(self.find)} times, expected once:"
                           f"\n{self.find}")
        return text.replace(self.find, self.replace)


def read_mutants(folder):
    mutants = []
    for path in sorted(folder.glob("*.toml")):
        try:
            document = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise Unusable(f"{path}: {error}") from error
        for entry in document.get("mutant", []):
            try:
                mutant = Mutant(origin=path.name, **entry)
            except TypeError as error:
                raise Unusable(f"{path}: {entry.get('name', entry)}: {error}") from error
            if mutant.find == mutant.replace or not (mutant.tests or mutant.equivalent):
                raise Unusable(f"{path}: \"{mutant.name}\" changes nothing, or names no test")
            mutants.append(mutant)
    names = [mutant.name for mutant in mutants]
    for name in set(names):
        if names.count(name) > 1:
            raise Unusable(f"{folder}: two faults are called \"{name}\"")
    return mutants


@dataclass
class Target:
    """An executable: the command that links it, and its objects' commands."""
    link: list
    objects: dict = field(default_factory=dict)


class Build:
    """Reads commands and dependencies of a build by ninja, and repeats some of them with a mutated file."""

    def __init__(self, folder):
        self.folder = folder.resolve()
        if not (self.folder / "build.ninja").exists():
            raise Unusable(f"{folder}: no build by ninja is here")
        self.targets = {}
        self.healthy = {}  # tests that were run without a fault
        self.lock = threading.Lock()
        self.dependencies = self._read_dependencies()

    def _ninja(self, *arguments):
        done = subprocess.run(["ninja", "-C", self.folder, "-t", *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise Unusable(f"ninja -t {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def _read_dependencies(self):
        dependencies, current = {}, None
        for line in self._ninja("deps").splitlines():
            if line.startswith("    "):
                path = (self.folder / line.strip()).resolve()
                if path.is_relative_to(ROOT):
                    dependencies[current].add(str(path.relative_to(ROOT)))
            elif ": #deps" in line:
                current = line.split(": #deps")[0]
                dependencies[current] = set()
        return dependencies

    def target(self, name):
        if name not in self.targets:
            target = Target([])
            for line in self._ninja("commands", name).splitlines():
                words = shlex.split(line)
                if "-c" in words and "-o" in words:
                    target.objects[words[words.index("-o") + 1]] = words
                elif "-o" in words and words[words.index("-o") + 1] == name:
                    target.link = [word for word in words if word not in (":", "&&")]
            if not target.link:
                raise Unusable(f"{self.folder}: no command links {name}")
            self.targets[name] = target
        return self.targets[name]

    def expect_pass(self, test, seconds):
        """A test that fails without a fault catches nothing: runs it once as it was built."""
        with self.lock:
            answer = self.healthy.setdefault(test, concurrent.futures.Future())
            first = not hasattr(answer, "taken")
            answer.taken = True
        if first:
            try:
                answer.set_result(self.run_as_built(test, seconds))
            except Exception as error:  # for everybody who waits
                answer.set_exception(error)
        done = answer.result()
        if done.returncode != 0:
            raise Unusable(f"{test} fails without a fault, or is skipped:\n{done.stdout[-2000:]}{done.stderr[-500:]}")

    def run_as_built(self, test, seconds):
        name, _, selected = test.partition(":")
        if name.endswith(".py"):
            command = [python_of_tools(), "-B", ROOT / name]
        else:
            command = [self.folder / test_executable(name), *([selected.strip()] if selected.strip() else [])]
        with tempfile.TemporaryDirectory(prefix="gamlp-mutant-") as work:
            return run(command, work, env=hidden_datasets(), timeout=seconds)

    def compile(self, words, mutant, shadow, out):
        """The object's command, for the mutated file."""
        words = list(words)
        source = Path(words[words.index("-c") + 1])
        if source == ROOT / mutant.file:
            words[words.index("-c") + 1] = str(shadow / mutant.file)
        elif source.suffix == ".cxx":  # several sources at a time
            unity = shadow / (out.name + ".cxx")
            unity.write_text(source.read_text().replace(str(ROOT / mutant.file), str(shadow / mutant.file)))
            words[words.index("-c") + 1] = str(unity)
        words[words.index("-o") + 1] = str(out)
        for option in ("-MF", "-MT"):  # no dependency file of the build is touched
            if option in words:
                words[words.index(option) + 1] = str(out) + (".d" if option == "-MF" else "")
        # Warnings of the mutated text are not the question. Includes find the mutated header first.
        compiler = next(i for i, word in enumerate(words) if word.endswith(("++", "cc", "clang")) and "ccache" not in word)
        words[compiler + 1:compiler + 1] = [f"-I{shadow}", "-w"]
        return [word for word in words if word != "-Werror"]

    def executable(self, name, mutant, shadow):
        """Builds the executable with the mutated file. None when it does not compile."""
        target = self.target(name)
        fresh = {}
        for number, (out, words) in enumerate(target.objects.items()):
            if mutant.file not in self.dependencies.get(out, ()):
                continue
            fresh[out] = shadow / f"{Path(name).name}-{number}.o"
            if run(self.compile(words, mutant, shadow, fresh[out]), self.folder).returncode != 0:
                return None
        if not fresh:
            raise Unusable(f"\"{mutant.name}\": nothing in {name} depends on {mutant.file}")
        link, result = [], shadow / Path(name).name
        for word in target.link:
            link.append(str(fresh.pop(word)) if word in fresh else word)
        place = link.index("-o")
        link[place + 1] = str(result)
        link[place:place] = [str(path) for path in fresh.values()]  # of libraries
        done = run(link, self.folder)
        if done.returncode != 0:
            raise Unusable(f"\"{mutant.name}\": linking {name}: {done.stderr[-2000:]}")
        return result


def hidden_datasets():
    return {**os.environ, "GAMLP_DATASETS": "/nonexistent"}


def test_executable(name):
    """tests/cpu/test_cpu of "cpu", tests/methods/admm/test_admm of "methods/admm", tests/cpu/test_cpu_threads of "cpu/cpu_threads"."""
    folder, _, program = name.rpartition("/")
    return f"tests/{name if (ROOT / 'tests' / name).is_dir() else folder}/test_{program}"


def mutated_executable(name):
    """What is built for a test: itself, or the program that it runs."""
    return "gamlp" if name in ("cli", "mpi") else test_executable(name)


def run(command, folder, **options):
    return subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True, errors="replace",
                          **options)


def python_test(mutant, test, shadow):
    """A test of the Python tools, in a copy of them."""
    for name in ("tools", "configs", "tests", "data"):
        if name == "tools":
            shutil.copytree(ROOT / name, shadow / "copy" / name)
        else:
            (shadow / "copy" / name).symlink_to(ROOT / name)
    (shadow / "copy" / mutant.file).write_text(mutant.mutated())
    return [python_of_tools(), "-B", shadow / "copy" / test]


@functools.cache
def python_of_tools():
    """The first Python that has what most of the tools' tests need."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        try:
            if run([candidate, "-c", "import numpy, matplotlib"], ROOT).returncode == 0:
                return candidate
        except OSError:
            continue
    raise Unusable("no Python here has numpy and matplotlib, which the tools' tests need")


def caught(mutant, build, seconds):
    """What a test says of the mutant, "" where no test notices it."""
    with tempfile.TemporaryDirectory(prefix="gamlp-mutant-") as folder:
        shadow = Path(folder)
        place = shadow / mutant.file
        place.parent.mkdir(parents=True)
        place.write_text(mutant.mutated())
        environment = hidden_datasets()
        executables = {}
        for test in mutant.tests:
            name, _, selected = test.partition(":")
            if name.endswith(".py"):
                command = python_test(mutant, name, shadow)
            else:
                path, wanted = test_executable(name), mutated_executable(name)
                program = wanted != path
                if wanted not in executables:
                    executables[wanted] = build.executable(wanted, mutant, shadow)
                if executables[wanted] is None:
                    return "the compiler"
                if program:
                    environment["GAMLP_TEST_PROGRAM"] = str(executables[wanted])
                command = [build.folder / path if program else executables[wanted], "--abort"]
                command += [selected.strip()] if selected.strip() else []
            build.expect_pass(test, seconds)
            work = shadow / "work"
            work.mkdir(exist_ok=True)
            try:
                done = run(command, work, env=environment, timeout=seconds)
            except subprocess.TimeoutExpired:
                return f"{test} (no end after {seconds} s)"
            if "No test cases matched" in done.stdout + done.stderr:
                raise Unusable(f"\"{mutant.name}\": no test matches {test}")
            if done.returncode == 77:
                raise Unusable(f"\"{mutant.name}\": {test} was skipped, and says nothing: {done.stdout[-300:]}")
            if done.returncode != 0:
                return test
    return ""


def rotation(count):
    """Where to begin: another place after every commit."""
    done = run(["git", "rev-parse", "HEAD"], ROOT)
    return int(done.stdout[:12], 16) % count if re.fullmatch(r"[0-9a-f]{40}\s*", done.stdout) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="a finished build by ninja, with tests")
    parser.add_argument("--minutes", type=float, help="begin no further fault after this time")
    parser.add_argument("--all", action="store_true", help="every fault (the default)")
    parser.add_argument("--only", default="", help="faults whose name or file holds this text")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=int, default=240, help="seconds that a test may take")
    parser.add_argument("--list", action="store_true", help="check and count the list, run nothing")
    arguments = parser.parse_args()

    mutants = [m for m in read_mutants(ROOT / "tests/mutants") if arguments.only in m.name or arguments.only in m.file]
    if not mutants:
        raise Unusable("no fault is called so")
    for mutant in mutants:
        mutant.mutated()
    tried = [mutant for mutant in mutants if not mutant.equivalent]
    print(f"{len(mutants)} faults, {len(mutants) - len(tried)} of them change nothing that can be seen, and say why")
    if arguments.list:
        return 0
    build = Build(arguments.build)
    for mutant in tried:  # so that threads only read
        for test in mutant.tests:
            name = test.partition(":")[0]
            if not name.endswith(".py"):
                build.target(mutated_executable(name))
    start = time.monotonic()
    first = rotation(len(tried)) if arguments.minutes else 0
    order = tried[first:] + tried[:first]
    survivors, done = [], 0

    def examine(mutant):
        if arguments.minutes and time.monotonic() - start > 60 * arguments.minutes:
            return None
        return caught(mutant, build, arguments.timeout)

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for mutant, result in zip(order, pool.map(examine, order)):
            if result is None:
                continue
            done += 1
            print(f"{'caught  ' if result else 'SURVIVED'} {mutant.file}: {mutant.name}{' · ' + result if result else ''}",
                  flush=True)
            if not result:
                survivors.append(mutant)
    print(f"{done} of {len(tried)} tried in {time.monotonic() - start:.0f} s, {len(survivors)} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unusable as error:
        print(f"mutants: {error}", file=sys.stderr)
        sys.exit(2)
