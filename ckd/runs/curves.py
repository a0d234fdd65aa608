"""The course of a run: curves as a picture in the run folder, and tensorboard for those who watch."""

import importlib.util
import json
from pathlib import Path
from typing import Any, Self

from ckd.config import Config
from ckd.errors import ConfigError


def read_metrics(run: Path) -> dict[str, list[dict[str, Any]]]:
    """Records of metrics.jsonl by stage, in order."""
    stages: dict[str, list[dict[str, Any]]] = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        stages.setdefault(record["stage"], []).append(record)
    return stages


def draw_curves(run: Path) -> None:
    """curves.png: loss terms, schedules, validation accuracy and spike rates against the step."""
    from matplotlib.figure import Figure

    stages = read_metrics(run)
    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(2, 2)
    for stage, records in stages.items():
        steps = [record["step"] for record in records]
        style = "-" if stage == "student" else ":"
        for term in ("loss", "event", "static", "kd", "align"):
            if term in records[0] and (stage == "student" or term == "loss"):
                axes[0, 0].plot(
                    steps, [record.get(term) for record in records], style, label=f"{stage}: {term}", lw=0.8
                )
        measured = [record for record in records if "validation_accuracy" in record]
        at = [record["step"] for record in measured]
        axes[0, 1].plot(at, [record["validation_accuracy"] for record in measured], style + "o", label=stage)
        for layer in measured[0]["spike_rate"] if measured else ():
            rates = [record["spike_rate"][layer] for record in measured]
            axes[1, 1].plot(at, rates, style, label=f"{stage}: {layer}")
    student = stages["student"]
    for name in ("P", "W"):
        axes[1, 0].plot([record["step"] for record in student], [record[name] for record in student], label=name)
    if "cka" in student[0]:
        mean = [sum(record["cka"]) / len(record["cka"]) for record in student]
        axes[1, 0].plot([record["step"] for record in student], mean, label="CKA, mean over steps", lw=0.8)
    titles = ("loss", "validation accuracy", "schedules", "spikes a neuron and step")
    for axis, title in zip(axes.flat, titles, strict=True):
        axis.set(title=title, xlabel="training step")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    axes[0, 0].set_yscale("log")
    figure.savefig(run / "curves.png", dpi=110)


def check_tensorboard(config: Config) -> None:
    """Raise ConfigError where tensorboard is asked for and not installed."""
    if config.machine.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ConfigError("--tensorboard needs tensorboard: pip install 'ckd[tensorboard]'")


class ScalarWriter:
    """Writes records to tensorboard where the configuration asks for it, else nothing."""

    def __init__(self, run: Path, stage: str, config: Config) -> None:
        self._writer: Any = None
        if config.machine.tensorboard:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._writer = SummaryWriter(str(run / "tensorboard" / stage))

    def write(self, record: dict[str, Any]) -> None:
        if self._writer is None:
            return
        for name, value in record.items():
            for key, number in _numbers(name, value):
                self._writer.add_scalar(key, number, record["step"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()


def _numbers(name: str, value: Any) -> list[tuple[str, float]]:
    """A record's value as named numbers: steps of a list and layers of a dictionary one by one."""
    if isinstance(value, dict):
        return [(f"{name}/{key}", float(number)) for key, number in value.items()]
    if isinstance(value, list):
        return [(f"{name}/{step}", float(number)) for step, number in enumerate(value)]
    return [] if name == "step" else [(name, float(value))]
