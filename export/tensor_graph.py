"""A network whose nodes are torch modules: what trains, in floats or on the grid, steps as every simulator steps."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from deploy.errors import FramesError
from deploy.network import Network, Shape
from deploy.runners.walk import Walk
from export.node_modules import NodeModules

State = tuple[Tensor, ...]


class TensorGraph(nn.Module, ABC):
    """A graph of modules, in the time-first layout of `ckd.models.student.Student`.

    Synapses, pooling and factors take (N, ...). Neurons take a step and their state, and give both:
    neurons(x, *state) -> (output, *state), as snnTorch's do.

    Args:
        network: says who feeds whom, and when.
        modules: by node; nodes without one only move values.

    Raises:
        ModelError: the output is not fed by one layer of neurons.
    """

    def __init__(self, network: Network, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self._output_layer = network.output_layer
        self._graph = network
        self.nodes = NodeModules(modules)

    def forward(self, frames: Tensor, *, observe: Callable[[str, Tensor], None] | None = None) -> Tensor:
        """Run all time steps from rest.

        Args:
            frames: (T, N, *input_shape) numbers of any type.
            observe: called as observe(name, output) for every layer of neurons, outputs (T, N, ...).

        Returns:
            what the output layer gives, (T, N, ...): spikes as 0 and 1, of a readout its potential.

        Raises:
            FramesError: frames of another shape.
        """
        if frames.ndim < 2 or tuple(frames.shape[2:]) != self._graph.input_shape or 0 in frames.shape[:2]:
            raise FramesError(
                f"frames of shape {tuple(frames.shape)} do not fit; this module takes (T, N, "
                f"{str(self._graph.input_shape)[1:]}, at least a step of a recording"
            )
        steps = _Steps(self)
        tensors = chain(self.parameters(), self.buffers())
        dtype = next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), torch.float32)
        Walk(self._graph, steps).advance(frames.to(dtype), len(frames))
        given = {name: torch.cat(parts) for name, parts in steps.given.items()}
        for name in given if observe is not None else ():
            observe(name, given[name])  # pyright: ignore[reportOptionalCall]
        return given[self._output_layer]

    @abstractmethod
    def rest(self, name: str, like: Tensor) -> State:
        """The state of a layer of neurons before the first step; `like` (N, ...) is what will arrive."""


class _Steps:
    """The arithmetic of a walk over tensors (T, N, ...); keeps what the layers of neurons give."""

    def __init__(self, graph: TensorGraph) -> None:
        self._graph = graph
        self._states: dict[str, State] = {}
        self.given: dict[str, list[Tensor]] = {}

    def enter(self, frames: Tensor) -> Tensor:
        return frames

    def synapse(self, name: str, x: Tensor) -> Tensor:
        return self._graph.nodes[name](x.flatten(0, 1)).unflatten(0, x.shape[:2])

    def neurons(self, name: str, x: Tensor) -> Tensor:
        cells = self._graph.nodes[name]
        state = self._states.get(name) or self._graph.rest(name, x[0])
        outputs = []
        for arriving in x:
            output, *kept = cells(arriving, *state)
            state = tuple(kept)
            outputs.append(output)
        self._states[name] = state
        given = torch.stack(outputs)
        self.given.setdefault(name, []).append(given)
        return given

    def reset(self, name: str) -> None:
        self._states.pop(name, None)

    def flatten(self, x: Tensor) -> Tensor:
        return x.flatten(2)

    def zeros(self, shape: Shape, like: Tensor, steps: int) -> Tensor:
        return like.new_zeros((steps, like.shape[1], *shape))

    def add(self, values: Sequence[Tensor]) -> Tensor:
        return sum(values[1:], start=values[0])

    def cut(self, x: Tensor, start: int, stop: int) -> Tensor:
        return x[start:stop]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(parts))
