"""The parameters of Lava's processes for the populations and connections of a network."""

from typing import Any

import numpy as np

from deploy import grid
from deploy.errors import GridError, UnsupportedError, shown
from deploy.network import Array, Conv, Dense, FloatNeuron, GridNeuron, Network, Neuron, Shape, exactly
from deploy.runners.lava.plan import Connection, connections, lava_order, lava_shape, to_lava

Arrays = dict[str, Array]

SILENCE = 1 << 16
"""The synaptic sum that holds a population down: u = -2^22, so that as much again may arrive before u wraps."""

FLOAT_SILENCE = 1e30
MOST_ENTRIES = 20_000_000
CONV_LIMIT = 127
"""Lava's Conv keeps its geometry in int8."""


def population(name: str, network: Network, *, held: bool, forced: bool, arrays: Arrays) -> dict[str, Any]:
    """What the worker needs to build neurons `name`; their parameters go into `arrays`.

    Args:
        held: whether the population must not spike between recordings.
        forced: whether a process of ours sees to that, where no current that Lava's own can take is enough.

    Raises:
        GridError: a bias that is no mantissa << exponent.
        UnsupportedError: what a Lava LIF cannot do.
    """
    node = exactly(name, network.neurons[name], "Lava", GridNeuron, FloatNeuron, every_reset=True)
    if isinstance(node, GridNeuron):
        values, exponent = _grid_neuron(name, node)
    else:
        values, exponent = _float_neuron(name, node), 0
    constant = _constant_input(name, network)
    if held or np.any(constant):
        values |= {"rest": constant, **_silence(node, values["du"])}
    for key, value in values.items():
        arrays[f"{name}/{key}"] = _parameter(value, node.shape)
    spec: dict[str, Any] = {key: f"{name}/{key}" for key in ("du", "dv", "vth", "bias_mant")}
    drive = {key: f"{name}/{key}" for key in ("rest", "level", "top_up")} if "level" in values else None
    return spec | {
        "name": name,
        "shape": lava_shape(node.shape),
        "depth": network.depth[name],
        "bias_exp": exponent,
        "drive": drive,
        "reset": node.reset_mechanism,
        "reset_delay": node.reset_delay,
        "held": held,
        "forced": held and forced,
    }


def synapse(index: int, connection: Connection, network: Network, *, bits: int, arrays: Arrays) -> dict[str, Any]:
    """What the worker needs to build one connection; its weights go into `arrays`.

    Args:
        bits: num_message_bits: 0 where the source sends spikes, 8 where it sends counts.

    Raises:
        GridError: weights that Lava would silently change.
    """
    node = network.nodes[connection.synapse] if connection.synapse else None
    assert node is None or isinstance(node, Dense | Conv)
    source, target = (network.shapes[name] for name in (connection.source, connection.target))
    key = f"synapse{index}"
    spec: dict[str, Any] = {"weight": key, "message_bits": bits, "weight_exp": 0}
    gain = _gain(network.neurons[connection.target], connection.factor)
    if isinstance(node, Dense):
        weight = node.weight[:, lava_order(source)]
        arrays[key] = weight if gain is None else weight * np.broadcast_to(gain, target)[:, None]
        _refuse_changed_weights(connection, node.weight, on_grid=gain is None)
        return spec | {"kind": "dense", "weight_exp": node.weight_exp}
    per_channel = gain is None or np.ndim(gain) == 0 or (gain.ndim == 3 and gain.shape[1:] == (1, 1))
    if isinstance(node, Conv) and len(target) == 3 and _is_plain(node) and per_channel:
        weight = _shifted(node.weight, node.weight_exp) if gain is None else node.weight * gain.reshape(-1, 1, 1, 1)
        arrays[key] = np.ascontiguousarray(weight.transpose(0, 2, 3, 1)[:, ::-1, ::-1])
        geometry = {"stride": node.stride, "padding": node.padding, "dilation": node.dilation, "groups": node.groups}
        return spec | {"kind": "conv", "input_shape": lava_shape(source), **geometry}
    if isinstance(node, Conv):
        _refuse_large(connection, node, network.shapes[str(connection.synapse)])
    rows, columns, weight = _entries(node, source)
    if gain is not None:
        weight = weight * np.broadcast_to(gain, target).ravel()[rows]
    _refuse_changed_weights(connection, weight, on_grid=gain is None)
    _store_sparse(key, rows, columns, weight, source, target, arrays)
    return spec | {"kind": "sparse", "weight_exp": node.weight_exp if node else 0}


def _grid_neuron(name: str, node: GridNeuron) -> tuple[Arrays, int]:
    mantissa, exponent = grid.split_bias(node.bias)
    lost = (mantissa << exponent) != node.bias
    if np.any(lost):
        raise GridError(
            f"{name}: bias {np.asarray(node.bias)[lost].flat[0]} is no 13-bit mantissa << {exponent}, which is all "
            "that the chip holds. Quantize the network again (deploy.quantize)"
        )
    vth = np.asarray(grid.UNREACHABLE) if node.vth is None else node.vth
    return {"du": node.du, "dv": node.dv, "vth": vth, "bias_mant": mantissa}, exponent


def _float_neuron(name: str, node: FloatNeuron) -> Arrays:
    """u and v of a Lava float LIF are `gain` times ours for u, and ours for v: the gains go into the weights."""
    if np.any(node.rest_potential):
        raise UnsupportedError(
            f"{name}: resets to {shown(node.reset)}; Lava's LIF resets to 0. Shift v so that it does"
        )
    if node.reset_mechanism == "subtract" and not node.takes_off_threshold:
        raise UnsupportedError(f"{name}: a spike takes off {shown(node.reset)}, in Lava the threshold; use --on float")
    du = np.ones(()) if node.current_keep is None else 1.0 - np.asarray(node.current_keep, np.float64)
    vth = np.asarray(np.inf) if node.threshold is None else node.threshold
    return {"du": du, "dv": 1.0 - np.asarray(node.keep, np.float64), "vth": vth, "bias_mant": node.bias}


def _silence(node: Neuron, du: Array) -> Arrays:
    """The sum to send at first, and then what the current loses at each step."""
    if isinstance(node, FloatNeuron):
        return {"level": np.asarray(FLOAT_SILENCE), "top_up": np.asarray(FLOAT_SILENCE)}
    return {"level": np.asarray(SILENCE), "top_up": SILENCE // grid.DECAY_ONE * (du + 1)}


def _gain(node: Neuron, factor: float) -> Array | None:
    """What a float neuron multiplies its input by; None on the grid."""
    if not isinstance(node, FloatNeuron):
        if factor != 1.0:
            raise UnsupportedError(f"a Scale by {factor} on the grid: fold it into the weights (deploy.quantize does)")
        return None
    return np.asarray(node.gain, np.float64) * node.input_gain * factor


def _constant_input(name: str, network: Network) -> Array:
    """The biases of the synapses that feed `name`, in units of Lava's current."""
    node = network.neurons[name]
    total = np.zeros(())
    # Branches that join before a synapse are connections of their own, but share its bias.
    own = {way.tail: way for way in connections(network) if way.target == name}
    for connection in own.values():
        source = network.nodes[connection.synapse] if connection.synapse else None
        if not isinstance(source, Dense | Conv) or source.bias is None:
            continue
        gain = _gain(node, connection.output_factor)
        if gain is None:
            raise UnsupportedError(f"{connection.synapse}: a bias on the grid belongs to the neuron, {name}")
        if connection.late_output:
            raise UnsupportedError(
                f"{connection.synapse}: its bias is delayed on its way to {name}; put the delay first"
            )
        bias = source.bias if len(node.shape) == 1 else source.bias[:, None, None]
        if bias.size != node.shape[0] and len(node.shape) == 1:
            bias = np.repeat(bias, node.shape[0] // bias.size)
        total = total + bias * gain
    return total


def _parameter(value: Any, shape: Shape) -> Array:
    """One number where all are equal, else one for each neuron, in Lava's layout."""
    value = np.asarray(value)
    if value.size and np.all(value == value.flat[0]):
        return value.flat[0] * np.ones((), value.dtype)
    return np.ascontiguousarray(to_lava(np.broadcast_to(value, shape)))


def _is_plain(node: Conv) -> bool:
    """Whether Lava's Conv can do it: it ignores weight_exp, and holds its geometry in int8."""
    numbers = (*node.weight.shape[2:], *node.stride, *node.padding, *node.dilation, node.groups)
    exact = node.weight_exp >= 0 or not np.any(node.weight % (1 << -node.weight_exp))
    return exact and max(numbers) <= CONV_LIMIT


def _shifted(weight: Array, exponent: int) -> Array:
    return weight << exponent if exponent >= 0 else weight >> -exponent


def _refuse_large(connection: Connection, node: Conv, output: Shape) -> None:
    """What Lava's Conv cannot do runs as a sparse matrix, which has an entry for every synapse."""
    entries = np.count_nonzero(node.weight) * output[1] * output[2]
    if entries > MOST_ENTRIES:
        raise UnsupportedError(
            f"{connection.synapse}: Lava's Conv ignores weight_exp ({node.weight_exp}) and gives maps; as a matrix "
            f"it has {entries} entries, more than {MOST_ENTRIES}. Use weight_exp >= 0, and flatten after the neurons"
        )


def _refuse_changed_weights(connection: Connection, weight: Array, *, on_grid: bool) -> None:
    """Lava's Dense and Sparse clip weights and drop low bits without a word."""
    if not on_grid:
        return
    if grid.weights_on_grid(weight):
        return
    raise GridError(
        f"{connection.synapse}: weights from {weight.min()} to {weight.max()} are not all on the grid and Lava would "
        "change them: even ones from -256 to 254 where signs mix, else -255 to 0 or 0 to 255. Quantize again"
    )


def _entries(node: Conv | None, source: Shape) -> tuple[Array, Array, Array]:
    """Rows, columns and weights of a convolution (None: of the identity) as a matrix between flat layouts of ours."""
    count = int(np.prod(source))
    if node is None:
        return np.arange(count), np.arange(count), np.ones(count, np.int64)
    places = np.arange(1, count + 1).reshape(source)
    (ph, pw), (sh, sw), (dh, dw) = node.padding, node.stride, node.dilation
    padded = np.pad(places, ((0, 0), (ph, ph), (pw, pw)))
    out, per_group, kh, kw = node.weight.shape
    height = (padded.shape[1] - dh * (kh - 1) - 1) // sh + 1
    width = (padded.shape[2] - dw * (kw - 1) - 1) // sw + 1
    rows, columns, weights = [], [], []
    for o, i, y, x in np.argwhere(node.weight != 0):
        channel = o // (out // node.groups) * per_group + i
        seen = padded[channel, y * dh :: sh, x * dw :: sw][:height, :width].ravel()
        inside = np.flatnonzero(seen)
        rows.append(o * height * width + inside)
        columns.append(seen[inside] - 1)
        weights.append(np.full(len(inside), node.weight[o, i, y, x]))
    empty = [np.zeros(0, np.int64)]
    return tuple(np.concatenate(part or empty) for part in (rows, columns, weights))  # pyright: ignore


def _store_sparse(
    key: str, rows: Array, columns: Array, weight: Array, source: Shape, target: Shape, arrays: Arrays
) -> None:
    """A CSR matrix between Lava's flat layouts."""
    rows, columns = np.argsort(lava_order(target))[rows], np.argsort(lava_order(source))[columns]
    order = np.lexsort((columns, rows))
    size = int(np.prod(target)), int(np.prod(source))
    arrays[f"{key}.data"], arrays[f"{key}.indices"] = weight[order], columns[order]
    arrays[f"{key}.indptr"] = np.searchsorted(rows[order], np.arange(size[0] + 1))
    arrays[f"{key}.shape"] = np.asarray(size)
