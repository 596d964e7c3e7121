#!/usr/bin/env python3
"""Checks that every folder includes only the folders that docs/architecture.md allows it.

  tools/check_floors.py                                names each #include that breaks the table; exit status 1 when there is one
  tools/check_floors.py --includers host/core/error.hpp  how many sources a change of this header compiles anew

The table under "Floors" is the rule: a folder, what lives there, the folders that it may include. A row `host/methods/*` is the
rule of each folder in host/methods that has no row of its own; each is a floor by itself. A folder without a row, a row without a
folder, and two folders that may include each other, directly or by way of others, are mistakes too.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUFFIXES = (".cpp", ".hpp", ".cu", ".in")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def short(folder):
    return folder.removeprefix("host/")


def read_table(text):
    """Folder → the folders that it may include, both as in the table's last column."""
    table = {}
    for line in text.splitlines():
        row = re.match(r"\| `([a-z/_*]+)` \|.*\|([a-z_/* ]*)\|$", line)
        if row:
            table[short(row.group(1))] = set(row.group(2).split())
    return table


def floor_of(path, table):
    """The floor of an included or including file, as the table calls it; None for what is no floor: system headers."""
    parts = pathlib.PurePosixPath(path).parts
    if parts[0] == "host" and len(parts) > 2:
        return "/".join(parts[1:3]) if len(parts) > 3 and f"{parts[1]}/*" in table else parts[1]
    return parts[0] if parts[0] in ("cuda", "tests", "tools") else None


def rule_of(floor, table):
    """The row of a floor: its own, or that of all folders beside it."""
    return floor if floor in table else f"{floor.rpartition('/')[0]}/*"


def cycles(table):
    """Floors that can reach themselves."""
    found = []
    for start in table:
        seen, todo = set(), list(table[start])
        while todo:
            floor = todo.pop()
            if floor not in seen:
                seen.add(floor)
                todo += table.get(floor, ())
        if start in seen:
            found.append(start)
    return found


def problems(root, table):
    found = [f"docs/architecture.md: {floor} can include itself by way of others" for floor in cycles(table)]
    folders = {path.name for path in (root / "host").iterdir() if path.is_dir()} | {"cuda"}
    inner = {short(path.relative_to(root).as_posix()) for path in (root / "host").glob("*/*") if path.is_dir()}
    found += [f"docs/architecture.md: no row for the folder {name}" for name in sorted(folders - table.keys())]
    rows = {name.removesuffix("/*") for name in table}
    found += [f"docs/architecture.md: a row for {name}, which is no folder" for name in sorted(rows - folders - inner)]
    for floor, allowed in table.items():
        found += [f"docs/architecture.md: {floor} may include {name}, which has no row" for name in sorted(allowed - table.keys())]
    for top in ("host", "cuda"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in SUFFIXES or not file.is_file():
                continue
            name = file.relative_to(root).as_posix()
            own = floor_of(name, table)
            may = table.get(rule_of(own, table), set())
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                include = INCLUDE.match(line)
                floor = include and floor_of(include.group(1), table)
                if floor and floor != own and rule_of(floor, table) not in may:
                    found.append(f"{name}:{number}: {own} includes {include.group(1)}, but may include {' '.join(sorted(may)) or 'nothing'}")
    return found


def included_by(root, name, known):
    """The project's files that a file includes, directly or by way of others; `known` holds those of files met before."""
    if name not in known:
        known[name] = set()
        for line in (root / name).read_text(encoding="utf-8").splitlines():
            include = INCLUDE.match(line)
            if include and (root / include.group(1)).is_file():
                known[name] |= {include.group(1)} | included_by(root, include.group(1), known)
    return known[name]


def includers(root, header):
    """(sources that include the header, all sources), for the host compiler and for nvcc."""
    known, counts = {}, []
    for suffixes in ((".cpp",), (".cu",)):
        sources = [file.relative_to(root).as_posix() for top in ("host", "cuda", "tests")
                   for file in sorted((root / top).rglob("*")) if file.suffix in suffixes]
        counts.append((sum(header in included_by(root, source, known) for source in sources), len(sources)))
    return counts


def main():
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if sys.argv[1:2] == ["--includers"] and len(sys.argv) == 3:
        path = (ROOT / sys.argv[2]).resolve()
        if not path.is_file() or not path.is_relative_to(ROOT):
            sys.exit(f"check_floors: {sys.argv[2]}: no such file; expected the path of a header from the repository's folder")
        header = path.relative_to(ROOT).as_posix()
        (cpp, all_cpp), (cu, all_cu) = includers(ROOT, header)
        print(f"{header}: {cpp} of {all_cpp} C++ sources, {cu} of {all_cu} CUDA sources")
        return 0
    if sys.argv[1:]:
        sys.exit(f"check_floors: unknown argument {sys.argv[1]}; expected nothing, or --includers HEADER")
    table = read_table((ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
    found = problems(ROOT, table)
    for line in found:
        print(line)
    if not table:
        print("docs/architecture.md: no table of floors")
    elif not found:
        print(f"{len(table)} floors, every include goes down")
    return 1 if found or not table else 0


if __name__ == "__main__":
    sys.exit(main())
