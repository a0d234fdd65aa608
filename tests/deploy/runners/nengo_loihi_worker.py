# /// script
# requires-python = "==3.10.*"
# dependencies = ["nengo-loihi==1.1.0", "nengo==4.1.0", "numpy==1.23.5", "scipy==1.15.3"]
# ///
"""Step dense networks in nengo-loihi's emulator: python nengo_loihi_worker.py FOLDER, in a Python 3.10 of its own.

FOLDER holds case<i>.npz with frames (T, n) of 0 and 1, and for each layer k weight<k>, du<k>, dv<k>, vth<k>; beside
each is written done<i>.npz with spikes<k>, u<k> and v<k> (T, n). The emulator gets the integers as they are.
"""

import sys
from pathlib import Path

import numpy as np
from nengo_loihi.block import Axon, LoihiBlock, Synapse
from nengo_loihi.builder import Model
from nengo_loihi.builder.discretize import array_to_int
from nengo_loihi.emulator import EmulatorInterface
from nengo_loihi.inputs import SpikeInput

STATE_MAX = (1 << 23) - 1


def block_of(case, k):
    weight = case[f"weight{k}"]
    block = LoihiBlock(len(weight))
    cells = block.compartment
    array_to_int(cells.decay_u, np.broadcast_to(case[f"du{k}"], len(weight)))
    array_to_int(cells.decay_v, np.broadcast_to(case[f"dv{k}"], len(weight)))
    array_to_int(cells.vth, np.broadcast_to(case[f"vth{k}"] << 6, len(weight)))
    array_to_int(cells.bias, np.zeros(len(weight)))
    cells.scale_u = cells.scale_v = False
    cells.refract_delay[:] = 1
    cells.vmin, cells.vmax = -STATE_MAX, STATE_MAX
    synapse = Synapse(weight.shape[1])
    synapse.set_weights(weight.T.astype(np.float32))
    for row in synapse.weights:
        array_to_int(row, row.astype(np.int64) << 6)
    block.add_synapse(synapse)
    axon = Axon(weight.shape[1])
    axon.target = synapse
    axon.set_compartment_axon_map(np.arange(weight.shape[1]))
    return block, axon


def run(case):
    frames = case["frames"]
    layers = sum(name.startswith("weight") for name in case.files)
    model = Model(dt=0.001)
    before = SpikeInput(frames.shape[1])
    model.add_input(before)
    for step, frame in enumerate(frames, 1):
        before.add_spikes(step, np.flatnonzero(frame))
    blocks = []
    for k in range(layers):
        block, axon = block_of(case, k)
        before.add_axon(axon)
        model.add_block(block)
        blocks.append(block)
        before = block
    found = {f"{kind}{k}": [] for kind in ("spikes", "u", "v") for k in range(layers)}
    with EmulatorInterface(model, seed=0) as emulator:
        for _ in range(len(frames) + layers):
            emulator.step()
            for k, block in enumerate(blocks):
                here = emulator.block_info.slices[block]
                state = emulator.compartment
                for kind, values in (("spikes", state.spiked), ("u", state.current), ("v", state.voltage)):
                    found[f"{kind}{k}"].append(values[here].copy())
    # Input of step t arrives at t + 1, and every layer is one step later than the one before it.
    return {name: np.array(rows[int(name[-1]) + 1 :][: len(frames)]) for name, rows in found.items()}


folder = Path(sys.argv[1])
for path in sorted(folder.glob("case*.npz")):
    np.savez(path.with_name(path.name.replace("case", "done")), **run(np.load(path)))
