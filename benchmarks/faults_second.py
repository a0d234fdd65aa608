"""A second list of faults, drawn up before the checker's hypotheses were read, and what the checker makes of it.

    python -m benchmarks.faults_second             the tables of docs/faults.md
    python -m benchmarks.faults_second --json

Runs come from a simulator of its own (`benchmarks/second/simulator.py`) and are checked twice: from spikes and the
readout's potential alone, and with u and v. Right: the words name every mistake, each where it is, and a proof stands
under them. Profile: no proof, and the profile of the first wrong layer is told. Wrong: a proof under other words.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from benchmarks.second.models import MODELS, Edited
from benchmarks.second.networks import NETWORKS, RECORDINGS, frames_for
from benchmarks.second.runs import RUNS
from benchmarks.second.simulator import Array
from benchmarks.second.simulator import run as run_elsewhere
from benchmarks.second.slips import Fault
from deploy.checking.divergence.explain import Explanation, explain
from deploy.checking.divergence.story import story
from deploy.network import Network
from deploy.runners.table import run
from deploy.traces.compare import compare
from deploy.traces.layers import LayerRecord
from deploy.traces.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one fault. outcome: right, profile, wrong, missed, or error."""

    name: str
    on: str
    kind: str
    detected: bool
    placed: bool
    outcome: str
    told: str
    seconds: float


def runs(only: str | None = None) -> Iterator[Row]:
    for network, (net, expected) in _references().items():
        for fault in RUNS:
            if fault.on != network or (only and only not in fault.name):
                continue
            frames = expected.frames
            assert frames is not None
            found = run_elsewhere(net, frames, *fault.slips)
            for kind, of in (("spikes", _of_spikes), ("u and v", lambda trace: trace)):
                shown = _shown(fault, net, frames, of(found), of)
                yield _checked(shown, kind, net, expected, of(found))


def _shown(fault: Fault, network: Network, frames: Array, found: Trace, of: Callable[[Trace], Trace]) -> Fault:
    """The fault without those of its mistakes that leave no trace: without them the same is recorded."""
    if len(fault.slips) == 1 or len(fault.slips) != len(fault.says):
        return fault
    seen = []
    for i, says in enumerate(fault.says):
        without = run_elsewhere(network, frames, *fault.slips[:i], *fault.slips[i + 1 :])
        if compare(found, of(without), every_state=True).differs:
            seen.append(says)
    return replace(fault, says=tuple(seen))


def _references() -> dict[str, tuple[Network, Trace]]:
    made = {}
    for name, build in NETWORKS.items():
        network = build()
        frames = frames_for(network)
        made[name] = network, replace(run(network, frames, states=RECORDINGS, digests=True), frames=frames)
    return made


def _of_spikes(trace: Trace) -> Trace:
    layers = {
        name: LayerRecord(v=layer.output) if layer.is_readout else LayerRecord(spikes=layer.output)
        for name, layer in trace.layers.items()
    }
    return replace(trace, layers=layers)


def _checked(fault: Fault, kind: str, network: Network, expected: Trace, found: Trace) -> Row:
    started = time.perf_counter()
    verdict = compare(expected, found)
    placed, outcome, told = False, "missed", ""
    try:
        explanation = explain(expected, found, verdict=verdict, reference=network)
        told = story(explanation)
        placed = verdict.first is not None and str(verdict.first) in told
        outcome = _outcome(fault.says, fault.layer, explanation)
    except Exception as error:  # a traceback is what is counted here
        outcome, told = "error", f"{type(error).__name__}: {error}"
    return Row(
        name=fault.name,
        on=fault.on,
        kind=kind,
        detected=verdict.differs,
        placed=placed,
        outcome=outcome,
        told=told,
        seconds=time.perf_counter() - started,
    )


def _outcome(says: tuple[tuple[str, tuple[str, ...]], ...], layer: str | None, explanation: Explanation) -> str:
    proven = explanation.proof is not None and explanation.proof.exact
    right = all(_named(pattern, where, explanation) for pattern, where in says)
    if proven:
        return "right" if right else "wrong"
    profile = explanation.profile
    if profile is not None and (layer is None or profile.layer == layer):
        return "profile"
    return "missed"


def _named(pattern: str, where: tuple[str, ...], explanation: Explanation) -> bool:
    for cause in explanation.causes:
        words = f"{', '.join(cause.where)}: {cause.text} {'; '.join(cause.others)}"
        placed = any(re.search(rf"(?<!\w){name}(?!\w)", words) for name in where)
        if placed and re.search(pattern, f"{cause.kind} {words}", re.IGNORECASE):
            return True
    return False


def models(only: str | None = None) -> Iterator[Row]:
    for network, (net, expected) in _references().items():
        for edited in MODELS:
            if edited.on == network and not (only and only not in edited.name):
                yield _compared(edited, net, expected)


def _compared(edited: Edited, network: Network, expected: Trace) -> Row:
    from deploy.checking.divergence.models import difference

    started = time.perf_counter()
    try:
        told = "\n".join(difference(network, edited.edit(network)))
        right = all(re.search(pattern, told) for pattern in edited.says)
        outcome = "right" if right else "missed"
    except Exception as error:
        outcome, told = "error", f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started
    return Row(
        name=edited.name,
        on=edited.on,
        kind="models",
        detected=bool(told),
        placed=bool(told),
        outcome=outcome,
        told=told,
        seconds=seconds,
    )


def table(rows: list[Row]) -> str:
    """Markdown, one row a fault."""
    lines = ["| fault | network | from spikes | with u and v |", "|---|---|---|---|"]
    outcomes: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        outcomes.setdefault((row.name, row.on), {})[row.kind] = row.outcome
    for (name, on), told in outcomes.items():
        lines.append(f"| {name} | {on} | {told.get('spikes', '')} | {told.get('u and v', '')} |")
    return "\n".join(lines)


def summary(rows: list[Row]) -> dict[str, Any]:
    """Counts by kind."""
    told: dict[str, Any] = {}
    for kind in ("spikes", "u and v", "models"):
        of = [row for row in rows if row.kind == kind]
        if of:
            counts = Counter(row.outcome for row in of)
            told[kind] = {
                "faults": len(of),
                "detected": sum(row.detected for row in of),
                "placed": sum(row.placed for row in of),
                "slowest_s": round(max(row.seconds for row in of), 1),
                **counts,
            }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="faults whose name holds this")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--stories", action="store_true", help="print what the checker says of each")
    asked = parser.parse_args()
    rows: list[Row] = []
    for row in chain(runs(asked.only), models(asked.only)):
        rows.append(row)
        if asked.stories:
            print(f"== {row.name}, {row.on}, {row.kind}: {row.outcome} ({row.seconds:.1f} s)\n{row.told}\n", flush=True)
    if asked.json:
        print(json.dumps([vars(row) for row in rows]))
        return
    print(table([row for row in rows if row.kind != "models"]))
    for row in rows:
        if row.kind == "models":
            print(f"| {row.name} | {row.on} | {row.outcome} | {row.told.splitlines()[0] if row.told else ''} |")
    print(json.dumps(summary(rows), indent=1))


if __name__ == "__main__":
    main()
