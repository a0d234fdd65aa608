"""`import export` is light and changes nothing; PyTorch comes with what needs it."""

import os
import pkgutil
import resource
import subprocess
import sys

import export
from export.formats import FORMATS
from export.plan import CHIP_NAMES


def _python(code: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout.strip()


HELP = """
import sys
from export.cli import main
try:
    main(["--help"])
except SystemExit:
    print()
print("torch" in sys.modules)
"""


FIRST_TORCH = """
import os, sys

class Noting:
    seen = []

    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            self.seen.append(os.environ.get("OMP_WAIT_POLICY"))

sys.meta_path.insert(0, Noting())
from export.cli import main
main(["nowhere"])
print(Noting.seen)
"""


def test_importing_export_loads_neither_torch_nor_numpy() -> None:
    code = "import export, sys; print([m for m in ('torch', 'numpy', 'tyro') if m in sys.modules])"
    assert _python(code) == "[]"


def test_the_help_of_the_command_starts_without_torch() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = _python(HELP)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert f"--chip {{{','.join(CHIP_NAMES)}}}" in said and f"--to {{{','.join(FORMATS)}}}" in said
    assert said.splitlines()[-1] == "False"
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_importing_sets_no_environment_variable() -> None:
    code = "import os; before = dict(os.environ); import export, export.cli; print(before == os.environ)"
    assert _python(code) == "True"


def test_how_threads_wait_is_left_to_who_uses_the_library() -> None:
    code = "import os, sys, export; export.export; print('torch' in sys.modules, os.environ.get('OMP_WAIT_POLICY'))"
    assert _python(code) == "True None"


def test_the_command_lets_waiting_threads_sleep_before_torch_reads_that() -> None:
    assert _python(FIRST_TORCH) == "['passive']"


def test_every_name_is_there_and_hides_no_module() -> None:
    assert all(getattr(export, name).__name__ == name for name in export.__all__)
    assert set(export.__all__) <= set(dir(export))
    assert not set(export.__all__) & {module.name for module in pkgutil.iter_modules(export.__path__)}
