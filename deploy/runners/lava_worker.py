# /// script
# requires-python = "==3.10.*"
# dependencies = ["lava-nc==0.10.0", "numpy==1.26.4", "scipy==1.15.3"]
# ///
"""Builds and runs one Lava process graph. Started by `deploy.runners.worker` in a Python 3.10 of its own.

    python lava_worker.py FOLDER

FOLDER holds `plan.json`, `arrays.npz` and `frames.npy` ((R, T, ...) in Lava's layout), as `deploy.runners.lava_plan`
writes them. Spikes and states come back beside them, one .npy a population, and `done.json` last of all.
Nothing of this project is imported here. What Lava raises ends the worker with its traceback on stderr.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

# This folder holds modules named like the packages that they drive (lava.py): it must not be searched for imports.
HERE = Path(__file__).resolve().parent
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]

import numpy as np  # noqa: E402
from lava.magma.core.decorator import implements, requires, tag  # noqa: E402
from lava.magma.core.model.py.model import PyLoihiProcessModel  # noqa: E402
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort  # noqa: E402
from lava.magma.core.model.py.type import LavaPyType  # noqa: E402
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort  # noqa: E402
from lava.magma.core.process.process import AbstractProcess  # noqa: E402
from lava.magma.core.resources import CPU  # noqa: E402
from lava.magma.core.run_conditions import RunSteps  # noqa: E402
from lava.magma.core.run_configs import Loihi2HwCfg, Loihi2SimCfg  # noqa: E402
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # noqa: E402
from lava.proc.conv.process import Conv  # noqa: E402
from lava.proc.dense.process import Dense  # noqa: E402
from lava.proc.lif.process import LIF, LIFReset  # noqa: E402
from lava.proc.sparse.process import DelaySparse, Sparse  # noqa: E402
from scipy.sparse import csr_matrix  # noqa: E402


class Window:
    """Which recording and which of its steps a process that works `shift` steps late sees at a Lava time step."""

    def __init__(self, plan, shift):
        self.recordings, self.steps, self.interval = plan["recordings"], plan["steps"], plan["interval"]
        self.shift = shift

    def __call__(self, time_step):
        """(recording, step), or None between recordings. Lava counts its time steps from 1."""
        recording, step = divmod(time_step - 1 - self.shift, self.interval)
        return (recording, step) if 0 <= recording < self.recordings and step < self.steps else None


def both_precisions(process, port, port_type):
    """Makes of a model without a port type the two that Lava chooses between by their tag."""

    def make(model):
        for name, number in (("fixed_pt", np.int32), ("floating_pt", float)):
            body = {"__module__": __name__, port: LavaPyType(port_type, number)}
            typed = type(f"{model.__name__}_{name}", (model,), body)
            typed = tag(name)(requires(CPU)(implements(proc=process, protocol=LoihiProtocol)(typed)))
            globals()[typed.__name__] = typed  # Lava finds models by searching the module of their process.
        return model

    return make


class Frames(AbstractProcess):
    """Sends the recordings, `shift` steps late. Lava's own RingBuffer wants them all as one int32 array, time last."""

    def __init__(self, *, path, shape, window):
        super().__init__(path=path, window=window)
        self.s_out = OutPort(shape=shape)


@both_precisions(Frames, "s_out", PyOutPort.VEC_DENSE)
class FramesModel(PyLoihiProcessModel):
    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.frames = np.load(proc_params["path"], mmap_mode="r")
        self.window = proc_params["window"]
        self.silence = np.zeros(self.frames.shape[2:], self.frames.dtype)

    def run_spk(self):
        at = self.window(self.time_step)
        self.s_out.send(self.silence if at is None else self.frames[at])


class Drive(AbstractProcess):
    """A constant current during recordings, and between them one of -`level` that outweighs all others.

    The second holds a population below its threshold: a recurrent or delayed connection would otherwise carry what
    biased neurons fire between two recordings.
    """

    def __init__(self, *, shape, rest, level, top_up, window):
        super().__init__(shape=shape, rest=rest, level=level, top_up=top_up, window=window)
        self.s_out = OutPort(shape=shape)


@both_precisions(Drive, "s_out", PyOutPort.VEC_DENSE)
class DriveModel(PyLoihiProcessModel):
    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.window = proc_params["window"]
        shape = proc_params["shape"]
        self.rest, self.level, self.top_up = (
            np.broadcast_to(proc_params[name], shape) for name in ("rest", "level", "top_up")
        )
        self.idle = False

    def run_spk(self):
        """The whole level at first, then what the current has lost, so that the sum never wraps."""
        idle_before, self.idle = self.idle, self.window(self.time_step) is None
        if not self.idle:
            self.s_out.send(self.rest)
        else:
            self.s_out.send(-(self.top_up if idle_before else self.level))


class Record(AbstractProcess):
    """Keeps the spikes of a population. Lava's own sinks return every number in a message of its own."""

    def __init__(self, *, path, shape, window, held):
        super().__init__(path=path, window=window, held=held)
        self.a_in = InPort(shape=shape)


@both_precisions(Record, "a_in", PyInPort.VEC_DENSE)
class RecordModel(PyLoihiProcessModel):
    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.kept = np.load(proc_params["path"], mmap_mode="r+")
        self.window, self.held = proc_params["window"], proc_params["held"]

    def run_spk(self):
        spikes = self.a_in.recv()
        at = self.window(self.time_step)
        if at is not None:
            self.kept[at] = spikes
        elif self.held and spikes.any():
            raise RuntimeError(f"{self.held} spiked between two recordings although it was held down")


class Probe(AbstractProcess):
    """Reads u or v of a population at every step of the first `keep` recordings."""

    def __init__(self, *, path, var, window, keep):
        super().__init__(path=path, window=window, keep=keep)
        self.state = RefPort(var.shape)
        self.state.connect_var(var)


@both_precisions(Probe, "state", PyRefPort.VEC_DENSE)
class ProbeModel(PyLoihiProcessModel):
    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.kept = np.load(proc_params["path"], mmap_mode="r+")
        self.window, self.keep = proc_params["window"], proc_params["keep"]

    def post_guard(self):
        at = self.window(self.time_step)
        return at is not None and at[0] < self.keep

    def run_post_mgmt(self):
        self.kept[self.window(self.time_step)] = self.state.read()


def neurons(spec, arrays, interval):
    """A Lava LIF whose state is cleared at the step at which a recording's first frame reaches it.

    Lava's CPU models compute with the parameters as they are given: one number, or one for each neuron.
    """
    parameters = {name: arrays[spec[name]] for name in ("du", "dv", "vth")}
    return LIFReset(
        shape=tuple(spec["shape"]),
        **{name: value if value.shape else value.item() for name, value in parameters.items()},
        bias_mant=arrays[spec["bias_mant"]],
        bias_exp=spec["bias_exp"],
        reset_interval=interval,
        reset_offset=spec["depth"] + 1,
    )


def synapse(spec, arrays):
    """The Lava process of one connection."""
    bits = {"num_message_bits": spec["message_bits"]}
    if spec["kind"] == "conv":
        geometry = {name: tuple(spec[name]) for name in ("input_shape", "stride", "padding", "dilation")}
        return Conv(weight=arrays[spec["weight"]], groups=spec["groups"], **geometry, **bits)
    if spec["kind"] == "dense":
        return Dense(weights=arrays[spec["weight"]], weight_exp=spec["weight_exp"], **bits)
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
        self.populations = [self.add(neurons(spec, arrays, plan["interval"])) for spec in plan["populations"]]
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

    def record(self, index, spec):
        plan, shape, window = self.plan, tuple(spec["shape"]), self.window(spec["depth"])
        state_type = np.float64 if plan["floating"] else np.int32
        if spec["spikes"]:
            path = self.empty(f"spikes{index}", (plan["recordings"], plan["steps"], *shape), np.bool_)
            sink = self.add(Record(path=path, shape=shape, window=window, held=spec["held"] and spec["name"]))
            self.populations[index].s_out.connect(sink.a_in)
        for name, keep in spec["keep"].items():
            if keep:
                path = self.empty(f"{name}{index}", (keep, plan["steps"], *shape), state_type)
                var = getattr(self.populations[index], name)
                self.add(Probe(path=path, var=var, window=window, keep=keep))

    def empty(self, name, shape, dtype):
        path = self.folder / f"{name}.npy"
        np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape).flush()
        return path


def identity(count):
    every = np.arange(count + 1)
    return csr_matrix((np.ones(count, int), every[:-1], every), shape=(count, count))


class Watch(threading.Thread):
    """Lava keeps what a ProcessModel raised to itself and waits for ever: this prints it and ends the worker."""

    def __init__(self, runtime):
        super().__init__(daemon=True)
        self.actors, self.ended = runtime._messaging_infrastructure.actors, threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.2):
            for actor in self.actors:
                if actor.exception:
                    print(actor.exception[1], file=sys.stderr, flush=True)
                    os._exit(1)

    def end(self):
        """Before Lava stops, which reads the same pipes."""
        self.ended.set()
        self.join()


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
    first.run(condition=RunSteps(num_steps=plan["total"]), run_cfg=config)
    ran = time.perf_counter()
    watch.end()
    first.stop()
    times = {"build_seconds": built - started, "run_seconds": ran - built, "processes": len(graph.processes)}
    (folder / "done.json").write_text(json.dumps(times))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
