"""Loads files in a process with limits: a path a line; the answer is a line of JSON. Started by `tests.fuzz.judge`."""

import json
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import deploy
from deploy.traces.layers import KINDS
from deploy.traces.trace import load_trace

SECONDS = 10
MEMORY = 3 << 30
DT = 1e-4


def load(path: Path) -> None:
    """All that lies in a file, as a user would get it."""
    if path.suffix == ".trace":
        trace = load_trace(path)
        assert isinstance(trace.steps, int) and isinstance(trace.accuracy, float | None)
        for name, layer in trace.layers.items():
            trace.output(name)
            for kind in KINDS:
                assert layer.get(kind) is None or np.asarray(layer.get(kind)).ndim
        return
    said: dict[str, Any] = {"dt": DT} if path.suffix == ".nir" else {}
    try:
        network = deploy.load(path, **said)
    except deploy.DeployError as error:
        if "leave it out" not in str(error):
            raise
        network = deploy.load(path)
    assert isinstance(network, deploy.Network) and network.shapes


def main() -> None:
    """Answer until nobody asks."""
    warnings.simplefilter("error")
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    for line in sys.stdin:
        path = Path(line.strip())
        start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        resource.setrlimit(resource.RLIMIT_CPU, (int(start) + SECONDS + 1, hard))
        answer = {"said": "read"}
        try:
            load(path)
        except deploy.DeployError as error:
            text = str(error)
            answer["said"] = "refused" if text.isprintable() and path.name in text else f"no message: {text!r}"
        except BaseException:
            answer["said"] = f"traceback: {traceback.format_exc()}"
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(json.dumps(answer | {"seconds": time.process_time() - start, "kilobytes": kilobytes}), flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    main()
