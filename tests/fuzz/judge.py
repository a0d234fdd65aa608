"""Damages files, has them loaded in a process with limits, and counts what should never happen."""

import json
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.damages import damage, remove
from tests.fuzz.kinds import Kind

ROOT = Path(__file__).parents[2]
SECONDS = 10
KILOBYTES = 1_000_000
PATIENCE = 300
"""Seconds by the clock after which a load that uses no processor is ended: the machine may be busy."""

AT_ONCE = 16
"""Files that are damaged before they are loaded: processes that wait for each other in turn are slow."""

Damage = Callable[[Path, Path, int], str]


@dataclass(frozen=True)
class Case:
    """A file to load, and what was done to it."""

    kind: Kind
    sound: Path
    path: Path
    what: str = "nothing"


class Judge:
    """Loads files in a process; where one breaks it off, the next ones get a new process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._read = b""

    def __enter__(self) -> "Judge":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def load(self, cases: Sequence[Case]) -> list[dict[str, Any]]:
        """What loading each gave: what was said, seconds of processor time, kilobytes."""
        answers: list[dict[str, Any]] = []
        while len(answers) < len(cases):
            self._ask(cases[len(answers) :])
            while len(answers) < len(cases):
                line = self._line()
                answers.append(json.loads(line) if line else self._broken())
                if not line:
                    break
        return answers

    def _ask(self, cases: Sequence[Case]) -> None:
        if self._process is None:
            command = [sys.executable, "-m", "tests.fuzz.loader"]
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
            )
        assert self._process.stdin is not None
        for case in cases:
            said = {"load": case.kind.load, "sound": str(case.sound), "path": str(case.path)}
            self._process.stdin.write(json.dumps(said).encode() + b"\n")

    def _line(self) -> bytes:
        """The next answer; nothing where none comes."""
        assert self._process is not None and self._process.stdout is not None
        while b"\n" not in self._read:
            ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
            part = self._process.stdout.read(1 << 16) if ready else b""
            if not part:
                return b""
            self._read += part
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _broken(self) -> dict[str, Any]:
        hangs = self._process is not None and self._process.poll() is None
        code = self._end()
        return {"said": f"hang: {code}" if hangs else f"crash: {code}", "seconds": 0.0, "kilobytes": 0}

    def _end(self) -> int | None:
        if self._process is None:
            return None
        process, self._process, self._read = self._process, None, b""
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()  # it ends with its input, and its own processes with it
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        if process.stdout is not None:
            process.stdout.close()
        process.wait()
        return process.returncode


def fuzz(
    files: Mapping[Kind, Path], folder: Path, seeds: range, damage: Damage = damage
) -> tuple[Counter[str], list[str]]:
    """Damage the files in turn, one a seed. Gives how many were read and refused by kind, and the findings."""
    counts: Counter[str] = Counter()
    findings: list[str] = []
    with Judge() as judge:
        for first in range(seeds.start, seeds.stop, AT_ONCE):
            cases = [_case(files, folder, seed, damage) for seed in range(first, min(first + AT_ONCE, seeds.stop))]
            for case, found in zip(cases, judge.load(cases), strict=True):
                counts[f"{case.kind.name}: {found['said'].partition(':')[0]}"] += 1
                if found["said"] not in ("read", "refused"):
                    findings.append(f"{case.what}\n{found['said']}")
                if found["seconds"] > SECONDS or found["kilobytes"] > KILOBYTES:
                    findings.append(f"{case.what}\n{found['seconds']:.1f} s, {found['kilobytes']} kB")
    return counts, findings


def _case(files: Mapping[Kind, Path], folder: Path, seed: int, damage: Damage) -> Case:
    kind = list(files)[seed % len(files)]
    path = folder / f"damaged{seed % AT_ONCE}{kind.ending}"
    remove(path)
    return Case(kind, files[kind], path, damage(files[kind], path, seed))
