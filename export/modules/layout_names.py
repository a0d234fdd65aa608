"""The layouts of frames that a module may take; a help text is made from them without loading PyTorch."""

from typing import Literal

Layout = Literal["time-first", "batch-first", "step", "one"]
LAYOUTS: dict[Layout, str] = {
    "time-first": "(T, R, ...), all steps in one call",
    "batch-first": "(R, T, ...), all steps in one call",
    "step": "(R, ...), a call a step; states that it returns at the end of its outputs are passed to the next",
    "one": "(T, ...), a recording a call",
}
