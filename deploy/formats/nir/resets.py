"""What a spike does to the potential: NIR resets to a value, and says nothing of soft, late and absent resets.

Ours stand in a node's metadata: `reset_mechanism`, `reset_delay` and, where it is not the threshold, `reset_amount`.
A reader that ignores them resets to 0. Of other tools' files, metadata of the node or of the graph are believed; what
they leave unsaid, the caller may say.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from deploy.errors import ModelError, UnsupportedError, shown
from deploy.network import RESET_MECHANISMS, FloatNeuron, GridNeuron, Neuron, ResetMechanism

WORDS: dict[str, ResetMechanism] = {
    **dict.fromkeys(("zero", "hard", "value", "to_zero", "to_value"), "zero"),
    **dict.fromkeys(("subtract", "soft", "by_threshold"), "subtract"),
    "none": "none",
}
PER_NODE = "per node"
"""What the graph's metadata says where its nodes differ."""

Kind = TypeVar("Kind", bound=Neuron)


class Reset(NamedTuple):
    """What a spike does, and whether in the step after it."""

    mechanism: ResetMechanism = "zero"
    delay: bool = False


def asked(reset: str | None, delay: bool) -> Reset | None:
    """What the caller says of a file. Raises ModelError for a word that is none of `RESET_MECHANISMS`."""
    if reset is None and delay:
        raise ModelError("--reset-delay says when a reset comes; say which with --reset zero or subtract")
    for mechanism in RESET_MECHANISMS:
        if reset == mechanism:
            return Reset(mechanism, delay)
    if reset is None:
        return None
    raise ModelError(f"--reset {reset}: no such reset; use one of {', '.join(RESET_MECHANISMS)}")


def said(name: str, metadata: Any) -> Reset | None:
    """What the metadata of a node or graph say of its resets; None: nothing.

    Raises:
        UnsupportedError: a word that is not known.
    """
    for key in ("reset_mechanism", "reset", "reset_method") if isinstance(metadata, Mapping) else ():
        word = metadata.get(key)
        if not isinstance(word, str) or word == PER_NODE:
            continue
        if word.lower() not in WORDS:
            raise UnsupportedError(f"{name}: {key} is {shown(word)}; known are {', '.join(WORDS)}")
        return Reset(WORDS[word.lower()], bool(np.any(metadata.get("reset_delay", False))))
    return None


def choose(name: str, of_node: Reset | None, of_graph: Reset | None, of_caller: Reset | None) -> Reset:
    """The reset of one layer.

    Raises:
        UnsupportedError: the caller contradicts the file.
    """
    of_file = of_node or of_graph
    if of_file and of_caller and of_file != of_caller:
        raise UnsupportedError(f"{name}: the file says reset {of_file.mechanism!r} itself; leave out --reset")
    return of_file or of_caller or Reset()


def apply(name: str, neuron: Kind, reset: Reset, metadata: Mapping[str, Any]) -> Kind:
    """The neuron with this reset in place of the hard one.

    Raises:
        UnsupportedError: a soft reset of a neuron that the file resets to another value than 0.
        ModelError: a damaged amount.
    """
    if neuron.is_readout or reset == Reset():
        return neuron
    changes: dict[str, Any] = {"reset_mechanism": reset.mechanism, "reset_delay": reset.delay}
    if isinstance(neuron, FloatNeuron) and reset.mechanism != "zero":
        if np.any(neuron.reset):
            raise UnsupportedError(
                f"{name}: v_reset is {neuron.reset.flat[0]:g}, which only a hard reset has; leave out --reset"
            )
        if reset.mechanism == "subtract":
            changes["reset"] = _amount(name, neuron, metadata)
    return replace(neuron, **changes)


def describe(neuron: FloatNeuron | GridNeuron) -> dict[str, Any]:
    """The metadata that say how this neuron resets; none where it does as NIR says."""
    if neuron.resets_at_once:
        return {}
    metadata: dict[str, Any] = {"reset_mechanism": neuron.reset_mechanism, "reset_delay": int(neuron.reset_delay)}
    if isinstance(neuron, GridNeuron) or neuron.reset_mechanism != "subtract" or neuron.threshold is None:
        return metadata
    if np.any(neuron.reset != neuron.threshold):
        amount = np.asarray(neuron.reset, np.float32)
        # HDF5 compresses no array without axes.
        metadata["reset_amount"] = amount if amount.ndim else float(amount)
    return metadata


def _amount(name: str, neuron: FloatNeuron, metadata: Mapping[str, Any]) -> Any:
    if "reset_amount" not in metadata:
        return neuron.threshold
    amount = np.asarray(metadata["reset_amount"])
    try:
        np.broadcast_to(amount, neuron.shape)
    except ValueError:
        amount = np.array(np.nan)
    if amount.dtype.kind != "f" or not np.isfinite(amount).all():
        raise ModelError(f"{name}: its reset_amount is damaged; export the network again")
    return amount.astype(np.float32)
