"""A network from elsewhere: trained with plain PyTorch and snnTorch, written with the nir package.

    python examples/02_foreign_nir/train_elsewhere.py                      filmed digits, nothing to download
    python examples/02_foreign_nir/train_elsewhere.py --recordings DIR     recordings of one's own, DIR/<class>/*.bin

Writes foreign.nir, and recordings in folders of classes: train/ and, never seen in training, test/.
The toolchain is used for one thing alone: its camera model films scikit-learn's digits where no recordings are given.
"""

import argparse
import shutil
from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import snntorch as snn
import torch
import torch.nn.functional as F
from snntorch import surrogate
from torch import Tensor, nn

SIZE = 34
STEP_US, STEPS = 20_000, 15
PER_CLASS = 30
"""Recordings of each class that are kept for testing."""


class Net(nn.Module):
    """Strided convolutions with biases, integrate-and-fire neurons, sum pooling, a dense layer with a bias."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 12, 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(12, 24, 3, stride=2, padding=1)
        self.affine = nn.Linear(24 * 4 * 4, classes)
        spiking = {"beta": 1.0, "reset_mechanism": "zero", "reset_delay": False, "spike_grad": surrogate.atan(2.0)}
        self.if1, self.if2, self.if3 = (snn.Leaky(**spiking) for _ in range(3))

    def forward(self, frames: Tensor) -> Tensor:
        """Spikes (T, N, classes) for frames (N, T, 2, 34, 34)."""
        v1, v2, v3 = (neurons.init_leaky() for neurons in (self.if1, self.if2, self.if3))
        out = []
        for frame in frames.unbind(1):
            x, v1 = self.if1(self.conv1(frame), v1)
            x, v2 = self.if2(self.conv2(x), v2)
            x = 4 * F.avg_pool2d(x, 2)  # the sum over each window
            x, v3 = self.if3(self.affine(x.flatten(1)), v3)
            out.append(x)
        return torch.stack(out)


def to_graph(net: Net, classes: int) -> nir.NIRGraph:
    """The network as anyone would write it with the nir package; r = 1 / dt makes forward Euler add the input up."""

    def values(tensor: Tensor) -> np.ndarray:
        return tensor.detach().numpy()

    def neurons(*shape: int) -> nir.IF:
        return nir.IF(r=np.full(shape, 1e6 / STEP_US, np.float32), v_threshold=np.ones(shape, np.float32))

    def conv(layer: nn.Conv2d, size: int) -> nir.Conv2d:
        assert layer.bias is not None and not isinstance(layer.padding, str)
        stride, padding = layer.stride[0], layer.padding[0]
        return nir.Conv2d((size, size), values(layer.weight), stride, padding, 1, 1, values(layer.bias))

    nodes = {
        "input": nir.Input({"input": np.array([2, SIZE, SIZE])}),
        "conv1": conv(net.conv1, SIZE),
        "if1": neurons(12, 17, 17),
        "conv2": conv(net.conv2, 17),
        "if2": neurons(24, 9, 9),
        "pool": nir.SumPool2d(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0])),
        "flatten": nir.Flatten({"input": np.array([24, 4, 4])}, 0, -1),
        "affine": nir.Affine(values(net.affine.weight), values(net.affine.bias)),
        "if3": neurons(classes),
        "output": nir.Output({"output": np.array([classes])}),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes=nodes, edges=list(pairwise(names)))


def read_frames(path: Path) -> np.ndarray:
    """A recording in N-MNIST's format (five bytes an event) as binary frames (T, 2, 34, 34)."""
    b = np.fromfile(path, np.uint8).reshape(-1, 5).astype(np.int64)
    t = ((b[:, 2] & 127) << 16) | (b[:, 3] << 8) | b[:, 4]
    step = (t - t.min()) // STEP_US
    inside = step < STEPS
    frames = np.zeros((STEPS, 2, SIZE, SIZE), np.uint8)
    frames[step[inside], b[inside, 2] >> 7, b[inside, 1], b[inside, 0]] = 1
    return frames


def read_folder(folder: Path) -> tuple[Tensor, Tensor]:
    """Frames and labels of <class>/*.bin."""
    paths = sorted(folder.glob("*/*.bin"))
    classes = sorted({path.parent.name for path in paths})
    labels = [classes.index(path.parent.name) for path in paths]
    return torch.from_numpy(np.stack([read_frames(path) for path in paths])), torch.tensor(labels)


def film_digits(folder: Path) -> None:
    """Film 80 of scikit-learn's digits a class."""
    from sklearn.datasets import load_digits

    from ckd.data.camera import Camera, film
    from ckd.events import write_recording

    images, labels = load_digits(return_X_y=True)
    for label in range(10):
        for row in np.flatnonzero(labels == label)[:80]:
            image = torch.from_numpy(images[row].reshape(1, 1, 8, 8) / 16)
            image = F.interpolate(image, size=(22, 22), mode="bicubic").clip(0, 1)[0, 0].numpy()
            events = film(image.astype(np.float32), Camera(), np.random.default_rng((0, int(row))))
            write_recording(folder / str(label) / f"digit{row:04d}.bin", events)


def split(source: Path, out: Path) -> None:
    """Copy the last recordings of every class to out/test, the others to out/train."""
    if (out / "train").exists():
        raise SystemExit(f"{out}: holds a split already; give --out another folder")
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        paths = sorted(folder.glob("*.bin"))
        for i, path in enumerate(paths):
            part = "test" if i >= len(paths) - PER_CLASS else "train"
            target = out / part / folder.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


def train(net: Net, frames: Tensor, labels: Tensor, epochs: int) -> None:
    """Adam on the cross entropy of the spike counts; each batch is shifted by up to two pixels."""
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(frames)).split(32):
            down, right = torch.randint(-2, 3, (2,)).tolist()
            shifted = frames[rows].float().roll((down, right), dims=(-2, -1))
            loss = F.cross_entropy(net(shifted).mean(0) * 10, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(rows)
        schedule.step()
        print(f"epoch {epoch + 1}: loss {total / len(frames):.3f}", flush=True)


def accuracy(net: Net, frames: Tensor, labels: Tensor) -> float:
    """The share of recordings whose class spikes most; a tie goes to the lowest class."""
    with torch.no_grad():
        predictions = torch.cat([net(part.float()).sum(0).argmax(1) for part in frames.split(100)])
    return float((predictions == labels).float().mean())


def main() -> None:
    """Get recordings, train, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=Path, help="folder with <class>/*.bin on 34 x 34 pixels")
    parser.add_argument("--out", type=Path, default=Path("runs/foreign"))
    parser.add_argument("--epochs", type=int, default=40)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if chosen.recordings is None:
        film_digits(chosen.out / "filmed")
    split(chosen.recordings or chosen.out / "filmed", chosen.out)
    frames, labels = read_folder(chosen.out / "train")
    classes = int(labels.max()) + 1
    net = Net(classes)
    train(net, frames, labels, chosen.epochs)
    nir.write(chosen.out / "foreign.nir", to_graph(net, classes))
    print(f"accuracy in PyTorch: {accuracy(net, *read_folder(chosen.out / 'test')):.2%}")
    print(f"wrote {chosen.out / 'foreign.nir'}, {chosen.out / 'train'} and {chosen.out / 'test'}")


if __name__ == "__main__":
    main()
