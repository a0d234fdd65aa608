"""Frame-based teachers: trained here on the stills, by name from a library, or read from a file."""

from pathlib import Path

import torch
from torch import Tensor, nn

from ckd.errors import ConfigError
from ckd.files import how_to_install
from ckd.models.weights import read_weights


def build_teacher(name: str, *, channels: int, classes: int, size: int) -> nn.Module:
    """A network from (N, C, size, size) stills between 0 and 1 to (N, K) logits.

    Args:
        name: vgg, resnet18, torchvision:MODEL or timm:MODEL.

    Raises:
        ConfigError: an unknown name, or its library is not installed.
    """
    if name == "vgg":
        return _vgg(channels, classes, size)
    if name == "resnet18":
        return _resnet18(channels, classes)
    library, _, model = name.partition(":")
    if library == "torchvision" and model:
        return _torchvision(model, channels, classes)
    if library == "timm" and model:
        return _timm(model, channels, classes)
    hint = "; weights are given with --teacher-file" if name.endswith(".safetensors") else ""
    raise ConfigError(f"--teacher {name!r}: unknown; allowed are vgg, resnet18, torchvision:MODEL, timm:MODEL{hint}")


def teacher_logits(teacher: nn.Module, rgb: Tensor) -> Tensor:
    """(N, K) logits of the frozen teacher."""
    with torch.no_grad():
        return teacher(rgb).float()


def load_teacher(path: Path, teacher: nn.Module) -> nn.Module:
    """Read saved weights into `teacher`, in eval mode. Raises RunError (missing, damaged) and ConfigError (misfit)."""
    weights, own = read_weights(path), teacher.state_dict()
    for what, names, known in (
        ("holds", weights.keys() - own.keys(), "not in"),
        ("lacks", own.keys() - weights.keys(), "in"),
    ):
        if names:
            raise ConfigError(
                f"--teacher-file {path}: does not fit --teacher: {what} {min(names)!r}, which is {known} it; "
                "give the teacher.safetensors of a run with the same"
            )
    try:
        teacher.load_state_dict(weights)
    except RuntimeError as error:
        raise ConfigError(f"teacher {path}: does not fit --teacher ({str(error).splitlines()[-1].strip()})") from None
    return teacher.eval()


def _vgg(channels: int, classes: int, size: int) -> nn.Module:
    layers: list[nn.Module] = []
    for outputs in (16, 32, 64):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
        channels = outputs
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * (size // 8) ** 2, classes))


def _resnet18(channels: int, classes: int) -> nn.Module:
    """ResNet-18 (He et al., CVPR 2016) with the 3 x 3 stem without pooling that is usual on small images."""
    layers: list[nn.Module] = [nn.Conv2d(channels, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    inputs = 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [_Block(inputs, outputs, stride), _Block(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


class _Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, 1 x 1 where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.way(x) + self.shortcut(x))


def _torchvision(model: str, channels: int, classes: int) -> nn.Module:
    try:
        import torchvision  # pyright: ignore[reportMissingImports]
    except (ImportError, RuntimeError) as error:
        # RuntimeError: one built for another torch; its operators do not load.
        raise ConfigError(f"teacher {model}: needs torchvision ({error}); {how_to_install('vision')}") from None
    if model not in torchvision.models.list_models():
        raise ConfigError(f"--teacher torchvision:{model}: torchvision has no such model")
    network = torchvision.models.get_model(model, num_classes=classes)
    return network if channels == 3 else nn.Sequential(_ToColor(), network)


def _timm(model: str, channels: int, classes: int) -> nn.Module:
    try:
        import timm  # pyright: ignore[reportMissingImports]
    except (ImportError, RuntimeError) as error:
        raise ConfigError(f"teacher {model}: needs timm ({error}); {how_to_install('vision')}") from None
    try:
        return timm.create_model(model, num_classes=classes, in_chans=channels)
    except RuntimeError as error:
        raise ConfigError(f"--teacher timm:{model}: {error}") from None


class _ToColor(nn.Module):
    """A gray image on three channels."""

    def forward(self, images: Tensor) -> Tensor:
        return images.expand(-1, 3, -1, -1)
