"""What training asks of a student, ours or one from outside."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn


class StudentOutput(NamedTuple):
    """What a student gives for (T, N, C, H, W) frames."""

    logits: Tensor
    """(T, N, K): the classifier's output at every step; the prediction is the argmax of their sum over the steps."""
    potential: Tensor | None
    """(T, N, ...): membrane potentials that the alignment term compares, of ours those of the last convolutional LIF
    layer before the reset, in float32; None where a student from outside names no layer."""


class SpikingStudent(nn.Module, ABC):
    """A network from (T, N, C, H, W) frames to logits at every step, which begins from rest in every call."""

    @property
    @abstractmethod
    def network(self) -> nn.Module:
        """The module whose weights a run folder keeps."""

    @abstractmethod
    def forward(
        self,
        frames: Tensor,
        *,
        classifier: nn.Module | None = None,
        observe: Callable[[str, Tensor], None] | None = None,
    ) -> StudentOutput:
        """Run all time steps from rest.

        Args:
            frames: (T, N, C, H, W) float.
            classifier: takes the place of the student's own (the static head of the two-heads ablation).
            observe: called as observe(name, output) for every node that the student knows, outputs (T, N, ...).
        """
