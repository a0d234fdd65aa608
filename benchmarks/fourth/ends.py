"""The fourth list, runs: what happens to what goes in, and to what is written down."""

import numpy as np

from benchmarks.fourth import slips as f
from benchmarks.second.simulator import Slip
from benchmarks.second.slips import frames_of, in_recording, put, written
from benchmarks.third.runs import fault

P, F, L = "pooled", "forks", "loop"
DRAWN = "drawn"
FIRST = ("input", "stem", "c0", "win", "s1", "s0", "x")
ALL = slice(None)
rng = np.random.default_rng(48)
hot = tuple(int(rng.integers(n)) for n in (2, 8, 8))

INPUTS = [
    fault(
        "one polarity lost in half of the field",
        P,
        "tonic issue 298, one polarity only",
        None,
        (frames_of(put(0, ..., 1, ALL, slice(4, 8))), "polarit|lost|missing|column|pixel|no events", FIRST),
    ),
    fault(
        "counts of two bits wrap",
        P,
        DRAWN,
        None,
        (frames_of(f.wrapped_counts(2)), "count|wrap|bits", FIRST),
    ),
    fault(
        "a bus carries 30 events a step",
        F,
        "OpenEB issue 75, saturated readout",
        None,
        (frames_of(f.at_most(30)), "at most|limit|no more|only the first|30", FIRST),
    ),
    fault(
        "one recording runs backwards",
        L,
        DRAWN,
        None,
        (frames_of(in_recording(f.backwards, 4)), "revers|backward|order|mirror", FIRST),
    ),
    fault(
        "timestamps wrap",
        F,
        "Matlab_AER_vision_functions pull request 7",
        None,
        (frames_of(f.time_wraps(10)), "step|wrap", FIRST),
    ),
    fault(
        "columns counted from one",
        P,
        DRAWN,
        None,
        (frames_of(f.column_on), "column|shift|moved|pixel", FIRST),
    ),
    fault(
        "events of a step in the next bin",
        L,
        "tonic issue 264, ill-defined bins",
        None,
        (frames_of(f.step_on(0.1)), "bin|neighbor|late", FIRST),
    ),
    fault(
        "a hot pixel from recording 5, step 6 on",
        F,
        "tonic pull request 171, hot pixels",
        None,
        (frames_of(put(3, slice(5, None), slice(6, None), *hot)), "pixel|always|hot|stuck|extra|more", FIRST),
    ),
]
RECORDS = [
    fault(
        "the traces of two layers exchanged",
        F,
        "sPyNNaker issue 154, what is read back",
        "a",
        (f.labels_exchanged("a", "b"), "record|written|exchang", ("a", "b")),
    ),
    fault(
        "spikes recorded a step late",
        L,
        "spytorch issue 10; nest-gpu issue 118",
        "y",
        (written("y", f.recorded_late), "record|written", ("y",)),
    ),
    fault(
        "a recorder full after 2000 spikes",
        P,
        "plugin-GUI issue 293; sPyNNaker pull request 571",
        "s1",
        (written("s1", f.recorder_full(2000)), "record|written", ("s1",)),
    ),
    fault(
        "two recordings exchanged in one layer's trace",
        F,
        DRAWN,
        "m",
        (written("m", f.recordings_exchanged(2, 5)), "record|written|exchang", ("m",)),
    ),
    fault(
        "the readout is asked a step early",
        L,
        DRAWN,
        None,
        (Slip(votes=f.early_votes), "predict|class|decid", ("readout", "output", "predictions")),
    ),
]
ENDS = [*INPUTS, *RECORDS]
