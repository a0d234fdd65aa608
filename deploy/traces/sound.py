"""Whether what a trace file says fits together: a stranger may have written it."""

from collections.abc import Mapping
from typing import Any

from ckd.events import Binning
from deploy.traces.layers import LayerRecord

TEXTS = ("schedule", "runner", "device")
LISTS = ("names", "classes")
LARGEST = 1 << 62


def require_sound(meta: Mapping[str, Any], whole: Mapping[str, Any], layers: Mapping[str, LayerRecord]) -> None:
    """Look at the types of the metadata, and of the arrays that are no layer's.

    Raises:
        ValueError: something is not what a trace holds, by name.
        KeyError: it is missing.
    """
    for key in TEXTS:
        _require(isinstance(meta[key], str), key)
    for key in LISTS:
        _require(isinstance(meta[key], list) and all(isinstance(text, str) for text in meta[key]), key)
    _require(type(meta["seconds"]) in (int, float), "seconds")
    versions = meta["versions"]
    _require(isinstance(versions, dict) and all(isinstance(text, str) for text in versions.values()), "versions")
    for name, kind, rank in (("predictions", "iu", 1), ("labels", "iu", 1), ("frames", "biuf", None)):
        if name in whole:
            array = whole[name]
            _require(array.dtype.kind in kind and (array.ndim >= 2 if rank is None else array.ndim == rank), name)
    for name, layer in layers.items():
        _require(type(layer.offset) is int and 0 <= layer.offset < layer.shape[1], f"{name}: offset")
        _require(type(layer.overflows) is int and 0 <= layer.overflows < LARGEST, f"{name}: overflows")


def binning_from(said: Any) -> Binning:
    """The binning that a file says.

    Raises:
        TypeError, ValueError: other fields, or what is no whole number of at most 31 bits.
    """
    binning = Binning(**said)
    sensor = said.get("sensor")
    sizes = [*(value for key, value in said.items() if key != "sensor"), *(sensor or ())]
    if not all(type(n) is int and 0 < n < 1 << 31 for n in sizes):
        raise ValueError(f"a binning of {said}")
    return binning


def _require(sound: bool, what: str) -> None:
    if not sound:
        raise ValueError(f"{what} is not what a trace holds")
