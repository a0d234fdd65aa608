"""A recording longer than memory, run block by block as docs/simulators.md says."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ckd.events import EVENT_DTYPE, read_recording, to_frames
from deploy.formats.nir import write_nir
from deploy.network import Array, Network
from deploy.runners import integer

DOCUMENT = Path(__file__).parents[3] / "docs" / "simulators.md"
STEPS = 350
"""Of 1 ms each: three whole blocks and a part of one."""


def documented() -> str:
    """The code of the section on recordings longer than memory."""
    _, _, rest = DOCUMENT.read_text().partition("## Recordings longer than memory\n")
    (code,) = re.findall(r"^```python\n(.*?)^```$", rest.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    return code


def test_the_documented_use_gives_the_spikes_of_a_run_of_the_whole_recording(
    small_network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    events = np.zeros(10_000, EVENT_DTYPE)
    events["x"], events["y"] = rng.integers(0, 10, (2, len(events)))
    events["t"], events["p"] = np.sort(rng.integers(0, 1000 * STEPS, len(events))), rng.integers(0, 2, len(events))
    events["t"][[0, -1]] = 0, 1000 * STEPS - 1
    monkeypatch.chdir(tmp_path)
    np.save("long.npy", events)
    write_nir(small_network, Path("student.nir"))

    blocks: list[dict[str, Array]] = []
    exec(documented(), {"take": blocks.append})

    assert small_network.binning is not None
    binning = replace(small_network.binning, steps=STEPS)
    whole = integer.run(small_network, to_frames(read_recording(Path("long.npy")), binning)[None])
    assert [len(block["lif1"][0]) for block in blocks] == [100, 100, 100, 50]
    assert set(blocks[0]) == set(whole.spiking)
    for name in whole.spiking:
        spikes = whole.layers[name].output
        assert spikes[:, 100:].any()
        assert np.array_equal(np.concatenate([block[name] for block in blocks], axis=1), spikes), name
