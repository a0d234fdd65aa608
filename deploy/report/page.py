"""One self-contained HTML page about a check: no file beside it, no network, readable in twenty years."""

import json
from importlib.resources import files
from pathlib import Path

from ckd.files import fill, write_then_rename
from deploy.checking.check import Checked
from deploy.extras import require
from deploy.mapping.layout import Mapping
from deploy.report.content import content


def write_report(checked: Checked, path: Path, *, mapping: Mapping | None = None, name: str = "model") -> None:
    """Write the page.

    Args:
        checked: what the check found.
        path: the .html file.
        mapping: where the network lies on a chip; None leaves that part out.
        name: what the model is called.

    Raises:
        RunnerError: jinja2 is not installed.
    """
    jinja2 = require("jinja2", extra="report", use="a report needs")
    here = files("deploy.report")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    values = content(checked, mapping, name)
    # "<" must not end the script element early, whatever a layer is called.
    data = json.dumps(values["rasters"]).replace("<", "\\u003c")
    page = environment.from_string((here / "page.html").read_text()).render(
        **values, style=(here / "style.css").read_text(), script=(here / "script.js").read_text(), data=data
    )
    with write_then_rename(Path(path)) as temporary:
        fill(temporary, page.encode())
