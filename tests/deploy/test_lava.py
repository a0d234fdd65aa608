"""Lava against a plain layer-synchronous reference: the same spikes, u and v, after the shift of each layer.

The reference below is slow and obvious on purpose, and shares no code with any runner.
"""

import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.errors import GridError, RunnerError, UnsupportedError
from deploy.network import (
    Conv,
    Delay,
    Dense,
    Flatten,
    GridNeuron,
    Input,
    Network,
    Neuron,
    Node,
    Output,
    Scale,
    SumPool,
)
from deploy.runners import lava
from deploy.runners.python310 import find_python310, find_uv
from deploy.runners.worker import run_worker
from deploy.trace import Trace

Array = NDArray[Any]
State = dict[str, Array]


def _why_not() -> str | None:
    try:
        find_uv()
        find_python310()
    except RunnerError as error:
        return str(error)
    return None


MISSING = _why_not()


def needs_lava(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that starts Lava; it is skipped, saying why, where Lava cannot run."""
    return pytest.mark.lava(pytest.mark.skipif(MISSING is not None, reason=f"Lava cannot run here: {MISSING}")(test))


# The reference.


def correlate(x: Array, node: Conv) -> Array:
    """Cross-correlation of (C, H, W), one output at a time."""
    out, per_group, kh, kw = node.weight.shape
    (sh, sw), (ph, pw), (dh, dw) = node.stride, node.padding, node.dilation
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw)))
    height = (x.shape[1] - dh * (kh - 1) - 1) // sh + 1
    width = (x.shape[2] - dw * (kw - 1) - 1) // sw + 1
    y = np.zeros((out, height, width), np.result_type(x, node.weight))
    for o in range(out):
        first = o // (out // node.groups) * per_group
        for i in range(height):
            for j in range(width):
                rows = slice(i * sh, i * sh + dh * (kh - 1) + 1, dh)
                columns = slice(j * sw, j * sw + dw * (kw - 1) + 1, dw)
                y[o, i, j] = (x[first : first + per_group, rows, columns] * node.weight[o]).sum()
    return y


def shifted(a: Array, exponent: int) -> Array:
    return a << exponent if exponent >= 0 else a >> -exponent


def grid_step(node: GridNeuron, state: State, a: Array) -> Array:
    """One step of spec'd integers; u is kept after a spike."""
    tz = lambda x: np.sign(x) * (np.abs(x) >> 12)  # noqa: E731
    u = tz(state["u"] * (4096 - (node.du + 1))) + (a << 6)
    assert np.abs(u).max() < 1 << 23, "the test network wraps; choose smaller weights"
    v = np.clip(tz(state["v"] * (4096 - node.dv)) + u + node.bias, 1 - (1 << 23), (1 << 23) - 1)
    spike = np.zeros(node.shape, bool) if node.vth is None else v > (node.vth << 6)
    state["u"], state["v"] = u, np.where(spike, 0, v)
    return spike


def float_step(node: Neuron, state: State, x: Array) -> Array:
    current_gain = 1.0 if node.current_gain is None else node.current_gain
    u = x if node.current_keep is None else node.current_keep * state["u"] + current_gain * x
    v = node.keep * state["v"] + node.gain * u + node.bias
    spike = np.zeros(node.shape, bool) if node.threshold is None else v > node.threshold
    state["u"], state["v"] = u, np.where(spike, node.reset, v)
    return spike


def apply(node: Node, x: Array, step: int, past: list[Array]) -> Array:
    match node:
        case Dense():
            y = shifted(node.weight @ x, node.weight_exp) if node.weight_exp else node.weight @ x
            return y if node.bias is None else y + node.bias
        case Conv():
            y = shifted(correlate(x, node), node.weight_exp) if node.weight_exp else correlate(x, node)
            return y if node.bias is None else y + node.bias[:, None, None]
        case Flatten():
            return x.ravel()
        case Scale():
            return x * node.factor
        case Delay():
            past.append(x)
            return past[step - node.steps] if step >= node.steps else np.zeros_like(x)
        case _:
            return x


def reference(network: Network, frames: Array, dtype: type = np.int64) -> dict[str, State]:
    """Spikes, u and v (R, T, ...) of every neuron, layer-synchronous."""
    kept: dict[str, dict[str, list[Array]]] = {n: {"spikes": [], "u": [], "v": []} for n in network.neurons}
    for recording in frames:
        states = {n: {k: np.zeros(c.shape, dtype) for k in "uv"} for n, c in network.neurons.items()}
        past: dict[str, list[Array]] = {name: [] for name in network.nodes}
        before = {name: np.zeros(shape, dtype) for name, shape in network.shapes.items()}
        for step, frame in enumerate(recording):
            now: dict[str, Array] = {}
            for name in network.order:
                node = network.nodes[name]
                late = {source: (source, name) in network.recurrent_edges for source in network.sources(name)}
                x = sum((before if late[s] else now)[s] for s in network.sources(name)) + np.zeros((), dtype)
                if isinstance(node, Input):
                    now[name] = frame.astype(dtype)
                elif isinstance(node, GridNeuron | Neuron):
                    advance = grid_step if isinstance(node, GridNeuron) else float_step
                    now[name] = advance(node, states[name], x).astype(dtype)  # pyright: ignore
                    for kind, value in (("spikes", now[name] > 0), *states[name].items()):
                        kept[name][kind].append(value)
                else:
                    now[name] = apply(node, x, step, past[name])
            before = now
    shape = frames.shape[:2]
    return {
        name: {kind: np.stack(values).reshape(*shape, *values[0].shape) for kind, values in kinds.items()}
        for name, kinds in kept.items()
    }


def assert_same(network: Network, frames: Array, trace: Trace, *, spiking: float = 0.01) -> None:
    """Every spike, and u and v where kept, equal; every spiking layer spikes in more than `spiking` of its steps."""
    expected = reference(network, frames)
    assert trace.steps == frames.shape[1]
    for name, node in network.neurons.items():
        assert isinstance(node, GridNeuron)
        if node.vth is not None:
            spikes = trace.aligned("spikes", name)
            assert spiking < spikes.mean() < 0.9, f"{name}: {spikes.mean():.4f} of its steps spike; that proves little"
            np.testing.assert_array_equal(spikes, expected[name]["spikes"], err_msg=f"{name}: spikes")
        for kind, kept in (("u", trace.u), ("v", trace.v)):
            if name in kept:
                states = trace.aligned(kind, name)
                assert states.dtype == np.int32
                np.testing.assert_array_equal(states, expected[name][kind][: len(states)], err_msg=f"{name}: {kind}")


# Networks.


def even(rng: np.random.Generator, *shape: int, largest: int = 120) -> Array:
    """Weights of mixed sign on the grid, a little more excitation than inhibition."""
    return rng.integers(-largest // 3, largest // 2, shape) * 2


def cells(
    *shape: int, vth: Array | int | None = 100, du: Array | int = 4095, dv: Array | int = 400, bias: Array | int = 0
) -> GridNeuron:
    values = {"du": du, "dv": dv, "bias": bias, "vth": vth}
    arrays = {name: None if value is None else np.asarray(value) for name, value in values.items()}
    return GridNeuron(shape=shape, **arrays)  # pyright: ignore


def chain(**nodes: Node) -> Network:
    names = [name.replace("in_", "input") for name in nodes]
    return Network(nodes=dict(zip(names, nodes.values(), strict=True)), edges=tuple(pairwise(names)))


def events(rng: np.random.Generator, recordings: int, steps: int, shape: tuple[int, ...], rate: float = 0.15) -> Array:
    return (rng.random((recordings, steps, *shape)) < rate).astype(np.uint8)


def conv_conv_dense(rng: np.random.Generator) -> Network:
    """Biases everywhere, all of Conv's geometry, one layer without decay and one with a decaying current."""
    return chain(
        input=Input(shape=(2, 9, 11)),
        conv1=Conv(weight=even(rng, 4, 2, 3, 2), stride=(2, 1), padding=(1, 0)),
        lif1=cells(4, 5, 10, bias=rng.integers(-300, 900, (4, 1, 1)), dv=0),
        conv2=Conv(weight=even(rng, 6, 2, 2, 3), groups=2, dilation=(1, 2), padding=(0, 1)),
        lif2=cells(6, 4, 8, vth=180, du=2047, bias=rng.integers(-300, 500, (6, 4, 8))),
        flatten=Flatten(),
        fc=Dense(weight=even(rng, 5, 192, largest=40)),
        lif3=cells(5, vth=700, bias=rng.integers(-40, 60, 5) * 128),
        output=Output(),
    )


@needs_lava
def test_a_biased_network_of_convolutions_and_a_dense_layer_is_the_same_spike_by_spike() -> None:
    rng = np.random.default_rng(0)
    network = conv_conv_dense(rng)
    frames = events(rng, 3, 20, network.input_shape)
    trace = lava.run(network, frames, keep_states=2)
    assert_same(network, frames, trace)
    counts = trace.aligned("spikes", "lif3").sum(axis=1)
    np.testing.assert_array_equal(trace.predictions, counts.argmax(axis=1))


def residual(rng: np.random.Generator) -> Network:
    """Two shorter branches meet the main one: a convolution that skips one layer, an identity that skips two."""
    nodes: dict[str, Node] = {
        "input": Input(shape=(2, 6, 7)),
        "conv1": Conv(weight=even(rng, 3, 2, 3, 3), padding=(1, 1)),
        "lif1": cells(3, 6, 7, bias=rng.integers(0, 500, (3, 1, 1))),
        "conv2": Conv(weight=even(rng, 3, 3, 3, 3), padding=(1, 1), weight_exp=1),
        "lif2": cells(3, 6, 7, vth=500, bias=rng.integers(0, 900, (3, 1, 1))),
        "conv3": Conv(weight=even(rng, 3, 3, 3, 3), padding=(1, 1)),
        "lif3": cells(3, 6, 7, vth=300, bias=rng.integers(0, 900, (3, 1, 1))),
        "skip": Conv(weight=even(rng, 3, 3, 1, 1)),
        "lif4": cells(3, 6, 7, vth=50, bias=rng.integers(0, 900, (3, 1, 1))),
        "flatten": Flatten(),
        "fc": Dense(weight=even(rng, 4, 126, largest=30)),
        "readout": cells(4, vth=None, dv=100),
        "output": Output(),
    }
    main = ["input", "conv1", "lif1", "conv2", "lif2", "conv3", "lif3", "skip", "lif4", "flatten", "fc", "readout"]
    edges = [*pairwise(main), ("readout", "output"), ("lif2", "skip"), ("lif1", "lif4")]
    return Network(nodes=nodes, edges=tuple(edges))


@needs_lava
def test_residual_branches_meet_in_step_and_counts_above_one_are_counted() -> None:
    rng = np.random.default_rng(1)
    network = residual(rng)
    frames = events(rng, 2, 15, network.input_shape) * rng.integers(1, 4, (2, 15, 2, 6, 7), dtype=np.uint8)
    assert frames.max() == 3
    trace = lava.run(network, frames, keep_states=1)
    assert_same(network, frames, trace)
    assert "readout" not in trace.spikes
    potential = reference(network, frames)["readout"]["v"]
    np.testing.assert_array_equal(trace.aligned("v", "readout"), potential)
    np.testing.assert_array_equal(trace.predictions, potential[:, -1].argmax(axis=1))


def recurrent(rng: np.random.Generator) -> Network:
    """A layer that feeds itself, feedback from the layer after it, delays; biases that spike without any input."""
    nodes: dict[str, Node] = {
        "input": Input(shape=(30,)),
        "late_input": Delay(steps=2),
        "fc1": Dense(weight=even(rng, 12, 30)),
        "lif1": cells(12, vth=200, du=1200, bias=rng.integers(1000, 3000, 12)),
        "self": Dense(weight=even(rng, 12, 12, largest=60)),
        "late": Delay(steps=3),
        "fc2": Dense(weight=even(rng, 8, 12)),
        "lif2": cells(8, vth=150, bias=rng.integers(1000, 3000, 8)),
        "back": Dense(weight=even(rng, 12, 8)),
        "later": Delay(steps=1),
        "output": Output(),
    }
    edges = [("input", "late_input"), ("late_input", "fc1"), ("fc1", "lif1"), ("lif1", "self"), ("self", "lif1")]
    edges += [("lif1", "late"), ("late", "fc2"), ("lif1", "fc2"), ("fc2", "lif2"), ("lif2", "back")]
    edges += [("back", "later"), ("later", "lif1"), ("lif2", "output")]
    return Network(nodes=nodes, edges=tuple(edges))


@needs_lava
def test_recurrent_edges_and_delays_carry_nothing_from_one_recording_into_the_next() -> None:
    rng = np.random.default_rng(2)
    network = recurrent(rng)
    frames = events(rng, 3, 25, network.input_shape)
    frames[1] = 0  # Biases alone: what the first recording left behind would show.
    assert_same(network, frames, lava.run(network, frames, keep_states=3))


def per_neuron(rng: np.random.Generator) -> Network:
    """Every parameter its own for each neuron; what Lava's Conv cannot do; weights of one sign."""
    return chain(
        input=Input(shape=(2, 6, 6)),
        conv1=Conv(weight=even(rng, 4, 2, 3, 3), weight_exp=-2),
        lif1=cells(
            4, 4, 4, vth=rng.integers(10, 60, (4, 4, 4)), du=4095, dv=rng.integers(0, 4096, (4, 1, 1)), bias=640
        ),
        conv2=Conv(weight=rng.integers(-255, 256, (5, 4, 2, 2)) // 2 * 2),
        flatten=Flatten(),
        lif2=cells(45, vth=200, dv=rng.integers(0, 2000, 45), bias=rng.integers(0, 2000, 45)),
        fc1=Dense(weight=rng.integers(0, 40, (9, 45)), weight_exp=-1),
        lif3=cells(9, vth=500, du=rng.integers(2000, 4096, 9)),
        fc2=Dense(weight=rng.integers(-255, 1, (4, 9)), weight_exp=1),
        lif4=cells(4, vth=rng.integers(100, 300, 4), bias=rng.integers(60, 90, 4) << 7),
        output=Output(),
    )


@needs_lava
def test_each_neuron_may_have_its_own_threshold_decays_and_bias() -> None:
    rng = np.random.default_rng(3)
    network = per_neuron(rng)
    frames = events(rng, 2, 20, network.input_shape, rate=0.3)
    assert_same(network, frames, lava.run(network, frames, keep_states=2))


def floats(rng: np.random.Generator) -> Network:
    def weight(*shape: int) -> Array:
        return rng.normal(0.2, 0.7, shape).astype(np.float32)

    def neuron(*shape: int, **changes: Any) -> Neuron:
        values = {"keep": 0.9, "gain": 1.0, "bias": 0.0, "threshold": 1.0} | changes
        arrays = {name: None if value is None else np.asarray(value, np.float32) for name, value in values.items()}
        return Neuron(shape=shape, **arrays)  # pyright: ignore

    return chain(
        input=Input(shape=(2, 6, 6)),
        conv1=Conv(weight=weight(3, 2, 3, 3), bias=weight(3), stride=(2, 1)),
        lif1=neuron(3, 2, 4, gain=rng.uniform(0.5, 1, (3, 1, 1)), bias=rng.uniform(0, 0.2, (3, 2, 4))),
        scale=Scale(factor=np.asarray(0.5)),
        flatten=Flatten(),
        fc1=Dense(weight=weight(8, 24), bias=weight(8) / 4),
        lif2=neuron(8, keep=rng.uniform(0.3, 1, 8), current_keep=0.6, current_gain=0.4, threshold=rng.uniform(1, 2, 8)),
        fc2=Dense(weight=weight(4, 8)),
        readout=neuron(4, threshold=None),
        output=Output(),
    )


@needs_lava
def test_the_float_models_follow_the_float_network() -> None:
    rng = np.random.default_rng(4)
    network = floats(rng)
    frames = events(rng, 2, 20, network.input_shape)
    trace = lava.run(network, frames, keep_states=2, floating=True)
    expected = reference(network, frames, np.float64)
    for name in ("lif1", "lif2"):
        assert 0.02 < trace.spikes[name].mean() < 0.9
        np.testing.assert_array_equal(trace.aligned("spikes", name), expected[name]["spikes"], err_msg=name)
    for name in network.neurons:
        # Both compute in float64 from float32 parameters, in different orders.
        np.testing.assert_allclose(trace.aligned("v", name), expected[name]["v"], rtol=1e-9, atol=1e-9, err_msg=name)
    np.testing.assert_array_equal(trace.predictions, expected["readout"]["v"][:, -1].argmax(axis=1))


# What Lava cannot do is refused before it starts.


def small(**changes: Node) -> Network:
    nodes: dict[str, Node] = {
        "input": Input(shape=(3,)),
        "fc": Dense(weight=np.full((2, 3), 2)),
        "lif": cells(2),
        "output": Output(),
    }
    return chain(**(nodes | changes))


FRAMES = np.ones((1, 2, 3), np.uint8)


def test_weights_that_lava_would_change_are_refused() -> None:
    for weight in ([[1, -2, 3]] * 2, [[300, 2, 2]] * 2, [[-256, -1, -2]] * 2):
        with pytest.raises(GridError, match="fc: weights from"):
            lava.run(small(fc=Dense(weight=np.array(weight))), FRAMES)


def test_a_bias_without_mantissa_and_exponent_is_refused() -> None:
    with pytest.raises(GridError, match="lif: bias 4097"):
        lava.run(small(lif=cells(2, bias=np.array([4097, 0]))), FRAMES)


def test_pooling_is_refused_with_the_way_out() -> None:
    nodes = {
        "pool": SumPool(kernel=(2, 2), stride=(2, 2)),
        "flatten": Flatten(),
        "fc": Dense(weight=np.full((2, 4), 2)),
    }
    network = chain(input=Input(shape=(1, 4, 4)), **nodes, lif=cells(2), output=Output())
    with pytest.raises(UnsupportedError, match=r"pool \(SumPool\).*fold it"):
        lava.run(network, np.ones((1, 2, 1, 4, 4), np.uint8))


def test_feedback_that_would_arrive_too_late_is_refused_with_the_delay_it_needs() -> None:
    network = recurrent(np.random.default_rng(0))
    nodes = {name: node for name, node in network.nodes.items() if name != "later"}
    edges = (*(edge for edge in network.edges if "later" not in edge), ("back", "lif1"))
    with pytest.raises(UnsupportedError, match=r"lif2 -> back -> lif1.*at least 1 step"):
        lava.run(Network(nodes=nodes, edges=edges), np.ones((1, 2, 30), np.uint8))


def test_a_float_network_is_refused_by_the_integer_models_and_the_other_way_round() -> None:
    with pytest.raises(UnsupportedError, match="lava-float runs a float network"):
        lava.run(small(), FRAMES, floating=True)
    with pytest.raises(UnsupportedError, match="compile"):
        lava.run(floats(np.random.default_rng(0)), np.ones((1, 2, 2, 6, 6), np.uint8))


def test_two_synapses_in_a_row_are_refused() -> None:
    nodes = {"fc0": Dense(weight=np.full((3, 3), 2)), "fc": Dense(weight=np.full((2, 3), 2))}
    with pytest.raises(UnsupportedError, match="fc0 -> fc: two synapses"):
        lava.run(chain(input=Input(shape=(3,)), **nodes, lif=cells(2), output=Output()), FRAMES)


def test_frames_of_another_shape_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"takes \(R, T, 3,\)"):
        lava.run(small(), np.ones((1, 2, 4), np.uint8))


# The worker.


@needs_lava
def test_a_lava_that_takes_too_long_is_ended_with_all_its_processes(tmp_path: Path) -> None:
    frames = np.ones((1, 60000, 3), np.uint8)
    lava.prepare(small(), frames, tmp_path)
    with pytest.raises(RunnerError, match="not done after 6 s"):
        run_worker(lava.WORKER, str(tmp_path), timeout=6)
    time.sleep(1)
    processes = [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path) in _read(p)]
    assert not processes


@needs_lava
def test_what_fails_inside_a_process_of_lava_is_shown_at_once(tmp_path: Path) -> None:
    lava.prepare(small(), np.ones((1, 50, 3), np.uint8), tmp_path)
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["steps"] = 60  # More than there are frames: the source fails in the middle of the run.
    (tmp_path / "plan.json").write_text(json.dumps(plan | {"interval": 60, "total": 61}))
    started = time.perf_counter()
    with pytest.raises(RunnerError, match="IndexError"):
        run_worker(lava.WORKER, str(tmp_path), timeout=120)
    assert time.perf_counter() - started < 60


def test_a_python_that_is_no_3_10_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CKD_PYTHON310", sys.executable)
    with pytest.raises(RunnerError, match=r"CKD_PYTHON310=.*not a Python 3\.10"):
        find_python310()


def test_without_a_python_3_10_the_message_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CKD_PYTHON310", raising=False)
    for name, value in {"PATH": "", "PYENV_ROOT": tmp_path, "UV_PYTHON_INSTALL_DIR": tmp_path}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(RunnerError, match=r"uv python install 3\.10.*CKD_PYTHON310"):
        lava.run(small(), FRAMES)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
