"""Energy and time per recording, from the spikes of a trace and published figures per operation.

What is counted: a synaptic operation for every synapse a spike reaches; an access and an update of every neuron in
every step; a message for every core a spike must reach, and the hops of its way. Cores fill the mesh row by row in the
order of the mapping. Not counted: idle power, the spikes' way onto the chip, and reading the result. So these are
estimates of dynamic energy, good for comparing networks rather than for buying batteries.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deploy.errors import TraceError
from deploy.grid.chips import Chip, Energy, Latency, Mesh
from deploy.mapping.partition import Core
from deploy.mapping.tiles import Link, fan_out, full_shape, links_into, reach
from deploy.network import Array, Conv, Network
from deploy.traces.exits import begun, stopped
from deploy.traces.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Means per recording. synaptic_operations by synapse; the metrics' names are those of NeuroBench.

    activation_sparsity: share of neuron-steps without a spike; connection_sparsity: share of weights that are 0;
    footprint: bytes of weights and of u and v (24 bits each) of all neurons.
    """

    synaptic_operations: Mapping[str, float]
    neuron_updates: float
    spikes: Mapping[str, float]
    messages: float
    hops_east_west: float
    hops_north_south: float
    busiest_core_seconds: float
    activation_sparsity: float
    connection_sparsity: float
    footprint: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Joule and seconds per recording; `parts` splits the energy; `note` says what the figures rest on."""

    energy: float
    parts: Mapping[str, float]
    seconds: float
    activity: Activity
    published: bool
    note: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def estimate(network: Network, cores: list[Core], chip: Chip, trace: Trace, took: Array | None = None) -> Estimate:
    """Energy and time per recording of `trace`.

    Args:
        network, cores, chip: on which it runs.
        trace: spikes of the same network.
        took: (R,) steps behind which each recording ends: what the trace has from there on is not counted; None: all
            take all steps.

    Raises:
        TraceError: the trace holds no frames, or is of another network.
    """
    if trace.frames is None and trace.stored_frames is None:
        raise TraceError("this trace holds no frames, so the spikes of the input cannot be counted; record it again")
    missing = [layer for layer in network.neurons if layer not in trace.layers]
    if missing:
        raise TraceError(f"the trace knows no layer {missing}; it is of another network")
    steps = float(trace.steps if took is None else took.mean())
    activity = _activity(network, cores, chip, _sent_in(network, trace, took), trace.recordings, steps)
    parts = _energy(network, activity, chip.energy)
    hops = activity.hops_east_west + activity.hops_north_south
    way = chip.latency.hop_east_west if hops else 0.0
    seconds = activity.busiest_core_seconds + steps * (chip.latency.barrier + way)
    published = chip.figures_of == chip.name
    note = f"energy: {chip.energy.source}; time: {chip.latency.source}"
    if not published:
        other = chip.figures_of
        note = f"no figures per operation have been published for {chip.name}: these are {other}'s, an estimate; {note}"
    return Estimate(
        energy=sum(parts.values()), parts=parts, seconds=seconds, activity=activity, published=published, note=note
    )


def _energy(network: Network, activity: Activity, figures: Energy) -> dict[str, float]:
    per_synapse = {
        name: figures.synapse_conv if isinstance(network.nodes[name], Conv) else figures.synapse_dense
        for name in activity.synaptic_operations
    }
    pico = {
        "synapses": sum(count * per_synapse[name] for name, count in activity.synaptic_operations.items()),
        "neuron updates": activity.neuron_updates * (figures.neuron_access + figures.neuron_update),
        "spikes": sum(activity.spikes.values()) * figures.neuron_spike,
        "messages": activity.messages * figures.message_out,
        "hops": activity.hops_east_west * figures.hop_east_west + activity.hops_north_south * figures.hop_north_south,
    }
    return {name: value * 1e-12 for name, value in pico.items()}


def _sent_in(network: Network, trace: Trace, took: Array | None) -> dict[str, Array]:
    """Spikes of the input and of every layer that spikes, summed over recordings and steps."""
    sent: dict[str, Array] = {}
    first = 0
    for part in trace.outputs.parts():
        behind = first + part.recordings
        if took is not None:
            part = stopped(begun(part, int(took[first:behind].max())), network.output_layer, took[first:behind])
        assert part.frames is not None
        here = {network.input: (part.frames != 0).sum(axis=(0, 1))}
        here |= {layer: part.output(layer).sum(axis=(0, 1)) for layer in part.spiking}
        sent = {layer: sent[layer] + count if layer in sent else count for layer, count in here.items()}
        first = behind
    return sent


def _activity(
    network: Network, cores: list[Core], chip: Chip, sent: Mapping[str, Array], recordings: int, steps: float
) -> Activity:
    layers = [layer for layer in sent if layer != network.input]
    links = {layer: links_into(network, layer) for layer in network.neurons}
    operations = {
        link.name: float((_sent(sent, link) * fan_out(link)).sum()) / recordings
        for into in links.values()
        for link in into
    }
    neurons = sum(int(np.prod(node.shape)) for node in network.neurons.values())
    spikes = {layer: float(sent[layer].sum()) / recordings for layer in layers}
    spiking = sum(int(np.prod(network.shapes[layer])) for layer in layers)
    messages, east_west, north_south, outgoing = _messages(cores, chip.mesh, links, sent)
    weights = [link.node.weight for into in links.values() for link in into]
    footprint = sum(link.node.weight.size * link.bits for into in links.values() for link in into) // 8 + neurons * 6
    return Activity(
        synaptic_operations=operations,
        neuron_updates=float(neurons * steps),
        spikes=spikes,
        messages=messages / recordings,
        hops_east_west=east_west / recordings,
        hops_north_south=north_south / recordings,
        busiest_core_seconds=_busiest(cores, chip.latency, links, sent, outgoing, recordings, steps),
        activation_sparsity=1 - sum(spikes.values()) / (spiking * steps) if spiking else 1.0,
        connection_sparsity=float(sum((w == 0).sum() for w in weights) / sum(w.size for w in weights)),
        footprint=footprint,
    )


def _sent(sent: Mapping[str, Array], link: Link) -> Array:
    """Spikes of the layer before a link, (C, H, W); none where it never spikes."""
    return sent[link.source].reshape(link.before) if link.source in sent else np.zeros(link.before)


def _messages(
    cores: list[Core], mesh: Mesh, links: Mapping[str, list[Link]], sent: Mapping[str, Array]
) -> tuple[float, float, float, list[float]]:
    """Messages between cores, their hops east-west and north-south, and the messages that leave each core."""
    total = east_west = north_south = 0.0
    outgoing = [0.0] * len(cores)
    for at, core in enumerate(cores):
        for link in links[core.layer]:
            counts = _sent(sent, link) * reach(link, core.tile)
            for origin, other in enumerate(cores):
                if other.layer != link.source:
                    continue
                shape = full_shape(counts.shape)
                count = float(counts.reshape(shape)[other.tile.slices].sum())
                (x0, y0), (x1, y1) = _place(origin, mesh), _place(at, mesh)
                total += count
                outgoing[origin] += count
                east_west += count * abs(x1 - x0)
                north_south += count * abs(y1 - y0)
    return total, east_west, north_south, outgoing


def _place(core: int, mesh: Mesh) -> tuple[int, int]:
    tile = core // mesh.cores_per_tile
    return tile % mesh.width, tile // mesh.width


def _busiest(
    cores: list[Core],
    latency: Latency,
    links: Mapping[str, list[Link]],
    sent: Mapping[str, Array],
    outgoing: list[float],
    recordings: int,
    steps: float,
) -> float:
    """Seconds of work per recording on the core that has most of it: a step ends when the last core is done."""
    worst = 0.0
    for at, core in enumerate(cores):
        share = [core.neurons / np.prod(link.after) for link in links[core.layer]]
        operations = sum(
            float((_sent(sent, link) * fan_out(link)).sum()) * part
            for link, part in zip(links[core.layer], share, strict=True)
        )
        own = sent.get(core.layer)
        spikes = 0.0 if own is None else float(own.reshape(full_shape(own.shape))[core.tile.slices].sum())
        work = operations * latency.synapse + spikes * latency.neuron_spike
        work += outgoing[at] * latency.message_out
        worst = max(worst, work / recordings + core.neurons * steps * latency.neuron_update)
    return worst
