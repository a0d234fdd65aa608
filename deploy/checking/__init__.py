"""Is it what was trained? And if not, why not."""
