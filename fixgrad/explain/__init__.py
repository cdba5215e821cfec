"""Says why: what became of one conversion and by which steps, and how the tensors of a file flow.

A run is watched (`watch`), its graph is read forwards (`journey`), and what is found
is told (`answer`), in words or as data. Nothing here decides: the findings are the analysis's.
"""
