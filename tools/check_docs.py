#!/usr/bin/env python3
"""Runs the commands that README.md, CONTRIBUTING.md and docs/*.md show, and checks their links.

    tools/check_docs.py [--program build/gamlp] [--page NAME]…     exit status 1 when something is wrong
    tools/check_docs.py --static                                   runs nothing: only links, forms and lengths
    tools/check_docs.py --links FOLDER                             only the links of the pages in FOLDER, an installed tree

Every block that begins with ```sh is run by bash -e, the blocks of a page in order, in a temporary folder of its own that
has build/gamlp (the program), configs, data, tools and tests. What a block writes stays for those behind it on the page.

A block that cannot run everywhere says why behind the word sh: ```sh needs=gpu, or needs=install,gpu. The reasons are in
NEEDS below. A block whose needs are all on this machine (mpi, numpy and matplotlib are looked for) runs. Of the others only the
form is checked: each `gamlp` has a subcommand and options that its --help knows, and files in configs, tools and tests exist.

Wrong are also: a link to a file or heading that is not there, a README.md of more than 110 lines or without a link to a page of
docs/, and a command in a block that is indented or not marked ```sh, since nobody would run it.
"""
from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "docs/*.md")
LINKED = (*PAGES, "data/*.md", "tools/*.md", "findings/*.md", "tests/results/**/*.md")
README_LINES = 110
SECONDS = 60  # that a block may take
NEEDS = {
    "gpu": "an NVIDIA GPU",
    "mpi": "mpirun, and a program built with MPI",
    "matplotlib": "Python with matplotlib",
    "numpy": "Python with numpy",
    "install": "installs packages or builds the program",
    "datasets": "files of public datasets",
    "hours": "takes long",
    "root": "network namespaces, so root",
}
FOLDERS = ("configs", "data", "tools", "tests")
TAKES_GAMLP = ("--program", "--gamlp", "--target")  # options of other programs, before the word gamlp


@dataclass
class Block:
    line: int  # of the page, 1-based, of the first line inside
    text: str = ""
    needs: list[str] = field(default_factory=list)


@dataclass
class Page:
    name: str
    text: str
    blocks: list[Block] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)  # the lines, those of fenced blocks empty
    problems: list[str] = field(default_factory=list)


def read_page(name: str, text: str) -> Page:
    page = Page(name, text)
    block: Block | None = None
    fence, opened = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"(`{3,})\s*(.*?)\s*$", line)
        if fence:
            page.prose.append("")
            if mark and mark[1] == fence and not mark[2]:
                fence, block = "", None
            elif block:
                block.text += line + "\n"
            elif re.match(r"\s*(\$ )?(\S*/)?gamlp ", line):
                page.problems.append(f"{name}:{number}: a command in a block that is not marked ```sh: {line.strip()}")
        elif mark:
            page.prose.append("")
            fence, opened = mark[1], number
            words = mark[2].split()
            if words and words[0] in ("sh", "bash", "shell", "console"):
                block = Block(number + 1)
                if words[0] != "sh":
                    page.problems.append(f"{name}:{number}: a block of commands begins with ```sh, not ```{words[0]}")
                for word in words[1:]:
                    needs = word.removeprefix("needs=").split(",") if word.startswith("needs=") else [word]
                    for unknown in set(needs) - NEEDS.keys():
                        page.problems.append(f"{name}:{number}: unknown need \"{unknown}\", known are {', '.join(NEEDS)}")
                    block.needs += needs
                page.blocks.append(block)
        else:
            page.prose.append(line)
    if fence:
        page.problems.append(f"{name}:{opened}: the block that begins here does not end")
    return page


def indented_commands(page: Page) -> list[str]:
    found = []
    before, inside = "", False
    for number, line in enumerate(page.prose, 1):
        indented = line.startswith(("    ", "\t"))
        inside = indented and (inside or not before.strip())
        if inside and "gamlp " in line:
            found.append(f"{page.name}:{number}: a command in an indented block, make it ```sh: {line.strip()}")
        before = line
    return found


# ---- links ----


def anchors(text: str) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    found: set[str] = set()
    for line in read_page("", text).prose:
        if heading := re.match(r"#{1,6}\s+(.*?)\s*#*$", line):
            title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading[1])
            name = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            again = 1
            while (unique := name if again == 1 else f"{name}-{again - 1}") in found:
                again += 1
            found.add(unique)
    return found


def links(page: Page) -> list[tuple[int, str]]:
    found = []
    for number, line in enumerate(page.prose, 1):
        line = re.sub(r"`[^`]*`", "", line)
        found += [(number, target) for target in re.findall(r"\]\(([^)\s]+)[^)]*\)", line)]
    return found


def broken_links(root: Path, page: Page) -> list[str]:
    found = []
    for number, target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (root / page.name).parent / path if path else root / page.name
        if not file.exists():
            found.append(f"{page.name}:{number}: a link to {target}, and there is no such file")
        elif anchor and anchor not in anchors(file.read_text(encoding="utf-8")):
            found.append(f"{page.name}:{number}: a link to {target}, and the file has no such heading")
    return found


def unlinked_pages(root: Path, readme: Page) -> list[str]:
    targets = {target.partition("#")[0] for _, target in links(readme)}
    pages = sorted(path.relative_to(root).as_posix() for path in root.glob("docs/*.md"))
    return [f"README.md: no link to {name}" for name in pages if name not in targets]


# ---- the form of commands ----


class Program:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.helps: dict[str, set[str]] = {}
        self.version = self.ask("--version")
        self.subcommands = set(re.findall(r"^\s+([a-z]+)\s", self.ask("--help"), flags=re.M))

    def ask(self, *arguments: str) -> str:
        done = subprocess.run([self.path, *arguments], capture_output=True, text=True, check=False, timeout=SECONDS)
        return done.stdout

    def options(self, subcommand: str) -> set[str]:
        if subcommand not in self.helps:
            self.helps[subcommand] = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", self.ask(subcommand, "--help")))
        return self.helps[subcommand]


def commands(block: Block) -> list[tuple[int, list[str]]]:
    """Line of the page and words of each command, the operators between commands left out."""
    found: list[tuple[int, list[str]]] = []
    lines = block.text.splitlines()
    at = 0
    while at < len(lines):
        first, text = at, lines[at]
        while text.endswith("\\") and at + 1 < len(lines):
            at += 1
            text = text[:-1] + " " + lines[at]
        at += 1
        lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;()<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|&;()"):
                if words:
                    found.append((block.line + first, words))
                words = []
            else:
                words.append(word)
    return found


def malformed(page: Page, block: Block, program: Program, root: Path) -> list[str]:
    found = []
    try:
        all_commands = commands(block)
    except ValueError as error:
        return [f"{page.name}:{block.line}: {error} in the block that begins here"]
    for line, words in all_commands:
        where = f"{page.name}:{line}"
        found += [f"{where}: there is no {word}" for word in words
                  if word.split("/")[0] in FOLDERS[:1] + FOLDERS[2:] and "/" in word and not (root / word).exists()]
        at = next((i for i, word in enumerate(words) if Path(word).name == "gamlp" and (i == 0 or words[i - 1] not in TAKES_GAMLP)), None)
        if at is None or at + 1 == len(words) or words[at + 1] in ("--help", "--version"):
            continue
        subcommand = words[at + 1]
        if subcommand not in program.subcommands:
            found.append(f"{where}: gamlp has no subcommand {subcommand}")
            continue
        options = {word.partition("=")[0] for word in words[at + 2:] if re.match(r"--?[a-z]", word)}
        found += [f"{where}: gamlp {subcommand} has no option {option}" for option in sorted(options - program.options(subcommand))]
    return found


# ---- running ----


def python_with(module: str) -> str | None:
    """The first python3 of the path, or the system's, that has a module."""
    for candidate in ("python3", "/usr/bin/python3"):
        path = shutil.which(candidate)
        if path and subprocess.run([path, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0:
            return path
    return None


def is_here(need: str, program: Program) -> bool:
    """Only some can be looked for; the others count as not there."""
    if need == "mpi":
        return bool(shutil.which("mpirun") and re.search(r"^MPI: (?!not )", program.version, flags=re.M))
    return need in ("numpy", "matplotlib") and python_with(need) is not None


def environment(block: Block, beside: Path) -> dict[str, str]:
    more = {"PYTHONDONTWRITEBYTECODE": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
    for name in ("OMPI", "PRTE"):  # mpirun refuses to start for root, as whom a container runs
        more |= {f"{name}_ALLOW_RUN_AS_ROOT": "1", f"{name}_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    for need in block.needs:
        if need in ("numpy", "matplotlib") and (python := python_with(need)):
            (beside / "python3").unlink(missing_ok=True)
            (beside / "python3").symlink_to(python)
            more["PATH"] = f"{beside}:{os.environ['PATH']}"
    return {**os.environ, **more}


def make_folder(folder: Path, root: Path, program: Path) -> None:
    (folder / "build").mkdir()
    (folder / "build/gamlp").symlink_to(program.resolve())
    for name in FOLDERS:
        if (root / name).exists():
            (folder / name).symlink_to(root / name)


def command_at(block: Block, line: int) -> tuple[int, str]:
    """The whole command that the line (of the block, 1-based) is part of, and the page's line where it begins."""
    lines = block.text.splitlines()
    line = min(max(line, 1), len(lines))
    first, last = line, line
    while first > 1 and lines[first - 2].endswith("\\"):
        first -= 1
    while last < len(lines) and lines[last - 1].endswith("\\"):
        last += 1
    return block.line + first - 1, "\n".join(lines[first - 1:last])


def run_block(page: Page, block: Block, folder: Path, seconds: float) -> str | None:
    """What went wrong, or nothing."""
    with tempfile.TemporaryDirectory() as beside:
        script, failed = Path(beside) / "block.sh", Path(beside) / "line"
        script.write_text(f"trap 'echo $LINENO > {failed}' ERR\n{block.text}", encoding="utf-8")
        process = subprocess.Popen(["bash", "-e", "-o", "pipefail", script], cwd=folder, env=environment(block, Path(beside)), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        try:
            output, _ = process.communicate(timeout=seconds)
            ended = f"ended with status {process.returncode}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            ended = f"did not end in {seconds:g} s"
        if process.returncode == 0:
            return None
        number = int(failed.read_text()) - 1 if failed.exists() else 1
    line, command = command_at(block, number)
    shown = "\n".join("  | " + text for text in output.splitlines()[-30:])
    return f"{page.name}:{line}: {ended}:\n  {command}\n{shown}".rstrip()


def run_page(page: Page, root: Path, program: Program, seconds: float = SECONDS) -> list[str]:
    """Runs its blocks, prints those that it cannot run, and returns what went wrong."""
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="gamlp-docs-") as name:
        folder = Path(name)
        make_folder(folder, root, program.path)
        for block in page.blocks:
            if missing := [need for need in block.needs if not is_here(need, program)]:
                print(f"{page.name}:{block.line}: not run, it needs: {'; '.join(NEEDS.get(need, need) for need in missing)}")
                found += malformed(page, block, program, root)
            elif wrong := run_block(page, block, folder, seconds):
                found.append(wrong)
                break  # those behind it need what it would have made
    return found


# ---- all of it ----


def read_pages(root: Path, patterns: tuple[str, ...]) -> list[Page]:
    files = dict.fromkeys(path for pattern in patterns for path in sorted(root.glob(pattern)))
    return [read_page(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")) for path in files]


def static_problems(root: Path) -> list[str]:
    pages = read_pages(root, PAGES)
    found = [problem for page in pages for problem in page.problems + indented_commands(page)]
    found += [problem for page in read_pages(root, LINKED) for problem in broken_links(root, page)]
    readme = next((page for page in pages if page.name == "README.md"), None)
    if readme is None:
        return [*found, "README.md: there is none"]
    lines = len(readme.text.splitlines())
    if lines > README_LINES:
        found.append(f"README.md: {lines} lines, at most {README_LINES} are allowed")
    return found + unlinked_pages(root, readme)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "build/gamlp")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)  # of the tests
    parser.add_argument("--page", action="append", default=[], help="run only this page's commands (README.md, docs/cuda.md)")
    parser.add_argument("--static", action="store_true")
    parser.add_argument("--links", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    if args.links:
        root = args.links.resolve()
        pages = read_pages(root, LINKED)
        found = [problem for page in pages for problem in broken_links(root, page)]
        print("\n".join(found) if found else f"the links of {len(pages)} pages lead somewhere")
        return 1 if found or not pages else 0
    root = args.root.resolve()
    found = static_problems(root)
    pages = [page for page in read_pages(root, PAGES) if not args.page or page.name in args.page]
    if args.page and len(pages) < len(set(args.page)):
        parser.error(f"pages are {', '.join(page.name for page in read_pages(root, PAGES))}")
    if not args.static:
        if not os.access(args.program, os.X_OK) or not args.program.is_file():
            parser.error(f"there is no {args.program}: build it, or name another by --program")
        program = Program(args.program.resolve())
        for page in pages:
            start = time.monotonic()
            wrong = run_page(page, root, program)
            found += wrong
            count = f"{len(page.blocks)} block{'' if len(page.blocks) == 1 else 's'}"
            print(f"{page.name}: {count}, {time.monotonic() - start:.1f} s{', FAILED' if wrong else ''}", flush=True)
    for line in found:
        print(line)
    if not found:
        print(f"{len(pages)} pages are right")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
