"""docs/performance.md shows the measurements that are kept."""

from pathlib import Path

from benchmarks.training import SHAPES
from benchmarks.training_table import read, table


def test_docs_show_what_was_measured() -> None:
    lines = read()
    shown = table(lines)
    assert shown in (Path(__file__).parents[2] / "docs" / "performance.md").read_text(), f"docs show another:\n{shown}"
    assert {line["network"] for line in lines} == set(SHAPES)


def test_the_last_line_of_a_network_and_rate_counts() -> None:
    first, second = (
        {"network": "small", "rate": 0.1} | {k: {"ReLU": {"ratio": 1}, "ckd": {"ratio": r}} for k in kinds}
        for r, kinds in ((0.5, ("training", "inference")), (0.25, ("training", "inference")))
    )
    rows = table([first, second]).splitlines()
    assert rows[0] == "| network | spikes |  | ckd |"
    assert rows[2:] == [
        "| 32-AP-64-AP-128-AP, 34 x 34, batch 32 | 10% | training | 0.25 |",
        "| 32-AP-64-AP-128-AP, 34 x 34, batch 32 | 10% | inference | 0.25 |",
    ]
