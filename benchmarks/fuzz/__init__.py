"""Inputs made at random for everything that reads something from outside; see `benchmarks.fuzz.__main__`."""
