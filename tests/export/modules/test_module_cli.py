"""ckd-export on a module of one's own: files that check, and one line, with nothing written, for every mistake."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import deploy
from ckd.events import EVENT_DTYPE, write_recording
from deploy.cli import main as deploy_main
from deploy.formats.files import load_network
from export.cli import main
from tests.export.modules.proving import counts

SOURCE = """
import snntorch as snn
import torch
from torch import nn


def make():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3), snn.Leaky(beta=0.8, init_hidden=True, threshold=0.3), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(54, 2), snn.Leaky(beta=0.9, init_hidden=True, output=True, threshold=0.2),
    )


def hard():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(128, 24), snn.Leaky(beta=0.8, init_hidden=True, threshold=0.3, reset_mechanism="zero"),
        nn.Linear(24, 2),
    )


def soft():
    return nn.Sequential(nn.Flatten(), nn.Linear(128, 4), nn.Softmax(1), snn.Leaky(beta=0.9, init_hidden=True))


def raises():
    raise ValueError("this cannot\\nbe made")


def nothing():
    return None
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module of a name that no other test imports, frames and weights of it."""
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    np.save(tmp_path / "in.npy", counts(6, 12, 2, 8, 8))
    return tmp_path


def named(folder: Path, factory: str) -> str:
    return f"{next(folder.glob('own_*.py')).stem}:{factory}"


def export_json(capsys: pytest.CaptureFixture[str], *args: object) -> dict:
    capsys.readouterr()
    assert main([*map(str, args), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("to", ["nir", "onnx"])
def test_the_model_on_the_grid_checks_against_its_trace(
    to: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if to == "onnx":
        pytest.importorskip("onnx", reason="onnx is an extra")
    result = export_json(capsys, "--to", to, named(folder, "make"), "--frames", "in.npy")
    assert result["model"] == f"make.{to}" and result["chip"] == "loihi2" and result["layout"] == "step"
    assert set(result["layers"]) == {"leaky_1", "maxpool2d_2", "leaky_5"} and sum(result["overflows"].values()) == 0
    assert deploy_main(["check", result["model"], "--on", "onnx" if to == "onnx" else "integer"]) == 0
    assert deploy.load_trace(result["trace"]).frames.shape == (6, 12, 2, 8, 8)  # pyright: ignore


def test_the_floats_check_against_the_modules_own_spikes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = export_json(capsys, named(folder, "make"), "--frames", "in.npy", "--chip", "none", "--dt", "0.001")
    assert load_network(result["model"]).dt == 0.001
    assert deploy_main(["check", result["model"], "--on", "float"]) == 0
    assert result["same_predictions"] == 1 and result["accuracy"] is None


def test_netx_takes_a_module_with_hard_resets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(folder / "flat.npy", counts(6, 12, 128))
    result = export_json(capsys, "--to", "netx", named(folder, "hard"), "--frames", "flat.npy", "--out", "own.net")
    assert Path(result["model"]).is_file() and Path(result["trace"]).is_file()


def test_weights_come_from_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = __import__(named(folder, "make").partition(":")[0]).make()
    with torch.no_grad():
        module[4].bias.add_(0.3)
    torch.save({"state_dict": module.state_dict()}, folder / "w.pt")
    save_file(module.state_dict(), folder / "w.safetensors")
    found = []
    for weights in ("w.pt", "w.safetensors"):
        args = (named(folder, "make"), "--frames", "in.npy", "--chip", "none", "--weights", weights)
        found.append(load_network(export_json(capsys, *args)["model"]).nodes["linear_4"].bias)  # pyright: ignore
    assert all(np.array_equal(bias, module[4].bias.detach().numpy()) for bias in found)


def test_recordings_say_the_binning_and_the_classes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for label, left in (("left", 0), ("right", 4)):
        for i in range(4):
            events = np.zeros(400, EVENT_DTYPE)
            events["x"], events["y"] = rng.integers(left, left + 4, 400), rng.integers(0, 8, 400)
            events["t"], events["p"] = np.sort(rng.integers(0, 12_000, 400)), rng.integers(0, 2, 400)
            write_recording(folder / "events" / label / f"{i}.bin", events)
    how = ("--step-us", "1000", "--steps", "12", "--height", "8", "--width", "8")
    result = export_json(capsys, named(folder, "make"), "--events", "events", *how, "--recordings", "6")
    network = load_network(result["model"])
    assert network.classes == ("left", "right") and network.dt == pytest.approx(0.001)
    assert network.binning is not None and (network.binning.steps, network.binning.height) == (12, 8)
    trace = deploy.load_trace(result["trace"])
    assert trace.labels is not None and trace.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert result["float_accuracy"] is not None and deploy_main(["check", result["model"]]) == 0


class Ran:
    """A pickle that leaves a trace where it is run."""

    def __reduce__(self) -> tuple:
        return Path("ran").touch, ()


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ("{none} --frames in.npy", "has no 'none'"),
        ("no_such_package.models:make --frames in.npy", "there is no module no_such_package"),
        ("{raises} --frames in.npy", "raised ValueError: this cannot be made"),
        ("{nothing} --frames in.npy", "gives a NoneType; let it give a torch.nn.Module"),
        ("{soft} --frames in.npy", "softmax cannot be followed"),
        ("{make}", "give --frames FILE.npy or --events DIR, one of them"),
        ("{make} --frames in.npy --events .", "one of them"),
        ("{make} --frames absent.npy", "absent.npy: no such file; frames are a .npy"),
        ("{make} --frames in.npy --weights absent.pt", "absent.pt: no such file of weights"),
        ("{make} --frames in.npy --weights in.npy", "in.npy: holds more than tensors"),
        ("{make} --frames in.npy --weights code.pt", "code.pt: holds more than tensors"),
        ("{make} --frames in.npy --weights other.pt", "other.pt: "),
        ("{make} --frames in.npy --weights wide.pt", "wide.pt: does not fit the module"),
        ("{make} --frames in.npy --weights torn.safetensors", "torn.safetensors: cannot be read"),
        ("{make} --frames in.npy --finetune 5", "--finetune"),
        ("{make} --frames in.npy --reset zero", "leave out --reset"),
        ("{make} --frames in.npy --steps 5", "--steps says how recordings become frames"),
        ("{make} --events .", "add --step-us, --steps, --height, --width"),
        ("{make} --to netx --frames in.npy --out m.net", "soft reset"),
        ("runs/absent --weights w.pt", "--weights is for a module"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    args: str, why: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"a": Ran()}, folder / "code.pt")
    torch.save(torch.nn.Linear(2, 2).state_dict(), folder / "other.pt")
    wide = __import__(named(folder, "make").partition(":")[0]).make().state_dict()
    torch.save(wide | {"4.weight": torch.zeros(3, 54)}, folder / "wide.pt")
    (folder / "torn.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    before = sorted(folder.iterdir())
    factories = {name: named(folder, name) for name in ("make", "soft", "raises", "nothing", "none")}
    assert main(args.format(**factories).split()) == 2
    said = capsys.readouterr().err
    assert why in said and said.count("\n") == 1 and said.startswith("error: ") and "Traceback" not in said
    after = [path for path in sorted(folder.iterdir()) if path.name != "__pycache__"]
    assert after == [path for path in before if path.name != "__pycache__"]
