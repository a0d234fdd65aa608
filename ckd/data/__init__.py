"""What a run sees: recordings and stills, read, filmed, split and kept."""
