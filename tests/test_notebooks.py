"""The notebooks run from their first cell to their last, and what they show is what they were kept with."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[1] / "examples" / "12_notebooks"
MOST_BYTES = 100_000
"""Of a notebook with its outputs."""


def execute(name: str, folder: Path) -> list[dict[str, Any]]:
    """The cells of code of a fresh run in `folder`."""
    fresh = folder / name
    fresh.write_bytes((NOTEBOOKS / name).read_bytes())
    environment = {
        **os.environ,
        "PYTHONPATH": str(NOTEBOOKS.parents[1]),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    command = [sys.executable, "-m", "jupyter", "execute", "--inplace", "--kernel_name=python3", name]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return cells_of(fresh)


def cells_of(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def shown(cell: dict[str, Any]) -> list[str]:
    """The text of a cell's outputs; of a picture that it is one."""
    texts = []
    for output in cell["outputs"]:
        assert output["output_type"] in ("stream", "execute_result", "display_data"), output
        assert output.get("name") != "stderr", output["text"]
        data = output.get("data", {})
        texts.append("picture" if "image/png" in data else "".join(output.get("text") or data["text/plain"]))
    return texts


def test_a_foreign_network_shows_what_was_kept(tmp_path: Path) -> None:
    """Numbers of numpy with a seed: the text is the same to the letter."""
    kept = [shown(cell) for cell in cells_of(NOTEBOOKS / "foreign_network.ipynb")]
    assert [shown(cell) for cell in execute("foreign_network.ipynb", tmp_path)] == kept
    assert sum(texts == ["picture"] for texts in kept) == 2 and "EQUAL: 0 of 11,770" in kept[-1][0]


def test_train_and_check_trains_and_finds_the_fault(tmp_path: Path) -> None:
    """Training may come out otherwise on another processor, so figures are not compared, only what they must say."""
    kept = [shown(cell) for cell in cells_of(NOTEBOOKS / "train_and_check.ipynb")]
    for found in (kept, [shown(cell) for cell in execute("train_and_check.ipynb", tmp_path)]):
        assert [len(texts) for texts in found] == [len(texts) for texts in kept]
        assert sum("picture" in texts for texts in found) == 5
        text = "\n".join(text for texts in found for text in texts)
        assert float(text.partition("accuracy on test recordings: ")[2].partition("%")[0]) > 50
        assert "<Verdict EQUAL: 0 of " in text and "<Verdict DIFFERENT: " in text
        assert "lif2: dv is 2088 instead of 2048 (off by +40)" in text


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_small_runs_in_order_and_names_no_machine(path: Path) -> None:
    text = path.read_text()
    assert len(text) < MOST_BYTES and "/tmp" not in text and "/home" not in text
    cells = cells_of(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
