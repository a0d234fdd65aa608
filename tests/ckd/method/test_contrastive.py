"""The contrastive loss against plain numpy, one row at a time; what views are made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ckd.config import Config, load_preset
from ckd.errors import DatasetError
from ckd.method.contrastive import draw_views, nt_xent

Floats = NDArray[np.float64]
CPU = torch.device("cpu")
TAU = 0.3


def expected_loss(rows: Floats) -> float:
    """SimCLR's algorithm 1 (Chen et al. 2020), pair by pair: l(2k, 2k + 1) and l(2k + 1, 2k)."""

    def similar(i: int, j: int) -> float:
        return float(rows[i] @ rows[j] / np.sqrt(rows[i] @ rows[i]) / np.sqrt(rows[j] @ rows[j]))

    def of_pair(i: int, j: int) -> float:
        others = sum(np.exp(similar(i, k) / TAU) for k in range(len(rows)) if k != i)
        return -np.log(np.exp(similar(i, j) / TAU) / others)

    pairs = [(2 * k, 2 * k + 1) for k in range(len(rows) // 2)]
    return float(np.mean([of_pair(i, j) + of_pair(j, i) for i, j in pairs]) / 2)


@pytest.mark.parametrize("recordings", [2, 3, 7])
def test_every_view_looks_for_its_partner_among_all_others(recordings: int) -> None:
    rows = np.random.default_rng(recordings).normal(size=(2 * recordings, 5)) * ([[3], [0.2]] * recordings)
    found = nt_xent(torch.from_numpy(rows), temperature=TAU)
    assert found.item() == pytest.approx(expected_loss(rows), rel=1e-12)  # float64, the same sums in another order


def test_the_gradient_of_the_loss_is_that_of_the_formula() -> None:
    rows = np.random.default_rng(1).normal(size=(6, 4))
    given = torch.from_numpy(rows).requires_grad_()
    nt_xent(given, temperature=TAU).backward()
    assert given.grad is not None
    step = 1e-6
    for place in np.ndindex(*rows.shape):
        moved = [rows.copy(), rows.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        slope = (expected_loss(moved[0]) - expected_loss(moved[1])) / (2 * step)
        # A central difference of float64: cut off at step^2, rounded at 1e-16 / step.
        assert given.grad[place].item() == pytest.approx(slope, abs=1e-8)


@pytest.fixture
def config() -> Config:
    config = load_preset("digits")
    return replace(
        config,
        training=replace(config.training, batch=6),
        method=replace(config.method, contrastive=10, distill=False),
    )


def recordings(count: int) -> NDArray[np.uint8]:
    """Each has events at other steps, so that it is known again in a view: recording r those of r in binary."""
    frames = np.zeros((count, 4, 2, 24, 24), np.uint8)
    for r in range(count):
        for step in range(4):
            frames[r, step, :, 8:16, 8:16] = r >> step & 1
    return frames


def test_views_are_pairs_of_one_recording_that_differ_and_no_recording_comes_twice(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ckd.method.contrastive.VIEWS", replace(config.augment, drop_events=0.5))  # no jitter in time
    frames = recordings(16)[1:]
    views = draw_views(frames, config, 0, device=CPU)
    assert views.shape == (4, 12, 2, 24, 24) and views.any()
    seen = (views.flatten(2).amax(2) > 0).int()
    shown = [sum(int(seen[step, n]) << step for step in range(4)) for n in range(12)]
    assert shown[::2] == shown[1::2] and len(set(shown)) == 6 and 0 not in shown
    assert not any(torch.equal(views[:, n], views[:, n + 1]) for n in range(0, 12, 2))


def test_views_depend_on_the_seed_and_the_iteration_alone(config: Config) -> None:
    frames = recordings(16)
    views = draw_views(frames, config, 3, device=CPU)
    assert torch.equal(draw_views(frames, config, 3, device=CPU), views)
    assert not torch.equal(draw_views(frames, config, 4, device=CPU), views)
    assert not torch.equal(draw_views(frames, replace(config, seed=1), 3, device=CPU), views)
    assert set(views.unique().tolist()) == {0.0, 1.0}  # binary frames stay binary


def test_fewer_recordings_than_a_batch_are_refused(config: Config) -> None:
    assert draw_views(recordings(6), config, 0, device=CPU).shape[1] == 12
    with pytest.raises(DatasetError, match=r"leaves 5 recordings over, fewer than --batch \(=6\)") as caught:
        draw_views(recordings(5), config, 0, device=CPU)
    assert "\n" not in str(caught.value)
