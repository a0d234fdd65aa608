"""Reads AEDAT 4 files for `ckd.events.aedat4`, which starts this file as a process: a question a line, JSON.

It ends when nobody asks any more.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """Answer with a line, and behind it the events as they lie in memory, if the line says that there are some."""
    answers = sys.stdout.buffer
    for line in sys.stdin:
        question = json.loads(line)
        events = np.empty(0)
        try:
            from tonic.io import read_aedat4

            _limit(question["bytes"])
            found = read_aedat4(question["path"])
            # By place: tonic passes on whatever names its decoder gives the four.
            dtype = [(name, found.dtype[place].str) for place, name in enumerate("txyp")]
            events = found.astype(np.dtype(dtype))
            answer: dict[str, Any] = {"dtype": dtype, "count": len(events)}
        except ImportError as error:
            answer = {"missing": error.name}
        except BaseException as error:  # a panic of Rust is no Exception
            answer = {"error": f"{type(error).__name__}: {error}"[:200]}
        answers.write(json.dumps(answer).encode() + b"\n")
        if "count" in answer:
            answers.write(events.tobytes())
        answers.flush()


def _limit(more: int) -> None:
    """Let this process take `more` bytes of memory, where the system can tell how much it has."""
    about = Path("/proc/self/statm")
    if about.is_file():
        import resource

        has = int(about.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (has + more, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    main()
