"""lava-dl's own files and what Intel recorded of them: golden arrays that neither this project nor its tests made."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import deploy
from benchmarks.pilotnet import compare_golden
from deploy.cli import main
from deploy.errors import UnsupportedError
from deploy.network import Array, Network
from tests.deploy.formats.netx_files import GOLDEN, lava_dl_files
from tests.deploy.marks import needs_lava

needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"no golden data of lava-dl in {GOLDEN}")


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The netx tests of lava-dl's wheel, where the worker's environment has them."""
    return lava_dl_files()


def network_of(path: Path) -> Network:
    network = deploy.load(path)
    assert isinstance(network, Network)
    return network


def spikes_of(network: Network, frames: Array) -> dict[str, Array]:
    """Of the first recording, (T, ...) by layer."""
    trace = deploy.run(network, frames)
    return {name: layer.output[0] for name, layer in trace.spiking.items()}


@needs_golden
def test_every_spike_current_and_potential_of_the_golden_pilotnet_is_equal() -> None:
    found = compare_golden(GOLDEN)
    assert {row.layer for row in found} == {"input", *(f"conv-{i}" for i in range(5)), *(f"fc-{i}" for i in range(4))}
    assert {row.layer for row in found if row.kind == "u"} >= {"conv-1", "conv-4", "fc-0", "fc-1", "fc-2", "fc-3"}
    assert all(row.active for row in found)
    assert [row for row in found if row.differing] == []
    assert sum(row.values for row in found) > 5_000_000


@needs_golden
def test_a_recording_out_of_step_with_the_resets_is_not_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail."""
    monkeypatch.setattr("benchmarks.pilotnet.INTERVAL", 16)
    assert sum(row.differing for row in compare_golden(GOLDEN)) > 1000


@needs_lava
def test_in_the_wheel_the_first_convolutions_states_are_equal_too(wheel: Path) -> None:
    found = compare_golden(wheel / "gts" / "pilotnet_lif")
    assert {row.kind for row in found if row.layer == "conv-0"} == {"spikes", "u", "v"}
    assert [row for row in found if row.differing] == []


@needs_lava
def test_every_netx_file_of_lava_dl_runs_or_is_refused_by_name(
    wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted(wheel.rglob("*.net"))
    assert len(files) == 6
    refused = []
    for path in files:
        model = tmp_path / f"{path.parent.name}-{path.name}"
        shutil.copy(path, model)
        try:
            network = network_of(model)
        except UnsupportedError as error:
            refused.append(model.name)
            assert "has SDNN (sigma-delta) neurons" in str(error) and "\n" not in str(error)
            continue
        frames = np.random.default_rng(3).integers(40, 120, (1, 12, *network.input_shape)).astype(np.uint8)
        np.save(tmp_path / "frames.npy", frames if "ntidigits" not in model.name else frames > 100)
        trace = str(model.with_suffix(".trace"))
        for command in (
            ["run", str(model), "--frames", str(tmp_path / "frames.npy"), "--trace", trace, "--json"],
            ["check", str(model), "--json"],
            ["map", str(model), "--json"],
            ["report", str(model)],
            ["compile", str(model), "-o", str(model.with_suffix(".nir"))],
            ["check", str(model), str(model.with_suffix(".nir")), "--json"],
        ):
            capsys.readouterr()
            assert main(command) == 0, (command, capsys.readouterr())
        verdict = json.loads(capsys.readouterr().out)
        assert verdict["equal"] and verdict["spikes"] > 50
    assert refused == ["pilotnet_sdnn-network.net", "pilotnet_sdnn-square_network.net"]


@needs_lava
def test_tinynet_spikes_as_its_golden_arrays_in_every_layer(wheel: Path) -> None:
    """lava-dl's arrays (1, C, H, W, T) are its training simulation's: all layers a step late (delay_shift)."""
    golden = wheel / "gts" / "tinynet"
    picture = np.load(golden / "input_bias.npy").transpose(2, 1, 0).astype(np.uint8)
    found = spikes_of(network_of(wheel / "tiny.net"), np.repeat(picture[None, None], 15, axis=1))
    for layer, name in (("layer0", "input"), ("layer1", "layer1"), ("layer2", "output")):
        expected = np.moveaxis(np.load(golden / f"{name}.npy")[0], -1, 0)[1:]
        assert expected.any()
        np.testing.assert_array_equal(found[layer], expected, err_msg=name)


@needs_lava
def test_ntidigits_spikes_as_its_golden_output_through_all_its_delays(wheel: Path) -> None:
    """3,000 steps and delays of up to 62 in two layers; the golden output is 4 steps late."""
    golden = wheel / "gts" / "ntidigits"
    frames = np.load(golden / "input.npy").T[None, :, None, None, :].astype(np.uint8)
    expected = np.load(golden / "output.npy").T > 0
    found = spikes_of(network_of(golden / "ntidigits.net"), frames)["layer4"]
    assert expected.sum() == 22_572
    np.testing.assert_array_equal(found[:-4], expected[4:])
    assert not expected[:4].any()


@needs_lava
@pytest.mark.parametrize("on", ["netx", "lava"])
@pytest.mark.parametrize("name", ["tiny", "mnist"])
def test_lava_runs_lava_dls_own_files_as_the_integer_simulator_does(name: str, on: str, wheel: Path) -> None:
    network = network_of(wheel / f"{name}.net")
    frames = np.random.default_rng(3).integers(30, 140, (2, 1, *network.input_shape)).astype(np.uint8)
    frames = np.repeat(frames, 17, axis=1)
    assert deploy.compare(deploy.run(network, frames), deploy.run(network, frames, on=on))


@needs_lava
@pytest.mark.long
@pytest.mark.parametrize("on", ["netx", "lava"])
@pytest.mark.parametrize("name", ["pilotnet_lif/network", "ntidigits/ntidigits"])
def test_lava_runs_the_large_ones_too(name: str, on: str, wheel: Path) -> None:
    golden = wheel / "gts" / Path(name).parent
    network = network_of(wheel / "gts" / f"{name}.net")
    if "ntidigits" in name:
        frames = np.load(golden / "input.npy").T[None, :90, None, None, :].astype(np.uint8)
    else:
        picture = np.load(golden / "image.npy").transpose(2, 1, 0).astype(np.uint8)
        frames = np.repeat(picture[None, None], 17, axis=1)
    assert deploy.compare(deploy.run(network, frames), deploy.run(network, frames, on=on))
