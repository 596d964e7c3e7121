#!/usr/bin/env python3
"""Lists the measured results that are older than the code that they measure.

    tools/check_records.py [--results tests/results]

RESULTS/records.json names every record: a section of RESULTS/README.md, its files beside it, the commit that was measured, and
the folders and files of the program that decide what it shows. The list is for people, who choose what to measure again.
Exit status: 0 listed, 1 a record names no commit (or one that the history lacks, or a path that is gone), or a section with a
table or a file belongs to no record; 2 usage.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

UNRECORDED = {"README.md", "records.json"}


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(self, *arguments: str) -> str | None:
        """What git prints; None where it fails."""
        done = subprocess.run(["git", "-C", str(self.folder), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def top(self) -> Path | None:
        top = self.git("rev-parse", "--show-toplevel")
        return Path(top) if top else None

    def is_shallow(self) -> bool:
        return self.git("rev-parse", "--is-shallow-repository") == "true"

    def date_of(self, commit: str) -> str | None:
        return self.git("log", "-1", "--format=%cs", commit, "--")

    def changes_since(self, commit: str, paths: list[str]) -> int:
        log = self.git("log", "--format=%h", f"{commit}..HEAD", "--", *(f":/{path}" for path in paths))
        return len(log.splitlines()) if log else 0


def measured_sections(page: Path) -> list[str]:
    """Headings of the page under which there is a table."""
    found: list[str] = []
    heading = ""
    for line in page.read_text().splitlines():
        if match := re.match(r"#{2,4} (.*)", line):
            heading = match[1]
        elif line.startswith("|---") and heading not in found:
            found.append(heading)
    return found


def unclaimed(results: Path, records: list[dict[str, Any]]) -> list[str]:
    """Sections and files that no record names, and those that a record names and that are not there."""
    faults = []
    headings = re.findall(r"^#{2,4} (.*)$", (results / "README.md").read_text(), flags=re.M)
    named = [record.get("section") for record in records]
    faults += [f"records.json: no record of README.md's section \"{name}\"" for name in measured_sections(results / "README.md")
               if name not in named]
    faults += [f"records.json: README.md has no section \"{name}\"" for name in named if name is not None and name not in headings]
    files = {name for record in records for name in record.get("files", [])}
    there = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()} - UNRECORDED
    faults += [f"records.json: no record of the file {name}" for name in sorted(there - files)]
    faults += [f"records.json: there is no file {name}" for name in sorted(files - there)]
    return faults


def name_of(record: dict[str, Any]) -> str:
    files = record.get("files", [])
    others = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return str(record.get("section") or (files[0] + others if files else "a record without section and files"))


def check_record(record: dict[str, Any], repository: Repository, top: Path) -> tuple[str, list[str]]:
    """A line for the list, and faults."""
    name, commit, measures = name_of(record), str(record.get("commit", "")), record.get("measures", [])
    faults = [f"{name}: measures {path}, which is not there" for path in measures if not (top / path).exists()]
    if not measures:
        faults.append(f"{name}: names nothing that it measures")
    if not re.fullmatch(r"[0-9a-f]{7,40}", commit):
        return f"{name}: no commit", faults + [f"{name}: names no commit (found \"{commit}\")"]
    date = repository.date_of(commit)
    if date is None:
        if repository.is_shallow():
            return f"{name}: commit {commit}, which this shallow clone does not have", faults
        return f"{name}: commit {commit}", faults + [f"{name}: commit {commit} is not in the history"]
    changes = repository.changes_since(commit, measures)
    state = "current" if changes == 0 else f"{changes} later commit{'s touch' if changes > 1 else ' touches'} what it measures"
    return f"{name}: commit {commit} of {date}, {state}", faults


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(__file__).resolve().parent.parent / "tests/results")
    args = parser.parse_args(arguments)
    try:
        records = json.loads((args.results / "records.json").read_text())["records"]
        faults = unclaimed(args.results, records)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"check_records.py: {args.results}: {error}", file=sys.stderr)
        return 1
    repository = Repository(args.results)
    top = repository.top()
    if top is None:
        print(f"check_records.py: {args.results} is in no git repository: ages are unknown")
    for record in records if top is not None else []:
        line, found = check_record(record, repository, top)
        print(line)
        faults += found
    for fault in faults:
        print(f"check_records.py: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:  # of a reader that has seen enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)
