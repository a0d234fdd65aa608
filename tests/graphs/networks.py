"""What graphs of our own nodes have in common, on the grid and in floats."""

from deploy.network import Delay, Flatten, Input, Node, Output, SumPool
from tests.graphs.skeleton import Geometry, Shape, Skeleton


class NetworkGraph(Skeleton[Node]):
    """A subclass draws synapses and neurons."""

    def input(self, shape: Shape) -> Node:
        return Input(shape=shape)

    def output(self, shape: Shape) -> Node:
        return Output()

    def flatten(self, shape: Shape) -> Node:
        return Flatten()

    def delay(self, steps: int, shape: Shape) -> Node:
        return Delay(steps=steps)

    def pooling(self, geometry: Geometry) -> list[Node]:
        return [SumPool(kernel=geometry.kernel, stride=geometry.stride, padding=geometry.padding)]
