"""The batch of an iteration. It depends on the seed and the iteration alone, so a resumed run sees the same batches."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ckd.config import Config
from ckd.data.material import Material, StillPool
from ckd.data.stored import AnyFrames
from ckd.events.types import Int
from ckd.method.augment import draw_geometry, drop_events, jitter_time, mix_events, move, move_frames
from ckd.method.schedule import first_draw_chance
from ckd.method.static import MOVES, placed, value_channel, value_input


@dataclass(frozen=True, kw_only=True)
class Batch:
    """N pairs of a recording and a still on the device. The static side is None in undistilled training.

    Beside a static side, only the first M <= N recordings are there (`--event-share`).
    """

    event: Tensor
    """(T, M, 2, H, W) float."""
    event_labels: Tensor
    """(M,) int64, or (M, K) shares of classes where recordings were mixed."""
    mixed: Tensor | None = None
    """(T, N, 2, H, W): the stills as the static branch sees them, recordings in place of the replaced ones."""
    mixed_labels: Tensor | None = None
    """(N,) int64."""
    rgb: Tensor | None = None
    """(N, C, H, W) between 0 and 1: the stills as the teacher sees them."""


class BatchMaker:
    """Draws pairs and turns them into tensors.

    Args:
        config: the run's configuration.
        frames: (R, T, 2, H, W), in memory or on disk, of the labeled training recordings, with `labels` (R,).
        pool: the stills of the static branch; None in undistilled training.
        classes: of recordings and stills.
        device: where batches go.
    """

    def __init__(
        self,
        config: Config,
        *,
        frames: AnyFrames,
        labels: Int,
        pool: StillPool | None,
        classes: int,
        device: torch.device,
    ) -> None:
        self._config = config
        self._frames = frames
        self._labels = labels
        self._classes = classes
        self._device = device
        self._pool = pool
        if pool is not None:
            self._images = torch.from_numpy(pool.stills.images)
            self._films = pool.films
            self._rows_of = [np.flatnonzero(pool.stills.labels == label) for label in range(classes)]

    @classmethod
    def of(cls, material: Material, config: Config, *, device: torch.device) -> Self:
        """The batches of a run's training recordings, and of its stills where `config` distills."""
        return cls(
            config,
            frames=material.frames["train"],
            labels=material.labels["train"],
            pool=material.pool if config.method.distill else None,
            classes=len(material.source.classes),
            device=device,
        )

    def __call__(self, iteration: int, *, replacement: float = 0.0) -> Batch:
        """The global batch of this iteration; `replacement` is the share of recordings in the mixed batch."""
        config = self._config
        rng = np.random.default_rng((config.seed, 1, iteration))
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        rows = self._draw_recordings(iteration)
        labels = torch.from_numpy(self._labels[rows]).to(self._device)
        event = torch.from_numpy(self._frames[rows]).to(self._device).transpose(0, 1).float()
        geometry = draw_geometry(len(rows), config.augment, event.shape[-1], generator)
        whole = event = self._augment(move_frames(event, geometry), generator)
        event_labels = labels
        if config.augment.event_mix > 0:
            event, partner, own = mix_events(event, config.augment.event_mix, generator)
            one_hot = torch.nn.functional.one_hot(labels, self._classes).float()
            own = own.to(self._device)[:, None]
            event_labels = own * one_hot + (1 - own) * one_hot[partner.to(self._device)]
        if self._pool is None:
            return Batch(event=event, event_labels=event_labels)

        chosen = self._draw_stills(self._labels[rows], rng)
        still_labels = torch.from_numpy(self._pool.stills.labels[chosen]).to(self._device)
        still_geometry = draw_geometry(len(rows), config.augment, event.shape[-1], generator)
        static, rgb = self._static(chosen, still_geometry, generator)
        mixed, mixed_labels = self._replace(static, whole, still_labels, labels, replacement, generator)
        event, event_labels = event[:, : config.event_batch], event_labels[: config.event_batch]
        return Batch(event=event, event_labels=event_labels, mixed=mixed, mixed_labels=mixed_labels, rgb=rgb)

    def _draw_recordings(self, iteration: int) -> Int:
        """The rows of this iteration: one epoch after another, each shuffled anew, cut into batches."""
        batch, count = self._config.training.batch, len(self._labels)
        places = np.arange(iteration * batch, (iteration + 1) * batch)
        return np.asarray([self._epoch(place // count)[place % count] for place in places])

    @lru_cache(maxsize=4)  # noqa: B019 (one maker lives as long as its run)
    def _epoch(self, epoch: int) -> Int:
        return np.random.default_rng((self._config.seed, 2, epoch)).permutation(len(self._labels))

    def _draw_stills(self, labels: Int, rng: np.random.Generator) -> Int:
        """Semantic pairing: a random still of each recording's class (or any still, in the ablation)."""
        assert self._pool is not None
        if self._config.method.pairing == "random":
            return rng.integers(len(self._pool.stills), size=len(labels))
        return np.asarray([rng.choice(self._rows_of[label]) for label in labels])

    def _static(self, rows: Int, geometry: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The stills as the static branch and as the teacher see them, moved alike."""
        assert self._pool is not None
        steps, size = self._frames.shape[1], self._frames.shape[-1]
        index = torch.from_numpy(rows)
        rgb = move(placed(self._images[index].to(self._device).float() / 255, size), geometry, smooth=True)
        if self._films is not None:
            films = torch.from_numpy(self._films[rows]).to(self._device).transpose(0, 1).float()
            return self._augment(move_frames(films, geometry), generator), rgb
        value = value_channel(rgb)
        if self._config.method.static_input in MOVES:
            darkness = value if self._pool.stills.dark_on_bright else 1 - value
            moved = MOVES[self._config.method.static_input](darkness, steps, generator)
            return self._augment(moved, generator), rgb
        return value_input(value, steps), rgb

    def _augment(self, frames: Tensor, generator: torch.Generator) -> Tensor:
        config = self._config.augment
        if config.time_jitter > 0:
            frames = jitter_time(frames, config.time_jitter, generator)
        if config.drop_events > 0:
            frames = drop_events(frames, config.drop_events, generator)
        return frames

    def _replace(
        self,
        static: Tensor,
        event: Tensor,
        still_labels: Tensor,
        labels: Tensor,
        probability: float,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor]:
        """Recordings in place of stills: whole samples, or in time-step mixing every step from a drawn one on."""
        steps, batch = static.shape[:2]
        if self._config.method.replacement == "first-draw":
            drawn = torch.rand(steps, batch, generator=generator) < first_draw_chance(probability, steps)
            replaced = drawn.cumsum(0) > 0
            by_sample = 2 * replaced.sum(0) >= steps
        elif self._config.method.replacement == "time-mix":
            # The switch is Binomial(T, 1 - P): all stills at P = 0, all recordings at P = 1.
            switch = (torch.rand(steps, batch, generator=generator) >= probability).sum(0)
            replaced = torch.arange(steps)[:, None] >= switch
            by_sample = switch <= steps // 2
        else:
            by_sample = torch.rand(batch, generator=generator) < probability
            replaced = by_sample.expand(steps, -1)
        mask = replaced.to(self._device)[:, :, None, None, None]
        return torch.where(mask, event, static), torch.where(by_sample.to(self._device), labels, still_labels)
