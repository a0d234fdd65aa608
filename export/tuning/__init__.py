"""Training on the grid: a run's student with its teacher, or any network by the labels of recordings."""
