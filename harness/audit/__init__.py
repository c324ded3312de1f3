"""Compares what was sent with what was exposed and stored, and names each difference."""
