"""A second list of faults, drawn up before the checker's hypotheses were read, and what the checker makes of it.

    python -m benchmarks.faults_second             the tables of docs/faults.md
    python -m benchmarks.faults_second --json

Runs come from a simulator of its own (`benchmarks/second/simulator.py`); `benchmarks/fault_list.py` says what is right.
"""

from benchmarks.fault_list import FaultList, main
from benchmarks.second.models import MODELS
from benchmarks.second.networks import NETWORKS, frames_for
from benchmarks.second.runs import RUNS

SECOND = FaultList(networks=NETWORKS, frames_for=frames_for, runs=RUNS, models=MODELS)

if __name__ == "__main__":
    main(SECOND, __doc__)
