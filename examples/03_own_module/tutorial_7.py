"""The network of snnTorch's tutorial 7, trained as it is trained there, on recordings of 34 x 34 pixels.

    python tutorial_7.py                      filmed digits, nothing to download
    python tutorial_7.py --recordings DIR     recordings of one's own, DIR/<class>/*.bin: N-MNIST as in the tutorial

https://snntorch.readthedocs.io/en/latest/tutorials/tutorial_7.html, but for one thing: it averages where the tutorial
takes the maximum, since a maximum of currents is nothing that a chip adds up.

Writes weights.pt, and recordings in folders of classes: train/ and, never seen in training, test/.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import snntorch as snn
import torch
import torch.nn.functional as F
from snntorch import functional as SF
from snntorch import surrogate, utils
from torch import Tensor, nn

from ckd.events import Binning, find_recordings, load_frames, write_recording

BINNING = Binning(step_us=20_000, steps=15, height=34, width=34)
TESTED = 20
"""Recordings of each class that are kept for testing."""


def make() -> nn.Sequential:
    """12C5-AP2-32C5-AP2-800FC10."""
    spike_grad = surrogate.atan()
    beta = 0.5
    return nn.Sequential(
        nn.Conv2d(2, 12, 5),
        nn.AvgPool2d(2),
        snn.Leaky(beta=beta, spike_grad=spike_grad, init_hidden=True),
        nn.Conv2d(12, 32, 5),
        nn.AvgPool2d(2),
        snn.Leaky(beta=beta, spike_grad=spike_grad, init_hidden=True),
        nn.Flatten(),
        nn.Linear(32 * 5 * 5, 10),
        snn.Leaky(beta=beta, spike_grad=spike_grad, init_hidden=True, output=True),
    )


def forward_pass(net: nn.Module, data: Tensor) -> Tensor:
    """Spikes (T, N, 10) for frames (T, N, 2, 34, 34)."""
    spk_rec = []
    utils.reset(net)
    for step in range(data.size(0)):
        spk_out, _ = net(data[step])
        spk_rec.append(spk_out)
    return torch.stack(spk_rec)


def read(folder: Path) -> tuple[Tensor, Tensor]:
    """Frames (R, T, 2, 34, 34) and labels of a folder of recordings."""
    paths, names = find_recordings(folder)
    classes = sorted(set(names))
    frames = torch.from_numpy(load_frames(paths, BINNING)).float()
    return frames, torch.tensor([classes.index(name) for name in names])


def train(net: nn.Module, frames: Tensor, labels: Tensor, epochs: int) -> None:
    """Adam on the squared error of the spike counts, with the tutorial's rates."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2, betas=(0.9, 0.999))
    loss_fn = SF.mse_count_loss(correct_rate=0.8, incorrect_rate=0.2)
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(frames)).split(32):
            loss = loss_fn(forward_pass(net, frames[rows].transpose(0, 1)), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(rows)
        print(f"epoch {epoch + 1}: loss {total / len(frames):.3f}", flush=True)


def accuracy(net: nn.Module, frames: Tensor, labels: Tensor) -> float:
    """The share of recordings whose class spikes most; a tie goes to the lowest class."""
    with torch.no_grad():
        counts = torch.cat([forward_pass(net, part.transpose(0, 1)).sum(0) for part in frames.split(100)])
    return float((counts.argmax(1) == labels).float().mean())


def film_digits(folder: Path) -> None:
    """Film 50 of scikit-learn's digits a class."""
    from sklearn.datasets import load_digits

    from ckd.data.camera import Camera, film

    images, labels = load_digits(return_X_y=True)
    for label in range(10):
        for row in np.flatnonzero(labels == label)[:50]:
            image = torch.from_numpy(images[row].reshape(1, 1, 8, 8) / 16)
            image = F.interpolate(image, size=(22, 22), mode="bicubic").clip(0, 1)[0, 0].numpy()
            events = film(image.astype(np.float32), Camera(), np.random.default_rng((0, int(row))))
            write_recording(folder / str(label) / f"digit{row:04d}.bin", events)


def split(source: Path, out: Path) -> None:
    """Copy the last recordings of every class to out/test, the others to out/train."""
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        paths = sorted(folder.glob("*.bin"))
        for i, path in enumerate(paths):
            target = out / ("test" if i >= len(paths) - TESTED else "train") / folder.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


def main() -> None:
    """Get recordings, train, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=Path, help="folder with <class>/*.bin on 34 x 34 pixels")
    parser.add_argument("--out", type=Path, default=Path(), help="where everything goes; default: here")
    parser.add_argument("--epochs", type=int, default=12)
    chosen = parser.parse_args()
    if (chosen.out / "train").exists():
        raise SystemExit(f"{chosen.out / 'train'}: is there already; give --out another folder")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if chosen.recordings is None:
        film_digits(chosen.out / "filmed")
    split(chosen.recordings or chosen.out / "filmed", chosen.out)
    net = make()
    train(net, *read(chosen.out / "train"), chosen.epochs)
    torch.save(net.state_dict(), chosen.out / "weights.pt")
    print(f"accuracy in PyTorch: {accuracy(net, *read(chosen.out / 'test')):.2%}")
    print(f"wrote {chosen.out / 'weights.pt'}, {chosen.out / 'train'} and {chosen.out / 'test'}")


if __name__ == "__main__":
    main()
