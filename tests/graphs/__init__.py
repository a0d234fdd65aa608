"""One generator of random graphs: its shape is drawn once, its numbers on the grid, in floats, or as NIR nodes."""
