"""Our commands on damaged files, in forks of a process that has imported them: each ends with 0, 1, or 2 and one line.

python -m tests.fuzz.command_line 0 10000
"""

import io
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import deploy
from ckd.events import decoded, read_recording
from deploy.hdf5 import gate
from tests.fuzz import second
from tests.fuzz.damages import remove
from tests.fuzz.sound_folders import write_float_onnx, write_onnx, write_preset, write_run
from tests.fuzz.sound_hdf5 import HDF5
from tests.fuzz.sound_recordings import RECORDINGS

SECONDS = 60
"""Of processor time for a whole command."""
MEMORY = 4 << 30

Main = Callable[[list[str]], int]


class Commands:
    """Sound files in a folder, and the command lines that read a damaged one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sound = folder, folder / "sound"
        self.sound.mkdir()
        for name, (ending, write) in {**HDF5, **RECORDINGS}.items():
            write(self._sound(name, ending))
        write_onnx(self._sound("grid", ".onnx"))
        write_float_onnx(self._sound("float", ".onnx"))
        write_preset(self._sound("preset", ".yaml"))
        write_run(self._sound("run", ""))
        np.save(self._sound("frames", ".npy"), np.ones((2, 3, 2, 10, 10), np.uint8))
        self.model = self._sound("nir", ".nir")

    def _sound(self, name: str, ending: str) -> Path:
        return self.sound / f"{name.replace(' ', '_')}{ending}"

    def line(self, number: int) -> tuple[Path, str, list[str]]:
        """A file to damage, the command and its arguments: DAMAGED is the damaged file, EVENTS its folder."""
        frames = str(self._sound("frames", ".npy"))
        lines: list[tuple[str, str, str, list[str]]] = []
        for kind in ("nir", "foreign nir"):
            said = ["--dt", "1e-4"] if kind == "foreign nir" else []
            lines += [
                (kind, ".nir", "deploy", ["run", "DAMAGED", "--frames", frames, *said, "--json"]),
                (kind, ".nir", "deploy", ["map", "DAMAGED", "--chip", "loihi2"]),
                (kind, ".nir", "deploy", ["compile", "DAMAGED", "--frames", frames, "-o", "OUT.nir"]),
                (kind, ".nir", "deploy", ["check", "DAMAGED"]),
            ]
        for kind in ("net", "lava-dl net"):
            lines += [
                (kind, ".net", "deploy", ["map", "DAMAGED", "--chip", "loihi2"]),
                (kind, ".net", "deploy", ["run", "DAMAGED", "--frames", frames, "--dt", "1e-3"]),
            ]
        for kind in ("trace", "old trace"):
            lines += [
                (kind, ".trace", "deploy", ["check", str(self.model), "--trace", "DAMAGED"]),
                (kind, ".trace", "deploy", ["report", "DAMAGED", "-o", "OUT.html"]),
            ]
        for kind in ("grid", "float"):
            lines.append((kind, ".onnx", "deploy", ["run", "DAMAGED", "--on", "onnx", "--frames", frames]))
        lines.append(("frames", ".npy", "deploy", ["run", str(self.model), "--frames", "DAMAGED"]))
        for kind, (ending, _) in RECORDINGS.items():
            lines.append((kind, ending, "deploy", ["run", str(self.model), "--events", "EVENTS"]))
        lines += [
            ("run", "", "export", ["--to", "nir", "DAMAGED", "--out", "OUT.nir"]),
            ("run", "", "evaluate", ["DAMAGED"]),
            ("run", "", "compare", ["DAMAGED"]),
            ("preset", ".yaml", "train", ["--preset", "DAMAGED", "--dry-run", "--data-root", "EVENTS"]),
        ]
        name, ending, command, arguments = lines[number % len(lines)]
        return self._sound(name, ending), command, arguments


def mains() -> dict[str, Main]:
    import ckd.compare
    import ckd.evaluate
    import ckd.train
    import deploy.cli
    import export.cli

    return {
        "deploy": deploy.cli.main,
        "export": export.cli.main,
        "evaluate": ckd.evaluate.main,
        "compare": ckd.compare.main,
        "train": ckd.train.main,
    }


class Shared:
    """A process of the parent's as its forks see it, one after the other: they cannot wait for it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.stdin, self.stdout, self.pid = process.stdin, process.stdout, process.pid

    def poll(self) -> int | None:
        return None if Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2][0] != "Z" else 1

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def communicate(self) -> None:
        """Nothing: the parent waits for it."""


def start_readers(model: Path, recordings: list[Path]) -> None:
    """The processes that read HDF5 and recordings for this one, so that no fork has to start them."""
    deploy.load(model)
    for path in recordings:
        read_recording(path)


def share_readers() -> None:
    """In a fork: use those of its parent."""
    running: Any = vars(gate)["_running"]
    for process in list(running.values()):
        running[os.getpid()] = Shared(process)
    for idle in vars(decoded)["_idle"].values():
        idle[:] = [Shared(process) for process in idle]


def in_a_fork(main: Main, arguments: list[str], said: Path) -> tuple[int, float]:
    """Exit code of a command, or minus the signal that ended it, and its seconds of processor time."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(n, "wb"), errors="backslashreplace") for n in (1, 2))
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
            signal.alarm(4 * SECONDS)
            share_readers()
            try:
                code = main(arguments)
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else 98
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    seconds = usage.ru_utime + usage.ru_stime
    return (-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)), seconds


def judged(code: int, said: str) -> str:
    """What a command's end was: "done", "refused", or what is wrong with it."""
    if "Traceback" in said:
        return f"traceback: {said[-3000:]}"
    if code in (0, 1):
        return "done"
    lines = [line for line in said.splitlines() if line.strip()]
    if code == 2 and len(lines) == 1 and re.match(r"error: ", lines[0]) and lines[0].isprintable():
        return "refused"
    return f"code {code}: {said[-1500:]}"


def run(first: int, last: int) -> tuple[Counter[str], list[str]]:
    """Damage a file by the second way and give it to a command, one a number."""
    counts: Counter[str] = Counter()
    findings: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands, known = Commands(folder), mains()
        model, decoders = commands.sound / "nir.nir", [commands.sound / "evt3.raw", commands.sound / "aedat4.aedat4"]
        work, said = folder / "work", folder / "said"
        for number in range(first, last):
            sound, command, arguments = commands.line(number)
            remove(work)
            (work / "events" / "circle").mkdir(parents=True)
            damaged = work / "events" / "circle" / f"damaged{sound.suffix}"
            what = second.damage(sound, damaged, number)
            places = {"DAMAGED": str(damaged), "EVENTS": str(work / "events")}
            places |= {f"OUT{ending}": str(work / f"out{ending}") for ending in (".nir", ".html")}
            start_readers(model, decoders)  # those that a fork has ended
            code, seconds = in_a_fork(known[command], [places.get(each, each) for each in arguments], said)
            text = said.read_text(errors="replace")
            verdict = judged(code, text)
            counts[f"{command} {arguments[0]} {sound.name}: {verdict.partition(':')[0]}"] += 1
            if verdict not in ("done", "refused"):
                findings.append(f"{what}\n{command} {' '.join(arguments)}\n{verdict}")
            if seconds > SECONDS / 2:
                findings.append(f"{what}\n{command} {' '.join(arguments)}\n{seconds:.1f} s")
            if leftovers := [path.name for path in work.iterdir() if path.name.startswith(".")]:
                findings.append(f"{what}\n{command} {' '.join(arguments)}\nleft {leftovers}")
    return counts, findings


if __name__ == "__main__":
    counted, found = run(int(sys.argv[1]), int(sys.argv[2]))
    print(dict(sorted(counted.items())))
    print("\n\n".join(found))
    sys.exit(bool(found))
