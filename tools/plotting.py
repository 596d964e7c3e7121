"""What the plotting programs share: run folders, looks, and writing a picture."""
from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

# Okabe and Ito's colours, told apart by colour-blind readers too; yellow left out, it is too pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555", "#000000", "#999933")
NUMBERS = ("epoch", "stage", "layers", "seconds", "bytes_sent")  # in every line
CURVES = ("objective", "residual", "train_accuracy", "validation_accuracy", "test_accuracy")  # may be null


class RunError(Exception):
    """A run folder that cannot be drawn; the message names the file and line."""


@dataclass
class Run:
    """Columns of metrics.jsonl, a null as NaN, and the fields of result.json."""

    label: str
    columns: dict[str, list[float]]
    result: dict[str, Any]

    def x(self, kind: str) -> list[float]:
        return self.columns[{"epochs": "epoch", "seconds": "seconds", "bytes": "bytes_sent"}[kind]]

    def curve(self, name: str, kind: str, stage: float | None = None) -> tuple[list[float], list[float]]:
        """Points of a column, of one stage or all, that are known and finite."""
        columns = zip(self.x(kind), self.columns[name], self.columns["stage"])
        points = [(x, y) for x, y, s in columns if math.isfinite(y) and stage in (None, s)]
        return [p[0] for p in points], [p[1] for p in points]

    def stages(self, kind: str) -> list[tuple[float, int]]:
        """(where it starts, layers) of each stage; a start lies at the last epoch of the stage before."""
        stage, layers, x = self.columns["stage"], self.columns["layers"], self.x(kind)
        starts = [(0.0, int(layers[0]))]
        starts += [(x[i - 1], int(layers[i])) for i in range(1, len(stage)) if stage[i] != stage[i - 1]]
        return starts

    def best(self, kind: str) -> tuple[float, float] | None:
        """Position and test accuracy of the epoch of best validation accuracy, where result.json has them."""
        epoch, accuracy = self.result.get("best_epoch"), self.result.get("test_accuracy")
        if not isinstance(epoch, int) or not isinstance(accuracy, (int, float)) or epoch not in self.columns["epoch"]:
            return None
        return self.x(kind)[self.columns["epoch"].index(epoch)], float(accuracy)


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def number(row: dict[str, Any], key: str, where: str, optional: bool) -> float:
    if key not in row:
        raise RunError(f"{where}: no '{key}'")
    value = row[key]
    if value is None and optional:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RunError(f"{where}: '{key}' is {value!r}, expected a number{' or null' if optional else ''}")
    return float(value)


def read_run(folder: Path, label: str) -> Run:
    if not folder.is_dir():
        raise RunError(f"{folder}: not a run folder")
    path = folder / "metrics.jsonl"
    columns: dict[str, list[float]] = {key: [] for key in NUMBERS + CURVES}
    text = read_text(path)
    lines = text.splitlines()
    for n, line in enumerate(lines, start=1):
        where = f"{path}:{n}"
        try:
            row = json.loads(line)
        except ValueError as error:
            if n > 1 and n == len(lines) and not text.endswith("\n"):  # a run that was cut while it wrote
                print(f"warning: {where}: the last line is torn and left out", file=sys.stderr)
                break
            raise RunError(f"{where}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise RunError(f"{where}: expected an object")
        for key in NUMBERS + CURVES:
            columns[key].append(number(row, key, where, key in CURVES))
        if n > 1:
            for key in ("epoch", "stage", "seconds", "bytes_sent"):
                before, now = columns[key][-2:]
                if now < before or (key == "epoch" and now == before):
                    raise RunError(f"{where}: '{key}' falls back from {before:g} to {now:g}")
    if not columns["epoch"]:
        raise RunError(f"{path}: holds no epoch")
    result: Any = {}
    if (folder / "result.json").exists():
        try:
            result = json.loads(read_text(folder / "result.json"))
        except ValueError as error:
            raise RunError(f"{folder / 'result.json'}: not JSON: {error}") from None
        if not isinstance(result, dict):
            raise RunError(f"{folder / 'result.json'}: expected an object")
    return Run(label, columns, result)


def byte_unit(largest: float) -> tuple[float, str]:
    """Divisor and name of the unit in which `largest` bytes read best."""
    for power, name in ((12, "TB"), (9, "GB"), (6, "MB"), (3, "kB")):
        if largest >= 10**power:
            return 10.0**power, name
    return 1.0, "bytes"


def header_legend(figure: Any, handles: list[Any], title: str | None, height: float = 6.2, most: int = 4) -> Any:
    """Before matplotlib 3.7 constrained layout leaves no room for figure legends: make it by hand. Up to `most` columns."""
    columns = min(most, len(handles))
    rows = math.ceil(len(handles) / columns)
    room = (.22 * rows + (.08 + .2 * len(title.splitlines()) if title else .06)) / height  # inches
    figure.get_layout_engine().set(h_pad=.06, w_pad=.06, rect=(0, 0, 1, 1 - room))
    return figure.legend(handles=handles, loc="upper center", ncol=columns, bbox_to_anchor=(.5, 1.0))


def save_figure(figure: Any, path: Path, dpi: int) -> None:
    """Writes beside `path` and renames, so that an error leaves no broken picture."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    try:
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(name, dpi=dpi, metadata=metadata)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def draw_in_house_style() -> None:
    """Before the first figure; no display needed."""
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams.update({
        "font.size": 9, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False,
        "axes.grid": True, "grid.color": "#e6e6e6", "grid.linewidth": .6, "axes.axisbelow": True,
        "axes.edgecolor": "#666666", "lines.linewidth": 1.5, "legend.frameon": False,
        "svg.fonttype": "none", "svg.hashsalt": "gamlp"})


def add_figure_options(parser: argparse.ArgumentParser, output: str, curves: str, sources: str) -> None:
    parser.add_argument("-o", "--output", type=Path, default=Path(output), help=f".png, .svg or .pdf ({output})")
    parser.add_argument("--labels", nargs="+", help=f"names of the {curves} (default: names of their {sources})")
    parser.add_argument("--title")
    parser.add_argument("--dpi", type=int, default=160, help="resolution of a .png (160)")


def check_figure_options(parser: argparse.ArgumentParser, args: argparse.Namespace, count: int, curves: str) -> None:
    if args.labels and len(args.labels) != count:
        parser.error(f"{len(args.labels)} labels for {count} {curves}")
    if args.output.suffix not in (".png", ".svg", ".pdf"):
        parser.error(f"{args.output}: the name must end in .png, .svg or .pdf")


def write_figure(program: str, draw: Callable[[], Any], args: argparse.Namespace) -> int:
    """Writes what `draw` returns, or says why not; the program's exit status."""
    try:
        save_figure(draw(), args.output, args.dpi)
    except ImportError as error:
        print(f"{program}: needs matplotlib: apt-get install python3-matplotlib ({error})", file=sys.stderr)
        return 1
    except (RunError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    print(f"wrote {args.output}")
    return 0


def matplotlib_version() -> tuple[int, ...]:
    import matplotlib
    return tuple(int(part) for part in matplotlib.__version__.split(".")[:2])
