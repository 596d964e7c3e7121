#!/usr/bin/env python3
"""Tests of check_docs.py on pages made here, with a program that is a script."""
from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
import check_docs

PROGRAM = """#!/bin/sh
case "$1 $2" in
  "--help "*) printf 'Usage\\n\\nSubcommands:\\n  train                       Train\\n  info  Describe\\n' ;;
  "--version "*) printf 'gamlp 0\\nMPI: %s\\n' "${FAKE_MPI:-not in this build}" ;;
  "train --help") printf -- '  -h,--help\\n  --set TEXT ...\\n  --dry-run  see --run-time\\n' ;;
  "info --help") printf -- '  --json\\n' ;;
  "train bad.json") echo "bad.json: no such file"; exit 3 ;;
  "train "*) mkdir -p runs && echo "$2" > runs/trained ;;
  "info "*) cat runs/trained ;;
esac
"""


def page(*blocks: str) -> str:
    return "# A page\n\n" + "\n".join(blocks)


def block(text: str, info: str = "sh") -> str:
    return f"```{info}\n{text}\n```\n"


class Docs(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve() / "repository"
        self.write("README.md", "# Read me\n\n[a page](docs/a.md)\n")
        self.write("docs/a.md", page())
        self.write("configs/quick.json", "{}")
        self.write("tools/tool.sh", "echo a tool\n")
        self.path = self.root.parent / "gamlp"
        self.path.write_text(PROGRAM)
        self.path.chmod(0o755)
        self.program = check_docs.Program(self.path)

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, encoding="utf-8")

    def static(self, name: str, text: str) -> list[str]:
        self.write(name, text)
        return check_docs.static_problems(self.root)

    def run_page(self, text: str, seconds: float = 20) -> tuple[list[str], str]:
        """What was wrong, and what was printed."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            found = check_docs.run_page(check_docs.read_page("docs/a.md", text), self.root, self.program, seconds)
        return found, out.getvalue()


class Static(Docs):
    def test_pages_that_are_right(self) -> None:
        self.assertEqual(self.static("docs/a.md", page(block("build/gamlp train quick.json"), "[read me](../README.md#read-me)\n")), [])

    def test_a_link_to_no_file(self) -> None:
        self.assertEqual(self.static("docs/a.md", page("see\n[this](b.md)\n")),
                         ["docs/a.md:4: a link to b.md, and there is no such file"])

    def test_a_picture_that_is_not_there(self) -> None:
        self.assertEqual(self.static("docs/a.md", page("![x](x.png)\n")), ["docs/a.md:3: a link to x.png, and there is no such file"])

    def test_a_link_to_no_heading(self) -> None:
        self.assertEqual(self.static("docs/a.md", page("[this](../README.md#read-us), [own](#a-page), [none](#b)\n")),
                         ["docs/a.md:3: a link to ../README.md#read-us, and the file has no such heading",
                          "docs/a.md:3: a link to #b, and the file has no such heading"])

    def test_links_that_are_no_links(self) -> None:
        self.assertEqual(self.static("docs/a.md", page("`[x](y.md)`, [web](https://example.org/x), `a[i](j)`\n", block("echo '[x](y.md)'"))), [])

    def test_links_of_other_pages(self) -> None:
        self.assertEqual(self.static("data/README.md", "[x](y.md)\n"), ["data/README.md:1: a link to y.md, and there is no such file"])

    def test_names_of_headings(self) -> None:
        text = "## `gamlp plan`, what's new?\n## Twice\n## Twice\n### A [link](x.md) — é\n```sh\n# no heading\n```\n"
        self.assertEqual(check_docs.anchors(text), {"gamlp-plan-whats-new", "twice", "twice-1", "a-link--é"})

    def test_a_long_readme(self) -> None:
        lines = "# Read me\n[a page](docs/a.md)\n" + "x\n" * 109
        self.assertEqual(self.static("README.md", lines), ["README.md: 111 lines, at most 110 are allowed"])
        self.assertEqual(self.static("README.md", lines[:-2]), [])

    def test_no_readme(self) -> None:
        (self.root / "README.md").unlink()
        self.assertEqual(check_docs.static_problems(self.root), ["README.md: there is none"])

    def test_a_page_that_the_readme_does_not_link(self) -> None:
        self.assertEqual(self.static("docs/b.md", "# B\n"), ["README.md: no link to docs/b.md"])

    def test_an_indented_command(self) -> None:
        self.assertEqual(self.static("docs/a.md", page("so:\n\n    mkdir x\n    build/gamlp train x\n")),
                         ["docs/a.md:6: a command in an indented block, make it ```sh: build/gamlp train x"])
        self.assertEqual(self.static("docs/a.md", page("- a list that\n    goes on about gamlp here\n\n    a ──► picture\n")), [])

    def test_a_command_in_another_block(self) -> None:
        self.assertEqual(self.static("docs/a.md", page(block("$ build/gamlp train x", "text"))),
                         ["docs/a.md:4: a command in a block that is not marked ```sh: $ build/gamlp train x"])
        self.assertEqual(self.static("docs/a.md", page(block("gamlp: a message", "text"))), [])

    def test_another_word_for_sh(self) -> None:
        self.assertEqual(self.static("docs/a.md", page(block("true", "bash"))),
                         ["docs/a.md:3: a block of commands begins with ```sh, not ```bash"])

    def test_an_unknown_need(self) -> None:
        for info in ("sh needs=luck", "sh luck", "sh needs=gpu,luck"):
            found = self.static("docs/a.md", page(block("true", info)))
            self.assertEqual([line.split(", known")[0] for line in found], ['docs/a.md:3: unknown need "luck"'])

    def test_a_block_without_end(self) -> None:
        self.assertEqual(self.static("docs/a.md", page("```sh\ntrue\n")), ["docs/a.md:3: the block that begins here does not end"])

    def test_this_repository(self) -> None:
        self.assertEqual(check_docs.static_problems(check_docs.ROOT), [])


class Running(Docs):
    def test_blocks_share_a_folder_and_leave_the_repository_alone(self) -> None:
        found, out = self.run_page(page(block("build/gamlp train configs/quick.json"), "text\n", block("build/gamlp info | grep quick\nsh tools/tool.sh")))
        self.assertEqual((found, out), ([], ""))
        self.assertFalse((self.root / "runs").exists())

    def test_a_command_that_fails(self) -> None:
        found, _ = self.run_page(page("text\n", block("echo first\nbuild/gamlp train \\\n    bad.json\necho not reached"), block("false")))
        self.assertEqual(found, ["docs/a.md:7: ended with status 3:\n  build/gamlp train \\\n    bad.json\n  | first\n  | bad.json: no such file"])

    def test_the_first_half_of_a_pipe_fails(self) -> None:
        found, _ = self.run_page(page(block("build/gamlp train bad.json | cat")))
        self.assertIn("docs/a.md:4: ended with status 3", found[0])

    def test_a_failure_that_is_wanted(self) -> None:
        self.assertEqual(self.run_page(page(block("build/gamlp train bad.json || echo \"status $?\""))), ([], ""))

    def test_no_shell_text(self) -> None:
        found, _ = self.run_page(page(block("if true")))
        self.assertTrue(found[0].startswith("docs/a.md:4: ended with status 2"), found)

    def test_a_block_that_does_not_end(self) -> None:
        found, _ = self.run_page(page(block("echo a; sleep 60")), seconds=0.5)
        self.assertEqual(found, ["docs/a.md:4: did not end in 0.5 s:\n  echo a; sleep 60\n  | a"])

    def test_needs_that_are_not_there(self) -> None:
        found, out = self.run_page(page(block("exit 1", "sh needs=gpu,hours")))
        self.assertEqual((found, out), ([], "docs/a.md:4: not run, it needs: an NVIDIA GPU; takes long\n"))

    def test_needs_that_are_there(self) -> None:
        mpi = page(block("exit 5", "sh needs=mpi"))
        self.assertEqual(self.run_page(mpi)[0], [])
        with mock.patch.object(check_docs.shutil, "which", return_value="/usr/bin/mpirun"):
            self.assertEqual(self.run_page(mpi)[0], [])  # the program was built without
            with mock.patch.dict(os.environ, FAKE_MPI="Open MPI 4"):
                self.program = check_docs.Program(self.path)
            self.assertIn("ended with status 5", self.run_page(mpi)[0][0])
        with mock.patch.object(check_docs, "python_with", return_value=None):
            self.assertEqual(self.run_page(page(block("exit 5", "sh needs=numpy")))[0], [])
        with mock.patch.object(check_docs, "python_with", return_value=sys.executable):
            self.assertIn("ended with status 5", self.run_page(page(block("python3 -c 'exit(5)'", "sh needs=numpy")))[0][0])


class Form(Docs):
    """Of commands that are not run."""

    def problems(self, text: str) -> list[str]:
        return self.run_page(page(block(text, "sh needs=gpu")))[0]

    def test_what_is_right(self) -> None:
        self.assertEqual(self.problems("build/gamlp train configs/quick.json --set 'a={\"b\": 1}' --dry-run -h   # --odd\n"
                                       "mpirun -np 2 --oversubscribe build/gamlp info x --json && build/gamlp --version\n"
                                       "tools/tool.sh --program build/gamlp --any\ncmake --build build --target gamlp --parallel"), [])

    def test_an_unknown_subcommand(self) -> None:
        self.assertEqual(self.problems("true\nbuild/gamlp trian x"), ["docs/a.md:5: gamlp has no subcommand trian"])

    def test_an_unknown_option(self) -> None:
        self.assertEqual(self.problems("build/gamlp info x; build/gamlp train x \\\n  --sets a=1 --json"),
                         ["docs/a.md:4: gamlp train has no option --json", "docs/a.md:4: gamlp train has no option --sets"])

    def test_a_file_that_is_not_there(self) -> None:
        self.assertEqual(self.problems("build/gamlp train configs/quack.json\ntools/none.sh --output runs/x"),
                         ["docs/a.md:4: there is no configs/quack.json", "docs/a.md:5: there is no tools/none.sh"])

    def test_a_quote_that_does_not_end(self) -> None:
        self.assertEqual(self.problems("build/gamlp train 'x"), ["docs/a.md:4: No closing quotation in the block that begins here"])


class Program(Docs):
    def check(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run([sys.executable, "-B", check_docs.__file__, "--root", self.root, "--program", self.path, *arguments],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_statuses(self) -> None:
        self.write("docs/a.md", page(block("build/gamlp train bad.json")))
        status, out = self.check()
        self.assertEqual(status, 1)
        self.assertIn("docs/a.md: 1 block,", out)
        self.assertIn("docs/a.md:4: ended with status 3", out)
        self.assertEqual(self.check("--page", "README.md")[0], 0)
        self.assertEqual(self.check("--static"), (0, "2 pages are right\n"))

    def test_what_it_cannot_use(self) -> None:
        self.assertIn("pages are README.md, docs/a.md", self.check("--page", "docs/b.md")[1])
        self.path.unlink()
        status, out = self.check()
        self.assertEqual(status, 2)
        self.assertIn("build it, or name another by --program", out)


if __name__ == "__main__":
    unittest.main()
