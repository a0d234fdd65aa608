"""Loads files in a process with limits: a line of JSON each; so is the answer. Started by `tests.fuzz.judge`."""

import json
import os
import resource
import sys
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path

from ckd.errors import CkdError
from ckd.files import one_line
from deploy.errors import DeployError
from tests.fuzz.loads import LOADS

SECONDS = 10
MEMORY = 3 << 30
"""Bytes of addresses beyond those of the libraries."""

OWN = Path("/proc/self")
TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds() -> float:
    """What this process has used, those that it has started, and theirs that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + ended.ru_utime + ended.ru_stime
    for children in OWN.glob("task/*/children"):
        for number in children.read_text().split():
            with suppress(OSError):
                fields = Path(f"/proc/{number}/stat").read_text().rpartition(") ")[2].split()
                total += sum(map(int, fields[11:15])) / TICKS
    return total


def kilobytes(name: str) -> int:
    """VmRSS, what is held, or VmHWM, the most that was held since `forget_the_most`."""
    lines = (OWN / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def forget_the_most() -> None:
    (OWN / "clear_refs").write_text("5")


def limit_memory() -> None:
    held = int((OWN / "statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def answer(load: str, path: Path) -> dict[str, str]:
    """What loading it gave."""
    try:
        LOADS[load](path)
    except (CkdError, DeployError) as error:
        text = one_line(str(error)) if isinstance(error, CkdError) else str(error)  # as `run_command` shows it
        # The folder of a worker is one that nobody has named; a number that is out of range is told by its option.
        known = path.name in text or load == "worker" or text.startswith("--")
        return {"said": "refused" if text.isprintable() and known else f"no message: {text!r}", "text": text}
    except OSError as error:  # the system's own message, as `run_command` and `deploy.cli` show it
        return {"said": "refused" if str(path) in str(error) else f"no message: {error!r}"}
    except BaseException:
        return {"said": f"traceback: {traceback.format_exc()}"}
    return {"said": "read"}


def main() -> None:
    """Answer until nobody asks."""
    warnings.simplefilter("error")
    known: set[str] = set()
    for line in sys.stdin:
        question = json.loads(line)
        load, path = question["load"], Path(question["path"])
        if load not in known:  # the first is sound, and brings what it imports
            LOADS[load](Path(question["sound"]))
            known.add(load)
            limit_memory()
        forget_the_most()
        before, start = kilobytes("VmRSS"), processor_seconds()
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + SECONDS + 1, hard))
        found = answer(load, path)
        costs = {"seconds": processor_seconds() - start, "kilobytes": kilobytes("VmHWM") - before}
        print(json.dumps(found | costs), flush=True)


if __name__ == "__main__":
    main()
