"""The house: what each wing and each room may know. Every import counts, also one inside a function."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WINGS = ("ckd", "deploy", "export")
FORBIDDEN = {
    "ckd": ("deploy", "export"),
    "deploy": ("export", "torch", "snntorch", "lightning_fabric", "lightning"),
    "export": (),
}
ROOMS = {
    "ckd": ("errors", "files", "console", "config", "events", "data", "models", "runs", "method", "training"),
    "deploy": (
        *("errors", "extras", "hdf5", "zoo", "grid", "network", "passes", "traces", "formats", "runners", "mapping"),
        *("quantization", "checking", "report", "commands"),
    ),
}
"""A room imports only from rooms to its left. What stands here no more is a command, to the right of all rooms."""
COMMANDS = {
    "ckd": {"entry", "train", "evaluate", "inspect", "compare", "pareto", "download", "plot", "pytest_plugin"},
    "deploy": {"entry", "cli", "plot", "pytest_checks", "pytest_plugin"},
}


def files() -> dict[str, Path]:
    """Every module of the three wings by its dotted name; a package by its own."""
    found = {}
    for wing in WINGS:
        for path in sorted((ROOT / wing).rglob("*.py")):
            if "workers" not in path.parts:  # scripts for another Python
                parts = path.relative_to(ROOT).with_suffix("").parts
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


FILES = files()


def imports(module: str) -> Iterator[tuple[str, str]]:
    """(module, name) of every import, wherever it stands; the name is "" where a module is imported as a whole.

    Imports for the type checker alone count too: a reader follows them.
    """
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module}: imports are absolute here"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (whole, "") if whole in FILES else (node.module, alias.name)


def uses(module: str) -> set[str]:
    """The modules of this house that one imports."""
    return {found for found, _ in imports(module) if found in FILES and found != module}


def room(module: str) -> str:
    return [*module.split("."), ""][1]


def test_a_wing_imports_only_what_it_may() -> None:
    for module in FILES:
        wing = module.split(".")[0]
        roots = {found.split(".")[0] for found, _ in imports(module)}
        assert not roots & set(FORBIDDEN[wing]), f"{module} imports {roots & set(FORBIDDEN[wing])}"


def test_nobody_imports_export() -> None:
    others = [module for module in FILES if not module.startswith("export")]
    assert not [module for module in others if any(used.startswith("export") for used in uses(module))]


def test_deploy_enters_two_rooms_of_ckd() -> None:
    for module in FILES:
        if module.startswith("deploy"):
            known = {found for found, _ in imports(module) if found.split(".")[0] == "ckd"}
            assert known <= {"ckd.events", "ckd.files"}, f"{module} imports {known}"


def test_every_file_has_a_room() -> None:
    for wing, rooms in ROOMS.items():
        found = {room(module) for module in FILES if module.split(".")[0] == wing} - {""}
        assert found == {*rooms, *COMMANDS[wing]}


@pytest.mark.parametrize("wing", sorted(ROOMS))
def test_a_room_imports_only_from_rooms_to_its_left(wing: str) -> None:
    rank = {name: place for place, name in enumerate(ROOMS[wing])}
    for module in FILES:
        if module.split(".")[0] != wing or room(module) not in rank:
            continue
        for used in uses(module):
            if used.split(".")[0] == wing:
                assert room(used) in rank, f"{module} imports the command {used}"
                assert rank[room(used)] <= rank[room(module)], f"{module} imports {used}, to its right"


def test_no_file_is_in_a_circle() -> None:
    graph = {module: uses(module) for module in FILES}
    while True:
        free = {module for module, used in graph.items() if not used & graph.keys()}
        if not free:
            break
        graph = {module: used for module, used in graph.items() if module not in free}
    assert not graph, f"these import each other, or what does: {sorted(graph)}"


def test_nothing_private_crosses_a_folder() -> None:
    for module in FILES:
        for found, name in imports(module):
            if found.split(".")[0] in WINGS:
                private = [part for part in (*found.split("."), name) if part.startswith("_") and part != "__version__"]
                assert not private, f"{module} imports {found} {name}"


def exported(path: Path) -> set[str]:
    """The names in the `__all__` of a file."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return set(ast.literal_eval(node.value))
    return set()


def test_a_name_that_a_package_exports_hides_no_module() -> None:
    packages = {module: path for module, path in FILES.items() if path.name == "__init__.py"}
    for module, path in packages.items():
        hidden = {name for name in exported(path) if f"{module}.{name}" in FILES}
        assert not hidden, f"{module} exports {hidden}, the names of modules in it"


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_deploy_never_loads_torch() -> None:
    names = "', '".join(module for module in FILES if module.startswith("deploy"))
    code = f"""
import sys
from importlib import import_module
for name in ['{names}']:
    import_module(name)
print(sorted(module for module in sys.modules if module.split('.')[0] == 'torch'))
"""
    assert run_python(code) == "[]"


@pytest.mark.parametrize("wing", WINGS)
def test_importing_a_wing_is_light(wing: str) -> None:
    heavy = "('torch', 'numpy', 'numba', 'nir', 'h5py', 'rich', 'tyro')"
    assert run_python(f"import sys, {wing}; print(sorted(m for m in sys.modules if m in {heavy}))") == "[]"


@pytest.mark.parametrize("wing", WINGS)
def test_importing_a_wing_sets_no_environment_variable(wing: str) -> None:
    assert (
        run_python(f"import os; before = dict(os.environ); import {wing}; print(before == dict(os.environ))") == "True"
    )


@pytest.mark.parametrize("wing", WINGS)
def test_everything_that_a_wing_lists_is_there(wing: str) -> None:
    code = f"import {wing}; print([name for name in {wing}.__all__ if getattr({wing}, name, None) is None])"
    assert run_python(code) == "[]"
