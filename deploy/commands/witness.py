"""ckd-deploy witness: frames that nobody recorded, on which two models or two simulators differ."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from deploy.commands import DIFFERENT, EQUAL
from deploy.commands.outputs import claimed, refuse_to_replace, refuse_to_replace_proof, trace_beside
from deploy.commands.shared import OnRecordings, Simulator
from deploy.errors import DeployError
from deploy.formats.files import load
from deploy.formats.model_file import ModelFile
from deploy.network import Array, Network
from deploy.report.console import PlainConsole

if TYPE_CHECKING:
    from deploy.checking.witness.found import Sought


@dataclass(frozen=True, kw_only=True)
class Witness(OnRecordings):
    """Search for frames on which two models, or one model on two simulators, differ. Exit code 1: found, 0: not.

    It begins with the recordings, changes those that come nearest to a difference, and shrinks what it finds to the
    fewest events. Two models differ where a spike or a readout's potential does, one model on two simulators also in
    u and v.

    Example: ckd-deploy witness student.nir other.nir --seconds 30

    Example: ckd-deploy witness student.nir --on lava --seconds 600
    """

    other: Annotated[Path | None, tyro.conf.Positional] = None
    """What is held against the model. Default: the model itself, on another simulator."""
    on: Simulator = "integer"
    against: Simulator = "integer"
    """The simulator of the first model."""
    seconds: float = 30.0
    """How long to search."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("witness.trace")
    """Where the frames that were found go, with what the first model gave on them."""
    seed: int = 0
    """Of what is drawn by chance."""
    json: bool = False
    """Print a program's view of the result."""

    def execute(self) -> int:
        if self.out.suffix != ".trace":
            raise DeployError(f"-o {self.out}: a witness is a .trace file; give a name that ends so")
        beside = trace_beside(self.model), trace_beside(self.other)
        refuse_to_replace(self.out, ".trace", self.model, self.other, *beside, self.frames)
        refuse_to_replace_proof(self.out)
        with claimed(self.out, self.model, self.other):
            return self._search()

    def _search(self) -> int:
        from deploy.checking.witness.search import witness  # --help waits for no simulator

        first = self.load_model()
        second = None if self.other is None else load(self.other, **self.said)
        frames = self._starts(first)
        with PlainConsole(stderr=True).status(f"searching for up to {self.seconds:g} s"):
            sought = witness(
                first, second, on=self.on, against=self.against, seconds=self.seconds, frames=frames, seed=self.seed
            )
        if sought.witness is not None:
            try:
                sought.witness.expected.save(self.out)
            except OSError as error:
                error.add_note(str(sought))  # at least the words of a long search are not lost
                raise
        if self.json:
            print(json.dumps(sought.as_dict() | ({"trace": str(self.out)} if sought else {}), default=str))
        else:
            self._show(sought)
        return DIFFERENT if sought else EQUAL

    def _starts(self, first: Network | ModelFile) -> Array | None:
        """The recordings to begin with; None where there are none, and the search makes its own."""
        if self.events is None and self.frames is None and not self.model.with_suffix(".trace").is_file():
            return None
        return self.choose(first, self.on, self.against).frames

    def _show(self, sought: "Sought") -> None:
        console = PlainConsole()
        console.print(str(sought), style="red" if sought else "green", highlight=False, soft_wrap=True)
        if sought:
            checked = " ".join(str(path) for path in (self.model, self.other) if path is not None)
            command = f"ckd-deploy check {checked} --trace {self.out} --on {self.on}"
            console.print(f"{self.out}: look at it with  {command}", highlight=False, soft_wrap=True)
