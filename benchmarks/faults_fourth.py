"""A fourth list of faults: what errata of chips and other simulators have, on networks of its own, many drawn by seed.

    python -m benchmarks.faults_fourth             the tables of docs/faults.md
    python -m benchmarks.faults_fourth --json

It was drawn up, and committed, before the checker's hypotheses were read; simulator and judge are the second list's.
"""

from benchmarks.fault_list import FaultList, main
from benchmarks.fourth.models import MODELS
from benchmarks.fourth.networks import NETWORKS, frames_for
from benchmarks.fourth.runs import RUNS

FOURTH = FaultList(networks=NETWORKS, frames_for=frames_for, runs=RUNS, models=MODELS)

if __name__ == "__main__":
    main(FOURTH, __doc__)
