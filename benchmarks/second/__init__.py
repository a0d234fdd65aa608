"""A second list of faults, drawn up from the errata of other tools before the checker's own hypotheses were read."""
