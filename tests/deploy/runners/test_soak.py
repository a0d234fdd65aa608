"""The long stream of `benchmarks.soak`, short: its comparisons find no difference, and find one where there is one."""

from pathlib import Path

from benchmarks import soak
from deploy.formats.files import load_network
from deploy.traces.trace import load_trace


def test_a_stream_in_blocks_gives_the_spikes_of_a_batch_run(model: Path) -> None:
    result = soak.soak(model, 3)
    assert result["frames"] == 3 * soak.WINDOW and all(result["spikes"].values())
    assert result["windows_that_differ"] == [] == result["layers_that_differ_from_run"] and result["overflows_equal"]
    assert list(result["megabytes"]) == [10, 50, 100]


def test_one_event_more_is_another_digest(model: Path) -> None:
    network, recorded = load_network(model), load_trace(model.with_suffix(".trace")).frames
    assert recorded is not None
    whole = soak.stream(network, recorded, 1, whole=True)
    more = recorded.copy()
    more[..., 5, 5] |= 1
    assert soak.stream(network, more, 1, whole=True).digests != whole.digests
