"""Comparison of two sides: their notation, environments and revisions, and the measurement."""
