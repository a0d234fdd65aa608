"""Processes that bring frames into a Lava graph and take spikes and states out of it, and what both workers need.

They live in a folder of their own because Lava executes every file beside that of a process, in search of models.
"""

import os
import sys
import threading

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


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


def empty(path, shape, dtype):
    """A file of zeros for a process to write into."""
    np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape).flush()
    return path


class Watch(threading.Thread):
    """Lava keeps what a ProcessModel raised to itself and waits for ever: this prints it and ends the worker."""

    def __init__(self, runtime):
        super().__init__(daemon=True)
        self.actors, self.ended = runtime._messaging_infrastructure.actors, threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.2):
            if self.show():
                os._exit(1)

    def show(self):
        """Print what ProcessModels raised so far; whether there was any."""
        raised = [actor.exception[1] for actor in self.actors if actor.exception]
        print(*raised, sep="\n", end="", file=sys.stderr, flush=True)
        return bool(raised)

    def end(self):
        """Before Lava stops, which reads the same pipes."""
        self.ended.set()
        self.join()
