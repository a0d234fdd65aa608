"""One way to run a network: what a runner did, or what it would have done had one thing been otherwise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from deploy.checking.divergence.rules import RIGHT, Rules
from deploy.network import Array, Network
from deploy.traces.trace import Trace

View = Callable[[Array, Array], Array]
"""(frames, numbers of the recordings) -> the frames that a runner saw."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One way to run a network: what a runner did, or what it would have done had one thing been otherwise.

    frames: (R, T, *input_shape); rules by layer, `RIGHT` where none is named: the first of them everywhere, the others
    where they are confined to. rows: the numbers of the recordings, where they are not the first ones.
    view: what a runner makes of frames, given them and their numbers. whole: the frames of all recordings, and
    recorded: the trace of all of them.
    """

    network: Network
    frames: Array
    rules: Mapping[str, tuple[Rules, ...]] = field(default_factory=dict)
    schedule: str = "synchronous"
    rows: Array | None = None
    view: View | None = None
    whole: Array | None = None
    recorded: Trace | None = None

    @property
    def seen(self) -> Array:
        """The frames as the runner sees them."""
        return self.frames if self.view is None else self.view(self.frames, self.numbers)

    @property
    def numbers(self) -> Array:
        """The numbers of the recordings, (R,)."""
        return np.arange(len(self.frames)) if self.rows is None else self.rows

    def take(self, rows: slice | Array) -> "Setup":
        """The same for some of its recordings."""
        return replace(self, frames=self.frames[rows], rows=self.numbers[rows])

    def with_rules(self, layer: str, **changes: object) -> "Setup":
        """The same with other rules in one layer, wherever they are not confined."""
        first, *others = self.rules.get(layer, (RIGHT,))
        changed = replace(first, **changes)  # pyright: ignore[reportArgumentType]
        return replace(self, rules={**self.rules, layer: (changed, *others)})

    def with_part(self, layer: str, part: Rules) -> "Setup":
        """The same with other rules in a part of one layer."""
        return replace(self, rules={**self.rules, layer: (*self.rules.get(layer, (RIGHT,)), part)})

    def with_view(self, change: View) -> "Setup":
        """The same with something done to the frames that the runner sees."""
        before = self.view
        return replace(self, view=change if before is None else lambda f, n: change(before(f, n), n))

    def with_node(self, name: str, **changes: object) -> "Setup":
        """The same with other parameters in one node."""
        node = replace(self.network.nodes[name], **changes)  # pyright: ignore[reportArgumentType]
        return replace(self, network=self.network.replace(nodes={**self.network.nodes, name: node}))
