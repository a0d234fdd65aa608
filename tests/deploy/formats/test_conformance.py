"""The board of conformance: its verdicts are right, and its page says what the tools give."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.conformance.__main__ import TOOLS, page
from benchmarks.conformance.board import Column, column, compared
from deploy.network import Dense, FloatNeuron, Input, Network, Output
from deploy.runners import floating
from tests.builders import chain, events

PAGE = Path(__file__).parents[3] / "docs" / "conformance.md"
ONE, ZERO = np.ones((), np.float32), np.zeros((), np.float32)


def network(**changes: object) -> Network:
    values = {"keep": ONE * np.float32(0.5), "gain": ONE, "bias": ZERO, "threshold": ONE} | changes
    weight = np.random.default_rng(0).uniform(-0.3, 0.8, (4, 6)).astype(np.float32)
    lif = FloatNeuron(shape=(4,), **values)  # pyright: ignore
    return chain(in_=Input(shape=(6,)), fc=Dense(weight=weight), lif=lif, output=Output())


def spikes_of(given: Network) -> tuple[np.ndarray, np.ndarray]:
    frames = events(np.random.default_rng(1), 1, 60, (6,), rate=0.5)
    return frames[0], floating.run(given, frames).layers["lif"].output[0].astype(np.float64)


def test_equal_spikes_are_equal() -> None:
    frames, wanted = spikes_of(network())
    assert compared(wanted, network(), frames, "") == f"equal, {int(wanted.sum())} spikes" and wanted.sum() > 10


def test_one_spike_that_differs_is_the_first_difference() -> None:
    frames, wanted = spikes_of(network())
    wanted[7, 2] = 1 - wanted[7, 2]
    said = compared(wanted, network(), frames, "why it is")
    assert said.startswith("differs first at step 7, neuron 2 (theirs") and said.endswith("0.4% of spikes: why it is")


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"reset_mechanism": "subtract", "reset": ONE}, "equal with a soft reset (--reset subtract)"),
        ({"reset_mechanism": "none"}, "equal with no reset (--reset none)"),
        ({"keep": ONE * np.exp(np.float32(-0.5))}, "equal with states that keep exp(-dt / tau)"),
    ],
)
def test_the_cause_of_a_difference_is_found(changes: dict[str, object], cause: str) -> None:
    frames, wanted = spikes_of(network(**changes))
    assert compared(wanted, network(), frames, "").endswith(cause)


def test_silence_on_both_sides_is_no_agreement() -> None:
    silent = network(threshold=ONE * 1e6)
    frames, wanted = spikes_of(silent)
    assert compared(wanted, silent, frames, "") == "nothing spikes, which says nothing"


def test_the_page_has_every_tool_with_its_versions_and_says_what_wrote_it() -> None:
    text = PAGE.read_text()
    assert "python -m benchmarks.conformance" in text.partition("|")[0]
    for tool in TOOLS:
        assert re.search(rf"\b{tool} \d+\.\d+", text), tool
    assert "not installed" not in text and text.count(": equal") == 0
    head = page({tool: [] for tool in TOOLS}).partition("\n| tool")[0]
    assert text.startswith(head), "docs/conformance.md has another head; run the command that it names"


def said(cell: str) -> str:
    """A pattern of the cell but for shares: norse gives other spikes each time where it does not know a node."""
    return re.sub(r"\d+\\\.\d%", r"\\d+\.\\d%", re.escape(cell.replace("|", "/")))


@pytest.mark.long
@pytest.mark.parametrize("tool", TOOLS)
def test_what_the_page_says_of_the_tools_that_are_here_is_so(tool: str) -> None:
    """Every cell of a tool whose versions are those of the page."""
    found = column(tool, TOOLS[tool], sys.executable)
    if isinstance(found, str):
        pytest.skip(f"not on the board of conformance: {tool} is not installed here")
    text = PAGE.read_text()
    if ", ".join(f"{name} {version}" for name, version in found.versions.items()) not in text:
        pytest.skip(f"not on the board of conformance: this version of {tool}")
    assert isinstance(found, Column)
    for cells in (found.writes, found.reads):
        for name, cell in cells.items():
            assert re.search(rf"\| {re.escape(name)} \|.*{said(cell)} \|", text), (name, cell)
