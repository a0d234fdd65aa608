"""Runs a network on a Loihi 2 chip: the process graph of `deploy.runners.lava.fixed` under Lava's `Loihi2HwCfg`.

Intel gives the compiler and the driver only to members of its research community (INRC), so that this path is written
to Lava's public interface and has not been run on a chip. Where something is missing, it says exactly what.
"""

import os
import subprocess

from deploy.errors import RunnerError
from deploy.network import Array, Network
from deploy.runners.lava.fixed import TIMEOUT, run_prepared
from deploy.runners.lava.python310 import ELSEWHERE, find_python310, named_program, on_path
from deploy.traces.trace import Trace

VARIABLE = "CKD_LOIHI_PYTHON"
HOST = "NXSDKHOST"
"""Names the host of a board on the network (`lava/utils/loihi.py`); boards behind SLURM need none."""

MODULES = {
    "lava.magma": "Lava itself (pip install lava-nc==0.10.0)",
    "nxcore": "NxCore, Intel's driver for the board (INRC members)",
    "lava.magma.compiler.subcompilers.nc.ncproc_compiler": "the neurocore compiler in lava-loihi (INRC members)",
}


def loihi2_missing() -> list[str]:
    """What a run on the chip would need and this machine does not have, each as one phrase; empty if all is there."""
    try:
        python = loihi_python()
    except RunnerError as error:
        return [f"a Python 3.10 ({error})"]
    missing = [f"{what}, as `{module}` in {python}" for module, what in MODULES.items() if not _has(python, module)]
    if not (os.environ.get(HOST) or on_path("sinfo")):
        missing.append(f"a board: neither SLURM (sinfo) nor a host in {HOST}")
    return missing


def loihi_python() -> str:
    """The Python 3.10 in which Intel's packages are installed: $CKD_LOIHI_PYTHON, else any Python 3.10.

    Raises:
        RunnerError: there is none.
    """
    named = os.environ.get(VARIABLE)
    return named_program(named) if named else find_python310()


def run(network: Network, frames: Array, *, states: int = 0, digests: bool = False, timeout: float = TIMEOUT) -> Trace:
    """Run a network on the chip. Arguments and result are those of `deploy.runners.lava.fixed.run`.

    Raises:
        RunnerError: something is missing; the message lists all of it.
        UnsupportedError, GridError: as `deploy.runners.lava.fixed.run`, and where neurons of one layer differ in their
            decays or threshold.
    """
    del digests
    missing = loihi2_missing()
    if missing:
        raise RunnerError(
            f"Loihi 2 cannot be used from here; missing are {'; '.join(missing)}. "
            f"Let {VARIABLE} name the Python 3.10 that has these packages, or simulate it: --on integer, --on lava"
        )
    return run_prepared(network, frames, states=states, timeout=timeout, python=loihi_python())


def _has(python: str, module: str) -> bool:
    """Asked of the interpreter itself, isolated as the worker is."""
    question = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    try:
        answer = subprocess.run([python, "-I", "-c", question], capture_output=True, check=False, cwd=ELSEWHERE)
    except OSError:
        return False
    return answer.returncode == 0
