"""`read`: a netx file of lava-dl, or one that `write_netx` made, as a network on the grid."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy import grid
from deploy.errors import ModelError, UnsupportedError, shown
from deploy.formats.binning import binning_of
from deploy.formats.metadata import from_json, from_metadata
from deploy.formats.netx.chain import Chain
from deploy.formats.netx.layers import open_layers
from deploy.formats.netx.origin import NetxNetwork
from deploy.network import Network, Output

SCALE_BITS = 6
"""lava-dl multiplies its float weights and thresholds by 2^6 to come to the grid."""


def read(
    path: Path,
    *,
    dt: float | None = None,
    step_us: int | None = None,
    steps: int | None = None,
    reset: str | None = None,
    reset_delay: bool = False,
) -> NetxNetwork:
    """Read a netx file.

    The neurons of the file's layer i are called `layer<i>`, except where `write_netx` kept their names. An input layer
    with neurons takes the picture as their bias; here frames hold these bias mantissas at every step. The mean of
    groups of neurons at the end (`average`) becomes a readout that adds up their spikes. A recording is what lies
    between two resets of netx (its `reset_interval`, which is no part of a file): every one begins with states of 0.

    Args:
        path: the file.
        dt: seconds a step, which a file of lava-dl does not say and its integers do not need; a .nir file holds it.
        step_us, steps: of a recording, where the file does not say its binning.
        reset, reset_delay: what a spike does to the potential; these neurons have the hard reset at once.

    Raises:
        ModelError: not a netx file, damaged, or layers that do not fit together.
        UnsupportedError: a layer, neuron or parameter that the grid does not have; another reset.
        GridError: weights that are not on the grid.
    """
    layers, attributes = open_layers(path)
    graph = Chain(last=max((layer.index for layer in layers if layer.kind != "flatten"), default=0))
    for layer in layers:
        graph.add_layer(layer)
    graph.add("output", Output())
    if dt is not None and not 0 < dt < float("inf"):
        raise ModelError(f"dt (={dt}) must be a positive number of seconds")
    if reset not in (None, "zero") or reset_delay:
        raise UnsupportedError(f"{path}: netx has the hard reset at once; leave out --reset and --reset-delay")
    info = from_metadata(attributes)
    network = Network(nodes=graph.nodes, edges=tuple(graph.edges), classes=info.classes, chip=info.chip)
    if not network.neurons:
        raise ModelError("has no layer of neurons; a network needs one")
    assert network.shapes  # raises where layers do not fit together
    network = _named(network, info.node_order)
    binning = binning_of(path, info.binning, network.input_shape, step_us, steps)
    network = network.replace(
        binning=binning, scale_bits=_scale_bits(attributes, network), exit_margin=info.exit_margin
    )
    step = dt or info.dt
    return NetxNetwork.of(network if step is None else network.replace(dt=step), path)


def _named(network: Network, names: tuple[str, ...]) -> Network:
    """The nodes under the names that `write_netx` keeps, in order from the input to the output."""
    if not names:
        return network
    if len(names) != len(network.nodes) or len(set(names)) != len(names):
        raise ModelError(
            f"names {shown(list(names))} for {len(network.nodes)} nodes; the file was changed after its export. "
            "Export it again"
        )
    called = dict(zip(network.order, names, strict=True))
    return network.replace(
        nodes={called[name]: network.nodes[name] for name in network.order},
        edges=tuple((called[source], called[target]) for source, target in network.edges),
    )


def _scale_bits(attributes: Mapping[str, Any], network: Network) -> dict[str, int]:
    """By layer, the k with which its integers are written as floats, w / 2^k."""
    try:
        said: dict[str, Any] = dict(from_json(attributes.get("scale_bits", "{}")).items())
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"metadata: cannot be read ({error!r:.60}); export the network again") from error
    if any(type(k) is not int or abs(k) > grid.STATE_BITS + grid.DECAY_BITS for k in said.values()):
        raise ModelError(f"metadata: scales {shown(said)} that no layer has; export the network again")
    return {name: said.get(name, SCALE_BITS) for name in network.neurons}
