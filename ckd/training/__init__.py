"""The loop, and all that a run does around it."""
