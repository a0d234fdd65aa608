"""The reference: what each wing exports, in groups, described by its docstrings (mkdocstrings reads them)."""

from importlib import import_module

WINGS = {
    "deploy": "Runs and checks; knows numpy, and never loads PyTorch.",
    "export": "From a run folder, or any spiking torch module, to files. Needs the extra `train`.",
    "ckd": "Trains. Needs the extra `train`.",
}
ROOMS = {
    "deploy.network": "What a network is: nodes, graph, shapes.",
    "deploy.grid": "The integers of a chip.",
    "deploy.grid.chips": "What each chip holds and costs.",
    "deploy.runners.integer": "The integer simulator, one frame at a time too.",
    "ckd.events": "Recordings, and how they become frames. Needs numpy alone.",
    "ckd.config": "Everything that decides a run.",
}
"""Rooms whose exported names are of use from outside."""


def api_pages() -> dict[str, str]:
    """Every page of the reference by its path."""
    return {f"api/{name}.md": _page(name, about) for name, about in (WINGS | ROOMS).items()}


def _page(module: str, about: str) -> str:
    """A module's exported names one by one, classes last."""
    found = import_module(module)
    exported = getattr(found, "__all__", None)
    order = sorted(exported or (), key=lambda name: isinstance(getattr(found, name), type))
    names = [module] if exported is None else [f"{module}.{name}" for name in order]
    parts = [f"# {module}", about, *(f"::: {name}" for name in names)]
    return "\n\n".join(parts) + "\n"
