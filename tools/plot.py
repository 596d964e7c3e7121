#!/usr/bin/env python3
"""Draws objective, residual, accuracy and bytes sent of one or several gamlp run folders.

    plot.py runs/a runs/b -o figure.png
    plot.py runs/a --x seconds -o figure.svg

Reads metrics.jsonl of each folder, and result.json where there is one (it marks the best epoch). Dotted vertical
lines are the stages of greedy growth, each marked with its number of layers. Needs matplotlib.
Exit status: 0 drawn, 1 a file is missing, corrupt or cannot be written, 2 usage.
"""
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
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555")
X_TITLES = {"epochs": "epoch", "seconds": "training time (s)", "bytes": "sent"}
NUMBERS = ("epoch", "stage", "layers", "seconds", "bytes_sent")  # in every line
CURVES = ("objective", "residual", "train_accuracy", "validation_accuracy", "test_accuracy")  # may be null
ACCURACIES = {"train": ":", "validation": "--", "test": "-"}


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
    for n, line in enumerate(read_text(path).splitlines(), start=1):
        where = f"{path}:{n}"
        try:
            row = json.loads(line)
        except ValueError as error:
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


class Figure:
    """The four panels; `unit` divides byte counts, on either axis."""

    def __init__(self, runs: list[Run], kind: str, title: str | None) -> None:
        draw_in_house_style()
        from matplotlib import pyplot
        self.runs, self.kind = runs, kind
        self.unit, self.unit_name = byte_unit(max(run.columns["bytes_sent"][-1] for run in runs))
        self.scale = self.unit if kind == "bytes" else 1.0
        self.figure, axes = pyplot.subplots(2, 2, figsize=(9.0, 6.2), sharex=True, constrained_layout=True)
        (self.objective, self.residual), (self.accuracy, self.bytes) = axes
        self.colours = {id(run): COLOURS[i % len(COLOURS)] for i, run in enumerate(runs)}
        self.draw_simple(self.objective, "objective", "objective", log=True)
        self.draw_simple(self.residual, "residual", "residual  Σ‖p − q‖²", log=True)
        self.draw_accuracy()
        if kind == "bytes":
            self.draw_simple(self.bytes, "epoch", "epoch")
        else:
            self.draw_simple(self.bytes, "bytes_sent", f"sent ({self.unit_name})", divide=self.unit)
        for axis in axes.flat:
            self.mark_stages(axis)
        for axis in (self.accuracy, self.bytes):
            axis.set_xlabel(X_TITLES[kind] + (f" ({self.unit_name})" if kind == "bytes" else ""))
        self.objective.set_xlim(left=0)
        self.legends(title)

    def draw_simple(self, axis: Any, column: str, title: str, log: bool = False, divide: float = 1.0) -> None:
        values: list[float] = []
        for run in self.runs:
            # Objective and residual jump where layers are added: no line joins the stages there.
            for stage in sorted(set(run.columns["stage"])) if log else [None]:
                x, y = run.curve(column, self.kind, stage)
                values += y
                axis.plot([v / self.scale for v in x], [v / divide for v in y], color=self.colours[id(run)],
                          marker="" if len(x) > 1 else "o", markersize=4)
        axis.set_title(title, loc="left")
        axis.margins(y=.1)  # room for the names of the stages
        positive = [v for v in values if v > 0]
        if log and positive and max(positive) > 20 * min(positive):
            # Exact zeros (a residual that vanished) and negative values have no place on a log axis.
            axis.set_yscale("log", nonpositive="mask")
        elif not log:
            axis.set_ylim(bottom=0)
        if not values:
            self.empty(axis)

    def draw_accuracy(self) -> None:
        axis = self.accuracy
        lowest: list[float] = []
        for run in self.runs:
            for part, style in ACCURACIES.items():
                x, y = run.curve(f"{part}_accuracy", self.kind)
                axis.plot([v / self.scale for v in x], y, style, color=self.colours[id(run)],
                          linewidth=1.6 if part == "test" else 1.0, alpha=1 if part == "test" else .8)
                lowest += y
            if (best := run.best(self.kind)) is not None:
                axis.plot(best[0] / self.scale, best[1], "o", color=self.colours[id(run)], markersize=5.5,
                          markeredgecolor="white", markeredgewidth=1, zorder=5)
        axis.set_title("accuracy", loc="left")
        if lowest:
            axis.set_ylim(max(0.0, math.floor(min(lowest) * 10) / 10), 1.005 if max(lowest) > .9 else None)
            from matplotlib.lines import Line2D
            handles = [Line2D([], [], color="#444444", linestyle=s, linewidth=1.2, label=p)
                       for p, s in ACCURACIES.items()]
            axis.legend(handles=handles, loc="lower right", fontsize=8)
        else:
            self.empty(axis)

    @staticmethod
    def empty(axis: Any) -> None:
        axis.text(.5, .5, "not recorded", transform=axis.transAxes, ha="center", va="center", color="#888888")

    def mark_stages(self, axis: Any) -> None:
        """One set of grey lines where all runs agree, else each run's in its colour, without numbers."""
        stages = [[(x / self.scale, layers) for x, layers in run.stages(self.kind)] for run in self.runs]
        agree = all(s == stages[0] for s in stages)
        named = agree and len(stages[0]) > 1 and axis in (self.objective, self.residual)
        for run, marks in zip(self.runs, stages):
            ends = [x for x, _ in marks[1:]] + [max(r.x(self.kind)[-1] for r in self.runs) / self.scale]
            for (x, layers), end in zip(marks, ends):
                if x > 0:
                    axis.axvline(x, color="#888888" if agree else self.colours[id(run)], linestyle=":",
                                 linewidth=.9, alpha=1 if agree else .6, zorder=1)
                if named and end - x > .1 * ends[-1]:
                    axis.annotate(f"{layers} layers", (x, 1), xycoords=("data", "axes fraction"), xytext=(3, -1),
                                  textcoords="offset points", va="top", fontsize=7, color="#666666")
            if agree:
                break

    def legends(self, title: str | None) -> None:
        from matplotlib.lines import Line2D
        handles = []
        for run in self.runs:
            best = run.best(self.kind)
            label = run.label + (f"  (test {best[1]:.3f})" if best else "")
            handles.append(Line2D([], [], color=self.colours[id(run)], linewidth=2, label=label,
                                  marker="o" if best else "", markeredgecolor="white", markersize=6))
        legend = self.figure.legend(handles=handles, loc="outside upper center", ncol=min(4, len(handles))) \
            if matplotlib_version() >= (3, 7) else self.header_legend(handles, title)
        if title:
            legend.set_title(title, prop={"size": 11, "weight": "bold"})

    def header_legend(self, handles: list[Any], title: str | None) -> Any:
        """Before matplotlib 3.7 constrained layout leaves no room for figure legends: make it by hand."""
        columns = min(4, len(handles))
        rows = math.ceil(len(handles) / columns)
        self.figure.set_constrained_layout_pads(h_pad=.06, w_pad=.06)
        self.figure.get_layout_engine().set(rect=(0, 0, 1, 1 - .035 * rows - (.045 if title else .01)))
        return self.figure.legend(handles=handles, loc="upper center", ncol=columns, bbox_to_anchor=(.5, 1.0))


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


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder with metrics.jsonl")
    add_figure_options(parser, "run.png", "runs", "folders")
    parser.add_argument("--x", choices=tuple(X_TITLES), default="epochs", help="what the x-axis counts")
    args = parser.parse_intermixed_args(argv)
    check_figure_options(parser, args, len(args.runs), "runs")
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)

    def figure() -> Any:
        labels = args.labels or [run.resolve().name for run in args.runs]
        runs = [read_run(run, label) for run, label in zip(args.runs, labels)]
        return Figure(runs, args.x, args.title).figure

    return write_figure("plot.py", figure, args)


if __name__ == "__main__":
    sys.exit(main())
