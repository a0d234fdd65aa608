"""A student from outside: convolutions, batch norms and snnTorch neurons in a loop over time, as people write them."""

import snntorch as snn
import torch
import torch.nn.functional as F
from snntorch import surrogate
from torch import Tensor, nn


class Net(nn.Module):
    """Two convolutional spiking layers and a linear readout, for frames of 34 x 34 pixels."""

    alignment_layer = "lif2"  # whose potentials --align-weight compares; without it only logits are distilled

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.norm1, self.lif1 = nn.Conv2d(2, 16, 3), nn.BatchNorm2d(16), neurons()
        self.conv2, self.norm2, self.lif2 = nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), neurons()
        self.classifier = nn.Linear(32 * 4 * 4, classes)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits (T, N, classes) of frames (T, N, 2, 34, 34)."""
        v1, v2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        logits = []
        for frame in frames:
            x, v1 = self.lif1(self.norm1(self.conv1(frame)), v1)
            x, v2 = self.lif2(self.norm2(self.conv2(F.avg_pool2d(x, 2))), v2)
            logits.append(self.classifier(F.avg_pool2d(x, 4).flatten(1)))
        return torch.stack(logits)


def neurons() -> snn.Leaky:
    return snn.Leaky(beta=0.5, threshold=0.5, spike_grad=surrogate.atan(), reset_mechanism="zero", reset_delay=False)


def make(classes: int = 10) -> Net:
    """What --student names; `classes` comes from the data set."""
    return Net(classes)
