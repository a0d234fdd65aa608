"""The witness of a single changed bit as a picture: its events, and both potentials of the neuron that tells.

    python -m benchmarks.draw_witness student.nir --node conv3 --index 57,29,3,4 --to -30      writes docs/witness.png

The student lies with its trace; the bit is one that the first 100 recordings of it do not show.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import deploy
from benchmarks.witness import material
from deploy.checking.witness.nearness import potentials
from deploy.network import GridNeuron, Network


def changed(network: Network, node: str, index: tuple[int, ...], to: int) -> Network:
    """The network with one weight of `node` set."""
    weight = network.nodes[node].weight.copy()  # pyright: ignore[reportAttributeAccessIssue]
    weight[index] = to
    return network.replace(nodes={**network.nodes, node: replace(network.nodes[node], weight=weight)})  # pyright: ignore


def draw(network: Network, found: deploy.Witness, title: str) -> Figure:
    """The frames above, with both polarities, the potentials of both below."""
    first, frames = found.first, found.frames[0]
    assert first is not None and first.neuron is not None
    node = network.nodes[first.layer]
    assert isinstance(node, GridNeuron)
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    grid = figure.add_gridspec(2, len(frames), height_ratios=(1, 1.5))
    for step, frame in enumerate(frames):
        axis = figure.add_subplot(grid[0, step])
        picture = np.ones((*frame.shape[1:], 3))
        picture[frame[0] > 0], picture[frame[-1] > 0] = (0.1, 0.3, 0.9), (0.9, 0.1, 0.1)
        axis.imshow(picture)
        axis.set_title(f"step {step}: {int(frame.sum())}", fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
    axis = figure.add_subplot(grid[1, :])
    for trace, label, style in ((found.expected, "the student", "o-"), (found.found, "one bit changed", "s--")):
        v = potentials(node, trace.layers[first.layer])[(0, slice(None), *first.neuron)]
        axis.plot(v, style, label=label, alpha=0.8)
    threshold = int(np.broadcast_to(np.asarray(node.firing_potential), node.shape)[first.neuron])
    axis.axhline(threshold, color="black", linewidth=0.8, label=f"threshold {threshold:,}")
    axis.set_xlabel("step")
    axis.set_ylabel(f"potential of {first.layer} {first.neuron}")
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    figure.suptitle(title, fontsize=10)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--node", default="conv3")
    parser.add_argument("--index", default="57,29,3,4")
    parser.add_argument("--to", type=int, default=-30)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    network, frames = material(asked.model)
    index = tuple(map(int, asked.index.split(",")))
    other = changed(network, asked.node, index, asked.to)
    sought = deploy.witness(network, other, seconds=asked.seconds, frames=frames)
    print(sought)
    if sought.witness is None:
        raise SystemExit(1)
    before = int(network.nodes[asked.node].weight[index])  # pyright: ignore[reportAttributeAccessIssue]
    where = f"{asked.node}[{', '.join(map(str, index))}]"
    title = f"{where} is {asked.to} instead of {before}: {sought.witness.events} events show it"
    draw(network, sought.witness, title).savefig("docs/witness.png", dpi=80)


if __name__ == "__main__":
    main()
