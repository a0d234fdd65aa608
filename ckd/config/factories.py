"""Code of one's own that a configuration names, PACKAGE.MODULE:FACTORY: imported where a user asked for it by name.

To import a factory is to run its code. So what a file says (a run folder, a preset of one's own) never suffices:
whoever reads it must name the factory too.
"""

import functools
import importlib
import importlib.util
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ckd.errors import ConfigError

WINGS = [Path(__file__).parents[2] / wing for wing in ("ckd", "deploy", "export")]


def is_factory(name: str) -> bool:
    """Whether a student or data set is named by PACKAGE.MODULE:FACTORY, and so is code of the user's own."""
    return ":" in name


def make_by_name(name: str, option: str, offered: dict[str, Any]) -> Any:
    """What a factory returns that is called with those of the `offered` arguments that it has parameters for.

    Where its package is installed nowhere, it is looked for in the current folder.

    Args:
        name: PACKAGE.MODULE:FACTORY.
        option: the option that names it, for messages.
        offered: keyword arguments.

    Raises:
        ConfigError: it cannot be imported, wants other arguments, or raises.
    """
    what = f"{option} {name}"
    factory = _imported(name, what)
    wanted = _parameters(factory)
    needed = [parameter for parameter, needs in wanted.items() if needs and parameter not in offered]
    if needed:
        raise ConfigError(
            f"{what}: needs an argument {needed[0]!r}, but gets {' and '.join(offered) or 'none'}; give it a default"
        )
    try:
        return factory(**{key: value for key, value in offered.items() if key in wanted})
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{what}: raised {told(error)}") from None


def parameters_of(name: str, option: str) -> dict[str, bool]:
    """The parameters of a factory, and whether each must be given. Raises ConfigError where it cannot be imported."""
    return _parameters(_imported(name, f"{option} {name}"))


def told(error: BaseException) -> str:
    """An exception of other people's code on one line, with the innermost line of it that is the user's own."""
    message = " ".join(str(error).split())
    message = message if len(message) <= 200 else f"{message[:200].rpartition(' ')[0]} ..."
    theirs = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
    place = f" at {Path(theirs[-1].filename).name}:{theirs[-1].lineno}" if theirs else ""
    return f"{type(error).__name__}{f': {message}' if message else ''}{place}"


def _is_theirs(file: str) -> bool:
    """Whether code was written by the user: it lies in a file that is not installed, and not one of this package."""
    path = Path(file)
    installed = "site-packages" in path.parts or path.is_relative_to(sysconfig.get_path("stdlib"))
    return not (file.startswith("<") or installed or any(path.is_relative_to(wing) for wing in WINGS))


def _imported(name: str, what: str) -> Callable[..., Any]:
    module_name, _, attribute = name.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
        raise ConfigError(f"{what}: expected PACKAGE.MODULE:FACTORY, for example my_package.models:make")
    if module_name.endswith(".py"):
        raise ConfigError(
            f"{what}: names a file; give PACKAGE.MODULE:FACTORY, here {module_name.removesuffix('.py')}:{attribute}"
        )
    importlib.invalidate_caches()
    here = str(Path.cwd())
    try:
        # Last of all places, and not where the user told Python to keep away from it (python -P).
        if importlib.util.find_spec(module_name.split(".")[0]) is None and not sys.flags.safe_path:
            sys.path.append(here)
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{module_name}.".startswith(f"{missing}."):
            raise ConfigError(
                f"{what}: there is no module {missing}; it must be installed, or lie in the current folder ({here})"
            ) from None
        raise ConfigError(f"{what}: importing {module_name} raised {told(error)}") from None
    if not hasattr(module, attribute):
        raise ConfigError(f"{what}: the module {module_name} has no {attribute!r} ({module.__file__})")
    factory = getattr(module, attribute)
    if not (inspect.isroutine(factory) or inspect.isclass(factory) or isinstance(factory, functools.partial)):
        raise ConfigError(f"{what}: is a {type(factory).__name__}; name a function or a class that makes it")
    return factory


def _parameters(factory: Callable[..., Any]) -> dict[str, bool]:
    """The parameters of a factory that can be given by name, and whether each must be given."""
    try:
        found = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # one written in C
        return {}
    various = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {each.name: each.default is each.empty for each in found if each.kind not in various}
