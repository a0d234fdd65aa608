"""Small spiking graphs around every NIR node, one for each place where it may stand, made with the nir package."""

from itertools import pairwise
from typing import Any

import nir
import numpy as np

from deploy.network import Array, Edge, Shape

DT = 1e-3
N, MAP = 4, (3, 4, 4)
"""Neurons of a flat layer, and of one behind a convolution."""
SPIKING, SILENT = ("IF", "LIF", "CubaLIF", "Threshold"), ("I", "LI", "CubaLI")
RNG = np.random.default_rng(0)

Nodes = dict[str, nir.NIRNode]
Forms = dict[str, nir.NIRGraph]


def all_forms() -> dict[str, Forms]:
    """By the name of a NIR node, graphs around it by where it stands; the node is called "node"."""
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state
    return {
        "Affine": synapses("Affine"),
        "Linear": synapses("Linear"),
        "Scale": scales(),
        "Conv1d": series(),
        "Conv2d": images(),
        "SumPool2d": pools("SumPool2d"),
        "AvgPool2d": pools("AvgPool2d"),
        "Flatten": flattens(),
        **{kind: spiking(kind) for kind in ("IF", "LIF", "CubaLIF")},
        **{kind: readouts(kind) for kind in SILENT},
        "Threshold": spiking("Threshold"),
        "Delay": delays(),
        "NIRGraph": nested(),
    }


def synapses(kind: str) -> Forms:
    node, again = synapse(kind), synapse(kind)
    shared: Nodes = {**ends((N,), (N,)), "node": node, "lif1": neuron("LIF"), "lif2": neuron("LIF"), "fc": synapse()}
    edges = [("input", "node"), ("node", "lif1"), ("node", "lif2"), ("lif2", "fc"), ("fc", "lif1"), ("lif1", "output")]
    return {
        "before neurons": chain(node=node, lif=neuron("LIF")),
        "before a current": chain(node=node, lif=neuron("CubaLIF")),
        "on a recurrent edge": recurrent(chain(fc=synapse(), lif=neuron("LIF")), "lif", node=node),
        "two in a row": chain(node=node, other=again, lif=neuron("LIF")),
        "shared by two layers": graph(shared, edges),
        "at the end": chain(fc=synapse(), lif=neuron("LIF"), node=node),
    }


def scales() -> Forms:
    node, channel, pixel = (nir.Scale(uniform(1.5, 2.5, *shape)) for shape in ((N,), (2, 1, 1), (2, 4, 4)))
    flat = nir.Scale(uniform(1.5, 2.5, N))
    return {
        "before a synapse": chain(node=node, fc=synapse(), lif=neuron("LIF")),
        "behind a synapse": chain(fc=synapse(), node=node, lif=neuron("LIF")),
        "before neurons": chain(node=node, lif=neuron("LIF")),
        "one factor a channel before a convolution": chain(
            (2, 4, 4), node=channel, conv=conv(), lif=neuron("LIF", MAP)
        ),
        "one factor a pixel before a convolution": chain((2, 4, 4), node=pixel, conv=conv(), lif=neuron("LIF", MAP)),
        "one factor a pixel behind a convolution": chain(
            (2, 4, 4), conv=conv(), node=nir.Scale(uniform(1.5, 2.5, *MAP)), lif=neuron("LIF", MAP)
        ),
        "on a recurrent edge": recurrent(chain(fc=synapse(), lif=neuron("LIF")), "lif", node=flat),
    }


def series() -> Forms:
    def conv1d(inputs: int = 2, **options: Any) -> nir.Conv1d:
        chosen: dict[str, Any] = {"stride": 1, "padding": 1, "dilation": 1, "groups": 1} | options
        return nir.Conv1d(6, weights(3, inputs // chosen["groups"], 3), bias=small(3), **chosen)

    return {
        "before neurons": chain((2, 6), node=conv1d(), lif=neuron("LIF", (3, 6))),
        "stride 2": chain((2, 6), node=conv1d(stride=2), lif=neuron("LIF", (3, 3))),
        "on a recurrent edge": recurrent(
            chain((2, 6), conv=conv1d(), lif=neuron("LIF", (3, 6))), "lif", node=conv1d(3)
        ),
    }


def images() -> Forms:
    def form(outputs: Shape = MAP, inputs: int = 2, **options: Any) -> nir.NIRGraph:
        return chain((inputs, 4, 4), node=conv(inputs, **options), lif=neuron("LIF", outputs))

    flat = {"flat": flatten(MAP), "lif": neuron("LIF", (48,))}
    recurrent_conv = recurrent(chain((2, 4, 4), conv=conv(), lif=neuron("LIF", MAP)), "lif", node=conv(3))
    return {
        "before neurons": form(),
        "stride 2": form((3, 2, 2), stride=2),
        "dilation 2": form((3, 2, 2), dilation=2),
        "groups": form((3, 4, 4), 3, groups=3),
        "same padding": form(padding="same"),
        "before Flatten and neurons": chain((2, 4, 4), node=conv(), **flat),
        "before a current": chain((2, 4, 4), node=conv(), lif=neuron("CubaLIF", MAP)),
        "on a recurrent edge": recurrent_conv,
    }


def pools(kind: str) -> Forms:
    def pool(kernel: int = 2, stride: int = 2, padding: int = 0) -> nir.NIRNode:
        sizes = {"kernel_size": kernel, "stride": stride, "padding": padding}
        return getattr(nir, kind)(**{name: np.array([size, size]) for name, size in sizes.items()})

    spikes: dict[str, Any] = {"conv": conv(), "lif": neuron("LIF", MAP)}
    dense: dict[str, Any] = {"flat": flatten((3, 2, 2)), "fc": synapse(inputs=12), "lif2": neuron("LIF")}
    images = (2, 4, 4)
    return {
        "before a convolution": chain(images, node=pool(), conv=conv(size=(2, 2)), lif=neuron("LIF", (3, 2, 2))),
        "before a dense layer": chain(images, **spikes, node=pool(), **dense),
        "before neurons": chain(images, node=pool(), lif=neuron("LIF", (2, 2, 2))),
        "between a convolution and neurons": chain(images, conv=conv(), node=pool(), lif=neuron("LIF", (3, 2, 2))),
        "overlapping": chain(images, node=pool(3, 1), conv=conv(size=(2, 2)), lif=neuron("LIF", (3, 2, 2))),
        "padded, before a dense layer": chain(
            images, **spikes, node=pool(2, 2, 1), flat=flatten((3, 3, 3)), fc=synapse(inputs=27), lif2=neuron("LIF")
        ),
        "padded, between a convolution and neurons": chain(
            images, conv=conv(), node=pool(2, 2, 1), lif=neuron("LIF", (3, 3, 3))
        ),
    }


def flattens() -> Forms:
    lifs: dict[str, Any] = {"conv": conv(), "lif": neuron("LIF", MAP)}
    return {
        "before a dense layer": chain((1, 2, 2), node=flatten((1, 2, 2)), fc=synapse(), lif=neuron("LIF")),
        "behind neurons": chain((2, 4, 4), **lifs, node=flatten(MAP), fc=synapse(inputs=48), lif2=neuron("LIF")),
        "from dimension 1": chain((2, 2, 2), node=flatten((2, 2, 2), 1), fc=synapse(inputs=8), lif=neuron("LIF")),
        "before neurons": chain((2, 4, 4), conv=conv(), node=flatten(MAP), lif=neuron("LIF", (48,))),
    }


def spiking(kind: str) -> Forms:
    own = neuron(kind, per_neuron=True)
    images = (2, 4, 4)
    one = neuron(kind, (1,))
    forms = {
        "behind a dense layer": chain(fc=synapse(), node=neuron(kind)),
        "behind a convolution": chain(images, conv=conv(), node=neuron(kind, MAP)),
        "recurrent": recurrent(chain(fc=synapse(), node=neuron(kind)), "node", back=synapse()),
        "fed by its own spikes": recurrent(chain(fc=synapse(), node=neuron(kind)), "node"),
        "behind a recurrent convolution": recurrent(
            chain(images, conv=conv(), node=neuron(kind, MAP)), "node", back=conv(3, bias=np.full(3, -0.5, np.float32))
        ),
        "constants a neuron": chain(fc=synapse(), node=own),
        "constants a neuron behind a convolution": chain(images, conv=conv(), node=neuron(kind, MAP, per_neuron=True)),
        "one constant for all": chain(images, conv=conv(), node=one),
        "behind Flatten of a convolution": chain(images, conv=conv(), flat=flatten(MAP), node=neuron(kind, (48,))),
        "without a synapse": chain(node=neuron(kind)),
    }
    if kind != "Threshold":
        forms["reset to another value"] = chain(fc=synapse(), node=neuron(kind, v_reset=full(-0.2)))
    return forms


def readouts(kind: str) -> Forms:
    before: dict[str, Any] = {"fc": synapse(), "lif": neuron("LIF")}
    return {
        "at the end": chain(**before, fc2=synapse(), node=neuron(kind)),
        "constants a neuron": chain(**before, fc2=synapse(), node=neuron(kind, per_neuron=True)),
        "behind spikes": chain(**before, node=neuron(kind)),
        "feeding on": chain(fc=synapse(), node=neuron(kind), fc2=synapse(), lif=neuron("LIF")),
    }


def delays() -> Forms:
    node = nir.Delay(full(2 * DT))
    back = recurrent(chain(fc=synapse(), lif=neuron("LIF")), "lif", back=synapse(), node=node)
    return {
        "before a synapse": chain(fc=synapse(), lif=neuron("LIF"), node=node, fc2=synapse(), lif2=neuron("LIF")),
        "behind a synapse": chain(fc=synapse(), node=node, lif=neuron("LIF")),
        "behind a synapse with a bias": chain(fc=synapse("Affine"), node=node, lif=neuron("LIF")),
        "behind a convolution": chain(
            (2, 4, 4), conv=conv(bias=np.zeros(3, np.float32)), node=nir.Delay(full(DT, *MAP)), lif=neuron("LIF", MAP)
        ),
        "in a cycle": back,
    }


def nested() -> Forms:
    inner = chain(lif=neuron("LIF"))
    loop = recurrent(chain(lif=neuron("LIF")), "lif", back=synapse("Affine"))
    return {
        "neurons in it": chain(fc=synapse(), node=inner),
        "a cycle in it": chain(fc=synapse(), node=loop),
        "in another": chain(fc=synapse(), node=chain(deep=loop)),
    }


def neuron(kind: str, shape: Shape = (N,), *, per_neuron: bool = False, **changes: Array) -> nir.NIRNode:
    """That spikes at a sum of 1; with constants of its own for each neuron or the same for all."""

    def spread(value: float) -> Array:
        return uniform(0.8 * value, 1.3 * value, *shape) if per_neuron else full(value, *shape)

    values = {"tau": 5e-3, "tau_mem": 5e-3, "r": 5, "v_leak": 0, "tau_syn": 3e-3, "w_in": 3, "v_threshold": 1}
    values |= {"v_reset": 0, "threshold": 0.9}
    cls = getattr(nir, kind)
    names = [name for name in values if name in cls.__dataclass_fields__]
    if kind in ("IF", "I"):
        values["r"] = 1 / DT
    return cls(**{name: spread(values[name]) for name in names} | changes)


def synapse(kind: str = "Linear", inputs: int = N) -> nir.NIRNode:
    weight = weights(N, inputs) * np.float32(min(1, 6 / inputs))
    return nir.Linear(weight) if kind == "Linear" else nir.Affine(weight, small(N))


def conv(inputs: int = 2, size: tuple[int, int] = (4, 4), bias: Array | None = None, **options: Any) -> nir.Conv2d:
    chosen: dict[str, Any] = {"stride": 1, "padding": 1, "dilation": 1, "groups": 1} | options
    weight = weights(3, inputs // chosen["groups"], 3, 3) / np.float32(2)
    return nir.Conv2d(size, weight, bias=small(3) if bias is None else bias, **chosen)


def flatten(shape: Shape, start: int = 0) -> nir.Flatten:
    node = nir.Flatten({"input": np.array(shape)}, 0, -1)
    node.start_dim = start
    return node


def chain(shape: Shape = (N,), outputs: Shape = (), **nodes: nir.NIRNode) -> nir.NIRGraph:
    """Input, the nodes one after the other, Output; its shape is that of the last, where that one says it."""
    outputs = outputs or _outputs(shape, nodes)
    named = {
        "input": nir.Input({"input": np.array(shape)}),
        **nodes,
        "output": nir.Output({"output": np.array(outputs)}),
    }
    return graph(named, list(pairwise(named)))


def recurrent(graph_: nir.NIRGraph, neurons: str, **back: nir.NIRNode) -> nir.NIRGraph:
    """The same, the neurons feeding themselves through these nodes."""
    return graph({**graph_.nodes, **back}, [*graph_.edges, *pairwise([neurons, *back, neurons])])


def graph(nodes: Nodes, edges: list[Edge]) -> nir.NIRGraph:
    return nir.NIRGraph(nodes=nodes, edges=edges, type_check=False)


def ends(inputs: Shape, outputs: Shape) -> Nodes:
    return {"input": nir.Input({"input": np.array(inputs)}), "output": nir.Output({"output": np.array(outputs)})}


def _outputs(shape: Shape, nodes: Nodes) -> Shape:
    """Of the last node that says its own: neurons and synapses do, what lies between them passes on."""
    last = list(nodes.values())[-1]
    if isinstance(last, nir.NIRGraph):
        return _outputs(shape, {"output": last.nodes["output"]})
    if isinstance(last, nir.Output):
        return tuple(last.output_type["output"])
    size = next(v.shape for k, v in vars(last).items() if k in ("r", "threshold", "weight"))
    if len(nodes) > 1 and size == (1,):
        return MAP
    return size[:1] if isinstance(last, nir.Linear | nir.Affine) else size


def weights(*shape: int) -> Array:
    return uniform(-0.5, 1, *shape)


def small(*shape: int) -> Array:
    return uniform(0, 0.2, *shape)


def uniform(low: float, high: float, *shape: int) -> Array:
    return RNG.uniform(low, high, shape).astype(np.float32)


def full(value: float, *shape: int) -> Array:
    return np.full(shape or (N,), value, np.float32)
