"""An iteration of training: what is paired, replaced, weighed and learned from."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from ckd.config import Augment, Config, Method, load_preset
from ckd.data.base import Stills
from ckd.data.material import StillPool
from ckd.method.batches import BatchMaker
from ckd.method.branches import Branches, kept_statistics
from ckd.method.losses import (
    alignment_loss,
    branch_losses,
    distillation_loss,
    event_weights,
    linear_cka,
    tet_loss,
)
from ckd.method.schedule import first_draw_chance, schedules
from ckd.method.step_losses import ensemble_loss, error_aware_distillation, selective_alignment, step_distillation
from ckd.models.student import Neuron, Student, build_vgg
from ckd.training.engine import Hooks, Progress, train_student
from ckd.training.measure import measure

RNG = np.random.default_rng(0)
FRAMES = (RNG.random((12, 4, 2, 16, 16)) < 0.2).astype(np.uint8)
LABELS = np.arange(12) % 3
IMAGES = RNG.integers(1, 255, (30, 1, 12, 12), dtype=np.uint8)
STILLS = Stills(images=IMAGES, labels=np.arange(30) % 3, image_ids=np.arange(30))

Make = Callable[..., tuple[Config, BatchMaker]]


@pytest.fixture
def make() -> Make:
    def with_method(**values: Any) -> tuple[Config, BatchMaker]:
        config = load_preset("digits")
        config = replace(
            config,
            data=replace(config.data, size=16, time_steps=4),
            method=replace(config.method, **values),
            augment=Augment(roll=0),
            training=replace(config.training, batch=12, iterations=100),
        )
        pool = StillPool(stills=STILLS) if config.method.distill else None
        maker = BatchMaker(config, frames=FRAMES, labels=LABELS, pool=pool, classes=3, device=torch.device("cpu"))
        return config, maker

    return with_method


@pytest.fixture
def student() -> Student:
    torch.manual_seed(0)
    return build_vgg("4-AP-8-AP", input_shape=(2, 16, 16), classes=3, neuron=Neuron(threshold=0.3))


def test_a_recording_is_paired_with_a_still_of_its_class(make: Make) -> None:
    _, maker = make(pairing="class")
    for iteration in range(5):
        batch = maker(iteration)
        assert batch.mixed_labels is not None and torch.equal(batch.event_labels, batch.mixed_labels)
    _, maker = make(pairing="random")
    unequal = [maker(iteration) for iteration in range(5)]
    assert any(not torch.equal(batch.event_labels, batch.mixed_labels) for batch in unequal)  # type: ignore[arg-type]


def test_every_epoch_sees_every_recording_once(make: Make) -> None:
    _, maker = make()
    for iteration in range(3):
        seen = maker(iteration).event.transpose(0, 1).numpy()
        found = {next(i for i, frames in enumerate(FRAMES) if np.array_equal(frames, sample)) for sample in seen}
        assert found == set(range(12))


def test_a_batch_depends_on_the_iteration_alone(make: Make) -> None:
    first, second = make()[1], make()[1]
    for iteration in (0, 1):
        first(iteration)
    one, other = first(7), second(7)
    assert one.mixed is not None and other.mixed is not None
    assert torch.equal(one.event, other.event) and torch.equal(one.mixed, other.mixed)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_sliding_replacement_puts_whole_recordings_in_place_of_stills(make: Make, probability: float) -> None:
    _, maker = make(replacement="sliding", static_input="value")
    replaced, kept = 0, 0
    for iteration in range(20):
        batch = maker(iteration, replacement=probability)
        assert batch.mixed is not None
        same = [torch.equal(batch.mixed[:, n], batch.event[:, n]) for n in range(12)]
        replaced += sum(same)
        # The value channel repeats itself at every step; what is not replaced is one.
        kept += sum(bool((batch.mixed[:, n] == batch.mixed[:1, n]).all()) for n in range(12) if not same[n])
    assert replaced + kept == 240
    assert replaced / 240 == pytest.approx(probability, abs=0.1)


def steps_of_recordings(maker: BatchMaker, *, iterations: int, probability: float) -> list[int]:
    """At how many of the 4 steps each of the 12 samples of every batch shows its recording: from one on, to the end."""
    counts = []
    for iteration in range(iterations):
        batch = maker(iteration, replacement=probability)
        assert batch.mixed is not None
        for n in range(12):
            shown = [torch.equal(batch.mixed[t, n], batch.event[t, n]) for t in range(4)]
            assert shown == sorted(shown), "once a recording, always a recording"
            counts.append(shown.count(True))
    return counts


def test_time_mixing_shows_recordings_from_a_step_on(make: Make) -> None:
    _, maker = make(replacement="time-mix", static_input="value")
    switches = steps_of_recordings(maker, iterations=20, probability=0.5)
    assert set(switches) == {0, 1, 2, 3, 4} and np.mean(switches) == pytest.approx(2, abs=0.3)


def test_first_draws_replace_the_expected_share_of_steps(make: Make) -> None:
    _, maker = make(replacement="first-draw", static_input="value")
    first = steps_of_recordings(maker, iterations=40, probability=0.4)
    # The number of steps a recording shows, 480 of them with a deviation of at most 2: four deviations of the mean.
    assert np.mean(first) == pytest.approx(0.4 * 4, abs=0.3)
    # Truncated geometric, not binomial: the later steps are the rarer ones to begin with, but for never.
    chance = first_draw_chance(0.4, 4)
    for count, expected in enumerate([(1 - chance) ** 4, *(chance * (1 - chance) ** (4 - k) for k in range(1, 5))]):
        assert first.count(count) / 480 == pytest.approx(expected, abs=0.09)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_chance_of_a_first_draw_gives_the_share(share: float) -> None:
    chance, steps = first_draw_chance(share, 6), 6
    # The number of steps from the first draw on, weighed by how likely that draw is.
    found = sum(chance * (1 - chance) ** (t - 1) * (steps - t + 1) / steps for t in range(1, steps + 1))
    assert found == pytest.approx(share, abs=1e-9)


def test_schedules_follow_the_recipe(make: Make) -> None:
    published, _ = make(replacement="sliding", kd="phased")
    half = schedules(published.method, published.training, 50)
    assert half["P"] == pytest.approx(0.125) and half["W"] == 0.5
    default, _ = make()
    late = schedules(default.method, default.training, 99)
    assert late["P"] == 0 and late["W"] == 1


def test_the_total_is_the_sum_of_its_parts_with_their_weights(make: Make, student: Student) -> None:
    config, maker = make(align_weight=0.5, temporal_weights=True, kd="constant", batch_norm="joint")
    batch = maker(3)
    branches = Branches(student, config.method, (4, 2, 16, 16))
    with torch.no_grad():
        branches.a.copy_(torch.tensor([0.0, 1.0, -1.0, 2.0]))
    teacher = torch.randn(12, 3, generator=torch.Generator().manual_seed(1))
    outputs = branches(batch.event, batch.mixed)
    event, mixed = outputs.event, outputs.mixed
    found = branch_losses(outputs, batch, branches.a, config.method, teacher=teacher, weight=0.25, progress=0.0)
    assert batch.mixed_labels is not None
    parts = [
        tet_loss(mixed.logits, batch.mixed_labels),
        0.25 * distillation_loss(mixed.logits, teacher),
        tet_loss(event.logits, batch.event_labels, weights=event_weights(branches.a)),
        0.5 * alignment_loss(linear_cka(mixed.potential.flatten(2), event.potential.flatten(2)), branches.a),
    ]
    assert all(part > 0 for part in parts)
    torch.testing.assert_close(found["loss"], torch.stack(parts).sum())
    found["loss"].backward()
    assert branches.a.grad is not None and (branches.a.grad != 0).all()


@pytest.mark.parametrize("kd_steps", ["each", "error-aware"])
def test_losses_between_steps_are_added_with_their_weights(make: Make, student: Student, kd_steps: str) -> None:
    config, maker = make(kd_steps=kd_steps, ensemble_weight=0.5, selective_weight=0.25)
    batch = maker(3)
    outputs = Branches(student, config.method, (4, 2, 16, 16))(batch.event, batch.mixed)
    teacher = torch.randn(12, 3, generator=torch.Generator().manual_seed(1))
    found = branch_losses(outputs, batch, torch.ones(4), config.method, teacher=teacher, weight=0.75, progress=0.0)
    logits, labels = outputs.mixed.logits, batch.mixed_labels
    assert labels is not None
    taught = step_distillation(logits, teacher)
    if kd_steps == "error-aware":
        taught = error_aware_distillation(logits, teacher, labels)
    parts = [tet_loss(logits, labels), tet_loss(outputs.event.logits, batch.event_labels), 0.75 * taught]
    for branch in outputs.event, outputs.mixed:
        parts += [0.5 * ensemble_loss(branch.logits), 0.25 * selective_alignment(branch.logits)]
    assert all(part > 0 for part in parts)
    torch.testing.assert_close(found["loss"], torch.stack(parts).sum())  # float32, another order


def test_distillation_reaches_the_static_branch_alone(make: Make, student: Student) -> None:
    config, maker = make(batch_norm="separate")
    batch = maker(0)
    outputs = Branches(student, config.method, (4, 2, 16, 16))(batch.event, batch.mixed)
    event, mixed = outputs.event, outputs.mixed
    teacher = torch.randn(12, 3)
    for output in (event, mixed):
        output.logits.retain_grad()
    terms = branch_losses(outputs, batch, torch.ones(4), config.method, teacher=teacher, weight=1.0, progress=0.0)
    terms["kd"].backward()
    assert event.logits.grad is None and mixed.logits.grad.abs().sum() > 0


def test_two_heads_keep_the_static_branch_off_the_classifier_that_is_deployed(make: Make, student: Student) -> None:
    config, maker = make(heads="two")
    batch = maker(0)
    branches = Branches(student, config.method, (4, 2, 16, 16))
    mixed = branches(batch.event, batch.mixed).mixed
    mixed.logits.sum().backward()
    assert branches.static_head is not None and branches.static_head.weight.grad is not None
    assert student.state_dict(keep_vars=True)["nodes.classifier.weight"].grad is None


def test_undistilled_training_is_the_loop_with_the_static_branch_off(make: Make, student: Student) -> None:
    config, maker = make(distill=False)
    batch = maker(0)
    assert batch.mixed is None and batch.rgb is None
    outputs = Branches(student, config.method, (4, 2, 16, 16))(batch.event, None)
    terms = branch_losses(outputs, batch, torch.ones(4), config.method, teacher=None, weight=0.0, progress=0.0)
    assert set(terms) == {"loss", "event"}


def test_undistilled_training_sees_the_same_recordings_augmented_alike(make: Make) -> None:
    assert torch.equal(make(distill=False)[1](5).event, make(distill=True)[1](5).event)


def test_a_smaller_event_share_shows_fewer_recordings_and_as_many_stills(make: Make) -> None:
    whole, part = make()[1](5), make(event_share=0.25)[1](5)
    assert torch.equal(part.event, whole.event[:, :3]) and torch.equal(part.event_labels, whole.event_labels[:3])
    assert part.mixed is not None and whole.mixed is not None and torch.equal(part.mixed, whole.mixed)
    assert make(distill=False, event_share=0.25)[1](5).event.shape[1] == 12


def test_the_weights_of_the_lowest_validation_loss_are_kept(make: Make, student: Student) -> None:
    config, maker = make(distill=False)
    config = replace(config, training=replace(config.training, iterations=12, evaluations=12, lr=0.1, warmup=0))
    records: list[dict[str, Any]] = []
    # Labels turned by one: what is learned in training makes the validation loss rise.
    validation = (FRAMES, (LABELS + 1) % 3)
    train_student(
        Fabric(accelerator="cpu", devices=1), student, config, maker=maker, teacher=None, validation=validation,
        progress=Progress(), hooks=Hooks(log=records.append),
    )  # fmt: skip
    losses = [record["validation_loss"] for record in records]
    assert len(losses) == 12 and losses.index(min(losses)) < 11
    assert measure(student, *validation).loss == min(losses)


def test_the_static_branch_leaves_the_statistics_that_evaluation_uses(student: Student) -> None:
    before = {name: value.clone() for name, value in student.state_dict().items() if "running" in name}
    frames = torch.rand(4, 3, 2, 16, 16)
    with kept_statistics(student.train()):
        student(frames)
    after = student.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    student(frames)
    assert any(not torch.equal(student.state_dict()[name], value) for name, value in before.items())


def test_method_defaults_name_the_recipe_that_pays() -> None:
    method = Method()
    assert (method.heads, method.replacement, method.align_weight, method.kd) == ("one", "none", 0.0, "constant")
