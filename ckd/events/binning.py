"""`Binning`: how a recording's events become frames."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Binning:
    """How events become frames: `steps` steps of `step_us` microseconds of `height` x `width` pixels.

    Step i holds the events with i * step_us <= t - t_first < (i + 1) * step_us: an event on a border belongs to
    the later step. Events after the last step are left out. A pixel's count stops at `max_count`; with 1 the
    frames are binary, which is what a chip without graded spikes can take.

    `sensor` is the (height, width) of the camera where it has more pixels than the frames; each pixel of a frame then
    gathers a rectangle of the sensor's. None: the camera has the frames' size.
    """

    step_us: int
    steps: int
    height: int
    width: int
    max_count: int = 1
    sensor: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.sensor is not None:
            # A file gives a list.
            object.__setattr__(self, "sensor", (int(self.sensor[0]), int(self.sensor[1])))
        for name in ("step_us", "steps", "height", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"binning: {name} (={getattr(self, name)}) must be at least 1")
        if not 1 <= self.max_count <= 255:
            raise ValueError(f"binning: max_count (={self.max_count}) must lie between 1 and 255")

    def start(self, first: int) -> int:
        """When step 0 begins, in microseconds, in a recording whose first event is at `first`."""
        return first

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(polarities, height, width); channel 0 holds falling light, channel 1 rising light."""
        return (2, self.height, self.width)
