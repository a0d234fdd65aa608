"""Code of a user's own is found by its name, called with what it asks for, and runs only where it was named."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from ckd.config import load_preset
from ckd.config.factories import make_by_name
from ckd.errors import ConfigError
from tests.ckd.outside import Write, write

__all__ = ["write"]

make = partial(make_by_name, option="--student", offered={"classes": 3, "time_steps": 5})


def test_a_factory_gets_those_arguments_that_it_has_parameters_for(write: Write) -> None:
    name = write("""
        import functools
        def all_of_them(classes, time_steps): return "all", classes, time_steps
        def one(classes, width=8): return "one", classes, width
        def none(): return "none",
        class Kind:
            def __init__(self, *, time_steps): self.time_steps = time_steps
        half = functools.partial(one, width=4)
    """)
    assert make(f"{name}:all_of_them") == ("all", 3, 5)
    assert make(f"{name}:one") == ("one", 3, 8) and make(f"{name}:half") == ("one", 3, 4)
    assert make(f"{name}:none") == ("none",) and make(f"{name}:Kind").time_steps == 5


def test_a_module_in_a_package_is_found_too(write: Write) -> None:
    package = Path(f"{write('')}s")
    package.mkdir()
    (package / "models.py").write_text("def make(): return 7")
    assert make(f"{package}.models:make") == 7


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("absent_module:make", "there is no module absent_module; it must be installed, or lie in the current folder"),
        ("MINE.deeper:make", "there is no module MINE.deeper"),
        ("MINE:absent", "has no 'absent'"),
        ("MINE:number", "is a int; name a function or a class"),
        ("MINE:wants", "needs an argument 'depth', but gets classes and time_steps"),
        ("MINE:fails", "raised ZeroDivisionError: division by zero at MINE.py:3"),
        ("MINE:leaves", "raised SystemExit: 3 at MINE.py:5"),
        ("MINE:", "expected PACKAGE.MODULE:FACTORY"),
        (":make", "expected PACKAGE.MODULE:FACTORY"),
        ("a/b.py:make", "expected PACKAGE.MODULE:FACTORY"),
    ],
)
def test_a_factory_that_cannot_be_called_is_said_with_the_reason(factory: str, said: str, write: Write) -> None:
    name = write("""
        def fails():
            return 1 / 0
        def leaves():
            raise SystemExit(3)
        def wants(classes, depth): ...
        number = 3
    """)
    with pytest.raises(ConfigError) as caught:
        make(factory.replace("MINE", name))
    assert str(caught.value).startswith("--student") and said.replace("MINE", name) in str(caught.value)


def test_a_module_that_fails_while_it_is_imported_is_said_with_the_place(write: Write) -> None:
    name = write("x = 1\nimport absent_library")
    with pytest.raises(ConfigError, match=f"importing {name} raised .*'absent_library' at {name}.py:2"):
        make(f"{name}:make")


@pytest.mark.parametrize(("option", "found"), [([], True), (["-P"], False)])
def test_a_script_finds_the_current_folder_where_python_may_look_there(
    option: list[str], found: bool, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "outside.py").write_text("def make(): return 'made'")
    script = tmp_path / "script.py"  # whose own folder is searched, as a command's is
    script.write_text(
        "from ckd.config.factories import make_by_name\nprint(make_by_name('outside:make', '--student', {}))"
    )
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, *option, str(script)], cwd=tmp_path / "here", capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": root}, check=False,
    )  # fmt: skip
    assert (done.stdout == "made\n") == found and ("no module outside" in done.stderr) != found


def test_a_preset_file_runs_no_code_that_was_not_named(write: Write) -> None:
    name = write("open('ran', 'w').close()")
    Path("mine.yaml").write_text(f"student: {{student: '{name}:make'}}")
    with pytest.raises(ConfigError, match=f"names {name}:make, code that is no part of ckd .* --student {name}:make"):
        load_preset("mine.yaml")
    assert load_preset("mine.yaml", factories=[f"{name}:make"]).student.student == f"{name}:make"
    assert not Path("ran").exists()
