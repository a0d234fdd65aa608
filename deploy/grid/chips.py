"""What the chips can hold and cost, as data with sources. Another board is a copy made with `dataclasses.replace`."""

from dataclasses import dataclass

from deploy.errors import GridError


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy per operation in picojoule, with where the figures come from."""

    synapse_dense: float
    synapse_conv: float
    neuron_access: float
    neuron_update: float
    neuron_spike: float
    message_out: float
    hop_east_west: float
    hop_north_south: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Seconds per operation on one core and on the mesh, and of the barrier that ends a step, with their source."""

    synapse: float
    neuron_update: float
    neuron_spike: float
    message_out: float
    hop_east_west: float
    hop_north_south: float
    barrier: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """How cores lie on the chip: `cores_per_tile` share a tile, and tiles fill rows of `width`."""

    width: int
    cores_per_tile: int


@dataclass(frozen=True, kw_only=True)
class Chip:
    """Limits of one chip, None where they are not published, and what an operation costs.

    programmable_neurons: whether a neuron may be reset otherwise than to 0 in the step of its spike.
    figures_of: the chip for which energy and latency were published; another name than its own: an estimate.
    """

    name: str
    cores: int
    neurons_per_core: int
    synaptic_memory_bytes: int
    axons_in: int | None
    axons_out: int | None
    graded_spikes: bool
    programmable_neurons: bool
    max_delay: int | None
    energy: Energy
    latency: Latency
    mesh: Mesh
    figures_of: str
    source: str


LOIHI1_ENERGY = Energy(
    synapse_dense=35.5,
    synapse_conv=24.0,
    neuron_access=51.2,
    neuron_update=21.6,
    neuron_spike=69.3,
    message_out=111.0,
    hop_east_west=3.0,
    hop_north_south=4.2,
    source="SANA-FE, loihi.yaml, after Davies et al., IEEE Micro 38(1), 2018",
)

LOIHI1_LATENCY = Latency(
    synapse=4.0e-9,
    neuron_update=9.7e-9,
    neuron_spike=30.0e-9,
    message_out=7.6e-9,
    hop_east_west=4.1e-9,
    hop_north_south=6.5e-9,
    barrier=299.0e-9,
    source="SANA-FE, arch/loihi.yaml, after Davies et al., IEEE Micro 38(1), 2018",
)

LOIHI1_MESH = Mesh(width=8, cores_per_tile=4)

LOIHI1 = Chip(
    name="loihi1",
    cores=128,
    neurons_per_core=1024,
    synaptic_memory_bytes=128 * 1024,
    axons_in=4096,
    axons_out=4096,
    graded_spikes=False,
    programmable_neurons=False,
    max_delay=62,
    energy=LOIHI1_ENERGY,
    latency=LOIHI1_LATENCY,
    mesh=LOIHI1_MESH,
    figures_of="loihi1",
    source="nengo-loihi, block.py and hardware/validate.py; SANA-FE, loihi.yaml",
)

LOIHI2 = Chip(
    name="loihi2",
    cores=128,  # some sources say 120
    neurons_per_core=8192,
    synaptic_memory_bytes=192 * 1024,
    axons_in=None,
    axons_out=None,
    graded_spikes=True,
    programmable_neurons=True,  # Davies et al., "Advancing Neuromorphic Computing with Loihi 2", Intel, 2021
    max_delay=None,
    energy=LOIHI1_ENERGY,
    latency=LOIHI1_LATENCY,
    mesh=LOIHI1_MESH,
    figures_of="loihi1",
    source="public summaries of Loihi 2; synaptic memory from secondary sources",
)

CHIPS = {chip.name: chip for chip in (LOIHI1, LOIHI2)}
"""By the name that `--chip` takes: another chip is another row."""


def find_chip(name: str) -> Chip:
    """The chip of this name. Raises GridError where there is none."""
    if name not in CHIPS:
        raise GridError(f"chip {name!r} is not known; use one of {', '.join(CHIPS)}")
    return CHIPS[name]
