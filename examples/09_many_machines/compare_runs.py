"""Do two runs of one recipe, in one process and in several, have the same losses?

python compare_runs.py RUN RUN
"""

import json
import sys
from pathlib import Path

TOLERANCE = 1e-6
"""Losses are logged in float32, whose step is 2.4e-7 at these."""


def losses(run: Path) -> list[float]:
    """The student's logged losses, in order."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [record["loss"] for record in records if record["stage"] == "student" and "loss" in record]


def main() -> None:
    """Print both, and the largest difference."""
    one, other = (losses(Path(run)) for run in sys.argv[1:3])
    if not one or len(one) != len(other):
        raise SystemExit(f"{len(one)} and {len(other)} losses: not two runs of one recipe")
    for a, b in zip(one, other, strict=True):
        print(f"{a:.6f}  {b:.6f}")
    apart = max(abs(a - b) for a, b in zip(one, other, strict=True))
    print(f"largest difference: {apart:.1e}")
    raise SystemExit(0 if apart < TOLERANCE else 1)


if __name__ == "__main__":
    main()
