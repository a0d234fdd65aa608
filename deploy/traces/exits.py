"""Early exit: a recording ends at the step at which its answer is clear, and what it would have cost is saved.

The rule: stop behind the first step at which the leading class is `margin` ahead of the second, in potential of a
readout or in spikes counted so far; the answer is the leading class. A recording in which that never happens is run to
its end. The margin is chosen on validation recordings (`choose_margin`). Stopping on confidence: Panda, Sengupta and
Roy, "Conditional Deep Learning", DATE 2016; of spiking networks by time step, Li et al., "Unleashing the Potential of
Spiking Neural Networks by Dynamic Confidence", ICCV 2023, arXiv 2303.10276.
"""

from dataclasses import replace

import numpy as np

from deploy.errors import TraceError
from deploy.network import Array
from deploy.traces.layers import LayerRecord
from deploy.traces.prediction import predict
from deploy.traces.trace import Trace

MOST_MARGINS = 1000
"""Of those that occur, how many are tried where a margin is chosen."""


def leads(votes: Array) -> Array:
    """By how much the first class is ahead of the second, (R, T) of votes (R, T, K).

    Raises:
        TraceError: there is one class alone.
    """
    if votes.shape[-1] < 2:
        raise TraceError("an exit needs two classes, of which one is ahead of the other; this output has one")
    second, first = np.moveaxis(np.partition(votes, -2, axis=-1)[..., -2:], -1, 0)
    return first - second


def exit_steps(votes: Array, margin: float) -> Array:
    """How many steps every recording takes, (R,) from 1 to T, of votes (R, T, K)."""
    return _steps_until(leads(votes), margin)


def _steps_until(ahead: Array, margin: float) -> Array:
    clear = ahead >= margin
    return np.where(clear.any(axis=1), clear.argmax(axis=1) + 1, ahead.shape[1])


def answers(votes: Array, steps: Array) -> Array:
    """The class of each recording behind that many steps of its own, (R,); a tie goes to the lowest index."""
    return votes[np.arange(len(votes)), steps - 1].argmax(axis=-1).astype(np.int64)


def choose_margin(votes: Array, labels: Array, loss: float) -> float:
    """The smallest margin from which on no larger one loses more than `loss` of the accuracy of all steps.

    Args:
        votes: (R, T, K) of validation recordings, never of those that test. labels: (R,).
        loss: share of the recordings, 0 to 1.

    Returns:
        an int where the votes are integers.
    """
    ahead = leads(votes)
    occurring = np.unique(ahead)
    if len(occurring) > MOST_MARGINS:
        occurring = occurring[np.linspace(0, len(occurring) - 1, MOST_MARGINS).round().astype(int)]
    least = float((votes[:, -1].argmax(-1) == labels).mean()) - loss
    chosen = occurring[-1] + 1  # no recording ends early
    for margin in occurring[::-1]:
        # A share is a whole number of recordings, a sum in floats is not.
        if float((answers(votes, _steps_until(ahead, margin)) == labels).mean()) < least - 1e-9:
            break
        chosen = margin
    else:
        return 0  # whoever leads, by however little
    return chosen.item()


def begun(trace: Trace, steps: int) -> Trace:
    """The first `steps` steps of a trace: what its layers hand on in them, and its frames."""
    layers = {name: layer.synchronous(steps) for name, layer in trace.outputs.layers.items()}
    return replace(trace, layers=layers, frames=None if trace.frames is None else trace.frames[:, :steps])


def stopped(trace: Trace, output: str, steps: Array) -> Trace:
    """A trace as it is where every recording r ends behind steps[r] steps: silent from there on.

    Frames and spikes are 0 then, the potential of a readout stays, so that the prediction is the answer at the exit.
    States of spiking layers and checksums are left out.
    """
    running = np.arange(trace.steps) < np.asarray(steps)[:, None]

    def cut(values: Array) -> Array:
        return values * running.reshape(*running.shape, *[1] * (values.ndim - 2)).astype(values.dtype)

    layers = {}
    for name, layer in trace.layers.items():
        given = trace.output(name)
        if layer.is_readout:
            behind = np.minimum(np.arange(trace.steps), np.asarray(steps)[:, None] - 1)
            layers[name] = LayerRecord(v=given[np.arange(len(given))[:, None], behind], overflows=layer.overflows)
        else:
            layers[name] = LayerRecord(spikes=cut(given), overflows=layer.overflows)
    frames = None if trace.frames is None else cut(trace.frames)
    predictions = predict(layers[output], trace.steps)
    return replace(trace, layers=layers, frames=frames, predictions=predictions, schedule="synchronous")
