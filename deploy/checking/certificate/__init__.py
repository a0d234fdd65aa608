"""A certificate: what was compared, with what result, and what holds for every input; made again to be verified."""
