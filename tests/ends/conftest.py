"""Commands that start quickly, and a small run for them to work on."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pytest

from tests.ckd.conftest import TINY
from tests.ends.forks import Forks, forks

TRAIN = ["ckd.train", *TINY, "--checkpoint-seconds", "0"]
EXPORT = ["export.cli", "RUN", "-o", "OUT/x.nir"]
ONNX = ["export.cli", "RUN", "--to", "onnx", "-o", "OUT/x.onnx"]
COMPILE = ["deploy.cli", "compile", "FLOAT", "-o", "OUT/x.nir"]
CHECK = ["deploy.cli", "check", "OUT/x.nir"]
REPORT = ["deploy.cli", "report", "OUT/x.nir"]


@dataclass(frozen=True)
class World:
    """A finished run, a float model with its trace, and a folder of outputs."""

    forks: Forks
    run: Path
    floating: Path
    template: Path
    """A folder with a model in two formats, its trace and a report, of four bits a weight."""

    def command(self, words: list[str], out: Path, *more: str) -> list[str]:
        """A command of those above, writing to the folder `out`."""
        placed = {"RUN": str(self.run), "FLOAT": str(self.floating)}
        return [placed.get(word, word.replace("OUT", str(out))) for word in (*words, *more)]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("ends")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as kept:
        patch.setenv("MPLCONFIGDIR", matplotlib.get_cachedir())  # its list of fonts takes seconds to make
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        started = kept.enter_context(forks(folder))
        made = World(started, folder / "run", folder / "float" / "float.nir", folder / "template")
        four, warm = ("--weight-bits", "4"), folder / "warm"
        for command in (
            [*TRAIN, "--out", str(made.run)],
            ["export.cli", str(made.run), "--chip", "none", "-o", str(made.floating)],
            *(made.command(words, made.template, *four) for words in (ONNX, EXPORT)),
            made.command(REPORT, made.template),
            *(made.command(words, warm) for words in (COMPILE, CHECK)),
        ):
            assert started.ask({"here": command}) == "0", command
        yield made


@pytest.fixture
def filled(world: World, tmp_path: Path) -> Callable[[], Path]:
    """Makes a folder anew with what is in the template."""

    def fill() -> Path:
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(world.template, out)
        return out

    return fill


def leave_one(folder: Path, *, onnx: bool) -> None:
    """Without the other format's file, which an export of other bits would refuse to leave without its trace."""
    (folder / ("x.nir" if onnx else "x.onnx")).unlink()


def hidden(folder: Path) -> list[str]:
    """Locks and temporary files that are left in a folder."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))
