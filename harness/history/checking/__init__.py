"""The decision of `harness check`: whether a stored run records slower than the runs before it."""
