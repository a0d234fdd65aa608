"""Which edges of a cycle carry the step before, whatever the order of a file, and what they carry at first."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import snntorch
import torch

import deploy
from deploy.errors import UnsupportedError
from deploy.network import Array, Edge, Network
from deploy.network.recurrence import recurrent_edges
from deploy.runners import floating, integer, onnx
from deploy.runners.lava import fixed as lava
from tests.deploy.formats.nir_graphs import DT, conv2d, ends, full, graph, lif, reread, spikes
from tests.deploy.marks import needs_lava

RNG = np.random.default_rng(0)
EYE = np.eye(4, dtype=np.float32)


def weights(*shape: int, spread: float = 1.0) -> Array:
    return (RNG.standard_normal(shape) * spread).astype(np.float32)


def feedback(bias: Array, weight: Array | None = None, tau: float = 10.0) -> nir.NIRGraph:
    """input -> Linear -> LIF, and LIF -> Affine -> LIF."""
    nodes: dict[str, Any] = {**ends((4,), (4,)), "fc": nir.Linear(EYE), "lif": lif((4,), beta=1 - 1 / tau)}
    nodes["back"] = nir.Affine(EYE * 0 if weight is None else weight, bias)
    edges = [("input", "fc"), ("fc", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "output")]
    return graph(nodes, edges)


SILENCE = np.zeros((1, 4, 4), np.uint8)


def test_a_bias_on_a_recurrent_edge_acts_from_the_first_step(tmp_path: Path) -> None:
    """.6, then .54 + .6 spikes: worked out by hand; by NIR's equations a bias is there before any spike."""
    network = reread(feedback(full((4,), 0.6)), tmp_path)
    for runner in (floating, onnx):
        trace = runner.run(network, SILENCE, states=1)
        np.testing.assert_allclose(trace.layers["lif"]["v"][0, :, 0], [0.6, 0, 0.6, 0], atol=1e-6)
        assert np.array_equal(trace.layers["lif"].output[0, :, 0], [False, True, False, True])


@needs_lava
def test_it_does_so_in_lava(tmp_path: Path) -> None:
    network = reread(feedback(full((4,), 0.6)), tmp_path)
    spiking = lava.run_floating(network, SILENCE).aligned("spikes", "lif")
    assert np.array_equal(spiking[0, :, 0], [False, True, False, True])


def test_it_does_so_on_the_grid_too(tmp_path: Path) -> None:
    network = reread(feedback(full((4,), 0.6)), tmp_path)
    spiking = integer.run(deploy.quantize(network, SILENCE), SILENCE).layers["lif"].output
    assert np.array_equal(spiking[0, :, 0], [False, True, False, True])


def test_a_convolution_on_a_recurrent_edge_has_its_bias_from_the_first_step_too(tmp_path: Path) -> None:
    nodes: dict[str, Any] = {**ends((2, 3, 3), (18,)), "fc": nir.Scale(full((2, 3, 3), 1)), "lif": lif((2, 3, 3))}
    nodes["back"] = conv2d(full((2, 2, 3, 3), 0), (3, 3), padding=1, bias=np.array([0.6, 0.2], np.float32))
    nodes["flat"] = nir.Flatten({"input": np.array([2, 3, 3])}, 0, -1)
    edges = [("input", "fc"), ("fc", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "flat"), ("flat", "output")]
    network = reread(graph(nodes, edges), tmp_path)
    for runner in (floating, onnx):
        v = runner.run(network, np.zeros((1, 3, 2, 3, 3), np.uint8), states=1).layers["lif"]["v"]
        np.testing.assert_allclose(v[0, 0, :, 0, 0], [0.6, 0.2], atol=1e-6)


def test_recurrent_neurons_of_snntorch_whose_feedback_has_a_bias_give_the_same_spikes(tmp_path: Path) -> None:
    """snnTorch's RLeaky, run by snnTorch, is the reference."""
    torch.manual_seed(0)
    cell: Any = snntorch.RLeaky(beta=0.9, linear_features=4, reset_mechanism="zero", reset_delay=False)
    with torch.no_grad():
        cell.recurrent.bias.copy_(torch.tensor([0.6, 0.3, -0.2, 0.9]))
    back = cell.recurrent.weight.detach().numpy()
    network = reread(feedback(cell.recurrent.bias.detach().numpy(), back), tmp_path)
    frames = spikes(np.random.default_rng(1), 1, 60, 4)
    spike, mem, wanted = torch.zeros(1, 4), torch.zeros(1, 4), []
    with torch.no_grad():
        for frame in torch.from_numpy(frames[0]).float():
            spike, mem = cell(frame[None], spike, mem)
            wanted.append(spike[0].numpy() > 0)
    got = floating.run(network, frames, states=1).layers["lif"].output[0]
    assert np.stack(wanted).mean() > 0.1
    assert np.array_equal(got, np.stack(wanted))


def two_entries(mark: str | None = None) -> tuple[dict[str, Any], list[Edge]]:
    """lif1 -> lif2 -> lif1, both entered from the input; `mark`: the edge with a Delay of 0 on it."""
    rng = np.random.default_rng(3)

    def linear() -> nir.Linear:
        return nir.Linear(rng.normal(0, 1, (4, 4)).astype(np.float32))

    nodes: dict[str, Any] = {**ends((4,), (4,)), "lif1": lif((4,)), "lif2": lif((4,))}
    nodes |= {name: linear() for name in ("in1", "forth", "back", "skip")}
    edges = [("input", "in1"), ("in1", "lif1"), ("lif1", "forth"), ("forth", "lif2"), ("input", "skip")]
    edges += [("skip", "lif2"), ("lif2", "back"), ("back", "lif1"), ("lif2", "output")]
    if mark is not None:
        target = next(b for a, b in edges if a == mark)
        nodes["mark"] = nir.Delay(full((4,), 0))
        edges[edges.index((mark, target))] = (mark, "mark")
        edges.append(("mark", target))
    return nodes, edges


def orders(nodes: dict[str, Any], edges: list[Edge], number: int = 40) -> Iterator[nir.NIRGraph]:
    """The same graph with its nodes and edges in other orders."""
    rng = np.random.default_rng(7)
    for _ in range(number):
        names, order = list(nodes), [edges[i] for i in rng.permutation(len(edges))]
        yield graph({names[i]: nodes[names[i]] for i in rng.permutation(len(names))}, order)


def results(folder: Path, nodes: dict[str, Any], edges: list[Edge]) -> set[bytes]:
    frames = spikes(np.random.default_rng(4), 2, 30, 4)
    found = set()
    for written in orders(nodes, edges):
        trace = floating.run(reread(written, folder), frames, states=2)
        assert all(layer.output.any() for layer in trace.spiking.values())
        found.add(b"".join(np.asarray(trace.layers[name]["v"]).tobytes() for name in sorted(trace.layers)))
    return found


def test_a_cycle_with_two_entries_is_refused_in_every_order(tmp_path: Path) -> None:
    messages = set()
    for written in orders(*two_entries()):
        with pytest.raises(UnsupportedError, match=r"lif1.*lif2.*Delay") as caught:
            reread(written, tmp_path)
        messages.add(str(caught.value))
    assert len(messages) == 1 and "\n" not in messages.pop()


@pytest.mark.parametrize(("mark", "late"), [("lif2", {("mark", "back")}), ("forth", {("mark", "lif2")})])
def test_a_delay_says_which_of_its_edges_carries_the_step_before(tmp_path: Path, mark: str, late: set[Edge]) -> None:
    nodes, edges = two_entries(mark)
    assert reread(graph(nodes, edges), tmp_path).recurrent_edges == late
    assert len(results(tmp_path, nodes, edges)) == 1


def test_the_marked_cycle_does_what_its_trainer_wrote(tmp_path: Path) -> None:
    """Two layers of snnTorch and a skip, the feedback a step late, stepped in torch."""
    nodes, edges = two_entries("lif2")
    frames = spikes(np.random.default_rng(5), 1, 50, 4)
    weight = {name: torch.from_numpy(node.weight) for name, node in nodes.items() if isinstance(node, nir.Linear)}
    cells = [snntorch.Leaky(beta=0.9, reset_mechanism="zero", reset_delay=False) for _ in range(2)]
    mem1, mem2, spike2, wanted = torch.zeros(4), torch.zeros(4), torch.zeros(4), []
    with torch.no_grad():
        for x in torch.from_numpy(frames[0]).float():
            spike1, mem1 = cells[0](weight["in1"] @ x + weight["back"] @ spike2, mem1)
            spike2, mem2 = cells[1](weight["forth"] @ spike1 + weight["skip"] @ x, mem2)
            wanted.append(spike2.numpy() > 0)
    got = floating.run(reread(graph(nodes, edges), tmp_path), frames).layers["lif2"].output[0]
    assert 0.05 < np.stack(wanted).mean() < 0.95
    assert np.array_equal(got, np.stack(wanted))


def test_no_order_changes_a_bit_of_a_graph_with_branches_and_feedback(tmp_path: Path) -> None:
    """Three branches into one neuron add up in another order of floats if the file's order decided it."""
    nodes, edges = two_entries()
    edges.remove(("skip", "lif2"))
    edges[edges.index(("input", "skip"))] = ("lif1", "skip")
    nodes["more"], nodes["self"] = nir.Linear(weights(4, 4)), nir.Affine(weights(4, 4), weights(4))
    edges += [("skip", "lif2"), ("lif1", "more"), ("more", "lif2"), ("lif2", "self"), ("self", "lif2")]
    assert len(results(tmp_path, nodes, edges)) == 1


def test_what_is_recurrent_is_what_depth_first_search_finds_where_it_is_the_same_in_every_order() -> None:
    """Small graphs of every kind: where all orders agree the answer is theirs, where they do not, a refusal."""
    names = ["input", "a", "b", "c"]
    possible = [(x, y) for x in names for y in names[1:]]
    rng = np.random.default_rng(0)
    seen = {True: 0, False: 0}
    for _ in range(300):
        edges = [possible[i] for i in np.flatnonzero(rng.random(len(possible)) < 0.4)]
        found = {_depth_first(list(order)) for order in itertools.islice(itertools.permutations(edges), 0, 5040, 7)}
        found |= {_depth_first(edges), _depth_first(edges[::-1])}
        unique = len(found) == 1
        seen[unique] += 1
        try:
            got = recurrent_edges("input", edges, ())
        except UnsupportedError:
            got = None
        if got is not None:
            assert found == {got}
        if not unique:
            assert got is None
    assert min(seen.values()) > 20


def _depth_first(edges: list[Edge]) -> frozenset[Edge]:
    """Retreating edges by recursion."""
    found: set[Edge] = set()
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        for source, target in edges:
            if source == name and target in path:
                found.add((source, target))
            elif source == name and target not in done:
                visit(target, (*path, target))
        done.add(name)

    visit("input", ("input",))
    return frozenset(found)


def test_a_marked_cycle_survives_a_file_of_ours(tmp_path: Path) -> None:
    network = reread(graph(*two_entries("lif2")), tmp_path)
    deploy.save(network, tmp_path / "ours.nir")
    again = deploy.load(tmp_path / "ours.nir")
    assert isinstance(again, Network)
    assert again.recurrent_edges == network.recurrent_edges
    assert again.edges == network.edges
    frames = spikes(np.random.default_rng(4), 2, 30, 4)
    assert floating.run(network, frames).layers["lif2"].output.any()
    quantized = deploy.quantize(again, frames)
    assert integer.run(quantized, frames).layers["lif1"].output.any()
    assert again.dt == DT
