"""Train a spiking student on event-camera recordings with a frame-based teacher (cross knowledge distillation)."""

__version__ = "0.1.0"
