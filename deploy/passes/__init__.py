"""Passes: a `Network` in, a `Network` that does the same out. One file a pass, each with what it requires and ensures.

They hold for float networks; on the grid only those do anything that stay exact there. Node names are kept wherever
the node is: above all every neuron keeps its name, so traces made before and after a pass can be compared.
"""
