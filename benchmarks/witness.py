"""How often a witness is found for a single changed bit that recordings do not show, and none where nothing differs.

    python -m benchmarks.witness mutants student.nir --count 50      of a trained student with its trace beside it
    python -m benchmarks.witness mutants --count 50                  of the branched network of benchmarks.second
    python -m benchmarks.witness simulators student.nir --on torch --seconds 1200     also onnx, lava

A mutant is drawn by chance, kind, layer, element and bit; it counts where the first 100 recordings show no spike and no
potential of a readout that differs. Every witness is run again by PyTorch (`export.integer`), which shares no kernel
with the search, and counts only where the two differ there too.
"""

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import deploy
from benchmarks.mutants import Mutant, unseen
from benchmarks.second.networks import STEPS, branched
from deploy.network import Array, Network
from export.recording import record_quantized

RECORDINGS = 100


def material(model: Path | None) -> tuple[Network, Array]:
    """A network and its recordings, at least 100: a student and its trace, or the branched network and noise."""
    if model is not None:
        frames = deploy.load_trace(model.with_suffix(".trace")).frames
        network = deploy.load(model)
        assert isinstance(network, Network) and frames is not None
        return network, frames[:RECORDINGS]
    network, rng = branched(), np.random.default_rng(5)
    shape = (RECORDINGS, STEPS, *network.input_shape)
    return network, ((rng.random(shape) < 0.3) * rng.integers(1, 3, shape)).astype(np.uint8)


def mutants(model: Path | None, count: int, seconds: float, seed: int) -> list[dict[str, Any]]:
    """A row for each mutant: what it is, how it was found or that it was not."""
    network, frames = material(model)
    rows = []
    for drawn, mutant in unseen(network, frames, np.random.default_rng(seed), count):
        began, busy = time.perf_counter(), time.process_time()
        sought = deploy.witness(network, mutant.network, seconds=seconds, frames=frames, seed=seed)
        row = {
            "mutant": str(mutant),
            "kind": mutant.kind,
            "drawn": drawn,
            "found": bool(sought),
            "proven": sought.proven,
            "events": sought.witness.events if sought.witness else None,
            "confirmed": confirmed(network, mutant, sought),
            "found_after": round(sought.seconds, 2),
            "seconds": round(time.perf_counter() - began, 1),
            "processor_seconds": round(time.process_time() - busy, 1),
            "tried": sought.tried,
            "told": str(sought),
        }
        rows.append(row)
        print(f"{mutant}: {sought}", flush=True)
    return rows


def confirmed(network: Network, mutant: Mutant, sought: deploy.Sought) -> bool:
    """Whether PyTorch's runs of both differ on the witness too."""
    if sought.witness is None:
        return False
    one, other = (record_quantized(each, sought.witness.frames) for each in (network, mutant.network))
    return any(not np.array_equal(one.output(name), other.output(name)) for name in one.layers)


def simulators(model: Path | None, on: str, seconds: float, seed: int) -> dict[str, Any]:
    """A search for frames on which a simulator differs from the integer one, in any spike, u, v or readout."""
    network, frames = material(model)

    def torch(given: Array) -> deploy.Trace:
        return record_quantized(network, given, states=len(given))

    if on == "torch":
        sought = deploy.witness(network, torch, seconds=seconds, frames=frames, seed=seed)
    else:
        sought = deploy.witness(network, on=on, seconds=seconds, frames=frames, seed=seed)
    print(sought, flush=True)
    return {"on": on, **sought.as_dict(), "told": str(sought)}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found = [row for row in rows if row["found"]]
    return {
        "mutants": len(rows),
        "drawn": rows[-1]["drawn"],
        "kinds": dict(Counter(row["kind"] for row in rows)),
        "found": len(found),
        "confirmed": sum(row["confirmed"] for row in found),
        "proven": sum(row["proven"] is not None for row in rows),
        "none_found": sum(not row["found"] and row["proven"] is None for row in rows),
        "median_events": median(row["events"] for row in found) if found else None,
        "most_events": max((row["events"] for row in found), default=None),
        "median_found_after": median(row["found_after"] for row in rows),
        "median_seconds": median(row["seconds"] for row in rows),
        "median_processor_seconds": median(row["processor_seconds"] for row in rows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("mutants", "simulators"))
    parser.add_argument("model", type=Path, nargs="?", help="a .nir file with its .trace beside it")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--on", default="onnx")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write every row to this JSON file")
    asked = parser.parse_args()
    if asked.what == "mutants":
        rows = mutants(asked.model, asked.count, asked.seconds, asked.seed)
        result = {"summary": summary(rows), "rows": rows}
        print(json.dumps(result["summary"], indent=1))
    else:
        result = simulators(asked.model, asked.on, asked.seconds, asked.seed)
    if asked.out is not None:
        asked.out.write_text(json.dumps(result, indent=1, default=str))


if __name__ == "__main__":
    main()
