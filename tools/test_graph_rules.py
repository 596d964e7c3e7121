#!/usr/bin/env python3
"""Tests of what labels, masks and their names may be."""
from __future__ import annotations

import unittest

from convert_testing import np

from graphs.csr import DataError, csr_from_entries
from graphs.rules import check_masks, closest_mask, labels_of, mask_of, masks_of, means, refuse_near_miss

NAN = float("nan")


class Labels(unittest.TestCase):
    def test_kept(self) -> None:
        for array, expected in (([0, 2, -1], [0, 2, -1]), ([[0], [2], [-1]], [0, 2, -1]), ([[0, 2, -1]], [0, 2, -1]),
                                ([0.0, 2.0, NAN], [0, 2, -1]),
                                ([[0.0], [-1.0], [NAN]], [0, -1, -1]), ([True, False, True], [1, 0, 1])):
            with self.subTest(array):
                labels = labels_of(np.array(array), 3, "labels")
                self.assertEqual((labels.dtype, list(labels)), (np.int64, expected))
        for dtype in (np.float16, np.uint8, np.int8, ">i8", ">f4"):
            self.assertEqual(list(labels_of(np.array([3, 0, 1], dtype=dtype), 3, "labels")), [3, 0, 1])

    def test_refused(self) -> None:
        for array, message in (([0, .5, 1], "labels: node 1: found 0.5, not a whole number"),
                               (np.array([0, 1, np.inf], np.float16), "node 2: found inf"),
                               ([0, 1, np.inf], "node 2: found inf"),
                               ([0, -2, 1], "node 1: found label -2, expected 0 to"),
                               ([0, 1, 65536], "node 2: found label 65536"), ([0, 1], "2 labels for 3 nodes"),
                               ([[0, 1]] * 3, "several labels per node"),
                               (5, "found shape"), (["a", "b", "c"], "expected integers"),
                               (np.array([0, 1, 2**64 - 1], np.uint64), "int64's range")):
            with self.subTest(message), self.assertRaisesRegex(DataError, message):
                labels_of(np.array(array), 3, "labels")


class Masks(unittest.TestCase):
    def test_values(self) -> None:
        for value in (2, 256, -1, .5, NAN):
            with self.subTest(value), self.assertRaisesRegex(DataError, "m: node 2: found .*, expected 0 or 1"):
                mask_of(np.array([0, 1, value]), 3, "m")
        for dtype in (bool, np.uint8, np.int64, np.float32):
            self.assertEqual(list(mask_of(np.array([0, 1, 1], dtype), 3, "m")), [0, 1, 1])

    def test_shapes(self) -> None:
        splits = np.array([[1, 0], [0, 1], [0, 0]])
        for stored in (splits, splits.T):
            np.testing.assert_array_equal(mask_of(stored, 3, "m"), splits)
        for stored in (splits[:, :1], splits.T[:1]):
            np.testing.assert_array_equal(mask_of(stored, 3, "m"), [1, 0, 0])
        square = np.array([[1, 1], [0, 1]])
        np.testing.assert_array_equal(mask_of(square, 2, "m"), square)  # nodes × splits
        for shape in ((4,), (2, 4), (3, 0)):
            with self.subTest(shape), self.assertRaisesRegex(DataError, "m: found"):
                mask_of(np.zeros(shape), 3, "m")

    def test_between_masks(self) -> None:
        labels = np.array([0, 1, -1, 0])
        one = {name: np.eye(4, dtype=int)[node] for name, node in (("train_mask", 0), ("val_mask", 1), ("test_mask", 3))}
        two = {name: np.array(rows) for name, rows in (("unknown", [[0, 0], [0, 0], [0, 1], [1, 0]]),
                                                       ("overlap", [[0, 1], [0, 0], [0, 0], [1, 0]]))}
        check_masks(one, labels)
        check_masks({}, labels)
        check_masks({"train_mask": one["train_mask"]}, labels)
        for changes, message in (({"val_mask": np.array([1, 0, 0, 0])}, "train_mask and val_mask overlap: node 0"),
                                 ({"test_mask": np.array([0, 1, 0, 0])}, "val_mask and test_mask overlap: node 1"),
                                 ({"test_mask": np.array([0, 0, 1, 0])}, "test_mask: node 2 is in the mask and has no class"),
                                 ({"train_mask": np.zeros(4)}, "train_mask: found no node"),
                                 ({"test_mask": two["unknown"]}, "test_mask .split 1.: node 2 is in the mask"),
                                 ({"test_mask": two["overlap"]}, "train_mask and test_mask overlap .split 1.")):
            with self.subTest(message), self.assertRaisesRegex(DataError, message):
                check_masks({**one, **changes}, labels)
        with self.assertRaisesRegex(DataError, "train_mask: missing beside the other masks"):
            check_masks({"val_mask": one["val_mask"]}, labels)
        with self.assertRaisesRegex(DataError, "val_mask: found 3 splits, expected 2 as in train_mask"):
            masks_of({"train_mask": np.zeros((4, 2)), "val_mask": np.zeros((4, 3))}, 4, [])


class Names(unittest.TestCase):
    def test_near_misses(self) -> None:
        for member, wanted in (("valid_mask", "val_mask"), ("valid-mask", "val_mask"), ("validation_masks", "val_mask"),
                               ("is_val", "val_mask"), ("VAL_MASK", "val_mask"), ("vla_mask", "val_mask"),
                               ("dev_mask", "val_mask"), ("maskval", "val_mask"), ("train_idx", "train_mask"),
                               ("trainidx", "train_mask"), ("trian_mask", "train_mask"), ("mask.test", "test_mask"),
                               ("tets_mask", "test_mask"), ("test_nodes", "test_mask"), ("y", "labels"),
                               ("node_label", "labels")):
            with self.subTest(member):
                self.assertTrue(means(member, wanted))
                with self.assertRaisesRegex(DataError, f"member {member}, which is not read, and no {wanted}: expected"):
                    refuse_near_miss(["x", member], wanted, "form")
                refuse_near_miss([member, wanted], wanted, "form")

    def test_other_names(self) -> None:
        for member in ("x", "node_mask", "edge_attr", "attribute", "contest", "latest", "class_names", "validated"):
            for wanted in ("train_mask", "val_mask", "test_mask", "labels"):
                self.assertFalse(means(member, wanted), (member, wanted))
        refuse_near_miss(["test_mask"], "train_mask", "form")  # the name of another mask means that mask

    def test_closest(self) -> None:
        self.assertEqual([closest_mask(n) for n in ("tran_mask", "rtian_msak", "val", "vxx_mxxk", "a" * 300)],
                         ["train_mask", "train_mask", "val_mask", "", ""])


class Duplicates(unittest.TestCase):
    def test_values_add_up_in_float32_and_in_their_order(self) -> None:
        values = np.array([1e8, 1, -1e8, 1], dtype=np.float64)
        merged = csr_from_entries(np.zeros(4, int), np.ones(4, int), (1, 2), values)
        self.assertEqual((list(merged.data), list(merged.indices)), ([1.0], [1]))


if __name__ == "__main__":
    unittest.main()
