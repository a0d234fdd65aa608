"""Run a dense network in brian2 (C++ standalone): python brian2_mlp.py FOLDER, by an interpreter that has brian2.

FOLDER holds frames.npy (T, n), weight<i>.npy (out, in) and thresholds.npy; writes done.json: seconds of the simulation
alone, without compiling, and the spikes of every layer.
"""

import json
import sys
from pathlib import Path

import brian2 as b
import numpy as np

folder = Path(sys.argv[1])
frames, thresholds = np.load(folder / "frames.npy"), np.load(folder / "thresholds.npy")
weights = [np.load(folder / f"weight{i}.npy") for i in range(len(thresholds))]
b.set_device("cpp_standalone", directory=str(folder / "brian2"), build_on_run=True)
b.prefs.devices.cpp_standalone.openmp_threads = 0
b.defaultclock.dt = 1 * b.ms
steps, neurons = np.nonzero(frames)
source = b.SpikeGeneratorGroup(frames.shape[1], neurons, steps * b.ms)
parts, monitors = [source], []
for i, (weight, threshold) in enumerate(zip(weights, thresholds, strict=True)):
    # Half of the potential is kept and the step's input added, then the spike: the grid's order.
    group = b.NeuronGroup(
        len(weight), "v : 1\na : 1", threshold=f"v > {threshold}", reset="v = 0", method="euler", name=f"layer{i}"
    )
    group.run_regularly("v = 0.5 * v + a; a = 0", when="before_thresholds")
    synapses = b.Synapses(parts[-1], group, "w : 1", on_pre="a_post += w", name=f"synapses{i}")
    synapses.connect()
    # The default order of all-to-all synapses: by source, then target.
    synapses.w = weight.T.ravel()
    monitor = b.SpikeMonitor(group, record=False, name=f"monitor{i}")
    parts.append(group)
    monitors.append((synapses, monitor))
net = b.Network(parts, *monitors)
net.run(len(frames) * b.ms)
spikes = [int(monitor.num_spikes) for _, monitor in monitors]
(folder / "done.json").write_text(json.dumps({"seconds": float(b.device._last_run_time), "spikes": spikes}))
