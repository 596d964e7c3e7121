#!/usr/bin/env bash
# PyG's gcn_norm sums the weights of repeated edges, but of repeated self-loops it keeps the last one of the list: the
# order of edges changes the matrix. coalesce() before it helps.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile torch==2.15.0 torch_geometric==2.8.1 numpy==2.4.6
HOME=$folder "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
import torch
import torch_geometric
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.utils import coalesce, to_dense_adj

print("torch_geometric", torch_geometric.__version__, "torch", torch.__version__)


def loop(edges, weight):
    index, weight = gcn_norm(edges, weight, num_nodes=2)
    return to_dense_adj(index, edge_attr=weight)[0, 0, 0].item()


edges = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 0]])
first, second = torch.tensor([5.0, 2.0, 1.0, 1.0]), torch.tensor([2.0, 5.0, 1.0, 1.0])
found = [loop(edges, first), loop(edges, second), loop(*coalesce(edges, first))]
print("graph 0 - 1 with two loops at 0, of weight 5 and 2; the matrix at (0, 0):")
print(f"  loops listed as 5, 2  {found[0]:.4f}  = 2/3")
print(f"  loops listed as 2, 5  {found[1]:.4f}  = 5/6")
print(f"  after coalesce()      {found[2]:.4f}  = 7/8")
if any(abs(a - b) > 1e-4 for a, b in zip(found, (2 / 3, 5 / 6, 7 / 8))):
    sys.exit("CHANGED: this is no longer so")
PYTHON
