"""ckd-deploy check: does what runs give, spike by spike, what was trained? If not: where, when and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from deploy.commands import DIFFERENT, EQUAL
from deploy.commands.outputs import claimed
from deploy.commands.shared import OfTwoRuns, exit_code, recording_limit
from deploy.errors import DeployError
from deploy.report.console import PlainConsole
from deploy.runners.table import run

if TYPE_CHECKING:  # --help and a wrong option wait for no simulator
    from deploy.checking.check import Checked
    from deploy.checking.divergence.bisect import Piece
    from deploy.checking.divergence.evidence import RoundedSpike
    from deploy.traces.likeness import Similarity
    from deploy.traces.verdict import Verdict

LISTED = 5
"""How many of the spikes that rounding decides are shown."""

ANOTHER = (
    "this trace is of another model: it was written with a file of this name and other content; export again, or find "
    "the file that it was written with"
)


@dataclass(frozen=True, kw_only=True)
class Check(OfTwoRuns):
    """Check a model against what was trained, spike by spike. Exit code 0: equal, 1: different, 2: cannot run.

    The reference is the first model's trace; what runs is the second model, or the first one itself.

    Example: ckd-deploy check student.nir --on lava

    Example: ckd-deploy check student.nir from_elsewhere.nir --on integer --bisect

    Example: ckd-deploy check student.nir recorded_on_chip.trace --partial
    """

    statistical: bool = False
    """Judge by likeness, not by equal bits: a float student against its integers, say."""
    bisect: bool = False
    """Also find the shortest piece, in steps and layers, that still differs."""
    json: bool = False
    """Print a program's view of the result."""

    def execute(self) -> int:
        if self.bisect and self.other is not None and self.other.suffix == ".trace":
            raise DeployError("--bisect runs pieces of what is checked again, which a .trace cannot; give its model")
        with claimed(None, self.model, self.other):
            return self._check()

    def _check(self) -> int:
        from deploy.checking.check import check
        from deploy.traces.likeness import measure

        checked = check(
            self.model,
            self.other,
            on=self.on,
            against=self.against,
            trace=self.trace,
            recordings=recording_limit(self.recordings, self.on, self.against),
            partial=self.partial,
            why=not self.statistical,
        )
        similarity = measure(checked.expected, checked.found) if self.statistical else None
        piece = self._bisect(checked) if self.bisect and checked.verdict.first and not checked.equal else None
        if self.json:
            print(json.dumps(self._figures(checked, similarity, piece), default=str))
        else:
            _show(checked, similarity, piece)
        if similarity is not None:
            return EQUAL if similarity else DIFFERENT
        return exit_code(checked)

    def _bisect(self, checked: Checked) -> Piece | str:
        """The shortest piece that differs, or why there is none."""
        from deploy.checking.divergence.bisect import bisect

        expected, tested, first = checked.expected, checked.tested, checked.verdict.first
        assert first is not None
        if tested is None or expected.frames is None:
            return "it runs the model again, and needs a .nir file and the frames of its trace"
        try:
            return bisect(
                tested,
                lambda network, frames: run(network, frames, on=self.on, states=1),
                expected,
                expected.frames,
                first.recording,
            )
        except DeployError as error:
            return str(error)

    def _figures(self, checked: Checked, similarity: Similarity | None, piece: Piece | str | None) -> dict[str, Any]:
        figures: dict[str, Any] = {"on": self.on} | checked.verdict.as_dict()
        if checked.rounded is not None:
            figures |= {"equal_up_to_rounding": True, "rounded": [vars(spike) for spike in checked.rounded]}
        if checked.of_another_model:
            figures["of_another_model"] = True
        if checked.explanation is not None:
            figures["explanation"] = checked.explanation.as_dict()
        if similarity is not None:
            figures["similarity"] = similarity.as_dict()
        if piece is not None:
            figures["bisect"] = piece if isinstance(piece, str) else vars(piece)
        return figures


def _show(checked: Checked, similarity: Similarity | None, piece: Piece | str | None) -> None:
    from deploy.checking.divergence.story import story

    console, verdict = PlainConsole(), checked.verdict
    console.print(_table(checked))
    if similarity is not None:
        style = "green" if similarity else "red"
        console.print(str(similarity), style=style, highlight=False)
        return
    if checked.rounded is not None:
        console.print(_rounded(checked.rounded, verdict), style="green", highlight=False, soft_wrap=True)
        return
    style = "green" if verdict else "red"
    console.print(verdict.sentence, style=style, highlight=False, soft_wrap=True)
    if checked.of_another_model:
        console.print(ANOTHER, style="yellow", highlight=False, soft_wrap=True)
    if checked.explanation is not None:
        console.print(story(checked.explanation), highlight=False, soft_wrap=True)
    if piece is not None:
        console.print(f"bisect: {piece}", highlight=False, soft_wrap=True)


def _rounded(close: tuple[RoundedSpike, ...], verdict: Verdict) -> str:
    listed = [
        f"  {spike.layer}, recording {spike.recording}, step {spike.step}, neuron {spike.neuron}: {spike.margin:.1e}"
        for spike in close[:LISTED]
    ]
    more = [f"  and {len(close) - LISTED} more; --json lists all"] if len(close) > LISTED else []
    return "\n".join(
        (
            f"EQUAL up to float32 rounding: {verdict.differing:,} of {verdict.neuron_steps:,} neuron-steps differ; all "
            f"go back to {len(close):,} spikes whose potential lies within 1e-4 of the threshold, relative to it:",
            *listed,
            *more,
        )
    )


def _table(checked: Checked) -> Table:
    expected, found, verdict = checked.expected, checked.found, checked.verdict
    table = Table(
        title=f"{expected.runner} ({expected.device}) against {found.runner}: {verdict.recordings} recordings of "
        f"{verdict.steps} steps"
    )
    for heading in ("layer", "spikes expected", "found", "differing", "rate", "u, v compared", "differing"):
        table.add_column(heading, justify="left" if heading == "layer" else "right")
    for layer in verdict.layers:
        spikes = (f"{layer.expected_spikes:,}", f"{layer.found_spikes:,}", f"{layer.differing:,}", f"{layer.rate:.2%}")
        states = (f"{layer.states:,} steps", f"{layer.states_differing:,}") if layer.states else ("-", "-")
        table.add_row(layer.layer, *(spikes if layer.spiking else ("readout", "", "", "")), *states)
    return table
