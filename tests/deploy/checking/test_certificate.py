"""Certificates: what they say, that anyone can verify them, and that a single bit of any of their files is seen."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deploy
from deploy.checking.certificate.certify import as_bytes, certify, write_certificate
from deploy.checking.certificate.metrics import metrics
from deploy.checking.certificate.verify import verify_certificate
from deploy.cli import main
from deploy.errors import DeployError, UnsupportedError
from deploy.formats.nir import write_nir
from deploy.network import Conv, Dense
from deploy.passes.to_float import to_float
from deploy.runners.integer.simulator import run
from deploy.traces.trace import load_trace
from tests.builders import small_frames, small_network, write_model
from tests.deploy.oracles import apply

FLIPS = 334
"""Single bits changed in each of the three files: a thousand together."""


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate beside its model and trace."""
    model = write_model(tmp_path_factory.mktemp("certified"))
    assert main(["certify", str(model)]) == 0
    return model.with_suffix(".certificate")


def copied(certified: Path, folder: Path) -> Path:
    for ending in (".nir", ".trace", ".certificate"):
        (folder / f"student{ending}").write_bytes(certified.with_suffix(ending).read_bytes())
    return folder / "student.certificate"


def test_it_says_what_was_compared_and_with_what_result(certified: Path) -> None:
    said, model = json.loads(certified.read_text()), certified.with_suffix(".nir")
    for kind, path in (("model", model), ("trace", certified.with_suffix(".trace"))):
        assert said["files"][kind]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert said["files"][kind]["name"] == path.name
    trace = load_trace(certified.with_suffix(".trace"))
    spikes = {name: int(layer.output.sum()) for name, layer in trace.spiking.items()}
    assert said["compared"]["recordings"] == 9 and said["compared"]["spikes"] == sum(spikes.values())
    assert {one["layer"]: one["spikes"] for one in said["compared"]["layers"] if one["spikes"]} == spikes
    assert said["verdict"]["word"] == "EQUAL" and said["verdict"]["accuracy"] == trace.accuracy
    assert certified.stat().st_size < 5000


def test_it_is_verified(certified: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certify", "--verify", str(certified)]) == 0
    assert "VERIFIED: every figure" in capsys.readouterr().out
    assert main(["certify", str(certified), "--verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"verified": True, "differing": []}
    assert deploy.verify_certificate(certified) == ()


def test_without_torch(certified: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = None\nfrom deploy import verify_certificate\n"
        "print('differing', verify_certificate(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(certified)], capture_output=True, text=True, check=False)
    assert done.stdout == "differing ()\n", done.stderr


@pytest.mark.parametrize("ending", [".certificate", ".nir", ".trace"])
def test_a_single_bit_of_any_file_is_seen(certified: Path, tmp_path: Path, ending: str) -> None:
    certificate = copied(certified, tmp_path)
    path, rng = certificate.with_suffix(ending), np.random.default_rng(0)
    whole = path.read_bytes()
    for bit in rng.choice(len(whole) * 8, FLIPS, replace=False).tolist():
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        lines = verify_certificate(certificate)
        assert lines, bit
        assert ("itself is damaged" in lines[0]) == (ending == ".certificate")
    path.write_bytes(whole)
    assert verify_certificate(certificate) == ()


def forged(certificate: Path, *keys: Any, to: Any) -> tuple[str, ...]:
    """What verification says of a certificate in which one value is another, with the digest that goes with it."""
    said = json.loads(certificate.read_text())
    del said["sha256"]
    place = said
    for key in keys[:-1]:
        place = place[key]
    assert place[keys[-1]] != to
    place[keys[-1]] = to
    certificate.write_bytes(as_bytes(said))
    return verify_certificate(certificate)


def test_what_was_not_worked_out_is_seen(certified: Path, tmp_path: Path) -> None:
    """Who forges a figure can make the digest fit, but not the figure."""
    certificate = copied(certified, tmp_path)
    whole = certificate.read_bytes()
    proven = ("ranges", "proven_for_all_inputs", 1, "layers", 2, "overflow")
    for keys, to in (
        (("verdict", "accuracy"), 1.0),
        (("compared", "spikes"), 1),
        (("metrics", "footprint"), 7),
        (("metrics", "counted", "dense"), 7),
        ((*proven[:-1], "sums"), [0, 1]),
        (("files", "model", "sha256"), "0" * 64),
        (("files", "model", "name"), "../student.nir"),
        (("files", "trace", "name"), "other.trace"),
        (("compared", "of"), 10),
    ):
        assert forged(certificate, *keys, to=to), keys
        certificate.write_bytes(whole)
    lines = forged(certificate, "compared", "layers", 0, "spikes", to=3)
    assert len(lines) == 1 and lines[0].startswith("compared layers 0 spikes: 3 in the certificate, ")


ODD = (None, True, -1, 10**30, "", "\0", "..", [0], {"name": 1})


@pytest.mark.parametrize("where", ["", "files", "files.model", "files.trace.name", "compared", "compared.on"])
def test_whatever_a_stranger_writes_in_place_of_a_value_is_told(certified: Path, tmp_path: Path, where: str) -> None:
    path = copied(certified, tmp_path)
    told = 0
    said = json.loads(certified.read_text())
    parent = said
    for key in where.split(".")[:-1]:
        parent = parent[key]
    keys = [where.rpartition(".")[2]] if where else [key for key in said if key != "sha256"]
    keyed = parent[keys[0]] if where and isinstance(parent[keys[0]], dict) else {}
    places = [(parent, key) for key in keys] + [(keyed, key) for key in keyed]
    for holder, key in places:
        honest = holder[key]
        for value in ODD:
            holder[key] = value
            path.write_bytes(as_bytes({name: each for name, each in said.items() if name != "sha256"}))
            try:
                lines = verify_certificate(path)
            except DeployError as error:
                lines = (str(error),)
            assert key == "made_with" or (lines and all(len(line) < 500 and line.isprintable() for line in lines))
            told += 1
        holder[key] = honest
    assert told >= len(ODD)


def test_another_model_with_a_certificate_of_its_own_digest_is_seen(certified: Path, tmp_path: Path) -> None:
    """One weight changed, and the digest in the certificate with it: the check is made again, and differs."""
    certificate = copied(certified, tmp_path)
    model, network = certificate.with_suffix(".nir"), small_network()
    conv = network.nodes["conv2"]
    assert isinstance(conv, Conv)
    weight = conv.weight.copy()
    weight[0, 0, 0, 0] += 40
    write_nir(network.replace(nodes={**network.nodes, "conv2": replace(conv, weight=weight)}), model)
    said = json.loads(certificate.read_text())
    del said["sha256"]
    data = model.read_bytes()
    said["files"]["model"] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    certificate.write_bytes(as_bytes(said))
    assert "verdict word: 'EQUAL' in the certificate, 'DIFFERENT' now" in verify_certificate(certificate)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "nonsense", '{"ckd_certificate": 1}', "[" * 100_000, '{"sha256": "x"}', "\x00"],
)
def test_what_is_no_certificate_is_told_in_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.certificate"
    path.write_text(text)
    assert verify_certificate(path) == ("the certificate itself is damaged: it is not the bytes that were written",)


def refused(capsys: pytest.CaptureFixture[str], *args: object) -> str:
    assert main(["certify", *map(str, args)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ") and captured.err.count("\n") == 1
    return captured.err


def test_what_cannot_be_certified_is_refused_by_name(
    certified: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate = copied(certified, tmp_path)
    model = certificate.with_suffix(".nir")
    assert "no such certificate" in refused(capsys, "--verify", tmp_path / "none.certificate")
    assert "is a certificate; --verify" in refused(capsys, certificate)
    assert "from the certificate" in refused(capsys, "--verify", certificate, "--recordings", 3)
    assert "gives floats" in refused(capsys, model, "--on", "float")
    with pytest.raises(DeployError, match="version 2, this is version 1"):
        forged(certificate, "ckd_certificate", to=2)
    certificate.write_text("my notes")
    assert "is no .certificate file" in refused(capsys, model)
    assert certificate.read_text() == "my notes"
    model.with_suffix(".trace").unlink()
    certificate.unlink()
    assert "no such file; a certificate needs" in refused(capsys, model)
    assert not list(tmp_path.glob("*.certificate"))


def test_a_run_that_differs_gets_none(certified: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate = copied(certified, tmp_path)
    certificate.unlink()
    trace = load_trace(certificate.with_suffix(".trace"))
    spikes = trace.layers["lif2"].output.copy()
    spikes[0, 0, 0, 0, 0] ^= True
    wrong = replace(trace, layers={**trace.layers, "lif2": trace.layers["lif2"].replace(spikes=spikes)})
    wrong.take(range(9)).save(certificate.with_suffix(".trace"))
    assert main(["certify", str(certificate.with_suffix(".nir"))]) == 1
    assert "no certificate is written" in capsys.readouterr().out and not certificate.exists()


def test_some_recordings_are_certified_as_some(certified: Path, tmp_path: Path) -> None:
    certificate = copied(certified, tmp_path)
    said = certify(certificate.with_suffix(".nir"), recordings=4)
    write_certificate(said, certificate)
    assert (said["compared"]["recordings"], said["compared"]["of"]) == (4, 9)
    assert verify_certificate(certificate) == ()


def test_floats_say_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "floats.nir"
    write_nir(to_float(small_network()), path)
    run(small_network(), small_frames()).save(path.with_suffix(".trace"))
    with pytest.raises(UnsupportedError, match="holds floats, whose last bits"):
        certify(path)


def test_operations_are_counted_one_by_one() -> None:
    """Each input that is not 0, at each weight that is not 0, by the tests' own correlation."""
    network, frames = small_network(), small_frames() * np.uint8(1)
    frames[3, 2, 0, :3] *= 2
    frames[3, 2, 0, 0, 0] = 2
    trace = run(network, frames)
    found = metrics(network, trace)
    inputs = {"conv1": frames, "conv2": trace.output("lif1"), "classifier": trace.output("lif2").reshape(9, 7, -1)}
    accumulates = multiplies = dense = zero = 0
    for name, x in inputs.items():
        node = network.nodes[name]
        assert isinstance(node, Conv | Dense)
        binary = replace(node, weight=(node.weight != 0).astype(np.int64))
        ones = replace(node, weight=np.ones_like(node.weight, np.int64))
        zero += int((node.weight == 0).sum())
        for r in range(9):
            for t in range(7):
                one = x[r, t][None].astype(np.int64)
                count = int(apply(binary, (one != 0).astype(np.int64)).sum())
                dense += int(apply(ones, np.ones_like(one)).sum())
                if one.max() > 1:
                    multiplies += count
                else:
                    accumulates += count
    assert (found.accumulates, found.multiplies, found.dense) == (accumulates, multiplies, dense)
    assert multiplies > 0 and found.zero_weights == zero > 0
    spikes = sum(int(layer.output.sum()) for layer in trace.spiking.values())
    assert found.activation_sparsity == (9 * 7 * 550 - spikes) / (9 * 7 * 550)
