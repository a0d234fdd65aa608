"""How alike two runs are that need not be equal: a float student and its integers, two chips, two seeds.

Distances between spike trains follow van Rossum, Neural Computation 13(4), 2001: both trains are filtered with a
decaying exponential of time constant tau, and the squared difference is summed; one spike too many in an otherwise
equal train costs 1/2, whatever tau, once the filter has died away.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deploy.errors import TraceError
from deploy.network import Array
from deploy.traces.trace import Trace


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """What still counts as alike. Defaults: what eight-bit weights cost a trained student of a few layers.

    agreement: share of equal predictions; correlation: of the spike counts of neurons; rate_error: difference of a
    layer's mean rates relative to the expected one; distance: van Rossum, relative to the distance to silence.
    """

    agreement: float = 0.95
    correlation: float = 0.9
    rate_error: float = 0.1
    distance: float = 0.5
    tau: float = 2.0


@dataclass(frozen=True, kw_only=True)
class LayerSimilarity:
    """One layer of spikes; the figures are those of `Tolerance`."""

    layer: str
    correlation: float
    rate_error: float
    distance: float
    differing: float
    silent: bool


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """Truthy where every figure lies within the tolerance; `needed` is the tolerance that would just have passed."""

    agreement: float
    layers: tuple[LayerSimilarity, ...]
    tolerance: Tolerance
    needed: Tolerance

    @property
    def problems(self) -> tuple[str, ...]:
        """What lies outside, each with its value and the limit."""
        limit = self.tolerance
        found = []
        if self.agreement < limit.agreement:
            found.append(f"predictions agree in {self.agreement:.1%}, asked are {limit.agreement:.1%}")
        for layer in self.layers:
            if layer.silent:
                found.append(f"layer {layer.layer} never spikes, so comparing it proves nothing")
            if not layer.correlation >= limit.correlation:
                found.append(
                    f"{layer.layer}: spike counts correlate {layer.correlation:.3f}, asked are {limit.correlation}"
                )
            if not layer.rate_error <= limit.rate_error:
                found.append(f"{layer.layer}: rates differ by {layer.rate_error:.1%}, allowed: {limit.rate_error:.1%}")
            if not layer.distance <= limit.distance:
                found.append(
                    f"{layer.layer}: van Rossum distance {layer.distance:.3f}, allowed is {limit.distance} of silence"
                )
        return tuple(found)

    def __bool__(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        n = self.needed
        needed = (
            f"agreement {n.agreement:.1%}, correlation {n.correlation:.3f}, rate error {n.rate_error:.2%}, "
            f"van Rossum {n.distance:.3f}"
        )
        if self:
            return f"ALIKE; the tolerance needed: {needed}"
        return "\n".join(("NOT ALIKE", *self.problems, f"the tolerance that would have passed: {needed}"))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"alike": bool(self), "problems": list(self.problems)}


def measure(expected: Trace, found: Trace, tolerance: Tolerance = Tolerance()) -> Similarity:
    """Compare two traces of the same recordings by likeness.

    Raises:
        TraceError: they are not of the same layers and steps.
    """
    if set(expected.layers) != set(found.layers) or expected.steps != found.steps:
        raise TraceError("the traces are not of one network and the same steps, so nothing can be compared")
    recordings = min(expected.recordings, found.recordings)
    layers = []
    for layer in expected.spiking:
        a, b = (trace.aligned("spikes", layer)[:recordings] for trace in (expected, found))
        layers.append(_layer(layer, a.reshape(*a.shape[:2], -1), b.reshape(*b.shape[:2], -1), tolerance.tau))
    agreement = float(np.mean(expected.predictions[:recordings] == found.predictions[:recordings]))
    needed = Tolerance(
        agreement=agreement,
        correlation=min((layer.correlation for layer in layers), default=1.0),
        rate_error=max((layer.rate_error for layer in layers), default=0.0),
        distance=max((layer.distance for layer in layers), default=0.0),
        tau=tolerance.tau,
    )
    return Similarity(agreement=agreement, layers=tuple(layers), tolerance=tolerance, needed=needed)


def van_rossum(a: Array, b: Array, tau: float) -> float:
    """The summed squared distance of spike trains (R, T, n) bool, filtered with exp(-t / tau); tau in steps.

    A train is followed until the filter has died away, so a late spike costs as much as an early one: 1/2 in the
    limit of large tau, where the sum over steps becomes the integral of the paper.
    """
    keep = float(np.exp(-1 / tau))
    total, trace = 0.0, np.zeros((a.shape[0], *a.shape[2:]), np.float32)
    for t in range(a.shape[1]):
        trace = keep * trace + (a[:, t].astype(np.float32) - b[:, t])
        total += float((trace.astype(np.float64) ** 2).sum())
    # After the last step every term shrinks by keep^2: a geometric series.
    total += float((trace.astype(np.float64) ** 2).sum()) * keep**2 / (1 - keep**2)
    return total / tau


def _layer(name: str, a: Array, b: Array, tau: float) -> LayerSimilarity:
    counts = [spikes.sum(axis=1).astype(np.float64).ravel() for spikes in (a, b)]
    spread = [float(count.std()) for count in counts]
    equal = bool(np.array_equal(*counts))
    both = 1.0 if equal else float(np.corrcoef(*counts)[0, 1]) if min(spread) > 0 else 0.0
    silence = van_rossum(a, np.zeros_like(a), tau)
    rates = float(a.mean()), float(b.mean())
    return LayerSimilarity(
        layer=name,
        correlation=both,
        rate_error=abs(rates[1] - rates[0]) / rates[0] if rates[0] else float("inf") if rates[1] else 0.0,
        distance=van_rossum(a, b, tau) / silence if silence else float("inf") if rates[1] else 0.0,
        differing=float(np.mean(a != b)),
        silent=not rates[0],
    )
