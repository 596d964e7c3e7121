"""The figure of an experiment's folder, as its `figure` section asks for it (host/experiment/experiment.hpp).

Drawn by tools/plot.py, which is given the folder. Reads table.json, results.csv and, for curves, the runs' metrics.jsonl.
"""
from __future__ import annotations

import csv
import json
import math
import statistics
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable

from plotting import COLOURS, Run, RunError, byte_unit, draw_in_house_style, header_legend, read_run, read_text

STYLES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
PANEL_WIDTH, PANEL_HEIGHT = 3.3, 2.7
TITLES = {
    "test_accuracy": "test accuracy", "validation_accuracy": "validation accuracy", "seconds": "training time (s)",
    "step_seconds": "time of an iteration (s)", "bytes_per_epoch_one_device_per_layer": "sent per epoch",
    "bytes_per_epoch": "sent per epoch", "bytes_sent": "sent", "residual": "residual  Σ‖p − q‖²",
}


@dataclass
class Result:
    labels: dict[str, str]  # by axis
    figures: dict[str, float]
    run: Path


@dataclass
class ExperimentResults:
    title: str
    spec: dict[str, Any]
    axes: list[str]
    mean_over: str | None
    results: list[Result]

    def labels_of(self, axis: str | None) -> list[str]:
        """In the order of the experiment file; one empty label where the figure has no such axis."""
        if axis is None:
            return [""]
        return list(dict.fromkeys(result.labels[axis] for result in self.results))

    def chosen(self, **labels: str) -> list[Result]:
        wanted = {self.spec[key]: label for key, label in labels.items() if key in self.spec}
        return [r for r in self.results if all(r.labels[axis] == label for axis, label in wanted.items())]


def is_experiment(folder: Path) -> bool:
    return (folder / "table.json").is_file()


def read_experiment(folder: Path) -> ExperimentResults:
    path = folder / "table.json"
    try:
        document = json.loads(read_text(path))
        spec, title = document.get("figure"), document["title"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: not a table of gamlp experiment: {error!r}") from None
    if spec is None:
        raise RunError(f"{path}: its experiment file has no `figure`")
    path = folder / "results.csv"
    rows = list(csv.DictReader(read_text(path).splitlines()))
    if not rows or "state" not in rows[0]:
        raise RunError(f"{path}: not the results of gamlp experiment")
    axes = list(rows[0])[: list(rows[0]).index("state")]
    results = []
    for n, row in enumerate(rows, start=2):
        if row["state"] != "done":
            continue
        try:
            figures = {k: float(v) for k, v in row.items() if k not in (*axes, "state", "run") and v not in ("", None)}
        except ValueError as error:
            raise RunError(f"{path}:{n}: {error}") from None
        results.append(Result({axis: row[axis] for axis in axes}, figures, folder / "jobs" / row["run"]))
    if not results:
        raise RunError(f"{path}: holds no result")
    return ExperimentResults(title, spec, axes, document.get("mean_over"), results)


@dataclass
class Points:
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)  # standard deviation of y

    def add(self, x: float, values: list[float]) -> None:
        self.x.append(x)
        self.y.append(statistics.fmean(values))
        self.spread.append(statistics.stdev(values) if len(values) > 1 else 0.0)


def values_of(results: Iterable[Result], name: str) -> list[float]:
    return [r.figures[name] for r in results if name in r.figures and math.isfinite(r.figures[name])]


def line_points(experiment: ExperimentResults, chosen: list[Result]) -> Points:
    axis, figure = experiment.spec["x"], experiment.spec["y"]
    points = Points()
    for label in dict.fromkeys(r.labels[axis] for r in chosen):
        values = values_of([r for r in chosen if r.labels[axis] == label], figure)
        try:
            x = float(label)
        except ValueError:
            raise RunError(f"{experiment.title}: \"{label}\" of the axis \"{axis}\" is no number") from None
        if values:
            points.add(x, values)
    return points


def scatter_points(experiment: ExperimentResults, chosen: list[Result]) -> Points:
    kept = [axis for axis in experiment.axes if axis != experiment.mean_over]
    points = Points()
    for key in dict.fromkeys(tuple(r.labels[axis] for axis in kept) for r in chosen):
        same = [r for r in chosen if tuple(r.labels[axis] for axis in kept) == key]
        x, y = values_of(same, experiment.spec["x"]), values_of(same, experiment.spec["y"])
        if x and y:
            points.add(statistics.fmean(x), y)
    order = sorted(range(len(points.x)), key=lambda i: points.x[i])
    return Points(*([column[i] for i in order] for column in (points.x, points.y, points.spread)))


def curve_points(experiment: ExperimentResults, runs: list[Run], x: str, column: str) -> Points:
    """Means over the runs, epoch by epoch, as far as all of them go."""
    points = Points()
    for name in (x, column):
        if any(name not in run.columns for run in runs):
            raise RunError(f"{experiment.title}: metrics.jsonl has no '{name}'")
    for i in range(min((len(run.columns[x]) for run in runs), default=0)):
        values = [run.columns[column][i] for run in runs]
        if all(math.isfinite(v) for v in values):
            points.add(statistics.fmean(run.columns[x][i] for run in runs), values)
    return points


def title_of(spec: dict[str, Any], which: str, name: str) -> str:
    return spec.get(f"{which}_label") or TITLES.get(name, name.replace("_", " "))


class ExperimentFigure:
    def __init__(self, experiment: ExperimentResults, title: str | None) -> None:
        draw_in_house_style()
        from matplotlib import pyplot
        self.experiment, self.spec = experiment, experiment.spec
        self.panels = experiment.labels_of(self.spec.get("panels"))
        self.lines = experiment.labels_of(self.spec.get("lines"))
        self.styles = experiment.labels_of(self.spec.get("style"))
        curves = self.spec["kind"] == "curves"
        x = self.spec["x"]
        xs = x if isinstance(x, list) else [x]
        rows = [(x, y) for y in (self.spec["y"] if curves else [self.spec["y"]]) for x in xs]
        columns = len(self.panels)
        if not curves and columns > 3:  # several rows of panels
            columns = 2 if columns == 4 else 3
        height = len(rows) if curves else math.ceil(len(self.panels) / columns)
        width = PANEL_WIDTH * max(columns, 2) if columns * height > 1 else 1.9 * PANEL_WIDTH
        size = (width, PANEL_HEIGHT * height + (1.1 if height * columns == 1 else .5))
        self.figure, axes = pyplot.subplots(height, columns, figsize=size, squeeze=False, constrained_layout=True)
        for spare in list(axes.flat)[len(self.panels) if not curves else height * columns:]:
            spare.axis("off")
        for p, panel in enumerate(self.panels):
            for r, (x, y) in enumerate(rows):
                axis = axes[r][p] if curves else axes[p // columns][p % columns]
                self.draw_panel(axis, panel, x, y)
                axis.set_title(panel if r == 0 and panel else "", loc="left")
                if curves:
                    axis.set_ylabel(title_of({}, "y", y) if p == 0 else "")
        head = textwrap.fill(title or experiment.title, int(11 * size[0]))
        handles = self.handles()
        if handles:
            legend = header_legend(self.figure, handles, head, size[1], 3 if size[0] < 8 else 4)
            legend.set_title(head, prop={"size": 11, "weight": "bold"})
        else:
            self.figure.suptitle(head, fontsize=11, fontweight="bold")

    def style_of(self, line: str, style: str) -> dict[str, Any]:
        s = self.styles.index(style)
        out: dict[str, Any] = {"color": COLOURS[self.lines.index(line) % len(COLOURS)]}
        out["linestyle"] = STYLES[s % len(STYLES)]
        out["marker"] = MARKERS[s % len(MARKERS)] if self.spec["kind"] != "curves" else ""
        return out

    def draw_panel(self, axis: Any, panel: str, x_name: str, y_name: str) -> None:
        kind, spec = self.spec["kind"], self.spec
        positive = True
        unit, unit_name = 1.0, ""
        if "bytes" in x_name and kind != "lines":
            unit, unit_name = byte_unit(max(values_of(self.experiment.results, x_name), default=0.0))
        smallest, largest = math.inf, 0.0
        for line in self.lines:
            for style in self.styles:
                chosen = self.experiment.chosen(panels=panel, lines=line, style=style)
                if not chosen:
                    continue
                if kind == "curves":
                    points = curve_points(self.experiment, [read_run(r.run, line) for r in chosen], x_name,
                                          y_name)
                elif kind == "lines":
                    points = line_points(self.experiment, chosen)
                else:
                    points = scatter_points(self.experiment, chosen)
                if not points.x:
                    continue
                positive = positive and min(points.y) >= 0
                smallest, largest = min(smallest, *points.x), max(largest, *points.x)
                looks = self.style_of(line, style)
                x = [v / unit for v in points.x]
                if kind == "curves":
                    axis.plot(x, points.y, **{**looks, "linewidth": 1.2})
                    continue
                if kind == "scatter":
                    looks["linestyle"] = looks["linestyle"] if len(x) > 1 else "none"
                axis.errorbar(x, points.y, points.spread if any(points.spread) else None, **looks, markersize=4.5,
                              linewidth=1.2, elinewidth=.8, capsize=2)
        if spec.get("ideal"):
            axis.plot([0, largest], [0, largest], color="#bbbbbb", linewidth=1, zorder=1)
            axis.annotate("ideal", (largest, largest), xytext=(-4, 0), textcoords="offset points", ha="right",
                          color="#888888", fontsize=8)
        for mark in spec.get("marks", []):
            if mark.get("panel", panel) != panel:
                continue
            axis.plot(mark["x"] / unit, mark["y"], "k*", markersize=9, zorder=5)
            axis.annotate(mark["label"], (mark["x"] / unit, mark["y"]), xytext=(-6, 6), textcoords="offset points",
                          ha="right", fontsize=8)
        axis.set_xlabel(title_of(spec, "x", x_name) + (f" ({unit_name})" if unit_name else ""))
        axis.set_ylabel(title_of(spec, "y", y_name))
        if spec.get("log_x"):
            axis.set_xscale("log")
        elif kind != "scatter" and smallest < .4 * largest:
            axis.set_xlim(left=0)
        if spec.get("log_y"):
            axis.set_yscale("log", nonpositive="mask")
        elif kind == "lines" and positive and "accuracy" not in y_name:
            axis.set_ylim(bottom=0)

    def handles(self) -> list[Any]:
        from matplotlib.lines import Line2D
        handles = []
        if len(self.lines) > 1:
            handles += [Line2D([], [], color=COLOURS[i % len(COLOURS)], linewidth=2, label=name)
                        for i, name in enumerate(self.lines)]
        if len(self.styles) > 1:
            handles += [Line2D([], [], color="#444444", label=name,
                               linestyle="none" if self.spec["kind"] == "scatter" else STYLES[i % len(STYLES)],
                               marker="" if self.spec["kind"] == "curves" else MARKERS[i % len(MARKERS)], markersize=4.5)
                        for i, name in enumerate(self.styles)]
        return handles


def draw_experiment(folder: Path, title: str | None) -> Any:
    return ExperimentFigure(read_experiment(folder), title).figure
