"""What training on the grid made of a quantized network."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from torch import Tensor

from deploy.network import Array, Network, Node
from deploy.network.parameters import ParameterChange, compare_parameter
from deploy.quantization.rounding import before_and_after, collect_layer
from deploy.quantization.search import Quantization


def trained_network(quantization: Quantization, weights: Mapping[str, Tensor], biases: Mapping[str, Tensor]) -> Network:
    """The quantized network with other weights and biases, and a report that says so.

    Args:
        quantization: gives scales, decays and thresholds, and the float parameters that the report compares with.
        weights: by synapse, in grid units.
        biases: by layer of neurons, in units of the potential.
    """
    nodes: dict[str, Node] = dict(quantization.network.nodes)
    for layer in quantization.layers:
        nodes[layer.name] = replace(layer.neuron, bias=_integers(biases[layer.name], layer.neuron.bias))
        for name, synapse in layer.synapses.items():
            nodes[name] = replace(synapse, weight=_integers(weights[name], synapse.weight))
    network = quantization.network.replace(nodes=nodes)
    return network.replace(report=_report(network, quantization))


def _integers(values: Tensor, like: Array) -> Array:
    return values.detach().cpu().numpy().astype(np.int32).reshape(like.shape)


def _report(network: Network, quantization: Quantization) -> tuple[ParameterChange, ...]:
    """What became of each parameter of the float network, training on the grid included."""
    report = {(change.node, change.parameter): change for change in quantization.network.report}
    for layer in quantization.layers:
        neuron, synapses = network.nodes[layer.name], {name: network.nodes[name] for name in layer.synapses}
        trained = replace(layer, neuron=neuron, synapses=synapses)
        for which, values in before_and_after(collect_layer(quantization.prepared, layer.name), trained).items():
            if which[1] in ("weight", "bias"):
                report[which] = compare_parameter(*which, *values, note="trained on the grid")
    return tuple(report.values())
