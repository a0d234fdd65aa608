"""ckd-deploy coverage: what is a check on these recordings worth?"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from deploy.checking.coverage.mutants import SAMPLE, WORDS
from deploy.commands.recordings import Recordings, from_trace
from deploy.commands.shared import OnRecordings
from deploy.errors import DeployError
from deploy.formats.files import load_network
from deploy.report.console import PlainConsole
from deploy.traces.compare import require_some
from deploy.traces.sampling import in_turn

if TYPE_CHECKING:
    from deploy.checking.coverage.result import Coverage


@dataclass(frozen=True, kw_only=True)
class Cover(OnRecordings):
    """Say how many of the smallest changes of a model its recordings would show: a mutation score.

    A change is one step of one weight, threshold, decay or bias, up or down. Neurons that never come near their
    threshold are counted too: a small mistake there shows in no spike of these recordings.

    Example: ckd-deploy coverage student.nir

    Example: ckd-deploy coverage student.nir --events recordings/ --recordings 100
    """

    trace: Path | None = None
    """Take the frames of this trace, in place of those in the trace beside the model."""
    sample: int = SAMPLE
    """How many changes of each parameter of each node are tried, where there are more."""
    seed: int = 0
    """Which of them are drawn."""
    json: bool = False
    """Print a program's view of the result."""

    def execute(self) -> int:
        from deploy.checking.coverage.measure import coverage  # --help waits for no simulator

        network = load_network(self.model, **self.said)
        if self.trace is not None and (self.events is not None or self.frames is not None):
            raise DeployError("--trace excludes --events and --frames; give one of them")
        given: Recordings
        if self.trace is not None:
            require_some(self.recordings)
            given = from_trace(self.trace, self.recordings)
        else:
            given = self.choose(network)
        # The score by the first few recordings is that of all classes, whatever the order of the files.
        frames = given.frames if given.labels is None else given.frames[in_turn(given.labels)]
        found = coverage(network, frames, sample=self.sample, seed=self.seed)
        if self.json:
            print(json.dumps(found.as_dict()))
        else:
            _show(found, given.origin)
        return 0


def _show(found: "Coverage", origin: str) -> None:
    from deploy.checking.coverage.nearest import NEAR
    from deploy.checking.coverage.result import in_words

    console = PlainConsole()
    table = Table(title=f"changes by one step that {found.recordings} recordings of {origin} show")
    for heading in ("of", "step", "changes", "tried", "in a spike", "95 %", "in u or v"):
        table.add_column(heading, justify="left" if heading == "of" else "right")
    for group in found.groups:
        shown = group.shown()
        table.add_row(
            f"{group.node}: {WORDS[group.parameter]}",
            f"±{group.step}",
            f"{group.total:,}",
            f"{shown.tried:,}",
            f"{100 * shown.value:.1f} %",
            "" if shown.tried == shown.total else f"{100 * shown.low:.0f}-{100 * shown.high:.0f}",
            f"{100 * group.shown_in_states().value:.1f} %",
        )
    console.print(table)
    near = Table(title="neurons that these recordings leave alone")
    for heading in ("layer", "neurons", "never spike", f"never within {NEAR:.0%} of their threshold"):
        near.add_column(heading, justify="left" if heading == "layer" else "right")
    for one in found.approaches:
        near.add_row(one.layer, f"{one.nearest.size:,}", f"{one.silent.sum():,}", f"{one.far.sum():,}")
    console.print(near)
    told = ", ".join(f"{size:,}: {in_words(score)}" for size, score in found.curve())
    console.print(f"in a spike, by so many recordings: {told}", highlight=False, soft_wrap=True)
    for name in found.not_measured:
        console.print(f"not measured: {name}, which does not feed neurons directly", highlight=False, soft_wrap=True)
    console.print(f"{found.sentence}; 95 % intervals where a sample was tried", highlight=False, soft_wrap=True)
