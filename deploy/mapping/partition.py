"""Cut every layer into tiles that fit a core, and say which limit stands in the way where none do.

One core holds neurons of one layer. A flat layer is cut into equal runs of neurons, a picture into bands of rows and
groups of channels (and columns, where one row is too much); the cut with the fewest cores that keeps every limit wins.
Layers are placed from the last to the first, since what leaves a core depends on where the next layer lies.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, prod

from deploy.grid.chips import Chip
from deploy.mapping.tiles import Link, Tile, axons_in, axons_out, full_shape, links_into, memory_bits
from deploy.network import Delay, Network, Shape, reset_in_words

TABLES = ("neurons", "synaptic memory", "axons in", "axons out")


@dataclass(frozen=True, kw_only=True)
class Core:
    """One core: what it holds and uses. `memory` is in bytes; `unshared`: without weight sharing."""

    layer: str
    tile: Tile
    neurons: int
    memory: int
    unshared: int
    axons_in: int
    axons_out: int

    def used(self, chip: Chip) -> dict[str, tuple[int, int | None]]:
        """By table, how much is used and how much there is (None: not published)."""
        limits = (chip.neurons_per_core, chip.synaptic_memory_bytes, chip.axons_in, chip.axons_out)
        return dict(
            zip(
                TABLES,
                zip((self.neurons, self.memory, self.axons_in, self.axons_out), limits, strict=True),
                strict=True,
            )
        )

    def fullest(self, chip: Chip) -> float:
        """The largest share of any of its tables."""
        return max(value / limit for value, limit in self.used(chip).values() if limit)


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A limit that cannot be kept: where, which, by how much, and what to change."""

    where: str
    limit: str
    value: int
    allowed: int
    advice: str

    def __str__(self) -> str:
        over = self.value - self.allowed
        return f"{self.where}: {self.limit} {self.value:,}, allowed {self.allowed:,} ({over:,} too many); {self.advice}"


ADVICE = {
    "neurons": "use fewer channels or a larger stride",
    "synaptic memory": "use fewer weight bits, fewer inputs (a larger stride, pooling before it) or a smaller kernel",
    "axons in": "use fewer inputs: a larger stride or pooling before it, or a dense layer in two halves",
    "axons out": "use fewer neurons in it, or a next layer that fits fewer cores",
}


def partition(network: Network, chip: Chip) -> tuple[list[Core], list[Violation]]:
    """Every layer on cores of `chip`, in order of execution, and the limits that cannot be kept."""
    links = {layer: links_into(network, layer) for layer in network.neurons}
    placed: dict[str, list[Core]] = {}
    violations: list[Violation] = []
    for layer in reversed(list(network.neurons)):
        shape = full_shape(network.shapes[layer])
        onward = [(link, target) for target, into in links.items() for link in into if link.source == layer]
        best: tuple[float, list[Core]] | None = None
        for tiles in cuts(shape, chip):
            cores = [_core(layer, tile, links[layer], onward, placed, tiles) for tile in tiles]
            worst = max(core.fullest(chip) for core in cores)
            if best is None or worst < best[0]:
                best = worst, cores
            if worst <= 1:
                break
        assert best is not None
        placed[layer] = best[1]
        violations += _violations(best[1], chip)
    cores = [core for layer in network.neurons for core in placed[layer]]
    if len(cores) > chip.cores:
        advice = "use fewer neurons, or several chips"
        violations.append(
            Violation(where=chip.name, limit="cores", value=len(cores), allowed=chip.cores, advice=advice)
        )
    return cores, [*violations, *_delays(network, chip), *_resets(network, chip)]


def cuts(shape: Shape, chip: Chip) -> Iterator[list[Tile]]:
    """Ways to cut (C, H, W), fewest tiles first, then fewest channel groups; up to the cores of 2 chips."""
    channels, height, width = shape
    across = ceil(width / chip.neurons_per_core)
    ways = [
        (bands * groups * across, groups, bands)
        for groups in range(1, channels + 1)
        for bands in range(1, height + 1)
        if _largest(channels, groups) * _largest(height, bands) * _largest(width, across) <= chip.neurons_per_core
    ]
    # Far beyond the chip no finer cut is worth trying; the coarsest tells how far.
    ways = sorted(ways)[:1] + [way for way in sorted(ways)[1:] if way[0] <= 2 * chip.cores]
    for _, groups, bands in ways:
        yield [
            Tile(channel_range, rows, columns)
            for rows in even_ranges(height, bands)
            for columns in even_ranges(width, across)
            for channel_range in even_ranges(channels, groups)
        ]


def even_ranges(size: int, parts: int) -> list[tuple[int, int]]:
    """[0, size) in `parts` runs whose lengths differ by one at most."""
    return list(pairwise(i * size // parts for i in range(parts + 1)))


def _largest(size: int, parts: int) -> int:
    return ceil(size / parts)


def _core(
    layer: str,
    tile: Tile,
    links: list[Link],
    onward: list[tuple[Link, str]],
    placed: dict[str, list[Core]],
    own: list[Tile],
) -> Core:
    out = 0
    for link, target in onward:
        # A layer that feeds itself is being cut right now.
        targets = own if target == layer else [core.tile for core in placed.get(target, [])]
        out += axons_out(link, tile, targets)
    return Core(
        layer=layer,
        tile=tile,
        neurons=tile.neurons,
        memory=sum(memory_bits(link, tile) for link in links) // 8,
        unshared=sum(memory_bits(link, tile, shared=False) for link in links) // 8,
        axons_in=sum(axons_in(link, tile) for link in links),
        axons_out=out,
    )


def _violations(cores: list[Core], chip: Chip) -> list[Violation]:
    """The worst core of each table that is too full."""
    found = []
    for table in TABLES:
        worst = max(cores, key=lambda core: core.used(chip)[table][0])
        value, limit = worst.used(chip)[table]
        if limit is not None and value > limit:
            unit = "bytes of synaptic memory on a core" if table == "synaptic memory" else f"{table} of a core"
            found.append(Violation(where=worst.layer, limit=unit, value=value, allowed=limit, advice=ADVICE[table]))
    return found


def _delays(network: Network, chip: Chip) -> list[Violation]:
    if chip.max_delay is None:
        return []
    return [
        Violation(
            where=name, limit="delay in steps", value=node.steps, allowed=chip.max_delay, advice="use a shorter one"
        )
        for name, node in network.nodes.items()
        if isinstance(node, Delay) and node.steps > chip.max_delay
    ]


def _resets(network: Network, chip: Chip) -> list[Violation]:
    if chip.programmable_neurons:
        return []
    return [
        Violation(
            where=name,
            limit=f"neurons with {reset_in_words(node)}",
            value=prod(node.shape),
            allowed=0,
            advice="train with a reset to 0 in the step of the spike, or use a chip of programmable neurons",
        )
        for name, node in network.neurons.items()
        if not node.resets_at_once
    ]
