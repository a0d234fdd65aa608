"""What cannot be run is refused by the name of the node, with the way out, one by one."""

from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from deploy.errors import DeployError, ModelError, UnsupportedError
from deploy.formats.nir import read_nir
from tests.deploy.formats.nir_graphs import DT, chain, conv2d, cuba, ends, full, graph, if_, lif, reread

EYE = np.eye(4, dtype=np.float32)


def one(node: nir.NIRNode, shape: tuple[int, ...] = (4,)) -> nir.NIRGraph:
    return chain(shape, {"node": node}, shape)


def with_metadata(node: nir.NIRNode, **metadata: Any) -> nir.NIRNode:
    node.metadata = metadata
    return node


INFINITE_TAU: dict[str, Any] = {"tau": full((4,), np.inf), "r": full((4,), np.inf)}
NODES: dict[str, tuple[nir.NIRNode, type[DeployError], str]] = {
    "reset that nobody knows": (
        with_metadata(lif((4,)), reset="sideways"),
        UnsupportedError,
        "node: reset is 'sideways'; known are zero, .*subtract",
    ),
    "soft reset to a value": (
        with_metadata(lif((4,), v_reset=full((4,), -0.5)), reset_mechanism="subtract"),
        UnsupportedError,
        "node: v_reset is -0.5, which only a hard reset has",
    ),
    "beta 1 with leak": (lif((4,), **INFINITE_TAU), UnsupportedError, "node: tau is infinite.*nir.IF"),
    "beta 1 in one neuron": (
        lif((4,), tau=np.array([1, 1, np.inf, 1], np.float32)),
        UnsupportedError,
        "node: tau is infinite",
    ),
    "infinite synaptic time constant": (cuba((4,), tau_syn=full((4,), np.inf)), UnsupportedError, "node: tau_syn"),
    "integrator with infinite tau": (
        nir.LI(tau=full((4,), np.inf), r=full((4,), 1), v_leak=full((4,), 0)),
        UnsupportedError,
        r"node: tau is infinite.*nir.I ",
    ),
    "tau of 0": (lif((4,), tau=full((4,), 0)), UnsupportedError, "node: tau.*positive"),
    "tau below dt": (lif((4,), tau=full((4,), DT / 2)), UnsupportedError, "node: tau.*shorter than the step.*dt"),
    "a weight that is not a number": (nir.Linear(EYE * np.nan), ModelError, r"node \(Linear\): weight"),
    "an infinite threshold": (lif((4,), v_threshold=full((4,), np.inf)), ModelError, r"node \(LIF\): v_threshold"),
    "an infinite resistance": (if_((4,), r=full((4,), np.inf)), ModelError, r"node \(IF\): r"),
    "neurons of another shape": (lif((5,)), ModelError, r"node: has neurons of shape \(5,\), its input is \(4,\)"),
    "weights of another shape": (nir.Linear(weight=full((4, 5), 1)), ModelError, r"node: weight \(4, 5\) takes"),
    "a bias of another shape": (nir.Affine(EYE, full((3,), 1)), ModelError, r"node: bias \(3,\)"),
    "a factor of another shape": (nir.Scale(full((3,), 1)), ModelError, r"node: scales \(3,\)"),
    "a weight of three dimensions": (nir.Linear(full((2, 4, 4), 1)), ModelError, "node: weight of shape"),
    "different delays in one node": (
        nir.Delay(np.array([0, 1, 2, 3]) * DT),
        UnsupportedError,
        "node: delays between 0 and 3 steps",
    ),
    "a negative delay": (nir.Delay(full((4,), -DT)), UnsupportedError, "node: a delay"),
}


@pytest.mark.parametrize("what", NODES)
def test_a_node_is_refused_by_name(tmp_path: Path, what: str) -> None:
    node, error, message = NODES[what]
    with pytest.raises(error, match=message):
        reread(one(node), tmp_path)


CONVOLUTIONS: dict[str, tuple[nir.NIRNode, str]] = {
    "stride with same": (
        conv2d(full((4, 2, 3, 3), 1), (6, 6), padding="same", stride=2),
        "node: padding 'same' needs stride 1",
    ),
    "groups that do not divide": (conv2d(full((4, 2, 3, 3), 1), (6, 6), groups=3), r"node: groups \(=3\)"),
    "a kernel larger than the image": (conv2d(full((4, 2, 7, 7), 1), (6, 6)), "node: a window of"),
    "wrong input channels": (conv2d(full((4, 3, 3, 3), 1), (6, 6)), r"node: weight .* takes \(3, H, W\)"),
    "a stride of 0": (conv2d(full((4, 2, 3, 3), 1), (6, 6), stride=0), r"node \(Conv2d\): stride \(=0\)"),
    "a negative padding": (conv2d(full((4, 2, 3, 3), 1), (6, 6), padding=-1), r"node \(Conv2d\): padding \(=-1\)"),
    "half of a Flatten": (nir.Flatten({"input": np.array([2, 6, 6])}, 2, -1), "node: Flatten from dimension 2"),
}


@pytest.mark.parametrize("what", CONVOLUTIONS)
def test_a_convolution_is_refused_by_name(tmp_path: Path, what: str) -> None:
    node, message = CONVOLUTIONS[what]
    with pytest.raises(DeployError, match=message):
        reread(chain((2, 6, 6), {"node": node}, (4, 4, 4)), tmp_path)


def test_a_dense_layer_on_an_image_says_where_the_flatten_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"node: .*put a Flatten before it"):
        reread(chain((2, 1, 2), {"node": nir.Linear(EYE)}, (4,)), tmp_path)


def _rename_type(path: Path, kind: str) -> None:
    nir.write(path, one(lif((4,))))
    with h5py.File(path, "r+") as file:
        del file["node/nodes/node/type"]
        file["node/nodes/node/type"] = kind


@pytest.mark.parametrize(
    ("kind", "way_out"), [("MaxPool2d", "AvgPool2d or strided Conv2d"), ("Izhikevich", "known are")]
)
def test_max_pooling_and_unknown_nodes_are_refused_by_name(tmp_path: Path, kind: str, way_out: str) -> None:
    _rename_type(tmp_path / "n.nir", kind)
    with pytest.raises(UnsupportedError, match=f"node: NIR node {kind}.*{way_out}"):
        read_nir(tmp_path / "n.nir", dt=DT)


def test_a_reset_of_the_whole_graph_is_that_of_its_neurons(tmp_path: Path) -> None:
    soft = one(lif((4,)))
    soft.metadata = {"reset": "subtract"}
    assert reread(soft, tmp_path).neurons["node"].reset_mechanism == "subtract"


def test_a_reset_of_a_subgraph_is_that_of_its_neurons(tmp_path: Path) -> None:
    inner = graph({**ends((4,), (4,)), "lif": lif((4,))}, [("input", "lif"), ("lif", "output")], {"reset": "subtract"})
    outer = graph(
        {**ends((4,), (4,)), "sub": inner, "lif": lif((4,))}, [("input", "sub"), ("sub", "lif"), ("lif", "output")]
    )
    found = {name: node.reset_mechanism for name, node in reread(outer, tmp_path).neurons.items()}
    assert found == {"sub.lif": "subtract", "lif": "zero"}


def test_a_parameter_that_is_missing_or_too_many_is_named(tmp_path: Path) -> None:
    nir.write(tmp_path / "n.nir", one(lif((4,))))
    with h5py.File(tmp_path / "n.nir", "r+") as file:
        del file["node/nodes/node/tau"]
    with pytest.raises(ModelError, match=r"node \(LIF\).*tau"):
        read_nir(tmp_path / "n.nir", dt=DT)
    with h5py.File(tmp_path / "n.nir", "r+") as file:
        file["node/nodes/node/tau"] = full((4,), 1)
        file["node/nodes/node/reset_method"] = 3
    with pytest.raises(ModelError, match=r"node \(LIF\).*reset_method"):
        read_nir(tmp_path / "n.nir", dt=DT)


LINE = [("input", "lif"), ("lif", "output")]
GRAPHS: dict[str, tuple[dict[str, nir.NIRNode], list[tuple[str, str]], str]] = {
    "a node that nothing feeds": ({"stray": lif((4,))}, [*LINE, ("stray", "lif")], "stray.*nothing feeds it"),
    "a node that feeds nothing": ({"stray": lif((4,))}, [*LINE, ("lif", "stray")], "stray.*feeds nothing"),
    "a node on its own": ({"stray": lif((4,))}, LINE, "stray"),
    "an input that is fed": ({}, [*LINE, ("lif", "input")], "input.*something feeds it"),
    "an unfed output": ({}, [("input", "lif")], r"output \(Output\): nothing feeds it|lif.*feeds nothing"),
    "two inputs": ({"second": nir.Input({"input": np.array([4])})}, [*LINE, ("second", "lif")], "2 Input nodes"),
    "two outputs": ({"second": nir.Output({"output": np.array([4])})}, [*LINE, ("lif", "second")], "2 Output nodes"),
    "an edge to nowhere": ({}, [*LINE, ("lif", "ghost")], "no node 'ghost'"),
    "an edge twice": ({}, [*LINE, LINE[0]], "input -> lif stands twice"),
    "a cycle in which nothing takes time": (
        {"a": nir.Linear(EYE), "b": nir.Scale(full((4,), 1))},
        [("input", "a"), ("a", "b"), ("b", "a"), ("a", "lif"), ("lif", "output")],
        r"\['a', 'b'\].*cycle without any neuron or delay.*Delay",
    ),
    "a cycle with a delay of 0": (
        {"a": nir.Linear(EYE), "wait": nir.Delay(full((4,), 0))},
        [("input", "a"), ("a", "wait"), ("wait", "a"), ("a", "lif"), ("lif", "output")],
        r"\['a', 'wait'\].*cycle without any neuron or delay.*Delay",
    ),
    "an island": (
        {"a": lif((4,)), "b": nir.Linear(EYE)},
        [*LINE, ("a", "b"), ("b", "a"), ("a", "lif")],
        "'a'.*cycle that the input does not reach",
    ),
    "branches of different shapes": (
        {"wide": nir.Linear(full((5, 4), 1))},
        [*LINE, ("input", "wide"), ("wide", "lif")],
        "lif: branches of different shapes",
    ),
    "a recurrent branch of another shape": (
        {"wide": nir.Linear(full((5, 4), 1))},
        [*LINE, ("lif", "wide"), ("wide", "lif")],
        r"wide -> lif: brings \(5,\)",
    ),
}


@pytest.mark.parametrize("what", GRAPHS)
def test_a_graph_that_does_not_hang_together_is_refused_by_name(tmp_path: Path, what: str) -> None:
    nodes, edges, message = GRAPHS[what]
    with pytest.raises(DeployError, match=message):
        reread(graph({**ends((4,), (4,)), "lif": lif((4,)), **nodes}, edges), tmp_path)


def test_a_cycle_with_a_delay_is_taken(tmp_path: Path) -> None:
    nodes = {**ends((4,), (4,)), "w": nir.Linear(EYE * 0.5), "wait": nir.Delay(full((4,), DT)), "lif": lif((4,))}
    edges = [("input", "w"), ("w", "wait"), ("wait", "w"), ("w", "lif"), ("lif", "output")]
    assert reread(graph(nodes, edges), tmp_path).recurrent_edges == {("wait", "w")}


def test_an_output_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"output: the file says \(7,\), the graph gives \(4,\)"):
        reread(chain((4,), {"lif": lif((4,))}, (7,)), tmp_path)


def test_a_subgraph_with_two_inputs_is_refused(tmp_path: Path) -> None:
    inner = graph(
        {**ends((4,), (4,)), "more": nir.Input({"input": np.array([4])}), "lif": lif((4,))},
        [("input", "lif"), ("more", "lif"), ("lif", "output")],
    )
    outer = graph({**ends((4,), (4,)), "sub": inner}, [("input", "sub"), ("sub", "output")])
    with pytest.raises(UnsupportedError, match="sub: a subgraph needs exactly one Input"):
        reread(outer, tmp_path)


def test_names_that_collide_when_made_flat_are_refused(tmp_path: Path) -> None:
    inner = graph({**ends((4,), (4,)), "lif": lif((4,))}, [("input", "lif"), ("lif", "output")])
    nodes = {**ends((4,), (4,)), "a": inner, "a.lif": lif((4,))}
    outer = graph(nodes, [("input", "a"), ("a", "a.lif"), ("a.lif", "output")])
    with pytest.raises(ModelError, match=r"a.lif: two nodes get this name"):
        reread(outer, tmp_path)


@pytest.mark.parametrize("dt", [0.0, -1e-3, float("nan"), float("inf")])
def test_a_dt_that_is_no_time_is_refused(tmp_path: Path, dt: float) -> None:
    with pytest.raises(ModelError, match="dt"):
        reread(one(lif((4,))), tmp_path, dt=dt)
