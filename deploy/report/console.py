"""What several commands show: the parameter report, and states that left their range."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ckd.files import escaped
from deploy.network.parameters import ParameterChange


class PlainConsole(Console):
    """A console that takes nothing in a string for markup or for a terminal's commands: names come from files."""

    def render_str(self, text: str, **options: Any) -> Text:
        plain: dict[str, Any] = options | {"markup": False, "emoji": False}
        return super().render_str(escaped(text), **plain)

    def on_broken_pipe(self) -> None:
        raise  # to `until_nobody_reads`; rich ends with code 1, which says that something differs


def show_parameters(console: Console, changes: Iterable[ParameterChange]) -> None:
    """What quantizing made of each tensor: the element that changed most, the mean change, what saturated."""
    table = Table(title="what the grid made of each parameter")
    for heading in ("node", "parameter", "values", "largest change", "mean change", "saturated"):
        table.add_column(heading, justify="left" if heading in ("node", "parameter") else "right")
    notes = {}
    for c in changes:
        shown = f"{c.before:.4g} to {c.after:.4g}" if c.largest_change else "none"
        table.add_row(c.node, c.parameter, f"{c.count:,}", shown, f"{c.relative_change:.2%}", f"{c.saturated:,}")
        if c.note:
            notes[c.node] = c.note
    console.print(table)
    for node, note in notes.items():
        console.print(f"{node}: {note}", style="yellow", highlight=False)


def warn_of_overflows(console: Console, overflows: Mapping[str, int]) -> None:
    """A network that relies on wrapping or saturating is a defect, so it is never passed over in silence."""
    found = {layer: count for layer, count in overflows.items() if count}
    if found:
        listed = ", ".join(f"{layer} {count:,} times" for layer, count in found.items())
        console.print(f"warning: states left 24 bits (wrapped or saturated): {listed}", style="yellow", highlight=False)
