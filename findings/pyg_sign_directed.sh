#!/usr/bin/env bash
# PyG's SIGN transform adds no self-loops and divides by in-degrees: on a directed graph, features of nodes that
# nobody points to reach nobody. GCNConv's matrix of the same graph passes them on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile torch==2.15.0 torch_geometric==2.8.1 numpy==2.4.6
HOME=$folder "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
import torch
import torch_geometric
from torch_geometric.data import Data
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_geometric.transforms import SIGN
from torch_geometric.utils import to_dense_adj

print("torch_geometric", torch_geometric.__version__, "torch", torch.__version__)
edges = torch.tensor([[0, 1], [1, 2]])
x = torch.tensor([[1.0], [10.0], [100.0]])
sign = SIGN(K=1)(Data(x=x, edge_index=edges)).x1.flatten().tolist()
index, weight = gcn_norm(edges, num_nodes=3)
gcn = (to_dense_adj(index, edge_attr=weight)[0].T @ x).flatten().tolist()
print("graph 0 -> 1 -> 2 with the features 1, 10, 100; what the nodes get in one hop:")
print("  SIGN    ", sign, "- node 1 gets nothing from node 0")
print("  gcn_norm", [round(value, 2) for value in gcn])
if sign != [0, 0, 10] or abs(gcn[1] - 5.707) > 1e-3:
    sys.exit("CHANGED: this is no longer so")
PYTHON
