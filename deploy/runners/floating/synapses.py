"""Weights and geometry of dense layers and convolutions, laid out as the float kernels read them."""

from dataclasses import dataclass

import numpy as np

from deploy.network import Array, Conv, Dense, Network, Shape
from deploy.runners.floating.kernels import Float, Geometry
from deploy.runners.integer.prepared import in_order_of_places, three_axes
from deploy.runners.integer.vectors import LANES

FEW = 2
"""Inputs a place of the output (of a kernel as wide as its stride) up to which going through the inputs was faster."""


@dataclass(frozen=True)
class Synapse:
    """weight, bias and few as `kernels.sums_of` takes them."""

    weight: Float
    bias: Float
    geometry: Geometry

    @property
    def few(self) -> int:
        """Up to so many inputs a step are gone through; of more, the places of the output are."""
        g = self.geometry
        if g.groups > 1 or g.out_channels % self.weight.shape[2]:
            return 0
        return FEW * g.out_height * g.out_width * g.stride_h * g.stride_w // g.kernel_w

    @classmethod
    def of(cls, name: str, network: Network, in_place: bool) -> "Synapse":
        """`in_place`: whether what was flattened keeps its channels innermost."""
        node, source = network.nodes[name], network.sources(name)[0]
        assert isinstance(node, Dense | Conv)
        if isinstance(node, Dense):
            weight = in_order_of_places(name, node, network) if in_place else node.weight
            node = Conv(weight=weight[:, :, None, None], bias=node.bias)
        geometry = _geometry(node, three_axes(network.shapes[source]), three_axes(network.shapes[name]))
        outputs, per_group, kh, kw = node.weight.shape
        weight = node.weight.transpose(0, 2, 3, 1).reshape(outputs, kh * kw * per_group)
        blocked = _blocks(weight, node.groups)
        if node.bias is None:
            return cls(blocked, np.empty((len(blocked), 0), np.float32), geometry)
        return cls(blocked, _blocks(node.bias[:, None], node.groups)[:, 0], geometry)


def _geometry(node: Conv, inputs: Shape, outputs: Shape) -> Geometry:
    (channels, height, width), (out_channels, out_height, out_width) = inputs, outputs
    kernel_h, kernel_w = node.weight.shape[2:]
    return Geometry(
        node.groups,
        height,
        width,
        channels,
        out_height,
        out_width,
        out_channels,
        kernel_h,
        kernel_w,
        *node.stride,
        *node.padding,
        *node.dilation,
    )


def _blocks(values: Array, groups: int) -> Float:
    """(out, rows) to (groups * blocks, rows, lanes) float32, padded with zeros; of equal widths, the widest."""
    outputs, rows = values.shape
    columns = outputs // groups
    lanes = min(LANES, key=lambda lanes: (-(-columns // lanes) * lanes, -lanes))
    padded = np.zeros((groups, -(-columns // lanes) * lanes, rows), np.float32)
    padded[:, :columns] = values.reshape(groups, columns, rows)
    return np.ascontiguousarray(padded.reshape(-1, lanes, rows).transpose(0, 2, 1))
