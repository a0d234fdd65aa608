"""What lava-dl 0.6.0's netx would read over or change in a file: refused here, before Lava runs it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy import grid
from deploy.errors import GridError, UnsupportedError
from deploy.formats.netx.layers import Layer, open_layers
from deploy.formats.netx.synapses import stored
from deploy.network import Array


@dataclass(frozen=True, kw_only=True)
class Runnable:
    """What netx builds of a file: its first `layers`, all but for a mean at the end.

    image: whether it begins with neurons, which take the picture as their bias.
    """

    layers: int
    image: bool


def what_netx_runs(path: Path) -> Runnable:
    """What netx builds of a file.

    Raises:
        ModelError, UnsupportedError: as `read`; a layer or a parameter that netx has not.
        GridError: weights that it would change.
    """
    layers, _ = open_layers(path)
    for layer in layers:
        _refuse(layer)
    count = sum(layer.kind != "average" for layer in layers)
    return Runnable(layers=count, image=layers[0].kind == "input" and layers[0].neuron_type() is not None)


def _refuse(layer: Layer) -> None:
    way_out = "run it --on integer or lava"
    if layer.kind == "pool":
        raise UnsupportedError(f"{layer.name}: netx has no pooling (create_pool is not implemented); {way_out}")
    if layer.neuron_type() is not None and layer.number("neuron/wgtExp", -8, 7, 0) != 0:
        raise UnsupportedError(f"{layer.name}: netx reads over its wgtExp; {way_out}")
    if layer.kind in ("dense", "dense_rec"):
        keys = ("weight", "weight_rec") if layer.kind == "dense_rec" else ("weight",)
        weights = [stored(layer, key) for key in keys]
        held = _as_netx_holds(np.concatenate([weight.ravel() for weight in weights]), weights)
        if not all(map(np.array_equal, held, weights)):
            raise GridError(f"{layer.name}: netx's Dense in Lava would change its weights; {way_out}")


def _as_netx_holds(together: Array, weights: list[Array]) -> list[Array]:
    """The weights that act: after netx's `optimize_weight_bits`, Lava's `clip_weights` and `truncate_weights`.

    netx shifts them all up as far as the largest allows; each synapse then clips its own by their sign.
    """
    low, high = int(together.min()), int(together.max())
    if low == high == 0 or (low < 0 and high > 254) or (low < -256 and high > 0):
        return [np.zeros(0)]  # it fails, or clips
    mixed = low < 0 <= high
    room = [127 / high if high > 0 else np.inf, -128 / low if low < 0 else np.inf] if mixed else [255 / high, np.inf]
    up = int(np.floor(np.log2(-256 / low if high < 0 else min(room)))) + mixed
    if up < 0:
        return [np.zeros(0)]
    whole = next((n for n in range(grid.WEIGHT_BITS, 0, -1) if not np.any(together % (1 << n))), 0)
    bits = grid.WEIGHT_BITS - up - (whole - mixed)
    return [_truncated(weight << up, bits) >> up for weight in weights]


def _truncated(weight: Array, bits: int) -> Array:
    """Clipped by their sign, without the low bits that `bits` of them leave no room for."""
    inhibitory = weight.max() <= 0 and weight.min() < 0
    mixed = weight.min() < 0 < weight.max()
    size = -weight if inhibitory else weight
    drop = grid.WEIGHT_BITS - bits + mixed
    kept = (np.clip(size, -256 if mixed else 0, 255) >> drop) << drop if drop >= 0 else size
    return -kept if inhibitory else kept
