"""Accuracy against synaptic operations: the embedded digits without a budget and with two.

python frontier.py --iterations 120
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import ckd
import deploy
import export
from ckd.config import load_preset

BUDGETS = {"none": None, "2 million": 2e6, "0.7 million": 7e5}
"""Synaptic operations a recording."""


def trained(name: str, budget: float | None, iterations: int) -> Path:
    """The run of this budget, trained where it is not there yet."""
    run = Path("runs") / name.replace(" ", "-")
    if not (run / "summary.json").is_file():
        config = load_preset("digits")
        config = replace(
            config,
            method=replace(config.method, synaptic_operations=budget, baseline=False),
            training=replace(config.training, iterations=iterations),
        )
        ckd.train_run(config, run, overwrite=True)  # what an interrupted call left is trained anew
    return run


def costs(run: Path) -> dict[str, float]:
    """What the run's student has and spends on the grid, on its test recordings."""
    exported = export.export(export.Plan(run=run))
    network, trace = deploy.load(exported.model), deploy.load_trace(exported.trace)
    assert isinstance(network, deploy.Network)
    estimate = deploy.map_network(network, chip="loihi2", trace=trace).estimate
    assert estimate is not None
    return {
        "accuracy": exported.accuracy,
        "synaptic_operations": sum(estimate.activity.synaptic_operations.values()),
        "energy_uj": estimate.energy * 1e6,
    }


def main() -> None:
    """Train or find the runs, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=600)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    rows = {name: costs(trained(name, budget, chosen.iterations)) for name, budget in BUDGETS.items()}
    if chosen.json:
        print(json.dumps(rows))
        return
    print(f"{'budget':<12} {'accuracy':>8} {'operations':>12} {'energy':>9}")
    for name, row in rows.items():
        print(f"{name:<12} {row['accuracy']:>8.1%} {row['synaptic_operations']:>12,.0f} {row['energy_uj']:>6,.0f} uJ")


if __name__ == "__main__":
    main()
