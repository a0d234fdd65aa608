"""Every NIR node, read from a file and run on the float runner, against forward Euler in plain numpy."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from deploy.formats.nir.fields import KNOWN
from deploy.runners import floating
from tests.deploy.formats.nir_graphs import DT, chain, conv2d, ends, full, graph, reread, spikes
from tests.deploy.runners.nir_euler import Edge, Euler

RECORDINGS, STEPS = 2, 40
Case = tuple[nir.NIRGraph, set[Edge]]


def normal(*shape: int, mean: float = 0.0, spread: float = 1.0, seed: int = 0) -> Any:
    return np.random.default_rng((seed, *shape)).normal(mean, spread, shape).astype(np.float32)


def uniform(low: float, high: float, *shape: int, seed: int = 0) -> Any:
    return np.random.default_rng((seed, *shape)).uniform(low, high, shape).astype(np.float32)


def neuron(kind: str, *shape: int, **changes: Any) -> Any:
    """A node whose parameters all differ from neuron to neuron."""
    parameters: dict[str, Any] = {
        "tau": uniform(4 * DT, 40 * DT, *shape, seed=1),
        "tau_mem": uniform(4 * DT, 40 * DT, *shape, seed=1),
        "tau_syn": uniform(4 * DT, 9 * DT, *shape, seed=2),
        "r": uniform(5, 20, *shape, seed=3) * (500 if kind in ("IF", "I") else 1),
        "v_leak": uniform(-0.3, 0.3, *shape, seed=4),
        "v_threshold": uniform(0.2, 1, *shape, seed=5),
        "v_reset": uniform(-0.5, 0.1, *shape, seed=6),
        "w_in": uniform(2, 6, *shape, seed=7),
        "threshold": uniform(0.2, 1, *shape, seed=8),
    }
    cls = getattr(nir, kind)
    return cls(**{name: value for name, value in parameters.items() if name in cls.__dataclass_fields__} | changes)


def before_neurons(shape: tuple[int, ...], node: nir.NIRNode, after: tuple[int, ...]) -> Case:
    """A node without a state, and LIF neurons that see what it makes of the input."""
    return chain(shape, {"node": node, "lif": neuron("LIF", *after)}, after), set()


def conv(shape: tuple[int, ...], weight: Any, after: tuple[int, ...], **options: Any) -> Case:
    options.setdefault("bias", normal(len(weight), spread=0.1))
    return before_neurons(shape, conv2d(weight, (shape[1], shape[2]), **options), after)


def conv1d(shape: tuple[int, ...], weight: Any, after: tuple[int, ...], **options: Any) -> Case:
    chosen: dict[str, Any] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | options
    node = nir.Conv1d(input_shape=shape[1], weight=weight, bias=normal(len(weight), spread=0.1), **chosen)
    return before_neurons(shape, node, after)


def pool(cls: Any, kernel: Any, stride: Any, padding: Any, after: tuple[int, ...]) -> Case:
    node = cls(kernel_size=np.array(kernel), stride=np.array(stride), padding=np.array(padding))
    return before_neurons((2, 7, 9), node, after)


def flatten(start: int, end: int) -> Case:
    nodes = {
        "flatten": nir.Flatten({"input": np.array([2, 3, 4])}, start, end),
        "affine": nir.Affine(normal(5, 24), normal(5)),
        "lif": neuron("LIF", 5),
    }
    return chain((2, 3, 4), nodes, (5,)), set()


def alone(kind: str, **changes: Any) -> Case:
    return chain((6,), {"fc": nir.Linear(normal(8, 6)), "neuron": neuron(kind, 8, **changes)}, (8,)), set()


def inside(kind: str) -> Case:
    """What a neuron that never spikes sends on is its potential."""
    nodes = {"analog": neuron(kind, 6), "fc": nir.Linear(normal(8, 6)), "lif": neuron("LIF", 8)}
    return chain((6,), nodes, (8,)), set()


def delay(steps: int) -> Case:
    nodes = {"first": neuron("LIF", 6), "wait": nir.Delay(full((6,), steps * DT)), "last": neuron("CubaLIF", 6)}
    return chain((6,), nodes, (6,)), set()


def branches() -> Case:
    """Two ways of different length that meet, and one synapse that feeds two layers."""
    nodes = {
        **ends((6,), (8,)),
        "a": nir.Affine(normal(8, 6), normal(8, spread=0.1)),
        "b": nir.Linear(normal(8, 6, seed=1)),
        "lif1": neuron("LIF", 8),
        "lif2": neuron("IF", 8),
        "c": nir.Linear(normal(8, 8)),
        "sum": neuron("LIF", 8),
    }
    edges = [("input", "a"), ("input", "b"), ("a", "lif1"), ("b", "lif1"), ("b", "lif2"), ("lif1", "c")]
    edges += [("c", "sum"), ("lif2", "sum"), ("sum", "output")]
    return graph(nodes, edges), set()


def recurrent(wait: int = 0) -> Case:
    nodes = {
        **ends((6,), (8,)),
        "fc": nir.Linear(normal(8, 6)),
        "cell": neuron("CubaLIF", 8),
        "back": nir.Affine(normal(8, 8, spread=0.5), normal(8, spread=0.1)),
    }
    edges = [("input", "fc"), ("fc", "cell"), ("cell", "output")]
    if not wait:
        return graph(nodes, [*edges, ("cell", "back"), ("back", "cell")]), {("back", "cell")}
    nodes["wait"] = nir.Delay(full((8,), wait * DT))
    return graph(nodes, [*edges, ("cell", "wait"), ("wait", "back"), ("back", "cell")]), {("back", "cell")}


def nested() -> Case:
    """Subgraphs two deep; the inner one feeds back on itself."""
    cell = graph(
        {**ends((8,), (8,)), "lif": neuron("LIF", 8), "back": nir.Linear(normal(8, 8, spread=0.5))},
        [("input", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "output")],
    )
    block = graph(
        {**ends((6,), (8,)), "fc": nir.Linear(normal(8, 6)), "cell": cell},
        [("input", "fc"), ("fc", "cell"), ("cell", "output")],
    )
    nodes = {**ends((6,), (4,)), "block": block, "fc": nir.Linear(normal(4, 8)), "li": neuron("LI", 4)}
    late = {("block.cell.back", "block.cell.lif")}
    return graph(nodes, list(pairwise(["input", "block", "fc", "li", "output"]))), late


CASES: dict[str, Callable[[], Case]] = {
    "Input, Output": lambda: (chain((6,), {"lif": neuron("LIF", 6)}, (6,)), set()),
    "Affine": lambda: before_neurons((6,), nir.Affine(normal(8, 6), normal(8, spread=0.1)), (8,)),
    "Linear": lambda: before_neurons((6,), nir.Linear(normal(8, 6)), (8,)),
    "Scale": lambda: before_neurons((6,), nir.Scale(normal(6, mean=1)), (6,)),
    "Scale of an image": lambda: before_neurons((2, 3, 4), nir.Scale(normal(2, 3, 4, mean=1)), (2, 3, 4)),
    "Conv1d": lambda: conv1d((2, 12), normal(4, 2, 3), (4, 10)),
    "Conv1d stride, padding, dilation, groups": lambda: conv1d(
        (4, 13), normal(6, 2, 3), (6, 7), stride=2, padding=2, dilation=2, groups=2
    ),
    "Conv1d same": lambda: conv1d((2, 12), normal(4, 2, 4), (4, 12), padding="same"),
    "Conv1d valid": lambda: conv1d((2, 12), normal(4, 2, 4), (4, 9), padding="valid"),
    "Conv2d": lambda: conv((2, 6, 6), normal(3, 2, 3, 3), (3, 4, 4)),
    "Conv2d not square": lambda: conv((2, 10, 9), normal(3, 2, 3, 5), (3, 8, 5)),
    "Conv2d stride": lambda: conv((2, 10, 9), normal(3, 2, 3, 3), (3, 4, 7), stride=(2, 1)),
    "Conv2d padding": lambda: conv((2, 5, 6), normal(3, 2, 3, 3), (3, 5, 8), padding=(1, 2)),
    "Conv2d dilation": lambda: conv((2, 9, 9), normal(3, 2, 3, 3), (3, 5, 3), dilation=(2, 3)),
    "Conv2d groups": lambda: conv((4, 6, 6), normal(6, 2, 3, 3), (6, 4, 4), groups=2),
    "Conv2d depthwise": lambda: conv((4, 6, 6), normal(4, 1, 3, 3), (4, 4, 4), groups=4),
    "Conv2d all at once": lambda: conv(
        (4, 11, 9), normal(6, 2, 2, 3), (6, 6, 3), stride=(2, 3), padding=(1, 2), dilation=(2, 2), groups=2
    ),
    "Conv2d same": lambda: conv((2, 7, 9), normal(3, 2, 3, 5), (3, 7, 9), padding="same"),
    "Conv2d same, even, dilated": lambda: conv(
        (2, 7, 9), normal(3, 2, 2, 4), (3, 7, 9), padding="same", dilation=(1, 3)
    ),
    "Conv2d valid": lambda: conv((2, 7, 9), normal(3, 2, 3, 5), (3, 5, 5), padding="valid"),
    "SumPool2d": lambda: pool(nir.SumPool2d, (2, 2), (2, 2), (0, 0), (2, 3, 4)),
    "SumPool2d overlapping, padded": lambda: pool(nir.SumPool2d, (3, 2), (2, 1), (1, 1), (2, 4, 10)),
    "AvgPool2d": lambda: pool(nir.AvgPool2d, (2, 2), (2, 2), (0, 0), (2, 3, 4)),
    "AvgPool2d overlapping, padded": lambda: pool(nir.AvgPool2d, (3, 2), (2, 1), (1, 1), (2, 4, 10)),
    "Flatten from 0 to -1": lambda: flatten(0, -1),
    "Flatten from 0 to 2": lambda: flatten(0, 2),
    "Flatten from 1, a batch axis in mind": lambda: flatten(1, -1),
    **{kind: lambda kind=kind: alone(kind) for kind in ("IF", "LIF", "CubaLIF", "I", "LI", "CubaLI", "Threshold")},
    "LIF with one value for all": lambda: alone(
        "LIF",
        **{
            p: full((1,), x)
            for p, x in {"tau": 9e-4, "r": 9, "v_leak": 0.1, "v_threshold": 0.7, "v_reset": -0.2}.items()
        },
    ),
    **{f"{kind} inside": lambda kind=kind: inside(kind) for kind in ("I", "LI", "CubaLI")},
    "Delay of 0": lambda: delay(0),
    "Delay of 1": lambda: delay(1),
    "Delay of 3": lambda: delay(3),
    "branches and joins": branches,
    "recurrent": recurrent,
    "recurrent with a Delay": lambda: recurrent(wait=2),
    "nested graphs": nested,
}


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("dt", [DT, 2.5 * DT])
@pytest.mark.parametrize("case", CASES)
def test_the_float_runner_is_forward_euler_of_the_file(tmp_path: Path, case: str, dt: float) -> None:
    """Every spike equal; currents and potentials to float32 rounding, which adds up over the steps."""
    if "Delay" in case and dt != DT:
        dt = DT / 2  # a delay must be a whole number of steps
    written, late = CASES[case]()
    network = reread(written, tmp_path, dt=dt)
    shape = tuple(int(n) for n in written.nodes["input"].input_type["input"])  # pyright: ignore
    frames = spikes(np.random.default_rng(9), RECORDINGS, STEPS, *shape, rate=0.4)
    trace = floating.run(network, frames.reshape(RECORDINGS, STEPS, *network.input_shape), states=RECORDINGS)
    fired = 0
    for r, recording in enumerate(frames):
        wanted = Euler(written, dt, late)
        for frame in recording.astype(float):
            wanted.step(frame)
        assert set(network.neurons) == set(wanted.rows("v"))
        for kind in ("u", "v"):
            for name, rows in wanted.rows(kind).items():
                scale = max(1.0, float(np.abs(rows).max()))
                got = trace.layers[name][kind][r].reshape(rows.shape)
                np.testing.assert_allclose(got, rows, rtol=0, atol=2e-5 * scale, err_msg=f"{kind} of {name}")
        for name, rows in wanted.rows("spikes").items():
            assert np.array_equal(trace.layers[name].output[r].reshape(rows.shape), rows), name
            assert rows.any() and not rows.all(), f"{name} proves nothing"
            fired += int(rows.sum())
    assert fired > 20 or not trace.spiking


def test_every_node_of_nir_has_a_case() -> None:
    found: set[str] = set()

    def collect(graph: nir.NIRGraph) -> None:
        for node in graph.nodes.values():
            found.add(type(node).__name__)
            if isinstance(node, nir.NIRGraph):
                collect(node)

    for make in CASES.values():
        collect(make()[0])
    assert found == KNOWN | {"NIRGraph"}
