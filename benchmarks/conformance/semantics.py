"""What a tool may take for granted where we read something else: tried one by one, then together, until both agree."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np

from deploy.network import Array, Delay, FloatNeuron, Network, Node, Scale

Change = Callable[[FloatNeuron], FloatNeuron]


def readings(network: Network) -> Iterator[tuple[str, Network]]:
    """A network as it would be under other readings, each in words; the simplest first."""
    for word, change in CHANGES.items():
        yield word, _changed(network, change)
    for several in (*combinations(CHANGES, 2), *combinations(CHANGES, 3)):
        other = network
        for word in several:
            other = _changed(other, CHANGES[word])
        yield " and ".join(several), other
    for name, node in network.nodes.items():
        if isinstance(node, Delay | Scale):
            nothing = Delay(steps=0) if isinstance(node, Delay) else Scale(factor=np.ones_like(node.factor))
            without = network.replace(nodes={**network.nodes, name: nothing})
            yield f"the {type(node).__name__} left out", without
            for word, change in CHANGES.items():
                yield f"the {type(node).__name__} left out and {word}", _changed(without, change)


def _changed(network: Network, change: Change) -> Network:
    nodes: dict[str, Node] = {
        name: change(node) if isinstance(node, FloatNeuron) else node for name, node in network.nodes.items()
    }
    return network.replace(nodes=nodes)


def _reset(mechanism: str, *, late: bool = False) -> Change:
    def change(node: FloatNeuron) -> FloatNeuron:
        if node.threshold is None:
            return node
        reset = node.threshold if mechanism == "subtract" else node.reset
        return replace(node, reset_mechanism=mechanism, reset_delay=late, reset=reset)

    return change


def _unit_resistance(node: FloatNeuron) -> FloatNeuron:
    """Integrators have no time constant beside which r could be 1."""
    return node if np.all(node.keep == 1) else replace(node, gain=np.asarray(1 - node.keep, np.float32))


def _whole_input(node: FloatNeuron) -> FloatNeuron:
    one = np.ones((), np.float32)
    return replace(node, gain=one, current_gain=None if node.current_keep is None else one)


def _exponential(node: FloatNeuron) -> FloatNeuron:
    """What is kept of a state in a step, as the exact solution has it."""
    current = None if node.current_keep is None else _decayed(node.current_keep)
    return replace(node, keep=_decayed(node.keep), current_keep=current)


def _early(node: FloatNeuron) -> FloatNeuron:
    """rockpool's order: the input is in the state before that decays, so that a part of it arrives."""
    if node.current_keep is None:
        return replace(node, gain=node.keep)
    return replace(node, gain=np.ones((), np.float32), current_gain=node.current_keep)


def _decayed(keep: Array) -> Array:
    return np.exp(-(1 - keep.astype(np.float64))).astype(np.float32)


CHANGES: dict[str, Change] = {
    "a soft reset (--reset subtract)": _reset("subtract"),
    "a soft reset in the step after the spike (--reset subtract --reset-delay)": _reset("subtract", late=True),
    "a reset to 0 in the step after the spike (--reset zero --reset-delay)": _reset("zero", late=True),
    "no reset (--reset none)": _reset("none"),
    "a reset to 0 whatever v_reset says": lambda node: replace(node, reset=np.zeros((), np.float32)),
    "r taken for 1 whatever the file says": _unit_resistance,
    "the whole input whatever r and w_in say": _whole_input,
    "states that keep exp(-dt / tau)": _exponential,
    "the input in the state before that decays": _early,
}
