"""Fine-tuning leaves a student on the grid, with the bits that were asked for."""

import math
from pathlib import Path

import deploy
from ckd.runs.folder import load_run
from deploy import grid
from deploy.network import Array, Conv, Dense, Network
from deploy.quantization.search import quantize_layers
from export.fold import student_to_network
from export.refusals import graph_of
from export.tuning.finetune import finetune


def test_fine_tuning_a_run_gives_a_network_on_the_grid(tiny_run: Path) -> None:
    run = load_run(tiny_run)
    network = student_to_network(graph_of(run), binning=run.binning, classes=run.classes)
    frames = run.recordings("validation")[0][:]
    start = quantize_layers(network, frames, weight_bits=4, method="max", chip="loihi2")
    iterations: list[int] = []
    tuned = finetune(run, start, iterations=4, weight_bits=4, advance=iterations.append)
    assert iterations == [1, 2, 3, 4]
    assert tuned.on_grid and tuned.chip == "loihi2"
    for node in tuned.nodes.values():
        if isinstance(node, Conv | Dense):
            assert grid.weights_on_grid(node.weight, 4)


def test_fine_tuning_presses_a_run_within_a_budget(tiny_run: Path) -> None:
    run = load_run(tiny_run)
    network = student_to_network(graph_of(run), binning=run.binning, classes=run.classes)
    frames = run.recordings("validation")[0][:]
    start = quantize_layers(network, frames, weight_bits=8, method="max", chip="loihi2")
    spent = [
        spikes_per_neuron_step(finetune(run, start, iterations=20, weight_bits=8, activity=activity), frames)
        for activity in (None, 0.002)
    ]
    assert 0 < spent[1] < 0.8 * spent[0]


def spikes_per_neuron_step(network: Network, frames: Array) -> float:
    layers = [network.shapes[layer] for layer in network.neurons if not network.neurons[layer].is_readout]
    trace = deploy.run(network, frames)
    spikes = sum(int(trace.output(layer).sum()) for layer in trace.spiking)
    return spikes / (len(frames) * frames.shape[1] * sum(math.prod(shape) for shape in layers))
