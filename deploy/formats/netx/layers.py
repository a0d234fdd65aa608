"""The layers of a netx file as lava-dl 0.6.0 writes them (`export_hdf5`, slayer/block/base.py): types, then numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from deploy.errors import ModelError, UnsupportedError, listed, shown
from deploy.hdf5 import Dataset, Group, Kind, open_hdf5
from deploy.network import Array, Pair, Shape

NETX = Kind("an HDF5 file", ModelError, "export the network again", max_bytes=4 << 30)
LARGEST = 1 << 28
"""Numbers of a dataset; a file that claims more is damaged."""

SYNAPSES = ("conv", "dense", "dense_rec", "pool")
KINDS = ("input", *SYNAPSES, "flatten", "average")
NEURONS = ("CUBA", "LOIHI")
NEURON_KEYS = (
    *("type", "iDecay", "vDecay", "vThMant", "refDelay", "gradedSpike", "messageBits", "wgtExp", "weight_exp"),
    *("scaleRho", "tauRho", "theta"),
)
"""What lava-dl and slayerPytorch write of such neurons; the last three are for training."""


@dataclass(frozen=True)
class Layer:
    """One layer of a file. `name` is what its neurons are called where the file does not name them."""

    index: int
    kind: str
    group: Group

    @property
    def name(self) -> str:
        return f"layer{self.index}"

    def __contains__(self, key: str) -> bool:
        return key in self.group

    def numbers(self, key: str) -> Array:
        """The whole numbers of a dataset, int64.

        Raises:
            ModelError: it is missing, or holds something else.
        """
        dataset = self.group.get(key)
        if not isinstance(dataset, Dataset):
            raise ModelError(f"{self.name}: has no {key!r}, which a layer of type {self.kind!r} needs")
        if prod(dataset.shape) > LARGEST:
            raise ModelError(f"{self.name}: {key} claims a shape of {dataset.shape}; the file is damaged")
        values = np.asarray(dataset.read())
        if values.dtype.kind not in "iufb" or not np.isfinite(values).all():
            raise ModelError(f"{self.name}: {key} holds {values.dtype} {shown(values)}; whole numbers are expected")
        whole = np.rint(values.astype(np.float64))
        odd = (whole != values) | (np.abs(whole) >= 1 << 31)
        if np.any(odd):
            raise ModelError(f"{self.name}: {key} holds {values[odd].flat[0]}; netx holds whole numbers of 32 bits")
        return whole.astype(np.int64)

    def number(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """One whole number from low to high; `default` where there is no such dataset."""
        if default is not None and key not in self:
            return default
        values = self.numbers(key)
        if values.size != 1:
            raise UnsupportedError(f"{self.name}: {key} has {values.size} values, netx has one for a layer; write one")
        value = int(values.flat[0])
        if not low <= value <= high:
            raise ModelError(f"{self.name}: {key} is {value}; allowed is {low} to {high}")
        return value

    def pair(self, key: str, low: int) -> Pair:
        """Two numbers (vertical, horizontal) from `low` on; one number stands for both."""
        values = np.ravel(self.numbers(key))
        if values.size not in (1, 2) or values.min() < low:
            raise ModelError(f"{self.name}: {key} is {shown(values)}; one or two numbers from {low} on are expected")
        return int(values[0]), int(values[-1])

    def shape(self) -> Shape:
        """(C, H, W) or (n,)."""
        values = np.ravel(self.numbers("shape"))
        if values.size not in (1, 3) or values.min() < 1 or prod(map(int, values)) > LARGEST:
            raise ModelError(f"{self.name}: shape is {shown(values)}; (n,) or (C, H, W) is expected")
        return tuple(int(n) for n in values)

    def neuron_type(self) -> str | None:
        """What its neurons are; None where it says nothing of them."""
        return _text(self.group.get("neuron/type")) if "neuron" in self else None


def open_layers(path: Path) -> tuple[list[Layer], Mapping[str, Any]]:
    """The layers of a file in their order, and the file's attributes. What cannot be read is told before any number is.

    Raises:
        ModelError: no netx file, or a damaged one.
        UnsupportedError: a layer or a neuron that the grid does not have, by name.
    """
    root = open_hdf5(path, NETX)
    layers = _layers(path, root.get("layer"))
    for layer in layers:
        _refuse_unknown(layer)
    return layers, root.attributes


def _layers(path: Path, group: Any) -> list[Layer]:
    if not isinstance(group, Group) or not len(group):
        raise ModelError(f"{path}: not a netx file (it has no layers); lava-dl's export_hdf5 writes one")
    if set(group) != {str(i) for i in range(len(group))}:
        raise ModelError(f"{path}: its layers are called {shown(list(group))}; netx counts them from 0 on")
    return [_layer(i, group[str(i)]) for i in range(len(group))]


def _layer(index: int, group: Any) -> Layer:
    if not isinstance(group, Group):
        raise ModelError(f"layer{index}: is no group of datasets; the file is damaged")
    return Layer(index, _text(group.get("type")), group)


def _refuse_unknown(layer: Layer) -> None:
    complex_weights = any(isinstance(layer.group.get(key), Group) for key in ("weight", "weight_rec"))
    if complex_weights or layer.kind == "dense_comp":
        raise UnsupportedError(f"{layer.name}: has complex weights, those of RF neurons; the grid knows {_known()}")
    if layer.kind not in KINDS:
        raise UnsupportedError(
            f"{layer.name}: is of type {shown(layer.kind)}; supported are {listed(map(repr, KINDS))}"
        )
    kind = layer.neuron_type()
    if kind is None:
        _refuse_unread(layer)
        return
    if kind not in NEURONS:
        what = {"ALIF": " (adaptive)", "SDNN": " (sigma-delta)"}.get(
            kind, " (resonate and fire)" if "RF" in kind else ""
        )
        name = shown(kind)[1:-1] + what
        raise UnsupportedError(f"{layer.name}: has {name} neurons, which the grid does not; it knows {_known()}")
    if layer.number("neuron/gradedSpike", 0, 1, 0) or layer.number("neuron/messageBits", 0, 32, 0):
        raise UnsupportedError(f"{layer.name}: sends graded spikes; supported are those of 0 and 1. Train without them")
    _refuse_unread(layer)


def _refuse_unread(layer: Layer) -> None:
    """Parameters that nobody here knows could change the spikes: those of neurons, and whatever resets a state."""
    odd = [key for key in map(str, layer.group) if "reset" in key.lower()]
    neuron = layer.group.get("neuron")
    if isinstance(neuron, Group):
        odd += [f"neuron/{key}" for key in neuron if key not in NEURON_KEYS]
    if odd:
        name = shown(odd[0])[1:-1]
        raise UnsupportedError(f"{layer.name}: {name} is not known, netx reads over it, and it may change the spikes")


def _known() -> str:
    return f"{listed(NEURONS)} neurons"


def _text(dataset: Any) -> str:
    """A string as lava-dl writes it: alone, or as an array of one."""
    values = np.ravel(dataset.read()) if isinstance(dataset, Dataset) and dataset.dtype == "text" else []
    return str(values[0]) if len(values) else ""
