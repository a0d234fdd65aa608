"""The spiking student as a graph, so that exporting it is reading it."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ckd.errors import ConfigError
from ckd.models.block import Source, can_fuse, normed_spikes
from ckd.models.convolution import convolve, convolve_first
from ckd.models.distributed import BatchNorm
from ckd.models.neuron import LIF
from ckd.models.precision import at_least_float32
from ckd.models.spiking import SpikingStudent, StudentOutput

Edge = tuple[str, str]


class Block(NamedTuple):
    """What follows a batch norm: its neurons, and the pooling after them ("" if there is none)."""

    lif: str
    pool: str


class Student(SpikingStudent):
    """A graph of modules: `nodes` by name in topological order, `edges` between them, "input" and "output" at the ends.

    Several edges into a node add up (residual add of currents). Stateless nodes see time folded into the batch.
    """

    def __init__(self, nodes: dict[str, nn.Module], edges: tuple[Edge, ...]) -> None:
        super().__init__()
        self.nodes = nn.ModuleDict(nodes)
        self.edges = edges
        self._sources = {name: [a for a, b in edges if b == name] for name in [*nodes, "output"]}
        self._last_use = {source: target for name in nodes for source, target in edges if target == name}
        names = list(nodes)
        conv_lifs = [name for name in names[: names.index("flatten")] if isinstance(nodes[name], LIF)]
        self._aligned = conv_lifs[-1]
        self._blocks = dict(self._find_blocks())
        self._first = self._find_first()

    def forward(
        self,
        frames: Tensor,
        *,
        classifier: nn.Module | None = None,
        observe: Callable[[str, Tensor], None] | None = None,
    ) -> StudentOutput:
        steps, batch = frames.shape[:2]
        folded = frames.flatten(0, 1)
        if folded.device.type == "cpu":
            # Convolutions on a CPU are about a third faster when the channels lie innermost.
            folded = folded.contiguous(memory_format=torch.channels_last)
        values = {"input": folded}
        potential = frames
        done: set[str] = set()
        origin: Source | None = None
        for name, module in self.nodes.items():
            if name in done:
                continue
            x = self._sum(values, name)
            block = self._blocks.get(name) if observe is None else None
            pool = self.nodes[block.pool] if block is not None and block.pool else None
            if block is not None and can_fuse(x, module, self.nodes[block.lif], pool):
                aligned = block.lif == self._aligned
                known = origin if self._sources[name] == [self._first] else None
                given = normed_spikes(x, module, self.nodes[block.lif], steps, bool(block.pool), aligned, known)
                values[block.pool or block.lif], h = given
                potential = potential if h is None else h
                done |= {block.lif, block.pool}
            elif isinstance(module, LIF):
                spikes, h = module.sequence(x.unflatten(0, (steps, batch)))
                values[name] = spikes.flatten(0, 1)
                if name == self._aligned:
                    potential = h
            elif name == "classifier" and classifier is not None:
                values[name] = classifier(x)
            elif observe is None and name == self._first and (found := self._convolve_first(x)) is not None:
                values[name], origin = found
            elif observe is None:
                values[name] = convolve(x, module)
            else:
                values[name] = module(x)
            if observe is not None:
                observe(name, values[name].unflatten(0, (steps, batch)))
            for source in self._sources[name]:
                if self._last_use[source] == name and source not in self._sources["output"]:
                    del values[source]
        logits = self._sum(values, "output").unflatten(0, (steps, batch))
        return StudentOutput(at_least_float32(logits), potential)

    def _find_blocks(self) -> Iterator[tuple[str, Block]]:
        """By the name of their batch norm, where it feeds neurons and nothing else, and they see nothing else."""
        targets = {name: [b for a, b in self.edges if a == name] for name in self.nodes}

        def only(name: str, kind: type[nn.Module]) -> str:
            """The node that `name` alone feeds and that feeds on it alone, if it is of this kind."""
            alone = len(targets[name]) == 1 and self._sources[targets[name][0]] == [name]
            return targets[name][0] if alone and isinstance(self.nodes._modules.get(targets[name][0]), kind) else ""

        for name, module in self.nodes.items():
            if isinstance(module, nn.BatchNorm2d) and (lif := only(name, LIF)):
                yield name, Block(lif, only(lif, nn.AvgPool2d))

    def _find_first(self) -> str:
        """The convolution that sees frames alone and feeds a block's batch norm alone, "" if there is none."""
        for name in self._blocks:
            (conv,) = self._sources[name] if len(self._sources[name]) == 1 else [""]
            if self._sources.get(conv) == ["input"] and [b for a, b in self.edges if a == conv] == [name]:
                return conv
        return ""

    def _convolve_first(self, x: Tensor) -> tuple[Tensor, Source] | None:
        """As `convolve_first`, where a block follows that can be fused."""
        norm = next(b for a, b in self.edges if a == self._first)
        block = self._blocks[norm]
        behind, pool = (self.nodes[norm], self.nodes[block.lif]), self.nodes[block.pool] if block.pool else None
        # Before anything is multiplied: all but whether the pool divides what comes out is known.
        if not can_fuse(x, *behind, None):
            return None
        found = convolve_first(x, self.nodes[self._first])
        return found if found is not None and can_fuse(found[0], *behind, pool) else None

    def _sum(self, values: dict[str, Tensor], name: str) -> Tensor:
        first, *rest = (values[source] for source in self._sources[name])
        for other in rest:
            first = first + other
        return first

    @property
    def network(self) -> nn.Module:
        return self

    @property
    def neurons(self) -> dict[str, LIF]:
        """The LIF layers by name, in order."""
        return {name: module for name, module in self.nodes.items() if isinstance(module, LIF)}


class Neuron(NamedTuple):
    """Constants of every LIF layer of a student."""

    beta: float = 0.5
    threshold: float = 0.5
    alpha: float = 2.0

    def build(self) -> LIF:
        return LIF(beta=self.beta, threshold=self.threshold, alpha=self.alpha)


def build_vgg(
    widths: str,
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    neuron: Neuron | None = None,
    first_padding: int = 1,
) -> Student:
    """Spiking VGG: 3 x 3 convolution, batch norm and LIF for every number in `widths`, average pooling for every "AP".

    Args:
        widths: for example "64-128-AP-256-256-AP".
        input_shape: (C, H, W) of one frame.
        classes: outputs of the classifier.
        neuron: constants of the LIF layers.
        first_padding: of the first convolution; 0 turns a 34 x 34 sensor into 32 x 32, which pools evenly.

    Raises:
        ConfigError: `widths` cannot be read, or a pooling window does not divide what it pools.
    """
    neuron = neuron or Neuron()
    channels, height, width = input_shape
    nodes: dict[str, nn.Module] = {}
    convs = pools = 0
    for word in widths.split("-"):
        if word == "AP":
            if height % 2 or width % 2:
                # Pooling that drops a row cannot be folded into the next convolution exactly.
                raise ConfigError(
                    f"student widths {widths!r}: pooling {pools + 1} would meet {height} x {width} pixels, which 2 "
                    "does not divide; change --size, --first-padding (0 takes 2 pixels away) or the widths"
                )
            pools += 1
            nodes[f"pool{pools}"] = nn.AvgPool2d(2)
            height, width = height // 2, width // 2
            continue
        if not word.isdigit() or int(word) < 1:
            raise ConfigError(f"student widths {widths!r}: {word!r} is neither a number of channels nor AP")
        padding = 1 if convs else first_padding
        convs += 1
        nodes[f"conv{convs}"] = nn.Conv2d(channels, int(word), 3, padding=padding, bias=False)
        nodes[f"bn{convs}"] = BatchNorm(int(word))
        nodes[f"lif{convs}"] = neuron.build()
        channels, height, width = int(word), height + 2 * padding - 2, width + 2 * padding - 2
    if not convs:
        raise ConfigError(f"student widths {widths!r}: at least one convolution is needed, for example 16-AP-32-AP")
    if height < 1 or width < 1:
        raise ConfigError(f"student widths {widths!r}: nothing is left of {input_shape[1]} x {input_shape[2]} pixels")
    nodes["flatten"] = nn.Flatten()
    nodes["classifier"] = nn.Linear(channels * height * width, classes)
    return Student(nodes, tuple(pairwise(["input", *nodes, "output"])))


def build_resnet18(
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    width: int = 64,
    neuron: Neuron | None = None,
) -> Student:
    """Spiking ResNet-18: a 3 x 3 stem and four stages of two blocks; a block's shortcut adds to its last LIF's current.

    Args:
        input_shape: (C, H, W) of one frame; H and W divisible by 8.
        classes: outputs of the classifier.
        width: channels of the first stage (64 in the paper), doubled from stage to stage.
        neuron: constants of the LIF layers.
    """
    neuron = neuron or Neuron()
    channels, height, width_px = input_shape
    if height % 8 or width_px % 8:
        raise ConfigError(f"resnet18: 8 must divide the frame, which has {height} x {width_px} pixels; change --size")
    nodes: dict[str, nn.Module] = {}
    edges: list[Edge] = []
    count = 0

    def conv_bn(source: str, inputs: int, outputs: int, stride: int, kernel: int = 3, name: str = "") -> str:
        nonlocal count
        count += not name
        label = name or str(count)
        nodes[f"conv{label}"] = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        nodes[f"bn{label}"] = BatchNorm(outputs)
        edges.extend([(source, f"conv{label}"), (f"conv{label}", f"bn{label}")])
        return f"bn{label}"

    def lif(*sources: str) -> str:
        nodes[f"lif{count}"] = neuron.build()
        edges.extend((source, f"lif{count}") for source in sources)
        return f"lif{count}"

    last = lif(conv_bn("input", channels, width, 1))
    channels = width
    for stage in range(4):
        outputs = width << stage
        for block in range(2):
            stride = 2 if stage and not block else 1
            middle = lif(conv_bn(last, channels, outputs, stride))
            main = conv_bn(middle, outputs, outputs, 1)
            shortcut = last
            if stride != 1 or channels != outputs:
                shortcut = conv_bn(last, channels, outputs, stride, kernel=1, name=f"{count}_shortcut")
            last = lif(main, shortcut)
            channels = outputs
    nodes["pool1"] = nn.AvgPool2d((height // 8, width_px // 8))
    nodes["flatten"] = nn.Flatten()
    nodes["classifier"] = nn.Linear(channels, classes)
    edges.extend([(last, "pool1"), ("pool1", "flatten"), ("flatten", "classifier"), ("classifier", "output")])
    return Student(nodes, tuple(edges))
