"""Mistakes in what neurons send: silent ones, ones that never stop, and sums that are cut or lose bits."""

from collections.abc import Iterator

import numpy as np

from deploy.checking.divergence.confine import BACK, tidy
from deploy.checking.divergence.evidence import wrongs
from deploy.checking.divergence.hypotheses.registry import Candidate, hypothesis
from deploy.checking.divergence.places import neurons_in_words, steps_in_words
from deploy.checking.divergence.rules import RIGHT, Rules
from deploy.checking.divergence.setup import Setup
from deploy.network import Array, GridNeuron
from deploy.traces.trace import Trace


@hypothesis("silent", "neuron", picks=True)
def mute(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Spikes that reset their neuron and are not sent, from some step on."""
    yield from _sent(setup, layer, trace, False, "silent: spikes reset them and are not sent", {"mute": True})
    if trace.layers[layer].spikes is not None and isinstance(setup.network.neurons[layer], GridNeuron):
        text = "the layer is silent: spikes reset their neurons and are not sent"
        yield Candidate(text, setup.with_rules(layer, mute=True))


@hypothesis("stuck", "neuron", picks=True)
def stuck(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Neurons that send a spike at every step, from some step on."""
    yield from _sent(setup, layer, trace, True, "stuck: they send a spike at every step", {"stuck": True})


def _sent(setup: Setup, layer: str, trace: Trace, value: bool, text: str, rule: dict[str, bool]) -> Iterator[Candidate]:
    node, spikes = setup.network.neurons[layer], trace.layers[layer].spikes
    if spikes is None or not isinstance(node, GridNeuron):
        return
    wrong = wrongs(setup, trace, frozenset([layer]))[layer].output
    given = trace.output(layer)
    if not wrong.any():
        return
    first = int(wrong.any(axis=(0, *range(2, wrong.ndim))).argmax())
    of: Array = np.asarray((wrong & (given == value)).any(axis=(0, 1)))
    base = setup.rules.get(layer, (RIGHT,))[0]
    for start in range(first, max(first - BACK, -1), -1):
        constant: Array = np.asarray((given[:, start:] == value).all(axis=(0, 1)))
        where = of & constant
        if not where.any() or where.all():
            continue
        block = tidy(where, constant)
        steps = (start, trace.steps)
        when = f", {steps_in_words(list(range(start, trace.steps)), trace.steps)}" if start else ""
        part = Rules(**{**vars(base), **rule, "where": block, "steps": steps if start else None})
        yield Candidate(f"{neurons_in_words(block)} are {text}{when}", setup.with_part(layer, part))


@hypothesis("sums", "synapse")
def cut_sums(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """Sums of inputs that lose their sign, their low bits, or what lies above some bound."""
    if not isinstance(setup.network.neurons[layer], GridNeuron):
        return
    far = 1 << 40
    yield Candidate("nothing arrives", setup.with_rules(layer, sums_between=(0, 0)))
    yield Candidate("negative sums of inputs are cut to 0", setup.with_rules(layer, sums_between=(0, far)))
    yield Candidate("positive sums of inputs are cut to 0", setup.with_rules(layer, sums_between=(-far, 0)))
    for bits in (1, 2, 3, 4):
        text = f"sums of inputs lose their {bits} lowest bit(s)"
        yield Candidate(text, setup.with_rules(layer, sums_bits=bits))
    for bits in (8, 9, 10, 11, 12):
        top = (1 << (bits - 1)) - 1
        text = f"sums of inputs saturate at {bits} bits, {top}"
        yield Candidate(text, setup.with_rules(layer, sums_between=(-top - 1, top)))


@hypothesis("neuron-parts", "neuron")
def parts_of_a_neuron(setup: Setup, layer: str, trace: Trace) -> Iterator[Candidate]:
    """The order of current and potential, a pause that holds the potential, fewer bits, a bias twice or wrapped."""
    node = setup.network.neurons[layer]
    if not isinstance(node, GridNeuron):
        return
    text = "current-order|the potential takes the current of the step before"
    yield Candidate(text, setup.with_rules(layer, current_before=True))
    if node.has_current:
        yield Candidate(
            "current-decay|the current has no memory (du 4095)", setup.with_node(layer, du=np.full_like(node.du, 4095))
        )
    if not node.is_readout:
        for steps in (1, 2, 3):
            text = f"refractory|a neuron stays silent for {steps} step(s) after a spike, and its potential is held"
            yield Candidate(text, setup.with_rules(layer, refractory=steps, holds=True))
    for bits in range(12, 22):
        text = f"saturation|the potential saturates at {bits} bits, {(1 << (bits - 1)) - 1:,}"
        yield Candidate(text, setup.with_rules(layer, potential_bits=bits))
    if np.any(node.bias):
        yield Candidate("bias|the bias is added twice", setup.with_node(layer, bias=np.asarray(node.bias) * 2))
        for bits in (8, 9, 10, 11, 12):
            half = 1 << (bits - 1)
            wrapped = (np.asarray(node.bias) + half) % (2 * half) - half
            if np.any(wrapped != node.bias):
                yield Candidate(f"bias|the bias wraps at {bits} bits", setup.with_node(layer, bias=wrapped))
    for kinds, what in (("u", "the current is"), ("v", "the potential is")):
        text = f"state-carried-over|{what} not reset between recordings, the rest is"
        yield Candidate(text, setup.with_rules(layer, carries=kinds))
