#!/usr/bin/env python3
"""Draws the speedup curves of gamlp plan --sweep ... --output FILE.

    gamlp plan config.json --machine dgx_h100 --sweep devices=1..8 --output sweep.json
    plot_sweep.py sweep.json other.json --labels "8 bits" "float32" --mark 8,7.9,"measured" -o sweep.png

Left: speedup over one device, with the ideal line; hollow points do not fit the machine's memory. Right: the share of a
step in which the busiest device has messages in sight. Needs matplotlib.
Exit status: 0 drawn, 1 a file is missing, corrupt or cannot be written, 2 usage.
"""
from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plotting import (COLOURS, RunError, add_figure_options, check_figure_options, draw_in_house_style, read_text,
                  write_figure)

LINES = ("-", "--", ":", "-.")


@dataclass
class Sweep:
    label: str
    machine: str
    devices: list[int]
    speedup: list[float]
    exposed: list[float]
    fits: list[bool]


def read_sweep(path: Path, label: str | None) -> Sweep:
    try:
        document = json.loads(read_text(path))
        plans = document["plans"]
        sweep = Sweep(label or path.stem, document["machine"], [int(p["devices"]) for p in plans],
                      [float(p["speedup"]) for p in plans], [float(p["exposed_share"]) for p in plans],
                      [bool(p["fits"]) for p in plans])
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: not a forecast of gamlp plan --output: {error!r}") from None
    if not sweep.devices:
        raise RunError(f"{path}: holds no plan")
    return sweep


def draw(sweeps: list[Sweep], marks: list[tuple[float, float, str]], title: str | None) -> Any:
    draw_in_house_style()
    from matplotlib import pyplot
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9.0, 3.9), constrained_layout=True)
    most = max(sweep.devices[-1] for sweep in sweeps)
    left.plot([1, most], [1, most], color="#bbbbbb", linewidth=1, zorder=1)
    left.annotate("ideal", (most, most), xytext=(-4, 0), textcoords="offset points", ha="right", color="#888888",
                  fontsize=8)
    for i, sweep in enumerate(sweeps):
        style = {"color": COLOURS[i % len(COLOURS)], "linestyle": LINES[i // len(COLOURS) % len(LINES)]}
        left.plot(sweep.devices, sweep.speedup, marker="o", markersize=3, label=sweep.label, **style)
        right.plot(sweep.devices, [100 * x for x in sweep.exposed], marker="o", markersize=3, **style)
        short = [(d, s) for d, s, fits in zip(sweep.devices, sweep.speedup, sweep.fits) if not fits]
        if short:  # memory: drawn hollow
            left.plot(*zip(*short), "o", markersize=4.5, color="white", markeredgecolor=style["color"], zorder=4)
    for x, y, name in marks:
        left.plot(x, y, "k*", markersize=9, zorder=5)
        left.annotate(name, (x, y), xytext=(-6, 6), textcoords="offset points", ha="right", fontsize=8)
    left.set_title("speedup over one device", loc="left")
    right.set_title("exchange in sight (% of a step)", loc="left")
    for axis in (left, right):
        axis.set_xlabel("devices")
        axis.set_xlim(.5, most + .5)
        axis.set_ylim(bottom=0)
    right.set_ylim(top=max(5.0, right.get_ylim()[1]))  # what is next to nothing shall look so
    if len(sweeps) > 1:
        left.legend(loc="upper left", fontsize=8)
    if title:
        figure.suptitle(title, fontsize=11, fontweight="bold", x=.01, ha="left")
    return figure


def mark(text: str) -> tuple[float, float, str]:
    x, y, name = text.split(",", 2)
    return float(x), float(y), name


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", nargs="+", type=Path, metavar="SWEEP", help="file of gamlp plan --sweep --output")
    add_figure_options(parser, "sweep.png", "sweeps", "files")
    parser.add_argument("--mark", action="append", type=mark, default=[], metavar="X,Y,NAME", help="a point to compare")
    args = parser.parse_intermixed_args(argv)
    check_figure_options(parser, args, len(args.sweeps), "sweeps")

    def figure() -> Any:
        labels = args.labels or [None] * len(args.sweeps)
        return draw([read_sweep(path, label) for path, label in zip(args.sweeps, labels)], args.mark, args.title)

    return write_figure("plot_sweep.py", figure, args)


if __name__ == "__main__":
    sys.exit(main())
