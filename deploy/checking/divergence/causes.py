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
    "trace" (the reference trace is not of the reference model); verified: with all causes together every spike, u and v
    that was recorded comes out, of all recordings; others: what else would explain it equally on the recordings that
    hypotheses were tried on; likeness: what it looks like, which is no part of the proof.
    """

    kind: str
    where: tuple[str, ...]
    text: str
    side: str
    verified: bool = False
    others: tuple[str, ...] = ()
    likeness: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        like = f" ({self.likeness})" if self.likeness else ""
        either = "".join(f"; or: {other}" for other in self.others)
        alike = " (the recordings cannot tell these apart)" if self.others else ""
        return f"{SIDES[self.side]}, {', '.join(self.where)}: {self.text}{like}{either}{alike}"
