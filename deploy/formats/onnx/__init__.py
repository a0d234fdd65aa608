"""ONNX in and out: one step of a network as a graph, its states as inputs and outputs.

A host keeps the states: it feeds every output X.next back as the input X, and zeros at the first step.
"""

from deploy.formats.onnx.writer import to_onnx, write_onnx

__all__ = ["to_onnx", "write_onnx"]
