"""What labels, masks and their names may be: the rules of the program's own reader (host/data). Needs numpy only."""
from __future__ import annotations

import re
from typing import Iterable, Mapping

import numpy as np

from graphs.csr import DataError, whole_numbers

MASKS = ("train_mask", "val_mask", "test_mask")
NO_CLASS = -1  # a node whose class nobody knows: it propagates, and can be predicted
MAX_NODES, MAX_FEATURES, MAX_CLASSES = 2_000_000_000, 16_777_216, 65_536
SEVERAL_LABELS = ("several labels per node, expected one: a node belongs to one class here. Of one-hot rows take the "
                  "position of the 1 (numpy.argmax); where nodes have several labels at once, train one run per label, "
                  "with classes 0 and 1")

# Names under which other programs store what is read here, in lower case and without separators.
ALIASES = {
    "train_mask": {"trainmasks", "trainingmask", "masktrain", "trainidx", "trainindex", "idxtrain"},
    "val_mask": {"valmasks", "validmask", "validmasks", "validationmask", "devmask", "maskval", "validx", "valididx",
                 "idxval"},
    "test_mask": {"testmasks", "testingmask", "masktest", "testidx", "testindex", "idxtest"},
    "labels": {"label", "y", "nodelabel", "nodelabels", "target", "targets"},
}
# Words of a name that say of which part it is: "is_val", "val_nodes".
PART_WORDS = {"train_mask": {"train", "training"}, "val_mask": {"val", "valid", "validation", "dev"},
              "test_mask": {"test", "testing"}}


# ---- labels ------------------------------------------------------------------------------------------
def labels_of(array: np.ndarray, nodes: int, what: str) -> np.ndarray:
    """One class per node as int64. -1 and NaN are nodes without a class; a column or row is a list; 0.5 is refused."""
    if array.ndim == 2 and 1 not in array.shape:
        raise DataError(f"{what}: found shape {array.shape}: {SEVERAL_LABELS}")
    if array.ndim == 0:
        raise DataError(f"{what}: found shape (), expected one label per node")
    values = array.reshape(-1)
    if values.dtype.kind == "f":
        values = values.astype(np.float64, copy=False)
        unknown = np.isnan(values)
        bad = ~unknown & (~(np.abs(values) <= 2.0**53) | (values != np.floor(values)))
        if np.any(bad):
            node = int(np.argmax(bad))
            raise DataError(f"{what}: node {node}: found {values[node]}, not a whole number: expected an integer, or -1 "
                            "or NaN for a node without a class")
        values = np.where(unknown, NO_CLASS, values)
    labels = whole_numbers(values, what)
    if len(labels) != nodes:
        raise DataError(f"{what}: {len(labels)} labels for {nodes} nodes")
    bad = (labels != NO_CLASS) & ((labels < 0) | (labels >= MAX_CLASSES))
    if np.any(bad):
        node = int(np.argmax(bad))
        raise DataError(f"{what}: node {node}: found label {labels[node]}, expected 0 to {MAX_CLASSES - 1}, or -1 for a "
                        "node without a class")
    return labels


# ---- masks -------------------------------------------------------------------------------------------
def mask_of(array: np.ndarray, nodes: int, what: str) -> np.ndarray:
    """A mask as u8: one value per node, or nodes × splits (also from splits × nodes; square ones: nodes × splits)."""
    if array.dtype.kind not in "biuf":
        raise DataError(f"{what}: found {array.dtype}, expected 0 or 1 per node")
    mask = array if array.ndim == 2 else array.reshape(-1)
    if mask.ndim == 2 and mask.shape[0] != nodes:
        if mask.shape[1] != nodes:
            raise DataError(f"{what}: found shape {array.shape}, expected {nodes} entries, or nodes × splits")
        mask = mask.T
    if mask.ndim == 1 and len(mask) != nodes:
        raise DataError(f"{what}: found {len(mask)} entries, expected {nodes}")
    if mask.size == 0:
        raise DataError(f"{what}: found shape {array.shape}, expected at least one split")
    bad = (mask != 0) & (mask != 1)
    if np.any(bad):
        node = int(np.argmax(bad.any(axis=1) if bad.ndim == 2 else bad))
        raise DataError(f"{what}: node {node}: found {mask[bad].flat[0]}, expected 0 or 1")
    mask = mask.astype(np.uint8)
    return mask.reshape(-1) if mask.ndim == 2 and mask.shape[1] == 1 else mask


def masks_of(arrays: Mapping[str, np.ndarray], nodes: int, members: Iterable[str]) -> dict[str, np.ndarray]:
    """The masks among the arrays. `members` are all names of the file: one that nearly is a missing mask is refused."""
    masks = {}
    for name in MASKS:
        refuse_near_miss(members, name, "one 0 or 1 per node")
        if name in arrays:
            masks[name] = mask_of(arrays[name], nodes, name)
    count_splits(masks)
    return masks


def count_splits(masks: Mapping[str, np.ndarray]) -> int:
    """How many splits the masks hold. A mask of one split belongs to every split."""
    found = {name: mask.shape[1] for name, mask in masks.items() if mask.ndim == 2}
    for name, splits in found.items():
        first = next(iter(found))
        if splits != found[first]:
            raise DataError(f"{name}: found {splits} splits, expected {found[first]} as in {first}")
    return next(iter(found.values()), 1)


def split_of_masks(masks: Mapping[str, np.ndarray], index: int) -> dict[str, np.ndarray]:
    """The masks of one split."""
    splits = count_splits(masks)
    if not 0 <= index < splits:
        raise DataError(f"split {index}: the masks hold {splits} split{'s' * (splits > 1)}, expected 0"
                        + (f" to {splits - 1}" if splits > 1 else ""))
    return {name: mask[:, index] if mask.ndim == 2 else mask for name, mask in masks.items()}


def check_masks(masks: Mapping[str, np.ndarray], labels: np.ndarray) -> None:
    """No node in two masks of a split, training nodes in every split, and no node without a class in any."""
    if not masks:
        return
    splits = count_splits(masks)
    for index in range(splits):
        parts, of_split = split_of_masks(masks, index), f" (split {index})" if splits > 1 else ""
        for name, mask in parts.items():
            for other in list(parts)[list(parts).index(name) + 1:]:
                both = (mask != 0) & (parts[other] != 0)
                if np.any(both):
                    raise DataError(f"{name} and {other} overlap{of_split}: node {int(np.argmax(both))} is in both, "
                                    "expected it in one at most")
            unknown = (mask != 0) & (labels == NO_CLASS)
            if np.any(unknown):
                raise DataError(f"{name}{of_split}: node {int(np.argmax(unknown))} is in the mask and has no class "
                                "(label -1 or NaN), expected nodes with a class: take it out of the mask, or give it its "
                                "label")
        if not np.any(parts.get("train_mask", 0)):
            found = "found no node" if "train_mask" in parts else "missing beside the other masks"
            raise DataError(f"train_mask{of_split}: {found}, expected at least one training node")


# ---- names -------------------------------------------------------------------------------------------
def edit_distance(a: str, b: str) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours that make one word the other."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i in range(1, len(a) + 1):
        row = [i]
        for j in range(1, len(b) + 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]


def closest_mask(name: str) -> str:
    """The mask that a name most likely misspells: at most a third of the letters differ; "" when none is near."""
    word = name.replace("-", "_").lower()
    best, fewest = "", 0
    for known in MASKS if len(word) <= 256 else ():
        distance = edit_distance(word, known)
        if len(word) >= 3 and known.startswith(word):
            distance = min(distance, 1)  # a word cut short is one mistake
        if distance <= max(1, max(len(word), len(known)) // 3) and distance < len(known) and (not best or distance < fewest):
            best, fewest = known, distance
    return best


def means(member: str, wanted: str) -> bool:
    words = re.split("[_.-]", member.lower())
    plain = "".join(words)
    if plain == wanted.replace("_", "") or PART_WORDS.get(wanted, set()) & set(words) or plain in ALIASES[wanted]:
        return True
    return plain.endswith("mask") and closest_mask(member) == wanted


def refuse_near_miss(members: Iterable[str], wanted: str, form: str) -> None:
    """DataError where `wanted` is missing and a member's author most likely meant it."""
    members = list(members)
    if wanted in members:
        return
    for member in members:
        if member not in MASKS and means(member, wanted):
            raise DataError(f"found the member {member}, which is not read, and no {wanted}: expected the name {wanted}, "
                            f"with {form}")
