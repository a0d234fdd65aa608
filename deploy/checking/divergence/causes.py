"""What a cause is, in a form that a program and a person can read."""

from dataclasses import asdict, dataclass
from typing import Any

SIDES = {
    "model": "the two models differ",
    "runner": "the runner does not do what its model says",
    "input": "the frames differ",
    "trace": "the model is not the one that made the trace",
}
"""What each side is called in a story."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One reason why two runs differ.

    kind: its short name ("weight", "kernel-axes", "soft-reset", ...); where: nodes or layers it sits in ("input" for
    frames); side: "model" (two models differ), "runner" (the runner does not do what the model says) , "input", or
    "trace" (the reference trace is not of the reference model); verified: with it, and the other verified causes of its
    side, every spike and readout of the recordings that were looked at comes out; others: what else would explain it
    equally on these recordings.
    """

    kind: str
    where: tuple[str, ...]
    text: str
    side: str
    verified: bool = False
    others: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        proof = "" if self.verified else " (found, but other differences remain)"
        return f"{SIDES[self.side]}, {', '.join(self.where)}: {self.text}{proof}"
