"""Teachers of our own, and those of libraries."""

import importlib

import pytest
import torch

from ckd.models.teacher import build_teacher


@pytest.mark.parametrize("channels", [1, 3])
def test_teachers_of_our_own_take_gray_and_colored_stills(channels: int) -> None:
    for name in ("vgg", "resnet18"):
        teacher = build_teacher(name, channels=channels, classes=7, size=34).eval()
        assert teacher(torch.rand(2, channels, 34, 34)).shape == (2, 7)
    # torchvision's ResNet-18 has 11,689,512 parameters, with a 7 x 7 stem on three channels and 1,000 classes.
    teacher = build_teacher("resnet18", channels=channels, classes=1000, size=34)
    assert sum(p.numel() for p in teacher.parameters()) == 11_689_512 + 64 * (9 * channels - 49 * 3)


@pytest.mark.parametrize("name", ["torchvision:mobilenet_v3_small", "timm:resnet10t"])
def test_teachers_by_name_take_gray_and_colored_stills(name: str) -> None:
    library = name.partition(":")[0]
    try:
        importlib.import_module(library)
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"{library} cannot be loaded ({error}): pip install 'ckd-snn[vision]'")
    for channels in (1, 3):
        teacher = build_teacher(name, channels=channels, classes=7, size=34).eval()
        assert teacher(torch.rand(2, channels, 34, 34)).shape == (2, 7)
