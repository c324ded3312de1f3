"""Says whether a kept run records slower than the runs before it."""
