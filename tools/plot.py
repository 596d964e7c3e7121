#!/usr/bin/env python3
"""Draws objective, residual, accuracy and bytes sent of one or several gamlp run folders, or the figure of an experiment.

    plot.py runs/a runs/b -o figure.png
    plot.py runs/a --x seconds -o figure.svg
    plot.py runs/fig2 -o fig2.png           the folder of a gamlp experiment whose file has a `figure`

Reads metrics.jsonl of each folder, and result.json where there is one (it marks the best epoch). Dotted vertical
lines are the stages of greedy growth, each marked with its number of layers. Needs matplotlib.
Exit status: 0 drawn, 1 a file is missing, corrupt or cannot be written, 2 usage.
"""
from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from plot_experiment import draw_experiment, is_experiment
from plotting import (COLOURS, Run, add_figure_options, byte_unit, check_figure_options, draw_in_house_style,
                      header_legend, matplotlib_version, read_run, write_figure)

X_TITLES = {"epochs": "epoch", "seconds": "training time (s)", "bytes": "sent"}
ACCURACIES = {"train": ":", "validation": "--", "test": "-"}


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
            if matplotlib_version() >= (3, 7) else header_legend(self.figure, handles, title)
        if title:
            legend.set_title(title, prop={"size": 11, "weight": "bold"})


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN",
                        help="run folder with metrics.jsonl; or one folder of an experiment")
    add_figure_options(parser, "run.png", "runs", "folders")
    parser.add_argument("--x", choices=tuple(X_TITLES), default="epochs", help="what the x-axis counts")
    args = parser.parse_intermixed_args(argv)
    check_figure_options(parser, args, len(args.runs), "runs")
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)

    def figure() -> Any:
        if len(args.runs) == 1 and is_experiment(args.runs[0]):
            return draw_experiment(args.runs[0], args.title)
        labels = args.labels or [run.resolve().name for run in args.runs]
        runs = [read_run(run, label) for run, label in zip(args.runs, labels)]
        return Figure(runs, args.x, args.title).figure

    return write_figure("plot.py", figure, args)


if __name__ == "__main__":
    sys.exit(main())
