#!/usr/bin/env bash
# On a directed graph the GCN layers of DGL and PyG differ: both divide by the root of degrees on both sides, DGL by the
# source's out-degree, PyG by its in-degree.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --no-compile torch==2.2.1 dgl==2.1.0 torchdata==0.7.1 \
  torch_geometric==2.8.1 numpy==1.26.4 pandas==2.2.3 pydantic==2.9.2 PyYAML==6.0.2
HOME=$folder DGLBACKEND=pytorch "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys
import dgl
import torch
import torch_geometric
from dgl.nn import GraphConv
from torch_geometric.nn import GCNConv

print("dgl", dgl.__version__, "torch_geometric", torch_geometric.__version__, "torch", torch.__version__)
source, target = torch.tensor([0, 0]), torch.tensor([1, 2])
x = torch.tensor([[1.0], [10.0], [100.0]])
graph = dgl.add_self_loop(dgl.graph((source, target), num_nodes=3))
layer = GCNConv(1, 1, bias=False)
torch.nn.init.ones_(layer.lin.weight)
with torch.no_grad():
    by_dgl = GraphConv(1, 1, weight=False, bias=False)(graph, x).flatten().tolist()
    by_pyg = layer(x, torch.stack([source, target])).flatten().tolist()
print("graph 0 -> 1, 0 -> 2 with self-loops, features 1, 10, 100, weight 1; what the nodes get:")
print("  DGL GraphConv", [round(value, 3) for value in by_dgl])
print("  PyG GCNConv  ", [round(value, 3) for value in by_pyg])
expected = [0.577, 7.479, 71.119, 1.0, 5.707, 50.707]
if any(abs(a - b) > 1e-3 for a, b in zip(by_dgl + by_pyg, expected)):
    sys.exit("CHANGED: this is no longer so")
PYTHON
