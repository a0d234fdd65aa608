"""The float runner against plain loops of NIR's equations, against PyTorch and against snnTorch."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import deploy
from deploy.errors import FramesError, ModelError
from deploy.network import Conv, Delay, Dense, FloatNeuron, Input, Network, Node, Output, SumPool
from deploy.network.ops import apply
from deploy.runners import floating
from deploy.runners.floating import simulator
from deploy.traces.compare import compare
from tests.builders import small
from tests.deploy.formats.nir_graphs import DT, chain, conv2d, full, graph, lif, reread, spikes

N = 40
MARGIN = 1e-4
"""Spikes may differ where float32 rounding decides: where the potential is this close to the threshold."""


def uniform(low: float, high: float, *shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(low, high, shape or (N,)).astype(np.float32)


PARAMETERS: dict[str, Any] = {
    "tau": uniform(2 * DT, 50 * DT, seed=1),
    "tau_mem": uniform(2 * DT, 50 * DT, seed=1),
    "tau_syn": uniform(2 * DT, 9 * DT, seed=2),
    "r": uniform(5, 20, seed=3),
    "v_leak": uniform(-0.3, 0.3, seed=4),
    "v_threshold": uniform(0.2, 1, seed=5),
    "v_reset": uniform(-0.5, 0.1, seed=6),
    "w_in": uniform(2, 6, seed=7),
}


def _make(kind: str) -> nir.NIRNode:
    cls = getattr(nir, kind)
    names = [name for name in PARAMETERS if name in cls.__dataclass_fields__]
    # An integrator without leak has a resistance of 1 / dt and so on, or its steps would be invisible.
    scale = 1e3 if kind in ("IF", "I") else 1
    return cls(**{name: PARAMETERS[name] * (scale if name == "r" else 1) for name in names})


def _euler(node: Any, x: Any) -> tuple[Any, Any, Any]:
    """NIR's differential equations with forward Euler, one step after the other, in float64."""
    current, v = np.zeros(N), np.zeros(N)
    spike_rows, us, vs = [], [], []
    for row in x.astype(np.float64):
        given_current = row
        if hasattr(node, "tau_syn"):
            current = current + DT / node.tau_syn.astype(float) * (-current + node.w_in * row)
            given_current = current
        tau = getattr(node, "tau", getattr(node, "tau_mem", None))
        if tau is None:
            v = v + DT * node.r.astype(float) * given_current
        else:
            v = v + DT / tau.astype(float) * (node.v_leak - v + node.r.astype(float) * given_current)
        fired = v > getattr(node, "v_threshold", np.inf)
        v = np.where(fired, getattr(node, "v_reset", 0.0), v)
        spike_rows.append(fired)
        us.append(given_current)
        vs.append(v)
    return np.array(spike_rows), np.array(us), np.array(vs)


@pytest.mark.parametrize("kind", ["IF", "LIF", "CubaLIF", "I", "LI", "CubaLI"])
def test_every_neuron_is_forward_euler_of_its_equations(tmp_path: Path, kind: str) -> None:
    """Per-neuron parameters, leak and reset potentials included; potentials to float32 rounding over 100 steps."""
    node = _make(kind)
    network = reread(chain((N,), {"n": node}, (N,)), tmp_path)
    frames = spikes(np.random.default_rng(8), 3, 100, N)
    trace = floating.run(network, frames, states=3)
    for r in range(3):
        fired, u, v = _euler(node, frames[r])
        np.testing.assert_allclose(trace.layers["n"]["u"][r], u, atol=2e-5)
        np.testing.assert_allclose(trace.layers["n"]["v"][r], v, atol=2e-4)
        if hasattr(node, "v_threshold"):
            assert np.array_equal(trace.layers["n"].output[r], fired)
            assert fired.mean() > 0.01
        else:
            assert "n" not in trace.spiking


def test_a_current_decays_before_the_potential_takes_it(tmp_path: Path) -> None:
    """Worked out by hand: tau_syn = tau_mem = 2 dt, w_in = 2, r = 2: I = I/2 + S, v = v/2 + I."""
    node = nir.CubaLI(
        tau_syn=full((1,), 2 * DT),
        tau_mem=full((1,), 2 * DT),
        r=full((1,), 2),
        v_leak=full((1,), 0),
        w_in=full((1,), 2),
    )
    network = reread(chain((1,), {"n": node}, (1,)), tmp_path)
    trace = floating.run(network, np.array([[[1], [0], [1]]], np.uint8), states=1)
    assert trace.layers["n"]["u"].ravel().tolist() == [1, 0.5, 1.25]
    assert trace.layers["n"]["v"].ravel().tolist() == [1, 1, 1.75]


def test_a_student_spikes_as_in_snntorch(tmp_path: Path) -> None:
    """conv - Leaky - conv - Leaky - linear - Leaky, reset to zero: every spike, save where rounding decides."""
    import snntorch

    rng = np.random.default_rng(11)
    weight = {
        "conv1": rng.normal(0, 0.5, (8, 2, 3, 3)),
        "conv2": rng.normal(0, 0.25, (8, 8, 3, 3)),
        "fc": rng.normal(0, 0.2, (10, 8 * 4 * 4)),
    }
    weight = {name: value.astype(np.float32) for name, value in weight.items()}
    bias = {name: rng.normal(0, 0.05, len(value)).astype(np.float32) for name, value in weight.items()}
    betas = {"lif1": 0.9, "lif2": 0.5, "lif3": 0.8}
    nodes: dict[str, nir.NIRNode] = {
        "conv1": conv2d(weight["conv1"], (16, 16), padding=1, stride=2, bias=bias["conv1"]),
        "lif1": lif((8, 8, 8), betas["lif1"]),
        "conv2": conv2d(weight["conv2"], (8, 8), padding=1, stride=2, bias=bias["conv2"]),
        "lif2": lif((8, 4, 4), betas["lif2"]),
        "flat": nir.Flatten({"input": np.array([8, 4, 4])}, 0, -1),
        "fc": nir.Affine(weight["fc"], bias["fc"]),
        "lif3": lif((10,), betas["lif3"]),
    }
    network = reread(chain((2, 16, 16), nodes, (10,)), tmp_path)
    frames = spikes(rng, 8, 60, 2, 16, 16, rate=0.2)
    trace = floating.run(network, frames, states=8)

    layers = {
        name: snntorch.Leaky(beta=beta, reset_mechanism="zero", reset_delay=False) for name, beta in betas.items()
    }
    state = {name: layer.init_leaky() for name, layer in layers.items()}
    w = {name: torch.from_numpy(value) for name, value in weight.items()}
    b = {name: torch.from_numpy(value) for name, value in bias.items()}
    differing, total = 0, 0
    clean = np.ones(8, bool)
    with torch.no_grad():
        for t in range(60):
            x = torch.from_numpy(frames[:, t]).float()
            x = torch.nn.functional.conv2d(x, w["conv1"], b["conv1"], padding=1, stride=2)
            x, state["lif1"] = layers["lif1"](x, state["lif1"])
            first = x
            x = torch.nn.functional.conv2d(x, w["conv2"], b["conv2"], padding=1, stride=2)
            x, state["lif2"] = layers["lif2"](x, state["lif2"])
            second = x
            x = torch.nn.functional.linear(x.flatten(1), w["fc"], b["fc"])
            x, state["lif3"] = layers["lif3"](x, state["lif3"])
            for name, expected in (("lif1", first), ("lif2", second), ("lif3", x)):
                wrong = (trace.layers[name].output[:, t] != (expected.numpy() > 0)).reshape(8, -1)
                # After a first difference in a recording later ones follow from it and say nothing.
                for r in np.flatnonzero(clean & wrong.any(axis=1)):
                    before = trace.layers[name]["v"][r, t - 1] if t else np.zeros(network.shapes[name])
                    potential = betas[name] * before + trace.layers[name]["u"][r, t]
                    assert np.abs(potential.ravel()[wrong[r]] - 1).max() < MARGIN
                differing += int(wrong[clean].sum())
                clean &= ~wrong.any(axis=1)
                total += wrong.size
    for name in betas:
        assert trace.layers[name].output.mean() > 0.01, f"{name} hardly spikes, the test would prove nothing"
    assert clean.sum() >= 7, f"{differing} of {total} spikes differ"


@st.composite
def linear_nodes(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """A node, an input and what PyTorch makes of it in float64."""
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    x = rng.integers(0, 4, (3, 4, draw(st.integers(5, 12)), draw(st.integers(5, 12)))).astype(np.float32)
    exact = torch.from_numpy(x).double()
    padding, stride, kernel = draw(st.tuples(st.integers(0, 2), st.integers(0, 2))), draw(pair), draw(pair)
    kind = draw(st.sampled_from(["conv", "pool", "dense"]))
    if kind == "dense":
        weight, bias = (rng.normal(size=shape).astype(np.float32) for shape in ((7, x[0].size), (7,)))
        expected = exact.flatten(1) @ torch.from_numpy(weight).double().T + torch.from_numpy(bias).double()
        return Dense(weight=weight, bias=bias), x.reshape(3, -1), expected
    if kind == "pool":
        half = (min(padding[0], kernel[0] // 2), min(padding[1], kernel[1] // 2))
        ones = torch.ones(4, 1, *kernel, dtype=torch.float64)
        expected = torch.nn.functional.conv2d(exact, ones, stride=stride, padding=half, groups=4)
        return SumPool(kernel=kernel, stride=stride, padding=half), x, expected
    groups, dilation = draw(st.sampled_from([1, 2, 4])), draw(pair)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    assume(all(n + 2 * p >= span for n, p, span in zip(x.shape[2:], padding, spans, strict=True)))
    weight, bias = (rng.normal(size=shape).astype(np.float32) for shape in ((8, 4 // groups, *kernel), (8,)))
    options: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    expected = torch.nn.functional.conv2d(
        exact, torch.from_numpy(weight).double(), torch.from_numpy(bias).double(), **options
    )
    return Conv(weight=weight, bias=bias, **options), x, expected


@settings(max_examples=100, deadline=None)
@given(linear_nodes())
def test_synapses_and_pooling_are_pytorchs(case: tuple[Any, Any, Any]) -> None:
    node, x, expected = case
    size = float(expected.abs().max()) + 1e-9
    np.testing.assert_allclose(apply(node, x), expected, rtol=0, atol=1e-6 * max(size, 1.0))


@settings(max_examples=50, deadline=None)
@given(linear_nodes())
def test_synapses_of_integers_are_exact(case: tuple[Any, Any, Any]) -> None:
    node, x, _ = case
    if isinstance(node, SumPool):
        whole = node
    else:
        from dataclasses import replace

        whole = replace(node, weight=np.rint(node.weight * 100).astype(np.int64), bias=None)
    big = apply(whole, x.astype(np.int64))
    assert big.dtype == np.int64
    assert np.array_equal(big, apply(whole, x.astype(np.float64)))


def _small() -> Network:
    rng = np.random.default_rng(5)
    one, zero = np.ones((), np.float32), np.zeros((), np.float32)
    nodes: dict[str, Node] = {
        "input": Input(shape=(6,)),
        "fc1": Dense(weight=rng.normal(0, 0.6, (12, 6)).astype(np.float32)),
        "lif": FloatNeuron(shape=(12,), keep=np.float32(0.8) + zero, gain=one, bias=zero, threshold=one),
        "delay": Delay(steps=3),
        "back": Dense(weight=rng.normal(0, 0.3, (12, 12)).astype(np.float32)),
        "fc2": Dense(weight=rng.normal(0, 0.6, (4, 12)).astype(np.float32)),
        "out": FloatNeuron(shape=(4,), keep=np.float32(0.9) + zero, gain=one, bias=zero, threshold=None),
        "output": Output(),
    }
    edges = [*pairwise(["input", "fc1", "lif", "delay", "fc2", "out", "output"]), ("lif", "back"), ("back", "lif")]
    return Network(nodes=nodes, edges=tuple(edges))


def test_recurrence_and_delay_against_a_plain_loop() -> None:
    network = _small()
    weight = {name: network.nodes[name].weight for name in ("fc1", "back", "fc2")}  # pyright: ignore
    frames = spikes(np.random.default_rng(6), 2, 50, 6, rate=0.4)
    trace = floating.run(network, frames, states=2)
    for r in range(2):
        v, out, spike = np.zeros(12), np.zeros(4), np.zeros(12)
        history = [np.zeros(12)] * 3
        for t in range(50):
            v = 0.8 * v + weight["fc1"] @ frames[r, t] + weight["back"] @ spike
            spike = (v > 1).astype(float)
            v = np.where(spike > 0, 0, v)
            history.append(spike)
            out = 0.9 * out + weight["fc2"] @ history[t]
            assert np.array_equal(trace.layers["lif"].output[r, t], spike > 0)
            np.testing.assert_allclose(trace.layers["out"]["v"][r, t], out, atol=1e-4)
    assert trace.layers["lif"].output.mean() > 0.05


@pytest.mark.parametrize("recurrent", [True, False])
def test_batches_and_pieces_of_time_change_nothing(monkeypatch: pytest.MonkeyPatch, recurrent: bool) -> None:
    network = _small()
    if not recurrent:
        nodes = {name: node for name, node in network.nodes.items() if name != "back"}
        network = network.replace(nodes=nodes, edges=tuple(edge for edge in network.edges if "back" not in edge))
    frames = spikes(np.random.default_rng(7), 9, 40, 6, rate=0.4)
    whole = floating.run(network, frames, states=5)
    monkeypatch.setattr(simulator, "VALUES_AT_ONCE", 12 * 4 * 7)
    parts = floating.run(network, frames, states=5, batch=4)
    assert whole.layers["lif"].output.mean() > 0.05
    assert np.array_equal(whole.layers["lif"].output, parts.layers["lif"].output)
    assert np.array_equal(whole.predictions, parts.predictions)
    assert whole.layers["out"]["v"].shape == parts.layers["out"]["v"].shape == (9, 40, 4)
    assert parts.layers["lif"]["u"].shape == parts.layers["lif"]["v"].shape == (5, 40, 12)
    assert np.array_equal(whole.layers["lif"]["v"][:5], parts.layers["lif"]["v"])
    assert np.array_equal(whole.layers["out"]["v"], parts.layers["out"]["v"])


def test_predictions_are_the_final_potential_or_the_most_spikes(tmp_path: Path) -> None:
    weight = np.array([[2, 0, 0], [0, 3, 0], [0, 3, 0]], np.float32)
    frames = np.array([[[1, 0, 0], [1, 1, 0], [1, 0, 0]], [[0, 1, 0]] * 3], np.uint8)
    spiking = reread(chain((3,), {"fc": nir.Linear(weight), "lif": lif((3,))}, (3,)), tmp_path)
    assert floating.run(spiking, frames).predictions.tolist() == [0, 1], "a tie goes to the lowest class"
    readout = reread(chain((3,), {"fc": nir.Linear(weight)}, (3,)), tmp_path)
    assert floating.run(readout, frames).predictions.tolist() == [0, 1]


@pytest.mark.parametrize("shape", [(6,), (2, 5), (2, 5, 7), (0, 5, 6), (2, 0, 6)])
def test_frames_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(FramesError, match="frames"):
        floating.run(_small(), np.zeros(shape, np.uint8))


def test_an_analog_layer_inside_passes_its_potential_on(tmp_path: Path) -> None:
    nodes = {
        "i": nir.I(full((3,), 1 / DT)),
        "fc": nir.Linear(np.eye(3, dtype=np.float32) * 0.5),
        "lif": lif((3,), threshold=0.9),
    }
    everything = chain((3,), nodes, (3,))
    trace = floating.run(reread(graph(everything.nodes, everything.edges), tmp_path), np.ones((1, 4, 3), np.uint8))
    # v_i = 1, 2, 3, 4; half of it arrives: 0.5; 0.45 + 1 > 0.9; 1.5; 2.
    assert trace.layers["i"]["v"][0, :, 0].tolist() == [1, 2, 3, 4]
    assert trace.layers["lif"].output[0, :, 0].tolist() == [False, True, True, True]


def test_a_current_that_says_no_gain_has_gain_1_everywhere(tmp_path: Path) -> None:
    one = np.ones((), np.float32)
    lif = FloatNeuron(shape=(2,), keep=one / 2, gain=one, bias=0 * one, threshold=8 * one, current_keep=one / 2)
    network = small(fc=Dense(weight=np.full((2, 3), 2, np.float32)), lif=lif)
    frames = np.random.default_rng(0).integers(0, 2, (4, 20, 3), dtype=np.uint8)
    deploy.save(network, tmp_path / "said.nir")
    wanted = floating.run(network.replace(nodes={**network.nodes, "lif": replace(lif, current_gain=one)}), frames)
    assert wanted.layers["lif"].output.any()
    assert compare(wanted, floating.run(network, frames))
    assert compare(wanted, deploy.run(deploy.load(tmp_path / "said.nir"), frames, on="float"))
    with pytest.raises(ModelError, match="current_gain without current_keep"):
        replace(lif, current_keep=None, current_gain=one)
