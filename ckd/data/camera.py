"""An event camera that films a still: the still moves over the sensor along three saccades, pixels report changes.

The constants were fitted to N-MNIST (Orchard et al. 2015) against the MNIST images that it filmed. A pixel remembers
the logarithm of the light at its last event and reports when the light has moved from it by its threshold.
"""

from dataclasses import dataclass
from itertools import pairwise

import numba
import numpy as np
from numpy.typing import NDArray

from ckd.events import EVENT_DTYPE, Binning, Events, Frames, to_frames
from ckd.events.types import Float, Int


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A sensor, its saccades, and how much one recording differs from the next.

    Lengths in pixels, times in milliseconds, thresholds in units of the natural logarithm of (intensity + 10).
    """

    height: int = 34
    width: int = 34
    path: tuple[tuple[float, float], ...] = ((0.0, 0.0), (2.2, 4.6), (5.2, 0.2), (0.6, 0.0))
    """(x, y) of the still on the sensor at the ends of the saccades."""
    segment_ms: int = 105
    motion_ms: tuple[int, int] = (8, 80)
    """When within a segment the still moves, along half a cosine."""
    bright: float = 230.0
    dark: float = 25.0
    threshold: float = 0.25
    threshold_spread: float = 0.03
    noise_hz: float = 0.5
    stretch_spread: float = 0.08
    """Standard deviation, over recordings, of the factor that stretches the path in x and in y."""
    start_spread: float = 0.5
    """Standard deviation, over recordings, of where the path begins."""

    @property
    def duration_ms(self) -> int:
        return self.segment_ms * (len(self.path) - 1)


def film(image: Float, camera: Camera, rng: np.random.Generator) -> Events:
    """Film one still.

    Args:
        image: (h, w) between 0 (the bright screen) and 1 (dark ink), placed so that the saccades' mean is centered.
        camera: the sensor and its motion.
        rng: decides the path's variation, the pixels' thresholds and the noise.

    Returns:
        events in order of time (microseconds), polarity 1 where light rose.
    """
    path = saccade_path(camera, rng)
    left = (camera.width - image.shape[1]) / 2 - path[:, 0].mean()
    top = (camera.height - image.shape[0]) / 2 - path[:, 1].mean()
    jitter = rng.normal(0, camera.start_spread, 2)
    shift = (path + np.array([left, top]) + jitter).astype(np.float32)
    thresholds = rng.normal(camera.threshold, camera.threshold_spread, (2, camera.height, camera.width))
    thresholds = np.maximum(thresholds, 0.05).astype(np.float32)
    levels = np.log(np.linspace(camera.bright, camera.dark, 4096) + 10).astype(np.float32)
    capacity = 64 * camera.height * camera.width
    count, cells, times = _watch(np.ascontiguousarray(image, np.float32), shift, thresholds, levels, capacity)
    noise = rng.poisson(camera.noise_hz * camera.duration_ms / 1000 * camera.height * camera.width)
    cells = np.concatenate([cells[:count], rng.integers(0, 2 * camera.height * camera.width, noise)])
    times = np.concatenate([times[:count], rng.integers(0, camera.duration_ms, noise)])
    times = times * 1000 + rng.integers(0, 1000, len(times))
    order = np.argsort(times, kind="stable")
    events = np.empty(len(times), EVENT_DTYPE)
    events["p"], pixel = np.divmod(cells[order], camera.height * camera.width)
    events["y"], events["x"] = np.divmod(pixel, camera.width)
    events["t"] = times[order]
    return events


def film_frames(images: Float, camera: Camera, binning: Binning, *, seed: tuple[int, ...], ids: Int) -> Frames:
    """Film stills and bin the recordings: (R, T, 2, H, W). Recording i depends on `seed` and `ids[i]` alone."""
    frames = np.empty((len(images), binning.steps, *binning.frame_shape), np.uint8)
    for row, (image, identity) in enumerate(zip(images, ids, strict=True)):
        events = film(image, camera, np.random.default_rng((*seed, int(identity))))
        frames[row] = to_frames(events, binning)
    return frames


def saccade_path(camera: Camera, rng: np.random.Generator) -> NDArray[np.float64]:
    """Where the still is at every millisecond, (duration, 2) as x and y in pixels, stretched a little at random."""
    corners = np.asarray(camera.path) * rng.normal(1, camera.stretch_spread, 2)
    begin, end = camera.motion_ms
    progress = np.clip((np.arange(camera.segment_ms) - begin) / (end - begin), 0, 1)
    eased = (1 - np.cos(np.pi * progress)) / 2
    return np.concatenate([a + eased[:, None] * (b - a) for a, b in pairwise(corners)])


@numba.njit(cache=True, nogil=True)
def _watch(image, shift, thresholds, levels, capacity):  # pragma: no cover (compiled)
    """Events of the moving still: how many, their cells ((p * H + y) * W + x) and times in ms. One a ms at most."""
    h, w = image.shape
    _, height, width = thresholds.shape
    cells = np.empty(capacity, np.int64)
    times = np.empty(capacity, np.int64)
    memory = np.empty((height, width), np.float32)
    count = 0
    settled = -1
    top_level = levels.shape[0] - 1
    for ms in range(shift.shape[0]):
        if ms > 0 and shift[ms, 0] == shift[ms - 1, 0] and shift[ms, 1] == shift[ms - 1, 1] and count == settled:
            continue
        before = count
        for y in range(height):
            fy = y - shift[ms, 1]
            y0 = int(np.floor(fy))
            ay = fy - y0
            for x in range(width):
                fx = x - shift[ms, 0]
                x0 = int(np.floor(fx))
                ax = fx - x0
                ink = np.float32(0)
                if -1 <= y0 < h and -1 <= x0 < w:
                    if y0 >= 0:
                        if x0 >= 0:
                            ink += (1 - ay) * (1 - ax) * image[y0, x0]
                        if x0 + 1 < w:
                            ink += (1 - ay) * ax * image[y0, x0 + 1]
                    if y0 + 1 < h:
                        if x0 >= 0:
                            ink += ay * (1 - ax) * image[y0 + 1, x0]
                        if x0 + 1 < w:
                            ink += ay * ax * image[y0 + 1, x0 + 1]
                level = levels[int(min(max(ink, 0), 1) * top_level)]
                if ms == 0:
                    memory[y, x] = level
                    continue
                change = level - memory[y, x]
                if change > thresholds[1, y, x]:
                    p = 1
                    memory[y, x] += thresholds[1, y, x]
                elif change < -thresholds[0, y, x]:
                    p = 0
                    memory[y, x] -= thresholds[0, y, x]
                else:
                    continue
                if count < capacity:
                    cells[count] = (p * height + y) * width + x
                    times[count] = ms
                    count += 1
        # A still that rests and has caused no event in this millisecond will cause none in the next.
        settled = count if count == before else -1
    return count, cells, times
