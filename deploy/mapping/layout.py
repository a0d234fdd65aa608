"""Where a network would lie on a chip: cores, memory, axons, and what it costs to run."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from deploy.grid.chips import Chip, find_chip
from deploy.mapping.energy import Estimate, estimate
from deploy.mapping.partition import Core, Violation, partition
from deploy.network import Array, Network
from deploy.passes.preparation import prepare_for_grid
from deploy.traces.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """A network on a chip. `violations` is empty where it fits; `estimate` needs a trace."""

    chip: Chip
    cores: tuple[Core, ...]
    violations: tuple[Violation, ...]
    estimate: Estimate | None
    notes: tuple[str, ...]

    @property
    def fits(self) -> bool:
        return not self.violations

    @property
    def cores_by_layer(self) -> dict[str, int]:
        return dict(Counter(core.layer for core in self.cores))

    def fullest(self, layer: str) -> dict[str, Any]:
        """By resource, (used, limit) of that core of a layer which uses most of it."""
        cores = [core.used(self.chip) for core in self.cores if core.layer == layer]
        return {name: max((used[name] for used in cores), key=lambda pair: pair[0]) for name in cores[0]}

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "chip": self.chip.name,
            "source": self.chip.source,
            "fits": self.fits,
            "violations": [vars(violation) for violation in self.violations],
            "cores": [
                {
                    "layer": core.layer,
                    "channels": core.tile.channels,
                    "rows": core.tile.rows,
                    "columns": core.tile.columns,
                    **{name: {"used": used, "of": limit} for name, (used, limit) in core.used(self.chip).items()},
                    "memory_without_sharing": core.unshared,
                }
                for core in self.cores
            ],
            "notes": list(self.notes),
            "estimate": self.estimate and self.estimate.as_dict(),
        }


def map_network(
    network: Network, chip: Chip | str = "loihi2", trace: Trace | None = None, *, took: Array | None = None
) -> Mapping:
    """Lay a network out on a chip.

    >>> mapping = map_network(network, "loihi1", trace)
    >>> mapping.fits, len(mapping.cores), mapping.estimate.energy < 1e-3
    (True, 3, True)

    Args:
        network: on the grid, with the bits its weights really need; a float one is folded first and taken as 8 bits.
        chip: its limits, or the name of a chip that is known (`deploy.grid.chips`).
        trace: spikes of the same network, for energy and time.
        took: (R,) steps behind which each recording of the trace ends, where they end early; the rest is not counted.

    Raises:
        UnsupportedError: a node that has no place on a chip, by name.
        TraceError: a trace of another network, or without frames.
    """
    chip = find_chip(chip) if isinstance(chip, str) else chip
    laid = network if network.on_grid else prepare_for_grid(network)
    cores, violations = partition(laid, chip)
    notes = [
        "one layer a core; synaptic memory as nengo-loihi counts it: blocks of 64 synapses with a header, 64-bit words",
        "convolutions share weights: inputs that use the same taps of the kernel share one list, one axon a pixel",
    ]
    if not network.on_grid:
        notes.append("this network is not on the grid: its weights are taken as 8 bits")
    if chip.axons_in is None:
        notes.append(f"{chip.name}: its axon tables and memory format are unpublished; Loihi 1's format is assumed")
    counts = 1 if laid.binning is None else laid.binning.max_count
    if counts > 1 and not chip.graded_spikes:
        violations.append(
            Violation(
                where=laid.input, limit="count of one spike", value=counts, allowed=1, advice="bin with max_count=1"
            )
        )
    guess = None if trace is None else estimate(laid, cores, chip, trace, took)
    return Mapping(chip=chip, cores=tuple(cores), violations=tuple(violations), estimate=guess, notes=tuple(notes))
