"""A fifth list of faults: issues and errata of other simulators, converters and chips, on networks of its own.

    python -m benchmarks.faults_fifth
    python -m benchmarks.faults_fifth --json

It was drawn up, and committed, before the checker was read; simulator and judge are those of the lists before it.
"""

from benchmarks.fault_list import FaultList, main
from benchmarks.fifth.models import MODELS
from benchmarks.fifth.networks import NETWORKS, frames_for
from benchmarks.fifth.runs import RUNS

FIFTH = FaultList(networks=NETWORKS, frames_for=frames_for, runs=RUNS, models=MODELS)

if __name__ == "__main__":
    main(FIFTH, __doc__)
