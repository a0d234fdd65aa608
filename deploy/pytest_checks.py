"""What the fixtures of `ckd.pytest_plugin` do, imported when one is used."""

from pathlib import Path
from typing import Any

import pytest

from deploy.checking.divergence.explain import explain
from deploy.checking.divergence.story import story
from deploy.checking.witness.search import Given
from deploy.checking.witness.search import witness as search
from deploy.formats.files import load_network
from deploy.network import Network
from deploy.traces.common import in_common
from deploy.traces.compare import compare
from deploy.traces.trace import Trace, load_trace


def same_spikes(
    expected: Trace | Path | str,
    found: Trace | Path | str,
    *,
    model: Network | Path | str | None = None,
    tested: Network | Path | str | None = None,
    partial: bool = False,
) -> None:
    """Fail the test where two traces differ; its message says where, when and why.

    u and v of spiking layers are compared where both hold them; `partial`: so are layers, recordings and steps.
    """
    __tracebackhide__ = True
    one, other = _trace(expected), _trace(found)
    verdict = compare(one, other, partial=partial)
    if verdict:
        return
    if partial:
        one, other = in_common(one, other)
    told = story(explain(one, other, verdict=verdict, reference=_network(model), tested=_network(tested)))
    pytest.fail(f"{verdict.sentence}\n{told}", pytrace=False)


def no_witness(first: Given, second: Given | None = None, *, save: Path | str | None = None, **options: Any) -> None:
    """Fail the test where a witness is found; its message says what differs there. Options are `deploy.witness`'s."""
    __tracebackhide__ = True
    sought = search(first, second, **options)
    if sought.witness is None:
        return
    if save is not None:
        sought.witness.expected.save(save)
    kept = "" if save is None else f"\nits frames are in {save}"
    pytest.fail(f"{sought}{kept}", pytrace=False)


def _trace(given: Trace | Path | str) -> Trace:
    return load_trace(given) if isinstance(given, str | Path) else given


def _network(given: Network | Path | str | None) -> Network | None:
    return load_network(given) if isinstance(given, str | Path) else given
