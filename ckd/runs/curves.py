"""The course of a run as a picture in its folder."""

from io import BytesIO
from pathlib import Path
from typing import Any

from ckd.files import fill, write_then_rename
from ckd.runs.metrics import read_metrics

BESIDE_TERMS = {
    "stage",
    "iteration",
    "P",
    "W",
    "lr",
    "spike_rate",
    "activity",
    "synaptic_operations",
    "neuron_updates",
    "cka",
}
"""What a record of metrics.jsonl holds beside the loss, its terms, and what is measured on validation recordings."""


def draw_curves(run: Path) -> None:
    """curves.png: loss terms, schedules, validation accuracy and spike rates against the iteration."""
    from matplotlib.figure import Figure

    stages = read_metrics(run)
    figure = Figure(figsize=(11, 7), layout="constrained")
    (losses, accuracies), (schedules, rates) = figure.subplots(2, 2)
    for stage, records in stages.items():
        style = "-" if stage == "student" else ":"
        for term in _terms(records[0]) if stage == "student" else ("loss",):
            losses.plot(*_curve(records, term), style, label=f"{stage}: {term}", lw=0.8)
        measured = [record for record in records if "validation_accuracy" in record]
        accuracies.plot(*_curve(measured, "validation_accuracy"), style + "o", label=stage)
        for layer in measured[0]["spike_rate"] if measured else ():
            by_layer = [record["spike_rate"][layer] for record in measured]
            rates.plot(_iterations(measured), by_layer, style, label=f"{stage}: {layer}")
    student = stages["student"]
    for name, what in {"P": "share of recordings in place of stills", "W": "weight of the teacher"}.items():
        schedules.plot(*_curve(student, name), label=f"{name}: {what}")
    if "cka" in student[0]:
        mean = [sum(record["cka"]) / len(record["cka"]) for record in student]
        schedules.plot(_iterations(student), mean, label="CKA, mean over steps", lw=0.8)
    titles = {
        losses: "loss", accuracies: "validation accuracy", schedules: "schedules", rates: "spikes a neuron and step",
    }  # fmt: skip
    for axis, title in titles.items():
        axis.set(title=title, xlabel="iteration")
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=7)
    losses.set_yscale("log")
    picture = BytesIO()
    figure.savefig(picture, dpi=110)
    with write_then_rename(run / "curves.png") as temporary:
        fill(temporary, picture.getbuffer())


def _terms(record: dict[str, Any]) -> list[str]:
    """The loss and its terms, whatever they are named."""
    return [name for name in record if name not in BESIDE_TERMS and not name.startswith("validation_")]


def _curve(records: list[dict[str, Any]], name: str) -> tuple[list[int], list[Any]]:
    return _iterations(records), [record.get(name) for record in records]


def _iterations(records: list[dict[str, Any]]) -> list[int]:
    return [record["iteration"] for record in records]
