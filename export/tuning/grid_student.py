"""The student on the grid as a student again, whose modules round, so that it can be trained there; and back."""

from torch import nn

from ckd.models.student import Student
from deploy.errors import UnsupportedError
from deploy.network import Flatten, Network
from deploy.quantization.rounding import collect_layer
from deploy.quantization.search import Quantization
from export.tuning.grid_layers import GridClassifier, GridConv, GridLIF
from export.tuning.trained_network import trained_network


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
    weights, biases = {}, {}
    for layer in quantization.layers:
        # The readout of a student has no module: its bias is the classifier's.
        biased = student.nodes[layer.name if not layer.neuron.is_readout else next(iter(layer.synapses))]
        assert isinstance(biased, GridLIF | GridClassifier)
        biases[layer.name] = biased.rounded_bias()
        for name in layer.synapses:
            module = student.nodes[name]
            assert isinstance(module, GridConv | GridClassifier)
            weights[name] = module.rounded_weight()
    return trained_network(quantization, weights, biases)
