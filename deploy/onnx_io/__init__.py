"""ONNX in and out: one step of a network as a graph, its states as inputs and outputs.

A host keeps the states: it feeds every output X.next back as the input X, and zeros at the first step.
"""

from deploy.onnx_io.reader import read
from deploy.onnx_io.writer import to_onnx, write_onnx

__all__ = ["read", "to_onnx", "write_onnx"]
