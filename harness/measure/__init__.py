"""Measurement: paired experiments, instruction and allocation counts, and their statistics."""
