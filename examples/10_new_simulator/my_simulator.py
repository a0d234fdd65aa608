"""A simulator of one's own as a runner: plain numpy, one recording and one step at a time.

python my_simulator.py              is it exact?
python my_simulator.py --rounded    with a mistake: the leak rounds down in place of toward zero
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import deploy
from deploy.grid import shift_weighted_sum
from deploy.network import Array, Conv, Dense, Flatten, GridNeuron, Input, Network, Output
from deploy.network.frames import require_frames
from deploy.network.ops import apply
from deploy.runners.table import RUNNERS, Runner
from deploy.traces.checksum import digest
from deploy.traces.layers import LayerRecord
from deploy.traces.prediction import predict

ROUND_DOWN = "--rounded" in sys.argv


def leak(values: Array, keep: Array) -> Array:
    """The share keep / 4096 of integers, rounded toward zero as a Loihi does."""
    scaled = values.astype(np.int64) * keep
    return scaled >> 12 if ROUND_DOWN else np.sign(scaled) * (np.abs(scaled) >> 12)


def step(node: GridNeuron, u: Array, v: Array, arrived: Array) -> tuple[Array, Array, Array]:
    """One step of a layer of neurons: spikes, u and v. Nothing wraps or saturates in the student below."""
    u = leak(u, 4095 - node.du) + (arrived << 6)
    v = leak(v, 4096 - node.dv) + u + node.bias
    if node.vth is None:  # a readout, whose potential is the answer
        return np.zeros(node.shape, bool), u, v
    spikes = v > node.vth << 6
    return spikes, u, np.where(spikes, 0, v)


def run(network: Network, frames: Array, *, states: int = 0, digests: bool = False) -> deploy.Trace:
    """What `deploy.runners.table.Runner` asks of a simulator."""
    require_frames(frames, network.input_shape)
    kept = {name: {kind: [] for kind in ("spikes", "u", "v")} for name in network.neurons}
    for recording in frames:
        state = {name: (np.zeros(node.shape, int),) * 2 for name, node in network.neurons.items()}
        steps = {name: {kind: [] for kind in ("spikes", "u", "v")} for name in network.neurons}
        for frame in recording:
            values: dict[str, Array] = {}
            for name in network.order:
                node, sources = network.nodes[name], network.sources(name)
                x = sum((values[source] for source in sources), np.zeros((), int))
                match node:
                    case Input():
                        values[name] = frame.astype(int)
                    case Conv() | Dense():
                        values[name] = shift_weighted_sum(apply(node, x[None])[0], node.weight_exp)
                    case Flatten():
                        values[name] = x.ravel()
                    case Output():
                        values[name] = x
                    case GridNeuron():
                        spikes, u, v = step(node, *state[name], x)
                        state[name] = u, v
                        values[name] = spikes.astype(int)
                        for kind, value in zip(steps[name], (spikes, u, v), strict=True):
                            steps[name][kind].append(value)
                    case _:
                        raise deploy.UnsupportedError(f"{name}: my simulator knows no {type(node).__name__}")
        for name, kinds in steps.items():
            for kind, each in kinds.items():
                kept[name][kind].append(np.stack(each))
    layers = {}
    for name, node in network.neurons.items():
        spikes, u, v = (np.stack(kept[name][kind]) for kind in ("spikes", "u", "v"))
        u, v = u.astype(np.int32), v.astype(np.int32)
        readout = node.vth is None  # pyright: ignore[reportAttributeAccessIssue]
        layers[name] = LayerRecord(
            spikes=None if readout else spikes,
            u=u[:states] if states else None,
            v=v if readout else v[:states] if states else None,
            u_digest=digest(u) if digests else None,
            v_digest=digest(v) if digests else None,
        )
    predictions = predict(layers[network.output_layer], frames.shape[1])
    return deploy.Trace(layers=layers, predictions=predictions, frames=frames, runner="mine", classes=network.classes)


@dataclass(frozen=True, kw_only=True)
class Mine(Runner):
    """A row of the table of runners whose function lies outside the package."""

    def load(self) -> Callable[..., deploy.Trace]:
        return run


def main() -> None:
    """Hold the simulator against the trace of the package's student; exit code 1 where they differ."""
    RUNNERS["mine"] = Mine(name="mine", module="", takes="grid", gives="integers", slow=True, help="plain numpy")
    checked = deploy.check("zoo:nmnist", on="mine", recordings=2)
    print(checked.verdict)
    if checked.explanation is not None:
        print("\n".join(f"cause: {cause.text}" for cause in checked.explanation.causes))
    raise SystemExit(0 if checked.equal else 1)


if __name__ == "__main__":
    main()
