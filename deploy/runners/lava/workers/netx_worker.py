# /// script
# requires-python = "==3.10.*"
# dependencies = ["lava-nc==0.10.0", "lava-dl==0.6.0", "numpy==1.26.4", "scipy==1.15.3"]
# [tool.uv]
# override-dependencies = [
#     "torch; python_version<'0'",
#     "torchvision; python_version<'0'",
#     "opencv-python-headless; python_version<'0'",
#     "unittest2; python_version<'0'",
#     "ninja; python_version<'0'",
# ]
# ///
"""Loads a lava-dl netx file and runs it in Lava. Started by `deploy.runners.lava.netx` in a Python 3.10 of its own.

    python netx_worker.py FOLDER

FOLDER holds `plan.json` and `frames.npy` ((R, T, W, H, C) or (R, T, n)); `spikes<i>.npy`, `v<i>.npy` and `done.json`
come back. netx imports lava-dl's training code, which imports PyTorch and OpenCV; to read a network it needs neither,
so they are not installed and empty modules stand in for them.
"""

import json
import sys
import time
import types
from pathlib import Path

for absent, names in {
    "torch": ["tensor"],
    "lava.lib.dl.slayer": [],
    "lava.lib.dl.slayer.neuron": [],
    "lava.lib.dl.slayer.neuron.rf": ["neuron_params"],
}.items():
    sys.modules[absent] = types.ModuleType(absent)
    for name in names:
        setattr(sys.modules[absent], name, type(name, (), {}))

import numpy as np  # noqa: E402
from lava.lib.dl.netx import hdf5  # noqa: E402
from lava.magma.core.run_conditions import RunSteps  # noqa: E402
from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402
from lava_io.processes import Frames, Probe, Record, Watch, Window, empty  # noqa: E402

IMMEDIATE = 4095
"""The current decay with which a neuron forgets its current in one step."""


def main(folder):
    plan = json.loads((folder / "plan.json").read_text())
    started = time.perf_counter()
    network = hdf5.Network(
        net_config=plan["path"],
        num_layers=plan["layers"],
        input_message_bits=plan["message_bits"],
        reset_interval=plan["steps"],
        # The source spikes at time step 1, which reaches the first synapse's layer at time step 2.
        reset_offset=0 if plan["image"] else 1,
    )
    connect_frames(folder, plan, network)
    for index, layer in enumerate(network.layers):
        record(folder, plan, index, layer)
    plan["total"] = plan["recordings"] * plan["steps"] + len(network.layers)
    network.create_runtime(run_cfg=Loihi2SimCfg(select_tag="fixed_pt", select_sub_proc_model=True))
    watch = Watch(network.runtime)
    built = time.perf_counter()
    network.run(condition=RunSteps(num_steps=plan["total"]))
    ran = time.perf_counter()
    watch.end()
    network.stop()
    done = {"build_seconds": built - started, "run_seconds": ran - built, "layers": len(network.layers)}
    (folder / "done.json").write_text(json.dumps(done))


def connect_frames(folder, plan, network):
    """A picture is the bias of the input layer's neurons, and may change from step to step: a current that they forget
    at once, shifted by 6 as the bias is, does the same. Nothing else reaches them.
    """
    first = network.layers[0]
    source = Frames(path=folder / "frames.npy", shape=tuple(first.inp.shape), window=Window(plan, 0))
    if plan["image"]:
        first.neuron.du.init = IMMEDIATE
        source.s_out.connect(first.neuron.a_in)
    else:
        source.s_out.connect(network.inp)


def record(folder, plan, index, layer):
    """Keep the spikes of a layer, or the potential of a readout."""
    window = Window(plan, index + (0 if plan["image"] else 1))
    shape = tuple(int(n) for n in layer.shape)
    size = (plan["recordings"], plan["steps"], *shape)
    if plan["readouts"][index]:
        path = empty(folder / f"v{index}.npy", size, np.int32)
        Probe(path=path, var=layer.neuron.v, window=window, keep=plan["recordings"])
    else:
        path = empty(folder / f"spikes{index}.npy", size, np.bool_)
        sink = Record(path=path, shape=shape, window=window, held=False)
        layer.neuron.s_out.connect(sink.a_in)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
