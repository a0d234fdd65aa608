"""The float runner: any float network in float32, forward Euler as NIR's equations stand, layer-synchronous."""

from deploy.runners.floating.simulator import run

__all__ = ["run"]
