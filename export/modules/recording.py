"""The trace of a module: what its neurons gave, under the names that the network made from it has for them."""

from collections.abc import Mapping

import numpy as np

from deploy.network import Array, Network
from deploy.network.idioms import READOUT
from deploy.runners.walk import offsets
from deploy.traces.layers import record_layers
from deploy.traces.prediction import predict
from deploy.traces.trace import Trace, software_versions
from export.modules.ending import Ending
from export.modules.folding import Fold, response
from export.modules.refusal import ModuleRefusedError
from export.modules.running import Given
from export.modules.tracing import Traced
from export.modules.values import Made

Place = tuple[int, int]
"""(number of a call of PyTorch, which of its steps)."""
OF_LAYERS = ("cells", "potential", "input")
"""What is kept without asking for it."""


class Recorded:
    """Finds what the layers of a network were in the module's run.

    calls: the numbers of the calls of PyTorch that a run must keep for that.
    """

    def __init__(
        self, traced: Traced, fold: Fold, ending: Ending, layers: Mapping[str, int], maxima: Mapping[str, Made]
    ) -> None:
        self._traced, self._fold, self._ending = traced, fold, ending
        self._layers, self._maxima = layers, maxima
        self._where: dict[tuple[object, int], list[Place]] = {}
        self._turn: dict[int, int] = {}
        for number, seen in sorted(traced.calls.items()):
            for i, made in enumerate(seen.mades):
                places = self._where.setdefault((fold.keys.call(made.call), made.step), [])
                self._turn[id(made)] = len(places)
                places.append((number, i))
        asked = [*maxima.values(), *(part for made in self._summed() for part in self._kept(made))]
        self.calls = frozenset(self._place(made, step)[0] for made in asked for step in range(traced.steps))

    def _summed(self) -> list[Made]:
        """What a readout adds up."""
        if not self._ending.integrates or self._ending.layer is not None:
            return []
        return [piece.made for piece in self._ending.value.pieces]

    def _kept(self, made: Made) -> list[Made]:
        """The calls that must be kept for what was made: its own, or of what was no call, those that it is made of."""
        if made.kind in OF_LAYERS:
            return []
        if id(made) in self._turn:
            return [made]
        return [part for piece in made.value.pieces for part in self._kept(piece.made)]

    def _place(self, made: Made, step: int) -> Place:
        found = self._where.get((self._fold.keys.call(made.call), step), [])
        turn = self._turn.get(id(made), len(found))
        if turn >= len(found):
            raise ModuleRefusedError(f"{made.call.place}: is not computed in step {step}; compute it in every step")
        return found[turn]

    def trace(self, network: Network, given: Given, frames: Array, seconds: float) -> Trace:
        """The trace of a run."""
        spikes: dict[str, Array] = {}
        v: dict[str, Array] = {}
        for name, number in self._layers.items():
            neuron = network.neurons[name]
            shape = (*frames.shape[:2], *neuron.shape)
            if neuron.is_readout:
                potentials = given.layers if not self._traced.layers[number].cells.spikes else given.potentials
                v[name] = potentials[number].reshape(shape)
            else:
                spikes[name] = (given.layers[number] != 0).reshape(shape)
        for name, made in self._maxima.items():
            shape = (*frames.shape[:2], *network.neurons[name].shape)
            spikes[name] = (
                np.stack([self._output(made, t, given, frames) for t in range(frames.shape[1])], 1).reshape(shape) != 0
            )
        if READOUT in network.neurons and READOUT not in {**spikes, **v}:
            shape = (*frames.shape[:2], *network.neurons[READOUT].shape)
            v[READOUT] = self._readout(given, frames).reshape(shape)
        layers = record_layers(offsets(network, "synchronous"), {"spikes": spikes, "v": v})
        return Trace(
            layers=layers,
            predictions=predict(layers[network.output_layer], frames.shape[1]),
            frames=frames,
            classes=network.classes,
            binning=network.binning,
            runner="torch",
            device="cpu",
            seconds=seconds,
            versions=software_versions("torch"),
        )

    def _output(self, made: Made, step: int, given: Given, frames: Array) -> Array:
        """What was made in a step, (R, n)."""
        flat = (len(frames), -1)
        match made.kind:
            case "input":
                return frames[:, step].reshape(flat)
            case "cells":
                return given.layers[made.cells][:, step].reshape(flat)
            case "potential":
                return given.potentials[made.cells][:, step].reshape(flat)
        if id(made) not in self._turn:
            return self._computed(made, step, given, frames)
        call, i = self._place(made, step)
        return given.calls[call][:, i].reshape(flat)

    def _computed(self, made: Made, step: int, given: Given, frames: Array) -> Array:
        x = np.zeros((len(frames), made.value.size))
        for piece in made.value.pieces:
            source, target = piece.pairs()
            late = made.step - piece.made.step
            if step >= late:
                np.add.at(x.T, target, self._output(piece.made, step - late, given, frames)[:, source].T)
        return response(made, x).astype(np.float32)

    def _readout(self, given: Given, frames: Array) -> Array:
        """The sum of the module's outputs so far, (R, T, n)."""
        ending = self._ending
        value = ending.value
        if ending.layer is not None:
            kept = given.potentials if ending.potential and ending.layer in given.potentials else given.layers
            return kept[ending.layer].cumsum(1, dtype=np.float32)
        whole = np.zeros((*frames.shape[:2], value.size), np.float32)
        if value.constant is not None:
            whole += value.constant.astype(np.float32)
        for piece in value.pieces:
            source, target = piece.pairs()
            late = ending.step - piece.made.step
            for t in range(late, frames.shape[1]):
                output = self._output(piece.made, t - late, given, frames)
                np.add.at(whole[:, t].T, target, output[:, source].T)
        return whole.cumsum(1, dtype=np.float32)
