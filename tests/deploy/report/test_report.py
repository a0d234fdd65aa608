"""The page about a check: complete, self-contained, small, without an error in a browser."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deploy.checking.check import Checked, check
from deploy.cli import main
from deploy.formats.nir import write_nir
from deploy.grid.chips import LOIHI1
from deploy.mapping.layout import map_network
from deploy.network import Conv, Network
from deploy.report.content import content
from deploy.report.page import write_report
from deploy.runners.table import run
from tests.equivalence.networks import convolutional, frames_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def write_pair(folder: Path, recordings: int = 8, size: int = 8) -> tuple[Path, Path]:
    """A model with its trace, and the same with one weight changed."""
    rng = np.random.default_rng(0)
    network = convolutional(rng, size=size)
    good, bad = folder / "good.nir", folder / "bad.nir"
    write_nir(network, good)
    frames = frames_for(rng, network, recordings)
    labels = rng.integers(0, 5, recordings)
    replace(run(network, frames, states=2, digests=True), labels=labels).save(good.with_suffix(".trace"))
    write_nir(damaged(network), bad)
    return good, bad


def damaged(network: Network) -> Network:
    conv = network.nodes["conv2"]
    assert isinstance(conv, Conv)
    weight = conv.weight.copy()
    weight[1, 2, 0, 1] += 40
    return network.replace(nodes={**network.nodes, "conv2": replace(conv, weight=weight)})


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_pair(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def checked(pair: tuple[Path, Path]) -> Checked:
    return check(*pair)


@pytest.fixture(scope="module")
def page(pair: tuple[Path, Path]) -> Path:
    good, bad = pair
    assert main(["report", str(good), str(bad)]) == 1
    return bad.with_suffix(".html")


def test_the_page_says_what_differs_where_and_why(page: Path, checked: Checked) -> None:
    text = page.read_text()
    first = checked.verdict.first
    assert first is not None
    assert "Different" in text and f"<code>{first.layer}</code>, step <b>{first.step}</b>" in text
    assert "1 of 216 weights differ" in text and "Proof: this alone turns" in text
    for heading in ("Why", "Where it first differs", "Layers", "Spikes", "Predictions", "On the chip", "The two runs"):
        assert f"<h2>{heading}" in text


def test_an_equal_run_says_so(pair: tuple[Path, Path]) -> None:
    good, _ = pair
    assert main(["report", str(good), "--out", str(good.with_name("equal.html"))]) == 0
    text = good.with_name("equal.html").read_text()
    assert 'class="word">Equal' in text and "<h2>Why" not in text


def test_the_page_needs_nothing_but_itself(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', text)
    assert all(link.startswith("data:") for link in links), links
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|https?://", text)


def test_layer_names_cannot_break_the_page(checked: Checked, tmp_path: Path) -> None:
    wicked = "</script><script>alert(1)</script>"
    names = {"lif1": wicked}
    renamed = {names.get(name, name): layer for name, layer in checked.expected.layers.items()}
    trace = replace(checked.expected, layers=renamed)
    layers = tuple(replace(layer, layer=names.get(layer.layer, layer.layer)) for layer in checked.verdict.layers)
    verdict = replace(checked.verdict, layers=layers)
    wicked_check = replace(checked, expected=trace, found=trace, verdict=verdict, explanation=None)
    write_report(wicked_check, tmp_path / "page.html")
    assert "<script>alert" not in (tmp_path / "page.html").read_text()


def test_confusions_rates_and_fit_are_those_of_the_run(checked: Checked) -> None:
    assert checked.tested is not None
    mapping = map_network(checked.tested, LOIHI1, checked.found)
    values = content(checked, mapping, "bad.nir")
    labels = checked.expected.labels
    assert labels is not None
    for table, trace in zip(values["confusion"]["tables"], (checked.expected, checked.found), strict=True):
        rows = np.array(table["rows"])
        assert rows.sum() == len(labels) and np.trace(rows) == (trace.predictions == labels).sum()
    assert [row["cores"] for row in values["mapping"]["rows"]] == list(mapping.cores_by_layer.values())
    assert sum(part["share"] for part in values["mapping"]["parts"]) == pytest.approx(1)


def test_rasters_hold_the_very_spikes(checked: Checked) -> None:
    import base64
    import zlib

    drawn = content(checked, None, "x")["rasters"]
    assert drawn["recordings"] and all(layer["neurons"] for layer in drawn["layers"])
    assert [layer["name"] for layer in drawn["layers"]] == list(checked.expected.spiking)
    for entry in drawn["recordings"]:
        for i, layer in enumerate(drawn["layers"]):
            for side, trace in enumerate((checked.expected, checked.found)):
                raw = np.frombuffer(zlib.decompress(base64.b64decode(entry["bits"][2 * i + side])), np.uint8)
                count = len(layer["neurons"])
                bits = np.unpackbits(raw.reshape(drawn["steps"], -1), axis=1, count=count).astype(bool)
                spikes = trace.layers[layer["name"]].output[entry["recording"]]
                for n, name in enumerate(layer["neurons"]):
                    assert np.array_equal(bits[:, n], spikes[(slice(None), *map(int, name.split("/")))])


def test_a_hundred_recordings_stay_below_5_mb(tmp_path: Path) -> None:
    good, bad = write_pair(tmp_path, recordings=100, size=34)
    main(["report", str(good), str(bad)])
    assert bad.with_suffix(".html").stat().st_size < 5_000_000


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_browser_shows_it_without_an_error_or_a_request(page: Path, tmp_path: Path, theme: str) -> None:
    shot, log = tmp_path / "page.png", tmp_path / "net.json"
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=3000",
        "--window-size=1100,2600",
        f"--log-net-log={log}",
        f"--screenshot={shot}",
        f"{page.as_uri()}?theme={theme}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert shot.is_file(), done.stderr[-2000:]
    assert "CONSOLE" not in done.stderr, done.stderr
    # The browser asks its makers for updates by itself; the page may ask nobody, so no request names it as its origin.
    events = json.loads(log.read_text())["events"]
    asked = [str(event["params"]) for event in events if "initiator" in event.get("params", {})]
    assert not [request for request in asked if "file://" in request and "http" in request], asked
