"""Reads recordings by libraries of C and Rust for `ckd.events.decoded`, which starts this file as a process.

A question a line, JSON. Every file is read in a fork, which a damaged one may end. It ends when nobody asks any more.
"""

import json
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = 600
"""Of processor time for one file: gigabytes take minutes, and what takes longer does not end."""


def main() -> None:
    """Answer; the libraries write their own remarks, which are nobody's answer, to where this process writes none."""
    answers = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin:
        question = json.loads(line)
        try:
            import_module("tonic.io" if question["format"] == "aedat4" else "expelliarmus")  # once, before the forks
        except ImportError as error:
            _tell({"missing": error.name}, answers)
            continue
        if not hasattr(os, "fork"):  # Windows: what ends the process is told as one that broke off
            _answer(question, answers)
            continue
        child = os.fork()
        if child == 0:
            try:
                _answer(question, answers)
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if status:
            _tell({}, answers)


def _answer(question: dict[str, Any], answers: int) -> None:
    """For each part of the events a line, and behind it the part as it lies in memory; then a line that ends it."""
    try:
        _limit(question["bytes"])
        for found in _parts(question):
            # By place: tonic passes on whatever names its decoder gives the four.
            dtype = [(name, found.dtype[place].str) for place, name in enumerate("txyp")]
            part = np.ascontiguousarray(found, np.dtype(dtype))
            _tell({"dtype": dtype, "count": len(part)}, answers, part.tobytes())
        _tell({"end": True}, answers)
    except BaseException as error:  # a panic of Rust is no Exception
        _tell({"error": f"{type(error).__name__}: {error}"[:200]}, answers)


def _parts(question: dict[str, Any]) -> Iterator[Any]:
    path, chunk = question["path"], question["chunk"]
    if question["format"] == "aedat4":
        from tonic.io import read_aedat4

        yield read_aedat4(path)
        return
    from expelliarmus import Wizard

    if chunk is not None:
        yield from Wizard(encoding=question["format"], fpath=path, chunk_size=chunk).read_chunk()
        return
    found = Wizard(encoding=question["format"]).read(path)
    if found is None:
        raise ValueError("no events that expelliarmus could read")
    yield found


def _tell(answer: dict[str, Any], answers: int, content: bytes = b"") -> None:
    left = memoryview(json.dumps(answer).encode() + b"\n" + content)
    while left:
        left = left[os.write(answers, left) :]


def _limit(more: int) -> None:
    """Let this process take `more` bytes of memory, where the system can tell how much it has."""
    about = Path("/proc/self/statm")
    if about.is_file():
        import resource

        has = int(about.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (has + more, resource.getrlimit(resource.RLIMIT_AS)[1]))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


if __name__ == "__main__":
    main()
