"""A network as lava-dl writes it (`export_hdf5`), made with h5py alone: tiny.net, and frames.npy for it.

Then the same arithmetic once more, in a loop of plain integers, and how often each output neuron spiked in it.
"""

from pathlib import Path

import h5py
import numpy as np

STEPS, INPUTS, HIDDEN, OUTPUTS = 20, 12, 16, 3
CURRENT_DECAY, VOLTAGE_DECAY, THRESHOLD = 1024, 128, 80


def write(path: Path, *weights: np.ndarray) -> None:
    """A dense layer for each matrix of weights; groups and names as in lava-dl 0.6."""
    with h5py.File(path, "w") as file:
        for i, weight in enumerate(weights):
            layer = file.create_group(f"layer/{i}")
            layer.create_dataset("type", (1,), "S10", [b"dense"])
            layer["shape"] = np.array([len(weight), 1, 1])
            layer["weight"] = weight.astype(np.float32)
            neuron = layer.create_group("neuron")
            neuron["type"] = np.bytes_(b"CUBA")
            neuron["iDecay"], neuron["vDecay"] = CURRENT_DECAY, VOLTAGE_DECAY
            neuron["vThMant"], neuron["refDelay"], neuron["gradedSpike"] = THRESHOLD, 1, False


def spikes(weights: tuple[np.ndarray, ...], frames: np.ndarray) -> np.ndarray:
    """How often each output neuron spikes (R, OUTPUTS), neurons as Lava's CUBA models compute them."""
    counts = np.zeros((len(frames), OUTPUTS), int)
    for recording, frame in enumerate(frames):
        states = [(np.zeros(len(weight), int), np.zeros(len(weight), int)) for weight in weights]
        for step in frame:
            x = step.astype(int)
            for i, weight in enumerate(weights):
                u, v = states[i]
                u = toward_zero(u * (4096 - CURRENT_DECAY), 12) + (weight @ x << 6)
                v = toward_zero(v * (4096 - VOLTAGE_DECAY), 12) + u
                x = (v > THRESHOLD << 6).astype(int)
                states[i] = u, np.where(x, 0, v)
            counts[recording] += x
    return counts


def toward_zero(values: np.ndarray, bits: int) -> np.ndarray:
    """Shift right, rounding toward zero."""
    return np.sign(values) * (np.abs(values) >> bits)


def main() -> None:
    """Write both files, and say what comes out."""
    rng = np.random.default_rng(0)
    weights = 2 * rng.integers(-20, 30, (HIDDEN, INPUTS)), 2 * rng.integers(-30, 35, (OUTPUTS, HIDDEN))
    frames = (rng.random((8, STEPS, INPUTS)) < 0.15).astype(np.uint8)
    write(Path("tiny.net"), *weights)
    np.save("frames.npy", frames)
    np.save("counts.npy", spikes(weights, frames))
    print(f"wrote tiny.net and frames.npy; output spikes in plain integers: {spikes(weights, frames).sum(0)}")


if __name__ == "__main__":
    main()
