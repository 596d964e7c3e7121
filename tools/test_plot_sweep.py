#!/usr/bin/env python3
"""Tests of plot_sweep.py on forecasts made here."""
from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
import plot_sweep

if importlib.util.find_spec("matplotlib") is None:
    print("test_plot_sweep.py: skipped, matplotlib is missing (apt-get install python3-matplotlib)")
    sys.exit(77)


def plan(devices: int) -> dict[str, object]:
    return {"devices": devices, "speedup": .9 * devices, "fits": devices > 1, "exposed_share": .05 * devices}


class Sweeps(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        self.sweep = self.dir / "eight.json"
        self.sweep.write_text(json.dumps({"machine": "m", "plans": [plan(n) for n in (1, 2, 4)]}))

    def run_main(self, *args: str) -> tuple[int, str]:
        err = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            status = plot_sweep.main([*args])
        return status, err.getvalue()

    def test_reads_what_the_forecast_says(self) -> None:
        sweep = plot_sweep.read_sweep(self.sweep, None)
        self.assertEqual(sweep.label, "eight")
        self.assertEqual(sweep.devices, [1, 2, 4])
        self.assertEqual(sweep.speedup, [.9, 1.8, 3.6])
        self.assertAlmostEqual(sweep.exposed[2], .2)
        self.assertEqual(sweep.fits, [False, True, True])

    def test_draws(self) -> None:
        for name in ("out.png", "out.svg"):
            out = self.dir / name
            status, err = self.run_main(str(self.sweep), str(self.sweep), "--labels", "a", "b", "--mark", "2,1.5,x",
                                        "--title", "t", "-o", str(out))
            self.assertEqual((status, err), (0, ""))
            self.assertGreater(out.stat().st_size, 5000)
        self.assertIn("speedup over one device", (self.dir / "out.svg").read_text())

    def test_names_what_is_wrong(self) -> None:
        broken = self.dir / "broken.json"
        for text in ("{", "[]", '{"machine": "m", "plans": []}', '{"machine": "m", "plans": [{"devices": 1}]}'):
            broken.write_text(text)
            status, err = self.run_main(str(broken), "-o", str(self.dir / "no.png"))
            self.assertEqual(status, 1)
            self.assertIn("broken.json", err)
            self.assertFalse((self.dir / "no.png").exists())
        self.assertEqual(self.run_main(str(self.dir / "none.json"))[0], 1)
        with self.assertRaises(SystemExit):
            self.run_main(str(self.sweep), "--labels", "a", "b")


if __name__ == "__main__":
    unittest.main()
