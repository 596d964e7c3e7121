#!/usr/bin/env python3
"""Tests of check_records.py on a repository made here, and on this one's records."""
from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True
import check_records

PAGE = "# Results\n\n## Speed\n\n| a |\n|---|\n| 1 |\n\n## Words\n\nNo table.\n"


class Records(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        self.results = self.dir / "results"
        self.results.mkdir()
        (self.results / "README.md").write_text(PAGE)
        (self.results / "speed.json").write_text("{}")
        self.git("init", "--quiet")
        self.first = self.commit("fast.cpp")
        self.commit("other.cpp")

    def git(self, *arguments: str) -> str:
        return subprocess.run(["git", "-C", str(self.dir), "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
                              capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, name: str) -> str:
        (self.dir / name).write_text(self.id())
        with (self.dir / name).open("a") as file:
            file.write(str(len(list(self.dir.iterdir()))))
        self.git("add", name)
        self.git("commit", "--quiet", "--allow-empty", "-m", name)
        return self.git("rev-parse", "--short=7", "HEAD")

    def run_main(self, **changes: Any) -> tuple[int, str, str]:
        record = {"section": "Speed", "files": ["speed.json"], "commit": self.first, "measures": ["fast.cpp"]} | changes
        record = {key: value for key, value in record.items() if value is not None}
        (self.results / "records.json").write_text(json.dumps({"records": [record]}))
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = check_records.main(["--results", str(self.results)])
        return status, out.getvalue(), err.getvalue()

    def test_tells_records_that_are_older_than_their_code(self) -> None:
        status, out, err = self.run_main()
        self.assertEqual((status, err), (0, ""))
        self.assertIn(f"Speed: commit {self.first} of ", out)
        self.assertIn(", current", out)
        (self.dir / "fast.cpp").write_text("faster")
        self.git("commit", "--quiet", "-am", "faster")
        status, out, err = self.run_main()
        self.assertEqual((status, err), (0, ""))  # it tells, and fails nobody
        self.assertIn("1 later commit touches what it measures", out)

    def test_every_record_names_a_commit_of_the_history(self) -> None:
        for commit, says in ((None, "names no commit"), ("soon", "names no commit"), ("abcdef0", "not in the history")):
            status, _, err = self.run_main(commit=commit)
            self.assertEqual(status, 1)
            self.assertIn(says, err)

    def test_every_table_and_file_has_a_record(self) -> None:
        for changes, says in (({"section": None}, 'section "Speed"'), ({"files": []}, "no record of the file speed.json"),
                              ({"files": ["speed.json", "gone.json"]}, "no file gone.json"),
                              ({"section": "Sped"}, 'no section "Sped"'), ({"measures": []}, "names nothing"),
                              ({"measures": ["gone.cpp"]}, "gone.cpp, which is not there")):
            status, _, err = self.run_main(**changes)
            self.assertEqual(status, 1, changes)
            self.assertIn(says, err)

    def test_the_records_of_this_project(self) -> None:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = check_records.main([])
        self.assertEqual(status, 0, err.getvalue())
        self.assertIn("Against CPU workers", out.getvalue())


if __name__ == "__main__":
    unittest.main()
