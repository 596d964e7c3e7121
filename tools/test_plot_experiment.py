#!/usr/bin/env python3
"""Tests of the figures of experiments, which plot.py draws from their folders, and of results_page.py."""
from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import shutil
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
import results_page
from test_plot import PlotCase, rows  # says so and ends where matplotlib is missing

import plot_experiment

AXES = ("dataset", "method", "layers", "seed")


class ExperimentCase(PlotCase):
    def experiment(self, figure: object, name: str = "exp", drop: str = "") -> Path:
        """2 datasets × 2 methods × 2 depths × 2 seeds; accuracies and bytes that tell them apart."""
        folder = self.dir / name
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "jobs").mkdir(parents=True)
        lines = [",".join(AXES) + ",state,test_accuracy,speedup,bytes_sent,run"]
        number = 0
        for dataset in ("Cora", "a, b"):
            for method in ("ADMM", "Adam"):
                for layers in ("2", "10"):
                    for seed in ("0", "1"):
                        number += 1
                        run = f"run{number}"
                        if figure and figure.get("kind") == "curves":  # type: ignore[attr-defined]
                            self.make(f"{name}/jobs/{run}")
                        quoted = f'"{dataset}"' if "," in dataset else dataset
                        state = "failed" if method == drop else "done"
                        values = f"{.5 + .01 * number},{number},{1000 * number}" if state == "done" else ",,"
                        lines.append(f"{quoted},{method},{layers},{seed},{state},{values},{run}")
        (folder / "results.csv").write_text("\n".join(lines) + "\n")
        table = {"title": "An experiment", "mean_over": "seed", "tables": []}
        (folder / "table.json").write_text(json.dumps(table | ({"figure": figure} if figure else {})))
        (folder / "table.md").write_text("# An experiment\n\nFrom x.json.\n\nnotes\n\n## part a\n\n| dataset | 2 |\n|---|---|\n\n"
                                        "- missing: ../data/a.npz: no such file (dataset.path): neither /x/a.npz nor /y/a.npz\n")
        return folder


class PlotExperiment(ExperimentCase):
    def test_every_kind_is_drawn(self) -> None:
        marks = [{"x": 2, "y": 4, "label": "paper", "panel": "Cora"}]
        for figure in ({"kind": "lines", "x": "layers", "y": "speedup", "lines": "method", "style": "seed", "panels": "dataset",
                        "ideal": True, "marks": marks, "log_x": True},
                       {"kind": "lines", "x": "layers", "y": "test_accuracy"},
                       {"kind": "scatter", "x": "bytes_sent", "y": "test_accuracy", "lines": "method", "style": "layers"},
                       {"kind": "curves", "x": "seconds", "y": ["objective", "test_accuracy"], "lines": "method",
                        "panels": "dataset", "log_y": True}):
            with self.subTest(figure["kind"]):
                self.draws(self.experiment(figure))

    def test_points_are_means_over_what_is_no_axis_of_the_figure(self) -> None:
        figure = {"kind": "lines", "x": "layers", "y": "speedup", "lines": "method", "panels": "dataset"}
        experiment = plot_experiment.read_experiment(self.experiment(figure))
        points = plot_experiment.line_points(experiment, experiment.chosen(panels="a, b", lines="Adam"))
        self.assertEqual((points.x, points.y), ([2.0, 10.0], [13.5, 15.5]))
        self.assertAlmostEqual(points.spread[0], .5 ** .5)
        figure = {"kind": "scatter", "x": "bytes_sent", "y": "speedup", "lines": "method"}
        experiment = plot_experiment.read_experiment(self.experiment(figure))
        points = plot_experiment.scatter_points(experiment, experiment.chosen(lines="ADMM"))
        self.assertEqual((points.x, points.y), ([1500, 3500, 9500, 11500], [1.5, 3.5, 9.5, 11.5]))
        figure = {"kind": "curves", "x": "epoch", "y": ["objective"]}
        experiment = plot_experiment.read_experiment(self.experiment(figure))
        runs = [plot_experiment.read_run(r.run, "x") for r in experiment.results[:2]]
        points = plot_experiment.curve_points(experiment, runs, "epoch", "objective")
        self.assertEqual(points.y, [line["objective"] for line in rows()])

    def test_svg_names_lines_panels_and_marks(self) -> None:
        self.out = self.dir / "out.svg"
        self.draws(self.experiment({"kind": "lines", "x": "layers", "y": "speedup", "lines": "method", "panels": "dataset",
                                    "marks": [{"x": 2, "y": 4, "label": "published"}], "y_label": "times faster"}))
        text = self.out.read_text()
        for part in ("An experiment", "ADMM", "Adam", "a, b", "published", "times faster"):
            self.assertIn(part, text)

    def test_curves_over_several_columns_have_a_row_of_panels_for_each(self) -> None:
        self.out = self.dir / "out.svg"
        self.draws(self.experiment({"kind": "curves", "x": ["bytes_sent", "seconds"], "y": ["test_accuracy"],
                                    "lines": "method", "log_x": True}))
        text = self.out.read_text()
        for part in ("sent (", "training time (s)"):
            self.assertIn(part, text)

    def test_what_did_not_run_is_left_out_and_nothing_at_all_is_an_error(self) -> None:
        figure = {"kind": "lines", "x": "layers", "y": "speedup", "lines": "method"}
        self.draws(self.experiment(figure, drop="Adam"))
        self.out.unlink()
        folder = self.experiment(figure)
        csv = (folder / "results.csv").read_text()
        (folder / "results.csv").write_text(csv.splitlines()[0] + "\n" + csv.splitlines()[1].replace("done", "failed") + "\n")
        self.fails("results.csv:2|holds no result|could not convert", folder)
        (folder / "results.csv").write_text(csv.replace(",0.51,", ",half,"))
        self.fails("results.csv:2: could not convert", folder)
        (folder / "results.csv").write_text("")
        self.fails("results.csv: not the results of", folder)
        (folder / "table.json").write_text("[]")
        self.fails("table.json: not a table of gamlp experiment", folder)
        self.fails("its experiment file has no `figure`", self.experiment(None))
        self.fails("\"ADMM\" of the axis \"method\" is no number",
                   self.experiment({"kind": "lines", "x": "method", "y": "speedup"}))


class ResultsPage(ExperimentCase):
    def page(self, text: str) -> tuple[int, str, str]:
        page = self.dir / "page"
        page.mkdir(exist_ok=True)
        (page / "page.md").write_text(text)
        err = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            status = results_page.main([str(self.dir), "--page", str(page)])
        made = page / "README.md"
        return status, made.read_text() if made.exists() else "", err.getvalue()

    def test_the_page_is_filled(self) -> None:
        folder = self.experiment({"kind": "lines", "x": "layers", "y": "speedup"})
        (folder / "made").write_text("2026-01-02 abc 70\n2026-01-03 def+ 5\n")
        (self.dir / "exp.png").write_bytes(b"picture")
        status, text, err = self.page("# Page\n{{about}}\n{{table exp}}\n{{figure exp}}\n{{table other}}\n")
        self.assertEqual((status, err), (0, ""))
        for part in ("# Page\n", "on 2026-01-03, commit abc, def+, ", " cores (", "): exp 1:15.", "**An experiment**", "*part a*", "| dataset | 2 |",
                     "![An experiment](exp.png)", "*other: not run.*"):
            self.assertIn(part, text)
        self.assertNotIn("From x.json", text)
        self.assertIn("Missing here: a.npz.", text)
        self.assertNotIn("/x/", text)
        self.assertEqual((self.dir / "page/exp.png").read_bytes(), b"picture")
        # What is not run again stays, with when it was made; what is run replaces its own block alone.
        shutil.rmtree(folder)
        (self.dir / "other").mkdir()
        (self.dir / "other/table.md").write_text("# Another\n\nFrom y.json.\n\n| dataset | 3 |\n|---|---|\n")
        (self.dir / "other/made").write_text("2026-02-03 fed 61\n")
        status, text, err = self.page("# Page\n{{about}}\n{{table exp}}\n{{figure exp}}\n{{table other}}\n{{table third}}\n")
        self.assertEqual((status, err), (0, ""))
        for part in ("on 2026-01-03, commit abc, def+, ", "): exp 1:15; on 2026-02-03, commit fed, ", "): other 1:01.", "**Another**",
                     "| dataset | 3 |", "**An experiment**", "![An experiment](exp.png)", "*third: not run.*"):
            self.assertIn(part, text)
        self.assertNotIn("*other: not run.*", text)
        (self.dir / "other/made").write_text("70\n")
        self.assertIn("other/made: not the lines", self.page("{{about}}")[2])
        (self.dir / "other/made").unlink()
        chosen = self.dir / "best/best"
        chosen.mkdir(parents=True)
        (chosen / "Cora_x.json").write_text(json.dumps({"dataset": {"path": "/a/cora.npz"}, "devices": "cpu:1"}))
        results_page.write_best(self.dir, self.dir / "configs")
        self.assertEqual(json.loads((self.dir / "configs/cora.json").read_text()),
                         {"$schema": "../schema.json", "dataset": {"path": "../../data/cora.npz"}, "devices": "auto"})
        self.assertEqual(self.page("{{tabel exp}}")[0], 1)
        self.assertIn("{{tabel exp}} is neither", self.page("{{tabel exp}}")[2])


if __name__ == "__main__":
    unittest.main()
