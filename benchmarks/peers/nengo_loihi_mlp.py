"""Run a dense network in nengo-loihi's emulator: python nengo_loihi_mlp.py FOLDER, by an interpreter that has it.

FOLDER as for brian2_mlp.py. The blocks are built directly; nengo-loihi's own discretizer puts them on the grid.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from nengo_loihi.block import Axon, LoihiBlock, Synapse
from nengo_loihi.builder import Model
from nengo_loihi.builder.discretize import discretize_model
from nengo_loihi.emulator import EmulatorInterface
from nengo_loihi.inputs import SpikeInput
from nengo_loihi.probe import LoihiProbe

DT = 0.001
folder = Path(sys.argv[1])
frames, thresholds = np.load(folder / "frames.npy"), np.load(folder / "thresholds.npy")
model = Model(dt=DT)
source = SpikeInput(frames.shape[1])
model.add_input(source)
before, probes = source, []
for i, threshold in enumerate(thresholds):
    weight = np.load(folder / f"weight{i}.npy")
    block = LoihiBlock(len(weight), label=f"layer{i}")
    # Half of the potential is kept; nengo's LIF takes in the other half of the current.
    block.compartment.configure_lif(tau_rc=DT / np.log(2), tau_ref=DT, vth=1, dt=DT)
    block.compartment.configure_filter(0, dt=DT)
    synapse = Synapse(weight.shape[1])
    synapse.set_weights(2 * weight.T / threshold)
    block.add_synapse(synapse)
    axon = Axon(weight.shape[1])
    axon.target = synapse
    axon.set_compartment_axon_map(np.arange(weight.shape[1]))
    before.add_axon(axon)
    model.add_block(block)
    probe = LoihiProbe(target=block, key="spiked", slice=slice(None))
    model.add_probe(probe)
    probes.append(probe)
    before = block
discretize_model(model)
for step, frame in enumerate(frames, 1):
    source.add_spikes(step, np.flatnonzero(frame))
with EmulatorInterface(model, seed=0) as emulator:
    started = time.perf_counter()
    emulator.run_steps(len(frames))
    seconds = time.perf_counter() - started
    spikes = [int(np.sum(np.asarray(emulator.collect_probe_output(probe)) > 0)) for probe in probes]
(folder / "done.json").write_text(json.dumps({"seconds": seconds, "spikes": spikes}))
