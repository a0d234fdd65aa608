"""Mistakes in the neuron: its comparison, reset, leak and constants."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.replay import replay
from deploy.checking.divergence.setup import Setup
from deploy.grid import UNREACHABLE
from deploy.network import Array, FloatNeuron, GridNeuron, Neuron, ResetMechanism, reset_in_words
from deploy.traces.trace import Trace

RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "spike-on-equal": ("a neuron spikes at v >= threshold instead of v > threshold", {"spike_at_equal": True}),
    "current-reset": ("a spike resets the synaptic current as well", {"reset_current": True}),
    "leak-floor": ("the leak rounds down instead of toward zero", {"rounding": "floor"}),
    "leak-nearest": ("the leak rounds to the nearest instead of toward zero", {"rounding": "nearest"}),
    "leak-away": (
        "the leak itself is rounded toward zero, so that what is left is rounded away from it",
        {"rounding": "away"},
    ),
    "leak-order": ("the leak is applied after the input instead of before it", {"leak_last": True}),
    "no-saturation": ("the potential does not saturate at 24 bits", {"saturate": False}),
    "never-negative": ("the potential is kept from falling below 0", {"floor": 0}),
    "current-convention": ("the current keeps 4096 - du instead of 4096 - (du + 1)", {"current_convention": 0}),
    "state-carried-over": ("the state is not reset between recordings", {"carries": "uv"}),
}


def _rule(kind: str, text: str, changes: dict[str, Any]) -> None:
    @hypothesis(kind, "neuron")
    def propose(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
        yield Candidate(text, setup.with_rules(layer, **changes))


for _kind, (_text, _changes) in RULES.items():
    _rule(_kind, _text, _changes)


RESETS: dict[str, tuple[str, ResetMechanism, bool]] = {
    "hard-reset": ("a spike resets the potential to 0 at once", "zero", False),
    "soft-reset": ("a spike takes the threshold off", "subtract", False),
    "late-reset": ("a spike resets the potential to 0 one step late", "zero", True),
    "late-soft-reset": ("a spike takes the threshold off one step late", "subtract", True),
    "no-reset": ("a spike does not reset the potential", "none", False),
}


def _reset(kind: str, text: str, mechanism: ResetMechanism, late: bool) -> None:
    @hypothesis(kind, "neuron")
    def propose(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
        node = setup.network.neurons[layer]
        if node.is_readout or (node.reset_mechanism, node.reset_delay) == (mechanism, late):
            return
        changes: dict[str, Any] = {"reset_mechanism": mechanism, "reset_delay": late}
        if isinstance(node, FloatNeuron) and mechanism != node.reset_mechanism:
            changes["reset"] = node.threshold if mechanism == "subtract" else np.zeros((), np.float32)
        yield Candidate(f"{text}, not {reset_in_words(node)}", setup.with_node(layer, **changes))


for _kind, _what in RESETS.items():
    _reset(_kind, *_what)


@hypothesis("refractory", "neuron")
def refractory(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A pause after each spike."""
    for steps in (1, 2, 3):
        yield Candidate(
            f"a neuron stays silent for {steps} step(s) after a spike", setup.with_rules(layer, refractory=steps)
        )


@hypothesis("bias", "neuron")
def no_bias(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The bias was left out."""
    node = setup.network.nodes[layer]
    if isinstance(node, Neuron) and np.any(node.bias):
        yield Candidate("the bias is missing", setup.with_node(layer, bias=np.zeros_like(node.bias)))
        yield Candidate("the bias has the opposite sign", setup.with_node(layer, bias=-node.bias))
        if isinstance(node, GridNeuron):
            yield Candidate("the bias lacks its shift by 6 bits", setup.with_node(layer, bias=node.bias >> 6))


OFF_BY = (1, -1, 2, -2)
LOST_BITS = 8
"""Low bits that a table of decays may lack."""


@hypothesis("threshold", "neuron")
def other_threshold(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A threshold off by little, or in the wrong unit."""
    node = setup.network.nodes[layer]
    if not isinstance(node, GridNeuron) or node.vth is None:
        return
    for by in OFF_BY:
        yield Candidate(f"the threshold vth is off by {by:+d}", setup.with_node(layer, vth=node.vth + by))
    yield Candidate("the threshold is doubled", setup.with_node(layer, vth=node.vth * 2))
    yield Candidate("the threshold is halved", setup.with_node(layer, vth=node.vth // 2))


@hypothesis("potential-decay", "neuron")
def other_decay(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """A decay off by little, absent, or taken for what is kept."""
    yield from _decays(setup, layer, "dv", "potential")


@hypothesis("current-decay", "neuron")
def other_current_decay(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The same of the current."""
    yield from _decays(setup, layer, "du", "current")


def _decays(setup: Setup, layer: str, which: str, what: str) -> Iterator[Candidate]:
    node = setup.network.nodes[layer]
    if not isinstance(node, GridNeuron):
        return
    decay: Array = getattr(node, which)
    for by in OFF_BY:
        yield Candidate(
            f"the decay {which} of the {what} is off by {by:+d}", setup.with_node(layer, **{which: decay + by})
        )
    for bits in range(1, LOST_BITS + 1):
        for rounded, how in (
            (decay >> bits << bits, "down"),
            ((decay + (1 << bits >> 1)) >> bits << bits, "to nearest"),
        ):
            if not np.array_equal(rounded, decay):
                text = f"the decay {which} of the {what} has {12 - bits} bits, the lower {bits} are rounded {how}"
                yield Candidate(text, setup.with_node(layer, **{which: rounded}))
    yield Candidate(f"the {what} does not decay", setup.with_node(layer, **{which: np.zeros_like(decay)}))
    kept = 4096 - decay - (which == "du")
    yield Candidate(
        f"the decay {which} of the {what} is taken for what is kept", setup.with_node(layer, **{which: kept})
    )


@hypothesis("dead-neuron", "neuron", picks=True)
def dead(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Neurons that never spiked although their rule called for it."""
    node = setup.network.nodes[layer]
    if not isinstance(node, GridNeuron) or node.vth is None:
        return
    called = replay(setup, along=trace, only=frozenset([layer])).spikes[layer]
    silent = called.any(axis=(0, 1)) & ~trace.layers[layer].output.any(axis=(0, 1))
    # A layer that is silent as a whole has another cause than its neurons.
    if silent.any() and not silent.all():
        vth = np.where(silent, UNREACHABLE, np.broadcast_to(node.vth, node.shape))
        at = ", ".join(str(tuple(int(i) for i in index)) for index in np.argwhere(silent)[:3])
        count = int(silent.sum())
        text = f"neuron {at} is dead: it never spikes" if count == 1 else f"{count} neurons are dead: {at}, ..."
        yield Candidate(text, setup.with_node(layer, vth=vth))
