"""Where the console scripts begin: ckd-train is python -m ckd.train that imports nothing from the current folder."""

import sys
from collections.abc import Callable
from importlib import import_module

from ckd.files import begin_command, missing_extra


def train() -> int:
    """ckd-train."""
    return start("ckd.train")


def evaluate() -> int:
    """ckd-evaluate."""
    return start("ckd.evaluate")


def inspect() -> int:
    """ckd-inspect."""
    return start("ckd.inspect")


def compare() -> int:
    """ckd-compare."""
    return start("ckd.compare")


def pareto() -> int:
    """ckd-pareto."""
    return start("ckd.pareto")


def download() -> int:
    """ckd-download."""
    return start("ckd.download")


def start(module: str) -> int:
    """Import a command's module and run its `main`; Ctrl-C while it is imported is one line, too."""
    try:
        begin_command()
        command: Callable[[], int] = import_module(module).main
        return command()
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        print(f"error: {missing}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
