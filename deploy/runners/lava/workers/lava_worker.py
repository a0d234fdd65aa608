# /// script
# requires-python = "==3.10.*"
# dependencies = ["lava-nc==0.10.0", "numpy==1.26.4", "scipy==1.15.3"]
# ///
"""Builds and runs one Lava process graph. Started by `deploy.runners.lava.worker` in a Python 3.10 of its own.

    python lava_worker.py FOLDER

FOLDER holds `plan.json`, `arrays.npz` and `frames.npy` ((R, T, ...) in Lava's layout), as `deploy.runners.lava.fixed`
writes them. Spikes and states come back beside them, one .npy a population, and `done.json` last of all.
Nothing of this project is imported here. What Lava raises ends the worker with its traceback on stderr.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2HwCfg, Loihi2SimCfg
from lava.proc.conv.process import Conv
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.lif.process import LIF, LIFReset
from lava.proc.sparse.process import DelaySparse, Sparse
from lava_io.overflows import Counter, count_overflows
from lava_io.processes import Drive, Frames, Probe, Record, Watch, Window, empty
from lava_io.resets import OtherReset
from scipy.sparse import csr_matrix


def neurons(spec, arrays, plan):
    """A Lava LIF whose state is cleared at the step at which a recording's first frame reaches it.

    Lava's CPU models compute with the parameters as they are given: one number, or one for each neuron.
    """
    parameters = {name: arrays[spec[name]] for name in ("du", "dv", "vth")}
    usual = spec["reset"] == "zero" and not spec["reset_delay"] and not spec["forced"]
    other = {} if usual else {"mechanism": spec["reset"], "late": spec["reset_delay"], "steps": plan["steps"]}
    return (LIFReset if usual else OtherReset)(
        shape=tuple(spec["shape"]),
        **{name: value if value.shape else value.item() for name, value in parameters.items()},
        bias_mant=arrays[spec["bias_mant"]],
        bias_exp=spec["bias_exp"],
        reset_interval=plan["interval"],
        reset_offset=spec["depth"] + 1,
        **other,
    )


def synapse(spec, arrays):
    """The Lava process of one connection."""
    bits = {"num_message_bits": spec["message_bits"]}
    if spec["kind"] == "conv":
        geometry = {name: tuple(spec[name]) for name in ("input_shape", "stride", "padding", "dilation")}
        return Conv(weight=arrays[spec["weight"]], groups=spec["groups"], **geometry, **bits)
    if spec["kind"] == "dense":
        return Dense(weights=arrays[spec["weight"]], weight_exp=spec["weight_exp"], **bits)
    if spec["kind"] == "delay_dense":
        delays = arrays[spec["delays"]]
        late = {"delays": delays, "max_delay": int(delays.max())}
        return DelayDense(weights=arrays[spec["weight"]], weight_exp=spec["weight_exp"], **late, **bits)
    return Sparse(weights=sparse(spec["weight"], arrays), weight_exp=spec["weight_exp"], **bits)


def sparse(name, arrays):
    data, indices, indptr, shape = (arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr", "shape"))
    return csr_matrix((data, indices, indptr), shape=tuple(shape))


def connect(port_out, port_in):
    """Both sides hold the same numbers in the same order; one of them may be flat."""
    (port_out if port_out.shape == port_in.shape else port_out.reshape(port_in.shape)).connect(port_in)


class Graph:
    """The Lava processes of a plan, connected."""

    def __init__(self, folder, plan, arrays):
        self.folder, self.plan, self.arrays = folder, plan, arrays
        self.sources, self.relays, self.processes = {}, {}, []
        self.populations = [self.add(neurons(spec, arrays, plan)) for spec in plan["populations"]]
        if not (plan["floating"] or plan["hardware"]):
            self.count_overflows()
        for index, spec in enumerate(plan["populations"]):
            if spec["drive"]:
                self.drive(index, spec)
        for spec in plan["synapses"]:
            connection = self.add(synapse(spec, arrays))
            connect(self.spikes_of(spec), connection.s_in)
            connect(connection.a_out, self.populations[spec["to"]].a_in)
        for index, spec in enumerate(plan["populations"]):
            self.record(index, spec)

    def add(self, process):
        self.processes.append(process)
        return process

    def window(self, shift):
        return Window(self.plan, shift)

    def spikes_of(self, spec):
        """The port that brings what a synapse sees, `delay` steps late."""
        if spec["from"] is None:
            if spec["delay"] not in self.sources:
                shape = tuple(self.plan["input_shape"])
                frames = Frames(path=self.folder / "frames.npy", shape=shape, window=self.window(spec["delay"]))
                self.sources[spec["delay"]] = self.add(frames)
            return self.sources[spec["delay"]].s_out
        port, delay = self.populations[spec["from"]].s_out, spec["delay"]
        while delay:
            port, delay = self.relay(spec["from"], port, delay)
        return port

    def relay(self, index, port, delay):
        """Neurons that repeat a population's spikes up to 64 steps later: 63 in the synapse, and one of their own."""
        now, rest = min(delay, 64), max(delay - 64, 0)
        if (index, delay) not in self.relays:
            count = int(np.prod(port.shape))
            one = identity(count)
            late = {"delays": one * (now - 1), "max_delay": now - 1}
            line = self.add(DelaySparse(weights=one, **late) if now > 1 else Sparse(weights=one))
            repeat = self.add(LIF(shape=(count,), du=self.plan["forget"], dv=0, vth=0))
            connect(port, line.s_in)
            connect(line.a_out, repeat.a_in)
            self.relays[index, delay] = repeat
        return self.relays[index, delay].s_out, rest

    def drive(self, index, spec):
        shape = tuple(spec["shape"])
        currents = {name: self.arrays[key] for name, key in spec["drive"].items()}
        source = self.add(Drive(shape=shape, window=self.window(spec["depth"]), **currents))
        source.s_out.connect(self.populations[index].a_in)

    def count_overflows(self):
        count_overflows()
        for index, (spec, population) in enumerate(zip(self.plan["populations"], self.populations, strict=True)):
            path = self.folder / f"overflows{index}.npy"
            population.proc_params["overflows"] = Counter(path, self.window(spec["depth"]))

    def record(self, index, spec):
        plan, shape, window = self.plan, tuple(spec["shape"]), self.window(spec["depth"])
        state_type = np.float64 if plan["floating"] else np.int32
        if spec["spikes"]:
            path = empty(self.folder / f"spikes{index}.npy", (plan["recordings"], plan["steps"], *shape), np.bool_)
            sink = self.add(Record(path=path, shape=shape, window=window, held=spec["held"] and spec["name"]))
            self.populations[index].s_out.connect(sink.a_in)
        for name, keep in spec["keep"].items():
            if keep:
                path = empty(self.folder / f"{name}{index}.npy", (keep, plan["steps"], *shape), state_type)
                var = getattr(self.populations[index], name)
                self.add(Probe(path=path, var=var, window=window, keep=keep))


def identity(count):
    every = np.arange(count + 1)
    return csr_matrix((np.ones(count, int), every[:-1], every), shape=(count, count))


def main(folder):
    started = time.perf_counter()
    plan = json.loads((folder / "plan.json").read_text())
    arrays = dict(np.load(folder / "arrays.npz"))
    graph = Graph(folder, plan, arrays)
    tag_name = "floating_pt" if plan["floating"] else "fixed_pt"
    config = Loihi2HwCfg() if plan["hardware"] else Loihi2SimCfg(select_tag=tag_name)
    first = graph.populations[0]
    first.create_runtime(run_cfg=config)
    watch = Watch(first.runtime)
    built = time.perf_counter()
    try:
        first.run(condition=RunSteps(num_steps=plan["total"]), run_cfg=config)
    except RuntimeError:  # Lava may notice sooner than the watch, and says nothing of what was raised.
        watch.show()
        raise
    ran = time.perf_counter()
    watch.end()
    first.stop()
    times = {"build_seconds": built - started, "run_seconds": ran - built, "processes": len(graph.processes)}
    (folder / "done.json").write_text(json.dumps(times))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
