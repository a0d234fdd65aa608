"""What the chips can hold, as data with sources. Copy a `Chip` with `dataclasses.replace` to describe another board."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy per operation in picojoule, with where the figures come from."""

    synapse_dense: float
    synapse_sparse: float
    synapse_conv: float
    neuron_access: float
    neuron_update: float
    neuron_spike: float
    message_out: float
    hop_east_west: float
    hop_north_south: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Chip:
    """Limits of one chip. None: not published."""

    name: str
    cores: int
    neurons_per_core: int
    synaptic_memory_bytes: int
    axons_in: int | None
    axons_out: int | None
    graded_spikes: bool
    max_delay: int | None
    energy: Energy | None
    source: str


LOIHI1_ENERGY = Energy(
    synapse_dense=35.5,
    synapse_sparse=33.6,
    synapse_conv=24.0,
    neuron_access=51.2,
    neuron_update=21.6,
    neuron_spike=69.3,
    message_out=111.0,
    hop_east_west=3.0,
    hop_north_south=4.2,
    source="SANA-FE, loihi.yaml, after Davies et al., IEEE Micro 38(1), 2018",
)

LOIHI1 = Chip(
    name="loihi1",
    cores=128,
    neurons_per_core=1024,
    synaptic_memory_bytes=128 * 1024,
    axons_in=4096,
    axons_out=4096,
    graded_spikes=False,
    max_delay=62,
    energy=LOIHI1_ENERGY,
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
    max_delay=None,
    energy=None,
    source="public summaries of Loihi 2; synaptic memory from secondary sources",
)

GRIDS = {chip.name: chip for chip in (LOIHI1, LOIHI2)}
