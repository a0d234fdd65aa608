"""Run spiking networks on simulators of neuromorphic chips and prove that they do what was trained. Never loads torch.

>>> import deploy
>>> network = deploy.load("student.nir")
>>> trace = deploy.run(network, frames, on="integer")
>>> verdict = deploy.compare(trace, deploy.load_trace("student.trace"))
"""

from deploy.compare import Verdict, compare
from deploy.errors import DeployError
from deploy.models import load_model
from deploy.network import Network
from deploy.nir_io import read_nir as load
from deploy.quantize import quantize
from deploy.runners import run
from deploy.trace import Trace, load_trace

__all__ = [
    "DeployError",
    "Network",
    "Trace",
    "Verdict",
    "compare",
    "load",
    "load_model",
    "load_trace",
    "quantize",
    "run",
]
