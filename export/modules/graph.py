"""A graph under construction: nodes, and edges that may bring what was sent some steps before."""

import numpy as np

from deploy.errors import DeployError
from deploy.network import Conv, Delay, Dense, Edge, Network, Node, Scale
from export.modules.refusal import ModuleRefusedError

LateEdge = tuple[str, str, int]
"""(source, target, by how many steps it is late)."""


class Graph:
    """Nodes by name, and the edges between them."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.places: dict[str, str] = {}
        """By node, the line of the user's code that it comes from."""
        self.edges: list[LateEdge] = []
        self._begins: dict[Edge, bool | None] = {}
        self._names: set[str] = {"output", "readout"}

    def name(self, wanted: str) -> str:
        """A name for a node that no other has."""
        name, number = wanted or "layer", 2
        while name in self._names:
            name, number = f"{wanted}_{number}", number + 1
        self._names.add(name)
        return name

    def add(self, name: str, node: Node, place: str) -> str:
        self.nodes[name] = node
        self.places[name] = place
        return name

    def connect(self, source: str, target: str, late: int, begins: bool | None = None) -> None:
        """Add an edge; one that is there already gets a node of its own, so that both count.

        begins: of a late edge, whether what its source gives of zeros is there before the first step; None: that is 0.
        """
        if any(edge[:2] == (source, target) for edge in self.edges):
            again = self.add(self.name(f"{source}_again"), Scale(factor=np.ones((), np.float32)), self.places[source])
            self.edges.append((source, again, 0))
            source = again
        self.edges.append((source, target, late))
        self._begins[source, target] = begins

    def prune(self) -> None:
        """Leave out what leads nowhere."""
        wanted, waiting = {"output"}, ["output"]
        while waiting:
            target = waiting.pop()
            for source, _, _ in [edge for edge in self.edges if edge[1] == target and edge[0] not in wanted]:
                wanted.add(source)
                waiting.append(source)
        self.nodes = {name: node for name, node in self.nodes.items() if name in wanted or name == "input"}
        self.edges = [edge for edge in self.edges if edge[1] in wanted]

    def network(self, dt: float) -> Network:
        """The network, with a delay on every late edge that closes no cycle by itself.

        Raises:
            ModuleRefusedError: a cycle whose late edge is another than the network would take.
        """
        try:
            network = self._network(dt)
            network.shapes  # noqa: B018 (nodes that do not fit together raise here)
            return network
        except ModuleRefusedError:
            raise
        except DeployError as error:
            name = next((name for name in self.places if str(error).startswith(f"{name}:")), None)
            raise ModuleRefusedError(f"{self.places[name]}: {error}" if name else str(error)) from error

    def _network(self, dt: float) -> Network:
        # What comes in time goes first: a cycle is then closed by what is late.
        edges = sorted(self.edges, key=lambda edge: edge[2])
        recurrent = self._recurrent(edges, dt)
        for edge in [edge for edge in edges if edge[2]]:
            closes = edge[:2] in recurrent
            if edge[2] > closes or self._begins.get(edge[:2]) is False:
                # A synapse that closes a cycle gives its bias at first, a delay gives zeros, even one of 0 steps.
                self._delay(edge, edge[2] - closes)
        edges = sorted(self.edges, key=lambda edge: edge[2])
        recurrent = self._recurrent(edges, dt)
        if recurrent != {edge[:2] for edge in edges if edge[2]}:
            odd = sorted(recurrent ^ {edge[:2] for edge in edges if edge[2]})[0]
            raise ModuleRefusedError(
                f"{self.places[odd[1]]}: it is not certain which way of a cycle brings the step before, the one over "
                f"{odd[0]} -> {odd[1]}; let the feedback enter one layer alone"
            )
        return Network(nodes=self.nodes, edges=tuple(edge[:2] for edge in edges), dt=dt)

    def _recurrent(self, edges: list[LateEdge], dt: float) -> frozenset[Edge]:
        return Network(nodes=self.nodes, edges=tuple(edge[:2] for edge in edges), dt=dt).recurrent_edges

    def _delay(self, edge: LateEdge, steps: int) -> None:
        """Let an edge bring what was sent `steps` before: where it can be before its synapse, as a chip has it."""
        source, target, late = edge
        node = self.nodes[source]
        alone = [e for e in self.edges if e[0] == source] == [edge]
        sources = [e for e in self.edges if e[1] == source]
        begins = self._begins.get((source, target))
        early = (
            isinstance(node, Dense | Conv) and begins is not False and alone and len(sources) == 1 and not sources[0][2]
        )
        if begins and not early:
            raise ModuleRefusedError(
                f"{self.places[source]}: its bias is there before the first step, and several layers meet behind it; "
                "give the layer that is late a synapse of its own"
            )
        split = sources[0] if early else edge
        name = self.add(self.name(f"{split[0]}_delay"), Delay(steps=steps), self.places[source])
        self.edges.remove(edge)
        self.edges.append((source, target, late - steps) if early else (name, target, late - steps))
        if early:
            self.edges.remove(split)
            self.edges += [(split[0], name, 0), (name, split[1], split[2])]
        else:
            self.edges.append((source, name, 0))
