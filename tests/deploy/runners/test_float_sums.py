"""The float kernels' sums, to the bit, against a plain loop in the stated order."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deploy.network import Array, Conv, Input, Output
from deploy.runners.floating.kernels import sums_of
from deploy.runners.floating.synapses import Synapse
from tests.builders import chain


@st.composite
def cases(draw: st.DrawFn) -> tuple[Conv, Array]:
    """A convolution and inputs (1, 2, H, W, C): spikes, counts or any floats, from none to all of them there."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    groups, channels = draw(st.sampled_from([(1, 3), (1, 70), (2, 4), (4, 4)]))
    size, kernel, dilation = draw(st.tuples(st.integers(3, 7), st.integers(3, 7))), draw(pair), draw(pair)
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    assume(all(n + 2 * p >= span for n, p, span in zip(size, padding, spans, strict=True)))
    outputs = draw(st.sampled_from([4, 8, 16, 24, 136]))
    weight = rng.normal(size=(outputs, channels // groups, *kernel)).astype(np.float32)
    bias = rng.normal(size=outputs).astype(np.float32) if draw(st.booleans()) else None
    node = Conv(weight=weight, bias=bias, stride=draw(pair), padding=padding, dilation=dilation, groups=groups)
    there = rng.random((1, 2, *size, channels)) < draw(st.sampled_from([0, 0.05, 0.3, 1]))
    kind = draw(st.sampled_from(["spikes", "counts", "floats"]))
    values = (
        rng.normal(size=there.shape)
        if kind == "floats"
        else rng.integers(1, 2 if kind == "spikes" else 256, there.shape)
    )
    return node, (there * values).astype(np.float32 if kind == "floats" else np.uint8)


def _in_order(node: Conv, x: Array) -> Array:
    """One step (H, W, C): weight times input, by row, column and channel, each product and sum rounded."""
    outputs, per_group, kh, kw = node.weight.shape
    padded = np.pad(x.astype(np.float32), [(p, p) for p in node.padding] + [(0, 0)])
    reach = (node.dilation[0] * (kh - 1), node.dilation[1] * (kw - 1))
    rows, columns = ((n - r - 1) // s + 1 for n, r, s in zip(padded.shape, reach, node.stride, strict=False))
    out = np.zeros((rows, columns, outputs), np.float32)
    group = np.arange(outputs) // (outputs // node.groups) * per_group
    for i in range(rows):
        for j in range(columns):
            for ki in range(kh):
                for kj in range(kw):
                    place = padded[
                        i * node.stride[0] + ki * node.dilation[0], j * node.stride[1] + kj * node.dilation[1]
                    ]
                    for c in range(per_group):
                        out[i, j] += node.weight[:, c, ki, kj] * place[group + c]
    return out if node.bias is None else out + node.bias


@settings(max_examples=40, deadline=None)
@given(cases(), st.sampled_from([0, 10**9]))
def test_every_sum_is_made_in_the_stated_order(case: tuple[Conv, Array], few: int) -> None:
    node, x = case
    network = chain(in_=Input(shape=(x.shape[4], *x.shape[2:4])), conv=node, output=Output())
    s = Synapse.of("conv", network, in_place=True)
    channels, *size = network.shapes["conv"]
    out = np.full((1, 2, *size, channels), np.nan, np.float32)
    sums_of(x, s.weight, s.bias, s.geometry, few if s.few else 0, out)
    for t in range(2):
        assert np.array_equal(out[0, t], _in_order(node, x[0, t]))
