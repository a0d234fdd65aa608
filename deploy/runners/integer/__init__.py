"""Our Loihi simulator: any network on the grid, exact to `deploy.grid`, batched over recordings, on every core."""

from deploy.runners.integer.simulator import Simulator, run

__all__ = ["Simulator", "run"]
