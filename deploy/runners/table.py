"""The runners by name, and `run`. A new simulator is one module and one row here.

Modules are imported when they are asked for, so that what one simulator needs is no burden on the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from deploy.errors import RunnerError
from deploy.formats.model_file import ModelFile
from deploy.network import Array, Network
from deploy.traces.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Runner:
    """One simulator.

    Its function gives a trace of every layer's spikes, of u and v after the reset for the first `states` recordings
    (int32 of integers, float32 of floats) and of v of a readout for all; with `digests` also checksums of both for all.
    It counts how often u wrapped or v saturated, and refuses a network or frames that it cannot take.

    name: what `--on` takes.
    module: of `deploy.runners`, and its function, called as function(network, frames, states=..., digests=...).
    takes: networks on the grid, float networks, or either.
    gives: the numbers of its potentials; "same": those of the network that it is given.
    slow: it takes about a hundred steps a second, so commands give it few recordings unless told how many.
    help: what it is, in a few words.
    """

    name: str
    module: str
    takes: Literal["grid", "float", "either"]
    gives: Literal["integers", "floats", "same"]
    slow: bool = False
    help: str = ""

    def load(self) -> Callable[..., Trace]:
        module, _, function = self.module.partition(":")
        return getattr(import_module(f"deploy.runners.{module}"), function)


RUNNERS = {
    runner.name: runner
    for runner in (
        Runner(
            name="integer",
            module="integer.simulator:run",
            takes="grid",
            gives="integers",
            help="our Loihi simulator, exact to the bit",
        ),
        Runner(
            name="float", module="floating.simulator:run", takes="either", gives="floats", help="any network in float32"
        ),
        Runner(
            name="lava",
            module="lava.fixed:run",
            takes="grid",
            gives="integers",
            slow=True,
            help="Lava's fixed-point models, in a Python 3.10 of their own",
        ),
        Runner(
            name="lava-float",
            module="lava.fixed:run_floating",
            takes="float",
            gives="floats",
            slow=True,
            help="Lava's floating-point models",
        ),
        Runner(name="loihi2", module="lava.loihi2:run", takes="grid", gives="integers", help="a Loihi 2 chip"),
        Runner(name="onnx", module="onnx:run", takes="either", gives="same", help="onnxruntime"),
        Runner(
            name="netx",
            module="lava.netx:run",
            takes="grid",
            gives="integers",
            slow=True,
            help="lava-dl's netx in Lava, from a .net file",
        ),
    )
}
"""By the name that `--on` takes."""


def find_runner(name: str) -> Runner:
    """The runner of this name. Raises RunnerError where there is none."""
    if name not in RUNNERS:
        raise RunnerError(f"runner {name!r} is not known; use one of {', '.join(RUNNERS)}")
    return RUNNERS[name]


def run(
    network: Network | ModelFile, frames: Array, *, on: str = "integer", states: int = 0, digests: bool = False
) -> Trace:
    """Run a network over recordings.

    Args:
        network: on the grid for the runners that take no other. A model file runs on its own simulator alone.
        frames: (R, T, *input_shape) counts from 0 to 255, at least one recording and one step.
        on: the runner's name, one of `RUNNERS`.
        states: for how many recordings the potentials and currents of every layer are kept.
        digests: whether a checksum of them is kept for every step of all recordings.

    Raises:
        RunnerError: no such runner, or it cannot run here.
        FramesError: frames that the network does not take.
        UnsupportedError: the runner has no such node.
    """
    runner = find_runner(on)
    if isinstance(network, ModelFile) and on != network.runner:
        raise RunnerError(f"{network.path}: runs --on {network.runner} alone, not on {on}; give {on} a .nir file")
    if not isinstance(network, Network | ModelFile):
        raise RunnerError(f"cannot run a {type(network).__name__}; deploy.load(path) reads a network")
    return runner.load()(network, frames, states=states, digests=digests)
