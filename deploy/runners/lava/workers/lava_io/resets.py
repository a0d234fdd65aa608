"""Lava's LIFReset with the resets that it does not have: soft, in the step after the spike, or none."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import AbstractPyLifModelFixed, AbstractPyLifModelFloat
from lava.proc.lif.process import LIFReset


class OtherReset(LIFReset):
    """LIFReset whose spikes do something else to v.

    mechanism: "zero", "subtract" or "none"; late: in the step after the spike. steps: of a recording, after which the
    state stays zero until the next one begins: what a soft reset leaves could be more than can be held down.
    """

    def __init__(self, *, mechanism, late, steps, **others):
        super().__init__(**others)
        self.proc_params["mechanism"], self.proc_params["late"], self.proc_params["steps"] = mechanism, late, steps


class _Resets:
    """What both models add to Lava's abstract ones; `limit` is the threshold in units of v."""

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.mechanism, self.late, self.steps = (proc_params[name] for name in ("mechanism", "late", "steps"))
        self.interval, self.offset = proc_params["reset_interval"], proc_params["reset_offset"]

    def run_spk(self):
        a_in = self.a_in.recv()
        step = (self.time_step - self.offset) % self.interval
        if step == 0 or step >= self.steps:
            self.u *= 0
            self.v *= 0
        if step >= self.steps:
            self.s_out.send(np.zeros(self.v.shape, bool))
            return
        # After the spike of a late reset v was left as it was, above the threshold.
        owing = (self.v > self.limit) & self.late
        self.drive(a_in, owing * self.limit if self.mechanism == "subtract" else 0)
        if self.mechanism == "zero":
            self.v[owing] = 0
        spikes = self.v > self.limit
        if not self.late and self.mechanism != "none":
            self.v[:] = np.where(spikes, self.v - self.limit if self.mechanism == "subtract" else 0, self.v)
        self.s_out.send(spikes)


@implements(proc=OtherReset, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class OtherResetFixed(_Resets, AbstractPyLifModelFixed):
    """In integers; what is taken off late is part of the sum that saturates."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    vth: int = LavaPyType(int, np.int32, precision=17)

    @property
    def limit(self):
        return np.left_shift(np.int32(self.vth), self.vth_shift)

    def drive(self, a_in, owed):
        self.scale_bias()
        self.effective_bias = self.effective_bias - owed
        self.subthr_dynamics(a_in)


@implements(proc=OtherReset, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class OtherResetFloat(_Resets, AbstractPyLifModelFloat):
    """In floats."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    vth: float = LavaPyType(float, float)

    @property
    def limit(self):
        return self.vth

    def drive(self, a_in, owed):
        self.subthr_dynamics(a_in)
        self.v -= owed
