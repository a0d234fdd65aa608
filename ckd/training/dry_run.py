"""What a run would do: the resolved configuration and the shapes of one batch."""

from dataclasses import replace

import torch
import yaml

from ckd.config import Config, config_to_dict
from ckd.data.fitting import fitted
from ckd.data.material import prepare
from ckd.method.batches import BatchMaker
from ckd.method.contrastive import draw_views
from ckd.models.build import build_student
from ckd.training.feasible import refuse_infeasible
from ckd.training.parallel import launch_fabric


def describe(config: Config) -> str:
    """The configuration as YAML, the data that was found, and the shapes of a batch and its logits.

    Raises as a run would: ConfigError, DatasetError, RecordingError.
    """
    launch_fabric(config.machine)
    needed = refuse_infeasible(config)
    data, notes = fitted(config.data)
    config = replace(config, data=data)
    material = prepare(config.data, config.method, seed=config.seed)
    classes = len(material.source.classes)
    student = build_student(config, classes=classes)
    batch = BatchMaker.of(material, config, device=torch.device("cpu"))(0)
    views = None
    if material.unlabeled is not None:
        views = draw_views(material.unlabeled, config, 0, device=torch.device("cpu"))
    with torch.no_grad():
        output = student(batch.event)
    shapes = {
        "event": batch.event,
        "static": batch.mixed,
        "teacher sees": batch.rgb,
        "views without labels": views,
        "logits": output.logits,
        "aligned potential": output.potential,
    }
    lines = [yaml.safe_dump(config_to_dict(config), sort_keys=False)]
    lines += [f"note: {note}" for note in (*notes, *material.remarks)]
    lines += [f"{part} recordings: {len(labels)}" for part, labels in material.labels.items()]
    lines += [f"stills: {len(material.stills)}", f"classes: {classes}"]
    lines += [f"{name}: {tuple(value.shape)}" for name, value in shapes.items() if value is not None]
    if output.potential is None:
        lines.append("aligned potential: none, the student names no alignment_layer; only logits are distilled")
    if needed:
        lines.append(f"memory of an iteration: at least {needed / 1e9:.2g} GB")
    lines += [f"student parameters: {sum(p.numel() for p in student.parameters()):,}"]
    return "\n".join(lines)
