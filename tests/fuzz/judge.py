"""Damages files, has them loaded in a process with limits, and counts what should never happen."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.fuzz.damage import damage

ROOT = Path(__file__).parents[2]
SECONDS = 10
KILOBYTES = 1 << 20


class Judge:
    """Loads one file after the other; what broke off is started anew."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Judge":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def load(self, path: Path) -> dict[str, Any]:
        """What loading one file gave: what was said, seconds of processor time, kilobytes."""
        if self._process is None:
            command = [sys.executable, "-m", "tests.fuzz.loader"]
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.communicate()
        code, self._process = self._process.returncode, None
        return {"said": f"crash: {code}", "seconds": 0.0, "kilobytes": 0}


def fuzz(files: Mapping[str, Path], folder: Path, seeds: range) -> tuple[Counter[str], list[str]]:
    """Damage the files in turn, one a seed. Gives how many were read and refused by kind, and the findings."""
    counts: Counter[str] = Counter()
    findings: list[str] = []
    names = list(files)
    with Judge() as judge:
        for seed in seeds:
            name = names[seed % len(names)]
            damaged = folder / f"damaged{files[name].suffix}"
            what = damage(files[name], damaged, seed)
            found = judge.load(damaged)
            counts[f"{name}: {found['said'].partition(':')[0]}"] += 1
            if found["said"] not in ("read", "refused"):
                findings.append(f"{what}\n{found['said']}")
            if found["seconds"] > SECONDS or found["kilobytes"] > KILOBYTES:
                findings.append(f"{what}\n{found['seconds']:.1f} s, {found['kilobytes']} kB")
    return counts, findings
