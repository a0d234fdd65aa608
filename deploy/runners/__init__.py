"""Runners: each turns (network, frames) into a `Trace`."""
