"""The student on the grid as a student again, whose modules round, so that it can be trained there; and back."""

from dataclasses import replace

import numpy as np
from torch import nn

from ckd.models.student import Student
from deploy.errors import UnsupportedError
from deploy.network import Flatten, Network
from deploy.network.parameters import ParameterChange, compare_parameter
from deploy.quantization.rounding import before_and_after, collect_layer
from deploy.quantization.search import Quantization
from export.grid_layers import GridClassifier, GridConv, GridLIF


def build_grid_student(quantization: Quantization, *, weight_bits: int, alpha: float) -> Student:
    """A student that computes exactly what the network on the grid does, and can learn.

    Args:
        quantization: of a student's network.
        weight_bits: bits per weight, 1 to 8.
        alpha: steepness of the surrogate gradient.

    Raises:
        UnsupportedError: a network that is no student's.
    """
    prepared = quantization.prepared
    modules: dict[str, nn.Module] = {
        name: nn.Flatten() for name, node in prepared.nodes.items() if isinstance(node, Flatten)
    }
    for layer in quantization.layers:
        floating = collect_layer(prepared, layer.name)
        if not layer.neuron.is_readout:
            modules[layer.name] = GridLIF(floating, layer, alpha)
            modules |= {name: GridConv(name, floating, layer, weight_bits) for name in layer.synapses}
        else:
            modules |= {name: GridClassifier(name, floating, layer, weight_bits) for name in layer.synapses}
    readout = prepared.sources(prepared.output)[0]
    unknown = set(prepared.nodes) - set(modules) - {prepared.input, readout, prepared.output}
    if unknown or quantization.layers[-1].name != readout:
        raise UnsupportedError(f"{sorted(unknown) or readout}: only a student's own network can be fine-tuned")
    # The student gives logits; the readout that adds them up is deployment's.
    edges = tuple((a, "output" if b == readout else b) for a, b in prepared.edges if a != readout)
    return Student({name: modules[name] for name in prepared.order if name in modules}, edges)


def grid_student_to_network(student: Student, quantization: Quantization) -> Network:
    """The network on the grid that a grid student computes.

    Args:
        student: that `build_grid_student` made from `quantization`, trained or not.
        quantization: gives the scales, decays and thresholds; and the float parameters that the report compares with.
    """
    nodes = dict(quantization.network.nodes)
    for layer in quantization.layers:
        # The readout of a student has no module: its bias is the classifier's.
        biased = student.nodes[layer.name if not layer.neuron.is_readout else next(iter(layer.synapses))]
        assert isinstance(biased, GridLIF | GridClassifier)
        bias = biased.rounded_bias().reshape(layer.neuron.bias.shape).cpu().numpy().astype(np.int32)
        nodes[layer.name] = replace(layer.neuron, bias=bias)
        for name, synapse in layer.synapses.items():
            module = student.nodes[name]
            assert isinstance(module, GridConv | GridClassifier)
            weight = module.rounded_weight().detach().cpu().numpy().astype(np.int32)
            nodes[name] = replace(synapse, weight=weight.reshape(synapse.weight.shape))
    network = quantization.network.replace(nodes=nodes)
    return network.replace(report=_report(network, quantization))


def _report(network: Network, quantization: Quantization) -> tuple[ParameterChange, ...]:
    """What became of each parameter of the float student, training on the grid included."""
    report = {(change.node, change.parameter): change for change in quantization.network.report}
    for layer in quantization.layers:
        neuron, synapses = network.nodes[layer.name], {name: network.nodes[name] for name in layer.synapses}
        trained = replace(layer, neuron=neuron, synapses=synapses)
        for which, values in before_and_after(collect_layer(quantization.prepared, layer.name), trained).items():
            if which[1] in ("weight", "bias"):
                report[which] = compare_parameter(*which, *values, note="trained on the grid")
    return tuple(report.values())
