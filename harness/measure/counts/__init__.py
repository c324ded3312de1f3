"""Counts of instructions and of allocated bytes per line."""
