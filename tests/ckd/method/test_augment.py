"""Augmentation keeps what it should keep and moves what it should move."""

import pytest
import torch

from ckd.config import Augment
from ckd.method.augment import draw_geometry, drop_events, jitter_time, mix_events, move, move_frames

SIZE = 12


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture
def frames() -> torch.Tensor:
    return (torch.rand(5, 40, 2, SIZE, SIZE, generator=generator()) < 0.2).float()


def test_rolled_frames_are_the_same_frames_shifted_by_whole_pixels(frames: torch.Tensor) -> None:
    geometry = draw_geometry(40, Augment(roll=3), SIZE, generator())
    moved = move_frames(frames, geometry)
    shifts = (geometry[:, :, 2] * SIZE / 2).round().int()
    assert shifts.abs().max() == 3 and len(set(map(tuple, shifts.tolist()))) > 20
    for sample, (dx, dy) in enumerate(shifts.tolist()):
        expected = torch.zeros_like(frames[:, sample])
        for y in range(SIZE):
            for x in range(SIZE):
                if 0 <= y + dy < SIZE and 0 <= x + dx < SIZE:
                    expected[:, :, y, x] = frames[:, sample, :, y + dy, x + dx]
        assert torch.equal(moved[:, sample], expected)


def test_without_augmentation_frames_stay_as_they_are(frames: torch.Tensor) -> None:
    assert torch.equal(move_frames(frames, draw_geometry(40, Augment(roll=0), SIZE, generator())), frames)


def test_flip_mirrors_left_and_right_for_half_of_the_samples(frames: torch.Tensor) -> None:
    moved = move_frames(frames, draw_geometry(40, Augment(roll=0, flip=True), SIZE, generator()))
    mirrored = [torch.equal(moved[:, n], frames[:, n].flip(-1)) for n in range(40)]
    kept = [torch.equal(moved[:, n], frames[:, n]) for n in range(40)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True)) and 8 < sum(mirrored) < 32


def test_rotation_stays_within_its_limit_and_both_modalities_move_alike() -> None:
    geometry = draw_geometry(200, Augment(roll=0, rotate=15), SIZE, generator())
    angles = torch.rad2deg(torch.atan2(geometry[:, 1, 0], geometry[:, 0, 0]))
    assert 12 < angles.abs().max() <= 15
    still = torch.zeros(200, 1, SIZE, SIZE)
    still[:, :, 2:5, 3:9] = 1
    as_frames = move_frames(still.expand(3, -1, -1, -1, -1), geometry)
    assert torch.equal(as_frames[0], move(still, geometry))


def test_dropped_events_are_a_share_of_the_events_and_nothing_is_added(frames: torch.Tensor) -> None:
    dropped = drop_events(frames, 0.5, generator())
    assert (dropped <= frames).all()
    share = 1 - dropped.sum((0, 2, 3, 4)) / frames.sum((0, 2, 3, 4))
    assert share.max() < 0.65 and 0.15 < share.mean() < 0.35


def test_jitter_moves_events_to_neighboring_steps_only(frames: torch.Tensor) -> None:
    one = torch.zeros(5, 4000, 1, 1, 1)
    one[2] = 1
    moved = jitter_time(one, 0.4, generator()).flatten(1)
    assert moved[0].sum() == moved[4].sum() == 0
    assert (moved.sum(0) == 1).all()
    assert [round(float(moved[t].mean()), 1) for t in (1, 2, 3)] == [0.2, 0.6, 0.2]


def test_event_mix_takes_a_rectangle_from_the_partner_and_tells_its_share(frames: torch.Tensor) -> None:
    ones = torch.arange(40.0)[None, :, None, None, None].expand(5, -1, 2, SIZE, SIZE)
    mixed, partner, own = mix_events(ones.contiguous(), 1.0, generator())
    for n in range(40):
        if partner[n] != n:
            assert (mixed[:, n] == n).float().mean() == pytest.approx(own[n].item())
            assert set(mixed[:, n].unique().tolist()) <= {float(n), float(partner[n])}
    assert 0.3 < own.mean() < 0.95
    assert torch.equal(mix_events(frames, 0.0, generator())[0], frames)
