"""Hold a network made from a module against the module, with hooks and calls that share nothing with the product."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import deploy
import export
from deploy.network import Array, Network

Run = Callable[[nn.Module, Tensor], Any]
"""(module, frames (R, T, ...)): how a user runs it over a batch, from rest."""


def counts(*shape: int, rate: float = 0.4, seed: int = 0, largest: int = 1) -> Array:
    """Frames of counts."""
    rng = np.random.default_rng(seed)
    return ((rng.random(shape) < rate) * rng.integers(1, largest + 1, shape)).astype(np.uint8)


def spread(module: nn.Module, seed: int = 0) -> nn.Module:
    """Batch norms with statistics and gains that differ from channel to channel, as after training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                assert layer.running_mean is not None and layer.running_var is not None
                layer.running_mean.uniform_(-0.1, 0.1, generator=generator)
                layer.running_var.uniform_(0.02, 0.1, generator=generator)
                layer.weight.uniform_(0.5, 1.5, generator=generator)
                layer.bias.uniform_(-0.1, 0.3, generator=generator)
    return module.eval()


def louder(module: nn.Module, factor: float) -> nn.Module:
    """Weights so large that every layer spikes, as after training."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.Conv1d):
                layer.weight.mul_(factor)
    return module.eval()


def time_first(module: nn.Module, frames: Tensor) -> Any:
    return module(frames.transpose(0, 1))


def batch_first(module: nn.Module, frames: Tensor) -> Any:
    return module(frames)


def steps(module: nn.Module, frames: Tensor) -> list[Any]:
    return [module(frame) for frame in frames.unbind(1)]


def heard(module: nn.Module, frames: Array, run: Run, kinds: tuple[type, ...]) -> dict[str, Array]:
    """The output of every layer of these kinds, (R, T, ...), by its name in the module."""
    kept: dict[str, list[Tensor]] = {}
    hooks = []
    for name, layer in module.named_modules():
        if isinstance(layer, kinds):
            given = kept.setdefault(name, [])

            def hear(_: nn.Module, __: Any, output: Any, given: list[Tensor] = given) -> None:
                given.append((output[0] if isinstance(output, tuple) else output).detach().clone())

            hooks.append(layer.register_forward_hook(hear))
    with torch.no_grad():
        run(module.eval(), torch.from_numpy(frames).float())
    for hook in hooks:
        hook.remove()
    return {name: _arranged(given, *frames.shape[:2]) for name, given in kept.items()}


def _arranged(given: list[Tensor], recordings: int, steps: int) -> Array:
    """(R, T, ...) of what was heard: step by step, or all in one call, in whatever order of axes."""
    if len(given) == steps:
        return torch.stack(given, 1).numpy()
    (whole,) = given
    if tuple(whole.shape[:2]) == (recordings, steps):
        return whole.numpy()
    if tuple(whole.shape[:2]) == (steps, recordings):
        return whole.transpose(0, 1).numpy()
    return whole.unflatten(0, (recordings, steps)).numpy()


def node_name(name: str, layer: nn.Module) -> str:
    """What the node of a layer is called, as docs/modules.md has it."""
    name = name.replace(".", "_")
    return f"{type(layer).__name__.lower()}_{name}" if name[0].isdigit() else name


def prove(
    module: nn.Module, frames: Array, run: Run, kinds: tuple[type, ...], *, layout: Any = None, rest: Any = None
) -> Network:
    """Make the network; every spike of every layer that is heard must be the network's.

    Args:
        module: to be exported. frames: (R, T, ...), R != T. run: how it takes them. kinds: its neurons.
        layout: said to the product, where it cannot know. rest: brings the module to rest.
    """
    network = export.from_torch(module, frames, layout=layout)
    if rest is not None:
        rest(module)
    expected = heard(module, frames, run, kinds)
    found = deploy.run(network, frames.reshape(*frames.shape[:2], *network.input_shape), on="float")
    spiking = 0
    for name, output in expected.items():
        node = node_name(name, module.get_submodule(name))
        layer = found.layers[node]
        if layer.is_readout:
            assert np.allclose(layer.output.reshape(output.shape), output, atol=1e-4 * float(np.abs(output).max()))
            continue
        assert output.any(), f"{name} is silent"
        # float32 sums in another order could put a potential on the other side of the threshold; these do not.
        assert np.count_nonzero(layer.output.reshape(output.shape) != (output != 0)) == 0, name
        spiking += 1
    assert spiking
    return network
