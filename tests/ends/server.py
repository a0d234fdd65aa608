"""Forks a process a command, with everything heavy imported already: python -m tests.ends.server.

A line of JSON a question. {"here": [...]} runs a command in this process, which is quicker at it from then on, and
gives its exit code. {"start": {...}} begins one and gives its process; {"wait": process} gives its exit code, negative
where a signal ended it. `kill_at` is the number of the file operation in `folder` before which the
command ends itself with SIGKILL: opening to write, renaming, removing, making and locking, each counts as one.
"""

import atexit
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

from ckd.files import start_command

IMPORTED = (
    *("ckd.train", "ckd.training.pipeline", "ckd.runs.curves", "matplotlib.backends.backend_agg", "sklearn.datasets"),
    *("export.cli", "export.pipeline", "export.teacher", "export.tuning.foreign", "safetensors.torch", "jinja2"),
    *("deploy.cli", "deploy.checking.check", "deploy.formats.nir.reader", "deploy.formats.onnx.writer"),
    *("deploy.formats.netx.writer", "deploy.report.page", "deploy.runners.integer", "deploy.quantization.search"),
)
NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}


def main() -> None:
    for name in IMPORTED:
        import_module(name)
    print("ready", flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            _, status = os.waitpid(question["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        if "here" in question:
            module, *arguments = question["here"]
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                code = import_module(module).main(arguments)
            print(code, flush=True)
            continue
        gc.freeze()  # or the child copies all that is collected
        child = os.fork()
        if child == 0:
            _leave(run(**question["start"]))
        print(child, flush=True)


def run(module: str, arguments: list[str], cwd: str, out: str, kill_at: int | None, folder: str) -> int:
    """Be the command."""
    for number, (name, flags) in enumerate(((os.devnull, os.O_RDONLY), (out, NEW), (f"{out}.err", NEW))):
        os.dup2(os.open(name, flags, 0o644), number)
    os.chdir(cwd)
    sys.argv = [module, *arguments]
    sys.addaudithook(counting(folder, kill_at, Path(f"{out}.count")))
    return start_command(module)


def _leave(code: int) -> None:
    """End as Python does, but without taking apart all that was imported: that took longer than most commands."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)


def counting(folder: str, kill_at: int | None, count_file: Path) -> Callable[[str, tuple[Any, ...]], None]:
    """Counts the operations on files of a folder, and ends this process before one of them."""
    count, busy = 0, False
    where = os.path.realpath(folder) + os.sep

    def hook(event: str, given: tuple[Any, ...]) -> None:
        nonlocal count, busy
        opens = event == "open" and isinstance(given[2], int) and given[2] & WRITES
        if busy or not (opens or event in CHANGES or event == "fcntl.flock"):
            return
        busy = True
        try:
            if event != "fcntl.flock" and not _inside(given[0], where):
                return
            count += 1
            if kill_at is None:
                count_file.write_text(str(count))
            elif count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            busy = False

    return hook


def _inside(path: Any, where: str) -> bool:
    try:
        return (os.path.realpath(os.fsdecode(path)) + os.sep).startswith(where)
    except TypeError:  # a descriptor
        return False


if __name__ == "__main__":
    main()
