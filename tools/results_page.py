#!/usr/bin/env python3
"""Fills the results page with the tables and figures that tools/reproduce.sh has made.

    results_page.py runs/paper --page tests/results/paper [--best configs/best]

Reads PAGE/page.md, the text that people write, and writes PAGE/README.md and the pictures. In the text,
    {{about}}         stands for which experiment was run when, with which commit, on which machine and for how long
    {{table NAME}}    for the tables of the experiment of that name
    {{figure NAME}}   for its picture
What was not run now stays as the page has it. What the page does not have either is said to be not run. With --best the configs
that experiment `best` chose are written to that folder, a file for each dataset, which they expect in data/ at the top. Exit status: 0 written, 1 a file is missing or corrupt, 2 usage.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any


class PageError(Exception):
    """What is wrong, with the file's name."""


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PageError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown processor"


def made_now(runs: Path) -> dict[str, Any]:
    """For each experiment of the folder when, with which commits ("+": with changes), where and in how many seconds it was run."""
    out = {}
    for path in sorted(runs.glob("*/made")):
        calls = [line.split() for line in read(path).splitlines()]
        if not calls or any(len(call) != 3 or not call[2].isdigit() for call in calls):
            raise PageError(f"{path}: not the lines `date commit seconds` of tools/reproduce.sh")
        out[path.parent.name] = {"date": calls[-1][0], "commit": ", ".join(dict.fromkeys(call[1] for call in calls)),
                                 "machine": f"{len(os.sched_getaffinity(0))} cores ({processor()})",
                                 "seconds": sum(int(call[2]) for call in calls)}
    return out


class OldPage:
    """What the page has already: its blocks, which stand between comments, and what was made how."""

    def __init__(self, path: Path) -> None:
        text = read(path) if path.exists() else ""
        self.blocks = dict(re.findall(r"<!-- begin (\w+ \w+) -->\n(.*?)\n<!-- end \1 -->", text, flags=re.DOTALL))
        found = re.search(r"<!-- made (.*) -->", text)
        self.made: dict[str, Any] = json.loads(found[1]) if found else {}


def about(made: dict[str, Any]) -> str:
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, one in sorted(made.items()):
        text = f"{name} {one['seconds'] // 60}:{one['seconds'] % 60:02}"
        groups.setdefault((one["date"], one["commit"], one["machine"]), []).append(text)
    parts = [f"on {date}, commit {commit}, {machine}: {', '.join(texts)}" for (date, commit, machine), texts in sorted(groups.items())]
    return "Made by `tools/reproduce.sh` (minutes:seconds) " + "; ".join(parts) + f".\n<!-- made {json.dumps(made, sort_keys=True)} -->"


def tables(runs: Path, name: str) -> str | None:
    path = runs / name / "table.md"
    if not path.exists():
        return None
    lines = read(path).strip().splitlines()
    if not lines or not lines[0].startswith("# "):
        raise PageError(f"{path}: not a table of gamlp experiment")
    missing = [re.sub(r"^- missing: (\S*/)?([^/\s]+): .*", r"\2", line) for line in lines if line.startswith("- missing: ")]
    kept = [re.sub(r"^## (.*)", r"*\1*", line) for line in lines[3:] if not line.startswith("- missing: ")]
    if missing:  # where they were looked for is nobody else's
        kept.append("Missing here: " + ", ".join(missing) + ".")
    return "\n".join([f"**{lines[0][2:]}**"] + kept)


def figure(runs: Path, page: Path, name: str) -> str | None:
    picture = runs / f"{name}.png"
    if not picture.exists() or not (runs / name / "table.json").exists():
        return None
    shutil.copyfile(picture, page / picture.name)
    title = json.loads(read(runs / name / "table.json"))["title"]
    return f"![{title}]({picture.name})"


def write_best(runs: Path, folder: Path) -> None:
    for path in sorted((runs / "best" / "best").glob("*.json")):
        config = json.loads(read(path))
        name = Path(config["dataset"]["path"]).name
        config["dataset"]["path"] = f"../../data/{name}"
        config["devices"] = "auto"
        folder.mkdir(parents=True, exist_ok=True)
        document = {"$schema": "../schema.json", **config}
        (folder / name).with_suffix(".json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def fill(text: str, runs: Path, page: Path) -> str:
    old = OldPage(page / "README.md")

    def block(kind: str, name: str, new: str | None) -> str:
        if new is None:
            new = old.blocks.get(f"{kind} {name}", f"*{name}: not run.*")
        return f"<!-- begin {kind} {name} -->\n{new}\n<!-- end {kind} {name} -->"

    def place(match: re.Match[str]) -> str:
        kind, name = match.group(1), match.group(2)
        if kind == "about" and name is None:
            return about(old.made | made_now(runs))
        if kind == "table" and name:
            return block(kind, name, tables(runs, name))
        if kind == "figure" and name:
            return block(kind, name, figure(runs, page, name))
        raise PageError(f"{page / 'page.md'}: {match.group(0)} is neither {{{{about}}}}, {{{{table NAME}}}} nor {{{{figure NAME}}}}")

    return re.sub(r"\{\{(\w+)(?: (\w+))?\}\}", place, text)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder of tools/reproduce.sh")
    parser.add_argument("--page", type=Path, required=True, help="folder with page.md")
    parser.add_argument("--best", type=Path, help="also write the tuned configs to this folder")
    args = parser.parse_args(argv)
    try:
        if args.best:
            write_best(args.runs, args.best)
        text = fill(read(args.page / "page.md"), args.runs, args.page)
        (args.page / "README.md").write_text(text, encoding="utf-8")
    except (PageError, OSError, ValueError, KeyError) as error:
        print(f"results_page.py: {error}", file=sys.stderr)
        return 1
    print(f"wrote {args.page / 'README.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
