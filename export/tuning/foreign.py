"""Fine-tuning on the grid for a model file of any tool, on labeled recordings: `ckd-export --finetune N other.nir`."""

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from deploy.commands.outputs import claimed, refuse_to_replace, trace_beside
from deploy.commands.recordings import Recordings, from_events
from deploy.errors import DeployError
from deploy.formats.files import FORMATS, load_network
from deploy.network import Array, Network
from deploy.passes.to_float import to_float
from deploy.quantization.search import Quantization, quantize_layers
from deploy.runners import floating, integer
from deploy.traces.checksum import digest
from deploy.traces.trace import Trace
from export.content import write_model
from export.exported import Exported
from export.pipeline import Stage, silent
from export.plan import Plan
from export.recording import record_quantized
from export.refusals import refuse_early, refuse_proven_model
from export.tuning.finetune_network import Labeled, finetune_network

HELD_OUT = 0.2
"""Share of each class's recordings that choose the weights, and again as many that test them."""

SEED = 0
Parts = Mapping[str, Array]


def is_model_file(path: Path | str) -> bool:
    """Whether a path names a model file, of whatever tool, and no run folder."""
    return Path(path).suffix in FORMATS and not Path(path).is_dir()


def finetune_file(
    plan: Plan, *, events: Path | str | None, test: Path | str | None = None, stage: Stage = silent, **said: Any
) -> Exported:
    """Put the network of a model file on the grid, train it there, and write it with the trace that proves it.

    Of each class, a fifth of the recordings chooses among the weights and, without `test`, another fifth is the test,
    which decides nothing; which ones is drawn by a fixed seed.

    Args:
        plan: `run` is the model file; a network on the grid is taken as the floats that its file holds.
        events: folder of recordings, <class>/<file>.
        test: folder of other recordings of the same classes, which are the test; None: a fifth of `events`.
        stage: shows progress.
        said: what the file may not say: dt, step_us, steps, reset, reset_delay, as for `deploy.load`.

    Raises:
        DeployError: options that cannot work, a file that cannot be read, recordings that do not fit it.
        CkdError: recordings that cannot be read.
    """
    folder = _refuse_early(plan, events)
    with claimed(plan.model):
        return _finetune_file(plan, folder, None if test is None else Path(test), stage, said)


def _finetune_file(plan: Plan, folder: Path, test: Path | None, stage: Stage, said: Mapping[str, Any]) -> Exported:
    network = load_network(plan.run, **said)
    given = from_events(network, folder)
    network = network.replace(classes=network.classes or given.classes)
    parts = _split(network, given, folder, ("validation", "train") if test else ("test", "validation", "train"))
    tested = _tested(network, given, test) if test else _some(given, parts["test"])
    quantization = _quantized(plan, network, given.frames[np.concatenate([parts["validation"], parts["train"]])])
    title = f"training on the grid with {len(parts['train'])} recordings"
    with stage(title, plan.finetune) as advance:
        tuned = finetune_network(
            quantization,
            train=_labeled(given, parts["train"]),
            validation=_labeled(given, parts["validation"]),
            iterations=plan.finetune,
            weight_bits=plan.weight_bits,
            device=plan.device,
            advance=advance,
        )
    tuned, before = (plan.format.fit(each) for each in (tuned, quantization.network))
    trace = _named(record_quantized(tuned, tested.frames, device=plan.device), tested)
    accuracy = [
        _named(each, tested).accuracy or 0.0
        for each in (floating.run(network, tested.frames), integer.run(before, tested.frames), trace)
    ]
    files = write_model(tuned, trace, plan.model)
    return Exported(
        model=files[0],
        trace=files[1],
        files=tuple(files),
        chip=plan.chip,
        recordings=trace.recordings,
        steps=trace.steps,
        float_accuracy=accuracy[0],
        quantized_accuracy=accuracy[1],
        accuracy=accuracy[2],
        rates={name: float(layer.output.mean()) for name, layer in trace.spiking.items()},
        overflows=trace.overflows,
        parameters=tuned.report,
    )


def _refuse_early(plan: Plan, events: Path | str | None) -> Path:
    """Look at what is asked, whatever the file holds; gives the folder of recordings."""
    if plan.finetune == 0:
        raise DeployError(
            f"{plan.run}: a model file, which ckd-export trains on the grid: give --finetune N; ckd-deploy compile "
            "puts it there as it is"
        )
    if plan.out is None:
        raise DeployError(f"{plan.run}: say where the trained model goes, -o FILE{plan.format.ending}")
    if events is None:
        raise DeployError("--finetune needs labels: give --events DIR, with recordings as DIR/<class>/<file>")
    if plan.activity is not None or plan.synaptic_operations is not None:
        raise DeployError(
            "--activity and --synaptic-operations are for runs: a model file is fine-tuned without budget"
        )
    refuse_early(plan)
    inputs = Path(plan.run), trace_beside(Path(plan.run))
    refuse_to_replace(plan.model, plan.model.suffix, *inputs)
    refuse_to_replace(trace_beside(plan.model), ".trace", *inputs)
    refuse_proven_model(plan.model)
    return Path(events)


def _tested(network: Network, given: Recordings, test: Path) -> Recordings:
    """The recordings of `--test`. Raises DeployError where one of them is among those given."""
    tested = from_events(network, test)
    seen = {row.tobytes() for row in digest(given.frames)}
    if again := [name for name, row in zip(tested.names, digest(tested.frames), strict=True) if row.tobytes() in seen]:
        raise DeployError(
            f"{test / again[0]}: is also among --events, as are {len(again)} of {len(tested.names)} recordings of "
            "--test; give recordings that are not trained on"
        )
    return tested


def _split(network: Network, given: Recordings, folder: Path, names: tuple[str, ...]) -> Parts:
    """The rows of the recordings of each part, drawn class by class; the last part is what trains.

    Raises:
        DeployError: more or fewer classes than outputs, or a class with fewer recordings than parts.
    """
    assert given.labels is not None
    outputs = prod(network.shapes[network.output_layer])
    if len(network.classes) != outputs:
        raise DeployError(
            f"{folder}: labels of {len(network.classes)} classes do not fit a network of {outputs} outputs; give it "
            "an output for each class"
        )
    rng = np.random.default_rng(SEED)
    parts: dict[str, list[Array]] = {name: [] for name in names}
    for label, name in enumerate(network.classes):
        rows = rng.permutation(np.flatnonzero(given.labels == label))
        if len(rows) < len(names):
            to_test = " and one to test them (or give --test DIR)" if "test" in names else ""
            raise DeployError(
                f"{folder / name}: has {len(rows)} recordings; each class needs at least {len(names)}, one to train "
                f"on, one to choose the weights by{to_test}"
            )
        held_out = max(1, round(HELD_OUT * len(rows)))
        borders = [held_out * part for part in range(1, len(names))]
        for part, chosen in zip(parts, np.split(rows, borders), strict=True):
            parts[part].append(chosen)
    return {part: np.sort(np.concatenate(rows)) for part, rows in parts.items()}


def _quantized(plan: Plan, network: Network, frames: Array) -> Quantization:
    floats = to_float(network) if network.on_grid else network
    return quantize_layers(floats, frames, weight_bits=plan.weight_bits, method="spike-error", chip=plan.chip)


def _labeled(given: Recordings, rows: Array) -> Labeled:
    assert given.labels is not None
    return Labeled(given.frames[rows], given.labels[rows])


def _some(given: Recordings, rows: Array) -> Recordings:
    assert given.labels is not None
    return replace(
        given, frames=given.frames[rows], labels=given.labels[rows], names=tuple(given.names[row] for row in rows)
    )


def _named(trace: Trace, tested: Recordings) -> Trace:
    return trace.labeled(tested.labels, tested.names)
