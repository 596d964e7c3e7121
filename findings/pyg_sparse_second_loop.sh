#!/usr/bin/env bash
# PyG's gcn_norm (what GCNConv uses) adds a self-loop to every node that has none when it is given an edge_index, and to
# every node when it is given the same graph as a torch.sparse tensor: a node with a loop then counts itself twice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile torch==2.15.0 torch_geometric==2.8.1 numpy==2.4.6
HOME=$folder "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
import torch
import torch_geometric
from torch_geometric.nn import GCNConv

print("torch_geometric", torch_geometric.__version__, "torch", torch.__version__)
edges = torch.tensor([[0, 0, 1], [0, 1, 0]])
x = torch.tensor([[1.0], [0.0]])
layer = GCNConv(1, 1, bias=False)
torch.nn.init.ones_(layer.lin.weight)
sparse = torch.sparse_coo_tensor(edges, torch.ones(3), (2, 2)).to_sparse_csr()  # symmetric: its own transpose
with torch.no_grad():
    by_index, by_sparse = layer(x, edges)[0].item(), layer(x, sparse)[0].item()
print("graph 0 - 1 with a loop at 0; what GCNConv gives node 0 of its own feature:")
print(f"  edge_index   {by_index:.4f}")
print(f"  torch.sparse {by_sparse:.4f}")
if abs(by_index - 1 / 2) > 1e-4 or abs(by_sparse - 2 / 3) > 1e-4:
    sys.exit("CHANGED: this is no longer so")
PYTHON
