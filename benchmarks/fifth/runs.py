"""The fifth list, runs: mistakes of whole layers, then those of some neurons, steps or recordings and two at once."""

from benchmarks.fifth.alone import ALONE
from benchmarks.fifth.confined import CONFINED
from benchmarks.fifth.pairs import PAIRS
from benchmarks.fifth.wiring import WIRING

RUNS = [*ALONE, *WIRING, *CONFINED, *PAIRS]
