"""How many bits of a core's synaptic memory a synapse takes.

After nengo-loihi (`block.py`, `SynapseConfig.bits_per_axon`): the weights that one axon reaches on a core lie in blocks
of up to 64 synapses; a block begins with 4 bits of format and 6 bits of count and is filled up to words of 64 bits. A
dense list holds weights alone; a sparse one (convolution) an index of the target beside each weight.
"""

from math import ceil, log2

import numpy as np

from deploy import grid
from deploy.network import Array

BLOCK = 64
HEADER_BITS = 4 + 6
WORD_BITS = 64
WEIGHT_BITS = (1, 2, 3, 4, 5, 6, 8)
"""Widths that the chip has; 7 is none of them (nengo-loihi, `WEIGHT_BITS_MAP`)."""
INDEX_BITS = (0, 6, 7, 8, 9, 10, 11, 12)
"""Widths of a target's index (nengo-loihi, `INDEX_BITS_MAP`)."""


def weight_bits(weight: Array) -> int:
    """The narrowest width that holds these integer weights as they are; 8 for floats, which are not on the grid yet."""
    if not np.issubdtype(weight.dtype, np.integer) or not np.any(weight):
        return 8 if np.any(weight) else 1
    return next((bits for bits in WEIGHT_BITS if grid.weights_on_grid(weight, bits)), 8)


def index_bits(targets: int) -> int:
    """The narrowest width for indices of `targets` neurons; the widest where none is wide enough."""
    needed = ceil(log2(targets)) if targets > 1 else 0
    return next((bits for bits in INDEX_BITS if bits >= needed), INDEX_BITS[-1])


def list_bits(weights: int, bits_per_weight: int) -> int:
    """Bits of one list of `weights` entries, each of `bits_per_weight` (the weight and, if sparse, its index)."""
    full, rest = divmod(weights, BLOCK)
    return full * _words(BLOCK * bits_per_weight) + (_words(rest * bits_per_weight) if rest else 0)


def _words(bits: int) -> int:
    return ceil((bits + HEADER_BITS) / WORD_BITS) * WORD_BITS
