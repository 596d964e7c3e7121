#!/usr/bin/env python3
"""Tests of check_floors.py on trees made here."""
from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
import check_floors

TABLE = """
| floor | what lives there | may include |
|---|---|---|
| `host/math` | rules | |
| `host/core` | files | math |
| `cuda` | devices: `core` and others | math core |
"""


class Floors(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.write("host/math/prox.hpp", '#pragma once\n#include <cmath>\n')
        self.write("host/core/files.cpp", '#include "host/core/files.hpp"\n#include "host/math/prox.hpp"\n')
        self.write("cuda/kernels/p.cu", '#include "cuda/core/map.hpp"\n#include "host/core/files.hpp"\n')

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def problems(self, table: str = TABLE) -> list[str]:
        return check_floors.problems(self.root, check_floors.read_table(table))

    def test_includes_that_go_down(self) -> None:
        self.assertEqual(self.problems(), [])

    def test_an_include_that_goes_up(self) -> None:
        self.write("host/math/prox.hpp", '#pragma once\n# include "host/core/files.hpp"\n')
        self.assertEqual(self.problems(), ["host/math/prox.hpp:2: math includes host/core/files.hpp, but may include nothing"])

    def test_an_include_that_is_not_in_the_table(self) -> None:
        self.write("host/core/files.hpp", '#include "cuda/core/map.hpp"\n#include "tests/support/catch.hpp"\n')
        self.assertEqual([line.split(",")[0] for line in self.problems()],
                         ["host/core/files.hpp:1: core includes cuda/core/map.hpp", "host/core/files.hpp:2: core includes tests/support/catch.hpp"])

    def test_a_kernel_is_checked_too(self) -> None:
        self.write("cuda/kernels/p.cu", '#include "host/train/trainer.hpp"\n')
        self.assertEqual(len(self.problems()), 1)

    def test_a_row_of_its_own_beside_the_row_for_all_folders(self) -> None:
        rows = "| `host/methods/*` | a method each | methods/common |\n| `host/methods` | the registry | methods/* |\n"
        table = TABLE + rows + "| `host/methods/common` | shared | math |\n"
        self.write("host/methods/common/method.hpp", '#include "host/math/prox.hpp"\n')
        self.write("host/methods/adam/adam.hpp", '#include "host/methods/common/method.hpp"\n')
        self.assertEqual(self.problems(table), [])
        self.write("host/methods/adam/adam.hpp", '#include "host/math/prox.hpp"\n')
        self.write("host/methods/common/method.hpp", '#include "host/methods/adam/adam.hpp"\n')
        self.assertEqual([line.split(",")[0] for line in self.problems(table)],
                         ["host/methods/common/method.hpp:1: methods/common includes host/methods/adam/adam.hpp",
                          "host/methods/adam/adam.hpp:1: methods/adam includes host/math/prox.hpp"][::-1])

    def test_includers_by_way_of_others(self) -> None:
        self.write("host/core/more.hpp", '#include "host/math/prox.hpp"\n')
        self.write("host/core/more.cpp", '#include <vector>\n#include "host/core/more.hpp"\n')
        self.write("tests/core/a_test.cpp", '#include <prox.hpp>\n')
        self.assertEqual(check_floors.includers(self.root, "host/math/prox.hpp"), [(2, 3), (0, 1)])
        self.assertEqual(check_floors.includers(self.root, "host/core/files.hpp"), [(0, 3), (0, 1)])

    def test_a_row_for_each_folder_of_a_folder(self) -> None:
        table = TABLE + "| `host/methods` | the registry | core methods/* |\n| `host/methods/*` | a method each | math |\n"
        self.write("host/methods/registry.cpp", '#include "host/methods/adam/adam.hpp"\n#include "host/core/files.hpp"\n')
        self.write("host/methods/adam/adam.hpp", '#include "host/methods/adam/step.hpp"\n#include "host/math/prox.hpp"\n')
        self.assertEqual(self.problems(table), [])
        self.write("host/methods/gd/gd.hpp", '#include "host/methods/adam/adam.hpp"\n#include "host/methods/registry.hpp"\n')
        self.assertEqual([line.split(",")[0] for line in self.problems(table)],
                         ["host/methods/gd/gd.hpp:1: methods/gd includes host/methods/adam/adam.hpp",
                          "host/methods/gd/gd.hpp:2: methods/gd includes host/methods/registry.hpp"])

    def test_rows_and_folders(self) -> None:
        self.write("host/graph/csr.hpp", "")
        self.assertIn("docs/architecture.md: no row for the folder graph", self.problems())
        absent = TABLE + "| `host/graph` | | |\n| `host/data` | formats | paper |\n"
        self.assertEqual(self.problems(absent),
                         ["docs/architecture.md: a row for data, which is no folder", "docs/architecture.md: data may include paper, which has no row"])

    def test_a_circle(self) -> None:
        self.assertEqual(self.problems(TABLE.replace("rules | |", "rules | core |")),
                         ["docs/architecture.md: math can include itself by way of others", "docs/architecture.md: core can include itself by way of others"])

    def test_this_repository(self) -> None:
        table = check_floors.read_table((check_floors.ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
        self.assertGreaterEqual(len(table), 18)
        self.assertEqual(check_floors.problems(check_floors.ROOT, table), [])


if __name__ == "__main__":
    unittest.main()
