"""Single-bit changes of a network on the grid, and those of them that recordings do not show."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from deploy.checking.witness.cut import cut
from deploy.checking.witness.targets import targets
from deploy.grid import DECAY_BITS, VTH_MAX, split_bias, weight_step
from deploy.network import Array, Conv, Dense, GridNeuron, Network
from deploy.runners import integer
from deploy.traces.trace import Trace

FIRST = 16
"""Recordings that are tried before all: most mutants show at once."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A network that differs from another in one bit of one parameter, and how."""

    network: Network
    kind: str
    node: str
    index: tuple[int, ...]
    before: int
    after: int

    def __str__(self) -> str:
        where = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return f"{self.node}.{self.kind}{where}: {self.before} -> {self.after}"


def mutate(network: Network, rng: np.random.Generator) -> Mutant:
    """One bit of a weight, threshold, decay or bias: first the kind by chance, then the layer, the element, the bit."""
    fields = [(name, field) for name, node in network.nodes.items() for field in _fields(node)]
    kinds = sorted({_kind(field) for _, field in fields})
    kind = kinds[rng.integers(len(kinds))]
    fields = [one for one in fields if _kind(one[1]) == kind]
    name, field = fields[rng.integers(len(fields))]
    values = np.asarray(getattr(network.nodes[name], field))
    index = tuple(int(rng.integers(n)) for n in values.shape)
    before = int(values[index])
    after = _flipped(field, values, before, rng)
    changed = values.copy()
    changed[index] = after
    node = replace(network.nodes[name], **{field: changed})  # pyright: ignore[reportArgumentType]
    return Mutant(
        network=network.replace(nodes={**network.nodes, name: node}),
        kind=field,
        node=name,
        index=index,
        before=before,
        after=after,
    )


def unseen(network: Network, frames: Array, rng: np.random.Generator, count: int) -> Iterator[tuple[int, Mutant]]:
    """`count` different mutants whose spikes and readouts are the network's on all frames, and how many were drawn."""
    expected = integer.run(network, frames)
    drawn, known = 0, set[str]()
    while len(known) < count:
        drawn += 1
        mutant = mutate(network, rng)
        if str(mutant) in known or any(
            _seen_at_once(network, mutant.network, expected, frames, part) for part in (slice(FIRST), slice(None))
        ):
            continue
        found = integer.run(mutant.network, frames)
        if all(np.array_equal(layer.output, found.layers[name].output) for name, layer in expected.layers.items()):
            known.add(str(mutant))
            yield drawn, mutant


def _seen_at_once(network: Network, mutant: Network, expected: Trace, frames: Array, part: slice) -> bool:
    """Whether the layer behind the changed bit shows it: that layer alone is run, which saves most of the time."""
    (target,) = targets(network, mutant) or (None,)
    if target is None:
        return False
    alone = cut(mutant, target.layer, target.rows)
    arriving = frames if alone.before is None else expected.layers[alone.source].output.view(np.uint8)
    found = integer.run(alone.behind, arriving[part]).layers[target.layer].output
    rows = slice(None) if alone.rows is None else alone.rows
    return not np.array_equal(found, expected.layers[target.layer].output[part, :, rows])


def _fields(node: object) -> tuple[str, ...]:
    match node:
        case Dense() | Conv():
            return ("weight",)
        case GridNeuron():
            decays = ("du", "dv") if node.has_current else ("dv",)
            return (*decays, *(() if node.vth is None else ("vth",)), *(("bias",) if np.any(node.bias) else ()))
        case _:
            return ()


def _kind(field: str) -> str:
    return "decay" if field in ("du", "dv") else field


def _flipped(field: str, values: Array, before: int, rng: np.random.Generator) -> int:
    """The value with one of the bits that the chip holds of it flipped, in two's complement where it has a sign."""
    if field == "bias":
        _, exponent = split_bias(values)
        return _signed(before, exponent + int(rng.integers(13)), exponent + 13)
    if field == "weight":
        low, high = int(values.min()), int(values.max())
        step = weight_step(low, high).bit_length() - 1
        if low < 0 < high:
            return _signed(before, int(rng.integers(step, 9)), 9)
        return (-1 if low < 0 else 1) * (abs(before) ^ (1 << int(rng.integers(8))))
    return before ^ (1 << int(rng.integers(VTH_MAX.bit_length() if field == "vth" else DECAY_BITS)))


def _signed(value: int, bit: int, bits: int) -> int:
    flipped = (value % (1 << bits)) ^ (1 << bit)
    return flipped - (1 << bits) if flipped >> (bits - 1) else flipped
