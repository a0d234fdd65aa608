"""Fine-tuning leaves a student on the grid, with the bits that were asked for."""

from pathlib import Path

from ckd.runs.folder import load_run
from deploy import grid
from deploy.network import Conv, Dense
from deploy.quantization.search import quantize_layers
from export.fold import student_to_network
from export.refusals import graph_of
from export.tuning.finetune import finetune


def test_fine_tuning_a_run_gives_a_network_on_the_grid(tiny_run: Path) -> None:
    run = load_run(tiny_run)
    network = student_to_network(graph_of(run), binning=run.binning, classes=run.classes)
    frames, _, _ = run.recordings("validation")
    start = quantize_layers(network, frames, weight_bits=4, method="max", chip="loihi2")
    iterations: list[int] = []
    tuned = finetune(run, start, iterations=4, weight_bits=4, advance=iterations.append)
    assert iterations == [1, 2, 3, 4]
    assert tuned.on_grid and tuned.chip == "loihi2"
    for node in tuned.nodes.values():
        if isinstance(node, Conv | Dense):
            assert grid.weights_on_grid(node.weight, 4)
