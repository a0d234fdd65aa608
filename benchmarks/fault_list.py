"""What the checker makes of a list of faults: runs checked from spikes alone and with u and v, edits of models told.

Right: the words name every mistake, each where it is, and a proof stands under them. Profile: no proof, and the profile
of the first wrong layer is told. Wrong: a proof under other words.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.second.models import Edited
from benchmarks.second.simulator import Array
from benchmarks.second.simulator import run as run_elsewhere
from benchmarks.second.slips import Fault
from deploy.checking.divergence.explain import Explanation, explain
from deploy.checking.divergence.models import difference
from deploy.checking.divergence.story import story
from deploy.network import Network
from deploy.runners.table import run
from deploy.traces.compare import compare
from deploy.traces.layers import LayerRecord
from deploy.traces.trace import Trace

Of = Callable[[Trace], Trace]


@dataclass(frozen=True, kw_only=True, eq=False)
class FaultList:
    """Faults in runs and in models, on networks by name."""

    networks: dict[str, Callable[[], Network]]
    frames_for: Callable[[Network], Array]
    runs: Sequence[Fault]
    models: Sequence[Edited]


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


@cache
def reference(build: Callable[[], Network], frames_for: Callable[[Network], Array]) -> tuple[Network, Trace]:
    network = build()
    frames = frames_for(network)
    return network, replace(run(network, frames, states=len(frames), digests=True), frames=frames)


def of_spikes(trace: Trace) -> Trace:
    layers = {
        name: LayerRecord(v=layer.output) if layer.is_readout else LayerRecord(spikes=layer.output)
        for name, layer in trace.layers.items()
    }
    return replace(trace, layers=layers)


KINDS: dict[str, Of] = {"spikes": of_spikes, "u and v": lambda trace: trace}


def checked_run(fault: Fault, kind: str, network: Network, expected: Trace) -> Row:
    frames = expected.frames
    assert frames is not None
    of = KINDS[kind]
    found = of(run_elsewhere(network, frames, *fault.slips))
    fault = _shown(fault, network, frames, found, of)
    started = time.perf_counter()
    verdict = compare(expected, found)
    placed, outcome, told = False, "missed", ""
    try:
        explanation = explain(expected, found, verdict=verdict, reference=network)
        told = story(explanation)
        # Where nothing but predictions differs, these are the place.
        placed = ("predictions" if verdict.first is None else str(verdict.first)) in told
        outcome = _outcome(fault, explanation)
    except Exception as error:  # a traceback is what is counted here
        outcome, told = "error", f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started
    return Row(
        name=fault.name,
        on=fault.on,
        kind=kind,
        detected=verdict.differs,
        placed=placed,
        outcome=outcome,
        told=told,
        seconds=seconds,
    )


def _shown(fault: Fault, network: Network, frames: Array, found: Trace, of: Of) -> Fault:
    """The fault without those of its mistakes that leave no trace: without them the same is recorded."""
    if len(fault.slips) == 1 or len(fault.slips) != len(fault.says):
        return fault
    seen = []
    for i, says in enumerate(fault.says):
        without = run_elsewhere(network, frames, *fault.slips[:i], *fault.slips[i + 1 :])
        if compare(found, of(without), every_state=True).differs:
            seen.append(says)
    return replace(fault, says=tuple(seen))


def _outcome(fault: Fault, explanation: Explanation) -> str:
    if explanation.proof is not None and explanation.proof.exact:
        return "right" if names_all(fault.says, explanation) else "wrong"
    profile = explanation.profile
    if profile is not None and (fault.layer is None or profile.layer == fault.layer):
        return "profile"
    return "missed"


def names_all(says: tuple[tuple[str, tuple[str, ...]], ...], explanation: Explanation) -> bool:
    return all(_named(pattern, where, explanation) for pattern, where in says)


def _named(pattern: str, where: tuple[str, ...], explanation: Explanation) -> bool:
    for cause in explanation.causes:
        words = f"{', '.join(cause.where)}: {cause.text} {'; '.join(cause.others)}"
        placed = any(re.search(rf"(?<!\w){name}(?!\w)", words) for name in where)
        if placed and re.search(pattern, f"{cause.kind} {words}", re.IGNORECASE):
            return True
    return False


def compared_model(edited: Edited, network: Network) -> Row:
    started = time.perf_counter()
    try:
        told = "\n".join(difference(network, edited.edit(network)))
        right = all(re.search(pattern, told) for pattern in edited.says)
        outcome = "right" if right else "missed"
    except Exception as error:
        outcome, told = "error", f"{type(error).__name__}: {error}"
    return Row(
        name=edited.name,
        on=edited.on,
        kind="models",
        detected=bool(told),
        placed=bool(told),
        outcome=outcome,
        told=told,
        seconds=time.perf_counter() - started,
    )


def rows(faults: FaultList, only: str | None = None, known: Sequence[Row] = ()) -> Iterator[Row]:
    """The rows of a list, one after the other; those that are known already are not made again."""
    of = {(row.name, row.on, row.kind): row for row in known}
    chosen = [fault for fault in (*faults.runs, *faults.models) if not only or only in fault.name]
    for name, build in faults.networks.items():
        for fault in chosen:
            if fault.on != name:
                continue
            for kind in ("models",) if isinstance(fault, Edited) else KINDS:
                if (fault.name, name, kind) in of:
                    yield of[fault.name, name, kind]
                    continue
                network, expected = reference(build, faults.frames_for)
                if isinstance(fault, Edited):
                    yield compared_model(fault, network)
                else:
                    yield checked_run(fault, kind, network, expected)


def table(made: list[Row]) -> str:
    """Markdown, one row a fault in a run, then one a fault in a model."""
    lines = ["| fault | network | from spikes | with u and v |", "|---|---|---|---|"]
    outcomes: dict[tuple[str, str], dict[str, str]] = {}
    for row in made:
        if row.kind != "models":
            outcomes.setdefault((row.name, row.on), {})[row.kind] = row.outcome
    for (name, on), told in outcomes.items():
        lines.append(f"| {name} | {on} | {told.get('spikes', '')} | {told.get('u and v', '')} |")
    lines += ["", "| edit | network | told | in words |", "|---|---|---|---|"]
    for row in made:
        if row.kind == "models":
            lines.append(f"| {row.name} | {row.on} | {row.outcome} | {row.told.splitlines()[0] if row.told else ''} |")
    return "\n".join(lines)


def summary(made: list[Row]) -> dict[str, Any]:
    """Counts by kind."""
    told: dict[str, Any] = {}
    for kind in (*KINDS, "models"):
        of = [row for row in made if row.kind == kind]
        if of:
            told[kind] = {
                "faults": len(of),
                "detected": sum(row.detected for row in of),
                "placed": sum(row.placed for row in of),
                "slowest_s": round(max(row.seconds for row in of), 1),
                **Counter(row.outcome for row in of),
            }
    return told


def main(faults: FaultList, about: str | None) -> None:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="faults whose name holds this")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--stories", action="store_true", help="print what the checker says of each")
    parser.add_argument("--save", type=Path, help="rows as they are made, one a line; a second call goes on from there")
    asked = parser.parse_args()
    lines = asked.save.read_text().splitlines() if asked.save and asked.save.exists() else []
    known = [Row(**json.loads(line)) for line in lines]
    made: list[Row] = []
    for row in rows(faults, asked.only, known):
        made.append(row)
        if asked.save and row not in known:
            with asked.save.open("a") as file:
                file.write(json.dumps(vars(row)) + "\n")
        if asked.stories:
            print(f"== {row.name}, {row.on}, {row.kind}: {row.outcome} ({row.seconds:.1f} s)\n{row.told}\n", flush=True)
    if asked.json:
        print(json.dumps([vars(row) for row in made]))
        return
    print(table(made))
    print(json.dumps(summary(made), indent=1))
