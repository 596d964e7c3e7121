#!/usr/bin/env python3
"""Tests of plot.py on run folders made here."""
from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
import plot
import plotting

if importlib.util.find_spec("matplotlib") is None:
    print("test_plot.py: skipped, matplotlib is missing (apt-get install python3-matplotlib)")
    sys.exit(77)


def rows(stages: tuple[tuple[int, int], ...] = ((2, 3), (5, 4))) -> list[dict[str, object]]:
    """Metrics as gamlp writes them; accuracies every second epoch."""
    lines: list[dict[str, object]] = []
    for stage, (layers, epochs) in enumerate(stages, start=1):
        for stage_epoch in range(1, epochs + 1):
            epoch = len(lines) + 1
            accuracy = None if epoch % 2 else .5 + .01 * epoch
            lines.append({"epoch": epoch, "stage": stage, "stage_epoch": stage_epoch, "layers": layers,
                          "objective": 10.0 / stage_epoch, "residual": .1 ** stage_epoch, "risk": 1.0,
                          "train_accuracy": accuracy, "validation_accuracy": accuracy, "test_accuracy": accuracy,
                          "seconds": .5 * epoch, "bytes_sent": 1500 * epoch, "bits": 8})
    return lines


class PlotCase(unittest.TestCase):
    """A scratch folder, run folders in it, and pictures of them."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        self.out = self.dir / "out.png"

    def make(self, name: str, lines: list[dict[str, object]] | None = None, result: object = None) -> Path:
        run = self.dir / name
        run.mkdir(exist_ok=True)
        text = "".join(json.dumps(line) + "\n" for line in (rows() if lines is None else lines))
        (run / "metrics.jsonl").write_text(text)
        if result is not None:
            (run / "result.json").write_text(json.dumps(result))
        return run

    def plot(self, *arguments: object) -> tuple[int, str]:
        err = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            try:
                status = plot.main([str(a) for a in arguments])
            except SystemExit as stop:
                status = int(stop.code or 0)
        return status, err.getvalue()

    def draws(self, *arguments: object) -> None:
        self.assertEqual(self.plot(*arguments, "-o", self.out), (0, ""))
        self.assertGreater(self.out.stat().st_size, 5000)

    def fails(self, message: str, *arguments: object, status: int = 1) -> None:
        found, err = self.plot(*arguments, "-o", self.out)
        self.assertEqual(found, status)
        self.assertRegex(err, message)
        self.assertEqual([f for f in os.listdir(self.dir) if "out." in f], [], "a broken picture was left")


class Plot(PlotCase):
    def test_png_of_two_runs(self) -> None:
        a = self.make("a", result={"best_epoch": 4, "test_accuracy": .54})
        b = self.make("b", rows(((10, 6),)))
        for x in ("epochs", "seconds", "bytes"):
            self.draws(a, b, "--x", x, "--labels", "first", "second", "--title", "two runs")
            self.assertEqual(self.out.read_bytes()[:4], b"\x89PNG")

    def test_svg_names_runs_and_stages_and_is_reproducible(self) -> None:
        self.out = self.dir / "out.svg"
        run = self.make("cora-8bit", result={"best_epoch": 4, "test_accuracy": .54})
        self.draws(run)
        first = self.out.read_text()
        for text in ("cora-8bit", "test 0.540", "2 layers", "5 layers", "objective", "accuracy", "sent (kB)"):
            self.assertIn(text, first)
        self.draws(run)
        self.assertEqual(self.out.read_text(), first)

    def test_unusual_values(self) -> None:
        lines = rows()
        for line in lines:
            line.update(residual=0.0, train_accuracy=None, validation_accuracy=None, test_accuracy=None, bytes_sent=0)
        lines[2]["objective"] = float("nan")
        lines[3]["objective"] = None
        self.draws(self.make("flat", lines, {"best_epoch": None, "test_accuracy": None}))
        self.draws(self.make("one", rows(((2, 1),))), "--x", "seconds")
        self.draws(self.make("one"), "--x", "bytes")

    def test_columns(self) -> None:
        run = plotting.read_run(self.make("a", result={"best_epoch": 6, "test_accuracy": .56}), "a")
        self.assertEqual(run.stages("epochs"), [(0.0, 2), (3.0, 5)])
        self.assertEqual(run.stages("seconds"), [(0.0, 2), (1.5, 5)])
        self.assertEqual(run.best("bytes"), (9000.0, .56))
        self.assertEqual(run.curve("test_accuracy", "epochs")[0], [2, 4, 6])
        self.assertEqual(run.curve("objective", "epochs", 2)[0], [4, 5, 6, 7])

    def test_byte_units(self) -> None:
        self.assertEqual([plotting.byte_unit(n)[1] for n in (0, 999, 1e3, 2e6, 1.4e9, 3e12)],
                         ["bytes", "bytes", "kB", "MB", "GB", "TB"])

    def test_missing_and_corrupt_files(self) -> None:
        self.fails("nowhere: not a run folder", self.dir / "nowhere")
        run = self.make("a")
        metrics = run / "metrics.jsonl"
        good = metrics.read_text()
        for content, message in (("", "holds no epoch"), (good + "{\"epoch\": 8\n", "metrics.jsonl:8: not JSON"),
                                 (good + "[1]\n", ":8: expected an object"),
                                 (good + good.splitlines()[0] + "\n", ":8: 'epoch' falls back from 7 to 1"),
                                 (good.replace('"stage": 2', '"stage": "two"'), ":4: 'stage' is 'two', expected a num"),
                                 (good.replace('"layers": 2', '"layers": null'), ":1: 'layers' is None, expected a"),
                                 (good.replace('"residual"', '"rest"'), ":1: no 'residual'")):
            with self.subTest(message):
                metrics.write_text(content)
                self.fails(message, run)
        metrics.write_bytes(b"\xff\xfe\x00")
        self.fails("metrics.jsonl: .*decode", run)
        metrics.unlink()
        self.fails("metrics.jsonl: No such file", run)
        metrics.write_text(good)
        for content, message in (("{", "result.json: not JSON"), ("[]", "result.json: expected an object")):
            (run / "result.json").write_text(content)
            self.fails(message, run)

    def test_a_last_line_cut_short_is_left_out(self) -> None:
        run = self.make("a")
        metrics = run / "metrics.jsonl"
        whole = plotting.read_run(run, "a")
        metrics.write_text(metrics.read_text() + "{\"epoch\": 8, \"stage\"")
        with contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(plotting.read_run(run, "a"), whole)
        self.assertIn("metrics.jsonl: the last line is cut short", err.getvalue())

    def test_bad_usage(self) -> None:
        run = self.make("a")
        self.fails("2 labels for 1 runs", run, "--labels", "x", "y", status=2)
        self.out = self.dir / "out.gif"
        self.fails("must end in", run, status=2)
        self.out = self.dir / "missing" / "out.png"
        self.fails("No such file", run)


if __name__ == "__main__":
    unittest.main()
