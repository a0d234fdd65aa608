"""Copies of a trained student, each with one mistake that real tools make, as faulty/NAME.nir."""

from dataclasses import replace
from pathlib import Path

import numpy as np

import deploy
from deploy.network import Conv, Dense, GridNeuron

OUT = Path("faulty")


def main() -> None:
    """Plant the faults, one a file."""
    network = deploy.load("zoo:nmnist")
    assert isinstance(network, deploy.Network)
    conv2, lif3, classifier = (network.nodes[name] for name in ("conv2", "lif3", "classifier"))
    assert isinstance(conv2, Conv) and isinstance(lif3, GridNeuron) and isinstance(classifier, Dense)
    order = np.arange(classifier.weight.shape[1]).reshape(128, 8, 8).transpose(1, 2, 0).ravel()
    faults = {
        "flipped_kernel": ("conv2", replace(conv2, weight=conv2.weight[:, :, ::-1, ::-1])),
        "decay_off_by_one": ("lif3", replace(lif3, dv=lif3.dv + 1)),
        "flatten_order": ("classifier", replace(classifier, weight=classifier.weight[:, order])),
    }
    OUT.mkdir(exist_ok=True)
    for fault, (name, node) in faults.items():
        deploy.save(network.replace(nodes={**network.nodes, name: node}), OUT / f"{fault}.nir")
        print(f"wrote {OUT / fault}.nir")


if __name__ == "__main__":
    main()
