"""The main job in one go: train, export, run, check, and a short summary. `make demo` runs this file.

Every step is a command that you can type yourself; each is printed before it runs.
"""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

OUT = Path("runs/demo")
LAVA_RECORDINGS = 5


def main() -> int:
    """Run the commands, then say what came out."""
    model, picture = OUT / "student.nir", OUT / "spikes.png"
    if not (OUT / "summary.json").is_file():
        # A demo that was interrupted goes on where it was.
        _show(f"python -m ckd.train --{'resume' if (OUT / 'config.yaml').is_file() else 'out'} {OUT}")
    exported = _read(f"ckd-export --to nir {OUT} --json")
    _show(f"ckd-deploy run {model} --on integer")
    integer = _read(f"ckd-deploy check {model} --on integer --json")
    lava = _read(f"ckd-deploy check {model} --on lava --recordings {LAVA_RECORDINGS} --json")
    _draw(model, picture)
    print(_summary(json.loads((OUT / "summary.json").read_text()), exported, integer, lava, picture))
    return 0 if integer and integer["equal"] and (lava is None or lava["equal"]) else 1


def _summary(
    trained: dict[str, Any],
    exported: dict[str, Any] | None,
    integer: dict[str, Any] | None,
    lava: dict[str, Any] | None,
    picture: Path,
) -> str:
    assert exported is not None and integer is not None
    lines = [
        "",
        f"Trained on {trained['labels_per_class']} recordings a class, tested on {exported['recordings']} others:",
        f"  spiking student, distilled from the teacher   {trained['test_accuracy']:7.1%}",
        f"  the same student without distillation         {trained['baseline_test_accuracy']:7.1%}",
        f"  the student on Loihi's integer grid           {exported['accuracy']:7.1%}"
        f"   (float: {exported['float_accuracy']:.1%})",
        "",
        "Is what runs what was trained? Differing spikes:",
        _verdict("integer simulator", integer),
        _verdict("Lava", lava)
        if lava
        else "  Lava                not checked here; the message above says what it needs",
        "",
        f"Picture of one recording, trained and simulated spikes: {picture}",
    ]
    return "\n".join(lines)


def _verdict(runner: str, verdict: dict[str, Any]) -> str:
    recordings = f"{verdict['recordings']} recordings"
    return f"  {runner:<19} {verdict['differing']:,} of {verdict['spikes']:,} in {recordings}"


def _show(command: str) -> None:
    """Run a command that prints for people; stop the demo where it fails."""
    print(f"\n$ {command}", flush=True)
    subprocess.run(_resolved(command), check=True)


def _read(command: str) -> dict[str, Any] | None:
    """Run a command that prints JSON; None where it cannot run here (exit code 2), with its message shown."""
    print(f"\n$ {command}", flush=True)
    done = subprocess.run(_resolved(command), stdout=subprocess.PIPE, text=True)
    return None if done.returncode == 2 else json.loads(done.stdout.splitlines()[-1])


def _resolved(command: str) -> list[str]:
    """The command with the programs of the environment that runs this file."""
    program, *rest = shlex.split(command)
    return [str(Path(sys.executable).parent / program), *rest]


def _draw(model: Path, picture: Path) -> None:
    """One recording, trained beside simulated: a cell is a neuron at a step, colored by who spiked."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    import deploy

    trained = deploy.load_trace(model.with_suffix(".trace"))
    assert trained.frames is not None and trained.labels is not None
    simulated = deploy.run(deploy.load(model), trained.frames[:1], on="integer")
    colors = {"silent": "#f3f4f6", "both spike": "#1f2937", "only trained": "#2563eb", "only simulated": "#ea580c"}
    layers = list(trained.spiking)
    figure, axes = plt.subplots(1, len(layers), figsize=(4 * len(layers), 4.6), layout="constrained", squeeze=False)
    for axis, layer in zip(axes[0], layers, strict=True):
        a, b = (trace.aligned("spikes", layer)[0].reshape(trained.steps, -1) for trace in (trained, simulated))
        # 60 neurons that spike at least once, evenly spread over the layer: more would be a gray block.
        active = np.flatnonzero((a | b).any(axis=0))
        shown = active[np.linspace(0, len(active) - 1, min(60, len(active))).astype(int)]
        cells = np.where(a & b, 1, np.where(a, 2, np.where(b, 3, 0)))[:, shown].T
        axis.pcolormesh(
            cells, cmap=ListedColormap(list(colors.values())), vmin=0, vmax=3, edgecolors="w", linewidth=0.3
        )
        axis.set_title(f"{layer}: {int((a != b).sum())} of {int(a.sum()):,} spikes differ", fontsize=10)
        axis.set_xlabel("time step")
    axes[0, 0].set_ylabel("neuron (60 of those that spike)")
    figure.legend([Patch(color=c) for c in colors.values()], colors, loc="outside lower center", ncols=4, frameon=False)
    label = trained.classes[int(trained.labels[0])]
    figure.suptitle(f"A recording of class {label}: trained in PyTorch beside the integer simulator", fontsize=11)
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
