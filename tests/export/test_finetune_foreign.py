"""A model file of another tool is trained on the grid by labels alone, and what cannot be trained is refused."""

import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import deploy
from deploy import grid
from deploy.cli import main as deploy_main
from deploy.formats.files import load_network
from deploy.network import Array, Conv, Dense
from export.cli import main
from tests.builders import write_model
from tests.export.test_foreign import STEP, film_bars

DATA = Path(os.environ.get("CKD_DATA", Path(__file__).parents[3] / "shared" / "data"))


def untrained(path: Path, classes: int = 3, spiking: bool = True) -> Path:
    """What nobody trained, as anyone writes it with the nir package: a convolution, leaks, a dense layer, biases.

    It ends in neurons that spike, or in the dense layer itself.
    """
    rng = np.random.default_rng(0)

    def array(*shape: int, spread: float) -> Array:
        return rng.normal(0, spread, shape).astype(np.float32)

    def lif(*shape: int) -> nir.LIF:
        full = np.ones(shape, np.float32)
        return nir.LIF(tau=0.1 * full, r=5 * full, v_leak=0 * full, v_threshold=full)

    nodes: dict[str, nir.NIRNode] = {
        "input": nir.Input({"input": np.array([2, 34, 34])}),
        "conv": nir.Conv2d((34, 34), array(6, 2, 5, 5, spread=0.4), 4, 2, 1, 1, array(6, spread=0.05)),
        "lif1": lif(6, 9, 9),
        "flatten": nir.Flatten({"input": np.array([6, 9, 9])}, 0, -1),
        "fc": nir.Affine(array(classes, 486, spread=0.15), array(classes, spread=0.05)),
        **({"lif2": lif(classes)} if spiking else {}),
        "output": nir.Output({"output": np.array([classes])}),
    }
    nir.write(path, nir.NIRGraph(nodes=nodes, edges=list(pairwise(nodes))))
    return path


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bars")
    film_bars(folder, 60)
    return folder


def finetune(capsys: pytest.CaptureFixture[str], *args: object) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*map(str, args), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_foreign_file_learns_at_four_bits_from_labels_alone(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ready = tmp_path / "ready.nir"
    options = ("--finetune", 45, "--weight-bits", 4, "--events", bars, *STEP)
    result = finetune(capsys, untrained(tmp_path / "other.nir", spiking=False), *options, "-o", ready)
    assert result["quantized_accuracy"] < 0.6 and result["accuracy"] > 0.8 and result["recordings"] == 12
    assert all(rate > 0.01 for rate in result["rates"].values())
    network = load_network(ready)
    assert network.classes == ("down", "right", "up") and network.chip == "loihi2"
    synapses = [node for node in network.nodes.values() if isinstance(node, Dense | Conv)]
    assert len(synapses) == 2 and all(grid.weights_on_grid(node.weight, 4) for node in synapses)
    notes = {change["note"] for change in result["parameters"] if change["parameter"] == "weight"}
    assert notes == {"trained on the grid"}
    # The trace is PyTorch's, of the recordings that nothing was trained or chosen on; the simulator gives the same.
    trace = deploy.load_trace(ready.with_suffix(".trace"))
    assert trace.accuracy == result["accuracy"] and len(set(trace.names)) == 12
    assert deploy_main(["check", str(ready)]) == 0


def test_others_test_it_where_the_user_has_some(bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others, ready = tmp_path / "others", tmp_path / "ready.nir"
    film_bars(others, 9, seed=1)
    options = ("--finetune", 3, "--events", bars, "--test", others, *STEP)
    result = finetune(capsys, untrained(tmp_path / "other.nir"), *options, "-o", ready)
    trace = deploy.load_trace(ready.with_suffix(".trace"))
    assert sorted(trace.names) == sorted(str(path.relative_to(others)) for path in others.rglob("*.*"))
    assert result["recordings"] == len(trace.names) == 9 and trace.accuracy == result["accuracy"]
    assert deploy_main(["run", str(ready), "--events", str(others), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == result["accuracy"]


def test_the_same_command_gives_the_same_file_and_leaves_the_first_alone(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = untrained(tmp_path / "other.nir")
    before = other.read_bytes()
    weights = []
    for name in ("a.nir", "b.nir"):
        finetune(capsys, other, "--finetune", 3, "--events", bars, *STEP, "-o", tmp_path / name)
        node = load_network(tmp_path / name).nodes["conv"]
        assert isinstance(node, Conv)
        weights.append(node.weight)
    assert np.array_equal(*weights) and other.read_bytes() == before


@pytest.mark.parametrize("delay", [False, True])
def test_a_soft_reset_stays_one(delay: bool, bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As snnTorch's default has it, which its file does not say."""
    ready = tmp_path / "ready.nir"
    said = ("--reset", "subtract", *(["--reset-delay"] if delay else []))
    options = ("--finetune", 4, "--events", bars, *STEP, *said)
    finetune(capsys, untrained(tmp_path / "other.nir"), *options, "-o", ready)
    neurons = load_network(ready).neurons.values()
    assert {(node.reset_mechanism, node.reset_delay) for node in neurons} == {("subtract", delay)}
    assert deploy_main(["check", str(ready)]) == 0


def test_what_is_on_the_grid_already_is_trained_on(
    bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first.nir", tmp_path / "second.nir"
    other = untrained(tmp_path / "other.nir")
    assert deploy_main(["compile", str(other), "-o", str(first), "--events", str(bars), *STEP]) == 0
    finetune(capsys, first, "--finetune", 4, "--events", bars, "-o", second, "--weight-bits", 4)
    synapses = [node for node in load_network(second).nodes.values() if isinstance(node, Dense | Conv)]
    assert len(synapses) == 2 and all(grid.weights_on_grid(node.weight, 4) for node in synapses)
    assert deploy_main(["check", str(second)]) == 0


Make = Callable[[Path, Path], list[object]]


def _less(folder: Path, bars: Path, *, classes: int = 3, each: int = 8) -> Path:
    """Fewer recordings."""
    for name in sorted(path.name for path in bars.iterdir())[:classes]:
        (folder / name).mkdir(parents=True)
        for path in sorted((bars / name).iterdir())[:each]:
            (folder / name / path.name).symlink_to(path)
    return folder


def _other(folder: Path, bars: Path) -> list[object]:
    return [untrained(folder / "other.nir"), "--events", bars, *STEP]


REFUSED: dict[str, tuple[Make, str]] = {
    "no iterations": (lambda f, b: [*_other(f, b), "--finetune", 0], "ckd-deploy compile"),
    "negative": (lambda f, b: [*_other(f, b), "--finetune", -1], "--finetune (=-1)"),
    "no recordings": (lambda f, b: [untrained(f / "other.nir"), *STEP], "give --events DIR"),
    "no such folder": (lambda f, b: [untrained(f / "other.nir"), "--events", f / "no", *STEP], "no such folder"),
    "an empty folder": (lambda f, b: [untrained(f / "other.nir"), "--events", f, *STEP], "no recordings found"),
    "unlabeled": (lambda f, b: [untrained(f / "other.nir"), "--events", b / "up", *STEP], "no recordings found"),
    "fewer classes": (
        lambda f, b: [untrained(f / "other.nir"), "--events", _less(f / "less", b, classes=2), *STEP],
        "has 2 folders of recordings, the model 3 outputs",
    ),
    "more classes": (
        lambda f, b: [untrained(f / "other.nir", classes=2), "--events", b, *STEP],
        "has 3 folders of recordings, the model 2 outputs",
    ),
    "other classes": (lambda f, b: [write_model(f), "--events", b], "no class of the model"),
    "two recordings": (
        lambda f, b: [untrained(f / "other.nir"), "--events", _less(f / "less", b, each=2), *STEP],
        "has 2 recordings; each class needs at least 3",
    ),
    "tested on what trained": (
        lambda f, b: [*_other(f, b), "--test", _less(f / "less", b, each=3)],
        "is also among --events, as are 9 of 9",
    ),
    "tested on a folder that is not there": (lambda f, b: [*_other(f, b), "--test", f / "no"], "no such folder"),
    "one recording beside a test": (
        lambda f, b: [untrained(f / "other.nir"), "--events", _less(f / "less", b, each=1), "--test", b, *STEP],
        "has 1 recordings; each class needs at least 2, one to train on, one to choose the weights by",
    ),
    "no step": (lambda f, b: [untrained(f / "other.nir"), "--events", b], "--step-us"),
    "no steps": (lambda f, b: [untrained(f / "other.nir"), "--events", b, "--dt", 0.02], "add --step-us and --steps"),
    "no such file": (lambda f, b: [f / "none.nir", "--events", b, *STEP], "no such model file"),
    "a damaged file": (lambda f, b: [_damaged(f / "bad.nir"), "--events", b, *STEP], "not a NIR file"),
    "no chip": (lambda f, b: [*_other(f, b), "--chip", "none"], "give --chip"),
    "no such bits": (lambda f, b: [*_other(f, b), "--weight-bits", 9], "--weight-bits (=9)"),
    "silent": (lambda f, b: [*_other(f, b), "--dt", 1e-9], "sets its outputs apart"),
    "over itself": (lambda f, b: [*_other(f, b), "-o", f / "other.nir"], "would replace"),
    "another's trace": (lambda f, b: [*_other(f, b), "-o", _proven(f)], "proves ready.onnx"),
    "another ending": (lambda f, b: [*_other(f, b), "-o", f / "ready.txt"], "ends in .nir"),
}


def _proven(folder: Path) -> Path:
    """Where a model would go that lies there in another format, with its trace."""
    for ending in ("onnx", "trace"):
        (folder / f"ready.{ending}").touch()
    return folder / "ready.nir"


def _damaged(path: Path) -> Path:
    path.write_bytes(b"no graph")
    return path


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_trained_is_refused_in_one_line_and_nothing_is_written(
    case: str, bars: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, said = REFUSED[case]
    arguments = [str(argument) for argument in make(tmp_path, bars)]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    arguments += [] if "--finetune" in arguments else ["--finetune", "3"]
    arguments += [] if "-o" in arguments else ["-o", str(tmp_path / "ready.nir")]
    capsys.readouterr()
    assert main(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1:]
    assert error and error[0].startswith("error: ") and said in error[0]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()} == before


def test_a_run_is_not_given_recordings(tiny_run: Path, bars: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tiny_run), "--finetune", "2", "--events", str(bars)]) == 2
    assert "leave out --events" in capsys.readouterr().err


RECORDINGS = DATA / "nmnist" / "NMNIST" / "Train"


def _share_out(folder: Path) -> tuple[Path, Path]:
    """30 recordings of each class to train on and 30 others to test, as links."""
    for place in sorted(RECORDINGS.iterdir()):
        paths = sorted(place.glob("*.bin"))
        for part, chosen in (("train", paths[:30]), ("test", paths[-30:])):
            (folder / part / place.name).mkdir(parents=True)
            for path in chosen:
                (folder / part / place.name / path.name).symlink_to(path)
    return folder / "train", folder / "test"


def _read(folder: Path) -> tuple[Tensor, Tensor]:
    """Binary frames (R, T, 2, 34, 34) and labels of <class>/*.bin, by the example's own reader."""
    found = []
    for label, place in enumerate(sorted(folder.iterdir())):
        for path in sorted(place.glob("*.bin")):
            b = np.fromfile(path, np.uint8).reshape(-1, 5).astype(np.int64)
            t = ((b[:, 2] & 127) << 16) | (b[:, 3] << 8) | b[:, 4]
            step = (t - t.min()) // 20_000
            frames = np.zeros((15, 2, 34, 34), np.float32)
            inside = step < 15
            frames[step[inside], b[inside, 2] >> 7, b[inside, 1], b[inside, 0]] = 1
            found.append((frames, label))
    frames, labels = zip(*found, strict=True)
    return torch.from_numpy(np.stack(frames)), torch.tensor(labels)


def _train(net: nn.Module, rest: Callable[[nn.Module], None], frames: Tensor, labels: Tensor, epochs: int) -> float:
    """Adam on the cross entropy of spike counts, each batch moved by up to two pixels; gives the last loss."""
    optimizer, total = torch.optim.Adam(net.parameters(), lr=2e-3), 0.0
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(frames)).split(30):
            down, right = torch.randint(-2, 3, (2,)).tolist()
            rest(net)
            moved = frames[rows].roll((down, right), dims=(-2, -1))
            counts = torch.stack([net(frame) for frame in moved.unbind(1)]).mean(0)
            loss = nn.functional.cross_entropy(10 * counts, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(rows) / len(frames)
    return total


def _spikingjelly(frames: Tensor, labels: Tensor, path: Path) -> list[str]:
    """Trained in spikingjelly, written by it: leaks, hard resets, average pooling."""
    pytest.importorskip("spikingjelly", reason="spikingjelly is not installed: pip install 'ckd-snn[interop]'")
    pytest.importorskip("loguru", reason="spikingjelly's NIR reader needs loguru")
    from spikingjelly.activation_based import functional, layer, neuron  # pyright: ignore
    from spikingjelly.activation_based.nir_exchange import export_to_nir  # pyright: ignore

    def lif() -> nn.Module:
        return neuron.LIFNode(tau=8.0, decay_input=False, v_threshold=1.0, v_reset=0.0, detach_reset=True)

    net = nn.Sequential(
        *(layer.Conv2d(2, 12, 5, 2, 2), lif(), layer.Conv2d(12, 24, 3, 2, 1), lif(), layer.AvgPool2d(2)),
        *(layer.Flatten(), layer.Linear(24 * 4 * 4, 10), lif()),
    )
    _train(net, functional.reset_net, frames, labels, 30)
    functional.reset_net(net)
    export_to_nir(net, frames[:1, 0], save_path=path, dt=0.02)
    return []


def _snntorch(frames: Tensor, labels: Tensor, path: Path) -> list[str]:
    """Trained in snnTorch with its default, the soft reset a step later, written by it for steps of 1e-4 s."""
    pytest.importorskip("nirtorch", reason="snnTorch's NIR reader needs nirtorch: pip install 'ckd-snn[interop]'")
    import snntorch
    from snntorch import utils
    from snntorch.export_nir import export_to_nir

    def lif(*shape: int) -> nn.Module:
        options: dict[str, Any] = {"threshold": torch.ones(shape), "init_hidden": True}
        return snntorch.Leaky(beta=torch.full(shape, 0.9), **options)

    net = nn.Sequential(nn.Flatten(), nn.Linear(2312, 100), lif(100), nn.Linear(100, 10), lif(10))
    _train(net, utils.reset, frames, labels, 30)
    utils.reset(net)
    nir.write(path, export_to_nir(net, frames[:1, 0], ignore_dims=[0]))
    return ["--dt", "0.0001", "--reset", "subtract", "--reset-delay"]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no N-MNIST recordings in {DATA}")
@pytest.mark.parametrize("trained", [_spikingjelly, _snntorch])
def test_what_another_tool_trained_and_wrote_is_better_at_four_bits_than_it_was(
    trained: Callable[[Tensor, Tensor, Path], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """300 recordings of N-MNIST trained it, and tune it; 300 others, which no command before has seen, measure it."""
    torch.manual_seed(0)
    train, test = _share_out(tmp_path / "recordings")
    other, coarse, tuned = (tmp_path / name for name in ("other.nir", "coarse.nir", "tuned.nir"))
    said = [*STEP, *trained(*_read(train), other)]
    bits = ["--weight-bits", "4", "--events", str(train), *said]
    assert deploy_main(["compile", str(other), "-o", str(coarse), *bits]) == 0
    result = finetune(capsys, other, "--finetune", 200, *bits, "-o", tuned)

    def accuracy(path: Path, *options: str) -> float:
        capsys.readouterr()
        assert deploy_main(["run", str(path), "--events", str(test), "--json", *options]) == 0
        return json.loads(capsys.readouterr().out)["accuracy"]

    floats, before, after = accuracy(other, "--on", "float", *said), accuracy(coarse), accuracy(tuned)
    with capsys.disabled():
        print(f"\n{trained.__name__}: float {floats:.2%}, 4 bits {before:.2%}, fine-tuned {after:.2%}")
    assert result["recordings"] == 60
    assert floats > 0.6 and after > before
    assert deploy_main(["check", str(tuned)]) == 0
