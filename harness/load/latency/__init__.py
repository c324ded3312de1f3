"""Durations of lines: histograms, percentiles that are supported, and the run over time."""
