"""The fourth list, runs: as an engineer meets them who brings a network to a chip or another simulator."""

from benchmarks.fourth.ends import ENDS
from benchmarks.fourth.neurons import NEURONS
from benchmarks.fourth.pairs import PAIRS
from benchmarks.fourth.paths import PATHS

RUNS = [*NEURONS, *PATHS, *ENDS, *PAIRS]
