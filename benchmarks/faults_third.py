"""A third list of faults, each with its source, on networks of its own; drawn up without a look at the second one.

    python -m benchmarks.faults_third              the tables of docs/faults.md
    python -m benchmarks.faults_third --json

It shares the simulator and the judge with the second (`benchmarks/second/simulator.py`, `benchmarks/fault_list.py`).
"""

from benchmarks.fault_list import FaultList, main
from benchmarks.third.models import MODELS
from benchmarks.third.networks import NETWORKS, frames_for
from benchmarks.third.runs import RUNS

THIRD = FaultList(networks=NETWORKS, frames_for=frames_for, runs=RUNS, models=MODELS)

if __name__ == "__main__":
    main(THIRD, __doc__)
