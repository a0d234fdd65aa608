"""The errors of a module that cannot become a network."""

from deploy.errors import DeployError


class ModuleRefusedError(DeployError):
    """A module does something that no network says; the message names it and the line of the module's own code."""


class LayoutError(ModuleRefusedError):
    """A module takes its frames in another order of axes than it was given them in."""
