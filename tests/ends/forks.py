"""Commands in processes of their own, quick to start: the harness's side of `tests.ends.server`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.hostile import ROOT


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, negative after a signal, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def is_one_line(self) -> bool:
        """Whether it said one line of an error, and no traceback."""
        return self.stderr.startswith("error: ") and self.stderr.count("\n") == 1


@dataclass
class Started:
    """A command that runs."""

    forks: "Forks"
    process: int
    out: Path

    def wait(self) -> Ended:
        code = int(self.forks.ask({"wait": self.process}))
        said = [Path(f"{self.out}{end}") for end in ("", ".err")]
        return Ended(code, *(path.read_text(errors="replace") if path.exists() else "" for path in said))

    @property
    def operations(self) -> int:
        """On files, that it carried out."""
        file = Path(f"{self.out}.count")
        return int(file.read_text()) if file.exists() else 0


class Forks:
    """Starts commands by forking a process that has imported everything."""

    def __init__(self, server: "subprocess.Popen[str]", folder: Path) -> None:
        self._server, self._folder, self._numbers = server, folder, count()

    def ask(self, question: dict[str, Any]) -> str:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(question) + "\n")
        self._server.stdin.flush()
        return self._server.stdout.readline().strip()

    def start(self, command: list[str], *, folder: Path, kill_at: int | None = None) -> Started:
        """A module and its arguments; `kill_at` and `folder` as in `tests.ends.server`."""
        out = self._folder / f"{next(self._numbers)}.out"
        module, *arguments = command
        start = {"module": module, "arguments": arguments, "cwd": str(self._folder), "out": str(out)}
        return Started(self, int(self.ask({"start": start | {"kill_at": kill_at, "folder": str(folder)}})), out)

    def run(self, command: list[str], *, folder: Path, kill_at: int | None = None) -> Ended:
        return self.start(command, folder=folder, kill_at=kill_at).wait()


@contextmanager
def forks(folder: Path) -> Iterator[Forks]:
    """Commands stand in `folder`, which takes what they say."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.ends.server"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None and server.stdout.readline() == "ready\n"
        yield Forks(server, folder)
        assert server.stdin is not None
        server.stdin.close()
