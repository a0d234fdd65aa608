"""Where a network would lie on a chip: cores, memory, axons, and what it costs to run."""
