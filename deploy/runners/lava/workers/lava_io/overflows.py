"""Lava's fixed-point neurons wrap and saturate without a word: here it is counted, whichever process they belong to."""

import numpy as np
from lava.proc.lif.models import AbstractPyLifModelFixed


class Counter:
    """Where a population counts, and at which steps."""

    def __init__(self, path, window):
        self.path, self.window, self.count = path, window, None
        np.save(path, np.zeros(1, np.int64))

    def add(self, time_step, number):
        if self.window(time_step) is None:
            return
        if self.count is None:  # in the process of the population, which opens the file for itself
            self.count = np.load(self.path, mmap_mode="r+")
        self.count[0] += number


def leak(state, unity, decay, shift):
    kept = np.int64(state) * (unity - decay)
    return np.sign(kept) * (np.abs(kept) >> shift)


def count_overflows():
    """From now on, fixed-point models with a parameter `overflows` (a `Counter`) count."""
    original = AbstractPyLifModelFixed.subthr_dynamics

    def counted(self, activation_in):
        parameters = self.proc_params._parameters
        if "overflows" not in parameters:
            original(self, activation_in)
            return
        u = leak(self.u, self.decay_unity, self.du + self.ds_offset, self.decay_shift)
        u = u + np.left_shift(np.int64(activation_in), self.act_shift)
        v = leak(self.v, self.decay_unity, self.dv + self.dm_offset, self.decay_shift)
        original(self, activation_in)
        v = v + self.u + self.effective_bias
        parameters["overflows"].add(self.time_step, np.count_nonzero(u != self.u) + np.count_nonzero(v != self.v))

    AbstractPyLifModelFixed.subthr_dynamics = counted
