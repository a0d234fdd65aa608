"""What the grid costs: accuracy and rate error after quantizing, without and with fine-tuning, by bits per weight.

    python -m benchmarks.quantization runs/digits-seed0 runs/digits-seed1 runs/digits-seed2 --finetune 100

Accuracies are on the test recordings of each run, which neither scales nor fine-tuning saw; means over the runs.
The rate error is |rate on the grid - float rate| / float rate, mean over the layers.
"""

import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from ckd.runs.folder import Run, load_run
from deploy.network import Array, Network
from deploy.quantization.search import quantize_layers
from deploy.runners import integer
from export.fold import student_to_network
from export.pipeline import calibration
from export.recording import record_float
from export.refusals import graph_of
from export.tuning.finetune import finetune


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Quantize the students of finished runs at several widths."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders of one preset, one a seed."""
    bits: tuple[int, ...] = (8, 6, 4, 3)
    """Bits per weight."""
    finetune: int = 100
    """Iterations of training on the grid."""
    method: str = "spike-error"
    """How scales are chosen."""


@dataclass(frozen=True)
class Measured:
    """Accuracy and mean relative rate error of one network."""

    accuracy: float
    rate_error: float


def main() -> int:
    """Print the table as markdown, a JSON line for every run before it."""
    plan = tyro.cli(Arguments, description=__doc__)
    rows: dict[int, list[dict[str, Measured]]] = {bits: [] for bits in plan.bits}
    floats = []
    for path in plan.runs:
        run = load_run(path)
        frames, labels, _ = run.recordings("test")
        frames = np.asarray(frames)
        student = graph_of(run)
        network = student_to_network(student, binning=run.binning, classes=run.classes)
        reference = record_float(student, network, frames)
        floats.append(float(np.mean(reference.predictions == labels)))
        rates = {layer: float(record.output.mean()) for layer, record in reference.spiking.items()}
        for bits in plan.bits:
            row = _quantized(plan, run, network, bits, (frames, labels), rates)
            rows[bits].append(row)
            print(json.dumps({"run": str(path), "bits": bits} | {k: vars(v) for k, v in row.items()}), flush=True)
    _print_table(floats, rows)
    return 0


def _quantized(
    plan: Arguments, run: Run, network: Network, bits: int, test: tuple[Array, Array], rates: dict[str, float]
) -> dict[str, Measured]:
    start = quantize_layers(network, calibration(run), weight_bits=bits, method=plan.method, chip="loihi2")
    tuned = finetune(run, start, iterations=plan.finetune, weight_bits=bits)
    return {"quantized": _measure(start.network, test, rates), "fine-tuned": _measure(tuned, test, rates)}


def _measure(network: Network, test: tuple[Array, Array], rates: dict[str, float]) -> Measured:
    trace = integer.run(network, test[0])
    errors = [abs(float(trace.layers[layer].output.mean()) - rate) / rate for layer, rate in rates.items()]
    return Measured(float(np.mean(trace.predictions == test[1])), statistics.mean(errors))


def _print_table(floats: list[float], rows: dict[int, list[dict[str, Measured]]]) -> None:
    print(f"\nfloat: {statistics.mean(floats):.2%}, mean of {len(floats)} runs\n")
    print("| bits | quantized | rate error | fine-tuned | rate error |\n|---|---|---|---|---|")
    for bits, results in rows.items():
        cells = []
        for kind in ("quantized", "fine-tuned"):
            cells.append(f"{statistics.mean(result[kind].accuracy for result in results):.2%}")
            cells.append(f"{statistics.mean(result[kind].rate_error for result in results):.2%}")
        print(f"| {bits} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    sys.exit(main())
