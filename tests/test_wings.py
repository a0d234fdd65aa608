"""What each wing may know: ckd neither of the others; deploy only ckd.events, and never torch; export both."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "ckd": ("deploy", "export"),
    "deploy": ("export", "torch", "snntorch", "lightning_fabric", "lightning"),
}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("wing", sorted(FORBIDDEN))
def test_a_wing_imports_only_what_it_may(wing: str) -> None:
    files = sorted((ROOT / wing).rglob("*.py"))
    assert files
    for path in files:
        roots = {name.split(".")[0] for name in _imports(path)}
        assert not roots & set(FORBIDDEN[wing]), f"{path} imports {roots & set(FORBIDDEN[wing])}"


def test_deploy_knows_nothing_of_ckd_but_its_events() -> None:
    for path in (ROOT / "deploy").rglob("*.py"):
        known = {name for name in _imports(path) if name.split(".")[0] == "ckd"}
        assert all(name.startswith(("ckd.events", "ckd.files")) or name == "ckd" for name in known), (
            f"{path} imports {known}"
        )


def test_importing_deploy_never_loads_torch() -> None:
    code = "import deploy, deploy.cli, sys; print(sorted(m for m in sys.modules if m.split('.')[0] == 'torch'))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_importing_ckd_alone_is_light() -> None:
    code = "import ckd, sys; print(sorted(m for m in sys.modules if m in ('torch', 'numpy', 'numba')))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
