"""Readers of public graph formats, by the rules of the program's own reader (host/data), for convert.py and adam_baseline.py.

  rules        what labels, masks and their names may be
  csr, npz     sparse matrices; a graph, and the .npz that gamlp reads and that this writes
  planetoid, ogb, ogb_binary, formats, files   one source of graphs each (formats: GraphSAINT, heterophilous, DGL's Reddit)
  dataset_table, report                        the published counts and checksums, and what is compared with them
"""
