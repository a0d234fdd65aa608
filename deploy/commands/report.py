"""ckd-deploy report: everything about a check on one page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ckd.files import one_line
from deploy.commands.outputs import claimed, refuse_to_replace, trace_beside
from deploy.commands.shared import SLOW, SLOW_RECORDINGS, ChipName, OfTwoRuns, exit_code, recording_limit
from deploy.errors import UnsupportedError
from deploy.grid.chips import Chip, find_chip
from deploy.mapping.layout import Mapping, map_network
from deploy.zoo import FOLDER

PAGE_RECORDINGS = 100

_Count = Annotated[
    int | None,
    tyro.conf.arg(
        metavar="N",
        help=f"How many recordings of the trace, the first ones. Default: {PAGE_RECORDINGS} of every class in turn, "
        f"on {SLOW} the first {SLOW_RECORDINGS}.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Report(OfTwoRuns):
    """Check a model and write one HTML file about it. Exit codes are those of `check`.

    Example: ckd-deploy report student.nir
    """

    recordings: _Count = None
    chip: ChipName = "loihi2"
    out: Path | None = None
    """The page. Default: the model's name with .html; of a zoo:NAME in the current folder."""

    def execute(self) -> int:
        chip = find_chip(self.chip)  # before the check has run for an hour
        out = self.out or page_of(self.other or self.model)
        inputs = self.model, self.other, self.trace
        refuse_to_replace(out, ".html", *inputs, trace_beside(self.model), trace_beside(self.other))
        with claimed(out, self.model, self.other):
            return self._write(out, chip)

    def _write(self, out: Path, chip: Chip) -> int:
        from deploy.checking.check import check  # --help waits for no simulator
        from deploy.report.page import write_report

        limit = recording_limit(self.recordings, self.on, self.against)
        checked = check(
            self.model,
            self.other,
            on=self.on,
            against=self.against,
            trace=self.trace,
            recordings=PAGE_RECORDINGS if limit is None else limit,
            partial=self.partial,
            of_every_class=limit is None,
        )
        mapping: Mapping | None = None
        network = checked.tested or checked.reference
        if network is not None:
            trace = checked.found if checked.found.frames is not None else checked.expected
            try:
                mapping = map_network(network, chip, trace if trace.frames is not None else None)
            except UnsupportedError as error:
                print(f"no fit and energy: {one_line(str(error))}")
        write_report(checked, out, mapping=mapping, name=(self.other or self.model).name)
        print(f"{'EQUAL' if checked.equal else checked.verdict.word}: wrote {one_line(str(out))}")
        return exit_code(checked)


def page_of(model: Path) -> Path:
    """Beside the model, but never inside the package."""
    return (Path(model.name) if model.parent == FOLDER else model).with_suffix(".html")
