"""Recordings of an event camera, and how they become frames. Needs numpy only: the one room that deploy enters.

An event says that at time `t` (microseconds) the light on pixel (`x`, `y`) rose (`p` = 1) or fell (`p` = 0).
"""

from ckd.errors import RecordingError
from ckd.events.arrays import npy_header, read_npy
from ckd.events.binning import Binning
from ckd.events.frames import count_frames, gather_pixels, to_frames
from ckd.events.readers import readable_endings
from ckd.events.recordings import find_recordings, load_frames, read_recording, write_recording
from ckd.events.stream import stream_events, stream_frames
from ckd.events.types import EVENT_DTYPE, Events, Frames

__all__ = [
    "EVENT_DTYPE",
    "Binning",
    "Events",
    "Frames",
    "RecordingError",
    "count_frames",
    "find_recordings",
    "gather_pixels",
    "load_frames",
    "npy_header",
    "read_npy",
    "read_recording",
    "readable_endings",
    "stream_events",
    "stream_frames",
    "to_frames",
    "write_recording",
]
