"""Run spiking networks on simulators of neuromorphic chips and prove that they do what was trained. Never loads torch.

>>> import deploy
>>> network = deploy.load("student.nir")
>>> trace = deploy.run(network, frames, on="integer")
>>> verdict = deploy.compare(trace, deploy.load_trace("student.trace"))
"""

from deploy.errors import DeployError
from deploy.formats.load import load_model
from deploy.formats.nir import read_nir as load
from deploy.network import Network
from deploy.quantization.search import quantize
from deploy.runners import run
from deploy.traces.compare import Verdict, compare
from deploy.traces.trace import Trace, load_trace

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
