"""The errors of a module that cannot become a network."""

import re

from deploy.errors import DeployError

PLACED = re.compile(r"\S+\.py:\d+[ :]|\S+, a \w+: |the module: ")
"""How a message begins that says a place, as `export.modules.places.Places.place` does."""


class ModuleRefusedError(DeployError):
    """A module does something that no network says; the message names it and the line of the module's own code."""

    def at(self, place: str) -> "ModuleRefusedError":
        """The same with the place where it was met, unless it says a more exact one."""
        return self if PLACED.match(str(self)) else type(self)(f"{place}: {self}")


class LayoutError(ModuleRefusedError):
    """A module takes its frames in another order of axes than it was given them in."""
